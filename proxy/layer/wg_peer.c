/*
 * wg_peer.c - A WireGuard peer: handshakes, sessions, timers
 *
 *   packet, no session -> queue, initiation -> (retry every 5 s, for 90 s)
 *   response           -> session in use; queue leaves, or a keepalive
 *   initiation         -> response; session waits until its first packet comes
 *
 *   retry    5 s after an initiation without a response
 *   quiet    10 s after something was received and nothing sent: keepalive
 *   deaf     15 s after something was sent and nothing received: initiation
 *   zero     540 s after the last session was made: keys are forgotten
 *   persist  keepAlive seconds after anything: keepalive
 *
 * Source: the paper, section 6
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/sockopt.h"
#include "proxy/layer/wg_int.h"

#define FLOOD_MS 20u /* two initiations of a peer are so far apart at least */
#define LAST_WORD_MS \
	(WG_REJECT_AFTER_MS - WG_KEEPALIVE_MS - WG_REKEY_TIMEOUT_MS)
#define ASK_AGAIN 3 /* attempts after which a name is looked up again */
#define PAD       16

static uint32_t now_of(const struct wg_peer *p)
{
	return p->dev->worker->now_ms;
}

static void set(struct wg_peer *p, struct timer *t, uint32_t ms)
{
	timer_set(&p->dev->worker->wheel, t, ms);
}

static const char *text_of(const struct wg_peer *p, char buf[ADDR_TEXT_MAX])
{
	const struct addr *a = &p->conf->endpoint;

	if (p->known.kind != ADDR_NONE)
		a = &p->known;
	if (p->endpoint.kind != ADDR_NONE)
		a = &p->endpoint;
	return a->kind == ADDR_NONE ? "a peer without an endpoint" :
				      addr_format(a, buf, ADDR_TEXT_MAX);
}

/* --- sessions ----------------------------------------------------------------------- */

static void pair_drop(struct wg_pair_key **at)
{
	struct wg_pair_key *k = *at;

	*at = NULL;
	if (!k)
		return;
	htab_del(&k->slot.peer->dev->indices, &k->slot.node);
	aead_key_drop(&k->send);
	aead_key_drop(&k->recv);
	wipe(k, sizeof(*k));
	free(k);
}

/* The handshake @s is over. NULL: out of memory */
static struct wg_pair_key *pair_new(struct wg_peer *p, struct wg_shake_key *s,
				    bool initiator, uint32_t index)
{
	struct wg_pair_key *k = calloc(1, sizeof(*k));
	uint8_t send[WG_KEY_BYTES], recv[WG_KEY_BYTES];
	int rc;

	if (!k)
		return NULL;
	wg_shake_end(s, initiator, send, recv);
	rc = aead_key_set(&k->send, AEAD_CHACHA20_POLY1305, send);
	if (!rc)
		rc = aead_key_set(&k->recv, AEAD_CHACHA20_POLY1305, recv);
	wipe(send, sizeof(send));
	wipe(recv, sizeof(recv));
	k->slot.index = index;
	k->slot.peer = p;
	k->slot.pair = true;
	k->initiator = initiator;
	k->born_ms = now_of(p);
	htab_put(&p->dev->indices, &k->slot.node, index);
	if (rc < 0)
		pair_drop(&k);
	return k;
}

static uint32_t age_of(const struct wg_peer *p, const struct wg_pair_key *k)
{
	return now_of(p) - k->born_ms;
}

/* The one to send by, or NULL */
static struct wg_pair_key *usable(const struct wg_peer *p)
{
	struct wg_pair_key *k = p->cur;

	return k && age_of(p, k) < WG_REJECT_AFTER_MS &&
			       k->counter < WG_COUNTER_MAX ?
		       k :
		       NULL;
}

static void any_traffic(struct wg_peer *p)
{
	if (p->conf->keep_alive_s)
		set(p, &p->persist, p->conf->keep_alive_s * 1000u);
}

/* --- handshakes ----------------------------------------------------------------------- */

