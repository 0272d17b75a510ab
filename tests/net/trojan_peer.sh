#!/bin/bash
# Debian's trojan as the server of a culvert and as its client (socks and forward):
# TLS, TCP and UDP, v4, v6 and names, fallback on both sides
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/transport_lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up trojan openssl curl
make_ca
serve web tcp-serve 8001 source -n 11

# trojan_conf RUN_TYPE LOCAL:PORT REMOTE:PORT MORE
trojan_conf() {
	echo "{ \"run_type\": \"$1\", \"local_addr\": \"${2%:*}\", \"local_port\": ${2##*:},
		\"remote_addr\": \"${3%:*}\", \"remote_port\": ${3##*:},
		\"password\": [ \"topsecret\" ], \"log_level\": 0 $4 }"
}

echo "-- trojan is the server"
trojan_conf server 10.2.0.3:443 127.0.0.1:8001 ", \"ssl\": { \"cert\": \"$TMP/names.crt\",
	\"key\": \"$TMP/names.key\", \"alpn\": [ \"http/1.1\" ] }" >"$TMP/server.json"
bg "$S" trojan trojan -c "$TMP/server.json"
wait_port "$S" tcp 443
tls="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
out() { # TAG PASSWORD [MORE]
	ob "$1" trojan "{ \"address\": \"10.2.0.3\", \"port\": 443, \"password\": \"$2\" }" \
		", \"streamSettings\": { $tls } ${3:-}"
}
client_conf "$(rule 1 peer), $(rule 3 wrong), { \"domain\": [ \"full:dom.test\" ], \"outboundTag\": \"peer\" }" \
	"$(out peer topsecret), $(out wrong other)"
transfers "v4" 10.3.0.1 nohalf
transfers "v6" fd03::1 nohalf
named "trojan"
for a in 10.3.0.1 fd03::1; do datagrams "$a" "$a" 1,1200,1472; done
# a wrong password makes it a web server, which is what the client then hears
o=$(on "$C" "$NT" tcp 10.3.0.3 5003 -n 10 -O -t 5)
contains "a wrong password ends in its fallback" "$o" "rx=$(sha 11)"
stop culvert
eq "culvert ends well" "$RC" 0

echo "-- trojan is the client"
pem="{ \"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] } }"
bg "$G" web2 "$NT" tcp-serve -l 127.0.0.1 8001 source -n 11
serve_culvert "{ \"listen\": \"10.1.0.1\", \"port\": 443, \"protocol\": \"trojan\",
	\"settings\": { \"clients\": [ { \"password\": \"topsecret\", \"email\": \"love@t\" } ],
		\"fallbacks\": [ { \"dest\": 8001 } ] }, \"streamSettings\": $pem }" 443
ssl="\"ssl\": { \"cert\": \"$TMP/ca.pem\", \"sni\": \"tls.test\", \"alpn\": [ \"http/1.1\" ] }"
trojan_conf client 127.0.0.1:1080 10.1.0.1:443 ", $ssl" >"$TMP/socks.json"
bg "$C" socks trojan -c "$TMP/socks.json"
# forward NAME PORT TARGET TARGETPORT
forward() {
	trojan_conf forward 127.0.0.1:"$2" 10.1.0.1:443 ", $ssl, \"udp_timeout\": 60,
		\"target_addr\": \"$3\", \"target_port\": $4" >"$TMP/$1.json"
	bg "$C" "$1" trojan -c "$TMP/$1.json"
}
forward echo4 6001 10.3.0.1 5003
forward echo6 6002 fd03::1 5003
forward name 6003 dom.test 5003
forward udp4 6004 10.3.0.1 5006
forward udp6 6005 fd03::1 5006
for p in 6001 6002 6003 6004 6005 1080; do wait_port "$C" tcp $p; done
for p in 6001 6002 6003; do
	o=$(on "$C" "$NT" tcp 127.0.0.1 $p -n $SOURCE_BYTES -w $SOURCE_BYTES)
	matches "forward $p: echo" "$o" "rx=$(sha $SOURCE_BYTES) end=(FIN|ECONNRESET)"
done
for p in 6004 6005; do
	o=$(on "$C" "$NT" udp 127.0.0.1 $p -n 1,1200,1472)
	contains "forward $p: datagrams" "$o" "ok=3 bad=0"
done
o=$(on "$C" curl -s --http0.9 -m 20 --socks5-hostname 127.0.0.1:1080 http://dom.test:5002/ | sha256sum | head -c 16)
eq "socks: download by name" "$SOURCE_BYTES:$o" "$(sha $SOURCE_BYTES)"
contains "the user is known" "$(cat "$TMP/server.log")" "email: love@t"
# whoever is no client of trojan meets a web server
o=$(printf 'GET / HTTP/1.0\r\n\r\n' | on "$C" timeout 5 openssl s_client -quiet -connect 10.1.0.1:443 \
	-servername tls.test 2>/dev/null | sha256sum | head -c 16)
eq "fallback" "11:$o" "$(sha 11)"
lacks "no secret is logged" "$(cat "$TMP/server.log")" "topsecret"
pass
