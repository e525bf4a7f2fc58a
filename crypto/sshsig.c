/* sshsig.c - OpenSSH's file signatures (PROTOCOL.sshsig, PROTOCOL.u2f). */
#include "crypto/sshsig.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/sign.h"

#define MAGIC "SSHSIG"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define SIG_VERSION 1
#define ARMOR_BEGIN "-----BEGIN SSH SIGNATURE-----"
#define ARMOR_END "-----END SSH SIGNATURE-----"
#define ARMOR_WIDTH 70 /* as ssh-keygen breaks its lines */
#define RSA_BITS_MIN 2048
#define NAMESPACE_LIMIT 255
#define SK_USER_PRESENT 0x01

enum family { FAMILY_ED25519, FAMILY_ECDSA, FAMILY_RSA };

/* A kind of public key, by the name in its blob. */
struct kind {
	const char *name;
	enum family family;
	const char *curve; /* its name in the blob */
	const char *group; /* and for OpenSSL */
	const char *hash;
	bool token; /* a hardware token's: application, flags, counter */
};

static const struct kind kinds[] = {
	{"ssh-ed25519", FAMILY_ED25519, NULL, NULL, NULL, false},
	{"ecdsa-sha2-nistp256", FAMILY_ECDSA, "nistp256", "P-256", "SHA256",
		false},
	{"ecdsa-sha2-nistp384", FAMILY_ECDSA, "nistp384", "P-384", "SHA384",
		false},
	{"ecdsa-sha2-nistp521", FAMILY_ECDSA, "nistp521", "P-521", "SHA512",
		false},
	{"ssh-rsa", FAMILY_RSA, NULL, NULL, NULL, false},
	{"sk-ssh-ed25519@openssh.com", FAMILY_ED25519, NULL, NULL, NULL, true},
	{"sk-ecdsa-sha2-nistp256@openssh.com", FAMILY_ECDSA, "nistp256",
		"P-256", "SHA256", true},
};

struct span {
	const uint8_t *p;
	size_t len;
};

/* RFC 4251 section 5 "string"; empty after a failure, which the cursor
 * remembers. */
static struct span take_string(struct cursor *c)
{
	struct span s = {NULL, cursor_u32(c)};

	s.p = cursor_bytes(c, s.len);
	if (!s.p)
		s.len = 0;
	return s;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

static bool span_opens(struct span s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && !memcmp(s.p, text, len);
}

static void put_string(struct buf *b, const void *data, size_t len)
{
	buf_u32(b, (uint32_t)len);
	buf_add(b, data, len);
}

/* RFC 4251 section 5 "mpint" above zero, in its one shortest form; NULL when
 * it is not that. */
static BIGNUM *take_number(struct cursor *c)
{
	struct span s = take_string(c);

	if (!s.len || s.len > SSH_KEY_BLOB_LIMIT || s.p[0] & 0x80)
		return NULL;
	if (s.p[0] == 0 && (s.len == 1 || !(s.p[1] & 0x80)))
		return NULL;
	return BN_bin2bn(s.p, (int)s.len, NULL);
}

/* A public key taken apart. */
struct key {
	const struct kind *kind;
	struct sign_public ed;
	EVP_PKEY *pkey; /* unless Ed25519 */
	struct span application;
};

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 &&
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* OpenSSL refuses points that are not on the curve. */
static enum err_code take_ecdsa(
	struct cursor *c, struct key *k, struct err *err)
{
	struct span curve = take_string(c);
	struct span point = take_string(c);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
			(char *)(uintptr_t)k->kind->group,
			strlen(k->kind->group)),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
			(void *)(uintptr_t)point.p, point.len),
		OSSL_PARAM_END,
	};

	if (!span_is(curve, k->kind->curve) || !point.len ||
		point.p[0] != POINT_CONVERSION_UNCOMPRESSED ||
		!(k->pkey = key_from_params("EC", params)))
		return err_set(err, ERR_PROTOCOL,
			"ssh key of kind %s without a point on its curve",
			k->kind->name);
	return ERR_OK;
}

