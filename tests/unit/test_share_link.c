/* test_share_link.c - Share links: each form, its outbound, the way back, junk */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/base64.h"
#include "proxy/wire/link.h"

#define ID "b831381d-6324-4d53-ad4f-8cda48b30811"

static unsigned int warnings;

static void count_warning(void *arg, const char *what)
{
	(void)arg, (void)what;
	warnings++;
}

/* The outbound of @text as JSON; NULL: no link */
static char *outbound_of(const char *text)
{
	struct arena a = { 0 };
	const char *why = NULL;
	struct link l;
	cJSON *ob;
	char *out;

	warnings = 0;
	if (link_parse(&l, &a, text, strlen(text), &why) < 0) {
		assert_non_null(why);
		assert_true(*why != '\0');
		arena_free(&a);
		return NULL;
	}
	ob = link_to_outbound(&l, l.name, count_warning, NULL);
	out = cJSON_PrintUnformatted(ob);
	cJSON_Delete(ob);
	arena_free(&a);
	return out;
}

static void is(const char *text, const char *want)
{
	char *got = outbound_of(text);

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void is_refused(const char *text)
{
	char *got = outbound_of(text);

	if (got)
		fail_msg("%s gave %s", text, got);
}

/* Link to outbound to link to outbound: the same */
static void round_trip(const char *text)
{
	char *one = outbound_of(text), *link, *two;
	const char *why = NULL;
	cJSON *o;

	assert_non_null(one);
	o = cJSON_Parse(one);
	link = link_from_outbound(o, &why);
	assert_non_null(link);
	two = outbound_of(link);
	assert_non_null(two);
	assert_string_equal(one, two);
	cJSON_Delete(o);
	free(one);
	free(link);
	free(two);
}

static void vless_says_everything(void **state)
{
	(void)state;
	is("vless://" ID "@example.com:443?encryption=none&security=tls&sni=a.b"
	   "&alpn=h2%2Chttp%2F1.1&fp=chrome&type=ws&host=h.x&path=%2Fws%3Fed%"
	   "3D2048"
	   "#My%20%E2%9C%93",
	   "{\"tag\":\"My \xe2\x9c\x93\",\"protocol\":\"vless\",\"settings\":{"
	   "\"address\":\"example.com\",\"port\":443,\"id\":\"" ID "\","
	   "\"encryption\":\"none\"},\"streamSettings\":{\"network\":\"ws\","
	   "\"wsSettings\":{\"path\":\"/ws?ed=2048\",\"host\":\"h.x\"},"
	   "\"security\":\"tls\",\"tlsSettings\":{\"serverName\":\"a.b\","
	   "\"alpn\":[\"h2\",\"http/1.1\"],\"fingerprint\":\"chrome\"}}}");
	is("vless://" ID
	   "@[2001:db8::1]:8443?security=reality&pbk=K&sid=ab&sni=s"
	   "&flow=xtls-rprx-vision&type=grpc&serviceName=gs&mode=multi",
	   "{\"protocol\":\"vless\",\"settings\":{\"address\":\"2001:db8::1\","
	   "\"port\":8443,\"id\":\"" ID "\",\"encryption\":\"none\","
	   "\"flow\":\"xtls-rprx-vision\"},\"streamSettings\":{"
	   "\"network\":\"grpc\",\"grpcSettings\":{\"serviceName\":\"gs\","
	   "\"multiMode\":true},\"security\":\"reality\",\"realitySettings\":{"
	   "\"serverName\":\"s\",\"publicKey\":\"K\",\"shortId\":\"ab\"}}}");
}

static void trojan_is_tls_and_splits_at_the_last_at(void **state)
{
	(void)state;
	is("trojan://p@ss:w@h.example:443?allowInsecure=1&peer=s.x#t",
	   "{\"tag\":\"t\",\"protocol\":\"trojan\",\"settings\":{"
	   "\"address\":\"h.example\",\"port\":443,\"password\":\"p@ss:w\"},"
	   "\"streamSettings\":{\"security\":\"tls\",\"tlsSettings\":{"
	   "\"serverName\":\"s.x\"}}}");
	assert_int_equal(warnings, 1);
}

static void shadowsocks_has_three_forms(void **state)
{
	static const char want[] =
		"{\"tag\":\"n\",\"protocol\":\"shadowsocks\",\"settings\":{"
		"\"address\":\"192.0.2.1\",\"port\":8388,"
		"\"method\":\"aes-256-gcm\",\"password\":\"pa:ss@1\"}}";

	(void)state;
	/* aes-256-gcm:pa:ss@1 */
	is("ss://YWVzLTI1Ni1nY206cGE6c3NAMQ@192.0.2.1:8388/#n", want);
	is("ss://YWVzLTI1Ni1nY206cGE6c3NAMQ%3D%3D@192.0.2.1:8388#n", want);
	is("ss://aes-256-gcm:pa%3Ass%401@192.0.2.1:8388#n", want);
	/* ... and @192.0.2.1:8388 */
	is("ss://YWVzLTI1Ni1nY206cGE6c3NAMUAxOTIuMC4yLjE6ODM4OA==#n", want);
	is("ss://"
	   "2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D:Kw%3D%3D@h:1",
	   "{\"protocol\":\"shadowsocks\",\"settings\":{\"address\":\"h\","
	   "\"port\":1,\"method\":\"2022-blake3-aes-128-gcm\","
	   "\"password\":\"AAECAwQFBgcICQoLDA0ODw==:Kw==\"}}");
	is_refused(
		"ss://YWVzLTI1Ni1nY206cA@h:1?plugin=obfs-local%3Bobfs%3Dhttp");
}

static void vmess_is_json_or_url(void **state)
{
	char json[] =
		"{\"v\":\"2\",\"ps\":\"n\",\"add\":\"h.x\",\"port\":\"443\","
		"\"id\":\"" ID "\",\"aid\":0,\"net\":\"ws\",\"type\":\"none\","
		"\"host\":\"w\",\"path\":\"/p\",\"tls\":\"tls\",\"sni\":\"s\"}";
	static const char want[] =
		"{\"tag\":\"n\",\"protocol\":\"vmess\",\"settings\":{"
		"\"address\":\"h.x\",\"port\":443,\"id\":\"" ID "\","
		"\"security\":\"auto\"},\"streamSettings\":{\"network\":\"ws\","
		"\"wsSettings\":{\"path\":\"/p\",\"host\":\"w\"},"
		"\"security\":\"tls\",\"tlsSettings\":{\"serverName\":\"s\"}}}";
	char text[1024] = "vmess://";

	(void)state;
	assert_true(base64_encode(json, sizeof(json) - 1, false, text + 8,
				  sizeof(text) - 8) > 0);
	is(text, want);
	is("vmess://" ID "@h.x:443?type=ws&path=/p&host=w&security=tls&sni=s#n",
	   want);
	/* old links have an alterId; servers take AEAD heads all the same */
	memcpy(strstr(json, "\"aid\":0"), "\"aid\":4", 7);
	assert_true(base64_encode(json, sizeof(json) - 1, false, text + 8,
				  sizeof(text) - 8) > 0);
	is(text, want);
	is_refused("vmess://eyJ2IjoiMiJ9"); /* {"v":"2"} */
	is_refused("vmess://bm90IGpzb24=");
}

/* "vmess://" of the members @json */
static void vmess_is(const char *json, const char *stream)
{
	char all[1024], text[2048] = "vmess://", want[1024];

	snprintf(all, sizeof(all),
		 "{\"add\":\" h \",\"port\":1,\"id\":\"" ID " \",%s}", json);
	snprintf(want, sizeof(want),
		 "{\"protocol\":\"vmess\",\"settings\":{\"address\":\"h\","
		 "\"port\":1,\"id\":\"" ID "\",\"security\":\"auto\"},"
		 "\"streamSettings\":{%s}}",
		 stream);
	assert_true(base64_encode(all, strlen(all), false, text + 8,
				  sizeof(text) - 8) > 0);
	is(text, want);
}

/* As 3x-ui writes them: "type" is "none", and the mode has its own name */
static void vmess_of_panels_has_its_mode(void **state)
{
	static const char auto_mode[] =
		"\"network\":\"xhttp\",\"xhttpSettings\":{\"path\":\"/p\","
		"\"mode\":\"auto\"}";

	(void)state;
	vmess_is("\"net\":\"xhttp\",\"type\":\"none\",\"path\":\"/p\","
		 "\"mode\":\"auto\"",
		 auto_mode);
	vmess_is("\"net\":\"splithttp\",\"type\":\"auto\",\"path\":\"/p\"",
		 auto_mode);
	vmess_is("\"net\":\"xhttp\",\"type\":\"none\",\"extra\":{\"xmux\":{}}",
		 "\"network\":\"xhttp\",\"xhttpSettings\":{\"extra\":{"
		 "\"xmux\":{}}}");
	vmess_is("\"net\":\"xhttp\",\"extra\":\"{\\\"xmux\\\":{}}\"",
		 "\"network\":\"xhttp\",\"xhttpSettings\":{\"extra\":{"
		 "\"xmux\":{}}}");
	vmess_is("\"net\":\"grpc\",\"type\":\"multi\",\"path\":\"s\","
		 "\"authority\":\"a\"",
		 "\"network\":\"grpc\",\"grpcSettings\":{\"serviceName\":"
		 "\"s\",\"authority\":\"a\",\"multiMode\":true}");
}

/* Links that went through pages and programs */
static void what_is_said_twice_is_said(void **state)
{
	static const char want[] =
		"{\"protocol\":\"vless\",\"settings\":{\"address\":\"h\","
		"\"port\":443,\"id\":\"" ID "\",\"encryption\":\"none\"},"
		"\"streamSettings\":{\"network\":\"ws\",\"wsSettings\":{"
		"\"path\":\"/p\"},\"security\":\"tls\",\"tlsSettings\":{}}}";

	(void)state;
	is("vless://" ID "@h:443?type=ws&security=tls&path=/p&type=ws", want);
	is("vless://" ID "@h:443?type=ws&amp;security=tls&amp;path=/p", want);
}

static void socks_and_http(void **state)
{
	static const char want[] =
		"{\"tag\":\"n\",\"protocol\":\"socks\",\"settings\":{"
		"\"address\":\"h\",\"port\":1080,\"user\":\"me\","
		"\"pass\":\"pw\"}}";

	(void)state;
	is("socks://me:pw@h:1080#n", want);
	is("socks5://bWU6cHc=@h:1080#n", want);
	is("socks://bWU6cCU0MXc@h:1080", /* me:p%41w */
	   "{\"protocol\":\"socks\",\"settings\":{\"address\":\"h\","
	   "\"port\":1080,\"user\":\"me\",\"pass\":\"p%41w\"}}");
	is("socks://h:1080", "{\"protocol\":\"socks\",\"settings\":{"
			     "\"address\":\"h\",\"port\":1080}}");
	is("https://me:pw@h:8443",
	   "{\"protocol\":\"http\",\"settings\":{\"address\":\"h\","
	   "\"port\":8443,\"user\":\"me\",\"pass\":\"pw\"},"
	   "\"streamSettings\":{\"security\":\"tls\",\"tlsSettings\":{}}}");
}

static void what_is_wrong_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"vless://",
		"vless://" ID "@h",
		"vless://" ID "@h:0",
		"vless://" ID "@h:65536",
		"vless://" ID "@h:4x",
		"vless://@h:443",
		"vless://h:443",
		"vless://" ID "@:443",
		"vless://" ID "@[::1:443",
		"vless://" ID "@[::1]443",
		"vless://" ID "@a b:443",
		"vless://" ID "@h%00:443",
		"vless://" ID "@h:443?type=ws&TYPE=grpc",
		"vless://" ID "@h:443?path=%0a",
		"vless://" ID "@h:443?path=%4",
		"ss://",
		"ss://@h:1",
		"ss://!!!!@h:1",
		"ss://bm9jb2xvbg==@h:1",
		"hysteria2://x@h:1",
		"wireguard://h:1?publickey=a",
		"wireguard://secret@?publickey=a",
		"ssr://abc",
		"file:///etc/passwd",
		"javascript://x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		is_refused(wrong[i]);
}

