# shellcheck shell=bash
# host_lib.sh: what the host_*.sh tests share, on top of lib.sh
#
#	host_net			lib.sh's topology, servers, DNS, DNAT
#	host_up [CONFIG-FILE]		`culvert up` in $G, waited for
#	host_state			rules, routes, links, tables of $G as text
#	ask NS AT A|AAAA NAME [+tcp]	first address of an answer, or nothing

host_net() {
	command -v dnsmasq >/dev/null && command -v dig >/dev/null &&
		command -v nft >/dev/null || skip "needs dnsmasq, dig and nft"
	net_up
	resolver "$G" 198.51.100.3
	serve echo tcp-serve 5003 echo
	serve udp udp-serve 5006 echo
	bg "$S" dns dnsmasq -k --no-resolv --no-hosts --user=root --pid-file= \
		--listen-address=198.51.100.3,10.3.0.9,2001:db8:51::3 \
		--bind-interfaces --address=/www.example.com/198.51.100.1 \
		--address=/www.example.com/2001:db8:51::1
	wait_port "$S" udp 53
	on "$G" nft -f - <<-'END'
	table ip gw {
		chain in_dnat {
			type nat hook prerouting priority -100
			tcp dport 2223 ip daddr 10.2.0.1 dnat to 10.1.0.2
		}
	}
	END
	on "$S" nft -f - <<-'END'
	table inet seen {
		counter syn { }
		counter public { }
		chain in {
			type filter hook prerouting priority -300
			iifname "s0" tcp flags & (syn | ack) == syn counter name syn
			meta l4proto icmpv6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } return
			iifname "s0" counter name public
		}
	}
	END
}

host_up() {
	bg "$G" culvert "$CULVERT" up ${1:+-c "$1"}
	wait_for 10 up_or_dead
	alive culvert || fail "culvert up ended"
	log_has culvert started || fail "culvert up does not start"
}
up_or_dead() { ! alive culvert || log_has culvert started; }
not_alive() { ! alive "$1"; }

host_state() {
	ip -n "$G" -o link | sed 's/ state .*//'
	ip -n "$G" -4 rule
	ip -n "$G" -6 rule
	ip -n "$G" -4 route show table all
	ip -n "$G" -6 route show table all | sort
	on "$G" nft list ruleset | grep '^table'
}

ask() { on "$1" "$NT" ask "$2" "$4" -m "$3" ${5:+-c} 2>/dev/null; }

# Packets at the server since the last call of the same
syn_count() { counter syn; }
far_packets() { counter public; }
counter() {
	on "$S" nft reset counter inet seen "$1" |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Bytes that culvert got out of its TUN
tun_bytes() { on "$G" cat /sys/class/net/culvert0/statistics/tx_bytes; }
