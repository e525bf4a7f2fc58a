/* order_judge.c - do the signatures under an order make it one? */
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/order.h"
#include "policies/rules_load.h"

#define FIELDS_LIMIT JSON_TEXT_LIMIT

void signed_order_free(struct signed_order *s)
{
	buf_free(&s->text);
	buf_free(&s->reg);
	for (size_t i = 0; i < s->count; i++)
		buf_free(&s->signature[i]);
	*s = (struct signed_order){.count = 0};
}

enum err_code signed_order_add(
	struct signed_order *s, const void *armor, size_t len, struct err *err)
{
	struct buf *out = &s->signature[s->count];

	if (s->count == ORDER_SIGNATURES_LIMIT)
		return err_set(err, ERR_LIMIT, "order: more than %d signatures",
			ORDER_SIGNATURES_LIMIT);
	if (len == 0)
		return err_set(
			err, ERR_DENIED, "%zu bytes are no ssh signature", len);
	if (len > SSHSIG_TEXT_LIMIT)
		return err_set(err, ERR_LIMIT,
			"signature of %zu bytes, limit %zu", len,
			SSHSIG_TEXT_LIMIT);
	buf_add(out, armor, len);
	s->count++;
	return buf_ok(out, err);
}

static enum err_code add_json(
	struct signed_order *s, const struct json *v, struct err *err)
{
	size_t len = 0;
	const char *armor = json_string(v, &len);

	if (!armor)
		return err_set(
			err, ERR_INVALID, "order: a signature is no string");
	return signed_order_add(s, armor, len, err);
}

enum err_code signed_order_parse(const void *fields, size_t len,
	struct signed_order *out, struct err *err)
{
	struct signed_order s = {.count = 0};
	const struct json *list;
	const char *text;
	struct json *v = NULL;
	size_t text_len = 0;
	enum err_code rc;

	if ((rc = json_parse_canonical(fields, len, FIELDS_LIMIT, &v, err)))
		return err_while(err, rc, "record of an order");
	text = json_string(json_get(v, "text"), &text_len);
	list = json_get(v, "signatures");
	if (!text || json_kind(list) != JSON_KIND_ARRAY || json_count(v) != 2)
		rc = err_set(err, ERR_INVALID,
			"record of an order: not just text and signatures");
	if (!rc) {
		buf_add(&s.text, text, text_len);
		rc = buf_ok(&s.text, err);
	}
	for (size_t i = 0; !rc && i < json_count(list); i++)
		rc = add_json(&s, json_at(list, i), err);
	if (rc) {
		signed_order_free(&s);
	} else {
		*out = s;
	}
	json_free(v);
	return rc;
}

struct json *signed_order_json(const struct signed_order *s)
{
	struct json *v = json_new_object(), *list = json_new_array();
	bool ok = true;

	for (size_t i = 0; ok && i < s->count; i++)
		ok = json_append(list,
			json_new_string((const char *)s->signature[i].data,
				s->signature[i].len));
	ok = ok &&
		json_set(v, "text",
			json_new_string(
				(const char *)s->text.data, s->text.len));
	if (!ok) {
		json_free(list);
	} else if (json_set(v, "signatures", list)) {
		return v;
	}
	json_free(v);
	return NULL;
}

/* ---- what the order says ---- */

/* Every division that the order names, until a visit says no. */
typedef bool code_visit(void *arg, const char *code);

static bool each_origin(const char *origin, code_visit *visit, void *arg)
{
	char code[CODE_SIZE];

	return log_code(origin, code) && visit(arg, code);
}

/* What it selects without a place lies anywhere below its node. */
static bool each_code(const struct order *o, code_visit *visit, void *arg)
{
	bool ok = true;

	if (!o->record_count && !o->part_count)
		ok = visit(arg, *o->prefix ? o->prefix : o->node);
	else if (*o->prefix)
		ok = visit(arg, o->prefix);
	for (size_t i = 0; ok && i < o->record_count; i++)
		ok = each_origin(o->record[i].origin, visit, arg);
	for (size_t i = 0; ok && i < o->part_count; i++)
		ok = each_origin(o->part[i].origin, visit, arg);
	return ok;
}

static bool is_within(void *above, const char *code)
{
	return code_within(code, above);
}

static enum err_code check_itself(
	const struct rules *rules, const struct order *o, struct err *err)
{
	int64_t wait = (int64_t)rules_waiting_days(rules) * 86400;
	char node[CODE_SIZE];

	memcpy(node, o->node, CODE_SIZE);
	if (strcmp(o->domain, rules_domain(rules)))
		return err_set(err, ERR_DENIED,
			"order %s is of the domain %s, not %s", o->id,
			o->domain, rules_domain(rules));
	if (o->rules > rules_serial(rules))
		return err_set(err, ERR_BUSY,
			"order %s was made under head %llu, here is %llu",
			o->id, (unsigned long long)o->rules,
			(unsigned long long)rules_serial(rules));
	/* Else who has a key that no longer counts would only have to write an
	 * older day. */
	if (o->rules == rules_serial(rules) && o->made_at < rules_at(rules))
		return err_set(err, ERR_DENIED,
			"order %s was made before the head %llu it names",
			o->id, (unsigned long long)o->rules);
	if (!rules_node(rules, o->node))
		return err_set(err, ERR_DENIED,
			"order %s: %s is no division of %s", o->id, o->node,
			o->domain);
	if (!each_code(o, is_within, node))
		return err_set(err, ERR_DENIED,
			"order %s names what lies outside %s, where it was "
			"made",
			o->id, o->node);
	if (o->kind == ORDER_ERASE && o->has_register &&
		o->not_before - o->made_at < wait)
		return err_set(err, ERR_DENIED,
			"order %s waits less than the %u days that the rules "
			"demand",
			o->id, rules_waiting_days(rules));
	return ERR_OK;
}

