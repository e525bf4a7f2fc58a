/* replica.h - what a session asks of its node, run on a worker thread. */
#pragma once

#include "syncd/session.h"

/* Runs the ask against the node; verification here, writing through `w`.  The
 * outcome lies in the ask.  Blocks; never call it on the loop's thread. */
void ask_run(struct ask *a, struct node *n, struct writer *w);
void ask_free(struct ask *a); /* NULL does nothing */
/* What it is about, for logs: "package xihu.example/330106110201/... 256". */
const char *ask_text(const struct ask *a);
/* After ask_run(): the node changed in a way that other sessions may have to
 * pass on, so wake them all. */
bool ask_changed(const struct ask *a);
/* After ask_run(): the text of what went wrong, or NULL.  For the log: a fork,
 * a refusal, a full disk. */
const char *ask_problem(const struct ask *a);

/* After ask_run(): what the operator should read in the log, or NULL. */
const char *ask_news(const struct ask *a);

/* node_adopt() under the lock that asks take too: `n->governance` belongs to
 * whoever holds it.  Everybody in the daemon adopts by this. */
enum err_code replica_adopt(
	struct node *n, struct writer *w, uint64_t *adopted, struct err *err);
/* governance_agree() of the node's own heads with others. */
enum err_code replica_agree(
	struct node *n, struct governance *other, struct err *err);
/* repair_renew() under the same lock. */
enum err_code replica_renew(
	struct node *n, struct writer *w, struct renewed *out, struct err *err);
