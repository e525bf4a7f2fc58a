/* test_allowed.c - packages of a log whose rules changed: each entry is judged
 * by the head in force for it. */
#include "tests/unit/policies/packages.h"

/* Records of three kinds in each of four periods; the catalogue changes
 * between them. */
enum { PERIODS = 4, FIRST_PERIOD = 270, LATER_PERIOD = 4 };

static const char *const changes[PERIODS - 1] = {
	/* Households gain a label. */
	"sed -i '/^retention:/a\\  - {label: public, period: Y}' "
	"series/household.yaml && "
	"sed -i '/^fields:/a\\  - {path: class, type: string, label: public}' "
	"series/household.yaml",
	/* The county may see less of them, sensors are given up. */
	"sed -i 's/^  county: .*/  county: [public]/' series/household.yaml && "
	"git rm -q series/sensor.yaml",
	/* And as much as before, with one more field. */
	"sed -i 's/^  county: .*/  county: [public, internal]/' "
	"series/household.yaml && "
	"sed -i '/^fields:/a\\  - {path: more, type: string, label: internal}' "
	"series/household.yaml",
};

static void change_rules(struct world *w, const char *edit)
{
	struct governance *g = NULL;
	struct statement s;
	char command[1024];
	struct err err;

	snprintf(command, sizeof(command),
		"cd '%s' && rm -rf work && export GIT_CONFIG_NOSYSTEM=1 HOME=. "
		"GIT_AUTHOR_NAME=o GIT_AUTHOR_EMAIL=o@localhost "
		"GIT_COMMITTER_NAME=o GIT_COMMITTER_EMAIL=o@localhost && "
		"git clone -q '%s' work && cd work && %s && git add -A && "
		"git commit -q -m edit && git push -q origin HEAD:main",
		w->f.dir, w->f.repository, edit);
	run_command(command);
	fixture_ok(governance_open(w->f.repository, &g, &err), &err);
	fixture_ok(governance_publish(g, &s, &err), &err);
	governance_close(g);
	fixture_sign(&w->f);
	fixture_adopt(&w->f);
}

static void put_one(struct world *w, const char *series)
{
	struct receipt r;

	fixture_capture(&w->f, VILLAGE, fixture_document_of(series, VILLAGE),
		NULL, NULL, &r);
}

