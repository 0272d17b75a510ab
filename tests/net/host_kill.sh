#!/bin/bash
# kill -9 of `culvert up`: fail open breaks nothing and leaves nothing that
# catches; fail closed lets no frame out; down and a new start clean up
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
host_net

config() {
	cat >"$TMP/up.json" <<-END
	{ "inbounds": [ { "protocol": "tun", "settings": {
	    "name": "culvert0", "gateway": [ "172.30.255.1/30" ] },
	    "sniffing": { "enabled": true, "routeOnly": true,
	      "destOverride": [ "fakedns", "tls", "http" ] } } ],
	  "dns": { "servers": [ "fakedns", "localhost" ] },
	  "routing": { "rules": [ { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "protocol": "freedom" },
	    { "protocol": "dns", "tag": "dns" } ],
	  "culvert": { "fail": "$1" } }
	END
	ok "config" "$CULVERT" run -test -c "$TMP/up.json"
}

works() {
	local a ns out
	for a in 198.51.100.1 2001:db8:51::1; do
		for ns in "$C" "$G"; do
			out=$(on "$ns" "$NT" tcp "$a" 5003 -n 2000 -t 10)
			contains "$1: $ns to $a" "$out" "rx=$(sha 2000) end=FIN"
		done
	done
}

# Every kind of traffic that could leak
try_all() {
	local ns
	for ns in "$C" "$G"; do
		on "$ns" "$NT" tcp 198.51.100.1 5003 -n 10 -t 1
		on "$ns" "$NT" tcp 2001:db8:51::1 5003 -n 10 -t 1
		on "$ns" "$NT" udp 198.51.100.1 5006 -n 10 -t 1
		on "$ns" "$NT" udp 2001:db8:51::1 5006 -n 10 -t 1
		for at in 198.51.100.3 10.3.0.9 2001:db8:51::3 10.1.0.1 \
				127.0.0.53; do
			on "$ns" dig +time=1 +tries=1 "@$at" www.example.com
		done
		on "$ns" ping -c 1 -W 1 198.51.100.1
		on "$ns" ping -c 1 -W 1 2001:db8:51::1
	done >/dev/null 2>&1
}

# kill -9 WHEN: also while it starts
up_and_kill() {
	bg "$G" culvert "$CULVERT" up -c "$TMP/up.json"
	sleep "$1"
	alive culvert || fail "ended by itself"
	kill -KILL "${PID[culvert]}"
	wait "${PID[culvert]}" 2>/dev/null
	unset "PID[culvert]"
}
no_tables() { ! on "$G" nft list table inet culvert; }

before=$(host_state)

# --- open ---------------------------------------------------------------------
config open
for after in 0.005 0.02 0.05 0.1 0.5; do
	up_and_kill "$after"
	wait_for 3 no_tables || fail "the table outlives its owner"
	works "open, killed after $after s"
	eq "open, killed after $after s: DNS as before" \
		"$(ask "$C" 198.51.100.3 A www.example.com)" 198.51.100.1
done
host_up "$TMP/up.json"
works "started again over what was left"
eq "each rule is there once" "$(ip -n "$G" rule | sort | uniq -d)" ""
kill -KILL "${PID[culvert]}"
wait "${PID[culvert]}" 2>/dev/null
unset "PID[culvert]"
contains "down names what it removes" "$(on "$G" "$CULVERT" down)" "removed: ip "
eq "open: down leaves nothing" "$(host_state)" "$before"

# --- closed -------------------------------------------------------------------
config closed
host_up "$TMP/up.json"
works "closed, alive"
kill -KILL "${PID[culvert]}"
wait "${PID[culvert]}" 2>/dev/null
unset "PID[culvert]"
sleep 0.2
far_packets >/dev/null
try_all
eq "closed: frames at the far side" "$(far_packets)" 0
out=$(on "$C" "$NT" tcp 10.1.0.1 9 -t 1)
contains "closed: the LAN still reaches the gateway" "$out" ECONNREFUSED
bg "$G" sshd "$NT" tcp-serve 2222 echo
wait_port "$G" tcp 2222
out=$(on "$S" "$NT" tcp 10.2.0.1 2222 -b 198.51.100.1 -n 900)
contains "closed: SSH from outside" "$out" "rx=$(sha 900) end=FIN"
bg "$C" lan "$NT" tcp-serve 2223 echo
wait_port "$C" tcp 2223
out=$(on "$S" "$NT" tcp 10.2.0.1 2223 -b 198.51.100.1 -n 900)
contains "closed: port forwarding from outside" "$out" "rx=$(sha 900) end=FIN"

# A new start lets nothing out before it catches again: the client asks all the
# time; only culvert's own address may be seen
far_packets >/dev/null
bg "$C" asking bash -c "for i in {1..200}; do
	'$NT' tcp 198.51.100.2 5003 -n 1 -t 1; sleep 0.01; done"
on "$S" nft -f - <<-'END'
table inet lan {
	counter lan { }
	chain in {
		type filter hook prerouting priority -300
		ip saddr 10.1.0.0/24 counter name lan
	}
}
END
host_up "$TMP/up.json"
works "closed, started again"
stop asking TERM quiet
contains "nothing leaked while it started" \
	"$(on "$S" nft list counter inet lan lan)" "packets 0 "
# The orderly end opens, as asked for
stop culvert
works "closed, ended in order"
stop sshd; stop lan
eq "closed: an orderly end leaves nothing" "$(host_state)" "$before"

# down after a kill opens again
host_up "$TMP/up.json"
kill -KILL "${PID[culvert]}"
wait "${PID[culvert]}" 2>/dev/null
unset "PID[culvert]"
ok "down" on "$G" "$CULVERT" down
works "closed, after down"
eq "closed: down leaves nothing" "$(host_state)" "$before"
pass
