#!/bin/bash
# transport_ktls.sh: records of TLS 1.3 by the kernel (kernelTls), at one end and at
# both, each cipher; half-close, reset, tickets, new keys, cuts, broken records;
# against openssl and v2ray
# kernel: tls
# timeout: 600
# asan: no (slow where it is emulated; transport_ktls_off and the unit test run there)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/ktls_lib.sh"
for p in openssl v2ray curl; do
	command -v $p >/dev/null || skip "no $p"
done
"$ROOT/scripts/kernel-has" tls >/dev/null || skip "no TLS in this kernel"
# gate PORT TAG [TARGETPORT]: a door with an outbound of its own
gate() {
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\", \"settings\": $(fixed "${3:-5001}") }"
}
wrap() { wrap_out "$1" "$2" "$(tls_client true)"; }
DOORS=$(join "$(gate 7101 bulk 5002)" "$(gate 7102 up 5003)" "$(gate 7103 site)" \
	"$(gate 7104 cut)" "$(gate 7105 flip)" "$(gate 7106 keys)" "$(gate 7107 slow)" "$(gate 7108 v2ray)")
RULES=$(to bulk up site cut flip keys slow v2ray)
OUTS=$(join "$(client_of bulk vless 10.2.0.3 9001 true)" "$(client_of up trojan 10.2.0.3 9002 true)" \
	"$(wrap site 10.2.0.3:8443)" "$(wrap cut 10.2.0.3:8501)" "$(wrap flip 10.2.0.3:8502)" \
	"$(wrap keys 10.2.0.3:8444)" "$(client_of slow vless 10.2.0.3 8503 true)" \
	"$(client_of v2ray vless 10.2.0.3 9101 true)")
ktls_up
# Another key is taken from Linux 6.14 on
follows() { uname -r | awk -F. '{ exit !($1 > 6 || ($1 == 6 && $2 >= 14)) }'; }

# --- culvert and culvert -------------------------------------------------------

ktls_cells
for ns in "$G" "$S"; do
	for n in TlsTxSw TlsRxSw; do
		# small ones may be over before it has them
		le "the large flow of each cell by the kernel of $ns: $n" 11 "$(ktls_stat "$ns" $n)"
	done
	eq "$ns: all did decrypt" "$(ktls_stat "$ns" TlsDecryptError)" 0
done
for n in culvert server; do way $n 1048576 1048576 splice; done
out=$(on "$C" "$NT" tcp $G4 7101 -n 1000 -O -t 60)
contains "download by splice" "$out" "rx=$(sha "$BULK") end=FIN"
for n in culvert server; do way $n 1000 "$BULK" '[a-z]+' splice; done
out=$(on "$C" "$NT" tcp $G4 7102 -n "$BULK" -P -t 60 2>/dev/null)
contains "upload by splice" "$out" "$(sha "$BULK")"
for n in culvert server; do way $n "$BULK" '[0-9]+' splice '[a-z]+'; done
out=$(on "$C" "$NT" tcp $G4 7001 -n 1048576 -r 1000000 -t 60)
contains "a slow reader" "$out" "rx=$(sha 1048576) end=FIN"
before=$(grep -c end=ECONNRESET "$TMP/echo.log")
on "$C" "$NT" tcp $G4 7001 -n 300000 -R -t 20 >/dev/null
resets() { [ "$(grep -c end=ECONNRESET "$TMP/echo.log")" -gt "$before" ]; }
ok "a reset is passed on" wait_for 10 resets

# --- a network that cuts and breaks ----------------------------------------------

while read -r port mode target after; do
	bg "$S" "$mode" /usr/bin/python3 "$ROOT/tests/net/mangle.py" "$port" 10.2.0.3 "$target" "$mode" "$after"
	wait_port "$S" tcp "$port"
done <<'END'
8501 cut 9013 300000
8502 flip 9013 300000
8503 slow 9001 200000
END
on "$C" "$NT" tcp-hold $G4 7001 -n 5 -d 10000 >"$TMP/hold.log" 2>&1 &
hold=$!
wait_for 20 grep -q open=5 "$TMP/hold.log" || fail "five flows do not open"
out=$(on "$C" "$NT" tcp $G4 7104 -n 1048576 -t 20)
contains "a cut is shown as one" "$out" "end=ECONNRESET"
wait_log culvert "tls: the connection ended without close_notify"
out=$(on "$C" "$NT" tcp $G4 7105 -n 1048576 -t 20)
contains "a broken record ends its flow" "$out" "end=ECONNRESET"
wait_log culvert "tls: a record that does not decrypt"
le "the kernel has seen it" 1 "$(ktls_stat "$G" TlsDecryptError)"
wait $hold
contains "others go on" "$(<"$TMP/hold.log")" "alive=5"
out=$(on "$C" "$NT" tcp $G4 7107 -n 300000 -t 60)
contains "records in pieces of 100 bytes" "$out" "rx=$(sha 300000) end=FIN"

# --- openssl: tickets, suites, new keys -------------------------------------------

