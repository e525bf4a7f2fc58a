/* village.h - a node with a store and a log key, and just as much of the rules
 * as capture asks for: the template's series and a few divisions.  Where the
 * governance repository does not matter, tests need not make one. */
#pragma once

#include "../store/scratch.h"
#include "catalogue.h"
#include "policies/capture.h"

#define VILLAGE_CODE "330106110201"
#define VILLAGE_DOMAIN "cundang.example"

struct village {
	struct catalogue *all;
	char *dir; /* of the store, and where files of attachments lie */
	struct node node;
	struct pool *pool;
	struct writer *writer;
};

/* The rules as far as capture asks: one test runs in a process. */
static struct catalogue *village_catalogue;

const struct series *rules_series(const struct rules *r, const char *name)
{
	const struct series *s = catalogue_find(village_catalogue, name);

	(void)r;
	return s ? s : series_system(name);
}

const struct node_info *rules_node(const struct rules *r, const char *code)
{
	static const struct node_info known = {.code = VILLAGE_CODE};
	static const struct node_info county = {.code = "330106000000"};

	(void)r;
	if (strcmp(code, known.code) == 0)
		return &known;
	/* divisions of the sample: all of the county but one */
	return code_within(code, county.code) &&
			strcmp(code, "330106999999") != 0
		? &county
		: NULL;
}

bool rules_answers_for(
	const struct rules *r, const char *own, const char *about)
{
	(void)r;
	return code_within(about, own);
}

const char *rules_domain(const struct rules *r)
{
	(void)r;
	return VILLAGE_DOMAIN;
}

uint64_t rules_serial(const struct rules *r)
{
	(void)r;
	return 1;
}

enum err_code rules_seal_to(const struct rules *r, const struct series *s,
	const char *node, struct seal_public to[RULES_SEAL_TO_LIMIT],
	size_t *count, struct err *err)
{
	(void)r;
	(void)s;
	(void)node;
	(void)to;
	(void)count;
	return err_set(err, ERR_INTERNAL, "no series of the sample is sealed");
}

static inline enum err_code village_sign(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	struct village *v = arg;

	return checkpoint_sign(cp, v->node.log, note, err);
}

static inline void village_ok(enum err_code rc, const struct err *err)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err->text);
}

/* The node stands for `code`: VILLAGE_CODE, or the county to take every
 * division of the sample. */
static inline struct village *village_open(void **state, const char *code)
{
	const struct store_options opt = {.mode = STORE_WRITE, .create = true};
	struct village *v = calloc(1, sizeof(*v));
	struct err err;

	assert_non_null(v);
	assert_int_equal(scratch_make((void **)&v->dir), 0);
	assert_int_equal(catalogue_make((void **)&v->all), 0);
	village_catalogue = v->all;
	v->node.data = v->dir;
	strcpy(v->node.config.code, code);
	strcpy(v->node.config.domain, VILLAGE_DOMAIN);
	snprintf(v->node.origin, sizeof(v->node.origin),
		"%s/%s/0123456789abcdef", VILLAGE_DOMAIN, code);
	village_ok(sign_key_new(&v->node.log, &err), &err);
	village_ok(store_open(v->dir, &opt, &v->node.store, &err), &err);
	village_ok(pool_new(2, 64, &v->pool, &err), &err);
	village_ok(
		writer_start(v->node.store, village_sign, v, &v->writer, &err),
		&err);
	*state = v;
	return v;
}

static inline int village_close(void **state)
{
	struct village *v = *state;

	writer_stop(v->writer);
	pool_free(v->pool);
	store_close(v->node.store);
	sign_key_free(v->node.log);
	catalogue_free((void **)&v->all);
	scratch_remove((void **)&v->dir);
	free(v);
	return 0;
}

static inline struct capture_source village_source(struct village *v)
{
	return (struct capture_source){.node = &v->node};
}

/* Closes the store; village_go_on() opens it again. */
static inline void village_pause(struct village *v)
{
	writer_stop(v->writer);
	store_close(v->node.store);
	v->writer = NULL;
	v->node.store = NULL;
}

static inline void village_go_on(struct village *v)
{
	const struct store_options opt = {.mode = STORE_WRITE};
	struct err err;

	village_ok(store_open(v->dir, &opt, &v->node.store, &err), &err);
	village_ok(
		writer_start(v->node.store, village_sign, v, &v->writer, &err),
		&err);
}

/* One line through the whole intake. */
static inline struct intake_result village_put(
	struct village *v, const struct capture_source *src, const char *line)
{
	struct intake_result result;
	size_t len = strlen(line);
	struct err err;

	village_ok(intake_lines(src, v->pool, v->writer, &line, &len, 1,
			   &result, &err),
		&err);
	return result;
}

/* The record of a receipt. */
static inline void village_read(
	struct village *v, const struct receipt *r, struct run *run)
{
	struct log_info log;
	struct err err;

	village_ok(store_log_find(v->node.store, r->origin, &log, &err), &err);
	village_ok(store_read(v->node.store, log.id, r->seq, 1, LABEL_ALL, run,
			   &err),
		&err);
	assert_int_equal(run->count, 1);
}

/* How many records the own log has. */
static inline uint64_t village_size(struct village *v)
{
	struct log_info log;

	if (store_log_find(v->node.store, v->node.origin, &log, NULL))
		return 0;
	return log.size;
}
