/* test_rotate.c - keys that are changed: what counts of old ones, and how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "policies/logs.h"
#include "tests/unit/policies/fixture.h"

static struct sign_key *key_copy(const struct sign_key *k)
{
	uint8_t seed[SIGN_SEED_SIZE];
	struct sign_key *copy = NULL;
	struct err err;

	sign_key_seed(k, seed);
	fixture_ok(sign_key_from_seed(seed, &copy, &err), &err);
	return copy;
}

static void request_of(struct fixture *f, struct node_request *out)
{
	struct buf text = BUF_EMPTY;
	struct err err;

	fixture_ok(node_rotate(f->node[VILLAGE], NULL, ROTATE_ALL, &text, &err),
		&err);
	fixture_ok(node_request_parse(text.data, text.len, out, &err), &err);
	buf_free(&text);
}

static enum err_code admit(
	struct fixture *f, const struct node_request *r, struct err *err)
{
	struct governance *g = NULL;
	struct statement s;
	enum err_code rc;

	fixture_ok(governance_open(f->repository, &g, err), err);
	rc = governance_admit(g, r, 1, &s, err);
	governance_close(g);
	return rc;
}

static void change_keys(struct fixture *f, struct node_request *r)
{
	struct err err;

	request_of(f, r);
	fixture_ok(admit(f, r, &err), &err);
	fixture_sign(f);
	fixture_adopt(f);
}

enum seen { UNSEEN, SEEN };

/* A tree of `size` entries, signed by `k` and countersigned or not. */
static enum err_code judge(struct fixture *f, const struct sign_key *k,
	uint64_t size, enum seen seen, struct err *err)
{
	struct node *town = f->node[TOWNSHIP];
	struct checkpoint cp = {.size = size};
	struct buf bytes = BUF_EMPTY;
	struct note_key key;
	struct note note;
	enum err_code rc;

	node_origin(f->node[VILLAGE], cp.origin);
	fixture_ok(checkpoint_sign(&cp, k, &bytes, err), err);
	fixture_ok(note_parse(bytes.data, bytes.len, &note, err), err);
	if (seen == SEEN)
		fixture_ok(checkpoint_cosign(&note,
				   FIXTURE_DOMAIN "/330106110000/witness",
				   town->witness, 1, &bytes, err),
			err);
	rc = log_note_open(town->rules, f->node[VILLAGE]->origin, bytes.data,
		bytes.len, &note, &cp, &key, err);
	buf_free(&bytes);
	return rc;
}

static void an_old_key_counts_up_to_its_end_and_no_further(void **state)
{
	struct fixture *f = *state;
	struct sign_key *old = key_copy(f->node[VILLAGE]->log);
	struct node_request r;
	uint64_t end;
	struct err err;

	fixture_put(f, VILLAGE, 4);
	end = fixture_log(f, VILLAGE).size;
	change_keys(f, &r);
	assert_int_equal(r.size, end);
	fixture_ok(judge(f, old, end, SEEN, &err), &err);
	assert_int_equal(judge(f, old, end, UNSEEN, &err), ERR_DENIED);
	assert_int_equal(judge(f, old, end + 1, SEEN, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "replaced at"));
	fixture_ok(
		judge(f, f->node[VILLAGE]->log, end + 1, UNSEEN, &err), &err);
	sign_key_free(old);
}

static void records_of_both_keys_go_up_as_one_log(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	unsigned next = 0, old = 0;
	char origin[ORIGIN_SIZE];
	struct node_request r;

	node_origin(n, origin);
	fixture_put(f, VILLAGE, 4);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	request_of(f, &r);
	node_rotating(n, &next, &old);
	assert_true(next == ROTATE_ALL && old == 0);
	/* By the rules of before, of one that both keys signed. */
	fixture_put(f, VILLAGE, 4);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	change_keys(f, &r);
	node_rotating(n, &next, &old);
	assert_true(next == 0 && old == ROTATE_ALL);
	/* By the rules of after, as it was stored under those of before. */
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	fixture_put(f, VILLAGE, 4);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	assert_string_equal(origin, n->origin);
}

static void a_change_is_asked_for_by_the_key_of_now(void **state)
{
	struct fixture *f = *state;
	struct node_request r;
	struct err err;

	request_of(f, &r);
	r.before[0] ^= 1;
	assert_int_equal(admit(f, &r, &err), ERR_EXISTS);
	r.before[0] ^= 1;
	r.size++;
	assert_int_equal(admit(f, &r, &err), ERR_EXISTS);
	r.size--;
	fixture_ok(admit(f, &r, &err), &err);
}

static void another_change_waits_for_the_end_of_the_first(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_EMPTY;
	struct node_request r;
	struct err err;

	change_keys(f, &r);
	assert_int_equal(
		node_rotate(f->node[VILLAGE], NULL, ROTATE_TLS, &text, &err),
		ERR_BUSY);
	buf_free(&text);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_old_key_counts_up_to_its_end_and_no_further),
		TEST(records_of_both_keys_go_up_as_one_log),
		TEST(a_change_is_asked_for_by_the_key_of_now),
		TEST(another_change_waits_for_the_end_of_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
