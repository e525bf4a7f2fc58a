/* bag.c - makes and checks BagIt 1.0 bags (RFC 8493). */
#include "store/bag.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/listing.h"

#define DECLARATION "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
#define PAYLOAD "data/"
#define OXUM "Payload-Oxum: "
#define MANIFEST "manifest-sha256.txt"
#define TAG_MANIFEST "tagmanifest-sha256.txt"
#define TAG_FILE_LIMIT ((size_t)1 << 30)
#define COPY_SIZE ((size_t)64 << 10)

/* ---- bytes ---- */

void manifest_line(const struct digest *d, const char *path, struct buf *out)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(d, hex);
	buf_str(out, hex);
	buf_str(out, "  ");
	for (; *path; path++) {
		if (*path == '\r' || *path == '\n' || *path == '%')
			buf_printf(out, "%%%02X", (unsigned)*path);
		else
			buf_u8(out, (uint8_t)*path);
	}
	buf_u8(out, '\n');
}

void manifest_free(struct manifest *m)
{
	free(m->item);
	free(m->paths);
	*m = (struct manifest){0};
}

static int lower(int c)
{
	return c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c;
}

/* Decodes a path to `out`, which has room for len + 1 bytes; the RFC knows
 * these three escapes only.  Returns the length. */
static size_t path_decode(const char *s, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		out[n++] = s[i];
		if (s[i] != '%' || len - i < 3)
			continue;
		if (s[i + 1] == '0' && lower(s[i + 2]) == 'a')
			out[n - 1] = '\n';
		else if (s[i + 1] == '0' && lower(s[i + 2]) == 'd')
			out[n - 1] = '\r';
		else if (s[i + 1] != '2' || s[i + 2] != '5')
			continue;
		i += 2;
	}
	out[n] = '\0';
	return n;
}

static bool item_parse(
	const char *line, size_t len, char *path, struct manifest_item *out)
{
	char hex[DIGEST_HEX_SIZE];
	size_t at = DIGEST_HEX_SIZE - 1;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len <= at || (line[at] != ' ' && line[at] != '\t'))
		return false;
	for (size_t i = 0; i < at; i++)
		hex[i] = (char)lower(line[i]);
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	out->path = path;
	return digest_from_hex(hex, DIGEST_HEX_SIZE - 1, &out->digest) &&
		len - at < PACKAGE_NAME_SIZE * 3 &&
		name_plain(path, path_decode(line + at, len - at, path));
}

static size_t count_lines(const char *s, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += s[i] == '\n';
	return count + 1;
}

static int compare_items(const void *a, const void *b)
{
	const struct manifest_item *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static enum err_code no_path_twice(const struct manifest *m, struct err *err)
{
	for (size_t i = 1; i < m->count; i++)
		if (strcmp(m->item[i - 1].path, m->item[i].path) == 0)
			return err_set(err, ERR_INVALID, "%s is listed twice",
				m->item[i].path);
	return ERR_OK;
}

static enum err_code parse_lines(
	const char *s, size_t len, struct manifest *m, struct err *err)
{
	char *path = m->paths;

	while (len > 0) {
		const char *end = memchr(s, '\n', len);
		size_t n = end ? (size_t)(end - s) : len;

		if (!item_parse(s, n, path, &m->item[m->count]))
			return err_set(err, ERR_INVALID,
				"line %zu of the manifest is not a digest and "
				"a plain path",
				m->count + 1);
		m->count++;
		path += strlen(path) + 1;
		n += end != NULL;
		s += n;
		len -= n;
	}
	return ERR_OK;
}

enum err_code manifest_parse(
	const void *text, size_t len, struct manifest *out, struct err *err)
{
	struct manifest m = {0};
	size_t lines = count_lines(text, len);
	enum err_code rc;

	if (lines > PACKAGE_FILES_LIMIT + 1)
		return err_set(err, ERR_LIMIT,
			"manifest of %zu lines, limit %zu", lines,
			PACKAGE_FILES_LIMIT);
	/* A decoded path is never longer than its line. */
	m.item = calloc(lines, sizeof(*m.item));
	m.paths = malloc(len + lines);
	if (!m.item || !m.paths) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = parse_lines(text, len, &m, err)))
		goto out;
	qsort(m.item, m.count, sizeof(*m.item), compare_items);
	rc = no_path_twice(&m, err);
out:
	if (rc == ERR_OK)
		*out = m;
	else
		manifest_free(&m);
	return rc;
}

