/* tls_why.c - Why a TLS connection failed, in words */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "proxy/transport/tls.h"

static const char *who(const struct tls *t)
{
	return t->name ? t->name : "the client";
}

/* Words for what OpenSSL put into its queue */
static void ssl_words(const struct tls *t, char *text, size_t size)
{
	unsigned long e = ERR_peek_error();
	int code = ERR_GET_REASON(e);
	const char *reason = ERR_reason_error_string(e);

	if (code == SSL_R_WRONG_VERSION_NUMBER || code == SSL_R_HTTP_REQUEST ||
	    code == SSL_R_UNKNOWN_PROTOCOL)
		snprintf(text, size, "it does not speak TLS");
	else if (code == SSL_R_UNSUPPORTED_PROTOCOL ||
		 code == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
		snprintf(text, size, "no TLS version in common");
	else if (code == SSL_R_NO_SHARED_CIPHER ||
		 code == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
		snprintf(text, size, "nothing in common (%s)",
			 reason ? reason : "?");
	else if (code == SSL_R_TLSV1_UNRECOGNIZED_NAME)
		snprintf(text, size, "it does not know the name \"%s\"",
			 who(t));
	else if (code == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL)
		snprintf(text, size, "no ALPN in common");
	else
		snprintf(text, size, "%s", reason ? reason : "unknown error");
}

/* A wrong certificate is wrong for each connection: said at times only */
static void tell_verify(const struct tls *t)
{
	const char *why = t->verify_why ? t->verify_why : "out of memory";

	if (log_due(&t->conf->told_ms, LOG_AGAIN_MS))
		log_warning("s%x tls: %s: %s", t->id, who(t), why);
	else
		log_info("s%x tls: %s: %s", t->id, who(t), why);
}

void tls_tell(const struct tls *t)
{
	char why[256] = "";

	if (t->verify_err) {
		tell_verify(t);
		return;
	}
	if (t->below_err)
		snprintf(why, sizeof(why), "%s", strerror(-t->below_err));
	else if (t->below_eof)
		snprintf(why, sizeof(why), "it closed the connection");
	else
		ssl_words(t, why, sizeof(why));
	log_info("s%x tls: %s with %s: %s", t->id,
		 SSL_is_init_finished(t->ssl) ? "connection" : "handshake",
		 who(t), why);
}
