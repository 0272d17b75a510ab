#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures, or breaks things on purpose)
# `culvert up` with capture mixed: TCP by redirect, UDP by tproxy; and with a tun
# inbound, UDP by the TUN. What cap_redirect.sh and cap_tproxy.sh do, shorter
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
cap_net
before=$(host_state)

# all INBOUND UDP-TAG
all() {
	local ns a
	cap_config mixed "" "$1"
	host_up "$TMP/up.json"
	who lan_tcp >/dev/null
	who lan_udp >/dev/null
	for ns in "$C" "$G"; do
		for a in $FAR; do
			cap_tcp "$ns" "$a"
			cap_udp "$ns" "$a"
		done
	done
	eq "no TCP of the LAN passes by" "$(who lan_tcp)" 0
	eq "no datagram of the LAN passes by" "$(who lan_udp)" 0
	through "[culvert-redirect -> direct]"
	through "[$2 >> direct]"
	[ -n "$1" ] || cap_guard
	cap_dns
	cap_outside
	ok "down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "culvert still runs after down"
	eq "down leaves nothing" "$(host_state)" "$before"
}
all "" culvert-tproxy
all "$TUN" tun-in
cap_kill mixed 1 "$before"
cap_kill mixed 1 "$before" "$TUN"

# Others flush: with TProxy for UDP
cap_config mixed
host_up "$TMP/up.json"
cap_flush
stop culvert
pass
