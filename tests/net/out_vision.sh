#!/bin/bash
# out_vision.sh: VLESS with Vision over REALITY, against a server of its own making
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
PY=$(dirname "$0")/reality.py
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
net_up
make_ca
serve echo tcp-serve 5001 echo
serve source tcp-serve 5002 source -n 3000000
read -r private public < <(/usr/bin/python3 "$PY" keys)
bg "$S" vision /usr/bin/python3 "$PY" vision 8443 "$private" 1234abcd $ID
make_www
# the last connection in its log
ended() { grep -qE "$1" "$TMP/vision.log"; }
site 8444
site 8445 -tls1_2
wait_port "$S" tcp 8443

vless() { # TAG FLOW
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ {
		\"address\": \"10.2.0.3\", \"port\": 8443, \"users\": [ { \"id\": \"$ID\",
		\"encryption\": \"none\", \"flow\": \"$2\" } ] } ] },
		\"streamSettings\": { \"security\": \"reality\", \"realitySettings\": {
		\"serverName\": \"site.test\", \"publicKey\": \"$public\", \"shortId\": \"1234abcd\" } } }"
}
at() { # PORT TAG TARGETPORT
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": $3, \"network\": \"tcp,udp\" } }"
}
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "$(at 7001 echo 5001)" "$(at 7002 source 5002)" \
	"$(at 7003 tls13 8444)" "$(at 7004 tls12 8445)" "$(at 443 quic 443)") ],
  "outbounds": [ $(vless v xtls-rprx-vision) ]
}
END
G4=10.1.0.1
transfers "plain" $G4 7001
contains "the frames end" "$(cat "$TMP/vision.log")" "sent [0"
contains "the server speaks first" "$(on "$C" "$NT" tcp $G4 7002 -n 0 -t 20)" \
	"rx=$(sha 3000000) end=FIN"

for n in 1 2 3; do
	fetch "TLS 1.3, $n" $G4 7003
	wait_for 5 ended 'seen .*2\] sent .*2\] raw \[[1-9][0-9]*, [1-9][0-9]{6}' ||
		fail "TLS 1.3 does not leave the outer TLS"
	: >"$TMP/vision.log"
done
fetch "TLS 1.2" $G4 7004
wait_for 5 ended 'seen .*1\] sent .*1\] raw \[0, 0\]' || fail "TLS 1.2 stays within"
matches "what left the outer TLS is spliced" "$(grep ':8444 .*done' "$TMP/culvert.log")" \
	"up [0-9]+ .splice. down 6[0-9]+ .splice."
# UDP comes as XUDP, but port 443 makes browsers use TCP
on "$C" "$NT" udp $G4 443 -n 100 -t 2 >/dev/null
wait_log culvert "-> v] up 0 (none) down 0 (none) first byte 0 ms, 0 ms: blocked"
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "$ID"
stop culvert
eq "ends well" "$RC" 0
pass
