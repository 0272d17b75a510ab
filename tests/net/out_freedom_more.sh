#!/bin/bash
# out_freedom_more.sh: freedom's fragment, noises and finalRules; sendThrough by
# origin, srcip and prefix
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in openssl python3; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
PY=$(dirname "$0")/out_freedom_more.py
serve echo tcp-serve 5001 echo
make_ca
bg "$S" tls openssl s_server -accept 4433 -cert "$TMP/names.crt" -key "$TMP/names.key" -rev -quiet
bg "$S" reads python3 "$PY" tcp 4434
bg "$S" noise python3 "$PY" udp 4435
wait_port "$S" tcp 4433; wait_port "$S" tcp 4434; wait_port "$S" udp 4435
# addresses that are not this gateway's: a prefix, and the client's own
on "$G" ip route add local 10.9.0.0/24 dev lo
on "$S" ip route add 10.9.0.0/24 via 10.2.0.1
on "$G" ip rule add iif g1 to 10.1.0.2 lookup 101
on "$G" ip route add local 10.1.0.2 dev lo table 101

# way PORT TAG DESTINATION-PORT OUTBOUND-MEMBERS [NETWORK] [ADDRESS]
ibs=() obs=() tags=()
way() {
	ibs+=("{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"${6:-10.3.0.1}\", \"port\": $3, \"network\": \"${5:-tcp}\" } }")
	obs+=("{ \"tag\": \"$2\", \"protocol\": \"freedom\", $4 }")
	tags+=("$2")
}
set_() { echo "\"settings\": { $1 }"; }
way 7001 hello 4433 "$(set_ '"fragment": { "packets": "tlshello", "length": "20-40", "interval": "0" }')"
way 7002 records 4434 "$(set_ '"fragment": { "packets": "tlshello", "length": "50", "interval": "5-10", "maxSplit": 4 }')"
way 7003 parts 4434 "$(set_ '"fragment": { "packets": "1-1", "length": "10", "interval": "20" }')"
way 7004 noisy 4435 "$(set_ '"noises": [ { "type": "hex", "packet": "c0ffee", "delay": "30" },
	{ "type": "rand", "packet": "5-9" }, { "type": "str", "packet": "six", "applyTo": "ipv6" } ]')" udp
