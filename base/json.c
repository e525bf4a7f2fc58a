/* json.c - JSON values: made, changed, looked at, compared. */
#include "base/json_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define FIRST_CAP 8

size_t json_room(size_t count)
{
	size_t size = count * sizeof(struct json_member);

	return count > JSON_FEW ? size + count * sizeof(uint32_t) : size;
}

/* Making */

static struct json *make(enum json_kind kind, size_t more)
{
	struct json *v = malloc(sizeof(*v) + more);

	if (v)
		*v = (struct json){.kind = kind, .own = true};
	return v;
}

struct json *json_new_object(void)
{
	return make(JSON_KIND_OBJECT, 0);
}

struct json *json_new_array(void)
{
	return make(JSON_KIND_ARRAY, 0);
}

/* The parser refuses NUL in strings, so makers do too: what is written can be
 * read again. */
struct json *json_new_string(const char *s, size_t len)
{
	struct json *v;
	char *text;

	if (!s || (len > 0 && memchr(s, '\0', len)) || !utf8_valid(s, len) ||
		!(v = make(JSON_KIND_STRING, len + 1)))
		return NULL;
	text = (char *)(v + 1);
	if (len > 0)
		memcpy(text, s, len);
	text[len] = '\0';
	v->text = text;
	v->count = len;
	return v;
}

struct json *json_new_text(const char *s)
{
	return json_new_string(s, strlen(s));
}

struct json *json_new_number(double number)
{
	struct json *v = isfinite(number) ? make(JSON_KIND_NUMBER, 0) : NULL;

	if (v)
		v->number = number;
	return v;
}

struct json *json_new_u64(uint64_t v)
{
	return v > JSON_INTEGER_MAX ? NULL : json_new_number((double)v);
}

struct json *json_new_bool(bool truth)
{
	struct json *v = make(JSON_KIND_BOOL, 0);

	if (v)
		v->truth = truth;
	return v;
}

struct json *json_new_null(void)
{
	return make(JSON_KIND_NULL, 0);
}

static bool is_container(const struct json *v)
{
	return v && (v->kind == JSON_KIND_OBJECT || v->kind == JSON_KIND_ARRAY);
}

static void member_free(struct json_member *m)
{
	if (m->own)
		free((char *)(uintptr_t)m->name);
	json_free(m->value);
}

void json_document_free(struct json_document *d)
{
	/* The last chunk of the list holds the document itself. */
	for (struct json_chunk *c = d->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
}

void json_free(struct json *v)
{
	if (!v)
		return;
	if (is_container(v)) {
		for (size_t i = 0; i < v->count; i++)
			member_free(&v->at[i]);
		if (v->own_at)
			free(v->at);
	}
	if (v->own)
		free(v);
	else if (v->document)
		json_document_free((struct json_document *)v);
}

static struct json *copy_members(const struct json *v, struct json *to)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->at[i];
		struct json *value = json_copy(m->value);

		if (v->kind == JSON_KIND_OBJECT ? !json_set(to, m->name, value)
						: !json_append(to, value)) {
			json_free(to);
			return NULL;
		}
	}
	return to;
}

struct json *json_copy(const struct json *v)
{
	struct json *to;

	switch (json_kind(v)) {
	case JSON_KIND_NULL:
		break;
	case JSON_KIND_BOOL:
		return json_new_bool(v->truth);
	case JSON_KIND_NUMBER:
		return json_new_number(v->number);
	case JSON_KIND_STRING:
		return json_new_string(v->text, v->count);
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		to = make(v->kind, 0);
		return to ? copy_members(v, to) : NULL;
	}
	return v ? json_new_null() : NULL;
}

/* Members */

