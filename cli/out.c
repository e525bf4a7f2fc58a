/* out.c - output: JSON, columns, counts, progress. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/cli.h"
#include "cli/state.h"

enum err_code out_json(struct json *v, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!v)
		return err_nomem(err);
	rc = json_write(v, &text, err);
	buf_u8(&text, '\n');
	if (rc == ERR_OK && (rc = buf_ok(&text, err)) == ERR_OK)
		fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
	json_free(v);
	return rc;
}

enum err_code out_flush(struct err *err)
{
	if (fflush(stdout) || ferror(stdout))
		return err_sys(err, "standard output");
	return ERR_OK;
}

/* C0, DEL and C1 controls; a byte that is no UTF-8 too. */
void out_plain(FILE *f, const char *s, size_t len)
{
	bool valid = utf8_valid(s, len);

	for (size_t i = 0; i < len;) {
		size_t n = 1;
		uint32_t c = (unsigned char)s[i];

		if (valid)
			c = utf8_next(s + i, len - i, &n);
		else if (c >= 0x80)
			c = 0;
		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			fputc('?', f);
		else
			fwrite(s + i, 1, n, f);
		i += n;
	}
}

/* Behind the next colon, a Chinese one too; NULL when there is none. */
static const char *behind_colon(const char *text)
{
	static const char wide[] = "\xef\xbc\x9a";
	const char *a = strstr(text, ": "), *b = strstr(text, wide);

	if (a && (!b || a < b))
		return a + 2;
	return b ? b + sizeof(wide) - 1 : NULL;
}

/* The end of a text that the catalogue knows by itself: a reason that a lower
 * layer keeps as a constant, or one that a daemon in another language gave. */
static const char *known_end(const char *text, size_t *at)
{
	const char *end = text;

	while (end && *end) {
		const char *said = gettext(end);

		if (said != end) {
			*at = (size_t)(end - text);
			return said;
		}
		end = behind_colon(end);
	}
	return NULL;
}

void out_reason(FILE *f, const char *text)
{
	size_t at = strlen(text);
	const char *end = known_end(text, &at);

	out_plain(f, text, at);
	if (end)
		out_plain(f, end, strlen(end));
}

const char *out_label(const char *name)
{
	static const char *const names[] = {
		N_("public"), N_("internal"), N_("personal"), N_("sensitive")};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(names[i], name))
			return _(names[i]);
	}
	return name;
}

/* "personal (2026-06-21 08:00, WHY)" */
static void out_erasure(FILE *f, const char *label, const struct json *one)
{
	const char *at = json_get_string(one, "at");
	const char *why = json_get_string(one, "why");
	char when[17] = "";

	if (at)
		snprintf(when, sizeof(when), "%.10s %s", at, at + 11);
	fputs(out_label(label), f);
	if (at && why)
		fprintf(f, _(" (%s, %s)"), when, why);
	else if (at || why)
		fprintf(f, _(" (%s)"), at ? when : why);
}

void out_erased(FILE *f, const struct json *erased)
{
	const char *comma = "";
	const struct json *one;
	const char *label;
	void *walk = NULL;

	while (json_next(erased, &walk, &label, &one)) {
		fputs(comma, f);
		out_erasure(f, label, one);
		comma = _(", ");
	}
}

int out_width(const char *s)
{
	size_t len = strlen(s);
	int width = 0;

	if (!utf8_valid(s, len))
		return (int)len;
	for (size_t i = 0, n; i < len; i += n) {
		int w = wcwidth((wchar_t)utf8_next(s + i, len - i, &n));

		width += w < 0 ? 1 : w;
	}
	return width;
}

void out_column(const char *s, int width)
{
	out_plain(stdout, s, strlen(s));
	for (int i = out_width(s); i < width; i++)
		putchar(' ');
}

const char *out_count(uint64_t n, char text[COUNT_TEXT_SIZE])
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

/* Letters beyond ASCII are plain: shells take them as they are. */
static bool needs_quotes(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (!((unsigned char)*p >= 0x80 || (*p >= '0' && *p <= '9') ||
			    (*p >= 'A' && *p <= 'Z') ||
			    (*p >= 'a' && *p <= 'z') ||
			    strchr("_-./:@%+=,", *p)))
			return true;
	}
	return *s == '\0';
}

const char *out_quoted(const char *s, char text[QUOTED_SIZE])
{
	size_t at = 0;

	if (!needs_quotes(s)) {
		snprintf(text, QUOTED_SIZE, "%s", s);
		return text;
	}
	text[at++] = '\'';
	for (; *s && at + 6 < QUOTED_SIZE; s++) {
		if (*s == '\'') {
			memcpy(text + at, "'\\''", 4);
			at += 4;
		} else {
			text[at++] = *s;
		}
	}
	text[at++] = '\'';
	text[at] = '\0';
	return text;
}

void out_lost_files(const struct json *list)
{
	for (size_t i = 0; i < json_count(list) && i < LOST_SHOWN; i++) {
		const struct json *o = json_at(list, i);

		printf("%s/%llu  %s  attachments/%.2s/%s\n",
			json_get_string(o, "origin"),
			(unsigned long long)json_count_of(o, "seq"),
			out_label(json_get_string(o, "label")),
			json_get_string(o, "object"),
			json_get_string(o, "object"));
	}
}

void progress_show(void *unused, const char *doing, uint64_t done, uint64_t all)
{
	static uint64_t last;
	char a[COUNT_TEXT_SIZE], b[COUNT_TEXT_SIZE];
	uint64_t now = time_mono_ms();

	(void)unused;
	if (!isatty(STDERR_FILENO) || now - last < 200)
		return;
	last = now;
	if (all)
		fprintf(stderr, "\r\033[K%s %s / %s", doing, out_count(done, a),
			out_count(all, b));
	else
		fprintf(stderr, "\r\033[K%s %s", doing, out_count(done, a));
}

void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

void out_label_list(const char *title, uint8_t labels)
{
	const char *comma = " ";

	if (labels)
		fputs(title, stdout);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if (!(labels & LABEL_BIT(i)))
			continue;
		printf("%s%s", comma, out_label(label_name((enum label)i)));
		comma = _(", ");
	}
}