static void carry_up(struct world *w)
{
	const char *origin = w->f.node[VILLAGE]->origin;

	fixture_carry(&w->f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(&w->f, TOWNSHIP, COUNTY, origin);
}

static int setup(void **state)
{
	static struct world w;
	struct archive_made made;

	memset(&w, 0, sizeof(w));
	fixture_all(&w.f);
	fixture_put(&w.f, VILLAGE, FIRST_PERIOD);
	carry_up(&w);
	for (int i = 0; i < PERIODS - 1; i++) {
		change_rules(&w, changes[i]);
		for (int k = 0; k < LATER_PERIOD; k++) {
			put_one(&w, "household");
			put_one(&w, i == 0 ? "sensor" : "alert");
		}
		carry_up(&w);
	}
	snprintf(w.village, sizeof(w.village), "%s/village.tar", w.f.dir);
	create(&w, VILLAGE, w.village, &made);
	assert_int_equal(made.withheld, 0);
	snprintf(w.county, sizeof(w.county), "%s/county.tar", w.f.dir);
	create(&w, COUNTY, w.county, &made);
	assert_true(made.withheld > 0);
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

/* The place of the n-th line of a file of records, from the end where n is
 * negative, and its sequence. */
static uint64_t nth_line(struct world *w, const char *name, long n, long *at)
{
	struct buf text = BUF_EMPTY;
	long lines = 0, start = 0;
	char path[256], *end;
	struct err err;
	uint64_t seq;

	snprintf(path, sizeof(path), "%s/%s", w->bag, name);
	fixture_ok(file_read(path, (size_t)64 << 20, &text, &err), &err);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	n = n < 0 ? lines + n : n;
	assert_true(n >= 0 && n < lines);
	for (long i = 0; i < n; i++)
		start = (char *)memchr(text.data + start, '\n',
				text.len - (size_t)start) -
			(char *)text.data + 1;
	end = strchr((char *)text.data + start, '\n');
	*end = 0;
	seq = strtoull(strrchr((char *)text.data + start, ':') + 1, NULL, 10);
	buf_free(&text);
	*at = start;
	return seq;
}

static void line_damaged(
	struct world *w, const char *tar, const char *name, long n)
{
	char thing[64];
	uint64_t seq;
	long at;

	w->tar = tar;
	unpack(w);
	seq = nth_line(w, name, n, &at);
	snprintf(thing, sizeof(thing), "record %llu", (unsigned long long)seq);
	one_byte(w, name, at + 15, thing);
	w->tar = w->village;
}

static void records_are_judged_by_the_rules_of_their_time(void **state)
{
	struct world *w = *state;
	struct archive_made made;
	struct archive_report r;
	char path[128];

	assert_well(w, w->village, &r);
	assert_int_equal(r.records, fixture_log(&w->f, VILLAGE).size);
	assert_int_equal(r.withheld, 0);
	assert_well(w, w->county, &r);
	assert_true(r.withheld > 0);
	snprintf(path, sizeof(path), "%s/township.tar", w->f.dir);
	create(w, TOWNSHIP, path, &made);
	assert_well(w, path, &r);
}

/* What was narrowed and is wide again: only what was captured since. */
static void a_narrower_clearance_between_counts(void **state)
{
	struct world *w = *state;
	const uint64_t size = fixture_log(&w->f, VILLAGE).size;
	uint64_t seq;
	long at;

	w->tar = w->county;
	unpack(w);
	w->tar = w->village;
	seq = nth_line(w, "data/records/household.internal.ndjson", 0, &at);
	assert_true(seq >= size - 2 * LATER_PERIOD);
	seq = nth_line(w, "data/records/household.public.ndjson", 0, &at);
	assert_int_equal(seq, 2 + FIRST_PERIOD + 1);
}

static void create_range(struct world *w, enum fixture_place p, uint64_t from,
	uint64_t to, const char *path)
{
	struct archive_options opt = {.code = fixture_code(VILLAGE),
		.has_from = true,
		.from = from,
		.has_to = true,
		.to = to};
	struct archive_made made;
	struct err err;

	fixture_ok(archive_create(w->f.node[p], &opt, path, &made, &err), &err);
	assert_int_equal(made.records, to - from);
}

/* With the sys-policy record before it in the same bundle, in another one, and
 * in the range itself. */
static void a_range_carries_the_rules_before_it(void **state)
{
	const uint64_t policy = 2 + FIRST_PERIOD;
	const uint64_t end =
		fixture_log(&((struct world *)*state)->f, VILLAGE).size;
	const uint64_t range[][2] = {{5, 30}, {260, 268}, {260, end},
		{policy, end}, {policy + 1, end}, {policy + 3, policy + 4}};
	struct world *w = *state;
	struct archive_report r;
	char path[128];

	snprintf(path, sizeof(path), "%s/range.tar", w->f.dir);
	for (size_t i = 0; i < ARRAY_LEN(range); i++) {
		create_range(w, VILLAGE, range[i][0], range[i][1], path);
		assert_well(w, path, &r);
		assert_int_equal(r.records, range[i][1] - range[i][0]);
		if (i % 2)
			continue;
		create_range(w, COUNTY, range[i][0], range[i][1], path);
		assert_well(w, path, &r);
	}
	create_range(w, VILLAGE, 260, end, path);
	line_damaged(w, path, "data/records/sys-policy.internal.ndjson", 0);
	create_range(w, VILLAGE, policy + 2, end, path);
	line_damaged(w, path, "data/records/sys-policy.internal.ndjson", 0);
}

static void damage_in_each_period_is_named(void **state)
{
	static const long last[] = {
		0, -3 * LATER_PERIOD, -2 * LATER_PERIOD, -LATER_PERIOD};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(last); i++)
		line_damaged(w, w->village,
			"data/records/household.internal.ndjson", last[i]);
	for (long i = 0; i < 3; i++)
		line_damaged(w, w->village,
			"data/records/household.public.ndjson",
			i * LATER_PERIOD);
	/* Given up since: the village still shows it. */
	line_damaged(w, w->village, "data/records/sensor.public.ndjson", -1);
	line_damaged(w, w->county, "data/records/household.internal.ndjson", 1);
	/* The records that say which rules hold: those behind them stand. */
	for (long i = 0; i < 5; i++)
		line_damaged(w, w->village,
			"data/records/sys-policy.internal.ndjson", i);
}

/* The line was allowed when it was captured, and is not now. */
static void a_part_that_only_older_rules_allow_is_named(void **state)
{
	static const char name[] = "data/records/household.internal.ndjson";
	struct world *w = *state;
	char command[512], thing[64];
	uint64_t seq;
	long at;

	unpack(w);
	seq = nth_line(w, name, 0, &at);
	snprintf(command, sizeof(command), "sed -n 1p '%s/%s' > '%s/line'",
		w->bag, name, w->f.dir);
	run_command(command);
	w->tar = w->county;
	unpack(w);
	w->tar = w->village;
	snprintf(command, sizeof(command), "cat '%s/line' >> '%s/%s'", w->f.dir,
		w->bag, name);
	run_command(command);
	reseal(w);
	snprintf(thing, sizeof(thing), "record %llu", (unsigned long long)seq);
	assert_damaged(w, thing);
}

/* package.json lists the heads that the log names; its records count. */
static void a_wrong_list_of_heads_is_named(void **state)
{
	struct world *w = *state;
	char command[512];

	unpack(w);
	snprintf(command, sizeof(command),
		"sed -i 's/\\[\\[0,1\\],\\[1,2\\]/[[0,1],[1,1]/' "
		"'%s/data/package.json'",
		w->bag);
	run_command(command);
	reseal(w);
	assert_damaged(w, "package");
}

/* Lines of the village's own witness, of one beside it and of one above. */
static void only_cosignatures_from_above_count(void **state)
{
	static const enum fixture_place places[] = {VILLAGE, OTHER, TOWNSHIP};
	struct world *w = *state;
	struct node *village = w->f.node[VILLAGE];
	struct log_info log = fixture_log(&w->f, VILLAGE);
	char path[128], name[NOTE_NAME_SIZE];
	struct buf bytes = BUF_EMPTY;
	struct archive_report r;
	struct archive_made made;
	struct batch *b = NULL;
	struct err err;

	fixture_ok(
		store_note(village->store, log.id, NOTE_COMPLETE, &bytes, &err),
		&err);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct node *by = w->f.node[places[i]];
		struct buf line = BUF_EMPTY;
		struct note note;

		fixture_ok(
			note_parse(bytes.data, bytes.len, &note, &err), &err);
		snprintf(name, sizeof(name), FIXTURE_DOMAIN "/%s/witness",
			by->config.code);
		fixture_ok(checkpoint_cosign(&note, name, by->witness,
				   1790000000, &line, &err),
			&err);
		buf_add(&bytes, line.data, line.len);
		buf_free(&line);
	}
	fixture_ok(batch_begin(village->store, &b, &err), &err);
	fixture_ok(
		batch_note(b, log.id, bytes.data, bytes.len, true, &err), &err);
	fixture_ok(batch_commit(b, node_sign, village, &err), &err);
	buf_free(&bytes);
	snprintf(path, sizeof(path), "%s/cosigned.tar", w->f.dir);
	create(w, VILLAGE, path, &made);
	assert_well(w, path, &r);
	assert_int_equal(r.cosignatures, 1);
}

