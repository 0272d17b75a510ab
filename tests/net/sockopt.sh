#!/bin/bash
# sockopt.sh: what streamSettings.sockopt asks for, seen at the kernel: fast open,
# keepalive, congestion control, MPTCP, interface, mark; dialerProxy end to end
# shellcheck source=tests/net/lib.sh disable=SC2119
. "$(dirname "$0")/lib.sh"
command -v danted >/dev/null || skip "no danted"

net_up
veth "$G" g2 "$S" s2
addr "$G" g2 10.4.0.1/24
addr "$S" s2 10.4.0.2/24
ip -n "$G" route add 10.3.0.6/32 via 10.4.0.2 dev g2 metric 9
ip -n "$G" route add 10.3.0.6/32 via 10.2.0.2 dev g1 metric 1
on "$S" sysctl -qw net.ipv4.tcp_fastopen=1027 # each listener is asked for nothing
on "$G" sysctl -qw net.ipv4.tcp_fastopen=1
on "$G" nft -f - <<-'END' || fail "nft"
	table inet seen {
		counter marked {
		}
		chain out {
			type filter hook output priority 0;
			ip daddr 10.3.0.7 meta mark & 0xff == 0x55 counter name "marked"
		}
	}
END
serve echo tcp-serve 5003 echo -t 60
for a in 10.2.0.5 10.2.0.6 198.51.100.1 2001:db8:51::1; do # dante compares addresses
	bg "$S" "uecho$a" "$NT" udp-serve -l $a 5006 echo
done
dante() { # NAME ADDRESS PORT
	cat >"$TMP/$1.conf" <<-END
		logoutput: stderr
		internal: $2 port = $3
		external: s0
		clientmethod: none
		socksmethod: none
		user.privileged: root
		user.unprivileged: root
		client pass { from: 0/0 to: 0/0 }
		socks pass { from: 0/0 to: 0/0 log: connect }
	END
	bg "$S" "$1" danted -f "$TMP/$1.conf"
	wait_port "$S" tcp "$3"
}
dante first 10.2.0.3 1080
dante second 10.2.0.4 1081

SS='"method": "2022-blake3-aes-128-gcm", "password": "AAAAAAAAAAAAAAAAAAAAAA=="'
# out TAG SOCKOPT: a freedom outbound
out() {
	echo "{ \"tag\": \"$1\", \"protocol\": \"freedom\",
		\"streamSettings\": { \"sockopt\": { $2 } } },"
}
# socks TAG ADDRESS PORT REST
socks() {
	echo "{ \"tag\": \"$1\", \"protocol\": \"socks\", \"settings\":
		{ \"address\": \"$2\", \"port\": $3 } $4 },"
}
# rule TAG ADDRESS
rule() { echo "{ \"ip\": [ \"$2\" ], \"outboundTag\": \"$1\" },"; }
start_culvert <<-END
	{
	  "log": { "loglevel": "info" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } },
	    { "tag": "ss-in", "protocol": "shadowsocks", "listen": "10.2.0.1",
	      "port": 8388, "settings": { $SS, "network": "tcp,udp" } } ],
	  "dns": { "hosts": { "proxy.test": "10.2.0.3" } },
	  "routing": { "rules": [
	    { "inboundTag": [ "ss-in" ], "outboundTag": "plain" },
	    $(rule over-ss 10.2.0.6)
	    $(rule fast 10.3.0.1) $(rule alive 10.3.0.2) $(rule reno 10.3.0.4)
	    $(rule multi 10.3.0.5) $(rule second-way 10.3.0.6) $(rule marked 10.3.0.7)
	    $(rule quiet 10.3.0.8) $(rule no-such 10.3.0.9)
	    $(rule over 198.51.100.1) $(rule over-settings 198.51.100.2)
	    $(rule over-block 198.51.100.3) $(rule over-three 2001:db8:51::1)
	    $(rule via 10.2.0.5)
	    { "port": "1-65535", "outboundTag": "plain" } ] },
	  "outbounds": [ { "tag": "plain", "protocol": "freedom", "settings": { $ALLOW } },
	    $(out fast '"tcpFastOpen": true')
	    $(out alive '"tcpKeepAliveIdle": 20, "tcpKeepAliveInterval": 7')
	    $(out quiet '"tcpKeepAliveIdle": -1')
	    $(out reno '"tcpCongestion": "reno"')
	    $(out multi '"tcpMptcp": true')
	    $(out second-way '"interface": "g2"')
	    $(out no-such '"interface": "nothere0"')
	    $(out marked '"mark": 85')
	    $(socks second 10.2.0.4 1081 '')
	    $(socks over proxy.test 1080 ', "streamSettings": { "sockopt":
	      { "dialerProxy": "second", "domainStrategy": "UseIP" } }')
	    $(socks over-settings 10.2.0.3 1080 ', "proxySettings": { "tag": "second",
	      "transportLayer": true }')
	    $(socks over-block 10.2.0.3 1080 ', "streamSettings": { "sockopt":
	      { "dialerProxy": "block" } }')
	    { "tag": "over-ss", "protocol": "shadowsocks", "settings":
	      { "address": "10.2.0.1", "port": 8388, $SS },
	      "streamSettings": { "sockopt": { "dialerProxy": "second" } } },
	    $(out via '"dialerProxy": "second"')
	    $(out over-three '"dialerProxy": "over"')
	    { "tag": "block", "protocol": "blackhole" } ]
	}
