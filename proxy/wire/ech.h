/* ech.h - Xray's echServerKeys: private keys with their ECHConfigs */
#ifndef PROXY_WIRE_ECH_H
#define PROXY_WIRE_ECH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct ech_pair - One of them, borrowed
 * @key:	Raw private key of the config's KEM
 * @config:	One ECHConfig, not a list
 */
struct ech_pair {
	const uint8_t *key, *config;
	size_t key_len, config_len;
};

/*
 * The first pair: u16 length, key, u16 length, config. Bytes consumed, or
 * -EPROTO (cut short, or one of them empty)
 * Source: Xray transport/internet/tls/ech.go, ConvertToGoECHKeys (facts)
 */
ssize_t ech_pair_decode(const uint8_t *p, size_t n, struct ech_pair *out);

#endif
