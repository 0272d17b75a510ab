#!/bin/bash
# Nothing secret in any log: passwords of the configuration,
# what a client sends, at debug level, on good and on bad days
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_up
serve echo tcp-serve 5003 echo
cat >"$TMP/dante.conf" <<-END
	logoutput: $TMP/dante.txt
	internal: 10.2.0.3 port = 1080
	external: s0
	clientmethod: none
	socksmethod: username
	user.privileged: root
	user.unprivileged: root
	client pass { from: 0/0 to: 0/0 }
	socks pass { from: 0/0 to: 0/0 }
END
bg "$S" dante danted -f "$TMP/dante.conf"
wait_port "$S" tcp 1080

SECRETS=(pw-PLANTED-1 pw-PLANTED-3 body-PLANTED-4 path-PLANTED-5
	cookie-PLANTED-6 auth-PLANTED-7 query-PLANTED-8)
cat >"$TMP/one.json" <<-END
{
  "log": { "loglevel": "debug", "dnsLog": true, "error": "$TMP/error.txt",
    "access": "$TMP/access.txt" },
  "inbounds": [ { "tag": "lan", "protocol": "tun",
    "settings": { "name": "culvert0", "mtu": 1500 },
    "sniffing": { "enabled": true, "destOverride": [ "http", "tls" ],
      "routeOnly": true } } ],
  "routing": { "rules": [
    { "attrs": { "cookie": "cookie-PLANTED-6" }, "outboundTag": "direct" },
    { "ip": [ "10.3.0.2" ], "outboundTag": "proxy" },
    { "ip": [ "10.3.0.3" ], "outboundTag": "wrong" } ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
    { "tag": "proxy", "protocol": "socks", "settings": { "servers": [ {
      "address": "10.2.0.3", "port": 1080, "users": [ {
      "user": "someone", "pass": "pw-PLANTED-1" } ] } ] } },
    { "tag": "wrong", "protocol": "socks", "settings": { "servers": [ {
      "address": "10.2.0.4", "port": 5003, "users": [ {
      "user": "someone", "pass": "pw-PLANTED-3" } ] } ] } } ]
}
END
start_culvert <"$TMP/one.json"
to_tun culvert0
for a in 10.3.0.1 10.3.0.2 10.3.0.3 fd03::1; do
	on "$C" "$NT" tcp "$a" 5003 -t 4 -m $'POST /path-PLANTED-5?k=query-PLANTED-8 HTTP/1.1\r\nHost: h.test\r\nCookie: cookie-PLANTED-6\r\nAuthorization: Basic auth-PLANTED-7\r\nContent-Length: 14\r\n\r\nbody-PLANTED-4' >/dev/null
done
kill -USR1 "${PID[culvert]}"
wait_for 5 grep -q "stats: sessions" "$TMP/error.txt" || fail "no counters"

echo "-- a reload, and files with errors at every secret"
kill -HUP "${PID[culvert]}"
wait_for 5 grep -q "generation 2" "$TMP/error.txt" || fail "no reload"
sed 's/"pass": "pw-PLANTED-1"/"pass": "pw-PLANTED-1", "passs": 1/; s/"port": 5003/"port": 99999/' \
	"$TMP/one.json" >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_for 5 grep -q "nothing is changed" "$TMP/error.txt" || fail "not refused"
sed 's/"pw-PLANTED-3"/"pw-PLANTED-3" oops/' "$TMP/one.json" >"$TMP/bad.json"
"$CULVERT" run -test -c "$TMP/bad.json" >"$TMP/test.txt" 2>&1
"$CULVERT" run -test -json -c "$TMP/config.json" >>"$TMP/test.txt" 2>&1
stop culvert
cat "$TMP/error.txt" "$TMP/access.txt" "$TMP/culvert.log" "$TMP/test.txt" >"$TMP/all.txt"
le "bytes of logs" 3000 "$(stat -c %s "$TMP/all.txt")"
for s in "${SECRETS[@]}"; do
	eq "$s is in the logs" "$(grep -F -m 1 "$s" "$TMP/all.txt")" ""
done
pass
