#!/bin/bash
# TCP from the client through TUN, lwIP and freedom to the server: bytes both
# ways in both families, ends of every kind, slow readers, many flows, loss, and
# what a SYN flood leaves behind
# timeout: 240
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_up
serve sink tcp-serve 5001 sink
serve source tcp-serve 5002 source -n 5000000
serve echo tcp-serve 5003 echo
serve rst tcp-serve 5004 rst -n 1000
serve greet tcp-serve 5005 greet
serve hold tcp-serve 5009 hold
start_culvert <<-'END'
	{
	  "log": { "loglevel": "info" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "routing": { "rules": [
	    { "ip": [ "10.3.0.9", "fd03::9" ], "outboundTag": "block" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "block", "protocol": "blackhole" } ],
	  "culvert": { "workers": 2 }
	}
END
to_tun culvert0

for a in 10.3.0.1 fd03::1; do
	echo "-- $a"
	out=$(on "$C" "$NT" tcp "$a" 5001 -n 5000000 -P 2>"$TMP/err.log")
	eq "upload $a, our FIN, then the answer" "$out" "$(sha 5000000)"
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000)
	contains "download $a" "$out" "rx=$(sha 5000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 1000000)
	contains "echo $a" "$out" "rx=$(sha 1000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 1)
	contains "one byte $a" "$out" "rx=$(sha 1) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5004 -n 1000 -O)
	contains "the server's RST is a RST $a" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp "$a" 5999 -n 10)
	contains "nobody listens $a" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp "${a%1}9" 5003 -n 10)
	contains "blocked $a" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 300000 -r 400000)
	contains "slow reader $a" "$out" "rx=$(sha 300000) end=FIN"
done
out=$(on "$C" "$NT" tcp 10.3.0.2 5005 -m hello -P 2>/dev/null)
eq "the server speaks first" "$out" $'220 nt ready\r\nhello'

echo "-- the client's RST reaches the server"
on "$C" "$NT" tcp 10.3.0.3 5003 -n 400000 -R >/dev/null
wait_log echo "end=ECONNRESET"

echo "-- a server that does not read stops the client, without buffering it all"
before=$(rss culvert)
out=$(on "$C" "$NT" tcp 10.3.0.2 5009 -n 100000000 -t 2)
contains "stalled upload" "$out" "end=TIMEOUT"
le "KiB kept for a stalled upload" $(($(rss culvert) - before)) $((8192 * SLOW))

echo "-- many flows"
before=$(rss culvert)
out=$(on "$C" "$NT" tcp-hold 10.3.0.3 5003 -n 500 -d 500)
eq "idle flows live" "$out" $'open=500\nalive=500'
out=$(on "$C" "$NT" tcp-short 10.3.0.3 5003 -n 1000 -j 8)
contains "short connections" "$out" "ok=1000 failed=0"

echo "-- loss on the way to the client"
on "$G" nft -f - <<-'END'
	table inet loss {
		chain c {
			type filter hook postrouting priority 0
			oifname "g0" tcp sport 5002 numgen random mod 100 < 1 drop
		}
	}
END
out=$(on "$C" "$NT" tcp 10.3.0.1 5002 -n 1000 -t 30)
contains "download through 1 % loss" "$out" "rx=$(sha 5000000) end=FIN"
on "$G" nft delete table inet loss
alive culvert || fail "culvert died"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
pass
