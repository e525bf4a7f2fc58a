/* random.h - the kernel's random bytes. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* getrandom(2); ERR_INTERNAL when the kernel has none to give. */
enum err_code random_bytes(void *out, size_t len, struct err *err);
