/* packagefile.h - the files of a package (docs/format.md section 9), written by
 * archive.c and read by verify.c.  Internal to policies/.
 */
#pragma once

#include "policies/archive.h"

#define PACKAGE_VERSION 1
#define PACKAGE_SHEET_SIZE (SERIES_NAME_SIZE + 16) /* "SERIES.LABEL" */
#define PACKAGE_TREE_LIMIT ((uint64_t)1 << 27)	   /* entries in its tree */
#define PACKAGE_DESCRIPTION_LIMIT ((size_t)16 << 20)

/* One line of data/records/SERIES.LABEL.ndjson, canonical JSON with a line
 * feed:
 * {"part":P,"seed":"S","seq":N}. */
void package_line_write(uint64_t seq, const struct part *p, struct buf *out);
/* Pure.  Without the line feed; the part borrows.  false = it is no such
 * line. */
bool package_line_parse(
	const char *line, size_t len, uint64_t *seq, struct part *out);
/* "SERIES.LABEL.ndjson"; false = no such name. */
bool package_sheet_parse(
	const char *name, char series[SERIES_NAME_SIZE], enum label *label);

/* data/package.json. */
struct package_description {
	char domain[DOMAIN_SIZE], holder[CODE_SIZE], origin[ORIGIN_SIZE];
	struct digest root;
	uint64_t from, to, size, serial;
	struct json *all; /* for `erased`, `policies` and `withheld` */
};
/* Pure. */
enum err_code package_description_parse(const void *text, size_t len,
	struct package_description *out, struct err *err);
void package_description_fini(struct package_description *d);
/* Does the description say that the part was destroyed? */
bool package_erased(const struct package_description *d, const char *series,
	enum label label, uint64_t seq);

/* The i-th head that the log names: the place of its sys-policy record and its
 * serial.  Only that of i = 0 may lie below `from`.  false = there is none. */
bool package_policy(const struct package_description *d, size_t i,
	uint64_t *seq, uint64_t *serial);

/* data/log/vkeys: the log's, `log`, and those of the witnesses with lines in
 * the note, a line each. */
enum err_code package_vkeys(const struct rules *rules,
	const struct note_key *log, const struct note *note, struct buf *out,
	struct err *err);

/* Unpacks a tar that can be read whole into a new folder below $TMPDIR, for
 * this user only: package_remove_folder() and free() it.  ERR_INVALID and
 * ERR_LIMIT when it is none. */
enum err_code package_unpack(const char *path, char **dir, struct err *err);
/* Removes a folder and all below it. */
void package_remove_folder(const char *dir);
