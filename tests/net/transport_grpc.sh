#!/bin/bash
# transport_grpc.sh: gRPC, client and server, both modes, bare and in TLS:
# culvert with culvert, nginx and haproxy between
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in nginx haproxy openssl; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
serve hold tcp-serve 5005 hold
make_ca
nginx_up <<END
		client_max_body_size 0; client_body_timeout 60s;
		location /svc/Tun { grpc_pass grpc://10.2.0.1:8001; grpc_read_timeout 60s; }
		location / { return 404; }
END
cat >"$TMP/haproxy.cfg" <<END
defaults
	mode http
	timeout connect 5s
	timeout client 20s
	timeout server 20s
frontend f
	bind 10.2.0.3:9444 ssl crt $TMP/names.pem alpn h2
	default_backend b
backend b
	server s 10.2.0.1:8001 proto h2
listen hop
	mode tcp
	bind 10.2.0.3:9445
	server s 10.2.0.1:8001
END
bg "$S" haproxy haproxy -db -f "$TMP/haproxy.cfg"
wait_port "$S" tcp 9444

ca="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
g() { echo "\"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"$1\" ${2:-} }"; }
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "$(door 7001 gun)" "$(door 7002 multi)" "$(door 7003 guns)" \
	"$(door 7004 custom)" "$(door 7005 customm)" "$(door 7006 wrong)" "$(door 7007 plain)" \
	"$(door 7014 chain)" "$(door 7011 ngx)" "$(door 7012 hap)" "$(door 7013 ngxno)" \
	"$(door 8001 direct "{ $(g svc) }")" "$(door 8002 direct2 "{ $(g svc), $own }")" \
	"$(door 8003 direct3 "{ $(g '/a b/c/Name|Many') }")" \
	"{ \"port\": 8004, \"protocol\": \"dokodemo-door\", \"settings\": { \"address\": \"10.2.0.3\", \"port\": 9445 }, \"streamSettings\": { $(g svc) } }") ],
  "routing": { "rules": [ $(to gun multi guns custom customm wrong plain chain ngx hap ngxno) ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join \
	"$(wrap_out gun 10.2.0.1:8001 "{ $(g svc) }")" \
	"$(wrap_out multi 10.2.0.1:8001 "{ $(g svc ', "multiMode": true, "idle_timeout": 10, "health_check_timeout": 5, "permit_without_stream": true, "initial_windows_size": 100000') }")" \
	"$(wrap_out guns 10.2.0.1:8002 "{ $(g svc), $ca }")" \
	"$(wrap_out custom 10.2.0.1:8003 "{ $(g '/a b/c/Name') }")" \
	"$(wrap_out customm 10.2.0.1:8003 "{ $(g '/a b/c/Name|Many' ', "multiMode": true') }")" \
	"$(wrap_out wrong 10.2.0.1:8001 "{ $(g other) }")" \
	"$(wrap_out plain 10.2.0.3:5001 "{ $(g svc) }")" \
	"$(wrap_out hop 10.2.0.1:8004 "{ $(g svc) }")" \
	"$(wrap_out chain 10.2.0.1:8001 "{ $(g svc), \"sockopt\": { \"dialerProxy\": \"hop\" } }")" \
	"$(wrap_out ngx 10.2.0.3:9443 "{ $(g svc), $ca }")" \
	"$(wrap_out hap 10.2.0.3:9444 "{ $(g svc), $ca }")" \
	"$(wrap_out ngxno 10.2.0.3:9443 "{ $(g other), $ca }")") ]
}
END
A=10.1.0.1
transfers "gun" $A 7001
transfers "multi" $A 7002
transfers "gun in TLS" $A 7003
transfers "own names" $A 7004
transfers "own names, multi" $A 7005
transfers "gRPC through gRPC" $A 7014
# haproxy 2.6 stands still in one of some 40 echoes larger than its windows, with credit
# on both sides and nothing in any socket
transfers "haproxy between" $A 7012 "$C" 60000
transfers "nginx between" $A 7011
refused "wrong service" $A 7006
wait_log culvert "grpc: server answers 404"
refused "nginx has no such path" $A 7013
refused "an echo is no server" $A 7007

wait_log culvert "grpc: window 512 KiB"

# many at the same time over one connection a worker
out=$(on "$C" "$NT" tcp-short $A 7003 -n 200 -j 20)
contains "200 streams, 20 at a time" "$out" "ok=200 failed=0"
le "connections" "$(on "$G" ss -Htn state established "dport = :8002" | wc -l)" 4
# a reader that does not read holds up itself only
on "$C" "$NT" tcp $A 7001 -n 30000000 -d 4000 -t 20 >"$TMP/slow.log" 2>&1 &
slow=$!
sleep 0.5
transfers "beside a slow one" $A 7001
wait $slow
contains "the slow one gets all" "$(cat "$TMP/slow.log")" "rx=$(sha 30000000) end=FIN"
stop culvert
eq "ends well" "$RC" 0
pass
