#!/bin/bash
# `culvert up LINK`: a host that has nothing but a share link, its server v2ray,
# trojan or ss-server: curl by name through it from the host and from its LAN, TCP
# and UDP; `culvert down`, and nothing is left. A list of servers whose first is dead
# timeout: 120
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/transport_lib.sh"
. "$(dirname "$0")/host_lib.sh"
for p in v2ray trojan ss-server curl openssl socat; do
	command -v $p >/dev/null || skip "no $p"
done
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
host_net
resolver "$S" 198.51.100.3 # ss-server reads no hosts
echo "198.51.100.1 www.example.com" >"/etc/netns/$S/hosts"
make_ca
serve web tcp-serve 80 source -n 300000
pem="{ \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
cat >"$TMP/v2ray.json" <<END
{ "log": { "loglevel": "info" }, "inbounds": [
  { "listen": "10.2.0.3", "port": 443, "protocol": "vless",
    "settings": { "decryption": "none", "clients": [ { "id": "$ID" } ] },
    "streamSettings": { "network": "ws", "wsSettings": { "path": "/w" }, "security": "tls", "tlsSettings": $pem } },
  { "listen": "10.2.0.3", "port": 444, "protocol": "vmess", "settings": { "clients": [ { "id": "$ID" } ] } } ],
  "outbounds": [ { "protocol": "freedom" } ] }
END
bg "$S" v2ray v2ray -config "$TMP/v2ray.json"
echo "{ \"run_type\": \"server\", \"local_addr\": \"10.2.0.3\", \"local_port\": 445,
	\"remote_addr\": \"127.0.0.1\", \"remote_port\": 80, \"password\": [ \"topsecret\" ], \"log_level\": 0,
	\"ssl\": { \"cert\": \"$TMP/names.crt\", \"key\": \"$TMP/names.key\" } }" >"$TMP/trojan.json"
bg "$S" trojan trojan -c "$TMP/trojan.json"
bg "$S" ss ss-server -s 10.2.0.3 -p 446 -k topsecret -m aes-256-gcm -u -t 60 -v
for p in 443 444 445 446; do wait_port "$S" tcp $p; done

fetched() { on "$G" curl -s --http0.9 -m 3 -o /dev/null http://www.example.com/; }

# link NAME LINK SEEN: the log NAME of its server shows SEEN
link() {
	local out ns before=$state
	read -ra args <<<"$2"
	bg "$G" culvert "$CULVERT" up "${args[@]}"
	wait_for 10 up_or_dead
	log_has culvert started || fail "$1: culvert up LINK does not start"
	[[ $2 != -c* ]] || wait_for 10 fetched || fail "$1: nobody of the list is taken"
	for ns in "$G" "$C"; do
		out=$(on "$ns" curl -s --http0.9 -m 10 http://www.example.com/ | sha256sum | head -c 16)
		eq "$1: download by name in $ns" "300000:$out" "$(sha 300000)"
		out=$(on "$ns" "$NT" tcp 2001:db8:51::1 5003 -n 300000 -w 300000 -t 15)
		contains "$1: v6 in $ns" "$out" "rx=$(sha 300000)"
		out=$(on "$ns" "$NT" udp 198.51.100.1 5006 -n 1,1200)
		contains "$1: datagrams in $ns" "$out" "ok=2 bad=0"
	done
	contains "$1: the server was asked" "$(cat "$TMP/$1.log")" "$3"
	lacks "$1: no secret is logged" "$(cat "$TMP/culvert.log")" "topsecret"
	ok "$1: down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "$1: culvert still runs after down"
	unset "PID[culvert]"
	eq "$1: nothing is left" "$(host_state)" "$before"
}

state=$(host_state)
pin="pcs=$(pin names)"
link v2ray "vless://$ID@10.2.0.3:443?type=ws&path=%2Fw&security=tls&sni=tls.test&$pin&encryption=none#a%20name" \
	"www.example.com:80"
json="{\"v\":\"2\",\"ps\":\"x\",\"add\":\"10.2.0.3\",\"port\":\"444\",\"id\":\"$ID\",\"aid\":\"0\",\"net\":\"tcp\",\"type\":\"none\",\"tls\":\"\"}"
link v2ray "vmess://$(base64 -w0 <<<"$json")" "proxy/vmess/inbound: received request for tcp:www.example.com:80"
link trojan "trojan://topsecret@10.2.0.3:445?security=tls&sni=tls.test&$pin#t" "www.example.com:80"
link ss "ss://$(printf 'aes-256-gcm:topsecret' | base64 -w0)@10.2.0.3:446#s" "www.example.com"
# Of a list the living one is taken; until it is known, the first
cat >"$TMP/probed.sh" <<'END'
while read -r l && [ "${#l}" -gt 1 ]; do :; done
printf 'HTTP/1.1 204 No Content\r\n\r\n'
END
bg "$S" probed socat TCP-LISTEN:8081,bind=198.51.100.1,fork,reuseaddr EXEC:"bash $TMP/probed.sh"
wait_port "$S" tcp 8081
printf '%s\n' "trojan://topsecret@10.2.0.3:999?$pin#dead" \
	"vless://$ID@10.2.0.3:443?type=ws&path=%2Fw&security=tls&sni=tls.test&$pin&encryption=none#good" |
	base64 >"$TMP/list"
"$CULVERT" import "$TMP/list" >"$TMP/import.json" || fail "import of a list"
probe='"observatory": { "probeURL": "http://www.example.com:8081/", "probeInterval": "1s",'
tr -d '\n\t' <"$TMP/import.json" | sed "s|\"observatory\":{|$probe|" >"$TMP/list.json"
: >"$TMP/v2ray.log"
link v2ray "-c $TMP/list.json" "www.example.com:80"
bad "a link that is none" on "$G" timeout 5 "$CULVERT" up "vless://@:0"
eq "and leaves nothing" "$(host_state)" "$state"
pass
