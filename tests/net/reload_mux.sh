#!/bin/bash
# reload_mux.sh: whom the API or a reload takes away has no new sessions by a mux
# connection that he has; those that run on it end whole, and then it ends. Whoever is
# still there goes on by his, wherever the listener has gone
# timeout: 120
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/reload_lib.sh"
net_up
serve echo tcp-serve 5001 echo -t 300
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 5001 echo
WAYS=(vless vmess trojan aead ss2022 socks) # the last one has no users for the API
# shellcheck disable=SC2034 # by their names
ID_ann=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e ID_bob=11111111-2222-3333-4444-555555555555
# shellcheck disable=SC2034
ID_new=22222222-2222-3333-4444-555555555555
# shellcheck disable=SC2034
PSK_ann=AAAAAAAAAAAAAAAAAAAAAQ== PSK_bob=AAAAAAAAAAAAAAAAAAAAAg== PSK_new=AAAAAAAAAAAAAAAAAAAAAw==
PSK=AAAAAAAAAAAAAAAAAAAAAA==
# user WAY KEY [EMAIL]: of a server
user() {
	local id=ID_$2 psk=PSK_$2 email=${3:+", \"email\": \"$3\""}
	case $1 in
	vless | vmess) echo "{ \"id\": \"${!id}\" $email }" ;;
	trojan) echo "{ \"password\": \"secret-$2\" $email }" ;;
	aead) echo "{ \"method\": \"aes-128-gcm\", \"password\": \"secret-$2\" $email }" ;;
	ss2022) echo "{ \"password\": \"${!psk}\" $email }" ;;
	socks) echo "{ \"user\": \"${3:-ann}\", \"pass\": \"secret-$2\" }" ;;
	esac
}
inbound() { # WAY PORT USERS
	local more
	case $1 in
	vless) more="\"decryption\": \"none\", \"clients\"" ;;
	ss2022) more="\"method\": \"2022-blake3-aes-128-gcm\", \"password\": \"$PSK\", \"clients\"" ;;
	socks) more="\"auth\": \"password\", \"accounts\"" ;;
	*) more="\"clients\"" ;;
	esac
	echo "{ \"tag\": \"$1-$2\", \"listen\": \"10.2.0.3\", \"port\": $2, \"protocol\": \"$(kind "$1")\", \"settings\": { $more: [ $3 ] } }"
}
kind() { case $1 in aead | ss2022) echo shadowsocks ;; *) echo "$1" ;; esac }
server() { # FIRST-PORT KEY-OF-BOB; ann has no email
	local all=() p=$1 w
	for w in "${WAYS[@]}"; do
		p=$((p + 1))
		all+=("$(inbound "$w" $p "$(user "$w" ann), $(user "$w" "$2" bob)")")
	done
	cat <<-END
	{ "log": { "loglevel": "debug" }, "culvert": { "workers": 1 },
	  "api": { "tag": "api", "services": [ "HandlerService" ], "listen": "127.0.0.1:62789" },
	  "inbounds": [ $(join "${all[@]}") ],
	  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
	END
}
outbound() { # NAME WAY PORT
	local id=ID_$1 psk=PSK_$1 at="\"address\": \"10.2.0.3\", \"port\": $3" s
	case $2 in
	vless | vmess) s="\"vnext\": [ { $at, \"users\": [ { \"id\": \"${!id}\", \"encryption\": \"none\" } ] } ]" ;;
	trojan) s="\"servers\": [ { $at, \"password\": \"secret-$1\" } ]" ;;
	aead) s="\"servers\": [ { $at, \"method\": \"aes-128-gcm\", \"password\": \"secret-$1\" } ]" ;;
	ss2022) s="\"servers\": [ { $at, \"method\": \"2022-blake3-aes-128-gcm\", \"password\": \"$PSK:${!psk}\" } ]" ;;
	socks) s="\"servers\": [ { $at, \"users\": [ { \"user\": \"$1\", \"pass\": \"secret-$1\" } ] } ]" ;;
	esac
	echo "{ \"tag\": \"$1-$2\", \"protocol\": \"$(kind "$2")\", \"settings\": { $s }, \"mux\": { \"enabled\": true, \"concurrency\": 128 } }"
}
conns_are() { [ "$(on "$S" ss -Htn state established "sport >= :$1 and sport <= :$2" | wc -l)" = "$3" ]; }
echo_flows() { [ "$(on "$S" ss -Htn state established "dport = :5001" | wc -l)" = "$1" ]; }
api() { on "$S" "$CULVERT" api "$1" --server=127.0.0.1:62789 "${@:2}" 2>&1; }

