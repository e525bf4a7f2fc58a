/* schema.c - a series as JSON Schema. */
#include "policies/schema.h"

#include <string.h>

#include "policies/attached.h"
#include "policies/shape.h"
#include "policies/split.h"

#define INTEGER_MOST 9007199254740991.0

/* Makers that fail are told by the one check at the end of json_set(). */
static bool set_text(struct json *o, const char *name, const char *s)
{
	return json_set(o, name, json_new_text(s));
}

static bool set_number(struct json *o, const char *name, double v)
{
	return json_set(o, name, json_new_number(v));
}

static bool set_flag(struct json *o, const char *name)
{
	return json_set(o, name, json_new_bool(true));
}

/* ---- values ---- */

struct kind {
	const char *json;
	const char *format, *pattern; /* or NULL */
	double least, most;	      /* of a string: characters */
};

#define USCC_SET "[0-9A-HJ-NPQRTUWXY]"
static const struct kind kinds[] = {
	[TYPE_STRING] = {"string", NULL, NULL, 0, 1024},
	[TYPE_TEXT] = {"string", NULL, NULL, 0, 262144},
	[TYPE_INTEGER] = {"integer", NULL, NULL, -INTEGER_MOST, INTEGER_MOST},
	[TYPE_NUMBER] = {"number", NULL, NULL, 0, 0},
	[TYPE_BOOLEAN] = {"boolean", NULL, NULL, 0, 0},
	[TYPE_DATE] = {"string", "date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 10,
		10},
	[TYPE_TIME] = {"string", "date-time", "[+]08:00$", 25, 25},
	[TYPE_NAME] = {"string", NULL, NULL, 1, 128},
	[TYPE_ID_NO] = {"string", NULL, "^[0-9]{17}[0-9X]$", 18, 18},
	[TYPE_PHONE] = {"string", NULL,
		"^(|1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8})$", 0, 13},
	[TYPE_ADDRESS] = {"string", NULL, NULL, 1, 512},
	[TYPE_DIVISION] = {"string", NULL, "^[0-9]{12}$", 12, 12},
	[TYPE_CHOICE] = {"string", NULL, NULL, 0, 100},
	[TYPE_MONEY] = {"integer", NULL, NULL, -INTEGER_MOST, INTEGER_MOST},
	[TYPE_USCC] = {"string", NULL,
		"^" USCC_SET "{2}[0-9]{6}" USCC_SET "{10}$", 18, 18},
	[TYPE_BANK_CARD] = {"string", NULL, "^[0-9]{16,19}$", 16, 19},
};

static bool set_choices(struct json *o, char *const *choices)
{
	struct json *list = json_new_array();

	for (; *choices; choices++) {
		if (!json_append(list, json_new_text(*choices))) {
			json_free(list);
			return false;
		}
	}
	return json_set(o, "enum", list);
}

static bool set_bounds(struct json *o, const struct kind *k)
{
	bool text = strcmp(k->json, "string") == 0;

	if (k->most <= 0)
		return true;
	if (!text)
		return set_number(o, "minimum", k->least) &&
			set_number(o, "maximum", k->most);
	return (k->least <= 0 || set_number(o, "minLength", k->least)) &&
		set_number(o, "maxLength", k->most);
}

static struct json *value_schema(const struct field *f)
{
	const struct kind *k = &kinds[f->type];
	struct json *o = json_new_object();

	if (set_text(o, "type", k->json) &&
		set_text(o, "x-type", field_type_name(f->type)) &&
		(!k->format || set_text(o, "format", k->format)) &&
		(!k->pattern || set_text(o, "pattern", k->pattern)) &&
		(!f->choices || set_choices(o, f->choices)) && set_bounds(o, k))
		return o;
	json_free(o);
	return NULL;
}

/* A masked value: any text as long as the one that it is made from. */
static struct json *derived_schema(void)
{
	struct json *o = json_new_object();

	if (set_text(o, "type", "string") && set_flag(o, "readOnly"))
		return o;
	json_free(o);
	return NULL;
}

/* ---- objects and arrays ---- */

static struct json *object_schema(const struct shape *shape, bool hollow);

static struct json *array_schema(struct json *items, double most)
{
	struct json *o = json_new_object();

	if (json_set(o, "items", items) && set_text(o, "type", "array") &&
		set_number(o, "maxItems", most))
		return o;
	json_free(o);
	return NULL;
}

static struct json *files_schema(void)
{
	static const char text[] =
		"{\"additionalProperties\":false,\"properties\":{"
		"\"media_type\":{\"maxLength\":127,\"type\":\"string\"},"
		"\"name\":{\"maxLength\":255,\"type\":\"string\"},"
		"\"object\":{\"readOnly\":true,\"type\":\"string\"},"
		"\"salt\":{\"readOnly\":true,\"type\":\"string\"},"
		"\"sha256\":{\"pattern\":\"^[0-9a-f]{64}$\","
		"\"type\":\"string\"},"
		"\"size\":{\"minimum\":0,\"type\":\"integer\"}},"
		"\"required\":[\"media_type\",\"name\",\"sha256\",\"size\"],"
		"\"type\":\"object\"}";
	struct json *items = NULL;