static enum err_code take_rsa(struct cursor *c, struct key *k, struct err *err)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *e = take_number(c), *n = take_number(c);
	OSSL_PARAM *params = NULL;
	enum err_code rc = ERR_OK;

	if (!e || !n || !BN_is_odd(e) || !BN_is_odd(n) || BN_is_one(e)) {
		rc = err_set(err, ERR_PROTOCOL,
			"ssh-rsa key with malformed numbers");
		goto out;
	}
	if (BN_num_bits(n) < RSA_BITS_MIN) {
		rc = err_set(err, ERR_DENIED, "rsa key of %d bits, at least %d",
			BN_num_bits(n), RSA_BITS_MIN);
		goto out;
	}
	if (bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (!(k->pkey = key_from_params("RSA", params)))
		rc = err_set(err, ERR_PROTOCOL,
			"ssh key of kind ssh-rsa refused by openssl");
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(e);
	BN_free(n);
	return rc;
}

static enum err_code take_ed25519(
	struct cursor *c, struct key *k, struct err *err)
{
	struct span pub = take_string(c);

	if (pub.len != SIGN_PUBLIC_SIZE)
		return err_set(err, ERR_PROTOCOL,
			"ed25519 key of %zu bytes, not %d", pub.len,
			SIGN_PUBLIC_SIZE);
	memcpy(k->ed.b, pub.p, sizeof(k->ed.b));
	if (!sign_public_sound(&k->ed))
		return err_set(err, ERR_DENIED,
			"ed25519 key that is no point or of small order");
	return ERR_OK;
}

