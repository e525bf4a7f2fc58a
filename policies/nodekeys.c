/* nodekeys.c - a node's four keys, and the list of what they are.
 *
 * A private key that lost a bit is still a key, of somebody else:
 * DATA/keys/public lists the public keys that the node was made with. */
#include "policies/nodefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_FILE NODE_KEYS "/public"
#define PUBLIC_LIMIT ((size_t)4096)

static const char *const files[NODE_KEY_COUNT] = {
	NODE_KEY_LOG, NODE_KEY_WITNESS, NODE_KEY_TLS, NODE_KEY_SEAL};

static const char *const next[NODE_KEY_COUNT - 1] = {NODE_KEYS "/next-log.pem",
	NODE_KEYS "/next-witness.pem", NODE_KEYS "/next-tls.pem"};
static const char *const old[NODE_KEY_COUNT - 1] = {NODE_KEYS "/old-log.pem",
	NODE_KEYS "/old-witness.pem", NODE_KEYS "/old-tls.pem"};

const char *node_key_file(size_t i)
{
	return files[i];
}

const char *node_key_next(size_t i)
{
	return next[i];
}

const char *node_key_old(size_t i)
{
	return old[i];
}

/* As a line of the list: the file that it is in, or is to be in, and, in hex,
 * the SHA-256 of the key. */
static enum err_code key_line(const char *data, size_t i, const char *file,
	struct buf *out, struct err *err)
{
	char *path = file_join(data, file);
	struct sign_key *key = NULL;
	struct buf spki = BUF_EMPTY;
	char hex[DIGEST_HEX_SIZE];
	struct sign_public public;
	struct digest d;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (strcmp(files[i], NODE_KEY_SEAL) == 0) {
		if (!(rc = seal_key_public(path, &spki, err)))
			d = digest_of(spki.data, spki.len);
	} else if (!(rc = sign_key_load(path, &key, err))) {
		public = sign_key_public(key);
		d = digest_of(&public, sizeof(public));
	}
	if (!rc) {
		digest_hex(&d, hex);
		buf_printf(out, "%s %s\n", files[i], hex);
		rc = buf_ok(out, err);
	}
	sign_key_free(key);
	buf_free(&spki);
	free(path);
	return rc;
}

enum err_code node_keys_note(const char *data, struct err *err)
{
	char *path = file_join(data, PUBLIC_FILE);
	struct buf text = BUF_EMPTY;
	enum err_code rc = path ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < NODE_KEY_COUNT; i++)
		rc = key_line(data, i, files[i], &text, err);
	for (size_t i = 0; !rc && i < ARRAY_LEN(next); i++) {
		rc = key_line(data, i, next[i], &text, err);
		if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
	}
	if (!rc)
		rc = file_replace(path, text.data, text.len, 0600, err);
	buf_free(&text);
	free(path);
	return rc;
}

enum err_code node_key_check(const char *data, size_t i, struct err *err)
{
	char *path = file_join(data, PUBLIC_FILE);
	struct buf text = BUF_EMPTY;
	struct buf line = BUF_EMPTY;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = key_line(data, i, files[i], &line, err)))
		goto out;
	/* Nodes of before there was a list have none. */
	rc = file_read(path, PUBLIC_LIMIT, &text, err);
	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	else if (!rc && !memmem(text.data, text.len, line.data, line.len))
		rc = err_set(err, ERR_CORRUPT,
			"%s is not the key that keys/public lists: one of both "
			"is damaged or was changed",
			files[i]);
out:
	buf_free(&text);
	buf_free(&line);
	free(path);
	return rc;
}

enum err_code node_keys_check(const char *data, bool note, struct err *err)
{
	char *path = file_join(data, PUBLIC_FILE);
	enum err_code rc = path ? ERR_OK : err_nomem(err);

	if (!rc && note && !file_exists(path))
		rc = node_keys_note(data, err);
	for (size_t i = 0; !rc && i < NODE_KEY_COUNT; i++)
		rc = node_key_check(data, i, err);
	free(path);
	return rc;
}
