/* rules_load.h - from the files of a governance tree to struct rules.
 * Internal to policies/. */
#pragma once

#include <stdatomic.h>

#include "policies/council.h"
#include "policies/seals.h"

#define NODES_LIMIT 65536
#define CONSUMERS_LIMIT 256
#define CALENDAR_LIMIT 4096
#define SERIES_COUNT_LIMIT 256

struct calendar_day {
	char date[11];
	bool workday; /* else a holiday */
};

struct rules {
	atomic_size_t refs;
	struct statement head;
	struct digest fingerprint; /* of statement 1 */
	struct council council;
	struct node_info *node; /* sorted by code */
	size_t *parent; /* index of each node's parent; the root's own */
	size_t node_count, node_cap;
	size_t root;
	size_t *by_tls; /* enrolled nodes, sorted by TLS key */
	size_t tls_count;
	struct consumer *consumer;
	size_t consumer_count;
	struct seals seals;
	struct calendar_day *day;
	size_t day_count;
	const struct series **series; /* sorted by name; system ones too */
	struct series **owned;	      /* those of the tree */
	size_t series_count, owned_count;
};

/* Loads every file; one that is not known is a mistake.  With `fault` each
 * mistake is told and the loading goes on to the next file, and ERR_INVALID
 * comes at the end; without, the first one ends it. */
enum err_code rules_load(const struct fileset *fs, const struct statement *head,
	const struct digest *fingerprint, governance_fault *fault, void *arg,
	struct rules **out, struct err *err);

/* Pure; fuzzed. */
enum err_code consumers_load(const void *text, size_t len,
	struct consumer **out, size_t *count, struct err *err);
enum err_code calendar_load(const void *text, size_t len,
	struct calendar_day **out, size_t *count, struct err *err);
