/* rules_load.c - from the files of a governance tree to struct rules. */
#include "policies/rules_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/yamlfile.h"

/* ---- consumers.yaml ---- */

struct raw_consumer {
	char *name, *token_sha256;
	char **labels;
	unsigned labels_count;
	char **series;
	unsigned series_count;
};
struct raw_consumers {
	struct raw_consumer *consumers;
	unsigned consumers_count;
};

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, SERIES_NAME_SIZE - 1),
};
static const cyaml_schema_field_t consumer_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"name", CYAML_FLAG_POINTER, struct raw_consumer, name, 1, 63),
	CYAML_FIELD_STRING_PTR("token_sha256", CYAML_FLAG_POINTER,
		struct raw_consumer, token_sha256, 64, 64),
	CYAML_FIELD_SEQUENCE("labels", CYAML_FLAG_POINTER, struct raw_consumer,
		labels, &text_value, 1, LABEL_COUNT),
	CYAML_FIELD_SEQUENCE("series", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct raw_consumer, series, &text_value, 0,
		GRANT_SERIES_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t consumer_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct raw_consumer, consumer_fields),
};
static const cyaml_schema_field_t consumers_fields[] = {
	CYAML_FIELD_SEQUENCE("consumers", CYAML_FLAG_POINTER,
		struct raw_consumers, consumers, &consumer_value, 0,
		CONSUMERS_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t consumers_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_consumers, consumers_fields),
};

static enum err_code consumer_set(
	const struct raw_consumer *raw, struct consumer *c, struct err *err)
{
	if (!title_valid(raw->name, sizeof(c->name)))
		return err_set(err, ERR_INVALID,
			"consumers.yaml: a name is not one line of text");
	snprintf(c->name, sizeof(c->name), "%s", raw->name);
	if (!digest_from_hex(
		    raw->token_sha256, strlen(raw->token_sha256), &c->token))
		return err_set(err, ERR_INVALID,
			"consumers.yaml: %s: token_sha256 is not 64 lower-case "
			"hex digits",
			raw->name);
	for (unsigned i = 0; i < raw->labels_count; i++) {
		enum label label;

		if (!label_parse(
			    raw->labels[i], strlen(raw->labels[i]), &label))
			return err_set(err, ERR_INVALID,
				"consumers.yaml: %s: unknown label \"%s\"",
				raw->name, raw->labels[i]);
		c->labels |= LABEL_BIT(label);
	}
	for (unsigned i = 0; i < raw->series_count; i++)
		snprintf(c->series[c->series_count++], SERIES_NAME_SIZE, "%s",
			raw->series[i]);
	return ERR_OK;
}

enum err_code consumers_load(const void *text, size_t len,
	struct consumer **out, size_t *count, struct err *err)
{
	struct raw_consumers *raw = NULL;
	struct consumer *list;
	enum err_code rc;

	if ((rc = yamlfile_load(
		     "consumers.yaml", text, len, &consumers_value, &raw, err)))
		return rc;
	list = calloc(raw->consumers_count + 1, sizeof(*list));
	if (!list)
		rc = err_nomem(err);
	for (unsigned i = 0; !rc && i < raw->consumers_count; i++) {
		rc = consumer_set(&raw->consumers[i], &list[i], err);
		for (unsigned j = 0; !rc && j < i; j++)
			if (digest_equal(&list[j].token, &list[i].token))
				rc = err_set(err, ERR_INVALID,
					"consumers.yaml: %s and %s have the "
					"same token",
					list[j].name, list[i].name);
		rc = yamlfile_at(
			rc, "consumers.yaml", text, len, "consumers", i, err);
	}
	if (rc) {
		free(list);
	} else {
		*out = list;
		*count = raw->consumers_count;
	}
	yamlfile_free(&consumers_value, raw);
	return rc;
}

/* ---- calendar.yaml ---- */

struct raw_day {
	char *date, *kind;
};
struct raw_calendar {
	struct raw_day *days;
	unsigned days_count;
};

