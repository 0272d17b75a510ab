#!/bin/bash
# A default route in parts: the halves of OpenVPN's redirect-gateway, 2000::/3 of IPv6
# uplinks. All is caught all the same, in each way of capture, and who has it leads out
# timeout: 90
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
ip -n "$G" route add 0.0.0.0/1 via 10.2.0.2
ip -n "$G" route add 128.0.0.0/1 via 10.2.0.2
ip -n "$G" -6 route add 2000::/3 via fd02::2
# A network with a prefix that is nearly as short is one: it is not caught
ip -n "$G" -6 route add 200::/7 via fd02::2
ip -n "$S" addr add 201::1/128 dev lo

# conn WHAT NS ADDR: accepted by culvert N times
conn() {
	count_lines culvert ' accepted tcp:'
	contains "$1" "$(on "$2" "$NT" tcp "$3" 5003 -n 5000 -t 5)" "rx=$(sha 5000) end=FIN"
	set -- "$1" "$COUNT" "$4"
	[ "$3" = 0 ] || wait_for 2 more_than "$2" || fail "$1: is not caught"
	count_lines culvert ' accepted tcp:'
	eq "$1: caught" $((COUNT - $2)) "$3"
}
more_than() { count_lines culvert ' accepted tcp:'; [ "$COUNT" -gt "$1" ]; }
for parts in beside alone; do
	for how in tun redirect tproxy; do
		tun=
		[ $how != tun ] || tun='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
		cap_config $how "" "$tun"
		host_up "$TMP/up.json"
		for a in $FAR; do
			conn "$parts $how: the LAN, $a" "$C" "$a" 1
			conn "$parts $how: the host, $a" "$G" "$a" 1
		done
		conn "$parts $how: another network" "$C" 201::1 0
		contains "$parts $how: it leads out" \
			"$(on "$G" nft list set inet culvert uplinks)" '"g1"'
		stop culvert
	done
	ip -n "$G" route del default
	ip -n "$G" -6 route del default
done
pass
