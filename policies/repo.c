/* repo.c - one bare git repository: objects and refs (libgit2 lives here). */
#include "policies/repo.h"

#include <dirent.h>
#include <errno.h>
#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/loose.h"

#define CACHE_LIMIT 4096 /* blobs, a power of two */

struct cached {
	bool used;
	uint8_t id[GIT_ID_SIZE];
	struct digest digest;
	uint64_t len;
};

struct repo {
	git_repository *repo;
	git_odb *odb;
	char *objects;	      /* the folder */
	bool written[256];    /* folders of objects that may not be synced */
	struct cached *cache; /* open addressing; emptied when it fills */
	size_t cached;
};

static pthread_once_t started = PTHREAD_ONCE_INIT;

/* The host's git configuration and templates are nobody's business here, and
 * libgit2 syncs nothing unless asked.  Whose a repository is does not matter:
 * officers share one, nothing of its configuration is run here, and what counts
 * in it is signed. */
static void start(void)
{
	static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA,
		GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
		GIT_CONFIG_LEVEL_GLOBAL};

	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1);
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		git_libgit2_opts(
			GIT_OPT_SET_SEARCH_PATH, levels[i], "/nonexistent");
	git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "");
}

static enum err_code failed(struct err *err, int rc, const char *what)
{
	const git_error *e = git_error_last();
	const char *why = e && e->message ? e->message : "no reason given";

	if (rc == GIT_ENOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "%s: not there", what);
	if (rc == GIT_EEXISTS)
		return err_set(err, ERR_EXISTS, "%s: there already", what);
	if (rc == GIT_EMODIFIED || rc == GIT_ELOCKED)
		return err_set(
			err, ERR_BUSY, "%s: somebody else changed it", what);
	/* The library tells the system's reason by its text only. */
	return err_set(err, strstr(why, strerror(ENOSPC)) ? ERR_FULL : ERR_IO,
		"%s: %s", what, why);
}

/* Takes git and odb (NULL: that of git); `of` is whose folder has the
 * objects. */
static enum err_code repo_over(git_repository *git, git_odb *odb,
	git_repository *of, struct repo **out, struct err *err)
{
	struct repo *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (r && !(r->cache = calloc(CACHE_LIMIT, sizeof(*r->cache)))) {
		free(r);
		r = NULL;
	}
	if (!r || (!odb && (rc = git_repository_odb(&odb, git)) < 0)) {
		git_repository_free(git);
		git_odb_free(odb);
		if (!r)
			return err_nomem(err);
		free(r->cache);
		free(r);
		return failed(err, rc, "objects of the repository");
	}
	r->repo = git;
	r->odb = odb;
	if (!(r->objects = file_join(
		      git_repository_commondir(of), "objects"))) {
		repo_close(r);
		return err_nomem(err);
	}
	*out = r;
	return ERR_OK;
}

enum err_code repo_open(const char *path, struct repo **out, struct err *err)
{
	git_repository *git = NULL;
	char *inner;
	int rc;

	pthread_once(&started, start);
	if (!(inner = file_join(path, ".git")))
		return err_nomem(err);
	if ((rc = git_repository_open_bare(&git, path)) < 0)
		rc = git_repository_open_bare(&git, inner);
	free(inner);
	if (rc < 0)
		return err_set(
			err, ERR_NOT_FOUND, "%s: no git repository", path);
	return repo_over(git, NULL, git, out, err);
}

enum err_code repo_create(const char *path, struct repo **out, struct err *err)
{
	git_repository_init_options opt = {
		.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION};
	git_repository *git = NULL;
	git_config *config = NULL;
	enum err_code ours;
	int rc;

