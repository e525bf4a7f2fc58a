/* test_archive.c - packages verify, twice independently, and each damage is
 * told by the name of the damaged thing. */
#include "tests/unit/policies/packages.h"

/* ---- the packages ---- */

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	(void)plain;
	*path = strdup(arg);
	return *path ? ERR_OK : err_nomem(err);
}

static void put_attached(struct world *w)
{
	static const char bytes[] = "the plain bytes of a small attachment";
	struct json *doc = fixture_document_of("facility-geo", VILLAGE);
	struct json *list = json_new_array(), *one = json_new_object();
	struct digest plain = digest_of(bytes, sizeof(bytes));
	char hex[DIGEST_HEX_SIZE], path[96];
	struct receipt r;
	struct err err;

	snprintf(path, sizeof(path), "%s/file", w->f.dir);
	fixture_ok(file_replace(path, bytes, sizeof(bytes), 0600, &err), &err);
	digest_hex(&plain, hex);
	assert_true(json_set(one, "sha256", json_new_string(hex, 64)) &&
		json_set(one, "name", json_new_string("a.pdf", 5)) &&
		json_set(one, "media_type",
			json_new_string("application/pdf", 15)) &&
		json_set(one, "size", json_new_u64(sizeof(bytes))) &&
		json_append(list, one) && json_set(doc, "attachments", list));
	fixture_capture(&w->f, VILLAGE, doc, find_file, path, &r);
	w->attached = r.seq;
}

static void name_object(struct world *w)
{
	struct node *n = w->f.node[VILLAGE];
	struct log_info log = fixture_log(&w->f, VILLAGE);
	struct attachment_ref *refs = NULL;
	struct run run = {0};
	size_t count = 0;
	struct err err;

	fixture_ok(store_read(n->store, log.id, w->attached, 1, LABEL_ALL, &run,
			   &err),
		&err);
	fixture_ok(
		view_attachments(n->rules, &run.record[0], &refs, &count, &err),
		&err);
	assert_int_equal(count, 1);
	digest_hex(&refs[0].object, w->object);
	free(refs);
	run_free(&run);
}

static void cosign_village(struct world *w)
{
	struct node *township = w->f.node[TOWNSHIP];
	struct node *village = w->f.node[VILLAGE];
	struct log_info log = fixture_log(&w->f, VILLAGE);
	struct buf note = BUF_EMPTY;
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(township->store, &b, &err), &err);
	fixture_ok(exchange_cosign(b, township, village->origin, &note, &err),
		&err);
	fixture_ok(batch_commit(b, node_sign, township, &err), &err);
	fixture_ok(batch_begin(village->store, &b, &err), &err);
	fixture_ok(
		batch_note(b, log.id, note.data, note.len, true, &err), &err);
	fixture_ok(batch_commit(b, node_sign, village, &err), &err);
	buf_free(&note);
}

