/* merge.c - the parts of a record back to its fields.
 *
 * The parts themselves say how they fit: objects join their members, arrays
 * their elements by place.  The series is asked only for what is derived.
 */
#include "policies/merge.h"

#include <string.h>

#include "policies/shape.h"

/* The values that the parts have at one place. */
struct pile {
	size_t count;
	const struct json *value[LABEL_COUNT];
	enum label label[LABEL_COUNT];
};

struct merge {
	enum merge_mode mode;
	bool failed; /* out of memory */
	bool broken; /* the parts contradict each other */
};

static struct json *broken(struct merge *m)
{
	m->broken = true;
	return NULL;
}

static void pile_add(struct pile *p, const struct json *value, enum label label)
{
	if (!value)
		return;
	p->value[p->count] = value;
	p->label[p->count++] = label;
}

static bool raw_hidden(
	const struct merge *m, const struct shape *at, enum label label)
{
	return m->mode == MERGE_MASKED && label >= LABEL_PERSONAL &&
		!(at && at->derived);
}

static struct json *merge_pile(
	struct merge *m, const struct shape *at, const struct pile *p);

/* The salt and the object name of an attachment are chosen here. */
static bool left_aside(const struct merge *m, const struct shape *parent,
	const struct shape *member, const char *name)
{
	if (m->mode != MERGE_CONTENT)
		return false;
	if (member)
		return member->derived;
	return parent && parent->kind == SHAPE_FILES &&
		(strcmp(name, "salt") == 0 || strcmp(name, "object") == 0);
}

static bool add_member(struct merge *m, const struct shape *at,
	const struct pile *p, const char *name, struct json *to)
{
	const struct shape *member = shape_member(at, name);
	struct pile below = {0};
	struct json *v;

	if (left_aside(m, at, member, name))
		return true;
	for (size_t i = 0; i < p->count; i++)
		pile_add(&below, json_get(p->value[i], name), p->label[i]);
	v = merge_pile(m, member, &below);
	if (!v)
		return !m->broken && !m->failed; /* hidden */
	if (!json_set(to, name, v))
		m->failed = true;
	return !m->failed;
}

static struct json *merge_objects(
	struct merge *m, const struct shape *at, const struct pile *p)
{
	struct json *to = json_new_object();
	bool well = to != NULL;

	m->failed |= !well;
	for (size_t i = 0; well && i < p->count; i++) {
		const struct json *v;
		const char *name;
		void *walk = NULL;

		while (well && json_next(p->value[i], &walk, &name, &v)) {
			if (!json_get(to, name))
				well = add_member(m, at, p, name, to);
		}
	}
	if (well)
		return to;
	json_free(to);
	return NULL;
}

static bool add_element(struct merge *m, const struct shape *at,
	const struct pile *p, size_t i, struct json *to)
{
	struct pile below = {0};
	struct json *v;

	for (size_t k = 0; k < p->count; k++)
		pile_add(&below, json_at(p->value[k], i), p->label[k]);
	v = merge_pile(m, at, &below);
	if (!v)
		return !m->broken && !m->failed;
	if (!json_append(to, v))
		m->failed = true;
	return !m->failed;
}

static struct json *merge_arrays(
	struct merge *m, const struct shape *at, const struct pile *p)
{
	size_t count = json_count(p->value[0]);
	struct json *to;
	bool well;

	for (size_t i = 1; i < p->count; i++) {
		if (json_count(p->value[i]) != count)
			return broken(m);
	}
	to = json_new_array();
	well = to != NULL;
	m->failed |= !well;
	for (size_t i = 0; well && i < count; i++)
		well = add_element(m, at, p, i, to);
	if (well)
		return to;
	json_free(to);
	return NULL;
}

static struct json *merge_scalar(
	struct merge *m, const struct shape *at, const struct pile *p)
{
	struct json *v;

	if (p->count != 1)
		return broken(m);
	if (raw_hidden(m, at, p->label[0]))
		return NULL;
	v = json_copy(p->value[0]);
	m->failed |= v == NULL;
	return v;
}

static bool is_filled(const struct json *v)
{
	if (json_kind(v) == JSON_KIND_OBJECT)
		return json_count(v) > 0;
	for (size_t i = 0; i < json_count(v); i++) {
		const struct json *e = json_at(v, i);

		if (json_kind(e) != JSON_KIND_OBJECT || json_count(e) > 0)
			return true;
	}
	return false;
}

/* A container of which nothing may be seen is not seen itself. */
static struct json *drop_hollow(
	const struct merge *m, const struct pile *p, struct json *v)
{
	bool hidden = m->mode == MERGE_MASKED;

	for (size_t i = 0; i < p->count; i++)
		hidden = hidden && p->label[i] >= LABEL_PERSONAL;
	if (v && hidden && !is_filled(v)) {
		json_free(v);
		return NULL;
	}
	return v;
}

