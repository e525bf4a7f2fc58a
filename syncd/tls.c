/* tls.c - TLS contexts with a certificate made in memory. */
#include "syncd/tls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct tls {
	SSL_CTX *accepts, *dials;
};

/* The protocols of ALPN, each behind its length. */
static const unsigned char alpn[] = "\x09" TLS_ALPN;
#define ALPN_LEN (sizeof(alpn) - 1)

#define CHAIN_LIMIT 4096 /* bytes of certificates from a stranger */

static enum err_code ssl_failed(struct err *err, const char *what)
{
	return err_set(err, ERR_INTERNAL, "tls: cannot %s", what);
}

static bool public_of(EVP_PKEY *pkey, struct sign_public *out)
{
	size_t len = sizeof(out->b);

	return pkey && EVP_PKEY_get_id(pkey) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_public_key(pkey, out->b, &len) == 1 &&
		len == sizeof(out->b) && sign_public_sound(out);
}

/* In place of chain building: any sound Ed25519 key.  That the peer holds its
 * private half is proved by the handshake itself. */
static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	struct sign_public key;

	(void)arg;
	if (cert && public_of(X509_get0_pubkey(cert), &key))
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
	const unsigned char *in, unsigned int inlen, void *arg)
{
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, alpn, ALPN_LEN, in, inlen) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* As small as certificates get: it crosses the link at every connect. */
static X509 *make_certificate(EVP_PKEY *pkey)
{
	X509 *x = X509_new();
	X509_NAME *name;

	if (!x)
		return NULL;
	name = X509_get_subject_name(x);
	if (X509_set_version(x, X509_VERSION_3) &&
		ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
		ASN1_TIME_set_string(
			X509_getm_notBefore(x), "20000101000000Z") &&
		ASN1_TIME_set_string(
			X509_getm_notAfter(x), "99991231235959Z") &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const unsigned char *)"cundang", -1, -1, 0) &&
		X509_set_issuer_name(x, name) && X509_set_pubkey(x, pkey) &&
		X509_sign(x, pkey, NULL))
		return x;
	X509_free(x);
	return NULL;
}

static SSL_CTX *make_context(
	const SSL_METHOD *method, X509 *cert, EVP_PKEY *pkey)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_LIMIT);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	/* set_alpn_protos answers 0 for success.  Without tickets a revoked key
	 * cannot come back by resumption. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
		SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
		SSL_CTX_set_num_tickets(ctx, 0) &&
		SSL_CTX_set1_sigalgs_list(ctx, "ed25519") &&
		SSL_CTX_set1_groups_list(ctx, "X25519") &&
		!SSL_CTX_set_alpn_protos(ctx, alpn, ALPN_LEN) &&
		SSL_CTX_use_certificate(ctx, cert) == 1 &&
		SSL_CTX_use_PrivateKey(ctx, pkey) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static EVP_PKEY *private_key(const struct sign_key *key)
{
	uint8_t seed[SIGN_SEED_SIZE];
	EVP_PKEY *pkey;

	sign_key_seed(key, seed);
	pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	OPENSSL_cleanse(seed, sizeof(seed));
	return pkey;
}

enum err_code tls_new(
	const struct sign_key *key, struct tls **out, struct err *err)
{
	struct tls *t = calloc(1, sizeof(*t));
	EVP_PKEY *pkey = private_key(key);
	X509 *cert = pkey ? make_certificate(pkey) : NULL;
	enum err_code rc = ERR_OK;

	if (!t) {
		rc = err_nomem(err);
		goto out;
	}
	if (!cert) {
		rc = ssl_failed(err, "make a certificate");
		goto out;
	}
	t->accepts = make_context(TLS_server_method(), cert, pkey);
	t->dials = make_context(TLS_client_method(), cert, pkey);
	if (!t->accepts || !t->dials) {
		rc = ssl_failed(err, "set up contexts");
		goto out;
	}
	*out = t;
	t = NULL;
out:
	tls_free(t);
	X509_free(cert);
	EVP_PKEY_free(pkey);
	return rc;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->accepts);
	SSL_CTX_free(t->dials);
	free(t);
}

SSL *tls_connection(struct tls *t, enum tls_side side)
{
	return SSL_new(side == TLS_ACCEPTS ? t->accepts : t->dials);
}

enum err_code tls_peer(SSL *ssl, struct sign_public *key, struct err *err)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	const unsigned char *proto;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &proto, &len);
	if (len != ALPN_LEN - 1 || memcmp(proto, alpn + 1, len))
		return err_set(err, ERR_DENIED,
			"the peer speaks another "
			"protocol than " TLS_ALPN);
	if (!cert || !public_of(X509_get0_pubkey(cert), key))
		return err_set(err, ERR_DENIED, "the peer has no Ed25519 key");
	return ERR_OK;
}

void tls_drop(SSL *ssl)
{
	SSL_free(ssl);
}

void tls_say_bye(SSL *ssl)
{
	(void)SSL_shutdown(ssl);
	ERR_clear_error();
}

void tls_say_last_bye(SSL *ssl)
{
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	tls_say_bye(ssl);
}

/* A cut link shows as an end within TLS, without its good-bye. */
const char *tls_reason(unsigned long error)
{
	if (!error ||
		ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return NULL;
	return ERR_reason_error_string(error);
}
