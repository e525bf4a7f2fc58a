/* provision.c - what is given to whom is put on record before it leaves. */
#include "policies/provision.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "policies/capture.h"
#include "policies/clock.h"
#include "policies/nodefile.h"

#define DAY_S 86400
#define LEGAL_OFFSET_S (8 * 3600)
#define LOOK_MS 60000 /* how long the countersigned time is good for */
#define KINDS 2	      /* labels that count: personal, sensitive */
#define KIND_BIT(k) LABEL_BIT(LABEL_PERSONAL + (k))

/* What is on record of one log, and one recipient. */
struct told {
	uint32_t log;
	struct {
		int64_t day; /* of the newest item, 0 for none */
		uint64_t from;
		uint64_t end; /* behind the last given, 0: not known */
	} of[KINDS];
};

struct recipient {
	char name[PROVISION_TO_SIZE];
	bool consumer;
	int64_t day;		   /* that of the record below */
	struct system_place place; /* of the next revision */
	struct told *told;
	size_t count, cap;
};

/* Recipients are those of the roster and of consumers.yaml. */
struct provisions {
	pthread_mutex_t lock;
	struct recipient *recipient;
	size_t count, cap;
	int64_t cosigned;   /* the newest countersigned time, 0 for none */
	uint64_t looked_ms; /* 0: not yet */
};

enum err_code provisions_new(struct provisions **out, struct err *err)
{
	struct provisions *p = calloc(1, sizeof(*p));

	if (!p || pthread_mutex_init(&p->lock, NULL)) {
		free(p);
		return err_nomem(err);
	}
	*out = p;
	return ERR_OK;
}

void provisions_free(struct provisions *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->recipient[i].told);
	free(p->recipient);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- what is given ---- */

uint8_t provided_labels(const struct record *r)
{
	uint8_t labels = 0;

	for (unsigned k = 0; k < KINDS; k++)
		if ((r->have & KIND_BIT(k)) &&
			r->part[LABEL_PERSONAL + k].len > sizeof("{}") - 1)
			labels |= KIND_BIT(k);
	return labels;
}

/* Mostly it is the log of the record before. */
static struct provided *find_provided(
	const struct provided_list *list, uint32_t log)
{
	for (size_t i = list ? list->count : 0; i-- > 0;)
		if (list->given[i].log == log)
			return &list->given[i];
	return NULL;
}

enum err_code provided_add(struct provided_list *list, uint32_t log,
	uint64_t seq, uint8_t labels, struct err *err)
{
	struct provided *g = find_provided(list, log);

	labels &= PROVISION_LABELS;
	if (!labels || !list)
		return ERR_OK;
	if (g) {
		g->from = seq < g->from ? seq : g->from;
		g->end = seq >= g->end ? seq + 1 : g->end;
		g->labels |= labels;
		return ERR_OK;
	}
	if (list->count >= PROVISION_ITEMS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"records of more than %d logs in one answer",
			PROVISION_ITEMS_LIMIT);
	if (!grow(&list->given, &list->cap, list->count, sizeof(*list->given)))
		return err_nomem(err);
	list->given[list->count++] = (struct provided){
		.log = log, .from = seq, .end = seq + 1, .labels = labels};
	return ERR_OK;
}

void provided_free(struct provided_list *list)
{
	free(list->given);
	*list = (struct provided_list){.count = 0};
}

/* ---- memory ---- */

static enum err_code find_recipient(struct provisions *p,
	const struct provision_to *to, struct recipient **out, struct err *err)
{
	const char *name = to->code ? to->code : to->consumer;
	struct recipient *r;

	for (size_t i = 0; i < p->count; i++) {
		r = &p->recipient[i];
		if (r->consumer == !to->code && !strcmp(r->name, name)) {
			*out = r;
			return ERR_OK;
		}
	}
	if (strlen(name) >= sizeof(r->name))
		return err_set(err, ERR_LIMIT,
			"name of %zu bytes of a consumer, limit %zu",
			strlen(name), sizeof(r->name) - 1);
	if (!grow(&p->recipient, &p->cap, p->count, sizeof(*r)))
		return err_nomem(err);
	r = &p->recipient[p->count++];
	*r = (struct recipient){.consumer = !to->code};
	memcpy(r->name, name, strlen(name) + 1);
	*out = r;
	return ERR_OK;
}

static enum err_code find_told(
	struct recipient *r, uint32_t log, struct told **out, struct err *err)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->told[i].log == log) {
			*out = &r->told[i];
			return ERR_OK;
		}
	}
	if (!grow(&r->told, &r->cap, r->count, sizeof(*r->told)))
		return err_nomem(err);
	r->told[r->count] = (struct told){.log = log};
	*out = &r->told[r->count++];
	return ERR_OK;
}

