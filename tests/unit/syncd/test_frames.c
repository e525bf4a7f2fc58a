/* test_frames.c - frames, their reassembly, and control messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "syncd/frames.h"

#define EVERY_KIND 0xffffffffu
#define ORIGIN_1 "xihu.example/330106110201/0123456789abcdef"
#define ORIGIN_2 "xihu.example/330106110000/fedcba9876543210"

static struct frame_reader reader(void)
{
	struct frame_reader r;

	frame_reader_init(&r);
	r.allowed = EVERY_KIND;
	return r;
}

/* Feeds bytes in pieces of `step`; counts messages and keeps the last. */
static enum err_code feed(struct frame_reader *r, const struct buf *bytes,
	size_t step, size_t *count, unsigned *kind, struct buf *last,
	struct err *err)
{
	*count = 0;
	for (size_t at = 0; at < bytes->len; at += step) {
		size_t len = bytes->len - at < step ? bytes->len - at : step;
		struct cursor c = cursor_over(bytes->data + at, len);

		while (c.left) {
			struct buf body = BUF_EMPTY;
			unsigned k;
			enum err_code rc = frame_read(r, &c, &k, &body, err);

			if (rc || !k) {
				buf_free(&body);
				if (rc)
					return rc;
				continue;
			}
			buf_free(last);
			*last = body;
			*kind = k;
			(*count)++;
		}
	}
	return ERR_OK;
}

static void expect_refusal(const void *header, const char *what)
{
	struct frame_reader r = reader();
	struct cursor c = cursor_over(header, FRAME_HEADER_SIZE);
	struct buf body = BUF_EMPTY;
	struct err err;
	unsigned kind;

	assert_int_equal(frame_read(&r, &c, &kind, &body, &err), ERR_PROTOCOL);
	if (!strstr(err.text, what))
		fail_msg("\"%s\" does not tell \"%s\"", err.text, what);
	frame_reader_fini(&r);
}

static void messages_come_whole_whatever_the_pieces(void **state)
{
	static const size_t steps[] = {1, 7, 8, 9, 4096, 1 << 20};
	uint8_t payload[3000];
	struct buf bytes = BUF_EMPTY;

	(void)state;
	memset(payload, 'x', sizeof(payload));
	frame_write(
		MESSAGE_PACKAGE, LANE_RECORDS, false, payload, 2000, &bytes);
	frame_write(MESSAGE_ACK, LANE_URGENT, true, "{}", 2, &bytes);
	frame_write(MESSAGE_DATA, LANE_ATTACHMENTS, true, payload, 10, &bytes);
	frame_write(MESSAGE_PING, LANE_URGENT, true, NULL, 0, &bytes);
	frame_write(MESSAGE_PACKAGE, LANE_RECORDS, true, payload, 3000, &bytes);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct frame_reader r = reader();
		struct buf last = BUF_EMPTY;
		unsigned kind = 0;
		size_t count;
		struct err err;

		assert_int_equal(
			feed(&r, &bytes, steps[i], &count, &kind, &last, &err),
			ERR_OK);
		assert_int_equal(count, 4);
		assert_int_equal(kind, MESSAGE_PACKAGE);
		assert_int_equal(last.len, 5000);
		buf_free(&last);
		frame_reader_fini(&r);
	}
	buf_free(&bytes);
}

static void absurd_frames_are_refused_with_number_and_bound(void **state)
{
	(void)state;
	expect_refusal("\x02\x01\x00\x01\x00\x00\x00\x02", "version 2");
	expect_refusal("\x01\x00\x00\x01\x00\x00\x00\x02", "kind 0");
	expect_refusal("\x01\xc8\x00\x01\x00\x00\x00\x02", "kind 200");
	expect_refusal("\x01\x01\x01\x01\x00\x00\x00\x02", "lane 1");
	expect_refusal("\x01\x01\x03\x01\x00\x00\x00\x02", "lane 3");
	expect_refusal("\x01\x01\x00\x81\x00\x00\x00\x02", "0x81");
	expect_refusal("\x01\x04\x01\x00\x00\x00\xff\xf9", "65529");
	expect_refusal("\x01\x04\x01\x01\xff\xff\xff\xff", "limit 65528");
	expect_refusal("\x01\x04\x01\x00\x00\x00\x00\x00", "empty frame");
	expect_refusal("\x01\x05\x00\x01\x00\x00\x20\x00", "limit 4096");
	expect_refusal("\x01\x0f\x00\x01\x00\x00\x00\x01", "limit 0");
}

