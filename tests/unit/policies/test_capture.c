/* test_capture.c - a document becomes a record once, or is refused with path
 * and reason and leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "village.h"

#define ID "019d0000-0000-7000-8000-000000000001"
#define HEAD                                                                   \
	"{\"series\":\"mediation\",\"id\":\"" ID "\",\"node\":\"" VILLAGE_CODE \
	"\",\"created_at\":\"2026-04-22T09:48:35.25Z\",\"fields\":"
#define FIELDS(outcome)                                                        \
	"{\"case_no\":\"1\",\"type\":\"a\",\"mediators\":[\"officer1\"],"      \
	"\"facts\":\"f\",\"outcome\":\"" outcome "\",\"parties\":["            \
	"{\"side\":\"a\",\"name\":\"officer2\","                               \
	"\"id_no\":\"11010519491231002x\"}]}"
#define DOCUMENT HEAD FIELDS("未达成") "}"
#define ALERT                                                                  \
	"{\"series\":\"alert\",\"node\":\"" VILLAGE_CODE                       \
	"\",\"created_at\":\"2026-04-22T09:48:36Z\",\"fields\":{"              \
	"\"alert_no\":\"1\",\"effective\":\"2026-04-22T09:48:36Z\","           \
	"\"expires\":\"2026-04-23T09:48:36Z\",\"issuer\":\"i\",\"kind\":"      \
	"\"k\","                                                               \
	"\"level\":\"红色\",\"measures\":[\"m\"],\"targets\":[\"" VILLAGE_CODE \
	"\"],\"text\":\"x\",\"title\":\"t\"}}"
#define CHANGED HEAD FIELDS("转司法") "}"

static int open_village(void **state)
{
	(void)village_open(state, VILLAGE_CODE);
	return 0;
}

static struct intake_result put(struct village *v, const char *line)
{
	struct capture_source src = village_source(v);

	return village_put(v, &src, line);
}

static struct receipt put_well(struct village *v, const char *line)
{
	struct intake_result r = put(v, line);

	if (r.rc)
		fail_msg("%s: %s", err_name(r.rc), r.text);
	return r.receipt;
}

static void a_record_holds_what_the_document_said(void **state)
{
	struct receipt r = put_well(*state, DOCUMENT);
	struct run run = {0};
	struct entry e;
	struct json *shown = NULL;

	assert_string_equal(r.id, ID);
	assert_int_equal(r.rev, 1);
	assert_false(r.repeated);
	village_read(*state, &r, &run);
	assert_true(digest_equal(&run.record[0].leaf, &r.leaf));
	assert_int_equal(run.record[0].have, LABEL_ALL);
	assert_int_equal(entry_parse(run.record[0].entry,
				 run.record[0].entry_len, &e, NULL),
		ERR_OK);
	assert_string_equal(e.at, "2026-04-22T17:48:35+08:00");
	assert_string_equal(e.iss, VILLAGE_DOMAIN "/" VILLAGE_CODE);
	assert_int_equal(e.to_count, 0);
	assert_int_equal(e.sd_count, LABEL_COUNT);
	assert_int_equal(view_document(NULL, r.origin, r.seq, &run.record[0],
				 VIEW_RAW, &shown, NULL),
		ERR_OK);
	assert_string_equal(
		json_get_string(
			json_at(json_get(json_get(shown, "fields"), "parties"),
				0),
			"id_no"),
		"11010519491231002X");
	json_free(shown);
	run_free(&run);
}

static void the_same_again_gives_the_earlier_receipt(void **state)
{
	struct receipt first = put_well(*state, DOCUMENT);
	struct receipt second = put_well(*state, DOCUMENT);

	assert_true(second.repeated);
	assert_int_equal(second.seq, first.seq);
	assert_int_equal(second.rev, 1);
	assert_true(digest_equal(&second.leaf, &first.leaf));
	assert_string_equal(second.origin, first.origin);
	assert_int_equal(village_size(*state), 1);
}

static void other_content_is_the_next_revision(void **state)
{
	struct receipt first = put_well(*state, DOCUMENT);
	struct receipt second = put_well(*state, CHANGED);
	struct receipt third = put_well(*state, DOCUMENT);
	struct run run = {0};
	struct entry e;

	assert_int_equal(second.rev, 2);
	assert_int_equal(third.rev, 3);
	assert_false(third.repeated);
	village_read(*state, &second, &run);
	assert_int_equal(entry_parse(run.record[0].entry,
				 run.record[0].entry_len, &e, NULL),
		ERR_OK);
	assert_true(e.has_prev);
	assert_true(digest_equal(&e.prev, &first.leaf));
	assert_int_equal(village_size(*state), 3);
	run_free(&run);
}

/* Flips a bit in the payload of each block of sensitive parts. */
static void damage_parts(struct village *v)
{
	char *path = file_join(v->dir, "segments/00000001.seg");
	struct buf all = BUF_EMPTY;
	size_t count = 0;
	int fd;

	assert_non_null(path);
	assert_int_equal(file_read(path, 1 << 20, &all, NULL), ERR_OK);
	for (size_t i = 0; i + 80 < all.len; i++) {
		/* Magic, version, kind, suite and label of the head. */
		if (memcmp(all.data + i, "CDit\1\3\2\3", 8) != 0)
			continue;
		all.data[i + 72 + all.data[i + 8] + 12] ^= 1;
		count++;
	}
	assert_true(count > 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, all.data, all.len, 0), all.len);
	close(fd);
	buf_free(&all);
	free(path);
}

