/* rotate.h - a node changes its keys while it goes on.
 *
 * New keys lie beside those in force (keys/next-*.pem) from the beginning on,
 * and checkpoints are signed by both log keys: whoever judges one by the rules
 * of before or of after finds the key he knows.  Once the roster names the new
 * keys they take the place of the old ones (then keys/old-*.pem), which are
 * destroyed when a node above has countersigned under the new ones; at the
 * root, whom nobody countersigns, at once.  Internal to policies/.
 */
#pragma once

#include "policies/node.h"

#define ROTATED_KEYS 3 /* log, witness, tls: as node_key_file() counts */

struct rotation;

enum err_code rotation_new(struct rotation **out, struct err *err);
void rotation_free(struct rotation *r);

/* At opening: what lies beside the keys in force.  A file that cannot be read
 * stands back: capture does not wait for it. */
enum err_code rotation_load(struct node *n, struct err *err);
/* Appends the signature of the other log key, where there is one. */
enum err_code rotation_sign(const struct node *n, const struct checkpoint *cp,
	struct buf *note, struct err *err);
/* Notes sys-key where these rules, which are being adopted, name new keys of
 * ours.  In a writer job. */
enum err_code rotation_note(struct batch *b, struct node *n,
	const struct rules *rules, struct err *err);
