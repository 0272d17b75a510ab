#!/bin/bash
# PROXY protocol: acceptProxyProtocol of every kind of listener, freedom's
# proxyProtocol, xver of fallbacks; curl and haproxy are the other side
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
command -v haproxy >/dev/null || skip "needs haproxy"
PY=$(dirname "$0")/in_proxy_head.py
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
net_up
serve echo tcp-serve 5001 echo
# haproxy as a server: tells who it thinks its client is
cat >"$TMP/server.cfg" <<END
defaults
	mode http
	timeout client 10s
	timeout server 10s
	timeout connect 10s
frontend told
	bind 10.3.0.1:9001 accept-proxy
	bind [fd03::1]:9001 v6only accept-proxy
	http-request return status 200 content-type text/plain lf-string "src=%[src]:%[src_port] dst=%[dst]:%[dst_port]\n"
frontend plain
	bind 10.3.0.1:9002
	http-request return status 200 content-type text/plain string "plain\n"
END
bg "$S" server haproxy -db -f "$TMP/server.cfg"
wait_port "$S" tcp 9001
# haproxy before culvert, in both versions
cat >"$TMP/front.cfg" <<END
defaults
	mode tcp
	timeout client 10s
	timeout server 10s
	timeout connect 10s
listen one
	bind 10.1.0.2:7001
	server s 10.1.0.1:8001 send-proxy
listen two
	bind 10.1.0.2:7002
	bind [fd01::2]:7002 v6only
	server s 10.1.0.1:8001 send-proxy-v2
listen echo
	bind 10.1.0.2:7003
	server s 10.1.0.1:8003 send-proxy-v2
END
bg "$C" front haproxy -db -f "$TMP/front.cfg"
wait_port "$C" tcp 7002
start_in <<END
{
  "log": { "loglevel": "info" },
  "policy": { "levels": { "0": { "handshake": 1 } } },
  "dns": { "hosts": { "told.test": "10.3.0.1" } },
  "inbounds": [
    { "tag": "web", "port": 8001, "protocol": "dokodemo-door",
      "settings": { "address": "10.3.0.1", "port": 9002 },
      "streamSettings": { "sockopt": { "acceptProxyProtocol": true } } },
    { "tag": "socks", "port": 8002, "protocol": "socks",
      "streamSettings": { "rawSettings": { "acceptProxyProtocol": true } } },
    { "tag": "echo", "port": 8003, "protocol": "dokodemo-door",
      "settings": { "address": "10.3.0.1", "port": 5001 },
      "streamSettings": { "sockopt": { "acceptProxyProtocol": true } } },
    { "tag": "ws", "port": 8004, "protocol": "vless",
      "settings": { "clients": [ { "id": "$ID" } ], "decryption": "none" },
      "streamSettings": { "network": "ws",
        "wsSettings": { "path": "/w", "acceptProxyProtocol": true } } },
    { "tag": "grpc", "port": 8005, "protocol": "vless",
      "settings": { "clients": [ { "id": "$ID" } ], "decryption": "none" },
      "streamSettings": { "network": "grpc", "grpcSettings": { "serviceName": "g" },
        "sockopt": { "acceptProxyProtocol": true } } },
    { "tag": "unix", "listen": "$TMP/px.sock", "protocol": "socks",
      "streamSettings": { "sockopt": { "acceptProxyProtocol": true } } },
    { "tag": "to1", "port": 8011, "protocol": "socks" },
    { "tag": "to2", "port": 8012, "protocol": "socks" },
    { "tag": "fb", "port": 8021, "protocol": "trojan", "settings": {
      "clients": [ { "password": "x" } ], "fallbacks": [
        { "path": "/two", "dest": "10.3.0.1:9001", "xver": 2 },
        { "dest": "10.3.0.1:9001", "xver": 1 } ] } } ],
  "outbounds": [
    { "tag": "direct", "protocol": "freedom", "settings": { "domainStrategy": "UseIP", $ALLOW } },
    { "tag": "px1", "protocol": "freedom",
      "settings": { "proxyProtocol": 1, "domainStrategy": "UseIP" } },
    { "tag": "px2", "protocol": "freedom", "settings": { "proxyProtocol": 2, "domainStrategy": "UseIP" } },
    { "tag": "block", "protocol": "blackhole" } ],
  "routing": { "rules": [
    { "source": [ "192.0.2.66" ], "outboundTag": "block" },
    { "inboundTag": [ "to1" ], "outboundTag": "px1" },
    { "inboundTag": [ "to2" ], "outboundTag": "px2" } ] }
}
END
last() { grep -F "[$1 " "$TMP/culvert.log" | grep -F ' accepted ' | tail -n 1; }
# says WHAT TAG SOURCE: the newest access line of TAG is of that client
says() { contains "$1" "$(last "$2")" "from $3"; }

