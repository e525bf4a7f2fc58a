/* bundle.c - the bytes in which governance heads travel. */
#include "policies/bundle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_LEN (sizeof(BUNDLE_MAGIC) - 1)

void bundle_free(struct bundle *b)
{
	buf_free(&b->plain);
	free(b->item);
	*b = (struct bundle){.item = NULL};
}

void bundle_item_write(
	enum item_type type, const void *data, size_t len, struct buf *out)
{
	buf_u8(out, (uint8_t)type);
	buf_u32(out, (uint32_t)len);
	buf_add(out, data, len);
}

static size_t item_limit(enum item_type type)
{
	switch (type) {
	case ITEM_STATEMENT:
		return STATEMENT_LIMIT;
	case ITEM_SIGNATURE:
		return SSHSIG_TEXT_LIMIT;
	case ITEM_BLOB:
		return GOVERNANCE_FILE_LIMIT;
	case ITEM_TREE:
		return GITOBJ_TREE_LIMIT;
	case ITEM_COMMIT:
		return GITOBJ_COMMIT_LIMIT;
	}
	return 0;
}

static enum err_code item_add(
	struct bundle *b, const struct bundle_item *item, struct err *err)
{
	if (b->count == BUNDLE_ITEMS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"governance exchange of more than %zu items",
			BUNDLE_ITEMS_LIMIT);
	if (!grow(&b->item, &b->cap, b->count, sizeof(*b->item)))
		return err_nomem(err);
	b->item[b->count++] = *item;
	return ERR_OK;
}

static enum err_code items_read(struct bundle *b, struct err *err)
{
	struct cursor c = cursor_over(b->plain.data, b->plain.len);
	const uint8_t *magic = cursor_bytes(&c, MAGIC_LEN);
	enum err_code rc;

	if (!magic || memcmp(magic, BUNDLE_MAGIC, MAGIC_LEN))
		return err_set(err, ERR_PROTOCOL,
			"governance exchange without its magic");
	while (c.left) {
		unsigned type = cursor_u8(&c);
		struct bundle_item item = {.type = (enum item_type)type};

		item.len = cursor_u32(&c);
		if (type < ITEM_STATEMENT || type > ITEM_COMMIT)
			return err_set(err, ERR_PROTOCOL,
				"governance exchange: item %zu of type %u",
				b->count, type);
		if (item.len > item_limit(item.type))
			return err_set(err, ERR_LIMIT,
				"governance exchange: item %zu of %zu bytes, "
				"limit %zu",
				b->count, item.len, item_limit(item.type));
		item.data = cursor_bytes(&c, item.len);
		if (!cursor_ok(&c))
			return err_set(err, ERR_PROTOCOL,
				"governance exchange: item %zu is cut off",
				b->count);
		if ((rc = item_add(b, &item, err)))
			return rc;
	}
	return ERR_OK;
}

/* Statements with rising serials, each followed by its signatures, then by
 * objects. */
static enum err_code statement_scan(
	struct bundle *b, const struct bundle_item *item, struct err *err)
{
	struct statement s;
	enum err_code rc;

	if ((rc = statement_parse(item->data, item->len, &s, err)))
		return rc;
	if (b->heads == 0)
		b->first = s.serial;
	if (s.serial != b->first + b->heads)
		return err_set(err, ERR_PROTOCOL,
			"governance exchange: serial %" PRIu64 " where %" PRIu64
			" was due",
			s.serial, b->first + b->heads);
	if (++b->heads > GOVERNANCE_HEADS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"governance exchange of more than %d heads",
			GOVERNANCE_HEADS_LIMIT);
	return ERR_OK;
}

static enum err_code items_scan(struct bundle *b, struct err *err)
{
	enum item_type before = ITEM_COMMIT;
	struct gitobj_commit commit;
	enum err_code rc = ERR_OK;
	size_t signatures = 0;

	for (size_t i = 0; !rc && i < b->count; i++) {
		const struct bundle_item *item = &b->item[i];

		if (b->heads == 0 && item->type != ITEM_STATEMENT)
			return err_set(err, ERR_PROTOCOL,
				"governance exchange that does not begin with "
				"a statement");
		switch (item->type) {
		case ITEM_STATEMENT:
			signatures = 0;
			rc = statement_scan(b, item, err);
			break;
		case ITEM_SIGNATURE:
			if (before > ITEM_SIGNATURE ||
				++signatures > GOVERNANCE_SIGNATURES_LIMIT)
				rc = err_set(err, ERR_PROTOCOL,
					"governance exchange: item %zu is a "
					"signature too many",
					i);
			break;
		case ITEM_BLOB:
			break;
		case ITEM_TREE:
			rc = gitobj_tree_each(
				item->data, item->len, NULL, NULL, err);
			break;
		case ITEM_COMMIT:
			rc = gitobj_commit_parse(
				item->data, item->len, &commit, err);
			break;
		}
		before = item->type;
	}
	return rc;
}

enum err_code bundle_scan(
	const void *data, size_t len, struct bundle *out, struct err *err)
{
	struct bundle b = {.item = NULL};
	enum err_code rc;

	if (len > GOVERNANCE_BUNDLE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"governance exchange of %zu bytes, limit %zu", len,
			GOVERNANCE_BUNDLE_LIMIT);
	if ((rc = store_decompress(
		     data, len, BUNDLE_PLAIN_LIMIT, &b.plain, err)) ||
		(rc = items_read(&b, err)) || (rc = items_scan(&b, err))) {
		bundle_free(&b);
		return rc;
	}
	*out = b;
	return ERR_OK;
}

enum err_code governance_scan(const void *data, size_t len, struct err *err)
{
	struct bundle b = {.item = NULL};
	enum err_code rc = bundle_scan(data, len, &b, err);

	bundle_free(&b);
	return rc;
}
