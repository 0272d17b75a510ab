#!/bin/bash
# transport_tls.sh: TLS client against haproxy, nginx, socat and s_server; the
# server against s_client, haproxy and culvert itself; certificates that do not fit
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in haproxy socat openssl; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
serve source tcp-serve 5002 source -n 1000
make_ca
make_cert other DNS:other.test
cat "$TMP/names.pem" "$TMP/ca.pem" >"$TMP/chain.pem" # says its CA, too
make_cert gone DNS:tls.test -days -1
NEWKEY=rsa:2048 make_cert rsa IP:10.2.0.3
NEWKEY=ed25519 make_cert ed IP:10.2.0.3

# haproxy: 1.3 on 8443, 1.2 on 8442, wrong name on 8444; pass on to the echo
cat >"$TMP/haproxy.cfg" <<END
defaults
	mode tcp
	timeout connect 5s
	timeout client 20s
	timeout server 20s
	default_backend echo
frontend t13
	bind 10.2.0.3:8443 ssl crt $TMP/names.pem alpn h2,http/1.1
	bind fd02::3:8443 ssl crt $TMP/names.pem alpn h2,http/1.1
	bind 10.2.0.3:8442 ssl crt $TMP/names.pem ssl-max-ver TLSv1.2
	bind 10.2.0.3:8444 ssl crt $TMP/other.pem
	bind 10.2.0.3:8447 ssl crt $TMP/gone.pem
	bind 10.2.0.3:8448 ssl crt $TMP/chain.pem
	bind 10.2.0.3:8445 ssl crt $TMP/names.pem verify required ca-file $TMP/ca.pem
frontend rsa
	bind 10.2.0.3:8458 ssl crt $TMP/rsa.pem
	bind 10.2.0.3:8459 ssl crt $TMP/ed.pem
backend echo
	server s 127.0.0.1:5001
END
bg "$S" haproxy haproxy -db -f "$TMP/haproxy.cfg"
wait_port "$S" tcp 8445
bg "$S" socat socat "OPENSSL-LISTEN:8446,fork,reuseaddr,cert=$TMP/names.pem,verify=0" TCP:127.0.0.1:5001
wait_port "$S" tcp 8446

