/* series_load.c - a kind of record from YAML, every mistake told with its line.
 */
#include "policies/series.h"

#include <stdlib.h>
#include <string.h>

#include "policies/shape.h"
#include "policies/yamlfile.h"

#define TITLE_LIMIT 200
#define FIELD_TITLE_LIMIT 100
#define CHOICES_LIMIT 100
#define CHOICE_LIMIT 100
#define PERIOD_LIMIT 8
#define K_LIMIT 8

/* What libcyaml fills in. */

struct choices {
	char **item;
	unsigned count;
};

struct words {
	int *item;
	unsigned count;
};

struct field_yaml {
	char *path, *title;
	int type;
	int label;
	int required;
	int minors;
	struct choices choices;
	int derive;
	int *derive_label;
};

struct retention_yaml {
	int label;
	char *period;
	char *anchor;
	int automatic;
};

struct aggregate_yaml {
	char *k;
	struct choices by;
};

struct clearance_yaml {
	struct words rank[RANK_COUNT];
};

struct series_yaml {
	char *name, *title, *plan;
	int direction;
	int *to;
	struct words from;
	int urgent;
	int accounts;
	char *sealed;
	int attachments;
	struct clearance_yaml clearance;
	struct retention_yaml *retention;
	unsigned retention_count;
	struct aggregate_yaml *aggregate;
	struct field_yaml *fields;
	unsigned field_count;
};

#define NO_ATTACHMENTS LABEL_COUNT

static const cyaml_strval_t no_yes[] = {{"no", 0}, {"yes", 1}};
static const cyaml_strval_t directions[] = {
	{"up", DIRECTION_UP}, {"down", DIRECTION_DOWN}};
static const cyaml_strval_t reaches[] = {
	{"below", REACH_BELOW}, {"node", REACH_NODE}};
static const cyaml_strval_t ranks[] = {{"village", RANK_VILLAGE},
	{"township", RANK_TOWNSHIP}, {"county", RANK_COUNTY}};
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
	{"money", TYPE_MONEY},
	{"uscc", TYPE_USCC},
	{"bank_card", TYPE_BANK_CARD},
};

const char *field_type_name(enum field_type type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].val == (int64_t)type)
			return types[i].str;
	}
	return "";
}

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

static const cyaml_schema_value_t rank_value = {
	CYAML_VALUE_ENUM(WORD, int, ranks, ARRAY_LEN(ranks)),
};

