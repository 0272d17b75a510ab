# shellcheck shell=bash
# cap_lib.sh: what the cap_*.sh tests share, on top of lib.sh and host_lib.sh
#
#	cap_config CAPTURE [MORE]	$TMP/up.json; MORE: keys of "culvert"
#	cap_tcp NS ADDR, cap_udp NS ADDR	through culvert, every kind of end
#	caught WHAT			a connection of the LAN goes by culvert
#	cap_flush			others flush everything during transfers
#	cap_kill CAPTURE UDP		kill -9, open and closed; UDP: 1 if caught
#	cap_rest CAPTURE UDP		all that is the same for redirect and tproxy
#
# $C is the LAN, $G the host itself; 198.51.100.1 and 2001:db8:51::1 are far.

FAR="198.51.100.1 2001:db8:51::1"

cap_net() {
	host_net
	serve sink tcp-serve 5011 sink
	serve source tcp-serve 5012 source -n 2000000
	serve rst tcp-serve 5013 rst -n 1000
	serve hold tcp-serve 5014 echo
	serve cone4 udp-serve 5021 cone -l 198.51.100.1
	serve cone6 udp-serve 5023 cone -l 2001:db8:51::1
	serve uecho4 udp-serve 5025 echo -l 198.51.100.1
	serve uecho6 udp-serve 5025 echo -l 2001:db8:51::1
	on "$S" nft -f - <<-'END'
	table inet who {
		counter lan_tcp { }
		counter lan_udp { }
		counter host_udp { }
		chain in {
			type filter hook prerouting priority -300
			ip saddr 10.1.0.0/24 ip daddr 198.51.100.0/24 meta l4proto tcp counter name lan_tcp
			ip6 saddr fd01::/64 ip6 daddr 2001:db8:51::/64 meta l4proto tcp counter name lan_tcp
			ip saddr 10.1.0.0/24 ip daddr 198.51.100.0/24 meta l4proto udp counter name lan_udp
			ip6 saddr fd01::/64 ip6 daddr 2001:db8:51::/64 meta l4proto udp counter name lan_udp
		}
	}
	END
}