END
to_tun culvert0

echo_of() { # ADDRESS [BYTES]: its echo, hashed
	contains "echo of $1" "$(on "$C" "$NT" tcp "$1" 5003 -n "${2:-100000}")" \
		"rx=$(sha "${2:-100000}") end=FIN"
}
held=0
hold() { # ADDRESS: a connection that stays
	held=$((held + 1))
	bg "$C" "hold$held" python3 -uc '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 5003), timeout=10)
s.sendall(b"hello"); s.recv(5); print("there", flush=True); time.sleep(60)' "$1"
	wait_log "hold$held" there
}
socket_of() { on "$G" ss -Htnoi "$@"; } # what the kernel says of ours
counter() { on "$1" nstat -asz "$2" | awk -v n="$2" '$1 == n { print $2 }'; }

echo "-- tcpFastOpen: the second connection carries data in its SYN"
echo_of 10.3.0.1; echo_of 10.3.0.1; echo_of 10.3.0.1 3000000
le "sent" 1 "$(counter "$G" TcpExtTCPFastOpenActive)"
le "taken" 1 "$(counter "$S" TcpExtTCPFastOpenPassive)"

echo "-- keepalive: asked for, by default, off"
hold 10.3.0.2
matches "20 s" "$(socket_of dst 10.3.0.2)" 'timer:\(keepalive,(20|1[0-9])sec'
hold 10.3.0.3
matches "45 s" "$(socket_of dst 10.3.0.3)" 'timer:\(keepalive,4[0-5]sec'
hold 10.3.0.8
lacks "none" "$(socket_of dst 10.3.0.8)" keepalive

echo "-- tcpCongestion"
hold 10.3.0.4
contains "reno" "$(socket_of dst 10.3.0.4)" " reno "
lacks "not for others" "$(socket_of dst 10.3.0.3)" " reno "

echo "-- tcpMptcp"
if python3 -c 'import socket; socket.socket(2, 1, 262)' 2>/dev/null; then
	echo_of 10.3.0.5
	le "asked for" 1 "$(counter "$G" MPTcpExtMPCapableSYNTX)"
else
	echo "no MPTCP in this kernel"
fi

echo "-- interface: this one, or none at all"
echo_of 10.3.0.6
wait_log echo "from=10.4.0.1,"
matches "one that is not there" "$(on "$C" "$NT" tcp 10.3.0.9 5003 -n 10 -t 5)" \
	"end=ECONN(RESET|REFUSED)"

echo "-- mark"
echo_of 10.3.0.7
matches "seen" "$(on "$G" nft list counter inet seen marked)" 'packets [1-9]'

echo "-- dialerProxy: a server reached through another one"
echo_of 198.51.100.1 3000000
wait_log second " -> 10.2.0.2." # where dante went on from
wait_log first " 198.51.100.1.5003"
passed() { grep -c "10.2.0.3.1080\$" "$TMP/second.log"; }
eq "by the second one" "$(passed)" 1
echo_of 198.51.100.2
eq "proxySettings" "$(passed)" 2
echo_of 2001:db8:51::1 # freedom through socks through socks
eq "three of them" "$(passed)" 3
wait_log first "2001:db8:51::1"
lacks "never directly" "$(cat "$TMP/first.log")" " 10.2.0.1."
matches "into a blackhole" "$(on "$C" "$NT" tcp 198.51.100.3 5003 -n 10 -t 5)" \
	"end=ECONN(RESET|REFUSED)"
lacks "and nowhere else" "$(cat "$TMP/first.log")" 198.51.100.3
# socks over socks: each datagram has both heads; freedom: the dialer's alone
for a in 10.2.0.5 198.51.100.1 2001:db8:51::1; do
	contains "datagrams to $a" "$(on "$C" "$NT" udp $a 5006 -n 0,1,1200,9000)" \
		"ok=4 bad=0"
done
lacks "never directly" "$(cat "$TMP"/uecho*.log)" "from=10.2.0.1,"
# shadowsocks over socks, to a server of our own: it sees the proxy ask
contains "datagrams to 10.2.0.6" "$(on "$C" "$NT" udp 10.2.0.6 5006 -n 0,1,1200,9000)" \
	"ok=4 bad=0"
matches "by the proxy" "$(cat "$TMP/culvert.log")" \
	'from 10\.2\.0\.[2-9]:[0-9]+ accepted udp:10\.2\.0\.6:5006 \[ss-in'
matches "into a blackhole" "$(on "$C" "$NT" udp 198.51.100.3 5006 -c -t 3)" \
	"end=ECONNREFUSED"
pass
