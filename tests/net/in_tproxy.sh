#!/bin/bash
# in_tproxy.sh: TPROXY -> dokodemo-door -> freedom: TCP and UDP, v4 and v6
#
# Forwarded clients and the gateway's own traffic; exact reply sources, one
# outer port a client port with two workers, 100,000 reply sources.
# timeout: 180
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
N=100000
[ $SLOW = 1 ] || N=5000
PY=$(dirname "$0")/in_udp.py
net_up
serve echo tcp-serve 5001 echo
serve rst tcp-serve 5004 rst -n 1000
serve uecho4 udp-serve 5101 echo -l 10.3.0.1
serve uecho6 udp-serve 5101 echo -l fd03::1
serve ucone4 udp-serve 5103 cone -l 10.3.0.1
serve ucone6 udp-serve 5103 cone -l fd03::1
bg "$S" who python3 "$(dirname "$0")/udp.py" serve 5105
bg "$S" spray python3 "$PY" spray 5107
wait_port "$S" udp 5105
wait_port "$S" udp 5107
nft_tproxy 12345
start_in <<'END'
{
  "log": { "loglevel": "info" }, "culvert": { "workers": 2 },
  "inbounds": [ { "tag": "tp", "port": 12345, "protocol": "tunnel",
    "settings": { "network": "tcp,udp", "followRedirect": true },
    "streamSettings": { "sockopt": { "tproxy": "tproxy", "mark": 255 } } } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom",
    "streamSettings": { "sockopt": { "mark": 255 } } } ]
}
END

for a in 10.3.0.1 fd03::1; do
	for ns in "$C" "$G"; do
		flow "$ns" $a 5001 3000000
		out=$(on "$ns" "$NT" udp $a 5101 -n 0,1,100,1200,1472,9000)
		contains "$a udp" "$out" "ok=6 bad=0"
		eq "$a exact source" "$(grep -c "from=$a,5101" <<<"$out")" 6
		out=$(on "$ns" "$NT" udp $a 5103 -n 50 -d 300)
		contains "$a full cone" "$out" "more size=50 from=$a,5104"
	done
	out=$(on "$C" "$NT" tcp $a 5004 -n 1000)
	contains "$a reset passes on" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp $a 5009 -n 10)
	contains "$a nobody listens" "$out" "end=ECONNRESET"
done
for a in 10.3.0.1 fd03::1; do
	for ns in "$C" "$G"; do
		out=$(on "$ns" "$NT" udp $a 5101 -n 1473,20000,65506,65507)
		contains "largest datagrams $a" "$out" "ok=4 bad=0"
	done
done
wait_log culvert "up 3000000 (splice) down 3000000 (splice)"

# one client port, many destinations: one worker, one outer port
for a in "10.3.0.1 5105 10.3.0.2 5105" "fd03::1 5105 fd03::2 5105"; do
	for i in 1 2 3 4 5 6; do
		# shellcheck disable=SC2086
		out=$(on "$C" python3 "$PY" cone $a)
		eq "cone $a $i" "$out" "outer=1 exact=2"
	done
done

# many reply sources: descriptors stay flat, each source is exact
before=$(fds culvert)
out=$(on "$C" python3 "$PY" sprayed 10.3.0.1 5107 $N)
contains "exact sources" "$out" "wrong=0"
got=${out#sources=}
got=${got% *}
le "answers lost" $((N - got)) $((N / 100))
le "descriptors after $N sources" "$(fds culvert)" $((before + 2 * 256 + 8))
out=$(on "$C" python3 "$PY" sprayed fd03::1 5107 2000)
contains "exact sources v6" "$out" "wrong=0"

# a DNS server of the gateway whose clients are taken from it: its answers come
# from its address, and its own clients on the gateway do not suffer
bg "$G" local "$NT" udp-serve 5353 echo
wait_port "$G" udp 5353
on "$G" nft insert rule inet t pre iifname g0 udp dport 5353 \
	meta mark set 1 tproxy to :12345 accept
for a in 10.1.0.1 fd01::1; do
	out=$(on "$C" "$NT" udp $a 5353 \
		-n 0,1,1400,1452,1453,1472,1473,2961,9000,65506,65507)
	contains "own address $a" "$out" "ok=11 bad=0"
	eq "own address $a: source" "$(grep -c "from=$a,5353" <<<"$out")" 11
	out=$(on "$G" "$NT" udp $a 5353 -n 1,2,3)
	contains "own clients $a" "$out" "ok=3 bad=0"
	contains "taken $a" "$(cat "$TMP/culvert.log")" "udp:$(
		[ $a = fd01::1 ] && echo "[$a]" || echo $a):5353 [tp"
done

# the listener itself
out=$(on "$C" "$NT" tcp 10.1.0.1 12345 -n 10 -t 5)
contains "loop" "$out" "end=ECONNRESET"
on "$C" "$NT" udp 10.1.0.1 12345 -n 10 -t 1 >/dev/null
matches "loop is told" "$(cat "$TMP/culvert.log")" \
	"loop: 10.1.0.2:[0-9]* wants 10.1.0.1:12345"
le "no loop" "$(grep -c "loop:" "$TMP/culvert.log")" 2
stop culvert
eq "ends well" "$RC" 0
matches "counted" "$(cat "$TMP/culvert.log")" "own listener.*2"
pass
