/* test_tls.c - handshakes in memory: what both ends learn, and what fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "syncd/tls.h"

struct pair {
	struct sign_key *key[2];
	struct tls *tls[2];
	SSL *ssl[2]; /* 0 accepts, 1 dials */
};

static struct pair pair_open(void)
{
	struct pair p = {0};
	BIO *a, *b;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(sign_key_new(&p.key[i], NULL), ERR_OK);
		assert_int_equal(tls_new(p.key[i], &p.tls[i], NULL), ERR_OK);
	}
	p.ssl[0] = tls_connection(p.tls[0], TLS_ACCEPTS);
	p.ssl[1] = tls_connection(p.tls[1], TLS_DIALS);
	assert_non_null(p.ssl[0]);
	assert_non_null(p.ssl[1]);
	SSL_set_accept_state(p.ssl[0]);
	SSL_set_connect_state(p.ssl[1]);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(p.ssl[0], a, a);
	SSL_set_bio(p.ssl[1], b, b);
	return p;
}

static void pair_close(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		SSL_free(p->ssl[i]);
		tls_free(p->tls[i]);
		sign_key_free(p->key[i]);
	}
}

/* true: both ends are through. */
static bool shake_hands(struct pair *p)
{
	int done = 0;

	for (int i = 0; i < 20 && done != 3; i++) {
		for (int k = 0; k < 2; k++) {
			if (SSL_do_handshake(p->ssl[k]) == 1)
				done |= 1 << k;
		}
	}
	return done == 3;
}

static void both_ends_learn_the_other_key(void **state)
{
	struct pair p = pair_open();

	(void)state;
	assert_true(shake_hands(&p));
	for (int i = 0; i < 2; i++) {
		struct sign_public is, want = sign_key_public(p.key[!i]);

		assert_int_equal(tls_peer(p.ssl[i], &is, NULL), ERR_OK);
		assert_memory_equal(is.b, want.b, sizeof(want.b));
		assert_string_equal(SSL_get_version(p.ssl[i]), "TLSv1.3");
	}
	pair_close(&p);
}

static void a_dialler_without_a_key_is_turned_away(void **state)
{
	struct pair p = pair_open();
	SSL_CTX *bare = SSL_CTX_new(TLS_client_method());
	BIO *a, *b;

	(void)state;
	SSL_free(p.ssl[1]);
	SSL_CTX_set_verify(bare, SSL_VERIFY_NONE, NULL);
	assert_int_equal(SSL_CTX_set_alpn_protos(bare,
				 (const unsigned char *)"\x09" TLS_ALPN, 10),
		0);
	p.ssl[1] = SSL_new(bare);
	SSL_set_connect_state(p.ssl[1]);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(p.ssl[0], a, a);
	SSL_set_bio(p.ssl[1], b, b);
	assert_false(shake_hands(&p));
	SSL_CTX_free(bare);
	pair_close(&p);
}

static void another_protocol_is_turned_away(void **state)
{
	struct pair p = pair_open();

	(void)state;
	assert_int_equal(SSL_set_alpn_protos(p.ssl[1],
				 (const unsigned char *)"\x08http/1.1", 9),
		0);
	assert_false(shake_hands(&p));
	pair_close(&p);
}

static void an_older_tls_is_turned_away(void **state)
{
	struct pair p = pair_open();

	(void)state;
	SSL_set_min_proto_version(p.ssl[1], TLS1_2_VERSION);
	SSL_set_max_proto_version(p.ssl[1], TLS1_2_VERSION);
	assert_false(shake_hands(&p));
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_learn_the_other_key),
		cmocka_unit_test(a_dialler_without_a_key_is_turned_away),
		cmocka_unit_test(another_protocol_is_turned_away),
		cmocka_unit_test(an_older_tls_is_turned_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
