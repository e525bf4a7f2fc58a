/* repair.c - `cundang repair`: brings back from the nodes around what is
 * damaged here, and tells what nobody holds. */
#include <string.h>
#include <time.h>

#include "cli/control.h"
#include "cli/faults.h"
#include "cli/state.h"

#define POLL_MS 200
#define TIMEOUT_S 120
#define QUIET_S 15 /* without news, and nobody there who is to be asked */
#define TIMEOUT_LIMIT_S 86400

struct left {
	uint64_t asking, attachments, mended, records;
	size_t away;
};

static enum err_code look(struct control *control, struct left *out,
	struct json **state, struct err *err)
{
	enum err_code rc = control_get_json(control, "/repair", state, err);

	if (rc)
		return rc;
	*out = (struct left){
		.asking = json_count_of(*state, "asking"),
		.attachments = json_count_of(*state, "attachments"),
		.mended = json_count_of(*state, "mended"),
		.records = json_count_of(*state, "records"),
		.away = json_count(json_get(*state, "away")),
	};
	return ERR_OK;
}

/* Until whoever is there was asked for all of it. */
static enum err_code wait_for(struct control *control, uint64_t timeout_s,
	struct json **state, struct err *err)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	uint64_t end = time_mono_ms() + timeout_s * 1000;
	uint64_t news_ms = time_mono_ms();
	struct left l, before = {0};
	enum err_code rc;

	for (;; before = l) {
		if ((rc = look(control, &l, state, err)))
			return rc;
		if (l.asking || l.mended != before.mended ||
			l.attachments != before.attachments)
			news_ms = time_mono_ms();
		if ((l.asking == 0 && l.away == 0 && l.attachments == 0) ||
			time_mono_ms() >= end ||
			time_mono_ms() - news_ms >= QUIET_S * 1000)
			break;
		progress_show(NULL, _("mended:"), l.mended, l.records);
		json_free(*state);
		*state = NULL;
		nanosleep(&pause, NULL);
	}
	progress_end();
	return ERR_OK;
}

/* ---- what is told ---- */

static void print_lost(const struct json *o)
{
	const struct json *labels = json_get(o, "labels");
	const char *series = json_get_string(o, "series");

	printf("%s/%llu", json_get_string(o, "origin"),
		(unsigned long long)json_count_of(o, "seq"));
	if (series && *series)
		printf("  %s", series);
	fputs("  ", stdout);
	if (json_bool(json_get(o, "entry"))) {
		puts(_("the whole record"));
		return;
	}
	for (size_t i = 0; i < json_count(labels); i++) {
		size_t len;

		printf("%s%s", i ? ", " : "",
			out_label(json_string(json_at(labels, i), &len)));
	}
	putchar('\n');
}

static void print_files(const struct json *list, uint64_t count)
{
	char n[COUNT_TEXT_SIZE];

	if (!count)
		return;
	printf(ngettext("%s attachment did not come from any node:\n",
		       "%s attachments did not come from any node:\n", count),
		out_count(count, n));
	out_lost_files(list);
}

/* A log that could not go on, or lost its end. */
static void print_logs(const struct json *end)
{
	const struct json *cut = json_get(end, "cut");
	char had[COUNT_TEXT_SIZE], held[COUNT_TEXT_SIZE];

	if (json_count_of(end, "renewed")) {
		puts(_("No other node holds these records, and what came after "
		       "them waited: a new log goes on without them."));
		printf(_("Entered again in it: %s. What is lost stays "
			 "damaged in the old log; nothing was deleted.\n"),
			out_count(json_count_of(end, "entered"), had));
	}
	if (!cut)
		return;
	printf(_("The log %s lost its end: it had %s entries, and the newest "
		 "checkpoint known above is of %s.\n"),
		json_get_string(cut, "origin"),
		out_count(json_count_of(cut, "had"), had),
		out_count(json_count_of(cut, "held"), held));
	puts(_("A log is written by its own node only, so it is not taken back "
	       "from above: what the node above holds stays there and shows "
	       "there; what only this node had is lost, unless a copy of the "
	       "data directory has it. A new log goes on here."));
}

/* What is left that asking does not mend. */
static void print_faults(const struct json *list)
{
	struct fault_sorts sorts = {{0}};

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *pair = json_at(list, i);
		size_t len;
		const char *where = json_string(json_at(pair, 0), &len);

		fault_sort(&sorts, where);
		printf("FAULT %s: ", where);
		out_reason(stdout, json_string(json_at(pair, 1), &len));
		putchar('\n');
	}
	fault_steps(&sorts, 0, true);
}

