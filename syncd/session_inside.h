/* session_inside.h - a session's parts: states and bytes in session.c, its
 * beginning in session_hello.c, giving in session_give.c, taking in
 * session_take.c.  Internal to syncd/. */
#pragma once

#include "syncd/ask.h"
#include "syncd/frames.h"

#define FLIGHTS_LIMIT 64
#define OBJECTS_LIMIT 1024 /* that one side wants and the other lacks */
#define RANGES_LIMIT 2	   /* attachments under way each way */
#define INBOX_LIMIT 4
#define INBOX_BYTES_LIMIT ((size_t)1 << 20)
#define TAKES_LIMIT 4  /* at once, of different logs */
#define OUT_LIMIT 4096 /* messages that the peer has not taken from us */
#define BUSY_RETRY_S 300

/* A message on its way out, in the queue of its lane. */
struct outgoing {
	struct outgoing *later;
	enum message_kind kind;
	struct buf body;
	size_t at; /* sent of it */
};
struct lane_queue {
	struct outgoing *first, **end;
	size_t count;
};

/* A message that came and waits for its ask, or has it running. */
struct incoming {
	struct incoming *later;
	enum message_kind kind;
	struct buf body; /* empty while the ask has it */
	size_t bytes, head;
	char origin[ORIGIN_SIZE];
	uint64_t seq; /* PROVED */
	struct ask *running;
};

/* A log that goes up (child), or comes up (parent). */
struct log_row {
	char origin[ORIGIN_SIZE];
	bool own;
	uint64_t here;	 /* child: size of our complete checkpoint */
	uint64_t acked;	 /* child: entries that the parent has */
	uint64_t known;	 /* child: newest checkpoint that the parent has */
	uint64_t target; /* child: size under way, 0 for none */
	uint64_t next;	 /* child: entries sent */
	bool verify;	 /* child: ask by a checkpoint whether it is a fork */
	bool unverified; /* child: asked, no answer yet */
	bool partial;	 /* parent: a checkpoint came, not all its entries */
	bool refused;	 /* for this session */
	bool mine;	 /* child: a log of our own, this epoch or another */
	bool settle;	 /* child: to find out what the parent has of it */
	bool damaged;	 /* child: closed, and it cannot be given whole */
	bool closed;	 /* child: settled, nothing more is given of it */
	uint64_t note;	 /* parent: mark of the cosigned note last sent */
	bool note_due;
};
#define NO_ROW SIZE_MAX

/* Bytes of lanes 1 and 2 that are sent and not acknowledged. */
struct flight {
	size_t row; /* NO_ROW: of an attachment */
	struct digest object;
	uint64_t end; /* sequence or offset behind it */
	size_t bytes;
};
struct proved_flight {
	char origin[ORIGIN_SIZE];
	uint64_t seq;
};

/* An attachment that we receive. */
struct want {
	bool used, asking, waiting; /* an ask runs; DATA is to come */
	struct attachment_ref ref;
	struct attachment_writer *writer; /* while no ask has it */
	uint64_t offset, length;
};
/* A range that the peer asked for. */
struct serve {
	struct digest object;
	uint64_t offset, length;
	bool asking;
};

/* Child: a log of ours that is another one at the parent.  How much both have
 * is found by halving. */
struct settling {
	bool active, waiting; /* PROVE is said, no answer yet */
	bool judged;	      /* the first answer is here */
	size_t row;
	uint64_t at, low, high; /* asked; in common at least, at most */
	struct settled what;
};

struct session {
	struct session_options opt;
	enum session_state state;
	struct session_status status; /* counters; the rest when asked */
	struct frame_reader reader;
	struct lane_queue out[LANE_COUNT];
	struct ask *asks, **asks_end; /* made, not handed out */
	size_t asks_out;

	struct hello ours, theirs;
	bool have_ours, have_theirs, matched;
	bool dirty, looking, looked;
	bool outdated; /* the peer's rules are, nothing more is given */
	bool no_room;  /* to put on record what would be given: later again */
	bool importing;
	char problem[ERR_TEXT_SIZE]; /* the first refusal or fault */
	char end_text[ERR_TEXT_SIZE + WHY_SIZE + 8];

	struct log_row *rows;
	size_t row_count, row_cap, turn;
	bool giving, noting;
	struct rows closed; /* child: settled logs, as of our hello */
	struct settling settling;
	bool proving_prefix; /* parent: a PROVE is not answered yet */
	struct flight flights[FLIGHTS_LIMIT];
	size_t flight_count, unacked;
	size_t reserved, reserved_count; /* for asks under way */

	struct rows cursors, refused_down;
	bool down_due, proving;
	struct proved_flight proved[PROVED_AT_ONCE];
	size_t proved_count;

	struct incoming *inbox, **inbox_end;
	size_t inbox_count, inbox_bytes, takes;

