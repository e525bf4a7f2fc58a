/* yamlfile.c - strict YAML into structs, mistakes told with file and line. */
#include "policies/yamlfile.h"

#include <stdio.h>
#include <string.h>

#define BACKTRACE_LIMIT 4
/* Events of one document: bounds what a small hostile text can build. */
#define YAML_TEXT_LIMIT ((size_t)1 << 20)

/* What libcyaml says about the first mistake, innermost place first. */
struct complaint {
	char what[160];
	char where[160];
	unsigned lines;
};

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
	if (!strncmp(s, "in ", 3)) {
		if (c->lines++ == 0)
			snprintf(c->where, sizeof(c->where), "%s", s);
	} else if (!c->what[0]) {
		snprintf(c->what, sizeof(c->what), "%s", s);
	}
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

enum err_code yamlfile_load(const char *file, const void *text, size_t len,
	const cyaml_schema_value_t *schema, void *out, struct err *err)
{
	struct complaint c = {.lines = 0};
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
	if (rc != CYAML_OK)
		return err_set(err, ERR_INVALID, "%s: %s%s%s%s", file,
			c.what[0] ? c.what : cyaml_strerror(rc),
			c.where[0] ? " (" : "", c.where, c.where[0] ? ")" : "");
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
