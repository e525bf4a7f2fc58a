/* cms.c - bytes sealed to people: CMS to P-256 keys. */
#include "crypto/cms.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "crypto/sign_inside.h"

#define KEY_ID_SIZE 20
#define FLAGS (CMS_BINARY | CMS_PARTIAL | CMS_STREAM)

static enum err_code refused(struct err *err)
{
	ERR_clear_error();
	return err_set(err, ERR_INTERNAL, "cms refused to seal");
}

/* ---- recipients ---- */

static bool set_key_id(X509 *x, const uint8_t id[KEY_ID_SIZE])
{
	ASN1_OCTET_STRING *text = ASN1_OCTET_STRING_new();
	bool well = text && ASN1_OCTET_STRING_set(text, id, KEY_ID_SIZE) &&
		X509_add1_ext_i2d(x, NID_subject_key_identifier, text, 0, 0);

	ASN1_OCTET_STRING_free(text);
	return well;
}

/* The library takes recipients as certificates only.  This one goes nowhere:
 * of it the message has the identifier, which is random. */
static X509 *carrier(EVP_PKEY *to, EVP_PKEY *signer, struct err *err)
{
	uint8_t id[KEY_ID_SIZE];
	X509 *x = NULL;

	if (random_bytes(id, sizeof(id), err) || !(x = X509_new()))
		return NULL;
	if (X509_set_version(x, X509_VERSION_3) &&
		ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
		X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
		X509_gmtime_adj(X509_getm_notAfter(x), 0) &&
		X509_set_pubkey(x, to) && set_key_id(x, id) &&
		X509_sign(x, signer, EVP_sha256()))
		return x;
	X509_free(x);
	return NULL;
}

/* The library's own choice of digest would be SHA-1. */
static bool add_recipient(
	CMS_ContentInfo *cms, EVP_PKEY *to, EVP_PKEY *signer, struct err *err)
{
	X509 *x = carrier(to, signer, err);
	CMS_RecipientInfo *ri = x
		? CMS_add1_recipient_cert(cms, x, CMS_USE_KEYID | CMS_KEY_PARAM)
		: NULL;
	EVP_PKEY_CTX *ctx = ri ? CMS_RecipientInfo_get0_pkey_ctx(ri) : NULL;

	X509_free(x);
	return ctx && EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) > 0;
}

static enum err_code add_known(CMS_ContentInfo *cms,
	const struct seal_public *to, EVP_PKEY *signer, struct err *err)
{
	const uint8_t *der = to->spki;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &der, sizeof(to->spki));
	enum err_code rc = ERR_OK;

	if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC) {
		ERR_clear_error();
		rc = err_set(err, ERR_INVALID,
			"a key to seal to is no point of the curve p-256");
	} else if (!add_recipient(cms, pkey, signer, err)) {
		rc = refused(err);
	}
	EVP_PKEY_free(pkey);
	return rc;
}

/* Keys that nobody has, so that the number of recipients tells little. */
static enum err_code add_crowd(
	CMS_ContentInfo *cms, size_t count, EVP_PKEY *signer, struct err *err)
{
	for (; count % CMS_CROWD; count++) {
		EVP_PKEY *nobody = EVP_EC_gen("P-256");
		bool well = nobody && add_recipient(cms, nobody, signer, err);

		EVP_PKEY_free(nobody);
		if (!well)
			return refused(err);
	}
	return ERR_OK;
}

static enum err_code add_recipients(CMS_ContentInfo *cms,
	const struct seal_public *to, size_t count, struct err *err)
{
	EVP_PKEY *signer = EVP_EC_gen("P-256");
	enum err_code rc = signer ? ERR_OK : refused(err);

	for (size_t i = 0; !rc && i < count; i++)
		rc = add_known(cms, &to[i], signer, err);
	if (!rc)
		rc = add_crowd(cms, count, signer, err);
	EVP_PKEY_free(signer);
	return rc;
}

/* ---- sealing ---- */

static enum err_code write_cms(CMS_ContentInfo *cms, const void *plain,
	size_t len, struct buf *out, struct err *err)
{
	BIO *in = BIO_new_mem_buf(plain, (int)len);
	uint8_t *der = NULL;
	int der_len = 0;
	enum err_code rc;

	if (in && CMS_final(cms, in, NULL, CMS_BINARY))
		der_len = i2d_CMS_ContentInfo(cms, &der);
	BIO_free(in);
	if (der_len <= 0) {
		rc = refused(err);
	} else {
		buf_add(out, der, (size_t)der_len);
		rc = buf_ok(out, err);
	}
	OPENSSL_free(der);
	return rc;
}

enum err_code cms_seal(const struct seal_public *to, size_t count,
	const void *plain, size_t len, struct buf *out, struct err *err)
{
	CMS_ContentInfo *cms;
	enum err_code rc;

	if (count == 0 || count > CMS_RECIPIENTS_LIMIT || len > CMS_PLAIN_LIMIT)
		return err_set(err, ERR_LIMIT,
			"sealing %zu bytes to %zu keys, limits %zu and 1 to %d",
			len, count, CMS_PLAIN_LIMIT, CMS_RECIPIENTS_LIMIT);
	cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), FLAGS);
	if (!cms)
		return refused(err);
	rc = add_recipients(cms, to, count, err);
	if (!rc)
		rc = write_cms(cms, plain, len, out, err);
	CMS_ContentInfo_free(cms);
	return rc;
}

/* ---- opening ---- */

static enum err_code read_cms(
	const void *bytes, size_t len, CMS_ContentInfo **out, struct err *err)
{
	const uint8_t *at = bytes;
	CMS_ContentInfo *cms;
	STACK_OF(CMS_RecipientInfo) * all;

	if (len > CMS_SIZE_LIMIT)
		return err_set(err, ERR_CORRUPT, "sealed bytes: %zu, limit %zu",
			len, CMS_SIZE_LIMIT);
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)len);
	all = cms &&
			OBJ_obj2nid(CMS_get0_type(cms)) ==
				NID_id_smime_ct_authEnvelopedData
		? CMS_get0_RecipientInfos(cms)
		: NULL;
	ERR_clear_error();
	if (!all || at != (const uint8_t *)bytes + len ||
		sk_CMS_RecipientInfo_num(all) > CMS_RECIPIENTS_LIMIT) {
		CMS_ContentInfo_free(cms);
		return err_set(err, ERR_CORRUPT,
			"sealed bytes: %zu that are no message of ours", len);
	}
	*out = cms;
	return ERR_OK;
}

enum err_code cms_open(const struct seal_key *key, const void *bytes,
	size_t len, struct buf *plain, struct err *err)
{
	CMS_ContentInfo *cms = NULL;
	BIO *out = NULL;
	enum err_code rc;
	char *text;
	long n;

	if ((rc = read_cms(bytes, len, &cms, err)))
		return rc;
	if (!(out = BIO_new(BIO_s_secmem()))) {
		rc = err_nomem(err);
		goto out;
	}
	if (CMS_decrypt_set1_pkey(cms, seal_key_pkey(key), NULL) <= 0) {
		rc = err_set(err, ERR_DENIED,
			"the record is not sealed to this key");
		goto out;
	}
	if (CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY) <= 0) {
		rc = err_set(err, ERR_CORRUPT,
			"sealed bytes: %zu that do not match their tag", len);
		goto out;
	}
	n = BIO_get_mem_data(out, &text);
	buf_add(plain, text, (size_t)n);
	rc = buf_ok(plain, err);
out:
	ERR_clear_error();
	BIO_free(out);
	CMS_ContentInfo_free(cms);
	return rc;
}
