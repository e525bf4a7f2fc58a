/* show.c - `cundang show`: one record, masked, or its proof. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"

#define REVISIONS_LIMIT 4096

struct show {
	struct cli *cli;
	struct node *node;
	struct rules *rules;
};

/* The labels of a list of the document's. */
static void print_labels(
	const struct json *doc, const char *name, const char *title)
{
	const struct json *list = json_get(doc, name);

	if (json_count(list) == 0)
		return;
	out_column(title, 12);
	for (size_t i = 0; i < json_count(list); i++)
		printf("%s%s", i ? _(", ") : "",
			out_label(json_string(json_at(list, i), NULL)));
	putchar('\n');
}

static void print_erased(const struct json *doc)
{
	const struct json *erased = json_get(doc, "erased");

	if (json_count(erased) == 0)
		return;
	out_column(_("destroyed"), 12);
	out_erased(stdout, erased);
	putchar('\n');
}

static void print_value(const struct json *v)
{
	struct buf text = BUF_EMPTY;
	const char *s;
	size_t len;

	if ((s = json_string(v, &len)))
		out_plain(stdout, s, len);
	else if (json_write(v, &text, NULL) == ERR_OK)
		out_plain(stdout, (const char *)text.data, text.len);
	buf_free(&text);
	putchar('\n');
}

static void print_fields(const struct json *v, int depth);

static void print_member(const char *name, const struct json *v, int depth)
{
	enum json_kind kind = json_kind(v);

	printf("%*s%s:", 2 * depth, "", name);
	if ((kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY) &&
		json_count(v) > 0) {
		putchar('\n');
		print_fields(v, depth + 1);
	} else {
		putchar(' ');
		print_value(v);
	}
}

static void print_fields(const struct json *v, int depth)
{
	const struct json *member;
	const char *name;
	void *walk = NULL;
	char number[COUNT_TEXT_SIZE];

	if (json_kind(v) == JSON_KIND_OBJECT) {
		while (json_next(v, &walk, &name, &member))
			print_member(name, member, depth);
		return;
	}
	for (size_t i = 0; i < json_count(v); i++)
		print_member(out_count(i + 1, number), json_at(v, i), depth);
}

static void print_restricted(const struct json *doc)
{
	const struct json *by = json_get(doc, "restricted");

	if (!by)
		return;
	out_column(_("restricted"), 12);
	printf(_("since %s, by order %s"), json_get_string(by, "since"),
		json_get_string(by, "order"));
	printf("\n  %s\n",
		_("(kept here, and shown to nobody until the order is "
		  "lifted)"));
}

/* What was unsealed tells no place. */
static void print_place(const struct json *doc)
{
	const char *origin = json_get_string(doc, "origin");

	out_column(_("kept as"), 12);
	if (origin)
		printf("%s/%" PRIu64 ", ", origin,
			(uint64_t)json_number(json_get(doc, "seq")));
	printf("%s %" PRIu64 "\n", _("revision"),
		(uint64_t)json_number(json_get(doc, "rev")));
}

static void print_head(const struct rules *rules, const struct json *doc)
{
	const char *name = json_get_string(doc, "series");
	const struct series *series = rules ? rules_series(rules, name) : NULL;
	const char *node = json_get_string(doc, "node");
	const struct node_info *about = rules ? rules_node(rules, node) : NULL;

	out_column(_("record"), 12);
	printf("%s\n", json_get_string(doc, "id"));
	out_column(_("series"), 12);
	printf("%s%s%s\n", name, series && series->title ? "  " : "",
		series && series->title ? series->title : "");
	out_column(_("about"), 12);
	printf("%s  %s\n", node, about ? about->name : "");
	out_column(_("made at"), 12);
	printf("%s\n", json_get_string(doc, "created_at"));
	print_place(doc);
	print_labels(doc, "masked", _("masked"));
	print_labels(doc, "lost", _("lost"));
	print_labels(doc, "withheld", _("not here"));
	print_erased(doc);
	print_restricted(doc);
	if (json_count(json_get(doc, "masked")))
		printf("  %s\n",
			_("(kept here whole; only masked forms, or nothing, "
			  "are shown)"));
}

