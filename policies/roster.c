/* roster.c - roster/CODE.yaml: the children of a division and their keys. */
#include "policies/roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/yamlfile.h"

struct raw_keys {
	char *log, *witness, *tls, *seal;
};
struct raw_former {
	char *log, *witness, *until;
};
struct raw_child {
	char *code, *name, *rank, *address, *retired, *successor;
	struct raw_keys *keys;
	struct raw_former *former;
	unsigned former_count;
};
struct raw_roster {
	struct raw_child *children;
	unsigned children_count;
};

#define TEXT(key, type, member, limit)                                         \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 0, limit)
#define OPTIONAL_TEXT(key, type, member, limit)                                \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,  \
		type, member, 0, limit)

static const cyaml_schema_field_t keys_fields[] = {
	TEXT("log", struct raw_keys, log, 64),
	TEXT("witness", struct raw_keys, witness, 64),
	TEXT("tls", struct raw_keys, tls, 64),
	TEXT("seal", struct raw_keys, seal, 256),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t former_fields[] = {
	OPTIONAL_TEXT("log", struct raw_former, log, 64),
	OPTIONAL_TEXT("witness", struct raw_former, witness, 64),
	OPTIONAL_TEXT("until", struct raw_former, until, UNTIL_SIZE - 1),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t former_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct raw_former, former_fields),
};
static const cyaml_schema_field_t child_fields[] = {
	TEXT("code", struct raw_child, code, CODE_LEN),
	TEXT("name", struct raw_child, name, NODE_TITLE_SIZE - 1),
	TEXT("rank", struct raw_child, rank, 16),
	OPTIONAL_TEXT("address", struct raw_child, address, ADDRESS_SIZE - 1),
	CYAML_FIELD_MAPPING_PTR("keys",
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_child,
		keys, keys_fields),
	OPTIONAL_TEXT("retired", struct raw_child, retired, DATE_SIZE - 1),
	OPTIONAL_TEXT("successor", struct raw_child, successor, CODE_LEN),
	CYAML_FIELD_SEQUENCE("former", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct raw_child, former, &former_value, 0, FORMER_KEYS_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t child_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_child, child_fields),
};
static const cyaml_schema_field_t roster_fields[] = {
	CYAML_FIELD_SEQUENCE("children", CYAML_FLAG_POINTER, struct raw_roster,
		children, &child_value, 0, ROSTER_CHILDREN_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t roster_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_roster, roster_fields),
};

bool roster_path_parse(const char *path, char parent[CODE_SIZE])
{
	size_t len = strlen(path);

	if (!strcmp(path, "roster/root.yaml")) {
		parent[0] = '\0';
		return true;
	}
	if (len != 7 + CODE_LEN + 5 || strncmp(path, "roster/", 7) ||
		strcmp(path + 7 + CODE_LEN, ".yaml") ||
		!code_valid(path + 7, CODE_LEN))
		return false;
	memcpy(parent, path + 7, CODE_LEN);
	parent[CODE_LEN] = '\0';
	return true;
}

void roster_path(const char *parent, char *out, size_t size)
{
	snprintf(out, size, "roster/%s.yaml", *parent ? parent : "root");
}

bool address_valid(const char *s)
{
	const char *colon = strrchr(s, ':');
	uint64_t port;

	if (!colon || colon == s || strlen(s) >= ADDRESS_SIZE)
		return false;
	if (!number_parse(colon + 1, strlen(colon + 1), 65535, &port) || !port)
		return false;
	if (s[0] == '[')
		return colon - s > 2 && colon[-1] == ']' &&
			strspn(s + 1, "0123456789abcdefABCDEF:.") ==
			(size_t)(colon - s - 2);
	return strspn(s,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		       "0123456789.-_") == (size_t)(colon - s);
}

bool title_valid(const char *s, size_t size)
{
	size_t len = strlen(s);

	if (len == 0 || len >= size || !utf8_valid(s, len))
		return false;
	for (size_t i = 0, n; i < len; i += n)
		if (char_unseen(utf8_next(s + i, len - i, &n)))
			return false;
	return true;
}