static const cyaml_schema_field_t field_fields[] = {
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, struct field_yaml,
		path, 1, FIELD_PATH_SIZE - 1),
	CYAML_FIELD_STRING_PTR("title", CYAML_FLAG_POINTER | MAYBE,
		struct field_yaml, title, 1, FIELD_TITLE_LIMIT),
	CYAML_FIELD_ENUM(
		"type", WORD, struct field_yaml, type, types, ARRAY_LEN(types)),
	CYAML_FIELD_ENUM(
		"label", WORD, struct field_yaml, label, labels, LABEL_CHOICES),
	CYAML_FIELD_ENUM("required", WORD | MAYBE, struct field_yaml, required,
		no_yes, ARRAY_LEN(no_yes)),
	CYAML_FIELD_ENUM("minors", WORD | MAYBE, struct field_yaml, minors,
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
	CYAML_FIELD_ENUM("automatic", WORD | MAYBE, struct retention_yaml,
		automatic, no_yes, ARRAY_LEN(no_yes)),
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

static const cyaml_schema_value_t path_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, FIELD_PATH_SIZE - 1),
};
static const cyaml_schema_field_t aggregate_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"k", CYAML_FLAG_POINTER, struct aggregate_yaml, k, 1, K_LIMIT),
	CYAML_FIELD_SEQUENCE_COUNT("by", LIST | MAYBE, struct aggregate_yaml,
		by.item, by.count, &path_value, 1, AGGREGATE_FIELDS_LIMIT),
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
	CYAML_FIELD_ENUM_PTR("to", WORD | LIST | MAYBE, struct series_yaml, to,
		reaches, ARRAY_LEN(reaches)),
	CYAML_FIELD_SEQUENCE_COUNT("from", LIST | MAYBE, struct series_yaml,
		from.item, from.count, &rank_value, 1, RANK_COUNT),
	CYAML_FIELD_ENUM("urgent", WORD, struct series_yaml, urgent, no_yes,
		ARRAY_LEN(no_yes)),
	CYAML_FIELD_ENUM("accounts", WORD | MAYBE, struct series_yaml, accounts,
		no_yes, ARRAY_LEN(no_yes)),
	CYAML_FIELD_STRING_PTR("sealed", CYAML_FLAG_POINTER | MAYBE,
		struct series_yaml, sealed, 1, SEAL_ROLE_SIZE - 1),
	CYAML_FIELD_ENUM("attachments", WORD, struct series_yaml, attachments,
		labels, ATTACHMENT_CHOICES),
	CYAML_FIELD_MAPPING("clearance", CYAML_FLAG_DEFAULT, struct series_yaml,
		clearance, clearance_fields),
	CYAML_FIELD_SEQUENCE("retention", LIST, struct series_yaml, retention,
		&retention_value, 1, LABEL_COUNT),
	CYAML_FIELD_MAPPING_PTR("aggregate", LIST | MAYBE, struct series_yaml,
		aggregate, aggregate_fields),
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
	const void *text; /* and its length: to find lines in */
	size_t len;
	const struct series_yaml *from;
	struct series *to;
	struct err *err;
};

static size_t line_of(const struct load *l, const char *key, size_t index)
{
	return yamlfile_line(l->text, l->len, key, index);
}

static enum err_code bad_key(
	const struct load *l, const char *key, const char *reason)
{
	return err_set(l->err, ERR_INVALID, "%s: line %zu: %s: %s", l->file,
		line_of(l, key, YAMLFILE_KEY), key, err_reason(reason));
}

static enum err_code bad_field(
	const struct load *l, const struct field *f, const char *reason)
{
	size_t line = line_of(l, "fields", (size_t)(f - l->to->fields));

	return err_set(l->err, ERR_INVALID, "%s: line %zu: field %s: %s",
		l->file, line, f->path, err_reason(reason));
}

static size_t retention_line(
	const struct load *l, const struct retention_yaml *y)
{
	return line_of(l, "retention", (size_t)(y - l->from->retention));
}

static enum err_code bad_retention(const struct load *l,
	const struct retention_yaml *y, const char *reason)
{
	return err_set(l->err, ERR_INVALID, "%s: line %zu: retention of %s: %s",
		l->file, retention_line(l, y), label_name((enum label)y->label),
		err_reason(reason));
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
		type == TYPE_ADDRESS || type == TYPE_BANK_CARD;
}

static bool ends_in_array(const char *path)
{
	size_t len = strlen(path);

	return len > 2 && strcmp(path + len - 2, "[]") == 0;
}

/* ---- what must not be kept at all ---- */

/* One of the words that the names of a path are made of. */
static bool path_has_word(const char *path, const char *const *words)
{
	while (*path) {
		size_t len = strcspn(path, "._[]");

		for (const char *const *w = words; *w; w++) {
			if (strlen(*w) == len && memcmp(path, *w, len) == 0)
				return true;
		}
		path += len;
		path += *path != '\0';
	}
	return false;
}

static bool title_has(const char *title, const char *const *words)
{
	for (; title && *words; words++) {
		if (strstr(title, *words))
			return true;
	}
	return false;
}

/* 个人信息保护法 art. 28, 网络数据安全管理条例: what cannot be changed when it
 * has leaked is not collected for services. */
