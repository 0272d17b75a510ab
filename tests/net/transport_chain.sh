#!/bin/bash
# transport_chain.sh: a level of TLS through another one (dialerProxy, proxySettings):
# both stand on one worker and call each other, with records of OpenSSL and of ours,
# bare and with gRPC on top
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

tls() { # MAX VERSION: a client's
	echo "\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"maxVersion\": \"$1\", \"disableSystemRoot\": true,
		\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
}
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
grpc="\"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"svc\" }"
hop() { # TAG MAX PORT: trojan in TLS
	echo "{ \"tag\": \"$1\", \"protocol\": \"trojan\", \"settings\": { \"address\": \"10.2.0.3\", \"port\": $3, \"password\": \"pw\" },
		\"streamSettings\": { $(tls "$2") } }"
}
via() { # TAG STREAMSETTINGS HOP PORT
	wrap_out "$1" "10.2.0.1:$4" "{ $2, \"sockopt\": { \"dialerProxy\": \"$3\" } }"
}
doors=() tags=() outs=()
cell() { # TAG STREAMSETTINGS HOP PORT
	doors+=("$(door $((7001 + ${#tags[@]})) "$1")")
	outs+=("$(via "$@")")
	tags+=("$1")
}
for outer in 1.3 1.2; do
	for inner in 1.3 1.2; do
		cell "tls-$inner-in-$outer" "$(tls $inner)" "hop-$outer" 8002
		cell "grpc-$inner-in-$outer" "$grpc, $(tls $inner)" "hop-$outer" 8003
	done
done
# three levels, by the older key
outs+=("$(hop deep 1.2 8444 | sed 's/ } }$/, "sockopt": { "dialerProxy": "hop-1.2" } } }/')")
cell three "$(tls 1.2)" deep 8002
# two of them: none connects to a listener of its own
for port in 8443 8444; do
	cat >"$TMP/hop$port.json" <<-END
	{ "log": { "loglevel": "debug" },
	  "inbounds": [ { "listen": "10.2.0.3", "port": $port, "protocol": "trojan", "settings": { "clients": [ { "password": "pw" } ] },
	    "streamSettings": { $own } } ],
	  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
	END
	bg "$S" hop$port "$CULVERT" run -c "$TMP/hop$port.json"
	wait_port "$S" tcp $port
done
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "${doors[@]}"),
	$(door 8002 direct "{ $own }"), $(door 8003 direct2 "{ $grpc, $own }") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	$(hop hop-1.3 1.3 8443), $(hop hop-1.2 1.2 8443), $(join "${outs[@]}") ]
}
END
for i in "${!tags[@]}"; do
	transfers "${tags[$i]}" 10.1.0.1 $((7001 + i))
done
for n in culvert hop8443 hop8444; do
	stop $n
	eq "$n ends well" "$RC" 0
done
pass
