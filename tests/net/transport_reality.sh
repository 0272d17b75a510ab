#!/bin/bash
# transport_reality.sh: the REALITY client against a server of its own making
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
PY=$(dirname "$0")/reality.py
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"
net_up
make_ca
serve echo tcp-serve 5001 echo
serve source tcp-serve 5002 source -n 1000
read -r private public < <(/usr/bin/python3 "$PY" keys)
read -r _ other < <(/usr/bin/python3 "$PY" keys)
bg "$S" reality /usr/bin/python3 "$PY" pipe 8443 5001 "$private" 1234abcd
bg "$S" site openssl s_server -accept 8444 -cert "$TMP/names.crt" -key "$TMP/names.key" -quiet -www
wait_port "$S" tcp 8443
wait_port "$S" tcp 8444

reality() { # PUBLIC SHORTID [MORE]
	echo "{ \"security\": \"reality\", \"realitySettings\": { \"serverName\": \"site.test\",
		\"publicKey\": \"$1\", \"shortId\": \"$2\", \"fingerprint\": \"chrome\" ${3:-} } }"
}
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "$(door 7001 v4)" "$(door 7002 v6)" "$(door 7003 key)" \
	"$(door 7004 id)" "$(door 7005 site)" "$(door 7006 plain)") ],
  "routing": { "rules": [ $(to v4 v6 key id site plain) ] },
  "outbounds": [ $(join \
	"$(wrap_out v4 10.2.0.3:8443 "$(reality "$public" 1234abcd)")" \
	"$(wrap_out v6 [fd02::3]:8443 "$(reality "$public" 1234ABCD)")" \
	"$(wrap_out key 10.2.0.3:8443 "$(reality "$other" 1234abcd)")" \
	"$(wrap_out id 10.2.0.3:8443 "$(reality "$public" 1234)")" \
	"$(wrap_out site 10.2.0.3:8444 "$(reality "$public" 1234abcd)")" \
	"$(wrap_out plain 10.2.0.3:5002 "$(reality "$public" 1234abcd)")" ) ]
}
END
G4=10.1.0.1
for n in 1 2 3; do # the server takes another cipher suite each time
	transfers "v4, $n" $G4 7001
done
transfers "v6" fd01::1 7002
wait_log culvert "reality: TLSv1.3, alpn h2"
contains "the server knows us" "$(cat "$TMP/reality.log")" "short id 1234abcd00000000 name site.test"
refused "another public key" $G4 7003
wait_log culvert "reality: the server does not know us"
refused "another short id" $G4 7004
refused "the site itself" $G4 7005
refused "a server without TLS" $G4 7006
wait_log culvert "it does not speak TLS"
lacks "no key is logged" "$(cat "$TMP/culvert.log")" "$public"
stop culvert
eq "ends well" "$RC" 0
pass
