#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# --revert-after: all is undone unless `culvert confirm` is run in time
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
host_net
before=$(host_state)

up_revert() {
	bg "$G" culvert "$CULVERT" up --revert-after "$1"
	wait_for 10 up_or_dead
	alive culvert || fail "culvert up ended"
	[ -n "$(ip -n "$G" rule show pref 7660)" ] || fail "no rules"
}
up_revert 2
wait_for 8 not_alive culvert || fail "it is not undone"
wait "${PID[culvert]}"
eq "exit code" "$?" 1
unset "PID[culvert]"
eq "all is undone" "$(host_state)" "$before"
contains "and said" "$(cat "$TMP/culvert.log")" "not confirmed in time"
out=$(on "$C" "$NT" tcp 198.51.100.1 5003 -n 1000)
contains "as before" "$out" "end=FIN"

bad "confirm where nothing is up" on "$G" "$CULVERT" confirm
up_revert 2
ok "confirm" on "$G" "$CULVERT" confirm
sleep 3
alive culvert || fail "confirmed, but undone"
bad "another namespace has its own" on "$S" "$CULVERT" confirm
out=$(on "$C" "$NT" tcp 198.51.100.1 5003 -n 1000)
contains "confirmed" "$out" "rx=$(sha 1000) end=FIN"
stop culvert
eq "stopped: as before" "$(host_state)" "$before"
pass
