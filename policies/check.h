/* check.h - the files of a node beside its store: are they what they were? */
#pragma once

#include "policies/node.h"

/* node.yaml, keys, governance.git: each that cannot be read, or is not what
 * the node was made with, is told with its name under `data` and what is
 * wrong; so is one that is missing.  *count is how many were told. */
typedef void node_fault(void *arg, const char *where, const char *what);
enum err_code node_check_files(const char *data, node_fault *fault, void *arg,
	size_t *count, struct err *err);
/* The same for what node.yaml says of the log that `s` is writing. */
enum err_code node_check_origin(const char *data, struct store *s,
	node_fault *fault, void *arg, struct err *err);
