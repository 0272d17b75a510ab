#!/bin/bash
# vless_ahead.sh: what Xray calls testpre (connections made ahead) and testseed (how much
# Vision pads), culvert at both ends
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e OTHER=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9f V=xtls-rprx-vision
net_up
make_ca
serve echo tcp-serve 5001 echo
SECRET=GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00
PUBLIC=$("$CULVERT" x25519 -i $SECRET | sed -n 's/^Pass.*: //p')
tls="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
checked="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"pinnedPeerCertSha256\": \"$(pin names)\" }"
# in both, users without a seed of their own have the shortest padding there is
vless_in() { # PORT DECRYPTION STREAM
	echo "{ \"listen\": \"10.2.0.3\", \"port\": $1, \"protocol\": \"vless\", \"settings\": { \"decryption\": \"$2\", \"flow\": \"$V\",
		\"testseed\": [ 0, 1, 0, 1 ], \"clients\": [ { \"id\": \"$ID\" }, { \"id\": \"$OTHER\", \"testseed\": [ 0, 1, 0, 8000 ] } ] },
		\"streamSettings\": { $3 } }"
}
vless_out() { # TAG PORT ENCRYPTION STREAM ID MORE
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"address\": \"10.2.0.3\", \"port\": $2, \"flow\": \"$V\",
		\"encryption\": \"$3\", \"id\": \"$5\", $6 }, \"streamSettings\": { $4 } }"
}
cat >"$TMP/server.json" <<-END
{ "inbounds": [ $(join "$(vless_in 8443 none "$tls")" "$(vless_in 8444 "mlkem768x25519plus.native.600s.100-35-35.0-0-0.$SECRET" '"network": "tcp"')") ],
  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8444
short='"testseed": [ 0, 1, 0, 1 ]' long='"testseed": [ 1, 1, 8000, 1 ]'
enc="mlkem768x25519plus.native.1rtt.100-35-35.0-0-0.$PUBLIC" raw='"network": "tcp"'
start_in <<END
{ "log": { "loglevel": "debug" }, "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "$(door 7001 ahead)" "$(door 7002 coded)" "$(door 7003 short)" "$(door 7004 long)" "$(door 7005 server)") ],
  "routing": { "rules": [ $(to ahead coded short long server) ] },
  "outbounds": [ $(join "$(vless_out ahead 8443 none "$checked" $ID '"testpre": 2')" "$(vless_out coded 8444 "$enc" "$raw" $ID '"testpre": 3')" \
	"$(vless_out short 8444 "$enc" "$raw" $ID "$short")" "$(vless_out long 8444 "$enc" "$raw" $ID "$long")" \
	"$(vless_out server 8444 "$enc" "$raw" $OTHER "$short")") ] }
END
# this host may have several threads, each with connections of its own
conns() { on "$S" ss -Htn state established "sport = :$1" | grep -c .; }
have() { [ "$(conns "$1")" -ge "$2" ]; }
taken() { grep -c "ahead: \[$1\] takes" "$TMP/culvert.log"; }
for w in ahead/7001/8443/2 coded/7002/8444/3; do
	IFS=/ read -r tag door port n <<<"$w"
	transfers "$tag" 10.1.0.1 "$door"
	wait_for 5 have "$port" "$n" || fail "$tag: $(conns "$port") connections made ahead"
	before=$(taken "$tag")
	for ((i = 0; i < 12; i++)); do
		flow "$C" 10.1.0.1 "$door" 10000
		sleep 0.1
	done
	le "$tag: some took what was made ahead" 4 "$(($(taken "$tag") - before))"
done

# the server starts anew: nobody is given a connection that is gone
wait_for 5 have 8443 2 || fail "no connections to lose"
stop server
wait_log culvert "ahead: [ahead] one ends unused"
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8444
for ((i = 0; i < 4; i++)); do flow "$C" 10.1.0.1 7001 1000; done

# bytes on the wire tell how much was padded
on "$S" nft -f - <<-'END'
	table inet t {
		counter up { }
		counter down { }
		chain i { type filter hook input priority 0; tcp dport 8444 counter name up; }
		chain o { type filter hook output priority 0; tcp sport 8444 counter name down; }
	}
END
counted() { on "$S" nft list counter inet t "$1" | sed -n 's/.*bytes \([0-9]*\).*/\1/p'; }
spent() { # up|down DOOR: bytes of four flows
	local i before
	before=$(counted "$1")
	for i in 1 2 3 4; do flow "$C" 10.1.0.1 "$2" 1 >&2; done
	echo $(($(counted "$1") - before))
}
up=$(spent up 7003)
flow "$C" 10.1.0.1 7004 1
down=$(spent down 7003)
le "a client pads as its testseed says" $((up + 7000)) "$(spent up 7004)"
le "a server pads as its user's testseed says" $((down + 600)) "$(spent down 7005)"
stop culvert
eq "ends well" "$RC" 0
pass
