# shellcheck shell=bash
# lib.sh: namespaces, programs and asserts for tests/net/*.sh
#
#	. "$(dirname "$0")/lib.sh"
#	net_up					# client - gateway - server
#	serve sink tcp-serve 5001 sink		# a server in $S, waited for
#	start_culvert <<-'END' ... END		# config on standard input
#	out=$(on "$C" "$NT" tcp 10.3.0.1 5001 -n 1000000)
#	contains "upload" "$out" "end=FIN"
#	pass					# last line: checks that asserts ran
#
#	$C client  10.1.0.2 fd01::2          default route by the gateway
#	$G gateway 10.1.0.1 fd01::1 (g0, to the client)
#	           10.2.0.1 fd02::1 (g1, to the server)   forwards
#	$S server  10.2.0.2..9 fd02::2..9, and as "far" addresses on its lo
#	           10.3.0.1..9 fd03::1..9, 198.51.100.1..3 2001:db8:51::1..3
#
# Everything a test makes is removed by a trap: namespaces, programs (by pid),
# $TMP. Needs root. CULVERT, NT: the binaries; the runner sets them.

set -uo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH # as scripts/run-tests says
ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
CULVERT=${CULVERT:-$ROOT/build/culvert}
NT=${NT:-$ROOT/build/nt}
# Sanitizers and emulated processors (scripts/in-vm) are slow: waits are this much
# longer there
SLOW=1
[ "${CULVERT_VARIANT:-release}" = release ] || SLOW=4
[ -z "${CULVERT_VM:-}" ] || SLOW=$((SLOW * 4))
# Settings of freedom for a server: what its clients ask for is private here
ALLOW='"finalRules": [ { "action": "allow" } ]'
PREFIX=${CULVERT_NS_PREFIX:-cv}-$$
C=$PREFIX-c G=$PREFIX-g S=$PREFIX-s
TMP=$(mktemp -d "${TMPDIR:-/tmp}/culvert-net.XXXXXX")
declare -A PID=() INSIDE=() # INSIDE: of a namespace, the program started there last
ASSERTS=0
# Waiting must cost no programs started: they are dear, and what waits takes from those
# it waits for. nap SECONDS is the shell's own; nothing ever comes on that descriptor
exec {NAP}<> <(:)
nap() { read -rt "$1" -u "$NAP" || :; }

# --- end of the test ---------------------------------------------------------

# The reason comes first, and last, where the runner's excerpt of the log is. It
# also counts when a subshell found it
fail() {
	: >"$TMP/failed"
	echo "FAIL: $*" >&2
	dump_logs
	echo "FAIL: $*" >&2
	exit 1
}

dump_logs() {
	local f
	for f in "$TMP"/*.log; do
		[ -s "$f" ] || continue
		echo "--- ${f##*/}" >&2
		tail -n 25 "$f" >&2
	done
}

cleanup() {
	local rc=$? n ns pid
	trap - EXIT INT TERM HUP
	for n in "${!PID[@]}"; do stop "$n" TERM quiet; done
	for ns in /run/netns/"$PREFIX"-*; do
		[ -e "$ns" ] || continue
		for pid in $(ip netns pids "${ns##*/}"); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns del "${ns##*/}"
	done
	rm -rf "$TMP" /etc/netns/"$PREFIX"-*
	for n in /sys/fs/cgroup/{,cpu/}"$PREFIX"-*; do # a benchmark's
		[ ! -d "$n" ] || rmdir "$n"
	done
	exit "$rc"
}
# The only trap of this kind: one of a test's own would hide the exit code
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

# pass: the last line of a test; one that asserted nothing fails
pass() {
	[ ! -e "$TMP/failed" ] || exit 1
	[ "$ASSERTS" -gt 0 ] || fail "this test asserted nothing"
	echo "$ASSERTS asserts hold"
	exit 0
}

# skip WHY: cannot run here
skip() { echo "skip: $*"; exit 77; }

# --- asserts -----------------------------------------------------------------

