/* dest.c - A place that connections go to past routing */
#include "gateway/core/dest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/sock.h"

#define LOCALHOST "localhost"

int dest_parse(const cJSON *node, struct dest *out, struct arena *a)
{
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	const char *text = cJSON_IsString(node) ? node->valuestring : "";
	const char *colon = strrchr(text, ':');
	const char *port = colon ? colon + 1 : text;
	size_t n = colon ? (size_t)(colon - text) : 0;

	*out = (struct dest){ .to = addr_v4(loop4, 0) };
	if (sock_is_unix(text)) {
		out->unix_path = arena_strdup(a, text);
		return out->unix_path ? sock_check_unix(text) : -ENOMEM;
	}
	if (cJSON_IsNumber(node) && node->valueint > 0 &&
	    node->valueint <= UINT16_MAX)
		out->to.port = (uint16_t)node->valueint;
	else if (text_port(port, strlen(port), &out->to.port) < 0)
		return -EINVAL;
	if (!out->to.port)
		return -EINVAL;
	if (!colon || (n == strlen(LOCALHOST) && !memcmp(text, LOCALHOST, n)))
		return 0;
	return addr_parse_host(&out->to, text, n, a);
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
