/* message.c - the bytes of messages that carry logs. */
#include "policies/message.h"

#include <inttypes.h>
#include <string.h>

static void write_head(const char *origin, struct buf *out)
{
	size_t len = strlen(origin);

	buf_u8(out, MESSAGE_VERSION);
	buf_u16(out, (uint16_t)len);
	buf_add(out, origin, len);
}

static enum err_code read_version(
	struct cursor *c, const char *what, struct err *err)
{
	uint8_t version = cursor_u8(c);

	if (cursor_ok(c) && version != MESSAGE_VERSION)
		return err_set(err, ERR_PROTOCOL,
			"%s message of version %u, known is %d", what, version,
			MESSAGE_VERSION);
	return ERR_OK;
}

static enum err_code read_head(struct cursor *c, const char *what,
	char origin[ORIGIN_SIZE], struct err *err)
{
	const uint8_t *text;
	enum err_code rc;
	uint16_t len;

	if ((rc = read_version(c, what, err)))
		return rc;
	len = cursor_u16(c);
	text = cursor_bytes(c, len);
	if (!text || len >= ORIGIN_SIZE ||
		!origin_valid((const char *)text, len))
		return err_set(err, ERR_PROTOCOL,
			"%s message without a valid origin", what);
	memset(origin, 0, ORIGIN_SIZE);
	memcpy(origin, text, len);
	return ERR_OK;
}

static enum err_code malformed(const char *what, size_t len, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "malformed %s message of %zu bytes",
		what, len);
}

void checkpoint_message_write(
	const struct checkpoint_message *m, struct buf *out)
{
	write_head(m->origin, out);
	buf_u64(out, m->old_size);
	tree_proof_write(&m->proof, out);
	buf_u32(out, (uint32_t)m->note_len);
	buf_add(out, m->note, m->note_len);
}

enum err_code checkpoint_message_parse(const void *data, size_t len,
	struct checkpoint_message *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct checkpoint_message m = {0};
	enum err_code rc;

	if ((rc = read_head(&c, "checkpoint", m.origin, err)))
		return rc;
	m.old_size = cursor_u64(&c);
	if (!tree_proof_read(&c, &m.proof))
		return malformed("checkpoint", len, err);
	m.note_len = cursor_u32(&c);
	m.note = cursor_bytes(&c, m.note_len);
	if (!cursor_done(&c) || m.note_len > NOTE_SIZE_LIMIT ||
		m.old_size > TREE_SIZE_LIMIT)
		return malformed("checkpoint", len, err);
	*out = m;
	return ERR_OK;
}

void package_message_write(const struct package_message *m, struct buf *out)
{
	write_head(m->origin, out);
	buf_u64(out, m->tree_size);
	buf_u64(out, m->start);
	buf_u64(out, m->end);
	tree_proof_write(&m->proof, out);
	buf_add(out, m->marks.data, m->marks.len);
}

/* protocol 4.2: "A package never crosses a multiple of 256." */
static bool range_valid(const struct package_message *m)
{
	return m->start < m->end && m->end <= m->tree_size &&
		m->tree_size <= TREE_SIZE_LIMIT &&
		m->end - PACKAGE_FLOOR(m->start) <= TILE_WIDTH;
}

enum err_code package_message_parse(const void *data, size_t len,
	struct package_message *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct package_message m = {0};
	enum err_code rc;

	if ((rc = read_head(&c, "package", m.origin, err)))
		return rc;
	m.tree_size = cursor_u64(&c);
	m.start = cursor_u64(&c);
	m.end = cursor_u64(&c);
	if (!tree_proof_read(&c, &m.proof) || !marks_read(&c, &m.marks))
		return malformed("package", len, err);
	if (!range_valid(&m))
		return err_set(err, ERR_PROTOCOL,
			"package of entries %" PRIu64 " to %" PRIu64
			" of %" PRIu64,
			m.start, m.end, m.tree_size);
	m.run_len = c.left;
	m.run = cursor_bytes(&c, m.run_len);
	*out = m;
	return ERR_OK;
}

void proved_message_write(const struct proved_message *m, struct buf *out)
{
	buf_u8(out, MESSAGE_VERSION);
	buf_u32(out, (uint32_t)m->proof_len);
	buf_add(out, m->proof, m->proof_len);
	buf_add(out, m->marks.data, m->marks.len);
	buf_add(out, m->run, m->run_len);
}

enum err_code proved_message_parse(const void *data, size_t len,
	struct proved_message *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct proved_message m = {0};
	enum err_code rc;

	if ((rc = read_version(&c, "proved", err)))
		return rc;
	m.proof_len = cursor_u32(&c);
	m.proof = cursor_bytes(&c, m.proof_len);
	if (!marks_read(&c, &m.marks))
		return malformed("proved", len, err);
	m.run_len = c.left;
	m.run = cursor_bytes(&c, m.run_len);
	if (!cursor_done(&c) || m.proof_len > PROOF_SIZE_LIMIT)
		return malformed("proved", len, err);
	*out = m;
	return ERR_OK;
}

void entries_message_write(const struct entries_message *m, struct buf *out)
{
	write_head(m->origin, out);
	buf_u64(out, m->tree_size);
	buf_u64(out, m->from);
	buf_u64(out, m->to);
	tree_proof_write(&m->proof, out);
}

uint64_t tile_end(uint64_t seq, uint64_t tree_size)
{
	uint64_t end = PACKAGE_FLOOR(seq) + TILE_WIDTH;

	return end < tree_size ? end : tree_size;
}

enum err_code entries_message_parse(const void *data, size_t len,
	struct entries_message *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct entries_message m = {0};
	enum err_code rc;

	if ((rc = read_head(&c, "entries", m.origin, err)))
		return rc;
	m.tree_size = cursor_u64(&c);
	m.from = cursor_u64(&c);
	m.to = cursor_u64(&c);
	if (!tree_proof_read(&c, &m.proof) || !cursor_ok(&c))
		return malformed("entries", len, err);
	if (m.from >= m.to || m.tree_size > TREE_SIZE_LIMIT ||
		m.from >= m.tree_size || m.to > tile_end(m.from, m.tree_size))
		return err_set(err, ERR_PROTOCOL,
			"entries %" PRIu64 " to %" PRIu64 " of %" PRIu64
			" once more",
			m.from, m.to, m.tree_size);
	m.run_len = c.left;
	m.run = cursor_bytes(&c, m.run_len);
	*out = m;
	return ERR_OK;
}
