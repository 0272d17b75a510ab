#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# A firewall as OpenWrt's fw4 has it, with a flowtable and masquerading: what goes to
# a direct CIDR is offloaded as without culvert, in each capture, and culvert sees
# none of it; another destination goes through culvert; `up` and `down` leave an
# offloaded transfer alone
# kernel: nft_flow_offload
# timeout: 600
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
net_up
N=1500000
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
serve echo tcp-serve 5003 echo -t 300
serve uecho4 udp-serve 5025 echo -l 198.51.100.2
serve uecho6 udp-serve 5025 echo -l 2001:db8:51::2
# Packets are counted below: no super-segments
for d in "$C c0" "$G g0" "$G g1" "$S s0"; do
	# shellcheck disable=SC2086
	set -- $d
	on "$1" ethtool -K "$2" tso off gso off gro off >/dev/null || fail "ethtool"
done
ok "the firewall" on "$G" nft -f - <<-'END'
table inet fw4 {
	flowtable ft {
		hook ingress priority 0
		devices = { g0, g1 }
	}
	counter seen { }
	chain forward {
		type filter hook forward priority filter; policy drop
		counter name seen
		ct state established meta l4proto { tcp, udp } flow add @ft
		ct state established,related accept
		iifname "g0" accept
	}
	chain srcnat {
		type nat hook postrouting priority srcnat
		oifname "g1" meta nfproto ipv4 masquerade
	}
}
END

seen() {
	on "$G" nft reset counter inet fw4 seen |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
bg "$G" gateway sleep 1000 # whose /proc/PID/net is the gateway's
# offloaded ADDR PROTOCOL PORT: a flow there is, now
offloaded() {
	local f=ipv4
	[[ $1 != *:* ]] || f=ipv6
	grep -q "^$f .* $2 .* dport=$3 .*\[OFFLOAD\]" \
		"/proc/${PID[gateway]}/net/nf_conntrack"
}
accepted() { grep -c ' accepted ' "$TMP/culvert.log"; }

# flow WHAT ADDR: an echo that is looked at while it waits, for a FIN ends the flow
flow() {
	seen >/dev/null
	bg "$C" flow "$NT" tcp "$2" 5003 -n $N -C $((N - 50000)) -d 2500
	wait_for 5 offloaded "$2" tcp 5003 || fail "$1: not offloaded: $2"
	wait "${PID[flow]}"
	unset "PID[flow]"
	contains "$1: to $2" "$(<"$TMP/flow.log")" "tx=$(sha $N)"
	contains "$1: from $2" "$(<"$TMP/flow.log")" "rx=$(sha $N) end=FIN"
	le "$1: packets that the firewall saw, of 2000 and more" "$(seen)" 400
}

# datagrams WHAT ADDR PORT: from a port of their own, as their flow is kept for 30 s
datagrams() {
	local out
	out=$(on "$C" "$NT" udp "$2" 5025 -p "$3" -n 100,200,300,400,500,600)
	contains "$1: datagrams to $2" "$out" "ok=6 bad=0"
	offloaded "$2" udp "5025 .*dport=$3" || fail "$1: no flow of datagrams to $2"
}

# over ADDR: a flow of its own, some bytes ten times a second, until it is stopped
over() {
	bg "$C" "over-$1" python3 -uc '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 5003))
for n in range(3000):
    text = b"%08d" % n
    s.sendall(text)
    if s.recv(8, socket.MSG_WAITALL) != text:
        sys.exit("wrong bytes")
    print("turn", n)
    time.sleep(0.1)' "$1"
	wait_log "over-$1" "turn 3"
}
turns() { grep -c ^turn "$TMP/over-$1.log"; }
more_turns() { [ "$(turns "$1")" -gt "$2" ]; }
still_there() {
	alive "over-$1" || fail "$1: a flow from before ended"
	ok "a flow from before goes on" wait_for 5 more_turns "$1" "$(turns "$1")"
	ok "a flow from before is offloaded: $1" offloaded "$1" tcp 5003
	stop "over-$1"
}

DIRECT="198.51.100.2 2001:db8:51::2"
for a in $DIRECT; do flow "without culvert" $a; done
for a in $DIRECT; do over $a; done
port=6000
for cap in redirect tproxy tun; do
	IN=
	[ $cap != tun ] || IN=$TUN
	cap_config $cap '"directCidr": [ "198.51.100.2", "2001:db8:51::2" ]' "$IN"
	host_up "$TMP/up.json"
	for a in $DIRECT; do
		flow "$cap" $a
		datagrams "$cap" $a $((++port))
	done
	eq "$cap: sessions of direct destinations" "$(accepted)" 0
	for a in $FAR; do
		out=$(on "$C" "$NT" tcp $a 5003 -n 1000000)
		contains "$cap: to $a" "$out" "tx=$(sha 1000000)"
		contains "$cap: from $a" "$out" "rx=$(sha 1000000) end=FIN"
	done
	eq "$cap: sessions of the others" "$(accepted)" 2
	ok "$cap: down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "culvert still runs after down"
	unset "PID[culvert]"
	[ $cap != redirect ] || for a in $DIRECT; do still_there $a; done
done
for a in $DIRECT; do flow "after down" $a; done
pass
