/* ask.h - what a session asks of its node, as values.  Internal to syncd/.
 *
 * A session fills in the question and never looks at the node; ask_run() fills
 * in the answer and never looks at the session.  docs/protocol.md section 5.
 */
#pragma once

#include "syncd/messages.h"
#include "syncd/replica.h"

enum ask_kind {
	ASK_HELLO,  /* our HELLO; child: the logs that its hash stands for;
		     * parent: the cosigned notes as they are */
	ASK_EXPORT, /* governance heads after `from`, into out */
	ASK_IMPORT, /* data: heads; adopts them; `serial` in force then */
	ASK_LOOK, /* what changed: serial, logs, wanted, here; a parent cosigns
		   * what is complete and lacks it */
	ASK_GIVE_CHECKPOINT, /* origin from `from`; out, `size`; at a parent
			      * the answer to PROVE */
	ASK_GIVE_PACKAGE,    /* origin from `from` of the tree `size`; next */
	ASK_GIVE_PROVED,     /* cursors, room; proved, cursors moved on */
	ASK_GIVE_COSIGNED,   /* origin; out, note */
	ASK_GIVE_RANGE,	     /* object from `from`, `size` bytes; out */
	ASK_TAKE_CHECKPOINT, /* origin, data; `size` */
	ASK_TAKE_PACKAGE,    /* origin, data; `size`, count */
	ASK_TAKE_PROVED,     /* origin, `from`: its sequence, data */
	ASK_TAKE_COSIGNED,   /* data */
	ASK_RESUME,	     /* ref; writer, `from` where to go on */
	ASK_TAKE_RANGE,	  /* ref, writer, data behind `from`; writer or done */
	ASK_TAKE_PREFIX,  /* child: data, asked for at `from`; prefix.  Begins a
			   * new epoch where the own log is another one there */
	ASK_SETTLE,	  /* child: settled; enters again what only we have */
	ASK_GIVE_ENTRIES, /* again; out */
	ASK_GIVE_ORDERS,  /* parent: what PONG tells of orders; out */
	ASK_TAKE_ORDERS,  /* child: data, a PONG; carries out what can be */
	ASK_MEND,	  /* again, and its answer, or no data where the peer
			   * does not have it; mends, and chooses the next */
};

/* A log as ASK_HELLO and ASK_LOOK see it. */
struct seen_log {
	char origin[ORIGIN_SIZE];
	uint64_t size; /* of its newest complete checkpoint */
	uint64_t note; /* 8 bytes of the digest of its cosigned note, 0 for none
			*/
	uint64_t cosigned_size;
	bool own; /* child: the log being written */
};

struct seen_logs {
	struct seen_log *log;
	size_t count, cap;
};

struct digests {
	struct digest *d;
	size_t count, cap;
};
enum err_code digests_add(
	struct digests *list, const struct digest *d, struct err *err);
bool digests_have(const struct digests *list, const struct digest *d);
void digests_remove(struct digests *list, const struct digest *d);
void digests_free(struct digests *list); /* leaves it empty */

#define PROVED_AT_ONCE 16 /* sent, not acknowledged */
#define PROVED_ROOM                                                            \
	((size_t)256 << 10) /* bytes in one answer, or one entry               \
			     */
struct proved_item {
	char origin[ORIGIN_SIZE];
	uint64_t seq;
	struct buf message; /* with its head */
};

#define WANTED_AT_ONCE 64 /* refs in one answer */
#define PACKAGE_TARGET ((size_t)40 << 10)

struct ask {
	enum ask_kind kind;
	struct ask *later; /* in the session's list */
	enum session_role role;
	char peer[CODE_SIZE]; /* "" for an unknown key */
	char text[192];

	/* the question */
	char origin[ORIGIN_SIZE];
	uint64_t from, size;
	struct digest object;
	struct attachment_ref ref;
	struct buf data;
	size_t head;	       /* bytes of data that are the session's own */
	struct digests skip;   /* LOOK: objects not to tell as wanted */
	struct digests absent; /* LOOK: objects to look for */
	size_t room;	       /* PROVED: how many; LOOK: of `again` */

	/* both */
	struct rows cursors; /* PROVED: next sequence to look at, by origin */
	struct hello hello;  /* HELLO: in the peer's (parent), out ours */
	struct attachment_writer *writer;

	/* the answer */
	enum err_code rc;
	struct err err;
	bool changed;	 /* the node is another than before, others may care */
	bool more;	 /* PROVED: room ran out first */
	uint64_t serial; /* of the rules in force */
	uint64_t next, count; /* sequence after; entries */
	uint64_t note;	      /* as seen_log.note */
	struct buf out;
	struct seen_logs logs;
	struct digests here; /* LOOK: those of `absent` that are here now */
	struct attachment_ref wanted[WANTED_AT_ONCE];
	size_t wanted_count;
	uint64_t wanted_total;
	struct proved_item proved[PROVED_AT_ONCE];
	size_t proved_count;
	bool done; /* RESUME, TAKE_RANGE: the attachment is whole */
	struct prefix prefix;
	struct rows closed; /* HELLO: logs of ours that are settled, and how
			     * many entries the parent has of them */
	char news[ORIGIN_SIZE + 96]; /* for the log, "" for none */

	struct settled settled; /* SETTLE: both */
	/* LOOK (where `room` is not 0), MEND: what to ask next.  GIVE_ENTRIES,
	 * MEND: the question. */
	struct again again;
	bool lacks;  /* there is something to ask */
	bool orders; /* LOOK, child: the parent's word on orders is wanted */
};

/* NULL when out of memory. */
struct ask *ask_new(enum ask_kind kind);

/* ---- inside the replica ---- */

struct replica {
	struct node *node;
	struct writer *writer;
	struct rules *rules;
};
enum err_code give_run(struct ask *a, struct replica *r, struct err *err);
enum err_code take_run(struct ask *a, struct replica *r, struct err *err);
enum err_code look_run(struct ask *a, struct replica *r, struct err *err);
enum err_code mend_run(struct ask *a, struct replica *r, struct err *err);
enum err_code orders_give(struct ask *a, struct replica *r, struct err *err);
enum err_code orders_take(struct ask *a, struct replica *r, struct err *err);
enum err_code hello_run(struct ask *a, struct replica *r, struct err *err);
