/* grant.c - what one who asks by HTTP may see. */
#include "syncd/grant.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

enum err_code grant_find(const struct rules *rules, const struct digest *token,
	struct grant *out, struct err *err)
{
	const struct consumer *c;

	memset(out, 0, sizeof(*out));
	if (!token) {
		out->labels = LABEL_BIT(LABEL_PUBLIC);
		return ERR_OK;
	}
	c = rules_consumer(rules, token);
	if (!c)
		return err_set(err, ERR_DENIED, "the token is not known here");
	memcpy(out->name, c->name, sizeof(out->name));
	out->labels = c->labels;
	out->series_count = c->series_count;
	memcpy(out->series, c->series, sizeof(out->series));
	qsort(out->series, out->series_count, sizeof(out->series[0]),
		compare_names);
	return ERR_OK;
}

bool grant_sees(
	const struct grant *g, const struct rules *rules, const char *series)
{
	const struct series *s = rules_series(rules, series);

	if (s && !(s->labels & g->labels))
		return false;
	if (g->series_count == 0)
		return !(s && s->system) && strncmp(series, "sys-", 4) != 0;
	return bsearch(series, g->series, g->series_count, sizeof(g->series[0]),
		       compare_names) != NULL;
}

bool grant_sees_record(const struct grant *g, const struct rules *rules,
	const struct entry *e, const struct record *r)
{
	char about[SERIES_NAME_SIZE];

	if (grant_sees(g, rules, e->series))
		return true;
	return !strcmp(e->series, AGGREGATE_SERIES) &&
		(g->labels & LABEL_BIT(LABEL_INTERNAL)) &&
		aggregate_about(r, about) && grant_sees(g, rules, about);
}
