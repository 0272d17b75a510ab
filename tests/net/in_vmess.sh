#!/bin/bash
# VMess inbound: v2ray and culvert as clients, each security; wrong clients, users
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
peers_up v2ray
serve_culvert "$(ib in vmess 1001 "{ \"clients\": [ { \"id\": \"other\" }, { \"id\": \"$ID\", \"email\": \"love@m\" } ] }")" 1001
out() { ob out vmess "{ \"vnext\": [ { \"address\": \"10.1.0.1\", \"port\": 1001, \"users\": [ { \"id\": \"$ID\", \"alterId\": 0, \"security\": \"$1\" ${2:-} } ] } ] }"; }
b=6000
for s in aes-128-gcm chacha20-poly1305 none zero; do
	doors v2ray "v$s" $b "$(out $s)"
	through "v2ray $s" $b nohalf
	doors culvert "c$s" $((b + 10)) "$(out $s)"
	through "culvert $s" $((b + 10)) half 1,1200,1472,7526 # the most XUDP carries
	b=$((b + 20))
done
doors culvert auth 6200 "$(out aes-128-gcm ', "experiments": "AuthenticatedLength|NoTerminationSignal"')"
through "authenticated length" 6200
silence "vmess" 1001
log=$(cat "$TMP/server.log")
contains "the user is known" "$log" "email: love@m"
lacks "no secret is logged" "$log" "$ID"
pass
