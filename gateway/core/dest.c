/* dest.c - A place that connections go to past routing */
#include "gateway/core/dest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/core/fd_stream.h"
#include "gateway/core/sock.h"

/* @n bytes of an address, in brackets or not, or of a name */
static int parse_host(const char *text, size_t n, struct addr *out,
		      struct arena *a)
{
	char host[256], name[256];
	int len;

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!strcmp(host, "localhost") || !addr_parse_ip(out, host))
		return 0;
	len = addr_clean_name(host, n, name);
	if (len <= 0)
		return -EINVAL;
	text = arena_strndup(a, name, (size_t)len);
	if (!text)
		return -ENOMEM;
	*out = addr_name(text, (size_t)len, 0);
	return 0;
}

int dest_parse(const cJSON *node, struct dest *out, struct arena *a)
{
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	const char *text = cJSON_IsString(node) ? node->valuestring : "";
	const char *colon = strrchr(text, ':');
	long port = strtol(colon ? colon + 1 : text, NULL, 10);
	int rc = 0;

	*out = (struct dest){ .to = addr_v4(loop4, 0) };
	if (sock_is_unix(text)) {
		out->unix_path = arena_strdup(a, text);
		return out->unix_path ? sock_check_unix(text) : -ENOMEM;
	}
	if (cJSON_IsNumber(node))
		port = node->valueint;
	if (port < 1 || port > UINT16_MAX)
		return -EINVAL;
	if (colon)
		rc = parse_host(text, (size_t)(colon - text), &out->to, a);
	out->to.port = (uint16_t)port;
	return rc;
}

int dest_dial_unix(const char *path, const struct dial *d, struct stream **out)
{
	int fd = sock_dial_unix(path);

	if (fd < 0)
		return fd;
	*out = fd_stream_new(d->worker, fd, d->job, false);
	if (*out)
		return 0;
	close(fd);
	return -ENOMEM;
}

int dest_dial(const struct dest *to, const struct dial *d, struct stream **out)
{
	return to->unix_path ? dest_dial_unix(to->unix_path, d, out) :
			       transport_dial(&transport_raw, d, &to->to, out);
}
