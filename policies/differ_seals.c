/* differ_seals.c - what changes of the people that sealed records go to. */
#include <string.h>

#include "policies/differ.h"
#include "policies/rules_load.h"

static bool same_key(const struct seal_public *a, const struct seal_public *b)
{
	return !memcmp(a->spki, b->spki, sizeof(a->spki));
}

static const struct seal_recipient *find(
	const struct seals *s, const struct seal_recipient *r)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct seal_recipient *o = &s->item[i];

		if (!strcmp(o->name, r->name) && !strcmp(o->role, r->role) &&
			!strcmp(o->scope, r->scope))
			return o;
	}
	return NULL;
}

static void subject(struct differ *d, const struct seal_recipient *r)
{
	differ_text(d, r->name);
	differ_put(d, ", ", "，");
	differ_text(d, r->role);
	differ_put(d, " of ", "，范围 ");
	differ_text(d, r->scope);
}

static void each_gone(
	struct differ *d, const struct seals *a, const struct seals *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (find(b, &a->item[i]))
			continue;
		subject(d, &a->item[i]);
		differ_put(d,
			": no more records are sealed to the key; it opens "
			"those of before",
			"：今后的记录不再密封给该密钥，此前的仍可开启");
		differ_end(d);
	}
}

static void each_there(
	struct differ *d, const struct seals *a, const struct seals *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct seal_recipient *old = find(a, &b->item[i]);

		if (old && same_key(&old->key, &b->item[i].key))
			continue;
		subject(d, &b->item[i]);
		if (old)
			differ_put(d, ": another key opens records from now on",
				"：今后的记录改由另一密钥开启");
		else
			differ_put(d,
				": can open sealed records of that role from "
				"now on",
				"：今后可开启该角色的密封记录");
		differ_end(d);
	}
}

void differ_seals(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	if (a->seals.is != b->seals.is ||
		(b->seals.is &&
			!same_key(&a->seals.recovery, &b->seals.recovery))) {
		differ_put(d, "the recovery key of sealed records is ",
			"密封记录的恢复密钥：");
		if (!b->seals.is)
			differ_put(d, "taken out", "取消");
		else if (!a->seals.is)
			differ_put(d, "named: it opens every one",
				"设定，可开启全部密封记录");
		else
			differ_put(d, "another one from now on", "今后更换");
		differ_end(d);
	}
	each_gone(d, &a->seals, &b->seals);
	each_there(d, &a->seals, &b->seals);
}
