#!/bin/bash
# in_final.sh: what clients of a server may reach through freedom: nothing private
# unless finalRules allow it; other inbounds, all. TCP and UDP, literals and names
# timeout: 240
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v python3 >/dev/null || skip "no python3"
net_up
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
PY=$(dirname "$0")/in_final.py
P4=192.175.48.1 P6=2001:db8:51::1 # public, as far as rules know
addr "$S" lo $P4/32
serve echo tcp-serve 5001 echo
serve echo2 tcp-serve 5002 echo
serve echo3 tcp-serve 5003 echo
for a in 10.3.0.1 10.3.0.2 fd03::1 $P4 $P6; do bg "$S" "udp$a" "$NT" udp-serve -l $a 5001 echo; done
for a in 127.0.0.1 ::1; do
	bg "$G" "near$a" "$NT" tcp-serve -l $a 5001 echo
	bg "$G" "nearu$a" "$NT" udp-serve -l $a 5001 echo
done
mkdir -p "/etc/netns/$G"
printf '%s\n' "10.3.0.1 private.test" "fd03::1 private6.test" "127.0.0.1 localhost loop.test" "::1 loop.test" \
	"$P4 public.test" "$P6 public6.test" "10.3.0.1 both.test" "$P4 both.test" >"/etc/netns/$G/hosts"

# --- the server: each protocol to each freedom, by the inbound's tag PROTOCOL-FREEDOM
settings() {
	case $1 in
	vless) echo "{ \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\", \"email\": \"u@v\" } ] }" ;;
	vmess) echo "{ \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	trojan) echo '{ "clients": [ { "password": "topsecret" } ] }' ;;
	shadowsocks) echo '{ "method": "aes-128-gcm", "password": "topsecret", "network": "tcp,udp" }' ;;
	socks) echo '{ "udp": true }' ;;
	esac
}
server() { # PROTOCOL PORT
	local at="\"address\": \"10.1.0.1\", \"port\": $2"
	case $1 in
	vless) echo "{ $at, \"id\": \"$ID\", \"encryption\": \"none\" }" ;;
	vmess) echo "{ $at, \"id\": \"$ID\", \"security\": \"aes-128-gcm\" }" ;;
	trojan) echo "{ $at, \"password\": \"topsecret\" }" ;;
	shadowsocks) echo "{ $at, \"method\": \"aes-128-gcm\", \"password\": \"topsecret\" }" ;;
	esac
}
ins=() rules=() cins=() couts=() crules=() port=2000
declare -A AT=()
way() { # PROTOCOL FREEDOM [NAME MORE]: NAME is asked at ${AT[NAME]} in the client's namespace
	local name=${3:-$1-$2}
	port=$((port + 1))
	ins+=("{ \"tag\": \"$name\", \"listen\": \"10.1.0.1\", \"port\": $port, \"protocol\": \"$1\", \"settings\": $(settings "$1") }")
	rules+=("{ \"inboundTag\": [ \"$name\" ], \"outboundTag\": \"$2\" }")
	AT[$name]=10.1.0.1:$port
	[ "$1" != socks ] || return
	cins+=("{ \"tag\": \"$name\", \"listen\": \"127.0.0.1\", \"port\": $((port + 1000)), \"protocol\": \"socks\", \"settings\": { \"udp\": true } }")
	couts+=("{ \"tag\": \"$name\", \"protocol\": \"$1\", \"settings\": $(server "$1" $port) ${4:-} }")
	crules+=("{ \"inboundTag\": [ \"$name\" ], \"outboundTag\": \"$name\" }")
	AT[$name]=127.0.0.1:$((port + 1000))
}
SERVERS=(vless vmess trojan shadowsocks)
for p in "${SERVERS[@]}" socks; do
	for f in plain allow block; do way $p $f; done
