#!/bin/bash
# in_redirect.sh: REDIRECT -> dokodemo-door -> freedom, v4 and v6
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/in_lib.sh"
net_up
serve echo tcp-serve 5001 echo
serve sink tcp-serve 5002 sink
serve source tcp-serve 5003 source -n 3000000
serve rst tcp-serve 5004 rst -n 1000
serve hold tcp-serve 5005 echo
nft_redirect 12345
start_in <<'END'
{
  "log": { "loglevel": "info" },
  "inbounds": [ { "tag": "redir", "port": 12345, "protocol": "dokodemo-door",
    "settings": { "network": "tcp", "followRedirect": true },
    "streamSettings": { "sockopt": { "tproxy": "redirect", "mark": 255 } } } ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom",
    "streamSettings": { "sockopt": { "mark": 255 } } } ]
}
END

for a in 10.3.0.1 fd03::1; do
	flow "$C" $a 5001 5000000
	flow "$C" $a 5001 0
	flow "$G" $a 5001 300000
	out=$(on "$C" "$NT" tcp $a 5002 -n 2000000 -P 2>/dev/null)
	contains "$a half-close: answer after FIN" "$out" "$(sha 2000000)"
	out=$(on "$C" "$NT" tcp $a 5003)
	contains "$a download" "$out" "rx=$(sha 3000000)"
	out=$(on "$C" "$NT" tcp $a 5004 -n 1000)
	contains "$a reset passes on" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp $a 5009 -n 10)
	contains "$a nobody listens" "$out" "end=ECONNRESET"
done
wait_log culvert "end: tcp 10.1.0.2"
out=$(grep "10.3.0.1:5001" "$TMP/culvert.log" | grep "up 5000000")
contains "splice up" "$out" "up 5000000 (splice)"
contains "splice down" "$out" "down 5000000 (splice)"
contains "original destination" "$out" "-> 10.3.0.1:5001 [redir -> direct]"
contains "v6 too" "$(cat "$TMP/culvert.log")" "-> [fd03::1]:5001 [redir -> direct]"

# the listener itself: closed, told, no loop
for a in 10.1.0.1 fd01::1; do
	out=$(on "$C" "$NT" tcp $a 12345 -n 10 -t 5)
	contains "loop $a" "$out" "end=ECONNRESET"
done
matches "loop is told" "$(cat "$TMP/culvert.log")" "loop: 10.1.0.2:[0-9]* wants 10.1.0.1:12345"
le "no loop" "$(grep -c "loop:" "$TMP/culvert.log")" 2

# reset by the client reaches the server
out=$(on "$C" "$NT" tcp 10.3.0.1 5005 -n 1000 -R)
contains "reset by us" "$out" "end=RESET-BY-US"
wait_log hold "end=ECONNRESET"
ASSERTS=$((ASSERTS + 1))

# an idle flow costs at most 1 KiB of ours, and two descriptors
if [ "${CULVERT_VARIANT:-release}" = release ]; then
	N=2000
	on "$C" "$NT" tcp-short 10.3.0.1 5001 -n 100 -j 50 >/dev/null
	before=$(rss culvert)
	bg "$C" idle "$NT" tcp-hold 10.3.0.1 5001 -n $N -d 3000
	wait_log idle "open=$N"
	le "bytes an idle flow" $((($(rss culvert) - before) * 1024 / N)) 1024
	le "descriptors" "$(fds culvert)" $((2 * N + 60))
	wait_log idle "alive=$N"
fi
stop culvert
eq "ends well" "$RC" 0
pass
