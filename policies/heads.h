/* heads.h - an open governance repository from the inside.
 * Internal to policies/. */
#pragma once

#include "policies/repo.h"
#include "policies/rules_load.h"

#define HEAD_REF_SIZE 48
#define MAIN_REF "refs/heads/main"

struct governance {
	struct repo *repo;
};

void head_ref(uint64_t serial, char out[HEAD_REF_SIZE]);
void proposal_ref(uint64_t serial, char out[HEAD_REF_SIZE]);
/* The head under a ref, unjudged: its statement parsed, its bytes in `text`
 * (may be NULL).  ERR_NOT_FOUND. */
enum err_code head_get(struct governance *g, const char *ref,
	struct statement *s, struct head_text *text, unsigned *signatures,
	struct err *err);
/* Moves the chain on by a head whose objects lie in `r`: history, files,
 * signatures. */
enum err_code heads_step(struct repo *r, struct chain *c,
	const struct head_text *h, struct err *err);
/* The chain from its end on to `serial` (0: the newest).  ERR_NOT_FOUND when
 * there is no such head. */
enum err_code heads_follow(struct governance *g, struct chain *c,
	uint64_t serial, struct err *err);
/* Moves refs/heads/main up to the commit of a head where that is a step
 * forward; where it is not, main is somebody's work and stays. */
enum err_code heads_advance_main(
	struct governance *g, const char *commit, struct err *err);
/* Proposes `commit` as the next head.  PROPOSE_CHANGE: ERR_EXISTS where its
 * files are those of the newest one. */
enum propose { PROPOSE_CHANGE, PROPOSE_SAME };
enum err_code heads_propose(struct governance *g, const char *commit,
	enum propose what, struct statement *out, struct err *err);
