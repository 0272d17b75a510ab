#!/bin/bash
# in_vision.sh: VLESS with Vision over TLS, culvert as client and as server
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
net_up
make_ca
serve echo tcp-serve 5001 echo
serve uecho udp-serve 5006 echo
serve sink tcp-serve 5002 sink
serve source tcp-serve 5003 source -n 3000000
make_www
site 8444
site 8445 -tls1_2

server="{ \"security\": \"tls\", \"tlsSettings\": { \"certificates\": [
	{ \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] } }"
vless_in() { # PORT TAG FLOW [TLS]
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"vless\", \"settings\": { \"decryption\": \"none\",
		\"clients\": [ { \"id\": \"$ID\", \"email\": \"v@x\", \"flow\": \"$3\" } ] },
		\"streamSettings\": ${4:-$server} }"
}
vless_out() { # PORT TAG FLOW [MORE]
	echo "{ \"tag\": \"$2\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ {
		\"address\": \"10.2.0.1\", \"port\": $1, \"users\": [ { \"id\": \"$ID\",
		\"encryption\": \"none\", \"flow\": \"$3\" } ] } ] },
		\"streamSettings\": { \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\",
		\"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\",
		\"certificateFile\": \"$TMP/ca.pem\" } ] ${4:-} } } }"
}
at() { # PORT TAG TARGETPORT
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": $3, \"network\": \"tcp,udp\" } }"
}
V=xtls-rprx-vision
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "$(at 7001 echo 5001)" "$(at 7003 tls13 8444)" "$(at 7004 tls12 8445)" \
	"$(at 7005 udp 5006)" "$(at 7006 without 5001)" "$(at 7007 needless 5001)" "$(at 7008 old 5001)" \
	"$(at 7009 sink 5002)" "$(at 7010 source 5003)") ,
	$(vless_in 8001 in $V), $(vless_in 8002 plain ""), $(vless_in 8003 in12 $V \
	"${server/\"tlsSettings\": \{/\"tlsSettings\": { \"maxVersion\": \"1.2\",}") ],
  "routing": { "rules": [ $(to without needless old),
	{ "inboundTag": [ "echo", "sink", "source", "tls13", "tls12", "udp" ], "outboundTag": "v" } ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } }, $(vless_out 8001 v $V),
	$(vless_out 8001 without ""), $(vless_out 8002 needless $V), $(vless_out 8003 old $V) ]
}
END
G4=10.1.0.1
transfers "plain" $G4 7001
transfers "plain, v6" fd01::1 7001
# one side says nothing: its own frames never end
for a in $G4 fd01::1; do
	out=$(on "$C" "$NT" tcp $a 7009 -n 3000000 -t 20 -P 2>/dev/null)
	eq "an upload alone, $a" "$out" "$(sha 3000000)"
	out=$(on "$C" "$NT" tcp $a 7010 -n 1 -t 20)
	contains "a download alone, $a" "$out" "rx=$(sha 3000000) end=FIN"
done

for n in 1 2 3; do fetch "TLS 1.3, $n" $G4 7003; done
fetch "TLS 1.2" $G4 7004
both_spliced() {
	[ "$(grep -cE ':8444 .*up [0-9]+ .splice. down 6[0-9]+ .splice.' "$TMP/culvert.log")" = 6 ]
}
wait_for 5 both_spliced || fail "not all of TLS 1.3 leaves the outer TLS, at client and server"
matches "TLS 1.2 stays within" "$(grep ':8445 .*end\|end: .*:8445' "$TMP/culvert.log")" "down 6[0-9]+ .copy."
out=$(on "$C" "$NT" udp $G4 7005 -n 1,100,1400 -t 5)
contains "UDP as XUDP in the flow" "$out" "ok=3 bad=0"
contains "the user is known" "$(cat "$TMP/culvert.log")" "email: v@x"

# an account with the flow is not served without, nor the other way round
for p in 7006 7007; do
	out=$(on "$C" "$NT" tcp $G4 $p -n 10 -t 6)
	contains "flow and account differ, $p" "$out" " rx=0:"
done
refused "no TLS 1.3 outside" $G4 7008
stop culvert
eq "ends well" "$RC" 0
pass
