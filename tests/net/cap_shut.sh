#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# While another program flushes nftables again and again, or ends the child that
# owns our table, nothing of what is caught reaches the far side but by culvert:
# LAN and host, v4 and v6, new connections, running ones, datagrams, DNS
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
addr "$G" g1 10.2.0.10/24 fd02::10/64
serve slow tcp-serve 5015 sink -r 4000000
bg "$G" resolver "$NT" udp-serve 53 echo -l 10.1.0.1
wait_port "$G" udp 53

# culvert leaves by addresses of its own: all else at the far side has passed by
config() {
	cap_config "$1" "$2" "$TUN"
	python3 - "$TMP/up.json" <<-'END'
	import json, sys
	c = json.load(open(sys.argv[1]))
	c["outbounds"][0]["sendThrough"] = "10.2.0.10"
	c["outbounds"].append({"protocol": "freedom", "tag": "six",
		"sendThrough": "fd02::10"})
	c["routing"]["rules"].append({"ip": "::/0", "outboundTag": "six"})
	json.dump(c, open(sys.argv[1], "w"))
	END
	ok "config" "$CULVERT" run -test -c "$TMP/up.json"
}
on "$S" nft -f - <<'END'
table inet shut {
	counter leak { }
	set leaks { type inet_proto . inet_service . ifname; flags dynamic; size 100; }
	chain in {
		type filter hook prerouting priority -299
		meta nfproto ipv4 ip daddr != 198.51.100.0/24 return
		meta nfproto ipv6 ip6 daddr != 2001:db8:51::/64 return
		meta l4proto != { tcp, udp } return
		ip saddr 10.2.0.10 return
		ip6 saddr fd02::10 return
		counter name leak add @leaks { meta l4proto . th dport . iifname }
	}
}
END
leaks() {
	on "$S" nft reset counter inet shut leak |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Begins connections and sends datagrams, of new sockets and of old ones, for SECS
cat >"$TMP/load.py" <<'END'
import select, socket, sys, time

secs, udp = float(sys.argv[1]), sys.argv[2] == "1"
v4, v6 = (socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8:51::1")
ask = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1"
old = [(socket.socket(f, socket.SOCK_DGRAM), a) for f, a in (v4, v6)]
poll, held = select.poll(), {}
n = up = answers = 0


def send(s, data, to):
    global n
    n += 1
    try:
        s.sendto(data, to)
    except OSError:  # what our table drops may be told to its sender
        pass


def look():
    global up
    for fd, events in poll.poll(0):
        up += not events & (select.POLLERR | select.POLLHUP)
        poll.unregister(fd)


end = time.monotonic() + secs
while time.monotonic() < end:
    for family, addr in v4, v6:
        s = socket.socket(family)
        s.setblocking(False)
        n += 1
        if s.connect_ex((addr, 5003)) in (0, 115):
            poll.register(s, select.POLLOUT)
            held[s.fileno()] = s
        with socket.socket(family, socket.SOCK_DGRAM) as d:
            send(d, ask, (addr, 53))
            if udp:
                send(d, b"x", (addr, 5006))
    with socket.socket(*v4[:1], socket.SOCK_DGRAM) as d:
        send(d, ask, ("10.1.0.1", 53))
    for s, addr in old if udp else ():
        send(s, b"y", (addr, 5006))
    time.sleep(0.002)
    look()
    while len(held) > 400:
        s = held.pop(next(iter(held)))
        try:
            poll.unregister(s)
        except KeyError:
            pass
        s.close()
time.sleep(0.2)
look()
print("begun=%d up=%d" % (n, up))
END

SECS=1.2 LONG=5000000
# during WHAT UDP COMMAND...: the traffic while COMMAND runs: nothing passes by
during() {
	local what=$1 udp=$2 ns a
	shift 2
	leaks >/dev/null
	: >"$TMP/resolver.log"
	for ns in "$C" "$G"; do
		for a in $FAR; do
			bg "$ns" "long-$ns-$a" "$NT" tcp "$a" 5015 -n "$LONG" -P -t 60
		done
		bg "$ns" "load-$ns" python3 "$TMP/load.py" "$SECS" "$udp"
	done
	sleep 0.2
	while alive "load-$C"; do
		"$@" || fail "$what: $*"
		ASSERTS=$((ASSERTS + 1))
	done
	for ns in "$C" "$G"; do
		wait "${PID[load-$ns]}"
		unset "PID[load-$ns]"
		echo "$what: $ns $(<"$TMP/load-$ns.log")"
		le "$what: $ns: it was caught meanwhile" 20 \
			"$(sed -n 's/.* up=//p' "$TMP/load-$ns.log")"
	done
	all_said long- "$(sha "$LONG")" "end=FIN"
	eq "$what: frames that passed by ($(on "$S" nft list set inet shut leaks |
		tr -d '\n\t'))" "$(leaks)" 0
	eq "$what: questions to the resolver here" "$(<"$TMP/resolver.log")" ""
}
flush() {
	on "$G" nft flush ruleset
	sleep 0.06
}
children() { pgrep -P "${PID[culvert]}" -x nft; }
keeper() { on "$G" nft list tables | grep -c culvert_keep; }
whole() {
	on "$G" nft list table inet culvert >/dev/null 2>&1 &&
		[ "$(keeper)" = 1 ] && [ "$(children | wc -l)" = "$1" ]
}
# Of two the first is the owner of our table, of one it keeps the other
end_first() {
	kill -KILL "$(children | head -n 1)"
	wait_for 3 whole "$1"
}

for cap in redirect tproxy mixed; do
	udp=0 TUN=
	[ $cap = redirect ] || udp=1
	[ $cap != mixed ] || TUN='{ "tag": "tun-in", "protocol": "tun",
		"settings": { "name": "culvert0" } }'
	config $cap '"fail": "closed"'
	host_up "$TMP/up.json"
	during "$cap closed, flushes" $udp flush
	[ $cap != mixed ] || break
	during "$cap closed, the keeper ends" $udp end_first 1
	cap_works "$cap closed, afterwards"
	stop culvert
	config $cap '"fail": "open"'
	host_up "$TMP/up.json"
	during "$cap open, the owner ends" $udp end_first 2
	# From now on nothing may leave without culvert
	config $cap '"fail": "closed"'
	kill -HUP "${PID[culvert]}"
	wait_log culvert "generation 2 is in force"
	wait_for 3 whole 1 || fail "$cap: open to closed"
	cap_works "$cap, reloaded"
	kill9
	leaks >/dev/null
	cap_try $udp
	eq "$cap reloaded as closed, killed: frames" "$(leaks)" 0
	ok "down" on "$G" "$CULVERT" down
done
pass
