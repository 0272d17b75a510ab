#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# directCidr from geoip.dat (100,000 prefixes): what goes there never reaches user
# space, and the flowtable of another program's table still takes it
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
cap_net
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
# A geoip.dat: repeated entry { 1: code, 2: repeated { 1: ip, 2: bits } }
python3 - "$TMP/geoip.dat" <<'END'
import ipaddress
import sys


def field(tag, b):
    n, size = len(b), b""
    while True:
        size += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return bytes([tag << 3 | 2]) + size + b


def cidr(ip, bits):
    b = ipaddress.ip_address(ip).packed
    return field(2, field(1, b) + bytes([2 << 3]) +
                 (bytes([bits]) if bits < 128 else b"\x80\x01"))


nets = [cidr("%d.%d.%d.%d" % (11 + i // 65536, i // 256 % 256, i % 256,
                              i % 2 * 128), 25) for i in range(100000)]
nets += [cidr("198.51.100.2", 32), cidr("2001:db8:51::2", 128)]
far = field(1, field(1, b"FAR") + b"".join(nets))
open(sys.argv[1], "wb").write(field(1, field(1, b"AA")) + far)
END
export XRAY_LOCATION_ASSET=$TMP

ticks() { awk '{ print $14 + $15 }' "/proc/${PID[culvert]}/stat"; }
accepted() { grep -c ' accepted ' "$TMP/culvert.log"; }

for cap in tun redirect tproxy mixed; do
	IN=
	[ $cap != tun ] || IN=$TUN
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config $cap '"directCidr": [ "geoip:far" ]' "$IN"
	host_up "$TMP/up.json"
	contains "$cap: the list is loaded" "$(cat "$TMP/culvert.log")" \
		"50002 IPv4 and 1 IPv6 ranges go directly"
	le "$cap: resident KiB" "$(rss culvert)" 40000
	n=$(accepted)
	t=$(ticks)
	who lan_tcp >/dev/null
	who lan_udp >/dev/null
	for a in 198.51.100.2 2001:db8:51::2; do
		out=$(on "$C" "$NT" tcp $a 5003 -n 5000000)
		contains "$cap direct $a" "$out" "rx=$(sha 5000000) end=FIN"
		on "$C" "$NT" udp $a 5006 -n 100,1000 >/dev/null
	done
	le "$cap: they came from the client itself" 30 "$(who lan_tcp)"
	eq "$cap: datagrams too" "$(who lan_udp)" 4
	eq "$cap: no session" "$(accepted)" "$n"
	le "$cap: culvert's CPU for 20 MB, ms" $((($(ticks) - t) * 10)) 50
	on "$C" "$NT" tcp 198.51.100.1 5003 -n 100 >/dev/null
	[ "$(accepted)" -gt "$n" ] || fail "$cap: another is not caught"
done

# A flowtable of somebody else, as a router's firewall has
if on "$G" nft -f - 2>"$TMP/flow.log" <<'END'
table inet fw {
	flowtable f {
		hook ingress priority 0
		devices = { g0, g1 }
	}
	chain forward {
		type filter hook forward priority 0
		meta l4proto { tcp, udp } flow add @f
	}
}
END
then
	serve slow tcp-serve 5015 sink -r 2000000
	for a in 198.51.100.2 2001:db8:51::2; do
		bg "$C" long "$NT" tcp $a 5015 -n 4000000
		wait_for 5 grep -q OFFLOAD "/proc/${PID[culvert]}/net/nf_conntrack" ||
			fail "a direct flow is not offloaded: $a"
		wait "${PID[long]}"
		contains "offloaded $a" "$(cat "$TMP/long.log")" "end=FIN"
	done
else
	echo "this kernel has no flowtables: $(head -n 1 "$TMP/flow.log")"
fi
pass
