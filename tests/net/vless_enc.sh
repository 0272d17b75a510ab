#!/bin/bash
# vless_enc.sh: VLESS encryption, culvert at both ends: each mode with and without
# tickets, bare, muxed and over WebSocket in TLS; a server that forgot its tickets, wrong
# keys, a hello that comes again.
# timeout: 240
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up
LEVEL=debug
plan own vlessn0,vlessn1,vlessp0,vlessp1,vlessr0,vlessr1 raw
OWNINS=("${INS[@]}")
plan own vlessn0,vlessr0 wss bare
INS+=("${OWNINS[@]}")
serve_all own 10 "$CULVERT" run -c
served own
# the same server with another key, or another mode
wrong() { # TAG SED
	reach "$1"
	obs+=("$(ob "$1" vless "$(server vlessr1 "${AT[own-vlessr1-raw]}" | sed "$2")")")
}
wrong wrong-key "s/\"encryption\": \"mlkem768x25519plus.random.1rtt.[^\"]*/\"encryption\": \"$(encryption vlessr1 |
	sed "s/[^.]*\$/$("$CULVERT" mlkem768 | sed -n 's/^Client: //p')/")/"
wrong wrong-mode s/random/native/
wrong no-encryption 's/"encryption": "[^"]*/"encryption": "none/'
run_cells '^own'
lacks "no handshake went wrong" "$(<"$TMP/own.log")" "vless encryption: "
for f in -4 -6; do ip -n "$G" $f rule del pref 77; done
client_conf "$(join "${rules[@]}")" "$(join "${obs[@]}")"
for t in wrong-key wrong-mode no-encryption; do
	i=$(printf '%s\n' "${tags[@]}" | grep -nx "$t" | cut -d: -f1)
	ended "$t" "10.4.0.$i" 8000
done
eq "the server says so" "$(grep -c "vless encryption: a client without the key" "$TMP/own.log")" 2

# the server starts anew: the first flow of a ticket it does not know fails, the next
# one makes a new handshake
i=$(printf '%s\n' "${tags[@]}" | grep -nx own-vlessr0-raw-bare | cut -d: -f1)
out=$(on "$C" "$NT" tcp "10.4.0.$i" 5003 -n "$N")
contains "before it" "$out" "rx=$SHA end=FIN"
stop own
bg "$S" again "$CULVERT" run -c "$TMP/own.json"
wait_port "$S" tcp "${LAST[own]}"
ended "a forgotten ticket" "10.4.0.$i" 8000
contains "the client knows why" "$(<"$TMP/culvert.log")" "the server knows our ticket no more"
out=$(on "$C" "$NT" tcp "10.4.0.$i" 5003 -n "$N")
contains "a new handshake" "$out" "rx=$SHA end=FIN"

# what was said with a ticket, said again: nothing comes of it
cat >"$TMP/again.py" <<-'END'
	import socket, sys, threading
	port, to, keep = int(sys.argv[1]), int(sys.argv[2]), []
	l = socket.create_server(("10.2.0.4", port)); print("ready", flush=True)
	def move(a, b, seen=None):
	    while (d := a.recv(65536)):
	        if seen is not None: seen.append(d)
	        b.sendall(d)
	    b.shutdown(socket.SHUT_WR)
	while True:
	    c, _ = l.accept(); s = socket.create_connection(("10.2.0.3", to)); seen = []
	    t = threading.Thread(target=move, args=(s, c)); t.start()
	    move(c, s, seen); t.join(); keep.append(b"".join(seen))
	    if len(keep) == 2:
	        for said in (keep[1], keep[1][:200], keep[0]):
	            r = socket.create_connection(("10.2.0.3", to)); r.settimeout(8)
	            r.sendall(said)
	            try: got = sum(iter(lambda: len(r.recv(65536)), 0))
	            except (ConnectionError, TimeoutError) as e: got = type(e).__name__
	            print("again:", len(said), got, flush=True)
END
bg "$S" relay python3 "$TMP/again.py" 8765 "${AT[own-vlessn0-raw]}"
wait_log relay ready
cat >"$TMP/door.json" <<-END
{ "inbounds": [ $(door 7001 10.3.0.1 5003 tcp) ], "outbounds": [ $(ob o vless "$(server vlessn0 8765 | sed s/10.2.0.3/10.2.0.4/)") ] }
END
bg "$S" door "$CULVERT" run -c "$TMP/door.json"
wait_port "$S" tcp 7001
for i in 1 2; do
	before=$(grep -c . "$TMP/echo.log")
	out=$(on "$S" "$NT" tcp 127.0.0.1 7001 -n 3000)
	contains "by the relay, $i" "$out" "rx=$(sha 3000) end=FIN"
done
flows() { grep -c ' accepted tcp:10.3.0.1:5003' "$TMP/again.log"; }
flows=$(flows)
wait_for 30 eval '[ $(grep -c "^again:" "$TMP/relay.log") = 3 ]'
contains "a hello that comes again is swallowed" "$(<"$TMP/again.log")" "vless encryption: a hello that came before"
eq "no flow comes of it" "$(flows)" "$flows"
lacks "not a byte is said" "$(grep ^again: "$TMP/relay.log" | head -n 2)" "0 [1-9]"
lacks "no secret is logged" "$(cat "$TMP"/{culvert,own,again}.log)" "$REALITY_KEY"
pass