static const cyaml_schema_field_t day_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"date", CYAML_FLAG_POINTER, struct raw_day, date, 10, 10),
	CYAML_FIELD_STRING_PTR(
		"kind", CYAML_FLAG_POINTER, struct raw_day, kind, 1, 16),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t day_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_day, day_fields),
};
static const cyaml_schema_field_t calendar_fields[] = {
	CYAML_FIELD_SEQUENCE("days", CYAML_FLAG_POINTER, struct raw_calendar,
		days, &day_value, 0, CALENDAR_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t calendar_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_calendar, calendar_fields),
};

static enum err_code day_set(const struct raw_day *raw,
	const struct calendar_day *before, struct calendar_day *d,
	struct err *err)
{
	if (!date_valid(raw->date, strlen(raw->date)))
		return err_set(err, ERR_INVALID,
			"calendar.yaml: \"%s\" is no date YYYY-MM-DD",
			raw->date);
	if (before && strcmp(before->date, raw->date) >= 0)
		return err_set(err, ERR_INVALID,
			"calendar.yaml: %s does not come after %s", raw->date,
			before->date);
	if (strcmp(raw->kind, "workday") && strcmp(raw->kind, "holiday"))
		return err_set(err, ERR_INVALID,
			"calendar.yaml: %s: kind \"%s\" is neither workday nor "
			"holiday",
			raw->date, raw->kind);
	snprintf(d->date, sizeof(d->date), "%s", raw->date);
	d->workday = !strcmp(raw->kind, "workday");
	return ERR_OK;
}

enum err_code calendar_load(const void *text, size_t len,
	struct calendar_day **out, size_t *count, struct err *err)
{
	struct raw_calendar *raw = NULL;
	struct calendar_day *list;
	enum err_code rc;

	if ((rc = yamlfile_load(
		     "calendar.yaml", text, len, &calendar_value, &raw, err)))
		return rc;
	list = calloc(raw->days_count + 1, sizeof(*list));
	if (!list)
		rc = err_nomem(err);
	for (unsigned i = 0; !rc && i < raw->days_count; i++)
		rc = yamlfile_at(day_set(&raw->days[i], i ? &list[i - 1] : NULL,
					 &list[i], err),
			"calendar.yaml", text, len, "days", i, err);
	if (rc) {
		free(list);
	} else {
		*out = list;
		*count = raw->days_count;
	}
	yamlfile_free(&calendar_value, raw);
	return rc;
}

/* ---- the tree ---- */

struct loading {
	struct rules *r;
	const struct fileset *fs;
	governance_fault *fault;
	void *arg;
	struct err *err;
	struct err own; /* where the caller wants no text */
	size_t faults;
};

/* A mistake in one file: told and passed over, or the end. */
static enum err_code mistake(
	struct loading *l, const char *file, enum err_code rc)
{
	if (!rc || !l->fault || rc == ERR_NOMEM || rc == ERR_IO ||
		rc == ERR_CORRUPT)
		return rc;
	l->fault(l->arg, file, yamlfile_behind(l->err->text, file));
	l->faults++;
	return ERR_OK;
}

static enum err_code add_nodes(struct rules *r, const char *file,
	const struct roster *roster, struct err *err)
{
	size_t need = r->node_count + roster->count;

	if (need > NODES_LIMIT)
		return err_set(err, ERR_LIMIT, "%s: more than %d divisions",
			file, NODES_LIMIT);
	if (need > r->node_cap) {
		struct node_info *node;

		need += need / 2;
		if (!(node = reallocarray(r->node, need, sizeof(*node))))
			return err_nomem(err);
		r->node = node;
		r->node_cap = need;
	}
	for (size_t i = 0; i < roster->count; i++)
		r->node[r->node_count++] = roster->child[i].info;
	return ERR_OK;
}

static enum err_code load_roster(
	struct loading *l, const char *file, const struct buf *text)
{
	const struct council *c = &l->r->council;
	struct roster roster = {NULL, 0};
	char parent[CODE_SIZE];
	enum err_code rc;