static void too_much_is_refused(void **state)
{
	char *big = malloc(LINK_MAX_BYTES + 100);
	size_t n;

	(void)state;
	assert_non_null(big);
	memset(big, 'a', LINK_MAX_BYTES + 99);
	big[LINK_MAX_BYTES + 99] = '\0';
	memcpy(big, "trojan://", 9);
	is_refused(big);
	n = (size_t)sprintf(big, "trojan://p@h:1?");
	for (int i = 0; i < LINK_KEYS + 1; i++)
		n += (size_t)sprintf(big + n, "k%d=v&", i);
	is_refused(big);
	free(big);
}

static void every_cut_is_safe(void **state)
{
	static const char text[] =
		"vless://" ID "@[2001:db8::1]:443?type=ws&path=%2Fx#n%20m";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = strndup(text, n), *got;

		assert_non_null(copy);
		got = outbound_of(copy);
		free(got);
		free(copy);
	}
}

static void links_come_back_the_same(void **state)
{
	(void)state;
	round_trip("vless://" ID
		   "@h:443?type=ws&path=/a%20b&host=x&security=tls"
		   "&sni=s&alpn=h2,http/1.1&fp=chrome&pcs=ab&vcn=x#n");
	round_trip("vless://" ID "@[::1]:443?type=grpc&serviceName=g&mode=multi"
		   "&security=reality&pbk=K&sid=1&spx=%2F");
	round_trip("vmess://" ID
		   "@h:1?encryption=none&type=httpupgrade&path=/u");
	round_trip("vless://" ID
		   "@h:1?type=tcp&headerType=http&path=/a,/b&host=x");
	round_trip("vless://" ID
		   "@h:1?encryption=mlkem768x25519plus.native.0rtt.abc-_&"
		   "type=ws");
	round_trip("vless://" ID "@h:1?type=xhttp&mode=auto"
		   "&extra=%7B%22a%22%3A1%7D");
	round_trip("trojan://p%40%23%2F@h:443?security=tls#t");
	round_trip("ss://YWVzLTI1Ni1nY206cGE6c3NAMQ@192.0.2.1:8388/#n");
	round_trip("ss://2022-blake3-aes-128-gcm:AA%3D%3D:BB%3D@h:1");
	round_trip("socks://me:p%3Aw@h:1080#n");
}