static void read_entry_of(
	struct village *v, const struct receipt *r, struct entry *out)
{
	struct run run = {0};

	village_read(v, r, &run);
	assert_int_equal(entry_parse(run.record[0].entry,
				 run.record[0].entry_len, out, NULL),
		ERR_OK);
	run_free(&run);
}

static void a_damaged_revision_is_followed_by_the_next(void **state)
{
	struct village *v = *state;
	struct receipt first = put_well(v, DOCUMENT);
	struct receipt second, third;
	struct intake_result r;
	struct entry e;

	village_pause(v);
	damage_parts(v);
	village_go_on(v);
	/* Nobody can tell whether it is the same. */
	second = put_well(v, DOCUMENT);
	assert_false(second.repeated);
	assert_int_equal(second.rev, 2);
	read_entry_of(v, &second, &e);
	assert_true(e.has_prev);
	assert_true(digest_equal(&e.prev, &first.leaf));
	third = put_well(v, DOCUMENT);
	assert_true(third.repeated);
	assert_int_equal(third.rev, 2);
	/* Its series is known all the same. */
	village_pause(v);
	damage_parts(v);
	village_go_on(v);
	r = put(v,
		"{\"series\":\"deliberation\",\"id\":\"" ID
		"\",\"node\":\"" VILLAGE_CODE
		"\",\"created_at\":\"2026-04-22T09:48:36Z\","
		"\"fields\":{\"meeting_no\":\"1\",\"title\":\"t\","
		"\"started\":\"2026-04-22T09:48:36Z\",\"minutes\":\"m\"}}");
	assert_int_equal(r.rc, ERR_EXISTS);
}

static void of_a_damaged_block_the_hash_may_not_be_known(void **state)
{
	struct village *v = *state;
	struct capture_source src = village_source(v);
	struct intake_result result[64];
	char *lines[64];
	char *id;
	size_t len[64];
	struct receipt r;
	struct entry e;
	struct err err;

	/* Of so many at once, no single leaf stands in the index. */
	for (size_t i = 0; i < 64; i++) {
		assert_non_null(lines[i] = strdup(DOCUMENT));
		id = strstr(lines[i], ID);
		id[34] = (char)('0' + i / 10);
		id[35] = (char)('0' + i % 10);
		len[i] = strlen(lines[i]);
	}
	village_ok(intake_lines(&src, v->pool, v->writer,
			   (const char *const *)lines, len, 64, result, &err),
		&err);
	village_pause(v);
	damage_parts(v);
	village_go_on(v);
	r = village_put(v, &src, lines[7]).receipt;
	assert_int_equal(r.rev, 2);
	read_entry_of(v, &r, &e);
	assert_false(e.has_prev);
	for (size_t i = 0; i < 64; i++)
		free(lines[i]);
}

