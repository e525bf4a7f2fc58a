/* yamlfile.c - strict YAML into structs, mistakes told with file and line. */
#include "policies/yamlfile.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* Events of one document: bounds what a small hostile text can build. */
#define YAML_TEXT_LIMIT ((size_t)1 << 20)
#define PIECE_SIZE 96

/* What libcyaml says about the first mistake, innermost place first. */
struct complaint {
	char what[160];
	char key[PIECE_SIZE]; /* that it is about, where known */
	size_t line;	      /* 0: not known */
};

/* "in mapping field 'NAME' (line: N, column: M)" and the like. */
static void read_place(struct complaint *c, const char *s)
{
	const char *name = strchr(s, '\''), *line = strstr(s, "line: ");
	const char *field = "in mapping field '";

	if (!c->key[0] && !strncmp(s, field, strlen(field)))
		snprintf(c->key, sizeof(c->key), "%.*s",
			(int)strcspn(name + 1, "'"), name + 1);
	if (!c->line && line)
		(void)sscanf(line, "line: %zu", &c->line);
}

static void on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *c = ctx;
	char line[160];
	char *s = line;

	(void)level;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(s, "Load: ", 6))
		s += 6;
	if (!strncmp(s, "Backtrace", 9))
		return;
	while (*s == ' ')
		s++;
	if (!strncmp(s, "in ", 3))
		read_place(c, s);
	else if (!c->what[0])
		snprintf(c->what, sizeof(c->what), "%s", s);
}

/* libcyaml's words, and what they mean to somebody who edits rules.  "%s" of
 * ours is what stands behind its words. */
static const struct {
	const char *begins, *means;
} meanings[] = {
	{"Unexpected key: ",
		"this key is not known here: take it out, or correct its "
		"spelling"},
	{"Missing required mapping field: ", "this key is missing: add it"},
	{"Mapping field already seen: ", "this key is there twice: keep one"},
	{"Invalid ENUM value: ",
		"not one of the words that stand here: docs/rules.md lists "
		"them"},
	{"STRING length < ", "too short"},
	{"STRING length > ", "too long"},
	{"Excessive entries", "too many elements"},
	{"Insufficient entries", "too few elements"},
	{"Expecting ",
		"a word, a list or a mapping stands where another of them is "
		"expected"},
};

/* And in `about` what it is about: a key, or "key: word". */
static const char *meaning(const struct complaint *c, const char *fallback,
	char *about, size_t about_size)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		size_t n = strlen(meanings[i].begins);

		if (strncmp(c->what, meanings[i].begins, n))
			continue;
		/* the first three name a key, the fourth a word of it */
		if (i < 3)
			snprintf(about, about_size, "%s", c->what + n);
		else if (i == 3)
			snprintf(about, about_size, "%s: %s", c->key,
				c->what + n);
		else
			snprintf(about, about_size, "%s", c->key);
		return meanings[i].means;
	}
	snprintf(about, about_size, "%s", c->key);
	return c->what[0] ? c->what : fallback;
}

/* ---- places ---- */

/* A walk over the events of a text. */
struct walk {
	yaml_parser_t parser;
	yaml_event_t event;
	bool begun, going;
};

static bool walk_begin(struct walk *w, const void *text, size_t len)
{
	memset(w, 0, sizeof(*w));
	if (!yaml_parser_initialize(&w->parser))
		return false;
	yaml_parser_set_input_string(&w->parser, text, len);
	w->begun = true;
	return true;
}

static void walk_end(struct walk *w)
{
	if (w->going)
		yaml_event_delete(&w->event);
	if (w->begun)
		yaml_parser_delete(&w->parser);
}

static bool walk_next(struct walk *w)
{
	if (w->going)
		yaml_event_delete(&w->event);
	w->going = yaml_parser_parse(&w->parser, &w->event) &&
		w->event.type != YAML_STREAM_END_EVENT;
	return w->going;
}

/* How deep the event leads: in, out, or neither. */
static int walk_step(const struct walk *w)
{
	switch (w->event.type) {
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return 1;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return -1;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
		break;
	}
	return 0;
}

static bool walk_at_node(const struct walk *w)
{
	return w->event.type == YAML_SCALAR_EVENT ||
		w->event.type == YAML_ALIAS_EVENT || walk_step(w) > 0;
}

static size_t walk_line(const struct walk *w)
{
	return w->event.start_mark.line + 1;
}

static bool walk_at_text(const struct walk *w, const char *text)
{
	return w->event.type == YAML_SCALAR_EVENT &&
		!strcmp((const char *)w->event.data.scalar.value, text);
}

