#!/bin/bash
# A flood of SYNs from invented sources: flows that are there go on, new clients
# connect, slow ones too, and nothing is kept; blind resets are answered sparingly
# timeout: 120
# asan: no (a slower program meets no flood that makes it answer without state)
# alone: (it measures, or breaks things on purpose)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/tun_lib.sh
. "$(dirname "$0")/tun_lib.sh"
PY=$(dirname "$0")/hostile.py

net_up
serve echo tcp-serve 5003 echo -t 60
tun_plain
to_tun culvert0
# answers to invented sources end here, not in the neighbour table
ip -n "$G" route add blackhole 10.9.0.0/16
# the client's kernel knows nothing of flows made by hand
on "$C" nft -f - <<-'END'
	table inet t {
		chain out {
			type filter hook output priority 0
			tcp sport 55000-57000 tcp flags rst drop
		}
	}
END
stat() { # TEXT: the last number the counters give for it
	kill -USR1 "${PID[culvert]}"
	sleep 0.2
	awk -v t="$1" 'index($0, t) { n = $NF } END { print n + 0 }' "$TMP/culvert.log"
}

talker
rss0=$(rss culvert)

echo "-- in the flood"
bg "$C" flood python3 "$PY" flood 10.3.0.1 8
flooded() { [ "$(stat 'answered without state')" -gt 0 ]; }
wait_for 5 flooded || fail "the flood does not reach the gateway's limit"
out=$(on "$C" python3 "$PY" slow 10.3.0.1 20 2>&1)
echo "   $out"
contains "clients whose acknowledgement takes a second" "$out" "served 20 reset 0"
out=$(on "$C" "$NT" tcp-short 10.3.0.1 5003 -n 200 -j 4)
echo "   $out"
contains "new clients" "$out" "ok=200 failed=0"
still_talks "the old flow"
grown=$(($(rss culvert) - rss0))
wait_for 15 log_has flood "sent " || fail "the flood does not end"
sent=$(awk '/^sent/ { print $2 }' "$TMP/flood.log")
kept=$(stat 'answered without state')
echo "   $sent SYNs, $kept answered without state," \
	"$(stat 'made from such an answer') of these became flows; +$grown KiB"
le "SYNs answered without state" $((sent / 4)) "$kept"
le "flows made from such answers" 20 "$(stat 'made from such an answer')"
le "KiB for it" "$grown" $((6144 * SLOW))

echo "-- 4,000 blind resets and SYNs"
out=$(on "$C" python3 "$PY" blind 10.3.0.1 4000 2>&1)
echo "   $out"
contains "the flow lives" "$out" " alive"
ms=$(awk '{ print $6 }' <<<"$out")
le "answers, two a second" "$(awk '{ print $3 }' <<<"$out")" $((ms / 500 + 2))
le "the others were counted" 3000 "$(stat 'answered just now')"

alive culvert || fail "culvert died"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
stop culvert
eq "exit code" "$RC" 0
pass
