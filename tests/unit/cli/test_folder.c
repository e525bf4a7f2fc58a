/* test_folder.c - attachment files and partial tiles, by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/folder.h"
#include "cli/partials.h"

static void put_file(const char *dir, const char *name)
{
	char *path = file_join(dir, name);

	assert_non_null(path);
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), ERR_OK);
	free(path);
}

static void remove_file(const char *dir, const char *name)
{
	char *path = file_join(dir, name);

	assert_non_null(path);
	assert_int_equal(unlink(path), 0);
	free(path);
}

static void files_are_found_with_and_without_an_ending(void **state)
{
	struct digest a = digest_of("a", 1), b = digest_of("b", 1),
		      c = digest_of("c", 1);
	char dir[] = "/tmp/cundang-folder-XXXXXX";
	char hex_a[DIGEST_HEX_SIZE], hex_b[DIGEST_HEX_SIZE];
	char pdf[DIGEST_HEX_SIZE + 8], other[DIGEST_HEX_SIZE + 8];
	struct folder *f = NULL;
	char *path = NULL;

	(void)state;
	digest_hex(&a, hex_a);
	digest_hex(&b, hex_b);
	snprintf(pdf, sizeof(pdf), "%s.pdf", hex_b);
	snprintf(other, sizeof(other), "%sx", hex_b);
	assert_non_null(mkdtemp(dir));
	put_file(dir, hex_a);
	put_file(dir, pdf);
	put_file(dir, other);
	put_file(dir, "README");
	assert_int_equal(folder_open(dir, &f, NULL), ERR_OK);
	assert_int_equal(folder_find(f, &a, &path, NULL), ERR_OK);
	assert_string_equal(path + strlen(dir) + 1, hex_a);
	free(path);
	assert_int_equal(folder_find(f, &b, &path, NULL), ERR_OK);
	assert_string_equal(path + strlen(dir) + 1, pdf);
	free(path);
	assert_int_equal(folder_find(f, &c, &path, NULL), ERR_NOT_FOUND);
	folder_close(f);
	remove_file(dir, hex_a);
	remove_file(dir, pdf);
	remove_file(dir, other);
	remove_file(dir, "README");
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(folder_open(dir, &f, NULL), ERR_NOT_FOUND);
}

static void a_bundle_is_cut_after_whole_entries(void **state)
{
	static const uint8_t bundle[] = {0, 1, 'a', 0, 0, 0, 2, 'b', 'c'};
	size_t end = 99;

	(void)state;
	assert_int_equal(partials_cut(bundle, 9, 0, &end, NULL), ERR_OK);
	assert_int_equal(end, 0);
	assert_int_equal(partials_cut(bundle, 9, 1, &end, NULL), ERR_OK);
	assert_int_equal(end, 3);
	assert_int_equal(partials_cut(bundle, 9, 2, &end, NULL), ERR_OK);
	assert_int_equal(end, 5);
	assert_int_equal(partials_cut(bundle, 9, 3, &end, NULL), ERR_OK);
	assert_int_equal(end, 9);
	assert_int_equal(partials_cut(bundle, 9, 4, &end, NULL), ERR_CORRUPT);
	assert_int_equal(partials_cut(bundle, 8, 3, &end, NULL), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_with_and_without_an_ending),
		cmocka_unit_test(a_bundle_is_cut_after_whole_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
