/* fixture.c - a small domain in a temporary folder, for tests. */
#include "tests/unit/policies/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const codes[PLACES] = {
	[COUNTY] = "330106000000",
	[TOWNSHIP] = "330106110000",
	[VILLAGE] = "330106110201",
	[OTHER] = "330106110203",
};

static const char divisions[] = "code,name,parent\n"
				"330106000000,西湖区,\n"
				"330106110000,双浦镇,330106000000\n"
				"330106110201,外张村委会,330106110000\n"
				"330106110203,吴家村委会,330106110000\n";

const char *fixture_code(enum fixture_place p)
{
	return codes[p];
}

void fixture_ok(enum err_code rc, const struct err *err)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err->text);
}

static void run(const char *command)
{
	int status = system(command);

	if (status)
		fail_msg("status %d: %s", status, command);
}

void fixture_clone(const char *from, const char *to)
{
	char path[512];

	fixture_copy(from, to);
	snprintf(path, sizeof(path), "%s/instance", to);
	if (remove(path))
		fail_msg("no marker in %s", to);
}

void fixture_copy(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp -r '%s' '%s'", from, to);
	run(command);
}

static void make_officers(struct fixture *f)
{
	char command[256];

	for (int i = 0; i < 2; i++) {
		snprintf(f->key[i], sizeof(f->key[i]), "%s/officer%d", f->dir,
			i + 1);
		snprintf(command, sizeof(command),
			"ssh-keygen -q -t ed25519 -N '' -C officer%d -f '%s'",
			i + 1, f->key[i]);
		run(command);
	}
}

static void make_governance(struct fixture *f)
{
	char csv[96], pub[2][96];
	struct governance_officer officers[2] = {
		{"officer1", pub[0]}, {"officer2", pub[1]}};
	struct err err;

	snprintf(csv, sizeof(csv), "%s/divisions.csv", f->dir);
	for (int i = 0; i < 2; i++)
		snprintf(pub[i], sizeof(pub[i]), "%s.pub", f->key[i]);
	fixture_ok(file_replace(csv, divisions, strlen(divisions), 0600, &err),
		&err);
	snprintf(f->repository, sizeof(f->repository), "%s/governance", f->dir);
	fixture_ok(governance_init(f->repository, FIXTURE_DOMAIN, codes[COUNTY],
			   csv, officers, 2, &f->pin, &err),
		&err);
}

void fixture_sign(struct fixture *f)
{
	struct governance *g = NULL;
	unsigned have = 0, want = 1;
	struct err err;

	fixture_ok(governance_open(f->repository, &g, &err), &err);
	for (int i = 0; i < 2 && have < want; i++)
		fixture_ok(governance_sign(
				   g, f->key[i], NULL, 0, &have, &want, &err),
			&err);
	assert_true(have >= want);
	governance_close(g);
}

void fixture_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/cundang-policies-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	make_officers(f);
	make_governance(f);
	fixture_sign(f);
}

void fixture_close(struct fixture *f)
{
	char command[128];

	for (int p = 0; p < PLACES; p++)
		node_close(f->node[p]);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	run(command);
}

void fixture_init_nodes(
	struct fixture *f, const enum fixture_place *places, size_t count)
{
	struct node_init_options opt = {
		.governance = f->repository, .pin = &f->pin};
	struct err err;
	char data[96];

	for (size_t i = 0; i < count; i++) {
		opt.code = codes[places[i]];
		snprintf(data, sizeof(data), "%s/%s", f->dir, opt.code);
		fixture_ok(node_init(data, &opt, &err), &err);
		fixture_ok(
			node_open(data, STORE_WRITE, &f->node[places[i]], &err),
			&err);
	}
}

void fixture_adopt(struct fixture *f)
{
	struct governance *g = NULL;
	struct statement head;
	struct err err;

	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_head(g, &head, &err), &err);
	for (int p = 0; p < PLACES; p++) {
		struct node *n = f->node[p];
		struct buf bytes = BUF_EMPTY;
		struct rules *rules;
		uint64_t newest, adopted;

		if (!n)
			continue;
		rules = node_rules(n);
		fixture_ok(
			governance_export(g, rules_serial(rules), &bytes, &err),
			&err);
		rules_unref(rules);
		fixture_ok(governance_import(n->governance, bytes.data,
				   bytes.len, &f->pin, &newest, &err),
			&err);
		fixture_ok(node_adopt(n, NULL, &adopted, &err), &err);
		assert_int_equal(adopted, head.serial);
		buf_free(&bytes);
	}
	governance_close(g);
}

