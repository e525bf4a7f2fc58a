/* sync.c - `cundang sync`: now, and wait until it is complete. */
#include <string.h>
#include <time.h>

#include "cli/control.h"
#include "cli/state.h"

#define POLL_MS 200
#define TIMEOUT_S 60
#define TIMEOUT_LIMIT_S 86400

struct left {
	size_t parents, open;
	uint64_t backlog, wanted;
	char reason[ERR_TEXT_SIZE]; /* of the last that is open */
	const char *next;
};

/* What is still open towards the parents meant; all of them without a code.
 * A countersignature comes after the acknowledgement that makes it complete. */
static struct left look(const struct json *state, const char *code)
{
	const struct json *peers = json_get(state, "peers");
	bool signing = state_own_waiting(state) > 0;
	struct left l = {.wanted = json_count_of(state, "wanted"), .next = ""};

	for (size_t i = 0; i < json_count(peers); i++) {
		const struct json *p = json_at(peers, i);
		const char *its = json_get_string(p, "code");
		uint64_t backlog = peer_backlog(state, p);
		bool open;

		if (code ? !its || strcmp(its, code) : !peer_is(p, "parent"))
			continue;
		l.parents++;
		l.backlog += backlog;
		open = !json_bool(json_get(p, "complete")) || backlog > 0 ||
			signing;
		l.open += open;
		if (open)
			snprintf(l.reason, sizeof(l.reason), "%s",
				peer_reason(state, p, &l.next));
	}
	return l;
}

static enum err_code ask(
	struct control *control, const char *code, struct err *err)
{
	struct json *body = json_new_object();

	if (code && !json_set(body, "peer", json_new_text(code))) {
		json_free(body);
		return err_nomem(err);
	}
	return control_post_json(control, "/sync", body, NULL, err);
}

static enum err_code tell(struct cli *c, const struct left *l, struct err *err)
{
	struct json *v;
	char n[COUNT_TEXT_SIZE];

	if (!c->json) {
		if (l->parents == 0)
			puts(_("This node has nobody above it: there is "
			       "nothing to send."));
		else if (l->open == 0)
			puts(_("Complete: the node above holds and "
			       "countersigned everything."));
		else
			printf(_("Not complete yet: %s to go.\n"),
				out_count(l->backlog, n));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "complete", json_new_bool(l->open == 0)) ||
		!json_set(v, "backlog", json_new_u64(l->backlog)) ||
		!json_set(v, "wanted", json_new_u64(l->wanted))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code wait_for(struct cli *c, struct control *control,
	const char *code, uint64_t timeout_s, struct err *err)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	uint64_t end = time_mono_ms() + timeout_s * 1000;
	struct json *state = NULL;
	enum err_code rc;
	struct left l;

	for (;;) {
		rc = control_get_json(control, "/status", &state, err);
		if (rc)
			return rc;
		l = look(state, code);
		json_free(state);
		if (l.open == 0 || time_mono_ms() >= end)
			break;
		progress_show(NULL, _("to go:"), l.backlog, 0);
		nanosleep(&pause, NULL);
	}
	progress_end();
	if (code && l.parents == 0)
		return err_set(
			err, ERR_NOT_FOUND, "%s is no peer of this node", code);
	if ((rc = tell(c, &l, err)) || l.open == 0)
		return rc;
	cli_safe(
		c, _("Everything is kept here; the daemon goes on by itself."));
	if (*l.next)
		cli_next(c, "%s", l.next);
	else
		cli_next_command(c, "status");
	if (!l.reason[0])
		return err_set(err, ERR_BUSY, "not complete within %llu s",
			(unsigned long long)timeout_s);
	return err_set(err, ERR_BUSY, "not complete within %llu s: %s",
		(unsigned long long)timeout_s, l.reason);
}

static enum err_code run_sync(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *code = a->count ? a->word[0] : NULL;
	uint64_t timeout_s = TIMEOUT_S;
	struct control *control = NULL;
	enum err_code rc;

	if (code && !code_valid(code, strlen(code)))
		return err_set(
			err, ERR_USAGE, "\"%s\" is no 12-digit code", code);
	if ((rc = args_number(a, "timeout", TIMEOUT_LIMIT_S, &timeout_s, err)))
		return rc;
	if ((rc = control_open(c->data, &control, err))) {
		if (rc == ERR_NOT_FOUND) {
			cli_safe(c,
				_("Records can be put all the same; only the "
				  "daemon sends them."));
			cli_next_daemon(c);
		}
		return rc;
	}
	if ((rc = ask(control, code, err)) == ERR_OK)
		rc = wait_for(c, control, code, timeout_s, err);
	control_close(control);
	return rc;
}

static const struct option_spec options[] = {
	{"timeout", 0, "SECONDS", N_("how long to wait (60)")},
	{NULL, 0, NULL, NULL},
};

const struct command command_sync = {
	.name = "sync",
	.words = "[PEER]",
	.summary = N_("send and fetch now, and wait until it is complete"),
	.most = 1,
	.options = options,
	.run = run_sync,
};
