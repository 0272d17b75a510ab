#!/bin/bash
# VLESS inbound: v2ray and culvert as clients; fallbacks, wrong clients, users
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
peers_up v2ray
bg "$G" web "$NT" tcp-serve -l 127.0.0.1 8001 source -n 11
bg "$G" web2 "$NT" tcp-serve -l 127.0.0.1 8002 source -n 22
clients='"clients": [ { "id": "'$ID'", "email": "love@v" }, { "id": "other" } ], "decryption": "none"'
serve_culvert "$(ib in vless 1001 "{ $clients }"),
	$(ib fb vless 1002 "{ $clients, \"fallbacks\": [ { \"path\": \"/two\", \"dest\": 8002 }, { \"dest\": \"127.0.0.1:8001\" } ] }")" 1001 1002
out() { ob out vless "{ \"vnext\": [ { \"address\": \"10.1.0.1\", \"port\": $1, \"users\": [ { \"id\": \"$ID\", \"encryption\": \"none\" } ] } ] }"; }
doors v2ray v2 6000 "$(out 1001)"
doors culvert cv 6100 "$(out 1001)"
doors culvert cf 6200 "$(out 1002)"
through "v2ray" 6000 nohalf
through "culvert" 6100 half 1,1200,1472,7000 # XUDP carries 7526
through "culvert beside a fallback" 6200
silence "vless" 1001
log=$(cat "$TMP/server.log")
contains "the user is known" "$log" "email: love@v"
lacks "no secret is logged" "$log" "$ID"
out=$(on "$C" "$NT" tcp 10.1.0.1 1002 -m $'GET / HTTP/1.1\r\n\r\n')
contains "fallback" "$out" "rx=$(sha 11)"
out=$(on "$C" "$NT" tcp 10.1.0.1 1002 -m $'GET /two?x HTTP/1.1\r\n\r\n')
contains "fallback by path" "$out" "rx=$(sha 22)"
contains "the fallback got all bytes" "$(cat "$TMP/web.log")" "rx=18:"
pass
