/* incident_package.c - whom the loss of an archive package reaches, by nothing
 * but its own files. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policies/incident_inside.h"
#include "policies/packagefile.h"
#include "policies/tiles.h"

#define SHEET_LIMIT ((size_t)4 << 30)

struct sheet {
	char series[SERIES_NAME_SIZE];
	enum label label;
	struct buf bytes;
};
struct row {
	uint8_t have;
	struct part part[LABEL_COUNT];
};
struct reading {
	const char *dir;
	struct package_description desc;
	struct tiles tiles;
	struct row *row; /* to - from */
	struct sheet *sheet;
	size_t sheet_count, sheet_cap;
	struct incident incident;
};

static enum err_code read_in(const struct reading *g, const char *name,
	size_t limit, struct buf *out, struct err *err)
{
	char *path = file_join(g->dir, name);
	enum err_code rc =
		path ? file_read(path, limit, out, err) : err_nomem(err);

	free(path);
	return rc;
}

/* Faults are for `verify` to tell. */
static void on_fault(void *arg, const char *thing, const char *what)
{
	(void)arg;
	(void)thing;
	(void)what;
}

static enum err_code read_entries(struct reading *g, struct err *err)
{
	char *log = file_join(g->dir, "data/log");
	enum err_code rc;

	if (!log)
		return err_nomem(err);
	rc = tiles_check(log, g->desc.size, g->desc.from, g->desc.to,
		&g->desc.root, on_fault, NULL, &g->tiles, err);
	free(log);
	return rc;
}

static enum err_code read_description(struct reading *g, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = read_in(
		g, "data/package.json", PACKAGE_DESCRIPTION_LIMIT, &text, err);

	if (rc == ERR_NOT_FOUND)
		rc = err_set(err, ERR_INVALID,
			"it is no package: there is no data/package.json");
	if (rc == ERR_OK)
		rc = package_description_parse(
			text.data, text.len, &g->desc, err);
	buf_free(&text);
	return rc;
}

static void take_lines(struct reading *g, const struct sheet *s)
{
	struct cursor c = cursor_over(s->bytes.data, s->bytes.len);
	const char *line;
	size_t len;

	while ((line = cursor_line(&c, &len))) {
		struct part part;
		uint64_t seq;
		struct row *row;

		if (!package_line_parse(line, len, &seq, &part) ||
			seq < g->desc.from || seq >= g->desc.to)
			continue;
		row = &g->row[seq - g->desc.from];
		row->have |= LABEL_BIT(s->label);
		row->part[s->label] = part;
	}
}

static enum err_code read_sheet(
	struct reading *g, const char *name, struct err *err)
{
	char path[PACKAGE_SHEET_SIZE + 32];
	struct sheet *s;
	enum err_code rc;

	if (!grow(&g->sheet, &g->sheet_cap, g->sheet_count, sizeof(*s)))
		return err_nomem(err);
	s = &g->sheet[g->sheet_count];
	*s = (struct sheet){.bytes = BUF_EMPTY};
	if (!package_sheet_parse(name, s->series, &s->label))
		return ERR_OK;
	g->sheet_count++;
	snprintf(path, sizeof(path), "data/records/%s", name);
	if ((rc = read_in(g, path, SHEET_LIMIT, &s->bytes, err)) == ERR_OK)
		take_lines(g, s);
	return rc;
}

static enum err_code read_sheets(struct reading *g, struct err *err)
{
	char *path = file_join(g->dir, "data/records");
	const struct dirent *e;
	enum err_code rc = ERR_OK;
	DIR *d;

	if (!path)
		return err_nomem(err);
	g->row = calloc(g->desc.to - g->desc.from + 1, sizeof(*g->row));
	d = opendir(path);
	free(path);
	if (!g->row)
		rc = err_nomem(err);
	while (!rc && d && (e = readdir(d)))
		rc = read_sheet(g, e->d_name, err);
	if (d)
		closedir(d);
	return rc;
}

static const struct tiles_entry *entry_at(const struct reading *g, uint64_t seq)
{
	const struct tiles *t = &g->tiles;

	return seq >= t->from && seq < t->to && t->entry[seq - t->from].text
		? &t->entry[seq - t->from]
		: NULL;
}

static enum err_code count_row(struct reading *g, uint64_t seq, struct err *err)
{
	const struct tiles_entry *text = entry_at(g, seq);
	const struct row *row = &g->row[seq - g->desc.from];
	struct record parts = {.have = row->have};
	struct incident_record one = {.seq = seq, .parts = &parts};
	struct entry e;

	if (!text || entry_parse(text->text, text->len, &e, NULL)) {
		g->incident.damaged++;
		return ERR_OK;
	}
	if (!strncmp(e.series, "sys-", 4))
		return ERR_OK;
	one.name = e.series;
	one.series = g->incident.rules
		? rules_series(g->incident.rules, e.series)
		: NULL;
	memcpy(one.uuid, e.uuid, UUID_SIZE);
	memcpy(parts.part, row->part, sizeof(parts.part));
	(void)time_parse(e.at, strlen(e.at), &one.at);
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (row->have & LABEL_BIT(l) && row->part[l].len > 2)
			one.labels |= LABEL_BIT(l);
	return incident_add(&g->incident, &one, err);
}

static enum err_code read_folder(struct reading *g, struct err *err)
{
	enum err_code rc;

	if ((rc = read_description(g, err)) || (rc = read_entries(g, err)) ||
		(rc = read_sheets(g, err)))
		return rc;
	incident_log(&g->incident, g->desc.origin);
	for (uint64_t seq = g->desc.from; !rc && seq < g->desc.to; seq++)
		rc = count_row(g, seq, err);
	return rc;
}

static void reading_fini(struct reading *g)
{
	for (size_t i = 0; i < g->sheet_count; i++)
		buf_wipe(&g->sheet[i].bytes);
	free(g->sheet);
	free(g->row);
	tiles_free(&g->tiles);
	package_description_fini(&g->desc);
	incident_fini(&g->incident);
}

enum err_code incident_package(const char *path, const struct rules *rules,
	struct json **out, struct err *err)
{
	struct reading g = {.incident = {.rules = rules}};
	struct json *about;
	char *unpacked = NULL;
	struct stat st;
	enum err_code rc = ERR_OK;

	if (stat(path, &st))
		return err_sys(err, "open %s", path);
	if (!S_ISDIR(st.st_mode))
		rc = package_unpack(path, &unpacked, err);
	g.dir = unpacked ? unpacked : path;
	if (rc || (rc = read_folder(&g, err)))
		goto out;
	about = json_new_object();
	if (!json_set(about, "package", json_new_text(g.desc.origin))) {
		json_free(about);
		about = NULL;
	}
	rc = incident_json(&g.incident, about, json_new_array(), out, err);
out:
	reading_fini(&g);
	if (unpacked)
		package_remove_folder(unpacked);
	free(unpacked);
	return rc;
}
