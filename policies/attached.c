/* attached.c - the attachments of a document. */
#include "policies/attached.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/shape.h"

#define SALT_TEXT_SIZE BASE64URL_SIZE(ATTACHMENT_SALT_SIZE)

void attached_free(struct attached_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++) {
		free(list->item[i].name);
		free(list->item[i].media_type);
	}
	free(list);
}

/* Reading */

static enum err_code refuse(
	size_t i, const char *name, const char *reason, struct err *err)
{
	return err_set(err, ERR_INVALID, SHAPE_ATTACHMENTS "[%zu].%s: %s", i,
		name, err_reason(reason));
}

/* One line of text: file names go into packages and onto screens. */
static bool line_valid(const char *s, size_t len, size_t limit)
{
	const struct field f = {.type = TYPE_STRING};
	struct json *v;
	bool valid;

	if (!s || len == 0 || len > limit)
		return false;
	v = json_new_string(s, len);
	valid = v && value_check(&f, v) == NULL;
	json_free(v);
	return valid;
}

/* Where direction turns, "exe.fdp" is shown as another kind of file. */
static bool all_seen(const char *s, size_t len)
{
	for (size_t at = 0, n; at < len; at += n) {
		if (char_unseen(utf8_next(s + at, len - at, &n)))
			return false;
	}
	return true;
}

static bool file_name_valid(const char *s, size_t len)
{
	return line_valid(s, len, ATTACHMENT_NAME_LIMIT) && all_seen(s, len) &&
		!strchr(s, '/') && !strchr(s, '\\') && strcmp(s, ".") != 0 &&
		strcmp(s, "..") != 0;
}

static bool media_type_valid(const char *s, size_t len)
{
	const char *slash = s ? strchr(s, '/') : NULL;

	return line_valid(s, len, ATTACHMENT_TYPE_LIMIT) && slash &&
		slash != s && slash[1];
}

static enum err_code read_one(
	const struct json *v, size_t i, struct attached *to, struct err *err)
{
	size_t hex_len = 0, name_len = 0, type_len = 0;
	const char *hex = json_string(json_get(v, "sha256"), &hex_len);
	const char *name = json_string(json_get(v, "name"), &name_len);
	const char *type = json_string(json_get(v, "media_type"), &type_len);

	if (json_kind(v) != JSON_KIND_OBJECT || json_count(v) != 4)
		return err_set(err, ERR_INVALID,
			SHAPE_ATTACHMENTS
			"[%zu]: not sha256, name, media_type and size",
			i);
	if (!hex || !digest_from_hex(hex, hex_len, &to->plain))
		return refuse(i, "sha256", "not 64 lower-case hex digits", err);
	if (!file_name_valid(name, name_len))
		return refuse(i, "name", "not a file name", err);
	if (!media_type_valid(type, type_len))
		return refuse(i, "media_type", "not a media type", err);
	if (!json_get_u64(v, "size", &to->size))
		return refuse(i, "size", "not a size in bytes", err);
	if (to->size > ATTACHMENT_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			SHAPE_ATTACHMENTS "[%zu].size: %llu bytes, limit %llu",
			i, (unsigned long long)to->size,
			(unsigned long long)ATTACHMENT_SIZE_LIMIT);
	to->name = strdup(name);
	to->media_type = strdup(type);
	return to->name && to->media_type ? ERR_OK : err_nomem(err);
}

enum err_code attached_read(
	const struct json *v, struct attached_list **out, struct err *err)
{
	struct attached_list *list;
	size_t count = json_count(v);
	enum err_code rc = ERR_OK;

	if (json_kind(v) != JSON_KIND_ARRAY)
		return err_set(
			err, ERR_INVALID, SHAPE_ATTACHMENTS ": not an array");
	if (count > DOCUMENT_ATTACHMENTS_LIMIT)
		return err_set(err, ERR_LIMIT,
			SHAPE_ATTACHMENTS ": %zu of them, limit %d", count,
			DOCUMENT_ATTACHMENTS_LIMIT);
	list = calloc(1, sizeof(*list));
	if (!list)
		return err_nomem(err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		list->count++;
		rc = read_one(json_at(v, i), i, &list->item[i], err);
	}
	if (rc)
		attached_free(list);
	else
		*out = list;
	return rc;
}