	pthread_once(&started, start);
	opt.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH |
		GIT_REPOSITORY_INIT_NO_REINIT;
	opt.initial_head = "main";
	if ((rc = git_repository_init_ext(&git, path, &opt)) < 0)
		return failed(err, rc, path);
	/* Pushed history only grows: heads name commits of it. */
	if ((rc = git_repository_config(&config, git)) >= 0 &&
		(rc = git_config_set_bool(
			 config, "receive.denyNonFastForwards", 1)) >= 0)
		rc = git_config_set_bool(config, "receive.denyDeletes", 1);
	git_config_free(config);
	if (rc < 0) {
		git_repository_free(git);
		return failed(err, rc, path);
	}
	if ((ours = file_sync_tree(path, FILE_SYNC_ALL, err))) {
		git_repository_free(git);
		return ours;
	}
	return repo_over(git, NULL, git, out, err);
}

enum err_code repo_quarantine(
	struct repo *base, struct repo **out, struct err *err)
{
	git_odb_backend *memory = NULL;
	git_repository *git = NULL;
	git_odb *odb = NULL;
	char *objects =
		file_join(git_repository_commondir(base->repo), "objects");
	int rc;

	if (!objects)
		return err_nomem(err);
	/* A higher priority is asked, and written to, first. */
	if ((rc = git_odb_open(&odb, objects)) < 0 ||
		(rc = git_mempack_new(&memory)) < 0 ||
		(rc = git_odb_add_backend(odb, memory, 999)) < 0 ||
		(rc = git_repository_wrap_odb(&git, odb)) < 0) {
		git_odb_free(odb);
		free(objects);
		return failed(err, rc, "quarantine");
	}
	free(objects);
	return repo_over(git, odb, base->repo, out, err);
}

void repo_close(struct repo *r)
{
	if (!r)
		return;
	git_odb_free(r->odb);
	git_repository_free(r->repo);
	free(r->objects);
	free(r->cache);
	free(r);
}

/* ---- objects ---- */

static const git_object_t types[] = {
	[GITOBJ_BLOB] = GIT_OBJECT_BLOB,
	[GITOBJ_TREE] = GIT_OBJECT_TREE,
	[GITOBJ_COMMIT] = GIT_OBJECT_COMMIT,
};
static const size_t limits[] = {
	[GITOBJ_BLOB] = GOVERNANCE_FILE_LIMIT,
	[GITOBJ_TREE] = GITOBJ_TREE_LIMIT,
	[GITOBJ_COMMIT] = GITOBJ_COMMIT_LIMIT,
};

static enum err_code read_object(struct repo *r, const git_oid *oid,
	enum gitobj_type type, git_odb_object **out, struct err *err)
{
	char id[GIT_HEX_SIZE];
	enum err_code checked;
	git_object_t is;
	size_t len;
	int rc;

	git_oid_tostr(id, sizeof(id), oid);
	if ((checked = loose_check(r->objects, id, err)))
		return checked;
	/* The size before the bytes: they are inflated only then. */
	if ((rc = git_odb_read_header(&len, &is, r->odb, oid)) < 0)
		return failed(err, rc, id);
	if (is != types[type])
		return err_set(err, ERR_CORRUPT,
			"object %s is not of the type that refers to it", id);
	if (len > limits[type])
		return err_set(err, ERR_LIMIT,
			"object %s: %zu bytes, limit %zu", id, len,
			limits[type]);
	if ((rc = git_odb_read(out, r->odb, oid)) < 0)
		return rc == GIT_EMISMATCH
			? err_set(err, ERR_CORRUPT,
				  "object %s does not match its name", id)
			: failed(err, rc, id);
	return ERR_OK;
}

enum err_code repo_read(struct repo *r, const char *id, enum gitobj_type type,
	struct buf *out, struct err *err)
{
	git_odb_object *o = NULL;
	enum err_code rc;
	git_oid oid;

	if (git_oid_fromstr(&oid, id) < 0)
		return err_set(err, ERR_INVALID, "not the name of an object");
	if ((rc = read_object(r, &oid, type, &o, err)))
		return rc;
	buf_add(out, git_odb_object_data(o), git_odb_object_size(o));
	git_odb_object_free(o);
	return buf_ok(out, err);
}

enum err_code repo_write(struct repo *r, enum gitobj_type type,
	const void *data, size_t len, char id[GIT_HEX_SIZE], struct err *err)
{
	git_oid oid;
	int rc;

	if ((rc = git_odb_write(&oid, r->odb, data, len, types[type])) < 0)
		return failed(err, rc, "write an object");
	r->written[oid.id[0]] = true;
	git_oid_tostr(id, GIT_HEX_SIZE, &oid);
	return ERR_OK;
}

