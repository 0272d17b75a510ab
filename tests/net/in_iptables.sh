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

# clean BACKEND: nothing of ours is left
clean() {
	local s
	s=$(on "$G" iptables-"$1" -t nat -S; on "$G" iptables-"$1" -t mangle -S
		on "$G" ip6tables-"$1" -t nat -S
		on "$G" ip6tables-"$1" -t mangle -S
		ip -n "$G" rule; ip -n "$G" -6 rule
		ip -n "$G" route show table 7766 2>/dev/null)
	lacks "$1: chains" "$s" CULVERT
	lacks "$1: rules" "$s" 7766
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
bad "a bad rule" on "$G" "$SET" up redirect --port 99999 --lan g0
clean nft
bad "no port" on "$G" "$SET" up redirect --lan g0
bad "no place" on "$G" "$SET" up redirect --port 1
pass
