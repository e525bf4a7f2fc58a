/* segment.h - segment files: the truth and the write-ahead log.  Internal to
 * store/. */
#pragma once

#include "store/extent.h"

/* When the next one begins: at so many bytes or groups. */
#define SEGMENT_SIZE ((uint64_t)64 << 20)
#define SEGMENT_GROUPS 4096

struct segments;

/* The segments in DATA/segments, of which files may be missing.  A writer
 * removes the file of one that a crash left without its head; SEGMENTS_CREATE
 * also makes the folder.  `known` is what DATA/extent tells, or NULL. */
enum segments_mode { SEGMENTS_READ, SEGMENTS_WRITE, SEGMENTS_CREATE };
enum err_code segments_open(const char *data, enum segments_mode mode,
	const struct extent *known, struct segments **out, struct err *err);
void segments_close(struct segments *g);
/* A reader looks how many there are by now; a writer knows. */
enum err_code segments_recount(struct segments *g, struct err *err);
uint32_t segments_count(const struct segments *g); /* the newest number */
/* The id of the file that the segment is now. */
uint32_t segment_now(struct segments *g, uint32_t number);
/* Segments up to `number` were there: no new one is called so. */
void segments_raise(struct segments *g, uint32_t number);
const uint8_t *segments_store_id(const struct segments *g);
char *segment_path(const struct segments *g, uint32_t id); /* heap */

/* ERR_CORRUPT when the segment has no head of this store. */
enum err_code segment_check_head(
	struct segments *g, uint32_t id, struct err *err);
/* A fault, where there is one, with the place in front of its text. */
enum err_code segment_while(struct err *err, enum err_code rc, struct place at);
/* The item's head at a place. */
enum err_code segment_head_at(
	struct segments *g, struct place at, struct item *out, struct err *err);
/* The item and its payload (checked by CRC).  ERR_ERASED when the payload was
 * punched out. */
enum err_code segment_item(struct segments *g, struct place at,
	struct item *head, struct buf *payload, struct err *err);

/* Each item from `from` to `to` (0: as far as the items go); stops where none
 * is.  *end is behind the last item. */
typedef enum err_code item_visit(
	void *arg, struct place at, const struct item *it, struct err *err);
enum err_code segment_each(struct segments *g, uint32_t id, uint64_t from,
	uint64_t to, item_visit *visit, void *arg, uint64_t *end,
	struct err *err);
/* Each item from `from` to `to`, also behind damage; `gap` (may be NULL) is
 * told of the bytes where none is, and of those that the file no longer has. */
typedef enum err_code gap_visit(
	void *arg, struct place at, uint64_t len, struct err *err);
enum err_code segment_walk(struct segments *g, uint32_t id, uint64_t from,
	uint64_t to, item_visit *visit, gap_visit *gap, void *arg,
	struct err *err);
/* As segment_each() over all groups of a segment, up to `end` where they are
 * known to end; ERR_CORRUPT where an item on the way cannot be read. */
enum err_code segment_all(struct segments *g, uint32_t id, uint64_t end,
	item_visit *visit, void *arg, struct err *err);
/* Size of the file. */
enum err_code segment_size(
	struct segments *g, uint32_t id, uint64_t *size, struct err *err);
/* Where its groups end, as the next segment tells, or its own head when it is
 * packed; ERR_NOT_FOUND for the newest. */
enum err_code segment_end(
	struct segments *g, uint32_t id, uint64_t *end, struct err *err);
/* Does anything but zeros stand behind `end`, up to the file's size? */
enum err_code segment_torn(struct segments *g, uint32_t id, uint64_t end,
	uint64_t *size, bool *torn, struct err *err);
/* How many commit items stand anywhere from `from` on. */
enum err_code segment_commits_behind(struct segments *g, uint32_t id,
	uint64_t from, size_t *count, struct err *err);

/* Makes the next segment durably; prev_end is where the newest one ends. */
enum err_code segment_create(
	struct segments *g, uint64_t prev_end, struct err *err);
/* Writes `group` at `offset` of the newest segment, and has the disk begin with
 * it; segment_settle() makes it durable.  Where the file grows by it, `room`
 * zeros come along, at most SEGMENT_ROOM.  On failure of either the file is cut
 * back to `offset`; *torn is set when bytes may stand behind it: the next group
 * goes into a new segment; *broken when they may come to life before that:
 * nothing may be written before the store was opened anew. */
#define SEGMENT_ROOM ((size_t)64 << 10)
enum err_code segment_append(struct segments *g, uint64_t offset,
	const struct buf *group, size_t room, bool *torn, struct err *err);
enum err_code segment_settle(struct segments *g, uint64_t offset, bool *torn,
	bool *broken, struct err *err);
/* Takes back what segment_append() wrote. */
enum err_code segment_cut(struct segments *g, uint64_t offset, struct err *err);
/* Overwrites the payload of the item with nothing; sync by
 * segment_sync(). */
enum err_code segment_punch(
	struct segments *g, struct place at, struct err *err);
/* Gives the room of a payload that was overwritten, and synced, back to the
 * file system, where that can be done. */
void segment_give_back(struct segments *g, struct place at);
/* Overwrites what a crash left behind the groups, and cuts it off. */
enum err_code segment_cut_tail(
	struct segments *g, uint32_t id, uint64_t end, struct err *err);
enum err_code segment_sync(
	struct segments *g, uint32_t number, struct err *err);

/* ---- packing: another file takes a segment's place ---- */

/* While one is kept as it is, none is packed: *fd is closed at the end.
 * ERR_BUSY, only for SEGMENTS_REPLACED. */
enum segments_claim { SEGMENTS_KEPT, SEGMENTS_REPLACED };
enum err_code segments_hold(struct segments *g, enum segments_claim claim,
	int *fd, struct err *err);
/* The file that is to be `id`, under another name.  Its head is written last,
 * and says where its groups end; then it is durable. */
enum err_code segment_make_aside(
	struct segments *g, uint32_t id, int *fd, struct err *err);
enum err_code segment_close_aside(
	struct segments *g, int fd, uint32_t id, uint32_t end, struct err *err);
void segment_drop_aside(struct segments *g, uint32_t id);
/* Durably gives it its name: from now on it is the segment.  On failure
 * *unknown is set when it has the name, and may not after a power cut: nothing
 * may be written before the store was opened anew. */
enum err_code segment_replace(
	struct segments *g, uint32_t id, bool *unknown, struct err *err);
/* Removes the files of before.  What an erasure is to destroy is overwritten
 * too. */
enum segments_removal { SEGMENTS_UNLINK, SEGMENTS_OVERWRITE };
enum err_code segments_remove_old(
	struct segments *g, enum segments_removal how, struct err *err);