	if (!roster_path_parse(file, parent))
		return err_set(l->err, ERR_INVALID,
			"%s: neither roster/root.yaml nor roster/CODE.yaml",
			file);
	if ((rc = roster_load(
		     file, parent, text->data, text->len, &roster, l->err)))
		return rc;
	if (!*parent &&
		(roster.count != 1 ||
			strcmp(roster.child[0].info.code, c->root_code) ||
			strcmp(roster.child[0].info.name, c->root_name) ||
			roster.child[0].info.rank != c->root_rank))
		rc = err_set(l->err, ERR_INVALID,
			"%s: not just the root %s as domain.yaml has it", file,
			c->root_code);
	if (!rc)
		rc = add_nodes(l->r, file, &roster, l->err);
	roster_free(&roster);
	return rc;
}

static enum err_code load_series(
	struct loading *l, const char *file, const struct buf *text)
{
	struct rules *r = l->r;
	struct series *s = NULL;
	char path[FILESET_PATH_SIZE];
	enum err_code rc;

	if (r->owned_count >= SERIES_COUNT_LIMIT)
		return err_set(l->err, ERR_LIMIT, "%s: more than %d series",
			file, SERIES_COUNT_LIMIT);
	if ((rc = series_load(file, text->data, text->len, &s, l->err)))
		return rc;
	snprintf(path, sizeof(path), "series/%s.yaml", s->name);
	if (strcmp(path, file) || !strncmp(s->name, "sys-", 4)) {
		rc = err_set(l->err, ERR_INVALID,
			"%s: may not hold the series %s", file, s->name);
		series_free(s);
		return rc;
	}
	r->owned[r->owned_count++] = s;
	return ERR_OK;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static enum err_code load_file(
	struct loading *l, const struct gov_file *f, const struct buf *text)
{
	struct rules *r = l->r;

	if (has_prefix(f->path, "roster/"))
		return load_roster(l, f->path, text);
	if (has_prefix(f->path, "series/"))
		return load_series(l, f->path, text);
	if (!strcmp(f->path, "consumers.yaml"))
		return consumers_load(text->data, text->len, &r->consumer,
			&r->consumer_count, l->err);
	if (!strcmp(f->path, "calendar.yaml"))
		return calendar_load(
			text->data, text->len, &r->day, &r->day_count, l->err);
	if (!strcmp(f->path, "seals.yaml"))
		return seals_load(text->data, text->len, &r->seals, l->err);
	if (!strcmp(f->path, "README.md"))
		return ERR_OK;
	return err_set(l->err, ERR_INVALID,
		"%s: a governance tree has no such file", f->path);
}

static enum err_code load_files(struct loading *l)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < l->fs->count; i++) {
		const struct gov_file *f = &l->fs->file[i];

		if (!strcmp(f->path, "domain.yaml") ||
			!strcmp(f->path, "officers.yaml"))
			continue;
		buf_clear(&text);
		if (!(rc = fileset_read(l->fs, f, &text, l->err)))
			rc = mistake(l, f->path, load_file(l, f, &text));
	}
	buf_free(&text);
	return rc;
}

/* ---- what the files say together ---- */

static int by_code(const void *a, const void *b)
{
	return strcmp(((const struct node_info *)a)->code,
		((const struct node_info *)b)->code);
}

static enum err_code link_node(struct rules *r, size_t i, struct err *err)
{
	const struct node_info *n = &r->node[i], *p;
	char file[FILESET_PATH_SIZE];

	if (!n->parent[0]) {
		r->root = i;
		r->parent[i] = i;
		return ERR_OK;
	}
	roster_path(n->parent, file, sizeof(file));
	if (!(p = rules_node(r, n->parent)))
		return err_set(err, ERR_INVALID,
			"%s: its division %s is no division of the domain",
			file, n->parent);
	if (!strcmp(n->code, n->parent) || !code_within(n->code, n->parent))
		return err_set(err, ERR_INVALID, "%s: %s does not lie below %s",
			file, n->code, n->parent);
	if (n->rank >= p->rank)
		return err_set(err, ERR_INVALID,
			"%s: %s is of rank %s, not below its parent's %s", file,
			n->code, rank_name(n->rank), rank_name(p->rank));
	r->parent[i] = (size_t)(p - r->node);
	return ERR_OK;
}

