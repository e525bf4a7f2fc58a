/* packagefile.c - the files of a package, written and read. */
#include "policies/packagefile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/tarscan.h"

#define SEED_TEXT_LEN (BASE64URL_SIZE(SEED_SIZE) - 1)

static const char line_head[] = "{\"part\":";
static const char line_seed[] = ",\"seed\":\"";
static const char line_seq[] = "\",\"seq\":";

void package_line_write(uint64_t seq, const struct part *p, struct buf *out)
{
	char seed[SEED_TEXT_LEN + 1];

	base64url_encode(p->seed, SEED_SIZE, seed);
	buf_str(out, line_head);
	buf_add(out, p->json, p->len);
	buf_printf(out, "%s%s%s%" PRIu64 "}\n", line_seed, seed, line_seq, seq);
}

/* Takes `text` off the end of a line. */
static bool strip(const char *line, size_t *len, const char *text)
{
	size_t n = strlen(text);

	if (*len < n || memcmp(line + *len - n, text, n))
		return false;
	*len -= n;
	return true;
}

/* From the end: behind the part, everything has a fixed form. */
bool package_line_parse(
	const char *line, size_t len, uint64_t *seq, struct part *out)
{
	const size_t head = sizeof(line_head) - 1;
	struct json *v = NULL;
	size_t end, got = 0;
	bool object;

	if (len < head || memcmp(line, line_head, head) ||
		!strip(line, &len, "}"))
		return false;
	for (end = len; len && line[len - 1] >= '0' && line[len - 1] <= '9';)
		len--;
	if (!number_parse(line + len, end - len, TREE_SIZE_LIMIT, seq) ||
		!strip(line, &len, line_seq) || len < head + SEED_TEXT_LEN)
		return false;
	len -= SEED_TEXT_LEN;
	if (!base64url_decode(
		    line + len, SEED_TEXT_LEN, out->seed, SEED_SIZE, &got) ||
		got != SEED_SIZE || !strip(line, &len, line_seed) || len < head)
		return false;
	out->json = line + head;
	out->len = len - head;
	if (json_parse_canonical(
		    out->json, out->len, PART_SIZE_LIMIT, &v, NULL))
		return false;
	object = json_kind(v) == JSON_KIND_OBJECT;
	json_free(v);
	return object;
}

bool package_sheet_parse(
	const char *name, char series[SERIES_NAME_SIZE], enum label *label)
{
	const char *dot = strchr(name, '.');
	const char *end = dot ? strchr(dot + 1, '.') : NULL;
	size_t len;

	if (!end || strcmp(end, ".ndjson"))
		return false;
	len = (size_t)(dot - name);
	if (len == 0 || len >= SERIES_NAME_SIZE)
		return false;
	memcpy(series, name, len);
	series[len] = 0;
	return label_parse(dot + 1, (size_t)(end - dot - 1), label);
}

static bool text_member(
	const struct json *v, const char *name, char *out, size_t size)
{
	const char *s = json_get_string(v, name);

	if (!s || strlen(s) >= size)
		return false;
	memset(out, 0, size);
	memcpy(out, s, strlen(s));
	return true;
}

bool package_policy(const struct package_description *d, size_t i,
	uint64_t *seq, uint64_t *serial)
{
	const struct json *pair = json_at(json_get(d->all, "policies"), i);

	return json_count(pair) == 2 && json_u64(json_at(pair, 0), seq) &&
		json_u64(json_at(pair, 1), serial);
}

/* Ascending, and the heads are there. */
static bool policies_fit(const struct package_description *d)
{
	const struct json *list = json_get(d->all, "policies");
	uint64_t seq = 0, serial = 0, least = 0;

	if (json_kind(list) != JSON_KIND_ARRAY)
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_kind(json_at(list, i)) != JSON_KIND_ARRAY ||
			!package_policy(d, i, &seq, &serial) || seq < least ||
			seq >= d->to || serial == 0 || serial > d->serial)
			return false;
		least = seq < d->from ? d->from : seq + 1;
	}
	return true;
}

