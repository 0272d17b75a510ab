# shellcheck shell=bash
# peers_lib.sh: bench_peers.sh's programs, and what each of them is told
#
#	start_servers		culvert as SOCKS5 and VLESS server, REALITY's site
#	start_own, start_hev, start_xray, start_box, start_ipt
#				culvert, and the peers that are given, in $G
#	memory METRIC		VmRSS of each under the name of one of its rows
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
KEYS=$("$CULVERT" x25519)
PRIVATE=$(sed -n 's/^Private[^:]*: *//p' <<<"$KEYS")
PUBLIC=$(sed -n 's/^\(Public\|Password\)[^:]*: *//p' <<<"$KEYS" | head -n 1)

# REALITY takes clients from 26.3.27 on, as Xray's does, if it is not told otherwise;
# sing-box says that it is 1.8.1
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
	      "privateKey": "$PRIVATE", "shortIds": [ "" ],
	      "minClientVer": "1.8.1" } } } ],
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

# client NAME TUN BASE: a configuration that culvert and Xray take
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
	[ -z "$IPT2SOCKS" ] || start_own_doors
}

# What ipt2socks is: redirect and tproxy -> SOCKS5, without a TUN
start_own_doors() {
	cat >"$TMP/own-doors.json" <<-END
	{ "log": { "loglevel": "warning", "access": "none" }, "inbounds": [
	  $(door_of red 4111),
	  { "tag": "tproxy", "port": 4112, "protocol": "dokodemo-door",
	    "settings": { "network": "tcp", "followRedirect": true },
	    "streamSettings": { "sockopt": { "tproxy": "tproxy" } } } ],
	  "outbounds": [ { "protocol": "socks", "settings": { "servers": [
	    { "address": "10.2.0.4", "port": 1081 } ] } } ] }
	END
	bg "$G" own-doors "$CULVERT" run -c "$TMP/own-doors.json"
	wait_port "$G" tcp 4112
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
}

start_xray() {
	[ -n "$XRAY" ] || return 0
	client xray xray0 4200
	bg "$G" xray "$XRAY" run -c "$TMP/xray.json"
	wait_port "$G" tcp 4203
	ip -n "$G" link set xray0 up 2>/dev/null
}

# A program of its own for each stack, so that each has its own memory. sing-box turns
# the offloads of its TUN on by itself, for the stack gvisor alone
start_box() {
	local stack net=16
	[ -n "$SINGBOX" ] || return 0
	for stack in gvisor system; do
		box socks-$stack "$(box_tun $stack 172.19.$net.1 sbs-$stack)" \
			'{ "type": "socks", "tag": "out", "server": "10.2.0.4", "server_port": 1081 }'
		box tun-$stack "$(box_tun $stack 172.19.$((net + 1)).1 sbt-$stack)" \
			'{ "type": "direct", "tag": "out" }'
		wait_dev "$G" sbs-$stack
		wait_dev "$G" sbt-$stack
		net=$((net + 2))
	done
	box doors "$(box_door red 4301), $(box_door tls 4302), $(box_door reality 4303)" \
		"{ \"type\": \"direct\", \"tag\": \"out\" }, $(box_tls), $(box_reality)" \
		'{ "inbound": "tls", "outbound": "to-tls" },
		{ "inbound": "reality", "outbound": "to-reality" }'
	wait_port "$G" tcp 4303
}

box() { # NAME INBOUNDS OUTBOUNDS [RULES]
	cat >"$TMP/box-$1.json" <<-END
	{ "log": { "level": "warn" }, "inbounds": [ $2 ], "outbounds": [ $3 ],
	  "route": { "rules": [ ${4:-} ], "final": "out" } }
	END
	bg "$G" "box-$1" "$SINGBOX" run -c "$TMP/box-$1.json"
}

box_tun() { # STACK ADDRESS DEVICE
	echo "{ \"type\": \"tun\", \"interface_name\": \"$3\", \"mtu\": 1500,
		\"address\": [ \"$2/30\" ], \"stack\": \"$1\" }"
}

box_door() { # TAG PORT
	echo "{ \"type\": \"redirect\", \"tag\": \"$1\", \"listen\": \"0.0.0.0\",
		\"listen_port\": $2 }"
}

box_tls() {
	echo "{ \"type\": \"vless\", \"tag\": \"to-tls\", \"server\": \"10.2.0.3\",
		\"server_port\": 9001, \"uuid\": \"$ID\", \"tls\": { \"enabled\": true,
		\"server_name\": \"tls.test\", \"certificate_path\": \"$TMP/ca.pem\" } }"
}

box_reality() {
	echo "{ \"type\": \"vless\", \"tag\": \"to-reality\", \"server\": \"10.2.0.3\",
		\"server_port\": 9002, \"uuid\": \"$ID\", \"flow\": \"xtls-rprx-vision\",
		\"tls\": { \"enabled\": true, \"server_name\": \"tls.test\",
		\"utls\": { \"enabled\": true, \"fingerprint\": \"chrome\" },
		\"reality\": { \"enabled\": true, \"public_key\": \"$PUBLIC\" } } }"
}

# As many threads as culvert has workers; one program is redirect or tproxy, not both
start_ipt() {
	[ -n "$IPT2SOCKS" ] || return 0
	local all=(-s 10.2.0.4 -p 1081 -b 0.0.0.0 -4 -T -j "$(nproc)" -n 65535)
	bg "$G" ipt-red "$IPT2SOCKS" "${all[@]}" -R -l 4401
	bg "$G" ipt-tproxy "$IPT2SOCKS" "${all[@]}" -l 4402
	wait_port "$G" tcp 4401
	wait_port "$G" tcp 4402
}

memory() { # METRIC
	local pair
	for pair in culvert-socks:own-socks culvert-redirect:culvert \
		culvert-red-socks:own-doors hev-socks:hev xray-redirect:xray \
		singbox-socks-gvisor:box-socks-gvisor \
		singbox-socks-system:box-socks-system singbox-redirect:box-doors \
		ipt2socks-red-socks:ipt-red; do
		! alive "${pair#*:}" || put "${pair%:*}" "$1" "$(rss "${pair#*:}")"
	done
}
