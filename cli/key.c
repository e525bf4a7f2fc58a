/* key.c - `cundang key show`: the public keys of this node. */
#include <string.h>

#include "cli/cli.h"

struct keys {
	char log[VKEY_SIZE], witness[VKEY_SIZE];
	char tls[BASE64_SIZE(SIGN_PUBLIC_SIZE)];
	char seal[BASE64_SIZE(sizeof(((struct node_request *)0)->seal))];
};

static enum err_code read_keys(struct node *n, struct keys *k, struct err *err)
{
	struct sign_public log = sign_key_public(n->log);
	struct sign_public witness = sign_key_public(n->witness);
	struct sign_public tls = sign_key_public(n->tls);
	char name[NOTE_NAME_SIZE];
	struct node_request r;
	struct note_key key;
	enum err_code rc;

	rc = note_key_make(n->origin, NOTE_ED25519, &log, &key, err);
	if (rc)
		return rc;
	note_key_vkey(&key, k->log);
	snprintf(name, sizeof(name), "%s/%s/witness", n->config.domain,
		n->config.code);
	rc = note_key_make(name, NOTE_COSIGNATURE, &witness, &key, err);
	if (rc)
		return rc;
	note_key_vkey(&key, k->witness);
	base64_encode(tls.b, sizeof(tls.b), k->tls);
	if ((rc = node_make_request(n, &r, err)) == ERR_OK)
		base64_encode(r.seal, r.seal_len, k->seal);
	return rc;
}

static enum err_code run_show(
	struct cli *c, const struct args *a, struct err *err)
{
	struct node *n = NULL;
	struct json *v;
	struct keys k;
	enum err_code rc;

	(void)a;
	if ((rc = open_reader(c, &n, err)) || (rc = read_keys(n, &k, err)))
		goto out;
	if (!c->json) {
		printf("log      %s\nwitness  %s\ntls      %s\n"
		       "seal     %s\n",
			k.log, k.witness, k.tls, k.seal);
		goto out;
	}
	v = json_new_object();
	if (!json_set(v, "log", out_text(k.log)) ||
		!json_set(v, "witness", out_text(k.witness)) ||
		!json_set(v, "tls", out_text(k.tls)) ||
		!json_set(v, "seal", out_text(k.seal)) ||
		!json_set(v, "origin", out_text(n->origin))) {
		json_free(v);
		v = NULL;
	}
	rc = out_json(v, err);
out:
	node_close(n);
	return rc;
}

const struct command command_key_show = {
	.name = "key show",
	.words = "",
	.summary = N_("show this node's public keys"),
	.run = run_show,
};
