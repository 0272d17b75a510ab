#!/bin/bash
# Trojan outbound against v2ray (without TLS): TCP and UDP, v4, v6 and names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up v2ray
v2ray_in peer trojan 1080 '{ "clients": [ { "password": "topsecret" } ] }'
settings='{ "address": "10.2.0.3", "port": 1080, "password": "topsecret" }'
servers='{ "servers": [ { "address": "10.2.0.3", "port": 1080, "password": "topsecret" } ] }'
client_conf "$(rule 1 peer), $(rule 2 servers), $(rule 3 wrong),
	{ \"domain\": [ \"full:dom.test\" ], \"outboundTag\": \"peer\" }" \
	"$(ob peer trojan "$settings"), $(ob servers trojan "$servers"),
	$(ob wrong trojan "${settings/topsecret/other}")"
# v2ray ends both ways about a second after one
transfers "v4" 10.3.0.1 nohalf
transfers "v6" fd03::1 nohalf
transfers "servers" 10.3.0.2 nohalf
named "trojan"
for a in 10.3.0.1 fd03::1 10.3.0.2; do datagrams "$a" "$a"; done
ended "wrong password" 10.3.0.3 4500
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "topsecret"
pass