done
way vless plain mux ', "mux": { "enabled": true }'
way vless allow muxallow ', "mux": { "enabled": true }'
for f in byname chained redirect renamed tls grpc all again; do way vless $f; done
cat >"$TMP/server.json" <<END
{ "log": { "loglevel": "info" },
  "inbounds": [ $(join "${ins[@]}") ],
  "routing": { "rules": [ $(join "${rules[@]}"), { "inboundTag": [ "once-more" ], "outboundTag": "plain" } ] },
  "outbounds": [ { "tag": "plain", "protocol": "freedom" },
    { "tag": "byname", "protocol": "freedom", "settings": { "domainStrategy": "UseIPv4v6" } },
    { "tag": "chained", "protocol": "freedom", "streamSettings": { "sockopt": { "dialerProxy": "all" } } },
    { "tag": "redirect", "protocol": "freedom", "settings": { "redirect": "127.0.0.1:5001" } },
    { "tag": "renamed", "protocol": "freedom", "settings": { "redirect": "loop.test:5001" } },
    { "tag": "tls", "protocol": "freedom", "streamSettings": { "security": "tls" } },
    { "tag": "grpc", "protocol": "freedom", "streamSettings": { "network": "grpc" } },
    { "tag": "all", "protocol": "freedom", "settings": { $ALLOW } },
    { "tag": "again", "protocol": "loopback", "settings": { "inboundTag": "once-more" } },
    { "tag": "allow", "protocol": "freedom", "settings": { "finalRules": [
      { "action": "block", "network": "tcp", "port": "5002" },
      { "action": "allow", "ip": [ "10.3.0.1", "fd03::1" ] } ] } },
    { "tag": "block", "protocol": "freedom", "settings": { "finalRules": [
      { "action": "block", "port": 5003, "blockDelay": 1 },
      { "action": "block", "ip": [ "$P4", "$P6" ], "blockDelay": "0" } ] } } ] }
END
cat >"$TMP/client.json" <<END
{ "log": { "loglevel": "info" }, "inbounds": [ $(join "${cins[@]}") ],
  "routing": { "rules": [ $(join "${crules[@]}") ] },
  "outbounds": [ { "protocol": "blackhole" }, $(join "${couts[@]}") ] }
END
bg "$G" culvert "$CULVERT" run -c "$TMP/server.json"
bg "$C" client "$CULVERT" run -c "$TMP/client.json"
wait_log culvert " started"
wait_log client " started"

# --- what is asked, and what must come of it
todo=() want=()
case_() { # WANT NAME tcp|udp|cone HOST PORT...
	todo+=("$2,$3,$4,$5 ${AT[$2]} ${*:3}")
	want+=("$2,$3,$4,$5 $1")
}
both() { # WANT NAME HOST
	case_ "$1" "$2" tcp "$3" 5001
	case_ "$1" "$2" udp "$3" 5001
}
answers() {
	printf '%s\n' "${todo[@]}" | on "$C" python3 "$PY" $((3 * SLOW)) >"$TMP/got"
	printf '%s\n' "${want[@]}" >"$TMP/want"
	echo "${#todo[@]} questions"
	eq "all is as it must be" "$(diff "$TMP/want" "$TMP/got")" ""
	todo=() want=()
}

# what the log says; many at a time, and some is not said
case_ silence vless-plain tcp 127.0.0.1 5001
case_ silence vless-plain tcp private.test 5001
both silence shadowsocks-plain fd03::1
case_ ended trojan-block tcp $P4 5001
answers
ended() { [ "$(grep -c "$1: blocked by final rule\$" "$TMP/culvert.log")" = 1 ]; }
for e in 'end: tcp .*-> 127.0.0.1:5001 \[vless-plain -> plain\].*' 'end: tcp .*-> private.test:5001 \[vless-plain -> plain\].*' \
	'end: udp .*-> \[fd03::1\]:5001 \[shadowsocks-plain -> plain\].*' "end: tcp .*-> $P4:5001 .*"; do
	wait_for 5 ended "$e" || fail "no such end: $e"
