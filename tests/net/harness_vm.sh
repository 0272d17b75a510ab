#!/bin/bash
# asan: no (nothing of culvert is in it)
# What scripts/in-vm promises: another kernel, the host's files, output and exit code
# passed on, what is written lost but for -w, an end in time, nothing left running
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
VM=$ROOT/scripts/in-vm
export TMPDIR=$TMP
gone() { ! pgrep -f "$TMP/culvert-vm"; }

mkdir "$TMP/share"
echo host >"$TMP/share/here"
cat >"$TMP/inside" <<END
uname -r
echo "\$WORD \$CULVERT_VM, \$PWD"
scripts/kernel-has tls nft_flow_offload sch_netem && echo "has them"
cat "$TMP/share/here"
echo guest >"$TMP/share/here"
echo guest >"$TMP/lost"
ip netns add n && ip -n n link set lo up && ip netns list
seq 1 300000 | md5sum
echo told >&2
sleep 1000 &
exit 7
END
"$ROOT/scripts/fetch-kernel" >/dev/null 2>&1 # what it says of its download is not meant below
WORD='it"s $a word' "$VM" -w "$TMP/share" bash "$TMP/inside" \
	>"$TMP/out.log" 2>"$TMP/err.log"
rc=$?
[ $rc != 77 ] || skip "$(tail -n 1 "$TMP/err.log")"
out=$(<"$TMP/out.log")
eq "exit code" $rc 7
contains "a Debian kernel" "$(head -n 1 <<<"$out")" "-cloud-"
contains "environment and folder" "$out" 'it"s $a word 1, '"$ROOT"
contains "its parts" "$out" "has them"
contains "host's files" "$out" $'\nhost\n'
contains "namespaces" "$out" $'\nn\n'
contains "all of the output" "$out" "$(seq 1 300000 | md5sum)"
eq "errors apart" "$(<"$TMP/err.log")" told
eq "written through" "$(<"$TMP/share/here")" guest
bad "not written through" test -e "$TMP/lost"
wait_for 2 gone || fail "something is left running"

"$VM" -t 2 sleep 100 2>"$TMP/err.log"
eq "exit code at a limit" $? 124
contains "limit" "$(<"$TMP/err.log")" "no end within 2 s"
"$VM" sleep 100 &
sleep 2
kill $!
wait $!
eq "exit code when killed" $? 143
wait_for 2 gone || fail "something is left running when killed"
eq "folders left" "$(compgen -G "$TMP/culvert-vm.*")" ""
pass
