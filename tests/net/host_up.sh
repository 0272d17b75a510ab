#!/bin/bash
# `culvert up` without a configuration: LAN and the host itself, v4 and v6, DNS
# asked anywhere, connections from outside keep working, own sockets do not loop
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
host_net
export HOME=$TMP

before=$(host_state)
host_up

# LAN and host, v4 and v6; what the far side sees is the gateway's own address
for a in 198.51.100.1 2001:db8:51::1; do
	for ns in "$C" "$G"; do
		out=$(on "$ns" "$NT" tcp "$a" 5003 -n 300000)
		contains "$ns to $a" "$out" "rx=$(sha 300000) end=FIN"
		out=$(on "$ns" "$NT" udp "$a" 5006 -n 0,1,1200)
		contains "$ns datagrams to $a" "$out" "ok=3 bad=0"
	done
done
lacks "nothing arrives with the client's address" "$(cat "$TMP/echo.log")" \
	"from=10.1.0.2"
contains "all arrives from the gateway" "$(cat "$TMP/echo.log")" "from=10.2.0.1,"
le "all of it went through the TUN" 1200000 "$(tun_bytes)"

# One SYN of a client is one SYN at the server: own sockets do not come back
syn_count >/dev/null
on "$C" "$NT" tcp 198.51.100.2 5003 -n 10 >/dev/null
on "$G" "$NT" tcp 198.51.100.2 5003 -n 10 >/dev/null
eq "SYNs for two connections" "$(syn_count)" 2

# Private destinations go as if culvert were not there
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -n 1000)
contains "private v4" "$out" "end=FIN"
out=$(on "$C" "$NT" tcp fd03::1 5003 -n 1000)
contains "private v6" "$out" "end=FIN"
contains "with the client's address" "$(cat "$TMP/echo.log")" "from=10.1.0.2,"

# DNS: a server far away, the gateway's own address, the host's loopback
fake4='^198\.1[89]\.' fake6='^fc00:'
for at in 198.51.100.3 10.3.0.9 10.1.0.1 fd01::1 2001:db8:51::3; do
	matches "client asks $at" "$(ask "$C" "$at" A www.example.com)" "$fake4"
	matches "client asks $at" "$(ask "$C" "$at" AAAA www.example.com)" "$fake6"
	matches "client asks $at by TCP" "$(ask "$C" "$at" A www.example.com +tcp)" \
		"$fake4"
done
for at in 127.0.0.53 127.0.0.1 10.2.0.1 198.51.100.3 fd02::1; do
	matches "host asks $at" "$(ask "$G" "$at" A www.example.com)" "$fake4"
done
matches "host asks its loopback by TCP" "$(ask "$G" 127.0.0.53 A www.example.com +tcp)" "$fake4"
# ... but nobody from outside may ask us
eq "from outside" "$(ask "$S" 10.2.0.1 A www.example.com)" ""

# By name: FakeDNS, freedom asks the real server
for ns in "$C" "$G"; do
	out=$(on "$ns" "$NT" tcp "$(ask "$ns" 198.51.100.3 A www.example.com)" 5003 \
		-n 5000)
	contains "by name" "$out" "rx=$(sha 5000) end=FIN"
	out=$(on "$ns" "$NT" tcp "$(ask "$ns" 198.51.100.3 AAAA www.example.com)" 5003 \
		-n 5000)
	contains "by name, v6" "$out" "rx=$(sha 5000) end=FIN"
done

# From outside: to the host, by DNAT to a LAN host, routed IPv6 to a LAN host
bg "$G" sshd "$NT" tcp-serve 2222 echo
bg "$C" lan "$NT" tcp-serve 2223 echo
wait_port "$G" tcp 2222
wait_port "$C" tcp 2223
out=$(on "$S" "$NT" tcp 10.2.0.1 2222 -b 198.51.100.1 -n 9000)
contains "outside to host" "$out" "rx=$(sha 9000) end=FIN"
out=$(on "$S" "$NT" tcp fd02::1 2222 -b 2001:db8:51::1 -n 9000)
contains "outside to host, v6" "$out" "rx=$(sha 9000) end=FIN"
out=$(on "$S" "$NT" tcp 10.2.0.1 2223 -b 198.51.100.1 -n 9000)
contains "outside to LAN host by DNAT" "$out" "rx=$(sha 9000) end=FIN"
out=$(on "$S" "$NT" tcp fd01::2 2223 -b 2001:db8:51::1 -n 9000)
contains "outside to LAN host, routed v6" "$out" "rx=$(sha 9000) end=FIN"

# Another up in this namespace is refused, and breaks nothing: it does not even join
# the device, which has a queue for whoever asks
bg "$C" held "$NT" tcp-hold 198.51.100.1 5003 -n 100 -d 3000
wait_log held "open=100"
for _ in 1 2 3 4 5; do
	bad "a second up" on "$G" "$CULVERT" up
	contains "it says why" "$(<"$TMP/bad.log")" "is up already (pid"
	lacks "and opens nothing" "$(<"$TMP/bad.log")" "tun:"
done
all_said held "alive=100"
out=$(on "$C" "$NT" tcp 198.51.100.1 5003 -n 1000)
contains "after the refused up" "$out" "end=FIN"

# `culvert down` ends it, and nothing is left
ok "down" on "$G" "$CULVERT" down
wait_for 5 not_alive culvert || fail "culvert still runs after down"
eq "state as before" "$(host_state)" "$before"
out=$(on "$C" "$NT" tcp 198.51.100.1 5003 -n 1000)
contains "as before" "$out" "end=FIN"
bad "our rules are no history of nft's user" test -e "$TMP/.nft.history"
contains "down says so" "$(on "$G" "$CULVERT" down)" "nothing of culvert's is left"
pass
