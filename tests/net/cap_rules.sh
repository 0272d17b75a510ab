#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# What `culvert rules` prints is what `culvert up` loads: the printed text, run by
# hand in an empty namespace, gives the same table, rules and routes
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
MORE='"fail": "closed", "rejectQuic": true, "directCidr": "192.0.2.0/24",
	"exclude": { "uid": "7", "mac": "00:11:22:33:44:55", "port": "22,80-90",
		"destination": [ "192.0.2.9", "2001:db8:9::/48" ] },
	"include": { "source": "10.0.0.0/8", "interface": [ "g0", "ppp*" ] }'
B=$PREFIX-b
ns_add "$B"
ip -n "$B" link add culvert0 type veth peer name peer0
ip -n "$B" link set peer0 up
ip -n "$B" link set culvert0 up

# state NS: what is ours there; the sets' contents depend on the host
state() {
	on "$1" nft list table inet culvert |
		awk '/elements = /, /}/ { next } { print }'
	on "$1" nft list table inet culvert_direct
	ip -n "$1" -4 rule | grep 'proto 199'
	ip -n "$1" -6 rule | grep 'proto 199'
	ip -n "$1" -4 route show table 7663
	ip -n "$1" -6 route show table 7663
}
for cap in tun redirect tproxy mixed; do
	IN=
	[ $cap != tun ] || IN=$TUN
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config $cap "$MORE" "$IN"
	host_up "$TMP/up.json"
	state "$G" >"$TMP/loaded"
	on "$G" "$CULVERT" rules -c "$TMP/up.json" >"$TMP/rules" ||
		fail "$cap: culvert rules"
	for t in culvert culvert_direct; do
		on "$B" nft delete table inet $t 2>/dev/null
	done
	for f in -4 -6; do
		ip -n "$B" $f rule flush
		ip -n "$B" $f route flush table 7663 2>/dev/null
	done
	grep -v '^#' "$TMP/rules" | on "$B" nft -f - || fail "$cap: nft"
	sed -n 's/^# ip/ip/p' "$TMP/rules" >"$TMP/ip"
	on "$B" sh -e "$TMP/ip" || fail "$cap: ip"
	state "$B" >"$TMP/printed"
	eq "$cap: printed and loaded" "$(diff "$TMP/loaded" "$TMP/printed")" ""
	le "$cap: there is something" 30 "$(wc -l <"$TMP/loaded")"
done
pass
