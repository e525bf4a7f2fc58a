/* leaves.c - the trees of the logs: what is kept of them, and the rest. */
#include <inttypes.h>
#include <string.h>

#include "store/inside.h"

/* Hashes at levels 8, 16, ... are kept; those between are computed from up to
 * 128 of them, those below from up to 256 leaves. */
#define LEVEL_STEP 8

static struct key key_of_node(uint32_t log, unsigned level, uint64_t index)
{
	struct key k = key_of_log(log);

	key_u8(&k, (uint8_t)level);
	key_u64(&k, index);
	return k;
}

/* The edge already has what is needed: after size became a multiple of
 * 2^level, the root of the last subtree of that level is there unless it was
 * joined into a larger one, and then it can be made from the edge before.
 * Without a leaf, what it would be part of is lost. */
static enum err_code append(struct index_txn *t, struct log_row *row,
	const struct digest *leaf, struct err *err)
{
	struct tree_edge *e = &row->edge;
	unsigned at = tree_edge_count(e->size);
	struct digest d = leaf ? *leaf : (struct digest){{0}};
	uint64_t size = e->size;
	bool known = leaf != NULL;
	unsigned level;

	for (level = 1; size & 1; size >>= 1, level++) {
		uint64_t bit = (uint64_t)1 << (level - 1);
		struct key k;
		enum err_code rc;

		known = known && !(row->lost & bit);
		row->lost &= ~bit;
		at--;
		if (known)
			d = tree_node(&e->hash[at], &d);
		if (level % LEVEL_STEP || !known || !t)
			continue;
		k = key_of_node(row->id, level, e->size >> level);
		rc = index_put(t, DB_TREE, key_bytes(&k),
			(struct bytes){d.b, DIGEST_SIZE}, err);
		if (rc)
			return rc;
	}
	if (!known)
		row->lost |= (uint64_t)1 << (level - 1);
	e->hash[at] = known ? d : (struct digest){{0}};
	e->size++;
	return ERR_OK;
}

enum err_code leaf_append(struct index_txn *t, struct log_row *row,
	const struct digest *leaf, struct err *err)
{
	return append(t, row, leaf, err);
}

enum err_code leaves_lose(struct index_txn *t, struct log_row *row,
	uint64_t count, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (count-- && !rc)
		rc = append(t, row, NULL, err);
	return rc;
}

enum err_code edge_restore(struct index_txn *t, struct log_row *row,
	const struct directory *d, const struct directory_edge *e,
	struct err *err)
{
	unsigned fresh = edge_fresh(e->from, e->to);
	unsigned at = tree_edge_count(e->to);
	uint64_t size = e->to;

