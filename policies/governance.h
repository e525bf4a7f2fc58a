/* governance.h - the rules as a bare git repository and its signed heads
 * (libgit2 lives here).
 *
 * A head counts by its statement (docs/format.md section 8): canonical JSON
 * over SHA-256, signed under SSHSIG namespace "cundang-governance" by as many
 * officers as the previous head demands.  Statement and signatures lie in the
 * repository as refs/cundang/heads/SERIAL (adopted, or final) and
 * refs/cundang/proposals/SERIAL (still being signed): trees with
 * statement.json and signatures named KEYHASH.sig.
 */
#pragma once

#include "policies/rules.h"

#define GOVERNANCE_NAMESPACE "cundang-governance"
#define GOVERNANCE_FILE_LIMIT ((size_t)1 << 20)
#define GOVERNANCE_FILES_LIMIT 4096
#define GOVERNANCE_TREE_LIMIT ((size_t)32 << 20)
#define GOVERNANCE_BUNDLE_LIMIT ((size_t)16 << 20) /* exchange, compressed */
#define GOVERNANCE_HEADS_LIMIT 64		   /* in one exchange */
#define GOVERNANCE_SIGNATURES_LIMIT 16

struct governance; /* an open repository; one thread at a time */

/* Opens a bare repository (path or path/.git).  ERR_NOT_FOUND. */
enum err_code governance_open(
	const char *path, struct governance **out, struct err *err);
enum err_code governance_create(
	const char *path, struct governance **out, struct err *err);
void governance_close(struct governance *g);
/* Removes what a killed process left half done; nobody else may be at work. */
enum err_code governance_sweep(struct governance *g, struct err *err);
/* All that is in the repository survives a power cut. */
enum err_code governance_sync(struct governance *g, struct err *err);

/* `cundang governance init`: makes a repository at `path` with the template
 * catalogue, a roster from divisions CSV (code,name,parent), and officers, all
 * of them governors of the root's scope; and statement 1 as a proposal that any
 * two of the officers complete.  The fingerprint is that of statement 1: it
 * holds once they have signed.  Nothing is left behind by a refusal. */
struct governance_officer {
	const char *name;
	const char *key_path; /* an ssh public key file */
};
enum err_code governance_init(const char *path, const char *domain,
	const char *root_code, const char *divisions_csv,
	const struct governance_officer *officers, size_t count,
	struct digest *fingerprint, struct err *err);

struct statement {
	uint64_t serial;
	char domain[DOMAIN_SIZE];
	char commit[41];
	struct digest tree;
	bool has_previous; /* false for serial 1 */
	struct digest previous;
	int64_t at;
	struct digest digest; /* SHA-256 of the statement's bytes */
};
/* Pure; exactly the canonical text. */
enum err_code statement_parse(
	const void *text, size_t len, struct statement *out, struct err *err);

/* Checks the tree of `rev` ("main", a commit, ...) as rules: every file that
 * is there loads.  Each mistake is told with file and line; ERR_INVALID.  Of
 * rules without one `note`, which may be NULL, is told each series whose
 * records go nowhere: no rank may hold any of them, and they are not sealed. */
typedef void governance_fault(void *arg, const char *file, const char *what);
typedef void governance_note(void *arg, const char *series);
enum err_code governance_check(struct governance *g, const char *rev,
	governance_fault *fault, governance_note *note, void *arg,
	struct err *err);
/* Proposes refs/heads/main as the next head.  Checked first.  ERR_EXISTS when
 * nothing changed. */
enum err_code governance_publish(
	struct governance *g, struct statement *out, struct err *err);
/* Proposes the newest head's files once more, so that nodes see that nothing
 * newer is held back from them. */
enum err_code governance_renew(
	struct governance *g, struct statement *out, struct err *err);
/* Adds a signature to the open proposal: made with an officer's key file, or
 * given as armor.  *have and *want tell how far it is; when it is complete it
 * becomes a head.  ERR_DENIED when the key is no officer's whose role and
 * scope cover the change, ERR_EXISTS when that officer has signed. */
enum err_code governance_sign(struct governance *g, const char *key_path,
	const void *armor, size_t armor_len, unsigned *have, unsigned *want,
	struct err *err);
/* The bytes to sign for the open proposal (for ssh-keygen -Y sign). */
enum err_code governance_to_sign(
	struct governance *g, struct buf *out, struct err *err);

typedef enum err_code governance_head_visit(void *arg,
	const struct statement *s, unsigned signatures, bool final,
	struct err *err);
/* Heads ascending, then the open proposal with final = false. */
enum err_code governance_each(struct governance *g, governance_head_visit *v,
	void *arg, struct err *err);
/* The newest final head; ERR_NOT_FOUND when there is none.  A look only: its
 * signatures are checked by governance_rules(). */
enum err_code governance_head(
	struct governance *g, struct statement *out, struct err *err);

/* Rules of a final head, the whole chain from serial 1 checked: signatures
 * against the head before, digests, serials, no merges.  `root` pins the first
 * statement (NULL: any).  serial 0: the newest.  ERR_NOT_FOUND when there is no
 * such head, ERR_DENIED when the chain or the pin does not hold. */
enum err_code governance_rules(struct governance *g, uint64_t serial,
	const struct digest *root, struct rules **out, struct err *err);
