/* api_call.h - Calling the API of a running culvert or Xray; for the command line */
#ifndef GATEWAY_APP_API_CALL_H
#define GATEWAY_APP_API_CALL_H

#include "gateway/base/text.h"
#include "proxy/wire/pb.h"

#define API_WHY_MAX 512

/**
 * struct api_server - Whom to ask
 * @place:	"host:port", "/path", "@name"
 */
struct api_server {
	const char *place;
	uint32_t timeout_s;
};

/*
 * 0 with the answer in @answer (zeroed by the caller, who pb_free()s it), or -errno
 * with words in @why: those of the server when it refused
 */
int api_call(const struct api_server *to, const char *path,
	     const struct pb_out *message, struct pb_out *answer,
	     char why[API_WHY_MAX]);
/* API_PORTS is a PortList, API_HOST an IPOrDomain; API_TYPED says its type itself */
enum api_kind {
	API_TEXT,
	API_NUMBER,
	API_BOOL,
	API_MESSAGE,
	API_MAP,
	API_TYPED,
	API_PORTS,
	API_HOST
};

/**
 * struct api_shape - A field of a message; number 0 ends a list of them
 * @name:	In JSON
 * @many:	It is repeated: an array
 * @of:		Of API_MESSAGE
 */
struct api_shape {
	uint32_t number;
	const char *name;
	enum api_kind kind;
	bool many;
	const struct api_shape *of;
};

/* @answer as JSON on standard output, as `xray api` prints it. @shape: api_json.c */
void api_print(const struct pb_out *answer, const struct api_shape *shape);

/* The same, in memory; cJSON_Delete() it. What is malformed ends its message */
struct cJSON *api_json(const uint8_t *p, size_t n,
		       const struct api_shape *shape);
/* `api COMMAND ...`: @argv after "api". An exit code */
int api_main(int argc, char **argv);
/* api_users.c: adu, rmu. Exit codes: EXIT_FAIL when one user was refused */
int api_add_users(const struct api_server *to, char *const *files, int count);
int api_remove_users(const struct api_server *to, const char *tag,
		     char *const *emails, int count);

#endif
