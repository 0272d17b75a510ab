#!/bin/bash
# What leaves the gateway: each flow of the client once and where the rules say,
# own DNS by the rules only, fake addresses never, nothing of blocked ones
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

DNS=10.2.0.5
net_up
serve echo tcp-serve 5003 echo
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
bg "$S" uecho7 "$NT" udp-serve -l 10.3.0.7 7777 echo
bg "$S" dnsmasq dnsmasq -k -u root -C /dev/null --no-resolv --no-hosts \
	--pid-file="$TMP/dnsmasq.pid" --listen-address=$DNS --bind-interfaces \
	--host-record=www.test,10.3.0.1,fd03::1 --host-record=bad.test,10.3.0.6
wait_port "$S" udp 53
wait_port "$S" udp 7777
cat >"$TMP/dante.conf" <<-END
	logoutput: $TMP/dante.txt
	internal: 10.2.0.3 port = 1080
	external: s0
	clientmethod: none
	socksmethod: none
	user.privileged: root
	user.unprivileged: root
	client pass { from: 0/0 to: 0/0 }
	socks pass { from: 0/0 to: 0/0 }
END
bg "$S" dante danted -f "$TMP/dante.conf"
wait_port "$S" tcp 1080
echo "nameserver 10.2.0.8" >"$TMP/resolv.conf" # must never be asked

cat >"$TMP/config.json" <<-END
{
  "log": { "loglevel": "debug", "access": "$TMP/access.txt" },
  "inbounds": [ { "tag": "lan", "protocol": "tun",
    "settings": { "name": "culvert0", "mtu": 1500 },
    "sniffing": { "enabled": true, "destOverride": [ "fakedns", "http" ] } } ],
  "dns": { "servers": [ "fakedns", "$DNS" ], "tag": "own" },
  "fakedns": [ { "ipPool": "198.18.0.0/15", "poolSize": 100 },
    { "ipPool": "fc00::/18", "poolSize": 100 } ],
  "routing": { "domainStrategy": "IPIfNonMatch", "rules": [
    { "inboundTag": [ "own" ], "outboundTag": "direct" },
    { "port": 53, "outboundTag": "dns" },
    { "domain": [ "full:bad.test" ], "outboundTag": "block" },
    { "ip": [ "10.3.0.7" ], "network": "udp", "outboundTag": "chained" },
    { "ip": [ "10.3.0.7" ], "outboundTag": "proxy" } ] },
  "outbounds": [
    { "tag": "direct", "protocol": "freedom", "settings": { "domainStrategy": "UseIP" } },
    { "tag": "proxy", "protocol": "socks", "settings": { "servers": [
      { "address": "10.2.0.3", "port": 1080 } ] } },
    { "tag": "chained", "protocol": "freedom", "streamSettings": {
      "sockopt": { "dialerProxy": "proxy" } } },
    { "tag": "block", "protocol": "blackhole" },
    { "tag": "dns", "protocol": "dns" } ]
}
END
# The TUN's own resolver must not be the host's: mount another resolv.conf
bg "$G" culvert unshare -m bash -c "mount --bind '$TMP/resolv.conf' /etc/resolv.conf && exec '$CULVERT' run -c '$TMP/config.json'"
wait_for 10 tun_or_dead "$G" culvert0
alive culvert || fail "culvert ended at start"
to_tun culvert0
resolver "$C" 192.0.2.53

bg "$G" dump tcpdump -l -n -i g1 "ip or ip6"
wait_log dump "listening on"

fake4=$(on "$C" getent ahostsv4 www.test | awk 'NR == 1 { print $1 }')
fake6=$(on "$C" getent ahostsv6 www.test | awk 'NR == 1 { print $1 }')
matches "a fake address" "$fake4" '^198\.1[89]\.'
matches "a fake address" "$fake6" '^fc'
for i in 1 2 3 4 5; do
	out=$(on "$C" "$NT" tcp "$fake4" 5003 -n 100)
	contains "by fake address" "$out" "rx=$(sha 100) end=FIN"
	out=$(on "$C" "$NT" tcp "$fake6" 5003 -n 100)
	contains "by fake address, v6" "$out" "rx=$(sha 100) end=FIN"
done
out=$(on "$C" "$NT" udp "$fake4" 7777 -n 10)
contains "UDP by fake address" "$out" "ok=1 bad=0"
out=$(on "$C" "$NT" tcp 198.18.99.99 5003 -n 10 -t 5)
contains "a fake address that nobody was given" "$out" "end=ECONN"
out=$(on "$C" "$NT" udp 198.18.99.99 7777 -n 10 -c -t 3)
contains "the same over UDP" "$out" "end=ECONNREFUSED"
out=$(on "$C" "$NT" tcp bad.test 5003 -n 10 -t 5)
contains "a blocked name" "$out" "end=ECONN"
out=$(on "$C" "$NT" tcp 10.3.0.7 5003 -n 100)
contains "through the proxy" "$out" "rx=$(sha 100) end=FIN"
out=$(on "$C" "$NT" udp 10.3.0.7 7777 -n 10 -c -t 5)
contains "UDP through dialerProxy" "$out" "ok=1 bad=0"
out=$(on "$C" "$NT" tcp 10.3.0.1 5999 -n 10 -t 5)
contains "a refused port" "$out" "end=ECONN"
sleep 1
stop dump INT quiet
seen=$(cat "$TMP/dump.log")

echo "-- on the wire"
syns() { grep -E "> $1: Flags \[S[EW]*\]," "$TMP/dump.log" | wc -l; }
eq "one SYN a flow, no more" "$(($(syns '10\.3\.0\.1\.5003') + $(syns 'fd03::1\.5003')))" 10
eq "a refused port is tried once" "$(syns '10\.3\.0\.1\.5999')" 1
eq "the proxied flow is not seen direct" "$(syns '10\.3\.0\.7\.5003')" 0
eq "but at the proxy, one for UDP too" "$(syns '10\.2\.0\.3\.1080')" 2
eq "blocked: nothing" "$(syns '10\.3\.0\.6\.5003')" 0
lacks "no UDP past dialerProxy" "$seen" "10.3.0.7.7777"
lacks "fake addresses never" "$seen" "198.18."
lacks "fake addresses never, v6" "$seen" "fc0"
contains "own DNS goes to the server of the configuration" "$seen" "> $DNS.53"
lacks "own DNS not to the host's resolver" "$seen" "10.2.0.8"
lacks "the client's resolver is not asked" "$seen" "192.0.2.53"
others=$(grep -E '> [^ ]*\.53: ' "$TMP/dump.log" | grep -vF "> $DNS.53:")
eq "no other DNS" "$others" ""
pass
