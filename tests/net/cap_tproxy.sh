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
before=$(host_state)
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
cap_kill tproxy 1 "$before"
pass
