#!/bin/bash
# freedom, blackhole, loopback behind the TUN: TCP and UDP, v4 and v6, ends and
# refusals, raced addresses, sendThrough, redirect
. "$(dirname "$0")/lib.sh"
net_up
addr "$G" g1 10.2.0.77/24 fd02::77/64
serve sink tcp-serve 5001 sink
serve source tcp-serve 5002 source -n 3000000
serve echo tcp-serve 5003 echo
serve rst tcp-serve 5004 rst -n 1000
serve udp udp-serve 5006 echo
serve cone udp-serve 5007 cone

start_culvert <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ {
    "tag": "lan", "protocol": "tun",
    "settings": { "name": "culvert0", "mtu": 1500, "gateway": [ "172.30.255.1/30", "fd6c:7663::1/126" ] },
    "sniffing": { "enabled": true, "destOverride": [ "http" ] }
  } ],
  "dns": { "hosts": { "dual.test": [ "10.2.0.99", "fd03::1" ] } },
  "routing": { "rules": [
    { "port": 7001, "outboundTag": "block" },
    { "port": 7002, "outboundTag": "block403" },
    { "port": 7003, "inboundTag": [ "again" ], "outboundTag": "redirect" },
    { "port": 7003, "outboundTag": "loop" },
    { "port": 7004, "outboundTag": "redirect" },
    { "port": 7005, "outboundTag": "redirect-udp" },
    { "ip": [ "10.3.0.5" ], "outboundTag": "through" }
  ] },
  "outbounds": [
    { "tag": "direct", "protocol": "freedom", "settings": { "domainStrategy": "UseIP" } },
    { "tag": "through", "protocol": "freedom", "sendThrough": "10.2.0.77" },
    { "tag": "redirect", "protocol": "freedom", "settings": { "redirect": "10.3.0.1:5003" } },
    { "tag": "redirect-udp", "protocol": "freedom", "settings": { "redirect": "10.3.0.1:5006" } },
    { "tag": "loop", "protocol": "loopback", "settings": { "inboundTag": "again" } },
    { "tag": "block", "protocol": "blackhole" },
    { "tag": "block403", "protocol": "blackhole", "settings": { "response": { "type": "http" } } }
  ]
}
END
to_tun culvert0
fds0=$(fds culvert)

for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" tcp "$a" 5001 -n 3000000 -P 2>"$TMP/err.log")
	eq "sink $a sees our bytes after our half-close" "$out" "$(sha 3000000)"
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000)
	contains "source $a" "$out" "rx=$(sha 3000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 500000)
	contains "echo $a" "$out" "rx=$(sha 500000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5004 -n 1000 -O)
	contains "RST of $a is seen" "$out" "end=ECONNRESET"
	t0=${EPOCHREALTIME/./}
	out=$(on "$C" "$NT" tcp "$a" 5999 -t 5)
	matches "refusal of $a is seen" "$out" "end=ECONN(RESET|REFUSED)"
	le "and at once" $((${EPOCHREALTIME/./} - t0)) $((1000000 * SLOW))
	out=$(on "$C" "$NT" udp "$a" 5006 -n 0,1,1472,1473,9000,65507)
	contains "datagrams of $a" "$out" "ok=6 bad=0"
done
out=$(on "$C" "$NT" udp 10.2.0.2 5007 -d 300)
contains "answer from another port" "$out" "more size=64 from=10.2.0.2,5008"
# The client's reset, in mid-transfer, is a reset for the server
bg "$S" reset python3 -uc '
import socket
s = socket.create_server(("10.3.0.3", 5010))
c = s.accept()[0]
try:
    while c.recv(999): print("data")
    print("FIN")
except ConnectionResetError: print("RESET")'
wait_port "$S" tcp 5010
on "$C" python3 -c '
import socket, struct, time
s = socket.create_connection(("10.3.0.3", 5010))
s.sendall(b"x" * 4000)
time.sleep(0.5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()'
wait_log reset RESET

# 10.2.0.99 does not answer, so fd03::1 gets its turn after 250 ms
t0=${EPOCHREALTIME/./}
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -P -t 5 \
	-m $'GET / HTTP/1.1\r\nHost: dual.test\r\n\r\n' 2>/dev/null)
contains "a dead first address" "$out" "Host: dual.test"
le "costs little" $((${EPOCHREALTIME/./} - t0)) $((1500000 * SLOW))
wait_log culvert "tcp:dual.test:5003"
sleep 0.3
matches "it was reached over IPv6" "$(tail -n 1 "$TMP/echo.log")" "^from=fd02::"

on "$C" "$NT" tcp 10.3.0.5 5003 -n 10 >/dev/null
wait_log echo "from=10.2.0.77,"

out=$(on "$C" "$NT" tcp 192.0.2.1 7004 -n 100000)
contains "redirect" "$out" "rx=$(sha 100000) end=FIN"
out=$(on "$C" "$NT" udp 192.0.2.1 7005 -n 0,1,1200)
contains "redirect of datagrams" "$out" "ok=3 bad=0"
out=$(on "$C" "$NT" tcp 192.0.2.1 7003 -n 100000)
contains "loopback and redirect" "$out" "rx=$(sha 100000) end=FIN"

out=$(on "$C" "$NT" tcp 10.3.0.1 7001 -n 10 -t 5)
matches "block resets" "$out" "end=ECONN(RESET|REFUSED)"
out=$(on "$C" "$NT" udp 10.3.0.1 7001 -c -t 3)
contains "block tells UDP" "$out" "end=ECONNREFUSED"
out=$(on "$C" curl -s -o /dev/null -w '%{http_code}' --max-time 5 \
	http://10.3.0.1:7002/)
eq "block says 403" "$out" 403

sleep 2
le "no descriptor is left over" "$(fds culvert)" $((fds0 + 12))
pass
