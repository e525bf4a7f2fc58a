/* err.h - how every function here fails: a code to act on, a text to read.
 *
 * The code says what a caller can do, the text what happened.  Text is lower
 * case without a full stop and names the thing, the number and the bound; it
 * never holds a secret or a personal value.  Formats are looked up in the
 * message catalogue (domain "cundang"), so texts come in the user's language;
 * in the C locale they are what the source says.
 */
#pragma once

#include <stdarg.h>

#include "base/attr.h"

enum MUST_USE_ENUM err_code {
	ERR_OK = 0,
	ERR_USAGE,     /* the caller's words are off: wrong option, bad value */
	ERR_INVALID,   /* a document or a rule says no: path and reason */
	ERR_NOT_FOUND, /* it is not here */
	ERR_EXISTS,    /* it is already here */
	ERR_BUSY,      /* somebody else has it now: try again */
	ERR_LIMIT,     /* larger than a documented bound */
	ERR_CORRUPT,   /* bytes of ours no longer match what they should be */
	ERR_PROTOCOL,  /* bytes of a peer that the protocol does not allow */
	ERR_DENIED,    /* not allowed: key, signature, clearance */
	ERR_FORK,      /* a log contradicts itself */
	ERR_ERASED,    /* destroyed under an order; it does not come back */
	ERR_FULL,      /* no space on the disk */
	ERR_IO,	       /* the operating system failed us */
	ERR_NOMEM,
	ERR_INTERNAL, /* a library refused what cannot be refused */
};

#define ERR_TEXT_SIZE 480

struct err {
	enum err_code code;
	char text[ERR_TEXT_SIZE]; /* UTF-8, cut at a whole character */
};

/* Sets code and text and returns the code.  `err` may be NULL. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* As err_set, for functions that take a format themselves. */
enum err_code err_vset(struct err *err, enum err_code code, const char *fmt,
	va_list ap) PRINTF_LIKE(3, 0);
/* As err_set, with ": " and strerror(errno) behind; the code is ERR_FULL for
 * ENOSPC and EDQUOT, ERR_NOT_FOUND for ENOENT, ERR_NOMEM for ENOMEM, else
 * ERR_IO. */
enum err_code err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "doing: " in front of the text and returns `code`, or ERR_NOMEM where
 * that was it: what cannot be read for want of memory is not bad by it. */
enum err_code err_while(struct err *err, enum err_code code, const char *fmt,
	...) PRINTF_LIKE(3, 4);
enum err_code err_nomem(struct err *err);
/* A constant text in the user's language, as an argument of err_set(). */
const char *err_reason(const char *text);
/* The name of a code in scripts and --json: "not-found", "denied", ... */
const char *err_name(enum err_code code);
/* The exit code of both programs for an error; docs/cli.md has the table. */
int err_exit_code(enum err_code code);
