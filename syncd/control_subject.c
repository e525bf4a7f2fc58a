/* control_subject.c - the call about a person's own records. */
#include <string.h>

#include "syncd/control_inside.h"

static enum err_code person_of(
	const struct json *v, struct person *out, struct err *err)
{
	return person_set(out, json_get_string(v, "id_no"),
		json_get_string(v, "name"), json_get_string(v, "phone"),
		time_now(), err);
}

static enum err_code look(struct job *j, const struct json *v, bool copy,
	struct json **out, struct err *err)
{
	struct daemon *d = j->control->d;
	struct person person;
	struct subject_ask ask = {.who = j->who,
		.person = &person,
		.reason = json_get_string(v, "reason"),
		.request = json_get_string(v, "request"),
		.copy = copy};
	enum err_code rc;

	if (!ask.reason)
		return err_set(err, ERR_USAGE, "the body has no \"reason\"");
	if ((rc = person_of(v, &person, err)))
		return rc;
	rc = subject_look(
		d->node, d->writer, j->control->tries, &ask, out, err);
	person_wipe(&person);
	return rc;
}

static enum err_code refuse(
	struct job *j, const struct json *v, struct json **out, struct err *err)
{
	struct daemon *d = j->control->d;
	const char *reason = json_get_string(v, "reason");
	const char *article = json_get_string(v, "article");

	if (!reason || !article)
		return err_set(err, ERR_USAGE,
			"the body has no \"reason\" or no \"article\"");
	return subject_refuse(d->node, d->writer, j->control->tries, &j->who,
		article, reason, json_get_string(v, "request"), out, err);
}

static enum err_code run_subject(struct job *j, struct err *err)
{
	struct json *v = NULL, *out = NULL;
	const char *act;
	enum err_code rc;

	if ((rc = control_parse_body(j, &v, err)))
		return rc;
	act = json_get_string(v, "act");
	if (act && !strcmp(act, "refuse"))
		rc = refuse(j, v, &out, err);
	else if (act && (!strcmp(act, "find") || !strcmp(act, "export")))
		rc = look(j, v, *act == 'e', &out, err);
	else
		rc = err_set(
			err, ERR_USAGE, "\"act\" is find, export or refuse");
	if (rc == ERR_OK)
		rc = control_answer(j, out, err);
	json_free(v);
	explicit_bzero(j->in.data, j->in.len);
	return rc;
}

void call_subject(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_subject, control_noted);
}
