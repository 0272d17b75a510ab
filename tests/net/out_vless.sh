#!/bin/bash
# VLESS outbound against v2ray: TCP and UDP, v4, v6 and names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
peers_up v2ray
v2ray_in peer vless 1080 '{ "decryption": "none", "clients": [ { "id": "'$ID'" } ] }'
settings='{ "address": "10.2.0.3", "port": 1080, "id": "'$ID'", "encryption": "none" }'
vnext='{ "vnext": [ { "address": "10.2.0.3", "port": 1080, "users": [ { "id": "'$ID'", "encryption": "none" } ] } ] }'
wrong='{ "address": "10.2.0.3", "port": 1080, "id": "another", "encryption": "none" }'
client_conf "$(rule 1 peer), $(rule 2 vnext), $(rule 3 wrong), $(rule 4 silent),
	{ \"domain\": [ \"full:dom.test\" ], \"outboundTag\": \"peer\" }" \
	"$(ob peer vless "$settings"), $(ob vnext vless "$vnext"), $(ob wrong vless "$wrong"),
	$(ob silent vless "${settings/10.2.0.3\", \"port\": 1080/10.2.0.2\", \"port\": 1090}")"
# v2ray ends both ways about a second after one
transfers "v4" 10.3.0.1 nohalf
transfers "v6" fd03::1 nohalf
transfers "vnext" 10.3.0.2 nohalf
named "vless"
for a in 10.3.0.1 fd03::1 10.3.0.2; do datagrams "$a" "$a"; done
# 53 and 443 go as VLESS's own UDP (command 2), what else there is as XUDP
for a in 10.3.0.1 fd03::1; do
	for p in 53 443; do
		bg "$S" "udp$p$a" "$NT" udp-serve -l $a $p echo
		wait_for 5 eval "on $S ss -Huln | grep -qF '$a:$p' || on $S ss -Huln | grep -qF '[$a]:$p'"
		out=$(on "$C" "$NT" udp $a $p -n 1,1200,1400)
		contains "command 2: $a port $p" "$out" "ok=3 bad=0"
	done
done
contains "v2ray has it as UDP" "$(cat "$TMP/peer.log")" "received request for udp:10.3.0.1:443"
contains "XUDP has a name of its own" "$(cat "$TMP/culvert.log")" "mux: [peer] opens a connection"
ended "wrong id" 10.3.0.3 4500
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "$ID"
matches "the relay ends in the cheap ways" "$(cat "$TMP/culvert.log")" "lend|splice"
pass
