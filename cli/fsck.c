/* fsck.c - `cundang fsck`: reads and recomputes everything. */
#include <inttypes.h>
#include <string.h>

#include "cli/faults.h"
#include "cli/state.h"

#define THREADS_LIMIT 256

#define LOST_TOLD 10000

struct check {
	struct cli *cli;
	struct store *store;
	struct json *faults;
	uint64_t count;
	struct fault_sorts sorts;
	struct json *files; /* attachments that are lost */
	uint64_t file_count;
};

/* ---- attachments of our own records that are not here ---- */

static enum err_code on_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct check *k = arg;
	char name[DIGEST_HEX_SIZE];
	struct log_info log;
	struct json *o;
	enum err_code rc = store_log_by_id(k->store, ref->log, &log, err);

	if (rc || log.kind != LOG_OWN || k->file_count++ >= LOST_TOLD)
		return rc;
	digest_hex(&ref->object, name);
	o = json_new_object();
	if (json_set(o, "label", json_new_text(label_name(ref->label))) &&
		json_set(o, "object", json_new_text(name)) &&
		json_set(o, "origin", json_new_text(log.origin)) &&
		json_set(o, "seq", json_new_u64(ref->seq)))
		return json_append(k->files, o) ? ERR_OK : err_nomem(err);
	json_free(o);
	return err_nomem(err);
}

static void print_files(const struct check *k)
{
	char n[COUNT_TEXT_SIZE];

	if (!k->file_count)
		return;
	printf(ngettext("%s attachment of this node's records is lost:\n",
		       "%s attachments of this node's records are lost:\n",
		       k->file_count),
		out_count(k->file_count, n));
	out_lost_files(k->files);
}

/* ---- the result ---- */

static void on_fault(void *arg, const char *where, const char *what)
{
	struct check *k = arg;
	struct json *pair;

	k->count++;
	fault_sort(&k->sorts, where);
	if (k->cli->json) {
		pair = json_new_array();
		if (json_append(pair, json_new_text(where)) &&
			json_append(pair, json_new_text(what)))
			(void)json_append(k->faults, pair);
		else
			json_free(pair);
		return;
	}
	progress_end();
	printf("FAULT %s: ", where);
	out_reason(stdout, what);
	putchar('\n');
}

static struct json *result_json(
	const struct check *k, const struct fsck_result *r)
{
	struct json *v = json_new_object();

	if (json_set(v, "ok", json_new_bool(k->count == 0)) &&
		json_set(v, "faults", json_copy(k->faults)) &&
		json_set(v, "segments", json_new_u64(r->segments)) &&
		json_set(v, "blocks", json_new_u64(r->blocks)) &&
		json_set(v, "records", json_new_u64(r->records)) &&
		json_set(v, "parts", json_new_u64(r->parts)) &&
		json_set(v, "attachments", json_new_u64(r->attachments)) &&
		json_set(v, "erased", json_new_u64(r->erased)) &&
		json_set(v, "mended", json_new_u64(r->mended)) &&
		json_set(v, "lost", json_new_u64(r->lost)) &&
		json_set(v, "gone", json_new_u64(r->gone)) &&
		json_set(v, "lost_attachments", json_copy(k->files)) &&
		json_set(v, "bytes", json_new_u64(r->bytes)))
		return v;
	json_free(v);
	return NULL;
}

