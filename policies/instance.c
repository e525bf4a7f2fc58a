/* instance.c - a marker that a copy of the data directory cannot carry. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/epoch.h"

#define MARKER "instance"
#define MARKER_NEW "instance.new"
#define MARKER_SIZE 512
#define MACHINE_FILE "/etc/machine-id"
#define MACHINE_SIZE 65

/* "-" where the system has none. */
static void machine_id(char out[MACHINE_SIZE])
{
	struct buf text = BUF_EMPTY;
	size_t len = 0;

	if (file_read(MACHINE_FILE, 4096, &text, NULL) == ERR_OK)
		while (len < text.len && len < MACHINE_SIZE - 1 &&
			text.data[len] > ' ' && text.data[len] < 0x7f)
			len++;
	if (len)
		memcpy(out, text.data, len);
	else
		out[len++] = '-';
	out[len] = '\0';
	buf_free(&text);
}

/* What the marker of this very file says.  The number of a device is not in
 * it: it can change from one start to the next.  A file system without times of
 * birth leaves the inode's number. */
static enum err_code marker_text(
	int fd, const char *path, char out[MARKER_SIZE], struct err *err)
{
	char machine[MACHINE_SIZE];
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st))
		return err_sys(err, "stat %s", path);
	if (!(st.stx_mask & STATX_BTIME))
		memset(&st.stx_btime, 0, sizeof(st.stx_btime));
	machine_id(machine);
	snprintf(out, MARKER_SIZE,
		"cundang instance 1\nmachine %s\nfile %" PRIu64 " %" PRId64
		".%09" PRIu32 "\n",
		machine, (uint64_t)st.stx_ino, (int64_t)st.stx_btime.tv_sec,
		(uint32_t)st.stx_btime.tv_nsec);
	return ERR_OK;
}

enum err_code instance_check(
	const char *data, enum instance *out, struct err *err)
{
	char *path = file_join(data, MARKER);
	char want[MARKER_SIZE], have[MARKER_SIZE];
	enum err_code rc = ERR_OK;
	ssize_t len;
	int fd;

	if (!path)
		return err_nomem(err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		*out = INSTANCE_NONE;
		goto out;
	}
	if (fd < 0) {
		rc = err_sys(err, "open %s", path);
		goto out;
	}
	if ((rc = marker_text(fd, path, want, err)))
		goto out;
	len = pread(fd, have, sizeof(have), 0);
	if (len < 0)
		rc = err_sys(err, "read %s", path);
	else
		*out = (size_t)len == strlen(want) &&
				!memcmp(have, want, (size_t)len)
			? INSTANCE_SAME
			: INSTANCE_OTHER;
out:
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

/* A rename keeps inode and birth, so the marker is whole before it has its
 * name. */
enum err_code instance_write(const char *data, struct err *err)
{
	char *path = file_join(data, MARKER),
	     *new = file_join(data, MARKER_NEW);
	char text[MARKER_SIZE];
	enum err_code rc;
	int fd = -1;

	if (!path || !new) {
		rc = err_nomem(err);
		goto out;
	}
	(void)unlink(new);
	fd = open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = err_sys(err, "make %s", new);
		goto out;
	}
	if ((rc = marker_text(fd, new, text, err)) ||
		(rc = file_write_at(fd, 0, text, strlen(text), err)) ||
		(rc = file_sync_data(fd, new, err)))
		goto out;
	crash_point("instance.made");
	if (rename(new, path)) {
		rc = err_sys(err, "rename %s", new);
		goto out;
	}
	rc = file_sync_dir(data, err);
out:
	if (fd >= 0)
		close(fd);
	free(path);
	free(new);
	return rc;
}
