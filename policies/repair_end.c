/* repair_end.c - the end of a repair: what nothing needs any more is closed,
 * and what is left is told. */
#include "policies/repair.h"

#include <stdlib.h>
#include <string.h>

/* ---- faults, told once it is known which of them records need ---- */

struct fault {
	char where[128];
	char what[ERR_TEXT_SIZE];
};

struct faults {
	struct fault *at;
	size_t count, cap;
	bool starved;
};

static void keep_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		len = size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

static void on_fault(void *arg, const char *where, const char *what)
{
	struct faults *f = arg;

	if (!grow(&f->at, &f->cap, f->count, sizeof(*f->at))) {
		f->starved = true;
		return;
	}
	keep_text(f->at[f->count].where, sizeof(f->at->where), where);
	keep_text(f->at[f->count++].what, sizeof(f->at->what), what);
}

static enum err_code look(struct node *n, struct faults *f,
	struct damage_places **places, struct err *err)
{
	enum err_code rc;

	f->count = 0;
	damage_places_free(*places);
	*places = NULL;
	rc = store_damage_look(n->store, 0, on_fault, f, places, err);
	return !rc && f->starved ? err_nomem(err) : rc;
}

/* ---- closing ---- */

static bool forgone(
	void *arg, const struct log_info *log, uint64_t from, uint64_t count)
{
	uint64_t end = from + count;
	uint64_t many = 0;

	for (; from < end; from += many)
		if (!repair_given_up(arg, log->origin, from, &many) || !many)
			return false;
	return true;
}

static enum err_code close_job(struct batch *b, void *arg, struct err *err)
{
	return batch_close(b, arg, err);
}

enum err_code repair_end(struct node *n, struct writer *w, fsck_fault *fault,
	void *arg, struct err *err)
{
	struct damage_places *places = NULL;
	struct faults f = {0};
	enum err_code rc;

	if ((rc = look(n, &f, &places, err)) ||
		((f.count || store_refs_check(n->store, NULL)) &&
			(rc = repair_refer(n, w, places, err))) ||
		(rc = store_damage_need(n->store, places, forgone, n, err)) ||
		(rc = writer_run(w, close_job, places, err)) ||
		(f.count && (rc = look(n, &f, &places, err))))
		goto out;
	for (size_t i = 0; fault && i < f.count; i++)
		if (!damage_needed(places, f.at[i].where))
			fault(arg, f.at[i].where, f.at[i].what);
out:
	damage_places_free(places);
	free(f.at);
	return rc;
}
