#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# alone: (it measures, or breaks things on purpose)
# include and exclude by each key (cgroup: cap_cgroup.sh), rejectQuic and
# directCidr (100,000 prefixes), for every capture
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
cap_net
MAC=$(on "$C" cat /sys/class/net/c0/address)
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
serve quic udp-serve 443 echo -l 198.51.100.1

# caught WHAT NS ADDR: the connection is in culvert's log; passes: it is not
conn() {
	local out
	# shellcheck disable=SC2086
	out=$(on "$2" ${RUN:-} "$NT" tcp "$3" "${4:-5003}" -n 100 -t 5)
	contains "$1: works" "$out" "end=FIN"
}
caught() {
	count_lines culvert ' accepted tcp:'
	conn "$@"
	wait_for 2 more_than "$COUNT" || fail "$1: is not caught"
	ASSERTS=$((ASSERTS + 1))
}
more_than() { count_lines culvert ' accepted tcp:'; [ "$COUNT" -gt "$1" ]; }
passes() {
	local n
	count_lines culvert ' accepted tcp:'
	n=$COUNT
	conn "$@"
	count_lines culvert ' accepted tcp:'
	eq "$1: is not caught" "$COUNT" "$n"
}
up() {
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config "$CAP" "$1" "$IN"
	host_up "$TMP/up.json"
}
# A program of user 4242, group 4243
U="setpriv --reuid 4242 --clear-groups"
GR="setpriv --regid 4243 --clear-groups"

for CAP in tun redirect tproxy mixed; do
	IN=
	[ $CAP != tun ] || IN=$TUN
	up '"exclude": { "source": [ "10.1.0.2", "fd01::2/128" ], "uid": [ 4242 ],
		"gid": "4243", "destination": "198.51.100.2", "port": "5014" }'
	passes "$CAP exclude source" "$C" 198.51.100.1
	passes "$CAP exclude source v6" "$C" 2001:db8:51::1
	caught "$CAP host" "$G" 198.51.100.1
	caught "$CAP host v6" "$G" 2001:db8:51::1
	RUN=$U passes "$CAP exclude uid" "$G" 198.51.100.1
	RUN=$U passes "$CAP exclude uid v6" "$G" 2001:db8:51::1
	RUN=$GR passes "$CAP exclude gid" "$G" 198.51.100.1
	passes "$CAP exclude destination" "$G" 198.51.100.2
	passes "$CAP exclude port" "$G" 198.51.100.1 5014
	up "\"exclude\": { \"mac\": [ \"$MAC\" ] }"
	passes "$CAP exclude mac" "$C" 198.51.100.1
	up '"exclude": { "interface": "g0" }, "rejectQuic": true'
	passes "$CAP exclude interface" "$C" 198.51.100.1
	out=$(on "$G" "$NT" udp 198.51.100.1 443 -n 10 -c -t 2)
	matches "$CAP QUIC is refused" "$out" "EPERM|ECONNREFUSED"
	out=$(on "$C" "$NT" udp 198.51.100.1 443 -n 10 -c -t 2)
	contains "$CAP QUIC of what is not caught" "$out" "ok=1"
	up "\"include\": { \"interface\": \"g0\", \"source\": \"10.1.0.0/24\",
		\"mac\": \"$MAC\", \"uid\": \"4242\", \"port\": \"5003\",
		\"destination\": [ \"198.51.100.0/24\" ] }"
	caught "$CAP include" "$C" 198.51.100.1
	passes "$CAP include: another family" "$C" 2001:db8:51::1
	passes "$CAP include: another port" "$C" 198.51.100.1 5014
	passes "$CAP include: another user" "$G" 198.51.100.1
	RUN=$U caught "$CAP include uid" "$G" 198.51.100.1
done

# Direct destinations: 100,000 prefixes, and ours among them
awk 'BEGIN { for (i = 0; i < 100000; i++)
	printf "%d.%d.%d.%d/25\n", 11 + i / 65536, i / 256 % 256, i % 256,
		(i % 2) * 128; print "198.51.100.2 # far\n2001:db8:51::2/128" }' \
	>"$TMP/direct.txt"
for CAP in tun redirect tproxy; do
	IN=
	[ $CAP != tun ] || IN=$TUN
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config "$CAP" "\"directCidr\": [ \"$TMP/direct.txt\",
		\"2001:db8:51::3\" ]" "$IN"
	t0=${EPOCHREALTIME/./}
	bg "$G" culvert "$CULVERT" up -c "$TMP/up.json"
	wait_for 60 log_has culvert " started" || fail "no start"
	log_has culvert "ranges go directly" || fail "no direct set"
	echo "$CAP: $(((${EPOCHREALTIME/./} - t0) / 1000)) ms, $(rss culvert) KiB"
	le "$CAP: resident KiB" "$(rss culvert)" 40000
	passes "$CAP direct" "$C" 198.51.100.2
	passes "$CAP direct v6" "$C" 2001:db8:51::2
	passes "$CAP direct, host" "$G" 198.51.100.2
	passes "$CAP direct v6, host" "$G" 2001:db8:51::3
	caught "$CAP not direct" "$C" 198.51.100.1
	caught "$CAP not direct, host" "$G" 2001:db8:51::1
	matches "$CAP: DNS of a direct server" \
		"$(ask "$C" 198.51.100.3 A www.example.com)" '^198\.1[89]\.'
	on "$G" nft flush ruleset
	wait_for 30 on "$G" nft get element inet culvert_direct direct4 \
		'{ 198.51.100.2 }' || fail "the direct set does not come back"
	kill9
	wait_for 5 no_tables || fail "tables outlive culvert"
done
pass
