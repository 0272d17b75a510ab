#!/bin/bash
# transport_reality_in.sh: the REALITY server: culvert as client is known, strangers
# meet the target
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
PY=$(dirname "$0")/reality_in.py
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e V=xtls-rprx-vision
command -v nginx >/dev/null || skip "no nginx"
net_up
mkdir -p "/etc/netns/$G" && echo "10.2.0.3 hidden.test" >"/etc/netns/$G/hosts"
make_ca
serve echo tcp-serve 5001 echo
serve uecho udp-serve 5006 echo
make_www
site 8444
site 8445 -tls1_2
site 9444 # targets: OpenSSL itself,
site 9445 -tls1_2
site 9446 -groups P-256 # which asks for another hello
nginx_up <<END
	listen 10.2.0.3:9447 ssl http2 proxy_protocol;
	client_header_timeout 8s;
	ssl_protocols TLSv1.2 TLSv1.3;
	root $TMP/www;
	location /who { return 200 "\$proxy_protocol_addr\n"; }
END
read -r _ private _ _ public < <("$CULVERT" x25519 | tr '\n' ' ')
read -r _ _ _ _ other < <("$CULVERT" x25519 | tr '\n' ' ')
eq "the public key of a private one" "$("$CULVERT" x25519 -i "$private" | tail -n 1)" "Password (PublicKey): $public"
bad "a key too short" "$CULVERT" x25519 -i AAAA

