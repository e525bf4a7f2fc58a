/* shape.c - a series' fields as a tree. */
#include "policies/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASKED_SUFFIX "_masked"

/* Names are [a-z][a-z0-9_]*, so canonical order is that of bytes, and a key
 * needs no escapes. */
static bool name_valid(const char *s, size_t len)
{
	if (len == 0 || s[0] < 'a' || s[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
			    (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
			return false;
	}
	return true;
}

static struct shape *find(struct shape *parent, const char *name, size_t len)
{
	for (size_t i = 0; i < parent->member_count; i++) {
		struct shape *m = &parent->members[i];

		if (strlen(m->name) == len && memcmp(m->name, name, len) == 0)
			return m;
	}
	return NULL;
}

static struct shape *add(struct shape *parent, const char *name, size_t len,
	enum shape_kind kind)
{
	struct shape *m;

	if (!grow(&parent->members, &parent->member_cap, parent->member_count,
		    sizeof(*m)))
		return NULL;
	m = &parent->members[parent->member_count++];
	*m = (struct shape){.kind = kind};
	memcpy(m->name, name, len);
	m->key_len =
		(size_t)snprintf(m->key, sizeof(m->key), "\"%s\":", m->name);
	return m;
}

/* A step of a path: a name, and whether "[]" stands behind it. */
struct step {
	const char *name;
	size_t len;
	bool array, last;
};

static bool step_next(const char **at, struct step *out)
{
	const char *end = *at + strcspn(*at, ".");

	out->name = *at;
	out->len = (size_t)(end - *at);
	out->last = *end == '\0';
	out->array = out->len > 2 && memcmp(end - 2, "[]", 2) == 0;
	if (out->array)
		out->len -= 2;
	*at = out->last ? end : end + 1;
	return name_valid(out->name, out->len);
}

static bool step_is(const struct step *s, const char *name)
{
	return strlen(name) == s->len && memcmp(name, s->name, s->len) == 0;
}

static enum shape_kind step_kind(const struct step *s)
{
	if (s->last)
		return s->array ? SHAPE_LIST : SHAPE_VALUE;
	return s->array ? SHAPE_ROWS : SHAPE_OBJECT;
}

static enum err_code refuse(
	struct shape_fault *fault, const struct field *f, const char *reason)
{
	*fault = (struct shape_fault){f, reason};
	return ERR_INVALID;
}

static enum err_code clash(struct shape_fault *fault, const struct field *f)
{
	return refuse(fault, f,
		"the path is taken, or used another way: choose another name");
}

static enum err_code add_derived(struct shape *parent, const char *source,
	const struct field *f, struct shape_fault *fault, struct err *err)
{
	char name[FIELD_PATH_SIZE + sizeof(MASKED_SUFFIX)];
	int len = snprintf(name, sizeof(name), "%s" MASKED_SUFFIX, source);
	struct shape *m;

	if ((size_t)len >= FIELD_PATH_SIZE)
		return refuse(fault, f,
			"its derived name has more than 127 bytes: shorten it");
	if (find(parent, name, (size_t)len))
		return clash(fault, f);
	m = add(parent, name, (size_t)len, SHAPE_VALUE);
	if (!m)
		return err_nomem(err);
	m->derived = true;
	m->field = f;
	m->label = f->derive_label;
	memcpy(m->source, source, strlen(source) + 1);
	return ERR_OK;
}

static enum err_code add_leaf(struct shape *parent, const struct step *step,
	const struct field *f, struct shape_fault *fault, struct err *err)
{
	char source[FIELD_PATH_SIZE];
	struct shape *m;

	if (find(parent, step->name, step->len))
		return clash(fault, f);
	m = add(parent, step->name, step->len, step_kind(step));
	if (!m)
		return err_nomem(err);
	m->field = f;
	m->label = f->label;
	m->required = f->required;
	if (f->derive == DERIVE_NONE)
		return ERR_OK;
	/* adding moves the members */
	memcpy(source, m->name, sizeof(source));
	return add_derived(parent, source, f, fault, err);
}

static enum err_code add_field(struct shape *root, const struct field *f,
	struct shape_fault *fault, struct err *err)
{
	struct shape *at = root;
	/* The objects since the innermost array: required with the field. */
	struct shape *way[SHAPE_DEPTH_LIMIT];
	size_t way_count = 0;
	const char *path = f->path;
	enum err_code rc;

	for (size_t depth = 1;; depth++) {
		struct step step;
		struct shape *m;

		if (!step_next(&path, &step))
			return refuse(fault, f,
				"not a path: names of a-z, 0-9 and _, parted "
				"by dots, [] behind an array");
		if (depth == 1 && step_is(&step, SHAPE_ATTACHMENTS))
			return refuse(fault, f,
				"the name is reserved: choose another");
		if (step.last) {
			rc = add_leaf(at, &step, f, fault, err);
			break;
		}
		if (depth == SHAPE_DEPTH_LIMIT)
			return refuse(fault, f,
				"more than 8 names in a path: make it flatter");
		m = find(at, step.name, step.len);
		if (m && m->kind != step_kind(&step))
			return clash(fault, f);
		if (!m && !(m = add(at, step.name, step.len, step_kind(&step))))
			return err_nomem(err);
		if (m->kind == SHAPE_ROWS)
			way_count = 0;
		else
			way[way_count++] = m;
		at = m;
	}
	for (size_t i = 0; rc == ERR_OK && f->required && i < way_count; i++)
		way[i]->required = true;
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Sorts, and gives arrays of objects their label. */
static void finish(struct shape *s)
{
	if (s->kind != SHAPE_OBJECT && s->kind != SHAPE_ROWS)
		return;
	qsort(s->members, s->member_count, sizeof(*s->members), compare);
	s->label = LABEL_SENSITIVE;
	for (size_t i = 0; i < s->member_count; i++) {
		finish(&s->members[i]);
		if (s->members[i].label < s->label)
			s->label = s->members[i].label;
		if (s->members[i].field && s->members[i].field->minors)
			s->tells_age = true;
	}
}

static enum err_code add_attachments(struct series *s, struct err *err)
{
	struct shape *m;

	if (!s->attachments)
		return ERR_OK;
	m = add(s->shape, SHAPE_ATTACHMENTS, strlen(SHAPE_ATTACHMENTS),
		SHAPE_FILES);
	if (!m)
		return err_nomem(err);
	m->label = s->attachments_label;
	return ERR_OK;
}

enum err_code shape_make(
	struct series *s, struct shape_fault *fault, struct err *err)
{
	enum err_code rc = ERR_OK;

	s->shape = calloc(1, sizeof(*s->shape));
	if (!s->shape)
		return err_nomem(err);
	s->shape->kind = SHAPE_OBJECT;
	for (size_t i = 0; rc == ERR_OK && i < s->field_count; i++)
		rc = add_field(s->shape, &s->fields[i], fault, err);
	if (rc == ERR_OK)
		rc = add_attachments(s, err);
	if (rc == ERR_OK)
		finish(s->shape);
	return rc;
}

static void members_free(struct shape *shape)
{
	for (size_t i = 0; i < shape->member_count; i++)
		members_free(&shape->members[i]);
	free(shape->members);
}

void shape_free(struct shape *shape)
{
	if (!shape)
		return;
	members_free(shape);
	free(shape);
}

const struct shape *shape_member(const struct shape *shape, const char *name)
{
	for (size_t i = 0; shape && i < shape->member_count; i++) {
		if (strcmp(shape->members[i].name, name) == 0)
			return &shape->members[i];
	}
	return NULL;
}
