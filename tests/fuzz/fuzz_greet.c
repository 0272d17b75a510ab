/*
 * fuzz_greet.c - What a stranger says to each kind of inbound
 *
 * First byte: which inbound; second: the size of the pieces and the end. The
 * greeting ends with a target, a map of datagrams (whose packets are then read),
 * or an error; nothing is left behind.
 */
#include "proxy/in/greet.h"
#include "worker.h"

#define TURNS 20000 /* more than any greeting takes */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Passwords are "p", the id is ...-0001. Nobody is at the fallbacks */
static const char conf[] =
	"{\"outbounds\":[{\"protocol\":\"blackhole\"}],\"inbounds\":["
	"{\"protocol\":\"trojan\",\"port\":1,\"settings\":{"
	"\"clients\":[{\"password\":\"p\",\"email\":\"a\"},"
	"{\"password\":\"q\"}],\"fallbacks\":["
	"{\"path\":\"/x\",\"dest\":\"@culvert-nobody\"},"
	"{\"dest\":\"@culvert-nobody\"}]}},"
	"{\"protocol\":\"vless\",\"port\":2,\"settings\":{"
	"\"decryption\":\"none\",\"clients\":[{\"id\":"
	"\"00000000-0000-0000-0000-000000000001\"}],\"fallbacks\":["
	"{\"path\":\"/longer/path\",\"dest\":\"@culvert-nobody\"}]}},"
	"{\"protocol\":\"vmess\",\"port\":3,\"settings\":{\"clients\":["
	"{\"id\":\"00000000-0000-0000-0000-000000000001\"}]}},"
	"{\"protocol\":\"shadowsocks\",\"port\":4,\"settings\":{"
	"\"method\":\"none\",\"network\":\"tcp\"}},"
	"{\"protocol\":\"shadowsocks\",\"port\":5,\"settings\":{"
	"\"clients\":[{\"method\":\"aes-128-gcm\",\"password\":\"p\"},"
	"{\"method\":\"aes-128-gcm\",\"password\":\"q\"}]}},"
	"{\"protocol\":\"shadowsocks\",\"port\":6,\"settings\":{\"method\":"
	"\"2022-blake3-aes-128-gcm\","
	"\"password\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}},"
	"{\"protocol\":\"socks\",\"port\":7},"
	"{\"protocol\":\"socks\",\"port\":8,\"settings\":{"
	"\"auth\":\"password\",\"accounts\":[{\"user\":\"a\","
	"\"pass\":\"p\"}]}},"
	"{\"protocol\":\"http\",\"port\":9,\"settings\":{"
	"\"allowTransparent\":true}},"
	"{\"protocol\":\"http\",\"port\":10,\"settings\":{"
	"\"accounts\":[{\"user\":\"a\",\"pass\":\"p\"}]}}]}";

static struct worker w;
static struct config *cfg;

static void start(void)
{
	cfg = cfg_of(conf, sizeof(conf) - 1);
	worker_up(&w, cfg);
}

/* The target is known: what follows goes through the layers on top */
static void drain(struct session *s)
{
	uint8_t b[4096];
	ssize_t k = 1;

	MUST(s->target.kind != ADDR_NONE);
	MUST(s->target.kind != ADDR_NAME ||
	     s->target.name[s->target.len] == '\0');
	for (int i = 0; i < TURNS && (k > 0 || k == -EAGAIN); i++)
		k = stream_read(s->in, b, sizeof(b));
	MUST(k != -EAGAIN);
	(void)stream_write(s->in, b, 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct inbound *ib;
	struct session *s;
	struct feed f;
	int rc = -EAGAIN;

	if (n < 2)
		return 0;
	if (!cfg)
		start();
	ib = cfg->inbounds[p[0] % cfg->inbound_count];
	feed_init(&f, p + 2, n - 2, p[1]);
	s = ses_new(&w, ib, NET_TCP, &f.s);
	MUST(s);
	s->source = s->local = addr_v4("\177\0\0\1", 1);
	for (int i = 0; i < TURNS && rc == -EAGAIN; i++)
		rc = ib->ops->greet(s);
	MUST(rc != -EAGAIN);
	MUST(rc != -ENOMEM);
	if (rc == 0)
		drain(s);
	ses_kill(s, rc, 1);
	worker_sweep(&w);
	MUST(f.closed);
	return 0;
}
