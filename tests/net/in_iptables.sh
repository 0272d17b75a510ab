#!/bin/bash
# in_iptables.sh: scripts/culvert-iptables with both backends, all modes
# timeout: 240
# asan: no (time: its paths run under ASan in other tests)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
SET=$ROOT/scripts/culvert-iptables
F4=198.51.100.1 F6=2001:db8:51::1
net_up
serve echo tcp-serve 5001 echo
serve u4 udp-serve 5101 echo -l $F4
serve u6 udp-serve 5101 echo -l $F6
serve p4 udp-serve 5102 echo -l 10.3.0.1
start_in <<'END'
{
  "log": { "loglevel": "info" },
  "inbounds": [
    { "tag": "redir", "port": 12345, "protocol": "dokodemo-door",
      "settings": { "followRedirect": true },
      "streamSettings": { "sockopt": { "tproxy": "redirect", "mark": 255 } } },
    { "tag": "tp", "port": 12346, "protocol": "dokodemo-door",
      "settings": { "network": "tcp,udp", "followRedirect": true },
      "streamSettings": { "sockopt": { "tproxy": "tproxy", "mark": 255 } } } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom",
    "streamSettings": { "sockopt": { "mark": 255 } } } ]
}
END

taken() { grep -c "accepted $1.*\[$2 >> direct\]" "$TMP/culvert.log"; }

# udp NS ADDR PORT: three echoes, from where they were sent to
udp() {
	local out
	out=$(on "$1" "$NT" udp "$2" "$3" -n 1,500,1400)
	contains "udp $2" "$out" "ok=3 bad=0"
	eq "udp $2 sources" "$(grep -c "from=$2,$3" <<<"$out")" 3
}

# From outside to this host and to one of the LAN: their answers are nobody's
serve_inside
outside() {
	local out a
	for a in "10.2.0.1 2222 -b $F4" "fd02::1 2222 -b $F6" \
			"10.1.0.2 2223 -b $F4" "fd01::2 2223 -b $F6"; do
		# shellcheck disable=SC2086 # words
		out=$(on "$S" "$NT" tcp $a -n 9000 -t 5)
		contains "$1: outside to $a" "$out" "rx=$(sha 9000) end=FIN"
	done
	out=$(on "$S" "$NT" udp fd01::2 2224 -b $F6 -n 100)
	contains "$1: datagrams from outside" "$out" "ok=1 bad=0"
}

# clean BACKEND: nothing of ours is left
clean() {
	local s
	s=$(on "$G" iptables-"$1" -t nat -S; on "$G" iptables-"$1" -t mangle -S
		on "$G" ip6tables-"$1" -t nat -S
		on "$G" ip6tables-"$1" -t mangle -S
		ip -n "$G" rule; ip -n "$G" -6 rule
		ip -n "$G" route show table 176 2>/dev/null)
	lacks "$1: chains" "$s" CULVERT
	lacks "$1: rules" "$s" 7766
	lacks "$1: rules of other numbers" "$s" 0x40000
	eq "$1: routes" "$(ip -n "$G" route show table 4321 2>/dev/null)" ""
}

# try BACKEND MODE TCP-TAG UDP-TAG
try() {
	local b=$1 mode=$2 tcp=$3 udp=$4 port=12345 t0 u0
	[ "$tcp" = redir ] || port=12346
	# twice: the second replaces the first
	for _ in 1 2; do
		ok "$b $mode up" on "$G" "$SET" up "$mode" --backend "$b" \
			--port $port --udp-port 12346 --lan g0 --local
	done
	t0=$(taken tcp "$tcp")
	u0=$(taken udp tp)
	for ns in "$C" "$G"; do
		flow "$ns" $F4 5001 300000
		flow "$ns" $F6 5001 300000
	done
	udp "$C" $F4 5101
	udp "$C" $F6 5101
	udp "$G" $F4 5101
	eq "$b $mode: tcp went by $tcp" $(($(taken tcp "$tcp") - t0)) 4
	if [ -n "$udp" ]; then
		eq "$b $mode: udp was taken" $(($(taken udp tp) - u0)) 3
	else
		eq "$b $mode: udp was not" $(($(taken udp tp) - u0)) 0
	fi
	outside "$b $mode"
	# private addresses are let through
	t0=$(taken tcp "$tcp")
	flow "$C" 10.3.0.1 5001 1000
	flow "$G" 10.3.0.1 5001 1000
	eq "$b $mode: private" $(($(taken tcp "$tcp") - t0)) 0
	ok "$b $mode down" on "$G" "$SET" down --backend "$b"
	clean "$b"
	t0=$(taken tcp "$tcp")
	flow "$C" $F4 5001 1000
	eq "$b $mode: after down" $(($(taken tcp "$tcp") - t0)) 0
}

for b in legacy nft; do
	on "$G" iptables-$b -t mangle -S >/dev/null 2>&1 || {
		echo "no iptables-$b here"; continue; }
	try $b redirect redir ""
	try $b tproxy tp tp
	try $b mixed redir tp
done
# only what is asked for: no --local, another bypass
ok "lan only" on "$G" "$SET" up tproxy --port 12346 --lan g0 --bypass none
t0=$(taken tcp tp)
flow "$C" 10.3.0.1 5001 1000
udp "$C" 10.3.0.1 5102
flow "$G" 10.3.0.1 5001 1000
eq "lan only" $(($(taken tcp tp) - t0)) 1
ok "down" on "$G" "$SET" down
bad "a bad rule" on "$G" "$SET" up redirect --port 9999 --lan name-of-more-than-15
clean nft

echo "-- other numbers: down, and another up, find them"
for next in down "up tproxy --port 12346 --lan g0"; do
	ok "up" on "$G" "$SET" up tproxy --port 12346 --lan g0 --local \
		--table 4321 --pref 4320 --mark 0x40000/0x40000
	contains "its rule" "$(ip -n "$G" rule)" "fwmark 0x40000/0x40000 lookup 4321"
	# shellcheck disable=SC2086 # words
	ok "$next" on "$G" "$SET" $next
	lacks "its rule is gone" "$(ip -n "$G" rule; ip -n "$G" -6 rule)" 4321
	eq "its route is gone" "$(ip -n "$G" route show table 4321 2>/dev/null)" ""
done
echo "-- what is wrong is said before anything is touched"
rules() {
	on "$G" iptables-save | grep -v '^[:#]'
	ip -n "$G" rule
	ip -n "$G" route show table main
}
want=$(rules)
for wrong in "redirect --lan g0" "redirect --port 1" "redirect --port 99999 --lan g0" \
		"tproxy --port 1 --lan g0 --table main" \
		"tproxy --port 1 --lan g0 --table 254" \
		"tproxy --port 1 --lan g0 --pref 0" \
		"tproxy --port 1 --lan g0 --mark x;y" \
		"tproxy --port 1 --lan g0 --backend other" "tap --port 1 --lan g0"; do
	# shellcheck disable=SC2086 # words
	bad "$wrong" on "$G" "$SET" up $wrong
	eq "$wrong: nothing has changed" "$(rules)" "$want"
done
ok "down" on "$G" "$SET" down
clean nft
ok "busybox" on "$G" busybox ash "$SET" up mixed --port 12345 --udp-port 12346 \
	--lan g+ --local
t0=$(taken tcp redir)
flow "$G" $F4 5001 1000
eq "busybox: taken" $(($(taken tcp redir) - t0)) 1
ok "busybox" on "$G" busybox ash "$SET" down
clean nft
pass
