/* fuzz_sshsig.c - SSH signatures and public keys, as text and, past their
 * base64, as bytes. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOB_LIMIT 8192

static void check_signature(const void *armor, size_t len)
{
	struct ssh_public signer;

	/* Whoever can sign this here has found more than a crash. */
	if (sshsig_check(armor, len, "cundang-fuzz", "no file says this", 17,
		    &signer, NULL) == ERR_OK)
		abort();
	(void)!sshsig_check(armor, len, "file", "hello\n", 6, &signer, NULL);
}

static void check_line(const char *line, size_t len)
{
	struct buf text = BUF_EMPTY, print = BUF_EMPTY;
	struct ssh_public k, again;

	if (ssh_public_parse(line, len, &k, NULL) != ERR_OK)
		return;
	ssh_public_text(&k, &text);
	if (ssh_public_parse((char *)text.data, text.len, &again, NULL) !=
			ERR_OK ||
		!ssh_public_equal(&k, &again))
		abort();
	ssh_public_fingerprint(&k, &print);
	buf_free(&text);
	buf_free(&print);
}

/* The blob's own kind in front, so that lines of all kinds get through. */
static void check_blob_line(const uint8_t *data, size_t size, const char *text)
{
	struct cursor c = cursor_over(data, size);
	size_t kind_len = cursor_u32(&c);
	const uint8_t *kind = cursor_bytes(&c, kind_len);
	struct buf line = BUF_EMPTY;

	if (!kind)
		return;
	buf_add(&line, kind, kind_len);
	buf_printf(&line, " %s comment\n", text);
	check_line((char *)line.data, line.len);
	buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[BASE64_SIZE(BLOB_LIMIT)];
	struct buf armor = BUF_EMPTY;

	check_signature(data, size);
	check_line((const char *)data, size);
	if (size > BLOB_LIMIT)
		return 0;
	base64_encode(data, size, text);
	buf_printf(&armor,
		"-----BEGIN SSH SIGNATURE-----\n%s\n"
		"-----END SSH SIGNATURE-----\n",
		text);
	check_signature(armor.data, armor.len);
	check_blob_line(data, size, text);
	buf_free(&armor);
	return 0;
}
