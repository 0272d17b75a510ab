#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures, or breaks things on purpose)
# `culvert up` with capture tproxy: LAN and host, v4 and v6, every kind of end,
# DNS, connections from outside, flushes by others, kill -9 open and closed
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
cap_net
cap_config tproxy
host_up "$TMP/up.json"
for ns in "$C" "$G"; do
	for a in $FAR; do
		cap_tcp "$ns" "$a"
		cap_udp "$ns" "$a"
	done
done
eq "no datagram of the LAN passes by" "$(who lan_udp)" 0
eq "no TCP of the LAN passes by" "$(who lan_tcp)" 0
through "[culvert-tproxy -> direct]"
cap_rest tproxy 1
pass
