/* dat.c - Makes geoip.dat and geosite.dat bytes for tests */
#include "tests/unit/dat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/addr.h"

static void put(struct dat *d, const void *p, size_t n)
{
	if (n > sizeof(d->p) - d->n)
		abort();
	memcpy(d->p + d->n, p, n);
	d->n += n;
}

static void put_varint(struct dat *d, uint64_t v)
{
	uint8_t b;

	for (; v > 0x7f; v >>= 7) {
		b = (uint8_t)(v | 0x80);
		put(d, &b, 1);
	}
	b = (uint8_t)v;
	put(d, &b, 1);
}

void dat_num(struct dat *d, unsigned int tag, uint64_t v)
{
	put_varint(d, (uint64_t)tag << 3);
	put_varint(d, v);
}

void dat_bytes(struct dat *d, unsigned int tag, const void *p, size_t n)
{
	put_varint(d, (uint64_t)tag << 3 | 2);
	put_varint(d, n);
	put(d, p, n);
}

void dat_text(struct dat *d, unsigned int tag, const char *s)
{
	dat_bytes(d, tag, s, strlen(s));
}

void dat_domain(struct dat *entry, unsigned int type, const char *value,
		const char *attr)
{
	struct dat m = { .n = 0 }, a = { .n = 0 };

	if (type)
		dat_num(&m, 1, type);
	dat_text(&m, 2, value);
	if (attr) {
		dat_text(&a, 1, attr);
		dat_num(&a, 2, 1);
		dat_bytes(&m, 3, a.p, a.n);
	}
	dat_bytes(entry, 2, m.p, m.n);
}

void dat_cidr(struct dat *entry, const char *cidr)
{
	struct dat m = { .n = 0 };
	struct cidr c;

	if (cidr_parse(&c, cidr) < 0)
		abort();
	dat_bytes(&m, 1, c.ip, c.kind == ADDR_V4 ? 4 : 16);
	if (c.bits)
		dat_num(&m, 2, c.bits);
	dat_bytes(entry, 2, m.p, m.n);
}

void dat_entry(struct dat *file, struct dat *entry)
{
	dat_bytes(file, 1, entry->p, entry->n);
	entry->n = 0;
}

void dat_save(const struct dat *file, const char *dir, const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(file->p, 1, file->n, f) != file->n || fclose(f))
		abort();
}

void dat_dir(char dir[64])
{
	snprintf(dir, 64, "/tmp/culvert-dat.XXXXXX");
	if (!mkdtemp(dir) || setenv("XRAY_LOCATION_ASSET", dir, 1))
		abort();
}

void dat_remove(const char *dir, const char *const *names)
{
	char path[128];

	for (; *names; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		unlink(path);
	}
	rmdir(dir);
}
