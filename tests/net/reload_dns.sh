#!/bin/bash
# A reload that changes "hosts": who goes on asking from the same port hears the new answer
# timeout: 60
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
serve udp udp-serve 5006 echo
conf() {
	cat <<-END
	{ "log": { "loglevel": "info" }, "culvert": { "workers": 1 },
	  "dns": { "tag": "dns-own", "hosts": { "name.test": "$1" }, "servers": [ "10.3.0.1" ] },
	  "inbounds": [ { "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } } ],
	  $(dns_routing) }
	END
}
start_culvert < <(conf 192.0.2.1)
to_tun culvert0
cat >"$TMP/both.py" <<'END'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
q = struct.pack(">6H", 7, 256, 1, 0, 0, 0) + b"\4name\4test\0" + struct.pack(">2H", 1, 1)
said = None
while True:
    s.sendto(b"other", ("10.3.0.1", 5006)) # its map lives on
    s.sendto(q, ("10.3.0.2", 53))
    try:
        while True:
            b, a = s.recvfrom(512)
            if a[1] == 53:
                new = socket.inet_ntoa(b[-4:])
                if new != said:
                    print(new, flush=True)
                said = new
    except OSError:
        pass
END
bg "$C" both python3 "$TMP/both.py"
wait_log both 192.0.2.1
conf 192.0.2.2 >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "in force"
wait_for 5 log_has both 192.0.2.2 || fail "still the old answer: $(<"$TMP/both.log")"
eq "the old one, then the new one" "$(<"$TMP/both.log")" $'192.0.2.1\n192.0.2.2'
pass
