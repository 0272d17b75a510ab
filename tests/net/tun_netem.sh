#!/bin/bash
# asan: no (time: test_lw_loss has the paths)
# A radio link to the client: 40 ms and 1 % loss each way (netem). Uploads and
# downloads at once, each half-closed, in both families: on the kernel's own path,
# by the TUN (lwIP repeats what is lost), and by redirect
# kernel: sch_netem
# timeout: 600
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
net_up
N=2000000
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
serve sink tcp-serve 5011 sink
serve source tcp-serve 5012 source -n $N
serve echo tcp-serve 5003 echo
# A super-segment would be lost as a whole. Those of the TUN are: the device cuts them
# behind netem only, so there are fewer packets to lose, and more goes with each
for d in "$C c0" "$G g0"; do
	# shellcheck disable=SC2086
	set -- $d
	on "$1" ethtool -K "$2" tso off gso off gro off >/dev/null || fail "ethtool"
	ok "netem at $2" on "$1" tc qdisc add dev "$2" root netem \
		delay 20ms loss 1% limit 10000
done

lost() {
	on "$1" tc -s qdisc show dev "$2" |
		sed -n 's/.*(dropped \([0-9]*\),.*/\1/p'
}
ms() { sed -n 's/.* ms=\([0-9]*\).*/\1/p' "$TMP/$1.log"; }

# transfers WHAT: their longest is in MS
transfers() {
	local a n l0 l1
	l0=$(lost "$C" c0)
	l1=$(lost "$G" g0)
	for a in $FAR; do
		bg "$C" "up-$a" "$NT" tcp "$a" 5011 -n $N -P -t 90
		bg "$C" "down-$a" "$NT" tcp "$a" 5012 -t 90
	done
	MS=0
	for a in $FAR; do
		for n in up down; do
			wait "${PID[$n-$a]}"
			unset "PID[$n-$a]"
			[ "$(ms "$n-$a")" -lt "$MS" ] || MS=$(ms "$n-$a")
		done
		contains "$1: up to $a, answer after our FIN" \
			"$(<"$TMP/up-$a.log")" "$(sha $N)"
		contains "$1: down from $a, after our FIN" \
			"$(<"$TMP/down-$a.log")" "rx=$(sha $N) end=FIN"
	done
	l0=$(($(lost "$C" c0) - l0))
	l1=$(($(lost "$G" g0) - l1))
	echo "-- $1: $MS ms; lost $l0 of the client's packets, $l1 to it"
	le "$1: packets of the client were lost" 3 $l0
	le "$1: packets to the client were lost" 3 $l1
}

transfers "without culvert"
DIRECT=$MS
for cap in tun redirect; do
	IN=
	[ $cap != tun ] || IN=$TUN
	cap_config $cap "" "$IN"
	host_up "$TMP/up.json"
	transfers "$cap"
	le "$cap: ms, of $DIRECT without" "$MS" $((DIRECT * 4 + 5000))
	for a in $FAR; do
		out=$(on "$C" "$NT" tcp $a 5003 -n 200000 -t 60)
		contains "$cap: echo of $a" "$out" "rx=$(sha 200000) end=FIN"
	done
	eq "$cap: sessions" "$(grep -c ' accepted ' "$TMP/culvert.log")" 6
	lacks "no assertion of lwIP was met" "$(<"$TMP/culvert.log")" "lwip "
	ok "$cap: down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "culvert still runs after down"
	unset "PID[culvert]"
done
pass
