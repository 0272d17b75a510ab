#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# Hosts that lack something: no nft, nft without owners, no IPv6, no default
# route; a reload that changes the rules; routes an inbound asks for in `run`
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
host_net
before=$(host_state)
real=$(command -v nft)
works() { # WHAT [ADDRESS...]
	local a ns out what=$1
	shift
	for a in "${@:-198.51.100.1 2001:db8:51::1}"; do
		for ns in "$C" "$G"; do
			# shellcheck disable=SC2086 # the default is two words
			for a in $a; do
				out=$(on "$ns" "$NT" tcp "$a" 5003 -n 2000)
				contains "$what: $ns to $a" "$out" \
					"rx=$(sha 2000) end=FIN"
			done
		done
	done
}
no_table() { ! on "$G" nft list table inet culvert; }
killed() {
	kill -KILL "${PID[culvert]}"
	wait "${PID[culvert]}" 2>/dev/null
	unset "PID[culvert]"
}
path_without_nft() {
	local p d
	mkdir -p "$TMP/bin"
	for d in bin sbin usr/bin usr/sbin; do
		for p in sh cat sleep; do
			[ ! -x "/$d/$p" ] || ln -sf "/$d/$p" "$TMP/bin/$p"
		done
	done
}
path_without_nft

# --- a resolver among thousands of sockets: its questions are let go
cat >"$TMP/many.py" <<'END'
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (10000, 10000))
held = []
for port in range(1100, 61100, 12):
    held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    held[-1].bind(("127.0.0.1", port))
print("held", flush=True)
time.sleep(600)
END
bg "$G" many python3 "$TMP/many.py"
wait_for 30 log_has many held || fail "no sockets"
bg "$G" lone setpriv --reuid 4242 --ambient-caps +net_bind_service \
	--inh-caps +net_bind_service "$NT" udp-serve 53 echo -l 127.0.0.7
wait_port "$G" udp 53
host_up
contains "it may ask" "$(ip -n "$G" rule)" "uidrange 4242-4242"
stop culvert
stop many
stop lone

# --- no nft at all
bg "$G" culvert env PATH="$TMP/bin" "$CULVERT" up
wait_log culvert started
contains "said" "$(cat "$TMP/culvert.log")" "nft is not installed"
ok "there is no table" no_table
works "without nft"
matches "DNS far away" "$(ask "$C" 198.51.100.3 A www.example.com)" '^198\.1[89]\.'
bg "$G" sshd "$NT" tcp-serve 2222 echo
wait_port "$G" tcp 2222
out=$(on "$S" "$NT" tcp 10.2.0.1 2222 -b 198.51.100.1 -n 900)
contains "outside to host without nft" "$out" "rx=$(sha 900) end=FIN"
stop sshd
stop culvert
eq "without nft: nothing left" "$(host_state)" "$before"

# --- nft without -i (OpenWrt): plain, and a shell that waits for our end
cat >"$TMP/bin/nft" <<END
#!/bin/sh
[ "\$1" != -i ] || exit 1
exec $real "\$@"
END
chmod +x "$TMP/bin/nft"
for how in kill stop; do
	bg "$G" culvert env PATH="$TMP/bin" "$CULVERT" up
	wait_log culvert started
	on "$G" nft list table inet culvert >/dev/null || fail "no plain table"
	works "plain table"
	on "$G" nft delete table inet culvert
	wait_for 3 on "$G" nft list table inet culvert ||
		fail "a deleted table does not come back"
	[ $how = kill ] && killed || stop culvert
	wait_for 3 no_table || fail "$how: the plain table stays"
	works "plain, after $how"
done
ok "down" on "$G" "$CULVERT" down
eq "plain: nothing left" "$(host_state)" "$before"

