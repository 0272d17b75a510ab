#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures how long something takes)
# fail: closed, and another program removes what is ours: how much of the LAN's
# traffic passes by until it is back. Before: 100 ms of it each time, half of all
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
cat >"$TMP/syn.py" <<'END'
import socket
import time

held, n, end = [], 0, time.monotonic() + 1.2
while time.monotonic() < end:
    s = socket.socket()
    s.setblocking(False)
    try:
        s.connect(("198.51.100.1", 5003))
    except OSError:
        pass
    held.append(s)
    n += 1
    if len(held) > 200:
        held.pop(0).close()
    time.sleep(0.001)
print("sent=%d" % n)
END
on "$S" nft -f - <<'END'
table inet gap {
	counter syn { }
	chain in {
		type filter hook prerouting priority -299
		ip saddr 10.1.0.0/24 tcp flags & (syn | ack) == syn counter name syn
	}
}
END
passed_by() {
	on "$S" nft reset counter inet gap syn |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
# gap CAPTURE PERCENT COMMAND...: three times while connections are begun
gap() {
	local cap=$1 limit=$2 n leaked i
	shift 2
	passed_by >/dev/null
	bg "$C" syn python3 "$TMP/syn.py"
	for i in 1 2 3; do
		sleep 0.3
		on "$G" "$@" 2>/dev/null
	done
	wait "${PID[syn]}"
	unset "PID[syn]"
	n=$(sed -n 's/sent=//p' "$TMP/syn.log")
	leaked=$(passed_by)
	echo "$cap, $*: $leaked of $n"
	le "connections were begun" 100 "$n"
	le "$cap, $*: connections that passed by" "$leaked" $((n * limit / 100))
}
for cap in tun redirect tproxy; do
	IN=
	[ $cap != tun ] || IN=$TUN
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config $cap '"fail": "closed"' "$IN"
	host_up "$TMP/up.json"
	if [ $cap = tun ]; then
		gap $cap 0 ip route flush table 7663
		gap $cap 0 nft flush ruleset
		gap $cap 15 ip -4 rule flush
		cap_main_rules
		want=$(cap_ours)
		wait_for 3 cap_same || fail "not as it was"
	else
		gap $cap 25 nft flush ruleset
		gap $cap 0 ip -4 rule flush
		cap_main_rules
	fi
	cap_works "$cap afterwards"
done
pass
