#!/bin/bash
# Every kind of device: each rung of the offload ladder, one queue, all settings, a
# device that was there before, a descriptor handed in by environment or settings;
# and what is no TUN
# timeout: 120
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_up
serve source tcp-serve 5002 source -n 1000000
serve echo tcp-serve 5003 echo
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
wait_port "$S" udp 7777
QUEUES=2
[ "$SLOW" = 1 ] || QUEUES=1 # one stack copy in a sanitizer build
for f in -4 -6; do
	ip -n "$G" "$f" rule add iif g0 lookup 77 pref 77
done

config() { # SETTINGS WORKERS
	cat >"$TMP/config.json" <<-END
	{
	  "log": { "loglevel": "info", "access": "none" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun", "settings": { $1 } } ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
	  "culvert": { "workers": $2 }
	}
	END
}

# works WHAT DEV: traffic of all kinds through it, then the end
works() {
	local a out f
	for f in -4 -6; do
		ip -n "$G" "$f" route replace default dev "$2" table 77 ||
			fail "$1: route into $2"
	done
	for a in 10.3.0.1 fd03::1; do
		out=$(on "$C" "$NT" tcp "$a" 5003 -n 300000)
		contains "$1: echo $a" "$out" "rx=$(sha 300000) end=FIN"
		out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000)
		contains "$1: download $a" "$out" "rx=$(sha 1000000) end=FIN"
	done
	out=$(on "$C" "$NT" tcp-short 10.3.0.1 5003 -n 40 -j 4)
	contains "$1: short connections" "$out" "ok=40 failed=0"
	out=$(on "$C" "$NT" udp 10.3.0.1 7777 -n 1,1400,5000,20000)
	contains "$1: datagrams" "$out" "ok=4 bad=0"
	alive culvert || fail "$1: culvert died"
	stop culvert
	eq "$1: exit code" "$RC" 0
	lacks "$1" "$(cat "$TMP/culvert.log")" "lwip "
}
start() { # [VARIABLE=VALUE]
	bg "$G" culvert env ${1:+"$1"} "$CULVERT" run -c "$TMP/config.json"
	wait_for 10 tun_or_dead "$G" culvert0
	alive culvert || fail "culvert ended at start"
}
flags() { ip -n "$G" tuntap show dev culvert0; }
feature() { on "$G" ethtool -k culvert0 | awk -v f="$1:" '$1 == f { print $2 }'; }

echo "-- the ladder"
config '"name": "culvert0"' 2
while read -r rung tso uso; do
	start "CULVERT_TUN_OFFLOAD=$rung"
	wait_log culvert "$QUEUES queues, offload $rung"
	[ "$QUEUES" = 1 ] || contains "$rung: several queues" "$(flags)" multi_queue
	if [ "$rung" = none ]; then
		lacks "none: no header" "$(flags)" vnet_hdr
	else
		contains "$rung: header" "$(flags)" vnet_hdr
	fi
	eq "$rung: TCP segments" "$(feature tcp-segmentation-offload)" "$tso"
	eq "$rung: UDP segments" "$(feature tx-udp-segmentation)" "$uso"
	works "$rung" culvert0
done <<-'END'
	udp+tcp on on
	tcp on off
	header off off
	none off off
END

echo "-- one worker, one queue"
config '"name": "culvert0"' 1
start
wait_log culvert "1 queues, offload"
lacks "one queue" "$(flags)" multi_queue
works "one worker" culvert0

echo "-- name, MTU, addresses of both families, routes; echo dropped"
config '"name": "other7", "mtu": 1600, "echo": "drop",
	"gateway": [ "172.31.9.1/30", "fd31::1/126" ],
	"autoSystemRoutingTable": [ "203.0.113.0/24", "2001:db8:77::/48" ]' 2
bg "$G" culvert "$CULVERT" run -c "$TMP/config.json"
wait_dev "$G" other7
has_route() { ip -n "$G" -6 route show dev other7 | grep -q "2001:db8:77::/48"; }
wait_for 10 has_route || fail "no route by the device"
contains "addresses" "$(ip -n "$G" addr show dev other7)" "172.31.9.1/30"
contains "addresses" "$(ip -n "$G" addr show dev other7)" "fd31::1/126"
contains "MTU" "$(ip -n "$G" link show dev other7)" "mtu 1600"
contains "routes" "$(ip -n "$G" route show dev other7)" "203.0.113.0/24"
for f in -4 -6; do
	ip -n "$G" "$f" route replace default dev other7 table 77
done
bad "a ping" on "$C" ping -c 1 -W 1 10.3.0.1
bad "a ping" on "$C" ping -c 1 -W 1 fd03::1
kill -USR1 "${PID[culvert]}"
wait_log culvert "dropped: icmp: kind not answered"
works "other settings" other7
bad "the device is gone" ip -n "$G" link show dev other7

echo "-- a second one beside it"
config '"name": "culvert0"' 2
start
bad "another's device" on "$G" timeout 20 "$CULVERT" run -c "$TMP/config.json"
contains "why" "$(<"$TMP/bad.log")" "another program has a device of this name"
works "the first goes on" culvert0

echo "-- a device that was there before, with one queue, for two workers"
ip -n "$G" tuntap add dev culvert0 mode tun
config '"name": "culvert0"' 2
start
wait_log culvert "tun: culvert0: 1 queues"
works "persistent" culvert0
ok "it is still there" ip -n "$G" link show dev culvert0
ip -n "$G" link del culvert0

# handed FLAGS FD [VARIABLE=VALUE]: a device hand0 made by somebody else
handed() {
	bg "$G" culvert python3 -c '
import fcntl, os, struct, sys
flags, want = int(sys.argv[1], 0), int(sys.argv[2])
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"hand0", flags))
if flags & 0x4000:
    fcntl.ioctl(fd, 0x400454d8, struct.pack("i", 12))
os.dup2(fd, want, inheritable=True)
os.close(fd)
os.system("ip link set hand0 up mtu 1500")
for v in sys.argv[3:-3]:
    name, value = v.split("=")
    os.environ[name] = value
os.execv(sys.argv[-3], [sys.argv[-3], "run", "-c", sys.argv[-1]])
' "$@" "$CULVERT" -c "$TMP/config.json"
}

echo "-- handed in"
# IFF_TUN 1, IFF_TAP 2, IFF_NO_PI 0x1000, IFF_VNET_HDR 0x4000
config '' 2
handed 0x5001 9 xray.tun.fd=9
wait_log culvert "tun: fd: 1 queues, offload udp+tcp"
works "environment, a header of 12 bytes" hand0
handed 0x1001 8 XRAY_TUN_FD=8
wait_log culvert "tun: fd: 1 queues, offload none"
works "environment, no header" hand0
config '"fd": 9' 1
handed 0x5001 9 xray.tun.fd=77 # settings come first
wait_log culvert "tun: fd: 1 queues, offload udp+tcp"
works "settings" hand0

echo "-- what is no TUN is refused"
ended() { ! alive culvert; }
config '"fd": 90' 1 # a low one may be one of culvert's own by then
while read -r what flags want text; do
	handed "$flags" "$want"
	wait_for 10 ended || fail "$what: taken"
	wait "${PID[culvert]}"
	eq "$what: exit code" "$?" 1
	unset 'PID[culvert]'
	contains "$what" "$(cat "$TMP/culvert.log")" "$text"
done <<-'END'
	tap 0x1002 90 is no TUN
	closed 0x1001 8 Bad file descriptor
END
pass
