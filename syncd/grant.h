/* grant.h - what one who asks by HTTP may see. */
#pragma once

#include "policies/policies.h"

struct grant {
	char name[PROVISION_TO_SIZE]; /* of the consumer, "" for nobody */
	uint8_t labels;
	size_t series_count; /* 0: every series but system ones */
	char series[GRANT_SERIES_LIMIT][SERIES_NAME_SIZE]; /* sorted */
};
/* The grant of a presented token, of nobody for NULL: label public.
 * ERR_DENIED when the rules know no such token. */
enum err_code grant_find(const struct rules *rules, const struct digest *token,
	struct grant *out, struct err *err);
/* May records of this series be seen at all? */
bool grant_sees(
	const struct grant *g, const struct rules *rules, const char *series);
/* This record, whose parts `r` holds as far as the grant's labels go: the
 * counts of a series are for whom the series is for. */
bool grant_sees_record(const struct grant *g, const struct rules *rules,
	const struct entry *e, const struct record *r);
