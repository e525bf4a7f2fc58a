/* nodefile.c - node.yaml, and a node's directory made. */
#include "policies/nodefile.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/roster.h"
#include "policies/yamlfile.h"

#define BANDWIDTH_LIMIT ((uint64_t)1 << 40)

struct raw_account {
	char *user, *role;
};

struct raw_config {
	char *code, *domain, *root, *epoch, *parent, *listen, *http, *bandwidth;
	struct raw_account *accounts;
	unsigned accounts_count;
};

static const cyaml_schema_field_t account_fields[] = {
	CYAML_FIELD_STRING_PTR("user", CYAML_FLAG_POINTER, struct raw_account,
		user, 1, ACCOUNT_SIZE - 1),
	CYAML_FIELD_STRING_PTR("role", CYAML_FLAG_POINTER, struct raw_account,
		role, 1, ACCOUNT_SIZE - 1),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t account_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_DEFAULT, struct raw_account, account_fields),
};

#define REQUIRED_TEXT(key, member, limit)                                      \
	CYAML_FIELD_STRING_PTR(                                                \
		key, CYAML_FLAG_POINTER, struct raw_config, member, 1, limit)
#define OPTIONAL_TEXT(key, member, limit)                                      \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,  \
		struct raw_config, member, 0, limit)

static const cyaml_schema_field_t config_fields[] = {
	REQUIRED_TEXT("code", code, CODE_LEN),
	REQUIRED_TEXT("domain", domain, DOMAIN_SIZE - 1),
	REQUIRED_TEXT("root", root, 64),
	REQUIRED_TEXT("epoch", epoch, 16),
	OPTIONAL_TEXT("parent", parent, ADDRESS_SIZE - 1),
	OPTIONAL_TEXT("listen", listen, ADDRESS_SIZE - 1),
	OPTIONAL_TEXT("http", http, ADDRESS_SIZE - 1),
	OPTIONAL_TEXT("bandwidth", bandwidth, 20),
	CYAML_FIELD_SEQUENCE("accounts",
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config,
		accounts, &account_value, 0, ACCOUNTS_LIMIT),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t config_value = {
	CYAML_VALUE_MAPPING(
		CYAML_FLAG_POINTER, struct raw_config, config_fields),
};

static enum err_code address_set(const char *file, const char *what,
	const char *text, char out[ADDRESS_SIZE], struct err *err)
{
	if (!text || !*text)
		return ERR_OK;
	if (!address_valid(text))
		return err_set(err, ERR_INVALID,
			"%s: %s \"%s\" is not host:port", file, what, text);
	snprintf(out, ADDRESS_SIZE, "%s", text);
	return ERR_OK;
}

/* Plain HTTP never leaves the machine. */
static bool is_loopback(const char *address)
{
	return !*address || !strncmp(address, "127.", 4) ||
		!strncmp(address, "[::1]:", 6) ||
		!strncmp(address, "localhost:", 10);
}

static enum err_code config_set(const char *file, const struct raw_config *raw,
	struct node_config *c, struct err *err)
{
	uint8_t epoch[8];
	enum err_code rc;

	if (!code_valid(raw->code, strlen(raw->code)))
		return err_set(err, ERR_INVALID,
			"%s: code \"%s\" is not of 12 digits", file, raw->code);
	if (!domain_valid(raw->domain))
		return err_set(err, ERR_INVALID,
			"%s: domain \"%s\" has other characters than a-z, "
			"0-9, . and -",
			file, raw->domain);
	if (!digest_from_hex(raw->root, strlen(raw->root), &c->root))
		return err_set(err, ERR_INVALID,
			"%s: root is not 64 lower-case hex digits", file);
	if (!hex_decode(raw->epoch, strlen(raw->epoch), epoch, sizeof(epoch)))
		return err_set(err, ERR_INVALID,
			"%s: epoch is not 16 lower-case hex digits", file);
	if (raw->bandwidth && *raw->bandwidth &&
		!number_parse(raw->bandwidth, strlen(raw->bandwidth),
			BANDWIDTH_LIMIT, &c->bandwidth))
		return err_set(err, ERR_INVALID,
			"%s: bandwidth \"%s\" is not a number of bytes a "
			"second, at most %" PRIu64,
			file, raw->bandwidth, BANDWIDTH_LIMIT);
	for (unsigned i = 0; i < raw->accounts_count; i++) {
		if ((rc = accounts_add(&c->accounts, file,
			     raw->accounts[i].user, raw->accounts[i].role,
			     err)))
			return rc;
	}
	snprintf(c->code, sizeof(c->code), "%s", raw->code);
	snprintf(c->domain, sizeof(c->domain), "%s", raw->domain);
	snprintf(c->epoch, sizeof(c->epoch), "%s", raw->epoch);
	if ((rc = address_set(file, "parent", raw->parent, c->parent, err)) ||
		(rc = address_set(
			 file, "listen", raw->listen, c->listen, err)) ||
		(rc = address_set(file, "http", raw->http, c->http, err)))
		return rc;
	if (!is_loopback(c->http))
		return err_set(err, ERR_INVALID,
			"%s: http %s is not on loopback", file, c->http);
	return ERR_OK;
}

enum err_code node_config_parse(const char *file, const void *text, size_t len,
	struct node_config *out, struct err *err)
{
	struct node_config c = {.bandwidth = 0};
	struct raw_config *raw = NULL;
	enum err_code rc;

	if ((rc = yamlfile_load(file, text, len, &config_value, &raw, err)))
		return rc;
	if (!(rc = config_set(file, raw, &c, err)))
		*out = c;
	yamlfile_free(&config_value, raw);
	return rc;
}

enum err_code node_config_load(
	const char *path, struct node_config *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!(rc = file_read(path, NODE_CONFIG_LIMIT, &text, err)))
		rc = node_config_parse(path, text.data, text.len, out, err);
	buf_free(&text);
	return rc;
}