static const struct kind *find_kind(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (span_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static void key_fini(struct key *k)
{
	EVP_PKEY_free(k->pkey);
	k->pkey = NULL;
}

/* Takes a blob apart; key_fini() in every case.  ERR_PROTOCOL when it is not a
 * key, ERR_DENIED for one that is too weak. */
static enum err_code key_parse(struct span blob, struct key *k, struct err *err)
{
	struct cursor c = cursor_over(blob.p, blob.len);
	struct span name = take_string(&c);
	enum err_code rc = ERR_OK;

	*k = (struct key){0};
	if (blob.len > SSH_KEY_BLOB_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"ssh key of %zu bytes, limit %d", blob.len,
			SSH_KEY_BLOB_LIMIT);
	if (!(k->kind = find_kind(name)))
		return err_set(err, ERR_PROTOCOL, "ssh key of unknown kind");
	switch (k->kind->family) {
	case FAMILY_ED25519:
		rc = take_ed25519(&c, k, err);
		break;
	case FAMILY_ECDSA:
		rc = take_ecdsa(&c, k, err);
		break;
	case FAMILY_RSA:
		rc = take_rsa(&c, k, err);
		break;
	}
	if (rc)
		return rc;
	if (k->kind->token)
		k->application = take_string(&c);
	if (!cursor_done(&c))
		return err_set(err, ERR_PROTOCOL,
			"ssh key of kind %s and %zu bytes is malformed",
			k->kind->name, blob.len);
	return ERR_OK;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of a line, and the way on. */
static struct span take_word(const char **at, const char *end)
{
	const char *start = *at;

	while (*at < end && !is_blank(**at))
		++*at;
	struct span word = {(const uint8_t *)start, (size_t)(*at - start)};
	while (*at < end && is_blank(**at))
		++*at;
	return word;
}

enum err_code ssh_public_parse(
	const char *line, size_t len, struct ssh_public *out, struct err *err)
{
	const char *at = line, *end;
	struct ssh_public pub = {.len = 0};
	struct span name, text;
	struct key k = {0};
	enum err_code rc;

	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (!len || memchr(line, '\n', len))
		return err_set(err, ERR_INVALID, "ssh key is not one line");
	end = line + len;
	name = take_word(&at, end);
	text = take_word(&at, end);
	if (!find_kind(name))
		return err_set(err, ERR_INVALID,
			"ssh key of a kind that is not known here");
	if (!base64_decode((const char *)text.p, text.len, pub.blob,
		    sizeof(pub.blob), &pub.len))
		return err_set(err, ERR_INVALID,
			"ssh key is not base64 of at most %d bytes",
			SSH_KEY_BLOB_LIMIT);
	rc = key_parse((struct span){pub.blob, pub.len}, &k, err);
	if (rc)
		rc = err_while(err, ERR_INVALID, "ssh key line");
	else if (!span_is(name, k.kind->name))
		rc = err_set(err, ERR_INVALID,
			"ssh key line names another kind than its key, %s",
			k.kind->name);
	else
		*out = pub;
	key_fini(&k);
	return rc;
}

/* Base64 of any length, appended. */
static void add_base64(struct buf *out, const void *data, size_t len)
{
	uint8_t *room = buf_reserve(out, BASE64_SIZE(len));

	if (room)
		out->len += base64_encode(data, len, (char *)room);
}

void ssh_public_text(const struct ssh_public *k, struct buf *out)
{
	struct cursor c = cursor_over(k->blob, k->len);
	struct span name = take_string(&c);

	buf_add(out, name.p, name.len);
	buf_u8(out, ' ');
	add_base64(out, k->blob, k->len);
}

bool ssh_public_equal(const struct ssh_public *a, const struct ssh_public *b)
{
	return a->len == b->len && !memcmp(a->blob, b->blob, a->len);
}

void ssh_public_fingerprint(const struct ssh_public *k, struct buf *out)
{
	struct digest d = digest_of(k->blob, k->len);
	char text[BASE64_SIZE(DIGEST_SIZE)];
	size_t len = base64_encode(d.b, sizeof(d.b), text);

	buf_str(out, "SHA256:");
	buf_add(out, text, len - 1); /* without the padding */
}

/* What stands in base64 between two marker lines; white space behind the
 * second is let pass, CR LF too.  false = it is not such a text, or there was
 * no memory: `out` has failed then. */
static bool unarmor(const char *text, size_t len, const char *begin,
	const char *end, struct buf *out)
{
	const size_t begin_len = strlen(begin), end_len = strlen(end);
	struct buf chars = BUF_EMPTY;
	bool good = false;
	const char *stop;
	uint8_t *room;
	size_t got;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len < begin_len + end_len + 2 || memcmp(text, begin, begin_len) ||
		(text[begin_len] != '\n' && text[begin_len] != '\r'))
		return false;
	stop = text + len - end_len;
	if (stop[-1] != '\n' || memcmp(stop, end, end_len))
		return false;
	/* All its room at once: growing would leave copies of a key behind. */
	(void)buf_reserve(&chars, len);
	for (const char *p = text + begin_len; p < stop; p++)
		if (*p != '\n' && *p != '\r')
			buf_u8(&chars, (uint8_t)*p);
	room = buf_reserve(out, chars.len + 1);
	if (room && !chars.failed && chars.len)
		good = base64_decode(
			(char *)chars.data, chars.len, room, chars.len, &got);
	if (good)
		out->len += got;
	out->failed = out->failed || chars.failed;
	buf_wipe(&chars);
	return good;
}

/* A signature taken apart. */
struct sig {
	struct span key, ns, hash;
	struct span kind, bytes;
	uint8_t flags; /* a token's */
	uint32_t counter;
};

/* A token's signature has its flags and counter behind. */
static bool sig_parse(const struct buf *blob, struct sig *s)
{
	struct cursor c = cursor_over(blob->data, blob->len), inner;
	const uint8_t *magic = cursor_bytes(&c, MAGIC_LEN);
	uint32_t version = cursor_u32(&c);
	struct span reserved, signature;

	s->key = take_string(&c);
	s->ns = take_string(&c);
	reserved = take_string(&c);
	s->hash = take_string(&c);
	signature = take_string(&c);
	if (!cursor_done(&c) || memcmp(magic, MAGIC, MAGIC_LEN) ||
		version != SIG_VERSION || reserved.len || !signature.len)
		return false;
	inner = cursor_over(signature.p, signature.len);
	s->kind = take_string(&inner);
	s->bytes = take_string(&inner);
	if (span_opens(s->kind, "sk-")) {
		s->flags = cursor_u8(&inner);
		s->counter = cursor_u32(&inner);
	}
	return cursor_done(&inner);
}

/* What the key signs: the message by its hash, under its namespace. */
static enum err_code signed_data(const char *ns, const char *hash,
	const void *msg, size_t msg_len, struct buf *out, struct err *err)
{
	uint8_t md[EVP_MAX_MD_SIZE];
	size_t md_len;

	if (!EVP_Q_digest(NULL, hash, NULL, msg, msg_len, md, &md_len))
		return err_set(err, ERR_INTERNAL, "%s not computed", hash);
	buf_str(out, MAGIC);
	put_string(out, ns, strlen(ns));
	put_string(out, "", 0);
	put_string(out, hash, strlen(hash));
	put_string(out, md, md_len);
	return buf_ok(out, err);
}

/* A token signs not the data but digests of its application and of the data,
 * with its flags and counter between. */
static void token_data(const struct key *k, const struct sig *s,
	const struct buf *data, struct buf *out)
{
	struct digest app = digest_of(k->application.p, k->application.len);
	struct digest d = digest_of(data->data, data->len);

	buf_add(out, app.b, sizeof(app.b));
	buf_u8(out, s->flags);
	buf_u32(out, s->counter);
	buf_add(out, d.b, sizeof(d.b));
}

static bool verify(EVP_PKEY *pkey, const char *hash, const uint8_t *sig,
	size_t sig_len, const struct buf *data)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = false;

	if (ctx &&
		EVP_DigestVerifyInit_ex(
			ctx, NULL, hash, NULL, NULL, pkey, NULL))
		good = EVP_DigestVerify(
			       ctx, sig, sig_len, data->data, data->len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* Two mpints on the wire, a DER sequence for OpenSSL. */
static bool verify_ecdsa(
	const struct key *k, struct span bytes, const struct buf *data)
{
	struct cursor c = cursor_over(bytes.p, bytes.len);
	BIGNUM *r = take_number(&c), *s = take_number(&c);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	uint8_t *der = NULL;
	bool good = false;
	int len;

	if (!r || !s || !sig || !cursor_done(&c) || !ECDSA_SIG_set0(sig, r, s))
		goto out;
	r = NULL; /* sig's now */
	s = NULL;
	len = i2d_ECDSA_SIG(sig, &der);
	if (len > 0)
		good = verify(k->pkey, k->kind->hash, der, (size_t)len, data);
out:
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	BN_free(r);
	BN_free(s);
	return good;
}

static bool verify_any(
	const struct key *k, const struct sig *s, const struct buf *data)
{
	switch (k->kind->family) {
	case FAMILY_ED25519:
		return s->bytes.len == SIGNATURE_SIZE &&
			sign_check(&k->ed, data->data, data->len, s->bytes.p);
	case FAMILY_ECDSA:
		return verify_ecdsa(k, s->bytes, data);
	case FAMILY_RSA:
		return verify(k->pkey,
			span_is(s->kind, "rsa-sha2-256") ? "SHA256" : "SHA512",
			s->bytes.p, s->bytes.len, data);
	}
	return false;
}

/* An RSA key signs under the name of the hash; never SHA-1's, "ssh-rsa". */
static bool kind_fits(const struct key *k, struct span sig_kind)
{
	if (k->kind->family == FAMILY_RSA)
		return span_is(sig_kind, "rsa-sha2-256") ||
			span_is(sig_kind, "rsa-sha2-512");
	return span_is(sig_kind, k->kind->name);
}

static enum err_code check_sig(const struct key *k, const struct sig *s,
	const char *ns, const void *msg, size_t msg_len, struct err *err)
{
	const char *hash = span_is(s->hash, "sha512") ? "sha512" : "sha256";
	struct buf data = BUF_EMPTY, token = BUF_EMPTY;
	enum err_code rc;

	if (!span_is(s->hash, hash))
		return err_set(err, ERR_PROTOCOL,
			"ssh signature with a hash that is neither sha256 "
			"nor sha512");
	if (!kind_fits(k, s->kind))
		return err_set(err, ERR_PROTOCOL,
			"ssh signature of a kind that a key of kind %s does "
			"not make",
			k->kind->name);
	if (!span_is(s->ns, ns))
		return err_set(err, ERR_DENIED,
			"ssh signature made for another namespace than %s", ns);
	if (k->kind->token && !(s->flags & SK_USER_PRESENT))
		return err_set(err, ERR_DENIED,
			"ssh signature of a token that nobody touched");
	if ((rc = signed_data(ns, hash, msg, msg_len, &data, err)))
		goto out;
	if (k->kind->token)
		token_data(k, s, &data, &token);
	if ((rc = buf_ok(&token, err)))
		goto out;
	if (!verify_any(k, s, k->kind->token ? &token : &data))
		rc = err_set(err, ERR_DENIED,
			"ssh signature by a key of kind %s does not match the "
			"%zu bytes",
			k->kind->name, msg_len);
out:
	buf_free(&data);
	buf_free(&token);
	return rc;
}

static bool namespace_valid(const char *ns)
{
	size_t len = strlen(ns);

	return len > 0 && len <= NAMESPACE_LIMIT;
}

enum err_code sshsig_check(const void *armor, size_t armor_len, const char *ns,
	const void *msg, size_t msg_len, struct ssh_public *signer,
	struct err *err)
{
	struct buf blob = BUF_EMPTY;
	struct sig s = {0};
	struct key k = {0};
	enum err_code rc;

	if (!namespace_valid(ns))
		return err_set(err, ERR_USAGE,
			"ssh namespace of %zu bytes, 1 to %d", strlen(ns),
			NAMESPACE_LIMIT);
	if (armor_len > SSHSIG_TEXT_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"ssh signature of %zu bytes, limit %zu", armor_len,
			SSHSIG_TEXT_LIMIT);
	if (!unarmor(armor, armor_len, ARMOR_BEGIN, ARMOR_END, &blob) ||
		!sig_parse(&blob, &s)) {
		if (!(rc = buf_ok(&blob, err)))
			rc = err_set(err, ERR_PROTOCOL,
				"%zu bytes are no ssh signature", armor_len);
		goto out;
	}
	if ((rc = key_parse(s.key, &k, err)) ||
		(rc = check_sig(&k, &s, ns, msg, msg_len, err)))
		goto out;
	memcpy(signer->blob, s.key.p, s.key.len);
	signer->len = s.key.len;
out:
	key_fini(&k);
	buf_free(&blob);
	return rc;
}

/* Private keys, as PROTOCOL.key has them. */
#define PRIVATE_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define PRIVATE_END "-----END OPENSSH PRIVATE KEY-----"
#define PRIVATE_MAGIC "openssh-key-v1" /* and its NUL */
#define PRIVATE_FILE_LIMIT ((size_t)16 << 10)

/* The part that a passphrase would encrypt: the same random number twice, the
 * key, a comment, then 1, 2, 3 ... */
static bool private_seed(struct span body, uint8_t seed[SIGN_SEED_SIZE])
{
	struct cursor c = cursor_over(body.p, body.len);
	uint32_t check1 = cursor_u32(&c), check2 = cursor_u32(&c);
	struct span kind = take_string(&c);
	struct span pub = take_string(&c);
	struct span priv = take_string(&c);

	(void)take_string(&c); /* the comment */
	if (!cursor_ok(&c) || check1 != check2 ||
		!span_is(kind, kinds[0].name) || pub.len != SIGN_PUBLIC_SIZE ||
		priv.len != SIGN_SEED_SIZE + SIGN_PUBLIC_SIZE ||
		memcmp(priv.p + SIGN_SEED_SIZE, pub.p, SIGN_PUBLIC_SIZE) != 0)
		return false;
	for (uint8_t pad = 1; c.left; pad++)
		if (cursor_u8(&c) != pad)
			return false;
	memcpy(seed, priv.p, SIGN_SEED_SIZE);
	return true;
}

static enum err_code private_parse(const struct buf *blob, const char *path,
	struct sign_key **out, struct err *err)
{
	struct cursor c = cursor_over(blob->data, blob->len), pub;
	const uint8_t *magic = cursor_bytes(&c, sizeof(PRIVATE_MAGIC));
	struct span cipher = take_string(&c), kdf = take_string(&c);
	struct span options = take_string(&c);
	uint32_t count = cursor_u32(&c);
	struct span pub_blob = take_string(&c), body = take_string(&c);
	uint8_t seed[SIGN_SEED_SIZE];
	enum err_code rc;

	if (!cursor_done(&c) ||
		memcmp(magic, PRIVATE_MAGIC, sizeof(PRIVATE_MAGIC)) ||
		count != 1)
		return err_set(err, ERR_CORRUPT,
			"%s is not an openssh private key", path);
	if (!span_is(cipher, "none") || !span_is(kdf, "none") || options.len)
		return err_set(err, ERR_DENIED,
			"%s is encrypted: sign with ssh-keygen -Y sign", path);
	pub = cursor_over(pub_blob.p, pub_blob.len);
	if (!span_is(take_string(&pub), kinds[0].name))
		return err_set(err, ERR_DENIED,
			"%s is not an ed25519 key: sign with ssh-keygen -Y "
			"sign",
			path);
	if (!private_seed(body, seed))
		return err_set(err, ERR_CORRUPT,
			"%s holds a damaged private key", path);
	rc = sign_key_from_seed(seed, out, err);
	OPENSSL_cleanse(seed, sizeof(seed));
	return rc;
}

static enum err_code private_load(
	const char *path, struct sign_key **out, struct err *err)
{
	struct buf text = BUF_EMPTY, blob = BUF_EMPTY;
	enum err_code rc;

	if ((rc = file_read(path, PRIVATE_FILE_LIMIT, &text, err)))
		goto out;
	if (!unarmor((char *)text.data, text.len, PRIVATE_BEGIN, PRIVATE_END,
		    &blob)) {
		if (!(rc = buf_ok(&blob, err)))
			rc = err_set(err, ERR_CORRUPT,
				"%s is not an openssh private key", path);
		goto out;
	}
	rc = private_parse(&blob, path, out, err);
out:
	buf_wipe(&text);
	buf_wipe(&blob);
	return rc;
}

static void add_armor(const struct buf *blob, struct buf *out)
{
	struct buf text = BUF_EMPTY;

	add_base64(&text, blob->data, blob->len);
	buf_str(out, ARMOR_BEGIN "\n");
	for (size_t i = 0; i < text.len; i += ARMOR_WIDTH) {
		size_t n = text.len - i;

		buf_add(out, text.data + i, n < ARMOR_WIDTH ? n : ARMOR_WIDTH);
		buf_u8(out, '\n');
	}
	buf_str(out, ARMOR_END "\n");
	out->failed = out->failed || text.failed;
	buf_free(&text);
}

/* string kind, string bytes: a key's blob and a signature have one shape. */
static void put_typed(struct buf *b, const void *bytes, size_t len)
{
	const char *kind = kinds[0].name;

	buf_u32(b, (uint32_t)(4 + strlen(kind) + 4 + len));
	put_string(b, kind, strlen(kind));
	put_string(b, bytes, len);
}

enum err_code sshsig_make(const char *key_path, const char *ns, const void *msg,
	size_t msg_len, struct buf *armor, struct err *err)
{
	struct buf data = BUF_EMPTY, blob = BUF_EMPTY;
	uint8_t signature[SIGNATURE_SIZE];
	struct sign_key *k = NULL;
	struct sign_public pub;
	enum err_code rc;

	if (!namespace_valid(ns))
		return err_set(err, ERR_USAGE,
			"ssh namespace of %zu bytes, 1 to %d", strlen(ns),
			NAMESPACE_LIMIT);
	if ((rc = private_load(key_path, &k, err)) ||
		(rc = signed_data(ns, "sha512", msg, msg_len, &data, err)) ||
		(rc = sign_make(k, data.data, data.len, signature, err)))
		goto out;
	pub = sign_key_public(k);
	buf_str(&blob, MAGIC);
	buf_u32(&blob, SIG_VERSION);
	put_typed(&blob, pub.b, sizeof(pub.b));
	put_string(&blob, ns, strlen(ns));
	put_string(&blob, "", 0);
	put_string(&blob, "sha512", 6);
	put_typed(&blob, signature, sizeof(signature));
	if ((rc = buf_ok(&blob, err)))
		goto out;
	add_armor(&blob, armor);
	rc = buf_ok(armor, err);
out:
	sign_key_free(k);
	buf_free(&data);
	buf_free(&blob);
	return rc;
}
