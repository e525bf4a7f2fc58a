/* put.c - `cundang put`: documents in, receipts out as they are durable. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/encoding.h"
#include "cli/folder.h"
#include "cli/lines.h"

#define READ_SIZE ((size_t)256 << 10)
/* A document that is too large is refused by capture, with its own words; a
 * line beyond this is not even kept. */
#define LINE_LIMIT (DOCUMENT_LIMIT + 4096)
/* Lines that are checked, kept and told of together.  More of them make for
 * larger blocks, and for more memory. */
#define CHUNK_LINES 2048
#define CHUNK_BYTES ((size_t)2 << 20)
_Static_assert(CHUNK_LINES <= INTAKE_LINES_LIMIT, "more than goes at once");
/* What the daemon holds of attachments: docs/http.md section 1. */
#define STAGED_FILE_LIMIT ((uint64_t)64 << 20)
#define STAGED_LIMIT ((uint64_t)128 << 20)
#define STAGED_FILES 256
#define BUSY_TRIES 50
#define BUSY_PAUSE_MS 100
/* So many refused lines from the start mean that these are no lines. */
#define HOPELESS_LINES 20

/* A line that is in the chunk, and what became of it. */
struct item {
	const char *file; /* NULL: there is but one */
	uint64_t number;
	size_t at, len; /* in the text; len 0: it was refused before */
	enum err_code rc;
	size_t receipt_at, receipt_len; /* in receipts */
	char *why; /* of a refused one; NULL: out of memory */
};

/* Lines that go together. */
struct chunk {
	struct buf receipts;
	struct item *item;
	size_t count;
	struct intake_result *result;
	struct intake *intake; /* under way, or NULL */
};

struct put {
	struct cli *cli;
	struct control *control; /* or: */
	struct node *node;
	struct writer *writer;
	struct pool *pool;
	struct folder *folder; /* NULL: no attachments */
	struct capture_source source;
	struct chunk chunk[2]; /* one is prepared while one is committed */
	struct chunk *now;     /* the one that takes lines */
	struct buf text;       /* those, each with "\n" */
	struct buf answer;
	uint64_t staged; /* bytes the daemon holds for this chunk */
	size_t staged_files;
	const char **line; /* scratch of CHUNK_LINES */
	size_t *len;
	uint64_t kept, refused;
};

static void item_refuse(struct item *it, enum err_code rc, const char *why)
{
	it->rc = rc;
	it->why = strdup(why);
}

/* Without a daemon */

static enum err_code begin(struct put *p, struct chunk *c, struct err *err)
{
	size_t n = 0;
	enum err_code rc;

	for (size_t i = 0; i < c->count; i++) {
		if (c->item[i].len == 0)
			continue;
		p->line[n] = (const char *)p->text.data + c->item[i].at;
		p->len[n++] = c->item[i].len;
	}
	rc = intake_begin(&p->source, p->pool, p->writer, p->line, p->len, n,
		c->result, &c->intake, err);
	buf_clear(&p->text);
	return rc;
}

static enum err_code finish(struct chunk *c, struct err *err)
{
	struct intake *in = c->intake;
	enum err_code rc;

	c->intake = NULL;
	if ((rc = intake_finish(in, err)))
		return rc;
	for (size_t i = 0, r = 0; i < c->count; i++) {
		struct item *it = &c->item[i];

		if (it->len == 0)
			continue;
		if (c->result[r].rc) {
			item_refuse(it, c->result[r].rc, c->result[r].text);
		} else {
			it->receipt_at = c->receipts.len;
			receipt_write(&c->result[r].receipt, &c->receipts);
			it->receipt_len = c->receipts.len - it->receipt_at;
		}
		r++;
	}
	return buf_ok(&c->receipts, err);
}

/* Through the daemon */

static enum err_code answer_line(
	struct put *p, struct item *it, struct cursor *c, struct err *err)
{
	struct json *v = NULL;
	enum err_code rc;
	struct err own;
	size_t len = 0;
	const char *line = cursor_line(c, &len);

	if (!line)
		return err_set(err, ERR_INTERNAL,
			"the daemon answered fewer lines than it was sent");
	if ((rc = json_parse(line, len, JSON_TEXT_LIMIT, &v, err)))
		return err_while(err, ERR_INTERNAL, "answer of the daemon");
	if (control_error(v, &rc, &own)) {
		item_refuse(it, rc, own.text);
	} else {
		it->receipt_at = p->now->receipts.len;
		it->receipt_len = len + 1;
		buf_add(&p->now->receipts, line, len);
		buf_u8(&p->now->receipts, '\n');
	}
	json_free(v);
	return buf_ok(&p->now->receipts, err);
}

