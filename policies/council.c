/* council.c - domain.yaml and officers.yaml: who may sign what. */
#include "policies/council.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policies/yamlfile.h"

#define REQUIRED_TEXT(key, type, member, limit)                                \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, limit)

struct raw_root {
	char *code, *name, *rank;
};
struct raw_approvals {
	char *rules, *roster, *disposal, *accounts, *hold;
};
struct raw_kept {
	char *series, *period;
};
struct raw_domain {
	char *name;
	struct raw_root root;
	struct raw_approvals approvals;
	char *waiting_days;
	struct raw_kept *retention;
	unsigned retention_count;
};
struct raw_officer {
	char *name, *role, *scope, *key, *until;
};
struct raw_officers {
	struct raw_officer *officers;
	unsigned officers_count;
};

#define OPTIONAL_TEXT(key, type, member, limit)                                \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,  \
		type, member, 1, limit)

static const cyaml_schema_field_t root_fields[] = {
	REQUIRED_TEXT("code", struct raw_root, code, CODE_LEN),
	REQUIRED_TEXT("name", struct raw_root, name, NODE_TITLE_SIZE - 1),
	REQUIRED_TEXT("rank", struct raw_root, rank, 16),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t approvals_fields[] = {
	REQUIRED_TEXT("rules", struct raw_approvals, rules, 2),
	REQUIRED_TEXT("roster", struct raw_approvals, roster, 2),
	OPTIONAL_TEXT("disposal", struct raw_approvals, disposal, 2),
	OPTIONAL_TEXT("accounts", struct raw_approvals, accounts, 2),
	OPTIONAL_TEXT("hold", struct raw_approvals, hold, 2),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t kept_fields[] = {
	REQUIRED_TEXT("series", struct raw_kept, series, SERIES_NAME_SIZE - 1),
	REQUIRED_TEXT("period", struct raw_kept, period,
		sizeof(((struct kept *)NULL)->period) - 1),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t kept_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_kept, kept_fields),
};
static const cyaml_schema_field_t domain_fields[] = {
	REQUIRED_TEXT("name", struct raw_domain, name, DOMAIN_SIZE - 1),
	CYAML_FIELD_MAPPING("root", CYAML_FLAG_DEFAULT, struct raw_domain, root,
		root_fields),
	CYAML_FIELD_MAPPING("approvals", CYAML_FLAG_DEFAULT, struct raw_domain,
		approvals, approvals_fields),
	OPTIONAL_TEXT("waiting_days", struct raw_domain, waiting_days, 3),
	CYAML_FIELD_SEQUENCE("retention",
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_domain,
		retention, &kept_value, 0, KEPT_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t domain_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_domain, domain_fields),
};
static const cyaml_schema_field_t officer_fields[] = {
	REQUIRED_TEXT("name", struct raw_officer, name, 63),
	REQUIRED_TEXT("role", struct raw_officer, role, 31),
	REQUIRED_TEXT("scope", struct raw_officer, scope, CODE_LEN),
	REQUIRED_TEXT("key", struct raw_officer, key, SSH_KEY_BLOB_LIMIT * 2),
	CYAML_FIELD_STRING_PTR("until",
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_officer,
		until, 1, 16),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t officer_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct raw_officer, officer_fields),
};
static const cyaml_schema_field_t officers_fields[] = {
	CYAML_FIELD_SEQUENCE("officers", CYAML_FLAG_POINTER,
		struct raw_officers, officers, &officer_value, 1,
		OFFICERS_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t officers_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_officers, officers_fields),
};

static const char *const role_names[] = {
	[ROLE_GOVERNOR] = "governor",
	[ROLE_REGISTRAR] = "registrar",
	[ROLE_ARCHIVIST] = "archivist",
};

bool role_parse(const char *s, enum role *out)
{
	for (size_t i = 0; i < ARRAY_LEN(role_names); i++)
		if (!strcmp(s, role_names[i])) {
			*out = (enum role)i;
			return true;
		}
	return false;
}

void council_free(struct council *c)
{
	free(c->officer);
	*c = (struct council){.officer = NULL};
}

static enum err_code approvals_set(const char *what, const char *text,
	unsigned min, unsigned *out, struct err *err)
{
	uint64_t v;

	if (!number_parse(text, strlen(text), APPROVALS_LIMIT, &v) || v < min)
		return err_set(err, ERR_INVALID,
			"domain.yaml: approvals.%s \"%s\" is not a number from "
			"%u to %d",
			what, text, min, APPROVALS_LIMIT);
	*out = (unsigned)v;
	return ERR_OK;
}

