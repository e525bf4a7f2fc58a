/* provision_fields.c - the fields of a sys-provision record, read and written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/provision.h"

/* ---- writing ---- */

static struct json *new_item(const struct provision_item *item)
{
	struct json *v = json_new_object();

	if (json_set(v, "from", json_new_u64(item->from)) &&
		json_set(v, "labels", labels_json(item->labels)) &&
		json_set(v, "origin", json_new_text(item->origin)) &&
		(!item->before ||
			json_set(v, "before", json_new_u64(item->before))))
		return v;
	json_free(v);
	return NULL;
}

static struct json *new_items(const struct provision *p)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < p->count; i++) {
		if (!json_append(v, new_item(&p->item[i]))) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

enum err_code provision_write(
	const struct provision *p, struct json **out, struct err *err)
{
	struct json *v = json_new_object();

	if (json_set(v, "day", json_new_text(p->day)) &&
		json_set(v, p->consumer ? "consumer" : "to",
			json_new_text(p->to)) &&
		json_set(v, "given", new_items(p))) {
		*out = v;
		return ERR_OK;
	}
	json_free(v);
	return err_nomem(err);
}

/* ---- reading ---- */

static bool read_labels(const struct json *v, uint8_t *out)
{
	uint8_t labels = 0;

	for (size_t i = 0; json_kind(v) == JSON_KIND_ARRAY && i < json_count(v);
		i++) {
		size_t len = 0;
		const char *s = json_string(json_at(v, i), &len);
		enum label l;

		if (!s || !label_parse(s, len, &l))
			return false;
		labels |= LABEL_BIT(l);
	}
	*out = labels & PROVISION_LABELS;
	return *out != 0;
}

static bool read_item(const struct json *v, struct provision_item *out)
{
	const char *origin = json_get_string(v, "origin");

	if (!origin || strlen(origin) >= sizeof(out->origin) ||
		!origin_valid(origin, strlen(origin)) ||
		!json_get_u64(v, "from", &out->from) ||
		!read_labels(json_get(v, "labels"), &out->labels) ||
		(json_get(v, "before") &&
			!json_get_u64(v, "before", &out->before)))
		return false;
	memcpy(out->origin, origin, strlen(origin) + 1);
	return true;
}

static bool read_day(const char *s, char out[PROVISION_DAY_SIZE])
{
	char text[TIME_TEXT_SIZE + 8];
	int64_t t;

	if (!s || strlen(s) != PROVISION_DAY_SIZE - 1)
		return false;
	snprintf(text, sizeof(text), "%sT00:00:00+08:00", s);
	if (!time_parse(text, strlen(text), &t))
		return false;
	memcpy(out, s, PROVISION_DAY_SIZE);
	return true;
}

static bool read_to(const struct json *v, struct provision *out)
{
	const char *to = json_get_string(v, "to");
	const char *consumer = json_get_string(v, "consumer");

	if (!to == !consumer)
		return false;
	out->consumer = consumer != NULL;
	if (consumer)
		to = consumer;
	else if (!code_valid(to, strlen(to)))
		return false;
	if (!*to || strlen(to) >= sizeof(out->to))
		return false;
	memcpy(out->to, to, strlen(to) + 1);
	return true;
}

static enum err_code read_items(
	const struct json *v, struct provision *out, struct err *err)
{
	size_t count = json_kind(v) == JSON_KIND_ARRAY ? json_count(v) : 0;

	if (count == 0 || count > PROVISION_ITEMS_LIMIT)
		return err_set(err, ERR_INVALID,
			"register of provision: %zu items, limit 1 to %d",
			count, PROVISION_ITEMS_LIMIT);
	if (!(out->item = calloc(count, sizeof(*out->item))))
		return err_nomem(err);
	for (; out->count < count; out->count++)
		if (!read_item(json_at(v, out->count), &out->item[out->count]))
			return err_set(err, ERR_INVALID,
				"register of provision: item %zu is none",
				out->count);
	return ERR_OK;
}

enum err_code provision_parse(
	const void *text, size_t len, struct provision *out, struct err *err)
{
	struct provision p = {.count = 0};
	struct json *v = NULL;
	enum err_code rc = json_parse(text, len, PART_SIZE_LIMIT, &v, err);

	if (rc)
		return rc;
	if (!read_day(json_get_string(v, "day"), p.day))
		rc = err_set(err, ERR_INVALID,
			"register of provision without a day");
	else if (!read_to(v, &p))
		rc = err_set(err, ERR_INVALID,
			"register of provision without a recipient");
	else
		rc = read_items(json_get(v, "given"), &p, err);
	json_free(v);
	if (rc == ERR_OK)
		*out = p;
	else
		provision_free(&p);
	return rc;
}

void provision_free(struct provision *p)
{
	free(p->item);
	*p = (struct provision){.count = 0};
}