static void the_same_at_another_time_is_a_revision(void **state)
{
	struct receipt r;

	(void)put_well(*state, DOCUMENT);
	r = put_well(*state,
		"{\"series\":\"mediation\",\"id\":\"" ID
		"\",\"node\":\"" VILLAGE_CODE
		"\",\"created_at\":\"2026-04-22T09:48:36Z\","
		"\"fields\":" FIELDS("未达成") "}");
	assert_int_equal(r.rev, 2);
}

static void an_id_keeps_its_series(void **state)
{
	struct intake_result r;

	(void)put_well(*state, DOCUMENT);
	r = put(*state,
		"{\"series\":\"deliberation\",\"id\":\"" ID
		"\",\"node\":\"" VILLAGE_CODE
		"\",\"created_at\":\"2026-04-22T09:48:36Z\","
		"\"fields\":{\"meeting_no\":\"1\",\"title\":\"t\","
		"\"started\":\"2026-04-22T09:48:36Z\",\"minutes\":\"m\"}}");
	assert_int_equal(r.rc, ERR_EXISTS);
	assert_int_equal(village_size(*state), 1);
}

static void an_id_of_another_node_is_refused(void **state)
{
	struct village *v = *state;
	static const char other[] =
		VILLAGE_DOMAIN "/330106110203/fedcba9876543210";
	struct receipt r = put_well(v, DOCUMENT);
	struct intake_result again;
	struct run run = {0};
	struct log_info log;
	struct batch *b = NULL;
	struct village *w;
	uint64_t seq;
	void *second = NULL;
	struct err err;

	/* the record of v as another's in w */
	village_read(v, &r, &run);
	w = village_open(&second, VILLAGE_CODE);
	village_ok(batch_begin(w->node.store, &b, &err), &err);
	village_ok(batch_log(b, other, LOG_FULL, &log, &err), &err);
	village_ok(batch_append(b, log.id, &run.record[0], &seq, &err), &err);
	village_ok(batch_commit(b, NULL, NULL, &err), &err);
	again = put(w, CHANGED);
	assert_int_equal(again.rc, ERR_EXISTS);
	assert_non_null(strstr(again.text, other));
	run_free(&run);
	village_close(&second);
	village_catalogue = v->all;
}

static void an_alert_goes_to_all_below_its_issuer(void **state)
{
	struct receipt r = put_well(*state, ALERT);
	struct run run = {0};
	struct entry e;

	village_read(*state, &r, &run);
	assert_int_equal(entry_parse(run.record[0].entry,
				 run.record[0].entry_len, &e, NULL),
		ERR_OK);
	assert_int_equal(e.to_count, 1);
	assert_string_equal(e.to[0], VILLAGE_CODE);
	run_free(&run);
}

struct refusal {
	const char *line;
	enum err_code rc;
	const char *text;
};

#define WITH(fields) HEAD fields "}"
#define ENVELOPE(series, node)                                                 \
	"{\"series\":\"" series "\",\"node\":\"" node                          \
	"\",\"created_at\":\"2026-04-22T09:48:35Z\",\"fields\":{}}"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* 突发事件应对法 art. 64 says what a warning tells. */
static void a_warning_without_what_the_law_wants_is_refused(void **state)
{
	static const char *const wanted[] = {"kind", "level", "effective",
		"targets", "text", "measures", "issuer"};
	struct json *whole = NULL;

	assert_int_equal(
		json_parse(ALERT, strlen(ALERT), JSON_TEXT_LIMIT, &whole, NULL),
		ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		struct json *doc = json_copy(whole);
		struct json *fields = json_copy(json_get(doc, "fields"));
		struct buf line = BUF_EMPTY;
		struct intake_result r;
		char told[64];

		json_remove(fields, wanted[i]);
		assert_true(json_set(doc, "fields", fields));
		assert_int_equal(json_write(doc, &line, NULL), ERR_OK);
		r = put(*state, buf_cstr(&line));
		snprintf(told, sizeof(told), "fields.%s: missing", wanted[i]);
		assert_int_equal(r.rc, ERR_INVALID);
		assert_non_null(strstr(r.text, told));
		buf_free(&line);
		json_free(doc);
	}
	json_free(whole);
	assert_int_equal(village_size(*state), 0);
	put_well(*state, ALERT);
}

