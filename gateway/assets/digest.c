/*
 * digest.c - Files of checksums (contract: digest.h)
 *
 * Source: sha256sum(1), cksum(1); Xray app/geodata/hash.go (facts: forms, names)
 */
#include "gateway/assets/digest.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/text.h"

/** struct word - Some bytes of the text */
struct word {
	const char *p;
	size_t n;
};

int digest_kind(const char *word)
{
	static const struct {
		const char *word;
		enum hash_kind kind;
	} kinds[] = {
		{ "", HASH_SHA256 },       { "sha224", HASH_SHA224 },
		{ "sha256", HASH_SHA256 }, { "sha384", HASH_SHA384 },
		{ "sha512", HASH_SHA512 },
	};
	char plain[16];
	size_t n = 0;

	for (; *word; word++) {
		if (strchr("-_ ", *word))
			continue;
		if (n == sizeof(plain) - 1)
			return -EINVAL;
		plain[n++] = (char)tolower((unsigned char)*word);
	}
	plain[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(plain, kinds[i].word))
			return kinds[i].kind;
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of @line, which becomes what is behind it. Empty: none */
static struct word next_word(struct word *line)
{
	struct word w;

	while (line->n && is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	w = (struct word){ line->p, 0 };
	while (w.n < line->n && !is_blank(w.p[w.n]))
		w.n++;
	line->p += w.n;
	line->n -= w.n;
	return w;
}

static bool is_digest(struct word w, size_t bytes, uint8_t *out)
{
	return w.n == 2 * bytes &&
	       hex_decode(w.p, w.n, out, bytes) == (ssize_t)bytes;
}

/* Without its folder */
static struct word base_name(struct word w)
{
	for (size_t i = w.n; i > 0; i--)
		if (w.p[i - 1] == '/')
			return (struct word){ w.p + i, w.n - i };
	return w;
}

static bool is_named(struct word name, const char *const *names)
{
	name = base_name(name);
	for (; *names; names++) {
		struct word want =
			base_name((struct word){ *names, strlen(*names) });

		if (name.n == want.n && !memcmp(name.p, want.p, want.n))
			return true;
	}
	return false;
}

/* "SHA256 (NAME) = HEX" behind the first word */
static bool bsd_line(struct word rest, size_t bytes, const char *const *names,
		     uint8_t *out)
{
	struct word name = next_word(&rest), equals = next_word(&rest);

	if (name.n < 2 || name.p[0] != '(' || name.p[name.n - 1] != ')' ||
	    equals.n != 1 || *equals.p != '=')
		return false;
	name = (struct word){ name.p + 1, name.n - 2 };
	return is_digest(next_word(&rest), bytes, out) && is_named(name, names);
}

static bool read_line(struct word line, size_t bytes, const char *const *names,
		      uint8_t *out)
{
	struct word first = next_word(&line), name;

	if (!is_digest(first, bytes, out))
		return bsd_line(line, bytes, names, out);
	name = next_word(&line);
	if (name.n && *name.p == '*')
		name = (struct word){ name.p + 1, name.n - 1 };
	return !name.n || is_named(name, names);
}

int digest_find(const char *text, size_t n, enum hash_kind kind,
		const char *const *names, uint8_t *out)
{
	size_t bytes = hash_len(kind);
	uint8_t found[HASH_MAX_BYTES];

	while (n) {
		const char *end = memchr(text, '\n', n);
		struct word line = { text, end ? (size_t)(end - text) : n };

		if (read_line(line, bytes, names, found)) {
			memcpy(out, found, bytes);
			return 0;
		}
		text += line.n + (end != NULL);
		n -= line.n + (end != NULL);
	}
	return -ENOENT;
}

int digest_check(int fd, enum hash_kind kind, const uint8_t *want)
{
	uint8_t have[HASH_MAX_BYTES];
	int rc = hash_fd(kind, fd, have);

	return rc < 0 ? rc : !memcmp(have, want, hash_len(kind));
}
