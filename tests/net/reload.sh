#!/bin/bash
# SIGHUP: live flows and the TUN stay, new rules hold for new flows, a bad file
# changes nothing and says why, 20 reloads under load fail no request
# timeout: 240
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/tun_lib.sh
. "$(dirname "$0")/tun_lib.sh"

net_up
serve echo tcp-serve 5003 echo -t 300
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
wait_port "$S" udp 7777

# config TAG [MTU] [REST]: everything goes to TAG
config() {
	cat <<-END
	{
	  "log": { "loglevel": "warning", "access": "$TMP/access.txt" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": ${2:-1500} } } ],
	  "routing": { "rules": [ { "network": "tcp,udp", "outboundTag": "$1" } ] },
	  "outbounds": [ { "tag": "one", "protocol": "freedom" },
	    { "tag": "two", "protocol": "freedom" },
	    { "tag": "block", "protocol": "blackhole" } ]
	  ${3:-}
	}
	END
}

GEN=1
reload() {
	GEN=$((GEN + 1))
	kill -HUP "${PID[culvert]}"
	wait_log culvert "generation $GEN is in force"
}
refused() { # WHAT: a reload that must say so and change nothing
	local n
	n=$(grep -c "nothing is changed" "$TMP/culvert.log")
	said_no() { [ "$(grep -c "nothing is changed" "$TMP/culvert.log")" -gt "$n" ]; }
	kill -HUP "${PID[culvert]}"
	wait_for 10 said_no || fail "$1: not refused"
	ASSERTS=$((ASSERTS + 1))
}
way_of() { grep ":$1 accepted" "$TMP/access.txt" | tail -n 1; }

echo "-- who is told before it has read its file does so when it has"
config one >"$TMP/first.json"
mkfifo "$TMP/config.json"
bg "$G" culvert "$CULVERT" run -c "$TMP/config.json"
exec 9>"$TMP/config.json" # it reads by now
for s in HUP USR1 USR2; do kill -$s "${PID[culvert]}"; done
rm "$TMP/config.json"
cp "$TMP/first.json" "$TMP/config.json"
cat "$TMP/first.json" >&9
exec 9>&-
wait_log culvert "generation 2 is in force"
alive culvert || fail "a signal at start ended it"
ASSERTS=$((ASSERTS + 1))
stop culvert
eq "ends well" "$RC" 0

start_culvert <"$TMP/first.json"
to_tun culvert0
index=$(on "$G" cat /sys/class/net/culvert0/ifindex)

# A flow that says one line each time it is told to
bg "$C" talker python3 -uc '
import socket, sys, time, os
s = socket.create_connection(("10.3.0.1", 5003), timeout=10)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(10)
u.bind(("", 31000))
n = 0
while True:
    n += 1
    s.sendall(b"%08d" % n)
    b = b""
    while len(b) < 8:
        c = s.recv(8 - len(b))
        if not c: sys.exit("end of stream")
        b += c
    if b != b"%08d" % n: sys.exit("wrong bytes")
    u.sendto(b"%d" % n, ("10.3.0.1", 7777))
    if u.recv(99) != b"%d" % n: sys.exit("wrong datagram")
    print("turn", n)
    time.sleep(0.1)'
still_talks "before"

echo "-- new rules for new flows, the old ones stay"
on "$C" "$NT" tcp 10.3.0.1 5003 -n 10 -p 32001 >/dev/null
contains "before" "$(way_of 32001)" " one]"
config two >"$TMP/config.json"
reload
on "$C" "$NT" tcp 10.3.0.1 5003 -n 10 -p 32002 >/dev/null
contains "after" "$(way_of 32002)" " two]"
still_talks "flows of the first generation"
eq "the TUN is the same device" \
	"$(on "$G" cat /sys/class/net/culvert0/ifindex)" "$index"

echo "-- even when new flows are blocked"
config block >"$TMP/config.json"
reload
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 10 -t 5)
contains "blocked" "$out" "end=ECONN"
out=$(on "$C" "$NT" udp 10.3.0.1 7777 -n 10 -c -t 3)
contains "UDP, too" "$out" "end=ECONNREFUSED"
still_talks "flows of the first generation"

echo "-- bad files: nothing changes, and it is said why"
config two 1500 ', "inbounds": []' | sed 's/"two"/"two/' >"$TMP/config.json"
refused "syntax"
config three >"$TMP/config.json"
refused "unknown outbound"
contains "it is named" "$(cat "$TMP/culvert.log")" '"three"'
matches "with its place" "$(cat "$TMP/culvert.log")" 'config.json:[0-9]+:[0-9]+'
rm "$TMP/config.json"
refused "no file"
config two | sed 's/"mtu": 1500/"mtu": "much"/' >"$TMP/config.json"
refused "a wrong type"
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 10 -t 5)
contains "what was in force still is" "$out" "end=ECONN"
still_talks "flows of the first generation"

echo "-- 20 reloads under load"
config one >"$TMP/config.json"
reload
fds0=$(fds culvert)
on "$C" "$NT" tcp-short 10.3.0.3 5003 -n 4000 -j 4 -t 20 >"$TMP/load.log" 2>&1 &
load=$!
for i in $(seq 20); do
	config "$([ $((i % 2)) = 0 ] && echo one || echo two)" >"$TMP/config.json"
	reload
	sleep 0.1 # a call site logs 20 lines a second
done
kill -0 $load 2>/dev/null && echo "   the load ran all the time"
wait $load
contains "no request failed" "$(cat "$TMP/load.log")" "ok=4000 failed=0"
still_talks "flows of the first generation"
stop talker KILL quiet

echo "-- another MTU is another device; old generations are given back"
config one 1400 >"$TMP/config.json"
reload
wait_dev "$G" culvert0
contains "mtu" "$(ip -n "$G" link show culvert0)" "mtu 1400"
ip -n "$G" route replace default dev culvert0 table 77
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 100000)
contains "traffic" "$out" "rx=$(sha 100000) end=FIN"
le "descriptors" "$(fds culvert)" $((fds0 + 6))
stop culvert
eq "exit code" "$RC" 0
pass