static void print_result(const struct json *end, const struct json *away)
{
	const struct json *faults = json_get(end, "faults");
	const struct json *lost = json_get(end, "lost");
	uint64_t count = json_count_of(end, "count");
	uint64_t mended = json_count_of(end, "mended");
	uint64_t files = json_count_of(end, "attachments");
	char n[COUNT_TEXT_SIZE];

	print_logs(end);
	if (!mended && !count && !files && !json_count(faults)) {
		if (json_get(end, "cut"))
			return;
		puts(_("All records can be read: there is nothing to "
		       "repair."));
		return;
	}
	printf(ngettext(
		       "Mended: %s record.\n", "Mended: %s records.\n", mended),
		out_count(mended, n));
	if (count)
		printf(ngettext("%s record is held whole by no node that was "
				"asked:\n",
			       "%s records are held whole by no node that was "
			       "asked:\n",
			       count),
			out_count(count, n));
	for (size_t i = 0; i < json_count(lost) && i < LOST_SHOWN; i++)
		print_lost(json_at(lost, i));
	if (count > LOST_SHOWN)
		puts(_("... all of them: cundang repair --json"));
	print_files(json_get(end, "wanted"), files);
	print_faults(faults);
	for (size_t i = 0; i < json_count(away); i++) {
		size_t len;

		printf(_("Not reached, and so not asked: %s\n"),
			json_string(json_at(away, i), &len));
	}
}

static enum err_code tell(struct cli *c, struct json *end,
	const struct json *away, struct err *err)
{
	uint64_t left = json_count_of(end, "count") +
		json_count_of(end, "attachments") +
		json_count(json_get(end, "faults")) +
		(json_get(end, "cut") != NULL);

	/* Nobody else has it: it is told, not tried for ever. */
	c->damaged = left > 0;
	if (!c->json) {
		print_result(end, away);
		if (left)
			puts(_("What is damaged was not deleted; cundang "
			       "repair asks again at any time."));
		json_free(end);
		return ERR_OK;
	}
	if (!json_set(end, "away", json_copy(away))) {
		json_free(end);
		end = NULL;
	}
	return out_json(end, err);
}

static enum err_code repair(struct cli *c, struct control *control,
	uint64_t timeout_s, struct err *err)
{
	struct json *state = NULL;
	struct json *end = NULL;
	enum err_code rc;

	if (!c->json)
		puts(_("Reading all that is kept ..."));
	if ((rc = control_post_json(
		     control, "/repair", json_new_object(), NULL, err)) ||
		(rc = wait_for(control, timeout_s, &state, err)) ||
		(rc = control_post_json(
			 control, "/repair/end", json_new_object(), &end, err)))
		goto out;
	rc = tell(c, end, json_get(state, "away"), err);
out:
	json_free(state);
	return rc;
}

static enum err_code run_repair(
	struct cli *c, const struct args *a, struct err *err)
{
	uint64_t timeout_s = TIMEOUT_S;
	struct control *control = NULL;
	enum err_code rc;

	if ((rc = args_number(a, "timeout", TIMEOUT_LIMIT_S, &timeout_s, err)))
		return rc;
	rc = open_check(c, err);
	/* Of another account's directory the daemon knows who may what. */
	if (rc && rc != ERR_DENIED)
		return rc;
	if ((rc = control_open(c->data, &control, err))) {
		if (rc == ERR_NOT_FOUND) {
			cli_safe(c,
				_("Nothing was changed. Only the daemon can "
				  "ask other nodes."));
			cli_next_daemon(c);
		}
		return rc;
	}
	rc = repair(c, control, timeout_s, err);
	control_close(control);
	return rc;
}

static const struct option_spec options[] = {
	{"timeout", 0, "SECONDS", N_("how long to wait for others (120)")},
	{NULL, 0, NULL, NULL},
};

const struct command command_repair = {
	.name = "repair",
	.words = "",
	.summary = N_("bring back damaged records from the nodes around"),
	.detail = N_("Asks the node above and those below for what cannot be "
		     "read here, and proves each record by the signed root. "
		     "Ends with the records that nobody holds; nothing is "
		     "deleted."),
	.options = options,
	.run = run_repair,
};