static void a_message_past_its_limit_is_refused_before_it_is_kept(void **state)
{
	struct frame_reader r = reader();
	static uint8_t payload[FRAME_PAYLOAD_LIMIT];
	struct buf frame = BUF_EMPTY, last = BUF_EMPTY;
	enum err_code rc = ERR_OK;
	unsigned kind;
	size_t count, frames = 0;
	struct err err;

	(void)state;
	frame_write(MESSAGE_PROVED, LANE_URGENT, false, payload,
		sizeof(payload), &frame);
	while (rc == ERR_OK && frames < 1000) {
		rc = feed(&r, &frame, frame.len, &count, &kind, &last, &err);
		frames++;
	}
	assert_int_equal(rc, ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "limit 4194304"));
	assert_int_equal(frames, PROVED_SIZE_LIMIT / FRAME_PAYLOAD_LIMIT + 1);
	assert_true(r.lanes[LANE_URGENT].body.len <= PROVED_SIZE_LIMIT);
	buf_free(&frame);
	frame_reader_fini(&r);
}

static void kinds_do_not_mix_inside_a_lane(void **state)
{
	struct frame_reader r = reader();
	struct buf bytes = BUF_EMPTY, last = BUF_EMPTY;
	unsigned kind;
	size_t count;
	struct err err;

	(void)state;
	frame_write(MESSAGE_PACKAGE, LANE_RECORDS, false, "a", 1, &bytes);
	frame_write(MESSAGE_CHECKPOINT, LANE_RECORDS, true, "b", 1, &bytes);
	assert_int_equal(
		feed(&r, &bytes, bytes.len, &count, &kind, &last, &err),
		ERR_PROTOCOL);
	assert_non_null(strstr(err.text,
		"CHECKPOINT inside a message of "
		"PACKAGE"));
	buf_free(&bytes);
	frame_reader_fini(&r);
}

static void what_is_not_allowed_now_is_refused_at_its_first_frame(void **state)
{
	struct frame_reader r = reader();
	struct buf bytes = BUF_EMPTY, last = BUF_EMPTY;
	unsigned kind;
	size_t count;
	struct err err;

	(void)state;
	r.allowed = MESSAGE_BIT(MESSAGE_HELLO);
	frame_write(MESSAGE_PACKAGE, LANE_RECORDS, false, "a", 1, &bytes);
	assert_int_equal(
		feed(&r, &bytes, FRAME_HEADER_SIZE, &count, &kind, &last, &err),
		ERR_PROTOCOL);
	assert_int_equal(r.lanes[LANE_RECORDS].body.cap, 0);
	buf_free(&bytes);
	frame_reader_fini(&r);
}

static void a_stranger_says_hello_in_few_bytes(void **state)
{
	struct frame_reader r = reader();
	uint8_t payload[HELLO_STRANGER_LIMIT + 1] = {0};
	struct buf bytes = BUF_EMPTY, last = BUF_EMPTY;
	unsigned kind;
	size_t count;
	struct err err;

	(void)state;
	r.hello_limit = HELLO_STRANGER_LIMIT;
	frame_write(MESSAGE_HELLO, LANE_URGENT, true, payload, sizeof(payload),
		&bytes);
	assert_int_equal(
		feed(&r, &bytes, bytes.len, &count, &kind, &last, &err),
		ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "HELLO of 4097 bytes"));
	buf_free(&bytes);
	frame_reader_fini(&r);
}

/* ---- messages ---- */

static struct hello sample_hello(void)
{
	struct hello h = {.version = 1,
		.code = "330106110201",
		.domain = "xihu.example",
		.governance = 3,
		.known = true,
		.cosigned = {ORIGIN_1, 600, 600}};

