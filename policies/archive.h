/* archive.h - packages for the archive, and their verification.
 *
 * Layout and checks: docs/format.md section 9.  scripts/verify_package.py is
 * an independent second implementation of archive_verify().
 */
#pragma once

#include "policies/exchange.h"

/* Writes a log as a C2SP tlog-tiles tree below `dir`, which is made where it is
 * missing: `checkpoint` with all signature lines known, tile/L/N and
 * tile/entries/N of the newest complete checkpoint, whose size goes to *size.
 * ERR_EXISTS when there is a checkpoint already. */
enum err_code log_export(struct node *n, const struct log_info *log,
	const char *dir, uint64_t *size, struct err *err);

struct archive_options {
	const char *code;  /* whose log: own or held */
	const char *epoch; /* NULL: its newest */
	bool has_from, has_to;
	uint64_t from, to; /* entries [from, to); default all */
};
struct archive_made {
	char origin[ORIGIN_SIZE];
	uint64_t from, to;
	uint64_t records, parts, withheld, erased, attachments, bytes;
};
/* Writes the package as a tar; the same store gives the same bytes.  The tree
 * of the newest cosigned checkpoint, or of the newest complete one where none
 * is cosigned (bag-info says which). */
enum err_code archive_create(struct node *n, const struct archive_options *opt,
	const char *path, struct archive_made *out, struct err *err);

struct archive_report {
	char origin[ORIGIN_SIZE];
	char holder[CODE_SIZE]; /* whose clearance the package was made under */
	uint64_t size, from, to;
	struct digest root;
	uint64_t records, parts, withheld, erased, attachments;
	unsigned cosignatures;
	uint64_t faults;
};
/* Each fault once, by the name of the damaged thing ("record 17", "tile
 * 0/001", "checkpoint", "attachment NAME"; all of them: docs/format.md section
 * 9.3) and what is wrong with it. */
typedef void archive_fault(void *arg, const char *thing, const char *what);
/* `path` is a tar or its unpacked folder.  `root` is the root fingerprint on
 * paper.  ERR_CORRUPT when there was a fault (*out is set then too); what is no
 * package at all has the fault "package".  ERR_NOT_FOUND: no such path.  A tar
 * is unpacked below $TMPDIR, into a folder for this user only. */
enum err_code archive_verify(const char *path, const struct digest *root,
	archive_fault *fault, void *arg, struct archive_report *out,
	struct err *err);

/* ---- one record with its proof ---- */

/* A tlog-proof of an entry whose `extra` line carries the entry and the parts
 * of `labels` with their seeds: verifies with nothing but itself and the log's
 * vkey. */
enum err_code proof_make(struct node *n, const struct log_info *log,
	uint64_t seq, uint8_t labels, struct buf *out, struct err *err);
struct proof_report {
	struct entry entry;
	char origin[ORIGIN_SIZE];
	uint64_t seq, size;
	uint8_t labels;	     /* shown */
	struct json *fields; /* merged; the caller frees it */
};
enum err_code proof_verify(const void *data, size_t len,
	const struct note_key *log_key, struct proof_report *out,
	struct err *err);
