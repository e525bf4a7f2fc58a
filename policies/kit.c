/* kit.c - one file from which every node of a domain is made. */
#include "policies/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/roster.h"

#define KIT_FIRST_LINE "cundang kit v1"
#define KIT_END_WORD "sha256 "
#define KIT_END_SIZE (sizeof(KIT_END_WORD) - 1 + DIGEST_HEX_SIZE - 1 + 1)
#define KIT_LINE_SIZE 256

/* ---- writing ---- */

static int by_code(const void *a, const void *b)
{
	return strcmp(((const struct kit_parent *)a)->code,
		((const struct kit_parent *)b)->code);
}

static enum err_code parents_check(const struct rules *rules,
	const struct kit_parent *parent, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct kit_parent *p = &parent[i];

		if (!rules_node(rules, p->code))
			return err_set(err, ERR_NOT_FOUND,
				"%s is no division of %s", p->code,
				rules_domain(rules));
		if (!address_valid(p->address))
			return err_set(err, ERR_USAGE,
				"%s: address \"%s\" is not host:port", p->code,
				p->address);
		if (i && !strcmp(parent[i - 1].code, p->code))
			return err_set(err, ERR_EXISTS,
				"%s has two addresses in one kit", p->code);
	}
	return ERR_OK;
}

/* The heads behind *after, as many as one exchange takes; *after moves on. */
static enum err_code write_exchange(
	struct governance *g, uint64_t *after, struct buf *out, struct err *err)
{
	struct bundle bundle = {.item = NULL};
	struct buf one = BUF_EMPTY;
	enum err_code rc;

	if ((rc = governance_export(g, *after, &one, err)) ||
		(rc = bundle_scan(one.data, one.len, &bundle, err)))
		goto out;
	buf_printf(out, "heads %zu\n", one.len);
	buf_add(out, one.data, one.len);
	if ((rc = buf_ok(out, err)))
		goto out;
	*after = bundle.first + bundle.heads - 1;
	if (out->len > KIT_LIMIT - KIT_END_SIZE)
		rc = err_set(err, ERR_LIMIT, "kit of %zu bytes, limit %zu",
			out->len + KIT_END_SIZE, KIT_LIMIT);
out:
	bundle_free(&bundle);
	buf_free(&one);
	return rc;
}

static enum err_code write_exchanges(
	struct governance *g, uint64_t serial, struct buf *out, struct err *err)
{
	uint64_t after = 0;
	enum err_code rc = ERR_OK;

	for (size_t count = 0; !rc && after < serial; count++)
		rc = count < KIT_EXCHANGES_LIMIT
			? write_exchange(g, &after, out, err)
			: err_set(err, ERR_LIMIT,
				  "kit of more than %d exchanges of rules",
				  KIT_EXCHANGES_LIMIT);
	if (!rc && after != serial)
		rc = err_set(err, ERR_BUSY,
			"head %" PRIu64 " came while the kit was made", after);
	return rc;
}

static enum err_code write_all(struct governance *g, const struct rules *rules,
	const struct kit_parent *parent, size_t parents, struct buf *out,
	struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest all;
	enum err_code rc;

	digest_hex(rules_root_fingerprint(rules), hex);
	buf_printf(out,
		KIT_FIRST_LINE "\ndomain %s\nroot %s\nserial %" PRIu64 "\n",
		rules_domain(rules), hex, rules_serial(rules));
	for (size_t i = 0; i < parents; i++)
		buf_printf(out, "parent %s %s\n", parent[i].code,
			parent[i].address);
	if ((rc = write_exchanges(g, rules_serial(rules), out, err)))
		return rc;
	all = digest_of(out->data, out->len);
	digest_hex(&all, hex);
	buf_printf(out, KIT_END_WORD "%s\n", hex);
	return buf_ok(out, err);
}

