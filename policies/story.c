/* story.c - what became of one record: where it is, who countersigned it, what
 * of it is here and what is not. */
#include "policies/story.h"

#include <stdlib.h>
#include <string.h>

#include "policies/capture.h"
#include "policies/logs.h"

struct story {
	struct node *node;
	struct rules *rules;
	struct log_info log;
	uint64_t seq, arrival;
	struct entry entry;
	uint8_t have, labels, gone, lost; /* gone: destroyed */
	struct json *erased;		  /* the same, with when and why */
	uint64_t wanted;
};

static enum err_code on_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct story *s = arg;

	(void)err;
	if (!again && log == s->log.id && seq == s->seq)
		s->arrival = arrival;
	return ERR_OK;
}

static enum err_code on_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct story *s = arg;

	(void)err;
	s->wanted += ref->log == s->log.id && ref->seq == s->seq;
	return ERR_OK;
}

/* Arrival numbers are not indexed by record: the newest are looked at first. */
static enum err_code find_arrival(struct story *s, struct err *err)
{
	const uint64_t window = 65536;
	uint64_t end = store_arrivals(s->node->store);
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && end > 0 && s->arrival == 0) {
		uint64_t from = end > window ? end - window : 0;

		rc = store_arrival_each(s->node->store, from,
			(size_t)(end - from), on_arrival, s, err);
		end = from;
	}
	return rc;
}

static enum err_code read_story(struct story *s, struct err *err)
{
	const struct series *series;
	struct run run = {0};
	enum err_code rc;

	rc = store_read(
		s->node->store, s->log.id, s->seq, 1, LABEL_ALL, &run, err);
	if (rc == ERR_OK)
		rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			&s->entry, err);
	if (rc == ERR_OK) {
		s->have = run.record[0].have;
		s->gone = run.record[0].erased;
		s->lost = view_lost(s->rules, &s->log, &run.record[0]);
		s->erased = view_destroyed(&run.record[0]);
		series = rules_series(s->rules, s->entry.series);
		s->labels = series ? series->labels : s->have;
		if ((rc = find_arrival(s, err)) == ERR_OK)
			rc = store_wanted_each(
				s->node->store, on_wanted, s, err);
	}
	run_free(&run);
	return rc;
}

/* By the rules. */
static uint8_t story_withheld(const struct story *s)
{
	return (uint8_t)(s->labels & ~s->have & ~s->gone & ~s->lost);
}

static bool add_witness(
	const struct story *s, const char *name, struct json *list)
{
	const char *slash = strchr(name, '/');
	const struct node_info *who;
	char code[CODE_SIZE];
	struct json *v;

	if (!slash || strcmp(slash + 1 + CODE_LEN, "/witness"))
		return true;
	memcpy(code, slash + 1, CODE_LEN);
	code[CODE_LEN] = '\0';
	who = rules_node(s->rules, code);
	v = json_new_object();
	if (json_set(v, "code", json_new_text(code)) &&
		json_set(v, "name", json_new_text(who ? who->name : "")))
		return json_append(list, v);
	json_free(v);
	return false;
}

/* Who has countersigned a checkpoint that covers it. */
static struct json *witnesses_json(const struct story *s)
{
	struct json *list = json_new_array();
	struct buf text = BUF_EMPTY;
	struct note note;
	bool ok = list != NULL;

	if (s->log.cosigned_size > s->seq &&
		!store_note(s->node->store, s->log.id, NOTE_COSIGNED, &text,
			NULL) &&
		!note_parse(text.data, text.len, &note, NULL))
		for (size_t i = 0; ok && i < note.count; i++)
			ok = add_witness(s, note.line[i].name, list);
	buf_free(&text);
	if (ok)
		return list;
	json_free(list);
	return NULL;
}

static struct json *story_json(const struct story *s)
{
	const struct node_info *us = rules_node(s->rules, s->node->config.code);
	struct json *v = json_new_object();

	if (json_set(v, "id", json_new_text(s->entry.id)) &&
		json_set(v, "origin", json_new_text(s->log.origin)) &&
		json_set(v, "seq", json_new_u64(s->seq)) &&
		json_set(v, "arrival", json_new_u64(s->arrival)) &&
		json_set(v, "cosigned",
			json_new_bool(s->log.cosigned_size > s->seq)) &&
		json_set(v, "cosigned_by", witnesses_json(s)) &&
		json_set(v, "masked", labels_json(s->have & LABELS_MASKED)) &&
		json_set(v, "own", json_new_bool(s->log.kind == LOG_OWN)) &&
		json_set(v, "parent",
			json_new_bool(s->node->config.parent[0] != '\0')) &&
		json_set(v, "root", json_new_bool(us && !us->parent[0])) &&
		json_set(v, "withheld", labels_json(story_withheld(s))) &&
		json_set(v, "lost", labels_json(s->lost)) &&
		json_set(v, "erased", json_copy(s->erased)) &&
		json_set(v, "wanted", json_new_u64(s->wanted)))
		return v;
	json_free(v);
	return NULL;
}

enum err_code story_tell(struct node *n, const struct point *point,
	struct json **out, struct err *err)
{
	struct story s = {.node = n, .rules = node_rules(n)};
	enum err_code rc = point_find(n->store, point, &s.log, &s.seq, err);

	if (!rc && !(rc = read_story(&s, err)) && !(*out = story_json(&s)))
		rc = err_nomem(err);
	json_free(s.erased);
	rules_unref(s.rules);
	return rc;
}
