/*
 * link.h - Share links: ss, vless, vmess, trojan, socks, http, wireguard; lists of them
 *
 * Text that strangers wrote: nothing is believed, everything has a limit.
 */
#ifndef PROXY_WIRE_LINK_H
#define PROXY_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"

#define LINK_MAX_BYTES 16384u /* one link */
#define LINK_KEYS      48 /* parameters of one */
#define LINK_ALL_MAX   2000 /* links of a subscription */
#define LINK_LIST_MAX  (4u << 20) /* bytes of one */

enum link_kind {
	LINK_SS,
	LINK_VLESS,
	LINK_VMESS,
	LINK_TROJAN,
	LINK_SOCKS,
	LINK_HTTP,
	LINK_WIREGUARD,
};

struct link_key {
	const char *key, *value;
};

/**
 * struct link - What a link says; texts are in the arena given
 * @name:	Shown to people; ""
 * @host:	Address or name, without brackets
 * @user:	UUID; password of trojan; user of socks, http; our secret key. NULL none
 * @pass:	Password of ss, socks, http. NULL none
 * @method:	ss cipher, vmess security. NULL none
 * @key:	Parameters, by the names of the vless form
 */
struct link {
	enum link_kind kind;
	const char *name, *host, *user, *pass, *method;
	uint16_t port;
	struct link_key key[LINK_KEYS];
	unsigned int key_count;
};

/*
 * One link of @n bytes. 0; -EPROTO with *@why (a constant; it holds nothing of
 * the link); -ENOMEM
 */
int link_parse(struct link *l, struct arena *a, const char *text, size_t n,
	       const char **why);
/* The parameter @key, without case; NULL: none */
const char *link_get(const struct link *l, const char *key);

/* link_url.c, link_json.c: the forms; the scheme has been taken off @text */
int link_parse_url(struct link *l, struct arena *a, const char *text, size_t n,
		   const char **why);
int link_parse_ss(struct link *l, struct arena *a, const char *text, size_t n,
		  const char **why);
int link_parse_vmess(struct link *l, struct arena *a, const char *text,
		     size_t n, const char **why);
/* Percent-decoded copy; no NUL, no control characters. NULL: not fit */
const char *link_text(struct arena *a, const char *p, size_t n);
/* "host:port" or "[v6]:port" */
int link_host_port(struct link *l, struct arena *a, const char *p, size_t n,
		   const char **why);
/* Adds one; 0, -EPROTO too many. Both are kept, not copied */
int link_add(struct link *l, const char *key, const char *value,
	     const char **why);

/*
 * What is called for each entry of a list, in order. @why: line @line is no link, for
 * this reason, and of @l there is only its name; NULL: @l is a link
 */
typedef void (*link_each)(void *arg, unsigned int line, const struct link *l,
			  const char *why);
/*
 * A link, lines of links, those in base64, SIP008, sing-box's outbounds, or a wg-quick file.
 * How many were links, or -EPROTO: none of these
 */
int link_parse_all(const char *text, size_t n, link_each each, void *arg);

/* link_sing.c: the servers of a sing-box configuration; as link_parse_all() */
int link_sing_box(const cJSON *root, link_each each, void *arg);

/* link_wg.c: a wg-quick file is a link of a kind of its own */
bool link_is_wg_conf(const char *text, size_t n);
int link_parse_wg_conf(struct link *l, struct arena *a, const char *text,
		       size_t n, const char **why);
/* "settings" of the outbound @ob */
void link_wg_settings(const struct link *l, cJSON *ob);

/* link_conf.c: "a,b" as an array of texts, or of numbers. @p NULL, "": none */
void link_put_list(cJSON *o, const char *key, const char *p, bool numbers);
/* link_conf.c: as an outbound of the configuration. NULL: no memory */
cJSON *link_to_outbound(const struct link *l, const char *tag,
			void (*warn)(void *arg, const char *what), void *arg);
/*
 * link_export.c: the link of an outbound (malloc'ed). NULL with *@why (a
 * constant) when there is none
 */
char *link_from_outbound(const cJSON *ob, const char **why);

#endif