static bool is_biometric(const struct field *f)
{
	static const char *const words[] = {"face", "faceprint", "facial",
		"fingerprint", "fingerprints", "palmprint", "iris", "retina",
		"voiceprint", "gait", "dna", "gene", "genome", "biometric",
		"biometrics", NULL};
	static const char *const titles[] = {"人脸", "面部特征", "指纹", "掌纹",
		"虹膜", "视网膜", "声纹", "步态", "基因", "生物识别", NULL};

	return path_has_word(f->path, words) || title_has(f->title, titles);
}

/* 保守国家秘密法 art. 31: a field that grades secrets would hold them. */
static bool is_state_secret(const struct field *f, const struct field_yaml *y)
{
	static const char *const levels[] = {"秘密", "机密", "绝密", NULL};
	static const char *const words[] = {"secrecy", "classified", NULL};
	static const char *const titles[] = {"密级", NULL};

	for (unsigned i = 0; i < y->choices.count; i++) {
		if (title_has(y->choices.item[i], levels))
			return true;
	}
	return f->type != TYPE_CHOICE &&
		(path_has_word(f->path, words) || title_has(f->title, titles));
}

static enum err_code check_kind(
	const struct load *l, const struct field *f, const struct field_yaml *y)
{
	if (is_biometric(f))
		return bad_field(l, f,
			"biometric traits must not be kept: take the field "
			"out");
	if (is_state_secret(f, y))
		return bad_field(l, f,
			"what is graded as a state secret must not be kept: "
			"take the field or the choice out");
	return ERR_OK;
}

/* ---- fields ---- */

static enum err_code check_minors(const struct load *l, const struct field *f)
{
	if (!f->minors)
		return ERR_OK;
	if ((f->type != TYPE_DATE && f->type != TYPE_ID_NO) ||
		ends_in_array(f->path))
		return bad_field(
			l, f, "minors goes with the types date and id_no");
	if (f->label != LABEL_SENSITIVE)
		return bad_field(l, f,
			"what tells of minors must have the label sensitive");
	if (!strchr(f->path, '.') && l->to->attachments &&
		l->to->attachments_label != LABEL_SENSITIVE)
		return bad_field(l, f,
			"where a record is about a minor its files must be "
			"sensitive: set attachments: sensitive");
	return ERR_OK;
}

static enum err_code check_field(
	const struct load *l, const struct field *f, const struct field_yaml *y)
{
	enum err_code rc;

	if ((rc = check_kind(l, f, y)) || (rc = check_minors(l, f)))
		return rc;
	if ((f->type == TYPE_CHOICE) != (y->choices.count > 0))
		return bad_field(l, f,
			"choices go with the type choice: add choices: [...], "
			"or take them out");
	if ((y->derive != DERIVE_NONE) != (y->derive_label != NULL))
		return bad_field(l, f,
			"derive and derive_label go together: add the other, "
			"or take both out");
	if (f->derive == DERIVE_NONE)
		return ERR_OK;
	if (!derivable(f->type))
		return bad_field(l, f,
			"nothing is derived from this type: take derive out, "
			"or choose name, id_no, phone, address or bank_card");
	if (ends_in_array(f->path))
		return bad_field(l, f,
			"nothing is derived from an array: take derive out");
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
	if (y->title && !(f->title = strdup(y->title)))
		return err_nomem(l->err);
	f->type = (enum field_type)y->type;
	f->label = (enum label)y->label;
	f->required = y->required != 0;
	f->minors = y->minors != 0;
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
	struct shape_fault fault = {NULL, NULL};
	enum err_code rc = ERR_OK;

	l->to->fields = calloc(l->from->field_count, sizeof(*l->to->fields));
	if (!l->to->fields)
		return err_nomem(l->err);
	for (unsigned i = 0; rc == ERR_OK && i < l->from->field_count; i++) {
		l->to->field_count++;
		rc = copy_field(l, &l->to->fields[i], &l->from->fields[i]);
	}
	if (rc == ERR_OK)
		rc = shape_make(l->to, &fault, l->err);
	return fault.field ? bad_field(l, fault.field, fault.reason) : rc;
}

/* ---- the rest ---- */