bool domain_valid(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len < DOMAIN_SIZE &&
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

bool seal_spki_valid(const uint8_t *spki, size_t len)
{
	/* SEQUENCE{SEQUENCE{id-ecPublicKey, prime256v1}, BIT STRING 04...} */
	static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
		0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
		0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

	return len == ROSTER_SEAL_SIZE && !memcmp(spki, head, sizeof(head));
}

static enum err_code key_set(const char *file, const char *code,
	const char *what, const char *text, struct sign_public *out,
	struct err *err)
{
	size_t len = 0;

	if (!base64_decode(text, strlen(text), out->b, sizeof(out->b), &len) ||
		len != sizeof(out->b) || !sign_public_sound(out))
		return err_set(err, ERR_INVALID,
			"%s: %s: its %s key is no sound ed25519 key", file,
			code, what);
	return ERR_OK;
}

static enum err_code keys_set(const char *file, const struct raw_keys *raw,
	struct roster_child *c, struct err *err)
{
	struct node_info *n = &c->info;
	size_t len = 0;
	enum err_code rc;

	if ((rc = key_set(file, n->code, "log", raw->log, &n->log, err)) ||
		(rc = key_set(file, n->code, "witness", raw->witness,
			 &n->witness, err)) ||
		(rc = key_set(file, n->code, "tls", raw->tls, &n->tls, err)))
		return rc;
	if (!base64_decode(raw->seal, strlen(raw->seal), c->seal,
		    sizeof(c->seal), &len) ||
		!seal_spki_valid(c->seal, len))
		return err_set(err, ERR_INVALID,
			"%s: %s: its seal key is no p-256 key", file, n->code);
	n->enrolled = true;
	return ERR_OK;
}

bool until_parse(const char *text, char epoch[EPOCH_SIZE], uint64_t *size)
{
	uint8_t raw[8];
	size_t len = strlen(text);

	if (len < EPOCH_SIZE || text[EPOCH_SIZE - 1] != '/' ||
		!hex_decode(text, EPOCH_SIZE - 1, raw, sizeof(raw)) ||
		!number_parse(text + EPOCH_SIZE, len - EPOCH_SIZE,
			(uint64_t)1 << 53, size))
		return false;
	memcpy(epoch, text, EPOCH_SIZE - 1);
	epoch[EPOCH_SIZE - 1] = '\0';
	return true;
}

static enum err_code former_key_set(const char *file, const char *code,
	const struct raw_former *raw, struct former_key *out, struct err *err)
{
	const char *text = raw->log ? raw->log : raw->witness;

	if (!text || (raw->log && raw->witness))
		return err_set(err, ERR_INVALID,
			"%s: %s: a former key is either log or witness", file,
			code);
	if (raw->until &&
		(!raw->log || !until_parse(raw->until, out->epoch, &out->size)))
		return err_set(err, ERR_INVALID,
			"%s: %s: until \"%s\" is no EPOCH/SIZE of a former log "
			"key",
			file, code, raw->until);
	out->kind = raw->log ? FORMER_LOG : FORMER_WITNESS;
	return key_set(file, code, raw->log ? "former log" : "former witness",
		text, &out->key, err);
}

static enum err_code former_set(const char *file, const struct raw_child *raw,
	struct node_info *n, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (raw->former_count && !n->enrolled)
		return err_set(err, ERR_INVALID,
			"%s: %s: has former keys and no keys", file, n->code);
	for (; rc == ERR_OK && n->former_count < raw->former_count;
		n->former_count++)
		rc = former_key_set(file, n->code,
			&raw->former[n->former_count],
			&n->former[n->former_count], err);
	return rc;
}

static enum err_code retired_set(const char *file, const struct raw_child *raw,
	struct node_info *n, struct err *err)
{
	if (!raw->retired && !raw->successor)
		return ERR_OK;
	if (!raw->retired || !date_valid(raw->retired, strlen(raw->retired)))
		return err_set(err, ERR_INVALID,
			"%s: %s: retired is no date YYYY-MM-DD", file, n->code);
	snprintf(n->retired, sizeof(n->retired), "%s", raw->retired);
	if (!raw->successor)
		return ERR_OK;
	if (!code_valid(raw->successor, strlen(raw->successor)) ||
		!strcmp(raw->successor, n->code))
		return err_set(err, ERR_INVALID,
			"%s: %s: its successor \"%s\" is no other division",
			file, n->code, raw->successor);
	snprintf(n->successor, sizeof(n->successor), "%s", raw->successor);
	return ERR_OK;
}

static enum err_code child_set(const char *file, const char *parent,
	const struct raw_child *raw, struct roster_child *c, struct err *err)
{
	struct node_info *n = &c->info;
	enum err_code rc;

	if (!code_valid(raw->code, strlen(raw->code)))
		return err_set(err, ERR_INVALID,
			"%s: \"%s\" is no 12-digit code", file, raw->code);
	if (!title_valid(raw->name, NODE_TITLE_SIZE))
		return err_set(err, ERR_INVALID,
			"%s: %s: its name is not one line of text", file,
			raw->code);
	if (!rank_parse(raw->rank, &n->rank))
		return err_set(err, ERR_INVALID, "%s: %s: unknown rank \"%s\"",
			file, raw->code, raw->rank);
	if (raw->address && *raw->address && !address_valid(raw->address))
		return err_set(err, ERR_INVALID,
			"%s: %s: address \"%s\" is not host:port", file,
			raw->code, raw->address);
	snprintf(n->code, sizeof(n->code), "%s", raw->code);
	snprintf(n->name, sizeof(n->name), "%s", raw->name);
	snprintf(n->parent, sizeof(n->parent), "%s", parent);
	if (raw->address)
		snprintf(n->address, sizeof(n->address), "%s", raw->address);
	if (raw->keys && (rc = keys_set(file, raw->keys, c, err)))
		return rc;
	rc = former_set(file, raw, n, err);
	return rc ? rc : retired_set(file, raw, n, err);
}

enum err_code roster_load(const char *file, const char *parent,
	const void *text, size_t len, struct roster *out, struct err *err)
{
	struct raw_roster *raw = NULL;
	struct roster r = {NULL, 0};
	enum err_code rc;

	if ((rc = yamlfile_load(file, text, len, &roster_value, &raw, err)))
		return rc;
	r.child = calloc(raw->children_count ? raw->children_count : 1,
		sizeof(*r.child));
	if (!r.child)
		rc = err_nomem(err);
	for (; !rc && r.count < raw->children_count; r.count++)
		rc = child_set(file, parent, &raw->children[r.count],
			&r.child[r.count], err);
	if (rc && r.count)
		rc = yamlfile_at(
			rc, file, text, len, "children", r.count - 1, err);
	yamlfile_free(&roster_value, raw);
	if (rc)
		roster_free(&r);
	else
		*out = r;
	return rc;
}

static void write_key(
	const char *name, const void *key, size_t len, struct buf *out)
{
	char text[BASE64_SIZE(ROSTER_SEAL_SIZE)];

	base64_encode(key, len, text);
	buf_printf(out, "      %s: \"%s\"\n", name, text);
}

static void write_former(const struct node_info *n, struct buf *out)
{
	char text[BASE64_SIZE(SIGN_PUBLIC_SIZE)];

	if (n->former_count)
		buf_str(out, "    former:\n");
	for (size_t i = 0; i < n->former_count; i++) {
		const struct former_key *f = &n->former[i];

		base64_encode(f->key.b, SIGN_PUBLIC_SIZE, text);
		buf_printf(out, "      - {%s: \"%s\"",
			f->kind == FORMER_LOG ? "log" : "witness", text);
		if (f->epoch[0])
			buf_printf(out, ", until: \"%s/%" PRIu64 "\"", f->epoch,
				f->size);
		buf_str(out, "}\n");
	}
}

enum err_code roster_write(
	const struct roster *r, struct buf *out, struct err *err)
{
	buf_str(out, r->count ? "children:\n" : "children: []\n");
	for (size_t i = 0; i < r->count; i++) {
		const struct roster_child *c = &r->child[i];

		buf_printf(out, "  - code: \"%s\"\n    name: ", c->info.code);
		yamlfile_string(out, c->info.name);
		buf_printf(out, "\n    rank: %s\n", rank_name(c->info.rank));
		if (c->info.address[0])
			buf_printf(
				out, "    address: \"%s\"\n", c->info.address);
		if (c->info.retired[0])
			buf_printf(
				out, "    retired: \"%s\"\n", c->info.retired);
		if (c->info.successor[0])
			buf_printf(out, "    successor: \"%s\"\n",
				c->info.successor);
		if (!c->info.enrolled)
			continue;
		buf_str(out, "    keys:\n");
		write_key("log", c->info.log.b, SIGN_PUBLIC_SIZE, out);
		write_key("witness", c->info.witness.b, SIGN_PUBLIC_SIZE, out);
		write_key("tls", c->info.tls.b, SIGN_PUBLIC_SIZE, out);
		write_key("seal", c->seal, sizeof(c->seal), out);
		write_former(&c->info, out);
	}
	return buf_ok(out, err);
}

void roster_free(struct roster *r)
{
	free(r->child);
	*r = (struct roster){NULL, 0};
}

const struct roster_child *roster_find(const struct roster *r, const char *code)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->child[i].info.code, code))
			return &r->child[i];
	return NULL;
}

static bool key_equal(const struct sign_public *a, const struct sign_public *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

bool former_equal(const struct node_info *a, const struct node_info *b)
{
	bool same = a->former_count == b->former_count;

	for (size_t i = 0; same && i < a->former_count; i++) {
		const struct former_key *x = &a->former[i], *y = &b->former[i];

		same = key_equal(&x->key, &y->key) && x->kind == y->kind &&
			x->size == y->size && !strcmp(x->epoch, y->epoch);
	}
	return same;
}

bool roster_child_equal(
	const struct roster_child *a, const struct roster_child *b)
{
	const struct node_info *x = &a->info, *y = &b->info;

	return !strcmp(x->code, y->code) && !strcmp(x->name, y->name) &&
		x->rank == y->rank && !strcmp(x->parent, y->parent) &&
		!strcmp(x->address, y->address) && x->enrolled == y->enrolled &&
		key_equal(&x->log, &y->log) &&
		key_equal(&x->witness, &y->witness) &&
		key_equal(&x->tls, &y->tls) &&
		!strcmp(x->retired, y->retired) &&
		!strcmp(x->successor, y->successor) && former_equal(x, y) &&
		!memcmp(a->seal, b->seal, sizeof(a->seal));
}
