/* sshsig.h - OpenSSH's file signatures (PROTOCOL.sshsig), people's signatures.
 *
 * What stock `ssh-keygen -Y sign` writes verifies here, for ssh-ed25519,
 * ecdsa-sha2-nistp256/384/521, rsa-sha2-256/512 and the sk- (hardware token)
 * kinds; what sshsig_make writes, `ssh-keygen -Y verify` accepts.
 */
#pragma once

#include <stdbool.h>

#include "crypto/digest.h"

#define SSHSIG_TEXT_LIMIT ((size_t)16 << 10)
#define SSH_KEY_BLOB_LIMIT 2048

/* A public key as in an authorized_keys line. */
struct ssh_public {
	uint8_t blob[SSH_KEY_BLOB_LIMIT];
	size_t len;
};
/* "ssh-ed25519 AAAA... [comment]"; refuses unknown kinds, RSA below 2048 bits
 * and small-order Ed25519 points. */
enum err_code ssh_public_parse(
	const char *line, size_t len, struct ssh_public *out, struct err *err);
/* Appends "kind base64", no comment, no line feed. */
void ssh_public_text(const struct ssh_public *k, struct buf *out);
bool ssh_public_equal(const struct ssh_public *a, const struct ssh_public *b);
/* "SHA256:..." as ssh-keygen -l shows it; appended. */
void ssh_public_fingerprint(const struct ssh_public *k, struct buf *out);

/* Checks an armored signature over `msg` in `ns`, and tells whose key made it;
 * the caller decides whether that key counts.  ERR_PROTOCOL when it is not a
 * signature, ERR_DENIED when it does not verify. */
enum err_code sshsig_check(const void *armor, size_t armor_len, const char *ns,
	const void *msg, size_t msg_len, struct ssh_public *signer,
	struct err *err);
/* Signs with an unencrypted OpenSSH ed25519 private key file; appends the
 * armor.  ERR_DENIED for an encrypted key: the text names ssh-keygen -Y sign.
 */
enum err_code sshsig_make(const char *key_path, const char *ns, const void *msg,
	size_t msg_len, struct buf *armor, struct err *err);
