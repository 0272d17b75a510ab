#!/bin/bash
# Peers that no package has: hev-socks5-tunnel, Xray; side by side with culvert
#
#	HEV=/path/hev-socks5-tunnel XRAY=/path/xray make bench T=peers
#
# Only what is given has rows; without any of them there is nothing to measure.
# Both are told to do what culvert does: a TUN of MTU 1500 -> SOCKS5 (the same server,
# culvert's), TUN or redirect -> freedom, redirect -> VLESS (the same server) over TLS,
# and with Vision over REALITY.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/../net/transport_lib.sh"
ROUNDS=${ROUNDS:-3} SECS=${SECS:-0.7} HEV=${HEV:-} XRAY=${XRAY:-}
[ -n "$HEV$XRAY" ] || { echo "HEV= or XRAY= name no peer: nothing to measure"; exit 0; }
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
KEYS=$("$CULVERT" x25519)
PRIVATE=$(sed -n 's/^Private[^:]*: *//p' <<<"$KEYS")
PUBLIC=$(sed -n 's/^\(Public\|Password\)[^:]*: *//p' <<<"$KEYS" | head -n 1)

# --- what the programs are told ----------------------------------------------------

start_servers() {
	make_site
	cat >"$TMP/server.json" <<-END
	{ "log": { "loglevel": "warning", "access": "none" }, "inbounds": [
	  { "listen": "10.2.0.4", "port": 1081, "protocol": "socks",
	    "settings": { "auth": "noauth", "udp": true, "ip": "10.2.0.4" } },
	  { "listen": "10.2.0.3", "port": 9001, "protocol": "vless",
	    "settings": { "decryption": "none", "clients": [ { "id": "$ID" } ] },
	    "streamSettings": { "security": "tls", "tlsSettings": { "certificates": [ {
	      "certificateFile": "$TMP/names.crt", "keyFile": "$TMP/names.key" } ] } } },
	  { "listen": "10.2.0.3", "port": 9002, "protocol": "vless",
	    "settings": { "decryption": "none",
	      "clients": [ { "id": "$ID", "flow": "xtls-rprx-vision" } ] },
	    "streamSettings": { "security": "reality", "realitySettings": {
	      "target": "10.2.0.3:8443", "serverNames": [ "tls.test" ],
	      "privateKey": "$PRIVATE", "shortIds": [ "" ] } } } ],
	  "outbounds": [ { "protocol": "freedom",
	    "settings": { "finalRules": [ { "action": "allow" } ] } } ] }
	END
	bg "$S" server "$CULVERT" run -c "$TMP/server.json"
	wait_port "$S" tcp 9002
}

# What REALITY borrows its face from
make_site() {
	cat >"$TMP/site.conf" <<-END
	daemon off; worker_processes 1; pid $TMP/site.pid; user root;
	error_log $TMP/site-error.log;
	events { worker_connections 512; }
	http { access_log off; server { listen 10.2.0.3:8443 ssl;
		ssl_protocols TLSv1.3;
		ssl_certificate $TMP/names.crt; ssl_certificate_key $TMP/names.key; } }
	END
	bg "$S" site nginx -c "$TMP/site.conf" -p "$TMP"
	wait_port "$S" tcp 8443
}

door_of() { # TAG PORT
	echo "{ \"tag\": \"$1\", \"port\": $2, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"network\": \"tcp\", \"followRedirect\": true } }"
}

vless_to() { # TAG PORT FLOW STREAMSETTINGS
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ {
		\"address\": \"10.2.0.3\", \"port\": $2, \"users\": [ { \"id\": \"$ID\",
		\"encryption\": \"none\"$3 } ] } ] }, \"streamSettings\": { $4 } }"
}

# client NAME TUN BASE: a configuration that both programs take
client() {
	local tls reality
	tls="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\",
		\"disableSystemRoot\": true, \"certificates\": [
		{ \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
	reality="\"security\": \"reality\", \"realitySettings\": {
		\"serverName\": \"tls.test\", \"fingerprint\": \"chrome\",
		\"publicKey\": \"$PUBLIC\", \"shortId\": \"\" }"
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "warning", "access": "none" }, "inbounds": [
	  { "tag": "tun", "protocol": "tun", "settings": { "name": "$2", "mtu": 1500 } },
	  $(door_of red $(($3 + 1))), $(door_of tls $(($3 + 2))),
	  $(door_of reality $(($3 + 3))) ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    $(vless_to to-tls 9001 "" "$tls"),
	    $(vless_to to-reality 9002 ', "flow": "xtls-rprx-vision"' "$reality") ],
	  "routing": { "rules": [
	    { "inboundTag": [ "tls" ], "outboundTag": "to-tls" },
	    { "inboundTag": [ "reality" ], "outboundTag": "to-reality" } ] } }
	END
}

