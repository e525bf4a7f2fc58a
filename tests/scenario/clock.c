/* clock.c - preloaded: a program sees the time of day CLOCK_SHIFT seconds from
 * what it is.  Other clocks go as they are. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int clock_gettime(clockid_t clock, struct timespec *t);

/* Straight from the kernel, as a sanitizer's own wrapper calls this one. */
EXPORT int clock_gettime(clockid_t clock, struct timespec *t)
{
	const char *shift = getenv("CLOCK_SHIFT");
	long rc = syscall(SYS_clock_gettime, clock, t);

	if (rc == 0 && shift && clock == CLOCK_REALTIME)
		t->tv_sec += strtol(shift, NULL, 10);
	return (int)rc;
}
