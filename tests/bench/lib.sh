# shellcheck shell=bash
# lib.sh: what the bench_*.sh scripts share; on top of tests/net/lib.sh
#
#	bench_up			namespaces, target in $S
#	path_tun [DEVICE] | path_redirect PORT | path_tproxy PORT | path_none
#					where the gateway sends the client's flows
#	bulk ROW PROGRAM SECS		ROW: its name in the table; PROGRAM: a name
#	cps, lat, idle, udp		of bg, or "" for the kernel's own path
#	held ROW PROGRAM SECS		bulk while PROGRAM gets HELD % of one core
#	table NAME COLUMNS...		medians and ratios of what was measured
#
# Every result goes into build/bench/NAME.tsv: row, metric, value, one a line.

BENCH=${BASH_SOURCE[0]%/*}
# shellcheck source=tests/net/lib.sh
. "$BENCH/../net/lib.sh"
LOAD=$ROOT/build/bench/load TARGET=$ROOT/build/bench/target
RELAY=$ROOT/build/bench/relay
T=10.3.0.1 PORT=5001
RESULTS=$TMP/results.tsv
# Do client and target copy the bytes of bulk, as programs do (full), or not (lean)?
# A script that wants lean says so before it reads this file.
PAYLOAD=${PAYLOAD:-full}

machine() {
	local model mem
	model=$(awk -F': *' '/^model name/ { print $2; exit }' /proc/cpuinfo)
	mem=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
	echo "Machine: ${model:-$(uname -m)}, $(nproc) cores, $mem GiB, Linux $(uname -r)," \
		"load $(cut -d' ' -f1 /proc/loadavg) at the start, $(date -u +%F)," \
		"payload $PAYLOAD, ${CC_ALGO:-reno}."
}

# As many descriptors, ports and waiting connections as a load needs. The congestion
# control is the kernel's own default, whatever this machine's is: BBR paces by timers,
# which are charged to whoever runs just then.
wide() {
	on "$1" sysctl -qw net.ipv4.ip_local_port_range="10240 65535" \
		net.ipv4.tcp_tw_reuse=1 net.core.somaxconn=16384 \
		net.ipv4.tcp_max_syn_backlog=16384 \
		net.ipv4.tcp_congestion_control="${CC_ALGO:-reno}"
}

# RT=1: all programs at real-time priority, so that latencies on a busy machine are
# those of the path and not of the run queue (for TESTS=lat; bulk would starve others)
bench_up() {
	[ "${RT:-0}" = 0 ] || chrt -f -p 10 $$ || skip "no real-time priority"
	ulimit -n "$(ulimit -Hn)"
	net_up
	wide "$C"; wide "$G"; wide "$S"
	bg "$S" target "$TARGET" "$T" "$PORT"
	wait_port "$S" tcp "$PORT"
}

# row NAME PROGRAM SWITCH...: each of $WHAT by the path that SWITCH makes; PROGRAM ""
# is the kernel, and one that does not run loses its row
row() {
	local what
	[ -z "$2" ] || alive "$2" || return 0
	"${@:3}"
	for what in $WHAT; do
		"$what" "$1" "$2" "$SECS"
	done
}

# --- where the client's flows go -------------------------------------------------

tproxy_closed() {
	[ -z "$(on "$G" ss -Htn state all exclude listening exclude time-wait \
		"sport = :$PORT")" ]
}

# What the kernel knows of old flows goes, too: a flow of the next path that got an old
# one's ports would take the old one's way. So it would with a transparent socket that is
# not closed yet, and without that path never will be: v2ray closes late
path_none() {
	wait_for 5 tproxy_closed
	ip -n "$G" rule del pref 77 2>/dev/null
	on "$G" nft delete table inet bench 2>/dev/null
	on "$G" conntrack -F 2>/dev/null
	return 0
}

path_tun() { # [DEVICE]
	path_none
	ip -n "$G" route replace default dev "${1:-culvert0}" table 77
	ip -n "$G" rule add iif g0 lookup 77 pref 77
}

path_redirect() {
	path_none
	on "$G" nft -f - <<-END
		table inet bench {
			chain pre {
				type nat hook prerouting priority dstnat;
				iifname "g0" meta l4proto tcp redirect to :$1
			}
		}
	END
}

path_tproxy() {
	path_none
	ip -n "$G" route replace local default dev lo table 78
	ip -n "$G" rule add fwmark 78 lookup 78 pref 77
	on "$G" nft -f - <<-END
		table inet bench {
			chain pre {
				type filter hook prerouting priority mangle;
				iifname "g0" meta l4proto { tcp, udp } meta mark set 78 tproxy ip to :$1 accept
			}
		}
	END
}

# --- measuring --------------------------------------------------------------------

put() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$RESULTS"; }

# CPU of a program so far, ns: what utime + stime count, with finer grain
cpu_ns() {
	[ -n "$1" ] || { echo 0; return; }
	cat "/proc/${PID[$1]}"/task/*/schedstat 2>/dev/null |
		awk '{ s += $1 } END { printf "%.0f", s }'
}

rss_of() { [ -z "$1" ] && echo 0 || rss "$1"; }

# value NAME of the line "name=value ..."
value() { sed -n "s/.*\b$2=\([0-9.]*\).*/\1/p" <<<"$1" | tail -n 1; }

calc() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }

# load PROGRAM ARGUMENTS...: output in OUT, CPU of PROGRAM in SPENT (ns)
load() {
	local before
	before=$(cpu_ns "$1")
	OUT=$(on "$C" timeout 40 "$LOAD" "${@:2}" 2>&1) ||
		{ echo "  $*: $OUT" >&2; OUT=; }
	SPENT=$(($(cpu_ns "$1") - before))
}

