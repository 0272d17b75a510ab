/* policy.h - Timers, buffer size and statistics switches of one user level */
#ifndef GATEWAY_CORE_POLICY_H
#define GATEWAY_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct policy - Xray's policy level; defaults as of its code (xray.md, 0.1)
 * @handshake_ms:	From birth until the outbound is up; absolute
 * @idle_ms:		No byte either way
 * @uplink_only_ms:	After the server's end of stream
 * @downlink_only_ms:	After the client's end of stream
 * @user_up, @user_down, @user_online:	Users of this level are counted so
 * @buffer_bytes:	Most that a stalled direction holds; 0: what one move takes
 */
struct policy {
	uint32_t handshake_ms, idle_ms, uplink_only_ms, downlink_only_ms;
	uint32_t buffer_bytes;
	bool user_up, user_down, user_online;
};

#define POLICY_DEFAULT \
	((struct policy){ 60000, 300000, 1000, 1000, 0, false, false, false })

#endif