static void xhttp_carries_mode_and_extra(void **state)
{
	static const char old[] =
		"{\"protocol\":\"vless\",\"settings\":{\"address\":\"h\","
		"\"port\":1,\"id\":\"" ID "\"},\"streamSettings\":{"
		"\"network\":\"splithttp\",\"splithttpSettings\":{"
		"\"path\":\"/x\",\"mode\":\"packet-up\","
		"\"seqPlacement\":\"query\"}}}";
	const char *why = NULL;
	cJSON *o = cJSON_Parse(old);
	char *link = link_from_outbound(o, &why);

	(void)state;
	is("vless://" ID "@h:443?type=xhttp&security=reality&pbk=K&sni=s"
	   "&path=%2Fx&host=a.b&mode=stream-one"
	   "&extra=%7B%22xPaddingBytes%22%3A%2210-20%22%7D",
	   "{\"protocol\":\"vless\",\"settings\":{\"address\":\"h\","
	   "\"port\":443,\"id\":\"" ID "\",\"encryption\":\"none\"},"
	   "\"streamSettings\":{\"network\":\"xhttp\",\"xhttpSettings\":{"
	   "\"path\":\"/x\",\"host\":\"a.b\",\"mode\":\"stream-one\","
	   "\"extra\":{\"xPaddingBytes\":\"10-20\"}},\"security\":"
	   "\"reality\",\"realitySettings\":{\"serverName\":\"s\","
	   "\"publicKey\":\"K\"}}}");
	round_trip("vless://" ID "@h:443?type=xhttp&security=tls&path=%2Fx"
		   "&mode=stream-up&extra=%7B%22xmux%22%3A%7B%7D%7D");
	round_trip("vless://" ID "@h:443?type=xhttp&extra=%7B%22download"
		   "Settings%22%3A%7B%22address%22%3A%22h2%22%2C%22port%22%3A"
		   "443%2C%22network%22%3A%22xhttp%22%7D%7D");
	/* the old name goes out under the new one, what is no parameter in extra */
	assert_non_null(link);
	assert_string_equal(link, "vless://" ID "@h:1?type=xhttp&path=%2Fx"
				  "&mode=packet-up&extra=%7B%22seqPlacement"
				  "%22%3A%22query%22%7D");
	free(link);
	cJSON_Delete(o);
}

