#!/bin/bash
# Frames of MTU size lost at random behind the gateway: downloads (lwIP repeats)
# and uploads (the client repeats), in both families, beside the kernel's own path
# under the same loss
# alone: (it measures, or breaks things on purpose)
# asan: no (it compares times; test_lw_loss has the paths)
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/tun_lib.sh
. "$(dirname "$0")/tun_lib.sh"

net_up
N=3000000 WANT=$(sha 3000000)
serve source tcp-serve 5002 source -n "$N"
serve sink tcp-serve 5001 sink
tun_plain
# A super-segment is not lost as a whole: the device cuts it, and each part may be
for d in "$G g0" "$C c0"; do
	# shellcheck disable=SC2086
	set -- $d
	on "$1" ethtool -K "$2" tso off gso off gro off >/dev/null || fail "ethtool"
done
for f in -4 -6; do ip -n "$G" "$f" route add default dev culvert0 table 77; done

path_direct() { for f in -4 -6; do ip -n "$G" "$f" rule del pref 77 2>/dev/null; done; }
path_tun() { for f in -4 -6; do ip -n "$G" "$f" rule add iif g0 lookup 77 pref 77; done; }
# loss NS DEV MATCH PERCENT: of what comes in there
loss() {
	on "$1" nft -f - <<-END
		table netdev loss {
			counter seen { }
			counter lost { }
			chain c {
				type filter hook ingress device $2 priority 0
				$3 counter name "seen"
				$3 numgen random mod 100 < $4 counter name "lost" drop
			}
		}
	END
}
no_loss() { on "$1" nft delete table netdev loss; }
count() { on "$1" nft list counter netdev loss "$2" | awk '/packets/ { print $2 }'; }
ms() { sed -n 's/.* ms=\([0-9]*\).*/\1/p' <<<"$1"; }

# down ADDR: its milliseconds in MS
down() {
	local out
	out=$(on "$C" "$NT" tcp "$1" 5002 -n 1000 -t 30)
	contains "download from $1, $p %" "$out" "rx=$WANT end=FIN"
	MS=$(ms "$out")
}
best() { printf '%s\n' "$@" | sort -n | head -n 1; }

for p in 1 3; do
	loss "$C" c0 "tcp sport 5002" "$p"
	direct=() tun=()
	for i in 1 2 3; do
		path_direct
		down 10.3.0.1
		direct+=("$MS")
		path_tun
		on "$C" nft reset counters table netdev loss >/dev/null
		down 10.3.0.1
		tun+=("$MS")
		path_direct
	done
	path_tun
	seen=$(count "$C" seen) lost=$(count "$C" lost)
	echo "-- $p %: direct ${direct[*]} ms, TUN ${tun[*]} ms; last: $lost of $seen frames lost"
	le "frames were lost" 10 "$lost"
	# 2,055 frames carry it: what was lost is sent again, not much more
	le "frames needed at $p %" "$seen" $((N / 1460 * (100 + 2 * p + 10) / 100))
	le "ms at $p %, best of three, against direct" "$(best "${tun[@]}")" \
		$(($(best "${direct[@]}") * 4 + 200))
	down fd03::1
	path_direct
	no_loss "$C"
	loss "$G" g0 "tcp dport 5001" "$p"
	path_tun
	for a in 10.3.0.2 fd03::2; do
		out=$(on "$C" "$NT" tcp "$a" 5001 -n "$N" -P -t 30 2>/dev/null)
		eq "upload to $a, $p %" "$out" "$WANT"
	done
	le "frames of uploads lost" 10 "$(count "$G" lost)"
	path_direct
	no_loss "$G"
done
alive culvert || fail "culvert died"
lacks "no assertion of lwIP was met" "$(cat "$TMP/culvert.log")" "lwip "
pass
