/* tarscan.c - whether a tar can be read whole. */
#include "policies/tarscan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_AT 124
#define SIZE_DIGITS 11
#define SUM_AT 148
#define SUM_LEN 8
#define SUM_DIGITS 6

static bool octal(const uint8_t *s, size_t digits, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < digits; i++) {
		if (s[i] < '0' || s[i] > '7')
			return false;
		n = n << 3 | (uint64_t)(s[i] - '0');
	}
	*out = n;
	return true;
}

static bool all_zero(const uint8_t block[TAR_BLOCK_SIZE])
{
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		if (block[i])
			return false;
	}
	return true;
}

/* The sum is of all bytes, with blanks in its own place. */
static uint64_t sum_of(const uint8_t block[TAR_BLOCK_SIZE])
{
	uint64_t sum = SUM_LEN * ' ';

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += block[i];
	for (size_t i = 0; i < SUM_LEN; i++)
		sum -= block[SUM_AT + i];
	return sum;
}

bool tar_header_parse(
	const uint8_t block[TAR_BLOCK_SIZE], struct tar_header *out)
{
	const uint8_t *sum = block + SUM_AT, *size = block + SIZE_AT;
	struct tar_header h = {.end = all_zero(block)};
	uint64_t said;

	if (!h.end &&
		(!octal(sum, SUM_DIGITS, &said) || sum[SUM_DIGITS] != '\0' ||
			sum[SUM_DIGITS + 1] != ' ' || said != sum_of(block) ||
			!octal(size, SIZE_DIGITS, &h.size) ||
			(size[SIZE_DIGITS] != '\0' &&
				size[SIZE_DIGITS] != ' ')))
		return false;
	*out = h;
	return true;
}

/* All that follows the first block of zeros is zeros, at least one block. */
static enum err_code scan_end(
	int fd, uint64_t at, uint64_t size, struct err *err)
{
	uint8_t block[TAR_BLOCK_SIZE];
	enum err_code rc;

	if (at == size)
		return err_set(err, ERR_INVALID,
			"tar: ends at byte %" PRIu64 " without its end", at);
	for (; at < size; at += TAR_BLOCK_SIZE) {
		if ((rc = file_read_at(fd, at, block, sizeof(block), err)))
			return rc;
		if (!all_zero(block))
			return err_set(err, ERR_INVALID,
				"tar: there are bytes behind its end, at byte "
				"%" PRIu64,
				at);
	}
	return ERR_OK;
}

static enum err_code scan(int fd, uint64_t size, struct err *err)
{
	uint8_t block[TAR_BLOCK_SIZE];
	struct tar_header h = {.end = false};
	uint64_t at = 0;
	enum err_code rc;

	if (size % TAR_BLOCK_SIZE)
		return err_set(err, ERR_INVALID,
			"tar: %" PRIu64 " bytes are not whole blocks of %d",
			size, TAR_BLOCK_SIZE);
	while (at < size) {
		if ((rc = file_read_at(fd, at, block, sizeof(block), err)))
			return rc;
		if (!tar_header_parse(block, &h))
			return err_set(err, ERR_INVALID,
				"tar: damaged header at byte %" PRIu64, at);
		at += TAR_BLOCK_SIZE;
		if (h.end)
			return scan_end(fd, at, size, err);
		/* Eleven octal digits: no overflow. */
		at += (h.size + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE *
			TAR_BLOCK_SIZE;
	}
	return err_set(err, ERR_INVALID,
		"tar: ends at byte %" PRIu64 " without its end", size);
}

enum err_code tar_scan(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (fstat(fd, &st))
		rc = err_sys(err, "open %s", path);
	else
		rc = scan(fd, (uint64_t)st.st_size, err);
	close(fd);
	return rc;
}