static int setup(void **state)
{
	static struct world w;
	struct archive_made made;
	const char *origin;

	memset(&w, 0, sizeof(w));
	fixture_all(&w.f);
	origin = w.f.node[VILLAGE]->origin;
	fixture_put(&w.f, VILLAGE, 300);
	fixture_carry(&w.f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(&w.f, TOWNSHIP, COUNTY, origin);
	snprintf(w.county, sizeof(w.county), "%s/county.tar", w.f.dir);
	create(&w, COUNTY, w.county, &made);

	put_attached(&w);
	name_object(&w);
	fixture_put(&w.f, VILLAGE, 300);
	fixture_carry(&w.f, VILLAGE, TOWNSHIP, origin);
	cosign_village(&w);
	snprintf(w.village, sizeof(w.village), "%s/village.tar", w.f.dir);
	create(&w, VILLAGE, w.village, &made);
	assert_int_equal(made.attachments, 1);
	assert_int_equal(made.withheld, 0);
	w.tar = w.village;
	snprintf(w.bag, sizeof(w.bag), "%s/bag", w.f.dir);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	return 0;
}

/* ---- tests ---- */

static void both_verifiers_accept_a_package(void **state)
{
	struct world *w = *state;
	struct archive_report r;

	assert_well(w, w->village, &r);
	assert_int_equal(r.size, fixture_log(&w->f, VILLAGE).size);
	assert_int_equal(r.records, r.size);
	assert_int_equal(r.cosignatures, 1);
	assert_int_equal(r.withheld, 0);
	assert_int_equal(r.attachments, 1);
	unpack(w);
	assert_well(w, w->bag, &r);
}

static void a_package_of_a_county_withholds_by_rule(void **state)
{
	struct world *w = *state;
	struct archive_report r;

	assert_well(w, w->county, &r);
	assert_string_equal(r.holder, fixture_code(COUNTY));
	assert_true(r.withheld > 0 && r.parts > 0);
	assert_int_equal(r.cosignatures, 0);
}

static void the_same_store_gives_the_same_bytes(void **state)
{
	struct world *w = *state;
	struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	struct archive_made made;
	char again[128];
	struct err err;

	snprintf(again, sizeof(again), "%s/again.tar", w->f.dir);
	create(w, VILLAGE, again, &made);
	fixture_ok(file_read(w->village, (size_t)64 << 20, &first, &err), &err);
	fixture_ok(file_read(again, (size_t)64 << 20, &second, &err), &err);
	assert_int_equal(made.bytes, first.len);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	buf_free(&first);
	buf_free(&second);
}

static void a_range_verifies_too(void **state)
{
	struct world *w = *state;
	struct archive_options opt = {.code = fixture_code(VILLAGE),
		.has_from = true,
		.from = 260,
		.has_to = true,
		.to = 300};
	struct archive_made made;
	struct archive_report r;
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/range.tar", w->f.dir);
	fixture_ok(archive_create(w->f.node[VILLAGE], &opt, path, &made, &err),
		&err);
	assert_int_equal(made.records, 40);
	assert_well(w, path, &r);
	assert_int_equal(r.from, 260);
	assert_int_equal(r.to, 300);
	assert_int_equal(r.records, 40);
	opt.to = 1000000;
	assert_int_equal(
		archive_create(w->f.node[VILLAGE], &opt, path, &made, &err),
		ERR_USAGE);
	opt.code = fixture_code(OTHER);
	assert_int_equal(
		archive_create(w->f.node[VILLAGE], &opt, path, &made, &err),
		ERR_NOT_FOUND);
}

static void another_root_fingerprint_is_told(void **state)
{
	struct world *w = *state;
	struct digest other = digest_of("x", 1);
	struct archive_report r;
	struct faults f = {.count = 0};
	struct err err;

	assert_int_equal(
		archive_verify(w->village, &other, on_fault, &f, &r, &err),
		ERR_CORRUPT);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.thing[0], "governance 1");
}

/* The sequence in the second line of a file of records. */
static uint64_t second_line(struct world *w, const char *name, long *at)
{
	struct buf text = BUF_EMPTY;
	char path[256], *line, *end, *seq;
	struct err err;
	uint64_t n;

	snprintf(path, sizeof(path), "%s/%s", w->bag, name);
	fixture_ok(file_read(path, (size_t)64 << 20, &text, &err), &err);
	line = strchr((char *)text.data, '\n') + 1;
	end = strchr(line, '\n');
	*end = 0;
	seq = strrchr(line, ':') + 1;
	n = strtoull(seq, NULL, 10);
	*at = line - (char *)text.data;
	buf_free(&text);
	return n;
}

static void a_damaged_record_is_named(void **state)
{
	static const char *const files[] = {
		"data/records/household.personal.ndjson",
		"data/records/service-case.sensitive.ndjson",
		"data/records/alert.public.ndjson"};
	struct world *w = *state;
	char thing[64];
	long at = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		unpack(w);
		snprintf(thing, sizeof(thing), "record %llu",
			(unsigned long long)second_line(w, files[i], &at));
		one_byte(w, files[i], at + 15, thing);
	}
	/* The brace that opens the line. */
	one_byte(w, files[2], at, thing);
}

static void a_damaged_tile_is_named(void **state)
{
	struct world *w = *state;
	struct log_info log = fixture_log(&w->f, VILLAGE);
	char name[TILE_PATH_SIZE], path[128], thing[64];
	unsigned edge = (unsigned)(log.size % TILE_WIDTH);

	assert_true(log.size > 2 * TILE_WIDTH && edge > 2);
	one_byte(w, "data/log/tile/0/001", 1000, "tile 0/001");
	tile_path(0, log.size / TILE_WIDTH, edge, name);
	snprintf(path, sizeof(path), "data/log/%s", name);
	snprintf(thing, sizeof(thing), "tile 0/%03u",
		(unsigned)(log.size / TILE_WIDTH));
	one_byte(w, path, 40, thing);
	tile_path(1, 0, (unsigned)(log.size / TILE_WIDTH), name);
	snprintf(path, sizeof(path), "data/log/%s", name);
	one_byte(w, path, 33, "tile 1/000");
}

static void a_damaged_bundle_is_named(void **state)
{
	struct world *w = *state;

	one_byte(w, "data/log/tile/entries/001", 700, "entries 001");
	one_byte(w, "data/log/tile/entries/000", 0, "entries 000");
}

static void a_damaged_checkpoint_is_named(void **state)
{
	struct world *w = *state;

	one_byte(w, "data/log/checkpoint", 2, "checkpoint");
	one_byte(w, "data/log/checkpoint", 60, "checkpoint");
	one_byte(w, "data/log/checkpoint", -20, "checkpoint");
}