tls() {
	echo "{ \"security\": \"tls\", \"tlsSettings\": { \"disableSystemRoot\": true,
		\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ${2:-} ] ${1:-} } }"
}
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "$(door 7001 t13)" "$(door 7002 t12)" "$(door 7003 v6)" \
	"$(door 7004 wrong)" "$(door 7005 pinned)" "$(door 7006 byname)" \
	"$(door 7007 unknown)" "$(door 7008 badpin)" "$(door 7009 capin)" "$(door 7027 capin2)" "$(door 7028 capin3)" \
	"$(door 7010 socat)" "$(door 7011 plain)" "$(door 7012 mutual)" \
	"$(door 7013 nocert)" "$(door 7014 suites)" "$(door 7015 resume)" "$(door 7016 gone)" \
	"$(door 7017 rsa)" "$(door 7018 ed)") ],
  "routing": { "rules": [ $(to t13 t12 v6 wrong pinned byname unknown badpin \
	capin socat plain mutual nocert suites resume gone rsa ed capin2 capin3) ] },
  "outbounds": [ $(join \
	"$(wrap_out t13 10.2.0.3:8443 "$(tls)")" \
	"$(wrap_out t12 10.2.0.3:8442 "$(tls ', "serverName": "a.wild.test", "maxVersion": "1.2"')")" \
	"$(wrap_out v6 [fd02::3]:8443 "$(tls)")" \
	"$(wrap_out wrong 10.2.0.3:8444 "$(tls ', "serverName": "tls.test"')")" \
	"$(wrap_out pinned 10.2.0.3:8444 "{ \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"pinnedPeerCertSha256\": \"$(pin other)\" } }")" \
	"$(wrap_out byname 10.2.0.3:8444 "$(tls ', "verifyPeerCertByName": "x.test,other.test"')")" \
	"$(wrap_out unknown 10.2.0.3:8443 '{ "security": "tls" }')" \
	"$(wrap_out badpin 10.2.0.3:8443 "{ \"security\": \"tls\", \"tlsSettings\": { \"pinnedPeerCertSha256\": \"$(pin other)\" } }")" \
	"$(wrap_out capin 10.2.0.3:8443 "{ \"security\": \"tls\", \"tlsSettings\": { \"pinnedPeerCertSha256\": \"$(openssl x509 -in "$TMP/ca.pem" -outform DER | sha256sum | cut -d' ' -f1)\" } }")" \
	"$(wrap_out capin2 10.2.0.3:8448 "{ \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"pinnedPeerCertSha256\": \"$(openssl x509 -in "$TMP/ca.pem" -outform DER | sha256sum | cut -d' ' -f1)\" } }")" \
	"$(wrap_out capin3 10.2.0.3:8448 "{ \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"wrong.test\", \"pinnedPeerCertSha256\": \"$(openssl x509 -in "$TMP/ca.pem" -outform DER | sha256sum | cut -d' ' -f1)\" } }")" \
	"$(wrap_out socat 10.2.0.3:8446 "$(tls)")" \
	"$(wrap_out plain 10.2.0.3:5002 "$(tls)")" \
	"$(wrap_out mutual 10.2.0.3:8445 "$(tls '' ", { \"certificateFile\": \"$TMP/other.crt\", \"keyFile\": \"$TMP/other.key\" }")")" \
	"$(wrap_out nocert 10.2.0.3:8445 "$(tls)")" \
	"$(wrap_out suites 10.2.0.3:8443 "$(tls ', "maxVersion": "1.2", "cipherSuites": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "curvePreferences": ["curvep384", "curvep256"]')")" \
	"$(wrap_out gone 10.2.0.3:8447 "$(tls ', "serverName": "tls.test"')")" \
	"$(wrap_out rsa 10.2.0.3:8458 "$(tls)")" \
	"$(wrap_out ed 10.2.0.3:8459 "$(tls)")" \
	"$(wrap_out resume 10.2.0.3:8443 "$(tls ', "serverName": "tls.test", "enableSessionResumption": true')")" ) ]
}
END
G4=10.1.0.1
transfers "TLS 1.3" $G4 7001
wait_log culvert "tls: TLSv1.3 TLS_AES_"
transfers "TLS 1.2, wildcard" $G4 7002
wait_log culvert "tls: TLSv1.2 ECDHE-ECDSA-AES"
transfers "IPv6, certificate of an address" fd01::1 7003
transfers "pinned, whatever the name" $G4 7005
transfers "CA pinned, and in the chain sent" $G4 7027
transfers "another name is meant" $G4 7006
transfers "socat" $G4 7010
transfers "client certificate" $G4 7012
transfers "RSA certificate" $G4 7017
transfers "Ed25519 certificate" $G4 7018
transfers "one suite, one curve" $G4 7014
wait_log culvert "tls: TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305"
transfers "resumption" $G4 7015
wait_log culvert ", resumed"

refused "wrong name" $G4 7004
wait_log culvert "tls: tls.test: certificate is for other.test"
refused "expired" $G4 7016
wait_log culvert "tls: tls.test: certificate expired on "
refused "unknown CA" $G4 7007
wait_log culvert "certificate of an unknown CA (its pinnedPeerCertSha256 would be $(pin names))"
refused "not the pinned one" $G4 7008
wait_log culvert "certificate is not the pinned one but $(pin names)"
refused "a server without TLS" $G4 7011
wait_log culvert "it does not speak TLS"
refused "no client certificate" $G4 7013
refused "CA not in the chain sent" $G4 7009
refused "CA pinned, wrong name" $G4 7028
stop culvert
eq "ends well" "$RC" 0
pass
