/*
 * fuzz_venc.c - VLESS encryption: settings, and what either end may be told
 *
 * First byte, modulo 4: 0 the rest is a "decryption" and an "encryption"; 1 it is told
 * to a server, 2 to a client; 3 to a server under the right keys: two bytes of length
 * and that much, the first as a padding, the others in records, the last of them as it
 * is. Second byte: mode, and the size of the pieces and the end; odd thirds of it: the
 * records are left (op bare) after each read, if they can be.
 */
#include <stdio.h>
#include "proxy/layer/venc.h"

#include "worker.h"

#define WIRE_BYTES (96u << 10)
#define TURNS      20000 /* more than any input takes */
#define SECRET     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define PUBLIC     "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct worker w;
static struct config cfg;
static struct venc_conf_key server[3], client[3];
static uint8_t wire[WIRE_BYTES];

static void set_up(void)
{
	static const char *const modes[] = { "native", "xorpub", "random" };
	char text[256];

	worker_up_plain(&w, &cfg);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
			 VENC_PREFIX ".%s.600s.100-50-50.0-0-0." SECRET,
			 modes[i]);
		MUST(!venc_parse(text, true, &server[i]));
		snprintf(text, sizeof(text),
			 VENC_PREFIX ".%s.1rtt.100-50-50.0-0-0." PUBLIC,
			 modes[i]);
		MUST(!venc_parse(text, false, &client[i]));
	}
}

static void parse(const uint8_t *p, size_t n)
{
	static struct venc_conf_key c;
	struct venc_plan plan;
	char *text = malloc(n + 1);

	MUST(text);
	memcpy(text, p, n);
	text[n] = '\0';
	for (int i = 0; i < 2; i++) {
		if (venc_parse(text, i, &c))
			continue;
		MUST(c.relays && c.relays <= VENC_RELAYS_MAX);
		venc_plan(&c.padding, rand_below, &plan);
		MUST(plan.bytes >= 35 && plan.bytes <= VENC_PADDING_MAX);
	}
	free(text);
}

/* A client's keys, and what the server will make of them. Bytes at @wire */
static size_t good_hello(int mode, struct venc_shake_key *c,
			 struct venc_dir_key *tx)
{
	static uint8_t copy[VENC_HELLO_MAX], answer[4096];
	size_t front = venc_front_bytes(&client[mode]);
	struct venc_shake_key s = { .random = rand_bytes };
	struct venc_ticket_key t;
	ssize_t n;

	c->random = rand_bytes;
	c->aead = AEAD_AES_256_GCM;
	n = venc_client_hello(c, &client[mode], NULL, 50, wire, sizeof(wire));
	MUST(n > 0);
	memcpy(copy, wire, (size_t)n);
	MUST(venc_server_front(&s, &server[mode], copy) == VENC_ASK_BYTES);
	MUST(!venc_server_ask(&s, copy + front, VENC_ASK_BYTES));
	MUST(venc_server_answer(&s, 1, 50, &t, answer, sizeof(answer)) > 0);
	*tx = s.rx; /* one key serves both */
	memset(&s.rx, 0, sizeof(s.rx));
	venc_shake_drop(&s);
	return front + VENC_ASK_BYTES;
}

/* The padding @p of @n bytes, after a hello's keys. Bytes */
static size_t put_padding(struct venc_shake_key *c, const uint8_t *p, size_t n,
			  uint8_t *out)
{
	struct venc_dir_key *d = &c->hello;

	memset(d->nonce, 0, sizeof(d->nonce));
	d->nonce[11] = 2; /* behind the length and the keys */
	out[0] = (uint8_t)((n + AEAD_TAG_BYTES) >> 8);
	out[1] = (uint8_t)(n + AEAD_TAG_BYTES);
	MUST(!venc_seal_piece(d, out, 2, out));
	MUST(!venc_seal_piece(d, p, n, out + VENC_LENGTH_BYTES));
	return VENC_LENGTH_BYTES + n + AEAD_TAG_BYTES;
}

/* What a client with the key says: @p is cut as the head says. Bytes at @wire */
static size_t say_all(int mode, const uint8_t *p, size_t n)
{
	struct venc_shake_key c = { 0 };
	struct venc_dir_key tx = { 0 };
	size_t len = good_hello(mode, &c, &tx);
	bool first = true;

	while (n > 2 && len < sizeof(wire) / 2) {
		size_t k = ((size_t)p[0] << 8 | p[1]) % VENC_PLAIN_PUT;
		ssize_t put = 0;

		if (k > n - 2)
			k = n - 2;
		if (first)
			put = (ssize_t)put_padding(&c, p + 2, k, wire + len);
		else if (k)
			put = venc_seal(&tx, p + 2, k, wire + len,
					sizeof(wire) - len);
		MUST(put >= 0);
		len += (size_t)put;
		first = false;
		p += 2 + k;
		n -= 2 + k;
	}
	memcpy(wire + len, p, n < 1024 ? n : 1024);
	venc_dir_drop(&tx);
	venc_shake_drop(&c);
	return len + (n < 1024 ? n : 1024);
}

/* Read to its end; what comes goes back */
static ssize_t drain(struct stream *s, bool leave)
{
	uint8_t b[5000];
	ssize_t k = -EAGAIN;

	for (int i = 0; i < TURNS && (k > 0 || k == -EAGAIN); i++) {
		k = stream_read(s, b, sizeof(b));
		if (k > 0)
			(void)stream_write(s, b, (size_t)k);
		if (leave)
			(void)s->ops->bare(s, k > 0 ? ST_READ | ST_WRITE : 0);
	}
	return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int kind, mode;
	struct stream *s;
	struct feed f;
	ssize_t rc;

	if (n < 2)
		return 0;
	if (!cfg.level_count)
		set_up();
	kind = p[0] % 4;
	mode = p[1] % 3;
	if (!kind) {
		parse(p + 2, n - 2);
		return 0;
	}
	if (kind == 3)
		feed_init(&f, wire, say_all(mode, p + 2, n - 2), p[1]);
	else
		feed_init(&f, p + 2, n - 2, p[1]);
	s = kind == 2 ? venc_client(&client[mode], NULL, &w, &f.s, 1) :
			venc_server(&server[mode], &w, &f.s, 1);
	MUST(s);
	rc = drain(s, p[1] / 3 % 2);
	MUST(rc != -EAGAIN && rc != -ENOMEM);
	s->ops->close(s, rc < 0 ? (int)rc : 0);
	MUST(f.closed);
	return 0;
}
