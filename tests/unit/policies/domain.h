/* domain.h - a governance repository of three officers in a scratch folder. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policies/policies.h"
#include "tests/unit/store/scratch.h"

#define DOMAIN "xihu.example"
#define ROOT "330106000000"
#define TOWNSHIP "330106110000"
#define VILLAGE "330106110201"
#define DIVISIONS TEST_DATA "/divisions-330106.csv"

static inline void ok(enum err_code rc, const struct err *err)
{
	if (rc != ERR_OK)
		fail_msg("%s: %s", err_name(rc), err->text);
}

/* Runs a shell command in the scratch folder, its output in `log`. */
static inline int shell_try(void **state, const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	int n;

	n = snprintf(command, sizeof(command),
		"cd '%s' && export HOME=\"$PWD\" GIT_CONFIG_NOSYSTEM=1 "
		"GIT_AUTHOR_NAME=officer GIT_AUTHOR_EMAIL=officer@localhost "
		"GIT_COMMITTER_NAME=officer "
		"GIT_COMMITTER_EMAIL=officer@localhost && exec >>log 2>&1 && ",
		(char *)*state);
	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(command);
}

#define shell(...) assert_int_equal(shell_try(__VA_ARGS__), 0)

/* Keys k1..k4 by stock ssh-keygen; officers officer1..officer3 hold the first
 * three.  The repository is gov.git. */
static inline struct digest domain_make(void **state)
{
	struct governance_officer officers[3];
	static const char *const names[] = {"officer1", "officer2", "officer3"};
	static char paths[3][SCRATCH_SIZE * 2];
	struct digest pin;
	struct err err;

	for (int i = 1; i <= 4; i++)
		shell(state, "ssh-keygen -q -t ed25519 -N '' -C '' -f k%d", i);
	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/k%d.pub",
			(char *)*state, i + 1);
		officers[i].name = names[i];
		officers[i].key_path = paths[i];
	}
	ok(governance_init(scratch_path(state, "gov.git"), DOMAIN, ROOT,
		   DIVISIONS, officers, 3, &pin, &err),
		&err);
	return pin;
}

static inline struct governance *gov_open(void **state, const char *name)
{
	struct governance *g = NULL;
	struct err err;

	ok(governance_open(scratch_path(state, name), &g, &err), &err);
	return g;
}

/* Signs by key k<i>; gives the return code. */
static inline enum err_code sign_by(void **state, struct governance *g, int i,
	unsigned *have, unsigned *want)
{
	char name[8];
	struct err err;

	snprintf(name, sizeof(name), "k%d", i);
	return governance_sign(
		g, scratch_path(state, name), NULL, 0, have, want, &err);
}

static inline void sign_both(void **state, struct governance *g)
{
	unsigned have = 0, want = 0;

	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	if (have < want)
		assert_int_equal(sign_by(state, g, 2, &have, &want), ERR_OK);
	assert_int_equal(have, want);
}

/* A domain whose head 1 is final. */
static inline struct governance *domain_final(void **state, struct digest *pin)
{
	struct governance *g;

	*pin = domain_make(state);
	g = gov_open(state, "gov.git");
	sign_both(state, g);
	return g;
}

/* An officer's work with stock git: `edit` runs in a clone, then is pushed. */
static inline void officer_edits(void **state, const char *edit)
{
	shell(state,
		"rm -rf work && git clone -q gov.git work && cd work && %s && "
		"git add -A && git commit -q -m edit && git push -q origin "
		"HEAD:main",
		edit);
}

/* officer_edits(), published and signed by officers 1 and 2. */
static inline void officer_changes(
	void **state, struct governance *g, const char *edit)
{
	struct statement s;
	struct err err;

	officer_edits(state, edit);
	ok(governance_publish(g, &s, &err), &err);
	sign_both(state, g);
}

#define ADD_CONSUMER                                                           \
	"printf 'consumers:\\n  - name: c\\n    token_sha256: \"%%064d\"\\n"   \
	"    labels: [public]\\n' %d > consumers.yaml"

/* Some change of the rules, another for every `i`. */
static inline void change_rules(void **state, struct governance *g, int i)
{
	char edit[512];

	snprintf(edit, sizeof(edit), ADD_CONSUMER, i);
	officer_changes(state, g, edit);
}