/* Storing */

static enum err_code copy_file(const char *path, uint64_t size,
	struct attachment_writer *w, struct err *err)
{
	uint8_t piece[32768];
	uint64_t seen = 0;
	enum err_code rc = ERR_OK;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "open the file of an attachment");
	while (rc == ERR_OK && (n = read(fd, piece, sizeof(piece))) > 0) {
		seen += (uint64_t)n;
		if (seen > size)
			break;
		rc = attachment_write(w, piece, (size_t)n, err);
	}
	if (rc == ERR_OK && n < 0)
		rc = err_sys(err, "read the file of an attachment");
	if (rc == ERR_OK && seen != size)
		rc = err_set(err, ERR_INVALID,
			"the file is %s than its size of %llu bytes",
			seen > size ? "longer" : "shorter",
			(unsigned long long)size);
	close(fd);
	return rc;
}

static void remove_object(struct node *n, const struct digest *object)
{
	uint64_t key = 0;

	/* The key stays: it opens nothing any more, and dropping one rewrites
	 * the whole keyring.  A file left behind costs space only. */
	(void)attachment_remove(n->data, object, &key, NULL);
}

static enum err_code finish(struct attached *a, struct node *n,
	struct attachment_writer *w, struct err *err)
{
	struct attachment_made made;
	enum err_code rc = attachment_finish(w, &made, err);

	if (rc)
		return rc;
	if (!digest_equal(&made.plain, &a->plain)) {
		remove_object(n, &made.object);
		return err_set(
			err, ERR_INVALID, "the file's sha-256 is another one");
	}
	a->object = made.object;
	memcpy(a->salt, made.salt, sizeof(a->salt));
	a->stored = true;
	return ERR_OK;
}

static enum err_code store_one(
	struct attached *a, const struct capture_source *src, struct err *err)
{
	struct attachment_writer *w = NULL;
	char *path = NULL;
	enum err_code rc;

	if ((rc = src->find(src->find_arg, &a->plain, &path, err)))
		return rc;
	rc = attachment_create(
		src->node->data, store_keyring(src->node->store), &w, err);
	if (rc == ERR_OK && (rc = copy_file(path, a->size, w, err)))
		attachment_pause(w);
	else if (rc == ERR_OK)
		rc = finish(a, src->node, w, err);
	free(path);
	return rc;
}

enum err_code attached_store(struct attached_list *list,
	const struct capture_source *src, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (list->count > 0 && !src->find)
		return err_set(err, ERR_INVALID,
			SHAPE_ATTACHMENTS ": no folder to take them from");
	for (size_t i = 0; rc == ERR_OK && i < list->count; i++) {
		if ((rc = store_one(&list->item[i], src, err)))
			rc = err_while(err, rc, SHAPE_ATTACHMENTS "[%zu]", i);
	}
	if (rc)
		attached_remove(list, src->node);
	return rc;
}

void attached_remove(struct attached_list *list, struct node *n)
{
	for (size_t i = 0; list && i < list->count; i++) {
		if (list->item[i].stored)
			remove_object(n, &list->item[i].object);
		list->item[i].stored = false;
	}
}

/* Writing */

static void write_one(const struct attached *a, struct buf *out)
{
	char object[DIGEST_TEXT_SIZE], salt[SALT_TEXT_SIZE];
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&a->plain, hex);
	buf_str(out, "{\"media_type\":");
	json_write_string(out, a->media_type, strlen(a->media_type));
	buf_str(out, ",\"name\":");
	json_write_string(out, a->name, strlen(a->name));
	if (a->stored) {
		digest_base64url(&a->object, object);
		base64url_encode(a->salt, sizeof(a->salt), salt);
		buf_printf(out, ",\"object\":\"%s\",\"salt\":\"%s\"", object,
			salt);
	}
	buf_printf(out, ",\"sha256\":\"%s\",\"size\":%llu}", hex,
		(unsigned long long)a->size);
}

