/* clock.c - what time it is where something cannot be undone. */
#include "policies/clock.h"

#include <inttypes.h>
#include <string.h>

#include "policies/logs.h"

#define DAY_S 86400

struct newest {
	struct node *node;
	const struct rules *rules;
	const char *origin; /* of the log in hand */
	int64_t at;	    /* 0 for none */
};

static void look_line(
	struct newest *n, const struct note *note, const struct note_line *line)
{
	struct note_key key;
	uint64_t at = 0;

	if (!witness_key(n->rules, line, &key) ||
		!witness_above(line->name, n->origin) ||
		note_check(note, &key, &at) != NOTE_GOOD || at > INT64_MAX)
		return;
	if ((int64_t)at > n->at)
		n->at = (int64_t)at;
}

static enum err_code look_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	struct newest *n = arg;
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if (log->kind != LOG_OWN || log->cosigned_size == 0)
		return ERR_OK;
	n->origin = log->origin;
	rc = log_note(n->node->store, log->id, NOTE_COSIGNED, &bytes, &note,
		&cp, err);
	for (size_t i = 0; !rc && i < note.count; i++)
		look_line(n, &note, &note.line[i]);
	buf_free(&bytes);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code cosigned_now(struct node *n, const struct rules *rules,
	int64_t *now, struct err *err)
{
	const struct node_info *root = rules_root(rules);
	struct newest newest = {.node = n, .rules = rules};
	enum err_code rc;

	if (root && !strcmp(root->code, n->config.code)) {
		*now = time_now();
		return ERR_OK;
	}
	if ((rc = store_log_each(n->store, look_log, &newest, err)))
		return rc;
	if (!newest.at)
		return err_set(err, ERR_DENIED,
			"no node above has countersigned a log of %s yet, so "
			"nobody confirms what day it is",
			n->config.code);
	*now = newest.at;
	return ERR_OK;
}

enum err_code rules_fresh(
	const struct rules *rules, int64_t now, struct err *err)
{
	int64_t age = now - rules_at(rules);
	char made[TIME_TEXT_SIZE], today[TIME_TEXT_SIZE];

	if (age <= (int64_t)HEAD_AGE_LIMIT_DAYS * DAY_S && age >= -DAY_S)
		return ERR_OK;
	time_format(rules_at(rules), made);
	time_format(now, today);
	if (age < 0)
		return err_set(err, ERR_DENIED,
			"head %" PRIu64 " of the rules was made at %s, and the "
			"newest countersigned time is %s: one clock is wrong",
			rules_serial(rules), made, today);
	return err_set(err, ERR_DENIED,
		"head %" PRIu64 " of the rules is %" PRId64
		" days old, limit %d: nothing is destroyed under it",
		rules_serial(rules), age / DAY_S, HEAD_AGE_LIMIT_DAYS);
}
