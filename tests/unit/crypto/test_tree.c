/* test_tree.c - the Merkle tree against three sets of vectors and its own
 * definition, and each proof against a flipped bit. */
#include "vectors.h"

#include <inttypes.h>

#define LEVELS 18

/* All perfect subtrees of some leaves, what a store would have. */
struct forest {
	struct digest *node[LEVELS];
	uint64_t count;
	uint64_t first; /* what read_node() calls leaf 0 */
	uint64_t limit; /* leaves behind this one must not be asked for */
};

static enum err_code read_node(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err)
{
	struct forest *f = arg;

	(void)err;
	assert_true(level < LEVELS);
	assert_true((index + 1) << level <= f->limit - f->first);
	*out = f->node[level][(f->first >> level) + index];
	return ERR_OK;
}

static enum err_code read_failure(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err)
{
	(void)arg;
	(void)level;
	(void)index;
	(void)out;
	return err_set(err, ERR_IO, "no disk");
}

static void forest_init(
	struct forest *f, uint64_t count, struct digest (*leaf)(uint64_t i))
{
	memset(f, 0, sizeof(*f));
	f->count = f->limit = count;
	f->node[0] = calloc(count + 1, sizeof(struct digest));
	assert_non_null(f->node[0]);
	for (uint64_t i = 0; i < count; i++)
		f->node[0][i] = leaf(i);
	for (unsigned l = 1; l < LEVELS; l++) {
		f->node[l] = calloc((count >> l) + 1, sizeof(struct digest));
		assert_non_null(f->node[l]);
		for (uint64_t i = 0; i < count >> l; i++)
			f->node[l][i] = tree_node(&f->node[l - 1][2 * i],
				&f->node[l - 1][2 * i + 1]);
	}
}

static void forest_fini(struct forest *f)
{
	for (unsigned l = 0; l < LEVELS; l++)
		free(f->node[l]);
}

static struct digest byte_leaf(uint64_t i)
{
	uint8_t b = (uint8_t)i;

	return tree_leaf(&b, 1);
}

static struct digest entry_leaf(uint64_t i)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "entry-%" PRIu64, i);

	return tree_leaf(text, (size_t)len);
}

static size_t assert_proof(const struct tree_proof *p, const struct json *want)
{
	assert_int_equal(p->count, json_count(want));
	for (size_t i = 0; i < p->count; i++)
		assert_digest_hex(
			&p->hash[i], json_string(json_at(want, i), NULL));
	return 1;
}

/* The eight leaves of the certificate transparency code. */
static struct digest ct_leaf[8];

static struct digest get_ct_leaf(uint64_t i)
{
	return ct_leaf[i];
}

static size_t load_ct_leaves(const struct json *ct)
{
	const struct json *leaves = json_get(ct, "leaves");
	const struct json *hashes = json_get(ct, "leaf_hashes");
	size_t i = 0;

	for (; i < json_count(leaves) && i < 8; i++) {
		size_t len;
		const char *hex = json_string(json_at(leaves, i), &len);
		uint8_t data[16];

		assert_true(hex_decode(hex, len, data, len / 2));
		ct_leaf[i] = tree_leaf(data, len / 2);
		assert_digest_hex(
			&ct_leaf[i], json_string(json_at(hashes, i), NULL));
	}
	return i;
}