done
log=$(<"$TMP/culvert.log")
for e in "[plain] tcp:127.0.0.1:5001 blocked by final rule (private, from outside)" \
	"[plain] tcp:10.3.0.1:5001 blocked by final rule (private, from outside)" \
	"[plain] udp:[fd03::1]:5001 blocked by final rule (private, from outside)" \
	"[block] tcp:$P4:5001 blocked by final rule (finalRules[1])"; do
	contains "the log" "$log" "$e"
done

PRIVATE=(10.3.0.1 fd03::1 127.0.0.1 ::1 0.0.0.0 :: ::ffff:127.0.0.1 private.test private6.test loop.test localhost)
PUBLIC=($P4 $P6 ::ffff:$P4 public.test public6.test)
for p in "${SERVERS[@]}"; do
	for a in "${PRIVATE[@]}"; do both silence $p-plain $a; done
	for a in "${PUBLIC[@]}"; do both echo $p-plain $a; done
	# of a name with both kinds of address, the public one is spoken to
	both echo $p-plain both.test
	case_ 2+0 $p-plain cone $P4 5001 10.3.0.1 5001
	case_ 0+1 $p-plain cone 10.3.0.1 5001 $P4 5001
	for a in 10.3.0.1 fd03::1 private.test $P4; do both echo $p-allow $a; done
	for a in 10.3.0.2 127.0.0.1 ::1; do both silence $p-allow $a; done
	case_ silence $p-allow tcp 10.3.0.1 5002 # the first rule decides
	case_ silence $p-allow tcp $P4 5002
	for a in $P4 $P6 public.test; do
		case_ ended $p-block tcp $a 5001
		case_ silence $p-block udp $a 5001
	done
	both silence $p-block 10.3.0.1
	case_ "after 1" $p-block tcp 10.3.0.1 5003
	case_ "after 1" $p-block tcp private.test 5003
done
for a in 10.3.0.1 127.0.0.1 ::1 private.test $P4; do
	both echo socks-plain $a
done
both echo socks-allow 10.3.0.2
case_ ended socks-block tcp $P4 5001
both echo socks-block 10.3.0.1
for a in 10.3.0.1 ::1 private.test; do both silence mux $a; done
for a in $P4 $P6 public.test both.test; do both echo mux $a; done
case_ 2+0 mux cone $P4 5001 127.0.0.1 5001
both echo muxallow private.test
both silence muxallow 127.0.0.1
for a in private.test loop.test; do both silence vless-byname $a; done
both echo vless-byname both.test
# an outbound behind freedom sees no private address, nor a name that might become one
for a in 10.3.0.1 private.test loop.test; do both silence vless-chained $a; done
for a in $P4 public.test; do both echo vless-chained $a; done
both silence vless-redirect $P4
both silence vless-renamed $P4
# below TLS, and below a carrier, which has no session
for a in 127.0.0.1 loop.test; do case_ silence vless-tls tcp $a 5001; done
case_ silence vless-grpc tcp 127.0.0.1 5001
case_ ended vless-grpc tcp loop.test 5001 # the carrier's end
both silence vless-again 10.3.0.1
both echo vless-again $P4
for a in "${PRIVATE[@]}" "${PUBLIC[@]}"; do
	[[ $a = ::ffff* || $a = 0.0.0.0 || $a = :: ]] || both echo vless-all $a
done

answers
# only socks-plain and vless-all spoke to them: 6 times, and a race has two attempts
heard() { cat "$TMP/$1"{127.0.0.1,::1}.log | grep -c from=; }
le "nobody else was heard by TCP" "$(heard near)" 8
eq "nobody else was heard by UDP" "$(heard nearu)" 6
stop culvert
eq "the server ends well" "$RC" 0
stop client
eq "the client ends well" "$RC" 0
pass
