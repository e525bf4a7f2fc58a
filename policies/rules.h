/* rules.h - one governance head, loaded: domain, ranks, roster, officers,
 * catalogue.  Immutable and shared between threads by reference counts. */
#pragma once

#include "policies/series.h"

#define DOMAIN_SIZE 96
#define NODE_TITLE_SIZE 96 /* a division's name, UTF-8 */
#define ADDRESS_SIZE 128   /* host:port */
#define GRANT_SERIES_LIMIT 64
#define FORMER_KEYS_LIMIT 16
#define DATE_SIZE 11 /* YYYY-MM-DD */
#define EPOCH_SIZE 17

struct rules;

/* A key that a node had before. */
enum former_kind { FORMER_LOG, FORMER_WITNESS };
struct former_key {
	struct sign_public key;
	enum former_kind kind;
	/* In the log of this epoch it counts up to that size; "": not told. */
	char epoch[EPOCH_SIZE];
	uint64_t size;
};

struct node_info {
	char code[CODE_SIZE];
	char name[NODE_TITLE_SIZE];
	enum rank rank;
	char parent[CODE_SIZE]; /* "" for the root */
	char address[ADDRESS_SIZE];
	bool enrolled; /* has keys */
	struct sign_public log, witness, tls;
	/* Newest first. */
	struct former_key former[FORMER_KEYS_LIMIT];
	size_t former_count;
	/* The day on which it was abolished or its node taken out of service,
	 * "" while it is there; and who answers for it since, or "". */
	char retired[DATE_SIZE];
	char successor[CODE_SIZE];
};

struct officer {
	char name[64];
	char role[32];
	char scope[CODE_SIZE]; /* a code; covers what is within */
	char until[11];	       /* the key's last day, YYYY-MM-DD; "": none */
	struct ssh_public key;
};
/* Does the officer's key count for what was made at `at`? */
bool officer_valid_at(const struct officer *o, int64_t at);

struct consumer {
	char name[64];
	struct digest token; /* SHA-256 of the bearer token */
	uint8_t labels;
	size_t series_count; /* 0: every series but system ones */
	char series[GRANT_SERIES_LIMIT][SERIES_NAME_SIZE];
};

struct rules *rules_ref(struct rules *r);
void rules_unref(struct rules *r); /* NULL does nothing */

uint64_t rules_serial(const struct rules *r);
const char *rules_domain(const struct rules *r);
/* SHA-256 of this head's statement; of the first statement: the root
 * fingerprint. */
const struct digest *rules_statement(const struct rules *r);
const struct digest *rules_root_fingerprint(const struct rules *r);
int64_t rules_at(const struct rules *r); /* when the statement was made */
/* Older than RULES_OLD_DAYS at `now`: newer ones may be held back. */
#define RULES_OLD_DAYS 30
bool rules_old(const struct rules *r, int64_t now);

/* Divisions of the domain, enrolled or not.  NULL when there is none. */
const struct node_info *rules_node(const struct rules *r, const char *code);
const struct node_info *rules_root(const struct rules *r);
/* The enrolled node in service that holds this TLS key, or NULL. */
const struct node_info *rules_node_by_tls(
	const struct rules *r, const struct sign_public *tls);
/* May the node `own` record about the division `about`: it lies within, or it
 * was retired and its successor, or that one's, lies within. */
bool rules_answers_for(
	const struct rules *r, const char *own, const char *about);
size_t rules_node_count(const struct rules *r);
const struct node_info *rules_node_at(const struct rules *r, size_t i);
size_t rules_officer_count(const struct rules *r);
const struct officer *rules_officer_at(const struct rules *r, size_t i);
/* Signatures that a change needs: of rules and officers, of a roster. */
unsigned rules_approvals(const struct rules *r);
unsigned rules_roster_approvals(const struct rules *r);
/* Of orders: of an erasure, of one that reaches accounts, of a hold, its end or
 * a cancellation. */
unsigned rules_disposal_approvals(const struct rules *r);
unsigned rules_accounts_approvals(const struct rules *r);
unsigned rules_hold_approvals(const struct rules *r);
/* Days from the making of a disposal's order to its carrying out. */
unsigned rules_waiting_days(const struct rules *r);
const struct consumer *rules_consumer(
	const struct rules *r, const struct digest *token);
const struct consumer *rules_consumer_named(
	const struct rules *r, const char *name);

/* The keys that records of a sealed series captured at `node` are sealed to,
 * the recovery key among them. */
#define RULES_SEAL_TO_LIMIT (CMS_RECIPIENTS_LIMIT - 1)
enum err_code rules_seal_to(const struct rules *r, const struct series *s,
	const char *node, struct seal_public to[RULES_SEAL_TO_LIMIT],
	size_t *count, struct err *err);

/* System series included.  NULL when unknown. */
const struct series *rules_series(const struct rules *r, const char *name);
size_t rules_series_count(const struct rules *r);
const struct series *rules_series_at(const struct rules *r, size_t i);

/* How long records of a system series are kept: "Y" unless domain.yaml says
 * otherwise. */
const char *rules_kept(const struct rules *r, const char *series);

/* The labels of a series that `holder` may hold of records captured at
 * `origin`: all at the origin; elsewhere what every node on the way from the
 * origin to the holder may hold (a record travels by its tree).  0 when one of
 * the codes is unknown, the holder is neither above nor below the origin, or
 * below it while the series goes up only. */
uint8_t rules_clearance(const struct rules *r, const struct series *s,
	const char *origin, const char *holder);
/* The enrolled log key of the node that `origin` (domain/code/epoch) names;
 * ERR_DENIED when the domain is another's or the node is not enrolled. */
enum err_code rules_log_key(const struct rules *r, const char *origin,
	struct sign_public *out, struct err *err);
/* The i-th log key of that node: 0 is the one in force, then those it had
 * before, newest first.  ERR_NOT_FOUND behind the last. */
enum err_code rules_log_key_at(const struct rules *r, const char *origin,
	size_t i, struct former_key *out, struct err *err);
