/* fuzz_governance.c - the scan of exchanged heads, and of their objects, takes
 * any bytes.  The first byte chooses: the exchange as it is, its plain items
 * (compressed here), a tree, or a commit. */
#include "policies/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gitobj_commit commit;
	struct buf packed = BUF_EMPTY;
	uint8_t kind;

	if (size == 0)
		return 0;
	kind = *data++;
	size--;
	switch (kind % 4) {
	case 0:
		(void)governance_scan(data, size, NULL);
		break;
	case 1:
		if (store_compress(data, size, 1, &packed, NULL) == ERR_OK)
			(void)governance_scan(packed.data, packed.len, NULL);
		break;
	case 2:
		(void)gitobj_tree_each(data, size, NULL, NULL, NULL);
		break;
	case 3:
		(void)gitobj_commit_parse(data, size, &commit, NULL);
		break;
	}
	buf_free(&packed);
	return 0;
}