/* Who knows the form and guesses the number cannot tell by a digest. */
static void the_same_words_have_other_digests_in_each_record(void **state)
{
	static const char line[] =
		"{\"series\":\"mediation\",\"node\":\"" VILLAGE_CODE
		"\",\"created_at\":\"2026-04-22T09:48:35Z\","
		"\"fields\":" FIELDS("未达成") "}";
	struct receipt a = put_well(*state, line), b = put_well(*state, line);
	struct run one = {0}, two = {0};
	struct entry x, y;

	assert_string_not_equal(a.id, b.id);
	village_read(*state, &a, &one);
	village_read(*state, &b, &two);
	assert_int_equal(entry_parse(one.record[0].entry,
				 one.record[0].entry_len, &x, NULL),
		ERR_OK);
	assert_int_equal(entry_parse(two.record[0].entry,
				 two.record[0].entry_len, &y, NULL),
		ERR_OK);
	assert_int_equal(x.sd_count, LABEL_COUNT);
	for (size_t i = 0; i < x.sd_count; i++) {
		for (size_t k = 0; k < y.sd_count; k++)
			assert_false(digest_equal(&x.sd[i], &y.sd[k]));
	}
	run_free(&one);
	run_free(&two);
}

static void what_is_wrong_is_told_with_its_path(void **state)
{
	static const struct refusal cases[] = {
		{"{\"series\"", ERR_INVALID, "document: column 9: text ends"},
		{"{\"series\":\"a\",\"series\":\"a\"}", ERR_INVALID,
			"duplicate name"},
		{"[]", ERR_INVALID, "document: not an object"},
		{"{}", ERR_INVALID, "series: missing"},
		{ENVELOPE("weather", VILLAGE_CODE), ERR_NOT_FOUND,
			"series: weather is unknown"},
		{ENVELOPE("sys-key", VILLAGE_CODE), ERR_INVALID,
			"series: sys-key"},
		{ENVELOPE("sensor", "330106110203"), ERR_DENIED,
			"node: 330106110203 is not within 330106110201"},
		{ENVELOPE("sensor", "33010611020"), ERR_INVALID, "node: "},
		{"{\"series\":\"sensor\",\"colour\":1}", ERR_INVALID,
			"colour: unknown member"},
		{"{\"series\":\"sensor\",\"a\xc2\x9b\xe2\x80\xae村b\":1}",
			ERR_INVALID, "a??村b: unknown member"},
		{"{\"series\":\"sensor\",\"id\":\"1\"}", ERR_INVALID, "id: "},
		{"{\"series\":\"sensor\",\"node\":\"" VILLAGE_CODE
		 "\",\"created_at\":\"2026-04-22\"}",
			ERR_INVALID, "created_at: "},
		{"{\"series\":\"sensor\",\"node\":\"" VILLAGE_CODE
		 "\",\"created_at\":\"2026-04-22T09:48:35Z\"}",
			ERR_INVALID, "fields: missing"},
		{"{\"series\":\"sensor\",\"node\":\"" VILLAGE_CODE
		 "\",\"created_at\":\"2026-04-22T09:48:35Z\","
		 "\"fields\":{},\"attachments\":[]}",
			ERR_INVALID, "attachments: series sensor takes none"},
		{WITH("[]"), ERR_INVALID, "fields: not an object"},
		{WITH("{\"case_no\":\"1\",\"colour\":1}"), ERR_INVALID,
			"fields."},
		{WITH("{\"case_no\":1}"), ERR_INVALID,
			"fields.case_no: not a string"},
		{WITH("{\"case_no\":\"1\"}"), ERR_INVALID,
			"fields.facts: missing"},
		{HEAD "{\"case_no\":\"1\",\"type\":\"a\",\"mediators\":["
		      "\"officer1\",\"\"],\"facts\":\"f\","
		      "\"outcome\":\"未达成\"}}",
			ERR_INVALID, "fields.mediators[1]: empty"},
		{HEAD "{\"case_no\":\"1\",\"type\":\"a\",\"mediators\":[],"
		      "\"facts\":\"f\",\"outcome\":\"未达成\",\"parties\":["
		      "{\"side\":\"a\",\"name\":\"officer1\"},"
		      "{\"side\":\"b\",\"name\":\"officer2\","
		      "\"id_no\":\"110105194912310021\"}]}}",
			ERR_INVALID,
			"fields.parties[1].id_no: wrong check digit"},
		{HEAD "{\"case_no\":\"1\",\"type\":\"a\",\"mediators\":[],"
		      "\"facts\":\"f\",\"outcome\":\"未达成\",\"parties\":["
		      "{}]}}",
			ERR_INVALID, "fields.parties[0]: an empty object"},
		{HEAD "{\"case_no\":\"1\",\"type\":\"a\",\"mediators\":[],"
		      "\"facts\":\"f\",\"outcome\":\"未达成\",\"parties\":["
		      "{\"side\":\"a\",\"name\":\"officer1\","
		      "\"name_masked\":\"*\"}]}}",
			ERR_INVALID,
			"fields.parties[0].name_masked: derived here"},
		{HEAD FIELDS("unknown") "}", ERR_INVALID,
			"fields.outcome: not one of the choices"},
		{HEAD FIELDS("未达成") ",\"attachments\":[{}]}", ERR_INVALID,
			"attachments[0]: "},
		{HEAD FIELDS("未达成") ",\"attachments\":[{\"sha256\":"
				       "\"00\",\"name\":\"a\",\"media_type\":"
				       "\"a/b\",\"size\":1}]}",
			ERR_INVALID, "attachments[0].sha256: "},
		{HEAD FIELDS("未达成") ",\"attachments\":[{\"sha256\":"
				       "\"" ZEROS "\",\"name\":"
				       "\"a\xe2\x80\xae"
				       "fdp.exe\","
				       "\"media_type\":\"a/b\","
				       "\"size\":1}]}",
			ERR_INVALID, "attachments[0].name: not a file name"},
	};
	size_t ran = 0;

	for (; ran < ARRAY_LEN(cases); ran++) {
		struct intake_result r = put(*state, cases[ran].line);

		if (r.rc != cases[ran].rc || !strstr(r.text, cases[ran].text))
			fail_msg("%zu: %s: %s", ran, err_name(r.rc), r.text);
		/* no value is quoted */
		assert_null(strstr(r.text, "1949"));
	}
	assert_int_equal(ran, 26);
	assert_int_equal(village_size(*state), 0);
}

