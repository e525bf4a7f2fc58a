/* reveal.c - `cundang reveal`: what is masked, for a reason. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"

/* The daemon, or the node itself. */
struct door {
	struct control *control;
	struct node *node;
	struct who who; /* where it is the node */
};

static enum err_code door_open(struct cli *c, struct door *d, struct err *err)
{
	enum err_code rc = open_access(c, &d->control, &d->node, err);

	if (rc == ERR_OK && d->node)
		who_of(&d->node->config.accounts, d->node->data, getuid(),
			&d->who);
	return rc;
}

static void door_close(struct door *d)
{
	control_close(d->control);
	node_close(d->node);
}

/* ---- asking ---- */

static enum err_code take_labels(
	const struct args *a, uint8_t *out, struct err *err)
{
	const char *s;

	*out = 0;
	for (size_t i = 0; (s = args_nth(a, "label", i)); i++) {
		enum label l;

		if (!label_parse(s, strlen(s), &l) ||
			!(LABEL_BIT(l) & LABELS_MASKED))
			return err_set(err, ERR_USAGE,
				"--label %.20s is neither personal nor "
				"sensitive",
				s);
		*out |= LABEL_BIT(l);
	}
	return ERR_OK;
}

static struct json *body_of(const char *record, const struct access_ask *ask)
{
	struct json *v = json_new_object();

	if (json_set(v, "record", json_new_text(record)) &&
		json_set(v, "reason", json_new_text(ask->reason)) &&
		json_set(v, "labels", labels_json(ask->labels)) &&
		json_set(v, "proof", json_new_bool(ask->proof)) &&
		(!ask->field ||
			json_set(v, "field", json_new_text(ask->field))))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code ask_for(struct door *d, const char *record,
	struct access_ask *ask, struct json **out, struct err *err)
{
	ask->who = d->who;
	if (d->node)
		return access_reveal(d->node, NULL, NULL, ask, out, err);
	return control_post_json(
		d->control, "/reveal", body_of(record, ask), out, err);
}

/* What waits for a second person is told, and is no success. */
static enum err_code tell_request(
	struct cli *c, struct json *answer, struct err *err)
{
	const char *id = json_get_string(answer, "request");
	const char *until = json_get_string(answer, "until");
	enum err_code rc;

	if (!until) {
		json_free(answer);
		return err_set(err, ERR_INTERNAL,
			"the daemon answered neither a record nor a request");
	}
	rc = err_set(err, ERR_BUSY,
		"the record is about minors, or sealed: another person has to "
		"approve request %s by %s",
		id, until);
	cli_safe(c,
		_("Nothing was shown. The request is recorded; after the "
		  "approval the same command shows the record once."));
	cli_next(c, _("the other person: cundang -C %s reveal --approve %s"),
		c->quoted, id);
	if (!c->json)
		json_free(answer);
	else if (out_json(answer, err))
		return err->code;
	return rc;
}

static void print_shown(const struct json *answer)
{
	const struct json *access = json_get(answer, "access");
	uint64_t seq = 0;

	show_document(NULL, json_get(answer, "document"));
	(void)json_get_u64(access, "seq", &seq);
	printf(_("That it was shown, to whom and why, is recorded as "
		 "%s/%llu.\n"),
		json_get_string(access, "origin"), (unsigned long long)seq);
}

static enum err_code tell_proof(
	struct cli *c, const char *path, struct json *answer, struct err *err)
{
	size_t len = 0;
	const char *proof = json_string(json_get(answer, "proof"), &len);
	enum err_code rc;

	if (proof)
		rc = show_proof_out(c, path, proof, len, err);
	else
		rc = err_set(err, ERR_INTERNAL, "the daemon gave no proof");
	json_free(answer);
	return rc;
}

static enum err_code reveal(
	struct cli *c, struct door *d, const struct args *a, struct err *err)
{
	struct access_ask ask = {
		.reason = args_get(a, "reason"),
		.field = args_get(a, "field"),
		.proof = args_has(a, "proof"),
	};
	const char *record = a->word[0];
	struct json *answer = NULL;
	enum err_code rc;