	if (json_parse(text, strlen(text), JSON_TEXT_LIMIT, &items, NULL))
		return NULL;
	return array_schema(items, DOCUMENT_ATTACHMENTS_LIMIT);
}

static struct json *shape_schema(const struct shape *m)
{
	switch (m->kind) {
	case SHAPE_VALUE:
		return m->derived ? derived_schema() : value_schema(m->field);
	case SHAPE_LIST:
		return array_schema(value_schema(m->field), ARRAY_LIMIT);
	case SHAPE_OBJECT:
		return object_schema(m, false);
	case SHAPE_ROWS:
		return array_schema(object_schema(m, false), ARRAY_LIMIT);
	case SHAPE_FILES:
		break;
	}
	return files_schema();
}

/* What people and machines want to know of a field beside its form. */
static bool set_notes(struct json *o, const struct shape *m)
{
	const struct field *f = m->field;

	if (!o)
		return false;
	if (!f)
		return true;
	return set_text(o, "x-label", label_name(m->label)) &&
		(m->derived || !f->title || set_text(o, "title", f->title)) &&
		(m->derived || !f->minors || set_flag(o, "x-minors"));
}

static bool set_member(
	const struct shape *m, struct json *properties, struct json *required)
{
	struct json *v = shape_schema(m);

	if (!set_notes(v, m)) {
		json_free(v);
		return false;
	}
	return json_set(properties, m->name, v) &&
		(!m->required || json_append(required, json_new_text(m->name)));
}

/* `hollow`: it may be empty.  No other object may: a part could not tell it
 * from an absent one. */
static struct json *object_schema(const struct shape *shape, bool hollow)
{
	struct json *o = json_new_object();
	struct json *properties = json_new_object();
	struct json *required = json_new_array();
	bool well = o && properties && required;

	for (size_t i = 0; well && i < shape->member_count; i++) {
		if (shape->members[i].kind != SHAPE_FILES)
			well = set_member(
				&shape->members[i], properties, required);
	}
	/* json_set() takes them, whatever comes of it */
	well = json_set(o, "properties", properties) && well;
	well = json_set(o, "required", required) && well;
	well = well && set_text(o, "type", "object") &&
		json_set(o, "additionalProperties", json_new_bool(false)) &&
		(hollow || set_number(o, "minProperties", 1));
	if (well)
		return o;
	json_free(o);
	return NULL;
}

/* ---- the document around them ---- */

static struct json *envelope(const struct series *s)
{
	static const char text[] =
		"{\"created_at\":{\"format\":\"date-time\",\"type\":"
		"\"string\"},\"id\":{\"format\":\"uuid\",\"type\":\"string\"},"
		"\"node\":{\"pattern\":\"^[0-9]{12}$\",\"type\":\"string\"}}";
	struct json *o = NULL, *name = json_new_object();

	if (!set_text(name, "const", s->name)) {
		json_free(name);
		return NULL;
	}
	if (json_parse(text, strlen(text), JSON_TEXT_LIMIT, &o, NULL)) {
		json_free(name);
		return NULL;
	}
	if (json_set(o, "series", name) &&
		json_set(o, "fields", object_schema(s->shape, true)) &&
		(!s->attachments ||
			json_set(o, SHAPE_ATTACHMENTS, files_schema())))
		return o;
	json_free(o);
	return NULL;
}

static struct json *required_members(void)
{
	static const char text[] =
		"[\"series\",\"node\",\"created_at\",\"fields\"]";
	struct json *v = NULL;

	(void)json_parse(text, strlen(text), JSON_TEXT_LIMIT, &v, NULL);
	return v;
}

static struct json *document_schema(const struct series *s)
{
	struct json *o = json_new_object();

	if (set_text(o, "$schema",
		    "https://json-schema.org/draft/2020-12/schema") &&
		set_text(o, "title", s->title) &&
		set_text(o, "description", s->plan) &&
		set_text(o, "type", "object") &&
		(!s->sealed[0] || set_text(o, "x-sealed", s->sealed)) &&
		json_set(o, "additionalProperties", json_new_bool(false)) &&
		json_set(o, "required", required_members()) &&
		json_set(o, "properties", envelope(s)))
		return o;
	json_free(o);
	return NULL;
}

enum err_code schema_write(
	const struct series *s, struct buf *out, struct err *err)
{
	struct json *o;
	enum err_code rc;

	if (s->system)
		return err_set(err, ERR_NOT_FOUND,
			"series %s is written by the node itself, in a free "
			"form",
			s->name);
	if (!(o = document_schema(s)))
		return err_nomem(err);
	rc = json_write(o, out, err);
	json_free(o);
	return rc;
}
