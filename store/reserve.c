/* reserve.c - room that is kept for what must work on a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/inside.h"

#define RESERVE_SHARE 16 /* of the disk, at most */
#define RESERVE_STEP ((uint64_t)64 << 10)

/* How much there shall be here, and how much is free beside it. */
static bool measure(const struct store *s, uint64_t *wanted, uint64_t *room)
{
	struct statvfs st;
	uint64_t all;

	if (s->reserve < 0 || fstatvfs(s->reserve, &st) != 0)
		return false;
	all = (uint64_t)st.f_blocks * st.f_frsize / RESERVE_SHARE;
	*wanted = all < STORE_RESERVE ? all : STORE_RESERVE;
	*wanted -= *wanted % RESERVE_STEP;
	*room = (uint64_t)st.f_bavail * st.f_frsize;
	return true;
}

/* Without the file all works but on a full disk. */
void reserve_open(struct store *s)
{
	char *path = file_join(s->data, "reserve");

	if (path)
		s->reserve = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
}

static void release(struct store *s, enum reserve_when when)
{
	uint64_t wanted, room;

	if (!measure(s, &wanted, &room) ||
		(when == RESERVE_IF_SCARCE && room >= wanted))
		return;
	/* What cannot be released is only missed. */
	if (ftruncate(s->reserve, 0) == 0)
		s->reserved = false;
}

/* A file system that cannot set room aside is no reason to stop. */
static enum err_code take(struct store *s, struct err *err)
{
	uint64_t wanted, room;
	int code;

	if (s->reserved || !measure(s, &wanted, &room))
		return ERR_OK;
	code = wanted ? posix_fallocate(s->reserve, 0, (off_t)wanted) : 0;
	s->reserved = !code;
	if (code != ENOSPC && code != EDQUOT)
		return ERR_OK;
	/* Half of it would be in the way of those whom it is for. */
	(void)!ftruncate(s->reserve, 0);
	return err_set(err, ERR_FULL,
		"the disk is full: the last %llu of %llu bytes are kept for "
		"erasing and an orderly end",
		(unsigned long long)room, (unsigned long long)wanted);
}

void reserve_release(struct store *s, enum reserve_when when)
{
	pthread_mutex_lock(&s->reserve_lock);
	release(s, when);
	pthread_mutex_unlock(&s->reserve_lock);
}

enum err_code reserve_take(struct store *s, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&s->reserve_lock);
	rc = take(s, err);
	pthread_mutex_unlock(&s->reserve_lock);
	return rc;
}

void reserve_close(struct store *s)
{
	if (s->reserve >= 0)
		close(s->reserve);
	s->reserve = -1;
}
