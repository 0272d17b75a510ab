#!/bin/bash
# fallback.sh: what is not of the protocol goes on by name, alpn and path, to
# ports, names and unix sockets; unix sockets as a server's address; levels of users
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/in_lib.sh"
. "$(dirname "$0")/transport_lib.sh"
for p in openssl socat; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
make_ca
# web NAME SOCAT-ADDRESS: answers "I am NAME" and ends
web() { bg "$G" "$1" socat "$2,fork" SYSTEM:"echo I am $1; sleep 0.2"; }
web plain TCP4-LISTEN:8001,reuseaddr
web h2 TCP4-LISTEN:8002,reuseaddr
web path "UNIX-LISTEN:$TMP/path.sock"
web abstract ABSTRACT-LISTEN:cv-feat
web named TCP4-LISTEN:8003,reuseaddr
web special TCP4-LISTEN:8004,reuseaddr
for port in 8001 8002 8003 8004; do wait_port "$G" tcp $port; done
wait_for 10 test -S "$TMP/path.sock"
fallbacks="[ { \"dest\": 8001 }, { \"alpn\": \"h2\", \"dest\": \"8002\" },
	{ \"path\": \"/ws\", \"dest\": \"$TMP/path.sock\" },
	{ \"path\": \"/abs\", \"dest\": \"@cv-feat\" },
	{ \"name\": \"wild.test\", \"dest\": \"localhost:8003\" },
	{ \"name\": \"wild.test\", \"path\": \"/s\", \"dest\": \"127.0.0.1:8004\" } ]"
tls="{ \"security\": \"tls\", \"tlsSettings\": { \"alpn\": [ \"h2\", \"http/1.1\" ],
	\"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] } }"
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "7": { "connIdle": 2 } } },
  "inbounds": [
    { "tag": "t", "protocol": "trojan", "port": 8443, "streamSettings": $tls,
      "settings": { "users": [ { "password": "a" } ], "fallbacks": $fallbacks } },
    { "tag": "v", "protocol": "vless", "port": 8444, "streamSettings": $tls,
      "settings": { "decryption": "none", "clients": [ { "id": "a" } ], "fallbacks": $fallbacks } },
    { "tag": "u", "protocol": "trojan", "listen": "$TMP/in.sock,0600",
      "settings": { "users": [ { "password": "a", "level": 7 } ] } },
    { "tag": "w", "protocol": "vless", "listen": "@@cv-padded",
      "settings": { "decryption": "none", "clients": [ { "id": "a" } ] } },
    $(join "$(door 7001 viau)" "$(door 7002 viaw)" "$(door 7003 lost)") ],
  "routing": { "rules": [ $(to viau viaw lost) ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } },
    { "tag": "viau", "protocol": "trojan", "settings": { "address": "$TMP/in.sock", "password": "a" } },
    { "tag": "viaw", "protocol": "vless", "settings": { "address": "@@cv-padded", "id": "a", "encryption": "none" } },
    { "tag": "lost", "protocol": "vless", "settings": { "address": "$TMP/no.sock", "id": "a", "encryption": "none" } } ]
}
END
# ask PORT PATH OPTION...: what answers a request for PATH
ask() {
	local port=$1 path=$2
	shift 2
	printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$path" |
		on "$S" timeout 10 openssl s_client -connect "10.2.0.1:$port" -quiet "$@" 2>/dev/null
}
for port in 8443 8444; do
	contains "$port default" "$(ask $port / -servername tls.test)" "I am plain"
	contains "$port path to a socket file" "$(ask $port '/ws?ed=2048' -servername tls.test)" "I am path"
	contains "$port path to an abstract name" "$(ask $port /abs -noservername)" "I am abstract"
	contains "$port no such path" "$(ask $port /wsx -servername tls.test)" "I am plain"
	contains "$port alpn" "$(ask $port / -servername tls.test -alpn h2)" "I am h2"
	contains "$port alpn without an entry" "$(ask $port / -servername tls.test -alpn http/1.1)" "I am plain"
	contains "$port alpn and path" "$(ask $port /ws -servername tls.test -alpn h2)" "I am path"
	contains "$port part of the name" "$(ask $port / -servername A.Wild.test)" "I am named"
	contains "$port name and path" "$(ask $port /s -servername a.wild.test)" "I am special"
	contains "$port a path of no name" "$(ask $port /ws -servername a.wild.test)" "I am path"
done
transfers "trojan over a socket file" 10.1.0.1 7001
transfers "vless over a padded abstract name" 10.1.0.1 7002
# the level is the user's, not the inbound's
for port in 7001 7002; do
	on "$C" "$NT" tcp-hold 10.1.0.1 $port -n 1 -d 4000 >"$TMP/hold$port.log" 2>&1 &
	PID[hold$port]=$!
done
wait "${PID[hold7001]}" "${PID[hold7002]}"
contains "idle, by the user's level" "$(cat "$TMP/hold7001.log")" "alive=0"
contains "idle, by the default" "$(cat "$TMP/hold7002.log")" "alive=1"
refused "no such socket" 10.1.0.1 7003
eq "mode of the socket file" "$(stat -c %a "$TMP/in.sock")" 600
stop culvert
eq "ends well" "$RC" 0
[ ! -e "$TMP/in.sock" ] || fail "the socket file stays"
pass
