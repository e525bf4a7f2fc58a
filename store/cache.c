/* cache.c - decoded blocks, the last used ones. */
#include "store/cache.h"

#include <pthread.h>
#include <stdlib.h>

struct slot {
	struct place at; /* of the block: to look for it touches no block */
	uint64_t used;
	struct block *block;
};

struct cache {
	pthread_mutex_t lock;
	uint64_t clock;
	size_t bytes;
	struct slot slots[CACHE_BLOCKS];
};

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
	while (b->texts) {
		struct texts *below = b->texts->below;

		buf_free(&b->texts->buf);
		free(b->texts);
		b->texts = below;
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

struct cache *cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c && pthread_mutex_init(&c->lock, NULL)) {
		free(c);
		return NULL;
	}
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

struct block *cache_get(struct cache *c, struct place at)
{
	struct block *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CACHE_BLOCKS && !found; i++) {
		struct slot *s = &c->slots[i];

		if (s->block && place_equal(s->at, at)) {
			found = block_pin(s->block);
			s->used = ++c->clock;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

static void evict(struct cache *c, struct slot *s)
{
	c->bytes -= s->block->bytes;
	block_unpin(s->block);
	s->block = NULL;
	s->used = 0;
}

/* Free slots count as never used. */
static struct slot *oldest(struct cache *c, bool taken)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < CACHE_BLOCKS; i++) {
		struct slot *s = &c->slots[i];

		if ((s->block || !taken) && (!best || s->used < best->used))
			best = s;
	}
	return best;
}

void cache_put(struct cache *c, struct block *b)
{
	struct slot *s;

	if (b->bytes > CACHE_BYTES / 4)
		return;
	pthread_mutex_lock(&c->lock);
	while (c->bytes + b->bytes > CACHE_BYTES &&
		(s = oldest(c, true)) != NULL)
		evict(c, s);
	s = oldest(c, false);
	if (s->block)
		evict(c, s);
	s->block = block_pin(b);
	s->at = b->at;
	s->used = ++c->clock;
	c->bytes += b->bytes;
	pthread_mutex_unlock(&c->lock);
}

void cache_drop(struct cache *c, const struct block *b)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CACHE_BLOCKS; i++)
		if (c->slots[i].block == b)
			evict(c, &c->slots[i]);
	pthread_mutex_unlock(&c->lock);
}

void cache_clear(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CACHE_BLOCKS; i++)
		if (c->slots[i].block)
			evict(c, &c->slots[i]);
	pthread_mutex_unlock(&c->lock);
}
