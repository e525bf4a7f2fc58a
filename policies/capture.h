/* capture.h - from a document to an entry and its parts (DESIGN of a record:
 * docs/format.md sections 1 and 2). */
#pragma once

#include "policies/node.h"

#define DOCUMENT_LIMIT JSON_TEXT_LIMIT
#define DOCUMENT_ATTACHMENTS_LIMIT 64

struct receipt {
	char id[UUID_TEXT_SIZE];
	uint64_t rev;
	char origin[ORIGIN_SIZE];
	uint64_t seq;
	struct digest leaf;
	bool repeated; /* the same content was here already */
};
/* Appends {"id","leaf","origin","rev","seq"} and a line feed. */
void receipt_write(const struct receipt *r, struct buf *out);

/* Finds the file of an attachment by the plain SHA-256 in the document: the
 * path into *path (freed by the caller).  ERR_NOT_FOUND. */
typedef enum err_code attachment_find(
	void *arg, const struct digest *plain, char **path, struct err *err);

struct capture_source {
	struct node *node;
	const struct rules *rules;
	attachment_find
		*find; /* NULL: documents with attachments are refused */
	void *find_arg;
};

/* A document that passed every check, split and salted, its attachments
 * stored; not yet numbered. */
struct captured;
/* Memory to work in, used again by the next: all zero to begin with, for one
 * thread at a time.  NULL: of its own. */
struct capture_scratch {
	struct buf entry, part[LABEL_COUNT];
};
void capture_scratch_free(struct capture_scratch *s);
/* Any thread; the store is only read, files of attachments are added to it.
 * The rules and the node outlive *out.  ERR_INVALID names path and reason
 * ("fields.applicant.id_no: wrong check digit"), ERR_LIMIT a size,
 * ERR_NOT_FOUND an unknown series or a missing attachment file, ERR_DENIED a
 * division that is not this node's. */
enum err_code capture_prepare(const struct capture_source *src,
	const char *text, size_t len, struct capture_scratch *scratch,
	struct captured **out, struct err *err);
/* Numbers and appends it to the node's own log; in a writer job, may run
 * twice; it is needed until the batch is gone.  A repetition appends nothing
 * and gives the earlier receipt.  ERR_BUSY when other rules came into force
 * since capture_prepare(): prepare again. */
enum err_code capture_commit(struct batch *b, struct captured *c,
	struct receipt *out, struct err *err);
void captured_free(struct captured *c);
/* The batch of capture_commit() failed: nothing will refer to its files, and
 * captured_free() removes them. */
void captured_undo(struct captured *c);

/* Many lines at once: prepared on the pool, committed as one job. */
struct intake_result {
	enum err_code rc;
	struct receipt receipt;	  /* where rc is ERR_OK */
	char text[ERR_TEXT_SIZE]; /* else why */
};
#define INTAKE_LINES_LIMIT 4096
/* results has one place a line; empty lines give ERR_OK with receipt.rev 0.
 * The return code is that of the commit: on failure nothing was stored. */
enum err_code intake_lines(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct err *err);
/* The same in two steps, so that the next lines are prepared while these are
 * committed: in the order of intake_begin(), each to be finished.  The lines
 * are needed for the first step only, the results until the second, whose
 * return code is that of the commit. */
struct intake;
enum err_code intake_begin(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct intake **out,
	struct err *err);
enum err_code intake_finish(struct intake *in, struct err *err);

/* A record of a system series, its fields at label internal. Takes `fields`. */
enum err_code system_record(struct batch *b, struct node *n, const char *series,
	struct json *fields, struct receipt *out, struct err *err);

/* The same under an id of its own, whose revisions tell what became of one
 * thing. */
struct system_place {
	uint8_t uuid[UUID_SIZE];
	uint64_t rev;
	struct digest prev; /* of the revision before, where rev is not 1 */
	bool prev_lost;	    /* it is damaged, and nobody knows its hash */
	const char *node;   /* the code it is about; NULL: this node's */
	bool down;	    /* it goes down to all within that */
};
enum err_code system_revision(struct batch *b, struct node *n,
	const char *series, const struct system_place *at, struct json *fields,
	struct receipt *out, struct err *err);

/* ---- back to a document (policies/view.c) ---- */

enum view { VIEW_RAW, VIEW_MASKED };
/* Merges the parts at hand: {"series","id","node","created_at","fields",
 * "attachments"} plus "origin","seq","rev","withheld":[labels],
 * "erased" (view_destroyed).  VIEW_MASKED leaves out raw values of labels
 * personal and sensitive, shows their derived siblings, and adds
 * "masked":[labels]: those of the two that are here. */
enum err_code view_document(const struct rules *rules, const char *origin,
	uint64_t seq, const struct record *r, enum view view, struct json **out,
	struct err *err);
/* As view_document(), with the raw values of `labels` of personal and
 * sensitive; "masked" are those of the two that are here and not shown. */
enum err_code view_revealed(const struct rules *rules, const char *origin,
	uint64_t seq, const struct record *r, uint8_t labels, struct json **out,
	struct err *err);
#define LABELS_MASKED (LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_SENSITIVE))
/* The labels of parts that are lost: the log is our own, so that they were
 * here, and they were not destroyed. */
uint8_t view_lost(const struct rules *rules, const struct log_info *log,
	const struct record *r);
/* Of a restricted record: {"series","id","node","created_at","rev","origin",
 * "seq","restricted":{"order","since"},"erased"}, and nothing of what it
 * says. */
struct restriction;
enum err_code view_restricted(const char *origin, uint64_t seq,
	const struct record *r, const struct restriction *by, struct json **out,
	struct err *err);
/* As whoever asks sees it: masked, or as view_restricted() tells it. */
enum err_code view_shown(struct node *n, const struct rules *rules,
	const char *origin, uint64_t seq, const struct record *r,
	struct json **out, struct err *err);
/* {"LABEL":{"at":TIME,"why":TEXT},...}: the parts that were destroyed; what is
 * not known any more of when and why is left out.  NULL without memory. */
struct json *view_destroyed(const struct record *r);
/* The attachments that a record's parts refer to; the caller frees *refs. */
enum err_code view_attachments(const struct rules *rules,
	const struct record *r, struct attachment_ref **refs, size_t *count,
	struct err *err);
