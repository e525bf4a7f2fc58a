/* fuzz_proved.c - a proved message is written back to the byte; its proof and
 * its run are parsed as the taker does. */
#include <stdlib.h>
#include <string.h>

#include "policies/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_inside(const struct proved_message *m)
{
	struct erasure *room = NULL;
	struct run run = {0};
	struct proof proof;

	if (proof_parse(m->proof, m->proof_len, &proof, NULL))
		return;
	check(proof.path.count <= TREE_PROOF_LIMIT);
	if (run_decode(m->run, m->run_len, proof.index, &run, NULL) == ERR_OK)
		(void)marks_apply(&m->marks, &run, &room, NULL);
	run_free(&run);
	free(room);
	proof_fini(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proved_message m;
	struct buf again = BUF_EMPTY;
	struct err err;

	if (proved_message_parse(data, size, &m, &err))
		return 0;
	proved_message_write(&m, &again);
	check(!again.failed && again.len == size);
	check(!memcmp(again.data, data, size));
	buf_free(&again);
	check_inside(&m);
	return 0;
}
