/*
 * slim.c - Give back the pages that only the start has touched
 *
 * The loader reads relocations and symbols of every library (1 MiB of libcrypto
 * alone), and starting up runs code that is not run again. These pages are clean
 * copies of files: dropped here, those still needed come back from the page
 * cache by a minor fault.
 * Source: madvise(2), dl_iterate_phdr(3)
 */
#include "gateway/app/slim.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void drop(uintptr_t from, size_t n)
{
	/* addresses come as integers from the loader */
	void *p = (void *)from; /* NOLINT(performance-no-int-to-ptr) */

	(void)madvise(p, n, MADV_DONTNEED);
}

static int drop_clean(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + ph->p_vaddr;
		uintptr_t end = from + ph->p_memsz;

		/* never what may differ from the file */
		if (ph->p_type != PT_LOAD || ph->p_flags & PF_W)
			continue;
		from &= ~(page - 1);
		end &= ~(page - 1); /* a writable segment may begin there */
		if (end > from)
			drop(from, end - from);
	}
	return 0;
}

/* A debugger's breakpoints are changes to such pages: they would be lost */
static bool is_traced(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	static const char tag[] = "TracerPid:";
	char line[128];
	long pid = 1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, tag, sizeof(tag) - 1)) {
			pid = strtol(line + sizeof(tag) - 1, NULL, 10);
			break;
		}
	if (f)
		fclose(f);
	return pid;
}

void slim_down(void)
{
	if (is_traced())
		return;
	dl_iterate_phdr(drop_clean, NULL);
}
