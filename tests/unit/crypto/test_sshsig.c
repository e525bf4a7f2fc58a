/* test_sshsig.c - file signatures both ways with the stock ssh-keygen, and the
 * token kinds, which it verifies but cannot make without a token. */
#include "vectors.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define NS "cundang-approval"
static const char message[] = "{\"approve\":\"disposal\"}\n";
#define MESSAGE_LEN (sizeof(message) - 1)

static char folder[64]; /* of one test program, removed at its end */

/* folder "/" name; good until the fourth call after it. */
static const char *in_folder(const char *name)
{
	static char paths[4][160];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *data, size_t len)
{
	assert_ok(file_replace(in_folder(name), data, len, 0600, err));
}

static void read_text(const char *name, struct buf *out)
{
	buf_clear(out);
	assert_ok(file_read(in_folder(name), 1 << 20, out, err));
}

/* Runs ssh-keygen in the folder, standard input from the file "msg", output
 * to "out"; returns its exit code. */
static int keygen(const char *const *args)
{
	const char *argv[24] = {"ssh-keygen"};
	int status, in, out;
	pid_t pid;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(folder) || (in = open("msg", O_RDONLY)) < 0 ||
			(out = open("out", O_WRONLY | O_CREAT | O_TRUNC,
				 0600)) < 0)
			_exit(126);
		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		execvp("ssh-keygen", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 127);
	return WEXITSTATUS(status);
}

#define KEYGEN(...) keygen((const char *const[]){__VA_ARGS__, NULL})

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cundang-sshsig-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_file("msg", message, MESSAGE_LEN);
	return 0;
}

static int remove_one(
	const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_key(const char *name, const char *type, const char *bits)
{
	char pub[80];

	unlink(in_folder(name));
	snprintf(pub, sizeof(pub), "%s.pub", name);
	unlink(in_folder(pub));
	assert_int_equal(KEYGEN("-q", "-t", type, "-b", bits, "-N", "", "-C",
				 "a comment", "-f", name),
		0);
}

static void read_public(const char *name, struct ssh_public *out)
{
	struct buf line = BUF_EMPTY;

	read_text(name, &line);
	assert_ok(ssh_public_parse((char *)line.data, line.len, out, err));
	buf_free(&line);
}

static enum err_code check(const struct buf *armor, const char *ns,
	const char *msg, struct ssh_public *signer)
{
	return sshsig_check(
		armor->data, armor->len, ns, msg, strlen(msg), signer, NULL);
}

static const struct {
	const char *type, *bits;
} stock[] = {
	{"ed25519", "256"},
	{"ecdsa", "256"},
	{"ecdsa", "384"},
	{"ecdsa", "521"},
	{"rsa", "2048"},
	{"rsa", "4096"},
};

static void what_ssh_keygen_signs_is_good_here(void **state)
{
	static const char *const hashes[] = {
		"hashalg=sha256", "hashalg=sha512"};
	struct buf armor = BUF_EMPTY;
	size_t ran = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stock); i++) {
		struct ssh_public key, signer;

		make_key("key", stock[i].type, stock[i].bits);
		read_public("key.pub", &key);
		for (size_t h = 0; h < 2; h++, ran++) {
			unlink(in_folder("msg.sig"));
			assert_int_equal(
				KEYGEN("-q", "-Y", "sign", "-f", "key", "-n",
					NS, "-O", hashes[h], "msg"),
				0);
			read_text("msg.sig", &armor);
			memset(&signer, 0, sizeof(signer));
			assert_ok(sshsig_check(armor.data, armor.len, NS,
				message, MESSAGE_LEN, &signer, err));
			assert_true(ssh_public_equal(&key, &signer));
			assert_int_equal(check(&armor, "cundang-governance",
						 message, &signer),
				ERR_DENIED);
			assert_int_equal(check(&armor, NS, "another", &signer),
				ERR_DENIED);
		}
	}
	assert_int_equal(ran, 12);
	buf_free(&armor);
}

