#!/bin/bash
# transport_kcp.sh: mKCP, client and server: culvert with culvert, each header, seeds,
# finalmask, TLS over it, IPv4 and IPv6
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
net_up
serve echo tcp-serve 5001 echo
serve hold tcp-serve 5005 hold
make_ca
k() { echo "\"network\": \"${2:-kcp}\", \"kcpSettings\": { ${1:-} }"; }
head_of() { k "\"header\": { \"type\": \"$1\" }, \"seed\": \"of $1\""; }
masks() { echo "$(k), \"finalmask\": { \"udp\": [ $1 ] }"; }
fast='"tti": 10, "uplinkCapacity": 100, "downlinkCapacity": 100, "congestion": true'
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
ca="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
legacy() { echo "{ \"type\": \"mkcp-legacy\", \"settings\": { $1 } }"; }
declare -a ins=() outs=() names=()
n=0
pair() { # NAME CLIENT [SERVER [HOST]]
	n=$((n + 1))
	names+=("$1")
	ins+=("$(door $((7000 + n)) "$1")" "$(door $((8000 + n)) "direct$n" "{ ${3:-$2} }")")
	outs+=("$(wrap_out "$1" "${4:-10.2.0.1}:$((8000 + n))" "{ $2 }")")
}
pair plain "$(k)"
pair fast "$(k "$fast")"
pair mkcp "$(k '"seed": "", "mtu": 1460, "tti": 20, "readBufferSize": 1, "writeBufferSize": 0' mkcp)"
for h in none srtp utp wechat-video dtls wireguard dns; do pair "$h" "$(head_of $h)"; done
pair tls "$(k '"seed": "s"'), $ca" "$(k '"seed": "s"'), $own"
pair bare "$(masks '')"
pair original "$(masks "$(legacy '')")" "$(k)"
pair aes "$(masks "$(legacy '"value": "of srtp"'), $(legacy '"header": "srtp"')")" "$(head_of srtp)"
pair first "$(masks '{ "type": "mkcp-aes128gcm", "settings": { "password": "p" } }, { "type": "header-dns", "settings": { "domain": "a.example" } }')" \
	"$(masks "$(legacy '"value": "p"'), $(legacy '"header": "dns", "value": "a.example"')")"
pair v6 "$(head_of utp)" "" "[fd02::1]"
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "${ins[@]}") ],
  "routing": { "rules": [ $(to "${names[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join "${outs[@]}") ]
}
END
for ((i = 1; i <= n; i++)); do
	transfers "${names[i - 1]}" 10.1.0.1 $((7000 + i)) "$C" 1048577
done
stop culvert
eq "ends well" "$RC" 0
pass
