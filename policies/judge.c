/* judge.c - whether a record that another node brings is what it should be. */
#include "policies/judge.h"

#include <inttypes.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/merge.h"

enum err_code judge_begin(struct judge *j, struct node *n,
	const struct rules *rules, const char *origin,
	const struct log_info *log, struct err *err)
{
	*j = (struct judge){
		.node = n, .rules = rules, .origin = origin, .log = log};
	if (!log_code(origin, j->code))
		return err_set(err, ERR_PROTOCOL, "no origin: %s", origin);
	return bounds_begin(
		&j->bounds, n, rules, origin, log, n->config.code, err);
}

/* ---- the entry ---- */

static enum err_code check_entry(const struct judge *j, uint64_t seq,
	const struct record *r, struct entry *e, struct err *err)
{
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, e, err)))
		return err_while(
			err, ERR_PROTOCOL, "%s/%" PRIu64, j->origin, seq);
	if (!log_issuer_is(j->origin, e->iss) ||
		!rules_answers_for(j->rules, j->code, e->node))
		return err_set(err, ERR_PROTOCOL,
			"%s/%" PRIu64 ": issued by %s about %s", j->origin, seq,
			e->iss, e->node);
	return ERR_OK;
}

/* ---- which parts ---- */

/* The first label in a set, for messages. */
static const char *first_label(uint8_t labels)
{
	return label_name((enum label)__builtin_ctz(labels));
}

static enum err_code above(const struct judge *j, uint64_t seq,
	const struct entry *e, uint8_t labels, struct err *err)
{
	return err_set(err, ERR_DENIED,
		"%s/%" PRIu64 ": part %s of %s is above the clearance of %s",
		j->origin, seq, first_label(labels), e->series,
		j->node->config.code);
}

static enum err_code check_clearance(struct judge *j, uint64_t seq,
	const struct entry *e, const struct record *r, struct err *err)
{
	const struct series *s = rules_series(j->rules, e->series);
	uint8_t here = r->have | r->erased;
	uint8_t now =
		entry_clearance(j->rules, e, j->code, j->node->config.code);
	uint8_t missing = now & (uint8_t)~here;
	bool other; /* number of labels */
	struct bound b;
	enum err_code rc;

	if (here & (uint8_t)~now)
		return above(j, seq, e, here & (uint8_t)~now, err);
	if (!s)
		return ERR_OK;
	other = (size_t)__builtin_popcount(s->labels) != e->sd_count;
	if ((rc = bounds_of(&j->bounds, seq, e, &b, err)))
		return rc;
	if (b.sure && (here & (uint8_t)~b.may))
		return above(j, seq, e, here & (uint8_t)~b.may, err);
	/* A single entry does not tell the rules of its time, only that they
	 * were others. */
	if (other && !j->log)
		return ERR_OK;
	missing &= b.must;
	if (other && (!b.fits || missing))
		return err_set(err, ERR_PROTOCOL,
			"%s/%" PRIu64 ": %zu parts, series %s has %zu",
			j->origin, seq, e->sd_count, e->series,
			(size_t)__builtin_popcount(s->labels));
	if (missing)
		return err_set(err, ERR_DENIED,
			"%s/%" PRIu64 ": part %s of %s withheld", j->origin,
			seq, first_label(missing), e->series);
	return ERR_OK;
}

/* The rules of a log stand in its system records. */
static enum err_code check_marks(const struct judge *j, uint64_t seq,
	const struct entry *e, const struct record *r, struct err *err)
{
	if (!r->erased)
		return ERR_OK;
	if (series_system(e->series) && !e->sealed)
		return err_set(err, ERR_DENIED,
			"%s/%" PRIu64 ": a part of %s is marked as destroyed",
			j->origin, seq, e->series);
	if ((size_t)__builtin_popcount(r->have | r->erased) > e->sd_count)
		return err_set(err, ERR_PROTOCOL,
			"%s/%" PRIu64 ": %d parts with those destroyed, the "
			"entry has %zu",
			j->origin, seq, __builtin_popcount(r->have | r->erased),
			e->sd_count);
	return ERR_OK;
}

/* ---- the parts ---- */

static enum err_code parse_part(const struct judge *j, uint64_t seq,
	enum label label, const struct part *p, struct json **out,
	struct err *err)
{
	enum err_code rc;

	rc = json_parse_canonical(p->json, p->len, PART_SIZE_LIMIT, out, err);
	if (rc == ERR_OK && json_kind(*out) != JSON_KIND_OBJECT)
		rc = err_set(err, ERR_INVALID, "not an object");
	if (rc == ERR_INVALID || rc == ERR_LIMIT)
		return err_while(err, ERR_PROTOCOL, "%s/%" PRIu64 ", part %s",
			j->origin, seq, label_name(label));
	return rc;
}

/* What relays carry is what the entry names, or it is not carried. */
static enum err_code check_seal(const struct judge *j, uint64_t seq,
	const struct entry *e, const struct record *r, struct err *err)
{
	const struct part *p = &r->part[LABEL_SENSITIVE];
	struct buf message = BUF_EMPTY;
	bool fits = !e->sealed || !(r->have & LABEL_BIT(LABEL_SENSITIVE)) ||
		sealed_message(e, p->json, p->len, &message);

	buf_free(&message);
	return fits ? ERR_OK
		    : err_set(err, ERR_PROTOCOL,
			      "%s/%" PRIu64
			      ": its message is not the one that its entry "
			      "names",
			      j->origin, seq);
}

/* Parts that contradict each other would be a record that nobody can read. */
static enum err_code check_parts(const struct judge *j, uint64_t seq,
	const struct record *r, struct err *err)
{
	struct json *part[LABEL_COUNT] = {NULL};
	enum err_code rc = ERR_OK;

	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if (r->have & LABEL_BIT(i))
			rc = parse_part(j, seq, (enum label)i, &r->part[i],
				&part[i], err);
	}
	if (rc == ERR_OK && !merge_fits(part))
		rc = err_set(err, ERR_PROTOCOL,
			"%s/%" PRIu64 ": its parts contradict each other",
			j->origin, seq);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		json_free(part[i]);
	return rc;
}

enum err_code judge_record(
	struct judge *j, uint64_t seq, const struct record *r, struct err *err)
{
	struct entry e;
	enum err_code rc;

	if ((rc = check_entry(j, seq, r, &e, err)) ||
		(rc = check_marks(j, seq, &e, r, err)) ||
		(rc = check_clearance(j, seq, &e, r, err)) ||
		(rc = check_seal(j, seq, &e, r, err)) ||
		(rc = check_parts(j, seq, r, err)))
		return rc;
	bounds_past(&j->bounds, seq, r);
	return ERR_OK;
}

enum err_code judge_again(
	struct judge *j, uint64_t seq, const struct record *r, struct err *err)
{
	const char *holder = j->node->config.code;
	uint8_t over = 0;
	struct entry e;
	enum err_code rc;

	if ((rc = check_entry(j, seq, r, &e, err)))
		return rc;
	if (strcmp(j->code, holder))
		over = r->have &
			(uint8_t)~entry_clearance(
				j->rules, &e, j->code, holder);
	if (over)
		return above(j, seq, &e, over, err);
	if ((rc = check_seal(j, seq, &e, r, err)))
		return rc;
	return check_parts(j, seq, r, err);
}
