/* marks.c - marks of destroyed parts in a message, and in its records. */
#include "policies/marks.h"

#include <inttypes.h>
#include <stdlib.h>

struct mark {
	uint8_t row; /* from the first record of the run */
	uint8_t label;
	struct erasure why;
};

static void mark_write(const struct mark *m, struct buf *out)
{
	buf_u8(out, m->row);
	buf_u8(out, m->label);
	erasure_write(&m->why, out);
}

static bool mark_read(struct cursor *c, struct mark *out)
{
	out->row = cursor_u8(c);
	out->label = cursor_u8(c);
	return erasure_read(c, &out->why) && out->label < LABEL_COUNT;
}

static size_t erased_count(const struct run *run, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += (size_t)__builtin_popcount(run->record[i].erased);
	return n;
}

void marks_write(const struct run *run, size_t count, struct buf *out)
{
	buf_u16(out, (uint16_t)erased_count(run, count));
	for (size_t i = 0; i < count; i++) {
		const struct record *r = &run->record[i];

		for (uint8_t l = 0; l < LABEL_COUNT; l++) {
			struct mark m = {(uint8_t)i, l, {0}};

			if (!(r->erased & LABEL_BIT(l)))
				continue;
			if (r->erasure)
				m.why = r->erasure[l];
			mark_write(&m, out);
		}
	}
}

bool marks_read(struct cursor *c, struct marks *out)
{
	const uint8_t *start = c->at;
	uint16_t count = cursor_u16(c);
	int last = -1;

	if (!cursor_ok(c) || count > MARKS_LIMIT)
		return false;
	for (uint16_t i = 0; i < count; i++) {
		struct mark m;
		int at;

		if (!mark_read(c, &m))
			return false;
		at = m.row * LABEL_COUNT + m.label;
		if (at <= last)
			return false;
		last = at;
	}
	*out = (struct marks){start, (size_t)(c->at - start)};
	return true;
}

static enum err_code apply(const struct mark *m, struct run *run,
	struct erasure *why, struct err *err)
{
	struct record *r;

	if (m->row >= run->count)
		return err_set(err, ERR_PROTOCOL,
			"a part of record %u is marked as destroyed, there are "
			"%zu",
			m->row, run->count);
	r = &run->record[m->row];
	if (r->have & LABEL_BIT(m->label))
		return err_set(err, ERR_PROTOCOL,
			"entry %" PRIu64
			": the %s part is here and marked as destroyed",
			run->start + m->row, label_name(m->label));
	r->erased |= LABEL_BIT(m->label);
	r->erasure = why;
	why[m->label] = m->why;
	return ERR_OK;
}

enum err_code marks_apply(const struct marks *m, struct run *run,
	struct erasure **room, struct err *err)
{
	struct cursor c = cursor_over(m->data, m->len);
	uint16_t count = cursor_u16(&c);
	struct erasure *why;
	enum err_code rc = ERR_OK;

	if (!count)
		return ERR_OK;
	/* Rows ascend: a record with marks takes no more places than they. */
	why = calloc((size_t)count * LABEL_COUNT, sizeof(*why));
	if (!why)
		return err_nomem(err);
	*room = why;
	for (int last = -1; count && !rc; count--) {
		struct mark mark;

		if (!mark_read(&c, &mark))
			return err_set(err, ERR_PROTOCOL,
				"marks of destroyed parts are malformed");
		if (last >= 0 && mark.row != last)
			why += LABEL_COUNT;
		last = mark.row;
		rc = apply(&mark, run, why, err);
	}
	return rc;
}
