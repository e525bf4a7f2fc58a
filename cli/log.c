/* log.c - `cundang log`: a log's checkpoint, and the log as a tree of tiles. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/partials.h"

static enum err_code key_of(struct node *n, const char *origin,
	char vkey[VKEY_SIZE], struct err *err)
{
	struct rules *rules = node_rules(n);
	struct sign_public pub;
	struct note_key key;
	enum err_code rc = ERR_OK;
	size_t all_but_epoch = (size_t)(strrchr(n->origin, '/') - n->origin);

	/* Earlier epochs of ours have the same key. */
	if (!strncmp(origin, n->origin, all_but_epoch + 1))
		pub = sign_key_public(n->log);
	else
		rc = rules_log_key(rules, origin, &pub, err);
	rules_unref(rules);
	if (rc || (rc = note_key_make(origin, NOTE_ED25519, &pub, &key, err)))
		return rc;
	note_key_vkey(&key, vkey);
	return ERR_OK;
}

static struct json *log_json(const struct log_info *log, uint64_t size,
	const struct buf *note, const char *vkey)
{
	char root[BASE64_SIZE(DIGEST_SIZE)];
	struct json *v = json_new_object();

	base64_encode(log->root.b, sizeof(log->root.b), root);
	if (json_set(v, "origin", json_new_text(log->origin)) &&
		json_set(v, "size", json_new_u64(size)) &&
		json_set(v, "cosigned", json_new_u64(log->cosigned_size)) &&
		json_set(v, "vkey", json_new_text(vkey)) &&
		(size != log->size ||
			json_set(v, "root", json_new_text(root))) &&
		(!note ||
			json_set(v, "checkpoint",
				json_new_string(
					(const char *)note->data, note->len))))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code tell(struct cli *c, struct node *n,
	const struct log_info *log, struct err *err)
{
	struct buf note = BUF_EMPTY;
	char vkey[VKEY_SIZE], count[COUNT_TEXT_SIZE];
	enum err_code rc;

	if ((rc = key_of(n, log->origin, vkey, err)) ||
		(rc = store_note(n->store, log->id, NOTE_COMPLETE, &note, err)))
		goto out;
	if (c->json) {
		rc = out_json(log_json(log, log->size, &note, vkey), err);
		goto out;
	}
	printf(_("%s entries, countersigned above: %" PRIu64 "\n"),
		out_count(log->size, count), log->cosigned_size);
	printf("%s %s\n\n", _("key"), vkey);
	fwrite(note.data, 1, note.len, stdout);
out:
	buf_free(&note);
	return rc;
}

static enum err_code write_key(
	const char *dir, const char *vkey, struct err *err)
{
	char *path = file_join(dir, "vkey"), line[VKEY_SIZE + 1];
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	snprintf(line, sizeof(line), "%s\n", vkey);
	rc = file_replace(path, line, strlen(line), 0644, err);
	free(path);
	return rc;
}

static enum err_code export(struct cli *c, struct node *n,
	const struct log_info *log, const char *dir, bool partials,
	struct err *err) {
	char vkey[VKEY_SIZE], count[COUNT_TEXT_SIZE]; uint64_t size = 0;
	enum err_code rc;

	if ((rc = key_of(n, log->origin, vkey, err)) ||
		(rc = log_export(n, log, dir, &size, err)) ||
		(rc = write_key(dir, vkey, err)) ||
		(partials && (rc = partials_write(dir, size, err)))) return rc;
	if (c->json) return out_json(log_json(log, size, NULL, vkey), err);
	printf(_("%s entries of %s are in %s, the key in %s/vkey.\n"),
		out_count(size, count), log->origin, dir, dir);
	return ERR_OK;
}

static enum err_code run_log(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *name = args_get(a, "origin");
	const char *dir = args_get(a, "export");
	struct log_info log;
	struct node *n = NULL;
	enum err_code rc;

	if (a->count && name)
		return err_set(err, ERR_USAGE,
			"log of %s or of %s: name one of them", a->word[0],
			name);
	if (a->count)
		name = a->word[0];
	if ((rc = open_reader(c, &n, err)))
		return rc;
	rc = name ? point_log(n->store, name, &log, err)
		  : store_log_own(n->store, &log, err);
	if (rc == ERR_OK)
		rc = dir ? export(c, n, &log, dir, args_has(a, "all-partials"),
				   err)
			 : tell(c, n, &log, err);
	node_close(n);
	return rc;
}

static const struct option_spec options[] = {
	{"origin", 0, "CODE|ORIGIN", N_("whose log (this node's)")},
	{"export", 0, "DIR", N_("write it as a C2SP tlog-tiles tree")},
	{"all-partials", 0, NULL, N_("with partial tiles of every width")},
	{NULL, 0, NULL, NULL},
};

const struct command command_log = {
	.name = "log",
	.words = "[CODE|ORIGIN]",
	.summary = N_("show a log's checkpoint, or export the log"),
	.detail = N_("The tree has checkpoint, tile/L/N, tile/entries/N and "
		     "vkey, the log's key. Partial tiles\nare those of the "
		     "checkpoint's size."),
	.most = 1,
	.options = options,
	.run = run_log,
};