enum err_code node_config_write(
	const struct node_config *c, struct buf *out, struct err *err)
{
	char root[DIGEST_HEX_SIZE];

	digest_hex(&c->root, root);
	buf_printf(out,
		"code: \"%s\"\ndomain: \"%s\"\n"
		"# SHA-256 of the domain's first statement.\n"
		"root: \"%s\"\nepoch: \"%s\"\n",
		c->code, c->domain, root, c->epoch);
	buf_printf(out,
		"# host:port, or nothing: the parent to dial, where to listen\n"
		"# for children, where to serve HTTP (loopback only).\n"
		"parent: \"%s\"\nlisten: \"%s\"\nhttp: \"%s\"\n"
		"# Bytes a second to the parent, 0 for no limit.\n"
		"bandwidth: \"%" PRIu64 "\"\n",
		c->parent, c->listen, c->http, c->bandwidth);
	return buf_ok(out, err);
}

/* ---- init ---- */

static enum err_code key_create(
	const char *data, const char *name, struct err *err)
{
	char *path = file_join(data, name);
	struct sign_key *k = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = sign_key_new(&k, err)))
		rc = sign_key_save(k, path, err);
	sign_key_free(k);
	free(path);
	return rc;
}

static enum err_code keys_create(const char *data, struct err *err)
{
	char *dir = file_join(data, NODE_KEYS);
	char *seal = file_join(data, NODE_KEY_SEAL);
	enum err_code rc;

	if (!dir || !seal)
		rc = err_nomem(err);
	else if (!(rc = file_make_dirs(dir, err)) &&
		!(rc = key_create(data, NODE_KEY_LOG, err)) &&
		!(rc = key_create(data, NODE_KEY_WITNESS, err)) &&
		!(rc = key_create(data, NODE_KEY_TLS, err)))
		rc = seal_key_create(seal, err);
	free(dir);
	free(seal);
	return rc;
}

/* As a peer would: what is copied is what was signed, nothing else. */
static enum err_code heads_copy(struct governance *from, const char *data,
	const struct digest *pin, struct err *err)
{
	char *path = file_join(data, NODE_GOVERNANCE);
	struct governance *to = NULL;
	struct buf bytes = BUF_EMPTY;
	uint64_t newest = 0;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = governance_create(path, &to, err)))
		goto out;
	for (;;) {
		buf_clear(&bytes);
		rc = governance_export(from, newest, &bytes, err);
		if (rc == ERR_NOT_FOUND && newest) {
			rc = ERR_OK;
			break;
		}
		if (rc ||
			(rc = governance_import(
				 to, bytes.data, bytes.len, pin, &newest, err)))
			break;
	}
out:
	governance_close(to);
	buf_free(&bytes);
	free(path);
	return rc;
}

