/* series.c - the kinds of records: from YAML, and the built-in ones. */
#include "policies/series.h"

#include <stdlib.h>
#include <string.h>

#include "policies/shape.h"
#include "policies/yamlfile.h"

#define TITLE_LIMIT 200
#define CHOICES_LIMIT 100
#define CHOICE_LIMIT 100
#define PERIOD_LIMIT 8
#define PERIOD_MAX 999

static const char *const rank_names[RANK_COUNT] = {
	[RANK_VILLAGE] = "village",
	[RANK_TOWNSHIP] = "township",
	[RANK_COUNTY] = "county",
};

const char *rank_name(enum rank r)
{
	return rank_names[r];
}

bool rank_parse(const char *s, enum rank *out)
{
	for (unsigned i = 0; i < RANK_COUNT; i++) {
		if (strcmp(rank_names[i], s) == 0) {
			*out = (enum rank)i;
			return true;
		}
	}
	return false;
}

/* What libcyaml fills in. */

struct choices {
	char **item;
	unsigned count;
};

struct field_yaml {
	char *path;
	int type;
	int label;
	int required;
	struct choices choices;
	int derive;
	int *derive_label;
};

struct retention_yaml {
	int label;
	char *period;
	char *anchor;
};

struct labels_yaml {
	int *item;
	unsigned count;
};

struct clearance_yaml {
	struct labels_yaml rank[RANK_COUNT];
};

struct series_yaml {
	char *name, *title, *plan;
	int direction;
	int urgent;
	int attachments;
	struct clearance_yaml clearance;
	struct retention_yaml *retention;
	unsigned retention_count;
	struct field_yaml *fields;
	unsigned field_count;
};

#define NO_ATTACHMENTS LABEL_COUNT

static const cyaml_strval_t no_yes[] = {{"no", 0}, {"yes", 1}};
static const cyaml_strval_t directions[] = {
	{"up", DIRECTION_UP}, {"down", DIRECTION_DOWN}};
static const cyaml_strval_t derives[] = {{"mask", DERIVE_MASK}};
static const cyaml_strval_t labels[] = {
	{"public", LABEL_PUBLIC}, {"internal", LABEL_INTERNAL},
	{"personal", LABEL_PERSONAL}, {"sensitive", LABEL_SENSITIVE},
	{"none", NO_ATTACHMENTS}, /* only where ATTACHMENT_CHOICES counts it */
};
#define LABEL_CHOICES LABEL_COUNT
#define ATTACHMENT_CHOICES (LABEL_COUNT + 1)
static const cyaml_strval_t types[] = {
	{"string", TYPE_STRING},
	{"text", TYPE_TEXT},
	{"integer", TYPE_INTEGER},
	{"number", TYPE_NUMBER},
	{"boolean", TYPE_BOOLEAN},
	{"date", TYPE_DATE},
	{"time", TYPE_TIME},
	{"name", TYPE_NAME},
	{"id_no", TYPE_ID_NO},
	{"phone", TYPE_PHONE},
	{"address", TYPE_ADDRESS},
	{"division", TYPE_DIVISION},
	{"choice", TYPE_CHOICE},
};

/* Strict: libcyaml then takes no numbers for names. */
#define WORD CYAML_FLAG_STRICT
#define MAYBE CYAML_FLAG_OPTIONAL
#define LIST CYAML_FLAG_POINTER

static const cyaml_schema_value_t choice_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CHOICE_LIMIT),
};
static const cyaml_schema_value_t label_value = {
	CYAML_VALUE_ENUM(WORD, int, labels, LABEL_CHOICES),
};

static const cyaml_schema_field_t field_fields[] = {
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, struct field_yaml,
		path, 1, FIELD_PATH_SIZE - 1),
	CYAML_FIELD_ENUM(
		"type", WORD, struct field_yaml, type, types, ARRAY_LEN(types)),
	CYAML_FIELD_ENUM(
		"label", WORD, struct field_yaml, label, labels, LABEL_CHOICES),
	CYAML_FIELD_ENUM("required", WORD | MAYBE, struct field_yaml, required,
		no_yes, ARRAY_LEN(no_yes)),
	CYAML_FIELD_SEQUENCE_COUNT("choices", LIST | MAYBE, struct field_yaml,
		choices.item, choices.count, &choice_value, 1, CHOICES_LIMIT),
	CYAML_FIELD_ENUM("derive", WORD | MAYBE, struct field_yaml, derive,
		derives, ARRAY_LEN(derives)),
	CYAML_FIELD_ENUM_PTR("derive_label", WORD | LIST | MAYBE,
		struct field_yaml, derive_label, labels, LABEL_CHOICES),
	CYAML_FIELD_END};