start_own() {
	client culvert culvert0 4100
	bg "$G" culvert "$CULVERT" run -c "$TMP/culvert.json"
	wait_port "$G" tcp 4103
	cat >"$TMP/own-socks.json" <<-'END'
	{ "log": { "loglevel": "warning", "access": "none" }, "inbounds": [
	  { "protocol": "tun", "settings": { "name": "culvert1", "mtu": 1500 } } ],
	  "outbounds": [ { "protocol": "socks", "settings": { "servers": [
	    { "address": "10.2.0.4", "port": 1081 } ] } } ] }
	END
	bg "$G" own-socks "$CULVERT" run -c "$TMP/own-socks.json"
	wait_dev "$G" culvert1
}

start_hev() {
	[ -n "$HEV" ] || return 0
	cat >"$TMP/hev.yml" <<-'END'
	tunnel: { name: hev0, mtu: 1500, multi-queue: false, ipv4: 198.18.0.1 }
	socks5: { port: 1081, address: 10.2.0.4, udp: 'udp' }
	misc: { limit-nofile: 65535, log-level: error }
	END
	bg "$G" hev "$HEV" "$TMP/hev.yml"
	wait_dev "$G" hev0
	put hev-socks rss_start_kib "$(rss hev)"
}

start_xray() {
	[ -n "$XRAY" ] || return 0
	client xray xray0 4200
	bg "$G" xray "$XRAY" run -c "$TMP/xray.json"
	wait_port "$G" tcp 4203
	ip -n "$G" link set xray0 up 2>/dev/null
	put xray-redirect rss_start_kib "$(rss xray)"
}

# --- measuring ---------------------------------------------------------------------

bench_up
make_ca
start_servers
start_own
start_hev
start_xray
sleep 0.5
put culvert-socks rss_start_kib "$(rss own-socks)"
put culvert-redirect rss_start_kib "$(rss culvert)"
machine
for ((r = 0; r < ROUNDS; r++)); do
	WHAT=${TESTS:-bulk cps lat}
	row direct "" path_none
	row culvert-socks own-socks path_tun culvert1
	row hev-socks hev path_tun hev0
	row culvert-tun culvert path_tun culvert0
	row xray-tun xray path_tun xray0
	row culvert-redirect culvert path_redirect 4101
	row xray-redirect xray path_redirect 4201
	row culvert-tls culvert path_redirect 4102
	row xray-tls xray path_redirect 4202
	row culvert-vision culvert path_redirect 4103
	row xray-vision xray path_redirect 4203
done
table "Bulk TCP, Gbit/s" direct up1 down1 up8 down8 up1/ down1/ up8/ down8/
table "Gateway CPU, seconds per GB" direct up1_cpu:3 down1_cpu:3 up8_cpu:3 down8_cpu:3
table "Connections, 64 at a time" direct cps:0 cps_failed:0 cps_cpu_us:0 \
	conn64_p50:0 conn64_p99:0
table "Latency, one at a time, us" direct pingpong_p50:0 pingpong_p99:0 \
	connect_p50:0 connect_p99:0
table "Memory at start, KiB" "" rss_start_kib:0
echo
for pair in socks:hev tun:xray redirect:xray tls:xray vision:xray; do
	way=${pair%:*} peer=${pair#*:}-${pair%:*}
	grep -q "^$peer	up1_cpu	" "$RESULTS" || continue
	for m in up1 down1 up8 down8; do
		limit "culvert-$way" "$m/$peer" ">=" 1
		limit "culvert-$way" "${m}_cpu/$peer" "<=" 1
	done
	limit "culvert-$way" "cps/$peer" ">=" 1
	limit "culvert-$way" "cps_cpu_us/$peer" "<=" 1
done
keep peers
exit "$BROKEN"
