/* template.h - the catalogue that a new domain starts with, compiled in.
 * Internal to policies/; made from policies/template/ by template.cmake. */
#pragma once

#include <stddef.h>

struct template_file {
	const char *path;
	const unsigned char *data;
	size_t len;
};

extern const struct template_file template_files[];
extern const size_t template_count;
