/*
 * mem_scan.h - Does a text stand anywhere in this process's memory?
 *
 * Freed memory is looked at, too, which is why it is read by the kernel: sanitizers
 * forbid us to. Constants of the test and shared memory are passed over.
 */
#ifndef TESTS_UNIT_MEM_SCAN_H
#define TESTS_UNIT_MEM_SCAN_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SCAN_CHUNK  (1u << 20)
#define SCAN_REGION (64u << 20) /* larger ones are a sanitizer's own */

static int count_region(int fd, char *chunk, unsigned long from,
			unsigned long end, const char *what, size_t n)
{
	int found = 0;

	for (unsigned long at = from; at < end; at += SCAN_CHUNK - n + 1) {
		ssize_t got = pread(fd, chunk, SCAN_CHUNK, (off_t)at);
		const char *p = chunk, *hit;

		if (got > (ssize_t)(end - at))
			got = (ssize_t)(end - at);
		while (got > 0 &&
		       (hit = memmem(p, (size_t)(chunk + got - p), what, n))) {
			found++;
			p = hit + 1;
		}
	}
	return found;
}

/* How often the constant @what stands in memory that can be written; -1: unknown */
static int mem_count(const char *what)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), found = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], *chunk = mmap(NULL, SCAN_CHUNK, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(chunk, MAP_FAILED);
	while (fd >= 0 && maps && fgets(line, sizeof(line), maps)) {
		unsigned long from, end;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &end, mode) != 3 ||
		    strcmp(mode, "rw-p") != 0 || end - from > SCAN_REGION)
			continue;
		found += count_region(fd, chunk, from, end, what, strlen(what));
	}
	if (maps)
		fclose(maps);
	munmap(chunk, SCAN_CHUNK);
	if (fd < 0)
		return -1;
	close(fd);
	return found;
}

#endif
