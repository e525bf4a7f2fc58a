/* destroy.c - destroys parts of a node's own log, while no daemon runs.
 *
 * destroy DATA SECONDS WHY SEQ LABEL [SEQ LABEL ...]: as an order of that time
 * and for that reason would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/policies.h"

struct doom {
	struct erasure why;
	struct erase_target *part;
	size_t count;
};

static bool number(const char *text, uint64_t *out)
{
	return number_parse(text, strlen(text), UINT64_MAX / 4, out);
}

static bool order_read(struct doom *o, int argc, char **argv)
{
	if (argc < 4 || argc % 2 || !number(argv[2], &o->why.at) ||
		strlen(argv[3]) >= sizeof(o->why.why))
		return false;
	memcpy(o->why.why, argv[3], strlen(argv[3]) + 1);
	for (int i = 4; i < argc; i += 2) {
		struct erase_target *t = &o->part[o->count++];

		if (!number(argv[i], &t->seq) ||
			!label_parse(
				argv[i + 1], strlen(argv[i + 1]), &t->label))
			return false;
	}
	return true;
}

static enum err_code destroy(struct node *n, struct doom *o, struct err *err)
{
	struct batch *b = NULL;
	struct log_info own;
	enum err_code rc;

	if ((rc = store_log_own(n->store, &own, err)) ||
		(rc = batch_begin(n->store, &b, err)))
		return rc;
	for (size_t i = 0; i < o->count; i++)
		o->part[i].log = own.id;
	if ((rc = batch_erase(b, o->part, o->count, &o->why, err))) {
		batch_abort(b);
		return rc;
	}
	if ((rc = batch_commit(b, node_sign, n, err)))
		return rc;
	return store_finish_erasing(n->store, err);
}

int main(int argc, char **argv)
{
	struct doom o = {.part = calloc((size_t)argc, sizeof(*o.part))};
	struct node *n = NULL;
	struct err err;
	int status = 2;

	if (!o.part || !order_read(&o, argc, argv)) {
		fprintf(stderr,
			"usage: destroy DATA SECONDS WHY SEQ LABEL ...\n");
		goto out;
	}
	status = node_open(argv[1], STORE_WRITE, &n, &err) ||
		destroy(n, &o, &err);
	if (status)
		fprintf(stderr, "destroy: %s\n", err.text);
out:
	node_close(n);
	free(o.part);
	return status;
}
