/*
 * fake_journal.h - File form of a FakeDNS pool: head, then one record a mapping
 *
 *   head    "CVFAKE1\n" kind(1) bits(1) 0(2) ip(16) size(4) start(8) crc(4)
 *   record  0xf5 len(1) slot(4) name(len) crc(4)
 *
 * All numbers big endian; a CRC-32 covers what stands before it. Reading stops
 * at the first record that is cut or wrong: what a crash left is ignored.
 */
#ifndef GATEWAY_DNS_FAKE_JOURNAL_H
#define GATEWAY_DNS_FAKE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/dns/fake_pool.h"

#define FAKE_HEAD_BYTES   44
#define FAKE_RECORD_BYTES 10 /* without the name */
#define FAKE_RECORD_MAX   (FAKE_RECORD_BYTES + 255)
#define FAKE_FILE_MAX     (256u << 20)

void fake_head_encode(uint8_t out[FAKE_HEAD_BYTES], const struct fake_pool *p);
/* Bytes written, at most FAKE_RECORD_MAX */
size_t fake_record_encode(uint8_t *out, uint32_t slot, const char *name,
			  size_t len);
/**
 * fake_replay() - Fill an empty pool from a file's bytes
 * @p:		Initialised; takes over the file's @start when subnet and size
 *		are the same, else nothing is read
 *
 * Return: bytes that were good (0: not even the head), -ENOMEM
 */
long fake_replay(struct fake_pool *p, const uint8_t *data, size_t n);

#endif
