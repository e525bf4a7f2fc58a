/* test_package.c - the same bytes each time, and no tar gets out of its folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <sys/stat.h>

#include "scratch.h"
#include "store/bag.h"

static void put_file(void **state, const char *name, const char *text)
{
	const char *path = scratch_path(state, name);
	char *folder = strdup(path);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_make_dirs(folder, NULL), ERR_OK);
	assert_int_equal(
		file_replace(path, text, strlen(text), 0644, NULL), ERR_OK);
	free(folder);
}

static void assert_file(void **state, const char *name, const char *text)
{
	struct buf b = BUF_EMPTY;

	assert_int_equal(
		file_read(scratch_path(state, name), 1 << 20, &b, NULL),
		ERR_OK);
	assert_string_equal((const char *)b.data, text);
	buf_free(&b);
}

#define LONG_NAME                                                                                              \
	"data/电子档案/2026/"                                                                              \
	"一个名字很长很长很长很长很长很长很长很长很长很长很长很长很长的目录/" \
	"证明材料.txt"

static void put_tree(void **state)
{
	put_file(state, "in/data/说明文件.TXT", "说明");
	put_file(state, "in/" LONG_NAME, "证明");
	put_file(state, "in/data/a", "");
	put_file(state, "in/data/a.b", "1");
	put_file(state, "in/data/100%.txt", "percent");
	put_file(state, "in/governance/x", "rules");
}

static void tar(void **state, const char *name)
{
	struct err err = {0};

	if (package_tar(scratch_path(state, "in"), "包裹",
		    scratch_path(state, name), &err) != ERR_OK)
		fail_msg("%s", err.text);
}

static void a_folder_comes_back_from_its_tar(void **state)
{
	struct err err = {0};

	put_tree(state);
	tar(state, "p.tar");
	if (package_untar(scratch_path(state, "p.tar"),
		    scratch_path(state, "out"), &err) != ERR_OK)
		fail_msg("%s", err.text);
	assert_file(state, "out/data/说明文件.TXT", "说明");
	assert_file(state, "out/" LONG_NAME, "证明");
	assert_file(state, "out/data/a", "");
	assert_file(state, "out/governance/x", "rules");
	/* A folder that holds something is not written into. */
	assert_int_equal(package_untar(scratch_path(state, "p.tar"),
				 scratch_path(state, "out"), NULL),
		ERR_EXISTS);
}

static void the_same_files_give_the_same_bytes(void **state)
{
	struct buf a = BUF_EMPTY, b = BUF_EMPTY;

	put_tree(state);
	tar(state, "a.tar");
	assert_int_equal(chmod(scratch_path(state, "in/data/a"), 0400), 0);
	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	put_file(state, "in/data/a.b", "1");
	tar(state, "b.tar");
	assert_int_equal(
		file_read(scratch_path(state, "a.tar"), 1 << 20, &a, NULL),
		ERR_OK);
	assert_int_equal(
		file_read(scratch_path(state, "b.tar"), 1 << 20, &b, NULL),
		ERR_OK);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf_free(&a);
	buf_free(&b);
}

/* Runs a line of Python with the scratch folder as its working folder. */
static void python(void **state, const char *code)
{
	struct buf b = BUF_EMPTY;

	buf_printf(&b, "cd '%s' && LC_ALL=C python3 -c \"%s\"", (char *)*state,
		code);
	assert_non_null(buf_cstr(&b));
	assert_int_equal(system((char *)b.data), 0);
	buf_free(&b);
}

static void stock_tools_read_our_tars(void **state)
{
	put_tree(state);
	tar(state, "p.tar");
	python(state,
		"import tarfile\n"
		"t = tarfile.open('p.tar', encoding='utf-8')\n"
		"m = t.getmembers()\n"
		"assert len(m) == 6, len(m)\n"
		"names = [i.name for i in m]\n"
		"assert names == sorted(names, key=lambda n: n.encode()), "
		"names\n"
		"assert all(n.split('/')[0] == '\\u5305\\u88f9' for n in "
		"names)\n"
		"assert all(i.isreg() and i.mtime == 0 and i.mode == 0o644 and "
		"i.uid == i.gid == 0 and not i.uname for i in m)\n"
		"assert t.extractfile(names[1]).read() == b''\n");
}