	if ((rc = point_parse(record, strlen(record), &ask.point, err)) ||
		(rc = take_labels(a, &ask.labels, err)) ||
		(rc = door_open(c, d, err)) ||
		(rc = ask_for(d, record, &ask, &answer, err)))
		return rc;
	if (json_get_string(answer, "request"))
		return tell_request(c, answer, err);
	if (ask.proof)
		return tell_proof(c, args_get(a, "output"), answer, err);
	if (c->json)
		return out_json(answer, err);
	print_shown(answer);
	json_free(answer);
	return ERR_OK;
}

/* ---- approving ---- */

static void print_approved(const struct json *v)
{
	const struct json *record = json_get(v, "record");
	const char *account = json_get_string(v, "for");
	const char *reason = json_get_string(v, "reason");
	const char *until = json_get_string(v, "until");
	const char *id = json_get_string(record, "id");

	if (until)
		printf(_("Approved: %s may see record %s once, until %s.\n"),
			account ? account : "", id ? id : "", until);
	else
		printf(_("Refused: %s may not see record %s.\n"),
			account ? account : "", id ? id : "");
	printf("%s ", _("Their reason:"));
	out_plain(stdout, reason ? reason : "", reason ? strlen(reason) : 0);
	putchar('\n');
}

static enum err_code decide(struct cli *c, struct door *d,
	enum access_decision what, const char *id, struct err *err)
{
	struct json *body = json_new_object(), *answer = NULL;
	enum err_code rc = ERR_OK;

	if (!json_set(body, "request", json_new_text(id)) ||
		!json_set(body, "refuse", json_new_bool(what == ACCESS_REFUSE)))
		rc = err_nomem(err);
	if (rc || (rc = door_open(c, d, err))) {
		json_free(body);
		return rc;
	}
	if (d->node) {
		rc = access_decide(
			d->node, NULL, NULL, &d->who, what, id, &answer, err);
		json_free(body);
	} else {
		rc = control_post_json(
			d->control, "/approve", body, &answer, err);
	}
	if (rc)
		return rc;
	if (c->json)
		return out_json(answer, err);
	print_approved(answer);
	json_free(answer);
	return ERR_OK;
}

static enum err_code run_reveal(
	struct cli *c, const struct args *a, struct err *err)
{
	bool refuse = args_has(a, "refuse");
	const char *id = args_get(a, refuse ? "refuse" : "approve");
	struct door d = {.control = NULL};
	enum err_code rc;

	if (id && (a->count || (refuse && args_has(a, "approve"))))
		return err_set(err, ERR_USAGE,
			"--approve and --refuse take a request each, and no "
			"record");
	if (!id && !a->count)
		return err_set(err, ERR_USAGE, "reveal needs a record");
	if (!id && !args_has(a, "reason"))
		return err_set(err, ERR_USAGE,
			"reveal needs --reason TEXT: why it has to be seen");
	rc = id ? decide(c, &d, refuse ? ACCESS_REFUSE : ACCESS_APPROVE, id,
			  err)
		: reveal(c, &d, a, err);
	door_close(&d);
	return rc;
}

static const struct option_spec options[] = {
	{"reason", 0, "TEXT", N_("why; kept, without the names of people")},
	{"label", 0, "L", N_("only personal, or only sensitive")},
	{"field", 0, "PATH", N_("only this field, as applicant.phone")},
	{"proof", 0, NULL, N_("a proof with the raw values, instead")},
	{"output", 'o', "FILE", N_("write the proof there")},
	{"approve", 0, "REQUEST", N_("let another person see it, once")},
	{"refuse", 0, "REQUEST", N_("do not, or not any more")},
	{NULL, 0, NULL, NULL},
};

const struct command command_reveal = {
	.name = "reveal",
	.words = "ID|DIGEST|ORIGIN/NUMBER|CODE/NUMBER",
	.summary = N_("show what is masked, for a reason that is recorded"),
	.detail = N_("Who may is told by the accounts in node.yaml. That it "
		     "was shown, to whom and why, is\nrecorded before; tries "
		     "that are denied are recorded too. A record about "
		     "minors, or a sealed one,\nis shown once, after another "
		     "person has approved it."),
	.most = 1,
	.options = options,
	.run = run_reveal,
};

/* ---- what waits ---- */

static void print_pending(const struct json *row)
{
	const struct json *record = json_get(row, "record");
	const char *id = json_get_string(record, "id");
	const char *series = json_get_string(record, "series");
	const char *reason = json_get_string(row, "reason");
	const char *field = json_get_string(row, "field");
	const char *by = json_get_string(row, "approved_by");
	const struct json *labels = json_get(row, "labels");

	printf("%s  %.16s  %s  %s %s\n", json_get_string(row, "request"),
		json_get_string(row, "at"), json_get_string(row, "account"),
		series ? series : "", id ? id : "");
	fputs("    ", stdout);
	for (size_t i = 0; i < json_count(labels); i++)
		printf("%s%s", i ? ", " : "",
			out_label(json_string(json_at(labels, i), NULL)));
	printf("%s%s  ", field ? "  " : "", field ? field : "");
	out_plain(stdout, reason ? reason : "", reason ? strlen(reason) : 0);
	printf("\n    ");
	if (by)
		printf(_("approved by %s, to be seen once until %s\n"), by,
			json_get_string(row, "until"));
	else
		printf(_("waits until %s\n"), json_get_string(row, "until"));
}

static enum err_code run_pending(
	struct cli *c, const struct args *a, struct err *err)
{
	struct door d = {.control = NULL};
	struct json *v = NULL;
	const struct json *rows;
	enum err_code rc;