static void keep_from(
	struct told *t, uint8_t labels, int64_t day, uint64_t from)
{
	for (unsigned k = 0; k < KINDS; k++) {
		if (!(labels & KIND_BIT(k)))
			continue;
		if (t->of[k].day != day || from < t->of[k].from)
			t->of[k].from = from;
		t->of[k].day = day;
	}
}

static void keep_end(struct told *t, uint8_t labels, uint64_t end)
{
	for (unsigned k = 0; k < KINDS; k++)
		if ((labels & KIND_BIT(k)) && end > t->of[k].end)
			t->of[k].end = end;
}

/* The labels that today's register does not have from there on. */
static uint8_t news(const struct told *t, const struct provided *g, int64_t day)
{
	uint8_t labels = 0;

	for (unsigned k = 0; k < KINDS; k++)
		if ((g->labels & KIND_BIT(k)) &&
			(t->of[k].day != day || g->from < t->of[k].from))
			labels |= KIND_BIT(k);
	return labels;
}

/* ---- what today's register has ---- */

/* A clock that stopped, or lost its battery, is behind what a node above has
 * signed; else it is the better one between two sessions. */
static int64_t now_of(struct provisions *p, struct node *n)
{
	uint64_t ms = time_mono_ms();
	int64_t now = time_now();

	if (!p->looked_ms || ms - p->looked_ms >= LOOK_MS) {
		struct rules *rules = node_rules(n);

		if (cosigned_now(n, rules, &p->cosigned, NULL))
			p->cosigned = 0;
		p->looked_ms = ms ? ms : 1;
		rules_unref(rules);
	}
	return now > p->cosigned ? now : p->cosigned;
}

static void register_id(const struct node *n, const struct recipient *r,
	const char *day, uint8_t out[UUID_SIZE])
{
	struct sha256 h;
	struct digest d;
	const char *const lines[] = {PROVISION_SERIES, n->config.code, day,
		r->consumer ? "consumer" : "to", r->name};

	sha256_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		sha256_update(&h, lines[i], strlen(lines[i]));
		sha256_update(&h, "\n", 1);
	}
	d = sha256_final(&h);
	memcpy(out, d.b, UUID_SIZE);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

struct loading {
	struct node *node;
	struct recipient *r;
	int64_t day;
};

static enum err_code take_items(
	struct loading *l, const struct part *p, struct err *err)
{
	struct provision was;
	enum err_code rc = ERR_OK;

	/* What cannot be read is noted once more. */
	if (provision_parse(p->json, p->len, &was, NULL))
		return ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < was.count; i++) {
		const struct provision_item *item = &was.item[i];
		struct log_info log;
		struct told *t;

		if (store_log_find(l->node->store, item->origin, &log, NULL))
			continue;
		if ((rc = find_told(l->r, log.id, &t, err)) == ERR_OK)
			keep_from(t, item->labels, l->day, item->from);
	}
	provision_free(&was);
	return rc;
}

/* In logs of ours: another's log says nothing here, whatever ids it uses. */
static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct loading *l = arg;
	struct system_place *place = &l->r->place;
	struct record_known known;
	struct run run = {0};
	struct log_info info;
	enum err_code rc = store_log_by_id(l->node->store, log, &info, err);

	if (rc || info.kind != LOG_OWN ||
		(rc = store_known(l->node->store, log, seq, &known, err)))
		return rc;
	rc = store_read(l->node->store, log, seq, 1, LABEL_BIT(LABEL_INTERNAL),
		&run, err);
	if (rc == ERR_OK && run.record[0].have & LABEL_BIT(LABEL_INTERNAL))
		rc = take_items(l, &run.record[0].part[LABEL_INTERNAL], err);
	if (rev >= place->rev) {
		place->rev = rev + 1;
		place->prev = known.leaf;
		place->prev_lost = !known.has_leaf;
	}
	run_free(&run);
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* Once a day and after a start. */
static enum err_code load(struct node *n, struct recipient *r, const char *text,
	int64_t day, struct err *err)
{
	struct loading l = {.node = n, .r = r, .day = day};
	enum err_code rc;

	if (r->day == day)
		return ERR_OK;
	r->place = (struct system_place){.rev = 1};
	register_id(n, r, text, r->place.uuid);
	rc = store_find_id(n->store, r->place.uuid, on_revision, &l, err);
	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	if (rc == ERR_OK)
		r->day = day;
	return rc;
}

/* ---- noting ---- */

