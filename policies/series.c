/* series.c - the kinds of records, and those that are built in. */
#include "policies/series.h"

#include <stdlib.h>
#include <string.h>

#include "policies/shape.h"

#define PERIOD_MAX 999

static const char *const rank_names[RANK_COUNT] = {
	[RANK_VILLAGE] = "village",
	[RANK_TOWNSHIP] = "township",
	[RANK_COUNTY] = "county",
};

const char *rank_name(enum rank r)
{
	return rank_names[r];
}

bool rank_parse(const char *s, enum rank *out)
{
	for (unsigned i = 0; i < RANK_COUNT; i++) {
		if (strcmp(rank_names[i], s) == 0) {
			*out = (enum rank)i;
			return true;
		}
	}
	return false;
}

bool seal_role_valid(const char *s)
{
	size_t len = strlen(s);

	return len < SEAL_ROLE_SIZE && *s >= 'a' && *s <= 'z' &&
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

bool period_parse(const char *s, struct period *out)
{
	struct period p = {.unit = PERIOD_FOREVER};
	size_t len = strlen(s);
	uint64_t n = 0;

	if (strcmp(s, "D30") == 0 || strcmp(s, "D10") == 0) {
		p.unit = PERIOD_YEARS;
		p.count = s[1] == '3' ? 30 : 10;
	} else if (s[0] == 'T' && len > 2 &&
		(s[len - 1] == 'y' || s[len - 1] == 'd')) {
		if (!number_parse(s + 1, len - 2, PERIOD_MAX, &n) || n == 0)
			return false;
		p.unit = s[len - 1] == 'y' ? PERIOD_YEARS : PERIOD_DAYS;
		p.count = (unsigned)n;
		p.temporary = true;
	} else if (strcmp(s, "Y") != 0) {
		return false;
	}
	*out = p;
	return true;
}

void series_free(struct series *s)
{
	if (!s || s->system)
		return;
	shape_free(s->shape);
	for (size_t i = 0; i < s->field_count; i++) {
		char **choices = s->fields[i].choices;

		for (size_t j = 0; choices && choices[j]; j++)
			free(choices[j]);
		free(choices);
		free(s->fields[i].title);
	}
	free(s->fields);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		free(s->retention[i]);
		free(s->anchor[i]);
	}
	free(s->title);
	free(s->plan);
	free(s);
}

/* What a node does itself, as records: of a free form, seen by every rank.
 * Orders go down from whoever entered them, ahead of all else. */
#define UP .direction = DIRECTION_UP
#define DOWN                                                                   \
	.direction = DIRECTION_DOWN, .reach = REACH_BELOW,                     \
	.senders = RANK_ALL, .urgent = true
#define SYSTEM(slug, words, way)                                               \
	{                                                                      \
		way, .name = slug, .title = (words),                           \
		     .plan = "加强村（社区）服务档案建设", .system = true,     \
		     .attachments_label = LABEL_INTERNAL,                      \
		     .labels = LABEL_BIT(LABEL_INTERNAL),                      \
		     .clearance = {LABEL_BIT(LABEL_INTERNAL),                  \
			     LABEL_BIT(LABEL_INTERNAL),                        \
			     LABEL_BIT(LABEL_INTERNAL)},                       \
		     .retention = {[LABEL_INTERNAL] = "Y"},                    \
	}

static const struct series system_series[] = {
	SYSTEM("sys-policy", "规则采用", UP),
	SYSTEM("sys-key", "密钥变更", UP),
	SYSTEM("sys-epoch", "日志换代", UP),
	SYSTEM("sys-witness", "下级日志见证", UP),
	SYSTEM("sys-provision", "提供登记", UP),
	SYSTEM("sys-hold", "冻结令", DOWN),
	SYSTEM("sys-erasure", "销毁令", DOWN),
	SYSTEM("sys-receipt", "回执", UP),
	SYSTEM("sys-restrict", "封存令", DOWN),
	SYSTEM("sys-disposal", "鉴定销毁清册", UP),
	SYSTEM("sys-archive", "归档移交", UP),
	SYSTEM("sys-access", "查阅登记", UP),
	SYSTEM("sys-aggregate", "汇总统计", UP),
	/* What the records of sealed series are on their way: a message that
	 * every rank may hold, and none can read. */
	{
		UP,
		.name = SERIES_SEALED,
		.title = "密封记录",
		.plan = "建立健全发现报告和家庭监护监督制度",
		.system = true,
		.urgent = true,
		.attachments_label = LABEL_SENSITIVE,
		.labels = LABEL_BIT(LABEL_SENSITIVE),
		.clearance = {LABEL_BIT(LABEL_SENSITIVE),
			LABEL_BIT(LABEL_SENSITIVE), LABEL_BIT(LABEL_SENSITIVE)},
		.retention = {[LABEL_SENSITIVE] = "Y"},
	},
};

const struct series *series_system_at(size_t i)
{
	return i < ARRAY_LEN(system_series) ? &system_series[i] : NULL;
}

const struct series *series_system(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(system_series); i++) {
		if (strcmp(system_series[i].name, name) == 0)
			return &system_series[i];
	}
	return NULL;
}
