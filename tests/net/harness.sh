#!/bin/bash
# The harness itself: transfers, half-close, RST, refusal and datagrams over
# plain forwarding, without culvert; what the other tests rely on.
# asan: no (culvert is not in it)
. "$(dirname "$0")/lib.sh"
net_up
serve sink tcp-serve 5001 sink
serve source tcp-serve 5002 source -n 3000000
serve echo tcp-serve 5003 echo
serve rst tcp-serve 5004 rst -n 1000
serve greet tcp-serve 5005 greet
serve udp udp-serve 5006 echo
serve cone udp-serve 5007 cone
serve hold tcp-serve 5009 hold

for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" tcp "$a" 5001 -n 3000000 -P 2>"$TMP/err.log")
	eq "sink $a sees our bytes after our half-close" "$out" "$(sha 3000000)"
	contains "sink $a" "$(cat "$TMP/err.log")" "tx=$(sha 3000000) "
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000)
	contains "source $a" "$out" "tx=$(sha 1000) rx=$(sha 3000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5003 -n 500000)
	contains "echo $a" "$out" "rx=$(sha 500000) end=FIN"
	out=$(on "$C" "$NT" tcp "$a" 5004 -n 1000 -O)
	contains "RST of $a is seen" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp "$a" 5999)
	contains "refusal of $a is seen" "$out" "end=ECONNREFUSED"
	out=$(on "$C" "$NT" udp "$a" 5006 -n 0,1,1472,1473,9000,65507)
	contains "datagrams of $a" "$out" "ok=6 bad=0"
	out=$(on "$C" "$NT" udp "$a" 5999 -c -t 2)
	contains "unreachable of $a" "$out" "end=ECONNREFUSED"
done
out=$(on "$C" "$NT" tcp 10.3.0.2 5005 -m hello -P 2>/dev/null)
eq "server speaks first" "$out" $'220 nt ready\r\nhello'
out=$(on "$C" "$NT" udp 10.2.0.2 5007 -d 300)
contains "answer from another port" "$out" "more size=64 from=10.2.0.2,5008"
out=$(on "$C" "$NT" tcp 10.3.0.2 5003 -n 100000 -r 200000)
contains "slow reader" "$out" "rx=$(sha 100000) end=FIN"
out=$(on "$C" "$NT" tcp 10.3.0.2 5009 -n 100000000 -t 1)
contains "a server that never reads" "$out" "end=TIMEOUT"
on "$C" "$NT" tcp 10.3.0.3 5001 -n 4000 -R >/dev/null
wait_log sink "end=ECONNRESET"
out=$(on "$C" "$NT" tcp-hold 10.3.0.3 5003 -n 300 -d 200)
eq "open connections" "$out" $'open=300\nalive=300'
out=$(on "$C" "$NT" tcp-short 10.3.0.3 5003 -n 500 -j 8)
contains "short connections" "$out" "ok=500 failed=0"
printf 'abcdef' >"$TMP/f"
out=$(on "$C" "$NT" tcp 10.3.0.3 5003 -f "$TMP/f" -C 2 -d 50 -P 2>/dev/null)
eq "cut file" "$out" abcdef
on "$C" "$NT" tcp 10.2.0.3 5003 -p 4444 -n 10 >/dev/null
wait_log echo "from=10.1.0.2,4444"

alive sink || fail "a program that runs is not alive"
! alive nobody || fail "a program that was never started is alive"

# A test that fails is told as one, whatever it sources
verdict() { # LIBRARY STATEMENTS
	CULVERT_NS_PREFIX=$PREFIX SOURCE_BYTES=1 bash -c '. "$1/lib.sh"; [ "$2" = lib ] || . "$1/$2.sh"
		set +u; eval "$3"; pass' x "${0%/*}" "$1" "$2" >"$TMP/verdict.log" 2>&1
	echo $?
}
for l in "${0%/*}"/{lib,*_lib}.sh; do
	l=${l##*/} l=${l%.sh}
	eq "$l: one that passes" "$(verdict $l 'eq a 1 1')" 0
	eq "$l: one that fails" "$(verdict $l 'eq a 1 2')" 1
	eq "$l: in a subshell" "$(verdict $l 'eq a 1 1; x=$(eq b 1 2)')" 1
	eq "$l: no assert" "$(verdict $l true)" 1
	eq "$l: what is not in nothing" "$(verdict $l 'eq a 1 1; lacks b "" x')" 1
	eq "$l: what cannot run here" "$(verdict $l 'skip why')" 77
done
eq "no test has a trap that hides the code" \
	"$(cd "$(dirname "$0")" && grep -l '^[^#]*trap [^-].*EXIT' ./*.sh \
		../../scripts/demo | tr '\n' ' ')" \
	"./cap_cgroup.sh ./lib.sh "
eq "the demo of a culvert that ends at once" \
	"$(CULVERT=/bin/false "$ROOT/scripts/demo" >"$TMP/demo.log" 2>&1; echo $?)" 1
contains "the demo says why" "$(cat "$TMP/demo.log")" "FAIL: culvert ended at start"
pass
