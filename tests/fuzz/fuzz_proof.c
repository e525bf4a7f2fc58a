/* fuzz_proof.c - log proofs, proof bytes and tile paths: parsed, written and
 * parsed again they are the same. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A proof has one spelling, so its bytes come back, and with them the proof. */
static void check_proof(const uint8_t *data, size_t size)
{
	struct digest d = digest_of(data, size);
	struct buf again = BUF_EMPTY;
	struct proof p, q;

	if (proof_parse(data, size, &p, NULL) != ERR_OK)
		return;
	proof_write(p.index, &p.path, p.extra, p.extra_len, p.note, p.note_len,
		&again);
	check(again.len == size && !memcmp(again.data, data, size));
	check(proof_parse(again.data, again.len, &q, NULL) == ERR_OK);
	check(q.index == p.index && q.path.count == p.path.count &&
		q.extra_len == p.extra_len && q.note_len == p.note_len);
	(void)tree_check_inclusion(
		p.index, p.index + size, &d, &p.path, &p.path.hash[0]);
	(void)tree_check_subtree(0, p.index, p.index + size, &d, &p.path, &d);
	proof_fini(&p);
	proof_fini(&q);
	buf_free(&again);
}

static void check_proof_bytes(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct buf again = BUF_EMPTY;
	struct tree_proof p;

	if (!tree_proof_read(&c, &p))
		return;
	tree_proof_write(&p, &again);
	check(again.len == size - c.left &&
		!memcmp(again.data, data, again.len));
	buf_free(&again);
}

static void check_path(const char *s, size_t size)
{
	char again[TILE_PATH_SIZE];
	unsigned width;
	uint64_t index;
	int level;

	if (!tile_path_parse(s, size, &level, &index, &width))
		return;
	tile_path(level, index, width, again);
	check(strlen(again) == size && !memcmp(again, s, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_proof(data, size);
	check_proof_bytes(data, size);
	check_path((const char *)data, size);
	return 0;
}