enum err_code kit_write(struct governance *g, const struct kit_parent *parent,
	size_t parents, struct buf *out, struct err *err)
{
	struct kit_parent *sorted = NULL;
	struct buf kit = BUF_EMPTY;
	struct rules *rules = NULL;
	enum err_code rc;

	if (parents > KIT_PARENTS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"kit with %zu addresses, limit %d", parents,
			KIT_PARENTS_LIMIT);
	if (!(sorted = calloc(parents + 1, sizeof(*sorted))))
		return err_nomem(err);
	if (parents) {
		memcpy(sorted, parent, parents * sizeof(*sorted));
		qsort(sorted, parents, sizeof(*sorted), by_code);
	}
	if ((rc = governance_rules(g, 0, NULL, &rules, err)) ||
		(rc = parents_check(rules, sorted, parents, err)) ||
		(rc = write_all(g, rules, sorted, parents, &kit, err)))
		goto out;
	buf_add(out, kit.data, kit.len);
	rc = buf_ok(out, err);
out:
	rules_unref(rules);
	buf_free(&kit);
	free(sorted);
	return rc;
}

/* ---- reading ---- */

/* The next line as a string; false when there is none that fits. */
static bool line_read(struct cursor *c, char out[KIT_LINE_SIZE])
{
	size_t len = 0;
	const char *line = cursor_line(c, &len);

	if (!line || len >= KIT_LINE_SIZE || memchr(line, '\0', len))
		return false;
	memcpy(out, line, len);
	out[len] = '\0';
	return true;
}

/* What stands behind "WORD " in a line, or NULL. */
static const char *behind(const char *line, const char *word)
{
	size_t n = strlen(word);

	return !strncmp(line, word, n) && line[n] == ' ' ? line + n + 1 : NULL;
}

static bool read_number(const char *s, uint64_t max, uint64_t *out)
{
	return s && number_parse(s, strlen(s), max, out);
}

static bool read_head(struct cursor *c, struct kit *k)
{
	char line[KIT_LINE_SIZE];
	const char *s;

	if (!line_read(c, line) || strcmp(line, KIT_FIRST_LINE))
		return false;
	if (!line_read(c, line) || !(s = behind(line, "domain")) ||
		!domain_valid(s))
		return false;
	memcpy(k->domain, s, strlen(s) + 1);
	return line_read(c, line) && (s = behind(line, "root")) &&
		digest_from_hex(s, strlen(s), &k->root) && line_read(c, line) &&
		read_number(behind(line, "serial"), INT64_MAX, &k->serial) &&
		k->serial > 0;
}

/* "CODE HOST:PORT", behind the one before. */
static bool read_parent(const char *s, struct kit *k)
{
	struct kit_parent *p = &k->parent[k->parents];

	if (k->parents == KIT_PARENTS_LIMIT || k->exchanges ||
		strlen(s) < CODE_LEN + 1 || !code_valid(s, CODE_LEN) ||
		s[CODE_LEN] != ' ' || !address_valid(s + CODE_LEN + 1))
		return false;
	memcpy(p->code, s, CODE_LEN);
	p->code[CODE_LEN] = '\0';
	memcpy(p->address, s + CODE_LEN + 1, strlen(s) - CODE_LEN);
	return k->parents++ == 0 || strcmp(p[-1].code, p->code) < 0;
}

static bool read_exchange(struct cursor *c, const char *s, struct kit *k)
{
	struct kit_exchange *e = &k->exchange[k->exchanges];
	uint64_t len = 0;

	if (k->exchanges == KIT_EXCHANGES_LIMIT ||
		!read_number(s, GOVERNANCE_BUNDLE_LIMIT, &len))
		return false;
	e->len = (size_t)len;
	e->data = cursor_bytes(c, e->len);
	k->exchanges += e->data != NULL;
	return e->data != NULL;
}

static bool read_body(struct cursor *c, struct kit *k)
{
	char line[KIT_LINE_SIZE];
	const char *s;

	while (c->left) {
		if (!line_read(c, line))
			return false;
		s = behind(line, "parent");
		if (s ? !read_parent(s, k)
		      : !read_exchange(c, behind(line, "heads"), k))
			return false;
	}
	return k->exchanges > 0;
}

