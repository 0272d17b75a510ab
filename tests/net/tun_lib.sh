# shellcheck shell=bash
# tun_lib.sh: what tests of the TUN share; sourced after lib.sh
#
#	tun_plain		culvert with two workers, TUN -> freedom, nothing else
#	talker			a flow to an echo at 10.3.0.1:5003 that says something
#				ten times a second; it ends when it is ended
#	still_talks NAME	it goes on; also one of a test's own, run as "talker"

tun_plain() {
	start_culvert <<-'END'
		{
		  "log": { "loglevel": "info", "access": "none" },
		  "inbounds": [ { "tag": "lan", "protocol": "tun",
		    "settings": { "name": "culvert0", "mtu": 1500 } } ],
		  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
		  "culvert": { "workers": 2 }
		}
	END
}

# A flow that was there first: it must never fail
talker() {
	bg "$C" talker python3 -uc '
import socket, sys, time
s = socket.create_connection(("10.3.0.1", 5003), timeout=20)
n = 0
while True:
    n += 1
    s.sendall(b"%08d" % n)
    b = b""
    while len(b) < 8:
        c = s.recv(8 - len(b))
        if not c: sys.exit("end of stream")
        b += c
    print("turn", n)
    time.sleep(0.1)'
	wait_log talker "turn 3"
}
turns() { grep -c ^turn "$TMP/talker.log"; }
more_turns() { [ "$(turns)" -gt "$1" ]; }
still_talks() {
	local n
	n=$(turns)
	wait_for 5 more_turns $((n + 3)) || fail "$1: $(tail -n 2 "$TMP/talker.log")"
	ASSERTS=$((ASSERTS + 1))
}
