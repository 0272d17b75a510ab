/* tls.h - What the files of the TLS level share; OpenSSL's types stay opaque */
#ifndef PROXY_TRANSPORT_TLS_H
#define PROXY_TRANSPORT_TLS_H

#include <stdatomic.h>

#include "gateway/base/buf.h"
#include "gateway/core/transport.h"
#include "gateway/core/worker.h"
#include "proxy/layer/burst.h"

struct records;
struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct ossl_lib_ctx_st;
struct x509_store_st;
struct x509_st;
struct stack_st_X509;
struct evp_pkey_st;

#define TLS_PIN_BYTES  32
#define TLS_TICKETS    4 /* kept for each worker and level */
#define TLS_CHECK_MS   5000u /* between two looks at certificate files */
#define TLS_CERTS_MAX  64
#define TLS_OCSP_MIN_S 60 /* more often, an authority is not asked */
#define TLS_OCSP_MAX   16384 /* bytes of an answer or of an issuer */
#define TLS_KNOWN      4 /* verified ones kept for each worker and level */

/**
 * struct tls_key - One certificate with its key
 * @cert_file, @key_file:	NULL: written in the configuration itself
 * @cert_pem:	Text of the configuration, or NULL (arena's)
 * @key:	Of the configuration, or NULL (owned); its text is wiped
 * @ocsp_s:	Seconds between two OCSP answers asked for; 0 none
 */
struct tls_key {
	const char *cert_file, *key_file;
	const char *cert_pem;
	struct evp_pkey_st *key;
	uint32_t ocsp_s;
};

/**
 * struct tls_staple - An OCSP answer for one certificate, checked
 * @older:	The one before; freed when this one is replaced, as somebody may
 *		be copying it (that takes no time, an exchange TLS_OCSP_MIN_S)
 * @until:	Seconds since 1970: not served afterwards
 */
struct tls_staple {
	struct tls_staple *older;
	int64_t until;
	size_t len;
	uint8_t der[];
};

/**
 * struct tls_pair - A loaded struct tls_key
 * @chain:	Intermediate certificates, leaf excluded; may be NULL
 * @ocsp_s:	struct tls_key's
 * @ocsp_due_ms:	When the next answer is asked for; @ocsp_told: why none came
 *		was logged
 * @staple:	NULL: none yet
 */
struct tls_pair {
	struct x509_st *cert;
	struct evp_pkey_st *key;
	struct stack_st_X509 *chain;
	uint32_t ocsp_s;
	atomic_uint ocsp_due_ms;
	atomic_bool ocsp_told;
	_Atomic(struct tls_staple *) staple;
};

/**
 * struct tls_pairs - All certificates of a level as loaded once
 * @older:	What was in force before
 * @next:	Of those before that; @retired_ms: it became one
 * @users:	Who looks at it for longer than a turn
 * @stamp:	Of the files, to see a change
 */
struct tls_pairs {
	_Atomic(struct tls_pairs *) older;
	struct tls_pairs *next;
	uint32_t retired_ms;
	atomic_uint users;
	uint64_t stamp;
	unsigned int count;
	struct tls_pair pair[];
};

/**
 * struct tls_known - Certificates of servers that were verified
 * @sum:	SHA-256 of the certificate and of the name it was verified for
 * @from, @until:	When that holds, Unix seconds; 0: unused
 * @next:	Where the next one goes
 */
struct tls_known {
	struct {
		uint8_t sum[TLS_PIN_BYTES];
		int64_t from, until;
	} cert[TLS_KNOWN];
	unsigned int next;
};

/**
 * struct tls_conf - Settings of one TLS level
 * @ctx:	Never changed after parsing: workers share it
 * @server_name:	NULL: the name dialed
 * @no_name:	A server name of an IP: no SNI
 * @alpn, @alpn_len:	Wire form of what is offered or taken
 * @pins:	@pin_count SHA-256 sums of DER certificates
 * @names:	Any of them may be in the certificate instead of @server_name
 * @resume:	Session tickets
 * @kernel:	The kernel is to do the records, where it can
 * @reject_unknown:	Server: a name no certificate has ends the handshake
 * @keys, @key_count:	Own certificates; @pairs: as loaded, swapped on change;
 *		@retired: loaded before, and nobody comes to them any more
 * @checked_ms:	When the files were looked at; @loading: a thread does
 * @told_ms:	When a certificate of others was said to be wrong last
 * @cfg:	The generation it belongs to
 * @ocsp:	Some key wants OCSP answers; @ocsp_busy: one is being fetched
 * @tickets:	Client sessions: a worker touches its own row only
 * @known:	The same
 * @log_fd:	masterKeyLog; -1 none
 */