static void a_document_over_the_limit_is_refused(void **state)
{
	char *line = malloc(DOCUMENT_LIMIT + 2);
	struct intake_result r;

	assert_non_null(line);
	memset(line, '[', DOCUMENT_LIMIT + 1);
	line[DOCUMENT_LIMIT + 1] = '\0';
	r = put(*state, line);
	assert_int_equal(r.rc, ERR_LIMIT);
	free(line);
}

static void a_receipt_is_a_line_of_json(void **state)
{
	struct receipt r = {.id = ID, .rev = 2, .origin = "d/c/e", .seq = 7};
	struct buf out = BUF_EMPTY;

	(void)state;
	receipt_write(&r, &out);
	assert_string_equal(buf_cstr(&out),
		"{\"id\":\"" ID "\",\"leaf\":\""
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		"\"origin\":\"d/c/e\",\"rev\":2,\"seq\":7}\n");
	buf_free(&out);
}

static void what_was_destroyed_does_not_come_back(void **state)
{
	struct village *v = *state;
	struct receipt r = put_well(v, DOCUMENT);
	struct intake_result again;
	static const struct erasure order = {1782000000, "order 7"};
	struct erase_target target = {.seq = r.seq, .label = LABEL_SENSITIVE};
	struct log_info log;
	struct batch *b = NULL;
	struct err err;

	writer_stop(v->writer);
	v->writer = NULL;
	village_ok(store_log_find(v->node.store, r.origin, &log, &err), &err);
	target.log = log.id;
	village_ok(batch_begin(v->node.store, &b, &err), &err);
	village_ok(batch_erase(b, &target, 1, &order, &err), &err);
	village_ok(batch_commit(b, village_sign, v, &err), &err);
	village_ok(
		writer_start(v->node.store, village_sign, v, &v->writer, &err),
		&err);
	again = put(v, DOCUMENT);
	assert_int_equal(again.rc, ERR_ERASED);
	assert_non_null(strstr(again.text, "part sensitive"));
	assert_int_equal(put(v, CHANGED).rc, ERR_ERASED);
	assert_int_equal(village_size(v), 1);
}

