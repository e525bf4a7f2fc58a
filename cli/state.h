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
/* The parent, connected or not; NULL when none is dialled. */
const struct json *state_parent(const struct json *state);
/* Entries of the own log that nobody above has countersigned. */
uint64_t state_own_waiting(const struct json *state);
/* What a peer still has to get: not less than what of the own log waits, while
 * the two have not compared. */
uint64_t peer_backlog(const struct json *state, const struct json *peer);
bool state_is_root(const struct rules *rules, const char *code);
/* What is in the way, "" for nothing known, and in *next what to do about it
 * ("" for nothing); `state` is that of the node itself. */
const char *peer_reason(
	const struct json *state, const struct json *peer, const char **next);
/* Prints a peer in one line for people, and what to do below it. */
/* Why the own log is not the first of this node, in two sentences; nothing
 * where it is. */
void epoch_print(const struct json *state);
void peer_print(const struct json *state, const struct json *peer);
uint64_t json_count_of(const struct json *v, const char *name);
