/* daemon.h - what the parts of the daemon share.  Internal to syncd/; the
 * loop's thread, but for `node` and `writer`, which bear any. */
#pragma once

#include "policies/policies.h"

struct loop;
struct peers;
struct http;
struct control_server;

struct daemon {
	struct node *node;
	struct writer *writer;
	struct loop *loop;
	struct peers *peers;
	struct http *http; /* NULL where node.yaml has none */
	struct control_server *control;
	struct event *orders;	     /* syncd/orders.h */
	struct automatic *automatic; /* syncd/automatic.h */
	int64_t started;
	uint64_t put_records; /* acknowledged since the start */
	uint64_t put_refused;
	/* The feed comes up to this arrival, which is damaged; 0: to the end.
	 */
	uint64_t feed_held;
	char feed_held_text[ERR_TEXT_SIZE];
};

/* The store or the rules may have changed: wakes sessions and waiting feeds,
 * and judges peers anew.  Cheap; call it often. */
void daemon_changed(struct daemon *d);
