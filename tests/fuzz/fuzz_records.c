/*
 * fuzz_records.c - What the other end of TLS 1.3 may say under the right keys, and
 * WebSocket frames in it
 *
 * First byte: bit 0: frames are looked for, bit 1: as a server. Second: the size of
 * the pieces and the end. Then records: type, two bytes of length, that much. After a
 * KeyUpdate the next ones are sealed with the next key.
 */
#include "proxy/layer/records.h"
#include "proxy/transport/ws_int.h"
#include "worker.h"

#define WIRE_BYTES (96u << 10)
#define TURNS      20000 /* more than any input takes */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct worker w;
static struct config cfg;
static uint8_t wire[WIRE_BYTES];

static void keys(struct tls13_dir *d, uint8_t first)
{
	const uint8_t secret[32] = { first };

	MUST(tls13_dir_set(d, HASH_SHA256, AEAD_AES_128_GCM, secret) == 0);
}

/* The records of @p to @wire. Bytes */
static size_t seal_all(const uint8_t *p, size_t n)
{
	struct tls13_dir tx = { 0 };
	size_t len = 0;

	keys(&tx, 1);
	while (n > 3) {
		size_t k = get_be16(p + 1) % (TLS13_PLAIN_MAX + 1);
		ssize_t put;

		if (k > n - 3)
			k = n - 3;
		put = tls13_seal(&tx, (enum tls_content)p[0], p + 3, k,
				 wire + len, sizeof(wire) - len);
		if (put < 0)
			break;
		if (p[0] == TLS_HANDSHAKE && k == 5 && p[3] == 24)
			MUST(tls13_dir_next(&tx) == 0);
		len += (size_t)put;
		p += 3 + k;
		n -= 3 + k;
	}
	tls13_dir_drop(&tx);
	return len;
}

static ssize_t put_back(struct stream *s, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t put = stream_write(s, p, n);

		if (put == -EAGAIN)
			continue;
		if (put < 0)
			return put;
		MUST((size_t)put <= n);
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

/* Read to its end by lend, taking what @how says; what comes goes back */
static ssize_t drain(struct stream *s, uint8_t how)
{
	ssize_t k = -EAGAIN, rc = 0;

	for (int i = 0; i < TURNS && (k > 0 || k == -EAGAIN) && !rc; i++) {
		struct iovec iov[STREAM_IOV];
		int cnt = STREAM_IOV;
		size_t sum = 0;

		k = s->ops->lend(s, iov, &cnt);
		if (k <= 0)
			continue;
		MUST(cnt > 0 && cnt <= STREAM_IOV);
		for (int v = 0; v < cnt; v++)
			sum += iov[v].iov_len;
		MUST(sum == (size_t)k);
		if (s->ops->writev)
			rc = put_back(s, iov[0].iov_base, iov[0].iov_len);
		s->ops->took(s, how & 1 ? (size_t)k : (size_t)(k + 1) / 2);
	}
	return rc ? rc : k;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct stream_ops ws_ops = { .name = "ws",
						  .lend = ws_lend,
						  .took = ws_took };
	struct ws *ws;
	struct records *r;
	struct stream *s;
	struct feed f;
	ssize_t rc;

	if (n < 2)
		return 0;
	if (!cfg.level_count)
		worker_up_plain(&w, &cfg);
	feed_init(&f, wire, seal_all(p + 2, n - 2), p[1]);
	r = calloc(1, sizeof(*r));
	ws = calloc(1, sizeof(*ws));
	MUST(r && ws);
	records_setup(r);
	r->c.started = true;
	keys(&r->rx, 1);
	keys(&r->tx, 2);
	chunk_init(&r->c, &records_ops, &w, &f.s, 1);
	s = &r->c.s;
	if (p[0] & 1) {
		*ws = (struct ws){ .s = { .ops = &ws_ops, .below = s },
				   .state = WS_OPEN,
				   .server = p[0] & 2 };
		rc = drain(&ws->s, 1);
	} else {
		rc = drain(s, p[0] >> 1);
	}
	MUST(rc != -EAGAIN && rc != -ENOMEM);
	s->ops->close(s, rc < 0 ? (int)rc : 0);
	MUST(f.closed);
	buf_free(ws->out);
	free(ws);
	return 0;
}
