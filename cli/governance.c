/* governance.c - `cundang governance ...`: the rules of a domain. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/difference.h"

#define ARMOR_LIMIT SSHSIG_TEXT_LIMIT

static enum err_code print_count(
	struct cli *c, const char *name, uint64_t n, struct err *err)
{
	struct json *v = json_new_object();

	(void)c;
	if (!json_set(v, name, json_new_u64(n))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

/* init */

static enum err_code parse_officers(const struct args *a,
	struct governance_officer **out, size_t *count, struct err *err)
{
	struct governance_officer *o;
	const char *said;
	size_t n = 0;

	while (args_nth(a, "officer", n))
		n++;
	if (n < 2)
		return err_set(err, ERR_USAGE,
			"a domain needs at least two officers: --officer "
			"NAME=KEY.pub, twice");
	if (!(o = calloc(n, sizeof(*o))))
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *eq;

		said = args_nth(a, "officer", i);
		eq = strchr(said, '=');
		if (!eq || eq == said || !eq[1]) {
			free(o);
			return err_set(err, ERR_USAGE,
				"--officer %s is not NAME=KEY.pub", said);
		}
		*(char *)(uintptr_t)eq = '\0';
		o[i].name = said;
		o[i].key_path = eq + 1;
	}
	*out = o;
	*count = n;
	return ERR_OK;
}

static enum err_code tell_root(
	struct cli *c, const char *path, const char *hex, struct err *err)
{
	char quoted[QUOTED_SIZE];
	struct json *v;

	if (!c->json) {
		printf(_("The domain is founded in %s. Its root fingerprint "
			 "is\n\n    %s\n\n"),
			path, hex);
		printf(_("Print it on paper: every node is made with it, and "
			 "every auditor asks for it.\n"
			 "It counts once two of the officers have signed:\n"
			 "  cundang governance sign %s --key "
			 "PRIVATE-KEY-OF-THE-OFFICER\n"),
			out_quoted(path, quoted));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "root", json_new_text(hex))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_init(
	struct cli *c, const struct args *a, struct err *err)
{
	static const char *const needed[] = {"domain", "root", "divisions"};
	struct governance_officer *officers = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct digest root;
	size_t count = 0;
	enum err_code rc;

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!args_get(a, needed[i]))
			return err_set(err, ERR_USAGE,
				"governance init needs --%s", needed[i]);
	}
	if ((rc = parse_officers(a, &officers, &count, err)))
		return rc;
	rc = governance_init(a->word[0], args_get(a, "domain"),
		args_get(a, "root"), args_get(a, "divisions"), officers, count,
		&root, err);
	free(officers);
	if (rc)
		return rc;
	digest_hex(&root, hex);
	return tell_root(c, a->word[0], hex, err);
}

static const struct option_spec init_options[] = {
	{"domain", 0, "NAME", N_("the domain's name: xihu.example")},
	{"root", 0, "CODE", N_("the division at its top")},
	{"divisions", 0, "FILE.csv", N_("code,name,parent of all divisions")},
	{"officer", 0, "NAME=KEY.pub",
		N_("an officer and the SSH public key; at least two")},
	{NULL, 0, NULL, NULL},
};
const struct command command_governance_init = {
	.name = "governance init",
	.words = "GOV --domain NAME --root CODE --divisions FILE.csv "
		 "--officer NAME=KEY.pub ...",
	.summary = N_("found a domain; prints its root fingerprint"),
	.least = 1,
	.most = 1,
	.options = init_options,
	.run = run_init,
};

/* publish */

/* What the open proposal changes: on `f` for people, else into *changes.
 * *statement tells whose difference it is. */
static enum err_code show_changes(struct cli *c, struct governance *g, FILE *f,
	struct json **changes, struct digest *statement, struct err *err)
{
	struct version *head = NULL, *proposal = NULL;
	enum err_code rc = difference_open(g, &head, &proposal, err);

	if (rc == ERR_OK && statement)
		*statement = *version_statement(proposal);
	if (rc == ERR_OK && c->json)
		rc = difference_json(head, proposal, changes, err);
	else if (rc == ERR_OK) {
		fprintf(f, "%s\n", _("What changes:"));
		rc = difference_print(f, head, proposal, err);
	}
	version_free(head);
	version_free(proposal);
	return rc;
}