/* What is below a division that is gone would have nobody to give to; and a
 * successor answers for good, or names the next. */
static enum err_code check_retired(
	const struct rules *r, size_t i, struct err *err)
{
	const struct node_info *n = &r->node[i], *next = n;
	const struct node_info *above = &r->node[r->parent[i]];
	char file[FILESET_PATH_SIZE];

	roster_path(n->parent, file, sizeof(file));
	if (above->retired[0] && !n->retired[0])
		return err_set(err, ERR_INVALID,
			"%s: %s is retired, and %s below it is not", file,
			above->code, n->code);
	if (n->retired[0] && !n->parent[0])
		return err_set(err, ERR_INVALID,
			"%s: the root of a domain is never retired", file);
	for (size_t steps = 0; next->successor[0]; steps++) {
		if (steps == r->node_count)
			return err_set(err, ERR_INVALID,
				"%s: the successors of %s go round in a circle",
				file, n->code);
		if (!(next = rules_node(r, next->successor)))
			return err_set(err, ERR_INVALID,
				"%s: the successor of %s is no division of the "
				"domain",
				file, n->code);
	}
	return ERR_OK;
}

/* Codes within codes and ranks below ranks: no circles are left. */
static enum err_code link_nodes(struct loading *l)
{
	struct rules *r = l->r;
	char file[FILESET_PATH_SIZE];
	enum err_code rc = ERR_OK;

	if (!fileset_find(l->fs, "roster/root.yaml"))
		return mistake(l, "roster/root.yaml",
			err_set(l->err, ERR_INVALID,
				"roster/root.yaml: missing"));
	if (!r->node_count)
		return ERR_OK; /* told already */
	qsort(r->node, r->node_count, sizeof(*r->node), by_code);
	if (!(r->parent = calloc(r->node_count, sizeof(*r->parent))))
		return err_nomem(l->err);
	for (size_t i = 0; !rc && i < r->node_count; i++) {
		roster_path(r->node[i].parent, file, sizeof(file));
		if (i && !by_code(&r->node[i - 1], &r->node[i]))
			rc = err_set(l->err, ERR_INVALID,
				"%s: %s is there twice", file, r->node[i].code);
		else
			rc = link_node(r, i, l->err);
		rc = mistake(l, file, rc);
	}
	for (size_t i = 0; !rc && !l->faults && i < r->node_count; i++) {
		roster_path(r->node[i].parent, file, sizeof(file));
		rc = mistake(l, file, check_retired(r, i, l->err));
	}
	return rc;
}

static int by_key(const void *a, const void *b, void *nodes)
{
	const struct node_info *node = nodes;

	return memcmp(node[*(const size_t *)a].tls.b,
		node[*(const size_t *)b].tls.b, SIGN_PUBLIC_SIZE);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, SIGN_PUBLIC_SIZE);
}

/* A key that serves two purposes, or two nodes, would let one stand in for the
 * other. */
static enum err_code keys_unique(struct loading *l)
{
	const struct rules *r = l->r;
	struct sign_public *keys;
	enum err_code rc = ERR_OK;
	size_t count = 0;

	if (!(keys = calloc(r->node_count + 1,
		      (3 + FORMER_KEYS_LIMIT) * sizeof(*keys))))
		return err_nomem(l->err);
	for (size_t i = 0; i < r->node_count; i++) {
		const struct node_info *n = &r->node[i];

		if (!n->enrolled)
			continue;
		keys[count++] = n->log;
		keys[count++] = n->witness;
		keys[count++] = n->tls;
		for (size_t k = 0; k < n->former_count; k++)
			keys[count++] = n->former[k].key;
	}
	qsort(keys, count, sizeof(*keys), by_bytes);
	for (size_t i = 1; !rc && i < count; i++)
		if (!by_bytes(&keys[i - 1], &keys[i]))
			rc = mistake(l, "roster",
				err_set(l->err, ERR_INVALID,
					"roster: a key is enrolled twice"));
	free(keys);
	return rc;
}

static enum err_code index_keys(struct loading *l)
{
	struct rules *r = l->r;