/* Those of orders: two destroy nothing alone, and of accounts five have to
 * sign (会计档案管理办法). */
static enum err_code order_approvals_set(
	const struct raw_approvals *raw, struct council *c, struct err *err)
{
	const struct {
		const char *what, *text;
		unsigned min, *out;
	} rows[] = {
		{"disposal", raw->disposal, 2, &c->disposal},
		{"accounts", raw->accounts, 5, &c->accounts},
		{"hold", raw->hold, 1, &c->hold},
	};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < ARRAY_LEN(rows); i++) {
		*rows[i].out = rows[i].min;
		if (rows[i].text)
			rc = approvals_set(rows[i].what, rows[i].text,
				rows[i].min, rows[i].out, err);
	}
	if (!rc && c->accounts < c->disposal)
		rc = err_set(err, ERR_INVALID,
			"domain.yaml: approvals.accounts %u is less than "
			"approvals.disposal %u: accounts need at least as many",
			c->accounts, c->disposal);
	return rc;
}

static enum err_code waiting_days_set(
	const char *text, struct council *c, struct err *err)
{
	uint64_t v = WAITING_DAYS_DEFAULT;

	if (text && !number_parse(text, strlen(text), WAITING_DAYS_LIMIT, &v))
		return err_set(err, ERR_INVALID,
			"domain.yaml: waiting_days \"%s\" is not a number "
			"from 0 to %d",
			text, WAITING_DAYS_LIMIT);
	c->waiting_days = (unsigned)v;
	return ERR_OK;
}

/* Floors of the law: what was provided to whom three years
 * (网络数据安全管理条例 art. 12), logs six months (网络安全法), which have at
 * most 184 days. */
static const struct floor {
	const char *series;
	unsigned days;
	const char *reason;
} floors[] = {
	{"sys-provision", 3 * 365 + 1,
		"the law wants at least three years: T3y or more"},
	{"sys-access", 184, "the law wants at least six months: T184d or more"},
	{"sys-witness", 184,
		"the law wants at least six months: T184d or more"},
};

static unsigned least_days(const struct period *p)
{
	if (p->unit == PERIOD_FOREVER)
		return UINT_MAX;
	return p->unit == PERIOD_DAYS ? p->count : p->count * 365 + 1;
}

static const char *kept_reason(
	const struct council *c, const char *series, const char *period)
{
	struct period p;

	for (size_t i = 0; i < c->kept_count; i++) {
		if (!strcmp(c->kept[i].series, series))
			return "is there twice: keep one";
	}
	if (!period_parse(period, &p))
		return "the period is not Y, D30, D10, T3y or T184d";
	for (size_t i = 0; i < ARRAY_LEN(floors); i++) {
		if (strcmp(floors[i].series, series))
			continue;
		return least_days(&p) < floors[i].days ? floors[i].reason
						       : NULL;
	}
	return "is kept for ever, or no series that nodes write: take the line "
	       "out";
}

static enum err_code kept_set(
	const struct raw_kept *raw, struct council *c, struct err *err)
{
	const char *reason = kept_reason(c, raw->series, raw->period);
	struct kept *out = &c->kept[c->kept_count];

	if (reason)
		return err_set(err, ERR_INVALID,
			"domain.yaml: retention of %s: %s", raw->series,
			err_reason(reason));
	snprintf(out->series, sizeof(out->series), "%s", raw->series);
	snprintf(out->period, sizeof(out->period), "%s", raw->period);
	c->kept_count++;
	return ERR_OK;
}

static enum err_code root_set(
	const struct raw_root *raw, struct council *c, struct err *err)
{
	if (!code_valid(raw->code, strlen(raw->code)))
		return err_set(err, ERR_INVALID,
			"domain.yaml: root.code \"%s\" is no 12-digit code",
			raw->code);
	if (!title_valid(raw->name, NODE_TITLE_SIZE))
		return err_set(err, ERR_INVALID,
			"domain.yaml: root.name is not one line of text");
	if (!rank_parse(raw->rank, &c->root_rank))
		return err_set(err, ERR_INVALID,
			"domain.yaml: unknown rank \"%s\"", raw->rank);
	snprintf(c->root_code, sizeof(c->root_code), "%s", raw->code);
	snprintf(c->root_name, sizeof(c->root_name), "%s", raw->name);
	return ERR_OK;
}