/* Its place in the cache: used when it is there. */
static struct cached *cache_find(struct repo *r, const uint8_t *id)
{
	size_t at;

	memcpy(&at, id, sizeof(at));
	for (at %= CACHE_LIMIT; r->cache[at].used; at = (at + 1) % CACHE_LIMIT)
		if (!memcmp(r->cache[at].id, id, GIT_ID_SIZE))
			break;
	return &r->cache[at];
}

enum err_code repo_blob_digest(struct repo *r, const uint8_t id[GIT_ID_SIZE],
	struct digest *out, uint64_t *len, struct err *err)
{
	struct cached *c = cache_find(r, id);
	git_odb_object *o = NULL;
	enum err_code rc;
	git_oid oid;

	if (!c->used) {
		memcpy(oid.id, id, GIT_ID_SIZE);
		if ((rc = read_object(r, &oid, GITOBJ_BLOB, &o, err)))
			return rc;
		if (r->cached > CACHE_LIMIT / 2) {
			memset(r->cache, 0, CACHE_LIMIT * sizeof(*r->cache));
			r->cached = 0;
			c = cache_find(r, id);
		}
		c->used = true;
		memcpy(c->id, id, GIT_ID_SIZE);
		c->len = git_odb_object_size(o);
		c->digest = digest_of(git_odb_object_data(o), c->len);
		r->cached++;
		git_odb_object_free(o);
	}
	*out = c->digest;
	*len = c->len;
	return ERR_OK;
}

/* ---- refs ---- */

enum err_code repo_resolve(
	struct repo *r, const char *rev, char id[GIT_HEX_SIZE], struct err *err)
{
	git_object *o = NULL, *commit = NULL;
	char named[GIT_HEX_SIZE];
	enum err_code checked;
	git_oid oid;
	int rc;

	if (git_reference_name_to_id(&oid, r->repo, rev) >= 0 ||
		git_oid_fromstr(&oid, rev) >= 0) {
		git_oid_tostr(named, sizeof(named), &oid);
		if ((checked = loose_check(r->objects, named, err)))
			return checked;
	}
	if ((rc = git_revparse_single(&o, r->repo, rev)) >= 0)
		rc = git_object_peel(&commit, o, GIT_OBJECT_COMMIT);
	if (rc >= 0)
		git_oid_tostr(id, GIT_HEX_SIZE, git_object_id(commit));
	git_object_free(commit);
	git_object_free(o);
	return rc < 0 ? err_set(err, ERR_NOT_FOUND, "%s: no commit", rev)
		      : ERR_OK;
}

enum err_code repo_ref_get(struct repo *r, const char *name,
	char id[GIT_HEX_SIZE], struct err *err)
{
	git_oid oid;
	int rc;

	if ((rc = git_reference_name_to_id(&oid, r->repo, name)) < 0)
		return failed(err, rc, name);
	git_oid_tostr(id, GIT_HEX_SIZE, &oid);
	return ERR_OK;
}

/* libgit2 syncs a file and the folder it is in, but not the folders that it
 * makes on the way there. */
static enum err_code sync_folder(
	struct repo *r, const char *name, size_t len, struct err *err)
{
	struct buf path = BUF_EMPTY;
	enum err_code rc;

	buf_str(&path, git_repository_commondir(r->repo));
	buf_u8(&path, '/');
	buf_add(&path, name, len);
	rc = buf_cstr(&path) ? file_sync_dir((char *)path.data, err)
			     : err_nomem(err);
	buf_free(&path);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc; /* packed meanwhile */
}

/* What a ref leads to is there for good before the ref is. */
static enum err_code sync_objects(struct repo *r, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool any = false;

	for (unsigned i = 0; i < 256 && rc == ERR_OK; i++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "objects/%02x", i);

		if (!r->written[i])
			continue;
		any = true;
		if (!(rc = sync_folder(r, name, (size_t)len, err)))
			r->written[i] = false;
	}
	return any && rc == ERR_OK
		? sync_folder(r, "objects", strlen("objects"), err)
		: rc;
}