server 8000 bob >"$TMP/server.json"
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8006
doors=() outs=() tags=() p=0
for w in "${WAYS[@]}"; do
	p=$((p + 1))
	for who in "ann 7" "bob 6"; do
		read -r name base <<<"$who"
		d=$(door "${base}00$p" "$name-$w")
		doors+=("${d/\"tcp\"/\"tcp,udp\"}") tags+=("$name-$w") outs+=("$(outbound "$name" "$w" "800$p")")
	done
done
start_doors

# goes WHAT PORT; stopped WHAT PORT
goes() {
	local out
	out=$(on "$C" "$NT" tcp 10.1.0.1 "$2" -n 100)
	contains "$1, $2" "$out" "rx=$(sha 100) end=FIN"
	out=$(on "$C" "$NT" udp 10.1.0.1 "$2" -n 100)
	contains "$1, UDP $2" "$out" "ok=1 bad=0"
}
stopped() {
	local out
	out=$(on "$C" "$NT" tcp 10.1.0.1 "$2" -n 100 -t 1)
	contains "$1, $2" "$out" " rx=0:"
	out=$(on "$C" "$NT" udp 10.1.0.1 "$2" -n 100 -t 1)
	contains "$1, UDP $2" "$out" "ok=0"
}

# round WHAT WAYS COMMAND...: bob is there, until COMMAND
round() {
	local what=$1 n=$2 p out
	shift 2
	echo "-- $what"
	for ((p = 1; p <= n; p++)); do
		goes "$what: ann" 700$p
		# (his datagrams would keep it for as long as they may be answered)
		out=$(on "$C" "$NT" tcp 10.1.0.1 600$p -n 100)
		contains "$what: bob, 600$p" "$out" "rx=$(sha 100) end=FIN"
		bg "$C" old$p "$NT" tcp 10.1.0.1 600$p -n 80000 -C 40 -d $((n * 1200 + 2000)) -t 60
	done
	wait_for 5 echo_flows "$n" || fail "the flows do not come"
	conns_are 8001 "800$n" $((2 * n)) || fail "a connection for each user: $(on "$S" ss -Htn "sport >= :8001")"
	"$@"
	for ((p = 1; p <= n; p++)); do
		stopped "$what: bob's new session" 600$p
		goes "$what: ann's new session" 700$p
	done
	count_lines server "mux: the user is removed"
	all_said old "rx=$(sha 80000) end=FIN"
	# bob's have ended, and what he tried since then is not let in
	wait_for 20 conns_are 8001 "800$n" "$n" || fail "$what: connections stay"
	ASSERTS=$((ASSERTS + 1))
}
by_api() {
	local p=0 w got
	for w in "${WAYS[@]:0:5}"; do
		p=$((p + 1))
		got=$(api rmu -tag="$w-800$p" bob)
		contains "$w: by the API" "$got" "Removed 1 user(s)"
	done
}
# Another one has his email; and the listeners are elsewhere, with other names
by_reload() {
	server 8100 new >"$TMP/server.json"
	kill -HUP "${PID[server]}"
	wait_log server "generation 3 is in force"
}

round "removed by the API" 5 by_api
eq "it is said once of each" "$COUNT" 5
kill -HUP "${PID[server]}" # the configuration's users are back
wait_log server "generation 2 is in force"
round "removed by a reload" 6 by_reload
eq "and again" "$COUNT" 11
lacks "no secret is logged" "$(<"$TMP/server.log")" secret-
stop culvert
stop server
eq "ends well" "$RC" 0
pass
