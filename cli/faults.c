/* faults.c - faults of what is kept, by what is to be done about them. */
#include "cli/faults.h"

#include <string.h>

static enum fault_sort sort_of(const char *where)
{
	static const struct {
		const char *head;
		enum fault_sort sort;
	} known[] = {
		{"node.yaml", FAULT_FILES},
		{"keys/", FAULT_FILES},
		{"keyring", FAULT_FILES},
		{"governance.git", FAULT_RULES},
		{"extent", FAULT_EXTENT},
		{"erased", FAULT_MARKS},
		{"index/", FAULT_INDEX},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strncmp(where, known[i].head, strlen(known[i].head)))
			return known[i].sort;
	return FAULT_RECORDS;
}

void fault_sort(struct fault_sorts *s, const char *where)
{
	s->count[sort_of(where)]++;
}

void fault_steps(const struct fault_sorts *s, uint64_t marks, bool repaired)
{
	const uint64_t *n = s->count;

	if (n[FAULT_RECORDS] > marks && !repaired)
		puts(_("cundang repair can bring back records and attachments "
		       "that another node has."));
	if (n[FAULT_FILES])
		puts(_("node.yaml, keys and keyring: no other node has them; "
		       "bring them back from a copy of the data directory."));
	if (n[FAULT_RULES])
		puts(_("governance.git: cundang governance adopt takes the "
		       "rules from the officers' repository."));
	if (n[FAULT_EXTENT])
		puts(_("extent: the node writes it anew with the next "
		       "record."));
	if ((n[FAULT_MARKS] || marks) && !repaired)
		puts(_("Marks of destroyed parts: cundang repair writes those "
		       "anew that the file erased or the index still has."));
	if ((n[FAULT_MARKS] || marks) && repaired)
		puts(_("Marks of destroyed parts: no other node has them; "
		       "bring the file erased back from a copy of the data "
		       "directory. What was destroyed stays destroyed."));
	if (n[FAULT_INDEX])
		puts(_("index: cundang fsck --rebuild makes it anew."));
}
