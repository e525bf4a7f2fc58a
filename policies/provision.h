/* provision.h - which nodes and consumers were given personal data: the
 * register (提供登记), on record before anything leaves.
 *
 * docs/format.md 8.10 has the fields of the sys-provision records and how they
 * are read.  A day's records about one recipient are revisions of one record
 * of the own log, under an id that the day and the recipient give; each names
 * what is new.
 */
#pragma once

#include "policies/access.h"

#define PROVISION_SERIES "sys-provision"
#define PROVISION_ITEMS_LIMIT 4096 /* in one revision */
/* What the law has a register of; the other labels hold nobody's data. */
#define PROVISION_LABELS                                                       \
	(LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_SENSITIVE))

/* ---- what is given ---- */

/* Parts of these labels, of records in [from, end) of a log. */
struct provided {
	uint32_t log;
	uint64_t from, end;
	uint8_t labels;
};
struct provided_list {
	struct provided *given;
	size_t count, cap;
};
/* The labels of PROVISION_LABELS of which a record has a part that is not
 * empty. */
uint8_t provided_labels(const struct record *r);
/* One record more; without any of PROVISION_LABELS, or a list, nothing.  At
 * most PROVISION_ITEMS_LIMIT logs. */
enum err_code provided_add(struct provided_list *list, uint32_t log,
	uint64_t seq, uint8_t labels, struct err *err);
void provided_free(struct provided_list *list); /* leaves it empty */

/* ---- noting ---- */

struct provision_to {
	const char *code;     /* of a node, or NULL */
	const char *consumer; /* its name in consumers.yaml, where code is NULL
			       */
};
/* When it returns ERR_OK, what is given is on record, durably: before that
 * nothing of it may leave.  *noted tells whether a record was made, NULL
 * allowed; mostly none is.  Through `w`, or batches of its own when w is NULL.
 * ERR_FULL when there is no room even in the reserve.  Any thread. */
enum err_code provision_note(struct node *n, struct writer *w,
	const struct provision_to *to, const struct provided_list *list,
	bool *noted, struct err *err);

/* What was noted of this day and before, in memory. */
struct provisions;
enum err_code provisions_new(struct provisions **out, struct err *err);
void provisions_free(struct provisions *p); /* NULL does nothing */

/* ---- the fields of a record (policies/provision_fields.c) ---- */

#define PROVISION_TO_SIZE 64
#define PROVISION_DAY_SIZE 11 /* 2026-04-22 */

struct provision_item {
	char origin[ORIGIN_SIZE];
	uint64_t from;
	uint64_t before; /* behind the last given under earlier items, 0: not
			  * known */
	uint8_t labels;
};
struct provision {
	char day[PROVISION_DAY_SIZE];
	char to[PROVISION_TO_SIZE]; /* a code, or a consumer's name */
	bool consumer;
	struct provision_item *item;
	size_t count;
};
/* Pure.  ERR_INVALID; *out is to be freed only on success. */
enum err_code provision_parse(
	const void *text, size_t len, struct provision *out, struct err *err);
enum err_code provision_write(
	const struct provision *p, struct json **out, struct err *err);
void provision_free(struct provision *p); /* leaves it empty */

/* ---- who received a record (policies/audit_provision.c) ---- */

/* {"at","day","id","labels","origin","record":{"id","origin","rev","seq",
 * "series"},"rev","seq","state","to" or "consumer"}, taken: one line for each
 * register that names a revision of the record as given, in the order of the
 * logs.  `state` is "received" where the recipient has countersigned it,
 * "given" where the register says so, "open" where that was the newest of its
 * recipient, so that it may not have left yet. */
enum err_code audit_provision(struct node *n, const struct point *point,
	audit_visit *visit, void *arg, struct err *err);
