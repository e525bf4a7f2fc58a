/* fixture.h - a small domain in a temporary folder: two officers, a governance
 * repository, and up to four enrolled nodes with stores of their own.
 *
 * Everything is made by the real functions; officers' keys by ssh-keygen.
 * A failure inside ends the test (cmocka's fail()).
 */
#pragma once

#include "policies/policies.h"

#define FIXTURE_DOMAIN "cundang.example"

enum fixture_place {
	COUNTY,	  /* 330106000000, the root */
	TOWNSHIP, /* 330106110000 */
	VILLAGE,  /* 330106110201 */
	OTHER,	  /* 330106110203, a second village of the township */
	PLACES,
};

struct fixture {
	char dir[64];
	char repository[80]; /* the governance repository of the officers */
	char key[2][80];     /* officers' private keys; .pub beside them */
	struct digest pin;
	struct node *node[PLACES];
};

const char *fixture_code(enum fixture_place p);
/* Officers and head 1, signed by both; no nodes. */
void fixture_open(struct fixture *f);
/* Closes the nodes, removes the folder. */
void fixture_close(struct fixture *f);
/* Makes and opens the nodes, without keys in the roster: they know head 1. */
void fixture_init_nodes(
	struct fixture *f, const enum fixture_place *places, size_t count);
/* Admits all nodes made so far by one more head, signed by both officers, and
 * has each of them adopt it. */
void fixture_enrol(struct fixture *f);
/* fixture_open, init_nodes, enrol; all four places. */
void fixture_some(
	struct fixture *f, const enum fixture_place *places, size_t count);
void fixture_all(struct fixture *f);
/* For cmocka: *state is a fixture of all four places; closes the one that
 * *state is. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Signs the open proposal with both officers' keys, as far as it wants. */
void fixture_sign(struct fixture *f);
/* Brings the officers' newest head to every node and has it adopted. */
void fixture_adopt(struct fixture *f);

/* An officer's edit with stock git (`edit` is a shell command in a clone),
 * signed by both, adopted by every node. */
void fixture_change_rules(struct fixture *f, const char *edit);
/* By such an edit the two series that no rank may hold are sealed; role.pem in
 * the folder opens them. */
void fixture_seal(struct fixture *f);

/* A document of tests/data/records.ndjson about `p`: `i` chooses the line
 * (modulo their number), its id is left out so that a fresh one is made.  The
 * caller frees it. */
struct json *fixture_document(size_t i, enum fixture_place p);
/* The first document of a series. */
struct json *fixture_document_of(const char *series, enum fixture_place p);
/* Captures and commits a document at `p`; takes it.  `find` as in capture. */
void fixture_capture(struct fixture *f, enum fixture_place p,
	struct json *document, attachment_find *find, void *find_arg,
	struct receipt *receipt);
/* Captures `count` documents at `p` in one batch, every series in turn. */
void fixture_put(struct fixture *f, enum fixture_place p, size_t count);
/* The node's own log as it stands now. */
struct log_info fixture_log(struct fixture *f, enum fixture_place p);
/* Brings a log from one node to another as a session does: checkpoint, then
 * packages.  Tells how many packages it took. */
unsigned fixture_carry(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin);
/* Fails the test with the error's text unless rc is ERR_OK. */
void fixture_ok(enum err_code rc, const struct err *err);
/* Copies a folder with all that is in it (cp -r). */
void fixture_copy(const char *from, const char *to);
/* The same for a node's, as a disk's image would be: it does not show that it
 * is a copy. */
void fixture_clone(const char *from, const char *to);
