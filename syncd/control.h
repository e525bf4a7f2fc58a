/* control.h - the control socket DATA/control.sock: docs/http.md section 1. */
#pragma once

#include "syncd/daemon.h"

#define CONTROL_SOCKET "control.sock"
#define CONTROL_CONNECTIONS_LIMIT 64
#define CONTROL_ACCOUNT_LIMIT 8 /* of them, of another account */
#define CONTROL_OTHERS_LIMIT 48 /* ... and of all others together */
#define CONTROL_PUT_LIMIT ((uint64_t)8 << 20)
#define CONTROL_BODY_LIMIT ((uint64_t)4096) /* of the small calls */

/* ERR_BUSY when another process answers at the socket. */
enum err_code control_new(
	struct daemon *d, struct control_server **out, struct err *err);
/* Now and then: drops attachments that no put came for. */
void control_tidy(struct control_server *c);
void control_stop(struct control_server *c); /* accepts no more */
void control_free(struct control_server *c);
size_t control_busy(
	const struct control_server *c); /* requests not yet answered */