static void what_is_signed_here_ssh_keygen_verifies(void **state)
{
	struct buf armor = BUF_EMPTY, line = BUF_EMPTY, allowed = BUF_EMPTY;
	struct ssh_public key, signer;

	(void)state;
	make_key("key", "ed25519", "256");
	assert_ok(sshsig_make(
		in_folder("key"), NS, message, MESSAGE_LEN, &armor, err));
	write_file("ours.sig", armor.data, armor.len);
	read_text("key.pub", &line);
	buf_printf(&allowed, "officer1 namespaces=\"%s\" ", NS);
	buf_add(&allowed, line.data, line.len);
	write_file("allowed", allowed.data, allowed.len);

	assert_int_equal(KEYGEN("-Y", "verify", "-f", "allowed", "-I",
				 "officer1", "-n", NS, "-s", "ours.sig"),
		0);
	assert_int_equal(
		KEYGEN("-Y", "check-novalidate", "-n", NS, "-s", "ours.sig"),
		0);
	assert_int_not_equal(KEYGEN("-Y", "check-novalidate", "-n", "other",
				     "-s", "ours.sig"),
		0);

	assert_ok(sshsig_check(
		armor.data, armor.len, NS, message, MESSAGE_LEN, &signer, err));
	read_public("key.pub", &key);
	assert_true(ssh_public_equal(&key, &signer));

	/* Ed25519 is deterministic: the stock file is the same to the byte. */
	unlink(in_folder("msg.sig"));
	assert_int_equal(
		KEYGEN("-q", "-Y", "sign", "-f", "key", "-n", NS, "msg"), 0);
	read_text("msg.sig", &line);
	assert_int_equal(line.len, armor.len);
	assert_memory_equal(line.data, armor.data, armor.len);
	buf_free(&armor);
	buf_free(&line);
	buf_free(&allowed);
}

static void keys_that_cannot_sign_here_name_ssh_keygen(void **state)
{
	struct buf armor = BUF_EMPTY;
	struct err err;

	(void)state;
	unlink(in_folder("locked"));
	unlink(in_folder("locked.pub"));
	assert_int_equal(KEYGEN("-q", "-t", "ed25519", "-N", "a passphrase",
				 "-f", "locked"),
		0);
	assert_int_equal(sshsig_make(in_folder("locked"), NS, message,
				 MESSAGE_LEN, &armor, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "ssh-keygen -Y sign"));

	make_key("ecdsa", "ecdsa", "256");
	assert_int_equal(sshsig_make(in_folder("ecdsa"), NS, message,
				 MESSAGE_LEN, &armor, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "ssh-keygen -Y sign"));

	assert_int_equal(sshsig_make(in_folder("none"), NS, message,
				 MESSAGE_LEN, &armor, &err),
		ERR_NOT_FOUND);
	assert_int_equal(sshsig_make(in_folder("msg"), NS, message, MESSAGE_LEN,
				 &armor, &err),
		ERR_CORRUPT);
	assert_int_equal(sshsig_make(in_folder("ecdsa"), "", message,
				 MESSAGE_LEN, &armor, &err),
		ERR_USAGE);
	assert_int_equal(armor.len, 0);
	buf_free(&armor);
}

static void key_lines_and_fingerprints_are_those_of_ssh_keygen(void **state)
{
	struct buf line = BUF_EMPTY, text = BUF_EMPTY;
	struct ssh_public key, again;
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(stock); ran++) {
		make_key("key", stock[ran].type, stock[ran].bits);
		read_public("key.pub", &key);
		read_text("key.pub", &line);
		buf_clear(&text);
		ssh_public_text(&key, &text);
		assert_true(text.len < line.len);
		assert_memory_equal(text.data, line.data, text.len);
		assert_int_equal(line.data[text.len], ' ');
		assert_ok(ssh_public_parse(
			(char *)text.data, text.len, &again, err));
		assert_true(ssh_public_equal(&key, &again));

		buf_clear(&text);
		ssh_public_fingerprint(&key, &text);
		assert_int_equal(KEYGEN("-l", "-f", "key.pub"), 0);
		read_text("out", &line);
		assert_non_null(buf_cstr(&text));
		assert_non_null(buf_cstr(&line));
		assert_non_null(strstr((char *)line.data, (char *)text.data));
	}
	assert_int_equal(ran, 6);
	buf_free(&line);
	buf_free(&text);
}

