/* fuzz_rules_yaml.c - each YAML file of governance and node takes any bytes;
 * the first byte chooses which. */
#include <stdlib.h>
#include <string.h>

#include "policies/nodefile.h"
#include "policies/rules_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void roster(const uint8_t *data, size_t size)
{
	struct roster a = {NULL, 0}, b = {NULL, 0};
	struct buf text = BUF_EMPTY;

	if (roster_load("f", "330106110000", data, size, &a, NULL) != ERR_OK)
		return;
	/* What was read is what is written. */
	if (roster_write(&a, &text, NULL) != ERR_OK ||
		roster_load("f", "330106110000", text.data, text.len, &b,
			NULL) != ERR_OK ||
		a.count != b.count)
		abort();
	for (size_t i = 0; i < a.count; i++)
		if (!roster_child_equal(&a.child[i], &b.child[i]))
			abort();
	roster_free(&a);
	roster_free(&b);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct council council = {.officer = NULL};
	struct calendar_day *days = NULL;
	struct consumer *consumers = NULL;
	struct seals seals = {.item = NULL};
	struct node_config config;
	struct err err;
	size_t count = 0;
	uint8_t kind;

	if (size == 0)
		return 0;
	kind = *data++;
	size--;
	switch (kind % 7) {
	case 0:
		(void)council_load_domain(data, size, &council, &err);
		break;
	case 1:
		(void)council_load_officers(data, size, &council, &err);
		break;
	case 2:
		roster(data, size);
		break;
	case 3:
		(void)consumers_load(data, size, &consumers, &count, &err);
		break;
	case 4:
		(void)calendar_load(data, size, &days, &count, &err);
		break;
	case 5:
		(void)node_config_parse("f", data, size, &config, NULL);
		break;
	case 6:
		(void)seals_load(data, size, &seals, &err);
		break;
	}
	seals_free(&seals);
	free(consumers);
	free(days);
	council_free(&council);
	return 0;
}
