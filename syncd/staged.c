/* staged.c - attachment bytes that a following put refers to, in memory. */
#include "syncd/staged.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct file {
	struct digest name;
	int fd;
	uint64_t size;
	uint64_t until_ms;
	bool used;
};

struct staged {
	pthread_mutex_t lock; /* of all below */
	struct file file[STAGED_FILES_LIMIT];
	size_t count;
	uint64_t bytes;
	unsigned holders;
};

struct staged *staged_new(void)
{
	struct staged *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void drop(struct staged *s, size_t i)
{
	close(s->file[i].fd);
	s->bytes -= s->file[i].size;
	s->file[i] = s->file[--s->count];
}

void staged_free(struct staged *s)
{
	if (!s)
		return;
	while (s->count > 0)
		drop(s, 0);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct file *find(struct staged *s, const struct digest *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (digest_equal(&s->file[i].name, name))
			return &s->file[i];
	}
	return NULL;
}

static void expire(struct staged *s)
{
	uint64_t now = time_mono_ms();

	if (s->holders > 0)
		return;
	for (size_t i = s->count; i-- > 0;) {
		if (now >= s->file[i].until_ms)
			drop(s, i);
	}
}

/* Used ones are kept only in case another record refers to them too. */
static void make_room(struct staged *s, uint64_t len)
{
	expire(s);
	for (size_t i = s->count; s->holders == 0 && i-- > 0;) {
		if (s->bytes + len <= STAGED_TOTAL_LIMIT &&
			s->count < STAGED_FILES_LIMIT)
			return;
		if (s->file[i].used)
			drop(s, i);
	}
}

static enum err_code write_file(
	const void *data, size_t len, int *out, struct err *err)
{
	int fd = memfd_create("cundang-attachment", MFD_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, "memfd");
	if ((rc = file_write_at(fd, 0, data, len, err))) {
		close(fd);
		return rc;
	}
	*out = fd;
	return ERR_OK;
}

static enum err_code add(struct staged *s, const struct digest *name,
	const void *data, size_t len, struct err *err)
{
	struct file *f = find(s, name);
	int fd;
	enum err_code rc;

	if (f) {
		f->until_ms = time_mono_ms() + STAGED_UNUSED_MS;
		f->used = false;
		return ERR_OK;
	}
	make_room(s, len);
	if (s->bytes + len > STAGED_TOTAL_LIMIT ||
		s->count == STAGED_FILES_LIMIT)
		return err_set(err, ERR_BUSY,
			"%zu attachments of %" PRIu64 " bytes wait already, "
			"limits %d and %" PRIu64,
			s->count, s->bytes, STAGED_FILES_LIMIT,
			STAGED_TOTAL_LIMIT);
	if ((rc = write_file(data, len, &fd, err)))
		return rc;
	s->file[s->count++] = (struct file){
		.name = *name,
		.fd = fd,
		.size = len,
		.until_ms = time_mono_ms() + STAGED_UNUSED_MS,
	};
	s->bytes += len;
	return ERR_OK;
}

enum err_code staged_add(struct staged *s, const struct digest *name,
	const void *data, size_t len, struct err *err)
{
	struct digest is = digest_of(data, len);
	enum err_code rc;

	if (len > STAGED_FILE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"attachment of %zu bytes, limit %" PRIu64, len,
			STAGED_FILE_LIMIT);
	if (!digest_equal(&is, name))
		return err_set(err, ERR_USAGE,
			"the bytes do not have the SHA-256 of the path");
	pthread_mutex_lock(&s->lock);
	rc = add(s, name, data, len, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

enum err_code staged_find(
	void *staged, const struct digest *plain, char **path, struct err *err)
{
	struct staged *s = staged;
	char text[32];
	char *copy = NULL;
	struct file *f;

	pthread_mutex_lock(&s->lock);
	f = find(s, plain);
	if (f) {
		f->used = true;
		f->until_ms = time_mono_ms() + STAGED_USED_MS;
		snprintf(text, sizeof(text), "/proc/self/fd/%d", f->fd);
		copy = strdup(text);
	}
	pthread_mutex_unlock(&s->lock);
	if (!f)
		return err_set(err, ERR_NOT_FOUND,
			"the attachment's file was not sent");
	if (!copy)
		return err_nomem(err);
	*path = copy;
	return ERR_OK;
}

void staged_hold(struct staged *s)
{
	pthread_mutex_lock(&s->lock);
	s->holders++;
	pthread_mutex_unlock(&s->lock);
}

void staged_release(struct staged *s)
{
	pthread_mutex_lock(&s->lock);
	s->holders--;
	pthread_mutex_unlock(&s->lock);
}

void staged_expire(struct staged *s)
{
	pthread_mutex_lock(&s->lock);
	expire(s);
	pthread_mutex_unlock(&s->lock);
}

uint64_t staged_bytes(struct staged *s)
{
	uint64_t bytes;

	pthread_mutex_lock(&s->lock);
	bytes = s->bytes;
	pthread_mutex_unlock(&s->lock);
	return bytes;
}
