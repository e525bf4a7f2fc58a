/* access_look.c - what of a record is meant, and about whom it is. */
#include <stdio.h>
#include <string.h>

#include "policies/access_inside.h"
#include "policies/merge.h"
#include "policies/shape.h"

/* About whom it is does not depend on a date of birth that is known. */
#define SERIES_OF_MINORS "minor-protection"

bool access_path_valid(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len < FIELD_PATH_SIZE &&
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.[]") == len;
}

static struct json *pick_rows(
	const struct json *v, const char *rest, bool *failed)
{
	struct json *to = json_new_array();
	bool any = false;

	*failed |= !to;
	for (size_t i = 0; !*failed && i < json_count(v); i++) {
		struct json *one = access_pick(json_at(v, i), rest, failed);

		any |= one != NULL;
		if (*failed || !json_append(to, one ? one : json_new_object()))
			*failed = true;
	}
	if (any && !*failed)
		return to;
	json_free(to);
	return NULL;
}

struct json *access_pick(const struct json *v, const char *path, bool *failed)
{
	size_t len = strcspn(path, ".[");
	char name[FIELD_PATH_SIZE];
	struct json *to, *below;
	const char *rest = path + len;
	const struct json *m;

	snprintf(name, sizeof(name), "%.*s", (int)len, path);
	m = json_get(v, name);
	if (!m)
		return NULL;
	if (!strncmp(rest, "[].", 3))
		below = json_kind(m) == JSON_KIND_ARRAY
			? pick_rows(m, rest + 3, failed)
			: NULL;
	else if (*rest == '.')
		below = access_pick(m, rest + 1, failed);
	else if (*rest == '\0' || !strcmp(rest, "[]"))
		*failed |= !(below = json_copy(m));
	else
		below = NULL;
	if (!below)
		return NULL;
	to = json_new_object();
	if (json_set(to, name, below))
		return to;
	json_free(to);
	*failed = true;
	return NULL;
}

enum err_code access_labels_at(const struct record *r, const char *path,
	uint8_t *labels, struct err *err)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		struct json *part = NULL, *there;
		bool failed = false;
		enum err_code rc;

		if (!(*labels & LABEL_BIT(i)))
			continue;
		if ((rc = json_parse(r->part[i].json, r->part[i].len,
			     PART_SIZE_LIMIT, &part, err)))
			return rc;
		there = access_pick(part, path, &failed);
		if (!there)
			*labels &= (uint8_t)~LABEL_BIT(i);
		json_free(there);
		json_free(part);
		if (failed)
			return err_nomem(err);
	}
	return ERR_OK;
}

/* ---- minors ---- */

static bool tells_minor(
	const struct shape *shape, const struct json *v, const char *at)
{
	for (size_t i = 0; i < shape->member_count; i++) {
		const struct shape *m = &shape->members[i];
		const struct json *value = json_get(v, m->name);
		bool yes = false;

		if (!value)
			continue;
		if (m->kind == SHAPE_OBJECT)
			yes = tells_minor(m, value, at);
		else if (m->kind == SHAPE_VALUE && !m->derived &&
			m->field->minors)
			yes = value_minor(m->field, value, at);
		for (size_t k = 0;
			m->kind == SHAPE_ROWS && !yes && k < json_count(value);
			k++)
			yes = tells_minor(m, json_at(value, k), at);
		if (yes)
			return true;
	}
	return false;
}

/* Where the part with the date of birth is not here, neither is what is a
 * minor's: it bears the same label.  Of a series that no rule knows any more
 * nobody can tell. */
enum err_code access_about_minor(const struct series *s, const struct entry *e,
	const struct record *r, bool *out, struct err *err)
{
	struct json *fields = NULL;
	enum err_code rc;

	*out = !s || !strcmp(s->name, SERIES_OF_MINORS);
	if (*out || !s->shape)
		return ERR_OK;
	if ((rc = merge_parts(s, r, MERGE_ALL, &fields, err)))
		return rc;
	*out = tells_minor(s->shape, fields, e->at);
	json_free(fields);
	return ERR_OK;
}
