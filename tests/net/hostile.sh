#!/bin/bash
# Packets that no client sends, a flow as it should be after each; 20,000 SYNs
# with new flows between them; 10,000 one-byte segments out of order
# timeout: 240
# alone: (it measures, or breaks things on purpose)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
PY=$(dirname "$0")/hostile.py

net_up
serve echo tcp-serve 5003 echo
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
wait_port "$S" udp 7777
start_culvert <<-'END'
	{
	  "log": { "loglevel": "info", "access": "none" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 },
	    "sniffing": { "enabled": true, "routeOnly": true,
	      "destOverride": [ "http", "tls", "quic" ] } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
	  "culvert": { "workers": 2 }
	}
END
to_tun culvert0
# The kernel of the gateway is not what is tested: let everything through
on "$G" sysctl -qw net.ipv4.conf.all.accept_source_route=1 \
	net.ipv4.conf.g0.accept_local=1 net.ipv4.conf.all.accept_local=1 \
	net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.log_martians=0
# answers to invented sources end here, not in the neighbour table
ip -n "$G" route add blackhole 10.9.0.0/16
jiffies() { awk '{ print $14 + $15 }' "/proc/${PID[culvert]}/stat"; }

echo "-- malformed packets"
rss0=$(rss culvert) fds0=$(fds culvert)
out=$(on "$C" python3 "$PY" cases 10.3.0.1 fd03::1 2>&1)
echo "   $out"
matches "all cases, with a flow after each" "$out" '^cases [0-9]+ slowest'
le "cases" 100 "$(awk '{ print $2 }' <<<"$out")"
le "ms of the slowest flow" "$(awk '{ print $4 }' <<<"$out")" $((3000 * SLOW))
out=$(on "$C" "$NT" udp 10.3.0.1 7777 -n 1,1400,5000)
contains "datagrams, too" "$out" "ok=3 bad=0"

echo "-- the same straight into the device, past the kernel's own checks"
# packets routed by the gateway are checked by its kernel; a tap on the TUN is not
out=$(on "$G" python3 - "$PY" 2>&1 <<-'END'
	import runpy, socket, sys
	path = sys.argv[1]
	sys.argv = [path, "none"]
	m = {}
	src = open(path).read().split('if sys.argv[1] == "cases"')[0]
	exec(compile(src, path, "exec"), m)
	s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
	n = 0
	for fam, proto, cases in (
	        (socket.AF_INET, 0x800, m["cases4"](socket.inet_aton("10.3.0.1"), 5003)),
	        (socket.AF_INET6, 0x86dd, m["cases6"](
	            socket.inet_pton(socket.AF_INET6, "fd03::1"), 5003))):
	    for p in cases:
	        for cut in {len(p), len(p) // 2, 20, 1}:
	            s.sendto(p[:cut], ("culvert0", proto, 0, 0, b""))
	        n += 1
	print("straight", n)
	END
)
matches "sent" "$out" '^straight [0-9]+'
out=$(on "$C" "$NT" tcp-short 10.3.0.1 5003 -n 50 -j 4)
contains "flows after them" "$out" "ok=50 failed=0"
kill -USR1 "${PID[culvert]}"
wait_log culvert "stats: sessions"
sleep 0.3
echo "   counted: $(grep -o 'dropped: .*' "$TMP/culvert.log" | tr '\n' ';')"
le "reasons that were counted" 8 "$(grep -c 'dropped: ' "$TMP/culvert.log")"

echo "-- 20,000 SYNs"
out=$(on "$C" python3 "$PY" syns 10.3.0.1 20000 2>&1)
echo "   $(tr '\n' ' ' <<<"$out")"
lacks "flows meanwhile" "$out" Error
kill -USR1 "${PID[culvert]}"
worst=$(awk '/^control/ && $3 > m { m = $3 } END { print m + 0 }' <<<"$out")
le "ms of a new flow in the flood" "$worst" $((3000 * SLOW))
eq "flows" "$(grep -c ^control <<<"$out")" 6

echo "-- 10,000 one-byte segments out of order"
on "$C" nft -f - <<-'END'
	table inet t {
		chain out {
			type filter hook output priority 0
			tcp sport 55555 tcp flags rst drop
		}
	}
END
j0=$(jiffies)
out=$(on "$C" python3 "$PY" ooo 10.3.0.1 10000 2>&1)
echo "   $out, CPU ms $((($(jiffies) - j0) * 10))"
matches "a flow after them" "$out" '^control ms [0-9]+$'
le "CPU ms" $((($(jiffies) - j0) * 10)) $((1500 * SLOW))
le "KiB grown by all of it" $(($(rss culvert) - rss0)) $((8192 * SLOW))
le "descriptors" "$(fds culvert)" $((fds0 + 30))
alive culvert || fail "culvert died"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
stop culvert
eq "exit code" "$RC" 0
pass