static void weak_and_broken_key_lines_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ssh-ed25519",
		"ssh-ed25519 ",
		"ssh-ed25519 AAAA",
		/* y = 0, and y = 1: small order */
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAAA",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAAA",
		/* a byte behind the key */
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln"
		"5NYwm6UNXx3chmQSVTG4AA==",
		/* a sound key under another name */
		"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYw"
		"m6UNXx3chmQSVTG4",
		/* options in front */
		"restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXD"
		"dGOdLwJln5NYwm6UNXx3chmQSVTG4",
		"ssh-dss AAAAB3NzaC1kc3MAAAAA",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln"
		"5NYwm6UNXx3chmQSVTG4\nssh-ed25519 AAAA",
	};
	static const char good[] = "ssh-ed25519 "
				   "AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdG"
				   "OdLwJln5NYwm6UNXx3chmQSVTG4 a comment\r\n";
	struct buf line = BUF_EMPTY;
	struct ssh_public key;
	size_t ran = 0;

	(void)state;
	assert_ok(ssh_public_parse(good, strlen(good), &key, err));
	for (; ran < ARRAY_LEN(bad); ran++)
		if (ssh_public_parse(bad[ran], strlen(bad[ran]), &key, NULL) !=
			ERR_INVALID)
			fail_msg("taken: %s", bad[ran]);
	assert_int_equal(ran, 11);

	make_key("weak", "rsa", "1024");
	read_text("weak.pub", &line);
	assert_int_equal(
		ssh_public_parse((char *)line.data, line.len, &key, NULL),
		ERR_INVALID);
	buf_free(&line);
}

/* What a signature is made of, so that each piece can be another. */
static void put(struct buf *b, const void *data, size_t len)
{
	buf_u32(b, (uint32_t)len);
	buf_add(b, data, len);
}

static void put_text(struct buf *b, const char *s)
{
	put(b, s, strlen(s));
}

static void put_mpint(struct buf *b, const BIGNUM *n)
{
	uint8_t bytes[600] = {0};
	size_t len = (size_t)BN_num_bytes(n);

	assert_true(len + 1 < sizeof(bytes));
	BN_bn2bin(n, bytes + 1);
	if (bytes[1] & 0x80)
		put(b, bytes, len + 1);
	else
		put(b, bytes + 1, len);
}

static void data_to_sign(struct buf *out)
{
	struct digest d = digest_of(message, MESSAGE_LEN);

	buf_clear(out);
	buf_str(out, "SSHSIG");
	put_text(out, NS);
	put_text(out, "");
	put_text(out, "sha256");
	put(out, d.b, sizeof(d.b));
}

static void wrap(
	const struct buf *key, const struct buf *signature, struct buf *armor)
{
	struct buf blob = BUF_EMPTY;
	char *text;
	size_t len;

	buf_str(&blob, "SSHSIG");
	buf_u32(&blob, 1);
	put(&blob, key->data, key->len);
	put_text(&blob, NS);
	put_text(&blob, "");
	put_text(&blob, "sha256");
	put(&blob, signature->data, signature->len);
	assert_ok(buf_ok(&blob, err));
	text = malloc(BASE64_SIZE(blob.len));
	assert_non_null(text);
	len = base64_encode(blob.data, blob.len, text);
	buf_clear(armor);
	buf_str(armor, "-----BEGIN SSH SIGNATURE-----\n");
	for (size_t i = 0; i < len; i += 70) {
		buf_add(armor, text + i, len - i < 70 ? len - i : 70);
		buf_u8(armor, '\n');
	}
	buf_str(armor, "-----END SSH SIGNATURE-----\n");
	assert_ok(buf_ok(armor, err));
	free(text);
	buf_free(&blob);
}

