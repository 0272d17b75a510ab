#!/bin/bash
# VMess outbound against v2ray, each security: TCP and UDP, v4, v6 and names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
peers_up v2ray
for i in 3 4 5; do
	bg "$S" "udp10.3.0.$i" "$NT" udp-serve -l 10.3.0.$i 5006 echo
done
v2ray_in peer vmess 1080 '{ "clients": [ { "id": "'$ID'", "alterId": 0 } ] }'
settings() { echo "{ \"address\": \"10.2.0.3\", \"port\": 1080, \"id\": \"$ID\", \"security\": \"$1\" }"; }
vnext='{ "vnext": [ { "address": "10.2.0.3", "port": 1080, "users": [ { "id": "'$ID'" } ] } ] }'
wrong=$(settings auto)
client_conf "$(rule 1 aes), $(rule 2 chacha), $(rule 3 none), $(rule 4 zero), $(rule 5 vnext), $(rule 6 wrong), $(rule 7 silent),
	{ \"domain\": [ \"full:dom.test\" ], \"outboundTag\": \"vnext\" }" \
	"$(ob aes vmess "$(settings aes-128-gcm)"), $(ob chacha vmess "$(settings chacha20-poly1305)"),
	$(ob none vmess "$(settings none)"), $(ob zero vmess "$(settings zero)"), $(ob vnext vmess "$vnext"),
	$(ob wrong vmess "${wrong/$ID/another}"),
	$(ob silent vmess "${wrong/10.2.0.3\", \"port\": 1080/10.2.0.2\", \"port\": 1090}")"
# v2ray ends both ways about a second after one
for i in 1 2 3 4 5; do
	transfers "$i" 10.3.0.$i nohalf
	datagrams "$i" 10.3.0.$i
done
transfers "v6" fd03::1 nohalf
datagrams "v6" fd03::1
named "vmess"
ended "wrong id" 10.3.0.6 4500
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "$ID"
pass