hidden() { # TARGET [MORE]
	echo "\"security\": \"reality\", \"realitySettings\": { \"target\": \"$1\", \"serverNames\": [ \"tls.test\" ],
		\"privateKey\": \"$private\", \"shortIds\": [ \"1234abcd\", \"\" ] ${2:-} }"
}
knows() { # [PUBLIC] [SHORTID] [NAME] [MORE]
	echo "\"security\": \"reality\", \"realitySettings\": { \"serverName\": \"${3:-tls.test}\",
		\"publicKey\": \"${1:-$public}\", \"shortId\": \"${2-1234abcd}\" ${4:-} }"
}
xhttp='"network": "xhttp", "xhttpSettings": { "path": "/x" },'
grpc='"network": "grpc", "grpcSettings": { "serviceName": "g" },'
behind() { # PORT PROTOCOL STREAM [FLOW]
	local who="\"clients\": [ { \"password\": \"$ID\" } ]"
	[ "$2" = trojan ] || who="\"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\", \"flow\": \"${4:-}\" } ]"
	echo "{ \"tag\": \"in$1\", \"port\": $1, \"protocol\": \"$2\", \"settings\": { $who }, \"streamSettings\": { $3 } }"
}
vless() { # PORT TAG STREAM [FLOW]
	echo "{ \"tag\": \"$2\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ { \"address\": \"10.2.0.1\", \"port\": $1,
		\"users\": [ { \"id\": \"$ID\", \"encryption\": \"none\", \"flow\": \"${4:-}\" } ] } ] }, \"streamSettings\": { $3 } }"
}
trojan() { # PORT TAG STREAM
	echo "{ \"tag\": \"$2\", \"protocol\": \"trojan\", \"settings\": { \"servers\": [ { \"address\": \"10.2.0.1\", \"port\": $1,
		\"password\": \"$ID\" } ] }, \"streamSettings\": { $3 } }"
}
at() { # PORT TAG [TARGETPORT]
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": ${3:-5001}, \"network\": \"tcp,udp\" } }"
}
T=10.2.0.3:9443
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "handshake": 4, "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "$(at 7001 raw)" "$(at 7002 vision)" "$(at 7003 trojan)" "$(at 7004 grpc)" "$(at 7005 v13 8444)" \
	"$(at 7006 v12 8445)" "$(at 7007 udp 5006)" "$(at 7008 grpct)" "$(at 7009 openssl)" "$(at 7010 noid)" \
	"$(at 7011 key)" "$(at 7012 id)" "$(at 7013 name)" "$(at 7014 clock)" "$(at 7015 old)" "$(at 7016 tls12)" \
	"$(at 7017 retry)" "$(at 7018 dead)" "$(at 7019 tapped)" "$(at 7020 xhttp)" "$(at 7021 other)" "$(at 7022 cut)"),
	$(join "$(behind 8001 vless "$(hidden $T)")" "$(behind 8002 vless "$(hidden $T)" $V)" "$(behind 8003 trojan "$(hidden $T ", \"masterKeyLog\": \"$TMP/in.keys\"")")" \
	"$(behind 8004 vless "$grpc $(hidden $T)")" "$(behind 8005 trojan "$grpc $(hidden $T)")" "$(behind 8006 vless "$(hidden hidden.test:9444)")" \
	"$(behind 8007 vless "$(hidden $T ', "maxTimeDiff": 1')")" "$(behind 8008 vless "$(hidden $T ', "minClientVer": "26.9.10"')")" \
	"$(behind 8009 vless "$(hidden 10.2.0.3:9445)")" "$(behind 8010 vless "$(hidden 10.2.0.3:9446)")" "$(behind 8011 vless "$(hidden 10.2.0.3:9499)")" \
	"$(behind 8012 vless "$(hidden 10.2.0.3:9447 ', "xver": 2')")" \
	"$(behind 8014 vless "$xhttp $(hidden $T)")" "$(behind 8015 trojan "$(hidden $T)" | sed "s/\"settings\": {/& \"fallbacks\": [ { \"dest\": 9 }, { \"name\": \"tls.test\", \"dest\": \"10.3.0.1:5001\" } ],/")" \
	"$(behind 8013 vless "$(hidden $T ', "limitFallbackDownload": { "afterBytes": 1000000, "bytesPerSec": 2000000 }')")") ],
  "routing": { "rules": [ $(to raw trojan grpc grpct openssl noid key id name clock old tls12 retry dead tapped xhttp cut),
	{ "inboundTag": [ "other" ], "outboundTag": "wrap" },
	{ "inboundTag": [ "vision", "v13", "v12", "udp" ], "outboundTag": "v" } ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } },
	$(join "$(vless 8001 raw "$(knows)")" "$(vless 8002 v "$(knows)" $V)" "$(trojan 8003 trojan "$(knows "$public" 1234abcd tls.test ", \"masterKeyLog\": \"$TMP/out.keys\"")")" \
	"$(vless 8004 grpc "$grpc $(knows)")" "$(trojan 8005 grpct "$grpc $(knows)")" "$(vless 8006 openssl "$(knows)")" \
	"$(vless 8001 noid "$(knows "$public" "")")" "$(vless 8001 key "$(knows "$other")")" "$(vless 8001 id "$(knows "$public" 1234)")" \
	"$(vless 8001 name "$(knows "$public" 1234abcd not.test)")" "$(vless 8007 clock "$(knows)")" "$(vless 8008 old "$(knows)")" \
	"$(vless 8014 xhttp "$xhttp $(knows)")" "$(wrap_out wrap 10.2.0.1:8015 "{ $(knows) }")" "$(vless 8009 tls12 "$(knows)")" "$(vless 8010 retry "$(knows)")" "$(vless 8011 dead "$(knows)")") ,
	$(vless 8001 cut "$(knows), \"sockopt\": { \"dialerProxy\": \"pieces\" }"),
	{ "tag": "pieces", "protocol": "freedom", "settings": { "fragment": { "packets": "tlshello", "length": "20-40", "interval": "0" } } },
	$(vless 8001 tapped "$(knows)" | sed 's/"10.2.0.1", "port": 8001/"10.2.0.2", "port": 9500/') ]
}
END
bg "$C" slow python3 "$PY" slow 10.1.0.1:8001
bg "$S" tap python3 "$PY" tap 9500 10.2.0.1:8001 "$TMP/hello"
bg "$S" tap2 python3 "$PY" tap 9501 10.2.0.3:9443 "$TMP/hello2"
wait_log tap2 ready
G4=10.1.0.1

# --- who is known
# the first of each waits a second for what the target says: all at once
for p in 7001 7002 7003 7004 7008 7009 7010 7020 7021 7022; do
	bg "$C" "first$p" "$NT" tcp $G4 $p -n 1 -t 20
done
all_said first
transfers "VLESS" $G4 7001
transfers "VLESS, v6" fd01::1 7001
transfers "Vision" $G4 7002
transfers "Trojan" $G4 7003
le "secrets are written" 8 "$(wc -l <"$TMP/in.keys")"
eq "by both ends the same" "$(sort "$TMP/in.keys")" "$(sort "$TMP/out.keys")"
eq "for their owner only" "$(stat -c %a "$TMP/in.keys" "$TMP/out.keys" | tr '\n' ' ')" "600 600 "
transfers "VLESS over gRPC" $G4 7004
transfers "Trojan over gRPC" $G4 7008
transfers "VLESS over XHTTP" $G4 7020
contains "no Trojan: the fallback of the name" "$(on "$C" "$NT" tcp $G4 7021 -n 1400)" "rx=$(sha 1400)"
transfers "the target is openssl" $G4 7009
transfers "no short id" $G4 7010
transfers "a hello in many records" $G4 7022
for n in 1 2 3; do fetch "Vision, TLS 1.3, $n" $G4 7005; done
fetch "Vision, TLS 1.2" $G4 7006
both_spliced() {
	[ "$(grep -cE ':8444 .*up [0-9]+ .splice. down 6[0-9]+ .splice.' "$TMP/culvert.log")" = 6 ]
}
wait_for 5 both_spliced || fail "not all of TLS 1.3 leaves the outer TLS, at client and server"
out=$(on "$C" "$NT" udp $G4 7007 -n 1,100,1400 -t 5)
contains "Vision, UDP" "$out" "ok=3 bad=0"