void show_document(const struct rules *rules, const struct json *doc)
{
	print_head(rules, doc);
	print_fields(json_get(doc, "fields"), 1);
	if (json_count(json_get(doc, "attachments")))
		print_member("attachments", json_get(doc, "attachments"), 1);
	if (json_get(doc, "attachment_count"))
		print_member("attachment_count",
			json_get(doc, "attachment_count"), 1);
}

/* What is lost is not withheld. */
static bool set_lost(struct json *doc, uint8_t lost)
{
	return !lost ||
		(json_set(doc, "lost", labels_json(lost)) &&
			json_set(doc, "withheld", json_new_array()));
}

static enum err_code show_record(const struct show *s,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	struct json *doc = NULL;
	struct run run = {0};
	enum err_code rc;

	if ((rc = store_read(
		     s->node->store, log->id, seq, 1, LABEL_ALL, &run, err)) ||
		(rc = view_shown(s->node, s->rules, log->origin, seq,
			 &run.record[0], &doc, err)))
		goto out;
	if (!json_get(doc, "restricted") &&
		!set_lost(doc, view_lost(s->rules, log, &run.record[0]))) {
		rc = err_nomem(err);
		goto out;
	}
	if (s->cli->json) {
		rc = out_json(doc, err);
		doc = NULL;
		goto out;
	}
	show_document(s->rules, doc);
out:
	json_free(doc);
	run_free(&run);
	return rc;
}

/* All revisions of an id */

struct revisions {
	size_t count;
	struct {
		uint32_t log;
		uint64_t seq;
	} at[REVISIONS_LIMIT];
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct revisions *r = arg;

	if (r->count == REVISIONS_LIMIT)
		return err_set(err, ERR_LIMIT, "revision %" PRIu64 ", limit %d",
			rev, REVISIONS_LIMIT);
	r->at[r->count].log = log;
	r->at[r->count++].seq = seq;
	return ERR_OK;
}

static enum err_code show_all(const struct show *s, const struct log_info *log,
	uint64_t seq, struct err *err)
{
	struct revisions *r = calloc(1, sizeof(*r));
	struct log_info info;
	enum err_code rc;

	if (!r)
		return err_nomem(err);
	rc = store_revisions(s->node->store, log->id, seq, on_revision, r, err);
	for (size_t i = 0; rc == ERR_OK && i < r->count; i++) {
		if (i > 0 && !s->cli->json)
			putchar('\n');
		if ((rc = store_log_by_id(s->node->store, r->at[i].log, &info,
			     err)) == ERR_OK)
			rc = show_record(s, &info, r->at[i].seq, err);
	}
	free(r);
	return rc;
}

/* Proofs */

/* Raw values are shown by reveal, which somebody answers for. */
static enum err_code take_labels(
	const char *said, uint8_t *labels, struct err *err)
{
	enum err_code rc = said ? labels_parse(said, labels, err) : ERR_OK;

	if (rc == ERR_OK && (*labels & LABELS_MASKED))
		rc = err_set(err, ERR_USAGE,
			"a proof that shows raw values is made by reveal "
			"--proof");
	return rc;
}

/* What was destroyed is in no proof. */
static enum err_code tell_erased(const struct show *s,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	struct json *erased = NULL;
	struct run run = {0};
	enum err_code rc =
		store_read(s->node->store, log->id, seq, 1, 0, &run, err);

	if (rc || !run.record[0].erased)
		goto out;
	if (!(erased = view_destroyed(&run.record[0]))) {
		rc = err_nomem(err);
		goto out;
	}
	fprintf(stderr, "%s ",
		_("Not in the proof, for it was destroyed under an order:"));
	out_erased(stderr, erased);
	fputc('\n', stderr);
out:
	json_free(erased);
	run_free(&run);
	return rc;
}

