#!/bin/bash
# A link behind the TUN that takes less than the client's own: nobody tells the client,
# and the kernel's ICMP errors go to the address that culvert speaks for
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_up
N=3000000 WANT=$(sha 3000000)
serve source tcp-serve 5002 source -n "$N"
start_culvert <<-'END'
	{
	  "log": { "loglevel": "info", "access": "none" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
	  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
	  "culvert": { "workers": 2 }
	}
END
for f in -4 -6; do
	ip -n "$G" "$f" route add default dev culvert0 table 77
	ip -n "$G" "$f" rule add iif g0 lookup 77 pref 77
done
ip -n "$G" link set g0 mtu 1280

down() {
	local out
	out=$(on "$C" "$NT" tcp "$1" 5002 -n 1000 -t 30)
	contains "download from $1 $2" "$out" "rx=$WANT end=FIN"
	MS=$(sed -n 's/.* ms=\([0-9]*\).*/\1/p' <<<"$out")
	echo "-- $1 $2: $MS ms"
}
down 10.3.0.1 "in fragments"
down fd03::1 "in smaller segments"
le "ms until they are smaller" "$MS" $((9000 * SLOW))
too_big() { on "$G" awk '/Icmp6OutPktTooBigs/ { print $2 }' /proc/net/snmp6; }
le "packets that were too big" 1 "$(too_big)"
# each worker learns by itself, and the kernel chooses whose a flow is
learned=1
for i in 2 3 4 5 6; do
	before=$(too_big)
	down fd03::1 "once that is known, $i"
	[ "$(too_big)" = "$before" ] || learned=$((learned + 1))
done
le "downloads with packets that were too big" "$learned" 2

# What is sent again may be cut as well
on "$C" nft -f - <<-'END'
	table netdev loss {
		chain c {
			type filter hook ingress device c0 priority 0
			tcp sport 5002 numgen random mod 100 < 2 drop
		}
	}
END
down 10.3.0.1 "in fragments, 2 % lost"
le "ms in fragments that are lost" "$MS" $((9000 * SLOW))
pass