# --- who is not
turned_away() { # NAME PORT WHY
	refused "$1" $G4 "$2"
	wait_log culvert "is shown the target: $3"
	ASSERTS=$((ASSERTS + 1))
}
turned_away "another key" 7011 "its session id is not for us"
turned_away "another short id" 7012 "its short id"
turned_away "another name" 7013 "another server name"
turned_away "another clock" 7014 "its clock"
turned_away "another version" 7015 "its version"
turned_away "a target with TLS 1.2 only" 7016 "the target answers in another way"
turned_away "a target that wants another hello" 7017 "the target answers in another way"
refused "a target that is down" $G4 7018
wait_log culvert "the target cannot be reached: Connection refused"

www() { # PORT [OPTION...]: the page through the inbound
	on "$C" curl -sS --max-time 20 --cacert "$TMP/ca.pem" --resolve "tls.test:$1:$G4" "${@:2}" "https://tls.test:$1/${WHAT:-file}"
}
for v in http1.1 http2; do
	eq "$v: the target's page, by its certificate" "$(www 8001 --$v | sha256sum)" "$(sha256sum <"$TMP/www/file")"
done
eq "TLS 1.2" "$(www 8001 --tls-max 1.2 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
eq "P-256" "$(www 8001 --curves P-256 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
eq "behind gRPC, the same" "$(www 8004 --http2 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
eq "where the target has TLS 1.2 only" "$(www 8009 --http1.1 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
eq "where the target wants another hello" "$(www 8010 --http1.1 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
eq "the target is told who comes" "$(WHAT=who www 8012)" 10.1.0.2
t=$EPOCHREALTIME
eq "a limit" "$(www 8013 | sha256sum)" "$(sha256sum <"$TMP/www/file")"
t=$(((${EPOCHREALTIME/./} - ${t/./}) / 1000)) # 6 MB less 1 MB and a burst of 2
le "it holds" 1300 "$t"
le "and no more than that" "$t" $((4000 * SLOW))
matches "a relay is spliced" "$(<"$TMP/culvert.log")" 'reality: relayed up [0-9]+ .splice. down 6[0-9]+ .splice.: done'
out=$(on "$C" python3 "$PY" same 10.2.0.3:9443 10.1.0.1:8001)
lacks "each probe as at the target" "$out" DIFFERS
eq "probes" "$(grep -c ': same: ' <<<"$out")" 14

# --- what was overheard, said again
transfers "through a tap" $G4 7019
on "$S" sh -c 'sleep 1 | openssl s_client -connect 127.0.0.1:9501 -servername tls.test -alpn h2,http/1.1 -groups X25519 -ciphersuites TLS_AES_128_GCM_SHA256' >"$TMP/direct.log" 2>&1
wait_log tap "said "
wait_log tap2 "said "
direct=$(sed -n 's/^said //p' "$TMP/tap2.log")
known=$(sed -n 's/^said //p;T;q' "$TMP/tap.log")
# tickets and the settings of HTTP/2 included
eq "who listens sees records of the target's lengths" "${known:0:${#direct}}" "$direct"
matches "and some behind the handshake" "$direct" "23/53 23/[0-9]+ 23/[0-9]"
out=$(on "$C" python3 "$PY" replay 10.2.0.3:9443 10.1.0.1:8001 "$TMP/hello")
lacks "what is overheard and said again is answered as by the target" "$out" DIFFERS
eq "probes" "$(grep -c ': same: ' <<<"$out")" 14
matches "by a flight of ours" "$(<"$TMP/culvert.log")" "is shown the target: it does not finish the handshake"

wait "${PID[slow]}"
unset "PID[slow]"
matches "silence ends when the target says so" "$(<"$TMP/slow.log")" "silence: nothing (FIN|RST) after [789] s"
matches "drips, too" "$(<"$TMP/slow.log")" "drip: nothing (FIN|RST) after [789] s"
matches "not by our deadline" "$(<"$TMP/culvert.log")" "is shown the target: it has not shaken hands in time"
lacks "no key is logged" "$(cat "$TMP/culvert.log")" "$private"
kill -USR1 "${PID[culvert]}"
wait_log culvert "stats: sessions"
stop culvert
eq "ends well" "$RC" 0
pass
