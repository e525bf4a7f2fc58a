/* verify.c - a package judged by nothing but itself and the root fingerprint.
 */
#include "policies/archive.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policies/allowed.h"
#include "policies/packagefile.h"
#include "policies/tiles.h"

#define THING_SIZE 320
#define RECORDS_FILE_LIMIT ((size_t)4 << 30)
#define SHEETS_LIMIT 1024
#define BUNDLES_UNSEEN 4096 /* so many need not be there */

/* What is known of an entry's parts. */
struct row {
	uint8_t have;
	struct part part[LABEL_COUNT];
};

/* One file of data/records/. */
struct sheet {
	char name[PACKAGE_SHEET_SIZE + 16]; /* of the file */
	char series[SERIES_NAME_SIZE];
	enum label label;
	struct buf bytes;
	uint64_t strays;  /* lines that supply no part */
	uint64_t missing; /* parts that no line supplies */
};

struct checking {
	archive_fault *fault;
	void *arg;
	char **told;
	size_t told_count, told_cap;
	bool failed; /* out of memory while telling */
	const char *dir;
	struct rules *rules;
	bool rules_whole; /* of the head the package was made under */
	struct allowed allowed;
	uint64_t serial; /* of the head in force for the next entry; 0: none */
	struct package_description desc;
	struct checkpoint cp;
	struct tiles tiles;
	struct row *row; /* to - from */
	/* The sys-policy record below `from`, where there is one. */
	bool has_before;
	uint64_t before_seq;
	struct tiles before_tiles; /* where another bundle has it */
	struct row before_row;
	struct sheet *sheet;
	size_t sheet_count;
	struct json *withheld; /* counts by "SERIES.LABEL" */
	char **object;	       /* names of attachments referred to */
	size_t object_count, object_cap;
	uint64_t manifest_faults;
	struct archive_report report;
};

/* ---- faults ---- */

static bool list_add(char ***list, size_t *count, size_t *cap, const char *text)
{
	if (!grow(list, cap, *count, sizeof(**list)) ||
		!((*list)[*count] = strdup(text)))
		return false;
	++*count;
	return true;
}

