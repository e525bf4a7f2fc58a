/* admit.c - `cundang node pending` and `admit`: requests of nodes, by hundreds.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/request.h"

/* pending */

static bool has_keys(
	const struct node_info *known, const struct node_request *r)
{
	return !memcmp(&known->log, &r->log, sizeof(r->log)) &&
		!memcmp(&known->witness, &r->witness, sizeof(r->witness)) &&
		!memcmp(&known->tls, &r->tls, sizeof(r->tls));
}

static const char *standing(
	const struct node_info *known, const struct node_request *r)
{
	if (!known)
		return N_("no division of this domain");
	if (!known->enrolled)
		return N_("new");
	if (has_keys(known, r))
		return N_("admitted already");
	return node_request_by(r, &known->log) ? N_("changes its keys")
					       : N_("has other keys");
}

static struct json *request_json(
	const struct rules *rules, const struct request_file *f)
{
	const struct node_info *known = rules_node(rules, f->r.code);
	struct json *v = json_new_object();

	if (json_set(v, "code", json_new_text(f->r.code)) &&
		json_set(v, "name", json_new_text(known ? known->name : "")) &&
		json_set(v, "check", json_new_text(f->check)) &&
		json_set(v, "file", json_new_text(f->path)) &&
		json_set(v, "state", json_new_text(standing(known, &f->r))))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code tell_pending(struct cli *c, const struct rules *rules,
	const struct request_file *f, struct err *err)
{
	const struct node_info *known = rules_node(rules, f->r.code);

	if (c->json)
		return out_json(request_json(rules, f), err);
	printf("%s  ", f->check);
	out_column(f->r.code, 14);
	out_column(known ? known->name : "", 24);
	printf(" %s\n", _(standing(known, &f->r)));
	return ERR_OK;
}

static enum err_code run_pending(
	struct cli *c, const struct args *a, struct err *err)
{
	struct request_files f = {.file = NULL};
	struct governance *g = NULL;
	struct rules *rules = NULL;
	char gov[QUOTED_SIZE];
	enum err_code rc;

	if ((rc = request_files_load((const char *const *)a->word + 1,
		     a->count - 1, &f, err)) ||
		(rc = governance_open(a->word[0], &g, err)) ||
		(rc = governance_rules(g, 0, NULL, &rules, err)))
		goto out;
	for (size_t i = 0; rc == ERR_OK && i < f.count; i++)
		rc = tell_pending(c, rules, &f.file[i], err);
	if (rc == ERR_OK && !c->json)
		printf(_("Compare each number with the one its node shows, "
			 "then admit those that are the same:\n"
			 "  cundang node admit --check NUMBER,NUMBER,... %s "
			 "FILE...\n"),
			out_quoted(a->word[0], gov));
out:
	rules_unref(rules);
	governance_close(g);
	request_files_free(&f);
	return rc;
}

const struct command command_node_pending = {
	.name = "node pending",
	.words = "GOV FILE|DIR...",
	.summary = N_("show requests with their check numbers"),
	.least = 2,
	.most = WORDS_ANY,
	.run = run_pending,
};

/* admit */

struct admitting {
	struct request_files files;
	struct node_request *r; /* those that are admitted */
	bool *left_out;		/* of each file */
	size_t count;
};

static void admitting_free(struct admitting *m)
{
	request_files_free(&m->files);
	free(m->r);
	free(m->left_out);
}

/* The request whose number this is: exactly one, or somebody made up a second
 * to fit. */
static enum err_code check_one(
	struct admitting *m, const char *number, struct err *err)
{
	size_t found = 0;

	for (size_t i = 0; i < m->files.count; i++)
		if (!strcmp(m->files.file[i].check, number)) {
			m->left_out[i] = false;
			found++;
		}
	if (found == 1)
		return ERR_OK;
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND,
			"no request has the check number %s", number);
	return err_set(err, ERR_DENIED,
		"%zu requests have the check number %s: one of them is not "
		"what it seems",
		found, number);
}

/* "123456,234567" */
static enum err_code check_list(
	struct admitting *m, const char *said, struct err *err)
{
	char number[CHECK_SIZE];
	enum err_code rc = ERR_OK;
	size_t len;

	for (; !rc && *said; said += len + (said[len] == ',')) {
		len = strcspn(said, ",");
		if (len != 6 || strspn(said, "0123456789") < len)
			return err_set(err, ERR_USAGE,
				"--check %s is no list of six-digit numbers",
				said);
		memcpy(number, said, len);
		number[len] = '\0';
		rc = check_one(m, number, err);
	}
	return rc;
}

/* Which of the files count: those whose number was said, or all because that
 * was said. */
static enum err_code select_files(struct cli *c, const struct args *a,
	struct admitting *m, struct err *err)
{
	bool all = args_has(a, "all");
	char gov[QUOTED_SIZE];
	enum err_code rc;
	const char *said;

