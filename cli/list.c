/* list.c - `cundang list`: records in the order of their arrival. */
#include <inttypes.h>
#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"

#define LIMIT_DEFAULT 20

static uint8_t labels_of(const struct json *list)
{
	uint8_t labels = 0;
	enum label l;

	for (size_t i = 0; i < json_count(list); i++) {
		size_t len = 0;
		const char *s = json_string(json_at(list, i), &len);

		if (s && label_parse(s, len, &l))
			labels |= LABEL_BIT(l);
	}
	return labels;
}

static const char *text_of(const struct json *row, const char *member)
{
	const char *s = json_get_string(row, member);

	return s ? s : "";
}

static uint64_t number_of(const struct json *v, const char *member)
{
	uint64_t n = 0;

	(void)json_get_u64(v, member, &n);
	return n;
}

static void print_row(const struct json *row)
{
	const struct json *erased = json_get(row, "erased");
	const char *code = origin_code(text_of(row, "origin"));
	uint8_t lost = labels_of(json_get(row, "lost"));
	char when[17];

	snprintf(when, sizeof(when), "%.16s", text_of(row, "at"));
	when[10] = ' ';
	printf("%8" PRIu64 "  %s  ", number_of(row, "arrival"), when);
	out_column(text_of(row, "series"), 18);
	printf(" %s  %.12s/%-6" PRIu64, text_of(row, "id"), code ? code : "",
		number_of(row, "seq"));
	if (number_of(row, "rev") > 1)
		printf("  %s %" PRIu64, _("revision"), number_of(row, "rev"));
	if (erased) {
		printf("  %s ", _("destroyed:"));
		out_erased(stdout, erased);
	}
	if (lost)
		fputs("  ", stdout);
	out_label_list(_("lost:"), lost);
	putchar('\n');
}

static enum err_code on_row(void *arg, struct json *row, struct err *err)
{
	const struct cli *c = arg;

	if (c->json)
		return out_json(row, err);
	print_row(row);
	json_free(row);
	return ERR_OK;
}

/* ---- by the daemon, for who cannot open the directory ---- */

static struct json *body_of(const struct listing *what)
{
	struct json *v = json_new_object();

	if (json_set(v, "limit", json_new_u64(what->limit)) &&
		json_set(v, "system", json_new_bool(what->system)) &&
		(!what->has_after ||
			json_set(v, "after", json_new_u64(what->after))) &&
		(!what->from ||
			json_set(v, "from", json_new_text(what->from))) &&
		(!what->series ||
			json_set(v, "series", json_new_text(what->series))))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code list_asked(struct cli *c, struct control *control,
	const struct listing *what, struct listing_left *left, struct err *err)
{
	const struct json *rows;
	struct json *v = NULL;
	enum err_code rc =
		control_post_json(control, "/list", body_of(what), &v, err);

	if (rc)
		return rc;
	rows = json_get(v, "rows");
	for (size_t i = 0; rc == ERR_OK && i < json_count(rows); i++) {
		struct json *row = json_copy(json_at(rows, i));

		rc = row ? on_row(c, row, err) : err_nomem(err);
	}
	left->damaged = (size_t)number_of(v, "damaged");
	left->restricted = (size_t)number_of(v, "restricted");
	json_free(v);
	return rc;
}

static enum err_code list(struct cli *c, const struct listing *what,
	struct listing_left *left, struct err *err)
{
	struct control *control = NULL;
	struct node *n = NULL;
	enum err_code rc = open_check(c, err);

	if (rc == ERR_DENIED && !control_open(c->data, &control, NULL))
		rc = list_asked(c, control, what, left, err);
	else if (!rc && !(rc = open_reader(c, &n, err)))
		rc = listing_read(n, what, on_row, c, left, err);
	control_close(control);
	node_close(n);
	return rc;
}

static void tell_left(struct cli *c, const struct listing_left *left)
{
	if (left->restricted)
		fprintf(stderr,
			ngettext("%zu restricted record is left out: cundang "
				 "restrict list tells why.\n",
				"%zu restricted records are left out: cundang "
				"restrict list tells why.\n",
				left->restricted),
			left->restricted);
	if (left->damaged) {
		fprintf(stderr,
			ngettext("%zu damaged record is left out: cundang fsck "
				 "tells where.\n",
				"%zu damaged records are left out: cundang "
				"fsck tells where.\n",
				left->damaged),
			left->damaged);
		c->damaged = true;
	}
}

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	struct listing what = {.series = args_get(a, "series"),
		.from = args_get(a, "from"),
		.system = args_has(a, "system"),
		.has_after = args_has(a, "after")};
	struct listing_left left = {.damaged = 0};
	uint64_t limit = LIMIT_DEFAULT;
	enum err_code rc;

	if (what.from && !code_valid(what.from, strlen(what.from)))
		return err_set(err, ERR_USAGE, "--from %s is no 12-digit code",
			what.from);
	if ((rc = args_number(a, "limit", LISTING_LIMIT, &limit, err)) ||
		(rc = args_number(
			 a, "after", UINT64_MAX / 2, &what.after, err)))
		return rc;
	what.limit = (size_t)limit;
	if (!(rc = list(c, &what, &left, err)))
		tell_left(c, &left);
	return rc;
}

static const struct option_spec options[] = {
	{"series", 0, "SERIES", N_("of this series only")},
	{"from", 0, "CODE", N_("captured at this division or below it")},
	{"limit", 'n', "N", N_("how many (20)")},
	{"after", 0, "ARRIVAL", N_("from an arrival number on")},
	{"system", 0, NULL, N_("the node's own records too")},
	{NULL, 0, NULL, NULL},
};

const struct command command_list = {
	.name = "list",
	.words = "",
	.summary = N_("list records: the newest, or from a point on"),
	.options = options,
	.run = run_list,
};
