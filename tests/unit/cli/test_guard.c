/* test_guard.c - a reader that a damaged index ends says so. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/guard.h"

static void ends(int number, bool json, const char *expected)
{
	struct cli c = {.data = "/a b", .quoted = "'/a b'", .json = json};
	char said[4096] = {0};
	size_t len = 0;
	int to[2], status;
	pid_t child;
	ssize_t n;

	assert_int_equal(pipe(to), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)dup2(to[1], STDERR_FILENO);
		guard_reads(&c);
		(void)raise(number);
		_exit(0);
	}
	close(to[1]);
	while ((n = read(to[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(to[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_non_null(strstr(said, expected));
}

static void a_fault_names_the_next_step(void **state)
{
	(void)state;
	ends(SIGSEGV, false, "next: cundang -C '/a b' fsck --rebuild\n");
	ends(SIGABRT, false, "next: cundang -C '/a b' fsck --rebuild\n");
	ends(SIGBUS, false, "next: cundang -C '/a b' fsck --rebuild\n");
}

static void programs_are_told_as_of_any_error(void **state)
{
	(void)state;
	ends(SIGSEGV, true, "{\"error\":{\"code\":\"corrupt\",\"text\":");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_names_the_next_step),
		cmocka_unit_test(programs_are_told_as_of_any_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
