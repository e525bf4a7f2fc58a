/* orders_inside.h - what the parts of orders share.  Internal to policies/. */
#pragma once

#include <pthread.h>

#include "policies/orders.h"

/* Records that were told once more, one after the other. */
struct told_run {
	uint32_t log;
	uint64_t first, count;
	uint64_t arrival; /* of the first */
};

/* One record of an order. */
struct booked {
	struct order o;
	struct signed_order s;
	bool readable; /* else o is empty */
	bool judged, counts;
	bool doing;	  /* the group that carries it out is being made */
	bool done;	  /* carried out here: there is a receipt */
	int64_t fresh_at; /* ... the orders from above were known since */
	char origin[ORIGIN_SIZE];
	uint64_t seq;
	char id[UUID_TEXT_SIZE];
	char at[TIME_TEXT_SIZE]; /* of its record */
	struct told_run *told;	 /* of a restriction or its end; sorted */
	size_t told_count;
	char why[ERR_TEXT_SIZE];
};
struct order_cursor {
	uint32_t log;
	uint64_t next;
};
struct orders {
	pthread_mutex_t lock; /* of all below */
	pthread_mutex_t work; /* held while one is entered or carried out */
	struct booked **list;
	size_t count, cap;
	struct order_cursor *cursor;
	size_t cursor_count;
	bool ready;    /* read and judged once */
	uint64_t seen; /* arrivals when it was read last */
	bool damaged;  /* a record that may be of an order cannot be read */
	int64_t now;   /* as of the last orders_fresh() */
};

bool orders_is_root(struct node *n);
/* With the lock held. */
struct booked *orders_find(struct orders *o, const char *id);
/* Does an order that counts end this one?  A restriction lasts until what is
 * told of its end is told. */
bool orders_ended(const struct orders *o, const struct booked *b);
/* Could one end this erasure whose head is not here yet? */
bool orders_open_cancel(const struct orders *o, const struct booked *b);
/* Does one whose head is not here yet reach as far as the node in whose log it
 * stands could order? */
bool orders_open(const struct booked *b);
/* Restrictions and ends that are not told here yet; with `work` held, behind
 * refresh. */
enum err_code orders_tell(
	struct node *n, struct writer *w, size_t *done, struct err *err);
/* As orders_receipt(), in the logs of this very store only. */
enum err_code orders_own_receipt(struct node *n, const char *order,
	struct receipt *out, struct err *err);
/* Reads what the receipt of this node says was told; with the lock held. */
enum err_code orders_find_told(
	struct node *n, struct booked *b, struct err *err);
/* The id of the receipt of `code` about an order. */
void orders_receipt_id(const char *order, const char *code,
	uint8_t uuid[UUID_SIZE], char id[UUID_TEXT_SIZE]);
/* What stays of a part destroyed under the order. */
void order_erasure(const struct order *o, int64_t at, struct erasure *out);
/* What may be destroyed under an order at all: parts of records that people
 * entered, of accounts only where the order says so.  ERR_DENIED. */
enum err_code orders_may_destroy(const struct rules *rules,
	const struct order *o, const char *series, const char *origin,
	uint64_t seq, struct err *err);