	(void)a;
	if (!(rc = door_open(c, &d, err)))
		rc = d.node ? access_pending(d.node, &d.who, &v, err)
			    : control_get_json(d.control, "/requests", &v, err);
	door_close(&d);
	if (rc)
		return rc;
	if (c->json)
		return out_json(v, err);
	rows = json_get(v, "requests");
	for (size_t i = 0; i < json_count(rows); i++)
		print_pending(json_at(rows, i));
	if (json_count(rows))
		fprintf(stderr,
			_("Another person decides: cundang -C %s reveal "
			  "--approve REQUEST, or --refuse REQUEST\n"),
			c->quoted);
	json_free(v);
	return ERR_OK;
}

const struct command command_reveal_list = {
	.name = "reveal list",
	.words = "",
	.summary = N_("list requests that wait for approval, or are approved"),
	.detail = N_("Of records about minors: who asked, when, for which "
		     "record and why. Who may approve or audit sees all of "
		     "them, others their own. One that is over is not listed."),
	.run = run_pending,
};

/* ---- unsealing ---- */

/* A record as its proof carries it. */
struct carried {
	struct record record;
	struct buf entry, part;
};

static void carried_free(struct carried *c)
{
	buf_free(&c->entry);
	buf_free(&c->part);
}

static enum err_code read_carried(
	const struct proof *p, struct carried *c, struct err *err)
{
	const struct json *part;
	struct json *v = NULL;
	enum err_code rc;

	rc = json_parse(p->extra, p->extra_len, PROOF_SIZE_LIMIT, &v, err);
	if (rc)
		return rc;
	part = json_get(json_get(json_get(v, "parts"), "sensitive"), "part");
	if (!json_get(part, "cms")) {
		rc = err_set(err, ERR_USAGE,
			"the record is not sealed: reveal shows it");
	} else if (!(rc = json_write(json_get(v, "entry"), &c->entry, err)) &&
		!(rc = json_write(part, &c->part, err))) {
		c->record.entry = (const char *)c->entry.data;
		c->record.entry_len = c->entry.len;
		c->record.have = LABEL_BIT(LABEL_SENSITIVE);
		c->record.part[LABEL_SENSITIVE].json =
			(const char *)c->part.data;
		c->record.part[LABEL_SENSITIVE].len = c->part.len;
	}
	json_free(v);
	return rc;
}

static enum err_code carried_of(
	const struct json *answer, struct carried *c, struct err *err)
{
	size_t len = 0;
	const char *text = json_string(json_get(answer, "proof"), &len);
	struct proof p;
	enum err_code rc;

	if (!text)
		return err_set(err, ERR_INTERNAL, "the daemon gave no proof");
	if ((rc = proof_parse(text, len, &p, err)))
		return rc;
	rc = p.extra
		? read_carried(&p, c, err)
		: err_set(err, ERR_INTERNAL, "the proof carries no record");
	proof_fini(&p);
	return rc;
}

static enum err_code write_message(
	const struct record *r, const char *path, struct err *err)
{
	const struct part *p = &r->part[LABEL_SENSITIVE];
	struct buf message = BUF_EMPTY;
	struct entry e;
	enum err_code rc = entry_parse(r->entry, r->entry_len, &e, err);

	if (!rc && !sealed_message(&e, p->json, p->len, &message))
		rc = err_set(err, ERR_CORRUPT,
			"record %s: its message is not the one that its entry "
			"names",
			e.id);
	if (!rc)
		rc = file_replace(path, message.data, message.len, 0600, err);
	buf_free(&message);
	return rc;
}

static enum err_code print_unsealed(struct cli *c, const struct record *r,
	const char *path, struct err *err)
{
	struct opened opened = {.text = BUF_EMPTY};
	struct seal_key *key = NULL;
	struct json *doc = NULL;
	enum err_code rc;

	if (!(rc = seal_key_load(path, &key, err)) &&
		!(rc = sealed_open(key, r, &opened, err)))
		rc = opened_document(&opened, &doc, err);
	seal_key_free(key);
	opened_free(&opened);
	if (rc)
		return rc;
	if (c->json)
		return out_json(doc, err);
	show_document(NULL, doc);
	json_free(doc);
	return ERR_OK;
}

static enum err_code unseal(
	struct cli *c, struct door *d, const struct args *a, struct err *err)
{
	struct access_ask ask = {
		.reason = args_get(a, "reason"), .proof = true};
	const char *record = a->word[0], *file = args_get(a, "output");
	struct carried carried = {.entry = BUF_EMPTY};
	struct json *answer = NULL;
	enum err_code rc;