/* ---- attachments ---- */

#define CONTENT "what was scanned"

struct folder {
	char path[SCRATCH_SIZE * 2]; /* of the one file there is */
	struct digest digest;
	size_t asked;
};

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	struct folder *f = arg;

	f->asked++;
	if (!digest_equal(plain, &f->digest))
		return err_set(err, ERR_NOT_FOUND, "no such file");
	*path = strdup(f->path);
	return *path ? ERR_OK : err_nomem(err);
}

static void folder_make(struct village *v, struct folder *f)
{
	struct err err;

	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "%s/scan.bin", v->dir);
	village_ok(file_replace(f->path, CONTENT, strlen(CONTENT), 0600, &err),
		&err);
	f->digest = digest_of(CONTENT, strlen(CONTENT));
}

static char *with_file(const struct digest *d, size_t size, const char *fields)
{
	char hex[DIGEST_HEX_SIZE], *line = NULL;

	digest_hex(d, hex);
	assert_true(asprintf(&line,
			    "%s%s,\"attachments\":[{\"sha256\":\"%s\","
			    "\"name\":\"a.bin\",\"media_type\":\"a/b\","
			    "\"size\":%zu}]}",
			    HEAD, fields, hex, size) > 0);
	return line;
}

static struct intake_result put_file(struct village *v, struct folder *f,
	const struct digest *d, size_t size, const char *fields)
{
	struct capture_source src = village_source(v);
	char *line = with_file(d, size, fields);
	struct intake_result r;

	src.find = find_file;
	src.find_arg = f;
	r = village_put(v, &src, line);
	free(line);
	return r;
}

/* Files that DATA holds, those on their way included. */
static size_t files_in(struct village *v)
{
	char pattern[SCRATCH_SIZE * 2];
	glob_t found;
	size_t count;

	snprintf(pattern, sizeof(pattern), "%s/attachments/*/*", v->dir);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	count = found.gl_pathc;
	globfree(&found);
	return count;
}

static void a_file_is_stored_once_with_its_record(void **state)
{
	struct village *v = *state;
	struct folder f;
	struct intake_result first, again, changed;
	struct run run = {0};
	struct attachment_ref *refs = NULL, known;
	size_t count = 0;
	struct err err;

	folder_make(v, &f);
	first = put_file(v, &f, &f.digest, strlen(CONTENT), FIELDS("未达成"));
	if (first.rc)
		fail_msg("%s", first.text);
	village_read(v, &first.receipt, &run);
	village_ok(view_attachments(NULL, &run.record[0], &refs, &count, &err),
		&err);
	assert_int_equal(count, 1);
	assert_int_equal(refs[0].label, LABEL_SENSITIVE);
	assert_true(attachment_here(v->dir, &refs[0].object));
	village_ok(store_attachment_find(
			   v->node.store, &refs[0].object, &known, &err),
		&err);
	assert_int_equal(known.seq, first.receipt.seq);
	assert_int_equal(store_wanted_count(v->node.store), 0);
	again = put_file(v, &f, &f.digest, strlen(CONTENT), FIELDS("未达成"));
	assert_int_equal(again.rc, ERR_OK);
	assert_true(again.receipt.repeated);
	assert_int_equal(f.asked, 1);
	changed = put_file(v, &f, &f.digest, strlen(CONTENT), FIELDS("转司法"));
	assert_int_equal(changed.receipt.rev, 2);
	assert_int_equal(f.asked, 2);
	assert_int_equal(files_in(v), 2);
	free(refs);
	run_free(&run);
}