void fixture_enrol(struct fixture *f)
{
	struct node_request requests[PLACES];
	struct governance *g = NULL;
	struct statement proposed;
	size_t count = 0;
	struct err err;

	for (int p = 0; p < PLACES; p++) {
		if (f->node[p])
			fixture_ok(node_make_request(f->node[p],
					   &requests[count++], &err),
				&err);
	}
	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_admit(g, requests, count, &proposed, &err), &err);
	governance_close(g);
	fixture_sign(f);
	fixture_adopt(f);
}

void fixture_change_rules(struct fixture *f, const char *edit)
{
	struct governance *g = NULL;
	struct statement s;
	char command[2048];
	struct err err;

	snprintf(command, sizeof(command),
		"cd '%s' && export HOME=\"$PWD\" GIT_CONFIG_NOSYSTEM=1 "
		"GIT_AUTHOR_NAME=officer GIT_AUTHOR_EMAIL=officer@localhost "
		"GIT_COMMITTER_NAME=officer "
		"GIT_COMMITTER_EMAIL=officer@localhost && exec >>log 2>&1 && "
		"rm -rf work && git clone -q governance work && cd work && "
		"%s && git commit -q -a -m edit && git push -q origin "
		"HEAD:main",
		f->dir, edit);
	assert_int_equal(system(command), 0);
	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_publish(g, &s, &err), &err);
	governance_close(g);
	fixture_sign(f);
	fixture_adopt(f);
}

void fixture_some(
	struct fixture *f, const enum fixture_place *places, size_t count)
{
	fixture_open(f);
	fixture_init_nodes(f, places, count);
	fixture_enrol(f);
}

void fixture_seal(struct fixture *f)
{
	fixture_change_rules(f,
		"for x in minor-protection:child special-rehab:helpers; do "
		"sed -i \"s/^attachments: .*/attachments: none\\nsealed: "
		"${x#*:}/\" series/${x%:*}.yaml; done; "
		"openssl genpkey -algorithm EC -pkeyopt "
		"ec_paramgen_curve:P-256 -out ../role.pem && "
		"K=$(openssl pkey -in ../role.pem -pubout -outform DER | "
		"base64 -w0) && { echo \"recovery: $K\"; echo recipients:; "
		"for r in child helpers; do echo \"  - {name: officer3, role: "
		"$r, scope: '330106000000', key: $K}\"; done; } >seals.yaml "
		"&& git add seals.yaml");
}

void fixture_all(struct fixture *f)
{
	static const enum fixture_place all[] = {
		COUNTY, TOWNSHIP, VILLAGE, OTHER};

	fixture_some(f, all, PLACES);
}