struct tls_conf {
	struct ssl_ctx_st *ctx;
	const char *server_name;
	uint8_t alpn[256];
	size_t alpn_len;
	const uint8_t (*pins)[TLS_PIN_BYTES];
	unsigned int pin_count;
	const char **names;
	unsigned int name_count;
	bool resume, kernel, reject_unknown, server, ocsp;
	atomic_bool ocsp_busy;
	struct config *cfg;
	struct tls_key *keys;
	unsigned int key_count;
	_Atomic(struct tls_pairs *) pairs;
	struct tls_pairs *retired;
	atomic_uint checked_ms, told_ms;
	atomic_bool loading;
	bool have_thread;
	pthread_t thread;
	struct ssl_session_st *tickets[WORKERS_MAX][TLS_TICKETS];
	struct tls_known known[WORKERS_MAX];
	int log_fd;
	char why[160]; /* of the last failed load */
};

/**
 * struct tls_secret - What OpenSSL uses in one direction
 * @len:	Of the traffic secret; 0: not there yet
 * @seq:	Records under it so far
 */
struct tls_secret {
	uint8_t secret[48];
	uint8_t len;
	uint64_t seq;
};

/**
 * struct tls - One TLS connection; s.below carries its records
 * @room:	The worker's
 * @in:		Of the pool, while records wait in it; NULL none
 * @batch:	Records on their way down, during a call; else NULL
 * @out:	Records below did not take yet; NULL none
 * @name, @ip:	Whom the certificate must name: @name, or @ip when NULL
 * @burst:	Decides the record size
 * @err:	Final -errno; 0
 * @below_err:	What below said in a read; @tx_err: in a write, told when nothing
 *		more can be read
 * @below_eof:	Below ended
 * @eof:	The other side said close_notify
 * @shut:	So did we
 * @more:	The last read ended because the caller had no more space
 * @head, @head_len, @record_left:	Where in a record OpenSSL's reading is
 * @tx, @rx:	For records of our own; @rekeyed: these are no longer all
 * @ticket:	One was kept
 * @bare:	A layer on top will end the TLS
 * @over:	Spent: s.below has the records now
 * @verify_err:	X509_V_ERR_... of the certificate; 0
 * @verify_why:	The same for people; NULL (owned)
 */
struct tls {
	struct stream s;
	struct tls_conf *conf;
	struct worker *worker;
	struct tls_room *room;
	struct ssl_st *ssl;
	struct tls_in *in;
	struct tls_batch *batch;
	struct buf *out;
	char *name, *verify_why;
	struct addr ip;
	uint32_t id;
	struct burst burst;
	int err, below_err, tx_err, verify_err;
	uint32_t record_left;
	uint8_t head[5], head_len;
	struct tls_secret tx, rx;
	bool below_eof, eof, shut, more, rekeyed, ticket, bare, over;
};

/* tls_why.c: log what went wrong, once; OpenSSL's queue is looked at */
void tls_tell(const struct tls *t);

/* tls_over.c: what OpenSSL tells of keys, and in which records */
void tls_over_setup(struct ssl_ctx_st *ctx);
void tls_over_key(struct tls *t, const char *line);
/* It was handed these bytes to read */
void tls_over_follow(struct tls *t, const uint8_t *p, size_t n);
/* The layer that goes on from here, not initialised; NULL: OpenSSL goes on */
struct records *tls_over(struct tls *t);
int tls_bare(struct stream *s, unsigned int dir); /* stream op */

/* tls_conf.c: settings to @t->settings. 0 or -errno after diag */
int tls_parse(struct transport *t, struct jobj *settings, struct config *cfg);
void tls_drop(struct transport *t);

/* tls_ctx.c */
struct ssl_ctx_st *tls_ctx_new(bool server);
/* "1.0" to "1.3" to both ends (NULL: default). 0 or -EINVAL */
int tls_ctx_versions(struct ssl_ctx_st *ctx, const char *min, const char *max);
/* Go's names, ':' between. 0, or -EINVAL with *@bad, a word in @tmp */
int tls_ctx_ciphers(struct ssl_ctx_st *ctx, const char *names, char tmp[64]);
/* One group by Xray's name to OpenSSL's; NULL unknown. */
const char *tls_group_name(const char *xray);
bool tls_group_there(struct ssl_ctx_st *ctx, const char *name);
int tls_ctx_groups(struct ssl_ctx_st *ctx, const char *list);
void tls_ctx_finish(struct tls_conf *c);
const char *tls_library(void);

