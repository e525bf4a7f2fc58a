/* crypto.h - digests, Merkle tree, notes, disclosures, keys, sealing, SSH
 * signatures. */
#pragma once

#include "crypto/cms.h"
#include "crypto/digest.h"
#include "crypto/disclose.h"
#include "crypto/note.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "crypto/sshsig.h"
#include "crypto/tree.h"
