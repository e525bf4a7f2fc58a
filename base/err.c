/* err.c - fills struct err: looked up in the catalogue, cut at a character. */
#include "base/err.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"

/* The length of s without a character that a cut left incomplete. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t start = len;
	size_t want;
	unsigned char lead;

	while (start > 0 && len - start < 3 &&
		((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return len;
	lead = (unsigned char)s[start - 1];
	if (lead < 0xc0)
		return len;
	want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	return len - start + 1 < want ? start - 1 : len;
}

/* Appends formatted text at `used` of a buffer of ERR_TEXT_SIZE. */
static size_t text_vadd(char *text, size_t used, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static size_t text_vadd(char *text, size_t used, const char *fmt, va_list ap)
{
	size_t room = ERR_TEXT_SIZE - used;
	size_t len;
	int n = vsnprintf(text + used, room, fmt, ap);

	len = n < 0 ? 0 : (size_t)n;
	if (len >= room)
		len = whole_characters(text, ERR_TEXT_SIZE - 1) - used;
	text[used + len] = '\0';
	return used + len;
}

static size_t text_add(char *text, size_t used, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static size_t text_add(char *text, size_t used, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	used = text_vadd(text, used, fmt, ap);
	va_end(ap);
	return used;
}

/* The empty msgid would give the header of the catalogue. */
static const char *translated(const char *fmt) __attribute__((format_arg(1)));

static const char *translated(const char *fmt)
{
	return fmt[0] ? dgettext(TEXT_DOMAIN, fmt) : fmt;
}

static enum err_code deliver(
	struct err *err, enum err_code code, const char *text, size_t len)
{
	err->code = code;
	memcpy(err->text, text, len + 1);
	return code;
}

/* The text is made aside because an argument may point into err->text. */
enum err_code err_vset(
	struct err *err, enum err_code code, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_SIZE];

	if (!err)
		return code;
	return deliver(
		err, code, text, text_vadd(text, 0, translated(fmt), ap));
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = err_vset(err, code, fmt, ap);
	va_end(ap);
	return code;
}

static enum err_code code_of_errno(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case ENOENT:
		return ERR_NOT_FOUND;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

enum err_code err_sys(struct err *err, const char *fmt, ...)
{
	int number = errno;
	enum err_code code = code_of_errno(number);
	char text[ERR_TEXT_SIZE];
	char reason[128];
	size_t used;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	used = text_vadd(text, 0, translated(fmt), ap);
	va_end(ap);
	used = text_add(
		text, used, ": %s", strerror_r(number, reason, sizeof(reason)));
	errno = number;
	return deliver(err, code, text, used);
}

enum err_code err_while(
	struct err *err, enum err_code code, const char *fmt, ...)
{
	char text[ERR_TEXT_SIZE];
	size_t used;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	used = text_vadd(text, 0, translated(fmt), ap);
	va_end(ap);
	used = text_add(text, used, ": %s", err->text);
	if (err->code == ERR_NOMEM)
		code = ERR_NOMEM;
	return deliver(err, code, text, used);
}

enum err_code err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

const char *err_reason(const char *text)
{
	return translated(text);
}

const char *err_name(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return "ok";
	case ERR_USAGE:
		return "usage";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_EXISTS:
		return "exists";
	case ERR_BUSY:
		return "busy";
	case ERR_LIMIT:
		return "limit";
	case ERR_CORRUPT:
		return "corrupt";
	case ERR_PROTOCOL:
		return "protocol";
	case ERR_DENIED:
		return "denied";
	case ERR_FORK:
		return "fork";
	case ERR_ERASED:
		return "erased";
	case ERR_FULL:
		return "full";
	case ERR_IO:
		return "io";
	case ERR_NOMEM:
		return "nomem";
	case ERR_INTERNAL:
		return "internal";
	}
	return "unknown";
}

int err_exit_code(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return 0;
	case ERR_INVALID:
	case ERR_LIMIT:
	case ERR_ERASED:
	case ERR_PROTOCOL:
		return 1;
	case ERR_USAGE:
		return 2;
	case ERR_NOT_FOUND:
		return 3;
	case ERR_DENIED:
		return 4;
	case ERR_BUSY:
		return 5;
	case ERR_FULL:
		return 6;
	case ERR_CORRUPT:
	case ERR_FORK:
		return 7;
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_INTERNAL:
		return 8;
	case ERR_EXISTS:
		return 9;
	}
	return 8;
}