static void shake_forget(struct wg_peer *p)
{
	htab_del(&p->dev->indices, &p->slot.node);
	wipe(&p->shake, sizeof(p->shake));
}

static void wait_drop(struct wg_peer *p)
{
	struct wg_wait *w = p->head;

	p->head = w->next;
	if (!p->head)
		p->tail = &p->head;
	p->waiting--;
	p->wait_bytes -= w->len;
	p->dev->wait_bytes -= w->len;
	free(w);
}

static void wait_clear(struct wg_peer *p)
{
	while (p->head)
		wait_drop(p);
}

/* The next families of the strategy; the job runs when there is an answer */
static void ask(struct wg_peer *p)
{
	enum domain_strategy ds = (enum domain_strategy)p->dev->conf->strategy;
	unsigned int families = ds_families(ds, p->round++);
	struct worker *w = p->dev->worker;

	p->asking = families != 0;
	if (!families)
		return;
	if (dns_ask(w, w->cfg, &p->dns, &p->job, p->conf->endpoint.name,
		    families, 0) != -EAGAIN)
		job_ready(&p->job);
}

/* A name that nobody is asking for */
static void find_endpoint(struct wg_peer *p)
{
	if (p->conf->endpoint.kind != ADDR_NAME || p->asking)
		return;
	p->round = 0;
	ask(p);
}

static void stamp_now(uint8_t out[WG_STAMP_BYTES])
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	wg_stamp(t.tv_sec, (uint32_t)t.tv_nsec, out);
}

/* The MACs, and what is remembered of them */
static void put_macs(struct wg_peer *p, uint8_t *msg, size_t n)
{
	bool fresh = p->has_cookie && now_of(p) - p->cookie_ms < WG_COOKIE_MS;

	wg_mac_put(&p->key, fresh ? p->cookie : NULL, msg, n);
	memcpy(p->mac1, wg_mac1(msg, n), WG_MAC_BYTES);
	p->cookie_may = true;
}

/*
 * Every other time to where it ought to be: it may have come back there, and nobody
 * will tell
 */
static const struct addr *where(const struct wg_peer *p)
{
	bool home = p->endpoint.kind == ADDR_NONE || p->attempts & 1;

	return home && p->known.kind != ADDR_NONE ? &p->known : &p->endpoint;
}

static void initiate(struct wg_peer *p)
{
	struct wg_dev *d = p->dev;
	struct wg_begin_key b;
	uint8_t *out;

	p->inited = true;
	p->init_ms = now_of(p);
	set(p, &p->retry, WG_REKEY_TIMEOUT_MS + rand_below(WG_JITTER_MS));
	out = wg_dev_room(d, where(p), WG_INITIATION_BYTES);
	if (!out) {
		find_endpoint(p);
		return;
	}
	shake_forget(p);
	p->slot.index = wg_dev_index(d);
	rand_bytes(b.eph, sizeof(b.eph));
	stamp_now(b.stamp);
	b.sender = p->slot.index;
	if (wg_initiation_encode(&p->shake, &d->self, &p->key, &b, out) < 0) {
		wg_dev_undo(d);
	} else {
		put_macs(p, out, WG_INITIATION_BYTES);
		htab_put(&d->indices, &p->slot.node, p->slot.index);
		any_traffic(p);
	}
	wipe(&b, sizeof(b));
}

/* Unless one is on its way */
static void want_session(struct wg_peer *p)
{
	if (timer_armed(&p->retry) ||
	    (p->inited && now_of(p) - p->init_ms < WG_REKEY_TIMEOUT_MS))
		return;
	p->attempts = 0;
	initiate(p);
}

