/* person.c - is this document about them, and where; what of it is theirs. */
#include "policies/person.h"

#include <stdio.h>
#include <string.h>

#include "policies/shape.h"

#define PATH_SIZE 1024

/* ---- who ---- */

static bool take(enum field_type type, const char *s, char *out)
{
	char room[VALUE_ROOM];
	struct value_text t;

	if (!s || !utf8_valid(s, strlen(s)))
		return false;
	t = value_normal(type, s, strlen(s), room);
	if (t.len == 0 || t.len >= PERSON_TEXT_SIZE)
		return false;
	memcpy(out, t.s, t.len);
	out[t.len] = '\0';
	explicit_bzero(room, sizeof(room));
	return true;
}

enum err_code person_set(struct person *p, const char *id_no, const char *name,
	const char *phone, int64_t now, struct err *err)
{
	struct person is = {.id_no = ""};
	enum err_code rc = ERR_OK;

	if (id_no && *id_no) {
		if (!take(TYPE_ID_NO, id_no, is.id_no) ||
			!id_no_valid(is.id_no, strlen(is.id_no), now))
			rc = err_set(err, ERR_USAGE,
				"that is no identity number: 18 characters, "
				"the last one a check digit");
	} else if (!take(TYPE_NAME, name, is.name)) {
		rc = err_set(err, ERR_USAGE,
			"a person is told by an identity number, or by name "
			"and telephone");
	} else if (!take(TYPE_PHONE, phone, is.phone) ||
		!phone_valid(is.phone, strlen(is.phone))) {
		rc = err_set(err, ERR_USAGE,
			"that is no telephone number: a name alone is many "
			"people's");
	}
	if (rc == ERR_OK)
		*p = is;
	person_wipe(&is);
	return rc;
}

void person_wipe(struct person *p)
{
	explicit_bzero(p, sizeof(*p));
}

/* ---- where ---- */

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || c == 'X' || c == 'x';
}

/* By itself: not as a piece of a longer number. */
static bool holds_number(const char *s, size_t len, const char *number)
{
	size_t n = strlen(number);

	for (size_t i = 0; i + n <= len; i++) {
		if (!memcmp(s + i, number, n) && (!i || !is_digit(s[i - 1])) &&
			(i + n == len || !is_digit(s[i + n])))
			return true;
	}
	return false;
}

static bool is_text(const struct json *v, const char *text)
{
	size_t len = 0;
	const char *s = json_string(v, &len);

	return s && *text && len == strlen(text) && !memcmp(s, text, len);
}

static bool has_text(const struct json *object, const char *text)
{
	const struct json *m;
	const char *name;
	void *walk = NULL;

	while (json_next(object, &walk, &name, &m))
		if (is_text(m, text))
			return true;
	return false;
}

/* The object is about them: it has their number itself, or name and telephone.
 */
static bool is_theirs(const struct person *p, const struct json *object)
{
	if (*p->id_no)
		return has_text(object, p->id_no);
	return has_text(object, p->name) && has_text(object, p->phone);
}

struct finding {
	const struct person *person;
	person_visit *visit;
	void *arg;
	char path[PATH_SIZE];
};

static enum err_code tell(struct finding *f, enum field_type type,
	const char *value, struct err *err)
{
	struct buf masked = BUF_EMPTY;
	enum err_code rc;

	value_mask(type, value, strlen(value), &masked);
	rc = buf_ok(&masked, err);
	if (rc == ERR_OK)
		rc = f->visit(f->arg, f->path, &masked, err);
	buf_free(&masked);
	return rc;
}

static enum err_code find_value(
	struct finding *f, const struct json *v, bool theirs, struct err *err)
{
	const struct person *p = f->person;
	size_t len = 0;
	const char *s = json_string(v, &len);

	if (!s)
		return ERR_OK;
	if (*p->id_no)
		return holds_number(s, len, p->id_no)
			? tell(f, TYPE_ID_NO, p->id_no, err)
			: ERR_OK;
	if (theirs && is_text(v, p->name))
		return tell(f, TYPE_NAME, p->name, err);
	if (theirs && is_text(v, p->phone))
		return tell(f, TYPE_PHONE, p->phone, err);
	return ERR_OK;
}

static enum err_code find_in(
	struct finding *f, const struct json *v, bool theirs, struct err *err);

static enum err_code find_member(struct finding *f, const char *name,
	const struct json *m, bool theirs, struct err *err)
{
	size_t len = strlen(f->path);
	enum err_code rc;

	snprintf(f->path + len, sizeof(f->path) - len, "%s%s", len ? "." : "",
		name);
	rc = find_in(f, m, theirs, err);
	f->path[len] = '\0';
	return rc;
}