static void damaged_words_about_the_package_are_named(void **state)
{
	struct world *w = *state;

	one_byte(w, "data/log/vkeys", 5, "vkeys");
	one_byte(w, "data/package.json", 1, "package");
	/* In the origin: the checkpoint tells the true one. */
	one_byte(w, "data/package.json", 105, "package");
}

static void a_damaged_attachment_is_named(void **state)
{
	struct world *w = *state;
	char name[128], thing[128], path[256];

	snprintf(name, sizeof(name), "data/attachments/%s", w->object);
	snprintf(thing, sizeof(thing), "attachment %s", w->object);
	one_byte(w, name, 5, thing);

	unpack(w);
	snprintf(path, sizeof(path), "%s/%s", w->bag, name);
	assert_int_equal(unlink(path), 0);
	reseal(w);
	assert_damaged(w, thing);
}

static void damaged_rules_are_named(void **state)
{
	struct world *w = *state;

	one_byte(w, "data/governance/0000000002/tree/series/household.yaml",
		300, "governance 2");
	one_byte(w, "data/governance/0000000002/statement.json", 30,
		"governance 2");
}

static void a_missing_file_is_named(void **state)
{
	struct world *w = *state;
	char path[256];

	unpack(w);
	snprintf(path, sizeof(path), "%s/data/log/tile/0/000", w->bag);
	assert_int_equal(unlink(path), 0);
	reseal(w);
	assert_damaged(w, "tile 0/000");
}

static void a_stranger_among_the_lines_is_named(void **state)
{
	static const char line[] =
		"{\"part\":{\"a\":1},\"seed\":\"AAAAAAAAAAAAAAAAAAAAAA\","
		"\"seq\":3}\n";
	struct world *w = *state;
	char path[256];
	FILE *f;

	unpack(w);
	snprintf(path, sizeof(path), "%s/data/records/alert.public.ndjson",
		w->bag);
	assert_non_null(f = fopen(path, "ab"));
	assert_int_equal(fwrite(line, 1, strlen(line), f), strlen(line));
	fclose(f);
	reseal(w);
	assert_damaged(w, "records alert.public.ndjson");
}

static void a_changed_file_is_against_the_manifest(void **state)
{
	struct world *w = *state;
	struct archive_report report;
	struct json *v;
	struct faults f;
	int status;

	unpack(w);
	flip(w, "bag-info.txt", 3);
	assert_int_equal(verify_c(w, w->bag, &f, &report), ERR_CORRUPT);
	v = verify_python(w, w->bag, &status);
	assert_int_equal(status, 1);
	assert_agree(&f, v);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.thing[0], "manifest bag-info.txt");
	json_free(v);
}

/* Parts beyond the holder's clearance: the county's package with the village's
 * records. */
static void parts_above_the_clearance_are_named(void **state)
{
	struct world *w = *state;
	char command[512];
	struct archive_report report;
	struct json *v;
	struct faults f;
	uint64_t seq;
	long at;
	int status;
	struct err err;

	unpack(w);
	seq = second_line(w, "data/records/household.sensitive.ndjson", &at);
	snprintf(command, sizeof(command),
		"sed -n 2p '%s/data/records/household.sensitive.ndjson'"
		" > '%s/line' && rm -rf '%s' && mkdir '%s'",
		w->bag, w->f.dir, w->bag, w->bag);
	run_command(command);
	fixture_ok(package_untar(w->county, w->bag, &err), &err);
	snprintf(command, sizeof(command),
		"cat '%s/line' >> '%s/data/records/household.sensitive.ndjson'",
		w->f.dir, w->bag);
	run_command(command);
	reseal(w);
	assert_int_equal(verify_c(w, w->bag, &f, &report), ERR_CORRUPT);
	v = verify_python(w, w->bag, &status);
	assert_agree(&f, v);
	assert_int_equal(f.count, 1);
	snprintf(command, sizeof(command), "record %llu",
		(unsigned long long)seq);
	assert_string_equal(f.thing[0], command);
	json_free(v);
}

/* The same verdict and the same things named; whether there were faults. */
static bool both_judge_alike(struct world *w, const char *path)
{
	struct archive_report report;
	struct faults f;
	struct json *v;
	enum err_code rc = verify_c(w, path, &f, &report);
	int status;

	v = verify_python(w, path, &status);
	assert_true(rc == ERR_OK || rc == ERR_CORRUPT);
	assert_int_equal(status, rc ? 1 : 0);
	assert_int_equal(json_bool(json_get(v, "ok")), rc == ERR_OK);
	assert_agree(&f, v);
	json_free(v);
	return rc != ERR_OK;
}

