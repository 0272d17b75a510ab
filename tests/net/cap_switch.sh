#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures, or breaks things on purpose)
# A reload that changes the way of capture, while the LAN begins connections all the time:
# none passes by, whatever "fail" says, and each way catches as soon as it is in force
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
cap_net
cat >"$TMP/ask.py" <<'END'
import socket, sys, time
port, end = int(sys.argv[1]), time.monotonic() + 60
while time.monotonic() < end:
    for f, a in (socket.AF_INET, "198.51.100.2"), (socket.AF_INET6, "2001:db8:51::2"):
        port += 1  # none twice: what conntrack knows of it would decide
        with socket.socket(f) as s:
            try:
                s.bind(("", port))
            except OSError:  # another program had it just now
                continue
            s.setblocking(False)
            s.connect_ex((a, 5003))
            time.sleep(0.001)
END
config() { # CAPTURE FAIL
	local tun=
	case $1 in *tun*)
		tun="{ \"tag\": \"tun-in\", \"protocol\": \"tun\", \"settings\": { \"name\": \"culvert${1#*tun}\" } }"
	esac
	set -- "${1%-tun}" "$2"
	cap_config "${1%[0-9]}" "\"fail\": \"$2\"" "$tun"
}
port=10000
for fail in open closed; do
	from=tun generation=1
	config tun $fail
	host_up "$TMP/up.json"
	caught "$fail: tun"
	for to in tproxy tun redirect tun mixed tproxy redirect mixed-tun tproxy mixed-tun \
			tun tun1 tun2 tproxy tun1; do
		bg "$C" asking python3 "$TMP/ask.py" "$port"
		port=$((port + 1200))
		sleep 0.1
		who lan_tcp >/dev/null
		config $to $fail
		kill -HUP "${PID[culvert]}"
		generation=$((generation + 1))
		wait_log culvert "generation $generation is in force"
		sleep 0.2
		eq "$fail: $from -> $to: frames that passed by" "$(who lan_tcp)" 0
		ok "the LAN has asked all the time" alive asking
		stop asking TERM quiet
		sleep 0.1 # what it began is told
		caught "$fail: $to"
		from=$to
	done
	stop culvert
done
pass