	if ((rc = point_parse(record, strlen(record), &ask.point, err)) ||
		(rc = door_open(c, d, err)) ||
		(rc = ask_for(d, record, &ask, &answer, err)))
		return rc;
	if (json_get_string(answer, "request"))
		return tell_request(c, answer, err);
	if (!(rc = carried_of(answer, &carried, err)))
		rc = file ? write_message(&carried.record, file, err)
			  : print_unsealed(c, &carried.record,
				    args_get(a, "key"), err);
	carried_free(&carried);
	json_free(answer);
	return rc;
}

static enum err_code run_unseal(
	struct cli *c, const struct args *a, struct err *err)
{
	struct door d = {.control = NULL};
	enum err_code rc;

	if (args_has(a, "key") == args_has(a, "output"))
		return err_set(err, ERR_USAGE,
			"unseal needs --key FILE to open it, or --output FILE "
			"for the message as it is");
	if (!args_has(a, "reason"))
		return err_set(err, ERR_USAGE,
			"unseal needs --reason TEXT: why it has to be seen");
	rc = unseal(c, &d, a, err);
	door_close(&d);
	return rc;
}

static const struct option_spec unseal_options[] = {
	{"key", 0, "FILE", N_("the private key that it is sealed to (PEM)")},
	{"reason", 0, "TEXT", N_("why; kept, without the names of people")},
	{"output", 'o', "FILE",
		N_("the message for openssl cms -decrypt, unopened")},
	{NULL, 0, NULL, NULL},
};

const struct command command_unseal = {
	.name = "unseal",
	.words = "ID|DIGEST|ORIGIN/NUMBER|CODE/NUMBER",
	.summary = N_("open a sealed record with the key of a role"),
	.detail = N_("What nodes on the way carry of a sealed record only the "
		     "people of its role can open.\nThe key stays in this "
		     "command; that the message was given is recorded as by "
		     "reveal, and\nanother person has to approve it before."),
	.least = 1,
	.most = 1,
	.options = unseal_options,
	.run = run_unseal,
};
