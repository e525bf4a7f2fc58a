/* records.h - made-up records, a store to put them in, and what must hold. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "scratch.h"
#include "store/store.h"

#define ORIGIN "xihu.example/330106110201/00112233aabbccdd"
#define ORIGIN_OTHER "xihu.example/330106110202/00112233aabbccee"
#define OK(call) assert_ok((call), &test_err, #call)

static struct err test_err;
static const struct erasure test_order = {1782000000, "order 7"};

static inline void assert_ok(
	enum err_code rc, const struct err *err, const char *what)
{
	if (rc != ERR_OK)
		fail_msg("%s: %s (%s)", what, err_name(rc), err->text);
}

static inline void assert_code(enum err_code rc, enum err_code expected)
{
	if (rc != expected)
		fail_msg("%s, not %s: %s", err_name(rc), err_name(expected),
			test_err.text);
}

/* One record with the memory it borrows. */
struct made {
	struct record record;
	struct entry entry;
	char json[LABEL_COUNT][256];
	struct buf text;
	struct digest digest[LABEL_COUNT];
};

/* The i-th record; revisions of one id differ in `rev`. */
static inline void make_record(struct made *m, uint64_t i, uint64_t rev)
{
	static const char *const series[] = {
		"alert", "household", "service-case"};
	struct entry *e = &m->entry;

	memset(m, 0, sizeof(*m));
	strcpy(e->series, series[i % 3]);
	strcpy(e->iss, "xihu.example/330106110201");
	strcpy(e->node, "330106110201");
	snprintf(e->id, sizeof(e->id), "019d0000-%04x-7000-8000-%012" PRIx64,
		(unsigned)(i >> 8) & 0xffff, i);
	strcpy(e->at, "2026-04-22T17:48:35+08:00");
	assert_true(uuid_parse(e->id, strlen(e->id), e->uuid));
	e->rev = rev;
	if (rev > 1) {
		e->has_prev = true;
		e->prev = digest_of(&rev, sizeof(rev));
	}
	for (uint8_t l = 0; l < LABEL_COUNT; l++) {
		struct part *p = &m->record.part[l];
		struct digest seed = digest_of(m->json[l], sizeof(m->json[l]));

		snprintf(m->json[l], sizeof(m->json[l]),
			"{\"name\":\"secret-%s-%" PRIu64 "\",\"rev\":%" PRIu64
			"}",
			label_name(l), i, rev);
		seed = digest_of(m->json[l], strlen(m->json[l]));
		memcpy(p->seed, seed.b, SEED_SIZE);
		p->json = m->json[l];
		p->len = strlen(m->json[l]);
		OK(part_digest(
			p->seed, l, p->json, p->len, &m->digest[l], &test_err));
		e->sd[e->sd_count++] = m->digest[l];
	}
	OK(entry_write(e, &m->text, &test_err));
	m->record.entry = (const char *)m->text.data;
	m->record.entry_len = m->text.len;
	m->record.have = LABEL_ALL;
}

static inline void free_record(struct made *m)
{
	buf_free(&m->text);
}

static inline struct sign_key *test_key(void)
{
	static const uint8_t seed[SIGN_SEED_SIZE] = {1, 2, 3};
	struct sign_key *k = NULL;

	OK(sign_key_from_seed(seed, &k, &test_err));
	return k;
}

static inline enum err_code test_sign(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	struct sign_key *k = test_key();
	enum err_code rc = checkpoint_sign(cp, k, note, err);

	(void)arg;
	sign_key_free(k);
	return rc;
}

static inline struct store *open_store(
	const char *data, enum store_mode mode, uint64_t segment_size)
{
	struct store_options opt = {.mode = mode,
		.create = mode == STORE_WRITE,
		.segment_size = segment_size};
	struct store *s = NULL;

	OK(store_open(data, &opt, &s, &test_err));
	return s;
}

static inline uint32_t put_into(struct batch *b, const char *origin,
	enum log_kind kind, uint64_t from, uint64_t count)
{
	struct log_info log;

	OK(batch_log(b, origin, kind, &log, &test_err));
	for (uint64_t i = from; i < from + count; i++) {
		struct made m;
		uint64_t seq;

		make_record(&m, i, 1);
		OK(batch_append(b, log.id, &m.record, &seq, &test_err));
		free_record(&m);
	}
	return log.id;
}

/* Records [from, from + count) in one batch of our own log. */
static inline uint32_t put_records(
	struct store *s, uint64_t from, uint64_t count)
{
	struct batch *b = NULL;
	uint32_t log;

	OK(batch_begin(s, &b, &test_err));
	log = put_into(b, ORIGIN, LOG_OWN, from, count);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	return log;
}

/* The record read is the i-th, whole but for `erased`. */
static inline void assert_record(
	const struct record *r, uint64_t i, uint8_t labels, uint8_t erased)
{
	struct made m;

	make_record(&m, i, 1);
	assert_int_equal(r->entry_len, m.record.entry_len);
	assert_memory_equal(r->entry, m.record.entry, r->entry_len);
	assert_int_equal(r->have, labels & ~erased);
	assert_int_equal(r->erased, erased);
	assert_int_equal(r->erasure != NULL, erased != 0);
	for (int l = 0; l < LABEL_COUNT; l++)
		if (erased & LABEL_BIT(l))
			assert_true(erasure_equal(&r->erasure[l], &test_order));
	for (int l = 0; l < LABEL_COUNT; l++) {
		if (!(r->have & LABEL_BIT(l)))
			continue;
		assert_int_equal(r->part[l].len, m.record.part[l].len);
		assert_memory_equal(
			r->part[l].json, m.record.part[l].json, r->part[l].len);
		assert_memory_equal(
			r->part[l].seed, m.record.part[l].seed, SEED_SIZE);
	}
	free_record(&m);
}

/* Records 0..count stand at their sequence. */
static inline void assert_records(struct store *s, uint32_t log, uint64_t count)
{
	struct run run = {0};

	for (uint64_t at = 0; at < count; at += run.count) {
		run_free(&run);
		OK(store_read(s, log, at, 100, LABEL_ALL, &run, &test_err));
		assert_true(run.count > 0);
		for (size_t i = 0; i < run.count; i++)
			assert_record(&run.record[i], at + i, LABEL_ALL, 0);
	}
	run_free(&run);
}

/* The log's root is that of its entries, and its checkpoint tells it. */
static inline void assert_root(
	struct store *s, const struct log_info *log, uint64_t size)
{
	struct log_reader reader = {s, log->id};
	struct tree_edge edge = {0};
	struct digest root;

	for (uint64_t i = 0; i < size; i++) {
		struct digest leaf;
		struct made m;

		make_record(&m, i, 1);
		leaf = tree_leaf(m.record.entry, m.record.entry_len);
		tree_append(&edge, &leaf);
		free_record(&m);
	}
	root = tree_root(&edge);
	assert_int_equal(log->size, size);
	assert_true(digest_equal(&log->root, &root));
	OK(tree_root_at(size, store_tree_read, &reader, &root, &test_err));
	assert_true(digest_equal(&log->root, &root));
}