/* ---- one bit at random ---- */

#define FLIPS 9
#define FILES_LIMIT 512

/* The files below data/, sorted. */
static size_t list_files(
	struct world *w, char name[FILES_LIMIT][160], long size[FILES_LIMIT])
{
	char command[256];
	size_t count = 0;
	FILE *p;

	snprintf(command, sizeof(command),
		"cd '%s' && find data -type f -size +0 -printf '%%s %%p\\n' | "
		"LC_ALL=C sort -k 2",
		w->bag);
	assert_non_null(p = popen(command, "r"));
	while (count < FILES_LIMIT &&
		fscanf(p, "%ld %159s", &size[count], name[count]) == 2)
		count++;
	assert_int_equal(pclose(p), 0);
	return count;
}

static void flip_bit(struct world *w, const char *name, long at, unsigned bit)
{
	char path[512];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/%s", w->bag, name);
	assert_non_null(f = fopen(path, "r+b"));
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_true((c = fgetc(f)) != EOF);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fputc(c ^ 1 << bit, f), c ^ 1 << bit);
	fclose(f);
}

static void both_tell_the_same_of_any_flipped_bit(void **state)
{
	static char name[FILES_LIMIT][160];
	static long size[FILES_LIMIT];
	struct world *w = *state;
	char path[128];
	uint32_t seed = 20260422;
	const char *tars[] = {w->village, w->county, path};
	unsigned told = 0;

	snprintf(path, sizeof(path), "%s/range.tar", w->f.dir);
	create_range(w, COUNTY, 260, 270, path);
	for (unsigned i = 0; i < FLIPS; i++) {
		struct archive_report report;
		struct json *v;
		struct faults f;
		size_t k;
		long at;
		int status;

		w->tar = tars[i % ARRAY_LEN(tars)];
		unpack(w);
		k = next_random(&seed, list_files(w, name, size));
		at = (long)next_random(&seed, (size_t)size[k]);
		flip_bit(w, name[k], at, (unsigned)next_random(&seed, 8));
		reseal(w);
		assert_int_equal(verify_c(w, w->bag, &f, &report), ERR_CORRUPT);
		v = verify_python(w, w->bag, &status);
		if (status != 1)
			fail_msg("%s, byte %ld: only one tells", name[k], at);
		assert_agree(&f, v);
		json_free(v);
		told++;
	}
	w->tar = w->village;
	assert_int_equal(told, FLIPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_judged_by_the_rules_of_their_time),
		cmocka_unit_test(a_narrower_clearance_between_counts),
		cmocka_unit_test(a_range_carries_the_rules_before_it),
		cmocka_unit_test(damage_in_each_period_is_named),
		cmocka_unit_test(a_part_that_only_older_rules_allow_is_named),
		cmocka_unit_test(a_wrong_list_of_heads_is_named),
		cmocka_unit_test(both_tell_the_same_of_any_flipped_bit),
		cmocka_unit_test(only_cosignatures_from_above_count),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