static bool is_ended_by(const struct order *about, const struct order *o)
{
	return !strcmp(about->id, o->about) &&
		((o->kind == ORDER_RELEASE && about->kind == ORDER_HOLD) ||
			(o->kind == ORDER_LIFT &&
				about->kind == ORDER_RESTRICT) ||
			(o->kind == ORDER_CANCEL &&
				about->kind == ORDER_ERASE));
}

/* ---- who signed ---- */

static bool may_sign(const struct officer *o)
{
	enum role role;

	return role_parse(o->role, &role) && role != ROLE_REGISTRAR;
}

static bool is_covered(void *officer, const char *code)
{
	const struct officer *o = officer;

	return code_within(code, o->scope);
}

static enum err_code judge_one(const struct rules *rules, const struct order *o,
	const struct signed_order *s, size_t i, const struct order *scope,
	const struct officer **out, struct err *err)
{
	const struct officer *found;
	struct officer officer;
	struct ssh_public key;
	enum err_code rc;

	if ((rc = sshsig_check(s->signature[i].data, s->signature[i].len,
		     ORDER_NAMESPACE, s->text.data, s->text.len, &key, err)))
		return err_while(err, ERR_DENIED, "signature %zu of order %s",
			i + 1, o->id);
	if (!(found = council_find(&rules->council, &key)))
		return err_set(err, ERR_DENIED,
			"order %s is signed by a key that is no officer's in "
			"head %llu",
			o->id, (unsigned long long)rules_serial(rules));
	if (!officer_valid_at(found, o->made_at))
		return err_set(err, ERR_DENIED,
			"the key of %s counted until %s only", found->name,
			found->until);
	officer = *found;
	if (!may_sign(&officer) || !each_code(scope, is_covered, &officer))
		return err_set(err, ERR_DENIED,
			"%s (%s of %s) may not sign order %s: %s", officer.name,
			officer.role, officer.scope, o->id,
			err_reason(may_sign(&officer)
					? "it names what lies outside that "
					  "scope"
					: "governors and archivists sign "
					  "orders"));
	*out = found;
	return ERR_OK;
}

static unsigned wanted(const struct rules *rules, const struct order *o)
{
	switch (o->kind) {
	case ORDER_ERASE:
		return o->accounts ? rules_accounts_approvals(rules)
				   : rules_disposal_approvals(rules);
	case ORDER_HOLD:
	case ORDER_RELEASE:
	case ORDER_CANCEL:
	case ORDER_RESTRICT:
	case ORDER_LIFT:
		break;
	}
	return rules_hold_approvals(rules);
}

enum err_code order_judge(const struct rules *rules, const struct order *o,
	const struct signed_order *s, const struct order *about,
	struct order_quorum *q, struct err *err)
{
	const struct officer *signer[ORDER_SIGNATURES_LIMIT];
	enum err_code rc;

	if ((rc = check_itself(rules, o, err)))
		return rc;
	if (about && !is_ended_by(about, o))
		return err_set(err, ERR_DENIED,
			"order %s (%s) does not end order %s (%s)", o->id,
			order_kind_name(o->kind), about->id,
			order_kind_name(about->kind));
	/* It goes to all below its node: as far as what it ends. */
	if (about && !code_within(about->node, o->node))
		return err_set(err, ERR_DENIED,
			"order %s of %s does not reach all that order %s of %s "
			"reached: make it there or above",
			o->id, o->node, about->id, about->node);
	for (size_t i = 0; i < s->count; i++) {
		if ((rc = judge_one(rules, o, s, i, about ? about : o,
			     &signer[i], err)))
			return rc;
		for (size_t j = 0; j < i; j++)
			if (signer[j] == signer[i])
				return err_set(err, ERR_DENIED,
					"%s signed order %s twice: an officer "
					"counts once",
					signer[i]->name, o->id);
	}
	*q = (struct order_quorum){(unsigned)s->count, wanted(rules, o)};
	return ERR_OK;
}

enum err_code order_check(const struct rules *rules, const struct order *o,
	const struct signed_order *s, const struct order *about,
	struct err *err)
{
	struct order_quorum q = {0, 0};
	enum err_code rc = order_judge(rules, o, s, about, &q, err);

	if (!rc && q.have < q.want)
		rc = err_set(err, ERR_DENIED,
			"order %s has %u signatures, it needs %u", o->id,
			q.have, q.want);
	return rc;
}