static void on_retry(struct timer *t)
{
	struct wg_peer *p = container_of(t, struct wg_peer, retry);
	char text[ADDR_TEXT_MAX];

	if (!p->told && p->conf->endpoint.kind != ADDR_NONE)
		log_warning("wireguard: [%s] %s does not answer the handshake",
			    p->dev->conf->tag, text_of(p, text));
	p->told = true;
	if (++p->attempts > WG_ATTEMPTS_MAX) {
		p->attempts = 0;
		shake_forget(p);
		wait_clear(p);
		return;
	}
	if (p->attempts % ASK_AGAIN == 0)
		find_endpoint(p);
	initiate(p);
}

static void on_name(struct job *j)
{
	struct wg_peer *p = container_of(j, struct wg_peer, job);
	char text[ADDR_TEXT_MAX];
	bool first = p->known.kind == ADDR_NONE;

	if (!p->asking || p->dns.rc == -EAGAIN)
		return;
	dns_cancel(&p->dns);
	p->asking = false;
	if (p->dns.rc == -ECANCELED)
		return; /* the worker ends: another question would outlive it */
	if (p->dns.rc < 0) {
		ask(p);
		if (!p->asking)
			log_warning("wireguard: [%s] %s: no address: %s",
				    p->dev->conf->tag, text_of(p, text),
				    strerror(-p->dns.rc));
		return;
	}
	p->known = dns_ip_addr(&p->dns.ips[0], p->conf->endpoint.port);
	if (first && timer_armed(&p->retry))
		initiate(p);
}

/* --- out ------------------------------------------------------------------------------ */

/* Zeros behind a packet, which must not make it longer than the MTU */
static size_t pad_of(const struct wg_peer *p, size_t len)
{
	size_t pad = -len & (PAD - 1), mtu = p->dev->conf->mtu;

	if (len + pad <= mtu)
		return pad;
	return len < mtu ? mtu - len : 0;
}

static void seal(struct wg_peer *p, struct wg_pair_key *k,
		 const struct iovec *iov, int cnt, size_t len)
{
	struct wg_head h = { .receiver = k->remote, .counter = k->counter };
	size_t pad = pad_of(p, len);
	struct iovec out = { .iov_len = len + pad + WG_DATA_EXTRA };

	out.iov_base = wg_dev_room(p->dev, &p->endpoint, out.iov_len);
	if (!out.iov_base)
		return;
	k->counter++;
	if (wg_data_seal(&k->send, &h, iov, cnt, pad, out) < 0) {
		wg_dev_undo(p->dev);
		return;
	}
	if (len && !timer_armed(&p->deaf))
		set(p, &p->deaf,
		    WG_KEEPALIVE_MS + WG_REKEY_TIMEOUT_MS +
			    rand_below(WG_JITTER_MS));
	timer_cancel(&p->quiet);
	any_traffic(p);
	if (k->counter > WG_REKEY_MESSAGES ||
	    (k->initiator && age_of(p, k) >= WG_REKEY_AFTER_MS))
		want_session(p);
}

/* The oldest goes when there are too many */
static void wait_put(struct wg_peer *p, const struct iovec *iov, int cnt,
		     size_t len)
{
	struct wg_wait *w = malloc(sizeof(*w) + len);
	size_t at = 0;

	if (!w) {
		worker_drop(p->dev->worker, DROP_NO_MEMORY);
		return;
	}
	for (int i = 0; i < cnt; at += iov[i++].iov_len)
		memcpy(w->data + at, iov[i].iov_base, iov[i].iov_len);
	w->next = NULL;
	w->len = len;
	*p->tail = w;
	p->tail = &w->next;
	p->waiting++;
	p->wait_bytes += len;
	p->dev->wait_bytes += len;
	while (p->waiting > WG_QUEUE_PACKETS ||
	       p->wait_bytes > WG_QUEUE_BYTES ||
	       (p->head && p->dev->wait_bytes > WG_WAIT_BYTES)) {
		worker_drop(p->dev->worker, DROP_UDP_QUEUE);
		wait_drop(p);
	}
}

void wg_peer_send(struct wg_peer *p, const struct iovec *iov, int cnt,
		  size_t len)
{
	struct wg_pair_key *k = usable(p);

	if (k) {
		seal(p, k, iov, cnt, len);
		return;
	}
	wait_put(p, iov, cnt, len);
	want_session(p);
}