static void ct_vectors_hold(void **state)
{
	struct json *v = vectors_load();
	const struct json *ct = json_get(v, "ct"), *list, *item;
	size_t leaves, roots = 0, inclusions = 0, consistencies = 0;
	struct tree_edge edge = {0};
	struct digest r, old;
	struct tree_proof p;
	struct forest f;

	(void)state;
	leaves = load_ct_leaves(ct);
	forest_init(&f, 8, get_ct_leaf);
	list = json_get(ct, "roots_of_sizes_0_to_8");
	for (; roots < json_count(list); roots++) {
		const char *want = json_string(json_at(list, roots), NULL);

		r = tree_root(&edge);
		assert_digest_hex(&r, want);
		assert_ok(tree_root_at(roots, read_node, &f, &r, err));
		assert_digest_hex(&r, want);
		if (roots < 8)
			tree_append(&edge, &ct_leaf[roots]);
	}
	list = json_get(ct, "inclusion");
	for (; inclusions < json_count(list); inclusions++) {
		item = json_at(list, inclusions);
		uint64_t index = vector_u64(item, "index");
		uint64_t size = vector_u64(item, "size");

		assert_ok(tree_prove_inclusion(
			index, size, read_node, &f, &p, err));
		assert_proof(&p, json_get(item, "proof"));
		r = naive_root(ct_leaf, size);
		assert_true(tree_check_inclusion(
			index, size, &ct_leaf[index], &p, &r));
	}
	list = json_get(ct, "consistency");
	for (; consistencies < json_count(list); consistencies++) {
		item = json_at(list, consistencies);
		uint64_t m = vector_u64(item, "old");
		uint64_t n = vector_u64(item, "new");

		assert_ok(tree_prove_subtree(0, m, n, read_node, &f, &p, err));
		assert_proof(&p, json_get(item, "proof"));
		r = naive_root(ct_leaf, n);
		old = naive_root(ct_leaf, m);
		assert_true(tree_check_subtree(0, m, n, &old, &p, &r));
	}
	assert_int_equal(leaves, 8);
	assert_int_equal(roots, 9);
	assert_int_equal(inclusions, 6);
	assert_int_equal(consistencies, 6);
	forest_fini(&f);
	json_free(v);
}

/* Members of `o` in the tree of entry-0, entry-1, ... */
static size_t check_roots(const struct json *o, struct forest *f)
{
	size_t count = json_count(o);

	for (size_t i = 0; i < count; i++) {
		struct tree_edge edge;
		const char *name;
		const char *want = json_string(json_member(o, i, &name), NULL);
		uint64_t size;
		struct digest r;

		assert_true(number_parse(name, strlen(name), 1 << 20, &size));
		assert_ok(tree_root_at(size, read_node, f, &r, err));
		assert_digest_hex(&r, want);
		assert_ok(tree_edge_at(size, read_node, f, &edge, err));
		r = tree_root(&edge);
		assert_digest_hex(&r, want);
	}
	return count;
}

/* The resources of C2SP tlog-tiles at size 1000, made from the forest. */
static size_t check_files(const struct json *o, struct forest *f)
{
	size_t count = json_count(o);

	for (size_t i = 0; i < count; i++) {
		const char *name;
		const struct json *want = json_member(o, i, &name);
		char path[TILE_PATH_SIZE];
		struct buf b = BUF_EMPTY;
		unsigned width;
		uint64_t index;
		struct digest d;
		int level;

		assert_true(tile_path_parse(
			name, strlen(name), &level, &index, &width));
		tile_path(level, index, width, path);
		assert_string_equal(path, name);
		for (uint64_t n = index * 256; n < index * 256 + width; n++) {
			if (level == TILE_ENTRIES_LEVEL) {
				buf_u16(&b,
					(uint16_t)snprintf(
						NULL, 0, "entry-%" PRIu64, n));
				buf_printf(&b, "entry-%" PRIu64, n);
			} else {
				buf_add(&b, f->node[8 * level][n].b, 32);
			}
		}
		assert_int_equal(b.len, vector_u64(want, "bytes"));
		d = digest_of(b.data, b.len);
		assert_digest_hex(&d, vector_string(want, "sha256"));
		buf_free(&b);
	}
	return count;
}

