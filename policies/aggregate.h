/* aggregate.h - counts for those who may have no more: how many records of a
 * series a month had, and how many of each choice, with small ones withheld.
 *
 * A node makes them of its own records, when the month is over, once: two
 * versions of a month could be subtracted.  docs/rules.md, "Counts", has the
 * rules and why, docs/format.md 8.11 the sys-aggregate records.
 */
#pragma once

#include "policies/access.h"

#define AGGREGATE_SERIES "sys-aggregate"
#define AGGREGATE_MONTH_SIZE 8 /* 2026-04 */
#define AGGREGATE_VALUE_SIZE 104
#define AGGREGATE_CELLS_LIMIT 101
/* A month is told so many days after its end, and no later than so many months
 * after it. */
#define AGGREGATE_DAYS 10
#define AGGREGATE_MONTHS 24

struct aggregate_cell {
	char value[AGGREGATE_VALUE_SIZE]; /* "": none of the choices */
	uint64_t count;			  /* 0 where it is withheld */
	uint64_t withheld; /* by how many: of one node's counts 0 or 1 */
};
struct aggregate_table {
	char field[FIELD_PATH_SIZE];
	struct aggregate_cell *cell;
	size_t count, cap;
};
struct aggregate {
	char series[SERIES_NAME_SIZE];
	char month[AGGREGATE_MONTH_SIZE];
	unsigned k;
	struct aggregate_cell total;
	struct aggregate_table table[AGGREGATE_FIELDS_LIMIT];
	size_t tables;
};
void aggregate_free(struct aggregate *a); /* leaves it empty */

/* ---- pure (policies/aggregate_fields.c) ---- */

/* Withholds what may not be told of the counts, which are whole: the total
 * where it is below k, and in each table with a count from 1 to k-1 all counts
 * below k and the least of the others, in each place that it stands. */
void aggregate_withhold(struct aggregate *a);

/* The fields of a record.  Who reads them refuses counts from 1 to k-1. */
enum err_code aggregate_parse(
	const void *text, size_t len, struct aggregate *out, struct err *err);
enum err_code aggregate_write(
	const struct aggregate *a, struct json **out, struct err *err);

bool aggregate_month_valid(const char *s); /* "2026-04" */
/* The month of an instant at +08:00, counted from that of the year 0. */
int aggregate_month_of(int64_t t);
void aggregate_month_text(int month, char out[AGGREGATE_MONTH_SIZE]);
/* The newest month that may be told of at `now`. */
int aggregate_closed(int64_t now);
/* The id of a node's record about a month of a series. */
void aggregate_id(const char *code, const char *series, const char *month,
	uint8_t out[UUID_SIZE]);

/* ---- at a node ---- */

/* The time it is for that: the newest countersigned one, or up to which a node
 * above told that all orders are here, for a node that has nothing to be
 * countersigned learns only that; at the root its clock.  0: nobody told yet.
 * Any thread. */
int64_t aggregate_now(struct node *n);

/* Tells of each month that may be told of at `now` and was not yet, in the own
 * log, in one group; *told is how many records that took.  Restricted records
 * do not count, nor those of which a part was destroyed or is damaged.  Through
 * `w`, or a batch of its own when w is NULL.  Any thread, one at a time. */
enum err_code aggregate_tell(struct node *n, struct writer *w, int64_t now,
	size_t *told, struct err *err);

/* What the divisions at `from` and below told about a month (policies/
 * aggregate_sum.c), together: {"by","divisions","month","series","total",
 * "withheld"}, docs/cli.md.  *out is NULL where none did. */
enum err_code aggregate_sum(struct node *n, const struct rules *rules,
	const char *series, const char *month, const char *from,
	struct json **out, struct err *err);
/* The series that a record of AGGREGATE_SERIES is about; false when it is none
 * that can be read. */
bool aggregate_about(const struct record *r, char series[SERIES_NAME_SIZE]);