void attached_write(const struct attached_list *list, struct buf *out)
{
	buf_u8(out, '[');
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buf_u8(out, ',');
		write_one(&list->item[i], out);
	}
	buf_u8(out, ']');
}

/* Reading them back from parts */

/* The field of a part, NULL where it has none; *part_doc is to be freed. */
static enum err_code part_field(const struct part *part, struct json **part_doc,
	const struct json **field, struct err *err)
{
	static const char key[] = "\"" SHAPE_ATTACHMENTS "\":";
	enum err_code rc;

	*field = NULL;
	/* Most parts have none: no need to parse them. */
	if (!memmem(part->json, part->len, key, sizeof(key) - 1))
		return ERR_OK;
	rc = json_parse(part->json, part->len, PART_SIZE_LIMIT, part_doc, err);
	if (rc == ERR_OK)
		*field = json_get(*part_doc, SHAPE_ATTACHMENTS);
	return rc;
}

size_t attached_count(const struct part *part)
{
	struct json *doc = NULL;
	const struct json *field;
	size_t count = 0;

	if (part_field(part, &doc, &field, NULL) == ERR_OK)
		count = json_count(field);
	json_free(doc);
	return count;
}

static bool read_ref(const struct json *v, struct attachment_ref *ref)
{
	size_t object_len = 0, salt_len = 0, got = 0;
	const char *object = json_string(json_get(v, "object"), &object_len);
	const char *salt = json_string(json_get(v, "salt"), &salt_len);

	return object &&
		digest_from_base64url(object, object_len, &ref->object) &&
		salt &&
		base64url_decode(
			salt, salt_len, ref->salt, sizeof(ref->salt), &got) &&
		got == sizeof(ref->salt) &&
		json_get_u64(v, "size", &ref->size) &&
		ref->size <= ATTACHMENT_SIZE_LIMIT;
}

static enum err_code refs_of_part(const struct part *part, enum label label,
	struct attachment_ref *refs, size_t *count, struct err *err)
{
	struct json *doc = NULL;
	const struct json *field;
	enum err_code rc = part_field(part, &doc, &field, err);
	size_t n = json_count(field);

	if (rc == ERR_OK && field &&
		(json_kind(field) != JSON_KIND_ARRAY ||
			n > DOCUMENT_ATTACHMENTS_LIMIT - *count))
		rc = err_set(err, ERR_INVALID,
			SHAPE_ATTACHMENTS " of a part: no list of at most %d",
			DOCUMENT_ATTACHMENTS_LIMIT);
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		struct attachment_ref *ref = &refs[*count];

		*ref = (struct attachment_ref){.label = label};
		if (read_ref(json_at(field, i), ref))
			++*count;
		else
			rc = err_set(err, ERR_INVALID,
				SHAPE_ATTACHMENTS "[%zu] of a part: no object",
				i);
	}
	json_free(doc);
	return rc;
}

enum err_code view_attachments(const struct rules *rules,
	const struct record *r, struct attachment_ref **refs, size_t *count,
	struct err *err)
{
	struct attachment_ref some[DOCUMENT_ATTACHMENTS_LIMIT];
	struct attachment_ref *found = NULL;
	const struct series *s;
	struct entry e;
	size_t n = 0;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	/* The fields of system series are free: nothing is reserved there. */
	s = rules ? rules_series(rules, e.series) : series_system(e.series);
	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if ((r->have & LABEL_BIT(i)) && !(s && s->system))
			rc = refs_of_part(
				&r->part[i], (enum label)i, some, &n, err);
	}
	if (rc == ERR_OK && n > 0) {
		found = calloc(n, sizeof(*found));
		if (!found)
			return err_nomem(err);
		memcpy(found, some, n * sizeof(*found));
	}
	if (rc == ERR_OK) {
		*refs = found;
		*count = n;
	}
	return rc;
}
