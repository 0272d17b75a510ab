#!/bin/bash
# asan: no (time: its paths run under ASan in other tests)
# include and exclude by cgroup, for every capture, where the tree of version 2 is
# /sys/fs/cgroup and where it is /sys/fs/cgroup/unified; and where there is none
#
# culvert runs in a mount namespace of its own, which has such a /sys/fs/cgroup.
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
TREE=$TMP/cgroup
CG=culvert-test-$$
cg_end() {
	local rc=$?
	rmdir "$TREE/$CG/inner" "$TREE/$CG" 2>/dev/null
	umount "$TREE" 2>/dev/null
	(exit "$rc")
	cleanup
}
trap cg_end EXIT
mkdir "$TREE"
mount -t cgroup2 none "$TREE" || skip "no cgroup version 2"
mkdir -p "$TREE/$CG/inner"
cap_net
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'

# up LAYOUT CAPTURE KEYS: culvert with a /sys/fs/cgroup of pure, hybrid, none
up() {
	local in=
	[ "$2" != tun ] || in=$TUN
	[ -z "${PID[culvert]:-}" ] || stop culvert
	cap_config "$2" "$3" "$in"
	: >"$TMP/culvert.log"
	nsenter "--net=/run/netns/$G" unshare -m --propagation private sh -c '
		case $1 in
		pure)	mount -t cgroup2 none /sys/fs/cgroup ;;
		hybrid)	mount -t tmpfs none /sys/fs/cgroup &&
			mkdir /sys/fs/cgroup/unified &&
			mount -t cgroup2 none /sys/fs/cgroup/unified ;;
		none)	mount -t tmpfs none /sys/fs/cgroup ;;
		esac && exec "$2" up -c "$3"' sh "$1" "$CULVERT" "$TMP/up.json" \
		>"$TMP/culvert.log" 2>&1 </dev/null &
	PID[culvert]=$!
	wait_for 10 up_or_dead
	alive culvert && log_has culvert started || fail "culvert does not start"
}

accepted() { grep -c ' accepted tcp:' "$TMP/culvert.log"; }
more_than() { [ "$(accepted)" -gt "$1" ]; }
# conn WHAT CGROUP ADDR: from the host, by a program in $TREE/CGROUP
conn() {
	local out
	out=$(echo "$BASHPID" >"$TREE/$2/cgroup.procs" &&
		on "$G" "$NT" tcp "$3" 5003 -n 100 -t 5)
	contains "$1" "$out" "end=FIN"
}
caught() {
	local n
	n=$(accepted)
	conn "$@"
	wait_for 2 more_than "$n" || fail "$1: is not caught"
	ASSERTS=$((ASSERTS + 1))
}
passes() {
	local n
	n=$(accepted)
	conn "$@"
	eq "$1: is not caught" "$(accepted)" "$n"
}

for cap in tun redirect tproxy mixed; do
	up pure $cap "\"exclude\": { \"cgroup\": \"/$CG\" }"
	for a in $FAR; do
		passes "$cap exclude $a" "$CG" "$a"
		passes "$cap exclude, one below $a" "$CG/inner" "$a"
		caught "$cap exclude, another $a" . "$a"
	done
	up hybrid $cap "\"include\": { \"cgroup\": [ \"$CG/inner\" ] }"
	for a in $FAR; do
		caught "$cap include $a" "$CG/inner" "$a"
		passes "$cap include, one above $a" "$CG" "$a"
		passes "$cap include, another $a" . "$a"
	done
done
lacks "both trees are found" "$(cat "$TMP/culvert.log")" "its rule is left out"
up hybrid redirect "\"exclude\": { \"cgroup\": [ \"$CG-none\", \"$CG\" ] }"
contains "a cgroup that is not there" "$(cat "$TMP/culvert.log")" \
	"there is no cgroup $CG-none: its rule is left out"
passes "the other one holds" "$CG" 198.51.100.1
up none redirect "\"exclude\": { \"cgroup\": \"$CG\" }"
contains "no tree of version 2" "$(cat "$TMP/culvert.log")" \
	"cgroup $CG: no cgroup version 2 is mounted at /sys/fs/cgroup"
caught "all is caught then" "$CG" 198.51.100.1
pass
