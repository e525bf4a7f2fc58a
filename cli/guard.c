/* guard.c - an index whose pages are damaged may end a reader inside LMDB: then
 * the user is told what it is, and what to do. */
#include "cli/guard.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_DAMAGED 7 /* as for ERR_CORRUPT */
#define GUARD_STACK ((size_t)32 << 10)

/* A signal's handler can do no more than write and end: the words are ready
 * before. */
static char words[4 * CLI_LINE_SIZE];
static size_t words_len;

static void on_fault(int number)
{
	ssize_t n = write(STDERR_FILENO, words, words_len);

	(void)number;
	_exit(n < 0 ? EXIT_DAMAGED + 1 : EXIT_DAMAGED);
}

static void prepare(const struct cli *c)
{
	const char *text = _("reading ended in a fault, most likely because "
			     "the index is damaged");
	int n;

	if (c->json)
		n = snprintf(words, sizeof(words),
			"{\"error\":{\"code\":\"corrupt\",\"text\":\"reading "
			"ended in a fault, most likely because the index is "
			"damaged\"}}\n");
	else
		n = snprintf(words, sizeof(words),
			"cundang: %s\n  %s\n  %s cundang -C %s fsck "
			"--rebuild\n",
			text,
			_("What was kept lies in the segments; the index is "
			  "made from them."),
			_("next:"), c->quoted);
	words_len = n < 0		    ? 0
		: (size_t)n < sizeof(words) ? (size_t)n
					    : sizeof(words) - 1;
}

void guard_reads(const struct cli *c)
{
	static uint8_t stack[GUARD_STACK];
	const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction act = {
		.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_RESETHAND};

	prepare(c);
	if (sigaltstack(&other, NULL))
		act.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&act.sa_mask);
	(void)sigaction(SIGSEGV, &act, NULL);
	(void)sigaction(SIGBUS, &act, NULL);
	(void)sigaction(SIGABRT, &act, NULL); /* LMDB's own checks */
}