static const cyaml_schema_value_t field_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct field_yaml, field_fields),
};

static const cyaml_schema_field_t retention_fields[] = {
	CYAML_FIELD_ENUM("label", WORD, struct retention_yaml, label, labels,
		LABEL_CHOICES),
	CYAML_FIELD_STRING_PTR("period", CYAML_FLAG_POINTER,
		struct retention_yaml, period, 1, PERIOD_LIMIT),
	CYAML_FIELD_STRING_PTR("anchor", CYAML_FLAG_POINTER | MAYBE,
		struct retention_yaml, anchor, 1, FIELD_PATH_SIZE - 1),
	CYAML_FIELD_END};
static const cyaml_schema_value_t retention_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct retention_yaml, retention_fields),
};

#define CLEARANCE(name, r)                                                     \
	CYAML_FIELD_SEQUENCE_COUNT(name, LIST, struct clearance_yaml,          \
		rank[r].item, rank[r].count, &label_value, 0, LABEL_COUNT)
static const cyaml_schema_field_t clearance_fields[] = {
	CLEARANCE("village", RANK_VILLAGE),
	CLEARANCE("township", RANK_TOWNSHIP), CLEARANCE("county", RANK_COUNTY),
	CYAML_FIELD_END};

static const cyaml_schema_field_t series_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct series_yaml,
		name, 1, SERIES_NAME_SIZE - 1),
	CYAML_FIELD_STRING_PTR("title", CYAML_FLAG_POINTER, struct series_yaml,
		title, 1, TITLE_LIMIT),
	CYAML_FIELD_STRING_PTR("plan", CYAML_FLAG_POINTER, struct series_yaml,
		plan, 1, TITLE_LIMIT),
	CYAML_FIELD_ENUM("direction", WORD, struct series_yaml, direction,
		directions, ARRAY_LEN(directions)),
	CYAML_FIELD_ENUM("urgent", WORD, struct series_yaml, urgent, no_yes,
		ARRAY_LEN(no_yes)),
	CYAML_FIELD_ENUM("attachments", WORD, struct series_yaml, attachments,
		labels, ATTACHMENT_CHOICES),
	CYAML_FIELD_MAPPING("clearance", CYAML_FLAG_DEFAULT, struct series_yaml,
		clearance, clearance_fields),
	CYAML_FIELD_SEQUENCE("retention", LIST, struct series_yaml, retention,
		&retention_value, 1, LABEL_COUNT),
	CYAML_FIELD_SEQUENCE_COUNT("fields", LIST, struct series_yaml, fields,
		field_count, &field_value, 1, SERIES_FIELDS_LIMIT),
	CYAML_FIELD_END};
static const cyaml_schema_value_t series_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct series_yaml, series_fields),
};

/* From there to a series. */

struct load {
	const char *file;
	const struct series_yaml *from;
	struct series *to;
	struct err *err;
};

static enum err_code bad_field(
	const struct load *l, const struct field *f, const char *reason)
{
	return err_set(l->err, ERR_INVALID, "%s: field %s: %s", l->file,
		f->path, reason);
}