static enum err_code domain_set(const struct raw_domain *raw, struct council *c,
	const char **key, struct err *err)
{
	enum err_code rc;

	*key = "name";
	if (!domain_valid(raw->name))
		return err_set(err, ERR_INVALID,
			"domain.yaml: name \"%s\" has other characters than "
			"a-z, 0-9, . and -",
			raw->name);
	snprintf(c->domain, sizeof(c->domain), "%s", raw->name);
	*key = "root";
	if ((rc = root_set(&raw->root, c, err)))
		return rc;
	*key = "approvals";
	if ((rc = approvals_set(
		     "rules", raw->approvals.rules, 2, &c->approvals, err)) ||
		(rc = approvals_set("roster", raw->approvals.roster, 1,
			 &c->roster_approvals, err)) ||
		(rc = order_approvals_set(&raw->approvals, c, err)))
		return rc;
	*key = "waiting_days";
	return waiting_days_set(raw->waiting_days, c, err);
}

enum err_code council_load_domain(
	const void *text, size_t len, struct council *out, struct err *err)
{
	static const char file[] = "domain.yaml";
	struct raw_domain *raw = NULL;
	const char *key = "";
	size_t i = 0;
	enum err_code rc;

	if ((rc = yamlfile_load(file, text, len, &domain_value, &raw, err)))
		return rc;
	rc = yamlfile_at(domain_set(raw, out, &key, err), file, text, len, key,
		YAMLFILE_KEY, err);
	for (; !rc && i < raw->retention_count; i++)
		rc = yamlfile_at(kept_set(&raw->retention[i], out, err), file,
			text, len, "retention", i, err);
	yamlfile_free(&domain_value, raw);
	return rc;
}

static enum err_code officer_set(
	const struct raw_officer *raw, struct officer *o, struct err *err)
{
	enum role role;

	if (!title_valid(raw->name, sizeof(o->name)))
		return err_set(err, ERR_INVALID,
			"officers.yaml: an officer's name is not one line of "
			"text");
	if (!role_parse(raw->role, &role))
		return err_set(err, ERR_INVALID,
			"officers.yaml: %s: role \"%s\" is none of governor, "
			"registrar, archivist",
			raw->name, raw->role);
	if (!code_valid(raw->scope, strlen(raw->scope)))
		return err_set(err, ERR_INVALID,
			"officers.yaml: %s: scope \"%s\" is no 12-digit code",
			raw->name, raw->scope);
	if (raw->until && !date_valid(raw->until, strlen(raw->until)))
		return err_set(err, ERR_INVALID,
			"officers.yaml: %s: until \"%s\" is no date "
			"YYYY-MM-DD",
			raw->name, raw->until);
	if (ssh_public_parse(raw->key, strlen(raw->key), &o->key, err))
		return err_while(
			err, ERR_INVALID, "officers.yaml: %s", raw->name);
	snprintf(o->name, sizeof(o->name), "%s", raw->name);
	snprintf(o->role, sizeof(o->role), "%s", raw->role);
	snprintf(o->scope, sizeof(o->scope), "%s", raw->scope);
	snprintf(
		o->until, sizeof(o->until), "%s", raw->until ? raw->until : "");
	return ERR_OK;
}

bool officer_valid_at(const struct officer *o, int64_t at)
{
	char day[TIME_TEXT_SIZE];

	time_format(at, day);
	return !*o->until || strncmp(day, o->until, strlen(o->until)) <= 0;
}

/* As people read it: full-width letters, case and spaces make no other name. */
static bool same_name(const char *a, const char *b)
{
	char room[2][VALUE_ROOM];
	struct value_text x = value_normal(TYPE_ID_NO, a, strlen(a), room[0]);
	struct value_text y = value_normal(TYPE_ID_NO, b, strlen(b), room[1]);

	return x.len == y.len && !strncasecmp(x.s, y.s, x.len);
}

static enum err_code officers_set(
	const struct raw_officers *raw, struct council *c, struct err *err)
{
	enum err_code rc;

	c->officer = calloc(raw->officers_count, sizeof(*c->officer));
	if (!c->officer)
		return err_nomem(err);
	for (; c->count < raw->officers_count; c->count++) {
		struct officer *o = &c->officer[c->count];

		if ((rc = officer_set(&raw->officers[c->count], o, err)))
			return rc;
		for (size_t i = 0; i < c->count; i++) {
			if (same_name(c->officer[i].name, o->name))
				return err_set(err, ERR_INVALID,
					"officers.yaml: %s is there twice",
					o->name);
			if (ssh_public_equal(&c->officer[i].key, &o->key))
				return err_set(err, ERR_INVALID,
					"officers.yaml: %s and %s have the "
					"same key",
					c->officer[i].name, o->name);
		}
	}
	return ERR_OK;
}