static int novalidate(const struct buf *armor)
{
	write_file("made.sig", armor->data, armor->len);
	return KEYGEN("-Y", "check-novalidate", "-n", NS, "-s", "made.sig");
}

/* SHA-256 of the application, flags, counter, SHA-256 of the data. */
static void token_message(uint8_t flags, uint32_t counter, struct buf *out)
{
	struct buf data = BUF_EMPTY;
	struct digest app = digest_of("ssh:", 4), d;

	data_to_sign(&data);
	d = digest_of(data.data, data.len);
	buf_clear(out);
	buf_add(out, app.b, 32);
	buf_u8(out, flags);
	buf_u32(out, counter);
	buf_add(out, d.b, 32);
	buf_free(&data);
}

static void token_ed25519(uint8_t flags, struct buf *armor)
{
	struct buf key = BUF_EMPTY, sig = BUF_EMPTY, msg = BUF_EMPTY;
	uint8_t bytes[SIGNATURE_SIZE];
	struct sign_public pub;
	struct sign_key *k;

	assert_ok(sign_key_new(&k, err));
	pub = sign_key_public(k);
	put_text(&key, "sk-ssh-ed25519@openssh.com");
	put(&key, pub.b, sizeof(pub.b));
	put_text(&key, "ssh:");
	token_message(flags, 7, &msg);
	assert_ok(sign_make(k, msg.data, msg.len, bytes, err));
	put_text(&sig, "sk-ssh-ed25519@openssh.com");
	put(&sig, bytes, sizeof(bytes));
	buf_u8(&sig, flags);
	buf_u32(&sig, 7);
	wrap(&key, &sig, armor);
	sign_key_free(k);
	buf_free(&key);
	buf_free(&sig);
	buf_free(&msg);
}

static void sign_with(EVP_PKEY *k, const EVP_MD *md, const struct buf *msg,
	uint8_t *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_non_null(ctx);
	assert_true(EVP_DigestSignInit(ctx, NULL, md, NULL, k));
	assert_true(EVP_DigestSign(ctx, out, len, msg->data, msg->len));
	EVP_MD_CTX_free(ctx);
}

static void token_ecdsa(uint8_t flags, struct buf *armor)
{
	struct buf key = BUF_EMPTY, sig = BUF_EMPTY, msg = BUF_EMPTY;
	struct buf numbers = BUF_EMPTY;
	EVP_PKEY *k = EVP_EC_gen("P-256");
	uint8_t der[128], *point = NULL;
	const uint8_t *p = der;
	size_t der_len = sizeof(der), point_len;
	ECDSA_SIG *rs;

	assert_non_null(k);
	point_len = EVP_PKEY_get1_encoded_public_key(k, &point);
	assert_int_equal(point_len, 65);
	put_text(&key, "sk-ecdsa-sha2-nistp256@openssh.com");
	put_text(&key, "nistp256");
	put(&key, point, point_len);
	put_text(&key, "ssh:");
	token_message(flags, 9, &msg);
	sign_with(k, EVP_sha256(), &msg, der, &der_len);
	rs = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
	assert_non_null(rs);
	put_mpint(&numbers, ECDSA_SIG_get0_r(rs));
	put_mpint(&numbers, ECDSA_SIG_get0_s(rs));
	put_text(&sig, "sk-ecdsa-sha2-nistp256@openssh.com");
	put(&sig, numbers.data, numbers.len);
	buf_u8(&sig, flags);
	buf_u32(&sig, 9);
	wrap(&key, &sig, armor);
	ECDSA_SIG_free(rs);
	OPENSSL_free(point);
	EVP_PKEY_free(k);
	buf_free(&key);
	buf_free(&sig);
	buf_free(&msg);
	buf_free(&numbers);
}

