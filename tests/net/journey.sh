#!/bin/bash
# The whole way with sniffing on and two workers: hashes both ways in both
# families, half-close and RST each way, refusal, slow readers, 1,000 flows at
# once, 5,000 one after the other without anything growing
# timeout: 300
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
FLOWS=1000 SHORT=5000
[ "$SLOW" = 1 ] || FLOWS=300 SHORT=1000

net_up
serve sink tcp-serve 5001 sink
serve source tcp-serve 5002 source -n 8000000
serve echo tcp-serve 5003 echo
serve rst tcp-serve 5004 rst -n 1000
serve lazy tcp-serve 5006 sink -r 400000
start_culvert <<-'END'
	{
	  "log": { "loglevel": "info", "access": "none" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 },
	    "sniffing": { "enabled": true, "routeOnly": true,
	      "destOverride": [ "http", "tls", "quic" ] } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
	  "stats": {},
	  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } },
	    "system": { "statsInboundUplink": true, "statsInboundDownlink": true,
	    "statsOutboundUplink": true, "statsOutboundDownlink": true } },
	  "culvert": { "workers": 2 }
	}
END
to_tun culvert0

# ends FAMILY-ADDRESS: a half-close first by the client, then by the server
half_close() {
	local out
	out=$(on "$C" python3 - "$1" <<-'END'
	import hashlib, socket, sys
	s = socket.create_connection((sys.argv[1], 5010), timeout=20)
	if s.recv(9) != b"ready":
	    print("no greeting")
	if s.recv(9) != b"":        # the server's end, ours is still open
	    print("no end")
	for i in range(40):
	    s.sendall(bytes([i]) * 20000)
	s.shutdown(socket.SHUT_WR)
	END
	)
	eq "$1: the server ends first: seen at once" "$out" ""
	wait_log half "800000 of $2"
}

bg "$S" half python3 -uc '
import socket
l = socket.create_server(("::", 5010), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, peer = l.accept()
    c.sendall(b"ready")
    c.shutdown(socket.SHUT_WR)
    n = 0
    while True:
        b = c.recv(65536)
        if not b: break
        n += len(b)
    print(n, "of", "v4" if peer[0].startswith("::ffff:") else "v6")
    c.close()'
wait_port "$S" tcp 5010

for a in 10.3.0.1 fd03::1; do
	echo "-- $a: hashes"
	out=$(on "$C" "$NT" tcp "$a" 5001 -n 8000000 -P 2>"$TMP/err.log")
	eq "upload, our end, then the answer" "$out" "$(sha 8000000)"
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 3000)
	contains "download" "$out" "tx=$(sha 3000) rx=$(sha 8000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 2000000)
	contains "both ways at once" "$out" "rx=$(sha 2000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 0)
	contains "no byte at all" "$out" "rx=$(sha 0) end=FIN"
	half_close "$a" "$([ "$a" = fd03::1 ] && echo v6 || echo v4)"

	echo "-- $a: the ends"
	out=$(on "$C" "$NT" tcp "$a" 5004 -n 1000 -O)
	contains "the server's RST" "$out" "end=ECONNRESET"
	n=$(grep -c ECONNRESET "$TMP/echo.log")
	on "$C" "$NT" tcp "$a" 5003 -n 400000 -R >/dev/null
	more_resets() { [ "$(grep -c ECONNRESET "$TMP/echo.log")" -gt "$n" ]; }
	wait_for 10 more_resets || fail "$a: the client's RST does not arrive"
	ASSERTS=$((ASSERTS + 1))
	t0=${EPOCHREALTIME/./}
	out=$(on "$C" "$NT" tcp "$a" 5999 -n 10)
	contains "nobody listens" "$out" "end=ECONN"
	le "us until the refusal" $((${EPOCHREALTIME/./} - t0)) $((2000000 * SLOW))

	echo "-- $a: slow readers"
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1 -r 4000000)
	contains "a slow client" "$out" "rx=$(sha 8000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5006 -n 1000000 -P 2>"$TMP/err.log")
	eq "a slow server" "$out" "$(sha 1000000)"
done

live() { # sessions open, by the counters
	kill -USR1 "${PID[culvert]}"
	sleep 0.3
	grep -F "stats: sessions" "$TMP/culvert.log" | tail -n 1 |
		sed 's/.* open //'
}
none_open() { [ "$(live)" = 0 ]; }

echo "-- $FLOWS flows at once"
wait_for 20 none_open || fail "sessions stay: $(live)"
on "$C" "$NT" tcp-short 10.3.0.3 5003 -n 200 -j 4 >/dev/null # warm
wait_for 20 none_open
fds0=$(fds culvert) rss0=$(rss culvert)
out=$(on "$C" "$NT" tcp-hold 10.3.0.3 5003 -n "$FLOWS" -d 1000)
eq "all live" "$out" "open=$FLOWS
alive=$FLOWS"
wait_for 20 none_open || fail "flows stay open: $(live)"
le "descriptors after them" "$(fds culvert)" $((fds0 + 4))

echo "-- $SHORT short flows, half of them v6"
rss1=$(rss culvert)
for a in 10.3.0.3 fd03::3; do
	out=$(on "$C" "$NT" tcp-short "$a" 5003 -n $((SHORT / 2)) -j 8)
	contains "short flows $a" "$out" "ok=$((SHORT / 2)) failed=0"
done
wait_for 20 none_open || fail "flows stay open: $(live)"
ASSERTS=$((ASSERTS + 1))
le "descriptors after $SHORT flows" "$(fds culvert)" $((fds0 + 4))
echo "rss: $rss0 KiB before, $rss1 after many at once, $(rss culvert) at the end"
[ "$SLOW" != 1 ] || le "KiB grown by $SHORT flows" $(($(rss culvert) - rss1)) 1024

echo "-- the counters agree"
kill -USR1 "${PID[culvert]}"
wait_log culvert "inbound>>>lan>>>traffic>>>uplink"
stat() { grep -F "$1" "$TMP/culvert.log" | tail -n 1 | sed 's/.*: //'; }
eq "uplink of both ends" "$(stat "inbound>>>lan>>>traffic>>>uplink")" \
	"$(stat "outbound>>>direct>>>traffic>>>uplink")"
le "bytes that went up" 20000000 "$(stat "inbound>>>lan>>>traffic>>>uplink")"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
stop culvert
eq "exit code" "$RC" 0
pass
