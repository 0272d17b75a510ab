/*
 * foreign.c - Is this a configuration of another program, or none at all?
 *
 *   text: the first word of each line that is not indented ("proxies:", "[Peer]",
 *         "redsocks {") marks what it is of; the most telling mark counts
 *   JSON: names of members that only one program has
 */
#include "gateway/base/foreign.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "gateway/base/jget.h"

#define LOOK_BYTES 65536u /* of a text */
#define CODE_BYTES 64u /* of base64: enough for one "://" */

#define BY_LINK \
	"its server is enough for culvert: `culvert up LINK`, with the " \
	"provider's share link or the address of its subscription; rules are " \
	"written as in docs/SWITCHING.md"

#define BY_FILE \
	"it is run by `culvert up FILE`, or made a configuration by `culvert " \
	"import FILE > config.json`"

#define BY_SERVERS \
	"its servers are taken by `culvert up FILE`, or `culvert import FILE " \
	"> config.json`; rules are written as in docs/SWITCHING.md"

/* The higher, the more telling */
enum kind {
	NONE,
	YAML,
	TOML,
	XRAY_YAML,
	HEV,
	CLASH,
	REDSOCKS,
	WG_QUICK,
	SING_BOX,
	SS,
	SIP008,
	TROJAN,
	SEVERAL,
	LINKS,
	PAGE,
	KINDS
};

static const struct foreign kinds[KINDS] = {
	[YAML] = { .what = "YAML", .convert = true },
	[TOML] = { .what = "TOML", .convert = true },
	[XRAY_YAML] = { .what = "YAML", .convert = true },
	[HEV] = { .what = "a configuration of hev-socks5-tunnel",
		  .help = "the same is done by `culvert up "
			  "socks://USER:PASSWORD@HOST:PORT`" },
	[CLASH] = { .what = "a configuration of Clash or mihomo",
		    .help = BY_LINK },
	[REDSOCKS] = { .what = "a configuration of redsocks",
		       .help = "the same is done by `culvert up --capture "
			       "redirect "
			       "socks://USER:PASSWORD@HOST:PORT`" },
	[WG_QUICK] = { .what = "a wg-quick file",
		       .help = BY_FILE,
		       .servers = true },
	[SING_BOX] = { .what = "a configuration of sing-box",
		       .help = BY_SERVERS,
		       .servers = true },
	[SS] = { .what = "a configuration of Shadowsocks",
		 .help = "the same is done by `culvert up "
			 "ss://METHOD:PASSWORD@HOST:PORT`" },
	[SIP008] = { .what = "a subscription (SIP008)",
		     .help = BY_FILE,
		     .servers = true },
	[TROJAN] = { .what = "a configuration of trojan",
		     .help = "the same is done by `culvert up "
			     "trojan://PASSWORD@HOST:PORT`" },
	[SEVERAL] = { .what = "a list of configurations",
		      .help = "take one of them: jq '.[0]' FILE > "
			      "config.json" },
	[LINKS] = { .what = "a share link, or a list of them",
		    .help = BY_FILE,
		    .servers = true },
	[PAGE] = { .what = "a web page, not what was asked for",
		   .help = "open the address in a browser to see what it "
			   "says" },
};

/* --- text ---------------------------------------------------------------- */

static const struct mark {
	const char *word;
	enum kind kind;
} marks[] = {
	{ "<!doctype", PAGE },
	{ "<html", PAGE },
	{ "[Interface]", WG_QUICK },
	{ "redsocks {", REDSOCKS },
	{ "redsocks{", REDSOCKS },
	{ "redudp {", REDSOCKS },
	{ "proxies:", CLASH },
	{ "proxy-groups:", CLASH },
	{ "proxy-providers:", CLASH },
	{ "rule-providers:", CLASH },
	{ "mixed-port:", CLASH },
	{ "external-controller:", CLASH },
	{ "inbounds:", XRAY_YAML },
	{ "outbounds:", XRAY_YAML },
	{ "socks5:", HEV },
};

static enum kind of_line(const char *p, size_t n)
{
	size_t word = 0;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t k = strlen(marks[i].word);