static bool set_members(const struct json *v, struct package_description *d)
{
	char root[BASE64_SIZE(DIGEST_SIZE)];
	uint64_t version = 0;
	size_t got = 0;

	return json_kind(v) == JSON_KIND_OBJECT && json_count(v) == 12 &&
		json_get_u64(v, "version", &version) &&
		version == PACKAGE_VERSION &&
		text_member(v, "domain", d->domain, sizeof(d->domain)) &&
		text_member(v, "holder", d->holder, sizeof(d->holder)) &&
		code_valid(d->holder, strlen(d->holder)) &&
		text_member(v, "origin", d->origin, sizeof(d->origin)) &&
		origin_valid(d->origin, strlen(d->origin)) &&
		text_member(v, "root", root, sizeof(root)) &&
		base64_decode(
			root, strlen(root), d->root.b, DIGEST_SIZE, &got) &&
		got == DIGEST_SIZE && json_get_u64(v, "from", &d->from) &&
		json_get_u64(v, "to", &d->to) &&
		json_get_u64(v, "size", &d->size) &&
		json_get_u64(v, "serial", &d->serial) && d->serial > 0 &&
		d->from < d->to && d->to <= d->size &&
		d->size <= PACKAGE_TREE_LIMIT &&
		json_kind(json_get(v, "withheld")) == JSON_KIND_OBJECT &&
		json_kind(json_get(v, "erased")) == JSON_KIND_OBJECT;
}

enum err_code package_description_parse(const void *text, size_t len,
	struct package_description *out, struct err *err)
{
	struct package_description d = {.from = 0};
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = json_parse_canonical(
		     text, len, PACKAGE_DESCRIPTION_LIMIT, &v, err)))
		return err_while(err, ERR_INVALID, "package.json");
	d.all = v;
	if (!set_members(v, &d) || !policies_fit(&d)) {
		json_free(v);
		return err_set(err, ERR_INVALID,
			"package.json: a member is missing, unknown or"
			" malformed");
	}
	*out = d;
	return ERR_OK;
}

void package_description_fini(struct package_description *d)
{
	json_free(d->all);
	*d = (struct package_description){.from = 0};
}

bool package_erased(const struct package_description *d, const char *series,
	enum label label, uint64_t seq)
{
	char name[PACKAGE_SHEET_SIZE];
	const struct json *list;
	uint64_t n;

	snprintf(name, sizeof(name), "%s.%s", series, label_name(label));
	list = json_get(json_get(d->all, "erased"), name);
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_u64(json_at(list, i), &n) && n == seq)
			return true;
	}
	return false;
}

static void add_vkey(const struct note_key *key, struct buf *out)
{
	char vkey[VKEY_SIZE];

	note_key_vkey(key, vkey);
	buf_printf(out, "%s\n", vkey);
}

enum err_code package_vkeys(const struct rules *rules,
	const struct note_key *log, const struct note *note, struct buf *out,
	struct err *err)
{
	struct note_key key;

	add_vkey(log, out);
	for (size_t i = 0; i < note->count; i++) {
		if (witness_key(rules, &note->line[i], &key))
			add_vkey(&key, out);
	}
	return buf_ok(out, err);
}

enum err_code package_unpack(const char *path, char **dir, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *made = NULL;
	enum err_code rc;

	if (asprintf(&made, "%s/cundang-package-XXXXXX", tmp ? tmp : "/tmp") <
		0)
		return err_nomem(err);
	if (!mkdtemp(made)) {
		rc = err_sys(err, "make a folder to unpack in");
		free(made);
		return rc;
	}
	if ((rc = tar_scan(path, err)) ||
		(rc = package_untar(path, made, err))) {
		package_remove_folder(made);
		free(made);
		return rc;
	}
	*dir = made;
	return ERR_OK;
}
