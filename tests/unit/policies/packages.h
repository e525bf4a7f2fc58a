/* packages.h - a package beside its unpacked copy, damage to it, and what the
 * two verifiers say. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define VERIFY_SCRIPT TEST_DATA "/../../scripts/verify_package.py"

struct world {
	struct fixture f;
	char village[96], county[96]; /* tars */
	const char *tar;	      /* the one that unpack() takes */
	char bag[96];		      /* the village's, unpacked */
	char object[DIGEST_HEX_SIZE]; /* an attachment in it */
	uint64_t attached;	      /* the record that refers to it */
};

static inline void create(struct world *w, enum fixture_place p,
	const char *path, struct archive_made *made)
{
	struct archive_options opt = {.code = fixture_code(VILLAGE)};
	struct err err;

	fixture_ok(archive_create(w->f.node[p], &opt, path, made, &err), &err);
}

static inline void run_command(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

/* A fresh unpacked copy of a package. */
static inline void unpack(struct world *w)
{
	char command[256];
	struct err err;

	snprintf(command, sizeof(command), "rm -rf '%s' && mkdir '%s'", w->bag,
		w->bag);
	run_command(command);
	fixture_ok(package_untar(w->tar, w->bag, &err), &err);
}

/* Makes the manifests anew, so that only the real checks can catch damage. */
static inline void reseal(struct world *w)
{
	const char *info[] = {"Source-Organization: somebody else"};
	char command[512];
	struct err err;

	snprintf(command, sizeof(command),
		"rm -f '%s'/bagit.txt '%s'/bag-info.txt '%s'/*manifest-*",
		w->bag, w->bag, w->bag);
	run_command(command);
	fixture_ok(bag_seal(w->bag, info, 1, &err), &err);
}

/* ---- both verifiers ---- */

#define FAULTS_LIMIT 64
struct faults {
	size_t count;
	char thing[FAULTS_LIMIT][320];
};

static inline void on_fault(void *arg, const char *thing, const char *what)
{
	struct faults *f = arg;

	assert_non_null(what);
	assert_true(f->count < FAULTS_LIMIT);
	snprintf(f->thing[f->count++], sizeof(f->thing[0]), "%s", thing);
}

static inline enum err_code verify_c(struct world *w, const char *path,
	struct faults *f, struct archive_report *report)
{
	struct err err;
	enum err_code rc;

	f->count = 0;
	rc = archive_verify(path, &w->f.pin, on_fault, f, report, &err);
	if (rc && rc != ERR_CORRUPT)
		print_message("archive_verify: %s\n", err.text);
	return rc;
}

/* Runs the script; its answer, or NULL where it gave none. */
static inline struct json *verify_python(
	struct world *w, const char *path, int *status)
{
	char command[512], hex[DIGEST_HEX_SIZE], line[65536];
	struct json *v = NULL;
	struct err err;
	size_t len;
	FILE *p;

	digest_hex(&w->f.pin, hex);
	snprintf(command, sizeof(command), "python3 '%s' --json --root %s '%s'",
		VERIFY_SCRIPT, hex, path);
	assert_non_null(p = popen(command, "r"));
	len = fread(line, 1, sizeof(line), p);
	*status = WEXITSTATUS(pclose(p));
	if (len)
		fixture_ok(json_parse(line, len, sizeof(line), &v, &err), &err);
	return v;
}

/* Both name the same things, in whatever order. */
static inline void assert_agree(
	const struct faults *f, const struct json *python)
{
	const struct json *list = json_get(python, "faults");

	if (json_count(list) != f->count) {
		for (size_t i = 0; i < f->count; i++)
			print_message("c: %s\n", f->thing[i]);
		for (size_t i = 0; i < json_count(list); i++)
			print_message("python: %s\n",
				json_string(
					json_at(json_at(list, i), 0), NULL));
	}
	assert_int_equal(json_count(list), f->count);
	for (size_t i = 0; i < f->count; i++) {
		bool found = false;

		for (size_t k = 0; k < json_count(list); k++)
			found |= !strcmp(f->thing[i],
				json_string(
					json_at(json_at(list, k), 0), NULL));
		if (!found)
			fail_msg("only one names %s", f->thing[i]);
	}
}

static inline void assert_well(
	struct world *w, const char *path, struct archive_report *report)
{
	struct json *v;
	struct faults f;
	uint64_t n;
	int status;

	if (verify_c(w, path, &f, report))
		fail_msg("first of %zu faults: %s", f.count,
			f.count ? f.thing[0] : "none told");
	v = verify_python(w, path, &status);
	assert_int_equal(status, 0);
	assert_true(json_bool(json_get(v, "ok")));
	assert_string_equal(json_get_string(v, "origin"), report->origin);
	assert_true(json_get_u64(v, "records", &n) && n == report->records);
	assert_true(json_get_u64(v, "parts", &n) && n == report->parts);
	assert_true(json_get_u64(v, "withheld", &n) && n == report->withheld);
	assert_true(
		json_get_u64(v, "attachments", &n) && n == report->attachments);
	assert_true(json_get_u64(v, "cosignatures", &n) &&
		n == report->cosignatures);
	json_free(v);
}

/* Exactly one thing is damaged, and both name it. */
static inline void assert_damaged(struct world *w, const char *thing)
{
	struct archive_report report;
	struct json *v;
	struct faults f;
	int status;

	assert_int_equal(verify_c(w, w->bag, &f, &report), ERR_CORRUPT);
	v = verify_python(w, w->bag, &status);
	assert_int_equal(status, 1);
	assert_agree(&f, v);
	for (size_t i = 1; i < f.count; i++)
		print_message("also: %s\n", f.thing[i]);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.thing[0], thing);
	json_free(v);
}

/* Changes one byte of a file of the bag: the one at `at`, from the end when it
 * is negative. */
static inline void flip(struct world *w, const char *name, long at)
{
	char path[256];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/%s", w->bag, name);
	if (!(f = fopen(path, "r+b")))
		fail_msg("no %s", path);
	assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
	at = ftell(f);
	assert_true((c = fgetc(f)) != EOF);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	/* Stays a digit or letter, so that text is still text. */
	c = c == '1' ? '2' : c == 'b' ? 'c' : c >= 'a' && c <= 'z' ? 'b' : '1';
	assert_int_equal(fputc(c, f), c);
	fclose(f);
}

static inline void one_byte(
	struct world *w, const char *name, long at, const char *thing)
{
	unpack(w);
	flip(w, name, at);
	reseal(w);
	assert_damaged(w, thing);
}

static inline size_t next_random(uint32_t *state, size_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % below;
}