	struct want wants[RANGES_LIMIT];
	struct attachment_ref queue[WANTED_AT_ONCE];
	size_t queue_count;
	struct digests lacking; /* wanted, and the peer does not give them */
	uint64_t wanted_total;
	struct serve serves[RANGES_LIMIT];
	size_t serve_count;
	struct digests sought; /* the peer's `lacking` */

	struct again again; /* that we asked for, where `mending` */
	bool mending;	    /* asked, or an answer is being worked on */
	bool again_out;	    /* no answer yet */
	bool again_serving; /* the peer asked, and is not answered yet */

	bool pinged;	    /* child: a PING is out that asks about orders */
	bool ponging;	    /* parent: a PING is not answered yet */
	bool asked;	    /* parent: no PONG since the one that answered */
	bool telling;	    /* parent: what a PONG would say now is looked up */
	struct digest told; /* parent: of the last PONG's body */
};

/* ---- session.c ---- */

/* Takes `body`. */
enum err_code session_send(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code session_say(struct session *s, enum message_kind kind,
	const struct control *c, struct err *err);
/* Ends it with a BUSY: the disk is full here. */
void session_full(struct session *s);
/* Queues an ask with role and peer filled in; NULL when out of memory, and
 * then nothing has changed: it is tried again. */
struct ask *session_ask(struct session *s, enum ask_kind kind);
/* A failure of this machine rather than of what was given or taken. */
bool rc_is_ours(enum err_code rc);
void session_set_state(struct session *s, enum session_state state);

/* ---- session_status.c ---- */

/* Keeps the first one for status. */
void session_problem(struct session *s, const char *thing, const char *text);
/* The row of a log, made where it is missing; NO_ROW when there is no room. */
size_t session_row(struct session *s, const char *origin);
struct log_row *session_find_row(struct session *s, const char *origin);

/* ---- session_hello.c ---- */

/* Takes `body` by emptying it, or leaves it. */
enum err_code session_on_hello(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code session_on_governance(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
/* Has the peer's lacking heads made, and gives nothing else from now on. */
enum err_code session_give_rules(struct session *s, struct err *err);
/* Child: the sizes of our logs, as a look saw them. */
void session_keep_sizes(struct session *s, const struct seen_logs *logs);
enum err_code session_hello_answer(
	struct session *s, struct ask *a, struct err *err);
enum err_code session_import_answer(
	struct session *s, struct ask *a, struct err *err);
enum err_code session_export_answer(
	struct session *s, struct ask *a, struct err *err);

/* ---- session_give.c ---- */

void give_pump(struct session *s);
void give_open(struct session *s); /* the rows of both HELLOs */
enum err_code give_answer(struct session *s, struct ask *a, struct err *err);
enum err_code give_news(struct session *s, struct ask *look, struct err *err);
enum err_code give_on_ack(
	struct session *s, const struct control *c, struct err *err);
enum err_code give_on_refused(
	struct session *s, const struct control *c, struct err *err);
enum err_code give_on_want(
	struct session *s, const struct control *c, struct err *err);

enum err_code give_on_prove(
	struct session *s, const struct control *c, struct err *err);

/* ---- session_settle.c ---- */

/* A log of ours is another one at the parent, or has more there; false where
 * that is known and settled. */
bool settle_due(struct session *s, const char *origin);
void settle_pump(struct session *s);
/* Takes `body`. */
enum err_code settle_on_checkpoint(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
/* The parent does not tell. */
void settle_refused(struct session *s, const struct log_row *row);
enum err_code settle_answer(struct session *s, struct ask *a, struct err *err);

/* ---- session_mend.c ---- */

/* A look, or what was mended, tells what to ask next. */
enum err_code mend_news(
	struct session *s, const struct ask *a, struct err *err);
enum err_code mend_on_again(
	struct session *s, const struct control *c, struct err *err);
/* Takes `body`. */
enum err_code mend_on_entries(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code mend_on_none(
	struct session *s, const struct control *c, struct err *err);
enum err_code mend_answer(struct session *s, struct ask *a, struct err *err);

/* ---- session_orders.c ---- */

/* Child: asks what orders there are, where some wait for it. */
void orders_news(struct session *s, const struct ask *look);
enum err_code session_on_ping(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code session_on_pong(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code orders_answer(struct session *s, struct ask *a, struct err *err);

/* ---- session_take.c ---- */

void take_pump(struct session *s);
void take_close(struct session *s); /* pauses, frees */
enum err_code take_answer(struct session *s, struct ask *a, struct err *err);
void take_news(struct session *s, const struct ask *look);
/* Takes `body`. */
enum err_code take_on_log(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
enum err_code take_on_data(
	struct session *s, struct buf *body, struct err *err);
enum err_code take_on_none(
	struct session *s, const struct control *c, struct err *err);
enum err_code take_on_have(
	struct session *s, const struct control *c, struct err *err);
bool take_idle(const struct session *s); /* nothing wanted or under way */