	memset(h.statement.b, 0xab, DIGEST_SIZE);
	memset(h.origins.b, 0x17, DIGEST_SIZE);
	assert_int_equal(rows_add(&h.down, ORIGIN_2, 12, 12, NULL), ERR_OK);
	assert_int_equal(rows_add(&h.rows, ORIGIN_1, 512, 600, NULL), ERR_OK);
	assert_int_equal(rows_add(&h.rows, ORIGIN_2, 7, 7, NULL), ERR_OK);
	return h;
}

static void a_hello_reads_back_as_written(void **state)
{
	struct hello h = sample_hello(), back;
	struct buf text = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_int_equal(hello_write(&h, &text, &err), ERR_OK);
	assert_int_equal(hello_parse(text.data, text.len, &back, &err), ERR_OK);
	assert_string_equal(back.code, h.code);
	assert_string_equal(back.domain, h.domain);
	assert_int_equal(back.governance, 3);
	assert_true(back.known);
	assert_true(digest_equal(&back.origins, &h.origins));
	assert_true(digest_equal(&back.statement, &h.statement));
	assert_string_equal(back.cosigned.origin, ORIGIN_1);
	assert_int_equal(back.down.count, 1);
	assert_int_equal(back.rows.count, 2);
	assert_int_equal(back.rows.row[0].n, 512);
	assert_int_equal(back.rows.row[0].known, 600);
	assert_int_equal(back.rows.row[1].known, 7);
	hello_fini(&h);
	hello_fini(&back);
	buf_free(&text);
}

static void a_strangers_hello_tells_the_head_of_the_rules_only(void **state)
{
	struct hello h = sample_hello(), back;
	struct buf text = BUF_EMPTY;
	struct err err;

	(void)state;
	h.known = false;
	assert_int_equal(hello_write(&h, &text, &err), ERR_OK);
	assert_null(memmem(text.data, text.len, "origins", 7));
	assert_null(memmem(text.data, text.len, "cosigned", 8));
	assert_int_equal(hello_parse(text.data, text.len, &back, &err), ERR_OK);
	assert_false(back.known);
	hello_fini(&h);
	hello_fini(&back);
	buf_free(&text);
}

#define HEAD "\"code\":\"\",\"domain\":\"a.b\",\"governance\":1,"
#define STATEMENT                                                              \
	"\"statement\":\"00000000000000000000000000000000000000000000000000"   \
	"00000000000000\","

static enum err_code parse_hello(const char *text)
{
	struct hello h;
	struct err err;
	enum err_code rc = hello_parse(text, strlen(text), &h, &err);

	if (rc == ERR_OK)
		hello_fini(&h);
	return rc;
}

static void hellos_of_later_versions_are_understood(void **state)
{
	(void)state;
	assert_int_equal(
		parse_hello("{" HEAD STATEMENT "\"version\":1}"), ERR_OK);
	assert_int_equal(
		parse_hello("{" HEAD "\"new\":[1]," STATEMENT "\"version\":2}"),
		ERR_OK);
	assert_int_equal(
		parse_hello("{" HEAD STATEMENT "\"version\":0}"), ERR_PROTOCOL);
	assert_int_equal(parse_hello("{" HEAD "\"version\":1}"), ERR_PROTOCOL);
	assert_int_equal(parse_hello("{" HEAD STATEMENT "\"version\":1} "),
		ERR_PROTOCOL);
	assert_int_equal(parse_hello("[]"), ERR_PROTOCOL);
	assert_int_equal(parse_hello("{" HEAD "\"origins\":\"AA\"," STATEMENT
				     "\"version\":1}"),
		ERR_PROTOCOL);
}

static enum err_code parse_control(
	enum message_kind kind, const char *text, struct err *err)
{
	struct control c;

	return control_parse(kind, text, strlen(text), &c, err);
}