static void token_signatures_need_a_touch(void **state)
{
	void (*const make[])(uint8_t, struct buf *) = {
		token_ed25519, token_ecdsa};
	struct buf armor = BUF_EMPTY;
	struct ssh_public signer;
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(make); ran++) {
		make[ran](0x01, &armor);
		assert_int_equal(novalidate(&armor), 0);
		assert_ok(sshsig_check(armor.data, armor.len, NS, message,
			MESSAGE_LEN, &signer, err));
		assert_int_equal(
			check(&armor, NS, "another", &signer), ERR_DENIED);
		make[ran](0x05, &armor); /* with a PIN */
		assert_int_equal(check(&armor, NS, message, &signer), ERR_OK);
		make[ran](0x00, &armor);
		assert_int_equal(
			check(&armor, NS, message, &signer), ERR_DENIED);
		make[ran](0x04, &armor);
		assert_int_equal(
			check(&armor, NS, message, &signer), ERR_DENIED);
	}
	assert_int_equal(ran, 2);
	buf_free(&armor);
}

static void rsa_signature(
	EVP_PKEY *k, const char *kind, const EVP_MD *md, struct buf *armor)
{
	struct buf key = BUF_EMPTY, sig = BUF_EMPTY, msg = BUF_EMPTY;
	BIGNUM *e = NULL, *n = NULL;
	uint8_t bytes[512];
	size_t len = sizeof(bytes);

	assert_true(EVP_PKEY_get_bn_param(k, "e", &e));
	assert_true(EVP_PKEY_get_bn_param(k, "n", &n));
	put_text(&key, "ssh-rsa");
	put_mpint(&key, e);
	put_mpint(&key, n);
	data_to_sign(&msg);
	sign_with(k, md, &msg, bytes, &len);
	put_text(&sig, kind);
	put(&sig, bytes, len);
	wrap(&key, &sig, armor);
	BN_free(e);
	BN_free(n);
	buf_free(&key);
	buf_free(&sig);
	buf_free(&msg);
}

static void rsa_signs_with_sha_2_only(void **state)
{
	EVP_PKEY *k = EVP_RSA_gen(2048);
	struct buf armor = BUF_EMPTY;
	struct ssh_public signer;

	(void)state;
	assert_non_null(k);
	rsa_signature(k, "rsa-sha2-256", EVP_sha256(), &armor);
	assert_int_equal(novalidate(&armor), 0);
	assert_int_equal(check(&armor, NS, message, &signer), ERR_OK);
	rsa_signature(k, "rsa-sha2-512", EVP_sha512(), &armor);
	assert_int_equal(check(&armor, NS, message, &signer), ERR_OK);
	rsa_signature(k, "rsa-sha2-512", EVP_sha256(), &armor);
	assert_int_equal(check(&armor, NS, message, &signer), ERR_DENIED);
	rsa_signature(k, "ssh-rsa", EVP_sha1(), &armor);
	assert_int_equal(check(&armor, NS, message, &signer), ERR_PROTOCOL);
	EVP_PKEY_free(k);

	k = EVP_RSA_gen(1024);
	rsa_signature(k, "rsa-sha2-256", EVP_sha256(), &armor);
	assert_int_equal(check(&armor, NS, message, &signer), ERR_DENIED);
	EVP_PKEY_free(k);
	buf_free(&armor);
}

/* Takes an armor apart, for damage that is spelled well. */
static size_t unwrap(const struct buf *armor, uint8_t *out, size_t cap)
{
	static const char end[] = "-----END";
	char text[1024];
	size_t len = 0, got = 0;

	for (size_t i = 30; memcmp(armor->data + i, end, 8) != 0; i++) {
		assert_true(len < sizeof(text));
		if (armor->data[i] != '\n')
			text[len++] = (char)armor->data[i];
	}
	assert_true(base64_decode(text, len, out, cap, &got));
	return got;
}