/* --- lists --- */

struct seen {
	unsigned int good, bad;
	char hosts[64], names[64]; /* of good ones; of bad ones */
};

static void see(void *arg, unsigned int line, const struct link *l,
		const char *why)
{
	struct seen *s = arg;

	assert_true(line > 0);
	assert_non_null(l);
	if (why) {
		assert_null(l->host);
		strncat(s->names, l->name,
			sizeof(s->names) - strlen(s->names) - 1);
		s->bad++;
		return;
	}
	s->good++;
	strncat(s->hosts, l->host, sizeof(s->hosts) - strlen(s->hosts) - 1);
}

static struct seen all_of(const char *text, int want)
{
	struct seen s = { 0 };

	assert_int_equal(link_parse_all(text, strlen(text), see, &s), want);
	return s;
}

static void subscriptions_are_lines_base64_or_sip008(void **state)
{
	static const char text[] =
		"# comment\r\ntrojan://p@a:1\r\n\r\nssr://x\nss://junk\n"
		"socks://b:2\n";
	char coded[512];
	struct seen s = all_of(text, 2);
	size_t n;

	(void)state;
	assert_int_equal(s.bad, 2);
	assert_string_equal(s.hosts, "ab");
	assert_true(base64_encode(text, sizeof(text) - 1, false, coded,
				  sizeof(coded)) > 0);
	n = strlen(coded);
	memmove(coded + 21, coded + 20, n - 20 + 1); /* a line break in it */
	coded[20] = '\n';
	s = all_of(coded, 2);
	assert_string_equal(s.hosts, "ab");
	s = all_of("{\"version\":1,\"servers\":[{\"server\":\"a\","
		   "\"server_port\":8388,\"method\":\"m\",\"password\":\"p\"},"
		   "{\"server\":\"b\",\"server_port\":0,\"method\":\"m\","
		   "\"password\":\"p\"},{\"server\":\"c\",\"server_port\":1,"
		   "\"method\":\"m\",\"password\":\"p\",\"plugin\":\"x\"},7]}",
		   1);
	assert_int_equal(s.bad, 3);
	assert_string_equal(s.hosts, "a");
	s = all_of("\xef\xbb\xbf"
		   "trojan://p@a:1\r\n",
		   1); /* a mark of order */
	assert_string_equal(s.hosts, "a");
	all_of("", -EPROTO);
	all_of("{}", -EPROTO);
	all_of("{\"servers\":", -EPROTO);
	all_of("plain text", -EPROTO);
}

