/*
 * fuzz_api.c - What a caller of the API says
 *
 * First byte: which method; the rest: its message. The answer is a message that
 * can be read again, or a status.
 */
#include "gateway/api/api_int.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char conf[] =
	"{\"api\":{\"tag\":\"api\",\"services\":[\"HandlerService\"]},"
	"\"log\":{\"loglevel\":\"none\"},\"stats\":{},"
	"\"policy\":{\"system\":{\"statsInboundUplink\":true}},"
	"\"outbounds\":[{\"tag\":\"d\",\"protocol\":\"blackhole\"}],"
	"\"routing\":{\"rules\":[{\"domain\":[\"full:a.test\"],"
	"\"outboundTag\":\"d\",\"ruleTag\":\"r\"}]},"
	"\"inbounds\":["
	"{\"tag\":\"tr\",\"protocol\":\"trojan\",\"port\":1,\"settings\":{"
	"\"clients\":[{\"password\":\"p\",\"email\":\"a\"}]}},"
	"{\"tag\":\"vl\",\"protocol\":\"vless\",\"port\":2,\"settings\":{"
	"\"decryption\":\"none\",\"clients\":[]}},"
	"{\"tag\":\"vm\",\"protocol\":\"vmess\",\"port\":3,\"settings\":{"
	"\"clients\":[]}},"
	"{\"tag\":\"ss\",\"protocol\":\"shadowsocks\",\"port\":5,"
	"\"settings\":{\"clients\":[{\"method\":\"aes-128-gcm\","
	"\"password\":\"p\"}]}},"
	"{\"tag\":\"s2\",\"protocol\":\"shadowsocks\",\"port\":6,"
	"\"settings\":{\"method\":\"2022-blake3-aes-128-gcm\","
	"\"password\":\"AAAAAAAAAAAAAAAAAAAAAA==\",\"clients\":["
	"{\"password\":\"AAAAAAAAAAAAAAAAAAAAAQ==\",\"email\":\"f\"}]}}]}";

static struct worker w;
static struct config *cfg;

static const struct service *const services[] = {
	&service_handler,
	&service_stats,
	&service_routing,
	&service_observatory,
};

static call_method pick(uint8_t i)
{
	for (size_t k = 0; k < ARRAY_SIZE(services); k++) {
		if (i < services[k]->count)
			return services[k]->methods[i].run;
		i = (uint8_t)(i - services[k]->count);
	}
	return services[0]->methods[i % services[0]->count].run;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct call c = { .worker = &w, .out.most = CALL_OUT_MAX };
	struct pb_field f;
	struct rd r;
	int status;

	if (!n)
		return 0;
	if (!cfg) {
		cfg = cfg_of(conf, sizeof(conf) - 1);
		worker_up(&w, cfg);
	}
	status = pick(p[0])(&c, p + 1, n - 1);
	MUST(status >= 0 && status <= GRPC_INTERNAL);
	MUST(!status || c.why[0]);
	r = rd_init(c.out.p, status ? 0 : c.out.len);
	while ((status = pb_next(&r, &f)) > 0)
		;
	MUST(status == 0);
	pb_free(&c.out);
	return 0;
}