static void what_is_no_package_is_said_so(void **state)
{
	struct world *w = *state;
	struct archive_report report;
	char path[256];
	struct json *v;
	struct faults f;
	int status;

	assert_true(both_judge_alike(w, VERIFY_SCRIPT));
	unpack(w);
	snprintf(path, sizeof(path), "%s/data/package.json", w->bag);
	assert_int_equal(unlink(path), 0);
	assert_true(both_judge_alike(w, w->bag));
	assert_int_equal(
		verify_c(w, "/nonexistent", &f, &report), ERR_NOT_FOUND);
	v = verify_python(w, "/nonexistent", &status);
	assert_int_equal(status, 3);
	json_free(v);
}

static void write_file(const char *path, const struct buf *b, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Where the headers of a tar are. */
static size_t headers_of(const struct buf *tar, size_t at[], size_t cap)
{
	size_t count = 0, next = 0;
	char size[12] = "";

	while (next < tar->len && tar->data[next] && count < cap) {
		at[count++] = next;
		memcpy(size, tar->data + next + 124, 11);
		next += 512 +
			((size_t)strtoul(size, NULL, 8) + 511) / 512 * 512;
	}
	return count;
}

#define HEADERS_LIMIT 256
#define DAMAGES 6

/* One seed: what fails once fails again. */
static void a_tar_that_is_not_whole_is_one_fault(void **state)
{
	struct world *w = *state;
	struct buf tar = BUF_EMPTY;
	size_t at[HEADERS_LIMIT], count, damaged = 0;
	uint32_t seed = 20240229;
	char path[160];
	struct err err;

	snprintf(path, sizeof(path), "%s.damaged", w->village);
	fixture_ok(file_read(w->village, 1 << 28, &tar, &err), &err);
	count = headers_of(&tar, at, HEADERS_LIMIT);
	assert_true(count > 10);
	for (int i = 0; i < DAMAGES; i++) {
		size_t len = i % 2 ? at[next_random(&seed, count)]
				   : next_random(&seed, at[count - 1]);

		write_file(path, &tar, len);
		damaged += both_judge_alike(w, path);
	}
	for (int i = 0; i < DAMAGES; i++) {
		size_t where = at[next_random(&seed, count)] +
			(i % 4 ? next_random(&seed, 512)
			       : 148 + next_random(&seed, 8));

		tar.data[where] ^= (uint8_t)(1 + next_random(&seed, 255));
		write_file(path, &tar, tar.len);
		damaged += both_judge_alike(w, path);
		buf_clear(&tar);
		fixture_ok(file_read(w->village, 1 << 28, &tar, &err), &err);
	}
	assert_int_equal(damaged, 2 * DAMAGES);
	remove(path);
	buf_free(&tar);
}

static void a_log_is_exported_as_tiles(void **state)
{
	struct world *w = *state;
	struct node *n = w->f.node[VILLAGE];
	struct log_info log = fixture_log(&w->f, VILLAGE);
	char dir[96], command[768], vkey[VKEY_SIZE];
	struct sign_public pub = sign_key_public(n->log);
	struct note_key key;
	struct err err;
	uint64_t size;

	snprintf(dir, sizeof(dir), "%s/tiles", w->f.dir);
	fixture_ok(log_export(n, &log, dir, &size, &err), &err);
	assert_int_equal(size, log.size);
	assert_int_equal(log_export(n, &log, dir, &size, &err), ERR_EXISTS);
	fixture_ok(
		note_key_make(n->origin, NOTE_ED25519, &pub, &key, &err), &err);
	note_key_vkey(&key, vkey);
	snprintf(command, sizeof(command),
		"python3 '%s/../../scripts/verify_log.py' --all-partials"
		" --vkey '%s' '%s' >'%s/said'",
		TEST_DATA, vkey, dir, w->f.dir);
	run_command(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_verifiers_accept_a_package),
		cmocka_unit_test(a_package_of_a_county_withholds_by_rule),
		cmocka_unit_test(the_same_store_gives_the_same_bytes),
		cmocka_unit_test(a_range_verifies_too),
		cmocka_unit_test(another_root_fingerprint_is_told),
		cmocka_unit_test(a_damaged_record_is_named),
		cmocka_unit_test(a_damaged_tile_is_named),
		cmocka_unit_test(a_damaged_bundle_is_named),
		cmocka_unit_test(a_damaged_checkpoint_is_named),
		cmocka_unit_test(damaged_words_about_the_package_are_named),
		cmocka_unit_test(a_damaged_attachment_is_named),
		cmocka_unit_test(damaged_rules_are_named),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_stranger_among_the_lines_is_named),
		cmocka_unit_test(a_changed_file_is_against_the_manifest),
		cmocka_unit_test(parts_above_the_clearance_are_named),
		cmocka_unit_test(what_is_no_package_is_said_so),
		cmocka_unit_test(a_tar_that_is_not_whole_is_one_fault),
		cmocka_unit_test(a_log_is_exported_as_tiles),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
