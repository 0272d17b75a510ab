/* beneath.h - A file that lies in a folder, whatever links there are in it */
#ifndef GATEWAY_API_BENEATH_H
#define GATEWAY_API_BENEATH_H

/*
 * The file @path, relative, for reading. A link within @root that leads out of it is
 * refused; @root itself may be one. Descriptor, or -errno
 */
int beneath_open(const char *root, const char *path);
/* The same from @dir for a kernel without openat2(2): no links at all */
int beneath_walk(int dir, const char *path);

#endif