rules='"finalRules": [ { "action": "allow", "ip": "10.3.0.1", "port": "5001" }, { "action": "block", "ip": [ "10.0.0.0/8", "fd00::/8" ], "blockDelay": 0 } ]'
way 7005 allowed 5001 "$(set_ "$rules")"
way 7006 blocked 5001 "$(set_ "$rules")" tcp 10.3.0.2
way 7007 byname 5001 "$(set_ "\"domainStrategy\": \"ForceIP\", $rules")" tcp evil.test
way 7008 udpblock 4435 "$(set_ "$rules")" udp
way 7009 origin 5001 '"sendThrough": "origin"'
way 7010 prefix 5001 '"sendThrough": "10.9.0.0/24"'
way 7011 srcip 5001 '"sendThrough": "srcip"'
mask='"finalmask": { "tcp": [ { "type": "fragment", "settings": { "packets": "tlshello", "lengths": [ 9, "50" ], "delay": "5", "maxSplit": 4 } } ] }'
way 7012 masked 4434 "\"streamSettings\": { $mask }, \"settings\": { \"domainStrategy\": \"ForceIP\" }" tcp reads.test
way 7013 tlsmask 4434 "\"streamSettings\": { \"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"own.test\" }, $(sed 's/9, "50"/7, "40"/; s/4 }/3 }/' <<<"$mask") }"
# datagrams by a server: whose stream says where it comes from
cat >"$TMP/server.json" <<END
{ "log": { "loglevel": "info" }, "inbounds": [
  { "listen": "10.2.0.3", "port": 8001, "protocol": "trojan", "settings": { "clients": [ { "password": "p" } ] } },
  { "listen": "10.2.0.3", "port": 8002, "protocol": "trojan", "settings": { "clients": [ { "password": "p" } ] },
    "streamSettings": { "network": "grpc" } } ],
  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8002
by() { # PORT TAG SERVER-PORT STREAM
	way "$1" "$2" 4436 "\"streamSettings\": { \"network\": \"$4\" }, \"sendThrough\": \"srcip\",
		\"settings\": { \"servers\": [ { \"address\": \"10.2.0.3\", \"port\": $3, \"password\": \"p\" } ] }" udp
	obs[-1]=${obs[-1]/\"freedom\"/\"trojan\"}
}
by 7014 trojan 8001 raw
by 7015 trojan-grpc 8002 grpc
serve uecho udp-serve 4436 echo

start_in <<END
{
  "log": { "loglevel": "debug" },
  "dns": { "hosts": { "evil.test": [ "10.3.0.2", "fd03::1" ], "reads.test": "10.3.0.1" } },
  "inbounds": [ $(join "${ibs[@]}") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join "${obs[@]}") ]
}
END
G4=10.1.0.1
# a hello in records, for a server that reads them and for one that counts
# its input ends when the answer is there: s_client leaves with it
: >"$TMP/hello.log"
{ echo hello; wait_for 10 log_has hello olleh; } |
	on "$C" timeout $((12 * SLOW)) openssl s_client -connect $G4:7001 -servername tls.test -CAfile "$TMP/ca.pem" >"$TMP/hello.log" 2>&1
contains "a server reads the cut hello" "$(cat "$TMP/hello.log")" "olleh"
echo | on "$C" timeout 3 openssl s_client -connect $G4:7002 -servername tls.test >"$TMP/client.log" 2>&1
wait_log reads "records=4 "
matches "records of the length named, the rest last" "$(cat "$TMP/reads.log")" "lengths=50,50,50,[0-9]+ .*name=tls.test"
# the same by finalmask: of a client's hello, and of that of our own TLS above
echo | on "$C" timeout 3 openssl s_client -connect $G4:7012 -servername mask.test >"$TMP/client.log" 2>&1
wait_log reads "lengths=9,50,"
matches "finalmask cuts a client's hello" "$(cat "$TMP/reads.log")" "records=4 lengths=9,50,50,[0-9]+ "
on "$C" "$NT" tcp $G4 7013 -n 10 -t 2 >/dev/null
wait_log reads "lengths=7,40,"
matches "finalmask cuts our own hello" "$(cat "$TMP/reads.log")" "records=3 lengths=7,40,[0-9]+ "
began=$((${EPOCHREALTIME/./} / 1000))
out=$(on "$C" "$NT" tcp $G4 7003 -n 60 -O -t 2)
wait_log reads "bytes=60 "
matches "six segments" "$(grep "bytes=60 " "$TMP/reads.log")" "segments=6 "
le "five pauses of 20 ms" $((began + 100)) "$(sed -n 's/.*bytes=60 at=\([0-9]*\).*/\1/p' "$TMP/reads.log")"

out=$(on "$C" "$NT" udp $G4 7004 -n 100,200)
contains "datagrams arrive behind the noise" "$out" "ok=2 bad=0"
wait_log noise "len=200"
matches "noise first, once" "$(tr '\n' ' ' <"$TMP/noise.log")" \
	"^bound len=3 c0ffee len=[5-9] [0-9a-f]+ len=100 [^ ]+ len=200 [^ ]+ $"

transfers "a rule allows" $G4 7005
for p in 7006 7007; do
	refused "a rule blocks $p" $G4 $p
done
before=$(wc -l <"$TMP/noise.log")
out=$(on "$C" "$NT" udp $G4 7008 -n 50 -t 1)
contains "a rule blocks datagrams" "$out" "ok=0"
eq "they do not arrive" "$(wc -l <"$TMP/noise.log")" "$before"

from() { on "$C" "$NT" tcp $G4 "$1" -n 100 -t 5; tail -n 1 "$TMP/echo.log"; }
contains "leaves by the accepted address" "$(from 7009)" "from=10.1.0.1,"
contains "leaves by the prefix" "$(from 7010)" "from=10.9.0."
contains "leaves by the client's address" "$(from 7011)" "from=10.1.0.2,"
for p in 7014 7015; do
	out=$(on "$C" "$NT" udp $G4 $p -n 50 -t 5)
	contains "datagrams by a server, $p" "$out" "ok=1 bad=0"
done
heard() { [ "$(grep -c ' accepted udp:' "$TMP/server.log")" = 2 ]; }
wait_for 3 heard
eq "their streams leave by the client's address" \
	"$(grep -c ' from 10.1.0.2:[0-9]* accepted udp:' "$TMP/server.log")" 2
stop culvert
eq "ends well" "$RC" 0
pass
