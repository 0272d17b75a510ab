#!/bin/bash
# Children of nft(8) that are stopped, refuse, know no owners or are sent the signals
# meant for us: culvert does not wait for them, and what it asked for is in force
# timeout: 180
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net
before=$(host_state)
real=$(command -v nft)
mkdir -p "$TMP/bin"
# nft_is LINE...: of a script in its place; without: the real one
nft_is() {
	rm -f "$TMP/bin/nft"
	[ $# -gt 0 ] || return 0
	printf '%s\n' '#!/bin/sh' "$@" >"$TMP/bin/nft"
	chmod +x "$TMP/bin/nft"
}
# started CAPTURE [MORE]: within 12 s; in a session of its own, as a service
started() {
	cap_config "$@"
	bg "$G" culvert env PATH="$TMP/bin:$PATH" setsid "$CULVERT" up \
		-c "$TMP/up.json"
	wait_for 12 log_has culvert "0.1.0 started" || fail "no start in 12 s"
}
reloaded() { # GENERATION SECONDS
	kill -HUP "${PID[culvert]}"
	wait_for "$2" log_has culvert "generation $1 is in force" ||
		fail "no reload in $2 s"
}
children() { pgrep -P "${PID[culvert]}" -x nft; }
table() { on "$G" nft list table inet culvert 2>/dev/null; }
no_table() { ! table >/dev/null; }
rule() { [[ $(table) == *"$1"* ]]; }
killed() {
	kill -KILL "${PID[culvert]}"
	wait "${PID[culvert]}" 2>/dev/null
	unset "PID[culvert]"
}
# ended WHAT SECONDS: SIGTERM is heeded within them
ended() {
	local pid=${PID[culvert]}
	kill -TERM "$pid"
	wait_for "$2" not_alive culvert || fail "$1: no end within $2 s"
	wait "$pid" 2>/dev/null
	unset "PID[culvert]"
	eq "$1: nothing left" "$(host_state)" "$before"
}

echo "-- the owner is stopped: a reload takes the next one"
started redirect
owner=$(children | head -n 1)
kill -STOP "$owner"
cap_config redirect '"exclude": { "port": "4711" }'
reloaded 2 12
ok "it is in force" wait_for 10 rule 4711
bad "the stopped one is gone" kill -0 "$owner"
caught "with another owner"

echo "-- both are stopped, and there is news of them"
# shellcheck disable=SC2046
kill -STOP $(children)
for i in 1 2 3 4 5 6 7 8 9; do
	ip -n "$G" route add "203.0.113.$i/32" via 10.2.0.2
done
new_near() { rule 203.0.113.1-203.0.113.9; }
ok "news get into the table" wait_for 30 new_near
caught "with two new ones"
ip -n "$G" route flush root 203.0.113.0/24
# shellcheck disable=SC2046
kill -STOP $(children)
ended "both stopped" 6

echo "-- a reload that nft refuses is told of, and the old table stays"
nft_is "[ \"\$1\" = -i ] || exec $real \"\$@\"" \
	'while IFS= read -r l; do' \
	"	[ ! -e $TMP/broken ] || l=\"no \$l\"" \
	"	printf '%s\n' \"\$l\"" \
	"done | $real -i"
started redirect
: >"$TMP/broken"
cap_config redirect '"exclude": { "port": "4711" }'
reloaded 2 12
wait_log culvert "cannot be replaced"
bad "it is not in force" rule 4711
caught "with the old table"
rm "$TMP/broken"
reloaded 3 12
ok "it is now" rule 4711
stop culvert
wait_for 10 no_table || fail "the table stays"

echo "-- an nft that knows no owners does not delay the start"
nft_is "[ \"\$1\" = -i ] || exec $real \"\$@\"" \
	"sed -u 's/flags owner/flags lord/' | $real -i"
started redirect
ok "a plain table" rule "redirect to :7663"
bad "without an owner" rule "owner"
caught "plain"
echo "-- signals to all of a service, then kill -9: the plain table goes all the same"
# shellcheck disable=SC2046
kill -TERM $(pgrep -P "${PID[culvert]}" -x sh)
sleep 0.3
killed
wait_for 10 no_table || fail "the plain table outlives us"
cap_works "after kill -9"
ok "down" on "$G" "$CULVERT" down
eq "nothing left" "$(host_state)" "$before"

echo "-- the same signal leaves an owner where it is"
nft_is
started tproxy
had=$(children)
eq "two children" "$(wc -w <<<"$had")" 2
# shellcheck disable=SC2086
kill -TERM $had
# shellcheck disable=SC2086
kill -HUP $had
sleep 0.3
eq "the same two" "$(children)" "$had"
lacks "nothing was lost" "$(<"$TMP/culvert.log")" "loaded again"
ended "its own SIGTERM" 6

echo "-- children of a former life own tables of ours for a while"
# heir TABLE: a process that owns it; its pid is in heirs
heirs=()
heir() {
	mkfifo "$TMP/fifo-$1"
	bg "$G" "heir-$1" sh -c "exec nft -i <'$TMP/fifo-$1'"
	exec {fd}>"$TMP/fifo-$1"
	echo "table inet $1 { flags owner; }" >&"$fd"
	wait_for 10 on "$G" nft list table inet "$1" || fail "no heir of $1"
	heirs+=("$fd")
}
heir culvert
heir culvert_keep1
(sleep 1; kill -KILL "${PID[heir-culvert]}") &
started redirect
ok "ours is there" rule "redirect to :7663"
lacks "there is a second table" "$(<"$TMP/culvert.log")" "no second table"
eq "it is the other one" "$(on "$G" nft list tables | grep -c culvert_keep)" 2
caught "after the heirs"
stop culvert
for fd in "${heirs[@]}"; do exec {fd}>&-; done
stop heir-culvert KILL quiet
stop heir-culvert_keep1 KILL quiet

echo "-- down ends a culvert that is stopped itself"
started tun '"fail": "closed"' '{ "protocol": "tun", "settings": { "name": "culvert0" } }'
kill -STOP "${PID[culvert]}"
ok "down" on "$G" timeout 20 "$CULVERT" down
wait "${PID[culvert]}" 2>/dev/null
unset "PID[culvert]"
eq "down: nothing left" "$(host_state)" "$before"
cap_works "after down"
pass
