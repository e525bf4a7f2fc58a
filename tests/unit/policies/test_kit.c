/* test_kit.c - one file for all nodes of a domain, and what is wrong with it.
 */
#include "tests/unit/policies/domain.h"

static const struct kit_parent parents[] = {
	{TOWNSHIP, "10.9.8.7:7440"},
	{ROOT, "county.example:7440"},
};

static struct buf kit_of(struct governance *g, size_t count)
{
	struct buf kit = BUF_EMPTY;
	struct err err;

	ok(kit_write(g, parents, count, &kit, &err), &err);
	return kit;
}

static void a_kit_brings_the_rules_and_the_addresses(void **state)
{
	struct governance *copy = NULL;
	struct rules *rules = NULL;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct buf text;
	struct kit k;
	struct err err;

	change_rules(state, g, 1);
	change_rules(state, g, 2);
	text = kit_of(g, 2);
	ok(kit_parse(text.data, text.len, &k, &err), &err);
	assert_string_equal(k.domain, DOMAIN);
	assert_int_equal(k.serial, 3);
	ok(kit_unpack(&k, scratch_path(state, "copy.git"), NULL, &copy, &err),
		&err);
	ok(governance_rules(copy, 0, &pin, &rules, &err), &err);
	assert_int_equal(rules_serial(rules), 3);
	assert_string_equal(
		kit_parent_address(&k, rules, VILLAGE), "10.9.8.7:7440");
	assert_string_equal(
		kit_parent_address(&k, rules, TOWNSHIP), "county.example:7440");
	assert_string_equal(kit_parent_address(&k, rules, ROOT), "");
	/* Of this one's node above nobody says where it is. */
	assert_string_equal(kit_parent_address(&k, rules, "330106002001"), "");
	rules_unref(rules);
	governance_close(copy);
	governance_close(g);
	kit_free(&k);
	buf_free(&text);
}

static void the_same_rules_and_addresses_give_the_same_bytes(void **state)
{
	const struct kit_parent turned[] = {parents[1], parents[0]};
	struct buf other = BUF_EMPTY;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct buf text = kit_of(g, 2);
	struct err err;

	ok(kit_write(g, turned, 2, &other, &err), &err);
	assert_int_equal(text.len, other.len);
	assert_memory_equal(text.data, other.data, text.len);
	buf_free(&text);
	buf_free(&other);
	governance_close(g);
}

static void any_changed_byte_of_a_kit_is_refused(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct buf text = kit_of(g, 1);
	struct err err;
	struct kit k;

	for (size_t i = 0; i < text.len; i += i < 400 ? 1 : 97) {
		text.data[i] ^= 1;
		if (kit_parse(text.data, text.len, &k, &err) != ERR_INVALID)
			fail_msg("byte %zu does not matter", i);
		text.data[i] ^= 1;
	}
	for (size_t len = 0; len < text.len; len += 211)
		assert_int_equal(
			kit_parse(text.data, len, &k, &err), ERR_INVALID);
	buf_free(&text);
	governance_close(g);
}

/* The words before the heads changed, and the last line made to fit. */
static struct buf forged(
	const struct buf *kit, const char *from, const char *to)
{
	size_t n = strlen(from);
	uint8_t *at = memmem(kit->data, kit->len, from, n);
	struct buf out = BUF_EMPTY;
	char hex[DIGEST_HEX_SIZE];
	struct digest all;

	assert_non_null(at);
	buf_add(&out, kit->data, (size_t)(at - kit->data));
	buf_str(&out, to);
	buf_add(&out, at + n, kit->len - 72 - (size_t)(at + n - kit->data));
	all = digest_of(out.data, out.len);
	digest_hex(&all, hex);
	buf_printf(&out, "sha256 %s\n", hex);
	assert_false(out.failed);
	return out;
}

static void a_kit_whose_words_are_not_those_of_its_rules_is_refused(
	void **state)
{
	char root[DIGEST_HEX_SIZE], other[DIGEST_HEX_SIZE];
	struct digest pin, wrong;
	struct governance *g = domain_final(state, &pin), *copy = NULL;
	struct buf text = kit_of(g, 2), bad;
	const struct {
		const char *from, *to;
		enum err_code rc;
	} rows[] = {
		{"domain xihu", "domain gushan", ERR_INVALID},
		{"serial 1", "serial 2", ERR_INVALID},
		{root, other, ERR_DENIED},
	};
	struct err err;
	struct kit k;

	digest_hex(&pin, root);
	wrong = pin;
	wrong.b[0] ^= 1;
	digest_hex(&wrong, other);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[16];

		snprintf(name, sizeof(name), "copy%zu.git", i);
		bad = forged(&text, rows[i].from, rows[i].to);
		ok(kit_parse(bad.data, bad.len, &k, &err), &err);
		assert_int_equal(kit_unpack(&k, scratch_path(state, name), NULL,
					 &copy, &err),
			rows[i].rc);
		kit_free(&k);
		buf_free(&bad);
	}
	ok(kit_parse(text.data, text.len, &k, &err), &err);
	assert_int_equal(kit_unpack(&k, scratch_path(state, "copy.git"), &wrong,
				 &copy, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "another domain"));
	kit_free(&k);
	buf_free(&text);
	governance_close(g);
}

static void malformed_lines_are_refused_under_any_last_line(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct buf text = kit_of(g, 2), bad;
	static const char *const rows[][2] = {
		{"domain ", "domain !"},
		{"root ", "root x"},
		{"serial 1", "serial 0"},
		{"serial 1", "serial 01"},
		{"parent 330106000000 ", "parent 330106000000"},
		{"parent 330106000000 county", "parent 330106000000 :county"},
		{"parent 330106000000", "parent 330106999999"},
		{"parent 330106110000", "parent 330106000000"},
		{"heads ", "heads 9"},
		{"heads ", "head "},
	};
	struct err err;
	struct kit k;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bad = forged(&text, rows[i][0], rows[i][1]);
		if (kit_parse(bad.data, bad.len, &k, &err) != ERR_INVALID)
			fail_msg("%s", rows[i][1]);
		buf_free(&bad);
	}
	buf_free(&text);
	governance_close(g);
}

static void wrong_addresses_make_no_kit(void **state)
{
	static const struct kit_parent unknown = {"330106999000", "a:1"},
				       bare = {TOWNSHIP, "10.0.0.1"},
				       twice[] = {{ROOT, "a:1"}, {ROOT, "b:1"}};
	struct buf kit = BUF_EMPTY;
	struct digest pin = domain_make(state);
	struct governance *g = gov_open(state, "gov.git");
	struct err err;

	assert_int_equal(kit_write(g, NULL, 0, &kit, &err), ERR_NOT_FOUND);
	sign_both(state, g);
	assert_int_equal(kit_write(g, &unknown, 1, &kit, &err), ERR_NOT_FOUND);
	assert_int_equal(kit_write(g, &bare, 1, &kit, &err), ERR_USAGE);
	assert_int_equal(kit_write(g, twice, 2, &kit, &err), ERR_EXISTS);
	assert_int_equal(kit.len, 0);
	(void)pin;
	governance_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
		TEST(a_kit_brings_the_rules_and_the_addresses),
		TEST(the_same_rules_and_addresses_give_the_same_bytes),
		TEST(any_changed_byte_of_a_kit_is_refused),
		TEST(a_kit_whose_words_are_not_those_of_its_rules_is_refused),
		TEST(malformed_lines_are_refused_under_any_last_line),
		TEST(wrong_addresses_make_no_kit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