bool oxum_parse(const void *text, size_t len, uint64_t *bytes, uint64_t *files)
{
	struct cursor c = cursor_over(text, len);
	const size_t label = strlen(OXUM);
	const char *line;
	size_t n = 0;

	while ((line = cursor_line(&c, &n))) {
		const char *dot;

		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (n <= label || memcmp(line, OXUM, label) != 0)
			continue;
		line += label;
		n -= label;
		dot = memchr(line, '.', n);
		return dot &&
			number_parse(line, (size_t)(dot - line),
				PACKAGE_TOTAL_LIMIT, bytes) &&
			number_parse(dot + 1, n - (size_t)(dot - line) - 1,
				PACKAGE_FILES_LIMIT, files);
	}
	return false;
}

/* ---- files ---- */

static enum err_code digest_file(int dir, const char *name, struct digest *out,
	uint64_t *size, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t *piece = malloc(COPY_SIZE);
	struct sha256 h;
	ssize_t n = 1;
	enum err_code rc = ERR_OK;

	if (fd < 0 || !piece) {
		rc = piece ? err_sys(err, "open %s", name) : err_nomem(err);
		goto out;
	}
	sha256_init(&h);
	*size = 0;
	while ((n = read(fd, piece, COPY_SIZE)) > 0) {
		sha256_update(&h, piece, (size_t)n);
		*size += (uint64_t)n;
	}
	if (n < 0)
		rc = err_sys(err, "read %s", name);
	*out = sha256_final(&h);
out:
	if (fd >= 0)
		close(fd);
	free(piece);
	return rc;
}

static bool is_payload(const char *name)
{
	return strncmp(name, PAYLOAD, strlen(PAYLOAD)) == 0;
}

/* The tag manifest, its signature and its time stamp cannot list themselves. */
static bool is_unlisted(const char *name)
{
	return strcmp(name, TAG_MANIFEST) == 0 ||
		strcmp(name, "tagmanifest.sig") == 0 ||
		strcmp(name, "tagmanifest.tsr") == 0;
}

/* A bag on disk: its folder and its files. */
struct bag {
	const char *path;
	int dir;
	struct listing files;
};

static void bag_close(struct bag *b)
{
	if (b->dir >= 0)
		close(b->dir);
	listing_free(&b->files);
}

static enum err_code bag_open(const char *path, struct bag *b, struct err *err)
{
	b->path = path;
	b->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0)
		return err_sys(err, "open %s", path);
	return listing_make(path, &b->files, err);
}

/* ---- making ---- */

static enum err_code write_tag_file(const struct bag *b, const char *name,
	const struct buf *text, struct err *err)
{
	char *path = file_join(b->path, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = buf_ok(text, err)))
		rc = file_replace(path, text->data, text->len, 0600, err);
	free(path);
	return rc;
}

/* Lists the payload, or everything else that belongs in the tag manifest. */
static enum err_code write_manifest(const struct bag *b, bool payload,
	uint64_t *bytes, uint64_t *count, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	*bytes = *count = 0;
	for (size_t i = 0; rc == ERR_OK && i < b->files.count; i++) {
		const char *name = b->files.name[i];
		struct digest d;
		uint64_t size;

		if (is_payload(name) != payload ||
			(!payload && is_unlisted(name)))
			continue;
		rc = digest_file(b->dir, name, &d, &size, err);
		if (rc == ERR_OK) {
			manifest_line(&d, name, &text);
			*bytes += size;
			++*count;
		}
	}
	if (rc == ERR_OK)
		rc = write_tag_file(
			b, payload ? MANIFEST : TAG_MANIFEST, &text, err);
	buf_free(&text);
	return rc;
}

static enum err_code write_info(const struct bag *b, const char *const *info,
	size_t count, uint64_t bytes, uint64_t files, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		if (!strstr(info[i], ": ") || strpbrk(info[i], "\r\n") ||
			!utf8_valid(info[i], strlen(info[i])))
			rc = err_set(err, ERR_INVALID,
				"line %zu of bag-info.txt is not a label and a "
				"value",
				i + 1);
		buf_str(&text, info[i]);
		buf_u8(&text, '\n');
	}
	buf_printf(&text, OXUM "%llu.%llu\n", (unsigned long long)bytes,
		(unsigned long long)files);
	if (rc == ERR_OK)
		rc = write_tag_file(b, "bag-info.txt", &text, err);
	buf_free(&text);
	return rc;
}

enum err_code bag_seal(
	const char *dir, const char *const *info, size_t count, struct err *err)
{
	struct bag b = {.dir = -1};
	struct buf text = BUF_EMPTY;
	uint64_t bytes, files;
	enum err_code rc;

	buf_str(&text, DECLARATION);
	if ((rc = bag_open(dir, &b, err)) ||
		(rc = write_manifest(&b, true, &bytes, &files, err)) ||
		(rc = write_info(&b, info, count, bytes, files, err)) ||
		(rc = write_tag_file(&b, "bagit.txt", &text, err)))
		goto out;
	/* Again, for the tag files are there now. */
	listing_free(&b.files);
	if (!(rc = listing_make(dir, &b.files, err)))
		rc = write_manifest(&b, false, &bytes, &files, err);
out:
	buf_free(&text);
	bag_close(&b);
	return rc ? err_while(err, rc, "seal the bag") : ERR_OK;
}

