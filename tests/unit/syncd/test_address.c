/* test_address.c - HOST:PORT, what is loopback, and the back-off's bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "syncd/address.h"
#include "syncd/dialer.h"

static void host_and_port_are_parted(void **state)
{
	char host[ADDRESS_SIZE], port[6];

	(void)state;
	assert_true(address_split("county.example:7000", host, port));
	assert_string_equal(host, "county.example");
	assert_string_equal(port, "7000");
	assert_true(address_split("[::1]:65535", host, port));
	assert_string_equal(host, "::1");
	assert_string_equal(port, "65535");
}

static void what_is_not_host_and_port_is_refused(void **state)
{
	static const char *const bad[] = {"", ":1", "a", "a:", "a:0", "a:65536",
		"a:01", "a:x", "::1:1", "[]:1", "[::1:1", "a: 1"};
	char host[ADDRESS_SIZE], port[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(address_split(bad[i], host, port));
}

static void loopback_is_told_from_all_else(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} rows[] = {{"127.0.0.1:1", true}, {"127.9.9.9:1", true},
		{"[::1]:1", true}, {"0.0.0.0:1", false}, {"[::]:1", false},
		{"128.0.0.1:1", false}, {"10.0.0.1:1", false}};
	char text[ADDRESS_SIZE];
	struct address a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(address_numeric(rows[i].text, &a));
		assert_int_equal(address_loopback(&a), rows[i].loopback);
		address_text((struct sockaddr *)&a.addr, a.len, text);
		assert_string_equal(text, rows[i].text);
	}
	assert_false(address_numeric("localhost:1", &a));
}

static void the_wait_doubles_up_to_a_minute(void **state)
{
	uint64_t last = 0;

	(void)state;
	assert_int_equal(backoff_bound_ms(0), 1000);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t bound = backoff_bound_ms(i);

		assert_true(bound >= last && bound <= 60000);
		assert_true(last == 0 || bound <= 2 * last);
		last = bound;
	}
	assert_int_equal(last, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_port_are_parted),
		cmocka_unit_test(what_is_not_host_and_port_is_refused),
		cmocka_unit_test(loopback_is_told_from_all_else),
		cmocka_unit_test(the_wait_doubles_up_to_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
