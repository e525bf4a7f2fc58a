/* log.c - one line an event on stderr. */
#include "syncd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024

static bool to_journal;

void log_init(void)
{
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

static size_t write_head(enum log_level level, char *line)
{
	char now[TIME_TEXT_SIZE];

	if (to_journal)
		return (size_t)snprintf(line, LINE_SIZE, "<%d>", (int)level);
	time_format(time_now(), now);
	return (size_t)snprintf(line, LINE_SIZE, "%s ", now);
}

/* One write() a line, so lines of several threads do not mix. */
void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_SIZE];
	size_t len = write_head(level, line);
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n > 0)
		len += strlen(line + len);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* There is nowhere left to say so. */
	}
}
