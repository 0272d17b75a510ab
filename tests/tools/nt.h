/* SPDX-License-Identifier: MIT */
/* nt.h - What the parts of the test tool nt share */
#ifndef TESTS_TOOLS_NT_H
#define TESTS_TOOLS_NT_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/**
 * struct opts - What the command line says
 * @cmd:	Subcommand
 * @addr:	Client: server's address; server: address to listen on
 * @port:	Port, as text
 * @mode:	Server's behaviour
 * @bytes:	-n: bytes to send, or a count (hold, short)
 * @sizes:	-n of udp: comma-separated sizes
 * @rate:	-r: bytes a second to read at, 0 without limit
 * @delay_ms:	-d: wait before the first read, or between cut parts
 * @timeout_s:	-t: give up after that long
 * @par:	-j: connections at a time
 * @file:	-f: send this file's bytes
 * @text:	-m: send these bytes
 * @cut:	-C: send so many bytes, wait @delay_ms, then the rest; -1: no
 * cut
 * @bind:	-b: local address
 * @bindport:	-p of clients: local port
 * @wait:	-w: half-close only after so many bytes were received
 * @rst:	-R: end by RST instead of FIN
 * @open:	-O: do not half-close after sending
 * @print:	-P: write what was received to stdout
 * @connected:	-c: udp: connect the socket, so that ICMP errors are seen
 */
struct opts {
	const char *cmd, *addr, *port, *mode, *sizes, *file, *text;
	const char *bind, *bindport;
	long long bytes, rate, cut, wait;
	int delay_ms, timeout_s, par;
	bool rst, open, print, connected;
};
extern struct opts o;

void die(const char *what);
const char *err_name(int e);
void fill(uint8_t *p, size_t n, unsigned long long off);
struct addrinfo *resolve(const char *addr, const char *port, int type,
			 int flags);
int client_socket(const struct addrinfo *ai);
int listen_socket(int type);
void peer_text(const struct sockaddr_storage *ss, socklen_t len, char *out,
	       size_t n);
int cmd_udp_serve(void);
int cmd_udp(void);
int cmd_ask(void);

#endif