static enum err_code sync_ref(struct repo *r, const char *name, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; name[i] && rc == ERR_OK; i++)
		if (name[i] == '/')
			rc = sync_folder(r, name, i, err);
	return rc ? rc : sync_folder(r, "", 0, err);
}

static bool is_leftover(const char *name)
{
	static const char lock[] = ".lock", object[] = "tmp_object_git2_";
	size_t len = strlen(name), tail = sizeof(lock) - 1;

	return (len > tail && strcmp(name + len - tail, lock) == 0) ||
		strncmp(name, object, sizeof(object) - 1) == 0;
}

static enum err_code sweep_folder(
	const char *path, const char *name, struct err *err)
{
	char *folder = file_join(path, name);
	DIR *dir = folder ? opendir(folder) : NULL;
	enum err_code rc = folder ? ERR_OK : err_nomem(err);
	struct dirent *d;

	while (rc == ERR_OK && dir && (d = readdir(dir)))
		if (is_leftover(d->d_name) &&
			unlinkat(dirfd(dir), d->d_name, 0) != 0)
			rc = err_sys(err, "remove %s/%s", folder, d->d_name);
	if (dir)
		closedir(dir);
	free(folder);
	return rc;
}

enum err_code repo_sweep(struct repo *r, struct err *err)
{
	static const char *const folders[] = {"", "objects", "refs/heads",
		"refs/cundang/heads", "refs/cundang/proposals"};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(folders) && rc == ERR_OK; i++)
		rc = sweep_folder(
			git_repository_commondir(r->repo), folders[i], err);
	return rc;
}

enum err_code repo_sync(struct repo *r, struct err *err)
{
	return file_sync_tree(
		git_repository_commondir(r->repo), FILE_SYNC_FOLDERS, err);
}

enum err_code repo_ref_set(struct repo *r, const char *name, const char *id,
	const char *old, struct err *err)
{
	git_reference *ref = NULL;
	git_oid new, before;
	enum err_code ours;
	int rc;

	if (git_oid_fromstr(&new, id) < 0 ||
		(old && git_oid_fromstr(&before, old) < 0))
		return err_set(err, ERR_INVALID, "not the name of an object");
	if ((ours = sync_objects(r, err)))
		return ours;
	rc = old
		? git_reference_create_matching(
			  &ref, r->repo, name, &new, 1, &before, "cundang")
		: git_reference_create(&ref, r->repo, name, &new, 0, "cundang");
	git_reference_free(ref);
	return rc < 0 ? failed(err, rc, name) : sync_ref(r, name, err);
}

enum err_code repo_ref_delete(struct repo *r, const char *name, struct err *err)
{
	int rc = git_reference_remove(r->repo, name);

	return rc < 0 && rc != GIT_ENOTFOUND ? failed(err, rc, name) : ERR_OK;
}

/* ---- checking ---- */

struct checking {
	struct repo *repo;
	repo_bad *bad;
	void *arg;
};

static int on_object(const git_oid *id, void *arg)
{
	struct checking *k = arg;
	git_odb_object *o = NULL;
	char hex[GIT_HEX_SIZE];
	struct err told;

	git_oid_tostr(hex, sizeof(hex), id);
	if (loose_check(k->repo->objects, hex, &told))
		k->bad(k->arg, hex, told.text);
	else if (git_odb_read(&o, k->repo->odb, id) < 0) {
		(void)failed(&told, GIT_ERROR, "object cannot be read");
		k->bad(k->arg, hex, told.text);
	}
	git_odb_object_free(o);
	return 0;
}

enum err_code repo_check(
	struct repo *r, repo_bad *bad, void *arg, struct err *err)
{
	struct checking k = {r, bad, arg};
	int rc = git_odb_foreach(r->odb, on_object, &k);

	return rc < 0 ? failed(err, rc, "governance objects") : ERR_OK;
}