static void we_read_tars_of_stock_tools(void **state)
{
	struct err err = {0};

	put_tree(state);
	python(state,
		"import tarfile, os\n"
		"os.rename('in', 'top')\n"
		"tarfile.open('p.tar', 'w', encoding='utf-8').add('top')\n");
	if (package_untar(scratch_path(state, "p.tar"),
		    scratch_path(state, "out"), &err) != ERR_OK)
		fail_msg("%s", err.text);
	assert_file(state, "out/" LONG_NAME, "证明");
}

static void links_and_the_like_are_not_packed(void **state)
{
	put_tree(state);
	assert_int_equal(
		symlink("/etc/hostname", scratch_path(state, "in/data/link")),
		0);
	assert_int_equal(package_tar(scratch_path(state, "in"), "top",
				 scratch_path(state, "p.tar"), NULL),
		ERR_INVALID);
	assert_false(file_exists(scratch_path(state, "p.tar")));
	assert_int_equal(package_tar(scratch_path(state, "in"), "a/b",
				 scratch_path(state, "p.tar"), NULL),
		ERR_USAGE);
}

/* Each line makes one member `m`, with the bytes `b` behind it. */
static const char *const hostile[] = {
	"m.name = '/etc/x'",
	"m.name = '../x'",
	"m.name = 'top/../../x'",
	"m.name = 'top/./x'",
	"m.name = 'top//x'",
	"m.name = 'top/a\\nb'",
	"m.name = 'top/a\\x1bb'",
	"m.name = 'top'",
	"m.name = 'other/x'",
	"m.name = 'top/first'",
	"m.name = 'top/first/below'",
	"m.name = 'top/' + 'n' * 600",
	"m.name = 'top/l'; m.type = tarfile.SYMTYPE; m.linkname = '/etc'",
	"m.name = 'top/l'; m.type = tarfile.LNKTYPE; m.linkname = 'top/first'",
	"m.name = 'top/c'; m.type = tarfile.CHRTYPE; m.devmajor = 1",
	"m.name = 'top/b'; m.type = tarfile.BLKTYPE; m.devmajor = 1",
	"m.name = 'top/f'; m.type = tarfile.FIFOTYPE",
	"m.name = '../d'; m.type = tarfile.DIRTYPE",
	"m.name = 'top/huge'; m.size = 9 << 30",
};

static void hostile_members_are_refused(void **state)
{
	int tried = 0;

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct buf b = BUF_EMPTY;
		struct err err = {0};
		char out[32];
		enum err_code rc;

		buf_printf(&b,
			"import tarfile\n"
			"f = open('p.tar', 'wb')\n"
			"def put(m):\n"
			"  f.write(m.tobuf(tarfile.PAX_FORMAT, 'utf-8'))\n"
			"  f.write(b'x'.ljust(512, b'\\0') if m.size else "
			"b'')\n"
			"m = tarfile.TarInfo('top/first'); m.size = 1; put(m)\n"
			"m = tarfile.TarInfo(); %s; put(m)\n"
			"f.write(bytes(1024))\n",
			hostile[i]);
		assert_non_null(buf_cstr(&b));
		python(state, (char *)b.data);
		buf_free(&b);
		snprintf(out, sizeof(out), "out%zu", i);
		rc = package_untar(scratch_path(state, "p.tar"),
			scratch_path(state, out), &err);
		if (rc != ERR_INVALID && rc != ERR_LIMIT)
			fail_msg("%s: %s", hostile[i], err_name(rc));
		tried++;
	}
	assert_false(file_exists(scratch_path(state, "x")));
	assert_false(file_exists(scratch_path(state, "d")));
	assert_int_equal(tried, 19);
}

