#!/bin/bash
# geodata.sh: rule lists renew themselves through an outbound: new rules for new flows,
# live ones stay; whatever a server answers, the old file stays while there is no good one
# timeout: 240
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in openssl nginx python3; do
	command -v $p >/dev/null || skip "no $p"
done
HERE=$(dirname "$0")
dat() { python3 "$HERE/geodata.py" dat "$@" || fail "dat"; }
net_up
serve echo tcp-serve 5001 echo -t 300
make_ca
mkdir "$TMP/web" "$TMP/lists"
nginx_up <<-END
	location / { root $TMP/web; }
	location /moved { return 302 https://cdn.wild.test:9443/rules.dat; }
END
bg "$S" rogue python3 "$HERE/geodata.py" 10.2.0.3 9444 "$TMP/names.crt" "$TMP/names.key"
wait_port "$S" tcp 9444

# config CRON OUTBOUND [ASSETS]; a rule asks the list
config() {
	cat <<-END
	{
	  "log": { "loglevel": "info", "access": "$TMP/access.log" },
	  "env": { "XRAY_LOCATION_ASSET": "$TMP/lists" },
	  "geodata": { ${1:+"\"cron\": \"$1\","} "outbound": "$2",
	    "assets": [ ${3:-"{ \"url\": \"https://tls.test:9443/moved\", \"file\": \"rules.dat\" }"} ] },
	  "inbounds": [ { "tag": "in", "port": 7001, "protocol": "dokodemo-door",
	    "settings": { "address": "10.3.0.1", "port": 5001, "network": "tcp" } } ],
	  "routing": { "rules": [ { "ip": [ "ext:rules.dat:far" ], "outboundTag": "two" },
	    { "inboundTag": [ "culvert.geodata" ], "outboundTag": "fetch" } ] },
	  "outbounds": [ { "tag": "one", "protocol": "freedom" }, { "tag": "two", "protocol": "freedom" },
	    { "tag": "fetch", "protocol": "freedom", "settings": { "redirect": "10.2.0.3:0" } } ]
	}
	END
}
asset() { echo "{ \"url\": \"https://tls.test:$1\", \"file\": \"$2\" }"; }
goes() { # WHAT WANT: where the next connection goes
	local n
	n=$(grep -c "tcp:10.3.0.1:5001" "$TMP/access.log")
	on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 >/dev/null
	more() { [ "$(grep -c "tcp:10.3.0.1:5001" "$TMP/access.log")" -gt "$n" ]; }
	wait_for 10 more || fail "$1: no session"
	contains "$1" "$(grep "tcp:10.3.0.1:5001" "$TMP/access.log" | tail -n 1)" " $2]"
}
same() { # WHAT FILE: of lists, as it was
	ASSERTS=$((ASSERTS + 1))
	cmp -s "$TMP/old.dat" "$TMP/lists/$2" || fail "$1: $2 changed"
}
nothing_left() {
	eq "$1: nothing is left beside" "$(find "$TMP/lists" -name '.*.new' | wc -l)" 0
}
geodata() { on "$G" "$CULVERT" geodata -c "$TMP/once.json" >"$TMP/once.log" 2>&1; }

export SSL_CERT_FILE=$TMP/ca.pem # what the system trusts, here
dat "$TMP/old.dat" far=192.0.2.0/24
dat "$TMP/web/rules.dat" 200000 far=10.3.0.0/16

echo "-- a command fetches what is missing, and tells what went wrong"
config "" "" | sed 's/"outbound": "",//' >"$TMP/once.json"
rm -f "$TMP/lists/rules.dat"
bad "without its list nothing runs" on "$G" "$CULVERT" run -test -c "$TMP/once.json"
geodata || fail "once: $(cat "$TMP/once.log")"
ok "by rules: fetched" cmp "$TMP/web/rules.dat" "$TMP/lists/rules.dat"
contains "it is told" "$(cat "$TMP/once.log")" "rules.dat is renewed: $(stat -c %s "$TMP/web/rules.dat") bytes"
contains "by the outbound for it" "$(cat "$TMP/nginx-error.log" "$TMP/access.txt")" "GET /rules.dat"
ok "then it runs" on "$G" "$CULVERT" run -test -c "$TMP/once.json"
geodata || fail "once more: $(cat "$TMP/once.log")"
contains "the same again" "$(cat "$TMP/once.log")" "rules.dat is up to date"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
	-subj "/CN=another CA" -keyout /dev/null -out "$TMP/another.pem" 2>/dev/null || fail "openssl"
SSL_CERT_FILE=$TMP/another.pem geodata && fail "an unknown CA"
contains "an unknown CA" "$(cat "$TMP/once.log")" "rules.dat is not renewed: Key was rejected"
nothing_left "after that"

echo "-- what servers do instead"
cp "$TMP/old.dat" "$TMP/lists/rules.dat"
head -c 1000 "$TMP/web/rules.dat" >"$TMP/web/damaged.dat"
dat "$TMP/web/other.dat" near=10.3.0.0/16
files="none damaged loop out html cut huge endless drip"
for f in $files rules; do cp "$TMP/old.dat" "$TMP/lists/$f.dat"; done
assets=$(asset 9443/none.dat none.dat),$(asset 9443/damaged.dat damaged.dat)
for f in loop out html cut huge endless drip; do assets+=,$(asset 9444/$f $f.dat); done
config "" fetch "$assets" >"$TMP/once.json"
geodata && fail "nothing of that is good"
for f in $files; do same "$f" "$f.dat"; done
nothing_left "what servers do"
said() { contains "$1" "$(cat "$TMP/once.log")" "$1.dat is not renewed: $2"; }
said none "HTTP status 404"
said damaged "what came is damaged or no geo data file"
said loop "redirected too often"
said out "redirected to what is not https"
said html "what came is damaged"
said cut "Connection reset by peer"
said huge "larger than 65536 KiB"
said endless "larger than 65536 KiB"
said drip "too slow"
# digests: one that is told, another one, none; of what is there already
sum() { sha256sum "$TMP/web/rules.dat" | cut -c-64; }
echo "$(sum)  rules.dat" >"$TMP/web/good.sum"
echo "$(sum | tr 0-9 1-90)  rules.dat" >"$TMP/web/bad.sum"
echo "$(sum)  somebody.dat" >"$TMP/web/none.sum"
summed() { # WHICH
	local a
	a=$(asset 9443/rules.dat rules.dat)
	config "" fetch "${a% \}}, \"hashUrl\": \"https://tls.test:9443/$1.sum\" }" >"$TMP/once.json"
	geodata
}
summed bad && fail "another digest"
same "another digest" rules.dat
contains "another digest" "$(cat "$TMP/once.log")" "has not the digest"
summed none && fail "no digest"
contains "no digest" "$(cat "$TMP/once.log")" "no digest for it"
summed gone && fail "no sums"
contains "no sums" "$(cat "$TMP/once.log")" "HTTP status 404"
same "no sums" rules.dat
summed good || fail "the digest: $(cat "$TMP/once.log")"
ok "with its digest" cmp "$TMP/web/rules.dat" "$TMP/lists/rules.dat"
asked() { grep -c "GET /rules.dat" "$TMP/access.txt"; }
before=$(asked)
summed good || fail "the digest again: $(cat "$TMP/once.log")"
contains "what has its digest" "$(cat "$TMP/once.log")" "is up to date"
eq "is not fetched" "$(asked)" "$before"
cp "$TMP/old.dat" "$TMP/lists/rules.dat"
nothing_left "digests"
# a good file in which the list is missing that the rules need
config "" fetch "$(asset 9443/other.dat rules.dat)" >"$TMP/once.json"
geodata && fail "a list is missing"
same "a list that is missing" rules.dat
nothing_left "a list that is missing"
contains "it is named" "$(cat "$TMP/once.log")" "has no list far"
contains "and what follows" "$(cat "$TMP/once.log")" "the old ones stay"

echo "-- by itself: flows stay, rules change"
rm "$TMP/web/rules.dat"
start_in < <(config "@every 2s" fetch)
goes "before" one
bg "$C" talker python3 -uc '
import socket, time
s = socket.create_connection(("10.1.0.1", 7001), timeout=10)
n = 0
while True:
    n += 1
    s.sendall(b"%08d" % n)
    b = b""
    while len(b) < 8:
        c = s.recv(8 - len(b))
        if not c: raise SystemExit("end of stream")
        b += c
    assert b == b"%08d" % n
    print("turn", n)
    time.sleep(0.1)'
wait_for 30 log_has talker "turn 3" || fail "the flow does not begin"
wait_log culvert "rules.dat is not renewed: HTTP status 404"
same "while there is none" rules.dat
goes "while there is none" one
dat "$TMP/web/rules.dat" 200000 far=10.3.0.0/16
wait_log culvert "rules.dat is renewed"
wait_log culvert "generation 2 is in force"
ok "the file" cmp "$TMP/web/rules.dat" "$TMP/lists/rules.dat"
goes "after" two
turns=$(grep -c turn "$TMP/talker.log")
talks() { [ "$(grep -c turn "$TMP/talker.log")" -gt $((turns + 3)) ]; }
wait_for 10 talks || fail "the flow of before is gone"
alive talker || fail "the flow of before ended"
# nothing new: a question and no answer, no reload
wait_log culvert "rules.dat is up to date"
not_modified() { grep -q "GET /rules.dat HTTP/1.1\" 304" "$TMP/access.txt"; }
wait_for 15 not_modified || fail "the ETag is not sent"
lacks "no reload without news" "$(cat "$TMP/culvert.log")" "generation 3"
# somebody else's file: the server is asked without it
cp "$TMP/old.dat" "$TMP/lists/rules.dat"
wait_log culvert "generation 3 is in force"
ok "the file is renewed" cmp "$TMP/web/rules.dat" "$TMP/lists/rules.dat"
nothing_left "by itself"

echo "-- the end does not wait for a server"
config "@every 1s" fetch "$(asset 9444/drip rules.dat)" >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 4 is in force"
staged() { [ -e "$TMP/lists/.rules.dat.new" ]; }
wait_for 10 staged || fail "no download"
stop talker KILL quiet
start=$SECONDS
stop culvert
eq "ends well" "$RC" 0
le "at once" $((SECONDS - start)) $((5 * SLOW))
nothing_left "at the end"
ok "the file stays" cmp "$TMP/web/rules.dat" "$TMP/lists/rules.dat"
pass