static bool series_name_valid(const char *s)
{
	if (s[0] < 'a' || s[0] > 'z')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static bool derivable(enum field_type type)
{
	return type == TYPE_NAME || type == TYPE_ID_NO || type == TYPE_PHONE ||
		type == TYPE_ADDRESS;
}

static bool ends_in_array(const char *path)
{
	size_t len = strlen(path);

	return len > 2 && strcmp(path + len - 2, "[]") == 0;
}

static enum err_code check_field(
	const struct load *l, const struct field *f, const struct field_yaml *y)
{
	if ((f->type == TYPE_CHOICE) != (y->choices.count > 0))
		return bad_field(l, f, "choices go with the type choice");
	if ((y->derive != DERIVE_NONE) != (y->derive_label != NULL))
		return bad_field(l, f, "derive and derive_label go together");
	if (f->derive == DERIVE_NONE)
		return ERR_OK;
	if (!derivable(f->type))
		return bad_field(l, f, "nothing is derived from this type");
	if (ends_in_array(f->path))
		return bad_field(l, f, "nothing is derived from an array");
	if (f->derive_label >= f->label)
		return bad_field(l, f,
			"derive_label must be more public than the label");
	return ERR_OK;
}

static enum err_code copy_choices(
	const struct load *l, struct field *f, const struct choices *from)
{
	if (from->count == 0)
		return ERR_OK;
	f->choices = calloc(from->count + 1, sizeof(*f->choices));
	if (!f->choices)
		return err_nomem(l->err);
	for (unsigned i = 0; i < from->count; i++) {
		f->choices[i] = strdup(from->item[i]);
		if (!f->choices[i])
			return err_nomem(l->err);
	}
	return ERR_OK;
}

static enum err_code copy_field(
	const struct load *l, struct field *f, const struct field_yaml *y)
{
	enum err_code rc;

	memcpy(f->path, y->path, strlen(y->path) + 1);
	f->type = (enum field_type)y->type;
	f->label = (enum label)y->label;
	f->required = y->required != 0;
	f->derive = (enum derive)y->derive;
	if (y->derive_label)
		f->derive_label = (enum label) * y->derive_label;
	if ((rc = check_field(l, f, y)))
		return rc;
	l->to->labels |= LABEL_BIT(f->label);
	if (f->derive != DERIVE_NONE)
		l->to->labels |= LABEL_BIT(f->derive_label);
	return copy_choices(l, f, &y->choices);
}

static enum err_code copy_fields(const struct load *l)
{
	enum err_code rc = ERR_OK;

	l->to->fields = calloc(l->from->field_count, sizeof(*l->to->fields));
	if (!l->to->fields)
		return err_nomem(l->err);
	for (unsigned i = 0; rc == ERR_OK && i < l->from->field_count; i++) {
		l->to->field_count++;
		rc = copy_field(l, &l->to->fields[i], &l->from->fields[i]);
	}
	return rc;
}

static enum err_code copy_head(const struct load *l)
{
	const struct series_yaml *y = l->from;
	struct series *s = l->to;

	if (!series_name_valid(y->name) || strcmp(y->name, "sealed") == 0 ||
		strncmp(y->name, "sys-", 4) == 0)
		return err_set(l->err, ERR_INVALID,
			"%s: name %s: not one for a series", l->file, y->name);
	memcpy(s->name, y->name, strlen(y->name) + 1);
	s->title = strdup(y->title);
	s->plan = strdup(y->plan);
	if (!s->title || !s->plan)
		return err_nomem(l->err);
	s->direction = (enum direction)y->direction;
	s->urgent = y->urgent != 0;
	s->attachments = y->attachments != NO_ATTACHMENTS;
	s->attachments_label = LABEL_SENSITIVE;
	if (s->attachments) {
		s->attachments_label = (enum label)y->attachments;
		s->labels |= LABEL_BIT(s->attachments_label);
	}
	return ERR_OK;
}

static enum err_code copy_clearance(const struct load *l)
{
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		const struct labels_yaml *from = &l->from->clearance.rank[r];

		for (unsigned i = 0; i < from->count; i++) {
			uint8_t bit = LABEL_BIT(from->item[i]);

			if (l->to->clearance[r] & bit)
				return err_set(l->err, ERR_INVALID,
					"%s: clearance of %s: a label twice",
					l->file, rank_names[r]);
			l->to->clearance[r] |= bit;
		}
	}
	return ERR_OK;
}

/* "Y", "D30", "D10", "T3y", "T90d". */
static bool period_valid(const char *s)
{
	size_t len = strlen(s);
	uint64_t n;

	if (s[0] == 'D')
		return strcmp(s, "D30") == 0 || strcmp(s, "D10") == 0;
	if (s[0] == 'T' && len > 2 && (s[len - 1] == 'y' || s[len - 1] == 'd'))
		return number_parse(s + 1, len - 2, PERIOD_MAX, &n) && n > 0;
	return strcmp(s, "Y") == 0;
}

static bool is_anchor(const struct series *s, const char *path)
{
	for (size_t i = 0; i < s->field_count; i++) {
		const struct field *f = &s->fields[i];

		if (strcmp(f->path, path) == 0)
			return (f->type == TYPE_DATE || f->type == TYPE_TIME) &&
				!strchr(path, '[');
	}
	return false;
}

