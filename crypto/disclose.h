/* disclose.h - salted commitments to the fields of a part (RFC 9901).
 *
 * A part is a JSON object: the projection of one revision on one label.  Its
 * salts all come from one 16-byte seed (docs/format.md section 2):
 *   salt(name)   = HMAC-SHA-256(seed, label 0x00 name)[0:16]
 *   field digest = SHA-256(ASCII(base64url(RFC8785([salt, name, value]))))
 *   part digest  = the same of [salt(""), label, {"_sd":[digests, sorted]}]
 * with salts and digests as base64url text.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/digest.h"

enum label { LABEL_PUBLIC, LABEL_INTERNAL, LABEL_PERSONAL, LABEL_SENSITIVE };
#define LABEL_COUNT 4
#define LABEL_BIT(l) ((uint8_t)(1u << (l)))
#define LABEL_ALL ((uint8_t)0x0f)
const char *label_name(enum label l); /* "public" ... */
bool label_parse(const char *s, size_t len, enum label *out);
/* The names of the LABEL_BITs, as an array; NULL when out of memory. */
struct json *labels_json(uint8_t labels);

#define SEED_SIZE 16
#define PART_FIELDS_LIMIT 1024

/* The digest of a part from its canonical bytes, scanned without a tree.
 * ERR_INVALID when `json` is not an object in compact form (white space between
 * tokens, an escape that RFC 8785 does not write, deeper nesting than documents
 * have, more than PART_FIELDS_LIMIT members), or has a member named "", "_sd"
 * or "...".  Safe on any bytes, but no proof that they are canonical: the order
 * and uniqueness of names, the spelling of numbers and UTF-8 are not looked at.
 * Ask json_parse_canonical() of a part from outside. */
enum err_code part_digest(const uint8_t seed[SEED_SIZE], enum label label,
	const char *json, size_t len, struct digest *out, struct err *err);
/* For one field shown alone: its disclosure text (canonical array). */
enum err_code field_disclosure(const uint8_t seed[SEED_SIZE], enum label label,
	const char *name, const char *value, size_t value_len, struct buf *out,
	struct err *err);
