/* fuzz_disclose.c - part digests: equal inputs give equal digests, and a
 * canonical object's is the one that its fields' disclosures lead to. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t seed[SEED_SIZE] = {1, 2, 3};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void encoded_digest(const struct buf *b, char out[DIGEST_TEXT_SIZE])
{
	char *text = malloc(BASE64URL_SIZE(b->len));
	struct digest d;

	check(text != NULL);
	d = digest_of(text, base64url_encode(b->data, b->len, text));
	digest_base64url(&d, out);
	free(text);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* salt("") by the definition, with a whole message in one buffer. */
static void part_salt(enum label label, char out[BASE64URL_SIZE(16)])
{
	struct hmac_key k;
	struct digest d;

	hmac_init(&k, seed, sizeof(seed));
	d = hmac_of(&k, label_name(label), strlen(label_name(label)) + 1);
	hmac_fini(&k);
	base64url_encode(d.b, 16, out);
}

static void check_by_disclosures(
	const struct json *part, enum label label, const struct digest *want)
{
	static char fields[PART_FIELDS_LIMIT][DIGEST_TEXT_SIZE];
	char salt[BASE64URL_SIZE(16)], got[DIGEST_TEXT_SIZE];
	char wanted[DIGEST_TEXT_SIZE];
	struct buf b = BUF_EMPTY, value = BUF_EMPTY;
	size_t count = json_count(part);

	for (size_t i = 0; i < count; i++) {
		const char *name;
		const struct json *v = json_member(part, i, &name);

		buf_clear(&value);
		buf_clear(&b);
		check(json_write(v, &value, NULL) == ERR_OK);
		check(field_disclosure(seed, label, name, (char *)value.data,
			      value.len, &b, NULL) == ERR_OK);
		encoded_digest(&b, fields[i]);
	}
	qsort(fields, count, sizeof(fields[0]), compare);
	part_salt(label, salt);
	buf_clear(&b);
	buf_printf(&b, "[\"%s\",\"%s\",{\"_sd\":[", salt, label_name(label));
	for (size_t i = 0; i < count; i++)
		buf_printf(&b, "%s\"%s\"", i ? "," : "", fields[i]);
	buf_str(&b, "]}]");
	encoded_digest(&b, got);
	digest_base64url(want, wanted);
	check(!strcmp(got, wanted));
	buf_free(&b);
	buf_free(&value);
}

static bool is_part(const struct json *v)
{
	return json_kind(v) == JSON_KIND_OBJECT &&
		json_count(v) <= PART_FIELDS_LIMIT && !json_get(v, "") &&
		!json_get(v, "_sd") && !json_get(v, "...");
}

/* The first byte chooses the label. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *v = NULL;
	struct digest d, e;
	enum label label;
	const char *json;
	enum err_code rc;
	char *copy;

	if (size == 0)
		return 0;
	label = (enum label)(data[0] % LABEL_COUNT);
	json = (const char *)data + 1;
	size--;
	rc = part_digest(seed, label, json, size, &d, NULL);
	copy = malloc(size + 1);
	check(copy != NULL);
	memcpy(copy, json, size);
	check(part_digest(seed, label, copy, size, &e, NULL) == rc);
	check(rc != ERR_OK || digest_equal(&d, &e));
	if (json_parse_canonical(json, size, JSON_TEXT_LIMIT, &v, NULL) ==
			ERR_OK &&
		is_part(v)) {
		check(rc == ERR_OK);
		check_by_disclosures(v, label, &d);
	}
	json_free(v);
	free(copy);
	return 0;
}