# who NAME: packets of the LAN that reached the server with their own address
who() {
	on "$S" nft reset counter inet who "$1" |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

cap_config() {
	cat >"$TMP/up.json" <<-END
	{ "log": { "loglevel": "info" },
	  "dns": { "servers": [ "fakedns", "localhost" ] },
	  "inbounds": [ ${3:-} ],
	  "routing": { "rules": [ { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "protocol": "freedom", "tag": "direct" },
	    { "protocol": "dns", "tag": "dns" } ],
	  "policy": { "levels": { "0": { "uplinkOnly": 60, "downlinkOnly": 60 } } },
	  "culvert": { "capture": "$1" ${2:+, $2} } }
	END
	ok "config" "$CULVERT" run -test -c "$TMP/up.json"
}

# through LOG-PART...: culvert has told of it
through() { wait_log culvert "$1"; ASSERTS=$((ASSERTS + 1)); }

# A test that looks for more has its own
caught() {
	local out n
	n=$(grep -c ' accepted ' "$TMP/culvert.log")
	out=$(on "$C" "$NT" tcp 198.51.100.1 5003 -n 2000)
	contains "$1" "$out" "rx=$(sha 2000) end=FIN"
	eq "$1: by culvert" "$(grep -c ' accepted ' "$TMP/culvert.log")" \
		$((n + 1))
}

cap_tcp() {
	local out a=$2
	out=$(on "$1" "$NT" tcp "$a" 5003 -n 3000000)
	contains "$1 tcp $a" "$out" "tx=$(sha 3000000)"
	contains "$1 tcp $a" "$out" "rx=$(sha 3000000) end=FIN"
	out=$(on "$1" "$NT" tcp "$a" 5011 -n 1000000 -P 2>/dev/null)
	eq "$1 half-close $a: answer after our FIN" "$out" "$(sha 1000000)"
	out=$(on "$1" "$NT" tcp "$a" 5012)
	contains "$1 download $a" "$out" "rx=$(sha 2000000)"
	out=$(on "$1" "$NT" tcp "$a" 5013 -n 1000)
	contains "$1 reset of $a" "$out" "end=ECONNRESET"
	out=$(on "$1" "$NT" tcp "$a" 5099 -n 10)
	matches "$1 refused by $a" "$out" "end=(ECONNRESET|ECONNREFUSED)"
	out=$(on "$1" "$NT" tcp "$a" 5014 -n 1000 -R)
	contains "$1 resets $a" "$out" "end=RESET-BY-US"
	wait_log hold "end=ECONNRESET"
	: >"$TMP/hold.log"
}

cap_udp() {
	local out a=$2 cone=5021
	[[ $a != *:* ]] || cone=5023
	out=$(on "$1" "$NT" udp "$a" 5025 -n 0,1,100,1200,1472,9000)
	contains "$1 udp $a" "$out" "ok=6 bad=0"
	eq "$1 udp $a: exact source" "$(grep -c "from=$a,5025" <<<"$out")" 6
	out=$(on "$1" "$NT" udp "$a" "$cone" -n 50 -d 300)
	contains "$1 udp $a: full cone" "$out" "more size=50 from=$a,$((cone + 1))"
}

# The listeners themselves: nobody gets there but by our rules
cap_guard() {
	local out p
	for p in 7663 7653; do
		for a in 10.1.0.1 fd01::1; do
			out=$(on "$C" "$NT" tcp "$a" "$p" -n 10 -t 1)
			matches "own listener $p from the LAN" "$out" "end=E?TIME"
		done
		on "$C" "$NT" udp 10.1.0.1 "$p" -n 10 -t 1 >/dev/null
	done
	lacks "no loop" "$(cat "$TMP/culvert.log")" "loop:"
}

cap_dns() {
	local at ns
	for at in 198.51.100.3 10.3.0.9 10.1.0.1 fd01::1 2001:db8:51::3; do
		matches "client asks $at" "$(ask "$C" "$at" A www.example.com)" \
			'^198\.1[89]\.'
		matches "client asks $at, TCP" \
			"$(ask "$C" "$at" AAAA www.example.com +tcp)" '^fc00:'
	done
	for at in 127.0.0.53 127.0.0.1 10.2.0.1 198.51.100.3 fd02::1; do
		matches "host asks $at" "$(ask "$G" "$at" A www.example.com)" \
			'^198\.1[89]\.'
	done
	eq "from outside" "$(ask "$S" 10.2.0.1 A www.example.com)" ""
	for ns in "$C" "$G"; do
		for t in A AAAA; do
			out=$(on "$ns" "$NT" tcp "$(ask "$ns" 198.51.100.3 $t \
				www.example.com)" 5003 -n 5000)
			contains "$ns by name, $t" "$out" "rx=$(sha 5000) end=FIN"
		done
	done
}

# From outside to the host, by DNAT and routed to the LAN
cap_outside() {
	local out
	serve_inside
	for a in "10.2.0.1 2222 -b 198.51.100.1" "fd02::1 2222 -b 2001:db8:51::1" \
			"10.2.0.1 2223 -b 198.51.100.1" \
			"fd01::2 2223 -b 2001:db8:51::1"; do
		# shellcheck disable=SC2086
		out=$(on "$S" "$NT" tcp $a -n 9000)
		contains "outside to $a" "$out" "rx=$(sha 9000) end=FIN"
	done
	out=$(on "$S" "$NT" udp fd01::2 2224 -b 2001:db8:51::1 -n 100)
	contains "outside to the LAN, datagrams" "$out" "ok=1 bad=0"
	stop sshd; stop lan; stop lanu
}

cap_ours() {
	ip -n "$G" -4 rule | grep 'proto 199'
	ip -n "$G" -6 rule | grep 'proto 199'
	ip -n "$G" -4 route show table 7663
	ip -n "$G" -6 route show table 7663
	on "$G" nft list table inet culvert
}
cap_same() { [ "$(cap_ours 2>/dev/null)" = "$want" ]; }

# Long transfers of LAN and host while others flush what they can
cap_flush() {
	local ns a n
	want=$(cap_ours)
	serve slow tcp-serve 5015 sink -r 3000000
	for ns in "$C" "$G"; do
		for a in $FAR; do
			bg "$ns" "long-$ns-$a" "$NT" tcp "$a" 5015 -n 12000000 \
				-P -t 60
			bg "$ns" "hold-$ns-$a" "$NT" tcp-hold "$a" 5003 -n 20 -d 5000
		done
	done
	for n in "${!PID[@]}"; do
		[[ $n != hold-* ]] || wait_log "$n" "open=20"
	done
	on "$G" nft flush ruleset
	wait_for 3 cap_same || fail "nft flush ruleset: $(diff <(cap_ours) - <<<"$want")"
	for f in -4 -6; do
		ip -n "$G" $f rule flush
		wait_for 3 cap_same || fail "ip $f rule flush"
		ip -n "$G" $f route flush table 7663 2>/dev/null
		wait_for 3 cap_same || fail "route flush"
	done
	kill -KILL "$(pgrep -o -P "${PID[culvert]}" -x nft)"
	sleep 0.1
	wait_for 3 cap_same || fail "the table's owner killed"
	all_said long- "$(sha 12000000)" "end=FIN"
	all_said hold- "alive=20"
	stop slow
}

# What `ip rule flush` took of the system's, once culvert is down
cap_main_rules() {
	ip -n "$G" rule add pref 32766 lookup main
	ip -n "$G" rule add pref 32767 lookup default
	ip -n "$G" -6 rule add pref 32766 lookup main
}

cap_works() {
	local ns a out
	for ns in "$C" "$G"; do
		for a in $FAR; do
			out=$(on "$ns" "$NT" tcp "$a" 5003 -n 2000 -t 10)
			contains "$1: $ns to $a" "$out" "rx=$(sha 2000) end=FIN"
			out=$(on "$ns" "$NT" udp "$a" 5006 -n 10 -t 5)
			contains "$1: $ns datagram to $a" "$out" "ok=1"
		done
	done
}

kill9() {
	kill -KILL "${PID[culvert]}"
	wait "${PID[culvert]}" 2>/dev/null
	unset "PID[culvert]"
}
no_tables() { [ -z "$(on "$G" nft list tables | grep culvert)" ]; }

# Everything that this capture catches, at once
cap_try() {
	local ns a pids=()
	for ns in "$C" "$G"; do
		for a in $FAR; do
			on "$ns" "$NT" tcp "$a" 5003 -n 10 -t 1 &
			pids+=($!)
			[ "$1" != 0 ] || continue
			on "$ns" "$NT" udp "$a" 5006 -n 10 -t 1 &
			pids+=($!)
		done
		for a in 198.51.100.3 10.3.0.9 2001:db8:51::3 10.1.0.1 127.0.0.53; do
			ask "$ns" "$a" A www.example.com &
			pids+=($!)
		done
	done >/dev/null 2>&1
	wait "${pids[@]}"
}

# cap_over WHAT: a new one starts over one that was killed, closed: nothing of the LAN's
# own gets out meanwhile
cap_over() {
	who lan_tcp >/dev/null
	bg "$C" asking bash -c "for i in {1..100}; do
		'$NT' tcp 198.51.100.2 5003 -n 1 -t 1; sleep 0.01; done"
	host_up "$TMP/up.json"
	cap_works "$1, started again"
	stop asking TERM quiet
	eq "$1: nothing leaked while it started" "$(who lan_tcp)" 0
}

cap_kill() {
	local before=$3 after
	cap_config "$1" "" "${4:-}"
	for after in 0.01 0.03 0.1 0.5; do
		bg "$G" culvert "$CULVERT" up -c "$TMP/up.json"
		sleep "$after"
		alive culvert || fail "ended by itself"
		kill9
		wait_for 3 no_tables || fail "the table outlives its owner"
		cap_works "open, killed after $after s"
		eq "open: DNS as before" "$(ask "$C" 198.51.100.3 A \
			www.example.com)" 198.51.100.1
	done
	ok "down" on "$G" "$CULVERT" down
	eq "open: down leaves nothing" "$(host_state)" "$before"
	cap_config "$1" '"fail": "closed"' "${4:-}"
	host_up "$TMP/up.json"
	cap_works "closed, alive"
	kill9
	sleep 0.2
	far_packets >/dev/null
	cap_try "$2"
	eq "closed: frames at the far side" "$(far_packets)" 0
	cap_over "closed"
	kill9
	ok "down" on "$G" "$CULVERT" down
	cap_works "closed, after down"
	eq "closed: down leaves nothing" "$(host_state)" "$before"
}

cap_rest() {
	local out before
	syn_count >/dev/null
	on "$C" "$NT" tcp 198.51.100.2 5003 -n 10 >/dev/null
	on "$G" "$NT" tcp 198.51.100.2 5003 -n 10 >/dev/null
	eq "SYNs for two connections" "$(syn_count)" 2
	cap_guard
	cap_dns
	cap_outside
	out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 1000)
	contains "private destinations" "$out" "end=FIN"
	contains "with the client's address" "$(cat "$TMP/echo.log")" "from=10.1.0.2,"
	cap_flush
	ok "down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "culvert still runs after down"
	cap_main_rules
	before=$(host_state)
	cap_kill "$1" "$2" "$before"
}
