/* state.h - the daemon's status as the commands use it; without a daemon what
 * the directory tells.  Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* {"running":...} and what docs/http.md section 1.1 lists; the caller frees
 * it.  *control is set when there is a daemon; the caller closes it. */
enum err_code state_get(struct cli *c, struct control **control,
	struct json **out, struct err *err);
/* The peer of that code, or NULL. */
const struct json *state_peer(const struct json *state, const char *code);
bool peer_is(const struct json *peer, const char *role);
/* Prints a peer in one line for people. */
void peer_print(const struct json *peer);
uint64_t json_count_of(const struct json *v, const char *name);
