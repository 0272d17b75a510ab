#!/bin/bash
# reverse.sh: VLESS reverse, culvert at both ends: sessions that come to a public server
# go out at a client that dialed it. Over TLS, with Vision, with encryption; lost
# connections, strangers, the client's own rules.
# timeout: 330
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/reverse_lib.sh"
reverse_up
portal server "$CULVERT" run -c
out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -t 5)
matches "nobody has called yet" "$out" " rx=0:.*end=ECONN"
wait_log server "reverse: [back] no client is there"
bridge client "$CULVERT" run -c
reverse_run "over TLS"
matches "the client sees from where they come" "$(<"$TMP/client.log")" \
	"from 10\.1\.0\.2:[0-9]+ accepted tcp:10\.9\.0\.1:5001 \[home -> direct\]"
contains "one connection carries all" "$(grep -c "a client has come" "$TMP/server.log")" 1

# many at a time: a second connection comes, and takes its share
for ((i = 0; i < 40; i++)); do
	bg "$C" "many$i" "$NT" tcp 10.1.0.1 7001 -n 300000 -r 50000 -w 300000 -t 40
done
several() { [ "$(grep -c "a client has come" "$TMP/server.log")" -ge 2 ]; }
wait_for 10 several || fail "no second connection"
for ((i = 0; i < 40; i++)); do
	wait_log "many$i" "rx=$(sha 300000) end=FIN"
	ASSERTS=$((ASSERTS + 1))
done

# after 256 sessions it is exchanged for another one, and nothing is lost by that
come() { grep -c "a client has come" "$TMP/server.log"; }
before=$(come)
out=$(on "$C" "$NT" tcp-short 10.1.0.1 7001 -n 3000 -j 8)
contains "3000 sessions" "$out" "ok=3000"
more() { [ "$(come)" -gt "$before" ]; }
wait_for 15 more || fail "what is used up was not exchanged"
reverse_run "exchanged"

# either end starts anew
stop client
bridge client "$CULVERT" run -c
reverse_run "the client anew"
stop server
portal server "$CULVERT" run -c
reverse_run "the server anew"
kill -HUP "${PID[client]}"
reverse_run "the client reloaded"
kill -HUP "${PID[server]}"
reverse_run "the server reloaded"

# the network between both takes all and says nothing: either end finds out, and what is
# dead gets no sessions when it is whole again
before=$(come)
sever
wait_for 60 log_has client "the server is silent" || fail "the client waits for ever"
wait_for 20 log_has server "the client is silent" || fail "the server waits for ever"
rejoin
wait_for 30 more || fail "the client does not call again"
reverse_run "found again"

# who may do what: this user cannot go out, another one gets no sessions
stop client
BRIDGE_ID=$OTHER bridge client "$CULVERT" run -c
sleep 3
out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -t 5)
matches "an ordinary user gets none" "$out" " rx=0:.*end=ECONN"
stop client
cat >"$TMP/forward.json" <<-END
{ "inbounds": [ $(rdoor 7009 5001) ], "outbounds": [ { "protocol": "vless", "settings": { "address": "10.2.0.1", "port": 8443,
  "id": "$ID", "encryption": "none" }, "streamSettings": { $CLIENT_STREAM } } ] }
END
bg "$S" forward "$CULVERT" run -c "$TMP/forward.json"
wait_port "$S" tcp 7009
out=$(on "$S" "$NT" tcp 127.0.0.1 7009 -n 10 -t 8)
matches "who takes sessions has none of his own" "$out" " rx=0:"
stop forward

# a user whom the API removes is left by those who came as him
stop server
PORTAL_MORE='"api": { "tag": "api", "listen": "127.0.0.1:62789", "services": [ "HandlerService" ] },' portal server "$CULVERT" run -c
bridge client "$CULVERT" run -c
reverse_run "with an API"
out=$(on "$G" "$CULVERT" api rmu --server=127.0.0.1:62789 -tag=v back@x 2>&1)
contains "he is removed" "$out" "Removed 1 user(s)"
wait_log server "reverse: [back] the user is removed"
out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -t 5)
matches "his connection gets no more" "$out" " rx=0:.*end=ECONN"
stop client
stop server
portal server "$CULVERT" run -c

# without a rule nothing is allowed that comes back
RULES='' bridge client "$CULVERT" run -c
wait_log client "calls its server"
called() { grep -q "none allows what comes back" "$TMP/client.log"; }
tries() { on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -t 1 >/dev/null; called; }
wait_for 15 tries || fail "what comes back was not forbidden"
stop client
stop server
eq "the server ends well" "$RC" 0

FLOW=xtls-rprx-vision
portal server "$CULVERT" run -c
bridge client "$CULVERT" run -c
reverse_run "with Vision"
stop client
stop server
KEY=GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00
PUBLIC=$("$CULVERT" x25519 -i $KEY | sed -n 's/^Pass.*: //p')
STREAM='"network": "tcp"' CLIENT_STREAM=$STREAM
DECRYPTION=mlkem768x25519plus.random.600s.$KEY ENCRYPTION=mlkem768x25519plus.random.0rtt.$PUBLIC
portal server "$CULVERT" run -c
bridge client "$CULVERT" run -c
reverse_run "with Vision over encryption"
stop client
eq "the client ends well" "$RC" 0
stop server
eq "the server ends well" "$RC" 0
pass
