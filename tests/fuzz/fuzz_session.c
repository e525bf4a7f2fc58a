/* fuzz_session.c - a peer's bytes against a session whose node answers each ask
 * by a few bytes of the input: mostly failures, some empty successes.  It must
 * end or go on, and never grow past its bounds. */
#include <stdlib.h>
#include <string.h>

#include "syncd/ask.h"
#include "syncd/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CODE "330106110201"
#define PARENT "330106110000"
#define ORIGIN "xihu.example/" CODE "/0123456789abcdef"

static void fill_hello(struct ask *a)
{
	struct hello theirs = a->hello;

	a->hello = (struct hello){.version = 1,
		.domain = "xihu.example",
		.governance = 1,
		.known = a->peer[0] != '\0'};
	hello_fini(&theirs);
	memcpy(a->hello.code, a->role == SESSION_CHILD ? CODE : PARENT,
		CODE_SIZE);
	if (hello_write(&a->hello, &a->out, NULL))
		abort();
}

static void fill_look(struct ask *a)
{
	a->serial = 1;
	a->wanted_total = a->wanted_count = 1;
	a->wanted[0].size = 100000;
	a->logs.log = calloc(1, sizeof(*a->logs.log));
	if (!a->logs.log)
		abort();
	a->logs.count = a->logs.cap = 1;
	memcpy(a->logs.log[0].origin, ORIGIN, sizeof(ORIGIN));
	a->logs.log[0].size = 600;
	a->logs.log[0].note = 7;
}

/* What a node would say: by the byte an error, or something plausible. */
static void run(struct ask *a, uint8_t how)
{
	if (a->kind == ASK_HELLO) {
		fill_hello(a);
		return;
	}
	if (how % 4 == 3) {
		a->rc = err_set(&a->err, (enum err_code)(1 + how % 15),
			"the node says %u", how);
		return;
	}
	if (a->kind == ASK_LOOK)
		fill_look(a);
	if (a->kind == ASK_GIVE_CHECKPOINT)
		a->size = 600;
	if (a->kind == ASK_GIVE_PACKAGE)
		a->next = a->from + 64 < a->size ? a->from + 64 : a->size;
	if (a->kind == ASK_TAKE_RANGE)
		a->from += a->data.len - a->head;
	if (a->kind == ASK_TAKE_RANGE && a->from >= a->ref.size)
		a->done = true;
	if (a->kind >= ASK_GIVE_CHECKPOINT && a->kind <= ASK_GIVE_RANGE)
		buf_u64(&a->out, how);
	a->changed = how & 4;
}

static void answer_all(struct session *s, uint8_t how)
{
	struct ask *a;

	for (int i = 0; i < 64 && (a = session_next_ask(s)); i++) {
		run(a, how);
		(void)session_answer(s, a, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_options opt = {.frame_limit = FRAME_SIZE_LIMIT};
	struct session_status status;
	struct buf out = BUF_EMPTY;
	struct session *s = NULL;
	enum err_code rc = ERR_OK;

	if (size < 2)
		return 0;
	opt.role = data[0] & 1 ? SESSION_PARENT : SESSION_CHILD;
	if (!(data[0] & 2))
		memcpy(opt.peer, data[0] & 1 ? CODE : PARENT, CODE_SIZE);
	if (session_new(&opt, &s, NULL))
		return 0;
	answer_all(s, data[1]);
	for (size_t at = 2; rc == ERR_OK && at < size; at += 512) {
		size_t len = size - at < 512 ? size - at : 512;

		if (session_receive(s, data + at, len, NULL) &&
			!session_over(s))
			abort();
		answer_all(s, data[at]);
		buf_clear(&out);
		rc = session_output(s, FRAME_SIZE_LIMIT, &out, NULL);
	}
	session_status(s, &status);
	if (session_over(s) && status.complete)
		abort();
	session_free(s);
	buf_free(&out);
	return 0;
}
