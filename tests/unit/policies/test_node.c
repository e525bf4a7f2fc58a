/* test_node.c - a node's folder is made whole, opened, and follows heads. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/policies/domain.h"

static struct node_init_options options(
	void **state, const struct digest *pin, const char *code)
{
	return (struct node_init_options){.code = code,
		.governance = strdup(scratch_path(state, "gov.git")),
		.pin = pin,
		.parent = "127.0.0.1:7000",
		.listen = "127.0.0.1:7001"};
}

static enum err_code init(void **state, const struct digest *pin,
	const char *code, struct err *err)
{
	struct node_init_options opt = options(state, pin, code);
	enum err_code rc = node_init(scratch_path(state, "data"), &opt, err);

	free((char *)opt.governance);
	return rc;
}

static struct node *open_node(void **state, enum store_mode mode)
{
	struct node *n = NULL;
	struct err err;

	ok(node_open(scratch_path(state, "data"), mode, &n, &err), &err);
	return n;
}

/* Brings the officers' newest heads to the node's own repository. */
static void bring(struct governance *g, struct node *n)
{
	struct buf bytes = BUF_EMPTY;
	struct statement s;
	uint64_t newest = 0;
	struct err err;

	ok(governance_head(n->governance, &s, &err), &err);
	ok(governance_export(g, s.serial, &bytes, &err), &err);
	ok(governance_import(n->governance, bytes.data, bytes.len,
		   &n->config.root, &newest, &err),
		&err);
	buf_free(&bytes);
}

static uint64_t own_size(struct node *n)
{
	struct log_info own;
	struct err err;

	ok(store_log_own(n->store, &own, &err), &err);
	assert_string_equal(own.origin, n->origin);
	return own.size;
}