/* NULL: failed, broken, or nothing to see. */
static struct json *merge_pile(
	struct merge *m, const struct shape *at, const struct pile *p)
{
	enum json_kind kind;

	if (p->count == 0)
		return broken(m);
	kind = json_kind(p->value[0]);
	for (size_t i = 1; i < p->count; i++) {
		if (json_kind(p->value[i]) != kind)
			return broken(m);
	}
	if (kind == JSON_KIND_OBJECT)
		return drop_hollow(m, p, merge_objects(m, at, p));
	if (kind == JSON_KIND_ARRAY)
		return drop_hollow(m, p, merge_arrays(m, at, p));
	return merge_scalar(m, at, p);
}

enum err_code merge_parts(const struct series *s, const struct record *r,
	enum merge_mode mode, struct json **out, struct err *err)
{
	struct json *part[LABEL_COUNT] = {NULL};
	struct merge m = {.mode = mode};
	struct pile p = {0};
	struct json *v = NULL;
	enum err_code rc = ERR_OK;

	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if (!(r->have & LABEL_BIT(i)))
			continue;
		rc = json_parse(r->part[i].json, r->part[i].len,
			PART_SIZE_LIMIT, &part[i], err);
		if (rc)
			rc = err_while(err, ERR_CORRUPT, "part %s",
				label_name((enum label)i));
		else if (json_kind(part[i]) != JSON_KIND_OBJECT)
			rc = err_set(err, ERR_CORRUPT,
				"part %s is not an object",
				label_name((enum label)i));
		pile_add(&p, part[i], (enum label)i);
	}
	if (rc)
		goto out;
	v = merge_objects(&m, s ? s->shape : NULL, &p);
	if (m.failed)
		rc = err_nomem(err);
	else if (!v)
		rc = err_set(err, ERR_CORRUPT,
			"the parts of a record contradict each other");
	else
		*out = v;
out:
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		json_free(part[i]);
	return rc;
}

static bool same_bytes(const struct record *a, const struct record *b)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		const struct part *x = &a->part[i], *y = &b->part[i];

		if ((a->have & LABEL_BIT(i)) &&
			(x->len != y->len || memcmp(x->json, y->json, x->len)))
			return false;
	}
	return true;
}

enum err_code merge_same(const struct series *s, const struct record *a,
	const struct record *b, bool *same, struct err *err)
{
	struct json *x = NULL, *y = NULL;
	enum err_code rc;

	if (a->have == b->have && same_bytes(a, b)) {
		*same = true;
		return ERR_OK;
	}
	if ((rc = merge_parts(s, a, MERGE_CONTENT, &x, err)) ||
		(rc = merge_parts(s, b, MERGE_CONTENT, &y, err)))
		goto out;
	*same = json_equal(x, y);
out:
	json_free(x);
	json_free(y);
	return rc;
}

/* ---- judging ---- */

static bool pile_fits(const struct pile *p);

/* Each name once: where the first value that has it stands. */
static bool objects_fit(const struct pile *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct json *v;
		const char *name;
		void *walk = NULL;

		while (json_next(p->value[i], &walk, &name, &v)) {
			struct pile below = {0};
			bool seen = false;

			for (size_t k = 0; k < i; k++)
				seen |= json_get(p->value[k], name) != NULL;
			for (size_t k = i; !seen && k < p->count; k++)
				pile_add(&below, json_get(p->value[k], name),
					p->label[k]);
			if (below.count > 1 && !pile_fits(&below))
				return false;
		}
	}
	return true;
}

static bool arrays_fit(const struct pile *p)
{
	size_t count = json_count(p->value[0]);

	for (size_t i = 1; i < p->count; i++) {
		if (json_count(p->value[i]) != count)
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct pile below = {0};

		for (size_t k = 0; k < p->count; k++)
			pile_add(&below, json_at(p->value[k], i), p->label[k]);
		if (!pile_fits(&below))
			return false;
	}
	return true;
}

/* As merge_pile() would; one value alone always fits. */
static bool pile_fits(const struct pile *p)
{
	enum json_kind kind;

	if (p->count < 2)
		return true;
	kind = json_kind(p->value[0]);
	for (size_t i = 1; i < p->count; i++) {
		if (json_kind(p->value[i]) != kind)
			return false;
	}
	if (kind == JSON_KIND_OBJECT)
		return objects_fit(p);
	return kind == JSON_KIND_ARRAY && arrays_fit(p);
}

bool merge_fits(struct json *const part[LABEL_COUNT])
{
	struct pile p = {0};

	for (unsigned i = 0; i < LABEL_COUNT; i++)
		pile_add(&p, part[i], (enum label)i);
	return pile_fits(&p);
}