static void keepalive(struct wg_peer *p)
{
	struct wg_pair_key *k = usable(p);

	if (k)
		seal(p, k, NULL, 0, 0);
	else
		want_session(p);
}

/* A session was made: what waited leaves, or a keepalive, which confirms it */
static void session_made(struct wg_peer *p)
{
	char text[ADDR_TEXT_MAX];

	log_info("wireguard: [%s] session with %s", p->dev->conf->tag,
		 text_of(p, text));
	timer_cancel(&p->retry);
	p->attempts = 0;
	p->told = false;
	p->rekey_asked = false;
	set(p, &p->zero, WG_REJECT_AFTER_MS * 3);
	if (!p->head)
		keepalive(p);
	while (p->head && usable(p)) {
		struct iovec v = { p->head->data, p->head->len };

		seal(p, p->cur, &v, 1, v.iov_len);
		wait_drop(p);
	}
}

static void on_quiet(struct timer *t)
{
	struct wg_peer *p = container_of(t, struct wg_peer, quiet);
	bool again = p->quiet_again;

	p->quiet_again = false;
	keepalive(p);
	if (again)
		set(p, &p->quiet, WG_KEEPALIVE_MS);
}

static void on_deaf(struct timer *t)
{
	want_session(container_of(t, struct wg_peer, deaf));
}

static void on_zero(struct timer *t)
{
	struct wg_peer *p = container_of(t, struct wg_peer, zero);

	pair_drop(&p->cur);
	pair_drop(&p->prev);
	pair_drop(&p->next);
	shake_forget(p);
}

static void on_persist(struct timer *t)
{
	keepalive(container_of(t, struct wg_peer, persist));
}

/* --- in --------------------------------------------------------------------------------- */

/* Something came that only the peer can have sent: it is where it came from */
static void authentic(struct wg_peer *p, const struct addr *from)
{
	p->endpoint = *from;
	timer_cancel(&p->deaf);
	any_traffic(p);
}

void wg_peer_cookie(struct wg_peer *p, const uint8_t *msg)
{
	/* one for each message: a repeated one would make an old cookie new */
	if (!p->cookie_may ||
	    wg_cookie_open(&p->key, p->mac1, msg, p->cookie) < 0)
		return;
	p->cookie_may = false;
	p->has_cookie = true;
	p->cookie_ms = now_of(p);
}

void wg_peer_response(struct wg_peer *p, const uint8_t *msg,
		      const struct wg_head *h, const struct addr *from)
{
	struct wg_pair_key *k;

	if (wg_response_open(&p->shake, &p->dev->self, &p->key, msg) < 0)
		return;
	htab_del(&p->dev->indices, &p->slot.node);
	k = pair_new(p, &p->shake, true, h->receiver);
	if (!k)
		return;
	k->remote = h->sender;
	pair_drop(&p->prev);
	if (p->next) { /* theirs crossed ours, and was never used */
		p->prev = p->next;
		p->next = NULL;
		pair_drop(&p->cur);
	} else {
		p->prev = p->cur;
	}
	p->cur = k;
	authentic(p, from);
	session_made(p);
}

static void respond(struct wg_peer *p, struct wg_shake_key *s, uint32_t remote)
{
	uint32_t index[2] = { wg_dev_index(p->dev), remote };
	struct wg_pair_key *k = NULL;
	uint8_t eph[WG_KEY_BYTES], *out;

	out = wg_dev_room(p->dev, &p->endpoint, WG_RESPONSE_BYTES);
	if (!out)
		return;
	rand_bytes(eph, sizeof(eph));
	if (!wg_response_encode(s, &p->key, eph, index, out)) {
		put_macs(p, out, WG_RESPONSE_BYTES);
		k = pair_new(p, s, false, index[0]);
	}
	wipe(eph, sizeof(eph));
	if (!k) {
		wg_dev_undo(p->dev);
		return;
	}
	k->remote = remote;
	pair_drop(&p->next);
	p->next = k;
	set(p, &p->zero, WG_REJECT_AFTER_MS * 3);
}

