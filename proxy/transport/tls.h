/* tls.h - What the files of the TLS level share; OpenSSL's types stay opaque */
#ifndef PROXY_TRANSPORT_TLS_H
#define PROXY_TRANSPORT_TLS_H

#include <stdatomic.h>

#include "gateway/base/buf.h"
#include "gateway/core/transport.h"
#include "gateway/core/worker.h"

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct x509_store_st;
struct x509_st;
struct stack_st_X509;
struct evp_pkey_st;

#define TLS_PIN_BYTES 32
#define TLS_TICKETS   4 /* kept for each worker and level */
#define TLS_CHECK_MS  5000u /* between two looks at certificate files */
#define TLS_CERTS_MAX 64

/**
 * struct tls_key - One certificate with its key
 * @cert_file, @key_file:	NULL: written in the configuration itself
 * @cert_pem, @key_pem:	Text of the configuration, or NULL (arena's)
 */
struct tls_key {
	const char *cert_file, *key_file;
	const char *cert_pem, *key_pem;
};

/**
 * struct tls_pair - A loaded struct tls_key
 * @chain:	Intermediate certificates, leaf excluded; may be NULL
 */
struct tls_pair {
	struct x509_st *cert;
	struct evp_pkey_st *key;
	struct stack_st_X509 *chain;
};

/**
 * struct tls_pairs - All certificates of a level as loaded once
 * @older:	What was in force before; kept until the level goes, as workers
 *		may be looking at it
 * @stamp:	Of the files, to see a change
 */
struct tls_pairs {
	struct tls_pairs *older;
	uint64_t stamp;
	unsigned int count;
	struct tls_pair pair[];
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
 * @reject_unknown:	Server: a name no certificate has ends the handshake
 * @keys, @key_count:	Own certificates; @pairs: as loaded, swapped on change
 * @checked_ms:	When the files were looked at; @loading: a thread does
 * @tickets:	Client sessions: a worker touches its own row only
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
	bool resume, reject_unknown, server;
	struct tls_key *keys;
	unsigned int key_count;
	_Atomic(struct tls_pairs *) pairs;
	atomic_uint checked_ms;
	atomic_bool loading;
	bool have_thread;
	pthread_t thread;
	struct ssl_session_st *tickets[WORKERS_MAX][TLS_TICKETS];
	int log_fd;
	char why[160]; /* of the last failed load */
};

/**
 * struct tls - One TLS connection; s.below carries its records
 * @room:	The worker's batch of records
 * @out:	Records below did not take yet; NULL none
 * @name, @ip:	Whom the certificate must name: @name, or @ip when NULL
 * @burst:	Bytes put since the last pause: decides the record size
 * @put_ms:	When
 * @err:	Final -errno; 0
 * @below_err:	What below said in a read or write
 * @below_eof:	Below ended
 * @eof:	The other side said close_notify
 * @shut:	So did we
 * @more:	The last read ended because the caller had no more space
 * @verify_err:	X509_V_ERR_... of the certificate; 0
 * @verify_why:	The same for people; NULL (owned)
 */
struct tls {
	struct stream s;
	struct tls_conf *conf;
	struct worker *worker;
	struct tls_room *room;
	struct ssl_st *ssl;
	struct buf *out;
	char *name, *verify_why;
	struct addr ip;
	uint32_t id, burst, put_ms;
	int err, below_err, verify_err;
	bool below_eof, eof, shut, more;
};

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

/* tls_verify.c */
/* The system's CAs and @own; NULL: none could be read. A reference */
struct x509_store_st *tls_store_new(bool system, struct stack_st_X509 *own);
void tls_verify_setup(struct tls_conf *c);
/* Release the system's CAs kept for further levels */
void tls_store_forget(void);

/* tls_certs.c */
struct tls_pairs *tls_pairs_load(const struct tls_key *keys, unsigned int count,
				 char *why, size_t size);
void tls_pairs_free(struct tls_pairs *p);
/* Certificates of PEM text or of a file. NULL: none, with @why */
struct stack_st_X509 *tls_certs_read(const char *file, const char *pem,
				     char *why, size_t size);
void tls_certs_free(struct stack_st_X509 *certs);
void tls_certs_setup(struct tls_conf *c);
/* Look at the files when it is time; load changed ones in a thread */
void tls_certs_check(struct tls_conf *c, uint32_t now_ms);
uint64_t tls_stamp(const struct tls_key *keys, unsigned int count);

/* tls_tickets.c */
void tls_tickets_setup(struct tls_conf *c);
void tls_tickets_offer(struct tls *t);
void tls_tickets_free(struct tls_conf *c);

/* tls.c */
/* serverName of a TLS level; NULL: none, or another kind of level */
const char *tls_server_name(const struct transport *t);
struct tls *tls_of_ssl(const struct ssl_st *ssl);

#endif
