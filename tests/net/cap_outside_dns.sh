#!/bin/bash
# A name server in the LAN that is asked from outside, by DNAT and routed, in each way of
# capture: it answers, not culvert. A client whose way in is the way out (a gateway with one
# interface) is answered by culvert all the same
# timeout: 90
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net
bg "$C" lan dnsmasq -k --no-resolv --no-hosts --user=root --pid-file= \
	--bind-interfaces --address=/www.example.com/192.0.2.77
wait_port "$C" udp 53
on "$G" nft -f - <<-'END'
add rule ip gw in_dnat iifname "g1" meta l4proto { tcp, udp } th dport 53 ip daddr 10.2.0.1 dnat to 10.1.0.2
END
ip -n "$S" route add 192.0.2.53 via 10.2.0.1
ip -n "$S" route add 2001:db8:99::53 via fd02::1

for how in tun redirect tproxy mixed mixed-tun; do
	tun=
	[[ $how != *tun ]] ||
		tun='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
	cap_config ${how%-tun} "" "$tun"
	host_up "$TMP/up.json"
	for o in "" +tcp; do
		for at in 10.2.0.1 10.1.0.2 fd01::2; do
			eq "$how: from outside $at $o" \
				"$(ask "$S" $at A www.example.com $o)" 192.0.2.77
		done
		for at in 192.0.2.53 2001:db8:99::53; do
			matches "$how: one interface, $at $o" \
				"$(ask "$S" $at A www.example.com $o)" '^198\.1[89]\.'
		done
		matches "$how: the LAN $o" \
			"$(ask "$C" 10.2.0.9 A www.example.com $o)" '^198\.1[89]\.'
	done
	stop culvert
done
pass
