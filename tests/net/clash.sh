#!/bin/bash
# clash.sh: Clash's API, as dashboards use it: connections listed and ended, traffic,
# log lines, a balancer's choice, delays; who may ask, and floods of readers
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in curl python3 socat; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
serve held tcp-serve 5002 hold
cat >"$TMP/web.sh" <<'END'
while read -r l && [ "${#l}" -gt 1 ]; do :; done
printf 'HTTP/1.1 204 No Content\r\n\r\n'
END
bg "$S" web socat TCP-LISTEN:8001,bind=10.3.0.1,fork,reuseaddr EXEC:"bash $TMP/web.sh"
wait_port "$S" tcp 8001
mkdir -p "$TMP/ui/assets"
echo "<p>a dashboard</p>" >"$TMP/ui/index.html"
echo "let x" >"$TMP/ui/assets/a.js"
echo "not to be seen" >"$TMP/near.txt"

door() {
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": $3 } }"
}
# conf LISTEN SECRET [OBSERVATORY,]
conf() {
	cat <<-END
	{
	  "log": { "loglevel": "info" }, ${3:-}
	  "inbounds": [ $(door 7001 in 5001), $(door 7002 hold 5002) ],
	  "routing": { "balancers": [ { "tag": "auto", "selector": [ "way " ], "strategy": { "type": "random" } } ],
	    "rules": [ { "ruleTag": "mine", "network": "tcp", "balancerTag": "auto" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, { "tag": "way a", "protocol": "freedom" },
	    { "tag": "way b", "protocol": "freedom" }, { "tag": "none", "protocol": "blackhole" } ],
	  "culvert": { "clashApi": { "listen": "$1", "secret": "$2", "ui": "$TMP/ui" } }
	}
	END
}
AT=127.0.0.1:9090
api() { on "$G" curl -s -m 8 --path-as-is "${HOW[@]}" "http://$AT$1" "${@:2}"; }
status() { api "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }
json() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }
ws() { on "$G" python3 "$(dirname "$0")/clash.py" "$1" "${AT%:*}" "${AT#*:}" "$2" "$3"; }
HOW=()

start_in < <(conf $AT "")
contains "version" "$(api /version)" '"version":"culvert '
eq "rules" "$(api /rules | json "[(r['payload'], r['proxy']) for r in d['rules']]")" \
	"[('mine', 'auto'), ('', 'direct')]"
eq "a group" "$(api /proxies | json "[(p['type'], p['all']) for p in [d['proxies']['auto']]]")" \
	"[('LoadBalance', ['way a', 'way b'])]"
eq "kinds" "$(api /proxies | json "[d['proxies'][n]['type'] for n in ('direct', 'none', 'GLOBAL')]")" \
	"['Direct', 'Reject', 'Selector']"
eq "one of them" "$(api /proxies/way%20a | json "d['name']")" "way a"
eq "nobody" "$(status /proxies/nobody)" 404
eq "no such path" "$(status /nope) $(status /version -X POST)" "404 405"

# a connection is in the list with its bytes, and is ended from there
bg "$C" holder "$NT" tcp-hold 10.1.0.1 7002 -n 1 -d 30000
wait_for 5 eval '[ "$(api /connections | json "len(d[\"connections\"])")" = 1 ]' || fail "not listed"
one=$(api /connections | json "[(c['metadata'][k]) for c in d['connections'] for k in ('network', 'sourceIP', 'destinationIP', 'destinationPort', 'inboundName')] + [c['rule'] for c in d['connections']]")
eq "what is told of it" "$one" "['tcp', '10.1.0.2', '10.3.0.1', '5002', 'hold', 'mine']"
id=$(api /connections | json "d['connections'][0]['id']")
eq "no such connection" "$(status /connections/xyz -X DELETE)" 404
eq "its end is asked for" "$(status "/connections/$id" -X DELETE)" 204
wait_for 5 eval '[ "$(api /connections | json "len(d[\"connections\"])")" = 0 ]' || fail "it is not ended"
wait_log culvert "culvert: Operation canceled"

# feeds: by WebSocket, and line by line
before=$(api /connections | json "d['downloadTotal']")
contains "an echo" "$(on "$C" "$NT" tcp 10.1.0.1 7001 -n 100000)" "rx=$(sha 100000) end=FIN"
eq "all bytes are counted" "$(($(api /connections | json "d['downloadTotal']") - before))" 100000
ws ws /traffic 2 >"$TMP/traffic" || fail "no traffic feed"
eq "traffic" "$(tail -n 1 "$TMP/traffic" | json "d['downTotal'] - $before")" 100000
eq "memory" "$(ws ws /memory 2 | tail -n 1 | json "d['inuse'] > 500000")" True
eq "sessions" "$(ws ws '/connections?interval=250' 2 | tail -n 1 | json "d['connections']")" "[]"
(for i in 1 2 3 4; do sleep 1; on "$C" "$NT" tcp 10.1.0.1 7001 -n 10; done >/dev/null) &
contains "a log line" "$(ws ws '/logs?level=info' 1)" "[in -> way "
contains "lines" "$(on "$G" curl -sN -m 2 http://$AT/traffic)" '"up":0'

# a choice holds, over a reload too, until it is taken back
pinned() {
	local i
	for i in 1 2 3 4 5 6; do on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 >/dev/null; done
	tail -n 12 "$TMP/culvert.log" | grep -o "in -> way [ab]" | sort -u
}
eq "a choice" "$(status /proxies/auto -X PUT -d '{"name":"way b"}')" 204
eq "is shown" "$(api /proxies/auto | json "d['now'], d['fixed']")" "way b way b"
eq "is followed" "$(pinned)" "in -> way b"
eq "a reload" "$(status '/configs?force=true' -X PUT -d '{"path":""}')" 204
wait_log culvert "reload"
eq "is kept" "$(pinned)" "in -> way b"
eq "who is not among them" "$(status /proxies/auto -X PUT -d '{"name":"direct"}')" 400
eq "no JSON" "$(status /proxies/auto -X PUT -d '{"name":')" 400
eq "no balancer" "$(status /proxies/direct -X PUT -d '{"name":"way b"}')" 400
got=$(head -c 300000 /dev/zero | status /proxies/auto -X PUT --data-binary @-)
contains "too long: refused, or cut off" " 413 000 " " $got "
eq "and it goes on" "$(status /version)" 200
eq "taken back" "$(status /proxies/auto -X DELETE) $(api /proxies/auto | json "d['fixed']")" "204 "
eq "log level" "$(status /configs -X PATCH -d '{"log-level":"debug"}') $(api /configs | json "d['log-level']")" "204 debug"
eq "no other mode" "$(status /configs -X PATCH -d '{"mode":"global"}')" 400

# files, and nothing beside them
contains "index" "$(api /ui/)" "a dashboard"
for p in /ui /ui?a=/ /; do
	eq "$p leads there" "$(api "$p" -o /dev/null -w '%{http_code} %{redirect_url}')" "307 http://$AT/ui/"
done
ln -s ../near.txt "$TMP/ui/link.txt"
eq "a link out of the folder" "$(api /ui/link.txt -o /dev/null -w '%{http_code}')" 404
ln -s index.html "$TMP/ui/home.html"
contains "a link within it" "$(api /ui/home.html)" "a dashboard"
contains "a script's type" "$(api /ui/assets/a.js -i)" "Content-Type: text/javascript"
for p in /ui/../near.txt /ui/%2e%2e/near.txt /ui/assets/..%2f..%2fnear.txt /ui/.hidden /ui/assets; do
	eq "not $p" "$(status $p)" 404
done

head -c 12000000 /dev/zero >"$TMP/ui/big.js"
eq "who is slow has all of a file" "$(ws slow /ui/big.js 12000000)" "12000000 end"

# without a secret: this host alone, and no page of strangers
eq "another origin" "$(status /version -H 'Origin: http://evil.test')" 403
eq "a bent name" "$(status /version -H 'Host: evil.test')" 403
eq "its own page" "$(status /version -H "Origin: http://$AT")" 200
lacks "no leave for others" "$(api /version -i)" "Access-Control"

# who says nothing takes a place from who said nothing before: 256 a worker
read -r over code < <(ws mute / 800)
le "at least these end" $((800 - 256 * $(getconf _NPROCESSORS_ONLN))) "$over"
eq "who asks is answered" "$code" 200

# many readers: so many, and the rest is refused; those go on
eq "readers" "$(ws many /traffic 80 | grep -c '101:.* 503:')" 1
eq "and afterwards" "$(status /version)" 200
lacks "nobody was probed unasked" "$(cat "$TMP/culvert.log")" "observatory:"
eq "a delay of who does not answer" "$(status '/proxies/none/delay?timeout=3000')" 503
stop culvert
eq "ends well" "$RC" 0

# with a secret
AT=10.2.0.1:9090
start_in < <(conf 0.0.0.0:9090 "top secret" '"observatory": { "subjectSelector": [ "way " ], "probeURL": "http://10.3.0.1:8001/x" },')
eq "no secret" "$(status /version) $(status /connections) $(status /proxies/auto -X PUT -d '{"name":"way b"}')" "401 401 401"
eq "a wrong one" "$(status /version -H 'Authorization: Bearer top secreT')" 401
eq "in the query" "$(status '/version?token=top%20secret')" 200
eq "a preflight needs none" "$(status /version -X OPTIONS)" 204
contains "files need none" "$(api /ui/)" "a dashboard"
HOW=(-H "Authorization: Bearer top secret")
contains "other origins may" "$(api /version -i -H 'Origin: http://board.test')" "Access-Control-Allow-Origin: *"
eq "by WebSocket" "$(ws ws '/traffic?token=top+secret' 1 | json "d['up']")" 0
eq "a delay" "$(api '/proxies/way%20a/delay?timeout=5000' | json "0 < d['delay'] < 5000")" True
eq "of a group" "$(api '/group/auto/delay?timeout=5000' | json "sorted(d)")" "['way a', 'way b']"
eq "kept" "$(api /proxies/way%20a | json "d['history'][0]['delay'] > 0")" True
eq "of nobody" "$(status /proxies/direct/delay)" 404
lacks "the secret is not logged" "$(cat "$TMP/culvert.log")" "secret"

# a reload with another secret ends what the old one has opened
ws ws '/traffic?token=top+secret' 600 >"$TMP/feed" 2>&1 &
feed=$!
wait_for 5 test -s "$TMP/feed" || fail "no feed"
conf 0.0.0.0:9090 "another" >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2 is in force"
gone() { ! kill -0 $feed 2>/dev/null; }
wait_for 5 gone || fail "the feed goes on: $(tail -n 1 "$TMP/feed")"
contains "it had an end" "$(cat "$TMP/feed")" "the feed ended"
eq "the old secret" "$(status /version)" 401
stop culvert
eq "ends well" "$RC" 0
conf 0.0.0.0:9090 "" >"$TMP/open.json"
"$CULVERT" run -test -c "$TMP/open.json" >"$TMP/open.log" 2>&1
eq "open to all without a secret is an error" "$?" 23
contains "that says so" "$(cat "$TMP/open.log")" "clashApi.secret: is needed"
pass
