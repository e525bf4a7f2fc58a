/* split.c - the fields of a document to the texts of its parts.
 *
 * One walk over the document writes all parts at once.  Objects and arrays on
 * the way to a value are opened in a part's text only when the part gets its
 * first value there, so no part shows what it has nothing of; "{}" stands for
 * array elements that it has nothing of.
 */
#include "policies/split.h"

#include <stdio.h>
#include <string.h>

/* An object or an array that the walk is in.  Arrays of objects take two: the
 * array, then its element. */
struct level {
	const struct shape *shape;
	bool array;
	size_t index; /* of the array's element that the walk is in */
	uint8_t open; /* LABEL_BITs of the parts whose text has opened it */
	size_t written[LABEL_COUNT]; /* members or elements */
};

#define LEVELS (2 * SHAPE_DEPTH_LIMIT + 2)

struct split {
	const struct series *series;
	const struct buf *attachments;
	const char *at; /* when the record was made */
	struct buf *out;
	struct err *err;
	struct buf scratch;
	bool minor;   /* what is here is about somebody under 18 */
	size_t depth; /* of the innermost level */
	struct level level[LEVELS];
};

/* One "?" for each character that would not be seen as itself. */
static void plain(char *s)
{
	char *to = s;
	size_t n;

	for (; *s; s += n) {
		if (char_unseen(utf8_next(s, strlen(s), &n))) {
			*to++ = '?';
			continue;
		}
		memmove(to, s, n);
		to += n;
	}
	*to = '\0';
}

const char *shown_name(const char *name, char out[SHOWN_SIZE])
{
	size_t i = 0;

	for (; name[i] && i < SHOWN_SIZE - 1; i++)
		out[i] = name[i];
	/* cut at a whole character */
	while (name[i] && i > 0 && ((unsigned char)name[i] & 0xc0) == 0x80)
		i--;
	out[i] = '\0';
	plain(out);
	return out;
}

/* Messages */

static void path_write(const struct split *s, struct buf *out)
{
	buf_str(out, "fields");
	for (size_t i = 1; i <= s->depth; i++) {
		const struct level *l = &s->level[i];

		if (s->level[i - 1].array)
			continue; /* the element: the array wrote its index */
		buf_printf(out, ".%s", l->shape->name);
		if (l->array)
			buf_printf(out, "[%zu]", l->index);
	}
}

#define NO_INDEX SIZE_MAX

static enum err_code refuse(const struct split *s, const char *name,
	size_t index, const char *reason)
{
	struct buf path = BUF_EMPTY;
	const char *text;
	enum err_code rc;

	path_write(s, &path);
	if (name)
		buf_printf(&path, ".%s", name);
	if (index != NO_INDEX)
		buf_printf(&path, "[%zu]", index);
	text = buf_cstr(&path);
	rc = text ? err_set(s->err, ERR_INVALID, "%s: %s", text,
			    err_reason(reason))
		  : err_nomem(s->err);
	buf_free(&path);
	return rc;
}

/* Writing */

static void put(struct buf *out, char c)
{
	buf_u8(out, (uint8_t)c);
}

static void write_gaps(struct buf *out, size_t *written, size_t upto)
{
	for (; *written < upto; ++*written)
		buf_add(out, ",{}", 3);
}

static void write_gap_first(struct buf *out, size_t *written, size_t upto)
{
	if (*written == 0 && upto > 0) {
		buf_add(out, "{}", 2);
		++*written;
	}
	write_gaps(out, written, upto);
}

/* A comma where one is due, and the key. */
static void begin_member(struct level *in, unsigned label,
	const struct shape *m, struct buf *out)
{
	if (in->written[label]++ > 0)
		put(out, ',');
	buf_add(out, m->key, m->key_len);
}

static void open_level(struct split *s, size_t at, unsigned label)
{
	struct level *l = &s->level[at], *in = &s->level[at - 1];
	struct buf *out = &s->out[label];

	if (in->array) {
		write_gap_first(out, &in->written[label], in->index);
		if (in->written[label]++ > 0)
			put(out, ',');
	} else {
		begin_member(in, label, l->shape, out);
	}
	put(out, l->array ? '[' : '{');
	l->written[label] = 0;
	l->open |= LABEL_BIT(label);
}

/* The text of the part that member m lies in, ready for its value. */
static struct buf *begin_value(struct split *s, const struct shape *m)
{
	enum label label = s->minor && m->label == LABEL_PERSONAL
		? LABEL_SENSITIVE
		: m->label;
	size_t at = s->depth;