/* Providers put their words into names of servers that are none */
static void what_is_no_link_keeps_its_name(void **state)
{
	struct seen s = all_of("trojan://p@0.0.0.0:1#Expired%20on%203%20May\n"
			       "hysteria2://p@h:1#%2B\nvless://a@[::]:443#v6\n"
			       "ss://junk\ntrojan://p@127.0.0.1:9#mine\n",
			       1);

	(void)state;
	assert_int_equal(s.bad, 4);
	assert_string_equal(s.names, "Expired on 3 May+v6");
	assert_string_equal(s.hosts, "127.0.0.1");
}

struct taken {
	char *json; /* of the last one, or with @first of that */
	unsigned int complaints;
	bool first;
};

static void take(void *arg, unsigned int line, const struct link *l,
		 const char *why)
{
	struct taken *t = arg;
	cJSON *ob;

	(void)line;
	t->complaints += why != NULL;
	assert_true(!why || *why);
	if (why)
		return;
	if (t->first && t->json)
		return;
	ob = link_to_outbound(l, "wg", NULL, NULL);
	free(t->json);
	t->json = cJSON_PrintUnformatted(ob);
	cJSON_Delete(ob);
}

/* Servers of a sing-box configuration; groups and the like are none */
static void sing_box_has_servers(void **state)
{
	static const char text[] =
		"{\"outbounds\":[{\"type\":\"selector\",\"tag\":\"s\"},"
		"{\"type\":\"direct\"},{\"type\":\"tuic\",\"tag\":\"t\"},"
		"{\"type\":\"vless\",\"tag\":\"v\",\"server\":\"h\",\"server_"
		"port\":"
		"443,\"uuid\":\"" ID
		"\",\"flow\":\"xtls-rprx-vision\",\"tls\":{"
		"\"enabled\":true,\"server_name\":\"n\",\"utls\":{\"enabled\":"
		"true,"
		"\"fingerprint\":\"chrome\"},\"reality\":{\"enabled\":true,"
		"\"public_key\":\"K\",\"short_id\":\"ab\"}}},"
		"{\"type\":\"trojan\",\"server\":\"::1\",\"server_port\":1,"
		"\"password\":\"p\",\"tls\":{\"enabled\":true,\"insecure\":"
		"true,"
		"\"alpn\":[\"h2\",\"http/"
		"1.1\"]},\"transport\":{\"type\":\"ws\","
		"\"path\":\"/"
		"w\",\"headers\":{\"Host\":[\"x\"]},\"max_early_data\":"
		"2048,\"early_data_header_name\":\"Sec-WebSocket-Protocol\"}},"
		"{\"type\":\"shadowsocks\",\"server\":\"a\",\"server_port\":"
		"70000,"
		"\"method\":\"m\",\"password\":\"p\"},"
		"{\"type\":\"vmess\",\"server\":\"a\",\"server_port\":1}]}";
	static const char *const want[] = {
		"{\"tag\":\"wg\",\"protocol\":\"vless\",\"settings\":{"
		"\"address\":"
		"\"h\",\"port\":443,\"id\":\"" ID "\",\"encryption\":\"none\","
		"\"flow\":\"xtls-rprx-vision\"},\"streamSettings\":{"
		"\"security\":"
		"\"reality\",\"realitySettings\":{\"serverName\":\"n\","
		"\"fingerprint\":\"chrome\",\"publicKey\":\"K\",\"shortId\":"
		"\"ab\"}}}",
		"{\"tag\":\"wg\",\"protocol\":\"trojan\",\"settings\":{"
		"\"address\":"
		"\"::1\",\"port\":1,\"password\":\"p\"},\"streamSettings\":{"
		"\"network\":\"ws\",\"wsSettings\":{\"path\":\"/"
		"w?ed=2048\",\"host\":"
		"\"x\"},\"security\":\"tls\",\"tlsSettings\":{\"serverName\":"
		"\"x\","
		"\"alpn\":[\"h2\",\"http/1.1\"]}}}",
	};
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(link_parse_all(text, strlen(text), take, &t), 2);
	assert_int_equal(t.complaints, 3);
	assert_string_equal(t.json, want[1]);
	free(t.json);
	t = (struct taken){ .first = true };
	link_parse_all(text, strlen(text), take, &t);
	assert_string_equal(t.json, want[0]);
	free(t.json);
}

