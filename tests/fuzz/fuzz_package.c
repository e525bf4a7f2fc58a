/* fuzz_package.c - a package's head is written back to the byte, and so are the
 * marks from the records that got them; a run that decodes holds entries that
 * hash to their leaves. */
#include <stdlib.h>
#include <string.h>

#include "policies/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_marks(const struct package_message *m, struct run *run)
{
	struct erasure *room = NULL;
	struct buf again = BUF_EMPTY;

	if (marks_apply(&m->marks, run, &room, NULL) == ERR_OK) {
		marks_write(run, run->count, &again);
		check(!again.failed && again.len == m->marks.len);
		check(!memcmp(again.data, m->marks.data, again.len));
	}
	buf_free(&again);
	free(room);
}

static void check_run(const struct package_message *m)
{
	struct run run = {0};
	struct digest leaf;

	if (run_decode(m->run, m->run_len, m->start, &run, NULL))
		return;
	check(run.start == m->start && run.count <= RUN_LIMIT);
	for (size_t i = 0; i < run.count; i++) {
		const struct record *r = &run.record[i];

		leaf = tree_leaf(r->entry, r->entry_len);
		check(digest_equal(&leaf, &r->leaf));
	}
	check_marks(m, &run);
	run_free(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package_message m;
	struct buf again = BUF_EMPTY;
	struct err err;

	if (package_message_parse(data, size, &m, &err))
		return 0;
	package_message_write(&m, &again);
	buf_add(&again, m.run, m.run_len);
	check(!again.failed && again.len == size);
	check(!memcmp(again.data, data, size));
	buf_free(&again);
	check_run(&m);
	return 0;
}