/* What can be wrong with the words of the user, before anything is made. */
static enum err_code config_make(struct governance *g,
	const struct node_init_options *opt, struct node_config *c,
	struct err *err)
{
	struct raw_config raw = {.bandwidth = NULL};
	struct rules *rules = NULL;
	char root[DIGEST_HEX_SIZE], epoch[HEX_SIZE(8)];
	const struct node_info *us;
	uint8_t random[8];
	enum err_code rc;

	if ((rc = governance_rules(g, 0, opt->pin, &rules, err)) ||
		(rc = random_bytes(random, sizeof(random), err)))
		goto out;
	if (!(us = rules_node(rules, opt->code))) {
		rc = err_set(err, ERR_NOT_FOUND, "%s is no division of %s",
			opt->code, rules_domain(rules));
		goto out;
	}
	if (us->retired[0]) {
		rc = err_set(err, ERR_DENIED,
			"%s was retired on %s: its code takes no node any more",
			us->code, us->retired);
		goto out;
	}
	digest_hex(rules_root_fingerprint(rules), root);
	hex_encode(random, sizeof(random), epoch);
	raw.code = (char *)opt->code;
	raw.domain = (char *)rules_domain(rules);
	raw.root = root;
	raw.epoch = epoch;
	raw.parent = (char *)opt->parent;
	raw.listen = (char *)opt->listen;
	raw.http = (char *)opt->http;
	c->bandwidth = opt->bandwidth;
	if (c->bandwidth > BANDWIDTH_LIMIT)
		rc = err_set(err, ERR_LIMIT,
			"bandwidth of %" PRIu64
			" bytes a second, limit %" PRIu64,
			c->bandwidth, BANDWIDTH_LIMIT);
	else
		rc = config_set("init", &raw, c, err);
out:
	rules_unref(rules);
	return rc;
}

static enum err_code check_fresh(const char *data, struct err *err)
{
	static const char *const names[] = {NODE_FILE, NODE_KEYS,
		NODE_GOVERNANCE, "segments", "index", "keyring"};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < ARRAY_LEN(names); i++) {
		char *path = file_join(data, names[i]);

		if (!path)
			return err_nomem(err);
		if (file_exists(path))
			rc = i == 0 ? err_set(err, ERR_EXISTS,
					      "%s holds a node", data)
				    : err_set(err, ERR_EXISTS,
					      "%s holds %s of an init that did "
					      "not finish; remove the folder "
					      "and try again",
					      data, names[i]);
		free(path);
	}
	return rc;
}

/* node.yaml comes last: without it there is no node, whatever else lies
 * there. */
static enum err_code node_make(const char *data, struct governance *g,
	const struct node_config *c, struct err *err)
{
	char *path = file_join(data, NODE_FILE);
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = file_make_dirs(data, err)) || (rc = keys_create(data, err)))
		goto out;
	crash_point("node.keys");
	if ((rc = heads_copy(g, data, &c->root, err)))
		goto out;
	crash_point("node.rules");
	if ((rc = node_start(data, c, err)) ||
		(rc = node_config_write(c, &text, err)))
		goto out;
	crash_point("node.made");
	rc = file_replace(path, text.data, text.len, 0600, err);
out:
	buf_free(&text);
	free(path);
	return rc;
}

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* What a full disk left of a node that was being made.  The folder held none
 * of it before: check_fresh() looked. */
static void node_unmake(const char *data)
{
	static const char *const names[] = {NODE_FILE, NODE_KEYS,
		NODE_GOVERNANCE, "segments", "index", "keyring", "attachments",
		POLICY_HINT, "extent", "instance", "instance.new", "reserve",
		"lock"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path = file_join(data, names[i]);

		/* What stays is named by the next try. */
		if (path)
			(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		free(path);
	}
	(void)file_sweep(data, NULL);
}

enum err_code node_init(
	const char *data, const struct node_init_options *opt, struct err *err)
{
	struct node_config c = {.bandwidth = 0};
	struct governance *g = NULL;
	enum err_code rc;

	if ((rc = check_fresh(data, err)) ||
		(rc = governance_open(opt->governance, &g, err)) ||
		(rc = config_make(g, opt, &c, err)))
		goto out;
	rc = node_make(data, g, &c, err);
	if (rc == ERR_FULL)
		node_unmake(data);
out:
	governance_close(g);
	return rc;
}
