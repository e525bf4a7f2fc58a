/* key.c - keys and small values of the index as bytes. */
#include <assert.h>
#include <string.h>

#include "store/inside.h"

void key_add(struct key *k, const void *data, size_t len)
{
	assert(len <= sizeof(k->b) - k->len);
	memcpy(k->b + k->len, data, len);
	k->len += len;
}

void key_u8(struct key *k, uint8_t v)
{
	key_add(k, &v, 1);
}

void key_u32(struct key *k, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		key_u8(k, (uint8_t)(v >> shift));
}

void key_u64(struct key *k, uint64_t v)
{
	key_u32(k, (uint32_t)(v >> 32));
	key_u32(k, (uint32_t)v);
}

struct bytes key_bytes(const struct key *k)
{
	return (struct bytes){k->b, k->len};
}

struct key key_of_log(uint32_t log)
{
	struct key k = KEY_EMPTY;

	key_u32(&k, log);
	return k;
}

struct key key_of_seq(uint32_t log, uint64_t seq)
{
	struct key k = key_of_log(log);

	key_u64(&k, seq);
	return k;
}

struct key key_of_part(uint32_t log, uint8_t label, uint64_t seq)
{
	struct key k = key_of_log(log);

	key_u8(&k, label);
	key_u64(&k, seq);
	return k;
}

struct key key_of_place(struct place at)
{
	struct key k = KEY_EMPTY;

	key_u32(&k, at.segment);
	key_u64(&k, at.offset);
	return k;
}

struct cursor value_cursor(struct bytes v)
{
	return cursor_over(v.data, v.len);
}

enum err_code row_corrupt(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT,
		"index: a row of %s is malformed: rebuild it by fsck "
		"--rebuild",
		what);
}

enum err_code meta_get_u64(
	struct index_txn *t, const char *name, uint64_t *out, struct err *err)
{
	struct bytes key = {name, strlen(name)};
	struct bytes value;
	struct cursor c;
	enum err_code rc = index_get(t, DB_META, key, &value, err);

	if (rc == ERR_NOT_FOUND) {
		*out = 0;
		return ERR_OK;
	}
	if (rc)
		return rc;
	c = value_cursor(value);
	*out = cursor_u64(&c);
	return cursor_done(&c) ? ERR_OK : row_corrupt(err, name);
}

enum err_code meta_put_u64(
	struct index_txn *t, const char *name, uint64_t v, struct err *err)
{
	struct bytes key = {name, strlen(name)};
	struct key value = KEY_EMPTY;

	key_u64(&value, v);
	return index_put(t, DB_META, key, key_bytes(&value), err);
}
