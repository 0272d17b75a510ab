#!/bin/bash
# TCP flows whose packets come to another worker's queue: all of them, each to a
# random queue, from the first SYN on or in the middle. No flow is reset.
# asan: no (one stack copy there, so one queue; test_tcp_steer, test_owners)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/tun_lib.sh
. "$(dirname "$0")/tun_lib.sh"
PY=$(dirname "$0")/steer.py

net_up
serve source tcp-serve 5002 source -n 5000000
serve echo tcp-serve 5003 echo -t 60
tun_plain
to_tun culvert0
# What the client must never see
on "$C" nft -f - <<-'END'
	table inet t {
		counter resets { }
		chain in {
			type filter hook input priority 0
			tcp flags & rst == rst counter name "resets"
		}
	}
END
resets() { on "$C" nft list counter inet t resets | awk '/packets/ { print $2 }'; }
steer() { on "$G" python3 "$PY" culvert0 "$1" || skip "no steering program here"; }
moved() {
	kill -USR1 "${PID[culvert]}"
	sleep 0.2
	awk '/handed to the flow/ { n = $NF } END { print n + 0 }' "$TMP/culvert.log"
}

steer 0
# Flows that live through all that follows: a byte forth and back, then again
bg "$C" talkers python3 -uc '
import socket, sys, time
conns = [socket.create_connection((a, 5003), timeout=20)
         for a in ["10.3.0.1", "fd03::1"] * 10]
n = 0
while True:
    n += 1
    for s in conns:
        s.sendall(b"%08d" % n)
    for s in conns:
        b = b""
        while len(b) < 8:
            c = s.recv(8 - len(b))
            if not c: sys.exit("end of stream")
            b += c
        if b != b"%08d" % n: sys.exit("wrong bytes")
    print("turn", n)
    time.sleep(0.05)'
turns() { grep -c ^turn "$TMP/talkers.log"; }
more_turns() { [ "$(turns)" -gt "$1" ]; }
still_talk() {
	wait_for 10 more_turns $(($(turns) + 3)) || fail "$1: $(tail -n 2 "$TMP/talkers.log")"
	ASSERTS=$((ASSERTS + 1))
}
still_talk "born on queue 0"
eq "nothing to hand over while all comes where it was born" "$(moved)" 0

echo "-- every packet to the other queue"
steer 1
still_talk "moved to queue 1"
some=$(moved)
le "packets handed over" 1 "$some"
steer 0
still_talk "moved back"
eq "resets seen by the client" "$(resets)" 0

# Overtaken acknowledgements of flows that have ended may be answered by RST here:
# what counts is how the flows end
echo "-- every packet to a random queue"
steer random
for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 1000000)
	contains "echo $a" "$out" "rx=$(sha 1000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000)
	contains "download $a" "$out" "rx=$(sha 5000000) end=FIN"
	# small writes, answered one by one, have many packets
	out=$(on "$C" "$NT" tcp-short "$a" 5003 -n 500 -j 8)
	contains "short connections $a" "$out" "ok=500 failed=0"
done
still_talk "random queues"
le "packets handed over" $((some + 1000)) "$(moved)"

echo "-- the kernel's own way again"
steer off
still_talk "after all that"
out=$(on "$C" "$NT" tcp 10.3.0.1 5999 -n 10)
contains "a stray port is still refused" "$out" "end=ECONNRESET"

echo "-- no flow is left in the table of owners"
stop talkers TERM quiet
idle() { kill -USR1 "${PID[culvert]}"; sleep 0.1; tail -n 20 "$TMP/culvert.log" | grep -q "open 0$"; }
wait_for 10 idle || fail "sessions remain"
alive culvert || fail "culvert died"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
stop culvert
eq "exit code" "$RC" 0
pass