static void init_makes_keys_store_rules_and_the_first_record(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct run run = {.count = 0};
	struct log_info own;
	struct entry e;
	struct rules *rules;
	struct node *n;
	struct stat st;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	n = open_node(state, STORE_READ);
	assert_string_equal(n->config.code, VILLAGE);
	assert_string_equal(n->config.domain, DOMAIN);
	assert_string_equal(n->config.parent, "127.0.0.1:7000");
	assert_string_equal(n->config.http, "");
	assert_true(digest_equal(&n->config.root, &pin));
	assert_true(origin_valid(n->origin, strlen(n->origin)));
	ok(store_log_own(n->store, &own, &err), &err);
	assert_int_equal(own.size, 1);
	assert_int_equal(own.checkpoint_size, 1);
	ok(store_read(n->store, own.id, 0, 1, LABEL_ALL, &run, &err), &err);
	ok(entry_parse(run.record[0].entry, run.record[0].entry_len, &e, &err),
		&err);
	assert_string_equal(e.series, "sys-policy");
	rules = node_rules(n);
	assert_int_equal(rules_serial(rules), 1);
	rules_unref(rules);
	assert_int_equal(
		stat(scratch_path(state, "data/keys/log.pem"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(scratch_path(state, "data/keys"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	run_free(&run);
	node_close(n);
	governance_close(g);
}

static void a_node_with_a_part_gone_is_damaged_not_absent(void **state)
{
	static const char *const parts[] = {"data/keyring", "data/keys/log.pem",
		"data/segments", "data/node.yaml"};
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct node *n = NULL;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *path = scratch_path(state, parts[i]);
		const char *away = scratch_path(state, "away");

		assert_int_equal(rename(path, away), 0);
		assert_int_equal(node_open(scratch_path(state, "data"),
					 STORE_READ, &n, &err),
			ERR_CORRUPT);
		assert_int_equal(rename(away, path), 0);
	}
	assert_int_equal(
		node_open(scratch_path(state, "none"), STORE_READ, &n, &err),
		ERR_NOT_FOUND);
	node_close(open_node(state, STORE_READ));
	governance_close(g);
}

static void init_refuses_what_holds_a_node(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	assert_int_equal(init(state, &pin, VILLAGE, &err), ERR_EXISTS);
	governance_close(g);
}

static void init_refuses_before_it_makes_anything(void **state)
{
	struct digest pin, other = {{0}};
	struct governance *g;
	struct err err;

	pin = domain_make(state);
	assert_int_equal(init(state, &pin, VILLAGE, &err), ERR_NOT_FOUND);
	g = gov_open(state, "gov.git");
	sign_both(state, g);
	governance_close(g);
	assert_int_equal(init(state, &other, VILLAGE, &err), ERR_DENIED);
	assert_int_equal(
		init(state, &pin, "330107000000", &err), ERR_NOT_FOUND);
	assert_false(file_exists(scratch_path(state, "data")));
}

static void an_init_that_died_is_told_apart_from_a_node(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	shell(state, "rm data/node.yaml");
	assert_int_equal(init(state, &pin, VILLAGE, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "did not finish"));
	governance_close(g);
}

static void adoption_is_a_record_and_swaps_the_rules(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *before, *after;
	uint64_t adopted = 9;
	struct node *n;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	n = open_node(state, STORE_WRITE);
	ok(node_adopt(n, NULL, &adopted, &err), &err);
	assert_int_equal(adopted, 0);
	change_rules(state, g, 1);
	bring(g, n);
	before = node_rules(n);
	ok(node_adopt(n, NULL, &adopted, &err), &err);
	assert_int_equal(adopted, 2);
	after = node_rules(n);
	assert_int_equal(rules_serial(before), 1);
	assert_int_equal(rules_serial(after), 2);
	assert_int_equal(own_size(n), 2);
	rules_unref(before);
	rules_unref(after);
	node_close(n);
	n = open_node(state, STORE_READ);
	assert_int_equal(rules_serial(n->rules), 2);
	node_close(n);
	governance_close(g);
}

static void adoption_goes_through_a_writer_too(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct writer *w = NULL;
	uint64_t adopted = 0;
	struct node *n;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	change_rules(state, g, 1);
	n = open_node(state, STORE_WRITE);
	bring(g, n);
	ok(writer_start(n->store, node_sign, n, &w, &err), &err);
	ok(node_adopt(n, w, &adopted, &err), &err);
	assert_int_equal(adopted, 2);
	assert_int_equal(own_size(n), 2);
	writer_stop(w);
	node_close(n);
	governance_close(g);
}

/* A reader goes by the log's last sys-policy; a writer puts it right. */
static void a_head_without_its_record_is_recorded_at_the_next_start(
	void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct node *n;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	change_rules(state, g, 1);
	n = open_node(state, STORE_WRITE);
	bring(g, n);
	node_close(n);
	n = open_node(state, STORE_READ);
	assert_int_equal(rules_serial(n->rules), 1);
	node_close(n);
	n = open_node(state, STORE_WRITE);
	assert_int_equal(rules_serial(n->rules), 2);
	assert_int_equal(own_size(n), 2);
	node_close(n);
	n = open_node(state, STORE_WRITE);
	assert_int_equal(own_size(n), 2);
	node_close(n);
	governance_close(g);
}

static void the_hint_may_be_missing_or_wrong(void **state)
{
	static const char *const spoil[] = {"rm data/policy",
		"echo 0 > data/policy", "echo 77 > data/policy",
		"echo x > data/policy"};
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct node *n;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	change_rules(state, g, 1);
	n = open_node(state, STORE_WRITE);
	bring(g, n);
	node_close(n);
	n = open_node(state, STORE_WRITE);
	node_close(n);
	for (size_t i = 0; i < ARRAY_LEN(spoil); i++) {
		shell(state, "%s", spoil[i]);
		n = open_node(state, STORE_WRITE);
		assert_int_equal(rules_serial(n->rules), 2);
		assert_int_equal(own_size(n), 2);
		node_close(n);
	}
	governance_close(g);
}

static void a_death_between_record_and_hint_records_once(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct node *n;
	struct err err;
	int status;
	pid_t child;

	ok(init(state, &pin, VILLAGE, &err), &err);
	change_rules(state, g, 1);
	n = open_node(state, STORE_WRITE);
	bring(g, n);
	node_close(n);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setenv("CUNDANG_CRASH", "node.adopted", 1);
		(void)node_open(
			scratch_path(state, "data"), STORE_WRITE, &n, &err);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
#ifdef CUNDANG_CRASH_POINTS
	assert_int_equal(WEXITSTATUS(status), 137);
#endif
	n = open_node(state, STORE_WRITE);
	assert_int_equal(rules_serial(n->rules), 2);
	assert_int_equal(own_size(n), 2);
	node_close(n);
	governance_close(g);
}

static void expect_bad_config(void **state, const char *sed, const char *what)
{
	struct node *n = NULL;
	struct err err;

	shell(state,
		"cp node.yaml data/node.yaml && sed -i '%s' data/node.yaml",
		sed);
	assert_int_equal(
		node_open(scratch_path(state, "data"), STORE_READ, &n, &err),
		ERR_INVALID);
	if (!strstr(err.text, what))
		fail_msg("\"%s\" does not tell of %s", err.text, what);
}

static void mistakes_in_node_yaml_are_told(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	shell(state, "cp data/node.yaml .");
	expect_bad_config(state, "s/^code.*/code: 12/", "code");
	expect_bad_config(state, "s/^bandwidth.*/bandwidth: 30k/", "bandwidth");
	expect_bad_config(state, "s/^bandwidth.*/bandwidth: 010/", "bandwidth");
	expect_bad_config(state, "s/^http.*/http: 0.0.0.0:80/", "loopback");
	expect_bad_config(state, "s/^listen.*/listen: here/", "host:port");
	expect_bad_config(state, "s/^parent.*/parent: \"a:0\"/", "host:port");
	expect_bad_config(
		state, "s/^epoch.*/epoch: ABCDEF0123456789/", "epoch");
	expect_bad_config(state, "s/^parent/colour/", "colour");
	governance_close(g);
}

static void the_request_of_a_node_verifies(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct node_request made, read;
	struct buf text = BUF_EMPTY;
	struct node *n;
	struct err err;

	ok(init(state, &pin, VILLAGE, &err), &err);
	n = open_node(state, STORE_READ);
	ok(node_make_request(n, &made, &err), &err);
	ok(node_request_write(&made, n->log, NULL, &text, &err), &err);
	ok(node_request_parse(text.data, text.len, &read, &err), &err);
	assert_string_equal(read.code, VILLAGE);
	assert_string_equal(read.address, "127.0.0.1:7001");
	assert_memory_equal(&read.tls, &made.tls, sizeof(read.tls));
	buf_free(&text);
	node_close(n);
	governance_close(g);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(init_makes_keys_store_rules_and_the_first_record),
		T(a_node_with_a_part_gone_is_damaged_not_absent),
		T(init_refuses_what_holds_a_node),
		T(init_refuses_before_it_makes_anything),
		T(an_init_that_died_is_told_apart_from_a_node),
		T(adoption_is_a_record_and_swaps_the_rules),
		T(adoption_goes_through_a_writer_too),
		T(a_head_without_its_record_is_recorded_at_the_next_start),
		T(the_hint_may_be_missing_or_wrong),
		T(a_death_between_record_and_hint_records_once),
		T(mistakes_in_node_yaml_are_told),
		T(the_request_of_a_node_verifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
