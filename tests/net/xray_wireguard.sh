#!/bin/bash
# xray_wireguard.sh: WireGuard against Xray: its inbound behind our outbound, its
# outbound before our inbound, both with reserved bytes. XRAY=/path/to/xray
# needs: XRAY
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
peers_up
wg_keys server client
psk=", \"preSharedKey\": \"$PSK\""
# ours -> Xray
cat >"$TMP/xray.json" <<END
{ "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 1, "downlinkOnly": 1 } } },
  "inbounds": [ { "listen": "10.2.0.3", "port": 51820, "protocol": "wireguard", "settings": {
    "secretKey": "$KEY_server", "noKernelTun": true, "mtu": 1420, "reserved": [ 7, 8, 9 ],
    "peers": [ { "publicKey": "$PUB_client" $psk, "allowedIPs": [ "10.99.0.2/32", "fd99::2/128" ] } ] } } ],
  "outbounds": [ { "protocol": "freedom", "settings": { "finalRules": [ { "action": "allow" } ] } } ] }
END
bg "$S" xray "${XRAY:?}" run -c "$TMP/xray.json"
wait_port "$S" udp 51820
client_conf "$(rule 1 wg)" \
	"$(wg_ob wg 10.2.0.3:51820 "$KEY_client" "$PUB_server" "$psk" ', "reserved": [ 1, 2, 3 ]')"
for a in 10.3.0.1 fd03::1; do
	transfers "to Xray, $a" "$a" nohalf
	datagrams "to Xray, $a" "$a" 1,1200,1380
done
stop culvert
eq "culvert ends well" "$RC" 0
stop xray

# Xray -> ours
serve_culvert "{ \"listen\": \"10.1.0.1\", \"port\": 51820, \"protocol\": \"wireguard\", \"settings\": {
  \"secretKey\": \"$KEY_server\", \"reserved\": [ 7, 8, 9 ], \"peers\": [
  { \"publicKey\": \"$PUB_client\" $psk, \"allowedIPs\": [ \"10.99.0.2/32\", \"fd99::2/128\" ] } ] } }"
wait_port "$G" udp 51820
cat >"$TMP/client.json" <<END
{ "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 5, "downlinkOnly": 5 } } },
  "inbounds": [ $(door 7001 10.3.0.1 5001 tcp), $(door 7002 10.3.0.1 5002 tcp),
    $(door 7003 fd03::1 5003 tcp), $(door 7004 10.3.0.1 5003 tcp),
    $(door 7006 10.3.0.1 5006 udp), $(door 7007 fd03::1 5006 udp) ],
  "outbounds": [ $(wg_ob wg 10.1.0.1:51820 "$KEY_client" "$PUB_server" "$psk" \
	', "noKernelTun": true, "mtu": 1420, "reserved": [ 1, 2, 3 ]') ] }
END
bg "$C" xrayc "$XRAY" run -c "$TMP/client.json"
wait_port "$C" tcp 7004
wait_port "$C" udp 7007
through "from Xray" 7000 nohalf 1,1200,1380
pass