	if (!(r->by_tls = calloc(r->node_count + 1, sizeof(*r->by_tls))))
		return err_nomem(l->err);
	for (size_t i = 0; i < r->node_count; i++)
		if (r->node[i].enrolled && !r->node[i].retired[0])
			r->by_tls[r->tls_count++] = i;
	qsort_r(r->by_tls, r->tls_count, sizeof(*r->by_tls), by_key, r->node);
	return keys_unique(l);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct series *const *)a)->name,
		(*(const struct series *const *)b)->name);
}

static enum err_code index_series(struct loading *l)
{
	struct rules *r = l->r;
	size_t system = 0;

	while (series_system_at(system))
		system++;
	r->series = calloc(r->owned_count + system, sizeof(*r->series));
	if (!r->series)
		return err_nomem(l->err);
	for (size_t i = 0; i < r->owned_count; i++)
		r->series[r->series_count++] = r->owned[i];
	for (size_t i = 0; i < system; i++)
		r->series[r->series_count++] = series_system_at(i);
	qsort(r->series, r->series_count, sizeof(*r->series), by_name);
	return ERR_OK;
}

static enum err_code check_grants(struct loading *l)
{
	const struct rules *r = l->r;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < r->consumer_count; i++)
		for (size_t j = 0; !rc && j < r->consumer[i].series_count; j++)
			if (!rules_series(r, r->consumer[i].series[j]))
				rc = mistake(l, "consumers.yaml",
					err_set(l->err, ERR_INVALID,
						"consumers.yaml: %s: unknown "
						"series \"%s\"",
						r->consumer[i].name,
						r->consumer[i].series[j]));
	return rc;
}

static enum err_code check_seals(struct loading *l)
{
	const struct rules *r = l->r;
	const char *root = r->council.root_code;
	enum err_code rc = mistake(
		l, "seals.yaml", seals_check_scopes(&r->seals, root, l->err));

	for (size_t i = 0; !rc && i < r->owned_count; i++) {
		char path[FILESET_PATH_SIZE];

		if (!r->owned[i]->sealed[0])
			continue;
		snprintf(path, sizeof(path), "series/%s.yaml",
			r->owned[i]->name);
		rc = mistake(l, path,
			seals_check_series(
				&r->seals, root, r->owned[i], l->err));
	}
	return rc;
}

/* Without a root nothing can be linked, so a bad council ends the loading. */
static enum err_code load_council(struct loading *l)
{
	enum err_code rc = council_load(l->fs, &l->r->council, l->err);
	const char *file = "officers.yaml";

	if (!rc && l->r->head.domain[0] &&
		strcmp(l->r->head.domain, l->r->council.domain))
		rc = err_set(l->err, ERR_INVALID,
			"domain.yaml: name %s, but the statement says %s",
			l->r->council.domain, l->r->head.domain);
	if (rc && l->fault) {
		if (strncmp(l->err->text, file, strlen(file)))
			file = "domain.yaml";
		(void)mistake(l, file, rc);
	}
	return rc;
}

enum err_code rules_load(const struct fileset *fs, const struct statement *head,
	const struct digest *fingerprint, governance_fault *fault, void *arg,
	struct rules **out, struct err *err)
{
	struct loading l = {.fs = fs, .fault = fault, .arg = arg};
	enum err_code rc;

	l.err = err ? err : &l.own;
	if (!(l.r = calloc(1, sizeof(*l.r))))
		return err_nomem(err);
	atomic_init(&l.r->refs, 1);
	l.r->head = *head;
	l.r->fingerprint = *fingerprint;
	if (!(l.r->owned = calloc(SERIES_COUNT_LIMIT, sizeof(*l.r->owned)))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = load_council(&l)) || (rc = load_files(&l)) ||
		(rc = link_nodes(&l)) || (rc = index_keys(&l)) ||
		(rc = index_series(&l)) || (rc = check_grants(&l)) ||
		(rc = check_seals(&l)))
		goto out;
	if (l.faults)
		rc = err_set(err, ERR_INVALID,
			"%zu mistakes in the governance tree", l.faults);
out:
	if (rc)
		rules_unref(l.r);
	else
		*out = l.r;
	return rc;
}
