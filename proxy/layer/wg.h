/*
 * wg.h - A WireGuard tunnel: one a process for what several workers use
 *
 * A tunnel has one socket and one session with each peer, so it lives on one worker,
 * its home (docs/decisions/029). Each worker that uses it has a stack of its own
 * (core/ipstack.h); packets between that and home go by messages. Equal settings of
 * two generations of the configuration are one tunnel.
 *
 *   wg_conf.c  settings
 *   wg.c       the table of tunnels, workers, messages
 *   wg_dev.c   at home: socket, batches, who sent that, whom to send to
 *   wg_route.c at home: which peer an address is
 *   wg_peer.c  at home: a peer's sessions, handshakes, timers
 */
#ifndef PROXY_LAYER_WG_H
#define PROXY_LAYER_WG_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/core/sock.h"
#include "proxy/wire/wg.h"

struct arena;
struct inbound;
struct ipstack;
struct jobj;
struct wg;
struct worker;

#define WG_PEERS_MAX   4096
#define WG_ALLOWED_MAX 256 /* prefixes of a peer */
#define WG_MTU_MIN     576
#define WG_MTU_MAX     32768

/**
 * struct wg_peer_conf - One entry of "peers"
 * @endpoint:	kind NONE: the peer is who comes first; a name is looked up
 * @keep_alive_s:	0: no packets for their own sake
 * @allowed:	Prefixes of what it may send, and gets
 * @email, @level:	Of a server's: the user behind it; "" none
 */
struct wg_peer_conf {
	uint8_t public_key[WG_KEY_BYTES], psk[WG_KEY_BYTES];
	struct addr endpoint;
	uint16_t keep_alive_s;
	uint16_t allowed_count;
	struct cidr *allowed;
	const char *email;
	uint32_t level;
};

/**
 * struct wg_conf - Settings; lives in an arena
 * @own:	Addresses inside, IPv4 and IPv6; kind NONE: none
 * @strategy:	enum domain_strategy of names
 * @bind:	Address the socket is bound to; kind NONE: any, port 0: any
 * @tag:	For the log
 */
struct wg_conf {
	uint8_t secret_key[WG_KEY_BYTES];
	struct addr own[2];
	struct addr bind;
	uint8_t reserved[3];
	uint8_t strategy;
	uint16_t mtu;
	uint16_t peer_count;
	struct wg_peer_conf *peers;
	struct sockopt sockopt;
	const char *tag;
};

/*
 * secretKey, address, mtu, reserved, domainStrategy and peers[] of @settings; a
 * server's peers need no endpoint. 0 or -ENOMEM; complaints go to the diag
 */
int wg_conf_parse(struct jobj *settings, struct wg_conf *c, struct arena *a,
		  bool server);
/* The keys in it */
void wg_conf_wipe(struct wg_conf *c);

/*
 * The tunnel of @conf, which stays in force for at least as long. A reference.
 * NULL: out of memory
 */
struct wg *wg_get(const struct wg_conf *conf);
/* From any thread; the last one ends it */
void wg_put(struct wg *wg);
/* Would a tunnel of both be the same one? Users do not count */
bool wg_conf_same(const struct wg_conf *a, const struct wg_conf *b);
/*
 * A tunnel of @w alone, whose packets become sessions of *@ib, which may change from
 * one packet to the next; its settings are a struct wg_conf like @conf. 0 with *@out,
 * or -errno
 */
int wg_serve(const struct wg_conf *conf, const struct inbound *const *ib,
	     struct worker *w, struct wg **out);
void wg_serve_end(struct wg *wg);
/* @w's stack in it, made now if need be; the tunnel's. 0 with *@out, or -errno */
int wg_stack(struct wg *wg, struct worker *w, struct ipstack **out);

#endif
