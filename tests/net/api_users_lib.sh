# shellcheck shell=bash
# api_users_lib.sh: users of a running culvert by an API client `api COMMAND ARG...`
# with xray's commands; after api_lib.sh and api_up

# refused NAME PORT: 12 connections, so that each worker has some: none gets through
refused() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		bg "$C" "try$i" "$NT" tcp 127.0.0.1 "$2" -n 100 -t 1
	done
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		wait "${PID[try$i]}"
		unset "PID[try$i]"
		contains "$1: it ended" "$(<"$TMP/try$i.log")" "end="
		lacks "$1" "$(<"$TMP/try$i.log")" "end=FIN"
	done
}

# welcome NAME PORT: the same, and all do
welcome() {
	local i before
	before=$(grep -c "rx=$(sha 555)" "$TMP/sink.log")
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		on "$C" "$NT" tcp 127.0.0.1 "$2" -n 555 -t 5 >/dev/null
	done
	wait_for 5 sunk_n 555 $((before + 12)) || fail "$1: not all come through"
	ASSERTS=$((ASSERTS + 1))
}

# user FILE TAG PROTOCOL SETTINGS
user() { echo "{ \"inbounds\": [ { \"tag\": \"$2\", \"port\": 1, \"protocol\": \"$3\", \"settings\": $4 } ] }" >"$TMP/$1.json"; }

users_come_and_go() {
	local got
	user vl vl-in vless "{ \"clients\": [ { \"id\": \"$NEWID\", \"email\": \"new@x\" } ], \"decryption\": \"none\" }"
	user vm vm-in vmess "{ \"clients\": [ { \"id\": \"$NEWID\", \"email\": \"new@x\" } ] }"
	user tr tr-in trojan '{ "clients": [ { "password": "new-secret", "email": "new@x" } ] }'
	user ss ss-in shadowsocks '{ "clients": [ { "method": "aes-128-gcm", "password": "new-secret", "email": "new@x" } ] }'
	user s2 s2-in shadowsocks '{ "method": "2022-blake3-aes-128-gcm", "password": "AAAAAAAAAAAAAAAAAAAAAA==", "clients": [ { "password": "AAAAAAAAAAAAAAAAAAAAAg==", "email": "new@x" } ] }'
	refused "vless: nobody yet" 6007
	got=$(api adu "$TMP/vl.json" "$TMP/vm.json" "$TMP/tr.json" "$TMP/ss.json" "$TMP/s2.json")
	contains "users are added" "$got" "Added 5 user(s) in total."
	welcome "vless: the new user, at once, on all workers" 6007
	welcome "vmess's" 6008
	welcome "trojan's" 6009
	welcome "who was there before stays" 6001
	eq "he is counted, by whatever way he comes" "$(counter 'user>>>new@x>>>traffic>>>uplink')" $((36 * 555))
	got=$(api adu "$TMP/vl.json")
	contains "not twice" "$got" "User new@x already exists."
	contains "nobody is added then" "$got" "Added 0 user(s) in total."
	user rv vl-in vless "{ \"clients\": [ { \"id\": \"$ID\", \"email\": \"rev@x\", \"reverse\": { \"tag\": \"home\" } } ], \"decryption\": \"none\" }"
	contains "reverse is told, and refused" "$(api adu "$TMP/rv.json")" '"reverse" makes an outbound'
	got=$(api inbounduser -tag=vl-in -email=new@x)
	contains "he is shown" "$got" "$NEWID"
	got=$(api inbounduser -tag=s2-in)
	contains "all are" "$got" "fay@x"
	contains "the new one, too" "$got" "AAAAAAAAAAAAAAAAAAAAAg=="
	contains "they are counted" "$(api inboundusercount -tag=vl-in)" '"count": 2'
	contains "an inbound without users" "$(api inboundusercount -tag=api)" "not a UserManager"
	contains "no such inbound" "$(api inboundusercount -tag=nope)" "failed to get handler: nope"

	# a flow of his goes on when he is removed, as in Xray; new ones are refused
	bg "$C" held "$NT" tcp 127.0.0.1 6032 -n 1000 -C 500 -d 30000 -t 60
	wait_for 5 online_is 1 new@x || fail "he is not online: $(api statsonline -email new@x)"
	contains "from where" "$(api statsonlineiplist -email new@x)" '"10.1.0.2"'
	contains "among all" "$(api statsgetallonlineusers)" 'user>>>new@x>>>online'
	got=$(api rmu -tag=vl-in new@x)
	contains "he is removed" "$got" "Removed 1 user(s) in total."
	refused "vless: not any more" 6007
	welcome "vless: the others stay" 6001
	welcome "his account elsewhere stays" 6009
	eq "his flow goes on" "$(api statsonline -email new@x | tr -dc 0-9)" 1
	stop held TERM quiet
	wait_for 8 online_is "" new@x || fail "he stays online: $(api statsonline -email new@x)"
	contains "not twice, either" "$(api rmu -tag=vl-in new@x)" "User new@x not found."
	got=$(api rmu -tag=tr-in new@x bob@x)
	contains "two at a time" "$got" "Removed 2 user(s) in total."
	refused "trojan: nobody is left" 6002
	contains "one comes again" "$(api adu "$TMP/tr.json")" "Added 1 user(s)"
	welcome "trojan: from nobody to one" 6009
	api rmu -tag=ss-in new@x dan@x >/dev/null
	api rmu -tag=s2-in new@x fay@x >/dev/null
	refused "shadowsocks without a user" 6004
	refused "2022 the same" 6006
	out=$(on "$C" "$NT" udp 127.0.0.1 6021 -n 100 -t 1)
	contains "the process is well" "$out" "ok=1"
	eq "none of ss-in" "$(api inboundusercount -tag=ss-in | tr -dc 0-9)" ""
	kill -HUP "${PID[server]}"
	wait_log server "generation 2 is in force"
	welcome "a reload brings the configuration's users back" 6004
	refused "and only these" 6007
	lacks "no secret is logged" "$(cat "$TMP/server.log")" "new-secret"
}
online_is() { [ "$(api statsonline -email "$2" | grep -o '"value": [0-9]*' | tr -dc 0-9)" = "$1" ]; }
