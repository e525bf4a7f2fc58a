/* story.h - what became of one record, for who asks why. */
#pragma once

#include "policies/node.h"
#include "policies/point.h"

/* {"arrival","cosigned","cosigned_by":[{"code","name"}],"erased","id","lost",
 * "masked","origin","own","parent","root","seq","wanted","withheld"}: `own` is
 * a log of this node's, which has a node above by its node.yaml (`parent`), or
 * is the domain's root.  Nothing of what the record says.  ERR_NOT_FOUND. */
enum err_code story_tell(struct node *n, const struct point *point,
	struct json **out, struct err *err);
