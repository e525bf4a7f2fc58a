/* tarscan.h - whether a tar can be read whole.  Internal to policies/. */
#pragma once

#include "base/base.h"

#define TAR_BLOCK_SIZE 512

struct tar_header {
	bool end; /* a block of zeros */
	uint64_t size;
};

/* docs/format.md 9.3.  Pure.  false = no header that is whole. */
bool tar_header_parse(
	const uint8_t block[TAR_BLOCK_SIZE], struct tar_header *out);
/* Readers of tars pass over what is damaged, each in its own way; this walks
 * all headers to the end first.  ERR_INVALID names the place. */
enum err_code tar_scan(const char *path, struct err *err);