static void sequence_vectors_hold(void **state)
{
	struct json *v = vectors_load();
	struct tree_proof p;
	struct forest f;
	size_t proofs = 0;

	(void)state;
	forest_init(&f, 70000, entry_leaf);
	assert_int_equal(check_roots(json_get(v, "seq_roots"), &f), 13);
	assert_int_equal(check_files(json_get(v, "seq_1000_files"), &f), 7);

	assert_ok(tree_prove_inclusion(700, 1000, read_node, &f, &p, err));
	proofs += assert_proof(&p, json_get(v, "seq_inclusion_700_of_1000"));
	assert_ok(tree_prove_inclusion(999, 1000, read_node, &f, &p, err));
	proofs += assert_proof(&p, json_get(v, "seq_inclusion_999_of_1000"));
	assert_ok(tree_prove_subtree(0, 512, 1000, read_node, &f, &p, err));
	proofs += assert_proof(&p, json_get(v, "seq_consistency_512_to_1000"));
	assert_ok(tree_prove_subtree(0, 700, 1000, read_node, &f, &p, err));
	proofs += assert_proof(&p, json_get(v, "seq_consistency_700_to_1000"));
	assert_ok(tree_prove_subtree(0, 1000, 70000, read_node, &f, &p, err));
	proofs +=
		assert_proof(&p, json_get(v, "seq_consistency_1000_to_70000"));
	assert_int_equal(proofs, 5);
	forest_fini(&f);
	json_free(v);
}

/* The accumulated vectors of draft-ietf-plants-merkle-tree-certs, "Subtree
 * Test Vectors": one SHA-256 over a line for each hash or proof of the tree
 * whose leaf i is the byte i, up to this size. */
#define DRAFT_SIZE 130

static void add_line(
	struct sha256 *h, const char *head, const struct tree_proof *p)
{
	char hex[DIGEST_HEX_SIZE];

	sha256_update(h, head, strlen(head));
	for (unsigned i = 0; i < p->count; i++) {
		digest_hex(&p->hash[i], hex);
		sha256_update(h, " ", 1);
		sha256_update(h, hex, strlen(hex));
	}
	sha256_update(h, "\n", 1);
}

static void draft_subtree_hashes_accumulate(void **state)
{
	struct tree_proof one = {.count = 1};
	struct digest total;
	struct sha256 h;
	struct forest f;
	size_t ran = 0;
	char head[64];

	(void)state;
	forest_init(&f, DRAFT_SIZE, byte_leaf);
	sha256_init(&h);
	for (uint64_t end = 0; end <= DRAFT_SIZE; end++) {
		for (uint64_t start = 0; start <= end; start++) {
			if (!tree_subtree_valid(start, end))
				continue;
			f.first = start;
			assert_ok(tree_root_at(
				end - start, read_node, &f, &one.hash[0], err));
			snprintf(head, sizeof(head),
				"[%" PRIu64 ", %" PRIu64 ")", start, end);
			add_line(&h, head, &one);
			ran++;
		}
	}
	total = sha256_final(&h);
	assert_digest_hex(&total,
		"b82806ad4265bb151c1119c0f4db437b"
		"b4d1a1f887b3a7fba1cd4ebf552e3e81");
	assert_int_equal(ran, 712);
	forest_fini(&f);
}

/* A proof must fail with any hash of it one bit off, one hash short and one
 * hash longer.  Returns how many it tried. */
typedef bool proof_check(const struct tree_proof *p, void *arg);

static size_t assert_fragile(
	struct tree_proof *p, proof_check *check, void *arg)
{
	static unsigned bit;
	size_t ran = 0;

