/* statement.c - the signed words about one governance head. */
#include "policies/statement.h"

#include <stdio.h>
#include <string.h>

#include "policies/roster.h"

static bool commit_valid(const char *s)
{
	return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

static bool digest_member(
	const struct json *v, const char *name, struct digest *out)
{
	const char *s = json_get_string(v, name);

	return s && digest_from_hex(s, strlen(s), out);
}

/* false = some member is missing, of another type, or too many are there. */
static bool statement_set(const struct json *v, struct statement *s)
{
	const char *at = json_get_string(v, "at");
	const char *commit = json_get_string(v, "commit");
	const char *domain = json_get_string(v, "domain");
	char shown[TIME_TEXT_SIZE];

	if (!at || !commit || !domain || !time_parse(at, strlen(at), &s->at) ||
		!commit_valid(commit) || !domain_valid(domain) ||
		!json_get_u64(v, "serial", &s->serial) || s->serial == 0 ||
		!digest_member(v, "tree", &s->tree))
		return false;
	time_format(s->at, shown);
	if (strcmp(shown, at))
		return false;
	s->has_previous = s->serial > 1;
	if (s->has_previous && !digest_member(v, "previous", &s->previous))
		return false;
	snprintf(s->commit, sizeof(s->commit), "%s", commit);
	snprintf(s->domain, sizeof(s->domain), "%s", domain);
	return json_count(v) == (s->has_previous ? 6 : 5);
}

enum err_code statement_parse(
	const void *text, size_t len, struct statement *out, struct err *err)
{
	struct statement s = {.serial = 0};
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = json_parse_canonical(text, len, STATEMENT_LIMIT, &v, err)))
		return err_while(err, rc, "statement");
	if (statement_set(v, &s)) {
		s.digest = digest_of(text, len);
		*out = s;
	} else {
		rc = err_set(err, ERR_INVALID,
			"statement: a member is missing, unknown or malformed");
	}
	json_free(v);
	return rc;
}

static bool set_hex(struct json *v, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(d, hex);
	return json_set(v, name, json_new_text(hex));
}

enum err_code statement_write(
	struct statement *s, struct buf *out, struct err *err)
{
	struct json *v = json_new_object();
	char at[TIME_TEXT_SIZE];
	size_t before = out->len;
	enum err_code rc;

	time_format(s->at, at);
	if (!v || !json_set(v, "at", json_new_text(at)) ||
		!json_set(v, "commit", json_new_text(s->commit)) ||
		!json_set(v, "domain", json_new_text(s->domain)) ||
		!json_set(v, "serial", json_new_u64(s->serial)) ||
		!set_hex(v, "tree", &s->tree) ||
		(s->has_previous && !set_hex(v, "previous", &s->previous)))
		rc = err_nomem(err);
	else
		rc = json_write(v, out, err);
	json_free(v);
	if (!rc)
		s->digest = digest_of(out->data + before, out->len - before);
	return rc;
}

void signature_name(const struct ssh_public *key, char out[SIGNATURE_NAME_SIZE])
{
	struct digest d = digest_of(key->blob, key->len);
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&d, hex);
	snprintf(out, SIGNATURE_NAME_SIZE, "%.32s.sig", hex);
}

bool signature_name_valid(const char *name)
{
	return strlen(name) == SIGNATURE_NAME_SIZE - 1 &&
		strspn(name, "0123456789abcdef") == 32 &&
		!strcmp(name + 32, ".sig");
}