static void print_result(const struct check *k, const struct fsck_result *r)
{
	char records[COUNT_TEXT_SIZE], parts[COUNT_TEXT_SIZE];
	char bytes[COUNT_TEXT_SIZE], n[COUNT_TEXT_SIZE];

	printf(_("%s records, %s parts, %s bytes read and recomputed: "),
		out_count(r->records, records), out_count(r->parts, parts),
		out_count(r->bytes, bytes));
	if (k->count == 0 && (r->lost || r->gone || k->file_count))
		puts(_("what is here is whole, but not all is here."));
	else if (k->count == 0)
		puts(_("all good."));
	else
		printf(ngettext("%s fault.\n", "%s faults.\n", k->count),
			out_count(k->count, n));
	if (r->mended)
		printf(ngettext("%s damaged place is mended or given up.\n",
			       "%s damaged places are mended or given up.\n",
			       r->mended),
			out_count(r->mended, n));
	if (r->gone)
		printf(ngettext("%s record is lost, and cundang repair told of "
				"it.\n",
			       "%s records are lost, and cundang repair told "
			       "of them.\n",
			       r->gone),
			out_count(r->gone, n));
	if (r->lost)
		printf(ngettext("%s record lost parts that no node held.\n",
			       "%s records lost parts that no node held.\n",
			       r->lost),
			out_count(r->lost, n));
	print_files(k);
	if (k->count) {
		puts(_("Nothing was deleted."));
		fault_steps(&k->sorts, r->marks, false);
	}
}

static enum err_code check(
	struct check *k, struct store *s, size_t threads, struct err *err)
{
	struct fsck_result r = {0};
	enum err_code rc = store_fsck(s, threads, on_fault, k, &r, err);

	progress_end();
	if (rc && rc != ERR_CORRUPT)
		return rc;
	k->store = s;
	rc = store_wanted_each(s, on_wanted, k, err);
	if (rc && rc != ERR_CORRUPT)
		return rc;
	/* The faults are told; they are not told again as an error. */
	k->cli->damaged = k->count > 0;
	if (k->cli->json)
		return out_json(result_json(k, &r), err);
	print_result(k, &r);
	return ERR_OK;
}

/* To run fsck is no advice here. */
static enum err_code failed(struct cli *c, enum err_code rc, struct err *err)
{
	rc = open_failed(c, rc, err);
	if (rc == ERR_CORRUPT) {
		cli_safe(c, _("Nothing was changed or deleted."));
		cli_next(c,
			_("bring the file that is named back from a copy of "
			  "%s, then: cundang fsck"),
			c->quoted);
	}
	return rc;
}

static enum err_code run_fsck(
	struct cli *c, const struct args *a, struct err *err)
{
	struct check k = {.cli = c,
		.faults = json_new_array(),
		.files = json_new_array()};
	struct store_options opt = {
		.mode = args_has(a, "rebuild") ? STORE_WRITE : STORE_READ,
		.rebuild_index = args_has(a, "rebuild"),
		.scratch_index = true,
		.progress = progress_show,
	};
	struct store *s = NULL;
	uint64_t threads = 0;
	size_t files = 0;
	enum err_code rc;

	if (!k.faults || !k.files) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = args_number(a, "threads", THREADS_LIMIT, &threads, err)) ||
		(rc = open_check(c, err)))
		goto out;
	if ((rc = node_check_files(c->data, on_fault, &k, &files, err)))
		goto out;
	if ((rc = store_open(c->data, &opt, &s, err)) == ERR_BUSY) {
		cli_safe(c, _("Nothing was changed."));
		cli_next(c,
			_("stop the daemon first; without --rebuild fsck runs "
			  "beside it"));
	}
	if (rc == ERR_OK &&
		!(rc = node_check_origin(c->data, s, on_fault, &k, err)))
		rc = check(&k, s, (size_t)threads, err);
	else if (rc != ERR_BUSY)
		rc = failed(c, rc, err);
out:
	store_close(s);
	json_free(k.faults);
	json_free(k.files);
	return rc;
}

static const struct option_spec options[] = {
	{"rebuild", 0, NULL, N_("make the index anew from the segments first")},
	{"threads", 'j', "N", N_("how many threads (one a core)")},
	{NULL, 0, NULL, NULL},
};

const struct command command_fsck = {
	.name = "fsck",
	.words = "",
	.summary = N_("read and recompute everything that is kept"),
	.options = options,
	.run = run_fsck,
};