		if (n >= k && !strncasecmp(p, marks[i].word, k))
			return marks[i].kind;
	}
	while (word < n && (isalnum((unsigned char)p[word]) || p[word] == '-' ||
			    p[word] == '_'))
		word++;
	if (word && word < n && p[word] == ':' &&
	    (word + 1 == n || p[word + 1] == ' '))
		return YAML;
	if (n >= 4 && p[0] == '[' &&
	    isalpha((unsigned char)p[1 + (p[1] == '[')]) && p[n - 1] == ']')
		return TOML;
	return NONE;
}

/* A scheme, as links have it */
static bool is_link(const char *p, size_t n)
{
	size_t k = 0;

	while (k < n && isalnum((unsigned char)p[k]))
		k++;
	return k >= 2 && n - k > 3 && !memcmp(p + k, "://", 3);
}

/* Base64 as a whole, and the beginning is a link */
static bool is_coded_link(const char *p, size_t n)
{
	char flat[CODE_BYTES];
	uint8_t plain[CODE_BYTES];
	size_t k = 0;
	ssize_t len;

	for (size_t i = 0; i < n; i++) {
		if (isspace((unsigned char)p[i]))
			continue;
		if (!isalnum((unsigned char)p[i]) &&
		    (!p[i] || !strchr("+/-_=", p[i])))
			return false;
		if (k < sizeof(flat))
			flat[k++] = p[i];
	}
	len = base64_decode(flat, k - k % 4, plain, sizeof(plain));
	return len > 0 && is_link((const char *)plain, (size_t)len);
}

/* What is no word of a file's: blank, a comment, or further in */
static bool is_inner(const char *p, const char *stop)
{
	return p == stop || *p == '#' || *p == ' ' || *p == '\t' ||
	       (stop - p >= 3 && !memcmp(p, "---", 3));
}

/* The most telling mark of all lines; of any YAML or TOML the first line is one, too */
static enum kind of_lines(const char *p, const char *end)
{
	enum kind best = NONE;
	bool begun = false;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end, *next = nl ? nl + 1 : end;
		enum kind k = NONE;

		while (stop > p && isspace((unsigned char)stop[-1]))
			stop--;
		if (!is_inner(p, stop)) {
			k = of_line(p, (size_t)(stop - p));
			if (k > best && (!begun || best != NONE || k > TOML))
				best = k;
			begun = true;
		}
		p = next;
	}
	return best;
}

const struct foreign *foreign_text(const char *text, size_t n)
{
	const char *end = text + (n < LOOK_BYTES ? n : LOOK_BYTES);
	enum kind k;

	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (text < end && isspace((unsigned char)*text))
		text++;
	if (text == end || *text == '{')
		return NULL;
	if (is_link(text, (size_t)(end - text)) ||
	    is_coded_link(text, (size_t)(end - text)))
		return &kinds[LINKS];
	k = of_lines(text, end);
	return k == NONE ? NULL : &kinds[k];
}

/* --- JSON ---------------------------------------------------------------- */

static bool has(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key) != NULL;
}

/* An entry of @list has its kind in "type", as sing-box has it */
static bool typed(const cJSON *root, const char *list)
{
	const cJSON *o, *all = cJSON_GetObjectItemCaseSensitive(root, list);

	if (!cJSON_IsArray(all))
		return false;
	for (o = all->child; o; o = o->next)
		if (has(o, "type") && !has(o, "protocol"))
			return true;
	return false;
}

static enum kind of_tree(const cJSON *root)
{
	if (cJSON_IsArray(root))
		return has(root->child, "outbounds") ? SEVERAL : NONE;
	if (typed(root, "outbounds") || typed(root, "inbounds") ||
	    typed(root, "endpoints"))
		return SING_BOX;
	if (has(root, "outbounds") || has(root, "inbounds"))
		return NONE;
	if (has(root, "proxies") || has(root, "mixed-port"))
		return CLASH;
	if (has(root, "route") || has(root, "experimental"))
		return SING_BOX;
	if (has(root, "servers") && has(root, "version"))
		return SIP008;
	if (has(root, "run_type") && has(root, "remote_addr"))
		return TROJAN;
	if (has(root, "server_port") && has(root, "method"))
		return SS;
	return NONE;
}

const struct foreign *foreign_tree(const struct cJSON *root)
{
	enum kind k = of_tree(root);

	return k == NONE ? NULL : &kinds[k];
}
