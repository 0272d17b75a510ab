#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures, or breaks things on purpose)
# `culvert up` with capture redirect: LAN and host, v4 and v6, every kind of end,
# DNS, connections from outside, flushes by others, kill -9 open and closed
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
cap_net
cap_config redirect
host_up "$TMP/up.json"
for ns in "$C" "$G"; do
	for a in $FAR; do
		cap_tcp "$ns" "$a"
		out=$(on "$ns" "$NT" udp "$a" 5006 -n 100)
		contains "$ns: datagrams go by" "$out" "ok=1"
	done
done
le "datagrams of the LAN go by" 2 "$(who lan_udp)"
eq "no TCP of the LAN passes by" "$(who lan_tcp)" 0
through "[culvert-redirect -> direct]"
cap_rest redirect 0
pass
