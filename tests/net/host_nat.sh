#!/bin/bash
# A router with masquerading, and a client in the LAN whose datagrams keep their ports
# for days (WireGuard, SIP): it goes on through start, stop, kill -9 and down.
# conntrack remembers how a flow was translated when it began
# timeout: 240
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net
on "$G" nft -f - <<'END'
table inet masq {
	chain post {
		type nat hook postrouting priority srcnat
		iifname "g0" oifname "g1" masquerade
	}
}
END
# As out there: who sends with an address of the LAN is not answered
ip -n "$S" route add unreachable 10.1.0.0/24
ip -n "$S" -6 route add unreachable fd01::/64
# Tells each who he is
cat >"$TMP/who.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5030))
while True:
    _, a = s.recvfrom(100)
    try:
        s.sendto(("%s %d" % a[:2]).encode(), a)
    except OSError:
        pass
END
cat >"$TMP/phone.py" <<'END'
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.bind((sys.argv[2], int(sys.argv[3])))
s.settimeout(0.2)
while True:
    try:
        s.sendto(b"x", (sys.argv[1], 5030))
        said = s.recv(100).decode()
    except OSError:
        said = "nothing"
    print(said, flush=True)
    time.sleep(0.05)
END
bg "$S" who4 python3 "$TMP/who.py" 198.51.100.1
bg "$S" who6 python3 "$TMP/who.py" 2001:db8:51::1
last() { tail -n 1 "$TMP/phone$1.log"; }
# Flows that begin now, by ports of their own; what is under way when culvert starts
# may go by for ever, as may what came from outside
port=40000
ring() {
	stop phone4
	stop phone6
	port=$((port + 1))
	bg "$C" phone4 python3 "$TMP/phone.py" 198.51.100.1 10.1.0.2 $port
	bg "$C" phone6 python3 "$TMP/phone.py" 2001:db8:51::1 fd01::2 $port
}
goes_by() { [ "$(last 4)" = "10.2.0.1 $port" ] && [ "$(last 6)" = "fd02::1 $port" ]; }
is_caught() {
	[[ $(last 4) == "10.2.0.1 "* && $(last 6) == "fd02::1 "* ]] &&
		[[ $(last 4) != *" $port" && $(last 6) != *" $port" ]]
}
want() {
	wait_for 20 "$1" || fail "$how: $2: the server sees '$(last 4)', '$(last 6)'"
	ASSERTS=$((ASSERTS + 1))
}
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
BYPASS='"bypass": [ "198.51.100.1/32", "2001:db8:51::1/128" ]'
how=alone
ring
want goes_by "at first"
before=$(host_state)
for how in tun tproxy; do
	[ $how = tun ] || TUN=
	cap_config $how "" "$TUN"
	host_up "$TMP/up.json"
	ring
	want is_caught "started"
	stop culvert
	want goes_by "stopped"
	host_up "$TMP/up.json"
	ring
	want is_caught "started again"
	kill9
	ok "down" on "$G" "$CULVERT" down
	want goes_by "killed, and down"
	eq "$how: nothing left" "$(host_state)" "$before"
	# Another start after kill -9, with another configuration
	host_up "$TMP/up.json"
	ring
	want is_caught "started once more"
	kill9
	cap_config $how "$BYPASS" "$TUN"
	host_up "$TMP/up.json"
	want goes_by "killed, and started with a bypass"
	stop culvert
	want goes_by "stopped again"
done
pass