/* ---- checking ---- */

struct check {
	struct bag bag;
	bag_fault *fault;
	void *arg;
	size_t faults;
};

static void tell(struct check *c, const char *path, const char *what)
{
	c->faults++;
	c->fault(c->arg, path, what);
}

/* The file's text; a fault, and false, when it cannot be had. */
static bool read_tag_file(struct check *c, const char *name, struct buf *out)
{
	char *path = file_join(c->bag.path, name);
	bool ok = path && file_read(path, TAG_FILE_LIMIT, out, NULL) == ERR_OK;

	if (!ok)
		tell(c, name, "missing or unreadable");
	free(path);
	return ok;
}

static void check_declaration(struct check *c)
{
	struct buf text = BUF_EMPTY;

	if (read_tag_file(c, "bagit.txt", &text) &&
		(text.len != strlen(DECLARATION) ||
			memcmp(text.data, DECLARATION, text.len) != 0))
		tell(c, "bagit.txt", "does not declare BagIt 1.0 in UTF-8");
	buf_free(&text);
}

static void check_item(
	struct check *c, const struct manifest_item *item, uint64_t *bytes)
{
	struct digest d;
	uint64_t size;
	enum err_code rc;

	rc = digest_file(c->bag.dir, item->path, &d, &size, NULL);
	if (rc != ERR_OK)
		tell(c, item->path, "listed, but missing or unreadable");
	else if (!digest_equal(&d, &item->digest))
		tell(c, item->path, "does not match its digest");
	if (rc == ERR_OK)
		*bytes += size;
}

/* Both lists are sorted: files that are here and not listed fall out. */
static void check_unlisted(
	struct check *c, const struct manifest *m, bool payload)
{
	size_t at = 0;

	for (size_t i = 0; i < c->bag.files.count; i++) {
		const char *name = c->bag.files.name[i];

		if (is_payload(name) != payload ||
			(!payload && is_unlisted(name)))
			continue;
		while (at < m->count && strcmp(m->item[at].path, name) < 0)
			at++;
		if (at == m->count || strcmp(m->item[at].path, name) != 0)
			tell(c, name, "not listed in the manifest");
	}
}

static void check_manifest(struct check *c, const char *name, bool payload,
	uint64_t *bytes, uint64_t *count)
{
	struct manifest m = {0};
	struct buf text = BUF_EMPTY;
	struct err err = {0};

	*bytes = *count = 0;
	if (!read_tag_file(c, name, &text))
		goto out;
	if (manifest_parse(text.data, text.len, &m, &err) != ERR_OK) {
		tell(c, name, err.text);
		goto out;
	}
	for (size_t i = 0; i < m.count; i++) {
		if (is_payload(m.item[i].path) != payload)
			tell(c, m.item[i].path, "listed in the wrong manifest");
		else
			check_item(c, &m.item[i], bytes);
	}
	check_unlisted(c, &m, payload);
	*count = m.count;
out:
	manifest_free(&m);
	buf_free(&text);
}

static void check_oxum(struct check *c, uint64_t bytes, uint64_t files)
{
	struct buf text = BUF_EMPTY;
	uint64_t said_bytes = 0, said_files = 0;

	if (read_tag_file(c, "bag-info.txt", &text) &&
		(!oxum_parse(text.data, text.len, &said_bytes, &said_files) ||
			said_bytes != bytes || said_files != files))
		tell(c, "bag-info.txt", "Payload-Oxum does not match");
	buf_free(&text);
}

enum err_code bag_check(
	const char *dir, bag_fault *fault, void *arg, struct err *err)
{
	struct check c = {.bag.dir = -1, .fault = fault, .arg = arg};
	uint64_t bytes, files, tag_bytes, tag_files;
	enum err_code rc;

	rc = bag_open(dir, &c.bag, err);
	if (rc == ERR_INVALID) {
		tell(&c, dir, "holds what is not a file with a plain name");
		rc = err_while(err, ERR_CORRUPT, "%s", dir);
	}
	if (rc != ERR_OK)
		goto out;
	check_declaration(&c);
	check_manifest(&c, MANIFEST, true, &bytes, &files);
	check_oxum(&c, bytes, files);
	check_manifest(&c, TAG_MANIFEST, false, &tag_bytes, &tag_files);
	if (c.faults > 0)
		rc = err_set(
			err, ERR_CORRUPT, "the bag has %zu faults", c.faults);
out:
	bag_close(&c.bag);
	return rc;
}
