/* verify.c - `cundang verify`: a package or a proof, judged by itself. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/scratch.h"

#define PROOF_HEAD "c2sp.org/tlog-proof@v1"

struct check {
	struct cli *cli;
	struct json *faults; /* pairs, for --json */
	uint64_t count;
};

static void on_fault(void *arg, const char *thing, const char *what)
{
	struct check *k = arg;
	struct json *pair;

	k->count++;
	if (k->cli->json) {
		pair = json_new_array();
		if (json_append(pair, json_new_text(thing)) &&
			json_append(pair, json_new_text(what)))
			(void)json_append(k->faults, pair);
		else
			json_free(pair);
		return;
	}
	fputs("FAULT ", stdout);
	out_plain(stdout, thing, strlen(thing));
	fputs(": ", stdout);
	out_reason(stdout, what);
	putchar('\n');
}

/* {"ok","faults"}; NULL when out of memory. */
static struct json *verdict(const struct check *k)
{
	struct json *v = json_new_object();

	if (json_set(v, "ok", json_new_bool(k->count == 0)) &&
		json_set(v, "faults", json_copy(k->faults)))
		return v;
	json_free(v);
	return NULL;
}

/* Packages */

static struct json *package_json(
	const struct check *k, const struct archive_report *r)
{
	char root[BASE64_SIZE(DIGEST_SIZE)];
	struct json *v = verdict(k);

	base64_encode(r->root.b, sizeof(r->root.b), root);
	if (!r->size) /* it was not read so far */
		return v;
	if (v && json_set(v, "origin", json_new_text(r->origin)) &&
		json_set(v, "holder", json_new_text(r->holder)) &&
		json_set(v, "size", json_new_u64(r->size)) &&
		json_set(v, "from", json_new_u64(r->from)) &&
		json_set(v, "to", json_new_u64(r->to)) &&
		json_set(v, "root", json_new_text(root)) &&
		json_set(v, "records", json_new_u64(r->records)) &&
		json_set(v, "parts", json_new_u64(r->parts)) &&
		json_set(v, "withheld", json_new_u64(r->withheld)) &&
		json_set(v, "erased", json_new_u64(r->erased)) &&
		json_set(v, "attachments", json_new_u64(r->attachments)) &&
		json_set(v, "cosignatures", json_new_u64(r->cosignatures)))
		return v;
	json_free(v);
	return NULL;
}

static void print_package(const struct check *k, const struct archive_report *r)
{
	char n[COUNT_TEXT_SIZE];

	if (k->count > 0) {
		printf(ngettext("%s fault: this package is not what it claims "
				"to be.\n",
			       "%s faults: this package is not what it claims "
			       "to be.\n",
			       k->count),
			out_count(k->count, n));
		return;
	}
	printf(ngettext("Good: %s record", "Good: %s records", r->records),
		out_count(r->records, n));
	printf(_(" of %s, entries %" PRIu64 " to %" PRIu64
		 ", %u countersignatures.\n"),
		r->origin, r->from, r->to, r->cosignatures);
	if (r->withheld)
		printf(_("Parts withheld by the rules: %s\n"),
			out_count(r->withheld, n));
	if (r->erased)
		printf(_("Parts destroyed under orders: %s\n"),
			out_count(r->erased, n));
}

/* archive_verify() unpacks below $TMPDIR: a folder that goes with us. */
static enum err_code enter_scratch(struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *folder = NULL;
	enum err_code rc;

	if (asprintf(&folder, "%s/cundang-XXXXXX", tmp && *tmp ? tmp : "/tmp") <
		0)
		return err_nomem(err);
	rc = scratch_enter(folder, err);
	if (rc == ERR_OK && setenv("TMPDIR", folder, 1))
		rc = err_sys(err, "TMPDIR");
	free(folder);
	return rc;
}

static enum err_code verify_package(struct check *k, const struct args *a,
	const char *path, bool folder, struct err *err)
{
	const char *hex = args_get(a, "root");
	struct archive_report r = {0};
	struct digest root;
	enum err_code rc;

	if (!hex)
		return err_set(err, ERR_USAGE,
			"a package is verified by --root, the root fingerprint "
			"on paper");
	if (!digest_from_hex(hex, strlen(hex), &root))
		return err_set(err, ERR_USAGE,
			"--root %s is not 64 lower-case hexadecimal digits",
			hex);
	if (!folder && (rc = enter_scratch(err)))
		return rc;
	rc = archive_verify(path, &root, on_fault, k, &r, err);
	if (rc && (rc != ERR_CORRUPT || k->count == 0))
		return rc;
	k->cli->failed = k->count > 0;
	if (k->cli->json)
		return out_json(package_json(k, &r), err);
	print_package(k, &r);
	return ERR_OK;
}

/* Proofs */