	while (!(s->level[at].open & LABEL_BIT(label)))
		at--;
	while (at < s->depth)
		open_level(s, ++at, label);
	begin_member(&s->level[s->depth], label, m, &s->out[label]);
	return &s->out[label];
}

static void enter(struct split *s, const struct shape *shape, bool array)
{
	struct level *l = &s->level[++s->depth];

	l->shape = shape;
	l->array = array;
	l->index = 0;
	l->open = 0;
}

static void leave(struct split *s, size_t count)
{
	struct level *l = &s->level[s->depth--];

	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if (!(l->open & LABEL_BIT(i)))
			continue;
		if (l->array)
			write_gaps(&s->out[i], &l->written[i], count);
		put(&s->out[i], l->array ? ']' : '}');
	}
}

/* Values */

static enum err_code write_scalar(struct split *s, const struct field *f,
	const struct json *v, struct buf *out)
{
	char room[VALUE_ROOM];
	struct value_text t;
	size_t len;
	const char *text = json_string(v, &len);

	if (!text)
		return json_write(v, out, s->err);
	t = value_normal(f->type, text, len, room);
	json_write_string(out, t.s, t.len);
	return ERR_OK;
}

static enum err_code split_value(
	struct split *s, const struct shape *m, const struct json *v)
{
	const char *reason = value_check(m->field, v);

	if (reason)
		return refuse(s, m->name, NO_INDEX, reason);
	return write_scalar(s, m->field, v, begin_value(s, m));
}

static enum err_code check_array(
	struct split *s, const struct shape *m, const struct json *v)
{
	if (json_kind(v) != JSON_KIND_ARRAY)
		return refuse(s, m->name, NO_INDEX, "not an array");
	if (json_count(v) > ARRAY_LIMIT)
		return refuse(s, m->name, NO_INDEX,
			"an array of more than 4096 elements");
	return ERR_OK;
}

static enum err_code split_list(
	struct split *s, const struct shape *m, const struct json *v)
{
	enum err_code rc = check_array(s, m, v);
	struct buf *out;

	for (size_t i = 0; rc == ERR_OK && i < json_count(v); i++) {
		const char *reason = value_check(m->field, json_at(v, i));

		if (reason)
			rc = refuse(s, m->name, i, reason);
	}
	if (rc)
		return rc;
	out = begin_value(s, m);
	put(out, '[');
	for (size_t i = 0; rc == ERR_OK && i < json_count(v); i++) {
		if (i > 0)
			put(out, ',');
		rc = write_scalar(s, m->field, json_at(v, i), out);
	}
	put(out, ']');
	return rc;
}

static void mask_value(
	struct split *s, const struct shape *m, const struct json *source)
{
	enum field_type type = m->field->type;
	char room[VALUE_ROOM];
	size_t len;
	const char *text = json_string(source, &len);
	struct value_text t = value_normal(type, text, len, room);
	struct buf *out = begin_value(s, m);

	buf_clear(&s->scratch);
	/* Of somebody under 18 nothing shows, not even a family name. */
	value_mask(s->minor ? TYPE_STRING : type, t.s, t.len, &s->scratch);
	if (s->scratch.failed)
		out->failed = true;
	else
		json_write_string(
			out, (const char *)s->scratch.data, s->scratch.len);
}

static enum err_code split_members(
	struct split *s, const struct shape *shape, const struct json *object);

static enum err_code split_object(
	struct split *s, const struct shape *m, const struct json *v)
{
	enum err_code rc;

	enter(s, m, false);
	rc = split_members(s, m, v);
	leave(s, 0);
	return rc;
}

static enum err_code split_rows(
	struct split *s, const struct shape *m, const struct json *v)
{
	enum err_code rc = check_array(s, m, v);
	size_t count = json_count(v);

	if (rc)
		return rc;
	if (count == 0) {
		buf_add(begin_value(s, m), "[]", 2);
		return ERR_OK;
	}
	enter(s, m, true);
	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		s->level[s->depth].index = i;
		rc = split_object(s, m, json_at(v, i));
	}
	leave(s, count);
	return rc;
}

/* With the attachments among the fields where canonical order has them. */
static void split_files(struct split *s, const struct shape *m)
{
	struct buf *out;

	if (!s->attachments)
		return;
	out = begin_value(s, m);
	buf_add(out, s->attachments->data, s->attachments->len);
}