/* tls_lib.c */
/* The library context of client contexts; NULL: OpenSSL's own. Never freed */
struct ossl_lib_ctx_st *tls_lib(void);

/* tls_verify.c */
/* The system's CAs and @own; NULL: none could be read. A reference */
struct x509_store_st *tls_store_new(bool system, struct stack_st_X509 *own);
void tls_verify_setup(struct tls_conf *c);
/* A server: clients must show a certificate of @store, which is ours then */
void tls_verify_clients(struct tls_conf *c, struct x509_store_st *store);
/* Release the system's CAs kept for further levels */
void tls_store_forget(void);

/* tls_known.c */
/* To @sum. 0, or -errno: then it is not looked up and not kept */
int tls_known_sum(const struct x509_st *cert, const char *name,
		  uint8_t sum[TLS_PIN_BYTES]);
bool tls_known_has(const struct tls_known *k, const uint8_t sum[TLS_PIN_BYTES],
		   int64_t now_s);
/* Holds for @left_s seconds; not kept when that is not positive */
void tls_known_add(struct tls_known *k, const uint8_t sum[TLS_PIN_BYTES],
		   int64_t now_s, int64_t left_s);
/* Seconds until the first certificate of a verified chain ends, at most an hour */
int64_t tls_chain_left(const struct stack_st_X509 *chain);

/* tls_certs.c */
struct tls_pairs *tls_pairs_load(const struct tls_key *keys, unsigned int count,
				 char *why, size_t size);
void tls_pairs_free(struct tls_pairs *p);
/* All that @c has */
void tls_pairs_drop(struct tls_conf *c);
/* Certificates of PEM text or of a file. NULL: none, with @why */
struct stack_st_X509 *tls_certs_read(const char *file, const char *pem,
				     char *why, size_t size);
void tls_certs_free(struct stack_st_X509 *certs);
/* The same of a private key */
struct evp_pkey_st *tls_key_read(const char *file, const char *pem, char *why,
				 size_t size);
void tls_keys_free(struct tls_key *keys, unsigned int count);
void tls_certs_setup(struct tls_conf *c);
/* Look at the files when it is time; load changed ones in a thread */
void tls_certs_check(struct tls_conf *c, uint32_t now_ms);
uint64_t tls_stamp(const struct tls_key *keys, unsigned int count);

/* tls_staple.c: OCSP answers: asked for, judged, served */
/* DER of the question for @p, malloc'ed. Bytes, or -errno (no issuer: -ENOENT) */
int tls_ocsp_question(const struct tls_pair *p, const struct x509_st *issuer,
		      uint8_t **der);
/*
 * Is @der an answer about @p, signed for its issuer, and good now? It is served
 * from now on then. 0, or -EINVAL with @why
 */
int tls_ocsp_accept(struct tls_pair *p, const struct x509_st *issuer,
		    const uint8_t *der, size_t n, char *why, size_t size);
/* The certificate that issued @p: of its chain; NULL: not there */
struct x509_st *tls_ocsp_issuer(const struct tls_pair *p);
void tls_staples_free(struct tls_pair *p);
/* Serve what there is; in the callbacks of @c's context */
void tls_ocsp_setup(struct tls_conf *c);

/* tls_ocsp.c: fetching them */
struct tls_fetch;
/* A client came: ask for what is due */
void tls_ocsp_check(struct tls_conf *c, struct worker *w);
/* The worker ends */
void tls_ocsp_stop(struct tls_fetch *all);
/* Where the worker keeps its fetches; of tls.c */
struct tls_fetch **tls_fetches(struct worker *w);

/* tls_ech.c: encrypted ClientHello */
/* Does the OpenSSL that runs us have it? */
bool tls_ech_there(void);
/* Base64 of an ECHConfigList, of echServerKeys: 0, or -EINVAL */
int tls_ech_client(struct ssl_ctx_st *ctx, const char *text);
int tls_ech_server(struct ssl_ctx_st *ctx, const char *text);
/* For a log line after the handshake: "" or ", encrypted hello" */
const char *tls_ech_word(struct ssl_st *ssl);

/* tls_tickets.c */
void tls_tickets_setup(struct tls_conf *c);
void tls_tickets_offer(struct tls *t);
void tls_tickets_free(struct tls_conf *c);

/* tls.c */
/* serverName of a TLS level; NULL: none, or another kind of level */
const char *tls_server_name(const struct transport *t);
struct tls *tls_of_ssl(const struct ssl_st *ssl);

#endif
