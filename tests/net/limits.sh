#!/bin/bash
# Limits: few descriptors, few sessions: what is new is shed, what is old goes
# on, and when there is room again new flows work, without a restart
# timeout: 240
# alone: (it measures, or breaks things on purpose)
# asan: no (time: its paths run under ASan in other tests)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/tun_lib.sh
. "$(dirname "$0")/tun_lib.sh"

net_up
serve echo tcp-serve 5003 echo -t 300
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
wait_port "$S" udp 7777

config() { # MEMBERS OF culvert
	cat <<-END
	{
	  "log": { "loglevel": "info" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
	  "culvert": { $1 }
	}
	END
}
start_limited() { # NOFILE
	bg "$G" culvert prlimit --nofile="$1":"$1" "$CULVERT" run -c "$TMP/config.json"
	wait_for 10 tun_or_dead "$G" culvert0
	alive culvert || fail "culvert ended at start"
	to_tun culvert0
}
end_limited() {
	stop culvert
	eq "exit code" "$RC" 0
	ip -n "$G" rule del pref 77
	ip -n "$G" -6 rule del pref 77
}

works_again() {
	on "$C" "$NT" tcp-short 10.3.0.2 5003 -n 20 -j 1 -t 2 | grep -q "ok=20 failed=0"
}
# flood WHAT COUNT: so many connections at once, each tried for 2 s at most
flood() {
	on "$C" python3 - "$1" <<-'END'
	import selectors, socket, sys, time
	n, conns = int(sys.argv[1]), []
	for i in range(n):
	    s = socket.socket()
	    s.setblocking(False)
	    s.connect_ex(("10.3.0.2", 5003))
	    conns.append(s)
	time.sleep(1)
	ok = 0
	for s in conns:
	    try:
	        s.send(b"x")
	    except OSError:
	        pass
	time.sleep(2)
	for s in conns:
	    try:
	        ok += s.recv(1) == b"x"
	    except OSError:
	        pass
	print(ok)
	END
}

echo "-- 256 descriptors"
config '"workers": 2' >"$TMP/config.json"
start_limited 256
talker
out=$(flood 600)
echo "   of 600 flows at once $out were served"
le "flows served" 50 "$out"
le "and not more than there are descriptors" "$out" 256
still_talks "the old flow while descriptors are short"
wait_for 20 works_again || fail "no new flow works when there is room again"
ASSERTS=$((ASSERTS + 1))

echo "-- 600 UDP destinations with 256 descriptors"
out=$(on "$C" python3 - <<-'END'
	import socket, time
	socks = []
	for i in range(600):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setblocking(False)
	    s.sendto(b"x", ("10.3.0.1", 7777))
	    socks.append(s)
	    if i % 50 == 49: time.sleep(0.1)
	time.sleep(1)
	ok = 0
	for s in socks:
	    try: ok += s.recv(9) == b"x"
	    except OSError: pass
	print(ok)
	END
)
echo "   $out of 600 were answered"
le "datagrams answered" $((400 / SLOW)) "$out"
still_talks "the old flow while UDP took the descriptors"
wait_for 20 works_again || fail "no new flow works after the UDP flood"
ASSERTS=$((ASSERTS + 1))
stop talker KILL quiet
end_limited

# crowd COUNT [names]: of 400 SOCKS clients, in=N are let in before the first of them
# asks for its server; served=N of the first COUNT of these get an answer by it, asked
# for by address or each by a name of its own
crowd() {
	on "$C" python3 - "$@" <<-'END'
	import socket, struct, sys, time
	conns, greeted, served = [], [], 0
	for i in range(400):
	    s = socket.socket()
	    s.settimeout(3)
	    try:
	        s.connect(("10.1.0.1", 1080))
	        s.sendall(b"\5\1\0")
	        conns.append(s)
	    except OSError:
	        pass
	for s in conns:
	    try:
	        if s.recv(2) == b"\5\0": greeted.append(s)
	    except OSError:
	        pass
	asking = greeted[:int(sys.argv[1])]
	for i, s in enumerate(asking):
	    to = b"\3\x08n%02d.test" % i if sys.argv[2:] else b"\1" + socket.inet_aton("10.3.0.2")
	    s.sendall(b"\5\1\0" + to + struct.pack("!H", 5003))
	time.sleep(1)
	for s in asking:
	    try:
	        if s.recv(64)[1:2] == b"\0":
	            s.sendall(b"x" * 1000)
	            served += s.recv(1) == b"x"
	    except OSError:
	        pass
	print(f"in={len(greeted)} served={served}")
	END
}

echo "-- 256 descriptors, SOCKS: two a session, and pipes"
cat >"$TMP/config.json" <<-'END'
{
  "log": { "loglevel": "info" },
  "inbounds": [ { "tag": "in", "protocol": "socks", "listen": "0.0.0.0", "port": 1080 } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
  "culvert": { "workers": 2 }
}
END
bg "$G" culvert prlimit --nofile=256:256 "$CULVERT" run -c "$TMP/config.json"
wait_port "$G" tcp 1080
out=$(crowd 400)
echo "   of 400 clients: $out"
n=${out#in=} && n=${n%% *}
le "clients let in" 40 "$n"
contains "who was let in was served" "$out" "served=$n"
eq "accepting never paused" "$(grep -c "tried again each" "$TMP/culvert.log")" 0
stop culvert
eq "exit code" "$RC" 0

echo "-- 256 descriptors, and names, which are asked for by routed TCP"
bg "$S" dnsmasq dnsmasq -k -u root -C /dev/null --no-resolv --no-hosts --pid-file="$TMP/dnsmasq.pid" \
	--listen-address=10.2.0.5 --bind-interfaces --address=/test/10.3.0.2
wait_port "$S" tcp 53
cat >"$TMP/config.json" <<-'END'
{
  "log": { "loglevel": "info" },
  "dns": { "servers": [ "tcp://10.2.0.5" ] },
  "inbounds": [ { "tag": "in", "protocol": "socks", "listen": "0.0.0.0", "port": 1080 } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { "domainStrategy": "UseIP" } } ],
  "culvert": { "workers": 2 }
}
END
bg "$G" culvert prlimit --nofile=256:256 "$CULVERT" run -c "$TMP/config.json"
wait_port "$G" tcp 1080
out=$(crowd 10 names)
echo "   of 400 clients: $out"
contains "who was let in was served, by name" "$out" " served=10"
stop culvert
eq "exit code" "$RC" 0
stop dnsmasq

echo "-- maxSessions 60"
config '"workers": 2, "maxSessions": 60' >"$TMP/config.json"
start_limited 4096
talker
out=$(flood 200)
echo "   of 200 flows at once $out were served"
le "flows served" 20 "$out"
le "not more than allowed" "$out" 60
still_talks "the old flow"
wait_for 20 works_again || fail "no new flow works when there is room again"
ASSERTS=$((ASSERTS + 1))
kill -USR1 "${PID[culvert]}"
wait_log culvert "dropped: session limit"
out=$(on "$C" "$NT" udp 10.3.0.1 7777 -n 10 -t 3)
contains "UDP works beside it" "$out" "ok=1 bad=0"
stop talker KILL quiet

echo "-- memory given back"
rss0=$(rss culvert)
for i in 1 2 3; do flood 200 >/dev/null; done
wait_for 20 works_again
le "KiB grown" $(($(rss culvert) - rss0)) $((1024 * SLOW * SLOW))
end_limited
pass
