#!/bin/bash
# HTTP CONNECT outbound against tinyproxy, with and without password
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up tinyproxy python3
tiny() {
	cat >"$TMP/$1.conf" <<-END
		Port $2
		Listen $3
		Timeout 60
		MaxClients 100
		ConnectPort 5001
		ConnectPort 5002
		ConnectPort 5003
		ConnectPort 5999
		LogLevel Info
		DisableViaHeader Yes
		${4:-}
	END
	bg "$S" "$1" tinyproxy -d -c "$TMP/$1.conf"
	wait_port "$S" tcp "$2"
}
tiny plain 8080 10.2.0.3
tiny auth 8081 fd02::3 "BasicAuth me secret"
# answers 200 with the first bytes of the tunnel in the same segment, slowly
bg "$S" script python3 -c '
import re, socket, threading, time
def serve(c):
    req = c.recv(9999)
    ok = b"X-Test: yes\r\n" in req and b"CONNECT 10.3.0.6:5003 HTTP/1.1\r\n" in req
    ok = ok and bool(re.search(rb"X-Way: tcp:10\.1\.0\.2:\d+ to 10\.3\.0\.6\r\n", req))
    for b in b"HTTP/1.1 200 Fine\r\nA: " :
        c.send(bytes([b])); time.sleep(0.005)
    c.send(b"b\r\n\r\nhello from the tunnel " + str(ok).encode())
    c.close()
s = socket.create_server(("10.2.0.3", 8082))
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()'
wait_port "$S" tcp 8082
server() { echo "\"address\": \"$1\", \"port\": $2"; }
client_conf "$(rule 1 plain), $(rule 2 auth), $(rule 3 wrong), $(rule 4 silent), $(rule 6 script),
	{ \"domain\": [ \"full:dom.test\" ], \"outboundTag\": \"plain\" }" \
	"$(ob plain http "{ $(server 10.2.0.3 8080) }"),
	$(ob auth http "{ \"servers\": [ { $(server fd02::3 8081), \"users\": [ { \"user\": \"me\", \"pass\": \"secret\" } ] } ] }"),
	$(ob wrong http "{ $(server fd02::3 8081), \"user\": \"me\", \"pass\": \"wrong\" }"),
	$(ob silent http "{ $(server 10.2.0.2 1090) }"),
	$(ob script http "{ $(server 10.2.0.3 8082), \"headers\": { \"X-Test\": \"yes\", \"X-Way\": \"{{.Source}} to {{ .Target.Address }}\" } }")"
# tinyproxy ends both ways when one ends
transfers "v4" 10.3.0.1 nohalf
transfers "v6" fd03::1 nohalf
transfers "password" 10.3.0.2 nohalf
named "http"
out=$(on "$C" "$NT" tcp 10.3.0.6 5003 -P -O 2>/dev/null)
contains "bytes behind the answer, own headers" "$out" "hello from the tunnel True"
ended "wrong password" 10.3.0.3 1500
ended "silent server" 10.3.0.4 4500
out=$(on "$C" "$NT" udp 10.3.0.1 5006 -n 10 -c -t 3)
contains "no UDP: port unreachable" "$out" "ECONNREFUSED"
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "secret"
pass