static enum err_code check_end(const uint8_t *data, size_t len, struct err *err)
{
	char want[KIT_END_SIZE + 1], hex[DIGEST_HEX_SIZE];
	struct digest all = digest_of(data, len - KIT_END_SIZE);

	digest_hex(&all, hex);
	snprintf(want, sizeof(want), KIT_END_WORD "%s\n", hex);
	if (memcmp(data + len - KIT_END_SIZE, want, KIT_END_SIZE))
		return err_set(err, ERR_INVALID,
			"the kit is damaged or cut short: its last line is not "
			"the sha-256 of what stands before");
	return ERR_OK;
}

enum err_code kit_parse(
	const void *data, size_t len, struct kit *out, struct err *err)
{
	static const char first[] = KIT_FIRST_LINE "\n";
	struct kit k = {.parents = 0};
	struct cursor c;
	enum err_code rc;

	if (len > KIT_LIMIT)
		return err_set(err, ERR_LIMIT, "kit of %zu bytes, limit %zu",
			len, KIT_LIMIT);
	if (len < sizeof(first) - 1 + KIT_END_SIZE ||
		memcmp(data, first, sizeof(first) - 1))
		return err_set(err, ERR_INVALID,
			"not a kit: its first line is not \"%s\"",
			KIT_FIRST_LINE);
	if ((rc = check_end(data, len, err)))
		return rc;
	if (!(k.parent = calloc(KIT_PARENTS_LIMIT + 1, sizeof(*k.parent))))
		return err_nomem(err);
	c = cursor_over(data, len - KIT_END_SIZE);
	if (!read_head(&c, &k) || !read_body(&c, &k)) {
		kit_free(&k);
		return err_set(err, ERR_INVALID,
			"kit: a line is missing or malformed");
	}
	*out = k;
	return ERR_OK;
}

void kit_free(struct kit *k)
{
	free(k->parent);
	*k = (struct kit){.parents = 0};
}

/* ---- taking ---- */

static enum err_code import_all(const struct kit *k, struct governance *g,
	const struct digest *pin, struct err *err)
{
	struct statement head;
	uint64_t newest = 0;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < k->exchanges; i++)
		rc = governance_import(g, k->exchange[i].data,
			k->exchange[i].len, pin, &newest, err);
	if (rc || (rc = governance_head(g, &head, err)))
		return rc;
	if (head.serial != k->serial || strcmp(head.domain, k->domain))
		return err_set(err, ERR_INVALID,
			"kit of %s with head %" PRIu64
			" says that it is of %s with head %" PRIu64,
			head.domain, head.serial, k->domain, k->serial);
	return ERR_OK;
}

enum err_code kit_unpack(const struct kit *k, const char *path,
	const struct digest *pin, struct governance **out, struct err *err)
{
	struct governance *g = NULL;
	char hex[DIGEST_HEX_SIZE];
	enum err_code rc;

	if (pin && !digest_equal(pin, &k->root)) {
		digest_hex(&k->root, hex);
		return err_set(err, ERR_DENIED,
			"the kit is of another domain: %s with the root "
			"fingerprint %s",
			k->domain, hex);
	}
	if ((rc = governance_create(path, &g, err)))
		return rc;
	if ((rc = import_all(k, g, &k->root, err))) {
		governance_close(g);
		return err_while(err, rc, "kit of %s", k->domain);
	}
	*out = g;
	return ERR_OK;
}

const char *kit_parent_address(
	const struct kit *k, const struct rules *rules, const char *code)
{
	const struct node_info *n = rules_node(rules, code);
	const struct node_info *above = n ? rules_node(rules, n->parent) : NULL;

	if (!above)
		return "";
	for (size_t i = 0; i < k->parents; i++)
		if (!strcmp(k->parent[i].code, above->code))
			return k->parent[i].address;
	return above->address;
}
