/*
 * builtin.c - The configuration of `culvert up` without a file: everything
 * goes out directly, with FakeDNS and sniffing, so that rules by name can be
 * added to a copy of it (docs/CONFIG.md shows this text)
 */
#include "gateway/app/app.h"

#define BUILTIN_REST \
	"  \"dns\": " BUILTIN_DNS ",\n" \
	"  \"routing\": { \"rules\": [\n" \
	"    { \"ruleTag\": \"dns\", \"port\": 53, \"outboundTag\": \"dns\" " \
	"}\n" \
	"  ] },\n" \
	"  \"outbounds\": [\n" \
	"    { \"tag\": \"direct\", \"protocol\": \"freedom\" },\n" \
	"    { \"tag\": \"dns\", \"protocol\": \"dns\" }\n" \
	"  ]"

const char builtin_config[] =
	"{\n"
	"  \"log\": { \"loglevel\": \"warning\", \"access\": \"none\" },\n"
	"  \"inbounds\": [ {\n"
	"    \"tag\": \"tun-in\", \"protocol\": \"tun\",\n"
	"    \"settings\": { \"name\": \"culvert0\", \"mtu\": 1500,\n"
	"      \"gateway\": [ \"172.30.255.1/30\", \"fd6c:7663::1/126\" ] },\n"
	"    \"sniffing\": { \"enabled\": true,\n"
	"      \"destOverride\": [ \"fakedns\", \"http\", \"tls\", \"quic\" "
	"],\n"
	"      \"routeOnly\": true }\n"
	"  } ],\n" BUILTIN_REST ",\n"
	"  \"culvert\": { \"capture\": \"tun\" }\n"
	"}\n";

const char builtin_listen[] = "{\n"
			      "  \"log\": { \"loglevel\": \"warning\", "
			      "\"access\": \"none\" },\n" BUILTIN_REST "\n"
			      "}\n";
