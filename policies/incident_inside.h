/* incident_inside.h - what an incident reaches, counted record by record.
 * Internal to policies/incident*.c. */
#pragma once

#include "policies/incident.h"

#define PERSON_KEY_SIZE 16

/* Records of one log and series, of which it reaches the parts of a label. */
struct incident_group {
	char origin[ORIGIN_SIZE];
	char series[SERIES_NAME_SIZE];
	enum label label;
	uint64_t count;
	int64_t first, last; /* when they were made */
	/* Half-open, ascending: records of the series there that have such a
	 * part; in between are some that it does not reach. */
	uint64_t (*range)[2];
	size_t range_count, range_cap;
	bool apart; /* one that it does not reach came since */
};
struct incident {
	const struct rules *rules;
	const char *origin; /* of the log being read */
	struct incident_group *group;
	size_t group_count, group_cap;
	size_t group_from; /* the first of that log */
	uint8_t (*person)[PERSON_KEY_SIZE];
	size_t person_count, person_cap;
	uint64_t records;
	uint64_t uncounted; /* of which the values are not here */
	uint64_t destroyed, damaged;
	int64_t first, last;
};
/* A record of the log being read. */
struct incident_record {
	const struct series *series; /* NULL: not known any more */
	const char *name;	     /* of the series */
	uint64_t seq;
	int64_t at;
	uint8_t uuid[UUID_SIZE];
	uint8_t labels; /* that it reaches */
	uint8_t gone;	/* ... and are destroyed */
	uint8_t missed; /* that it has, and that are not reached */
	const struct record *parts;
};

void incident_log(struct incident *i, const char *origin);
/* Counts a record; one with no labels only keeps ranges apart. */
enum err_code incident_add(
	struct incident *i, const struct incident_record *r, struct err *err);
void incident_fini(struct incident *i);
/* Takes `about` and `given`. */
enum err_code incident_json(struct incident *i, struct json *about,
	struct json *given, struct json **out, struct err *err);