enum err_code council_load_officers(
	const void *text, size_t len, struct council *out, struct err *err)
{
	struct raw_officers *raw = NULL;
	enum err_code rc;

	if ((rc = yamlfile_load(
		     "officers.yaml", text, len, &officers_value, &raw, err)))
		return rc;
	rc = yamlfile_at(officers_set(raw, out, err), "officers.yaml", text,
		len, "officers", out->count, err);
	yamlfile_free(&officers_value, raw);
	return rc;
}

enum err_code council_check(const struct council *c, struct err *err)
{
	unsigned governors = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct officer *o = &c->officer[i];
		enum role role;

		if (!code_within(o->scope, c->root_code))
			return err_set(err, ERR_INVALID,
				"officers.yaml: %s: scope %s lies outside the "
				"domain's root %s",
				o->name, o->scope, c->root_code);
		/* When those with a last day are gone, the others must be
		 * able to go on. */
		governors += role_parse(o->role, &role) &&
			role == ROLE_GOVERNOR && !*o->until &&
			!strcmp(o->scope, c->root_code);
	}
	if (governors < c->approvals)
		return err_set(err, ERR_INVALID,
			"officers.yaml: %u governors of scope %s without "
			"until, but approvals.rules asks for %u",
			governors, c->root_code, c->approvals);
	return ERR_OK;
}

enum err_code council_load(
	const struct fileset *fs, struct council *out, struct err *err)
{
	const struct gov_file *domain = fileset_find(fs, "domain.yaml");
	const struct gov_file *officers = fileset_find(fs, "officers.yaml");
	struct council c = {.officer = NULL};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!domain || !officers)
		return err_set(err, ERR_INVALID, "%s: missing",
			domain ? "officers.yaml" : "domain.yaml");
	if ((rc = fileset_read(fs, domain, &text, err)) ||
		(rc = council_load_domain(text.data, text.len, &c, err)))
		goto out;
	buf_clear(&text);
	if ((rc = fileset_read(fs, officers, &text, err)) ||
		(rc = council_load_officers(text.data, text.len, &c, err)) ||
		(rc = council_check(&c, err)))
		goto out;
	*out = c;
	c.officer = NULL;
out:
	council_free(&c);
	buf_free(&text);
	return rc;
}

enum err_code council_write_domain(
	const struct council *c, struct buf *out, struct err *err)
{
	buf_printf(out,
		"name: \"%s\"\nroot:\n  code: \"%s\"\n  name: ", c->domain,
		c->root_code);
	yamlfile_string(out, c->root_name);
	buf_printf(out,
		"\n  rank: %s\n"
		"# How many officers sign a change: of rules and officers (at\n"
		"# least 2), of a roster within one's own scope.\n"
		"approvals:\n  rules: \"%u\"\n  roster: \"%u\"\n",
		rank_name(c->root_rank), c->approvals, c->roster_approvals);
	if (c->kept_count > 0)
		buf_str(out, "retention:\n");
	for (size_t i = 0; i < c->kept_count; i++)
		buf_printf(out, "  - {series: %s, period: %s}\n",
			c->kept[i].series, c->kept[i].period);
	return buf_ok(out, err);
}

enum err_code council_write_officers(
	const struct council *c, struct buf *out, struct err *err)
{
	buf_str(out,
		"# role governor: rules and officers (scope: the root), and\n"
		"# rosters within the scope; registrar: only the latter;\n"
		"# archivist: orders (holds, disposals) within the scope.\n"
		"officers:\n");
	for (size_t i = 0; i < c->count; i++) {
		const struct officer *o = &c->officer[i];

		buf_str(out, "  - name: ");
		yamlfile_string(out, o->name);
		buf_printf(out,
			"\n    role: %s\n    scope: \"%s\"\n    key: \"",
			o->role, o->scope);
		ssh_public_text(&o->key, out);
		buf_str(out, "\"\n");
		if (*o->until)
			buf_printf(out, "    until: \"%s\"\n", o->until);
	}
	return buf_ok(out, err);
}

const struct officer *council_find(
	const struct council *c, const struct ssh_public *key)
{
	for (size_t i = 0; i < c->count; i++)
		if (ssh_public_equal(&c->officer[i].key, key))
			return &c->officer[i];
	return NULL;
}