enum err_code show_proof_out(struct cli *c, const char *path, const void *proof,
	size_t len, struct err *err)
{
	char quoted[QUOTED_SIZE];
	enum err_code rc;

	if (!path || !strcmp(path, "-")) {
		fwrite(proof, 1, len, stdout);
		return ERR_OK;
	}
	rc = file_replace(path, proof, len, 0644, err);
	if (rc == ERR_OK && !c->json)
		fprintf(stderr,
			_("The proof is in %s. It is checked by:\n"
			  "  cundang verify %s --log VKEY    (VKEY: "
			  "cundang key show at the origin)\n"),
			path, out_quoted(path, quoted));
	return rc;
}

static enum err_code show_proof(const struct show *s, const struct args *a,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	uint8_t labels = LABEL_BIT(LABEL_PUBLIC) | LABEL_BIT(LABEL_INTERNAL);
	const char *said = args_get(a, "labels"), *path = args_get(a, "output");
	struct entry e;
	struct buf proof = BUF_EMPTY;
	enum err_code rc;

	if ((rc = take_labels(said, &labels, err)) ||
		(rc = store_entry(s->node->store, log->id, seq, &e, err)) ||
		(rc = orders_check_shown(s->node, log->origin, seq, &e, err)) ||
		(rc = proof_make(s->node, log, seq, labels, &proof, err)) ||
		(rc = tell_erased(s, log, seq, err)))
		goto out;
	rc = show_proof_out(s->cli, path, proof.data, proof.len, err);
out:
	buf_wipe(&proof);
	return rc;
}

/* The directory is another account's: its daemon may answer. */
static enum err_code ask_daemon(
	struct cli *c, const char *record, struct err *err)
{
	struct control *control = NULL;
	struct json *body = json_new_object(), *doc = NULL;
	struct err own;
	enum err_code rc;

	if (!json_set(body, "record", json_new_text(record))) {
		json_free(body);
		return err_nomem(err);
	}
	/* Where there is none, what the directory said stands. */
	if (control_open(c->data, &control, &own)) {
		json_free(body);
		return ERR_DENIED;
	}
	rc = control_post_json(control, "/show", body, &doc, err);
	control_close(control);
	if (rc == ERR_OK && c->json)
		return out_json(doc, err);
	if (rc == ERR_OK)
		show_document(NULL, doc);
	json_free(doc);
	return rc;
}

static enum err_code run_show(
	struct cli *c, const struct args *a, struct err *err)
{
	struct show s = {.cli = c};
	struct log_info log;
	struct point p;
	uint64_t seq;
	enum err_code rc;

	if ((rc = point_parse(a->word[0], strlen(a->word[0]), &p, err)))
		return rc;
	if ((rc = open_reader(c, &s.node, err)))
		return rc == ERR_DENIED && !args_has(a, "all") &&
				!args_has(a, "proof")
			? ask_daemon(c, a->word[0], err)
			: rc;
	s.rules = node_rules(s.node);
	if ((rc = sealed_find(s.node, &p, &log, &seq, err))) {
		if (rc == ERR_NOT_FOUND)
			cli_next_command(c, "list");
	} else if (args_has(a, "proof")) {
		rc = show_proof(&s, a, &log, seq, err);
	} else if (args_has(a, "all")) {
		rc = show_all(&s, &log, seq, err);
	} else {
		rc = show_record(&s, &log, seq, err);
	}
	rules_unref(s.rules);
	node_close(s.node);
	return rc;
}

static const struct option_spec options[] = {
	{"all", 0, NULL, N_("all its revisions")},
	{"proof", 0, NULL, N_("a proof that verifies by itself, instead")},
	{"labels", 0, "L,L", N_("what the proof shows (public,internal)")},
	{"output", 'o', "FILE", N_("write the proof there")},
	{NULL, 0, NULL, NULL},
};

const struct command command_show = {
	.name = "show",
	.words = "ID|DIGEST|ORIGIN/NUMBER|CODE/NUMBER",
	.summary = N_("show a record, masked, or make a proof of it"),
	.detail = N_("What is labelled personal or sensitive is kept whole and "
		     "not shown: at most a masked\nform of it. Beside "
		     "\"masked\" stand its labels, beside \"not here\" "
		     "those that the rules\nkeep from this node, beside "
		     "\"destroyed\" those destroyed under an order."),
	.least = 1,
	.most = 1,
	.options = options,
	.run = run_show,
};
