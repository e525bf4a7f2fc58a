/* sign_inside.h - keys as the library has them.  Internal to crypto/. */
#pragma once

#include <openssl/evp.h>

#include "crypto/sign.h"

/* Borrowed. */
EVP_PKEY *seal_key_pkey(const struct seal_key *k);
