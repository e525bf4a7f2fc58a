/* cache.c - decompressed blocks, the last used ones. */
#include "store/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOT_BITS 12

/* Blocks stand in the slot of their place, and in the order of their use. */
struct cache {
	pthread_mutex_t lock;
	size_t room;
	uint64_t clock;
	uint64_t tidied; /* the clock, then */
	size_t bytes;
	struct block *newest, *oldest;
	struct block *slots[1 << SLOT_BITS];
};

struct made_entries *made_entries_new(size_t count)
{
	struct made_entries *m = NULL;

	return calloc(1, sizeof(*m) + count * sizeof(m->entries[0]));
}

void made_entries_free(struct made_entries *m)
{
	if (!m)
		return;
	buf_free(&m->texts);
	free(m);
}

struct block *block_new(enum block_kind kind, struct place at)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b) {
		b->kind = kind;
		b->at = at;
		b->pins = 1;
		pthread_mutex_init(&b->lock, NULL);
	}
	return b;
}

void block_unpin(struct block *b)
{
	if (!b || __atomic_sub_fetch(&b->pins, 1, __ATOMIC_ACQ_REL))
		return;
	/* Parts are personal. */
	buf_wipe(&b->plain);
	while (b->made) {
		struct made_entries *below = b->made->below;

		made_entries_free(b->made);
		b->made = below;
	}
	pthread_mutex_destroy(&b->lock);
	free(b->stubs);
	free(b->entries);
	free(b->parts);
	directory_free(&b->directory);
	free(b);
}

struct block *block_pin(struct block *b)
{
	__atomic_add_fetch(&b->pins, 1, __ATOMIC_RELAXED);
	return b;
}

size_t cache_room(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	size_t room = 0;

	if (pages > 0 && page > 0)
		room = (size_t)pages / CACHE_SHARE * (size_t)page;
	if (room < CACHE_LEAST)
		return CACHE_LEAST;
	return room < CACHE_MOST ? room : CACHE_MOST;
}

struct cache *cache_new(size_t room)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c && pthread_mutex_init(&c->lock, NULL)) {
		free(c);
		return NULL;
	}
	if (c)
		c->room = room;
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	cache_clear(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct block **slot_of(struct cache *c, struct place at)
{
	uint64_t v = (uint64_t)at.segment << 40 ^ at.offset;

	return &c->slots[(v * UINT64_C(0x9e3779b97f4a7c15)) >>
		(64 - SLOT_BITS)];
}

/* Where the block is linked from, or would be. */
static struct block **find(struct cache *c, struct place at)
{
	struct block **b = slot_of(c, at);

	while (*b && !place_equal((*b)->at, at))
		b = &(*b)->next;
	return b;
}

static void link_newest(struct cache *c, struct block *b)
{
	b->used = ++c->clock;
	b->newer = NULL;
	b->older = c->newest;
	if (c->newest)
		c->newest->newer = b;
	else
		c->oldest = b;
	c->newest = b;
}

static void unlink_used(struct cache *c, struct block *b)
{
	*(b->newer ? &b->newer->older : &c->newest) = b->older;
	*(b->older ? &b->older->newer : &c->oldest) = b->newer;
}

static void evict(struct cache *c, struct block *b)
{
	*find(c, b->at) = b->next;
	unlink_used(c, b);
	c->bytes -= b->bytes;
	b->cached = false;
	block_unpin(b);
}

static void evict_beyond(struct cache *c, size_t limit)
{
	while (c->bytes > limit)
		evict(c, c->oldest);
}

struct block *cache_get(struct cache *c, struct place at)
{
	struct block *b;

	pthread_mutex_lock(&c->lock);
	if ((b = *find(c, at))) {
		unlink_used(c, b);
		link_newest(c, block_pin(b));
	}
	pthread_mutex_unlock(&c->lock);
	return b;
}

void cache_put(struct cache *c, struct block *b)
{
	struct block **at;

	pthread_mutex_lock(&c->lock);
	if (b->bytes <= c->room / 4) {
		/* Another thread may have read the same. */
		if (*(at = find(c, b->at)))
			evict(c, *at);
		evict_beyond(c, c->room - b->bytes);
		at = slot_of(c, b->at);
		b->next = *at;
		*at = block_pin(b);
		link_newest(c, b);
		c->bytes += b->bytes;
		b->cached = true;
	}
	pthread_mutex_unlock(&c->lock);
}

void cache_grew(struct cache *c, struct block *b, size_t bytes)
{
	pthread_mutex_lock(&c->lock);
	b->bytes += bytes;
	if (b->cached) {
		c->bytes += bytes;
		evict_beyond(c, c->room);
	}
	pthread_mutex_unlock(&c->lock);
}

void cache_drop(struct cache *c, struct block *b)
{
	pthread_mutex_lock(&c->lock);
	if (b->cached)
		evict(c, b);
	pthread_mutex_unlock(&c->lock);
}

void cache_clear(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	evict_beyond(c, 0);
	pthread_mutex_unlock(&c->lock);
}

void cache_tidy(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->oldest && c->oldest->used <= c->tidied)
		evict(c, c->oldest);
	c->tidied = c->clock;
	pthread_mutex_unlock(&c->lock);
}
