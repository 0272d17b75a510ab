#!/bin/bash
# transport_tls_more.sh: OCSP answers fetched and served, client certificates
# demanded, a key log, and flows that live while a certificate changes
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in openssl socat; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
make_ca
make_cert user DNS:user.test

# stapled NAME PORT: a certificate whose authority answers at 10.2.0.3:PORT, the
# issuer in its chain unless NAME is "alone"
stapled() {
	make_cert "$1" "DNS:$1.test
authorityInfoAccess=OCSP;URI:http://10.2.0.3:$2/ocsp,caIssuers;URI:http://10.2.0.3:$3/ca.der"
	[ "$1" = alone ] || cat "$TMP/ca.pem" >>"$TMP/$1.crt"
	printf 'V\t400101000000Z\t\t%s\tunknown\t/CN=%s\n' \
		"$(openssl x509 -in "$TMP/$1.crt" -noout -serial | cut -d= -f2)" "$1" >>"$TMP/index.txt"
}
stapled chain 8888 8889
stapled alone 8888 8889
stapled lost 8887 8889
openssl x509 -in "$TMP/ca.pem" -outform DER -out "$TMP/ca.der"
bg "$S" ocsp openssl ocsp -index "$TMP/index.txt" -port 8888 -rsigner "$TMP/ca.pem" \
	-rkey "$TMP/ca.key" -CA "$TMP/ca.pem" -ndays 1
{ printf 'HTTP/1.0 200 OK\r\n\r\n'; cat "$TMP/ca.der"; } >"$TMP/ca.http"
bg "$S" issuer socat TCP-LISTEN:8889,fork,reuseaddr SYSTEM:"read l; cat $TMP/ca.http"
wait_port "$S" tcp 8888
wait_port "$S" tcp 8889
cert() { echo "{ \"certificateFile\": \"$TMP/$1.crt\", \"keyFile\": \"$TMP/$1.key\" ${2:-} }"; }
server() { echo "{ \"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ $1 ] ${2:-} } }"; }
client() {
	echo "{ \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"$1\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ${2:+, $2} ] } }"
}
ca="{ \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" }"
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "$(door 8001 a "$(server "$(cert chain ', "ocspStapling": 3600'), $(cert alone ', "ocspStapling": 3600'), $(cert lost ', "ocspStapling": 3600')")")" \
	"$(door 8002 b "$(server "$(cert names), $ca" ", \"verifyClientCertificate\": true, \"masterKeyLog\": \"$TMP/keys.log\"")")" \
	"$(door 7001 d)" "$(door 7002 e)") ],
  "routing": { "rules": [ $(to d e) ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join \
	"$(wrap_out d 10.2.0.1:8002 "$(client tls.test "$(cert user)")")" \
	"$(wrap_out e 10.2.0.1:8002 "$(client tls.test)")") ]
}
END
s() { # s PORT OPTION...: what s_client says
	local port=$1
	shift
	echo | on "$S" timeout 10 openssl s_client -connect "10.2.0.1:$port" \
		-CAfile "$TMP/ca.pem" "$@" 2>&1
}
# The first client may go without; its coming is what makes the server ask
s 8001 -servername chain.test -status >"$TMP/first.log"
wait_log culvert "tls: OCSP answer fetched"
out=$(s 8001 -servername chain.test -status)
contains "stapled" "$out" "OCSP Response Status: successful"
contains "good" "$out" "Cert Status: good"
s 8001 -servername alone.test -status >"$TMP/second.log"
wait_for 10 eval '[ "$(grep -c "OCSP answer fetched" "$TMP/culvert.log")" = 2 ]' ||
	fail "no answer for a certificate without its issuer"
contains "issuer fetched" "$(s 8001 -servername alone.test -status)" "Cert Status: good"
s 8001 -servername lost.test -status >"$TMP/third.log"
wait_log culvert "tls: no OCSP answer: Connection refused"
contains "serves without" "$(s 8001 -servername lost.test -status)" "OCSP response: no response sent"

transfers "client certificate" 10.1.0.1 7001
refused "no client certificate" 10.1.0.1 7002
wait_log culvert "handshake with the client: peer did not return a certificate"
contains "key log" "$(cat "$TMP/keys.log")" "CLIENT_TRAFFIC_SECRET_0 "
eq "key log is for its owner" "$(stat -c %a "$TMP/keys.log")" 600

# a flow lives while the certificate under it is exchanged
on "$C" "$NT" tcp-hold 10.1.0.1 7001 -n 5 -d 9000 >"$TMP/hold.log" 2>&1 &
hold=$!
wait_for 20 grep -q open=5 "$TMP/hold.log" || fail "flows do not open"
make_cert names "DNS:tls.test,DNS:new.test"
sleep 5.5
transfers "after the exchange" 10.1.0.1 7001
wait_log culvert "tls: certificates reloaded"
contains "new one" "$(s 8002 -servername new.test 2>&1 | openssl x509 -noout -text)" "new.test"
wait $hold
contains "flows of before live" "$(cat "$TMP/hold.log")" "alive=5"
stop culvert
eq "ends well" "$RC" 0
pass
