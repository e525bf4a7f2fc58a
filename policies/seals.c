/* seals.c - seals.yaml: to whose keys the records of sealed series go. */
#include "policies/seals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/roster.h"
#include "policies/yamlfile.h"

#define KEY_TEXT_LIMIT 256

static const char file[] = "seals.yaml";

struct raw_recipient {
	char *name, *role, *scope, *key;
};
struct raw_seals {
	char *recovery;
	struct raw_recipient *recipients;
	unsigned recipients_count;
};

#define TEXT(name, type, member, limit)                                        \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER, type, member, 1, limit)

static const cyaml_schema_field_t recipient_fields[] = {
	TEXT("name", struct raw_recipient, name, 63),
	TEXT("role", struct raw_recipient, role, SEAL_ROLE_SIZE - 1),
	TEXT("scope", struct raw_recipient, scope, CODE_LEN),
	TEXT("key", struct raw_recipient, key, KEY_TEXT_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t recipient_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct raw_recipient, recipient_fields),
};
static const cyaml_schema_field_t seals_fields[] = {
	TEXT("recovery", struct raw_seals, recovery, KEY_TEXT_LIMIT),
	CYAML_FIELD_SEQUENCE("recipients", CYAML_FLAG_POINTER, struct raw_seals,
		recipients, &recipient_value, 0, SEALS_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t seals_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_seals, seals_fields),
};

void seals_free(struct seals *s)
{
	free(s->item);
	*s = (struct seals){.item = NULL};
}

static bool key_set(const char *text, struct seal_public *out)
{
	size_t len = 0;

	return base64_decode(text, strlen(text), out->spki, sizeof(out->spki),
		       &len) &&
		seal_spki_valid(out->spki, len) && seal_public_sound(out);
}

static bool same_key(const struct seal_public *a, const struct seal_public *b)
{
	return !memcmp(a->spki, b->spki, sizeof(a->spki));
}

static enum err_code recipient_set(const struct raw_recipient *raw,
	struct seal_recipient *r, struct err *err)
{
	if (!title_valid(raw->name, sizeof(r->name)))
		return err_set(err, ERR_INVALID,
			"seals.yaml: a name is not one line of text");
	if (!seal_role_valid(raw->role))
		return err_set(err, ERR_INVALID,
			"seals.yaml: %s: role \"%s\" has other characters than "
			"a-z, 0-9 and -",
			raw->name, raw->role);
	if (!code_valid(raw->scope, strlen(raw->scope)))
		return err_set(err, ERR_INVALID,
			"seals.yaml: %s: scope \"%s\" is no 12-digit code",
			raw->name, raw->scope);
	if (!key_set(raw->key, &r->key))
		return err_set(err, ERR_INVALID,
			"seals.yaml: %s: the key is no p-256 key in base64",
			raw->name);
	snprintf(r->name, sizeof(r->name), "%s", raw->name);
	snprintf(r->role, sizeof(r->role), "%s", raw->role);
	snprintf(r->scope, sizeof(r->scope), "%s", raw->scope);
	return ERR_OK;
}

static enum err_code check_others(
	const struct seals *s, const struct seal_recipient *r, struct err *err)
{
	size_t place = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct seal_recipient *o = &s->item[i];

		if (strcmp(o->role, r->role) || strcmp(o->scope, r->scope))
			continue;
		place++;
		if (same_key(&o->key, &r->key))
			return err_set(err, ERR_INVALID,
				"seals.yaml: %s and %s have the same key",
				o->name, r->name);
	}
	if (place >= SEALS_PLACE_LIMIT)
		return err_set(err, ERR_INVALID,
			"seals.yaml: more than %d of role %s and scope %s",
			SEALS_PLACE_LIMIT, r->role, r->scope);
	return ERR_OK;
}

static enum err_code recipients_set(
	const struct raw_seals *raw, struct seals *s, struct err *err)
{
	enum err_code rc = ERR_OK;

	s->item = calloc(raw->recipients_count + 1, sizeof(*s->item));
	if (!s->item)
		return err_nomem(err);
	for (; s->count < raw->recipients_count; s->count++) {
		struct seal_recipient *r = &s->item[s->count];

		if ((rc = recipient_set(&raw->recipients[s->count], r, err)) ||
			(rc = check_others(s, r, err)))
			break;
	}
	return rc;
}

enum err_code seals_load(
	const void *text, size_t len, struct seals *out, struct err *err)
{
	struct raw_seals *raw = NULL;
	struct seals s = {.is = true};
	enum err_code rc;

	if ((rc = yamlfile_load(file, text, len, &seals_value, &raw, err)))
		return rc;
	if (!key_set(raw->recovery, &s.recovery))
		rc = yamlfile_at(err_set(err, ERR_INVALID,
					 "seals.yaml: recovery is no p-256 key "
					 "in base64"),
			file, text, len, "recovery", YAMLFILE_KEY, err);
	else
		rc = yamlfile_at(recipients_set(raw, &s, err), file, text, len,
			"recipients", s.count, err);
	if (rc)
		seals_free(&s);
	else
		*out = s;
	yamlfile_free(&seals_value, raw);
	return rc;
}

enum err_code seals_check_scopes(
	const struct seals *s, const char *root, struct err *err)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!code_within(s->item[i].scope, root))
			return err_set(err, ERR_INVALID,
				"seals.yaml: %s: scope %s lies outside the "
				"domain's root %s",
				s->item[i].name, s->item[i].scope, root);
	}
	return ERR_OK;
}

/* One of the root's scope, so that no record is without a reader. */
enum err_code seals_check_series(const struct seals *s, const char *root,
	const struct series *series, struct err *err)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!strcmp(s->item[i].role, series->sealed) &&
			!strcmp(s->item[i].scope, root))
			return ERR_OK;
	}
	return err_set(err, ERR_INVALID,
		"series/%s.yaml: sealed: %s: seals.yaml has nobody of that "
		"role with the scope %s, so nobody could open the records",
		series->name, series->sealed, root);
}
