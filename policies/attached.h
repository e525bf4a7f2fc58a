/* attached.h - the attachments of a document: its reserved field, and their
 * files on the way into the store.  Internal to policies/. */
#pragma once

#include "policies/capture.h"

#define ATTACHMENT_NAME_LIMIT 255
#define ATTACHMENT_TYPE_LIMIT 127

struct attached {
	struct digest plain;
	uint64_t size;
	char *name, *media_type;
	struct digest object; /* once stored */
	uint8_t salt[ATTACHMENT_SALT_SIZE];
	bool stored;
};
struct attached_list {
	size_t count;
	struct attached item[DOCUMENT_ATTACHMENTS_LIMIT];
};
/* Frees the list; files that were stored stay. */
void attached_free(struct attached_list *list);

/* The member `attachments` of a document.  ERR_INVALID with path and reason. */
enum err_code attached_read(
	const struct json *v, struct attached_list **out, struct err *err);
/* Finds and stores the files one by one, SHA-256 and size checked on the way.
 * On failure those that were stored are gone again. */
enum err_code attached_store(struct attached_list *list,
	const struct capture_source *src, struct err *err);
/* Removes stored files that no record came to refer to. */
void attached_remove(struct attached_list *list, struct node *n);
/* The reserved field's canonical text; salt and object only where stored. */
void attached_write(const struct attached_list *list, struct buf *out);
/* How many a part lists. */
size_t attached_count(const struct part *part);
