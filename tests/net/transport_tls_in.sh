#!/bin/bash
# transport_tls_in.sh: the TLS server: names, ALPN, versions, changed files,
# clients that are none; what an idle connection costs
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
net_up
serve echo tcp-serve 5001 echo
make_ca
make_cert second DNS:second.test
cert() { echo "{ \"certificateFile\": \"$TMP/$1.crt\", \"keyFile\": \"$TMP/$1.key\" }"; }
server() {
	echo "{ \"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ $(cert names), $(cert second) ] ${1:-} } }"
}
client="{ \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] } }"
start_in <<END
{
  "log": { "loglevel": "info" },
  "inbounds": [ $(join "$(door 8001 a "$(server)")" \
	"$(door 8002 b "$(server ', "rejectUnknownSni": true, "alpn": "h2"')")" \
	"$(door 8003 c "$(server ', "minVersion": "1.3", "enableSessionResumption": true')")" \
	"$(door 7001 d)") ],
  "routing": { "rules": [ $(to d) ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(wrap_out d 10.2.0.1:8001 "$client") ]
}
END
# s PORT OPTION...: what s_client says
s() {
	local port=$1
	shift
	echo | on "$S" timeout 10 openssl s_client -connect "10.2.0.1:$port" \
		-CAfile "$TMP/ca.pem" "$@" 2>&1
}
transfers "culvert to culvert" 10.1.0.1 7001
out=$(s 8001 -servername second.test)
contains "certificate by name" "$out" "subject=CN = second"
contains "chain" "$out" "Verify return code: 0 (ok)"
contains "no name in common: the first" "$(s 8001 -servername other.test)" "subject=CN = names"
contains "wildcard" "$(s 8001 -servername a.wild.test)" "subject=CN = names"
contains "no name: the first" "$(s 8001 -noservername)" "subject=CN = names"
contains "unknown name refused" "$(s 8002 -servername other.test)" "unrecognized name"
out=$(s 8002 -servername second.test -alpn http/1.1,h2)
contains "alpn" "$out" "ALPN protocol: h2"
contains "no alpn in common" "$(s 8002 -servername second.test -alpn foo)" "no application protocol"
contains "too old" "$(s 8003 -tls1_2)" "protocol version"
out=$(s 8001 -servername tls.test)
contains "TLS 1.3" "$out" "New, TLSv1.3"
lacks "no tickets" "$out" "TLS session ticket"
{ echo hello; sleep 1; } | on "$S" timeout 10 openssl s_client -connect 10.2.0.1:8003 \
	-sess_out "$TMP/sess" -servername tls.test >"$TMP/ticket.log" 2>&1
out=$(s 8003 -servername tls.test -sess_in "$TMP/sess")
contains "resumed" "$out" "Reused, TLSv1.3"

# not TLS at all: it ends, and nothing else happens
out=$(on "$C" "$NT" tcp 10.1.0.1 8001 -n 100 -t 5)
matches "no TLS" "$out" "end=(ECONNRESET|FIN)"
wait_log culvert "handshake with the client: it does not speak TLS"

# changed files: the new certificate without a restart, the old one on errors
cp "$TMP/second.crt" "$TMP/keep.crt"; cp "$TMP/second.key" "$TMP/keep.key"
make_cert second "DNS:second.test,DNS:third.test"
sleep 6
s 8001 -servername second.test >"$TMP/first.log"
wait_log culvert "tls: certificates reloaded"
contains "new name" "$(s 8001 -servername third.test)" "subject=CN = second"
echo nonsense >"$TMP/second.crt"
sleep 6
s 8001 -servername second.test >"$TMP/first.log"
wait_log culvert "tls: the old certificate stays: $TMP/second.crt: certificate: no such PEM block"
contains "the old one serves" "$(s 8001 -servername third.test)" "subject=CN = second"

# an idle flow through the client and the server, both here: two connections
before=$(rss culvert)
on "$C" "$NT" tcp-hold 10.1.0.1 7001 -n 500 -d 9000 >"$TMP/hold.log" 2>&1 &
hold=$!
wait_for 20 grep -q open=500 "$TMP/hold.log" || fail "500 flows do not open"
sleep 6 # the worker tidies up when things have calmed down
each=$((($(rss culvert) - before) * 1024 / 1000))
echo "an idle TLS connection: $each bytes with its session"
[ "${CULVERT_VARIANT:-release}" != release ] || le "bytes of an idle TLS connection" "$each" 25600
wait $hold
contains "all alive" "$(cat "$TMP/hold.log")" "alive=500"
stop culvert
eq "ends well" "$RC" 0
pass
