/* mill.c - a writer that captures and erases at the same time, and tells each
 * thing as soon as it is durable: what the crash tests kill.
 *
 * mill DATA LINES FOLDER SEED ERASURES BELOW: puts the lines of the file LINES
 * in chunks, attachments from FOLDER by their SHA-256, while another thread
 * destroys ERASURES times parts of the first BELOW records that the own log
 * held at the start (0: of all), and a third packs segments, which it ends
 * before the end.  On
 * stdout receipts, {"erasing":[...]} before an order and {"erased":[...]} after
 * it, of [sequence, label, seed]: the seed's bytes are in the part's block and
 * nowhere else, so whoever finds them found the part.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/policies.h"

#define CHUNK_LIMIT 24
#define TARGETS_LIMIT 6
#define LINES_LIMIT 65536
#define MILL_ORDER "销毁令 7"

struct mill {
	struct node *node;
	struct rules *rules;
	struct writer *writer;
	struct pool *pool;
	const char *folder;
	char **line;
	size_t lines;
	uint64_t seed;
	uint64_t erasures;
	struct log_info own;
	uint64_t below; /* records that erasures choose from */
};

struct doom {
	struct erase_target target[TARGETS_LIMIT];
	char seed[TARGETS_LIMIT][HEX_SIZE(SEED_SIZE)];
	size_t count;
};

static void die(const char *doing, const struct err *err)
{
	fprintf(stderr, "mill: %s: %s\n", doing, err->text);
	_exit(1);
}

/* xorshift64*: both threads are driven by the one seed. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(2685821657736338717) >> 33) % below;
}

/* One write: lines of the two threads do not mix. */
static void tell(const struct buf *text)
{
	if (write(STDOUT_FILENO, text->data, text->len) != (ssize_t)text->len)
		_exit(1);
}

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	const struct mill *m = arg;
	char name[DIGEST_HEX_SIZE];

	digest_hex(plain, name);
	if (!(*path = file_join(m->folder, name)))
		return err_nomem(err);
	return ERR_OK;
}

static void put_chunk(struct mill *m, size_t from, size_t count)
{
	struct capture_source src = {m->node, m->rules, find_file, m};
	struct intake_result result[CHUNK_LIMIT];
	struct buf text = BUF_EMPTY;
	size_t len[CHUNK_LIMIT];
	struct err err;

	for (size_t i = 0; i < count; i++)
		len[i] = strlen(m->line[from + i]);
	if (intake_lines(&src, m->pool, m->writer,
		    (const char *const *)m->line + from, len, count, result,
		    &err))
		die("put", &err);
	for (size_t i = 0; i < count; i++) {
		if (result[i].rc) {
			memcpy(err.text, result[i].text, sizeof(err.text));
			die(m->line[from + i], &err);
		}
		receipt_write(&result[i].receipt, &text);
	}
	tell(&text);
	buf_free(&text);
}

static void *run_puts(void *arg)
{
	struct mill *m = arg;
	uint64_t state = m->seed * 2 + 1;

	for (size_t at = 0, n; at < m->lines; at += n) {
		n = 1 + (size_t)draw(&state, CHUNK_LIMIT);
		if (n > m->lines - at)
			n = m->lines - at;
		put_chunk(m, at, n);
	}
	return NULL;
}

/* Takes the part into the order where it is there still; what a system record
 * says is not for erasing. */
static void take_target(
	struct mill *m, const struct erase_target *t, struct doom *o)
{
	struct run run = {0};
	const struct record *r;
	struct entry e;
	struct err err;

	if (store_read(m->node->store, t->log, t->seq, 1, LABEL_BIT(t->label),
		    &run, &err))
		die("read", &err);
	r = &run.record[0];
	if (entry_parse(r->entry, r->entry_len, &e, &err))
		die("read", &err);
	if (strncmp(e.series, "sys-", 4) != 0 &&
		(r->have & LABEL_BIT(t->label))) {
		hex_encode(
			r->part[t->label].seed, SEED_SIZE, o->seed[o->count]);
		o->target[o->count++] = *t;
	}
	run_free(&run);
}

