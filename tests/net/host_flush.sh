#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# Other programs flush rules, routes and tables, links and default routes change:
# what is ours comes back, and running transfers go on
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
host_net
# Half-closed connections may rest longer than Xray's 2 s: several flushes in a
# row make TCP wait
cat >"$TMP/up.json" <<'END'
{ "inbounds": [ { "protocol": "tun", "settings": { "name": "culvert0" } } ],
  "dns": { "servers": [ "fakedns", "localhost" ] },
  "policy": { "levels": { "0": { "uplinkOnly": 60, "downlinkOnly": 60 } } },
  "outbounds": [ { "protocol": "freedom" },
    { "protocol": "dns", "tag": "dns" } ] }
END
host_up "$TMP/up.json"
ours() {
	ip -n "$G" -4 rule | grep 'proto 199'
	ip -n "$G" -6 rule | grep 'proto 199'
	ip -n "$G" -4 route show table 7663
	ip -n "$G" -6 route show table 7663
	ip -n "$G" -o addr show dev culvert0 | grep -o 'inet.* scope'
	on "$G" nft list table inet culvert
}
want=$(ours)
same() { [ "$(ours 2>/dev/null)" = "$want" ]; }
back() {
	wait_for 3 same || fail "after $1: $(diff <(ours 2>&1) - <<<"$want")"
	ASSERTS=$((ASSERTS + 1))
}

# Long transfers of the LAN and of the host, v4 and v6: 20 MB to a server that
# reads 3 MB/s; and open connections, which echo again at the end
serve slow tcp-serve 5004 sink -r 3000000
for ns in "$C" "$G"; do
	for a in 198.51.100.1 2001:db8:51::1; do
		bg "$ns" "long-$ns-$a" "$NT" tcp "$a" 5004 -n 20000000 -P \
			-t 60
		bg "$ns" "hold-$ns-$a" "$NT" tcp-hold "$a" 5003 -n 50 -d 8000
	done
done
# Twelve slow downloads at the same time
serve source tcp-serve 5007 source -n 4000000
for i in 1 2 3; do
	for ns in "$C" "$G"; do
		for a in 198.51.100.1 2001:db8:51::1; do
			bg "$ns" "down-$i-$ns-$a" "$NT" tcp "$a" 5007 \
				-r 600000 -t 60
		done
	done
done
for n in "${!PID[@]}"; do
	[[ $n != hold-* ]] || wait_log "$n" "open=50"
done

on "$G" nft flush ruleset
ok "an owned table survives others" on "$G" nft list table inet culvert
bad "others cannot delete it" on "$G" nft delete table inet culvert
back "nft flush ruleset"
ip -n "$G" rule flush
back "ip rule flush"
ip -n "$G" -6 rule flush
back "ip -6 rule flush"
ip -n "$G" route flush table 7663
ip -n "$G" -6 route flush table 7663
back "ip route flush table 7663"
ip -n "$G" rule del pref 7690
back "the end of our rules deleted"
ip -n "$G" addr flush dev culvert0
back "ip addr flush dev culvert0"
ip -n "$G" route replace default via 10.2.0.3
ip -n "$G" -6 route replace default via fd02::3
back "another default route"
# Long enough that all send something meanwhile: IPv6 keeps the way it found then,
# and nothing that others do from here on makes it look again
ip -n "$G" link set culvert0 down
sleep 0.4
ip -n "$G" link set culvert0 up
back "culvert0 down and up"
child=$(pgrep -o -P "${PID[culvert]}" -x nft)
kill -KILL "$child"
back "the table's owner killed"

# The system's own rules, which `ip rule flush` took, are not ours to restore:
# traffic must go on without them
out=$(on "$C" "$NT" tcp 198.51.100.2 5003 -n 1000)
contains "without the rule for main" "$out" "rx=$(sha 1000) end=FIN"
all_said long- "$(sha 20000000)" "end=FIN"
all_said down- "rx=$(sha 4000000) end=FIN"
all_said hold- "alive=50"
# Quiet when there is nothing to do
events=$(grep -c 'loaded again' "$TMP/culvert.log")
eq "the table was loaded again once" "$events" 1
ticks() { awk '{ print $14 + $15 }' "/proc/${PID[culvert]}/stat"; }
before=$(ticks)
sleep 1
le "ticks in a quiet second" "$(($(ticks) - before))" 5
pass
