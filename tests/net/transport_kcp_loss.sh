#!/bin/bash
# transport_kcp_loss.sh: mKCP over a way that loses 8 of 100 datagrams each way (nftables
# drops them): culvert with culvert, and with v2ray as the server and as the client; 1 MiB
# each way, hashed, IPv4 and IPv6, and four at once. Without loss: ends that v2ray hears.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in v2ray nft; do command -v $p >/dev/null || skip "no $p"; done
net_up
serve echo tcp-serve 5001 echo
serve source tcp-serve 5002 source -n 1000
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
N=1048576
kcp='"streamSettings": { "network": "kcp", "kcpSettings": { "seed": "s", "tti": 20, "congestion": false } }'
vless() { # PORT LISTEN: a server
	echo "{ \"port\": $1, \"listen\": \"$2\", \"protocol\": \"vless\", $kcp,
		\"settings\": { \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] } }"
}
to_vless() { # TAG HOST PORT: a client
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", $kcp, \"settings\": { \"vnext\": [ { \"address\": \"$2\", \"port\": $3,
		\"users\": [ { \"id\": \"$ID\", \"encryption\": \"none\" } ] } ] } }"
}
servers() { # PORT: one of v4, one of v6; a port of TCP is the last that opens
	join "$(vless "$1" 10.2.0.3)" "$(vless "$1" fd02::3)" "$(door "$1" up)"
}
policy='"log": { "loglevel": "info" }, "policy": { "levels": { "0": { "connIdle": 60, "uplinkOnly": 2, "downlinkOnly": 2 } } }'
serving() { # NAME PORT COMMAND...
	echo "{ $policy, \"inbounds\": [ $(servers "$2") ],
		\"outbounds\": [ { \"protocol\": \"freedom\", \"settings\": { $ALLOW } } ] }" >"$TMP/$1.json"
	bg "$S" "$1" "${@:3}" "$TMP/$1.json"
	wait_port "$S" tcp "$2"
}
serving own 8001 "$CULVERT" run -c
serving v2ray 8002 v2ray -config
cat >"$TMP/from.json" <<END
{ $policy, "inbounds": [ $(join "$(door 7005 v4)" "$(door 7007 source | sed s/5001/5002/)" "$(door 7006 v6)") ],
  "routing": { "rules": [ { "type": "field", "inboundTag": [ "v6" ], "outboundTag": "v6" } ] },
  "outbounds": [ $(join "$(to_vless v4 10.2.0.3 8001)" "$(to_vless v6 fd02::3 8001)") ] }
END
bg "$S" from v2ray -config "$TMP/from.json"
wait_port "$S" tcp 7006
start_in <<END
{ $policy,
  "inbounds": [ $(join "$(door 7001 own4)" "$(door 7002 own6)" "$(door 7003 v2ray4)" "$(door 7004 v2ray6)") ],
  "routing": { "rules": [ $(to own4 own6 v2ray4 v2ray6) ] },
  "outbounds": [ $(join "$(to_vless own4 10.2.0.3 8001)" "$(to_vless own6 fd02::3 8001)" \
	"$(to_vless v2ray4 10.2.0.3 8002)" "$(to_vless v2ray6 fd02::3 8002)") ] }
END
# v2ray does not drop the end of one direction as a broken datagram, and hears that all
# is over when it is: it waits for that before it tells its client
out=$(on "$C" "$NT" tcp 10.2.0.4 7007 -n 10 -O -t 30)
contains "v2ray's client" "$out" "rx=$(sha 1000) end=FIN"
le "is told of the end" "${out##*ms=}" $((8000 * SLOW))
out=$(on "$C" "$NT" tcp 10.1.0.1 7003 -n 1000 -t 30)
contains "v2ray's server" "$out" "rx=$(sha 1000)"
lacks "all is whole to v2ray" "$(cat "$TMP/v2ray.log" "$TMP/from.log")" "invalid payload"
# Where they arrive, each passes once: a drop on the way out is told to the sender
for ns in "$S" "$G"; do
	on "$ns" nft -f - <<-END || fail "nft"
	table inet loss {
		counter lost { }
		chain in {
			type filter hook input priority 0;
			udp dport { 8001, 8002 } numgen random mod 100 < 8 counter name lost drop
			udp sport { 8001, 8002 } numgen random mod 100 < 8 counter name lost drop
		}
	}
	END
done
lost() { on "$1" nft list counter inet loss lost | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
# v2ray has no half-close: the client waits for all before it ends
whole() { # NAME ADDRESS PORT
	local out
	out=$(on "$C" "$NT" tcp "$2" "$3" -n $N -w $N -t 60)
	matches "$1: 1 MiB each way" "$out" "rx=$(sha $N) end=(FIN|ECONNRESET)"
	echo "$1: ${out##*end=}"
}
whole "culvert to culvert" 10.1.0.1 7001
whole "culvert to culvert, v6" 10.1.0.1 7002
whole "culvert to v2ray" 10.1.0.1 7003
whole "culvert to v2ray, v6" 10.1.0.1 7004
whole "v2ray to culvert" 10.2.0.4 7005
whole "v2ray to culvert, v6" 10.2.0.4 7006
for i in 1 2 3 4; do bg "$C" "at-once$i" "$NT" tcp 10.1.0.1 700$i -n $N -w $N -t 90; done
for i in 1 2 3 4; do
	wait_for 90 log_has "at-once$i" "end=" || fail "at once, $i: no end"
	contains "four at once, $i" "$(<"$TMP/at-once$i.log")" "rx=$(sha $N)"
done
# culvert's end of one direction arrives as well
out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n $N -t 60)
contains "half-close" "$out" "rx=$(sha $N) end=FIN"
# 8 % of what 1 MiB is cut into: 65, but datagrams that go together are lost together
le "lost on the way up" 200 "$(lost "$S")"
le "lost on the way down" 150 "$(lost "$G")"
echo "lost: $(lost "$S") $(lost "$G")"
stop culvert
eq "the client ends well" "$RC" 0
stop own
eq "the server ends well" "$RC" 0
pass
