/*
 * tls_ctx.c - An SSL_CTX by the words of Xray's tlsSettings
 *
 * Made while parsing and never changed afterwards: SSL_new() of several threads
 * at the same time is allowed then.
 * Source: xray.md section M; SSL_CTX_new(3), SSL_CTX_set_cipher_list(3)
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "proxy/transport/key_log.h"
#include "proxy/transport/tls.h"

static const char aes_first[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
				"TLS_CHACHA20_POLY1305_SHA256";
static const char chacha_first[] =
	"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
	"TLS_AES_256_GCM_SHA384";
static const char old_suites[] =
	"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!PSK:!SRP:"
	"!aNULL:!eNULL";

const char *tls_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}

/* Does the processor compute AES? Without it ChaCha20 is several times faster */
static bool cpu_has_aes(void)
{
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool yes = false;

	if (!f)
		return true;
	while (!yes && fgets(line, sizeof(line), f))
		if (!strncasecmp(line, "flags", 5) ||
		    !strncasecmp(line, "features", 8))
			yes = strstr(line, " aes");
	fclose(f);
	return yes;
}

struct ssl_ctx_st *tls_ctx_new(bool server)
{
	SSL_CTX *ctx;
	uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	ctx = server ? SSL_CTX_new(TLS_server_method()) :
		       SSL_CTX_new_ex(tls_lib(), NULL, TLS_client_method());
	if (!ctx)
		return NULL;
	if (server)
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE |
			   SSL_OP_PRIORITIZE_CHACHA;
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	if (SSL_CTX_set_ciphersuites(ctx, cpu_has_aes() ? aes_first :
							  chacha_first) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, old_suites) != 1) {
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static int version_number(const char *word)
{
	static const struct {
		const char *word;
		int number;
	} versions[] = {
		{ "1.0", TLS1_VERSION },
		{ "1.1", TLS1_1_VERSION },
		{ "1.2", TLS1_2_VERSION },
		{ "1.3", TLS1_3_VERSION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (!strcmp(versions[i].word, word))
			return versions[i].number;
	return 0;
}

int tls_ctx_versions(struct ssl_ctx_st *ctx, const char *min, const char *max)
{
	int lo = min ? version_number(min) : TLS1_2_VERSION;
	int hi = max ? version_number(max) : 0;

	if (!lo || (max && !hi))
		return -EINVAL;
	if (hi && hi < lo && !min)
		lo = hi;
	if (hi && hi < lo)
		return -EINVAL;
	if (lo < TLS1_2_VERSION) /* SHA-1 signatures are below level 1 */
		SSL_CTX_set_security_level(ctx, 0);
	return SSL_CTX_set_min_proto_version(ctx, lo) == 1 &&
			       SSL_CTX_set_max_proto_version(ctx, hi) == 1 ?
		       0 :
		       -EINVAL;
}

/* Append @word to the list in @text */
static bool word_add(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);
	int n = snprintf(text + used, size - used, "%s%s", used ? ":" : "",
			 word);

	return n > 0 && (size_t)n < size - used;
}

/* One of Go's names to the list it belongs to */
static bool add_cipher(const char *name, char old[1024], char new[256])
{
	char full[80];
	const char *known;

	if (!strncmp(name, "TLS_AES_", 8) ||
	    !strcmp(name, "TLS_CHACHA20_POLY1305_SHA256"))
		return word_add(new, 256, name);
	known = OPENSSL_cipher_name(name);
	if (!strcmp(known, "(NONE)")) { /* Go's short form of two names */
		snprintf(full, sizeof(full), "%s_SHA256", name);
		known = OPENSSL_cipher_name(full);
	}
	return strcmp(known, "(NONE)") != 0 && word_add(old, 1024, known);
}

int tls_ctx_ciphers(struct ssl_ctx_st *ctx, const char *names, char tmp[64])
{
	char old[1024] = "", new[256] = "";

	while (*names) {
		size_t n = strcspn(names, ":");

		snprintf(tmp, 64, "%.*s", (int)(n < 63 ? n : 63), names);
		names += n + (names[n] == ':');
		if (tmp[0] && !add_cipher(tmp, old, new))
			return -EINVAL;
	}
	if ((old[0] && SSL_CTX_set_cipher_list(ctx, old) != 1) ||
	    (new[0] && SSL_CTX_set_ciphersuites(ctx, new) != 1)) {
		ERR_clear_error();
		return -EINVAL;
	}
	return 0;
}

const char *tls_group_name(const char *xray)
{
	static const struct {
		const char *xray, *name;
	} groups[] = {
		{ "x25519", "X25519" },
		{ "curvep256", "P-256" },
		{ "curvep384", "P-384" },
		{ "curvep521", "P-521" },
		{ "x25519mlkem768", "X25519MLKEM768" },
		{ "secp256r1mlkem768", "SecP256r1MLKEM768" },
		{ "secp384r1mlkem1024", "SecP384r1MLKEM1024" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcasecmp(groups[i].xray, xray))
			return groups[i].name;
	return NULL;
}

bool tls_group_there(struct ssl_ctx_st *ctx, const char *name)
{
	bool there = SSL_CTX_set1_groups_list(ctx, name) == 1;

	ERR_clear_error();
	return there;
}

int tls_ctx_groups(struct ssl_ctx_st *ctx, const char *list)
{
	return SSL_CTX_set1_groups_list(ctx, list) == 1 ? 0 : -EINVAL;
}

/* For our own records, and lines for a program that reads captures */
static void on_key(const SSL *ssl, const char *line)
{
	struct tls *t = tls_of_ssl(ssl);

	tls_over_key(t, line);
	key_log_put(t->conf->log_fd, line);
}

/* The server's choice: its own order */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct tls_conf *c = arg;
	unsigned char *pick;

	(void)ssl;
	if (SSL_select_next_proto(&pick, out_len, c->alpn,
				  (unsigned int)c->alpn_len, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = pick;
	return SSL_TLSEXT_ERR_OK;
}

void tls_ctx_finish(struct tls_conf *c)
{
	SSL_CTX_set_keylog_callback(c->ctx, on_key);
	tls_over_setup(c->ctx);
	if (c->alpn_len && c->server)
		SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, c);
	else if (c->alpn_len)
		SSL_CTX_set_alpn_protos(c->ctx, c->alpn,
					(unsigned int)c->alpn_len);
	if (!c->resume) {
		SSL_CTX_set_options(c->ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(c->ctx, 0);
	}
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	if (c->resume)
		tls_tickets_setup(c);
}