# bulk ROW PROGRAM SECS [SUFFIX of the metrics]
bulk() {
	local row=$1 prog=$2 secs=$3 dir flows
	for flows in 1 8; do
		for dir in up down; do
			load "$prog" bulk "$T" "$PORT" "$dir" "$flows" "$secs" "$PAYLOAD"
			[ -n "$OUT" ] || continue
			put "$row" "$dir$flows${4:-}" "$(value "$OUT" gbps)"
			put "$row" "$dir${flows}_cpu${4:-}" \
				"$(calc "$SPENT / $(value "$OUT" bytes)" 3)"
		done
	done
}

# The tree of cgroups that limit CPU, version 2 or 1
cpu_tree() {
	if grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
		echo /sys/fs/cgroup
	elif [ -e /sys/fs/cgroup/cpu/cpu.shares ]; then
		echo /sys/fs/cgroup/cpu
	fi
}

# hold PROGRAM PERCENT: so much of one core, in pieces of 10 ms. false: no means
hold() {
	local tree dir
	tree=$(cpu_tree)
	[ -n "$tree" ] || return 1
	dir=$tree/$PREFIX-$1
	mkdir "$dir" || return 1
	if [ "$tree" = /sys/fs/cgroup ]; then
		echo +cpu >"$tree/cgroup.subtree_control"
		echo "$(($2 * 100)) 10000" >"$dir/cpu.max"
	else
		echo 10000 >"$dir/cpu.cfs_period_us" &&
			echo $(($2 * 100)) >"$dir/cpu.cfs_quota_us"
	fi && echo "${PID[$1]}" >"$dir/cgroup.procs"
}

release() {
	local tree
	tree=$(cpu_tree)
	echo "${PID[$1]}" >"$tree/cgroup.procs"
	rmdir "$tree/$PREFIX-$1"
}

# Client and server have the rest of the machine: the gateway alone is what limits,
# as on a router. The same share for all, one after another
HELD=${HELD:-30}
held() {
	[ -n "$2" ] || return 0
	hold "$2" "$HELD" || { echo "  no cgroup to hold $2 in" >&2; return; }
	bulk "$1" "$2" "$3" _held
	release "$2"
}

cps() {
	load "$2" cps "$T" "$PORT" "$3" 64
	[ -n "$OUT" ] || return
	put "$1" cps "$(value "$OUT" cps)"
	put "$1" cps_failed "$(value "$OUT" failed)"
	put "$1" cps_cpu_us "$(calc "$SPENT / 1000 / $(value "$OUT" conns)" 1)"
	put "$1" conn64_p50 "$(value "$OUT" conn_p50_us)"
	put "$1" conn64_p99 "$(value "$OUT" conn_p99_us)"
}

lat() {
	local k q
	load "$2" lat "$T" "$PORT" "$3"
	[ -n "$OUT" ] || return
	for k in pingpong connect; do
		for q in p50 p99 max; do
			put "$1" "${k}_$q" "$(value "$OUT" "${k}_${q}_us")"
		done
	done
}

# idle ROW PROGRAM FLOWS: memory of each, and requests over random ones
idle() {
	local row=$1 prog=$2 n=$3 log=$TMP/idle-load.log before cpu
	# the code that the first connection runs through is no flow's memory
	on "$C" timeout 20 "$LOAD" lat "$T" "$PORT" 0.2 >/dev/null 2>&1
	before=$(rss_of "$prog")
	bg "$C" idle-load "$LOAD" idle "$T" "$PORT" "$n" 1.5 1
	wait_for 20 log_has idle-load open= || return
	sleep 1
	put "$row" "idle_open_$n" "$(value "$(cat "$log")" open)"
	put "$row" "idle_kib_$n" "$(calc "($(rss_of "$prog") - $before) / $n" 2)"
	cpu=$(cpu_ns "$prog")
	wait_for 20 log_has idle-load busy= || return
	put "$row" "busy_$n" "$(value "$(cat "$log")" trans)"
	put "$row" "busy_cpu_us_$n" "$(calc "($(cpu_ns "$prog") - $cpu) / 1000 \
		/ $(value "$(cat "$log")" busy)" 1)"
	stop idle-load TERM quiet
	sleep 1 # their ends go the same way, or the gateway keeps the flows
}

# udp ROW PROGRAM SECS
udp() {
	local row=$1 size
	for size in 64 1200; do
		load "$2" udp "$T" "$PORT" "$3" "$size" 20000
		put "$row" "udp${size}_loss" "$(value "$OUT" loss_pct)"
		put "$row" "udp${size}_cpu_us" \
			"$(calc "$SPENT / 1000 / $(value "$OUT" got)" 1)"
		load "$2" udp "$T" "$PORT" "$3" "$size" 0
		put "$row" "udp${size}_flood" "$(value "$OUT" pps)"
	done
}

# keep NAME: the raw results beside the build
keep() {
	cp "$RESULTS" "$ROOT/build/bench/$1.tsv"
	echo "Raw results: build/bench/$1.tsv"
}

# table TITLE BASE COLUMN...: see table.py
table() { python3 "$BENCH/table.py" "$RESULTS" "$@"; }

# limit ROW METRIC OP NUMBER [METRIC OP NUMBER]: the script fails at its end when
# neither holds
BROKEN=0
limit() {
	python3 "$BENCH/table.py" "$RESULTS" --limit "$@" || BROKEN=1
}
