/* person.h - somebody who asks about their own records: told by an identity
 * number, or by name and telephone together.  Pure; nothing of it is kept. */
#pragma once

#include "policies/series.h"

#define PERSON_TEXT_SIZE 256

struct person {
	/* In normal form; "" where it is not what they are told by. */
	char id_no[PERSON_TEXT_SIZE];
	char name[PERSON_TEXT_SIZE], phone[PERSON_TEXT_SIZE];
};
/* Either an identity number, or a name and a number: full-width digits and
 * stray spaces are taken for what they stand for.  NULL or "" for what is not
 * given.  ERR_USAGE never repeats what was given. */
enum err_code person_set(struct person *p, const char *id_no, const char *name,
	const char *phone, int64_t now, struct err *err);
void person_wipe(struct person *p);

/* A place in a document that names the person: its path, and the value
 * masked. */
typedef enum err_code person_visit(
	void *arg, const char *path, const struct buf *masked, struct err *err);
/* The identity number wherever it stands in a text, or the name and the number
 * in one object. */
enum err_code person_find(const struct person *p, const struct json *fields,
	person_visit *visit, void *arg, struct err *err);

/* A copy of `fields` for the person: what is labelled personal or sensitive
 * only in the objects that are about them, and beside them at the top no other
 * name or number of anybody. */
enum err_code person_copy(const struct person *p, const struct series *s,
	const struct json *fields, struct json **out, struct err *err);
