#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# capture tun, include and exclude by user: what a program has written goes the same way
# after it has closed its socket, which then belongs to no user
# timeout: 90
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
cat >"$TMP/slow.py" <<'END'
import socket, sys, time
s = socket.create_server((sys.argv[1], 5070), family=socket.AF_INET6
                         if ":" in sys.argv[1] else socket.AF_INET)
while True:
    c, a = s.accept()
    time.sleep(0.3)
    n, end = 0, "FIN"
    try:
        while d := c.recv(20000):
            n += len(d)
            time.sleep(0.001)
    except OSError as e:
        end = e.strerror
    print(a[0], n, end, flush=True)
    c.close()
END
cat >"$TMP/burst.py" <<'END'
import socket, sys
s = socket.create_connection((sys.argv[1], 5070))
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4000000)
s.sendall(b"x" * 1500000)
s.close()
END
chmod 755 "$TMP"
bg "$S" slow python3 "$TMP/slow.py" 198.51.100.1
bg "$S" slow6 python3 "$TMP/slow.py" 2001:db8:51::1
wait_port "$S" tcp 5070
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'

# all WHAT LOG ADDR USER: written by him and closed, and it arrives
heard=0
all() {
	heard=$((heard + 1))
	ok "$1: written and closed" on "$G" setpriv --reuid "$4" --regid "$4" \
		--clear-groups python3 "$TMP/burst.py" "$3"
	wait_for 10 told || fail "$1: the server sees no end"
	contains "$1" "$(tail -qn 1 "$TMP/$2.log")" " 1500000 FIN"
}
told() { [ "$(cat "$TMP"/slow*.log | wc -l)" = "$heard" ]; }
for how in '"exclude": { "uid": [ 4242 ] }' '"include": { "uid": [ 4243 ] }' \
		'"include": { "gid": [ 4243 ] }'; do
	cap_config tun "$how" "$TUN"
	host_up "$TMP/up.json"
	all "$how goes by" slow 198.51.100.1 4242
	all "$how goes by, v6" slow6 2001:db8:51::1 4242
	lacks "$how" "$(<"$TMP/culvert.log")" ":5070 "
	[[ $how != *gid* ]] || all "caught" slow 198.51.100.1 4243
	stop culvert
done
through "tcp:198.51.100.1:5070 [tun-in"
pass
