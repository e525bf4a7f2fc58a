/* log.h - one line an event on stderr, subject first: "peer 330106: ...".
 *
 * Any thread.  Under systemd (JOURNAL_STREAM) a line starts with its priority
 * as <N>, elsewhere with the time.  Control bytes are shown as "?".
 */
#pragma once

#include "base/base.h"

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTE = 5, LOG_INFO = 6 };

/* Reads the environment; call it once, before there are threads. */
void log_init(void);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_note(...) log_line(LOG_NOTE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)

/* Lines that tests and scripts wait for. */
#define LINE_READY "node: ready"
#define LINE_STOPPED "node: stopped"
#define LINE_OPEN "session open"