static void unknown_members_are_refused_by_name(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
		parse_control(MESSAGE_ACK,
			"{\"origin\":\"" ORIGIN_1 "\",\"size\":1}", &err),
		ERR_OK);
	assert_int_equal(
		parse_control(MESSAGE_ACK,
			"{\"colour\":1,\"origin\":\"" ORIGIN_1 "\",\"size\":1}",
			&err),
		ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "colour"));
	assert_int_equal(
		parse_control(MESSAGE_ACK,
			"{\"origin\":\"" ORIGIN_1 "\",\"seq\":1,\"size\":1}",
			&err),
		ERR_PROTOCOL);
	assert_int_equal(parse_control(MESSAGE_BUSY,
				 "{\"retry_s\":86401,\"why\":\"full\"}", &err),
		ERR_PROTOCOL);
	assert_int_equal(parse_control(MESSAGE_BYE,
				 "{\"text\":\"\",\"why\":\"Rules\"}", &err),
		ERR_PROTOCOL);
}

static void a_peers_text_cannot_paint_the_screen(void **state)
{
	static const char text[] = "{\"text\":\"a\\u001b[2J\\nb\",\"why\":"
				   "\"x\"}";
	struct control c;
	struct err err;

	(void)state;
	assert_int_equal(
		control_parse(MESSAGE_BYE, text, sizeof(text) - 1, &c, &err),
		ERR_OK);
	assert_string_equal(c.text, "a?[2J?b");
}

static void every_shape_reads_back_as_written(void **state)
{
	static const struct {
		enum message_kind kind;
		unsigned members;
	} shapes[] = {
		{MESSAGE_ACK, MEMBER_ORIGIN | MEMBER_SIZE},
		{MESSAGE_ACK, MEMBER_ORIGIN | MEMBER_SEQ},
		{MESSAGE_ACK, MEMBER_OBJECT | MEMBER_OFFSET},
		{MESSAGE_WANT, MEMBER_OBJECT | MEMBER_OFFSET | MEMBER_LENGTH},
		{MESSAGE_NONE, MEMBER_OBJECT | MEMBER_WHY},
		{MESSAGE_HAVE, MEMBER_OBJECT},
		{MESSAGE_BUSY, MEMBER_RETRY | MEMBER_WHY},
		{MESSAGE_REFUSED, MEMBER_ORIGIN | MEMBER_TEXT | MEMBER_WHY},
		{MESSAGE_REFUSED, MEMBER_OBJECT | MEMBER_TEXT | MEMBER_WHY},
		{MESSAGE_BYE, MEMBER_TEXT | MEMBER_WHY},
	};
	size_t ran = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct control c = {.members = shapes[i].members,
			.length = 65536,
			.offset = 1 << 20,
			.retry_s = 300,
			.seq = 5,
			.size = 7,
			.origin = ORIGIN_1,
			.text = "entry 5: part personal withheld",
			.why = "not-found"};
		struct buf text = BUF_EMPTY;
		struct control back;
		struct err err;

		assert_int_equal(
			control_write(shapes[i].kind, &c, &text, &err), ERR_OK);
		assert_int_equal(control_parse(shapes[i].kind, text.data,
					 text.len, &back, &err),
			ERR_OK);
		assert_int_equal(back.members, c.members);
		if (c.members & MEMBER_ORIGIN)
			assert_string_equal(back.origin, c.origin);
		if (c.members & MEMBER_OFFSET)
			assert_int_equal(back.offset, c.offset);
		buf_free(&text);
		ran++;
	}
	assert_int_equal(ran, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_whole_whatever_the_pieces),
		cmocka_unit_test(
			absurd_frames_are_refused_with_number_and_bound),
		cmocka_unit_test(
			a_message_past_its_limit_is_refused_before_it_is_kept),
		cmocka_unit_test(kinds_do_not_mix_inside_a_lane),
		cmocka_unit_test(
			what_is_not_allowed_now_is_refused_at_its_first_frame),
		cmocka_unit_test(a_stranger_says_hello_in_few_bytes),
		cmocka_unit_test(a_hello_reads_back_as_written),
		cmocka_unit_test(
			a_strangers_hello_tells_the_head_of_the_rules_only),
		cmocka_unit_test(hellos_of_later_versions_are_understood),
		cmocka_unit_test(unknown_members_are_refused_by_name),
		cmocka_unit_test(a_peers_text_cannot_paint_the_screen),
		cmocka_unit_test(every_shape_reads_back_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
