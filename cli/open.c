/* open.c - the way to the node: through its daemon, or its directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/guard.h"

/* How long a daemon may take from locking the store to answering. */
#define START_TRIES 60
#define START_PAUSE_MS 50

static bool has_records(const char *data)
{
	char *path = file_join(data, "extent");
	bool there = path && file_exists(path);

	free(path);
	return there;
}

static void advise_backup(struct cli *c)
{
	cli_safe(c, _("Nothing was changed or deleted."));
	cli_next(c,
		_("bring back from a backup what is named; after a lost disk, "
		  "make the node anew in an empty directory: cundang help "
		  "node request, and admit --replace"));
}

enum err_code open_check(struct cli *c, struct err *err)
{
	char *path = file_join(c->data, "node.yaml");
	enum err_code rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR)) {
		if (has_records(c->data)) {
			advise_backup(c);
			free(path);
			return err_set(err, ERR_CORRUPT,
				"%s holds records, but its node.yaml is gone",
				c->data);
		}
		rc = err_set(
			err, ERR_NOT_FOUND, "there is no node in %s", c->data);
		cli_next(c,
			_("name the node's directory: cundang -C DIRECTORY "
			  "..., or make one: cundang help init"));
	} else if (access(path, R_OK)) {
		rc = err_sys(err, "%s", path);
		if (errno == EACCES)
			rc = err_set(err, ERR_DENIED,
				"the node in %s belongs to another user",
				c->data);
	}
	free(path);
	return rc;
}

static bool index_there(const char *data)
{
	char *path = file_join(data, "index/data.mdb");
	bool there = path && file_exists(path);

	free(path);
	return there;
}

/* A file of ours that is not what it should be is damage, whatever parser says
 * so. */
enum err_code open_failed(struct cli *c, enum err_code rc, struct err *err)
{
	if (rc == ERR_INVALID || rc == ERR_PROTOCOL) {
		advise_backup(c);
		return err_set(err, ERR_CORRUPT, "%s", err->text);
	}
	if ((rc == ERR_NOT_FOUND || rc == ERR_CORRUPT) &&
		node_file_gone(c->data)) {
		advise_backup(c);
		return err_set(err, ERR_CORRUPT, "%s", err->text);
	}
	if (!index_there(c->data)) {
		cli_safe(c,
			_("What was kept lies in the segments; the index is "
			  "made from them."));
		cli_next_command(c, "fsck --rebuild");
		return err_set(err, rc, "the index in %s is missing", c->data);
	}
	if (rc == ERR_CORRUPT)
		cli_next_command(c, "fsck");
	return rc;
}

enum err_code open_reader(struct cli *c, struct node **out, struct err *err)
{
	enum err_code rc = open_check(c, err);

	if (rc)
		return rc;
	if (!SANITIZED)
		guard_reads(c);
	rc = node_open(c->data, STORE_READ, out, err);
	return rc ? open_failed(c, rc, err) : rc;
}

#define DAMAGES_TOLD 5

static enum err_code tell_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	size_t *count = arg;

	(void)err;
	if (++*count > DAMAGES_TOLD)
		return ERR_OK;
	fprintf(stderr, _("DAMAGE %s: "), where);
	out_reason(stderr, what);
	fputc('\n', stderr);
	return ERR_OK;
}

/* The command goes on: what is left can be used. */
static void tell_damages(struct node *n)
{
	size_t count = 0;

	(void)!store_damage_each(n->store, tell_damage, &count, NULL);
	if (n->cut)
		fputs(_("The end of the log is damaged or gone; a new log goes "
			"on.\n"),
			stderr);
	if (count)
		fputs(_("Nothing was deleted: cundang fsck tells all.\n"),
			stderr);
}

static void rest(void)
{
	const struct timespec t = {.tv_nsec = START_PAUSE_MS * 1000000L};

	nanosleep(&t, NULL);
}

enum err_code open_writer(struct cli *c, struct control **control,
	struct node **node, struct err *err)
{
	enum err_code rc = open_check(c, err);

	/* Another account's directory: its daemon knows who may what. */
	if (rc == ERR_DENIED && control_open(c->data, control, NULL) == ERR_OK)
		return ERR_OK;
	if (rc)
		return rc;
	for (int i = 0; i < START_TRIES; i++) {
		rc = control_open(c->data, control, err);
		if (rc != ERR_NOT_FOUND)
			return rc;
		rc = node_open(c->data, STORE_WRITE, node, err);
		if (rc != ERR_BUSY)
			break;
		rest();
	}
	if (rc == ERR_BUSY) {
		cli_safe(c,
			_("Nothing was changed. Another process is writing to "
			  "this node and does not answer on its control "
			  "socket."));
		cli_next(c, _("try again in a moment, or see who: fuser -v %s"),
			c->quoted);
	} else if (rc) {
		rc = open_failed(c, rc, err);
	} else {
		tell_damages(*node);
	}
	return rc;
}

enum err_code open_access(struct cli *c, struct control **control,
	struct node **node, struct err *err)
{
	enum err_code rc = control_open(c->data, control, err);

	return rc == ERR_NOT_FOUND ? open_writer(c, control, node, err) : rc;
}
