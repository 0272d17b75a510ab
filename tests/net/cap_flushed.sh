#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# kill -9 of culvert with fail: closed, then another program flushes nftables: the nft
# that lives on holds, so no frame of what is caught gets out, and connections from
# outside go on. A new start and down end it; with fail: open it does not live on
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
cap_net

# nft processes in the gateway's namespace
nfts() { ip netns pids "$G" | xargs -r ps -o comm= -p | grep -cx nft; }
no_nft() { [ "$(nfts)" = 0 ]; }
two_nft() { [ "$(nfts)" = 2 ]; }
one_nft() { [ "$(nfts)" = 1 ]; }

# blocked WHAT UDP: others flush, again and again: nothing passes by
blocked() {
	local a out
	for _ in 1 2; do
		on "$G" nft flush ruleset
		far_packets >/dev/null
		cap_try "$2"
		eq "$1: frames at the far side" "$(far_packets)" 0
	done
	out=$(on "$C" "$NT" tcp 10.1.0.1 9 -t 1)
	contains "$1: the LAN reaches the gateway" "$out" ECONNREFUSED
	for a in "10.2.0.1 2222 -b 198.51.100.1" "fd02::1 2222 -b 2001:db8:51::1" \
			"fd01::2 2223 -b 2001:db8:51::1"; do
		# shellcheck disable=SC2086
		out=$(on "$S" "$NT" tcp $a -n 9000)
		contains "$1: outside to $a" "$out" "rx=$(sha 9000) end=FIN"
	done
	out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 1000)
	contains "$1: private destinations" "$out" "rx=$(sha 1000) end=FIN"
}

# Without the namespace's own table, which the flushes take
state() { host_state | grep -vx 'table ip6\? gw.*'; }

serve_inside
before=$(state)
for cap in redirect tproxy mixed; do
	udp=0 tun=
	[ $cap != mixed ] || tun='{ "tag": "tun-in", "protocol": "tun",
		"settings": { "name": "culvert0" } }'
	[ $cap = redirect ] || udp=1
	cap_config $cap '"fail": "closed"' "$tun"
	host_up "$TMP/up.json"
	cap_works "$cap, alive"
	kill9
	blocked "$cap, killed and flushed" $udp
	cap_over "$cap"
	wait_for 3 one_nft || fail "$cap: $(nfts) children of nft"
	kill9
	on "$G" nft flush ruleset
	out=$(on "$G" "$CULVERT" down)
	contains "$cap: down says so" "$out" "removed: table inet culvert_keep"
	eq "$cap: nobody is left" "$(nfts)" 0
	eq "$cap: down leaves nothing" "$(state)" "$before"
	cap_works "$cap, after down"

	# Another "fail" in force is what counts
	host_up "$TMP/up.json"
	cap_config $cap '"fail": "open"' "$tun"
	kill -HUP "${PID[culvert]}"
	wait_log culvert "generation 2 is in force"
	kill9
	wait_for 3 no_nft || fail "$cap, reloaded as open: nft lives on"
	cap_works "$cap, reloaded as open and killed"
	host_up "$TMP/up.json"
	cap_config $cap '"fail": "closed"' "$tun"
	kill -HUP "${PID[culvert]}"
	wait_log culvert "generation 2 is in force"
	kill9
	blocked "$cap, reloaded as closed, killed and flushed" $udp
	contains "$cap: status" "$(on "$G" "$CULVERT" status)" "and a table of one"
	# The next one lets through what it does not catch, and its orderly end opens
	cap_config $cap '"fail": "open", "bypass": [ "198.51.100.1" ]' "$tun"
	host_up "$TMP/up.json"
	cap_works "$cap, started as open"
	wait_for 3 two_nft || fail "$cap, open: $(nfts) children of nft"
	stop culvert
	wait_for 3 no_nft || fail "$cap: nft lives on after the end"
	cap_works "$cap, ended"
	eq "$cap: the end leaves nothing" "$(state)" "$before"
done
pass
