/* tls.h - TLS 1.3 between nodes: Ed25519 keys, judged by the roster alone.
 *
 * Certificates are self-signed and only carry a key; whose key it is says the
 * roster, after the handshake.  So the handshake takes every sound Ed25519 key:
 * one that is unknown may still exchange governance.
 */
#pragma once

#include <openssl/types.h>

#include "crypto/crypto.h"

#define TLS_ALPN "cundang/1"

struct tls;

/* Both ends of it, with a certificate made for `key` in memory. */
enum err_code tls_new(
	const struct sign_key *key, struct tls **out, struct err *err);
void tls_free(struct tls *t); /* NULL does nothing */

enum tls_side { TLS_ACCEPTS, TLS_DIALS };
/* One connection's state; NULL when out of memory. */
SSL *tls_connection(struct tls *t, enum tls_side side);
/* After the handshake: the peer's key.  ERR_DENIED when it has none, or speaks
 * another protocol. */
enum err_code tls_peer(SSL *ssl, struct sign_public *key, struct err *err);
