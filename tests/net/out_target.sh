#!/bin/bash
# out_target.sh: targetStrategy of an outbound that goes to a server: the server gets an
# address, of the family asked for, or still the name; TCP and UDP
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
net_up
serve echo tcp-serve 5001 echo
bg "$S" udp4 "$NT" udp-serve -l 10.3.0.1 5001 echo
bg "$S" udp6 "$NT" udp-serve -l fd03::1 5001 echo
tags=() doors=() outs=() port=7000
declare -A PORTS=()
way() { # TAG NAME STRATEGY
	port=$((port + 1))
	tags+=("$1")
	PORTS[$1]=$port
	doors+=("{ \"tag\": \"$1\", \"port\": $port, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"$2\", \"port\": 5001, \"network\": \"tcp,udp\" } }")
	outs+=("{ \"tag\": \"$1\", \"protocol\": \"vless\", \"targetStrategy\": \"$3\", \"settings\": { \"address\": \"10.2.0.1\", \"port\": 8001,
		\"id\": \"$ID\", \"encryption\": \"none\" } }")
}
way as-is both.test AsIs
way v4 both.test UseIPv4
way v6 both.test UseIPv6
way v6v4 both.test UseIPv6v4
way v4only only4.test UseIPv6v4
way force-v4 both.test ForceIPv4
way force-gone only4.test ForceIPv6
way use-gone only4.test UseIPv6
start_in <<END
{
  "log": { "loglevel": "debug" },
  "dns": { "hosts": { "both.test": [ "10.3.0.1", "fd03::1" ], "only4.test": "10.3.0.1" } },
  "inbounds": [ $(join "${doors[@]}"), { "tag": "server", "port": 8001, "protocol": "vless",
    "settings": { "decryption": "none", "clients": [ { "id": "$ID" } ] } } ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "near", "protocol": "freedom", "settings": { "domainStrategy": "UseIP", "finalRules": [ { "action": "allow" } ] } },
    $(join "${outs[@]}") ]
}
END
heard() { # TAG TARGET: what the server was told, by TCP and UDP
	transfers "$1" 10.1.0.1 "${PORTS[$1]}" "$C" 100000
	eq "$1: the server hears" "$(sed -nE 's/.* accepted tcp:(.*) \[server.*/\1/p' "$TMP/culvert.log" | tail -n 1)" "$2"
	out=$(on "$C" "$NT" udp 10.1.0.1 "${PORTS[$1]}" -n 1,1000)
	contains "$1: datagrams" "$out" "ok=2 bad=0"
	eq "$1: the server hears of datagrams" "$(sed -nE 's/.* accepted udp:(.*) \[server.*/\1/p' "$TMP/culvert.log" | tail -n 1)" "$2"
}
heard as-is both.test:5001
heard v4 10.3.0.1:5001
heard v6 '[fd03::1]:5001'
heard v6v4 '[fd03::1]:5001'
heard v4only 10.3.0.1:5001
heard force-v4 10.3.0.1:5001
heard use-gone only4.test:5001
refused force-gone 10.1.0.1 "${PORTS[force-gone]}"
stop culvert
eq "ends well" "$RC" 0
pass