/* It would go into a request's head */
static void sing_box_has_no_host_of_two_lines(void **state)
{
	static const char text[] =
		"{\"outbounds\":[{\"type\":\"trojan\",\"server\":\"h\","
		"\"server_port\":1,\"password\":\"p\",\"transport\":{"
		"\"type\":\"ws\",\"path\":\"/w\",\"headers\":{\"Host\":"
		"\"x\\r\\nA: b\"}}}]}";
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(link_parse_all(text, strlen(text), take, &t), 1);
	assert_null(strstr(t.json, "A: b"));
	assert_non_null(strstr(t.json, "\"wsSettings\":{\"path\":\"/w\"}"));
	free(t.json);
}

/* There a name that is left out is the server's, whatever the Host */
static void sing_box_names_its_server(void **state)
{
	static const char text[] =
		"{\"outbounds\":[{\"type\":\"trojan\",\"server\":\"b.test\","
		"\"server_port\":1,\"password\":\"p\",\"tls\":{\"enabled\":"
		"true},"
		"\"transport\":{\"type\":\"ws\",\"headers\":{\"Host\":\"a."
		"test\"}}"
		"}]}";
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(link_parse_all(text, strlen(text), take, &t), 1);
	assert_non_null(strstr(t.json, "\"serverName\":\"b.test\""));
	free(t.json);
}

/* The outbound of @text, whose link is @link */
static void exports(const char *text, const char *link)
{
	const char *why = NULL;
	cJSON *o = cJSON_Parse(text);
	char *got = link_from_outbound(o, &why);

	assert_non_null(got);
	assert_string_equal(got, link);
	cJSON_Delete(o);
	free(got);
}

/* A certificate is for the name of a site behind a CDN, not for where that is */
static void a_server_without_a_name_is_called_by_its_host(void **state)
{
	static const char export[] =
		"{\"protocol\":\"trojan\",\"settings\":{\"address\":"
		"\"b.test\",\"port\":443,\"password\":\"p\"},"
		"\"streamSettings\":{\"network\":\"ws\",\"wsSettings\":{"
		"\"host\":"
		"\"a.test\"},\"security\":\"tls\",\"tlsSettings\":{}}}";

	(void)state;
	is("trojan://p@192.0.2.1:443?type=ws&host=a.test",
	   "{\"protocol\":\"trojan\",\"settings\":{\"address\":"
	   "\"192.0.2.1\",\"port\":443,\"password\":\"p\"},"
	   "\"streamSettings\":{\"network\":\"ws\",\"wsSettings\":{\"host\":"
	   "\"a.test\"},\"security\":\"tls\",\"tlsSettings\":{"
	   "\"serverName\":\"a.test\"}}}");
	is("trojan://p@b.test:443?type=ws&host=a.test",
	   "{\"protocol\":\"trojan\",\"settings\":{\"address\":"
	   "\"b.test\",\"port\":443,\"password\":\"p\"},"
	   "\"streamSettings\":{\"network\":\"ws\",\"wsSettings\":{\"host\":"
	   "\"a.test\"},\"security\":\"tls\",\"tlsSettings\":{"
	   "\"serverName\":\"a.test\"}}}");
	is("trojan://p@b.test:443?type=ws&host=192.0.2.1",
	   "{\"protocol\":\"trojan\",\"settings\":{\"address\":"
	   "\"b.test\",\"port\":443,\"password\":\"p\"},"
	   "\"streamSettings\":{\"network\":\"ws\",\"wsSettings\":{\"host\":"
	   "\"192.0.2.1\"},\"security\":\"tls\",\"tlsSettings\":{}}}");
	/* an outbound of ours without a name is called by its address: said so */
	exports(export, "trojan://p@b.test:443?type=ws&host=a.test&security=tls"
			"&sni=b.test");
}

