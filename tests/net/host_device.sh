#!/bin/bash
# Somebody deletes our TUN while it catches: it is made again, with its addresses,
# routes and rules; with fail: closed nothing of the LAN passes by meanwhile
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
before=$(host_state)
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
again() { [ "$(grep -c 'device is there again' "$TMP/culvert.log")" = "$1" ]; }
far() { [[ $1 != *:* ]] && echo "$1:" || echo "[$1]:"; }
# taken ADDR: connections to it that culvert has had
taken() { grep -cF "accepted tcp:$1" "$TMP/culvert.log"; }
caught() {
	local ns a out n
	for ns in "$C" "$G"; do
		for a in $FAR; do
			n=$(taken "$(far "$a")")
			out=$(on "$ns" "$NT" tcp "$a" 5003 -n 2000)
			contains "$1: $ns to $a" "$out" "rx=$(sha 2000) end=FIN"
			eq "$1: $ns to $a by culvert" "$(taken "$(far "$a")")" \
				$((n + 1))
		done
	done
}
for fail in open closed; do
	cap_config tun "\"workers\": 2, \"fail\": \"$fail\"" "$TUN"
	host_up "$TMP/up.json"
	caught "$fail"
	want=$(cap_ours)
	bg "$C" hold "$NT" tcp-hold 198.51.100.1 5003 -n 20 -d 3000
	wait_log hold "open=20"
	who lan_tcp >/dev/null
	bg "$C" asking bash -c "for i in {1..200}; do
		'$NT' tcp 198.51.100.2 5003 -n 1 -t 1; sleep 0.01; done"
	for i in 1 2; do
		ip -n "$G" link del culvert0
		wait_for 5 again $i || fail "$fail: no device after $i"
		wait_for 3 cap_same || fail "$fail: $(diff <(cap_ours) - <<<"$want")"
		caught "$fail, made again $i"
	done
	stop asking TERM quiet
	[ $fail = open ] || eq "nothing passed by" "$(who lan_tcp)" 0
	wait "${PID[hold]}"
	unset "PID[hold]"
	contains "the old flows have ended" "$(cat "$TMP/hold.log")" "open=20"
	stop culvert
	eq "$fail: nothing left" "$(host_state)" "$before"
done
pass