int fixture_setup(void **state)
{
	static struct fixture f;

	fixture_all(&f);
	*state = &f;
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* The lines of the records file with the village's code as they stand there
 * replaced. */
static struct json *read_line(
	const struct buf *file, size_t index, enum fixture_place p)
{
	struct cursor c = cursor_over(file->data, file->len);
	const char *line = NULL;
	struct json *v = NULL;
	struct err err;
	size_t len = 0;
	char *copy, *at;

	for (size_t i = 0; i <= index; i++)
		line = cursor_line(&c, &len);
	if (!line)
		return NULL;
	copy = strndup(line, len);
	assert_non_null(copy);
	for (at = copy; (at = strstr(at, codes[VILLAGE])); at += CODE_LEN)
		memcpy(at, codes[p], CODE_LEN);
	fixture_ok(json_parse(copy, len, DOCUMENT_LIMIT, &v, &err), &err);
	json_remove(v, "id");
	free(copy);
	return v;
}

static void read_records(struct buf *out)
{
	struct err err;

	fixture_ok(file_read(TEST_DATA "/records.ndjson", (size_t)1 << 20, out,
			   &err),
		&err);
}

struct json *fixture_document(size_t i, enum fixture_place p)
{
	struct buf file = BUF_EMPTY;
	struct json *v;
	size_t lines = 0;

	read_records(&file);
	for (size_t k = 0; k < file.len; k++)
		lines += file.data[k] == '\n';
	v = read_line(&file, i % lines, p);
	buf_free(&file);
	return v;
}

struct json *fixture_document_of(const char *series, enum fixture_place p)
{
	struct buf file = BUF_EMPTY;
	struct json *v = NULL;

	read_records(&file);
	for (size_t i = 0; (v = read_line(&file, i, p)); i++) {
		if (!strcmp(json_get_string(v, "series"), series))
			break;
		json_free(v);
	}
	buf_free(&file);
	if (!v)
		fail_msg("no document of series %s", series);
	return v;
}

static struct captured *prepare(
	const struct capture_source *src, struct json *document)
{
	struct captured *c = NULL;
	struct buf text = BUF_EMPTY;
	struct err err;

	fixture_ok(json_write(document, &text, &err), &err);
	fixture_ok(capture_prepare(src, (const char *)text.data, text.len, NULL,
			   &c, &err),
		&err);
	json_free(document);
	buf_free(&text);
	return c;
}

void fixture_capture(struct fixture *f, enum fixture_place p,
	struct json *document, attachment_find *find, void *find_arg,
	struct receipt *receipt)
{
	struct rules *rules = node_rules(f->node[p]);
	struct capture_source src = {f->node[p], rules, find, find_arg};
	struct captured *c = prepare(&src, document);
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	fixture_ok(capture_commit(b, c, receipt, &err), &err);
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
	captured_free(c);
	rules_unref(rules);
}

void fixture_put(struct fixture *f, enum fixture_place p, size_t count)
{
	struct rules *rules = node_rules(f->node[p]);
	struct capture_source src = {f->node[p], rules, NULL, NULL};
	struct captured **c = calloc(count + 1, sizeof(struct captured *));
	struct batch *b = NULL;
	struct receipt receipt;
	struct err err;

	assert_non_null(c);
	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	for (size_t i = 0; i < count; i++) {
		c[i] = prepare(&src, fixture_document(i, p));
		fixture_ok(capture_commit(b, c[i], &receipt, &err), &err);
	}
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
	for (size_t i = 0; i < count; i++)
		captured_free(c[i]);
	free(c);
	rules_unref(rules);
}

struct log_info fixture_log(struct fixture *f, enum fixture_place p)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_own(f->node[p]->store, &log, &err), &err);
	return log;
}

/* ---- carrying ---- */

static void store_taken(struct node *n, struct taken *t)
{
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(taken_store(b, t, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	taken_free(t);
}

static void carry_checkpoint(struct node *from, struct node *to,
	const struct log_info *log, uint64_t known)
{
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct err err;

	fixture_ok(exchange_make_checkpoint(from, log, known, &m, &err), &err);
	fixture_ok(exchange_take_checkpoint(to, to->rules, from->config.code,
			   m.data, m.len, &t, NULL, &err),
		&err);
	store_taken(to, t);
	buf_free(&m);
}

static uint64_t carry_package(struct node *from, struct node *to,
	const struct log_info *log, uint64_t at)
{
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct err err;
	uint64_t next;

	fixture_ok(exchange_make_package(from, from->rules, log,
			   to->config.code, at, log->checkpoint_size,
			   (size_t)64 << 10, &m, &next, NULL, &err),
		&err);
	fixture_ok(exchange_take_package(to, to->rules, from->config.code,
			   m.data, m.len, &t, &err),
		&err);
	assert_int_equal(taken_size(t), next);
	store_taken(to, t);
	buf_free(&m);
	return next;
}

unsigned fixture_carry(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin)
{
	struct log_info log, there = {.size = 0};
	unsigned packages = 0;
	struct err err;

	fixture_ok(
		store_log_find(f->node[from]->store, origin, &log, &err), &err);
	if (store_log_find(f->node[to]->store, origin, &there, &err))
		there = (struct log_info){.size = 0};
	carry_checkpoint(
		f->node[from], f->node[to], &log, exchange_known_size(&there));
	for (uint64_t at = there.size; at < log.checkpoint_size; packages++)
		at = carry_package(f->node[from], f->node[to], &log, at);
	return packages;
}
