#!/bin/bash
# in_socks.sh: socks and mixed inbounds: curl and a UDP client of SOCKS
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
PY=$(dirname "$0")/in_udp.py
WEB=$(dirname "$0")/in_http.py
net_up
serve echo tcp-serve 5001 echo
serve u4 udp-serve 5101 echo -l 10.3.0.1
serve u6 udp-serve 5101 echo -l fd03::1
bg "$S" web python3 "$WEB" serve 8080 web
wait_port "$S" tcp 8080
start_in <<END
{
  "log": { "loglevel": "info" },
  "dns": { "hosts": { "web.test": "10.3.0.1", "six.test": "fd03::1",
    "echo.test": "10.3.0.1" } },
  "inbounds": [
    { "tag": "open", "port": 1080, "protocol": "socks",
      "settings": { "udp": true } },
    { "tag": "closed", "port": 1081, "protocol": "mixed", "settings": {
      "auth": "password", "udp": true,
      "accounts": [ { "user": "ann", "pass": "s3 cret:x" },
                    { "user": "bob", "pass": "" } ] } },
    { "tag": "unix", "listen": "$TMP/proxy.sock,0600", "protocol": "socks" },
    { "tag": "abstract", "listen": "@culvert-$$", "protocol": "mixed" } ],
  "outbounds": [
    { "tag": "direct", "protocol": "freedom",
      "settings": { "domainStrategy": "UseIP" } },
    { "tag": "block", "protocol": "blackhole" } ],
  "routing": { "rules": [
    { "user": [ "bob" ], "outboundTag": "block" } ] }
}
END

# get WHAT CURL-OPTIONS...: the page's first line is name=web
get() {
	local what=$1 out
	shift
	out=$(on "$C" curl -sS -m 10 "$@" 2>&1)
	contains "$what" "$out" "name=web"
}
for host in 10.3.0.1 '[fd03::1]' web.test six.test; do
	u=http://$host:8080/x
	get "socks5h $host" -x socks5h://10.1.0.1:1080 "$u"
	get "socks5h over v6 $host" -x 'socks5h://[fd01::1]:1080' "$u"
	get "password $host" -x socks5h://10.1.0.1:1081 \
		-U 'ann:s3 cret:x' "$u"
	get "http $host" -x http://10.1.0.1:1080 "$u"
	get "http tunnel $host" -p -x http://10.1.0.1:1080 "$u"
	get "http with account $host" -x http://10.1.0.1:1081 \
		-U 'ann:s3 cret:x' "$u"
done
get "socks4" -x socks4://10.1.0.1:1080 http://10.3.0.1:8080/
get "socks4a" -x socks4a://10.1.0.1:1080 http://web.test:8080/
get "socks5" -x socks5://10.1.0.1:1080 http://10.3.0.1:8080/
bad "wrong password" on "$C" curl -sS -m 5 -x socks5h://10.1.0.1:1081 \
	-U ann:wrong http://10.3.0.1:8080/
bad "no password" on "$C" curl -sS -m 5 -x socks5h://10.1.0.1:1081 \
	http://10.3.0.1:8080/
bad "socks4 where a password is needed" on "$C" curl -sS -m 5 \
	-x socks4a://10.1.0.1:1081 http://web.test:8080/
eq "407" "$(on "$C" curl -s -o /dev/null -w '%{http_code}' -m 5 \
	-x http://10.1.0.1:1081 http://10.3.0.1:8080/)" 407
bad "a rule on the account" on "$C" curl -sS -m 5 \
	-x socks5h://10.1.0.1:1081 -U bob: http://10.3.0.1:8080/
contains "user in the access line" "$(cat "$TMP/culvert.log")" "email: ann"
contains "splice after the handshake" "$(cat "$TMP/culvert.log")" "(splice)"
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "s3 cret"

# unix sockets, of programs on the gateway
out=$(on "$G" curl -sS -m 10 -x "socks5h://localhost$TMP/proxy.sock" \
	http://10.3.0.1:8080/ 2>&1)
contains "unix socket" "$out" "name=web"
eq "its mode" "$(stat -c %a "$TMP/proxy.sock")" 600
out=$(on "$G" python3 - "$$" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("\0culvert-" + sys.argv[1])
s.sendall(b"CONNECT 10.3.0.1:5001 HTTP/1.1\r\n\r\nhello")
b = b""
while b"hello" not in b:
    d = s.recv(100)
    if not d: break
    b += d
print(b.decode())
END
)
contains "abstract socket, bytes sent ahead" "$out" "hello"

# UDP associations
for p in "10.1.0.1 1080" "fd01::1 1080"; do
	for d in 10.3.0.1 fd03::1 echo.test; do
		# shellcheck disable=SC2086
		out=$(on "$C" timeout 20 python3 "$PY" socks $p $d 5101 2>&1)
		contains "udp $p $d" "$out" "ok=4"
		contains "udp $p $d: another port" "$out" "other=dropped"
		contains "udp $p $d: after the end" "$out" "after=gone"
	done
done
out=$(on "$C" timeout 20 python3 "$PY" socks 10.1.0.1 1081 10.3.0.1 5101 \
	ann 's3 cret:x' 8000 2>&1)
contains "udp with a password" "$out" "ok=1"
bad "udp where it is off" on "$G" python3 - "$TMP/proxy.sock" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"\5\1\0\5\3\0\1\0\0\0\0\0\0")
b = s.recv(2) + s.recv(100)
sys.exit(b[3])
END
before=$(fds culvert)
for i in 1 2 3 4 5; do
	on "$C" timeout 20 python3 "$PY" socks 10.1.0.1 1080 10.3.0.1 5101 \
		"" "" 10 >/dev/null
done
sleep 0.3
le "associations leave nothing" "$(fds culvert)" $((before + 5))
stop culvert
eq "ends well" "$RC" 0
bad "the socket's file is gone" test -e "$TMP/proxy.sock"
pass
