#!/bin/bash
# in_fixed.sh: dokodemo-door with a fixed destination, portMap; reload
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/in_lib.sh
. "$(dirname "$0")/in_lib.sh"
net_up
serve echo tcp-serve 5001 echo
serve two tcp-serve 5002 sink
serve u4 udp-serve 5101 echo -l 10.3.0.1
serve u6 udp-serve 5101 echo -l fd03::1
ip -n "$G" addr add 10.1.0.7/24 dev g0 # a second address of the gateway

# conf PORT: the configuration, with the redirected inbound on PORT
conf() {
	cat <<-END
	{
	  "log": { "loglevel": "info" }, "culvert": { "workers": 2 },
	  "dns": { "hosts": { "echo.test": "10.3.0.1" } },
	  "inbounds": [
	    { "tag": "fix", "port": 7001, "protocol": "dokodemo-door",
	      "settings": { "network": "tcp,udp", "address": "10.3.0.1",
	        "port": 5101 } },
	    { "tag": "name", "port": "7002", "protocol": "tunnel",
	      "settings": { "rewriteAddress": "echo.test",
	        "rewritePort": 5001 } },
	    { "tag": "map", "port": "5001,7003-7005", "protocol": "tunnel",
	      "settings": { "network": "tcp,udp", "address": "10.3.0.1",
	        "portMap": { "7003": "[fd03::1]:5001", "7004": ":5002",
	          "7005": "[fd03::1]:5101" } } },
	    { "tag": "else", "port": $1, "protocol": "tunnel",
	      "settings": { "followRedirect": true, "address": "10.3.0.1",
	        "port": 5001 } } ],
	  "outbounds": [ { "protocol": "freedom", "tag": "direct",
	    "settings": { "domainStrategy": "UseIP" } } ]
	}
	END
}
start_in < <(conf 7006)

flow "$C" 10.1.0.1 7002 300000
flow "$C" fd01::1 7002 300000
flow "$C" 10.1.0.1 5001 300000
flow "$C" 10.1.0.1 7003 300000
out=$(on "$C" "$NT" tcp 10.1.0.1 7004 -n 1000 -P 2>/dev/null)
contains "portMap keeps the address" "$out" "$(sha 1000)"
contains "portMap to v6" "$(cat "$TMP/culvert.log")" "tcp:[fd03::1]:5001 [map"
contains "a name stays a name" "$(cat "$TMP/culvert.log")" "tcp:echo.test:5001 [name"

# UDP: the answer comes from the address that was asked, on a host with many
for a in 10.1.0.1 10.1.0.7 fd01::1; do
	out=$(on "$C" "$NT" udp $a 7001 -n 0,1,1400,9000)
	contains "udp $a" "$out" "ok=4 bad=0"
	eq "udp $a source" "$(grep -c "from=$a,7001" <<<"$out")" 4
	out=$(on "$C" "$NT" udp $a 7005 -n 100)
	contains "udp $a by portMap" "$out" "from=$a,7005"
done

# reload: what did not change goes on, what is gone is closed
bg "$C" held "$NT" tcp-hold 10.1.0.1 7002 -n 20 -d 4000
wait_log held "open=20"
conf 7007 >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "in force"
flow "$C" 10.1.0.1 7002 1000
out=$(on "$C" "$NT" udp 10.1.0.7 7001 -n 10)
contains "udp after a reload" "$out" "ok=1"
wait_port "$G" tcp 7007
bad "the old port" listening "$G" -t 7006
wait_log held "alive=20"
ASSERTS=$((ASSERTS + 1))

# not redirected, but an address is set: it is a loop nevertheless
out=$(on "$C" "$NT" tcp 10.1.0.1 7007 -n 10 -t 5)
matches "direct to the listener" "$out" "end=(ECONNRESET|FIN)"

# what cannot be is refused with its place
cat >"$TMP/bad.json" <<'END'
{ "inbounds": [
  { "protocol": "dokodemo-door", "settings": {} },
  { "port": 1, "protocol": "tunnel", "settings": { "network": "icmp" } },
  { "port": 1, "protocol": "tunnel", "settings": { "portMap": { "x": "y" } } },
  { "listen": "/tmp/x", "protocol": "tunnel", "settings": { "network": "udp" } },
  { "port": 1, "protocol": "socks", "settings": { "auth": "magic" } },
  { "port": 1, "protocol": "socks", "settings": { "accounts": [ { "pass": "p" } ] } },
  { "port": 1, "protocol": "http", "settings": { "alowTransparent": true } } ],
  "outbounds": [ { "protocol": "freedom" } ] }
END
out=$("$CULVERT" run -c "$TMP/bad.json" 2>&1)
for w in '"port"|port.*needed' 'tcp or udp' '"x" is no port' 'carries tcp only' \
		'magic' 'user' 'allowTransparent'; do
	matches "message" "$out" "$w"
done
stop culvert
eq "ends well" "$RC" 0
pass