static enum err_code tell_proposed(
	uint64_t serial, struct json *changes, struct err *err)
{
	struct json *v = json_new_object();

	if (!json_set(v, "changes", changes) ||
		!json_set(v, "serial", json_new_u64(serial))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_publish(
	struct cli *c, const struct args *a, struct err *err)
{
	struct governance *g = NULL;
	struct json *changes = NULL;
	char quoted[QUOTED_SIZE];
	struct statement s;
	enum err_code rc;

	out_quoted(a->word[0], quoted);
	if ((rc = governance_open(a->word[0], &g, err)))
		return rc;
	rc = args_has(a, "renew") ? governance_renew(g, &s, err)
				  : governance_publish(g, &s, err);
	if (rc == ERR_INVALID)
		cli_next(c, "cundang governance check %s", quoted);
	if (rc == ERR_OK)
		rc = show_changes(c, g, stdout, &changes, NULL, err);
	governance_close(g);
	if (rc)
		return rc;
	if (c->json)
		return tell_proposed(s.serial, changes, err);
	printf(_("Head %" PRIu64 " is proposed. Officers sign it:\n"
		 "  cundang governance sign %s --key KEY\n"),
		s.serial, quoted);
	return ERR_OK;
}

static const struct option_spec publish_options[] = {
	{"renew", 0, NULL, N_("propose the newest rules once more, unchanged")},
	{NULL, 0, NULL, NULL},
};
const struct command command_governance_publish = {
	.name = "governance publish",
	.words = "GOV",
	.summary = N_("propose the branch main as the next rules"),
	.detail = N_("Rules that are more than 30 days old alarm at every "
		     "node: --renew shows the nodes that nothing newer is "
		     "held back from them."),
	.least = 1,
	.most = 1,
	.options = publish_options,
	.run = run_publish,
};

/* sign */

static enum err_code on_open(void *arg, const struct statement *s,
	unsigned signatures, bool final, struct err *err)
{
	(void)s;
	(void)signatures;
	(void)err;
	*(bool *)arg |= !final;
	return ERR_OK;
}

static enum err_code has_open(struct governance *g, struct err *err)
{
	bool open = false;
	enum err_code rc = governance_each(g, on_open, &open, err);

	if (rc == ERR_OK && !open)
		rc = err_set(err, ERR_NOT_FOUND,
			"no open proposal: there is nothing to sign");
	return rc;
}

static enum err_code tell_signed(struct cli *c, const char *path, unsigned have,
	unsigned want, struct json *changes, struct err *err)
{
	char quoted[QUOTED_SIZE];
	struct json *v;

	if (c->json) {
		v = json_new_object();
		if (!json_set(v, "changes", changes) ||
			!json_set(v, "have", json_new_u64(have)) ||
			!json_set(v, "want", json_new_u64(want))) {
			json_free(v);
			v = NULL;
		}
		return out_json(v, err);
	}
	if (have < want)
		printf(ngettext("Signed: %u of %u signature.\n",
			       "Signed: %u of %u signatures.\n", want),
			have, want);
	else
		printf(_("Signed: %u of %u signatures. It is a head now; the "
			 "root adopts it:\n"
			 "  cundang -C DIRECTORY governance adopt %s\n"),
			have, want, out_quoted(path, quoted));
	return ERR_OK;
}

/* A signature over exactly what was shown: the proposal may be another by
 * now. */
static enum err_code make_armor(struct governance *g, const char *key,
	const struct digest *shown, struct buf *armor, struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct digest d;
	enum err_code rc = governance_to_sign(g, &text, err);

	if (rc == ERR_OK) {
		d = digest_of(text.data, text.len);
		rc = digest_equal(&d, shown)
			? sshsig_make(key, GOVERNANCE_NAMESPACE, text.data,
				  text.len, armor, err)
			: err_set(err, ERR_BUSY,
				  "another head was proposed just now");
	}
	buf_free(&text);
	return rc;
}

static enum err_code run_sign(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *key = args_get(a, "key"), *file = args_get(a, "signature");
	struct governance *g = NULL;
	struct json *changes = NULL;
	struct buf armor = BUF_EMPTY;
	unsigned have = 0, want = 0;
	struct digest shown;
	enum err_code rc;

	if (!key == !file)
		return err_set(err, ERR_USAGE,
			"governance sign needs either --key or --signature");
	if ((file && (rc = file_read(file, ARMOR_LIMIT, &armor, err))) ||
		(rc = governance_open(a->word[0], &g, err)) ||
		(rc = has_open(g, err)) ||
		(rc = show_changes(c, g, stdout, &changes, &shown, err)) ||
		(key && (rc = make_armor(g, key, &shown, &armor, err))) ||
		(rc = governance_sign(
			 g, NULL, armor.data, armor.len, &have, &want, err)))
		goto out;
	rc = tell_signed(c, a->word[0], have, want, changes, err);
	changes = NULL;
out:
	json_free(changes);
	governance_close(g);
	buf_free(&armor);
	return cli_input(rc, err);
}

static const struct option_spec sign_options[] = {
	{"key", 0, "FILE", N_("an officer's SSH private key")},
	{"signature", 0, "FILE",
		N_("a signature by ssh-keygen -Y sign, or a hardware key")},
	{NULL, 0, NULL, NULL},
};
const struct command command_governance_sign = {
	.name = "governance sign",
	.words = "GOV --key FILE|--signature FILE",
	.summary = N_("sign the open proposal as an officer"),
	.detail = N_("With stock tools:\n"
		     "  cundang governance to-sign GOV > STATEMENT\n"
		     "  ssh-keygen -Y sign -n cundang-governance -f KEY "
		     "STATEMENT\n"
		     "  cundang governance sign GOV --signature "
		     "STATEMENT.sig"),
	.least = 1,
	.most = 1,
	.options = sign_options,
	.run = run_sign,
};

static enum err_code run_to_sign(
	struct cli *c, const struct args *a, struct err *err)
{
	struct governance *g = NULL;
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if ((rc = governance_open(a->word[0], &g, err)) ||
		(rc = has_open(g, err)) ||
		(!c->json &&
			(rc = show_changes(c, g, stderr, NULL, NULL, err))) ||
		(rc = governance_to_sign(g, &text, err)))
		goto out;
	fwrite(text.data, 1, text.len, stdout);
out:
	governance_close(g);
	buf_free(&text);
	return rc;
}

const struct command command_governance_to_sign = {
	.name = "governance to-sign",
	.words = "GOV",
	.summary = N_("print the bytes that officers sign"),
	.least = 1,
	.most = 1,
	.run = run_to_sign,
};

/* check */

struct faults {
	struct json *list;
	struct json *kept; /* series whose records go nowhere */
	bool json;
	size_t count;
};

static void on_fault(void *arg, const char *file, const char *what)
{
	struct faults *f = arg;
	struct json *pair;

	f->count++;
	if (f->json) {
		pair = json_new_array();
		if (json_append(pair, json_new_text(file)) &&
			json_append(pair, json_new_text(what)))
			(void)json_append(f->list, pair);
		else
			json_free(pair);
		return;
	}
	out_plain(stdout, file, strlen(file));
	fputs(": ", stdout);
	out_plain(stdout, what, strlen(what));
	putchar('\n');
}

static void on_note(void *arg, const char *series)
{
	struct faults *f = arg;

	if (f->json)
		(void)json_append(f->kept, json_new_text(series));
	else
		printf(_("series/%s.yaml: no rank may hold any of it: records "
			 "stay where they are entered, or go up sealed once "
			 "the rules name keys (seals.yaml, sealed: ROLE)\n"),
			series);
}

static enum err_code tell_faults(struct faults *f, struct err *err)
{
	struct json *v = json_new_object();

	if (!f->json) {
		json_free(v);
		if (f->count == 0)
			puts(_("The rules are in order."));
		return ERR_OK;
	}
	if (!json_set(v, "ok", json_new_bool(f->count == 0)) ||
		!json_set(v, "faults", json_copy(f->list)) ||
		!json_set(v, "stays", json_copy(f->kept))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_check(
	struct cli *c, const struct args *a, struct err *err)
{
	struct faults f = {.list = json_new_array(),
		.kept = json_new_array(),
		.json = c->json};
	struct governance *g = NULL;
	enum err_code rc;

	if ((rc = governance_open(a->word[0], &g, err)))
		goto out;
	rc = governance_check(g, a->count > 1 ? a->word[1] : "main", on_fault,
		on_note, &f, err);
	if (rc == ERR_INVALID && f.count > 0) {
		c->failed = true;
		rc = ERR_OK;
	}
	if (rc == ERR_OK)
		rc = tell_faults(&f, err);
out:
	governance_close(g);
	json_free(f.kept);
	json_free(f.list);
	return rc;
}

const struct command command_governance_check = {
	.name = "governance check",
	.words = "GOV [REVISION]",
	.summary = N_("check the files of the rules, before they are proposed"),
	.least = 1,
	.most = 2,
	.run = run_check,
};

/* log */

static enum err_code on_head(void *arg, const struct statement *s,
	unsigned signatures, bool final, struct err *err)
{
	struct cli *c = arg;
	char at[TIME_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	struct json *v;

	time_format(s->at, at);
	digest_hex(&s->digest, hex);
	if (!c->json) {
		printf("%6" PRIu64 "  %s  %.12s  %.16s  ", s->serial, at,
			s->commit, hex);
		printf(ngettext("%u signature", "%u signatures", signatures),
			signatures);
		puts(final ? "" : _(", not enough yet"));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "serial", json_new_u64(s->serial)) ||
		!json_set(v, "at", json_new_text(at)) ||
		!json_set(v, "commit", json_new_text(s->commit)) ||
		!json_set(v, "statement", json_new_text(hex)) ||
		!json_set(v, "signatures", json_new_u64(signatures)) ||
		!json_set(v, "final", json_new_bool(final))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_log(
	struct cli *c, const struct args *a, struct err *err)
{
	char *path = a->count ? strdup(a->word[0])
			      : file_join(c->data, "governance.git");
	struct governance *g = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = governance_open(path, &g, err)) == ERR_OK)
		rc = governance_each(g, on_head, c, err);
	governance_close(g);
	free(path);
	return rc;
}

const struct command command_governance_log = {
	.name = "governance log",
	.words = "[GOV]",
	.summary = N_("list the heads of the rules"),
	.most = 1,
	.run = run_log,
};

/* adopt */

static enum err_code on_first(void *arg, const struct statement *s,
	unsigned signatures, bool final, struct err *err)
{
	(void)signatures;
	(void) final;
	(void)err;
	if (s->serial == 1)
		*(struct digest *)arg = s->digest;
	return ERR_OK;
}

static enum err_code check_root(
	struct node *n, struct governance *g, const char *path, struct err *err)
{
	struct digest root = {{0}};
	char hex[DIGEST_HEX_SIZE];
	enum err_code rc = governance_each(g, on_first, &root, err);

	if (rc || digest_equal(&root, &n->config.root))
		return rc;
	digest_hex(&root, hex);
	return err_set(err, ERR_DENIED,
		"%s has the root fingerprint %s, which is not this node's",
		path, hex);
}

/* The heads that the other repository has and ours has not, as an exchange
 * with a peer would bring them. */
static enum err_code fetch(struct node *n, const char *path, struct err *err)
{
	struct governance *g = NULL;
	struct buf bundle = BUF_EMPTY;
	struct statement ours, theirs;
	uint64_t newest;
	enum err_code rc;

	if ((rc = governance_open(path, &g, err)) ||
		(rc = check_root(n, g, path, err)) ||
		(rc = governance_agree(n->governance, g, err)) ||
		(rc = governance_head(g, &theirs, err)) ||
		(rc = governance_head(n->governance, &ours, err)))
		goto out;
	newest = ours.serial;
	while (rc == ERR_OK && newest < theirs.serial) {
		buf_clear(&bundle);
		if ((rc = governance_export(g, newest, &bundle, err)) == ERR_OK)
			rc = governance_import(n->governance, bundle.data,
				bundle.len, &n->config.root, &newest, err);
	}
out:
	governance_close(g);
	buf_free(&bundle);
	return rc;
}

static enum err_code adopt_here(
	struct node *n, const char *path, uint64_t *serial, struct err *err)
{
	uint64_t adopted = 0;
	struct rules *rules;
	enum err_code rc;

	if ((rc = fetch(n, path, err)) ||
		(rc = node_adopt(n, NULL, &adopted, err)))
		return rc;
	rules = node_rules(n);
	*serial = rules_serial(rules);
	rules_unref(rules);
	return ERR_OK;
}

static enum err_code adopt_there(struct control *control, const char *path,
	uint64_t *serial, struct err *err)
{
	struct json *body = json_new_object(), *answer = NULL;
	enum err_code rc;

	if (!json_set(body, "path", json_new_text(path))) {
		json_free(body);
		return err_nomem(err);
	}
	rc = control_post_json(
		control, "/governance/adopt", body, &answer, err);
	if (rc == ERR_OK && !json_get_u64(answer, "serial", serial))
		rc = err_set(err, ERR_INTERNAL,
			"answer of the daemon without a serial");
	json_free(answer);
	return rc;
}

static enum err_code run_adopt(
	struct cli *c, const struct args *a, struct err *err)
{
	struct control *control = NULL;
	struct node *n = NULL;
	char *path = realpath(a->word[0], NULL);
	uint64_t serial = 0;
	enum err_code rc;

	if (!path)
		return err_sys(err, "%s", a->word[0]);
	if ((rc = open_writer(c, &control, &n, err)) == ERR_OK)
		rc = control ? adopt_there(control, path, &serial, err)
			     : adopt_here(n, path, &serial, err);
	node_close(n);
	control_close(control);
	free(path);
	if (rc == ERR_FORK) {
		cli_safe(c, "%s",
			_("The rules in force here stay, and records are taken "
			  "as ever."));
		cli_next(c, "%s", _("docs/rules.md, Trouble with heads"));
	}
	if (rc || c->json)
		return rc ? rc : print_count(c, "serial", serial, err);
	printf(_("The rules in force are those of head %" PRIu64 ".\n"),
		serial);
	return ERR_OK;
}

const struct command command_governance_adopt = {
	.name = "governance adopt",
	.words = "GOV",
	.summary = N_("take newer rules from a repository into this node"),
	.least = 1,
	.most = 1,
	.run = run_adopt,
};