make_www
site 8443 -num_tickets 3
on "$C" curl -sS --max-time 60 -o "$TMP/got" "http://$G4:7103/file" || fail "curl"
ok "6 MB of s_server, behind tickets" cmp "$TMP/got" "$TMP/www/file"
# client OPTION... <LINES: s_client at culvert's listener, which has an echo behind it
client() {
	on "$S" timeout 20 openssl s_client -connect 10.2.0.3:9003 -CAfile "$TMP/ca.pem" "$@" 2>&1
}
heard() { grep -q "^$1" "$TMP/said.log"; }
said() { # WORD OPTION...
	: >"$TMP/said.log"
	{ echo "$1"; wait_for 10 heard "$1"; } | client "${@:2}" >"$TMP/said.log"
	cat "$TMP/said.log"
}
for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
	contains "s_client, $suite" "$(said "hello $suite" -ciphersuites $suite)" $'\n'"hello $suite"
done
contains "TLS 1.2 is not the kernel's" "$(said hello -tls1_2)" $'\nhello'

# A new key of the other side: it is followed, or ends that flow, and the log says why
WHY="took a new key, which this kernel cannot follow (Linux 6.14 can)"
new_key() { # COMMAND LOG: before it, and behind it
	echo before
	wait_for 10 grep -q ^before "$2"
	for l in "$1" behind; do
		echo "$l"
		sleep "$SLOW"
	done
}
told() { [ "$(grep -cF "$WHY" "$TMP/server.log")" -gt "$1" ]; }
for k in K k; do
	before=$(grep -cF "$WHY" "$TMP/server.log")
	: >"$TMP/said.log"
	new_key $k "$TMP/said.log" | client >"$TMP/said.log"
	out=$(<"$TMP/said.log")
	contains "$k: what came before has passed" "$out" $'\nbefore'
	if follows; then
		contains "$k: it goes on" "$out" $'\nbehind'
	else
		lacks "$k: nothing behind it" "$out" $'\nbehind'
		ok "$k: the log says why" wait_for 5 told "$before"
	fi
done
# the same at the client
mkfifo "$TMP/keys.in"
bg "$S" keys bash -c 'exec openssl s_server -cert "$1.crt" -key "$1.key" -accept 8444 <"$2"' \
	sh "$TMP/names" "$TMP/keys.in"
exec 7>"$TMP/keys.in"
wait_port "$S" tcp 8444
on "$C" "$NT" tcp $G4 7106 -m hello -O -t 20 -P >"$TMP/asked.log" 2>&1 &
asked=$!
wait_log keys hello
new_key K "$TMP/asked.log" >&7
if follows; then
	wait_log asked behind
	stop keys
	wait $asked
else
	wait $asked
	contains "what came before the key has passed" "$(<"$TMP/asked.log")" before
	lacks "nothing behind it" "$(<"$TMP/asked.log")" behind
	contains "the client's log says why" "$(<"$TMP/culvert.log")" "$WHY"
fi
exec 7>&-

# --- v2ray -------------------------------------------------------------------------

cat >"$TMP/v2ray.json" <<END
{ "inbounds": [ { "listen": "10.2.0.3", "port": 9101, "protocol": "vless",
    "settings": { "clients": [ { "id": "$ID" } ], "decryption": "none" },
    "streamSettings": { "network": "tcp", "security": "tls", "tlsSettings": { "certificates": [
      { "certificateFile": "$TMP/names.crt", "keyFile": "$TMP/names.key" } ] } } },
  { "listen": "10.2.0.3", "port": 9102, "protocol": "dokodemo-door", "tag": "d",
    "settings": { "address": "10.3.0.1", "port": 5001, "network": "tcp" } } ],
  "outbounds": [ { "protocol": "freedom" }, { "tag": "t", "protocol": "trojan",
    "settings": { "servers": [ { "address": "10.2.0.3", "port": 9002, "password": "secret" } ] },
    "streamSettings": { "network": "tcp", "security": "tls",
      "tlsSettings": { "serverName": "tls.test", "allowInsecure": true } } } ],
  "routing": { "rules": [ { "type": "field", "inboundTag": [ "d" ], "outboundTag": "t" } ] } }
END
bg "$S" v2ray v2ray -config "$TMP/v2ray.json"
wait_port "$S" tcp 9102
for n in 1400 1048576; do
	out=$(on "$C" "$NT" tcp $G4 7108 -n $n -t 60 -w $n)
	contains "v2ray serves: echo of $n" "$out" "rx=$(sha $n)"
	out=$(on "$C" "$NT" tcp 10.2.0.3 9102 -n $n -t 60 -w $n)
	contains "v2ray asks: echo of $n" "$out" "rx=$(sha $n)"
done

# --- the end -----------------------------------------------------------------------

lacks "no secret is logged" "$(<"$TMP/culvert.log")" "$ID"
stop culvert
eq "ends well" "$RC" 0
stop server
eq "the server, too" "$RC" 0
none_left() {
	local n
	for n in TlsCurrTxSw TlsCurrRxSw; do
		[ "$(ktls_stat "$1" $n)" = 0 ] || return 1
	done
}
for ns in "$G" "$S"; do ok "$ns: none is left" wait_for 10 none_left "$ns"; done
pass
