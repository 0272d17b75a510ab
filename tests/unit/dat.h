/* dat.h - Makes geoip.dat and geosite.dat bytes for tests */
#ifndef TESTS_UNIT_DAT_H
#define TESTS_UNIT_DAT_H

#include <stddef.h>
#include <stdint.h>

struct dat {
	uint8_t p[8192];
	size_t n;
};

/* Protobuf fields; sizes above @p abort the test */
void dat_num(struct dat *d, unsigned int tag, uint64_t v);
void dat_bytes(struct dat *d, unsigned int tag, const void *p, size_t n);
void dat_text(struct dat *d, unsigned int tag, const char *s);
/* A geosite Domain into @entry; @attr may be NULL */
void dat_domain(struct dat *entry, unsigned int type, const char *value,
		const char *attr);
/* A geoip CIDR into @entry from "1.2.3.0/24" */
void dat_cidr(struct dat *entry, const char *cidr);
/* Put @entry into @file and empty it */
void dat_entry(struct dat *file, struct dat *entry);
/* Write @file as dir/name */
void dat_save(const struct dat *file, const char *dir, const char *name);
/* A new directory below /tmp that XRAY_LOCATION_ASSET names; in @dir */
void dat_dir(char dir[64]);
/* Remove the directory and the files @names (NULL behind the last) */
void dat_remove(const char *dir, const char *const *names);

#endif
