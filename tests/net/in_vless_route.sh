#!/bin/bash
# vlessRoute: bytes 7 and 8 of the id that a client sends choose the way, of streams,
# datagrams and mux; v2ray and culvert as clients. The server gets all it needs from
# "env", and its logs have no whole address (maskAddress)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
id() { printf '6f1c2ab0-7d3e-%04x-9d0e-2f6a1b7c8d9e' "$1"; }
peers_up v2ray
mkdir -p "/etc/netns/$G"
cp "$etc/hosts" "/etc/netns/$G/hosts"
way() { ob "$1" freedom "{ \"domainStrategy\": \"UseIP\", $ALLOW }"; }
cat >"$TMP/server.json" <<END
{ "env": { "CULVERT_TEST_PORT": "1001" },
  "log": { "loglevel": "debug", "access": "$TMP/access.txt", "maskAddress": "half" },
  "inbounds": [ { "tag": "in", "listen": "10.1.0.1", "port": "env:CULVERT_TEST_PORT",
    "protocol": "vless", "settings": { "decryption": "none",
      "clients": [ { "id": "$(id 0x4c55)", "email": "love@v" } ] } } ],
  "routing": { "rules": [
    { "vlessRoute": "7,1000-1002", "outboundTag": "seven" },
    { "vlessRoute": 65535, "outboundTag": "last" } ] },
  "outbounds": [ $(way direct), $(way seven), $(way last) ] }
END
bg "$G" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$G" tcp 1001
contains "env is dumped" "$("$CULVERT" run -dump -c "$TMP/server.json")" CULVERT_TEST_PORT

ways() { # SINCE: the ways of the lines behind SINCE
	tail -n "+$(($1 + 1))" "$TMP/access.txt" | sed -n 's/.*\[in .. \([a-z]*\)\].*/\1/p' | sort -u
}
base=6000
for route in 0x4c55:direct 7:seven 1001:seven 1003:direct 0xffff:last; do
	for who in v2ray culvert; do
		for mux in "" ', "mux": { "enabled": true, "concurrency": 8 }'; do
			[ -z "$mux" ] || [ $route = 7:seven ] || continue
			base=$((base + 10))
			from=$(grep -c . "$TMP/access.txt")
			doors $who c$base $base "$(ob out vless "{ \"vnext\": [ {
				\"address\": \"10.1.0.1\", \"port\": 1001, \"users\": [
				{ \"id\": \"$(id "${route%:*}")\", \"encryption\": \"none\" } ] } ] }" "$mux")"
			out=$(on "$C" "$NT" tcp 127.0.0.1 $((base + 4)) -n 5000 -w 5000)
			contains "$who, $route $mux: stream" "$out" "rx=$(sha 5000)"
			out=$(on "$C" "$NT" udp 127.0.0.1 $((base + 6)) -n 1,1000)
			contains "$who, $route $mux: datagrams" "$out" "ok=2 bad=0"
			eq "$who, $route $mux: its way" "$(ways "$from")" "${route#*:}"
			stop c$base
		done
	done
done
contains "the user is known" "$(cat "$TMP/access.txt")" "email: love@v"
contains "masked" "$(cat "$TMP/access.txt")" "from 10.1.*.*:"
lacks "access log: whole addresses" "$(cat "$TMP/access.txt")" "10.1.0.2"
lacks "access log: whole addresses" "$(cat "$TMP/access.txt")" "10.3.0.1"
lacks "error log: whole addresses" "$(cat "$TMP/server.log")" "10.3.0.1"
contains "error log" "$(cat "$TMP/server.log")" "10.1.*.*"
pass