static enum err_code check_blob(const uint8_t *blob, size_t len)
{
	struct buf armor = BUF_EMPTY;
	struct ssh_public signer;
	enum err_code rc;
	char text[1024];

	base64_encode(blob, len, text);
	buf_printf(&armor,
		"-----BEGIN SSH SIGNATURE-----\n%s\n"
		"-----END SSH SIGNATURE-----",
		text);
	rc = check(&armor, NS, message, &signer);
	buf_free(&armor);
	return rc;
}

static void any_flipped_bit_cut_or_extra_byte_is_refused(void **state)
{
	uint8_t blob[600];
	struct buf armor = BUF_EMPTY;
	size_t len, ran = 0;

	(void)state;
	make_key("key", "ed25519", "256");
	assert_ok(sshsig_make(
		in_folder("key"), NS, message, MESSAGE_LEN, &armor, err));
	len = unwrap(&armor, blob, sizeof(blob));
	assert_int_equal(check_blob(blob, len), ERR_OK);
	for (size_t bit = 0; bit < len * 8; bit++, ran++) {
		blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(check_blob(blob, len), ERR_OK);
		blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(ran, len * 8);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(check_blob(blob, cut), ERR_PROTOCOL);
	blob[len] = 0;
	assert_int_equal(check_blob(blob, len + 1), ERR_PROTOCOL);
	buf_free(&armor);
}

static void armor_is_taken_with_either_line_end_and_nothing_around(void **state)
{
	struct buf armor = BUF_EMPTY, other = BUF_EMPTY;
	struct ssh_public signer;

	(void)state;
	make_key("key", "ed25519", "256");
	assert_ok(sshsig_make(
		in_folder("key"), NS, message, MESSAGE_LEN, &armor, err));
	for (size_t i = 0; i < armor.len; i++) {
		if (armor.data[i] == '\n')
			buf_u8(&other, '\r');
		buf_u8(&other, armor.data[i]);
	}
	assert_int_equal(check(&other, NS, message, &signer), ERR_OK);

	buf_clear(&other);
	buf_u8(&other, '\n');
	buf_add(&other, armor.data, armor.len);
	assert_int_equal(check(&other, NS, message, &signer), ERR_PROTOCOL);
	buf_clear(&other);
	buf_add(&other, armor.data, armor.len);
	buf_str(&other, "x");
	assert_int_equal(check(&other, NS, message, &signer), ERR_PROTOCOL);
	buf_clear(&other);
	buf_add(&other, armor.data, armor.len);
	other.data[40] = ' ';
	assert_int_equal(check(&other, NS, message, &signer), ERR_PROTOCOL);
	buf_clear(&other);
	assert_int_equal(check(&other, NS, message, &signer), ERR_PROTOCOL);
	assert_int_equal(check(&armor, "", message, &signer), ERR_USAGE);
	for (size_t i = 0; i <= SSHSIG_TEXT_LIMIT; i++)
		buf_u8(&other, 'A');
	assert_int_equal(check(&other, NS, message, &signer), ERR_PROTOCOL);
	buf_free(&armor);
	buf_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ssh_keygen_signs_is_good_here),
		cmocka_unit_test(what_is_signed_here_ssh_keygen_verifies),
		cmocka_unit_test(keys_that_cannot_sign_here_name_ssh_keygen),
		cmocka_unit_test(
			key_lines_and_fingerprints_are_those_of_ssh_keygen),
		cmocka_unit_test(weak_and_broken_key_lines_are_refused),
		cmocka_unit_test(token_signatures_need_a_touch),
		cmocka_unit_test(rsa_signs_with_sha_2_only),
		cmocka_unit_test(any_flipped_bit_cut_or_extra_byte_is_refused),
		cmocka_unit_test(
			armor_is_taken_with_either_line_end_and_nothing_around),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
