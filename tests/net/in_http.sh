#!/bin/bash
# in_http.sh: the http inbound: keep-alive, bodies, headers, errors
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
WEB=$(dirname "$0")/in_http.py
net_up
bg "$S" web python3 "$WEB" serve 8080 web
bg "$S" other python3 "$WEB" serve 8081 other
wait_port "$S" tcp 8080
wait_port "$S" tcp 8081
start_in <<'END'
{
  "log": { "loglevel": "info" },
  "inbounds": [
    { "tag": "web", "port": 3128, "protocol": "http",
      "settings": { "allowTransparent": true } },
    { "tag": "strict", "port": 3129, "protocol": "http",
      "settings": { "users": [ { "user": "ann", "pass": "pw" } ] } } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
    { "tag": "block", "protocol": "blackhole" } ],
  "routing": { "rules": [
    { "attrs": { ":method": "GET", ":path": "/secret" },
      "outboundTag": "block" } ] }
}
END
P=http://10.1.0.1:3128
get() { on "$C" curl -sS -m 10 "$@" 2>&1; }

out=$(get -x $P http://10.3.0.1:8080/a/b?c=d)
contains "path instead of url" "$out" "GET /a/b?c=d HTTP/1.1"
contains "host" "$out" "Host: 10.3.0.1:8080"
lacks "hop by hop headers" "$out" "Proxy-Connection"
out=$(get -x $P -H 'Connection: x-mine, close' -H 'X-Mine: 1' -H 'TE: gzip' \
	-H 'Keep-Alive: 1' -H 'X-Stays: 1' http://10.3.0.1:8080/)
lacks "named in Connection" "$out" "X-Mine"
lacks "TE" "$out" "TE:"
lacks "Keep-Alive" "$out" "Keep-Alive"
contains "other headers stay" "$out" "X-Stays: 1"

# keep-alive: one connection, one session
out=$(get -x $P http://10.3.0.1:8080/1 http://10.3.0.1:8080/2 \
	http://10.3.0.1:8080/3 -w '%{num_connects}\n')
eq "three answers" "$(grep -c name=web <<<"$out")" 3
eq "one connection" "$(grep -cx 0 <<<"$out")" 2
# another host closes in order; the client goes on by a new connection
out=$(on "$C" python3 "$WEB" reuse 10.1.0.1 3128 http://10.3.0.1:8080/ \
	http://10.3.0.1:8080/ http://10.3.0.1:8081/ http://10.3.0.1:8081/ \
	http://10.3.0.1:8080/)
eq "each from its host" "$(tr '\n' ' ' <<<"$out")" \
	"200 name=web 200 name=web 200 name=other 200 name=other 200 name=web connections=3 "

# bodies: with a length, chunked, large; then the next request
head -c 3000000 /dev/urandom >"$TMP/body"
h=$(sha256sum "$TMP/body" | cut -c1-16)
out=$(get -x $P --data-binary "@$TMP/body" -H 'Expect:' http://10.3.0.1:8080/)
contains "body with a length" "$out" "body=3000000:$h"
out=$(get -x $P --data-binary "@$TMP/body" -H 'Transfer-Encoding: chunked' \
	-H 'Expect:' http://10.3.0.1:8080/ http://10.3.0.1:8080/)
eq "chunked bodies" "$(grep -c "body=3000000:$h" <<<"$out")" 2
eq "large answer" "$(get -x $P http://10.3.0.1:8080/big | wc -c)" 1000000
wait_log culvert "(splice) first byte"

# errors
code() { on "$C" curl -s -o /dev/null -w '%{http_code}' -m 10 "$@"; }
eq "nobody there" "$(code -x $P http://10.3.0.1:9/)" 503
eq "nobody there, with a body" "$(code -x $P -d abc http://10.3.0.1:9/)" 503
eq "blocked by its path" "$(code -x $P http://10.3.0.1:8080/secret)" 503
eq "another path" "$(code -x $P http://10.3.0.1:8080/open)" 200
S2=http://10.1.0.1:3129
eq "no account" "$(code -x $S2 http://10.3.0.1:8080/)" 407
eq "wrong account" "$(code -x $S2 -U ann:no http://10.3.0.1:8080/)" 407
eq "account" "$(code -x $S2 -U ann:pw http://10.3.0.1:8080/)" 200
eq "account, tunnel" "$(code -p -x $S2 -U ann:pw http://10.3.0.1:8080/)" 200
eq "asked, then given" "$(code --proxy-anyauth -x $S2 -U ann:pw \
	http://10.3.0.1:8080/)" 200
lacks "the account is not passed on" "$(get -x $S2 -U ann:pw \
	http://10.3.0.1:8080/)" "Authorization"

# raw REQUEST PORT: what comes back
raw() {
	printf '%b' "$1" >"$TMP/raw"
	on "$C" timeout 20 python3 "$WEB" raw 10.1.0.1 "$2" "$TMP/raw" 2>&1
}
contains "transparent" "$(raw 'GET /t HTTP/1.1\r\nHost: 10.3.0.1:8080\r\nConnection: close\r\n\r\n' 3128)" "GET /t HTTP/1.1"
contains "not transparent" "$(raw 'GET /t HTTP/1.1\r\nHost: 10.3.0.1:8080\r\nProxy-Authorization: Basic YW5uOnB3\r\n\r\n' 3129)" "400 Bad Request"
contains "garbage" "$(raw '\x16\x03\x01\x00\xa5' 3128)" "400 Bad Request"
contains "two lengths" "$(raw 'POST http://10.3.0.1:8080/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n' 3128)" "400 Bad Request"
contains "length and chunks" "$(raw 'POST http://10.3.0.1:8080/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' 3128)" "400 Bad Request"
out=$(raw 'GET http://10.3.0.1:8080/1 HTTP/1.1\r\nHost: x\r\n\r\nGET http://10.3.0.1:8080/2 HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n' 3128)
eq "pipelined" "$(grep -c "name=web" <<<"$out")" 2
contains "ended in order" "$out" "end=FIN"
out=$(raw 'GET http://10.3.0.1:8080/1 HTTP/1.1\r\n\r\nGET http://10.3.0.1:8081/2 HTTP/1.1\r\n\r\n' 3128)
eq "pipelined to another host: the first is answered" "$(grep -c "name=" <<<"$out")" 1
contains "and the end is in order" "$out" "end=FIN"
out=$(raw 'GET http://10.3.0.1:8080/old HTTP/1.0\r\n\r\n' 3128)
contains "HTTP/1.0" "$out" "GET /old HTTP/1.0"
contains "HTTP/1.0 ends" "$out" "end=FIN"
stop culvert
eq "ends well" "$RC" 0
pass