/* A daemon that is busy with others says so; it is not an end. */
static bool wait_a_little(enum err_code rc, int *tries)
{
	const struct timespec pause = {.tv_nsec = BUSY_PAUSE_MS * 1000000L};

	if (rc != ERR_BUSY || ++*tries > BUSY_TRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

static enum err_code post(struct put *p, struct err *err)
{
	enum err_code rc;
	int tries = 0;

	do {
		rc = control_post(p->control, "/put", p->text.data, p->text.len,
			&p->answer, err);
	} while (wait_a_little(rc, &tries));
	return rc;
}

static enum err_code ask_daemon(struct put *p, struct err *err)
{
	struct cursor c;
	enum err_code rc;

	if (p->text.len == 0)
		return ERR_OK;
	if ((rc = post(p, err)))
		return rc;
	c = cursor_over(p->answer.data, p->answer.len);
	for (size_t i = 0; rc == ERR_OK && i < p->now->count; i++) {
		if (p->now->item[i].len > 0)
			rc = answer_line(p, &p->now->item[i], &c, err);
	}
	return rc;
}

/* What became of a chunk */

static enum err_code tell_refused(
	struct put *p, const struct item *it, struct err *err)
{
	const char *why = it->why ? it->why : err_name(it->rc);
	struct json *v, *e;
	bool good;

	p->refused++;
	if (!p->cli->json) {
		if (it->file)
			fprintf(stderr, "%s: ", it->file);
		fprintf(stderr, _("line %" PRIu64 ": "), it->number);
		out_reason(stderr, why);
		fputc('\n', stderr);
		return ERR_OK;
	}
	v = json_new_object();
	e = json_new_object();
	good = json_set(e, "code", json_new_text(err_name(it->rc))) &&
		json_set(e, "text", json_new_text(why));
	good = json_set(v, "error", e) && good;
	if (!good || !json_set(v, "line", json_new_u64(it->number))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

/* A document over many lines, an array, or no text at all: each line of it is
 * an error, and none is worth reading. */
static bool is_hopeless(const struct put *p)
{
	return !p->cli->json && p->kept == 0 && p->refused == HOPELESS_LINES;
}

/* Unless a later line of the chunk was kept: then the rest is told as well. */
static enum err_code hopeless(
	struct put *p, const struct chunk *c, size_t at, struct err *err)
{
	for (size_t i = at + 1; i < c->count; i++) {
		if (!c->item[i].rc)
			return ERR_OK;
	}
	cli_safe(p->cli, _("Nothing was stored."));
	cli_next(p->cli,
		_("one JSON document a line: jq -c . FILE | cundang put, or jq "
		  "-c '.[]' FILE for an array"));
	return err_set(err, ERR_INVALID,
		"the first %d lines were all refused: this looks like one "
		"document over several lines, an array, or no JSON",
		HOPELESS_LINES);
}

static enum err_code tell(struct put *p, const struct chunk *c, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < c->count; i++) {
		const struct item *it = &c->item[i];

		if (it->rc) {
			rc = tell_refused(p, it, err);
			if (rc == ERR_OK && is_hopeless(p))
				rc = hopeless(p, c, i, err);
		} else {
			fwrite(c->receipts.data + it->receipt_at, 1,
				it->receipt_len, stdout);
			p->kept++;
		}
	}
	return rc ? rc : out_flush(err);
}

static void clear(struct chunk *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->item[i].why);
	buf_clear(&c->receipts);
	c->count = 0;
}

static struct chunk *other(struct put *p)
{
	return p->now == &p->chunk[0] ? &p->chunk[1] : &p->chunk[0];
}

/* Waits for the chunk if it is under way, and tells of it. */
static enum err_code settle(struct put *p, struct chunk *c, struct err *err)
{
	enum err_code rc;

	if (!c->intake)
		return ERR_OK;
	if ((rc = finish(c, err)) == ERR_OK)
		rc = tell(p, c, err);
	clear(c);
	return rc;
}

/* Gives the chunk to the writer; what was given to it before is told. */
static enum err_code hand_over(struct put *p, struct err *err)
{
	struct chunk *c = p->now;
	enum err_code rc;

	if (c->count > 0 && (rc = begin(p, c, err)))
		return rc;
	if ((rc = settle(p, other(p), err)))
		return rc;
	if (c->count > 0)
		p->now = other(p);
	return ERR_OK;
}

static enum err_code send(struct put *p, struct err *err)
{
	enum err_code rc;

	if (p->now->count == 0)
		return ERR_OK;
	if ((rc = ask_daemon(p, err)) == ERR_OK)
		rc = tell(p, p->now, err);
	clear(p->now);
	buf_clear(&p->text);
	p->staged = 0;
	p->staged_files = 0;
	return rc;
}

static enum err_code pass_on(struct put *p, struct err *err)
{
	return p->control ? send(p, err) : hand_over(p, err);
}

static enum err_code flush(struct put *p, struct err *err)
{
	enum err_code rc = pass_on(p, err);

	return rc ? rc : settle(p, other(p), err);
}

/* Lines into a chunk */

static bool is_empty(const char *s, size_t len)
{
	return strspn(s, " \t\r\n") >= len;
}

static enum err_code upload(
	struct put *p, const char *url, const char *path, struct err *err)
{
	enum err_code rc;
	int tries = 0;

	do {
		rc = control_put_file(p->control, url, path, err);
	} while (wait_a_little(rc, &tries));
	if (rc == ERR_USAGE)
		rc = err_set(err, ERR_INVALID,
			"attachments: the file %s has another SHA-256",
			strrchr(path, '/') + 1);
	return rc;
}

/* Gives the daemon one attachment file. */
static enum err_code stage(
	struct put *p, const struct digest *plain, struct err *err)
{
	char hex[DIGEST_HEX_SIZE], url[DIGEST_HEX_SIZE + 16];
	char *path = NULL;
	struct stat st;
	enum err_code rc;

	digest_hex(plain, hex);
	snprintf(url, sizeof(url), "/attachments/%s", hex);
	if ((rc = folder_find(p->folder, plain, &path, err)))
		return rc;
	if (stat(path, &st)) {
		rc = err_sys(err, "%s", path);
	} else if ((uint64_t)st.st_size > STAGED_FILE_LIMIT) {
		rc = err_set(err, ERR_LIMIT,
			"attachment of %" PRIu64 " bytes, limit %" PRIu64
			" while the daemon is running",
			(uint64_t)st.st_size, STAGED_FILE_LIMIT);
	} else {
		if (p->staged + (uint64_t)st.st_size > STAGED_LIMIT ||
			p->staged_files == STAGED_FILES)
			rc = flush(p, err);
		p->staged += (uint64_t)st.st_size;
		p->staged_files++;
		if (rc == ERR_OK)
			rc = upload(p, url, path, err);
	}
	free(path);
	return rc;
}

/* The attachments a document names; one that is no document is left to the
 * daemon to refuse. */
static enum err_code stage_all(
	struct put *p, const char *text, size_t len, struct err *err)
{
	const struct json *list;
	struct json *doc = NULL;
	enum err_code rc = ERR_OK;

	if (!memmem(text, len, "\"attachments\"", 13) ||
		json_parse(text, len, DOCUMENT_LIMIT, &doc, NULL) != ERR_OK)
		return ERR_OK;
	list = json_get(doc, "attachments");
	for (size_t i = 0; rc == ERR_OK && i < json_count(list); i++) {
		const char *hex = json_get_string(json_at(list, i), "sha256");
		struct digest plain;

		if (hex && digest_from_hex(hex, strlen(hex), &plain))
			rc = stage(p, &plain, err);
	}
	json_free(doc);
	return rc;
}

/* Of this document only; others can go on. */
static bool of_document(enum err_code rc)
{
	return rc == ERR_NOT_FOUND || rc == ERR_LIMIT || rc == ERR_INVALID;
}

static enum err_code add_line(struct put *p, const char *file, uint64_t number,
	const char *text, size_t len, struct err *err)
{
	enum err_code rc = ERR_OK, refusal = ERR_OK;
	struct item *it;
	struct err own;

	if (p->now->count == CHUNK_LINES || p->text.len + len + 1 > CHUNK_BYTES)
		rc = pass_on(p, err);
	if (rc == ERR_OK && p->control && p->folder) {
		refusal = stage_all(p, text, len, &own);
		if (refusal && !of_document(refusal)) {
			*err = own;
			return refusal;
		}
	}
	if (rc)
		return rc;
	it = &p->now->item[p->now->count++];
	*it = (struct item){.file = file, .number = number};
	if (refusal) {
		item_refuse(it, refusal, own.text);
		return ERR_OK;
	}
	it->at = p->text.len;
	it->len = len;
	buf_add(&p->text, text, len);
	buf_u8(&p->text, '\n');
	return buf_ok(&p->text, err);
}

static enum err_code add_long(
	struct put *p, const char *file, uint64_t number, struct err *err)
{
	struct item *it;
	struct err own;
	enum err_code rc = ERR_OK;

	if (p->now->count == CHUNK_LINES && (rc = pass_on(p, err)))
		return rc;
	it = &p->now->item[p->now->count++];
	*it = (struct item){.file = file, .number = number};
	it->rc = err_set(&own, ERR_LIMIT, "document of more than %zu bytes",
		DOCUMENT_LIMIT);
	item_refuse(it, it->rc, own.text);
	return ERR_OK;
}

/* Editors on Windows put a byte order mark before the first line. */
static void skip_mark(const struct lines *l, const char **text, size_t *len)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (l->number == 1 && *len >= 3 && !memcmp(*text, mark, 3)) {
		*text += 3;
		*len -= 3;
	}
}

static enum err_code drain(
	struct put *p, const char *file, struct lines *l, struct err *err)
{
	enum err_code rc = ERR_OK;
	const char *text;
	size_t len;

	while (rc == ERR_OK) {
		switch (lines_next(l, &text, &len)) {
		case LINES_MORE:
			return ERR_OK;
		case LINES_LONG:
			rc = add_long(p, file, l->number, err);
			break;
		case LINES_LINE:
			skip_mark(l, &text, &len);
			if (!is_empty(text, len))
				rc = add_line(
					p, file, l->number, text, len, err);
			break;
		}
	}
	return rc;
}

/* Whether a read would wait: then what is here goes out first. */
static bool pauses(int fd)
{
	struct pollfd f = {.fd = fd, .events = POLLIN};

	return poll(&f, 1, 0) == 0;
}

/* Nothing of a file in another encoding is kept: half of its lines might be
 * plain ASCII. */
static enum err_code check_text(struct put *p, const char *name,
	const char *bytes, size_t len, struct err *err)
{
	const char *from = NULL;

	switch (encoding_of(bytes, len, false)) {
	case ENCODING_UTF8:
		return ERR_OK;
	case ENCODING_UTF16:
		from = "UTF-16";
		break;
	case ENCODING_GB:
		from = "GB18030";
		break;
	}
	cli_safe(p->cli, _("Nothing of it was stored."));
	cli_next(p->cli, _("iconv -f %s -t UTF-8 FILE | cundang put"), from);
	return err_set(err, ERR_INVALID,
		"%s is %s text, and documents are UTF-8", name, from);
}

static enum err_code put_stream(struct put *p, int fd, const char *name,
	const char *file, struct err *err)
{
	char *bytes = malloc(READ_SIZE);
	enum err_code rc = ERR_OK;
	uint64_t all = 0;
	struct lines l;

	lines_init(&l, LINE_LIMIT);
	if (!bytes)
		rc = err_nomem(err);
	while (rc == ERR_OK && !l.ended) {
		ssize_t n;

		if (pauses(fd) && (rc = flush(p, err)))
			break;
		n = read(fd, bytes, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(err, "%s", name);
		else if (n == 0)
			lines_end(&l);
		else if (all ||
			!(rc = check_text(p, name, bytes, (size_t)n, err)))
			rc = lines_feed(&l, bytes, (size_t)n, err);
		all += n > 0 ? (uint64_t)n : 0;
		if (rc == ERR_OK)
			rc = drain(p, file, &l, err);
	}
	if (rc == ERR_OK && !all)
		fprintf(stderr, _("%s is empty: there is nothing to keep.\n"),
			name);
	lines_free(&l);
	free(bytes);
	return rc;
}

static bool is_folder(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISDIR(st.st_mode);
}

static enum err_code put_file(
	struct put *p, const char *name, bool only, struct err *err)
{
	bool standard = !strcmp(name, "-");
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, "%s", name);
	if (!standard && is_folder(fd)) {
		close(fd);
		cli_next(p->cli, _("name its files: cundang put %s/*"), name);
		return err_set(err, ERR_USAGE, "%s is a folder", name);
	}
	rc = put_stream(p, fd, standard ? _("Standard input") : name,
		only ? NULL : name, err);
	if (!standard)
		close(fd);
	return rc;
}

static enum err_code start(struct put *p, const struct args *a, struct err *err)
{
	const char *folder = args_get(a, "attachments");
	enum err_code rc;

	p->now = &p->chunk[0];
	for (size_t i = 0; i < ARRAY_LEN(p->chunk); i++) {
		struct chunk *c = &p->chunk[i];

		c->item = calloc(CHUNK_LINES, sizeof(*c->item));
		c->result = calloc(CHUNK_LINES, sizeof(*c->result));
		if (!c->item || !c->result)
			return err_nomem(err);
	}
	p->line = calloc(CHUNK_LINES, sizeof(*p->line));
	p->len = calloc(CHUNK_LINES, sizeof(*p->len));
	if (!p->line || !p->len)
		return err_nomem(err);
	if ((folder && (rc = folder_open(folder, &p->folder, err))) ||
		(rc = open_writer(p->cli, &p->control, &p->node, err)) ||
		p->control)
		return rc;
	if ((rc = pool_new(0, 256, &p->pool, err)) ||
		(rc = writer_start(
			 p->node->store, node_sign, p->node, &p->writer, err)))
		return rc;
	p->source.node = p->node;
	p->source.rules = node_rules(p->node);
	if (p->folder) {
		p->source.find = folder_find;
		p->source.find_arg = p->folder;
	}
	return ERR_OK;
}

static void stop(struct put *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->chunk); i++)
		if (p->chunk[i].intake)
			(void)intake_finish(p->chunk[i].intake, NULL);
	writer_stop(p->writer);
	/* Without a daemon nobody else does it: one now and then. */
	if (p->writer && p->node)
		(void)store_compact(p->node->store, 1, NULL);
	pool_free(p->pool);
	if (p->node)
		rules_unref((struct rules *)p->source.rules);
	node_close(p->node);
	control_close(p->control);
	folder_close(p->folder);
	for (size_t i = 0; i < ARRAY_LEN(p->chunk); i++) {
		clear(&p->chunk[i]);
		buf_free(&p->chunk[i].receipts);
		free(p->chunk[i].item);
		free(p->chunk[i].result);
	}
	buf_wipe(&p->text);
	buf_free(&p->answer);
	free(p->line);
	free(p->len);
}

