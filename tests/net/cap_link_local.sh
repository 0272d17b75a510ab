#!/bin/bash
# Link-local addresses: clients that were told the gateway's as their DNS server (by
# router advertisements), in each way of capture; a resolv.conf with one
# timeout: 90
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net

# own NS DEV: its link-local address
own() { ip -n "$1" -6 -o addr show dev "$2" scope link | sed 's/.*inet6 \([^/]*\).*/\1/'; }
at=$(own "$G" g0)
above=$(own "$S" s0)
# A resolver of the gateway, and one in its uplink's network
bg "$G" near dnsmasq -k --no-resolv --no-hosts --user=nobody --pid-file= \
	--bind-interfaces --address=/www.example.com/192.0.2.77
wait_port "$G" udp 53
bg "$S" above dnsmasq -k --no-resolv --no-hosts --user=root --pid-file= \
	--interface=s0 --except-interface=lo --bind-interfaces \
	--address=/www.example.com/198.51.100.2 \
	--address=/www.example.com/2001:db8:51::2
# scope of its socket: before that it does not answer
answers() { [ "$(ask "$G" "$above%g1" A www.example.com)" = 198.51.100.2 ]; }
wait_for 10 answers || fail "the resolver above does not answer"
resolver "$G" "$above%g1"

for how in redirect tproxy tun; do
	tun=
	[ $how != tun ] || tun='{ "protocol": "tun", "settings": { "name": "culvert0" } }'
	cap_config $how "" "$tun"
	host_up "$TMP/up.json"
	for p in "" +tcp; do
		got=$(ask "$C" "$at%c0" A www.example.com $p)
		if [ $how = tun ]; then # forwarded it cannot be
			eq "$how $p: the resolver answers" "$got" 192.0.2.77
		else
			matches "$how $p: FakeDNS answers" "$got" '^198\.1[89]\.'
		fi
	done
	# by name, which the resolver above knows
	out=$(on "$C" "$NT" tcp "$(ask "$C" fd01::1 A www.example.com)" 5003 -n 5000)
	contains "$how: by name" "$out" "rx=$(sha 5000) end=FIN"
	stop culvert
done
pass