# --- accepted: curl, haproxy ---
out=$(on "$C" curl -sS -m 5 --haproxy-protocol http://10.1.0.1:8001/ 2>&1)
eq "curl" "$out" plain
says "curl's header" web "10.1.0.2:"
for p in 7001 7002; do
	out=$(on "$C" curl -sS -m 5 --interface 127.0.0.1 http://10.1.0.2:$p/ 2>&1)
	eq "haproxy $p" "$out" plain
	says "haproxy $p tells its client" web "127.0.0.1:"
done
out=$(on "$C" curl -sS -m 5 --interface fd01::2 "http://[fd01::2]:7002/" 2>&1)
eq "haproxy v6" "$out" plain
says "haproxy's v6 client" web "[fd01::2]:"
flow "$C" 10.1.0.2 7003 3000000
wait_log culvert "up 3000000 (splice) down 3000000 (splice)"

# --- by hand: pieces, both versions, what does not tell ---
# send PORT HEAD [MORE...]: what came back
send() { on "$C" timeout 8 python3 "$PY" 10.1.0.1 "$@" 2>&1; }
GET='GET / HTTP/1.0\r\n\r\n'
for how in whole bytes; do
	out=$(send 8001 $how 'PROXY TCP4 192.0.2.77 192.0.2.9 7777 443\r\n' "$GET")
	contains "version 1, $how" "$out" plain
	says "version 1, $how" web "192.0.2.77:7777"
	out=$(send 8001 $how 'v2 2001:db8::77 2001:db8::9 7778 443' "$GET")
	contains "version 2, $how" "$out" plain
	says "version 2, $how" web "[2001:db8::77]:7778"
done
out=$(send 8001 whole 'PROXY UNKNOWN\r\n' "$GET")
contains "UNKNOWN" "$out" plain
says "UNKNOWN: the connection's own" web "10.1.0.2:"
out=$(send 8001 whole 'local' "$GET")
contains "LOCAL" "$out" plain
says "LOCAL: the connection's own" web "10.1.0.2:"
out=$(send 8001 whole 'PROXY TCP4 192.0.2.66 192.0.2.9 7777 443\r\n' "$GET")
lacks "a rule on the source told" "$out" plain
contains "a rule on the source told" "$(last web)" "-> block]"
out=$(send 8002 whole 'PROXY TCP4 192.0.2.78 192.0.2.9 1 2\r\n' \
	"\5\1\0" "\5\1\0\1\12\3\0\1\43\52$GET")
contains "socks" "$out" plain
says "socks" socks "192.0.2.78:1"
out=$(on "$G" timeout 8 python3 "$PY" "$TMP/px.sock" 0 whole \
	'PROXY TCP6 2001:db8::79 ::1 3 4\r\n' "\5\1\0" "\5\1\0\1\12\3\0\1\43\52$GET")
contains "unix socket" "$out" plain
says "unix socket" unix "[2001:db8::79]:3"

# --- refused ---
out=$(send 8001 whole "$GET")
contains "no header" "$out" "end=ECONNRESET"
contains "no header is told" "$(cat "$TMP/culvert.log")" \
	"inbound [web]: 10.1.0.2:"
contains "no header is told" "$(cat "$TMP/culvert.log")" "PROXY header: not one"
out=$(send 8001 whole 'PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n' "$GET")
contains "a wrong header" "$out" "end=ECONNRESET"
out=$(send 8001 whole 'PROXY TCP4 1.2')
contains "half a header" "$out" "end=ECONNRESET"
contains "half a header" "$(cat "$TMP/culvert.log")" "PROXY header: none in time"
out=$(send 8001 fin '')
contains "an end at once" "$(cat "$TMP/culvert.log")" "PROXY header: ended before it"
before=$(fds culvert)
bg "$C" silent python3 "$PY" 10.1.0.1 8001 idle 700
wait_log silent "open=700"
le "silent connections are bounded" "$(fds culvert)" $((before + 600))
out=$(send 8001 whole 'PROXY TCP4 192.0.2.80 192.0.2.9 7 4\r\n' "$GET")
contains "others are served meanwhile" "$out" plain
back() { [ "$(fds culvert)" -le $((before + 2)) ]; }
wait_for 5 back || fail "silent connections stay: $(fds culvert), was $before"
stop silent TERM quiet

# --- sent: freedom, fallbacks ---
for v in 1 2; do
	for host in 10.3.0.1 '[fd03::1]' told.test; do
		out=$(on "$C" curl -sS -m 5 --local-port 30001-30999 \
			-x socks5h://10.1.0.1:801$v "http://$host:9001/" 2>&1)
		to=${host#[} to=${to%]}
		[ $host != told.test ] || to=10.3.0.1
		# a v4 client of a v6 server is told as v4-mapped
		matches "freedom $v to $host" "$out" \
			"src=(::ffff:)?10\.1\.0\.2:30[0-9]* dst=$to:9001"
	done
done
out=$(on "$C" curl -sS -m 5 http://10.1.0.1:8021/ 2>&1)
matches "fallback, version 1" "$out" "src=10\.1\.0\.2:[0-9]* dst=10\.1\.0\.1:8021"
out=$(on "$C" curl -sS -m 5 'http://[fd01::1]:8021/two' 2>&1)
matches "fallback, version 2" "$out" "src=fd01::2:[0-9]* dst=fd01::1:8021"

# --- culvert to culvert, below ws and grpc: the header goes first of all ---
cat >"$TMP/far.json" <<END
{ "log": { "loglevel": "info" },
  "inbounds": [
    { "tag": "w", "port": 1080, "protocol": "socks" },
    { "tag": "g", "port": 1081, "protocol": "socks" } ],
  "outbounds": [
    { "tag": "vw", "protocol": "vless", "settings": { "vnext": [ {
      "address": "10.1.0.1", "port": 8004, "users": [ { "id": "$ID", "encryption": "none" } ] } ] },
      "streamSettings": { "network": "ws", "wsSettings": { "path": "/w" },
        "sockopt": { "dialerProxy": "px" } } },
    { "tag": "vg", "protocol": "vless", "settings": { "vnext": [ {
      "address": "10.1.0.1", "port": 8005, "users": [ { "id": "$ID", "encryption": "none" } ] } ] },
      "streamSettings": { "network": "grpc", "grpcSettings": { "serviceName": "g" },
        "sockopt": { "dialerProxy": "px" } } },
    { "tag": "px", "protocol": "freedom", "settings": { "proxyProtocol": 2 } } ],
  "routing": { "rules": [ { "inboundTag": [ "g" ], "outboundTag": "vg" } ] } }
END
bg "$C" far "$CULVERT" run -c "$TMP/far.json"
wait_log far " started"
# the client's carrier is many sessions': LOCAL
for t in 1080:ws:127.0.0.1 1081:grpc:10.1.0.2; do
	IFS=: read -r p t from <<<"$t"
	out=$(on "$C" curl -sS -m 5 --interface 127.0.0.1 \
		-x "socks5h://127.0.0.1:$p" http://10.3.0.1:9002/ 2>&1)
	eq "below $t" "$out" plain
	says "below $t" "$t" "$from:"
done
stop culvert
eq "ends well" "$RC" 0
matches "counted" "$(cat "$TMP/culvert.log")" "PROXY header wrong or missing.*[0-9]"
pass