static void choose(struct mill *m, uint64_t *state, struct doom *o)
{
	static const enum label labels[] = {
		LABEL_INTERNAL, LABEL_PERSONAL, LABEL_SENSITIVE};
	size_t wanted = 1 + (size_t)draw(state, TARGETS_LIMIT);

	o->count = 0;
	for (size_t i = 0; i < wanted; i++) {
		struct erase_target t = {m->own.id, draw(state, m->below),
			labels[draw(state, ARRAY_LEN(labels))]};

		take_target(m, &t, o);
	}
}

static void tell_order(const struct doom *o, const char *what)
{
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "{\"%s\":[", what);
	for (size_t i = 0; i < o->count; i++)
		buf_printf(&text, "%s[%" PRIu64 ",\"%s\",\"%s\"]", i ? "," : "",
			o->target[i].seq,
			label_name((uint8_t)o->target[i].label), o->seed[i]);
	buf_str(&text, "]}\n");
	tell(&text);
	buf_free(&text);
}

static enum err_code erase_job(struct batch *b, void *arg, struct err *err)
{
	static const struct erasure why = {1782000000, MILL_ORDER};
	const struct doom *o = arg;

	return batch_erase(b, o->target, o->count, &why, err);
}

static void *run_erasures(void *arg)
{
	struct mill *m = arg;
	uint64_t state = m->seed * 2 + 2;
	struct doom o;
	struct err err;

	for (uint64_t i = 0; i < m->erasures && m->below > 0; i++) {
		choose(m, &state, &o);
		if (!o.count)
			continue;
		tell_order(&o, "erasing");
		if (writer_run(m->writer, erase_job, &o, &err))
			die("erase", &err);
		tell_order(&o, "erased");
	}
	return NULL;
}

static void read_lines(struct mill *m, const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	m->line = calloc(LINES_LIMIT, sizeof(*m->line));
	if (!in || !m->line)
		exit(2);
	while (m->lines < LINES_LIMIT && (len = getline(&line, &cap, in)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (!(m->line[m->lines++] = strdup(line)))
			exit(2);
	}
	free(line);
	fclose(in);
}

static bool number(const char *text, uint64_t *out)
{
	return number_parse(text, strlen(text), UINT64_MAX / 4, out);
}

int main(int argc, char **argv)
{
	struct mill m = {.folder = argc == 7 ? argv[3] : NULL};
	pthread_t puts, erasures;
	struct err err;

	if (argc != 7 || !number(argv[4], &m.seed) ||
		!number(argv[6], &m.below) || !number(argv[5], &m.erasures)) {
		fprintf(stderr,
			"usage: mill DATA LINES FOLDER SEED ERASURES BELOW\n");
		return 2;
	}
	read_lines(&m, argv[2]);
	if (node_open(argv[1], STORE_WRITE, &m.node, &err) ||
		writer_start(
			m.node->store, node_sign, m.node, &m.writer, &err) ||
		pool_new(0, 64, &m.pool, &err) ||
		store_log_own(m.node->store, &m.own, &err))
		die("open", &err);
	if (!m.below || m.below > m.own.size)
		m.below = m.own.size;
	m.rules = node_rules(m.node);
	if (pthread_create(&puts, NULL, run_puts, &m) ||
		pthread_create(&erasures, NULL, run_erasures, &m))
		return 1;
	pthread_join(puts, NULL);
	pthread_join(erasures, NULL);
	writer_stop(m.writer);
	if (store_compact(m.node->store, SIZE_MAX, &err))
		die("pack", &err);
	pool_free(m.pool);
	rules_unref(m.rules);
	node_close(m.node);
	for (size_t i = 0; i < m.lines; i++)
		free(m.line[i]);
	free(m.line);
	return 0;
}