static void bytes_that_are_no_tar_are_refused(void **state)
{
	put_file(state, "p.tar", "this is not a tar at all");
	assert_int_equal(package_untar(scratch_path(state, "p.tar"),
				 scratch_path(state, "out"), NULL),
		ERR_INVALID);
	assert_int_equal(package_untar(scratch_path(state, "absent.tar"),
				 scratch_path(state, "out"), NULL),
		ERR_NOT_FOUND);
}

static void a_cut_tar_is_refused_or_short(void **state)
{
	struct buf b = BUF_EMPTY;
	char out[32];

	put_tree(state);
	tar(state, "p.tar");
	assert_int_equal(
		file_read(scratch_path(state, "p.tar"), 1 << 20, &b, NULL),
		ERR_OK);
	/* Within the bytes of a file there is no way to take it for whole. */
	assert_int_equal(file_replace(scratch_path(state, "cut.tar"), b.data,
				 512 + 3, 0600, NULL),
		ERR_OK);
	snprintf(out, sizeof(out), "out");
	assert_int_equal(package_untar(scratch_path(state, "cut.tar"),
				 scratch_path(state, out), NULL),
		ERR_INVALID);
	buf_free(&b);
}

/* ---- bags ---- */

static const char *const info[] = {"Source-Organization: 村档",
	"External-Identifier: xihu.example/330106110201"};

struct faults {
	int count;
	char last[PACKAGE_NAME_SIZE];
};

static void note_fault(void *arg, const char *path, const char *what)
{
	struct faults *f = arg;

	assert_non_null(what);
	f->count++;
	snprintf(f->last, sizeof(f->last), "%s", path);
}

static int faults_of(void **state, struct faults *f)
{
	enum err_code rc;

	memset(f, 0, sizeof(*f));
	rc = bag_check(scratch_path(state, "in"), note_fault, f, NULL);
	assert_int_equal(rc, f->count > 0 ? ERR_CORRUPT : ERR_OK);
	return f->count;
}

static void seal(void **state)
{
	struct err err = {0};

	put_tree(state);
	if (bag_seal(scratch_path(state, "in"), info, ARRAY_LEN(info), &err) !=
		ERR_OK)
		fail_msg("%s", err.text);
}

static void a_sealed_bag_checks(void **state)
{
	struct faults f;

	seal(state);
	assert_int_equal(faults_of(state, &f), 0);
	assert_file(state, "in/bagit.txt",
		"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
	assert_file(state, "in/bag-info.txt",
		"Source-Organization: 村档\n"
		"External-Identifier: xihu.example/330106110201\n"
		"Payload-Oxum: 20.5\n");
	/* Sealing again changes nothing. */
	seal(state);
	assert_int_equal(faults_of(state, &f), 0);
}

static void sha256sum_accepts_the_manifests(void **state)
{
	struct buf b = BUF_EMPTY;

	seal(state);
	assert_int_equal(unlink(scratch_path(state, "in/data/100%.txt")), 0);
	assert_int_equal(bag_seal(scratch_path(state, "in"), info,
				 ARRAY_LEN(info), NULL),
		ERR_OK);
	buf_printf(&b,
		"cd '%s/in' && LC_ALL=C sha256sum --quiet --strict -c "
		"manifest-sha256.txt tagmanifest-sha256.txt",
		(char *)*state);
	assert_non_null(buf_cstr(&b));
	assert_int_equal(system((char *)b.data), 0);
	buf_free(&b);
}

static void every_kind_of_fault_is_told(void **state)
{
	struct faults f;

	seal(state);
	put_file(state, "in/data/a.b", "2");
	assert_int_equal(faults_of(state, &f), 1);
	assert_string_equal(f.last, "data/a.b");
	seal(state);
	put_file(state, "in/data/more", "");
	assert_int_equal(faults_of(state, &f), 1);
	assert_string_equal(f.last, "data/more");
	seal(state);
	assert_int_equal(unlink(scratch_path(state, "in/data/a")), 0);
	assert_int_equal(faults_of(state, &f), 1);
	assert_string_equal(f.last, "data/a");
	seal(state);
	put_file(state, "in/governance/x", "other rules");
	assert_int_equal(faults_of(state, &f), 1);
	assert_string_equal(f.last, "governance/x");
	seal(state);
	put_file(state, "in/tagmanifest-sha1.txt", "");
	assert_int_equal(faults_of(state, &f), 1);
	assert_int_equal(
		unlink(scratch_path(state, "in/tagmanifest-sha1.txt")), 0);
	/* A changed tag file is a fault of its own and of the tag manifest. */
	put_file(state, "in/bagit.txt", "BagIt-Version: 0.97\n");
	assert_int_equal(faults_of(state, &f), 2);
	seal(state);
	put_file(state, "in/bag-info.txt", "Payload-Oxum: 1.1\n");
	assert_int_equal(faults_of(state, &f), 2);
	seal(state);
	assert_int_equal(symlink("a", scratch_path(state, "in/data/link")), 0);
	assert_int_equal(faults_of(state, &f), 1);
	assert_int_equal(unlink(scratch_path(state, "in/data/link")), 0);
	/* The signature over the tag manifest comes later and is no fault. */
	put_file(state, "in/tagmanifest.sig", "signature");
	assert_int_equal(faults_of(state, &f), 0);
}

static void info_lines_cannot_smuggle_lines(void **state)
{
	const char *const bad[] = {
		"A: b\nPayload-Oxum: 0.0", "no colon", "A: \xff"};

	put_tree(state);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			bag_seal(scratch_path(state, "in"), &bad[i], 1, NULL),
			ERR_INVALID);
}