# --- routes of `run`, the interface that leads out, a reload
config() {
	cat >"$TMP/up.json" <<-END
	{ "inbounds": [ { "protocol": "tun", "settings": {
	    "name": "culvert0", "gateway": [ "172.30.255.1/30" ],
	    "autoSystemRoutingTable": [ "198.51.100.0/24" ],
	    "autoOutboundsInterface": "auto" } } ],
	  "outbounds": [ { "protocol": "freedom" } ], "log": { "loglevel": "info" },
	  "culvert": { "rulePriority": $1, "table": $2, "bypass": "$3" } }
	END
}
config 7600 7663 ""
bg "$G" culvert "$CULVERT" run -c "$TMP/up.json"
wait_log culvert "own sockets use g1"
wait_log culvert started
contains "its route" "$(ip -n "$G" route)" \
	"198.51.100.0/24 dev culvert0 proto 199 scope link metric 1"
eq "no rules in run" "$(ip -n "$G" rule | grep -c 'proto 199')" 0
works "run" 198.51.100.1
le "it came through the TUN" 4000 "$(tun_bytes)"
stop culvert
eq "run: nothing left" "$(host_state)" "$before"

ip -n "$G" route del default
ip -n "$G" -6 route del default
bg "$G" culvert "$CULVERT" up -c "$TMP/up.json"
wait_log culvert started
wait_log culvert "no default route"
ip -n "$G" route add default via 10.2.0.2
ip -n "$G" -6 route add default via fd02::2
wait_log culvert "own sockets use g1"
works "the uplink came later"
le "rules of up" 3 "$(ip -n "$G" rule | grep -c '^76.*proto 199')"
bg "$C" long "$NT" tcp 198.51.100.1 5003 -n 6000000 -r 3000000
config 8600 8663 "198.51.100.2/32"
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2 is in force"
eq "old rules are gone" "$(ip -n "$G" rule | grep -c '^76.*proto 199')" 0
eq "the old table is gone" "$(ip -n "$G" route show table 7663 2>/dev/null)" ""
contains "new rules" "$(ip -n "$G" rule)" "8630:	from all to 198.51.100.2 goto 8690"
wait "${PID[long]}"
contains "the flow lives" "$(cat "$TMP/long.log")" "rx=$(sha 6000000) end=FIN"
on "$C" "$NT" tcp 198.51.100.2 5003 -n 9 >/dev/null
contains "bypassed" "$(cat "$TMP/echo.log")" "from=10.1.0.2,"
stop culvert
eq "reloaded: nothing left" "$(host_state | grep -v default)" \
	"$(grep -v default <<<"$before")"

# --- a way out with an odd name: nobody asks us for DNS by it
odd='wan#1!a'
ip -n "$G" link set g1 down
ip -n "$G" link set g1 name "$odd"
ip -n "$G" link set "$odd" up
addr "$G" "$odd" fd02::1/64
ip -n "$G" route add default via 10.2.0.2
ip -n "$G" -6 route add default via fd02::2
host_up
works "an odd name"
contains "it leads out" "$(on "$G" nft list set inet culvert uplinks)" "\"$odd\""
eq "DNS from outside" "$(ask "$S" 10.2.0.1 A www.example.com)" ""
stop culvert
ip -n "$G" link set "$odd" down
ip -n "$G" link set "$odd" name g1
ip -n "$G" link set g1 up
addr "$G" g1 fd02::1/64
ip -n "$G" route add default via 10.2.0.2

# --- no IPv6
on "$G" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
	net.ipv6.conf.default.disable_ipv6=1
host_up
works "without IPv6" 198.51.100.1
contains "check says so" "$(on "$G" "$CULVERT" check)" "IPv6 is switched off"
# It is said once, and not again whenever something changes on this host
said=$(wc -l <"$TMP/culvert.log")
for i in 1 2 3; do
	ip -n "$G" link add d$i type veth peer name e$i
	ip -n "$G" link set d$i up
	sleep 0.3
done
eq "it is said once" "$(tail -n +$((said + 1)) "$TMP/culvert.log" | grep -v accepted)" ""
for i in 1 2 3; do ip -n "$G" link del d$i; done
stop culvert
on "$G" sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=1
out=$(on "$G" "$CULVERT" check)
contains "check: forwarding" "$out" "does not forward IPv4"
contains "check: rp_filter" "$out" "rp_filter is strict"
pass