static enum err_code copy_direction(const struct load *l)
{
	const struct series_yaml *y = l->from;
	struct series *s = l->to;

	s->direction = (enum direction)y->direction;
	if (s->direction == DIRECTION_UP && (y->to || y->from.count > 0))
		return bad_key(l, y->to ? "to" : "from",
			"goes with direction: down: take it out, or turn the "
			"direction");
	s->reach = y->to ? (enum reach) * y->to : REACH_BELOW;
	s->senders = y->from.count > 0 ? 0 : RANK_ALL;
	for (unsigned i = 0; i < y->from.count; i++) {
		uint8_t bit = RANK_BIT(y->from.item[i]);

		if (s->senders & bit)
			return bad_key(
				l, "from", "a rank is there twice: keep one");
		s->senders |= bit;
	}
	return ERR_OK;
}

static enum err_code copy_head(const struct load *l)
{
	const struct series_yaml *y = l->from;
	struct series *s = l->to;

	if (!series_name_valid(y->name) || strcmp(y->name, "sealed") == 0 ||
		strncmp(y->name, "sys-", 4) == 0)
		return bad_key(l, "name",
			"not one for a series: a-z, 0-9 and -, neither sealed "
			"nor sys-");
	memcpy(s->name, y->name, strlen(y->name) + 1);
	s->title = strdup(y->title);
	s->plan = strdup(y->plan);
	if (!s->title || !s->plan)
		return err_nomem(l->err);
	s->urgent = y->urgent != 0;
	s->accounts = y->accounts != 0;
	s->attachments = y->attachments != NO_ATTACHMENTS;
	s->attachments_label = LABEL_SENSITIVE;
	if (s->attachments) {
		s->attachments_label = (enum label)y->attachments;
		s->labels |= LABEL_BIT(s->attachments_label);
	}
	return copy_direction(l);
}

static enum err_code copy_clearance(const struct load *l)
{
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		const struct words *from = &l->from->clearance.rank[r];

		for (unsigned i = 0; i < from->count; i++) {
			uint8_t bit = LABEL_BIT(from->item[i]);

			if (l->to->clearance[r] & bit)
				return err_set(l->err, ERR_INVALID,
					"%s: line %zu: clearance of %s: a "
					"label is there twice: keep one",
					l->file,
					line_of(l, "clearance", YAMLFILE_KEY),
					rank_name((enum rank)r));
			l->to->clearance[r] |= bit;
		}
	}
	return ERR_OK;
}

/* What is sealed goes to people, and to no rank. */
static enum err_code copy_sealed(const struct load *l)
{
	const char *role = l->from->sealed;
	struct series *s = l->to;

	if (!role)
		return ERR_OK;
	if (!seal_role_valid(role))
		return bad_key(
			l, "sealed", "not one for a role: a-z, 0-9 and - only");
	if (s->direction != DIRECTION_UP || s->accounts)
		return bad_key(l, "sealed",
			"goes with direction: up, and without accounts");
	if (s->attachments)
		return bad_key(l, "sealed",
			"files are not sealed: set attachments: none");
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		if (s->clearance[r])
			return bad_key(l, "sealed",
				"no rank holds what is sealed: set each "
				"clearance to []");
	}
	memcpy(s->sealed, role, strlen(role) + 1);
	return ERR_OK;
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
	struct period period;

	if (!(s->labels & LABEL_BIT(y->label)))
		return bad_retention(
			l, y, "no field has the label: take the line out");
	if (s->retention[y->label])
		return bad_retention(l, y, "is there twice: keep one");
	if (!period_parse(y->period, &period))
		return err_set(l->err, ERR_INVALID,
			"%s: line %zu: retention of %s: period %s, not Y, D30, "
			"D10, T3y or T90d",
			l->file, retention_line(l, y),
			label_name((enum label)y->label), y->period);
	if (y->automatic && !period.temporary)
		return bad_retention(l, y,
			"only periods like T3y or T90d end by themselves: take "
			"automatic out");
	if (y->anchor && !is_anchor(s, y->anchor))
		return err_set(l->err, ERR_INVALID,
			"%s: line %zu: retention of %s: anchor %s is no field "
			"of type date or time outside arrays",
			l->file, retention_line(l, y),
			label_name((enum label)y->label), y->anchor);
	s->automatic[y->label] = y->automatic != 0;
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
				"%s: line %zu: retention of %s: missing: say "
				"how long what has the label is kept",
				l->file, line_of(l, "retention", YAMLFILE_KEY),
				label_name((enum label)i));
	}
	return rc;
}