void wg_peer_initiation(struct wg_peer *p, struct wg_shake_key *s,
			const uint8_t *msg, const struct addr *from)
{
	uint8_t stamp[WG_STAMP_BYTES];
	struct wg_head h;

	if (wg_head_decode(msg, WG_INITIATION_BYTES, &h) < 0 ||
	    wg_initiation_when(s, &p->key, msg, stamp) < 0)
		return;
	if (memcmp(stamp, p->stamp, sizeof(stamp)) <= 0 ||
	    (p->heard && now_of(p) - p->heard_ms < FLOOD_MS))
		return; /* said before, or too often */
	memcpy(p->stamp, stamp, sizeof(stamp));
	p->heard = true;
	p->heard_ms = now_of(p);
	authentic(p, from);
	respond(p, s, h.sender);
}

/* The first packet of a session that waited for it */
static void confirm(struct wg_peer *p)
{
	pair_drop(&p->prev);
	p->prev = p->cur;
	p->cur = p->next;
	p->next = NULL;
	session_made(p);
}

static void received(struct wg_peer *p)
{
	struct wg_pair_key *k = p->cur;

	if (timer_armed(&p->quiet))
		p->quiet_again = true;
	else
		set(p, &p->quiet, WG_KEEPALIVE_MS);
	/* nothing may be sent by it soon, but much may come */
	if (!k || !k->initiator || p->rekey_asked ||
	    age_of(p, k) < LAST_WORD_MS)
		return;
	p->rekey_asked = true;
	want_session(p);
}

ssize_t wg_peer_data(struct wg_pair_key *pair, const struct pkt *msg,
		     const struct wg_head *h)
{
	struct wg_peer *p = pair->slot.peer;
	ssize_t n;

	if (age_of(p, pair) >= WG_REJECT_AFTER_MS ||
	    !wg_window_ok(&pair->window, h->counter))
		return -EPROTO;
	n = wg_data_open(&pair->recv, msg->data, msg->len, p->dev->plain);
	if (n < 0)
		return n;
	wg_window_take(&pair->window, h->counter);
	authentic(p, &msg->peer);
	if (pair == p->next)
		confirm(p);
	if (n)
		received(p);
	return n;
}

/* --- birth and end ------------------------------------------------------------------------ */

void wg_peer_init(struct wg_peer *p, struct wg_dev *d,
		  const struct wg_peer_conf *conf)
{
	p->job = (struct job){ .run = on_name, .worker = d->worker };
	p->dev = d;
	p->conf = conf;
	p->tail = &p->head;
	p->slot.peer = p;
	timer_init(&p->retry, on_retry);
	timer_init(&p->quiet, on_quiet);
	timer_init(&p->deaf, on_deaf);
	timer_init(&p->zero, on_zero);
	timer_init(&p->persist, on_persist);
	/* parsing has made sure that it is a key */
	(void)wg_peer_set(&p->key, &d->self, conf->public_key, conf->psk);
	if (addr_is_ip(&conf->endpoint))
		p->known = conf->endpoint;
	if (conf->keep_alive_s && conf->endpoint.kind != ADDR_NONE)
		keepalive(p);
}

void wg_peer_fini(struct wg_peer *p)
{
	timer_cancel(&p->retry);
	timer_cancel(&p->quiet);
	timer_cancel(&p->deaf);
	timer_cancel(&p->zero);
	timer_cancel(&p->persist);
	if (p->asking)
		dns_cancel(&p->dns);
	job_forget(&p->job);
	wait_clear(p);
	pair_drop(&p->cur);
	pair_drop(&p->prev);
	pair_drop(&p->next);
	shake_forget(p);
	wipe(&p->key, sizeof(p->key));
	wipe(p->cookie, sizeof(p->cookie));
}