typedef enum err_code governance_rules_visit(
	void *arg, struct rules *r, struct err *err);
/* The same of each head from 1 to `serial`, in one pass. */
enum err_code governance_each_rules(struct governance *g, uint64_t serial,
	const struct digest *root, governance_rules_visit *visit, void *arg,
	struct err *err);

typedef enum err_code governance_signer_visit(
	void *arg, const struct officer *o, struct err *err);
/* The officers who signed a head, as the head before it names them (the first:
 * as itself), in its order; the chain is checked as governance_rules() does. */
enum err_code governance_signers(struct governance *g, uint64_t serial,
	const struct digest *root, governance_signer_visit *visit, void *arg,
	struct err *err);

/* What a peer lacks: all heads with serials in (after, newest], statements,
 * signatures and files, as bounded objects under zstd.  At most
 * GOVERNANCE_HEADS_LIMIT heads: ask again from the newest one taken.
 * ERR_NOT_FOUND when there is none after `after`. */
enum err_code governance_export(
	struct governance *g, uint64_t after, struct buf *out, struct err *err);
/* Checks such bytes wholly (pure scan, then signatures from the newest head
 * here on) before anything is stored, then stores and moves the refs.
 * `root` pins statement 1 where there is no head yet.  ERR_DENIED: too few
 * signatures, or another domain.  ERR_EXISTS: nothing new.  ERR_FORK: a
 * different head with a serial that is here.  ERR_PROTOCOL: malformed, a gap,
 * or an object is missing.  ERR_INVALID: its rules do not load. */
enum err_code governance_import(struct governance *g, const void *data,
	size_t len, const struct digest *root, uint64_t *newest,
	struct err *err);
/* ERR_FORK names the first head that is in both and not the same. */
enum err_code governance_agree(
	struct governance *g, struct governance *other, struct err *err);
/* The pure scan alone, for the fuzzer. */
enum err_code governance_scan(const void *data, size_t len, struct err *err);

/* Writes the files of each head in [1, serial] below `dir` as
 * SERIAL/statement.json, SERIAL/KEYHASH.sig, SERIAL/tree/PATH, for packages;
 * SERIAL has 10 digits, as in the refs. */
enum err_code governance_files(struct governance *g, uint64_t serial,
	const char *dir, struct err *err);
/* The reverse for verifiers: checks such a folder against `root`, and gives the
 * rules of `serial` (0: the newest there). */
enum err_code governance_rules_from_files(const char *dir,
	const struct digest *root, uint64_t serial, struct rules **out,
	struct err *err);
/* The same of each head from 1 to `serial`, in one pass: what was visited when
 * it fails is good. */
enum err_code governance_each_from_files(const char *dir,
	const struct digest *root, uint64_t serial,
	governance_rules_visit *visit, void *arg, struct err *err);

/* ---- enrolment ---- */

/* A node's request: its public keys, signed by its log key (a signed note).
 * One that changes its log key signs with the key of before, too. */
struct node_request {
	char domain[DOMAIN_SIZE];
	char code[CODE_SIZE];
	char address[ADDRESS_SIZE]; /* where it listens, or "" */
	struct sign_public log, witness, tls;
	uint8_t seal[256]; /* SubjectPublicKeyInfo, DER */
	size_t seal_len;
	/* The key of before counts up to that size of the log of that epoch;
	 * "" where the log key stays. */
	char epoch[EPOCH_SIZE];
	uint64_t size;
	uint32_t before_id; /* of the key of before */
	uint8_t before[SIGNATURE_SIZE];
};
/* `before` is the log key that `log` takes the place of, NULL for none. */
enum err_code node_request_write(const struct node_request *r,
	const struct sign_key *log, const struct sign_key *before,
	struct buf *out, struct err *err);
/* The one who has `log`, the log key of now, made it. */
bool node_request_by(
	const struct node_request *r, const struct sign_public *log);
/* ERR_DENIED when the signature does not hold. */
enum err_code node_request_parse(const void *data, size_t len,
	struct node_request *out, struct err *err);
/* Commits the keys of the requests to the roster on main and proposes the next
 * head, one for any number of them.  ERR_NOT_FOUND: a code that is no division
 * of the domain; ERR_EXISTS: a code that has other keys, or that two of them
 * ask for, or nothing changed. */
enum err_code governance_admit(struct governance *g,
	const struct node_request *requests, size_t count,
	struct statement *out, struct err *err);
/* Other keys take the place of those that a code has where its log key of now
 * signed the request, or with ADMIT_REPLACE; the log and witness keys of before
 * are kept as former ones.  ERR_LIMIT past FORMER_KEYS_LIMIT. */
enum admit { ADMIT_NEW, ADMIT_REPLACE };
enum err_code governance_admit_as(struct governance *g,
	const struct node_request *requests, size_t count, enum admit mode,
	struct statement *out, struct err *err);

struct retirement {
	const char *code;
	const char *date;      /* YYYY-MM-DD */
	const char *successor; /* "" for none */
};
/* Takes a division out of service on main and proposes the next head.  Its keys
 * stay in the roster: what a node above has countersigned of its log stands,
 * and nothing that comes later.  ERR_EXISTS: it is retired; ERR_DENIED: there
 * is a division in service below it, or the successor is retired. */
enum err_code governance_retire(struct governance *g,
	const struct retirement *t, struct statement *out, struct err *err);