static void summary(const struct put *p)
{
	char kept[COUNT_TEXT_SIZE], refused[COUNT_TEXT_SIZE];

	fprintf(stderr, ngettext("%s record kept", "%s records kept", p->kept),
		out_count(p->kept, kept));
	fprintf(stderr,
		ngettext(", %s refused\n", ", %s refused\n", p->refused),
		out_count(p->refused, refused));
}

/* The text says how far it came, since what was acknowledged is durable. */
static void tell_safe(const struct put *p)
{
	char kept[COUNT_TEXT_SIZE];

	cli_safe(p->cli,
		ngettext("%s record was acknowledged and is safe. The same "
			 "file can be put again: a document equal to the "
			 "newest revision of its id gives the same receipt.",
			"%s records were acknowledged and are safe. The same "
			"file can be put again: a document equal to the "
			"newest revision of its id gives the same receipt.",
			p->kept),
		out_count(p->kept, kept));
}

static enum err_code run_put(
	struct cli *c, const struct args *a, struct err *err)
{
	struct put p = {.cli = c};
	enum err_code rc = start(&p, a, err);
	bool started = rc == ERR_OK;

	if (rc == ERR_OK && a->count == 0)
		rc = put_file(&p, "-", true, err);
	for (size_t i = 0; rc == ERR_OK && i < a->count; i++)
		rc = put_file(&p, a->word[i], a->count == 1, err);
	if (rc == ERR_OK)
		rc = flush(&p, err);
	/* What is durable by now is told all the same. */
	if (rc && started) {
		(void)settle(&p, other(&p), NULL);
		(void)settle(&p, p.now, NULL);
	}
	if (started && rc && !c->safe[0] && (p.kept > 0 || rc != ERR_NOT_FOUND))
		tell_safe(&p);
	if (rc == ERR_OK && !c->json)
		summary(&p);
	c->failed = p.refused > 0;
	stop(&p);
	return rc;
}

static const struct option_spec options[] = {
	{"attachments", 0, "DIR",
		N_("where attachment files are, named by their SHA-256")},
	{NULL, 0, NULL, NULL},
};

const struct command command_put = {
	.name = "put",
	.words = "[FILE...|-]",
	.summary = N_("keep records: JSON documents in, receipts out"),
	.detail = N_("Each line of a FILE (or of standard input) is one "
		     "document. Each document that is\nkept gives one line "
		     "{\"id\",\"leaf\",\"origin\",\"rev\",\"seq\"}, once it is "
		     "durable. A document equal\nto the newest revision of "
		     "its id gives the receipt it had; any other is its next "
		     "revision."),
	.most = WORDS_ANY,
	.options = options,
	.run = run_put,
};