static enum err_code find_element(struct finding *f, size_t i,
	const struct json *m, bool theirs, struct err *err)
{
	size_t len = strlen(f->path);
	enum err_code rc;

	snprintf(f->path + len, sizeof(f->path) - len, "[%zu]", i);
	rc = find_in(f, m, theirs, err);
	f->path[len] = '\0';
	return rc;
}

static enum err_code find_in(
	struct finding *f, const struct json *v, bool theirs, struct err *err)
{
	const struct json *m;
	const char *name;
	void *walk = NULL;
	enum err_code rc = ERR_OK;

	switch (json_kind(v)) {
	case JSON_KIND_OBJECT:
		theirs = is_theirs(f->person, v);
		while (!rc && json_next(v, &walk, &name, &m))
			rc = find_member(f, name, m, theirs, err);
		return rc;
	case JSON_KIND_ARRAY:
		for (size_t i = 0; !rc && i < json_count(v); i++)
			rc = find_element(f, i, json_at(v, i), theirs, err);
		return rc;
	case JSON_KIND_STRING:
		return find_value(f, v, theirs, err);
	case JSON_KIND_NULL:
	case JSON_KIND_BOOL:
	case JSON_KIND_NUMBER:
		break;
	}
	return ERR_OK;
}

enum err_code person_find(const struct person *p, const struct json *fields,
	person_visit *visit, void *arg, struct err *err)
{
	struct finding f = {.person = p, .visit = visit, .arg = arg};

	return find_in(&f, fields, false, err);
}

/* ---- a copy for them ---- */

/* Whose: of an object below the top all is theirs, at the top what tells of no
 * other person. */
enum whose {
	WHOSE_OTHERS,
	WHOSE_TOP,
	WHOSE_THEIRS,
};

static bool tells_somebody(enum field_type type)
{
	return type == TYPE_NAME || type == TYPE_ID_NO || type == TYPE_PHONE ||
		type == TYPE_BANK_CARD;
}

static bool is_own(const struct person *p, const struct json *v)
{
	return is_text(v, p->id_no) || is_text(v, p->name) ||
		is_text(v, p->phone);
}

static bool may_have(const struct person *p, const struct shape *m,
	const struct json *v, enum whose whose)
{
	if (m->kind == SHAPE_FILES)
		return false;
	if (m->derived || m->label < LABEL_PERSONAL)
		return true;
	if (whose == WHOSE_TOP)
		return m->kind == SHAPE_VALUE &&
			(!tells_somebody(m->field->type) || is_own(p, v));
	return whose == WHOSE_THEIRS;
}

static struct json *copy_object(const struct person *p, const struct shape *s,
	const struct json *v, enum whose whose);

static struct json *copy_rows(const struct person *p, const struct shape *s,
	const struct json *v, enum whose whose)
{
	struct json *list = json_new_array();

	for (size_t i = 0; list && i < json_count(v); i++) {
		const struct json *row = json_at(v, i);

		if (!json_append(list,
			    copy_object(p, s, row,
				    is_theirs(p, row) ? WHOSE_THEIRS
						      : whose))) {
			json_free(list);
			return NULL;
		}
	}
	return list;
}

static struct json *copy_member(const struct person *p, const struct shape *m,
	const struct json *v, enum whose whose)
{
	/* What lies below the top is theirs only where it says so. */
	enum whose below = whose == WHOSE_THEIRS ? whose : WHOSE_OTHERS;

	if (m->kind == SHAPE_ROWS)
		return copy_rows(p, m, v, below);
	if (m->kind == SHAPE_OBJECT)
		return copy_object(
			p, m, v, is_theirs(p, v) ? WHOSE_THEIRS : below);
	return json_copy(v);
}

static struct json *copy_object(const struct person *p, const struct shape *s,
	const struct json *v, enum whose whose)
{
	struct json *out = json_new_object();

	for (size_t i = 0; out && i < s->member_count; i++) {
		const struct shape *m = &s->members[i];
		const struct json *value = json_get(v, m->name);
		bool deep = m->kind == SHAPE_OBJECT || m->kind == SHAPE_ROWS;

		if (!value || (!deep && !may_have(p, m, value, whose)))
			continue;
		if (!json_set(out, m->name, copy_member(p, m, value, whose))) {
			json_free(out);
			return NULL;
		}
	}
	return out;
}

enum err_code person_copy(const struct person *p, const struct series *s,
	const struct json *fields, struct json **out, struct err *err)
{
	*out = copy_object(p, s->shape, fields,
		is_theirs(p, fields) ? WHOSE_TOP : WHOSE_OTHERS);
	return *out ? ERR_OK : err_nomem(err);
}