# eq WHAT GOT WANT
eq() {
	ASSERTS=$((ASSERTS + 1))
	[ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
}

# contains WHAT TEXT PART; lacks: the opposite, of a text that is there; matches: by
# extended regexp
contains() {
	ASSERTS=$((ASSERTS + 1))
	[[ $2 == *"$3"* ]] || fail "$1: '$3' is not in: $2"
}

lacks() {
	ASSERTS=$((ASSERTS + 1))
	[ -n "$2" ] || fail "$1: there is no text that could have '$3'"
	[[ $2 != *"$3"* ]] || fail "$1: '$3' is in: $2"
}

matches() {
	ASSERTS=$((ASSERTS + 1))
	[[ $2 =~ $3 ]] || fail "$1: no match for '$3' in: $2"
}

# le WHAT NUMBER LIMIT
le() {
	ASSERTS=$((ASSERTS + 1))
	[ "$2" -le "$3" ] 2>/dev/null || fail "$1: $2 is not <= $3"
}

# ok WHAT COMMAND...; bad WHAT COMMAND...: its success, its failure
ok() {
	local what=$1
	shift
	ASSERTS=$((ASSERTS + 1))
	"$@" >"$TMP/ok.log" 2>&1 || fail "$what: $* gave $?"
}

bad() {
	local what=$1
	shift
	ASSERTS=$((ASSERTS + 1))
	! "$@" >"$TMP/bad.log" 2>&1 || fail "$what: $* succeeded"
}

# --- namespaces ----------------------------------------------------------------

# on NS COMMAND...; nt enters by itself, where no file of /etc is another there. The
# command stands last, and alone: $(on ...) then forks but once
on() {
	local ns=$1
	shift
	if [ "$1" = "$NT" ] && [ ! -e "/etc/netns/$ns" ]; then
		local -x NT_NS=/run/netns/$ns
	else
		set -- ip netns exec "$ns" "$@"
	fi
	"$@"
}

ns_add() {
	local ns=$1
	ip netns add "$ns" || fail "ip netns add (root?)"
	on "$ns" sysctl -qw net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.default.rp_filter=0 \
		net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.accept_ra=0
	ip -n "$ns" link set lo up
}

# veth NS1 DEV1 NS2 DEV2
veth() {
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3" ||
		fail "veth $2 $4"
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

# addr NS DEV PREFIX...
addr() {
	local line
	while read -ra line; do
		ip -n "$1" "${line[@]}" || fail "addr ${*:2}"
	done < <(addr_lines "${@:2}")
}

# addr_lines DEV PREFIX...: the same for `ip -batch`, which cuts names at #
addr_lines() {
	local a dad
	for a in "${@:2}"; do
		dad=
		[[ $a != *:* ]] || dad=nodad
		echo "addr add $a dev $1 $dad"
	done
}

net_up() {
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	ns_add "$C"; ns_add "$G"; ns_add "$S"
	veth "$C" c0 "$G" g0
	veth "$G" g1 "$S" s0
	ip -n "$C" -batch - <<-END || fail "addresses of $C"
	$(addr_lines c0 10.1.0.2/24 fd01::2/64)
	route add default via 10.1.0.1
	route add default via fd01::1
	END
	ip -n "$G" -batch - <<-END || fail "addresses of $G"
	$(addr_lines g0 10.1.0.1/24 fd01::1/64)
	$(addr_lines g1 10.2.0.1/24 fd02::1/64)
	route add default via 10.2.0.2
	route add default via fd02::2
	END
	ip -n "$S" -batch - <<-END || fail "addresses of $S"
	$(addr_lines s0 10.2.0.{2..9}/24 fd02::{2..9}/64)
	$(addr_lines lo 10.3.0.{1..9}/32 fd03::{1..9}/128)
	$(addr_lines lo 198.51.100.{1..3}/32 2001:db8:51::{1..3}/128)
	route add default via 10.2.0.1
	route add default via fd02::1
	END
	on "$G" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# resolver NS ADDRESS...: the name servers of what runs in NS. `ip netns exec` mounts
# this over the host's file, and only warns when there is none to mount over.
resolver() {
	local ns=$1
	shift
	[ -e /etc/resolv.conf ] ||
		fail "this host has no /etc/resolv.conf: make one, it may be empty"
	mkdir -p "/etc/netns/$ns"
	printf 'nameserver %s\n' "$@" >"/etc/netns/$ns/resolv.conf"
}

# to_tun DEV [TABLE]: what the client sends through the gateway goes into DEV.
# A test that runs one program in $C itself has no need of it.
to_tun() {
	local dev=$1 table=${2:-77} f
	for f in -4 -6; do
		ip -n "$G" "$f" route add default dev "$dev" table "$table" &&
			ip -n "$G" "$f" rule add iif g0 lookup "$table" pref 77 ||
			fail "route into $dev"
	done
}

# dns_routing: routing and outbounds of who answers at port 53 and asks itself by
# [direct]; its "dns" has the tag dns-own
dns_routing() {
	cat <<-'END'
	  "routing": { "rules": [
	    { "inboundTag": [ "dns-own" ], "outboundTag": "direct" },
	    { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "dns", "protocol": "dns" } ]
	END
}

# --- programs ------------------------------------------------------------------

# bg NS NAME COMMAND...: in the background; output in $TMP/NAME.log
bg() {
	local ns=$1 name=$2
	shift 2
	: >"$TMP/$name.log" # not only when the child gets to it: waits look here
	if [ "$1" = "$NT" ] && [ ! -e "/etc/netns/$ns" ]; then
		local -x NT_NS=/run/netns/$ns
	else
		set -- ip netns exec "$ns" "$@"
	fi
	"$@" >"$TMP/$name.log" 2>&1 </dev/null {NAP}>&- &
	PID[$name]=$! INSIDE[$ns]=$!
}

# stop NAME [SIGNAL] [quiet]: end it, wait; its exit code is in RC
stop() {
	local pid=${PID[$1]:-} i
	RC=0
	[ -n "$pid" ] || return 0
	unset "PID[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 250 * SLOW; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		nap 0.02
	done
	if kill -0 "$pid" 2>/dev/null; then
		kill -KILL "$pid"
		[ -n "${3:-}" ] || fail "$1 does not end on SIG${2:-TERM}"
	fi
	wait "$pid" 2>/dev/null
	RC=$?
}

# all_said PREFIX TEXT...: the programs whose names begin so have ended by
# themselves, and each has said all of it
all_said() {
	local n t
	for n in "${!PID[@]}"; do
		[[ $n == "$1"* ]] || continue
		wait "${PID[$n]}"
		unset "PID[$n]"
		for t in "${@:2}"; do contains "$n" "$(<"$TMP/$n.log")" "$t"; done
	done
}

alive() { [ -n "${PID[$1]:-}" ] && kill -0 "${PID[$1]}" 2>/dev/null; }

# wait_for SECONDS COMMAND...: until it succeeds; asked less often as time goes
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * SLOW * 1000000)) ms=20 s
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		printf -v s '0.%03d' $ms
		nap "$s"
		[ $ms -ge 250 ] || ms=$((ms + ms / 4))
	done
}

# listening NS -t|-u PORT
listening() {
	local f h text pid=${INSIDE[$1]:-}
	[ "/proc/${pid:-0}/ns/net" -ef "/run/netns/$1" ] || {
		[ ! -e "/proc/${pid:-0}/ns/net" ] || return # on its way there
		[ -n "$(ip netns exec "$1" ss -Hln "$2" "sport = :$3")" ]
		return
	}
	printf -v h ':%04X [0-9A-F]+:0000 (0A|07) ' "$3" # proc(5): LISTEN, and UDP's only one
	f=tcp
	[ "$2" = -t ] || f=udp
	{ IFS= read -rd '' text <"/proc/$pid/net/$f"; [[ $text =~ $h ]]; } ||
		{ IFS= read -rd '' text <"/proc/$pid/net/${f}6"; [[ $text =~ $h ]]; }
}

dev_up() { [ -n "$(ip -n "$1" link show dev "$2" up)" ]; }
log_has() {
	local text # the whole of most logs: grep costs ten times as much to start
	IFS= read -rN 131072 text <"$TMP/$1.log"
	[[ $text == *"$2"* ]] || { [ ${#text} = 131072 ] && grep -qF -- "$2" "$TMP/$1.log"; }
}

# count_lines NAME TEXT: COUNT is how many lines of its log have it; grep -c, that starts nothing
count_lines() {
	local all line
	mapfile -t all <"$TMP/$1.log"
	COUNT=0
	for line in "${all[@]}"; do
		[[ $line != *"$2"* ]] || COUNT=$((COUNT + 1))
	done
}

# wait_port NS tcp|udp PORT; wait_dev NS DEV; wait_log NAME TEXT
wait_port() {
	local t=-t
	[ "$2" = tcp ] || t=-u
	wait_for 10 listening "$1" $t "$3" || fail "nothing listens on $2 $3"
}
wait_dev() { wait_for 10 dev_up "$1" "$2" || fail "$2 does not come up"; }
wait_log() { wait_for 10 log_has "$1" "$2" || fail "no '$2' in $1.log"; }

# serve NAME tcp-serve|udp-serve PORT [MODE OPTION...]: nt in $S
serve() {
	local name=$1 proto=tcp
	[ "$2" = tcp-serve ] || proto=udp
	bg "$S" "$name" "$NT" "${@:2}"
	wait_port "$S" "$proto" "$3"
}

# serve_inside: what those outside reach, sshd (2222) in $G and lan (2223), lanu (2224,
# datagrams) in $C
serve_inside() {
	bg "$G" sshd "$NT" tcp-serve 2222 echo
	bg "$C" lan "$NT" tcp-serve 2223 echo
	bg "$C" lanu "$NT" udp-serve 2224 echo
	wait_port "$G" tcp 2222
	wait_port "$C" tcp 2223
	wait_port "$C" udp 2224
}

# start_culvert [NS] [TUN]: `culvert run` with the config on standard input,
# then wait for its TUN. The log is $TMP/culvert.log.
start_culvert() {
	local ns=${1:-$G} tun=${2:-culvert0}
	cat >"$TMP/config.json"
	bg "$ns" culvert "$CULVERT" run -c "$TMP/config.json"
	wait_for 10 tun_or_dead "$ns" "$tun"
	alive culvert || fail "culvert ended at start"
	dev_up "$ns" "$tun" || fail "$tun does not come up"
}

tun_or_dead() { ! alive culvert || dev_up "$1" "$2"; }

# sha BYTES: what nt prints for so many bytes: "BYTES:HASH"
sha() {
	local line
	[ -s "$TMP/sha.$1" ] || "$NT" sha "$1" >"$TMP/sha.$1"
	read -r line <"$TMP/sha.$1"
	echo "$line"
}

# rss NAME: resident KiB of a program; fds NAME: its open descriptors
rss() {
	local key n
	while read -r key n _; do
		[ "$key" != VmRSS: ] || echo "$n"
	done <"/proc/${PID[$1]}/status"
}
fds() {
	local all=("/proc/${PID[$1]}/fd/"*)
	[ -e "${all[0]}" ] || [ -L "${all[0]}" ] || all=()
	echo ${#all[@]}
}