/* Members of the top stand at depth 1, elements of theirs at depth 2. */
size_t yamlfile_line(
	const void *text, size_t len, const char *key, size_t index)
{
	struct walk w;
	size_t line = 0, element = 0;
	bool is_key = true, found = false;
	int depth = 0;

	if (!walk_begin(&w, text, len))
		return 0;
	while (!line && walk_next(&w)) {
		int step = walk_step(&w);

		if (step < 0)
			depth--;
		if (walk_at_node(&w) && depth == 1) {
			found = is_key ? walk_at_text(&w, key) : found;
			if (is_key && found && index == YAMLFILE_KEY)
				line = walk_line(&w);
			is_key = !is_key;
		} else if (walk_at_node(&w) && depth == 2 && found && is_key) {
			if (element++ == index)
				line = walk_line(&w);
		}
		if (step > 0)
			depth++;
	}
	walk_end(&w);
	return line;
}

/* Chinese texts have a wide colon. */
const char *yamlfile_behind(const char *text, const char *file)
{
	static const char wide[] = "：";
	size_t n = strlen(file);

	if (strncmp(text, file, n))
		return text;
	if (!strncmp(text + n, ": ", 2))
		return text + n + 2;
	return strncmp(text + n, wide, strlen(wide)) ? text
						     : text + n + strlen(wide);
}

enum err_code yamlfile_at(enum err_code rc, const char *file, const void *text,
	size_t len, const char *key, size_t index, struct err *err)
{
	size_t line;

	if (rc != ERR_INVALID || !err ||
		!(line = yamlfile_line(text, len, key, index)))
		return rc;
	return err_set(err, rc, "%s: line %zu: %s", file, line,
		yamlfile_behind(err->text, file));
}

/* What is not YAML at all, and where. */
static enum err_code bad_syntax(
	const char *file, const void *text, size_t len, struct err *err)
{
	struct walk w;
	enum err_code rc;

	if (!walk_begin(&w, text, len))
		return err_nomem(err);
	while (walk_next(&w))
		;
	rc = err_set(err, ERR_INVALID,
		"%s: line %zu: no well-formed yaml (%s): look at indents, "
		"quotes and colons",
		file, w.parser.problem_mark.line + 1,
		w.parser.problem ? w.parser.problem : "?");
	walk_end(&w);
	return rc;
}

static cyaml_config_t config_with(struct complaint *c)
{
	return (cyaml_config_t){
		.log_fn = c ? on_log : NULL,
		.log_ctx = c,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

/* libcyaml reads the first document and is silent about what follows, so
 * markers are allowed only before anything else. */
static bool is_one_document(const char *text, size_t len)
{
	bool begun = false;

	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end ? (size_t)(end - line) : len - at;

		if (n >= 3 && !memcmp(line, "...", 3))
			return false;
		if (n >= 3 && !memcmp(line, "---", 3)) {
			if (begun)
				return false;
			begun = true;
		} else if (n && line[0] == '%') {
			return false;
		} else if (n && line[0] != '#') {
			begun = true;
		}
		at += n + 1;
	}
	return true;
}

static enum err_code complain(const char *file, cyaml_err_t rc,
	const struct complaint *c, struct err *err)
{
	char about[2 * PIECE_SIZE];
	const char *means = meaning(c,
		rc == CYAML_ERR_ALIAS ? "no anchors and aliases: write it out"
				      : cyaml_strerror(rc),
		about, sizeof(about));

	return err_set(err, ERR_INVALID, "%s: line %zu: %s%s%s", file, c->line,
		about, about[0] ? ": " : "", err_reason(means));
}

enum err_code yamlfile_load(const char *file, const void *text, size_t len,
	const cyaml_schema_value_t *schema, void *out, struct err *err)
{
	struct complaint c = {.line = 0};
	cyaml_config_t config = config_with(&c);
	cyaml_data_t *data = NULL;
	cyaml_err_t rc;

	if (len > YAML_TEXT_LIMIT)
		return err_set(err, ERR_LIMIT, "%s: %zu bytes, limit %zu", file,
			len, YAML_TEXT_LIMIT);
	if (!utf8_valid(text, len) || (len && memchr(text, '\0', len)))
		return err_set(err, ERR_INVALID, "%s: not UTF-8 text", file);
	if (!is_one_document(text, len))
		return err_set(err, ERR_INVALID,
			"%s: more than one yaml document", file);
	rc = cyaml_load_data(text, len, &config, schema, &data, NULL);
	if (rc == CYAML_ERR_OOM)
		return err_nomem(err);
	if (rc == CYAML_ERR_LIBYAML_PARSER)
		return bad_syntax(file, text, len, err);
	if (rc != CYAML_OK)
		return complain(file, rc, &c, err);
	if (!data)
		return err_set(err, ERR_INVALID, "%s: empty", file);
	*(void **)out = data;
	return ERR_OK;
}

void yamlfile_free(const cyaml_schema_value_t *schema, void *data)
{
	cyaml_config_t config = config_with(NULL);

	if (data)
		(void)cyaml_free(&config, schema, data, 0);
}

void yamlfile_string(struct buf *out, const char *s)
{
	buf_u8(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_u8(out, '\\');
		buf_u8(out, (uint8_t)*s);
	}
	buf_u8(out, '"');
}