	assert_true(check(p, arg));
	for (unsigned i = 0; i < p->count; i++, ran++) {
		bit = (bit + 7) % 256; /* another one each time */
		p->hash[i].b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(check(p, arg));
		p->hash[i].b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	if (p->count) {
		p->count--;
		assert_false(check(p, arg));
		p->count++;
	}
	p->hash[p->count++] = tree_empty();
	assert_false(check(p, arg));
	p->count--;
	return ran;
}

struct claim {
	uint64_t index, start, end, size;
	struct digest hash, root;
};

static bool check_inclusion(const struct tree_proof *p, void *arg)
{
	const struct claim *c = arg;

	return tree_check_inclusion(c->index, c->size, &c->hash, p, &c->root);
}

static bool check_subtree(const struct tree_proof *p, void *arg)
{
	const struct claim *c = arg;

	return tree_check_subtree(
		c->start, c->end, c->size, &c->hash, p, &c->root);
}

static void draft_inclusion_proofs_accumulate_and_break(void **state)
{
	size_t ran = 0, broken = 0;
	struct tree_proof p;
	struct digest total;
	struct sha256 h;
	struct forest f;
	char head[64];

	(void)state;
	forest_init(&f, DRAFT_SIZE, byte_leaf);
	sha256_init(&h);
	for (uint64_t end = 0; end <= DRAFT_SIZE; end++) {
		for (uint64_t start = 0; start < end; start++) {
			struct claim c = {.size = end - start};

			if (!tree_subtree_valid(start, end))
				continue;
			f.first = start;
			c.root = naive_root(&f.node[0][start], c.size);
			for (c.index = 0; c.index < c.size; c.index++) {
				assert_ok(tree_prove_inclusion(c.index, c.size,
					read_node, &f, &p, err));
				snprintf(head, sizeof(head),
					"%" PRIu64 " [%" PRIu64 ", %" PRIu64
					")",
					start + c.index, start, end);
				add_line(&h, head, &p);
				c.hash = f.node[0][start + c.index];
				broken +=
					assert_fragile(&p, check_inclusion, &c);
				ran++;
			}
		}
	}
	total = sha256_final(&h);
	assert_digest_hex(&total,
		"ac2a8f989e44d99e399db448050ff5f1"
		"9757df53cfb716aa81015d3955d8163f");
	assert_int_equal(ran, 12807);
	assert_true(broken > 60000);
	forest_fini(&f);
}

static void draft_subtree_proofs_accumulate_and_break(void **state)
{
	size_t ran = 0, broken = 0;
	struct tree_proof p;
	struct digest total;
	struct sha256 h;
	struct forest f;
	struct claim c;
	char head[64];

	(void)state;
	forest_init(&f, DRAFT_SIZE, byte_leaf);
	sha256_init(&h);
	for (c.size = 0; c.size <= DRAFT_SIZE; c.size++) {
		f.limit = c.size;
		c.root = naive_root(f.node[0], c.size);
		for (c.end = 0; c.end <= c.size; c.end++) {
			for (c.start = 0; c.start <= c.end; c.start++) {
				if (!tree_subtree_valid(c.start, c.end))
					continue;
				assert_ok(tree_prove_subtree(c.start, c.end,
					c.size, read_node, &f, &p, err));
				snprintf(head, sizeof(head),
					"[%" PRIu64 ", %" PRIu64 ") %" PRIu64,
					c.start, c.end, c.size);
				add_line(&h, head, &p);
				c.hash = naive_root(
					&f.node[0][c.start], c.end - c.start);
				broken += assert_fragile(&p, check_subtree, &c);
				ran++;
			}
		}
	}
	total = sha256_final(&h);
	assert_digest_hex(&total,
		"10fa99b37bf9bf9ffa26b412fbd98bd7"
		"5363256d0b75d61bc4538b9c9c5a0a74");
	assert_int_equal(ran, 42893);
	assert_true(broken > 200000);
	forest_fini(&f);
}

static void a_proof_holds_for_one_claim_only(void **state)
{
	struct tree_proof p;
	struct digest root;
	struct forest f;
	size_t ran = 0;

	(void)state;
	forest_init(&f, 64, byte_leaf);
	for (uint64_t size = 1; size <= 64; size++) {
		root = naive_root(f.node[0], size);
		for (uint64_t i = 0; i < size; i++, ran++) {
			assert_ok(tree_prove_inclusion(
				i, size, read_node, &f, &p, err));
			assert_false(tree_check_inclusion(
				i, size, &f.node[0][i ^ 1], &p, &root));
			assert_false(tree_check_inclusion(
				size, size, &f.node[0][i], &p, &root));
			assert_false(tree_check_inclusion(
				i, 0, &f.node[0][i], &p, &root));
		}
	}
	assert_int_equal(ran, 64 * 65 / 2);
	forest_fini(&f);
}

static void subtrees_join_as_their_leaves_do(void **state)
{
	struct tree_edge one = {0}, many = {0};
	struct digest a, b;
	struct forest f;

	(void)state;
	forest_init(&f, 1024, entry_leaf);
	for (uint64_t i = 0; i < 1000; i++)
		tree_append(&one, &f.node[0][i]);
	for (uint64_t i = 0; i < 3; i++)
		tree_append_subtree(&many, 8, &f.node[8][i]);
	for (uint64_t i = 768; i < 1000; i += 8)
		tree_append_subtree(&many, 3, &f.node[3][i / 8]);
	a = tree_root(&one);
	b = tree_root(&many);
	assert_int_equal(many.size, 1000);
	assert_true(digest_equal(&a, &b));
	assert_int_equal(tree_edge_count(1000), 6);
	forest_fini(&f);
}

static void makers_refuse_what_is_not_in_the_tree(void **state)
{
	struct tree_proof p = {.count = 9};
	struct tree_edge edge = {.size = 9};
	struct forest f;
	struct digest d;
	struct err err;

	(void)state;
	forest_init(&f, 16, byte_leaf);
	assert_int_equal(
		tree_prove_inclusion(5, 5, read_node, &f, &p, &err), ERR_USAGE);
	assert_int_equal(tree_prove_subtree(2, 6, 8, read_node, &f, &p, &err),
		ERR_USAGE);
	assert_int_equal(tree_prove_subtree(0, 9, 8, read_node, &f, &p, &err),
		ERR_USAGE);
	assert_int_equal(tree_prove_subtree(4, 2, 8, read_node, &f, &p, &err),
		ERR_USAGE);
	assert_int_equal(
		tree_root_at(TREE_SIZE_LIMIT + 1, read_node, &f, &d, &err),
		ERR_LIMIT);
	assert_int_equal(
		tree_prove_inclusion(1, 8, read_failure, NULL, &p, &err),
		ERR_IO);
	assert_string_equal(err.text, "no disk");
	assert_int_equal(
		tree_edge_at(8, read_failure, NULL, &edge, &err), ERR_IO);
	assert_int_equal(p.count, 9);
	assert_int_equal(edge.size, 9);
	forest_fini(&f);
}

static void checks_survive_sizes_near_the_end_of_64_bits(void **state)
{
	struct tree_proof p = {.count = TREE_PROOF_LIMIT};
	struct digest d = tree_empty();

	(void)state;
	assert_true(tree_subtree_valid(0, UINT64_MAX));
	assert_false(tree_subtree_valid(1, UINT64_MAX));
	assert_false(tree_subtree_valid((uint64_t)1 << 62, UINT64_MAX));
	assert_true(tree_subtree_valid((uint64_t)1 << 63, UINT64_MAX));
	assert_false(
		tree_check_inclusion(UINT64_MAX - 1, UINT64_MAX, &d, &p, &d));
	assert_false(tree_check_inclusion(0, UINT64_MAX, &d, &p, &d));
	assert_false(tree_check_subtree(0, 1, UINT64_MAX, &d, &p, &d));
	assert_false(tree_check_subtree(
		(uint64_t)1 << 63, UINT64_MAX, UINT64_MAX, &d, &p, &d));
	p.count = TREE_PROOF_LIMIT + 1;
	assert_false(tree_check_inclusion(0, UINT64_MAX, &d, &p, &d));
	assert_false(tree_check_subtree(0, 1, UINT64_MAX, &d, &p, &d));
}

static void proof_bytes_come_back(void **state)
{
	struct tree_proof p = {.count = 2}, q = {0};
	struct buf b = BUF_EMPTY;
	struct cursor c;

	(void)state;
	p.hash[0] = digest_of("a", 1);
	p.hash[1] = digest_of("b", 1);
	tree_proof_write(&p, &b);
	assert_int_equal(b.len, 65);
	c = cursor_over(b.data, b.len);
	assert_true(tree_proof_read(&c, &q));
	assert_true(cursor_done(&c));
	assert_int_equal(q.count, 2);
	assert_memory_equal(q.hash, p.hash, 64);

	c = cursor_over(b.data, b.len - 1);
	assert_false(tree_proof_read(&c, &q));
	b.data[0] = TREE_PROOF_LIMIT + 1;
	c = cursor_over(b.data, b.len);
	assert_false(tree_proof_read(&c, &q));
	c = cursor_over(b.data, 0);
	assert_false(tree_proof_read(&c, &q));
	buf_free(&b);
}

static void tile_paths_come_back(void **state)
{
	static const struct {
		const char *path;
		int level;
		uint64_t index;
		unsigned width;
	} cases[] = {
		{"tile/0/005", 0, 5, 256},
		{"tile/0/x001/x234/067", 0, 1234067, 256},
		{"tile/1/x001/000.p/17", 1, 1000, 17},
		{"tile/63/000.p/1", 63, 0, 1},
		{"tile/entries/x001/x234/067.p/255", TILE_ENTRIES_LEVEL,
			1234067, 255},
		{"tile/entries/999", TILE_ENTRIES_LEVEL, 999, 256},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		char path[TILE_PATH_SIZE];
		unsigned width;
		uint64_t index;
		int level;

		tile_path(cases[ran].level, cases[ran].index, cases[ran].width,
			path);
		assert_string_equal(path, cases[ran].path);
		assert_true(tile_path_parse(
			path, strlen(path), &level, &index, &width));
		assert_int_equal(level, cases[ran].level);
		assert_int_equal(index, cases[ran].index);
		assert_int_equal(width, cases[ran].width);
	}
	assert_int_equal(ran, 6);
}

static void other_spellings_of_tile_paths_are_refused(void **state)
{
	static const char *const bad[] = {"", "tile", "tile/0", "tile/0/",
		"tile/0/5", "tile/0/05", "tile/0/0005", "tile/00/005",
		"tile/64/005", "tile/-1/005", "tile/0/x000/005", "tile/0/x001",
		"tile/0/x001/", "tile/0/001/005", "tile/0/x1/005",
		"tile/0/005/", "tile/0/005.p", "tile/0/005.p/",
		"tile/0/005.p/0", "tile/0/005.p/256", "tile/0/005.p/01",
		"tile/0/005.p/1/", "tile/entries", "tile/entries/5",
		"/tile/0/005", "tile/0/../005", "tile/0/005 ", "tile/0/0x5",
		"tile/0/x999/x999/x999/x999/x999/x999/999",
		"tile/0/x001/x000/x000/x000/x000/x000/x000/x000/x000/000"};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		unsigned width;
		uint64_t index;
		int level;

		if (tile_path_parse(
			    bad[ran], strlen(bad[ran]), &level, &index, &width))
			fail_msg("%s was taken", bad[ran]);
	}
	assert_int_equal(ran, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ct_vectors_hold),
		cmocka_unit_test(sequence_vectors_hold),
		cmocka_unit_test(draft_subtree_hashes_accumulate),
		cmocka_unit_test(draft_inclusion_proofs_accumulate_and_break),
		cmocka_unit_test(draft_subtree_proofs_accumulate_and_break),
		cmocka_unit_test(a_proof_holds_for_one_claim_only),
		cmocka_unit_test(subtrees_join_as_their_leaves_do),
		cmocka_unit_test(makers_refuse_what_is_not_in_the_tree),
		cmocka_unit_test(checks_survive_sizes_near_the_end_of_64_bits),
		cmocka_unit_test(proof_bytes_come_back),
		cmocka_unit_test(tile_paths_come_back),
		cmocka_unit_test(other_spellings_of_tile_paths_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
