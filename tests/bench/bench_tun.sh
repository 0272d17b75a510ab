#!/bin/bash
# TUN -> freedom against the kernel's own forwarding and against bare relays
#
# The client's flows take one path after another, within the same seconds;
# ROUNDS times. A TUN has no bare equivalent in the kernel: the relays (relay.c)
# are what a user-space gateway costs at the least, with redirect as capture.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-3} SECS=${SECS:-1}

bench_up
start_culvert <<-'END'
	{
	  "log": { "loglevel": "warning", "access": "none" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ]
	}
END
sleep 0.5
put culvert rss_start_kib "$(rss culvert)"
bg "$G" splice "$RELAY" splice 4001
bg "$G" copy "$RELAY" copy 4002
wait_port "$G" tcp 4001
wait_port "$G" tcp 4002
machine

# Memory first: bulk leaves buffers behind for a while
path_tun
idle culvert culvert 1000
sleep 1
idle culvert culvert 5000
path_none
idle direct "" 5000
sleep 4
put culvert rss_idle_after_kib "$(rss culvert)"

for ((r = 0; r < ROUNDS; r++)); do
	WHAT=${TESTS:-bulk cps lat}
	row direct "" path_none
	row culvert culvert path_tun
	row splice splice path_redirect 4001
	row copy copy path_redirect 4002
	WHAT=${TESTS:-udp}
	row direct "" path_none
	row culvert culvert path_tun
done
put culvert rss_bulk_kib "$(rss culvert)"
sleep 5
put culvert rss_after_kib "$(rss culvert)"

table "Bulk TCP, Gbit/s" direct up1 down1 up8 down8 up1/ down1/ up8/ down8/
table "Gateway CPU, seconds per GB" direct up1_cpu:3 down1_cpu:3 up8_cpu:3 down8_cpu:3
table "Connections, 64 at a time" direct cps:0 cps/ cps_failed:0 cps_cpu_us:0 \
	conn64_p50:0 conn64_p99:0
table "Latency, one at a time, us" direct pingpong_p50:0 pingpong_p99:0 \
	connect_p50:0 connect_p99:0 connect_p50/
table "UDP: loss in % at 20,000/s, us of CPU each, datagrams/s of a flood" direct \
	udp64_loss udp64_cpu_us:1 udp64_flood:0 udp1200_loss udp1200_cpu_us:1 udp1200_flood:0
table "Memory, KiB; requests/s over 5,000 open flows" direct rss_start_kib:0 \
	idle_kib_1000 idle_kib_5000 rss_idle_after_kib:0 rss_bulk_kib:0 rss_after_kib:0 \
	busy_1000:0 busy_5000:0 busy_cpu_us_5000:0
echo
for m in up1 down1 up8 down8; do
	limit culvert "$m/direct" ">=" 0.3
	limit culvert "${m}_cpu" "<=" 0.7
done
limit culvert rss_start_kib "<=" 4096
limit culvert idle_kib_5000 "<=" 2
keep tun
exit "$BROKEN"
