#!/bin/bash
# transport_mldsa.sh: REALITY whose certificate is signed by ML-DSA-65, culvert at both
# ends and, with XRAY=/path/to/xray, that one at either
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e KEY=GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00
SEED=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
net_up
make_ca
serve echo tcp-serve 5001 echo
# what is signed has 3.5 kB: the target must show as much
san=DNS:tls.test
for ((i = 0; i < 150; i++)); do san+=,DNS:a-name-that-is-long-$i.wild.test; done
make_cert big "$san"
bg "$S" target openssl s_server -accept 9443 -cert "$TMP/big.crt" -key "$TMP/big.key" -quiet -www
bg "$S" small openssl s_server -accept 9444 -cert "$TMP/names.crt" -key "$TMP/names.key" -quiet -www
wait_port "$S" tcp 9443
wait_port "$S" tcp 9444
PUBLIC=$("$CULVERT" x25519 -i $KEY | sed -n 's/^Pass.*: //p')
VERIFY=$("$CULVERT" mldsa65 -i $SEED | sed -n 's/^Verify: //p')
OTHER=$("$CULVERT" mldsa65 | sed -n 's/^Verify: //p')
eq "a key has 1952 bytes" "${#VERIFY}" 2603

server() { # PORT TARGETPORT MORE
	echo "{ \"listen\": \"10.2.0.3\", \"port\": $1, \"protocol\": \"vless\", \"settings\": { \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] },
		\"streamSettings\": { \"security\": \"reality\", \"realitySettings\": { \"target\": \"10.2.0.3:$2\", \"serverNames\": [ \"tls.test\" ],
		\"shortIds\": [ \"\" ], \"privateKey\": \"$KEY\" $3 } } }"
}
client() { # TAG PORT MORE
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ { \"address\": \"10.2.0.3\", \"port\": $2, \"users\": [
		{ \"id\": \"$ID\", \"encryption\": \"none\" } ] } ] }, \"streamSettings\": { \"security\": \"reality\", \"realitySettings\": {
		\"serverName\": \"tls.test\", \"publicKey\": \"$PUBLIC\", \"fingerprint\": \"chrome\" $3 } } }"
}
signs=", \"mldsa65Seed\": \"$SEED\""
asks() { echo ", \"mldsa65Verify\": \"$1\""; }
ends() { # NAME PROGRAM
	echo "{ \"log\": { \"loglevel\": \"debug\" }, \"inbounds\": [ $(join "$(server 8443 9443 "$signs")" "$(server 8444 9443 "")" "$(server 8445 9444 "$signs")") ],
		\"outbounds\": [ { \"protocol\": \"freedom\", \"settings\": { $ALLOW } } ] }" >"$TMP/$1.json"
	bg "$S" "$1" "${@:2}" run -c "$TMP/$1.json"
	wait_port "$S" tcp 8445
}
calls() { # NAME PROGRAM
	echo "{ \"log\": { \"loglevel\": \"debug\" }, \"inbounds\": [ $(join "$(door 7001 both)" "$(door 7002 signed)" "$(door 7003 wrong)" "$(door 7004 none)" "$(door 7005 small)") ],
		\"routing\": { \"rules\": [ $(to both signed wrong none small) ] },
		\"outbounds\": [ $(join "$(client both 8443 "$(asks "$VERIFY")")" "$(client signed 8443 "")" "$(client wrong 8443 "$(asks "$OTHER")")" \
			"$(client none 8444 "$(asks "$VERIFY")")" "$(client small 8445 "$(asks "$VERIFY")")") ] }" >"$TMP/$1.json"
	bg "$G" "$1" "$2" run -c "$TMP/$1.json"
	wait_port "$G" tcp 7005
}
run() { # NAME
	local i n
	for i in 1 2 3; do
		for p in 7001 7002; do
			n=300000
			out=$(on "$C" "$NT" tcp 10.1.0.1 $p -n $n -w $n -t 10)
			contains "$1, $p" "$out" "rx=$(sha $n) "
		done
	done
	for p in 7003 7004; do
		out=$(on "$C" "$NT" tcp 10.1.0.1 $p -n 10 -w 10 -t 4)
		contains "$1, another key or none, $p" "$out" " rx=0:"
	done
}
ends server "$CULVERT"
calls culvert "$CULVERT"
run "both ours"
contains "the client says why" "$(<"$TMP/culvert.log")" "does not have the key that mldsa65Verify wants"
out=$(on "$C" "$NT" tcp 10.1.0.1 7005 -n 10 -w 10 -t 4)
contains "a target with less" "$out" " rx=0:"
lacks "no secret is logged" "$(cat "$TMP"/{culvert,server}.log)" "$SEED"
if [ -n "${XRAY:-}" ]; then
	eq "the same key" "$("$XRAY" mldsa65 -i $SEED | sed -n 's/^Verify: //p')" "$VERIFY"
	stop culvert
	calls xray "$XRAY"
	run "Xray calls"
	stop xray
	stop server
	ends xserver "$XRAY"
	calls culvert "$CULVERT"
	run "Xray answers"
fi
stop culvert
eq "ends well" "$RC" 0
pass