#define HEX64 "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void manifests_of_others_are_read(void **state)
{
	static const char good[] = HEX64 "  data/b\r\n" HEX64
					 " \tdata/%25a%2x\n" HEX64 "  data/a b";
	static const char *const bad[] = {HEX64 " ../x\n", HEX64 " /x\n",
		HEX64 "\n", HEX64 " \n", HEX64 "x data/a\n", "e3b0 data/a\n",
		HEX64 " data/%0A\n", HEX64 " a\n" HEX64 " a\n", "\n",
		HEX64 " data/\xff\n"};
	struct manifest m = {0};

	(void)state;
	assert_int_equal(manifest_parse(good, strlen(good), &m, NULL), ERR_OK);
	assert_int_equal(m.count, 3);
	assert_string_equal(m.item[0].path, "data/%a%2x");
	assert_string_equal(m.item[1].path, "data/a b");
	assert_string_equal(m.item[2].path, "data/b");
	manifest_free(&m);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (manifest_parse(bad[i], strlen(bad[i]), &m, NULL) !=
			ERR_INVALID)
			fail_msg("%zu: %s", i, bad[i]);
}

/* Restores the plain locale that a program starts in. */
static int c_locale(void **state)
{
	(void)state;
	return setenv("LC_ALL", "C", 1) == 0 && setlocale(LC_ALL, "C") ? 0 : -1;
}

#define WITH_SCRATCH(test)                                                     \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(a_folder_comes_back_from_its_tar),
		WITH_SCRATCH(the_same_files_give_the_same_bytes),
		WITH_SCRATCH(stock_tools_read_our_tars),
		WITH_SCRATCH(we_read_tars_of_stock_tools),
		WITH_SCRATCH(links_and_the_like_are_not_packed),
		WITH_SCRATCH(hostile_members_are_refused),
		WITH_SCRATCH(bytes_that_are_no_tar_are_refused),
		WITH_SCRATCH(a_cut_tar_is_refused_or_short),
		WITH_SCRATCH(a_sealed_bag_checks),
		WITH_SCRATCH(sha256sum_accepts_the_manifests),
		WITH_SCRATCH(every_kind_of_fault_is_told),
		WITH_SCRATCH(info_lines_cannot_smuggle_lines),
		cmocka_unit_test(manifests_of_others_are_read),
	};

	return cmocka_run_group_tests(tests, c_locale, NULL);
}