static enum err_code split_member(
	struct split *s, const struct shape *m, const struct json *v)
{
	switch (m->kind) {
	case SHAPE_VALUE:
		return split_value(s, m, v);
	case SHAPE_LIST:
		return split_list(s, m, v);
	case SHAPE_OBJECT:
		return split_object(s, m, v);
	case SHAPE_ROWS:
		return split_rows(s, m, v);
	case SHAPE_FILES:
		break;
	}
	return refuse(s, m->name, NO_INDEX, "stands beside the fields");
}

static enum err_code refuse_unknown(
	struct split *s, const struct shape *shape, const struct json *object)
{
	const struct json *v;
	const char *name;
	char shown[SHOWN_SIZE];
	void *at = NULL;

	while (json_next(object, &at, &name, &v)) {
		const struct shape *m = shape_member(shape, name);

		if (!m)
			return refuse(s, shown_name(name, shown), NO_INDEX,
				"unknown field");
		if (m->derived)
			return refuse(s, m->name, NO_INDEX,
				"derived here, not taken");
		if (m->kind == SHAPE_FILES)
			return refuse(s, m->name, NO_INDEX,
				"stands beside the fields");
	}
	return err_set(s->err, ERR_INTERNAL, "fields do not add up");
}

/* Does the object say that whom it is about is under 18? */
static bool tells_minor(const struct split *s, const struct shape *shape,
	const struct json *object)
{
	for (size_t i = 0; shape->tells_age && i < shape->member_count; i++) {
		const struct shape *m = &shape->members[i];

		if (m->kind == SHAPE_VALUE && !m->derived && m->field->minors &&
			value_minor(m->field, json_get(object, m->name), s->at))
			return true;
	}
	return false;
}

static enum err_code split_each(
	struct split *s, const struct shape *shape, const struct json *object)
{
	size_t known = 0;
	enum err_code rc = ERR_OK;

	if (json_kind(object) != JSON_KIND_OBJECT)
		return refuse(s, NULL, NO_INDEX, "not an object");
	/* Parts could not tell an empty object from an absent one. */
	if (json_count(object) == 0 && s->depth > 0)
		return refuse(s, NULL, NO_INDEX, "an empty object");
	for (size_t i = 0; rc == ERR_OK && i < shape->member_count; i++) {
		const struct shape *m = &shape->members[i];
		const struct json *v;

		if (m->kind == SHAPE_FILES) {
			split_files(s, m);
			continue;
		}
		v = json_get(object, m->derived ? m->source : m->name);
		if (!v) {
			if (m->required)
				rc = refuse(s, m->name, NO_INDEX, "missing");
		} else if (m->derived) {
			mask_value(s, m, v); /* checked: it comes first */
		} else {
			known++;
			rc = split_member(s, m, v);
		}
	}
	if (rc == ERR_OK && known != json_count(object))
		rc = refuse_unknown(s, shape, object);
	return rc;
}

/* What an object says of age holds for all that is in it. */
static enum err_code split_members(
	struct split *s, const struct shape *shape, const struct json *object)
{
	bool around = s->minor;
	enum err_code rc;

	s->minor = around || tells_minor(s, shape, object);
	rc = split_each(s, shape, object);
	s->minor = around;
	return rc;
}

static enum err_code close_parts(struct split *s)
{
	enum err_code rc = ERR_OK;

	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if (!(s->series->labels & LABEL_BIT(i)))
			continue;
		put(&s->out[i], '}');
		rc = buf_ok(&s->out[i], s->err);
		if (rc == ERR_OK && s->out[i].len > PART_SIZE_LIMIT)
			rc = err_set(s->err, ERR_LIMIT,
				"part %s of %zu bytes, limit %zu",
				label_name((enum label)i), s->out[i].len,
				PART_SIZE_LIMIT);
	}
	return rc;
}

enum err_code split_fields(const struct series *series,
	const struct json *fields, const struct buf *attachments,
	const char *at, struct buf out[LABEL_COUNT], struct err *err)
{
	struct split s;
	enum err_code rc;

	s.series = series;
	s.attachments = attachments;
	s.at = at;
	s.minor = false;
	s.out = out;
	s.err = err;
	s.scratch = BUF_EMPTY;
	s.depth = 0;
	s.level[0] =
		(struct level){.shape = series->shape, .open = series->labels};
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if (series->labels & LABEL_BIT(i))
			put(&out[i], '{');
	}
	if ((rc = split_members(&s, series->shape, fields)) == ERR_OK)
		rc = close_parts(&s);
	buf_free(&s.scratch);
	return rc;
}
