/* bench_enrol.c - any number of nodes in one signed head, and its adoption.
 *
 * bench_enrol FOLDER N: founds a domain of a county, N / 25 townships and N
 * villages in FOLDER, which is empty and has the officers' keys k1 and k2 with
 * k1.pub and k2.pub; makes N requests, admits them by one head, and lets the
 * county's node take and adopt it, as a session would.  Prints the milliseconds
 * of each step, of writing a kit and of taking it, as JSON; of the adoption
 * those of the processor, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policies/policies.h"

#define DOMAIN "xihu.example"
#define COUNTY "330106000000"
#define BELOW 25
#define MOST 20000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of this process: what a busy machine does not change. */
static double cpu_ms(void)
{
	return (double)clock() * 1e3 / CLOCKS_PER_SEC;
}

static void must(enum err_code rc, const struct err *err)
{
	if (rc == ERR_OK)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static const char *in(const char *folder, const char *name)
{
	static char path[16][4096];
	static unsigned at;
	char *p = path[at++ % 16];

	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static void village_code(unsigned i, char out[CODE_SIZE])
{
	snprintf(out, CODE_SIZE, "330106%03u%03u", 1 + i / BELOW % 999,
		201 + i % BELOW);
}

static void write_divisions(const char *path, unsigned count)
{
	FILE *f = fopen(path, "w");
	char code[CODE_SIZE];

	if (!f)
		exit(1);
	fprintf(f, "code,name,parent\n" COUNTY ",西湖区,\n");
	for (unsigned i = 0; i < count; i++) {
		village_code(i, code);
		if (i % BELOW == 0)
			fprintf(f, "%.9s000,第%u镇," COUNTY "\n", code, i);
		fprintf(f, "%s,第%u村,%.9s000\n", code, i, code);
	}
	if (fclose(f))
		exit(1);
}

static void found(const char *folder, unsigned count)
{
	const struct governance_officer officers[] = {
		{"officer1", in(folder, "k1.pub")},
		{"officer2", in(folder, "k2.pub")}};
	struct digest root;
	struct err err;

	write_divisions(in(folder, "divisions.csv"), count);
	must(governance_init(in(folder, "gov.git"), DOMAIN, COUNTY,
		     in(folder, "divisions.csv"), officers, 2, &root, &err),
		&err);
}

static void sign(const char *folder, struct governance *g, const char *key)
{
	unsigned have = 0, want = 0;
	struct err err;

	must(governance_sign(g, in(folder, key), NULL, 0, &have, &want, &err),
		&err);
}

static struct sign_public some_key(void)
{
	struct sign_key *k = NULL;
	struct sign_public p;
	struct err err;

	must(sign_key_new(&k, &err), &err);
	p = sign_key_public(k);
	sign_key_free(k);
	return p;
}

static struct node_request *make_requests(const char *folder, unsigned count)
{
	struct node_request *r = calloc(count, sizeof(*r));
	struct buf seal = BUF_EMPTY;
	struct err err;

	if (!r)
		exit(1);
	must(seal_key_create(in(folder, "seal.pem"), &err), &err);
	must(seal_key_public(in(folder, "seal.pem"), &seal, &err), &err);
	for (unsigned i = 0; i < count; i++) {
		snprintf(r[i].domain, sizeof(r[i].domain), "%s", DOMAIN);
		village_code(i, r[i].code);
		r[i].log = some_key();
		r[i].witness = some_key();
		r[i].tls = some_key();
		memcpy(r[i].seal, seal.data, seal.len);
		r[i].seal_len = seal.len;
	}
	buf_free(&seal);
	return r;
}

static struct node *make_county(const char *folder)
{
	struct node_init_options o = {.code = COUNTY};
	struct governance *g = NULL;
	struct rules *rules = NULL;
	struct node *n = NULL;
	struct err err;

	must(governance_open(in(folder, "gov.git"), &g, &err), &err);
	must(governance_rules(g, 0, NULL, &rules, &err), &err);
	o.governance = in(folder, "gov.git");
	o.pin = rules_root_fingerprint(rules);
	must(node_init(in(folder, "county"), &o, &err), &err);
	must(node_open(in(folder, "county"), STORE_WRITE, &n, &err), &err);
	rules_unref(rules);
	governance_close(g);
	return n;
}

static void bench_kit(const char *folder, struct governance *g)
{
	struct governance *copy = NULL;
	struct buf text = BUF_EMPTY;
	struct kit k;
	struct err err;
	double t[3];

	t[0] = now_ms();
	must(kit_write(g, NULL, 0, &text, &err), &err);
	t[1] = now_ms();
	must(kit_parse(text.data, text.len, &k, &err), &err);
	must(kit_unpack(&k, in(folder, "copy.git"), NULL, &copy, &err), &err);
	t[2] = now_ms();
	printf("\"kit_write_ms\":%.1f,\"kit_take_ms\":%.1f,\"kit_bytes\":%zu}"
	       "\n",
		t[1] - t[0], t[2] - t[1], text.len);
	governance_close(copy);
	kit_free(&k);
	buf_free(&text);
}

static void bench(const char *folder, unsigned count)
{
	struct node_request *r = make_requests(folder, count);
	struct buf bytes = BUF_EMPTY;
	struct governance *g = NULL;
	struct statement s;
	uint64_t serial = 0;
	struct node *n;
	struct err err;
	double t[4], cpu;

	must(governance_open(in(folder, "gov.git"), &g, &err), &err);
	sign(folder, g, "k1");
	sign(folder, g, "k2");
	n = make_county(folder);
	t[0] = now_ms();
	must(governance_admit(g, r, count, &s, &err), &err);
	t[1] = now_ms();
	sign(folder, g, "k1");
	must(governance_export(g, 1, &bytes, &err), &err);
	t[2] = now_ms();
	cpu = cpu_ms();
	must(governance_import(n->governance, bytes.data, bytes.len,
		     &n->config.root, &serial, &err),
		&err);
	must(node_adopt(n, NULL, &serial, &err), &err);
	t[3] = now_ms();
	cpu = cpu_ms() - cpu;
	if (serial != 2)
		exit(1);
	printf("{\"nodes\":%u,\"admit_ms\":%.1f,\"adopt_ms\":%.1f,"
	       "\"adopt_cpu_ms\":%.1f,"
	       "\"bytes\":%zu,",
		count, t[1] - t[0], t[3] - t[2], cpu, bytes.len);
	node_close(n);
	bench_kit(folder, g);
	governance_close(g);
	buf_free(&bytes);
	free(r);
}

int main(int argc, char **argv)
{
	unsigned count = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

	if (count == 0 || count > MOST) {
		fprintf(stderr, "usage: bench_enrol FOLDER N\n");
		return 2;
	}
	found(argv[1], count);
	bench(argv[1], count);
	return 0;
}
