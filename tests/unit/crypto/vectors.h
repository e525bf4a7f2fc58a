/* vectors.h - what the crypto tests share: the log vectors and a plain tree. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/crypto.h"

/* Fails the test with the text of the error. */
#define assert_ok(call)                                                        \
	do {                                                                   \
		struct err err_ = {0};                                         \
		struct err *err = &err_;                                       \
		if ((call) != ERR_OK)                                          \
			fail_msg("%s: %s", #call, err_.text);                  \
	} while (0)

static inline struct json *vectors_load(void)
{
	struct buf text = BUF_EMPTY;
	struct json *v = NULL;

	assert_ok(file_read(
		TEST_DATA "/tlog-vectors.json", (size_t)1 << 20, &text, err));
	assert_ok(json_parse(text.data, text.len, (size_t)1 << 20, &v, err));
	buf_free(&text);
	return v;
}

static inline const char *vector_string(const struct json *o, const char *name)
{
	const char *s = json_get_string(o, name);

	assert_non_null(s);
	return s;
}

static inline uint64_t vector_u64(const struct json *o, const char *name)
{
	uint64_t v = 0;

	assert_true(json_get_u64(o, name, &v));
	return v;
}

static inline struct digest from_hex(const char *s)
{
	struct digest d = {{0}};

	assert_true(digest_from_hex(s, strlen(s), &d));
	return d;
}

static inline void seed_from_hex(const char *s, uint8_t seed[32])
{
	assert_true(hex_decode(s, strlen(s), seed, 32));
}

static inline void assert_digest_hex(const struct digest *d, const char *hex)
{
	char text[DIGEST_HEX_SIZE];

	digest_hex(d, text);
	assert_string_equal(text, hex);
}

/* The definition of RFC 6962 section 2.1, word for word. */
static inline struct digest naive_root(const struct digest *leaf, uint64_t n)
{
	struct digest left, right;
	uint64_t k = 1;

	if (n == 0)
		return digest_of("", 0);
	if (n == 1)
		return leaf[0];
	while (k * 2 < n)
		k *= 2;
	left = naive_root(leaf, k);
	right = naive_root(leaf + k, n - k);
	return tree_node(&left, &right);
}