struct noting {
	struct node *node;
	struct recipient *r;
	int64_t day;
	char text[TIME_TEXT_SIZE]; /* of the day, and more */
	struct provision what;
	struct json *fields;
	struct receipt receipt;
};

/* What is behind the last given under items of before, where that is known of
 * one of the labels. */
static uint64_t before_of(const struct told *t, uint8_t labels)
{
	uint64_t before = 0;

	for (unsigned k = 0; k < KINDS; k++)
		if ((labels & KIND_BIT(k)) && t->of[k].end > before)
			before = t->of[k].end;
	return before;
}

/* A node's own records are no news to it. */
static enum err_code add_item(struct noting *g, const struct provided *given,
	uint8_t labels, const struct told *t, struct err *err)
{
	struct provision_item *item = &g->what.item[g->what.count];
	const char *code;
	struct log_info log;
	enum err_code rc =
		store_log_by_id(g->node->store, given->log, &log, err);

	if (rc)
		return rc;
	code = origin_code(log.origin);
	if (!g->r->consumer && code && !memcmp(code, g->r->name, CODE_LEN))
		return ERR_OK;
	*item = (struct provision_item){.from = given->from,
		.labels = labels,
		.before = before_of(t, labels)};
	memcpy(item->origin, log.origin, sizeof(item->origin));
	g->what.count++;
	return ERR_OK;
}

static enum err_code gather(
	struct noting *g, const struct provided_list *list, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < list->count; i++) {
		const struct provided *given = &list->given[i];
		struct told *t;
		uint8_t labels;

		if ((rc = find_told(g->r, given->log, &t, err)))
			return rc;
		labels = news(t, given, g->day);
		if (labels && !g->what.item &&
			!(g->what.item = calloc(
				  list->count, sizeof(*g->what.item))))
			return err_nomem(err);
		if (labels)
			rc = add_item(g, given, labels, t, err);
	}
	return rc;
}

/* May run twice. */
static enum err_code note_job(struct batch *b, void *arg, struct err *err)
{
	struct noting *g = arg;

	return system_revision(b, g->node, PROVISION_SERIES, &g->r->place,
		json_copy(g->fields), &g->receipt, err);
}

static enum err_code put_on_record(
	struct noting *g, struct writer *w, struct err *err)
{
	enum err_code rc;

	memcpy(g->what.day, g->text, PROVISION_DAY_SIZE - 1);
	memcpy(g->what.to, g->r->name, sizeof(g->what.to));
	g->what.consumer = g->r->consumer;
	if ((rc = provision_write(&g->what, &g->fields, err)) ||
		(rc = node_run_job(g->node, w, note_job, g, err)))
		return rc;
	g->r->place.rev = g->receipt.rev + 1;
	g->r->place.prev = g->receipt.leaf;
	g->r->place.prev_lost = false;
	crash_point("provision.noted");
	return ERR_OK;
}

static void remember(struct noting *g, const struct provided_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct provided *given = &list->given[i];
		struct told *t;

		/* It was made before. */
		if (find_told(g->r, given->log, &t, NULL))
			continue;
		keep_from(t, given->labels, g->day, given->from);
		keep_end(t, given->labels, given->end);
	}
}

static enum err_code note(struct noting *g, struct provisions *p,
	struct writer *w, const struct provision_to *to,
	const struct provided_list *list, struct err *err)
{
	int64_t now = now_of(p, g->node);
	enum err_code rc;

	g->day = (now + LEGAL_OFFSET_S) / DAY_S;
	time_format(now, g->text);
	g->text[PROVISION_DAY_SIZE - 1] = '\0';
	if ((rc = find_recipient(p, to, &g->r, err)) ||
		(rc = load(g->node, g->r, g->text, g->day, err)) ||
		(rc = gather(g, list, err)) ||
		(g->what.count && (rc = put_on_record(g, w, err))))
		return rc;
	remember(g, list);
	return ERR_OK;
}

enum err_code provision_note(struct node *n, struct writer *w,
	const struct provision_to *to, const struct provided_list *list,
	bool *noted, struct err *err)
{
	struct noting g = {.node = n};
	enum err_code rc;

	if (noted)
		*noted = false;
	if (list->count == 0)
		return ERR_OK;
	/* One at a time: nobody sends what another is still noting. */
	pthread_mutex_lock(&n->provisions->lock);
	rc = note(&g, n->provisions, w, to, list, err);
	pthread_mutex_unlock(&n->provisions->lock);
	if (rc)
		rc = err_while(err, rc, "put on record what is given to %s",
			to->code ? to->code : to->consumer);
	else if (noted)
		*noted = g.what.count > 0;
	json_free(g.fields);
	provision_free(&g.what);
	return rc;
}
