/* random.c - the kernel's random bytes. */
#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

enum err_code random_bytes(void *out, size_t len, struct err *err)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_INTERNAL,
				"no random bytes from the kernel, %zu wanted",
				len);
		at += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}