	if (row->edge.size != e->to)
		return ERR_OK;
	for (; fresh; size &= size - 1) {
		unsigned level = (unsigned)__builtin_ctzll(size);
		const struct digest *hash = &d->hashes[e->at + --fresh];
		struct key k;
		enum err_code rc;

		row->edge.hash[--at] = *hash;
		row->lost &= ~((uint64_t)1 << level);
		if (!level || level % LEVEL_STEP || !t)
			continue;
		k = key_of_node(row->id, level, (size >> level) - 1);
		rc = index_put(t, DB_TREE, key_bytes(&k),
			(struct bytes){hash->b, DIGEST_SIZE}, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code get_hash(struct index_txn *t, enum index_db db,
	const struct key *k, struct digest *out, struct err *err)
{
	struct bytes value;
	enum err_code rc = index_get(t, db, key_bytes(k), &value, err);

	if (rc)
		return rc;
	if (value.len != DIGEST_SIZE)
		return row_corrupt(err, "tree hashes");
	memcpy(out->b, value.data, DIGEST_SIZE);
	return ERR_OK;
}

/* As many as the block that holds `seq` has, up to `count`. */
static enum err_code leaves_of_block(const struct view *v, uint32_t log,
	uint64_t seq, size_t count, struct digest *out, size_t *got,
	struct err *err)
{
	struct entry_place at;
	struct block *b;
	size_t skip;
	enum err_code rc;

	if ((rc = entry_locate(v, log, seq, &at, err)) ||
		(rc = block_entries(v, at.block, at.commit, &b, err)))
		return rc;
	skip = (size_t)(seq - b->head.first);
	if (at.end - seq < count)
		count = (size_t)(at.end - seq);
	if (skip < b->count && count > b->count - skip)
		count = b->count - skip;
	rc = block_make(v, b, skip, count, err);
	for (*got = 0; !rc && *got < count; ++*got) {
		const struct block_entry *e = b->entries[skip + *got];

		if (e->damaged) {
			rc = entry_damaged(log, seq + *got, e, err);
			break;
		}
		out[*got] = e->leaf;
	}
	block_unpin(b);
	return rc;
}

enum err_code view_leaves(const struct view *v, uint32_t log, uint64_t from,
	size_t count, struct digest *out, struct err *err)
{
	uint64_t ours = UINT64_MAX;
	size_t got;

	if (v->batch)
		ours = batch_from(v->batch, log, UINT64_MAX);
	for (; count; from += got, out += got, count -= got) {
		struct key k = key_of_seq(log, from);
		enum err_code rc = ERR_OK;

		got = 1;
		if (from >= ours)
			*out = *batch_leaf(v->batch, log, from);
		else
			rc = get_hash(v->txn, DB_LEAF, &k, out, err);
		if (rc == ERR_NOT_FOUND) {
			size_t most = count;

			if (ours - from < most)
				most = (size_t)(ours - from);
			rc = leaves_of_block(
				v, log, from, most, out, &got, err);
		}
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* The root over 2^n hashes. */
static struct digest fold(struct digest *hash, size_t count)
{
	for (; count > 1; count /= 2)
		for (size_t i = 0; i < count / 2; i++)
			hash[i] = tree_node(&hash[2 * i], &hash[2 * i + 1]);
	return hash[0];
}

enum err_code view_tree_read(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err)
{
	const struct tree_view *tree = arg;
	unsigned kept = level / LEVEL_STEP * LEVEL_STEP;
	size_t count = (size_t)1 << (level - kept);
	struct digest hash[1 << (LEVEL_STEP - 1)];
	enum err_code rc = ERR_OK;

	if (!kept) {
		rc = view_leaves(tree->view, tree->log, index << level, count,
			hash, err);
	} else {
		for (size_t i = 0; i < count && !rc; i++) {
			struct key k = key_of_node(
				tree->log, kept, (index << (level - kept)) + i);

			rc = get_hash(
				tree->view->txn, DB_TREE, &k, &hash[i], err);
			if (rc == ERR_NOT_FOUND)
				rc = err_set(err, ERR_CORRUPT,
					"log %" PRIu32
					": hashes of its tree went with "
					"damaged blocks",
					tree->log);
		}
	}
	if (!rc)
		*out = fold(hash, count);
	return rc;
}

/* The subtree of `level` (8, 16, ...) that holds `seq`, where it is whole and
 * not kept.  *go_on: the one above may be made now. */
static enum err_code mend_node(const struct view *v, const struct log_row *row,
	unsigned level, uint64_t seq, bool *go_on, struct err *err)
{
	uint64_t index = seq >> level;
	struct key k = key_of_node(row->id, level, index);
	struct digest hash[1 << LEVEL_STEP];
	struct digest d;
	enum err_code rc = ERR_OK;

	*go_on = index < row->edge.size >> level;
	if (!*go_on || !get_hash(v->txn, DB_TREE, &k, &d, NULL))
		return ERR_OK;
	if (level == LEVEL_STEP)
		rc = view_leaves(
			v, row->id, index << level, 1 << LEVEL_STEP, hash, err);
	for (uint64_t i = 0; level > LEVEL_STEP && i < 1 << LEVEL_STEP && !rc;
		i++) {
		struct key below = key_of_node(
			row->id, level - LEVEL_STEP, (index << LEVEL_STEP) + i);

		rc = get_hash(v->txn, DB_TREE, &below, &hash[i], err);
	}
	*go_on = !rc;
	if (rc)
		return is_damage(rc) ? ERR_OK : rc;
	d = fold(hash, 1 << LEVEL_STEP);
	return index_put(v->txn, DB_TREE, key_bytes(&k),
		(struct bytes){d.b, DIGEST_SIZE}, err);
}

enum err_code leaves_mend(const struct view *v, struct log_row *row,
	uint64_t seq, struct err *err)
{
	struct tree_view tree = {v, row->id};
	unsigned at = 0;
	bool go_on = true;
	enum err_code rc = ERR_OK;

	for (unsigned level = LEVEL_STEP; go_on && level < 64 && !rc;
		level += LEVEL_STEP)
		rc = mend_node(v, row, level, seq, &go_on, err);
	for (unsigned level = 64; level-- > 0 && row->lost && !rc;) {
		uint64_t bit = (uint64_t)1 << level;

		if (!(row->edge.size & bit))
			continue;
		if (row->lost & bit) {
			rc = view_tree_read(&tree, level,
				(row->edge.size >> level) - 1,
				&row->edge.hash[at], err);
			if (!rc)
				row->lost &= ~bit;
			else if (is_damage(rc))
				rc = ERR_OK;
		}
		at++;
	}
	return rc;
}

enum err_code store_tree_read(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err)
{
	const struct log_reader *reader = arg;
	struct tree_view tree = {.log = reader->log};
	struct log_row row;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(reader->store, &v, err)))
		return rc;
	tree.view = &v;
	if ((rc = log_get(&v, reader->log, &row, err)))
		goto out;
	if (level > 53 || index >= row.edge.size >> level)
		rc = err_set(err, ERR_NOT_FOUND,
			"subtree %" PRIu64 " of level %u is not within %" PRIu64
			" entries",
			index, level, row.edge.size);
	else
		rc = view_tree_read(&tree, level, index, out, err);
out:
	view_close(&v);
	return rc;
}