static void a_file_that_is_not_the_one_is_refused(void **state)
{
	struct village *v = *state;
	const struct digest other = digest_of("other", 5);
	struct folder f;
	struct intake_result r;

	folder_make(v, &f);
	r = put_file(v, &f, &other, 5, FIELDS("未达成"));
	assert_int_equal(r.rc, ERR_NOT_FOUND);
	assert_non_null(strstr(r.text, "attachments[0]"));
	r = put_file(v, &f, &f.digest, strlen(CONTENT) + 1, FIELDS("未达成"));
	assert_int_equal(r.rc, ERR_INVALID);
	r = put_file(v, &f, &f.digest, strlen(CONTENT) - 1, FIELDS("未达成"));
	assert_int_equal(r.rc, ERR_INVALID);
	f.digest = other;
	r = put_file(v, &f, &other, strlen(CONTENT), FIELDS("未达成"));
	assert_int_equal(r.rc, ERR_INVALID);
	assert_non_null(strstr(r.text, "sha-256"));
	assert_int_equal(village_size(v), 0);
	assert_int_equal(files_in(v), 0);
}

static void files_need_a_folder_to_come_from(void **state)
{
	const struct digest d = digest_of(CONTENT, strlen(CONTENT));
	char *line = with_file(&d, strlen(CONTENT), FIELDS("未达成"));
	struct intake_result r = put(*state, line);

	assert_int_equal(r.rc, ERR_INVALID);
	assert_non_null(strstr(r.text, "no folder"));
	free(line);
}

/* ---- system records ---- */

struct system_job {
	struct village *v;
	const char *series;
	bool fields;
	struct receipt receipt;
};

static enum err_code record_system(struct batch *b, void *arg, struct err *err)
{
	struct system_job *j = arg;
	struct json *fields = j->fields ? json_new_object() : NULL;

	if (fields)
		assert_true(json_set(fields, "serial", json_new_u64(3)));
	return system_record(
		b, &j->v->node, j->series, fields, &j->receipt, err);
}

static void the_node_records_what_it_does(void **state)
{
	struct village *v = *state;
	struct system_job j = {.v = v, .series = "sys-policy", .fields = true};
	struct run run = {0};
	struct entry e;
	struct err err;

	village_ok(writer_run(v->writer, record_system, &j, &err), &err);
	assert_int_equal(j.receipt.rev, 1);
	village_read(v, &j.receipt, &run);
	assert_int_equal(run.record[0].have, LABEL_BIT(LABEL_INTERNAL));
	assert_int_equal(run.record[0].part[LABEL_INTERNAL].len, 12);
	assert_memory_equal(
		run.record[0].part[LABEL_INTERNAL].json, "{\"serial\":3}", 12);
	assert_true(digest_equal(&run.record[0].leaf, &j.receipt.leaf));
	assert_int_equal(entry_parse(run.record[0].entry,
				 run.record[0].entry_len, &e, NULL),
		ERR_OK);
	assert_string_equal(e.node, VILLAGE_CODE);
	run_free(&run);
	j.series = "sys-weather";
	assert_int_equal(
		writer_run(v->writer, record_system, &j, &err), ERR_NOT_FOUND);
	j.series = "sys-policy";
	j.fields = false;
	assert_int_equal(
		writer_run(v->writer, record_system, &j, &err), ERR_NOMEM);
	assert_int_equal(village_size(v), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_village, village_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_holds_what_the_document_said),
		TEST(the_same_again_gives_the_earlier_receipt),
		TEST(other_content_is_the_next_revision),
		TEST(a_damaged_revision_is_followed_by_the_next),
		TEST(of_a_damaged_block_the_hash_may_not_be_known),
		TEST(the_same_at_another_time_is_a_revision),
		TEST(an_id_keeps_its_series),
		TEST(an_id_of_another_node_is_refused),
		TEST(an_alert_goes_to_all_below_its_issuer),
		TEST(a_warning_without_what_the_law_wants_is_refused),
		TEST(the_same_words_have_other_digests_in_each_record),
		TEST(what_is_wrong_is_told_with_its_path),
		TEST(a_document_over_the_limit_is_refused),
		TEST(a_receipt_is_a_line_of_json),
		TEST(what_was_destroyed_does_not_come_back),
		TEST(a_file_is_stored_once_with_its_record),
		TEST(a_file_that_is_not_the_one_is_refused),
		TEST(files_need_a_folder_to_come_from),
		TEST(the_node_records_what_it_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