static void list_free(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

/* Each thing once. */
static void tell(void *arg, const char *thing, const char *what)
{
	struct checking *c = arg;

	for (size_t i = 0; i < c->told_count; i++) {
		if (!strcmp(c->told[i], thing))
			return;
	}
	if (!list_add(&c->told, &c->told_count, &c->told_cap, thing))
		c->failed = true;
	c->report.faults++;
	if (c->fault)
		c->fault(c->arg, thing, what);
}

static void tell_record(struct checking *c, uint64_t seq, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
static void tell_record(struct checking *c, uint64_t seq, const char *fmt, ...)
{
	char thing[THING_SIZE];
	struct err what;
	va_list args;

	va_start(args, fmt);
	(void)!err_vset(&what, ERR_CORRUPT, fmt, args);
	va_end(args);
	snprintf(thing, sizeof(thing), "record %" PRIu64, seq);
	tell(c, thing, what.text);
}

static void on_bag(void *arg, const char *path, const char *what)
{
	char thing[THING_SIZE];

	snprintf(thing, sizeof(thing), "manifest %s", path);
	tell(arg, thing, what);
}

static enum err_code read_in(const struct checking *c, const char *name,
	size_t limit, struct buf *out, struct err *err)
{
	char *path = file_join(c->dir, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = file_read(path, limit, out, err);
	free(path);
	return rc;
}

/* Is the failure ours rather than the package's? */
static bool is_ours(enum err_code rc)
{
	return rc == ERR_NOMEM || rc == ERR_IO || rc == ERR_FULL ||
		rc == ERR_INTERNAL;
}

/* ---- description, rules, checkpoint ---- */

static enum err_code check_description(struct checking *c, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	rc = read_in(
		c, "data/package.json", PACKAGE_DESCRIPTION_LIMIT, &text, err);
	if (rc && is_ours(rc))
		return rc;
	if (rc) {
		tell(c, "package", "there is no data/package.json");
		return ERR_CORRUPT;
	}
	rc = package_description_parse(text.data, text.len, &c->desc, err);
	buf_free(&text);
	if (rc && !is_ours(rc)) {
		tell(c, "package", err ? err->text : "is malformed");
		return ERR_CORRUPT;
	}
	if (rc)
		return rc;
	memcpy(c->report.origin, c->desc.origin, ORIGIN_SIZE);
	memcpy(c->report.holder, c->desc.holder, CODE_SIZE);
	c->report.size = c->desc.size;
	c->report.from = c->desc.from;
	c->report.to = c->desc.to;
	c->report.root = c->desc.root;
	return ERR_OK;
}

static enum err_code on_head(void *arg, struct rules *r, struct err *err)
{
	struct checking *c = arg;

	rules_unref(c->rules);
	c->rules = rules_ref(r);
	return allowed_add(&c->allowed, r, err);
}

/* Head by head, so that a fault is told by its serial. */
static enum err_code read_heads(struct checking *c, const struct digest *root,
	struct err *why, struct err *err)
{
	char *dir = file_join(c->dir, "data/governance");
	char thing[THING_SIZE], code[CODE_SIZE];
	enum err_code rc;

	if (!dir)
		return err_nomem(err);
	if (!log_code(c->desc.origin, code))
		return err_set(err, ERR_INTERNAL, "origin without a code");
	allowed_begin(&c->allowed, code, c->desc.holder);
	rc = governance_each_from_files(
		dir, root, c->desc.serial, on_head, c, why);
	free(dir);
	if (is_ours(rc))
		return err_set(err, rc, "%s", why->text);
	snprintf(thing, sizeof(thing), "governance %zu", c->allowed.count + 1);
	if (rc)
		tell(c, thing, why->text);
	allowed_end(&c->allowed);
	c->rules_whole = rc == ERR_OK;
	return ERR_OK;
}

static enum err_code check_governance(
	struct checking *c, const struct digest *root, struct err *err)
{
	struct err why = {.code = ERR_OK};
	enum err_code rc;

	if ((rc = read_heads(c, root, &why, err)))
		return rc;
	if (!c->rules)
		return err_set(
			err, ERR_CORRUPT, "no rules to judge by: %s", why.text);
	if (strcmp(rules_domain(c->rules), c->desc.domain))
		tell(c, "package", "names another domain than its rules");
	if (!rules_node(c->rules, c->desc.holder)) {
		tell(c, "package", "its holder is no node");
		return err_set(
			err, ERR_CORRUPT, "package of an unknown holder");
	}
	return ERR_OK;
}

/* A copy of what the roster says, for those who check by other tools. */
static enum err_code check_vkeys(struct checking *c, const struct note_key *log,
	const struct note *note, struct err *err)
{
	struct buf want = BUF_EMPTY, have = BUF_EMPTY;
	enum err_code rc;

	if ((rc = package_vkeys(c->rules, log, note, &want, err)))
		goto out;
	rc = read_in(c, "data/log/vkeys", NOTE_SIZE_LIMIT, &have, err);
	if (rc && is_ours(rc))
		goto out;
	if (rc || have.len != want.len ||
		memcmp(have.data, want.data, want.len))
		tell(c, "vkeys", "are not those of the roster");
	rc = ERR_OK;
out:
	buf_free(&want);
	buf_free(&have);
	return rc;
}

/* Judged by its own origin line, so that it can speak against package.json. */
static enum err_code open_checkpoint(
	struct checking *c, const struct buf *text, struct err *err)
{
	struct buf clean = BUF_EMPTY;
	char origin[ORIGIN_SIZE];
	struct note_key key;
	struct note note;
	enum err_code rc;

	if ((rc = note_parse(text->data, text->len, &note, err)) ||
		(rc = checkpoint_parse(
			 note.text, note.text_len, &c->cp, err)) ||
		(rc = log_note_open(c->rules, strcpy(origin, c->cp.origin),
			 text->data, text->len, &note, &c->cp, &key, err)) ||
		(rc = note_clean(NOTE_JUDGED, c->rules, &note, &key, &clean,
			 &c->report.cosignatures, err)))
		goto out;
	if (clean.len != text->len || memcmp(clean.data, text->data, clean.len))
		rc = err_set(err, ERR_DENIED,
			"has lines that no key of the roster made");
	else
		rc = check_vkeys(c, &key, &note, err);
out:
	buf_free(&clean);
	return rc;
}

/* What was signed counts, not what the package says of itself. */
static void trust_checkpoint(struct checking *c)
{
	struct package_description *d = &c->desc;

	if (strcmp(c->cp.origin, d->origin) || c->cp.size != d->size ||
		!digest_equal(&c->cp.root, &d->root))
		tell(c, "package", "names another tree than its checkpoint");
	memcpy(d->origin, c->cp.origin, sizeof(d->origin));
	memcpy(c->report.origin, c->cp.origin, sizeof(c->report.origin));
	c->report.size = d->size = c->cp.size;
	c->report.root = d->root = c->cp.root;
	if (d->to > d->size)
		c->report.to = d->to = d->size;
	if (d->from >= d->to)
		c->report.from = d->from = 0;
}

static enum err_code check_checkpoint(struct checking *c, struct err *err)
{
	struct err why = {.code = ERR_OK};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	rc = read_in(c, "data/log/checkpoint", NOTE_SIZE_LIMIT, &text, &why);
	if (rc == ERR_OK)
		rc = open_checkpoint(c, &text, &why);
	buf_free(&text);
	if (is_ours(rc))
		return err_set(err, rc, "%s", why.text);
	/* Older rules may not know the key yet: that says nothing of it. */
	if (rc && c->rules_whole)
		tell(c, "checkpoint", why.text);
	if (!rc)
		trust_checkpoint(c);
	return ERR_OK;
}

/* Memory is asked for by the number of entries: a package that tells of many
 * must have their files, or most of them. */
static enum err_code check_bundles(
	struct checking *c, const char *dir, struct err *err)
{
	uint64_t first = c->desc.from / TILE_WIDTH;
	uint64_t end = (c->desc.to + TILE_WIDTH - 1) / TILE_WIDTH;
	uint64_t there = 0;

	for (uint64_t i = first; end - first > BUNDLES_UNSEEN && i < end; i++) {
		char name[TILE_PATH_SIZE];
		char *path;

		tile_path(TILE_ENTRIES_LEVEL, i, TILE_WIDTH, name);
		if (!(path = file_join(dir, name)))
			return err_nomem(err);
		there += file_exists(path);
		free(path);
	}
	if (end - first <= BUNDLES_UNSEEN || there >= (end - first) / 2)
		return ERR_OK;
	(void)err_set(err, ERR_CORRUPT,
		"%" PRIu64 " of %" PRIu64 " bundles of entries are here", there,
		end - first);
	if (err)
		tell(c, "log", err->text);
	return ERR_CORRUPT;
}

/* The tree by the checkpoint where that holds, else as the package has it. */
static enum err_code check_tree(struct checking *c, struct err *err)
{
	char *dir = file_join(c->dir, "data/log");
	uint64_t seq = 0, serial;
	enum err_code rc;

	if (!dir)
		return err_nomem(err);
	if ((rc = check_bundles(c, dir, err))) {
		free(dir);
		return rc;
	}
	c->has_before = package_policy(&c->desc, 0, &seq, &serial) &&
		seq < c->desc.from;
	c->before_seq = seq;
	/* ERR_LIMIT for a checkpoint of a larger tree. */
	rc = tiles_check(dir, c->desc.size, c->desc.from, c->desc.to,
		&c->desc.root, tell, c, &c->tiles, err);
	if (rc == ERR_OK && c->has_before && seq < c->tiles.from)
		rc = tiles_check(dir, c->desc.size, seq, seq + 1, &c->desc.root,
			tell, c, &c->before_tiles, err);
	free(dir);
	return rc;
}

static const struct tiles_entry *entry_of(
	const struct checking *c, uint64_t seq)
{
	const struct tiles *t =
		seq < c->tiles.from ? &c->before_tiles : &c->tiles;
	const struct tiles_entry *e = &t->entry[seq - t->from];

	return e->text ? e : NULL;
}

/* Of an entry whose parts may be in the package; else NULL. */
static struct row *row_of(struct checking *c, const char *series, uint64_t seq)
{
	if (seq >= c->desc.from && seq < c->desc.to)
		return &c->row[seq - c->desc.from];
	if (c->has_before && seq == c->before_seq &&
		!strcmp(series, "sys-policy"))
		return &c->before_row;
	return NULL;
}

/* ---- records ---- */

static bool digest_in(const struct entry *e, const struct digest *d)
{
	for (size_t i = 0; i < e->sd_count; i++) {
		if (digest_equal(&e->sd[i], d))
			return true;
	}
	return false;
}

static bool seal_holds(const struct entry *e, const struct part *p)
{
	struct buf message = BUF_EMPTY;
	bool holds = !e->sealed || sealed_message(e, p->json, p->len, &message);

	buf_free(&message);
	return holds;
}

/* Whether a line supplies the part of its entry, or cannot be judged since
 * the entry is damaged. */
static bool take_line(
	struct checking *c, const struct sheet *s, const char *line, size_t len)
{
	const struct tiles_entry *text;
	struct digest d;
	struct part part;
	struct entry e;
	struct row *row;
	uint64_t seq;

	if (!package_line_parse(line, len, &seq, &part) ||
		!(row = row_of(c, s->series, seq)))
		return false;
	if (!(text = entry_of(c, seq)))
		return true;
	if (row->have & LABEL_BIT(s->label) ||
		entry_parse(text->text, text->len, &e, NULL) ||
		strcmp(e.series, s->series) ||
		part_digest(
			part.seed, s->label, part.json, part.len, &d, NULL) ||
		!digest_in(&e, &d) || !seal_holds(&e, &part))
		return false;
	row->have |= LABEL_BIT(s->label);
	row->part[s->label] = part;
	c->report.parts++;
	return true;
}

static void read_lines(struct checking *c, struct sheet *s)
{
	struct cursor cur = cursor_over(s->bytes.data, s->bytes.len);
	const char *line;
	size_t len;

	while (cur.left) {
		line = cursor_line(&cur, &len);
		if (!line || !take_line(c, s, line, len))
			s->strays++;
		if (!line)
			break;
	}
}

static enum err_code read_sheet(
	struct checking *c, const char *name, struct err *err)
{
	struct sheet *s = &c->sheet[c->sheet_count];
	char path[THING_SIZE];
	enum err_code rc;

	*s = (struct sheet){.missing = 0};
	if (strlen(name) >= sizeof(s->name) ||
		!package_sheet_parse(name, s->series, &s->label)) {
		snprintf(path, sizeof(path), "records %.250s", name);
		tell(c, path, "is no file of records");
		return ERR_OK;
	}
	memcpy(s->name, name, strlen(name) + 1);
	snprintf(path, sizeof(path), "data/records/%s", name);
	if ((rc = read_in(c, path, RECORDS_FILE_LIMIT, &s->bytes, err)))
		return rc;
	c->sheet_count++;
	read_lines(c, s);
	return ERR_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* The names in a folder, sorted; none where it is missing. */
static enum err_code list_folder(const struct checking *c, const char *name,
	struct dirent ***out, int *count, struct err *err)
{
	char *path = file_join(c->dir, name);
	int n;

	if (!path)
		return err_nomem(err);
	n = scandir(path, out, no_dots, by_name);
	free(path);
	if (n < 0 && errno != ENOENT)
		return err_sys(err, "read the folder %s", name);
	*count = n < 0 ? 0 : n;
	if (n < 0)
		*out = NULL;
	return ERR_OK;
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static enum err_code read_sheets(struct checking *c, struct err *err)
{
	struct dirent **names = NULL;
	enum err_code rc;
	int count = 0;

	if ((rc = list_folder(c, "data/records", &names, &count, err)))
		return rc;
	c->withheld = json_new_object();
	c->row = calloc(c->desc.to - c->desc.from, sizeof(*c->row));
	c->sheet = calloc((size_t)count + 1, sizeof(*c->sheet));
	if (!c->withheld || !c->row || !c->sheet)
		rc = err_nomem(err);
	else if (count > SHEETS_LIMIT)
		rc = err_set(err, ERR_LIMIT, "%d files of records, limit %d",
			count, SHEETS_LIMIT);
	for (int i = 0; rc == ERR_OK && i < count; i++)
		rc = read_sheet(c, names[i]->d_name, err);
	free_names(names, count);
	return rc;
}

static void count_missing(
	struct checking *c, const char *series, enum label label)
{
	for (size_t i = 0; i < c->sheet_count; i++) {
		struct sheet *s = &c->sheet[i];

		if (s->label == label && !strcmp(s->series, series))
			s->missing++;
	}
}

static void count_withheld(
	struct checking *c, const char *series, enum label label)
{
	char name[PACKAGE_SHEET_SIZE];
	uint64_t n = 0;

	snprintf(name, sizeof(name), "%s.%s", series, label_name(label));
	(void)json_get_u64(c->withheld, name, &n);
	if (!json_set(c->withheld, name, json_new_u64(n + 1)))
		c->failed = true;
	c->report.withheld++;
}

static void tell_missing(
	struct checking *c, uint64_t seq, const char *series, enum label label)
{
	count_missing(c, series, label);
	tell_record(c, seq, "part %s is missing or altered", label_name(label));
}

/* One label of one entry: there, withheld, destroyed, or a fault. */
static void check_label(struct checking *c, uint64_t seq, const struct entry *e,
	enum label label, bool clear)
{
	const struct row *row = &c->row[seq - c->desc.from];

	if (row->have & LABEL_BIT(label)) {
		if (!clear)
			tell_record(c, seq,
				"part %s is above the clearance of %s",
				label_name(label), c->desc.holder);
		return;
	}
	if (package_erased(&c->desc, e->series, label, seq)) {
		c->report.erased++;
		return;
	}
	if (!clear) {
		count_withheld(c, e->series, label);
		return;
	}
	/* A head that cannot be read may have narrowed who sees it. */
	if (c->rules_whole)
		tell_missing(c, seq, e->series, label);
}

static void check_parts(struct checking *c, uint64_t seq, const struct entry *e)
{
	uint64_t serial = c->serial ? c->serial : c->desc.serial;
	uint8_t have = c->row[seq - c->desc.from].have;
	const struct allowed_series *s;

	if (serial > c->allowed.count)
		return;
	if (!(s = allowed_find(&c->allowed, serial, e->series))) {
		if (have)
			tell_record(c, seq,
				"has parts of a series that head %" PRIu64
				" does not know",
				serial);
		return;
	}
	if (e->sd_count != (size_t)__builtin_popcount(s->labels)) {
		tell_record(c, seq,
			"has %zu parts, its series has %d in head %" PRIu64,
			e->sd_count, __builtin_popcount(s->labels), serial);
		return;
	}
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (s->labels & LABEL_BIT(l))
			check_label(c, seq, e, (enum label)l,
				s->shown & LABEL_BIT(l));
	}
}

static void check_entry(
	struct checking *c, uint64_t seq, const struct tiles_entry *text)
{
	char code[CODE_SIZE];
	struct entry e;

	if (entry_parse(text->text, text->len, &e, NULL) ||
		!log_code(c->desc.origin, code) ||
		!log_issuer_is(c->desc.origin, e.iss) ||
		!rules_answers_for(c->rules, code, e.node)) {
		tell_record(c, seq, "is no entry of this log");
		return;
	}
	c->report.records++;
	check_parts(c, seq, &e);
}

/* ---- which head is in force ---- */

static bool is_policy(const struct tiles_entry *text)
{
	static const char key[] = "\"series\":\"sys-policy\"";
	struct entry e;

	return memmem(text->text, text->len, key, sizeof(key) - 1) &&
		entry_parse(text->text, text->len, &e, NULL) == ERR_OK;
}

/* The head that a sys-policy record names, one of those in the package. */
static bool names_head(
	const struct checking *c, const struct row *row, uint64_t *serial)
{
	const struct part *p = &row->part[LABEL_INTERNAL];
	struct json *v = NULL;
	bool names;

	names = json_parse(p->json, p->len, PART_SIZE_LIMIT, &v, NULL) ==
			ERR_OK &&
		json_get_u64(v, "serial", serial) && *serial > 0 &&
		*serial <= c->desc.serial;
	json_free(v);
	return names;
}

/* From the entry at `seq` on.  What its record says counts; where that is
 * damaged, what package.json says, so that the entries behind it are not told
 * as well. */
static void follow_policy(struct checking *c, uint64_t seq, uint64_t listed)
{
	static const char other[] = "names other heads than its records";
	const struct row *row = row_of(c, "sys-policy", seq);
	const struct tiles_entry *text = entry_of(c, seq);
	bool is = text && is_policy(text);
	uint64_t serial = 0;

	if (is && row->have & LABEL_BIT(LABEL_INTERNAL)) {
		if (!names_head(c, row, &serial)) {
			tell_record(c, seq,
				"cites a head that is not in the package");
			return;
		}
		if (serial != listed)
			tell(c, "package", other);
		c->serial = serial;
	} else if (listed && text && !is) {
		tell(c, "package", other);
	} else if (listed) {
		c->serial = listed;
	}
}

/* Where the range begins.  What is listed as the record there and is none
 * leaves a line that belongs to no record. */
static void check_before(struct checking *c, uint64_t serial)
{
	const struct tiles_entry *text = entry_of(c, c->before_seq);

	if (text && !is_policy(text))
		count_missing(c, "sys-policy", LABEL_INTERNAL);
	else if (text && !c->before_row.have)
		tell_missing(c, c->before_seq, "sys-policy", LABEL_INTERNAL);
	follow_policy(c, c->before_seq, serial);
}

static void check_entries(struct checking *c)
{
	uint64_t at = 0, serial = 0;
	size_t i = 0;
	bool more = package_policy(&c->desc, i, &at, &serial);

	if (c->has_before) {
		check_before(c, serial);
		more = package_policy(&c->desc, ++i, &at, &serial);
	}
	for (uint64_t seq = c->desc.from; seq < c->desc.to; seq++) {
		const struct tiles_entry *text = entry_of(c, seq);
		bool here = more && at == seq;

		if (text)
			check_entry(c, seq, text);
		follow_policy(c, seq, here ? serial : 0);
		if (here)
			more = package_policy(&c->desc, ++i, &at, &serial);
	}
}

/* What the package says is withheld and destroyed is what we found so. */
static void check_counts(struct checking *c)
{
	const struct json *list = json_get(c->desc.all, "erased"), *v;
	uint64_t erased = 0;
	const char *name;
	void *walk = NULL;

	while (json_next(list, &walk, &name, &v))
		erased += json_count(v);
	if (c->report.faults == c->manifest_faults &&
		(erased != c->report.erased ||
			!json_equal(c->withheld,
				json_get(c->desc.all, "withheld"))))
		tell(c, "package", "counts other parts as not shown");
}

static void check_records(struct checking *c)
{
	char thing[THING_SIZE];
	struct err what;

	check_entries(c);
	/* A line that was damaged left a part missing, which is told above. */
	for (size_t i = 0; i < c->sheet_count; i++) {
		const struct sheet *s = &c->sheet[i];

		if (s->strays <= s->missing)
			continue;
		snprintf(thing, sizeof(thing), "records %s", s->name);
		(void)!err_set(&what, ERR_CORRUPT,
			"%" PRIu64 " lines belong to no record",
			s->strays - s->missing);
		tell(c, thing, what.text);
	}
	check_counts(c);
}

/* ---- attachments ---- */

struct file_digests {
	struct digest object, plain;
	uint64_t size;
};

static enum err_code hash_file(const char *path,
	const uint8_t salt[ATTACHMENT_SALT_SIZE], struct file_digests *out,
	struct err *err)
{
	uint8_t piece[32768];
	struct sha256 salted, plain;
	enum err_code rc = ERR_OK;
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return err_sys(err, "open %s", path);
	out->size = 0;
	sha256_init(&salted);
	sha256_init(&plain);
	sha256_update(&salted, salt, ATTACHMENT_SALT_SIZE);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
		sha256_update(&salted, piece, n);
		sha256_update(&plain, piece, n);
		out->size += n;
	}
	if (ferror(f))
		rc = err_sys(err, "read %s", path);
	fclose(f);
	out->object = sha256_final(&salted);
	out->plain = sha256_final(&plain);
	return rc;
}

/* What a part says of one attachment.  false = it does not say it well. */
static bool read_claim(const struct json *v, struct digest *object,
	struct digest *plain, uint8_t salt[ATTACHMENT_SALT_SIZE],
	uint64_t *size)
{
	const char *o = json_get_string(v, "object");
	const char *s = json_get_string(v, "salt");
	const char *p = json_get_string(v, "sha256");
	size_t got = 0;

	return o && s && p && digest_from_base64url(o, strlen(o), object) &&
		digest_from_hex(p, strlen(p), plain) &&
		base64url_decode(
			s, strlen(s), salt, ATTACHMENT_SALT_SIZE, &got) &&
		got == ATTACHMENT_SALT_SIZE && json_get_u64(v, "size", size);
}

static enum err_code check_attachment(
	struct checking *c, uint64_t seq, const struct json *v, struct err *err)
{
	char hex[DIGEST_HEX_SIZE], thing[THING_SIZE], *path;
	struct digest object, plain;
	uint8_t salt[ATTACHMENT_SALT_SIZE];
	struct file_digests found;
	enum err_code rc;
	uint64_t size;

	if (!read_claim(v, &object, &plain, salt, &size)) {
		tell_record(c, seq, "lists an attachment that has no name");
		return ERR_OK;
	}
	digest_hex(&object, hex);
	if (!list_add(&c->object, &c->object_count, &c->object_cap, hex))
		return err_nomem(err);
	snprintf(thing, sizeof(thing), "data/attachments/%s", hex);
	if (!(path = file_join(c->dir, thing)))
		return err_nomem(err);
	rc = hash_file(path, salt, &found, err);
	free(path);
	snprintf(thing, sizeof(thing), "attachment %s", hex);
	if (rc == ERR_NOT_FOUND) {
		tell(c, thing, "is missing");
		return ERR_OK;
	}
	if (rc)
		return rc;
	c->report.attachments++;
	if (!digest_equal(&found.object, &object) ||
		!digest_equal(&found.plain, &plain) || found.size != size)
		tell(c, thing, "does not match its name");
	return ERR_OK;
}

static enum err_code check_part_attachments(
	struct checking *c, uint64_t seq, const struct part *p, struct err *err)
{
	static const char key[] = "\"attachments\":";
	const struct json *list;
	struct json *v = NULL;
	enum err_code rc;

	if (!memmem(p->json, p->len, key, sizeof(key) - 1))
		return ERR_OK;
	if ((rc = json_parse(p->json, p->len, PART_SIZE_LIMIT, &v, err)))
		return rc;
	list = json_get(v, "attachments");
	if (list && json_kind(list) != JSON_KIND_ARRAY)
		tell_record(c, seq, "has attachments that are no list");
	for (size_t i = 0; rc == ERR_OK && i < json_count(list); i++)
		rc = check_attachment(c, seq, json_at(list, i), err);
	json_free(v);
	return rc;
}

static bool is_system(const struct tiles_entry *text)
{
	static const char key[] = "\"series\":\"sys-";

	return memmem(text->text, text->len, key, sizeof(key) - 1) != NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files that no record refers to.  Where an entry is damaged its attachments
 * cannot be told from strangers, and nothing is said. */
static enum err_code check_strangers(
	struct checking *c, bool whole, struct err *err)
{
	struct dirent **names = NULL;
	char thing[THING_SIZE];
	enum err_code rc;
	int count = 0;

	if (!whole)
		return ERR_OK;
	if ((rc = list_folder(c, "data/attachments", &names, &count, err)))
		return rc;
	if (c->object_count)
		qsort(c->object, c->object_count, sizeof(*c->object),
			compare_names);
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;

		if (c->object_count &&
			bsearch(&name, c->object, c->object_count,
				sizeof(*c->object), compare_names))
			continue;
		snprintf(thing, sizeof(thing), "attachment %.255s", name);
		tell(c, thing, "belongs to no record");
	}
	free_names(names, count);
	return ERR_OK;
}

static enum err_code check_attachments(struct checking *c, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool whole = c->report.faults == c->manifest_faults;

	for (uint64_t seq = c->desc.from; seq < c->desc.to; seq++) {
		const struct row *row = &c->row[seq - c->desc.from];
		const struct tiles_entry *text = entry_of(c, seq);

		if (!text || is_system(text))
			continue;
		for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
			if (row->have & LABEL_BIT(l))
				rc = check_part_attachments(
					c, seq, &row->part[l], err);
		}
		if (rc)
			return rc;
	}
	return check_strangers(c, whole, err);
}

/* ---- the whole ---- */

static enum err_code check_all(
	struct checking *c, const struct digest *root, struct err *err)
{
	struct err why = {.code = ERR_OK};
	char origin[ORIGIN_SIZE];
	enum err_code rc;

	rc = bag_check(c->dir, on_bag, c, err);
	if (rc && rc != ERR_CORRUPT)
		return rc;
	c->manifest_faults = c->report.faults;
	if ((rc = check_description(c, err)) ||
		(rc = check_governance(c, root, err)))
		return rc;
	memcpy(origin, c->desc.origin, sizeof(origin));
	if ((rc = check_checkpoint(c, err)) ||
		(strcmp(origin, c->desc.origin) &&
			(rc = read_heads(c, root, &why, err))) ||
		(rc = check_tree(c, err)) || (rc = read_sheets(c, err)))
		return rc;
	check_records(c);
	if ((rc = check_attachments(c, err)))
		return rc;
	return c->failed ? err_nomem(err) : ERR_OK;
}

static void checking_fini(struct checking *c)
{
	list_free(c->told, c->told_count);
	list_free(c->object, c->object_count);
	for (size_t i = 0; i < c->sheet_count; i++)
		buf_free(&c->sheet[i].bytes);
	free(c->sheet);
	free(c->row);
	tiles_free(&c->tiles);
	tiles_free(&c->before_tiles);
	allowed_free(&c->allowed);
	package_description_fini(&c->desc);
	json_free(c->withheld);
	rules_unref(c->rules);
}

static enum err_code check_folder(const char *dir, const struct digest *root,
	archive_fault *fault, void *arg, struct archive_report *out,
	struct err *err)
{
	struct checking c = {.fault = fault, .arg = arg, .dir = dir};
	enum err_code rc = check_all(&c, root, err);

	if (rc == ERR_OK && c.report.faults)
		rc = err_set(err, ERR_CORRUPT, "the package has faults");
	if (rc == ERR_OK || rc == ERR_CORRUPT)
		*out = c.report;
	checking_fini(&c);
	return rc;
}

/* format 9.3: "A tar that cannot be read whole is one fault, `package`." */
static enum err_code unreadable(enum err_code rc, const struct err *why,
	archive_fault *fault, void *arg, struct archive_report *out,
	struct err *err)
{
	if (rc != ERR_INVALID && rc != ERR_LIMIT)
		return err_set(err, rc, "%s", why->text);
	*out = (struct archive_report){.faults = 1};
	if (fault)
		fault(arg, "package", why->text);
	return err_set(err, ERR_CORRUPT, "%s", why->text);
}

static enum err_code check_tar(const char *path, const struct digest *root,
	archive_fault *fault, void *arg, struct archive_report *out,
	struct err *err)
{
	struct err why = {.code = ERR_OK};
	char *dir = NULL;
	enum err_code rc = package_unpack(path, &dir, &why);

	if (rc)
		return unreadable(rc, &why, fault, arg, out, err);
	rc = check_folder(dir, root, fault, arg, out, err);
	package_remove_folder(dir);
	free(dir);
	return rc;
}

enum err_code archive_verify(const char *path, const struct digest *root,
	archive_fault *fault, void *arg, struct archive_report *out,
	struct err *err)
{
	struct stat st;

	if (stat(path, &st))
		return err_sys(err, "open %s", path);
	return S_ISDIR(st.st_mode)
		? check_folder(path, root, fault, arg, out, err)
		: check_tar(path, root, fault, arg, out, err);
}