int json_compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const unsigned char *x = (const unsigned char *)a;
	const unsigned char *y = (const unsigned char *)b;
	size_t n = a_len < b_len ? a_len : b_len;
	size_t i = 0;

	/* Bytewise order is that of code points; UTF-16 differs where a
	 * surrogate (U+10000 up, lead byte F0..F4) meets U+E000..U+FFFF (lead
	 * byte EE or EF), and lead bytes meet as the first difference. */
	while (i < n && x[i] == y[i])
		i++;
	if (i == n)
		return (a_len > b_len) - (a_len < b_len);
	if (x[i] >= 0xee && y[i] >= 0xee && (x[i] < 0xf0) != (y[i] < 0xf0))
		return x[i] < 0xf0 ? 1 : -1;
	return x[i] - y[i];
}

static int compare_members(const void *a, const void *b, void *arg)
{
	const struct json_member *at = arg;
	const struct json_member *x = &at[*(const uint32_t *)a];
	const struct json_member *y = &at[*(const uint32_t *)b];

	return json_compare_names(x->name, x->len, y->name, y->len);
}

void json_sort(struct json *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		v->order[i] = i;
	qsort_r(v->order, v->count, sizeof(*v->order), compare_members, v->at);
}

/* The place in order[] of the first name not before. */
static size_t lower_bound(const struct json *v, const char *name, size_t len)
{
	size_t lo = 0;
	size_t hi = v->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct json_member *m = &v->at[v->order[mid]];

		if (json_compare_names(m->name, m->len, name, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_named(const struct json_member *m, const char *name, size_t len)
{
	return m->len == len && memcmp(m->name, name, len) == 0;
}

static struct json_member *find(
	const struct json *v, const char *name, size_t len)
{
	if (!v || v->kind != JSON_KIND_OBJECT)
		return NULL;
	if (v->count > JSON_FEW) {
		size_t i = lower_bound(v, name, len);
		struct json_member *m = NULL;

		if (i < v->count)
			m = &v->at[v->order[i]];
		return m && is_named(m, name, len) ? m : NULL;
	}
	for (size_t i = 0; i < v->count; i++)
		if (is_named(&v->at[i], name, len))
			return &v->at[i];
	return NULL;
}

/* Room for one more member, in memory of the value's own. */
static bool reserve(struct json *v)
{
	uint32_t cap = FIRST_CAP;
	struct json_member *at;
	uint32_t *order;

	if (v->own_at && v->count < v->cap)
		return true;
	while (cap <= v->count) {
		if (cap > UINT32_MAX / 4)
			return false;
		cap *= 2;
	}
	/* Behind at[] there is room for an order of them all. */
	at = calloc(cap, sizeof(*at) + sizeof(*order));
	if (!at)
		return false;
	order = (uint32_t *)(at + cap);
	if (v->count > 0)
		memcpy(at, v->at, v->count * sizeof(*at));
	if (v->kind == JSON_KIND_OBJECT && v->count > JSON_FEW)
		memcpy(order, v->order, v->count * sizeof(*order));
	if (v->own_at)
		free(v->at);
	v->at = at;
	v->order = order;
	v->cap = cap;
	v->own_at = true;
	return true;
}

static void order_add(struct json *v, const char *name, size_t len)
{
	size_t i;

	if (v->count < JSON_FEW)
		return;
	if (v->count == JSON_FEW) {
		v->count++;
		json_sort(v);
		v->count--;
		return;
	}
	i = lower_bound(v, name, len);
	memmove(v->order + i + 1, v->order + i,
		(v->count - i) * sizeof(*v->order));
	v->order[i] = (uint32_t)v->count;
}

static bool add(struct json *object, const char *name, struct json *child)
{
	size_t len = strlen(name);
	char *own =
		utf8_valid(name, len) && len < UINT32_MAX ? strdup(name) : NULL;

	if (!own || !reserve(object)) {
		free(own);
		return false;
	}
	object->at[object->count] =
		(struct json_member){own, child, (uint32_t)len, true};
	order_add(object, own, len);
	object->count++;
	return true;
}

bool json_set(struct json *object, const char *name, struct json *child)
{
	struct json_member *m;

	if (child && object && name && object != child &&
		object->kind == JSON_KIND_OBJECT) {
		m = find(object, name, strlen(name));
		if (m) {
			json_free(m->value);
			m->value = child;
			return true;
		}
		if (add(object, name, child))
			return true;
	}
	json_free(child);
	return false;
}

bool json_append(struct json *array, struct json *child)
{
	if (!child || !array || array == child ||
		array->kind != JSON_KIND_ARRAY || !reserve(array)) {
		json_free(child);
		return false;
	}
	array->at[array->count++] = (struct json_member){.value = child};
	return true;
}

void json_remove(struct json *object, const char *name)
{
	struct json_member *m = find(object, name, strlen(name));

	if (!m)
		return;
	member_free(m);
	object->count--;
	memmove(m, m + 1,
		(size_t)(object->at + object->count - m) * sizeof(*m));
	if (object->count > JSON_FEW)
		json_sort(object);
}

/* Looking */

enum json_kind json_kind(const struct json *v)
{
	return v ? v->kind : JSON_KIND_NULL;
}

const char *json_string(const struct json *v, size_t *len)
{
	bool is_string = json_kind(v) == JSON_KIND_STRING;

	if (len)
		*len = is_string ? v->count : 0;
	return is_string ? v->text : NULL;
}

double json_number(const struct json *v)
{
	return json_kind(v) == JSON_KIND_NUMBER ? v->number : 0;
}

bool json_is_whole(double v)
{
	return v >= -(double)JSON_INTEGER_MAX &&
		v <= (double)JSON_INTEGER_MAX && v == (double)(int64_t)v;
}

bool json_u64(const struct json *v, uint64_t *out)
{
	double number = json_number(v);

	if (json_kind(v) != JSON_KIND_NUMBER || number < 0 ||
		!json_is_whole(number))
		return false;
	*out = (uint64_t)number;
	return true;
}

bool json_bool(const struct json *v)
{
	return json_kind(v) == JSON_KIND_BOOL && v->truth;
}

size_t json_count(const struct json *v)
{
	return is_container(v) ? v->count : 0;
}

const struct json *json_at(const struct json *array, size_t i)
{
	return json_kind(array) == JSON_KIND_ARRAY && i < array->count
		? array->at[i].value
		: NULL;
}

const struct json *json_get(const struct json *object, const char *name)
{
	const struct json_member *m = find(object, name, strlen(name));

	return m ? m->value : NULL;
}

bool json_next(const struct json *object, void **at, const char **name,
	const struct json **value)
{
	struct json_member *m;

	if (json_kind(object) != JSON_KIND_OBJECT || object->count == 0)
		return false;
	m = *at ? (struct json_member *)*at + 1 : object->at;
	if (m == object->at + object->count)
		return false;
	*at = m;
	*name = m->name;
	*value = m->value;
	return true;
}

const struct json *json_member(
	const struct json *object, size_t i, const char **name)
{
	if (json_kind(object) != JSON_KIND_OBJECT || i >= object->count)
		return NULL;
	if (name)
		*name = object->at[i].name;
	return object->at[i].value;
}

const char *json_get_string(const struct json *object, const char *name)
{
	return json_string(json_get(object, name), NULL);
}

bool json_get_u64(const struct json *object, const char *name, uint64_t *out)
{
	return json_u64(json_get(object, name), out);
}

/* Comparing */

static bool equal_members(const struct json *a, const struct json *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct json_member *m = &a->at[i];
		const struct json_member *other = a->kind == JSON_KIND_OBJECT
			? find(b, m->name, m->len)
			: &b->at[i];

		if (!other || !json_equal(m->value, other->value))
			return false;
	}
	return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case JSON_KIND_NULL:
		return true;
	case JSON_KIND_BOOL:
		return a->truth == b->truth;
	case JSON_KIND_NUMBER:
		return a->number == b->number;
	case JSON_KIND_STRING:
		return a->count == b->count &&
			memcmp(a->text, b->text, a->count) == 0;
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		return equal_members(a, b);
	}
	return false;
}