#define KCP \
	"{\"protocol\":\"vless\",\"settings\":{\"address\":\"h\"," \
	"\"port\":1,\"id\":\"" ID "\",\"encryption\":\"none\"}," \
	"\"streamSettings\":{\"network\":\"kcp\",\"kcpSettings\":"

static void kcp_carries_seed_header_and_sizes(void **state)
{
	char text[1024] = "vmess://";
	static const char json[] =
		"{\"add\":\"h\",\"port\":1,\"id\":\"" ID "\",\"net\":\"kcp\","
		"\"type\":\"utp\",\"path\":\"a b\"}";

	(void)state;
	is("vless://" ID "@h:1?type=kcp", KCP "{}}}");
	is("vless://" ID "@h:1?type=mkcp&headerType=wechat-video&seed=a%26b"
	   "&mtu=1400&tti=20",
	   KCP "{\"mtu\":1400,\"tti\":20,\"seed\":\"a&b\",\"header\":{"
	       "\"type\":\"wechat-video\"}}}}");
	is("vless://" ID "@h:1?type=kcp&headerType=dns&host=a.test",
	   KCP "{\"header\":{\"type\":\"dns\",\"domain\":\"a.test\"}}}}");
	assert_int_equal(warnings, 0);
	/* what its file form names otherwise */
	assert_true(base64_encode(json, sizeof(json) - 1, false, text + 8,
				  sizeof(text) - 8) > 0);
	is(text, "{\"protocol\":\"vmess\",\"settings\":{\"address\":\"h\","
		 "\"port\":1,\"id\":\"" ID "\",\"security\":\"auto\"},"
		 "\"streamSettings\":{\"network\":\"kcp\",\"kcpSettings\":{"
		 "\"seed\":\"a b\",\"header\":{\"type\":\"utp\"}}}}");
	/* sizes that no configuration may have */
	is("vless://" ID "@h:1?type=kcp&mtu=21&tti=5", KCP "{}}}");
	assert_int_equal(warnings, 2);
	is("vless://" ID "@h:1?type=kcp&mtu=1400x&tti=-20", KCP "{}}}");
	assert_int_equal(warnings, 2);
	round_trip("vless://" ID "@h:1?type=kcp&headerType=srtp&seed=%2F%25"
		   "&mtu=1350&tti=1000#n");
	round_trip("trojan://p@h:1?type=kcp&headerType=dns&host=a.test"
		   "&security=tls&sni=s");
	exports("{\"protocol\":\"trojan\",\"settings\":{\"address\":\"h\","
		"\"port\":1,\"password\":\"p\"},\"streamSettings\":{"
		"\"network\":\"mkcp\",\"kcpSettings\":{\"seed\":\"s\","
		"\"header\":{\"type\":\"utp\"},\"mtu\":1200,\"tti\":30}}}",
		"trojan://p@h:1?type=kcp&headerType=utp&seed=s&mtu=1200"
		"&tti=30");
}

/* Xray 26: the layers stand beside the network's settings, and go before */
static void kcp_carries_finalmask(void **state)
{
	(void)state;
	is("vless://" ID "@h:1?type=kcp&mtu=1300&seed=no&headerType=no&fm="
	   "%7B%22udp%22%3A%5B%7B%22type%22%3A%22mkcp-legacy%22%7D%5D%7D",
	   KCP "{\"mtu\":1300},\"finalmask\":{\"udp\":[{"
	       "\"type\":\"mkcp-legacy\"}]}}}");
	round_trip("vless://" ID "@h:1?type=kcp&fm=%7B%22udp%22%3A%5B%7B%22"
		   "type%22%3A%22mkcp-legacy%22%2C%22settings%22%3A%7B%22"
		   "value%22%3A%22s%22%7D%7D%5D%7D");
	free(outbound_of("vless://" ID "@h:1?type=ws&fm=%7B%7D"));
	assert_int_equal(warnings, 1);
	is("vless://" ID "@h:1?type=kcp&seed=s&fm=%5B%5D",
	   KCP "{\"seed\":\"s\"}}}");
	assert_int_equal(warnings, 1);
}

#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PUBLIC "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