/* --log takes the key itself, or a file with it (log --export writes one). */
static enum err_code read_key(
	const char *said, struct note_key *key, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;
	char *end;

	if (!said)
		return err_set(err, ERR_USAGE,
			"a proof is verified by --log, the key of its log");
	if (strchr(said, '+') && note_key_parse(said, key, NULL) == ERR_OK)
		return ERR_OK;
	if (!file_exists(said))
		return err_set(err, ERR_USAGE,
			"--log %s is neither a key of a log nor a file", said);
	if ((rc = file_read(said, VKEY_SIZE + 2, &text, err)) == ERR_OK) {
		end = (char *)text.data + strcspn((char *)text.data, "\r\n");
		*end = '\0';
		rc = note_key_parse((char *)text.data, key, err);
	}
	buf_free(&text);
	return rc;
}

static struct json *proof_json(
	const struct check *k, const struct proof_report *r)
{
	struct json *v = verdict(k);

	if (v && json_set(v, "origin", json_new_text(r->origin)) &&
		json_set(v, "seq", json_new_u64(r->seq)) &&
		json_set(v, "size", json_new_u64(r->size)) &&
		json_set(v, "records", json_new_u64(1)) &&
		json_set(v, "id", json_new_text(r->entry.id)) &&
		json_set(v, "series", json_new_text(r->entry.series)) &&
		json_set(v, "rev", json_new_u64(r->entry.rev)) &&
		json_set(v, "created_at", json_new_text(r->entry.at)) &&
		json_set(v, "fields", json_copy(r->fields)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code print_proof(const struct proof_report *r, struct err *err)
{
	printf(_("Good: entry %" PRIu64 " of %s, signed with %" PRIu64
		 " entries.\n"),
		r->seq, r->origin, r->size);
	printf("%s  %s  %s\n", r->entry.series, r->entry.id, r->entry.at);
	return out_json(json_copy(r->fields), err);
}

static enum err_code verify_proof(struct check *k, const struct args *a,
	const char *path, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	struct proof_report r = {0};
	struct note_key key;
	enum err_code rc;

	if ((rc = read_key(args_get(a, "log"), &key, err)) ||
		(rc = file_read(path, PROOF_SIZE_LIMIT, &bytes, err)))
		goto out;
	if (bytes.len < sizeof(PROOF_HEAD) ||
		memcmp(bytes.data, PROOF_HEAD, sizeof(PROOF_HEAD) - 1))
		rc = err_set(err, ERR_INVALID,
			"this is no proof: it does not begin with %s",
			PROOF_HEAD);
	else
		rc = proof_verify(bytes.data, bytes.len, &key, &r, err);
	if (rc == ERR_PROTOCOL || rc == ERR_DENIED || rc == ERR_INVALID) {
		on_fault(k, "proof", err->text);
		k->cli->failed = true;
		rc = k->cli->json ? out_json(verdict(k), err) : ERR_OK;
	} else if (rc == ERR_OK) {
		rc = k->cli->json ? out_json(proof_json(k, &r), err)
				  : print_proof(&r, err);
	}
out:
	json_free(r.fields);
	buf_free(&bytes);
	return rc;
}

enum kind { KIND_FOLDER, KIND_TAR, KIND_PROOF };

/* A file is a proof when it begins as one, or is said to be one. */
static enum err_code kind_of(
	const char *path, const struct args *a, enum kind *out, struct err *err)
{
	char head[sizeof(PROOF_HEAD)] = "";
	struct stat st;
	ssize_t n = 0;
	int fd;

	if (stat(path, &st))
		return err_sys(err, "%s", path);
	*out = KIND_FOLDER;
	if (S_ISDIR(st.st_mode))
		return ERR_OK;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 ||
		(n = read(fd, head, sizeof(head) - 1)) < 0) {
		enum err_code rc = err_sys(err, "%s", path);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	close(fd);
	*out = !strcmp(head, PROOF_HEAD) ||
			(args_has(a, "log") && !args_has(a, "root"))
		? KIND_PROOF
		: KIND_TAR;
	return ERR_OK;
}

static enum err_code run_verify(
	struct cli *c, const struct args *a, struct err *err)
{
	struct check k = {.cli = c, .faults = json_new_array()};
	const char *path = a->word[0];
	enum err_code rc;
	enum kind kind;

	if (!k.faults)
		return err_nomem(err);
	if ((rc = kind_of(path, a, &kind, err)) == ERR_OK)
		rc = kind == KIND_PROOF
			? verify_proof(&k, a, path, err)
			: verify_package(&k, a, path, kind == KIND_FOLDER, err);
	json_free(k.faults);
	return rc;
}

static const struct option_spec options[] = {
	{"root", 0, "SHA256", N_("the root fingerprint on paper")},
	{"log", 0, "VKEY|FILE", N_("the key of a proof's log")},
	{NULL, 0, NULL, NULL},
};

const struct command command_verify = {
	.name = "verify",
	.words = "PACKAGE|DIR --root SHA256, or PROOF --log VKEY",
	.summary = N_("verify a package or a record's proof, offline"),
	.detail = N_("Faults come one a line, FAULT thing: what; then the exit "
		     "code is 1."),
	.least = 1,
	.most = 1,
	.options = options,
	.run = run_verify,
};