/* ---- counts ---- */

static enum err_code bad_counted(
	const struct load *l, const char *path, const char *reason)
{
	return err_set(l->err, ERR_INVALID, "%s: line %zu: aggregate by %s: %s",
		l->file, line_of(l, "aggregate", YAMLFILE_KEY), path,
		err_reason(reason));
}

/* A cell of a table is a choice as it stands in the records, in JSON. */
static enum err_code check_counted(
	const struct load *l, const struct field *f, const char *path)
{
	if (!f)
		return bad_counted(
			l, path, "there is no such field: take it out");
	if (f->type != TYPE_CHOICE || strchr(f->path, '['))
		return bad_counted(l, path,
			"only fields of type choice outside arrays are "
			"counted: take it out");
	if (!f->choices[1])
		return bad_counted(
			l, path, "one choice alone tells nothing: take it out");
	for (size_t i = 0; f->choices[i]; i++)
		if (strpbrk(f->choices[i], "\"\\"))
			return bad_counted(l, path,
				"choices with a quote or a backslash are not "
				"counted: change them");
	return ERR_OK;
}

static enum err_code copy_counted(const struct load *l, const char *path)
{
	struct aggregate_rule *to = &l->to->aggregate;
	const struct field *f = NULL;
	enum err_code rc;

	for (size_t i = 0; i < l->to->field_count; i++)
		if (!strcmp(l->to->fields[i].path, path))
			f = &l->to->fields[i];
	if ((rc = check_counted(l, f, path)))
		return rc;
	for (size_t i = 0; i < to->by_count; i++)
		if (to->by[i] == f)
			return bad_counted(l, path, "is there twice: keep one");
	to->by[to->by_count++] = f;
	return ERR_OK;
}

static enum err_code copy_aggregate(const struct load *l)
{
	const struct aggregate_yaml *y = l->from->aggregate;
	uint64_t k = 0;
	enum err_code rc = ERR_OK;

	if (!y)
		return ERR_OK;
	if (l->to->sealed[0])
		return bad_key(l, "aggregate",
			"what is sealed is not counted: take it out");
	if (!number_parse(y->k, strlen(y->k), AGGREGATE_K_MOST, &k) ||
		k < AGGREGATE_K_LEAST)
		return err_set(l->err, ERR_INVALID,
			"%s: line %zu: aggregate: k %s is no number from %d to "
			"%d: a smaller count would tell of single persons",
			l->file, line_of(l, "aggregate", YAMLFILE_KEY), y->k,
			AGGREGATE_K_LEAST, AGGREGATE_K_MOST);
	l->to->aggregate.k = (unsigned)k;
	for (unsigned i = 0; rc == ERR_OK && i < y->by.count; i++)
		rc = copy_counted(l, y->by.item[i]);
	return rc;
}

enum err_code series_load(const char *file, const void *yaml, size_t len,
	struct series **out, struct err *err)
{
	struct series_yaml *from = NULL;
	struct load l = {.file = file, .text = yaml, .len = len, .err = err};
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
		(rc = copy_clearance(&l)) || (rc = copy_sealed(&l)) ||
		(rc = copy_retention(&l)) || (rc = copy_aggregate(&l)))
		goto out;
	*out = l.to;
	l.to = NULL;
out:
	series_free(l.to);
	yamlfile_free(&series_value, from);
	return rc;
}