static void wireguard_links(void **state)
{
	(void)state;
	is("wireguard://yAnz5TF%2BlXXJte14tji3zlMNq%2Bhd2rYUIgJBgB3fBmk%3D"
	   "@[2001:db8::1]:2408/?publickey=" PUBLIC
	   "&reserved=1,2,3&address=172.16.0.2/32,fd00::2/128&mtu=1280#warp",
	   "{\"tag\":\"warp\",\"protocol\":\"wireguard\",\"settings\":{"
	   "\"secretKey\":\"" SECRET "\","
	   "\"address\":[\"172.16.0.2/32\",\"fd00::2/128\"],\"mtu\":1280,"
	   "\"reserved\":[1,2,3],\"peers\":[{\"publicKey\":\"" PUBLIC "\","
	   "\"endpoint\":\"[2001:db8::1]:2408\"}]}}");
	round_trip("wireguard://" SECRET
		   "@wg.example.org:51820?publickey=" PUBLIC
		   "&presharedkey=" SECRET "&keepalive=25&allowedips=0.0.0.0/0"
		   "&reserved=AQID&address=10.0.0.2/32#a%20b");
	round_trip("wg://" SECRET "@192.0.2.1:51820?publickey=" PUBLIC);
}

/* What a list gives: the last outbound, and how many complaints */
static void wg_quick_files(void **state)
{
	static const char file[] =
		"# of my provider, https://example.org\n\n[Interface]\r\n"
		"PrivateKey = " SECRET " # ours\r\n"
		"Address = 10.0.0.2/32, fd00::2/128\nAddress=10.0.0.3/32\n"
		"DNS = 1.1.1.1\nMTU=1300\nPostUp = rm -rf /\n[Other]\n"
		"PublicKey = x\n[peer]\npublickey=" PUBLIC "\n"
		"AllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = "
		"wg.example.org:51820\n"
		"PersistentKeepalive = 25";
	static const char *const wrong[] = {
		"[Interface]\n",
		"[Peer]\nPublicKey = " PUBLIC,
		"[Interface]\nPrivateKey = a\n[Peer]\nPublicKey = b\n"
		"Endpoint = nowhere\n",
		"[Interface]\nPrivateKey = a\n[Peer]\nPublicKey = b\n"
		"Endpoint = h:1\n[Peer]\nPublicKey = c\n",
		"[Interface]\nPrivateKey = a\001\n[Peer]\nPublicKey = b\n"
		"Endpoint = h:1\n",
	};
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(link_parse_all(file, strlen(file), take, &t), 1);
	assert_int_equal(t.complaints, 0);
	assert_string_equal(
		t.json,
		"{\"tag\":\"wg\",\"protocol\":\"wireguard\",\"settings\":{"
		"\"secretKey\":\"" SECRET "\",\"address\":[\"10.0.0.2/32\","
		"\"fd00::2/128\",\"10.0.0.3/32\"],\"mtu\":1300,\"peers\":[{"
		"\"publicKey\":\"" PUBLIC "\","
		"\"endpoint\":\"wg.example.org:51820\",\"keepAlive\":25,"
		"\"allowedIPs\":[\"0.0.0.0/0\",\"::/0\"]}]}}");
	/* cut anywhere: a link or a complaint, never both */
	for (size_t n = 0; n < strlen(file); n++) {
		struct taken c = { 0 };
		int good = link_parse_all(file, n, take, &c);

		assert_true(good < 1 || c.json);
		free(c.json);
	}
	free(t.json);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct taken c = { 0 };

		assert_int_equal(
			link_parse_all(wrong[i], strlen(wrong[i]), take, &c),
			0);
		assert_int_equal(c.complaints, 1);
		assert_null(c.json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vless_says_everything),
		cmocka_unit_test(trojan_is_tls_and_splits_at_the_last_at),
		cmocka_unit_test(shadowsocks_has_three_forms),
		cmocka_unit_test(vmess_is_json_or_url),
		cmocka_unit_test(vmess_of_panels_has_its_mode),
		cmocka_unit_test(what_is_said_twice_is_said),
		cmocka_unit_test(socks_and_http),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(every_cut_is_safe),
		cmocka_unit_test(links_come_back_the_same),
		cmocka_unit_test(subscriptions_are_lines_base64_or_sip008),
		cmocka_unit_test(sing_box_has_servers),
		cmocka_unit_test(sing_box_has_no_host_of_two_lines),
		cmocka_unit_test(what_is_no_link_keeps_its_name),
		cmocka_unit_test(a_server_without_a_name_is_called_by_its_host),
		cmocka_unit_test(sing_box_names_its_server),
		cmocka_unit_test(xhttp_carries_mode_and_extra),
		cmocka_unit_test(kcp_carries_seed_header_and_sizes),
		cmocka_unit_test(kcp_carries_finalmask),
		cmocka_unit_test(wireguard_links),
		cmocka_unit_test(wg_quick_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
