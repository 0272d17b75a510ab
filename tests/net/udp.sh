#!/bin/bash
# udp.sh: datagrams from the client through TUN and freedom to the server
#
# All sizes in both families, exact sources, one outer port a client port, full
# cone, fragments both ways, floods of tuples, ICMP echo and unreachable.
# timeout: 300
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
PY=$(dirname "$0")/udp.py
SIZES=0,1,1472,1473,5000,30000,65507

net_up
# bound, so that the answers come from the address that was asked
bg "$S" echo4 "$NT" udp-serve -l 10.3.0.1 7777 echo
bg "$S" echo6 "$NT" udp-serve -l fd03::1 7777 echo
wait_port "$S" udp 7777
bg "$S" where python3 "$PY" serve 8888
wait_port "$S" udp 8888
# The address is what the gateway's own traffic into the TUN comes from
# shellcheck disable=SC2119
start_culvert <<-'END'
	{
	  "log": { "loglevel": "warning" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500,
	      "gateway": [ "172.30.255.1/30", "fd6c:7663::1/126" ] } } ],
	  "routing": { "rules": [
	    { "ip": [ "10.3.0.9", "fd03::9" ], "outboundTag": "block" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "block", "protocol": "blackhole" } ],
	  "culvert": { "workers": 2 }
	}
END
to_tun culvert0

echo "-- all sizes, both families, connected and not"
for a in 10.3.0.1 fd03::1; do
	for c in "" -c; do
		# shellcheck disable=SC2086
		out=$(on "$C" "$NT" udp $a 7777 -n $SIZES -t 2 $c)
		contains "$a $c all sizes" "$out" "ok=7 bad=0"
	done
	[ "$(grep -c "from=.*$a" <<<"$out")" = 7 ] || fail "$a: wrong source: $out"
done

echo "-- one outer port for two destinations; full cone with the exact source"
for a in "10.3.0.1 8888 10.3.0.2" "fd03::1 8888 fd03::2"; do
	# shellcheck disable=SC2086
	out=$(on "$C" python3 "$PY" cone $a 2>&1)
	contains "cone $a" "$out" "cone from"
	matches "the gateway's outer address" "$out" 'outer (10\.2\.0\.1|fd02::1) '
done

echo "-- ICMP echo, small and in fragments"
for a in 10.3.0.1 fd03::1; do
	for n in 56 1472 5000; do
		ok "ping $a $n" on "$C" ping -c 2 -i 0.2 -W 3 -s $n $a
	done
done

echo "-- blocked: ICMP port unreachable at once"
for a in 10.3.0.9 fd03::9; do
	out=$(on "$C" "$NT" udp $a 7777 -n 10 -c -t 3)
	contains "$a is refused" "$out" "end=ECONNREFUSED"
done

echo "-- 30,000 tuples: bounded, and new clients get through meanwhile"
before=$(rss culvert)
bg "$C" flood python3 "$PY" flood 10.3.0.1 15000 15000
out=$(on "$C" python3 "$PY" ask 10.3.0.2 8888 20)
eq "asked during the flood" "$out" "ok=20"
wait_for 60 log_has flood "sent 30000" || fail "flood does not end"
out=$(on "$C" python3 "$PY" ask fd03::2 8888 20)
eq "asked after the flood" "$out" "ok=20"
after=$(rss culvert)
echo "   resident KiB before $before, after $after; descriptors $(fds culvert)"
[ "$SLOW" -gt 1 ] || le "memory grown, KiB" $((after - before)) 100000
ok "still alive" alive culvert

echo "-- super-packets: the gateway's own traffic keeps its segments on the TUN"
# only what is not culvert's goes there: that has no source port 4000 to 4999
for f in -4 -6; do
	ip -n "$G" $f rule add pref 76 ipproto udp sport 4000-4999 \
		lookup 77 || fail "rule"
done
for a in 10.3.0.1 fd03::1; do
	eq "segments $a" "$(on "$G" python3 "$PY" segments $a 7777 2>&1)" \
		"segments ok"
	matches "$a went through the TUN" "$(cat "$TMP/culvert.log")" \
		":4[0-9]{3} accepted udp:\[?$a\]?:7777"
done

stop culvert
eq "exit code" "$RC" 0
pass
