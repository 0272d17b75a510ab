#!/bin/bash
# Trojan inbound: v2ray and culvert as clients; fallback, wrong clients, users
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up v2ray
bg "$G" web "$NT" tcp-serve -l 127.0.0.1 8001 source -n 11
users='"users": [ { "password": "another" }, { "password": "topsecret", "email": "love@t" } ]'
serve_culvert "$(ib in trojan 1001 "{ $users }"),
	$(ib fb trojan 1002 "{ $users, \"fallbacks\": [ { \"dest\": 8001 } ] }")" 1001 1002
out='{ "tag": "out", "protocol": "trojan", "settings": { "servers": [ { "address": "10.1.0.1", "port": 1001, "password": "topsecret" } ] } }'
doors v2ray v2 6000 "$out"
doors culvert cv 6100 "$out"
through "v2ray" 6000 nohalf
through "culvert" 6100 half 1,1200,1472,8000
silence "trojan" 1001
log=$(cat "$TMP/server.log")
contains "the user is known" "$log" "email: love@t"
lacks "no secret is logged" "$log" "topsecret"
out=$(on "$C" "$NT" tcp 10.1.0.1 1002 -m $'GET / HTTP/1.1\r\n\r\n')
contains "fallback" "$out" "rx=$(sha 11)"
pass