	if (all == args_has(a, "check")) {
		cli_next(c, "cundang node pending %s FILE...",
			out_quoted(a->word[0], gov));
		return err_set(err, ERR_USAGE,
			"node admit needs the check numbers that were compared "
			"(--check NUMBER,...), or --all to admit without "
			"comparing");
	}
	m->r = calloc(m->files.count, sizeof(*m->r));
	m->left_out = calloc(m->files.count, sizeof(*m->left_out));
	if (!m->r || !m->left_out)
		return err_nomem(err);
	for (size_t i = 0; i < m->files.count; i++)
		m->left_out[i] = !all;
	for (size_t i = 0; (said = args_nth(a, "check", i)); i++)
		if ((rc = check_list(m, said, err)))
			return rc;
	for (size_t i = 0; i < m->files.count; i++)
		if (!m->left_out[i])
			m->r[m->count++] = m->files.file[i].r;
	return ERR_OK;
}

/* A node that lost its disk, or changes its keys, or somebody who says so. */
static void tell_other_keys(
	struct cli *c, const struct args *a, enum admit mode)
{
	char gov[QUOTED_SIZE];

	if (mode == ADMIT_NEW) {
		cli_safe(c,
			_("Nothing was changed. Compare the check number of a "
			  "node that changes its keys on the phone."));
		cli_next(c, "cundang node admit --check NUMBER %s FILE...",
			out_quoted(a->word[0], gov));
		return;
	}

	cli_safe(c,
		_("Nothing was changed. If the machine was replaced, compare "
		  "its check number on the phone, and let its keys take the "
		  "place of the old ones."));
	cli_next(c, "cundang node admit --replace --check NUMBER %s FILE...",
		out_quoted(a->word[0], gov));
}

/* Does one of them ask for a code that has other keys, and did the log key of
 * now sign that? */
enum change { CHANGE_CLAIMED, CHANGE_SIGNED };

static bool has_other_keys(
	struct governance *g, const struct admitting *m, enum change change)
{
	struct rules *rules = NULL;
	bool other = false;

	if (governance_rules(g, 0, NULL, &rules, NULL))
		return false;
	for (size_t i = 0; i < m->count; i++) {
		const struct node_info *n = rules_node(rules, m->r[i].code);

		other |= n && n->enrolled && !has_keys(n, &m->r[i]) &&
			node_request_by(&m->r[i], &n->log) ==
				(change == CHANGE_SIGNED);
	}
	rules_unref(rules);
	return other;
}

static enum err_code tell_admitted(struct cli *c, const struct args *a,
	const struct admitting *m, uint64_t serial, struct err *err)
{
	struct json *v, *left = c->json ? json_new_array() : NULL;
	char quoted[QUOTED_SIZE];
	bool ok = true;

	for (size_t i = 0; i < m->files.count; i++) {
		const struct request_file *f = &m->files.file[i];

		if (!m->left_out[i])
			continue;
		if (c->json)
			ok &= json_append(left, json_new_text(f->path));
		else
			printf(_("Left out: %s of %s, check number %s\n"),
				f->path, f->r.code, f->check);
	}
	if (!c->json) {
		printf(ngettext("%zu node is in head %" PRIu64
				", which officers sign now:\n",
			       "%zu nodes are in head %" PRIu64
			       ", which officers sign now:\n",
			       m->count),
			m->count, serial);
		printf("  cundang governance sign %s --key KEY\n",
			out_quoted(a->word[0], quoted));
		return ERR_OK;
	}
	v = json_new_object();
	ok &= json_set(v, "left_out", left);
	if (!ok || !json_set(v, "serial", json_new_u64(serial)) ||
		!json_set(v, "nodes", json_new_u64(m->count))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_admit(
	struct cli *c, const struct args *a, struct err *err)
{
	enum admit mode = args_has(a, "replace") ? ADMIT_REPLACE : ADMIT_NEW;
	struct admitting m = {.count = 0};
	struct governance *g = NULL;
	struct statement s = {0};
	enum err_code rc;

	if ((rc = request_files_load((const char *const *)a->word + 1,
		     a->count - 1, &m.files, err)) ||
		(rc = select_files(c, a, &m, err)) ||
		(rc = governance_open(a->word[0], &g, err)))
		goto out;
	if (args_has(a, "all") && mode == ADMIT_NEW &&
		has_other_keys(g, &m, CHANGE_SIGNED)) {
		tell_other_keys(c, a, mode);
		rc = err_set(err, ERR_EXISTS,
			"a node that is enrolled asks for other keys: --all "
			"takes none of those");
		goto out;
	}
	rc = governance_admit_as(g, m.r, m.count, mode, &s, err);
	if (rc == ERR_EXISTS && mode == ADMIT_NEW &&
		has_other_keys(g, &m, CHANGE_CLAIMED))
		tell_other_keys(c, a, ADMIT_REPLACE);
	if (rc == ERR_OK)
		rc = tell_admitted(c, a, &m, s.serial, err);
out:
	governance_close(g);
	admitting_free(&m);
	return rc;
}

static const struct option_spec admit_options[] = {
	{"check", 0, "NUMBER,...",
		N_("admit those whose check numbers these are, and leave out "
		   "the others")},
	{"all", 0, NULL, N_("admit all without comparing check numbers")},
	{"replace", 0, NULL,
		N_("let these keys take the place of those that a node has")},
	{NULL, 0, NULL, NULL},
};
const struct command command_node_admit = {
	.name = "node admit",
	.words = "--check NUMBER,...|--all GOV FILE|DIR...",
	.summary = N_("propose rules in which these nodes have their keys"),
	.options = admit_options,
	.least = 2,
	.most = WORDS_ANY,
	.run = run_admit,
};
