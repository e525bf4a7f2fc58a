/* disposal_register.c - `cundang disposal register`: the register of what was
 * destroyed, as it was signed, and when. */
#include <errno.h>
#include <iconv.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/disposal.h"

#define GB_FACTOR 2 /* bytes of GB18030 to a byte of UTF-8, at most */
#define GB_FILE "register-gb18030.csv"

/* ---- the files ---- */

static enum err_code save(const char *dir, const char *name,
	const struct buf *text, struct err *err)
{
	char *path = file_join(dir, name);
	enum err_code rc = path
		? file_replace(path, text->data, text->len, 0600, err)
		: err_nomem(err);

	free(path);
	return rc;
}

/* For spreadsheets that take a CSV for GB18030 whatever it begins with.  A
 * system without that encoding does without the file. */
static enum err_code save_gb18030(
	const char *dir, const struct buf *utf8, struct err *err)
{
	char *in = (char *)utf8->data + 3; /* behind the byte order mark */
	size_t in_left = utf8->len - 3, room = utf8->len * GB_FACTOR;
	struct buf text = BUF_EMPTY;
	iconv_t gb = iconv_open("GB18030", "UTF-8");
	size_t left = room;
	char *out;
	enum err_code rc = ERR_OK;

	if (gb == (iconv_t)-1)
		return ERR_OK;
	if (!(out = (char *)buf_reserve(&text, room))) {
		rc = err_nomem(err);
		goto done;
	}
	if (iconv(gb, &in, &in_left, &out, &left) == (size_t)-1) {
		rc = err_sys(err, "%s", GB_FILE);
		goto done;
	}
	text.len = room - left;
	rc = save(dir, GB_FILE, &text, err);
done:
	iconv_close(gb);
	buf_free(&text);
	return rc;
}

enum err_code disposal_save(const char *dir, const struct json *reg,
	const struct buf *text, const char *destroyed, struct err *err)
{
	struct buf shown = BUF_EMPTY;
	enum err_code rc;

	if ((rc = register_html(reg, destroyed, &shown, err)) ||
		(rc = save(dir, "register.html", &shown, err)))
		goto out;
	buf_clear(&shown);
	if ((rc = register_csv(reg, destroyed, &shown, err)) ||
		(rc = save(dir, "register.csv", &shown, err)) ||
		(rc = save_gb18030(dir, &shown, err)))
		goto out;
	rc = save(dir, "register.json", text, err);
out:
	buf_free(&shown);
	return rc;
}

/* ---- one that is in a log ---- */

struct shown {
	struct register_found found;
	struct json *reg, *state; /* no state of what went by itself */
	char destroyed[DAY_TEXT_SIZE];
};

/* The day on which the last of those who may hold any of it confirmed; "" while
 * one has not. */
static void day_of(const struct json *state, char out[DAY_TEXT_SIZE])
{
	const struct json *nodes = json_get(state, "nodes");
	const char *last = "";

	for (size_t i = 0; i < json_count(nodes); i++) {
		const char *at = json_get_string(json_at(nodes, i), "at");

		if (!at)
			return;
		last = strcmp(at, last) > 0 ? at : last;
	}
	snprintf(out, DAY_TEXT_SIZE, "%.10s", last);
}

static enum err_code find(
	struct node *n, const char *id, struct shown *s, struct err *err)
{
	enum err_code rc;

	if ((rc = register_find(n, id, &s->found, err)) ||
		(rc = register_parse(
			 s->found.text.data, s->found.text.len, &s->reg, err)))
		return rc;
	if (s->found.automatic) {
		snprintf(s->destroyed, sizeof(s->destroyed), "%.10s",
			s->found.at);
		return ERR_OK;
	}
	if (!(rc = disposal_state(n, id, &s->state, err)))
		day_of(s->state, s->destroyed);
	return rc;
}

static struct json *answer_of(const struct shown *s)
{
	struct json *v = json_new_object();

	if (json_set(v, "at", json_new_text(s->found.at)) &&
		json_set(v, "destroyed_at", json_new_text(s->destroyed)) &&
		json_set(v, "origin", json_new_text(s->found.origin)) &&
		json_set(v, "register", json_copy(s->reg)) &&
		json_set(v, "seq", json_new_u64(s->found.seq)) &&
		(!s->state || json_set(v, "order", json_copy(s->state))))
		return v;
	json_free(v);
	return NULL;
}

static void print_row(const struct json *row)
{
	const char *name = json_get_string(row, "name");
	const char *source = json_get_string(row, "source");
	char number[COUNT_TEXT_SIZE];
	uint64_t count = 0;

	(void)json_get_u64(row, "count", &count);
	printf("%8s  ", out_count(count, number));
	out_column(json_get_string(row, "period"), 6);
	out_column(out_label(json_get_string(row, "label")), 12);
	out_column(name, 28);
	out_plain(stdout, source, strlen(source));
	putchar('\n');
}

static void print_shown(const struct shown *s)
{
	const struct json *rows = json_get(s->reg, "rows");
	const char *reason = json_get_string(s->reg, "reason");

	printf("%s/%" PRIu64 "  %.10s  ", s->found.origin, s->found.seq,
		s->found.at);
	out_plain(stdout, reason, strlen(reason));
	putchar('\n');
	for (size_t i = 0; i < json_count(rows); i++)
		print_row(json_at(rows, i));
	if (*s->destroyed)
		printf(_("Destroyed at every node that may have held any of "
			 "it: %s\n"),
			s->destroyed);
	else
		printf("%s\n",
			_("Not confirmed by every node yet: cundang disposal "
			  "status"));
}

static enum err_code tell(
	struct cli *c, const char *dir, const struct shown *s, struct err *err)
{
	if (!dir && c->json)
		return out_json(answer_of(s), err);
	if (!dir) {
		print_shown(s);
		return ERR_OK;
	}
	if (mkdir(dir, 0700))
		return errno == EEXIST
			? err_set(err, ERR_EXISTS, "%s is there already", dir)
			: err_sys(err, "%s", dir);
	return disposal_save(dir, s->reg, &s->found.text, s->destroyed, err);
}

static enum err_code run_register(
	struct cli *c, const struct args *a, struct err *err)
{
	struct shown s = {.reg = NULL};
	struct node *n = NULL;
	enum err_code rc;

	if (!(rc = open_reader(c, &n, err)) &&
		!(rc = find(n, a->word[0], &s, err)))
		rc = tell(c, args_get(a, "output"), &s, err);
	buf_free(&s.found.text);
	json_free(s.reg);
	json_free(s.state);
	node_close(n);
	return rc;
}

static const struct option_spec options[] = {
	{"output", 'o', "DIR", N_("the folder to make")},
	{NULL, 0, NULL, NULL},
};

const struct command command_disposal_register = {
	.name = "disposal register",
	.words = "ORDER",
	.summary = N_("show or print the register of what was destroyed"),
	.detail = N_("It is a record of the log where the order was entered, "
		     "kept for ever. With -o the folder has it to print, for "
		     "spreadsheets and as it was signed (register.json), with "
		     "the day of destruction once every node has confirmed. "
		     "ORDER may also be the id of a sys-disposal record."),
	.least = 1,
	.most = 1,
	.options = options,
	.run = run_register,
};
