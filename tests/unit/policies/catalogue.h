/* catalogue.h - the series of the template and the sample records, for tests
 * that need no node. */
#pragma once

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/series.h"

#define CATALOGUE_SIZE 25
#define SAMPLE_SIZE 220
#define TEMPLATE TEST_DATA "/../../policies/template/series"
#define SAMPLE TEST_DATA "/records-sample.ndjson"

struct catalogue {
	struct series *series[CATALOGUE_SIZE];
};

/* cmocka's setup and teardown: *state is a struct catalogue. */
static inline int catalogue_make(void **state)
{
	struct catalogue *c = calloc(1, sizeof(*c));
	glob_t found;
	struct err err;

	*state = c;
	if (!c || glob(TEMPLATE "/*.yaml", 0, NULL, &found) ||
		found.gl_pathc != CATALOGUE_SIZE)
		return -1;
	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		struct buf text = BUF_EMPTY;
		enum err_code rc = file_read(
			found.gl_pathv[i], SERIES_TEXT_LIMIT, &text, &err);

		if (rc == ERR_OK)
			rc = series_load(found.gl_pathv[i], text.data, text.len,
				&c->series[i], &err);
		buf_free(&text);
		if (rc) {
			fprintf(stderr, "%s\n", err.text);
			return -1;
		}
	}
	globfree(&found);
	return 0;
}

static inline int catalogue_free(void **state)
{
	struct catalogue *c = *state;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++)
		series_free(c->series[i]);
	free(c);
	return 0;
}

static inline const struct series *catalogue_find(
	const struct catalogue *c, const char *name)
{
	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		if (strcmp(c->series[i]->name, name) == 0)
			return c->series[i];
	}
	return NULL;
}

/* Visits the sample's documents; answers how many there were. */
static inline size_t sample_each(
	void (*visit)(void *arg, const struct json *doc), void *arg)
{
	FILE *f = fopen(SAMPLE, "r");
	char *line = NULL;
	size_t cap = 0, count = 0;
	ssize_t len;

	while (f && (len = getline(&line, &cap, f)) > 0) {
		struct json *doc = NULL;

		if (json_parse(line, (size_t)len, JSON_TEXT_LIMIT, &doc, NULL))
			break;
		visit(arg, doc);
		json_free(doc);
		count++;
	}
	free(line);
	if (f)
		fclose(f);
	return count;
}