static enum err_code copy_retention_of(
	const struct load *l, const struct retention_yaml *y)
{
	struct series *s = l->to;
	const char *name = label_name((enum label)y->label);

	if (!(s->labels & LABEL_BIT(y->label)) || s->retention[y->label])
		return err_set(l->err, ERR_INVALID,
			"%s: retention of %s: no field has the label, or twice",
			l->file, name);
	if (!period_valid(y->period))
		return err_set(l->err, ERR_INVALID,
			"%s: retention of %s: period %s, not Y, D30, D10, T3y "
			"or T90d",
			l->file, name, y->period);
	if (y->anchor && !is_anchor(s, y->anchor))
		return err_set(l->err, ERR_INVALID,
			"%s: retention of %s: anchor %s is no date of the "
			"document",
			l->file, name, y->anchor);
	s->retention[y->label] = strdup(y->period);
	s->anchor[y->label] = y->anchor ? strdup(y->anchor) : NULL;
	if (!s->retention[y->label] || (y->anchor && !s->anchor[y->label]))
		return err_nomem(l->err);
	return ERR_OK;
}

static enum err_code copy_retention(const struct load *l)
{
	enum err_code rc = ERR_OK;

	for (unsigned i = 0; rc == ERR_OK && i < l->from->retention_count; i++)
		rc = copy_retention_of(l, &l->from->retention[i]);
	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if ((l->to->labels & LABEL_BIT(i)) && !l->to->retention[i])
			rc = err_set(l->err, ERR_INVALID,
				"%s: retention of %s: missing", l->file,
				label_name((enum label)i));
	}
	return rc;
}

enum err_code series_load(const char *file, const void *yaml, size_t len,
	struct series **out, struct err *err)
{
	struct series_yaml *from = NULL;
	struct load l = {.file = file, .err = err};
	enum err_code rc;

	if (len > SERIES_TEXT_LIMIT)
		return err_set(err, ERR_LIMIT, "%s: %zu bytes, limit %zu", file,
			len, SERIES_TEXT_LIMIT);
	if ((rc = yamlfile_load(file, yaml, len, &series_value, &from, err)))
		return rc;
	l.from = from;
	l.to = calloc(1, sizeof(*l.to));
	if (!l.to)
		rc = err_nomem(err);
	if (rc || (rc = copy_head(&l)) || (rc = copy_fields(&l)) ||
		(rc = shape_make(file, l.to, err)) ||
		(rc = copy_clearance(&l)) || (rc = copy_retention(&l)))
		goto out;
	*out = l.to;
	l.to = NULL;
out:
	series_free(l.to);
	yamlfile_free(&series_value, from);
	return rc;
}

void series_free(struct series *s)
{
	if (!s || s->system)
		return;
	shape_free(s->shape);
	for (size_t i = 0; i < s->field_count; i++) {
		char **choices = s->fields[i].choices;

		for (size_t j = 0; choices && choices[j]; j++)
			free(choices[j]);
		free(choices);
	}
	free(s->fields);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		free(s->retention[i]);
		free(s->anchor[i]);
	}
	free(s->title);
	free(s->plan);
	free(s);
}

/* What a node does itself, as records: of a free form, seen by every rank. */
#define SYSTEM(slug, words)                                                    \
	{                                                                      \
		.name = slug, .title = (words),                                \
		.plan = "加强村（社区）服务档案建设", .system = true,          \
		.attachments_label = LABEL_INTERNAL,                           \
		.labels = LABEL_BIT(LABEL_INTERNAL),                           \
		.clearance = {LABEL_BIT(LABEL_INTERNAL),                       \
			LABEL_BIT(LABEL_INTERNAL), LABEL_BIT(LABEL_INTERNAL)}, \
		.retention = {[LABEL_INTERNAL] = "Y"},                         \
	}

static const struct series system_series[] = {
	SYSTEM("sys-policy", "规则采用"),
	SYSTEM("sys-key", "密钥变更"),
	SYSTEM("sys-epoch", "日志换代"),
	SYSTEM("sys-witness", "下级日志见证"),
	SYSTEM("sys-provision", "提供登记"),
	SYSTEM("sys-hold", "冻结令"),
	SYSTEM("sys-erasure", "销毁令"),
	SYSTEM("sys-receipt", "销毁回执"),
	SYSTEM("sys-restrict", "封存"),
	SYSTEM("sys-disposal", "鉴定销毁清册"),
	SYSTEM("sys-archive", "归档移交"),
	SYSTEM("sys-access", "查阅登记"),
};

const struct series *series_system_at(size_t i)
{
	return i < ARRAY_LEN(system_series) ? &system_series[i] : NULL;
}

const struct series *series_system(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(system_series); i++) {
		if (strcmp(system_series[i].name, name) == 0)
			return &system_series[i];
	}
	return NULL;
}
