/* tls.h - TLS 1.3 between nodes: Ed25519 keys, judged by the roster alone.
 *
 * Certificates are self-signed and only carry a key; whose key it is says the
 * roster, after the handshake.  So the handshake takes every sound Ed25519 key:
 * one that is unknown may still exchange governance.
 */
#pragma once

#include "crypto/crypto.h"

struct ssl_st; /* OpenSSL's SSL */

#define TLS_ALPN "cundang/1"

struct tls;

/* Both ends of it, with a certificate made for `key` in memory. */
enum err_code tls_new(
	const struct sign_key *key, struct tls **out, struct err *err);
void tls_free(struct tls *t); /* NULL does nothing */

enum tls_side { TLS_ACCEPTS, TLS_DIALS };
/* One connection's state, for a bufferevent to take; NULL when out of memory.
 */
struct ssl_st *tls_connection(struct tls *t, enum tls_side side);
/* After the handshake: the peer's key.  ERR_DENIED when it has none, or speaks
 * another protocol. */
enum err_code tls_peer(
	struct ssl_st *ssl, struct sign_public *key, struct err *err);

/* For one that no bufferevent took. */
void tls_drop(struct ssl_st *ssl);
/* Says that this end is through; what the peer still says can be read. */
void tls_say_bye(struct ssl_st *ssl);
/* The same where nothing more will be read. */
void tls_say_last_bye(struct ssl_st *ssl);
/* Why a connection broke, of bufferevent_get_openssl_error(): a constant text,
 * NULL where TLS had no part in it. */
const char *tls_reason(unsigned long error);
