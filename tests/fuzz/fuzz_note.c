/* fuzz_note.c - notes, checkpoints and verifier keys: what parses can be
 * checked, merged and written again. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* The log key of the test vectors, under the name and id of each line. */
static const struct sign_public pub = {
	{0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe, 0x1d, 0x70, 0xdd, 0x18,
		0xe7, 0x4b, 0xc0, 0x99, 0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5,
		0x0d, 0x5f, 0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8}};

static void check_lines(const struct note *n)
{
	static const enum note_type types[] = {NOTE_ED25519, NOTE_COSIGNATURE};

	for (size_t i = 0; i < n->count && i < 3; i++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			struct note_key k;
			uint64_t time;

			check(note_key_make(n->line[i].name, types[t], &pub, &k,
				      NULL) == ERR_OK);
			k.id = n->line[i].id;
			check(note_check(n, &k, &time) != NOTE_ABSENT);
		}
	}
}

static void check_note(const struct note *n)
{
	struct buf merged = BUF_EMPTY, text = BUF_EMPTY;
	struct checkpoint cp;
	struct note again;

	check_lines(n);
	check(note_merge(n, n, &merged, NULL) == ERR_OK);
	check(note_parse(merged.data, merged.len, &again, NULL) == ERR_OK);
	check(again.count <= n->count && again.text_len == n->text_len);
	if (checkpoint_parse(n->text, n->text_len, &cp, NULL) == ERR_OK) {
		checkpoint_text(&cp, &text);
		check(text.len == n->text_len &&
			!memcmp(text.data, n->text, text.len));
	}
	buf_free(&merged);
	buf_free(&text);
}

static void check_vkey(const uint8_t *data, size_t size)
{
	struct buf text = BUF_EMPTY;
	char back[VKEY_SIZE];
	struct note_key k;

	buf_add(&text, data, size);
	if (buf_cstr(&text) && !memchr(text.data, 0, text.len) &&
		note_key_parse((char *)text.data, &k, NULL) == ERR_OK) {
		note_key_vkey(&k, back);
		check(!strcmp(back, (char *)text.data));
	}
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint cp;
	struct note n;

	check_vkey(data, size);
	if (note_parse(data, size, &n, NULL) != ERR_OK)
		return 0;
	check_note(&n);
	(void)!checkpoint_open(data, size, &pub, &n, &cp, NULL);
	return 0;
}
