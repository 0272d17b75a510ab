/* api_rig.h - A configuration with an API; its methods called as bytes */
#ifndef TESTS_UNIT_API_RIG_H
#define TESTS_UNIT_API_RIG_H

#include <errno.h>
#include <stdio.h>

#include "loop.h"

#include "conf_text.h"
#include "gateway/api/clash.h"
#include "gateway/core/health.h"
#include "gateway/core/stats.h"
#include "gateway/core/user.h"
#include "gateway/route/groups.h"
#include "proxy/in/srv.h"
#include "proxy/wire/vision.h"
#include "tests/unit/alloc_fail.h"

#define TEXT(s) (const uint8_t *)(s), sizeof(s) - 1

/** struct api - A configuration with an API, and the last call */
struct api {
	struct loop l;
	struct diag d;
	struct config *cfg;
	struct call c;
};

static const char conf[] =
	"{\"api\":{\"tag\":\"api\",\"listen\":\"127.0.0.1:1\","
	"\"services\":[\"statsservice\",\"HandlerService\","
	"\"RoutingService\"]},\"stats\":{},"
	"\"policy\":{\"system\":{\"statsInboundUplink\":true}},"
	"\"outbounds\":[{\"tag\":\"d\",\"protocol\":\"freedom\"},"
	"{\"tag\":\"b\",\"protocol\":\"blackhole\"}],"
	"\"routing\":{\"balancers\":[{\"tag\":\"any\","
	"\"selector\":[\"b\",\"d\"]}],\"rules\":["
	"{\"domain\":[\"full:a.test\"],"
	"\"outboundTag\":\"b\",\"ruleTag\":\"r\"},"
	"{\"domain\":[\"full:b.test\"],\"balancerTag\":\"any\"},"
	"{\"ip\":[\"192.0.2.0/24\"],\"network\":\"udp\","
	"\"outboundTag\":\"b\"}]},\"inbounds\":["
	"{\"tag\":\"vl\",\"protocol\":\"vless\",\"listen\":\"127.0.0.1\","
	"\"port\":\"2-3\",\"settings\":{\"decryption\":\"none\","
	"\"clients\":[{\"id\":\"one\",\"email\":\"one@x\"}]}},"
	"{\"tag\":\"so\",\"protocol\":\"socks\",\"port\":4}]}";

static void begin(struct api *a)
{
	memset(a, 0, sizeof(*a));
	loop_init(&a->l);
	diag_init(&a->d);
	a->cfg = conf_text(&a->d, conf, NULL);
	if (!a->cfg)
		fail_msg("%s", diag_text(&a->d, false));
	a->l.w.cfg = a->cfg;
	a->c.worker = &a->l.w;
}

static void end(struct api *a)
{
	a->l.w.cfg = &a->l.cfg;
	pb_free(&a->c.out);
	config_unref(a->cfg);
	diag_free(&a->d);
	loop_fini(&a->l);
}

/* The status of this method of @v, @n bytes at @p */
static UNUSED int ask(struct api *a, const struct service *v, const char *name,
		      const uint8_t *p, size_t n)
{
	pb_free(&a->c.out);
	a->c.out = (struct pb_out){ .most = CALL_OUT_MAX };
	a->c.why[0] = '\0';
	for (size_t i = 0; i < v->count; i++)
		if (!strcmp(v->methods[i].name, name))
			return v->methods[i].run(&a->c, p, n);
	fail_msg("no method %s", name);
	return -1;
}

#endif
