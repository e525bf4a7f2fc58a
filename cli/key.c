/* key.c - `cundang key show` and `rotate`: the keys of this node. */
#include <string.h>

#include "cli/control.h"
#include "cli/request.h"

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

/* ---- a change of keys ---- */

static const char *const kind_names[] = {"log", "witness", "tls"};

static struct json *kinds_json(unsigned kinds)
{
	struct json *list = json_new_array();

	for (size_t i = 0; list && i < ARRAY_LEN(kind_names); i++) {
		if (kinds & 1u << i &&
			!json_append(list, json_new_text(kind_names[i]))) {
			json_free(list);
			return NULL;
		}
	}
	return list;
}

static void tell_kinds(const char *text, unsigned kinds)
{
	if (!kinds)
		return;
	fputs(text, stdout);
	for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
		if (kinds & 1u << i)
			printf(" %s", kind_names[i]);
	putchar('\n');
}

static void tell_rotating(unsigned next, unsigned old)
{
	tell_kinds(_("New keys wait until the rules name them:"), next);
	tell_kinds(_("Old keys wait for a countersignature before they are "
		     "destroyed:"),
		old);
}

static bool kinds_parse(const char *word, unsigned *out)
{
	if (!strcmp(word, "all")) {
		*out = ROTATE_ALL;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
		if (!strcmp(word, kind_names[i])) {
			*out = 1u << i;
			return true;
		}
	}
	return false;
}

static enum err_code rotate_there(struct control *control, unsigned kinds,
	struct buf *request, struct err *err)
{
	struct json *body = json_new_object(), *answer = NULL;
	enum err_code rc;
	const char *text;

	if (!json_set(body, "kinds", json_new_u64(kinds))) {
		json_free(body);
		return err_nomem(err);
	}
	if ((rc = control_post_json(control, "/keys", body, &answer, err)))
		return rc;
	if ((text = json_get_string(answer, "request"))) {
		buf_str(request, text);
		rc = buf_ok(request, err);
	} else {
		rc = err_set(err, ERR_INTERNAL,
			"answer of the daemon without a request");
	}
	json_free(answer);
	return rc;
}

static enum err_code save_request(struct cli *c, const char *path,
	const struct buf *text, struct err *err)
{
	char check[CHECK_SIZE];
	struct node_request r;
	enum err_code rc;

	if ((rc = node_request_parse(text->data, text->len, &r, err)) ||
		(rc = request_save(text, path, check, err)) ||
		(rc = request_tell(c, path, r.code, check, err)))
		return rc;
	if (!c->json && strcmp(path, "-"))
		puts(_("The keys of now stay in force until the officers have "
		       "signed rules with the new ones, and these are here."));
	return ERR_OK;
}

static enum err_code run_rotate(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *path = args_get(a, "output");
	struct control *control = NULL;
	struct buf text = BUF_EMPTY;
	struct node *n = NULL;
	unsigned kinds = 0;
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "key rotate needs -o FILE");
	if (!kinds_parse(a->count ? a->word[0] : "all", &kinds))
		return err_set(err, ERR_USAGE,
			"\"%s\" is none of log, witness, tls and all",
			a->word[0]);
	if ((rc = open_writer(c, &control, &n, err)))
		return rc;
	rc = control ? rotate_there(control, kinds, &text, err)
		     : node_rotate(n, NULL, kinds, &text, err);
	if (rc == ERR_OK)
		rc = save_request(c, path, &text, err);
	node_close(n);
	control_close(control);
	buf_free(&text);
	return rc;
}

static const struct option_spec rotate_options[] = {
	{"output", 'o', "FILE", N_("the file to bring to an officer")},
	{NULL, 0, NULL, NULL},
};
const struct command command_key_rotate = {
	.name = "key rotate",
	.words = "-o FILE [log|witness|tls|all]",
	.summary = N_("make new keys, and write the request that names them"),
	.options = rotate_options,
	.most = 1,
	.run = run_rotate,
};

static enum err_code run_show(
	struct cli *c, const struct args *a, struct err *err)
{
	struct node *n = NULL;
	struct json *v;
	struct keys k;
	unsigned next, old;
	enum err_code rc;

	(void)a;
	if ((rc = open_reader(c, &n, err)) || (rc = read_keys(n, &k, err)))
		goto out;
	node_rotating(n, &next, &old);
	if (!c->json) {
		printf("log      %s\nwitness  %s\ntls      %s\n"
		       "seal     %s\n",
			k.log, k.witness, k.tls, k.seal);
		tell_rotating(next, old);
		goto out;
	}
	v = json_new_object();
	if (!json_set(v, "log", json_new_text(k.log)) ||
		!json_set(v, "witness", json_new_text(k.witness)) ||
		!json_set(v, "tls", json_new_text(k.tls)) ||
		!json_set(v, "seal", json_new_text(k.seal)) ||
		!json_set(v, "next", kinds_json(next)) ||
		!json_set(v, "old", kinds_json(old)) ||
		!json_set(v, "origin", json_new_text(n->origin))) {
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
