/* orders.h - the orders that a node has: which of them count, what they reach,
 * entering them, and carrying out those that destroy.
 *
 * Records of orders travel as any others; what counts is judged here, by each
 * node itself, from the signatures in them.  Any thread.
 */
#pragma once

#include "policies/capture.h"
#include "policies/order.h"

/* Records of orders that came since the last call are read and judged. */
enum err_code orders_refresh(struct node *n, struct err *err);

/* The same where anything arrived since. */
enum err_code orders_catch_up(struct node *n, struct err *err);

/* orders_refresh(), and none of them is damaged: else nothing may be destroyed.
 * ERR_CORRUPT. */
enum err_code orders_whole(struct node *n, struct err *err);

enum order_state {
	ORDER_VOID,    /* does not count: `why` */
	ORDER_FORCE,   /* a hold or restriction in force; an end that counts */
	ORDER_ENDED,   /* one that another ended */
	ORDER_WAITING, /* an erasure that is not carried out here yet: `why` */
	ORDER_DONE,    /* an erasure that was carried out here */
};
#define ORDER_STATES 5
const char *order_state_name(enum order_state state); /* "void" ... */
struct order_row {
	const struct order *order;
	const char *origin; /* of its record */
	uint64_t seq;
	enum order_state state;
	const char *why; /* "" for nothing */
};
typedef enum err_code orders_visit(
	void *arg, const struct order_row *row, struct err *err);
/* All there are, in the order they came here; refreshed first.  The visit asks
 * nothing of orders. */
enum err_code orders_each(
	struct node *n, orders_visit *visit, void *arg, struct err *err);

/* {"orders":[...]} of the same, as docs/http.md section 1 has it.  */
enum err_code orders_json(struct node *n, struct json **out, struct err *err);

/* order_holds_digest() of the holds here, as orders_held() counts them, that
 * can reach what lies within `code`: what an order to erase has to name. */
enum err_code orders_holds(
	struct node *n, const char *code, struct digest *out, struct err *err);
/* Is a record under a hold in force, or one that names a head which is not here
 * yet?  `hold` is its id then.  As of the last orders_refresh(). */
bool orders_held(struct node *n, const char *origin, uint64_t seq,
	const char *series, const char *at, char hold[UUID_TEXT_SIZE]);

/* Puts a signed order into the own log (through `w`, or a batch of its own when
 * w is NULL).  ERR_DENIED: it does not count, or not here; ERR_EXISTS: it was
 * entered before; ERR_NOT_FOUND: a record or order that it names is not here;
 * ERR_INVALID: no order, or not the register of it.  Of a disposal s->reg is
 * a record of the same group (policies/register.h). */
enum err_code orders_enter(struct node *n, struct writer *w,
	const struct signed_order *s, struct receipt *out, struct err *err);

/* ---- restrictions (policies/restrict.c) ---- */

struct restriction {
	char order[UUID_TEXT_SIZE]; /* "" for none */
	char since[TIME_TEXT_SIZE]; /* when its order was entered */
	bool open; /* its head is not here yet: it counts as a hold does */
};
/* Is the record restricted here, by itself or by another revision of it?
 * Records of the system never are.  As of the last orders_refresh(). */
enum err_code orders_restricted(struct node *n, const char *origin,
	uint64_t seq, const struct entry *e, struct restriction *out,
	struct err *err);
/* The same, refreshed first; ERR_DENIED says so of one that is. */
enum err_code orders_check_shown(struct node *n, const char *origin,
	uint64_t seq, const struct entry *e, struct err *err);
/* The order under whose number `arrival` a record that came before is told once
 * more. */
struct retold {
	bool restricted, lifted;
	struct restriction by; /* where it is restricted */
};
struct retold orders_retold(
	struct node *n, uint32_t log, uint64_t seq, uint64_t arrival);

/* ---- carrying out ---- */

/* Is there an erasure that this node has to carry out, now or later? */
bool orders_waiting(struct node *n);
/* order_holds_digest() of the orders that are not of the logs below `child` and
 * go down to it: equal at both ends when it has them all. */
enum err_code orders_down_digest(struct node *n, const struct rules *rules,
	const char *child, struct digest *out, struct err *err);
/* The instant up to which this node knows the orders from above: at the root
 * its clock, elsewhere what orders_fresh() told last, 0 before. */
int64_t orders_now(struct node *n);
/* The parent said that at `now` the digest above was `down`.  *news: that, or
 * an order, was not known to be fresh before, and orders_now() matters below.
 */
enum err_code orders_fresh(struct node *n, const struct digest *down,
	int64_t now, bool *news, struct err *err);
/* Carries out what can be, and tells once more what restrictions and their ends
 * reach; *done tells how many orders.  What cannot be waits, and
 * tells why (orders_each). */
enum err_code orders_run(
	struct node *n, struct writer *w, size_t *done, struct err *err);
/* The receipt of the node `code` about an erasure: ERR_NOT_FOUND while it has
 * not come here. */
enum err_code orders_receipt(struct node *n, const char *order,
	const char *code, struct receipt *out, struct err *err);

/* ---- inside policies/ ---- */

struct orders;
enum err_code orders_new(struct orders **out, struct err *err);
void orders_free(struct orders *o); /* NULL does nothing */
/* Has what is carried out been read since the node was opened?  Reads it else:
 * before anything is taken. */
enum err_code orders_ready(struct node *n, struct err *err);
/* Could an erasure that was carried out here name anything of the log's entries
 * [from, to)? */
bool orders_doom(
	struct node *n, const char *origin, uint64_t from, uint64_t to);
/* Was this part destroyed by one? */
bool orders_destroyed(
	struct node *n, const char *origin, enum label label, uint64_t seq);
/* Takes the parts from the record that such an erasure names, and marks them,
 * in `room` (of LABEL_COUNT): what comes late does not stay. */
void orders_strip(struct node *n, const char *origin, uint64_t seq,
	struct record *r, struct erasure *room);
