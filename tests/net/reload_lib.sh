# shellcheck shell=bash
# reload_lib.sh: ann and bob, for the reload_*.sh tests, on top of transport_lib.sh
#
#	ann, bob		as "clients" of a VLESS server
#	own, ca			TLS of such a server, and of its clients
#	start_clients [MORE]	culvert with a door for each of them and each of $WAYS, by a
#				VLESS outbound; how WAY TLS MORE: its streamSettings
#	start_doors		culvert with doors, tags, outs

ANN=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e BOB=11111111-2222-3333-4444-555555555555
# shellcheck disable=SC2034 # of who reads this file
ann="{ \"id\": \"$ANN\", \"email\": \"ann@x\" }" bob="{ \"id\": \"$BOB\", \"email\": \"bob@x\" }"
# shellcheck disable=SC2034
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
ca="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"

start_doors() {
	start_in <<-END
	{ "log": { "loglevel": "info" }, "culvert": { "workers": 1 }, "inbounds": [ $(join "${doors[@]}") ],
	  "routing": { "rules": [ $(to "${tags[@]}") ] }, "outbounds": [ $(join "${outs[@]}") ] }
	END
}

start_clients() {
	local p=0 w who name id base
	doors=() outs=() tags=()
	for w in $WAYS; do
		p=$((p + 1))
		for who in "ann $ANN 7" "bob $BOB 6"; do
			read -r name id base <<<"$who"
			doors+=("$(door "${base}00$p" "$name-$w")") tags+=("$name-$w")
			outs+=("{ \"tag\": \"$name-$w\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ { \"address\": \"10.2.0.3\",
				\"port\": 800$p, \"users\": [ { \"id\": \"$id\", \"encryption\": \"none\" } ] } ] },
				\"streamSettings\": $(how "$w" "$ca" "${1:-}") }")
		done
	done
	start_doors
}
