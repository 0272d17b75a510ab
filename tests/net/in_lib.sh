# shellcheck shell=bash
# in_lib.sh: what tests of inbounds share; sourced after lib.sh
#
#	start_in [NS] <<-'END' ... END	culvert with the config, waited for
#	nft_redirect PORT, nft_tproxy PORT	the test's own rules in $G
#	flow ADDR PORT BYTES			nt tcp to an echo, hashes compared

# The log is $TMP/culvert.log. Without --full nothing of the host is touched.
start_in() {
	local ns=${1:-$G}
	cat >"$TMP/config.json"
	# shellcheck disable=SC2153
	bg "$ns" culvert "$CULVERT" run -c "$TMP/config.json"
	wait_for 10 in_or_dead || fail "culvert does not start"
	alive culvert || fail "culvert ended at start"
}

in_or_dead() { ! alive culvert || log_has culvert " started"; }

# TCP of forwarded clients, and of this host to port 5001 and 5101 unless
# marked, goes to PORT
nft_redirect() {
	on "$G" nft -f - <<-END || fail "nft"
	table inet t {
		chain pre {
			type nat hook prerouting priority dstnat;
			iifname "g0" meta l4proto tcp redirect to :$1
		}
		chain out {
			type nat hook output priority -100;
			meta mark 0xff return
			tcp dport { 5001-5199 } redirect to :$1
		}
	}
	END
}

# The same by tproxy, UDP too; addresses of the gateway itself are let through
nft_tproxy() {
	local f
	for f in -4 -6; do
		ip -n "$G" $f rule add fwmark 1 lookup 100
		ip -n "$G" $f route add local default dev lo table 100
	done
	on "$G" nft -f - <<-END || fail "nft"
	table inet t {
		chain pre {
			type filter hook prerouting priority mangle;
			fib daddr type { local, broadcast, multicast } return
			ip6 daddr { fe80::/10, ff00::/8 } return
			iifname "g0" meta l4proto { tcp, udp } meta mark set 1 tproxy to :$1 accept
			iifname "lo" meta mark 1 meta l4proto { tcp, udp } tproxy to :$1 accept
		}
		chain out {
			type route hook output priority mangle;
			meta mark 0xff return
			fib daddr type local return
			tcp dport 5001-5199 meta mark set 1
			udp dport 5001-5199 meta mark set 1
		}
	}
	END
}

# flow NS ADDR PORT BYTES: both ways equal, both ends in order
flow() {
	local out
	out=$(on "$1" "$NT" tcp "$2" "$3" -n "$4")
	contains "$2 $3: sent" "$out" "tx=$(sha "$4")"
	contains "$2 $3: came back" "$out" "rx=$(sha "$4")"
	contains "$2 $3: end" "$out" "end=FIN"
}
