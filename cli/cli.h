/* cli.h - what the commands share: their table, their words, their output.
 * Internal to cli/. */
#pragma once

#include <libintl.h>
#include <stdio.h>

#include "cli/args.h"
#include "policies/policies.h"

#define _(s) gettext(s)
#define N_(s) s

#define CLI_LINE_SIZE 768
#define QUOTED_SIZE 640

struct cli {
	const char *data;	  /* the node's directory */
	char quoted[QUOTED_SIZE]; /* the same, for a shell */
	bool json;		  /* --json */
	bool failed;		  /* some lines or checks failed: exit 1 */
	bool damaged;		  /* fsck told faults: exit 7 */
	/* Behind an error, "" for none: what is safe, the next command. */
	char safe[CLI_LINE_SIZE], next[CLI_LINE_SIZE];
};

struct command {
	const char *name;    /* "put", "governance init" */
	const char *words;   /* its words beside options, for the help */
	const char *summary; /* N_(), one line */
	const char *detail;  /* N_(), or NULL */
	size_t least, most;  /* how many words */
	bool hidden;	     /* not in the short help */
	const struct option_spec *options;
	enum err_code (*run)(
		struct cli *c, const struct args *a, struct err *err);
};

#define WORDS_ANY ((size_t)-1)

extern const struct command command_init, command_put, command_sync,
	command_status, command_why, command_list, command_show, command_log,
	command_governance_init, command_governance_publish,
	command_governance_sign, command_governance_to_sign,
	command_governance_check, command_governance_diff,
	command_governance_docs, command_governance_log,
	command_governance_adopt, command_governance_kit, command_node_request,
	command_node_pending, command_node_admit, command_node_retire,
	command_archive_create, command_verify, command_fsck, command_repair,
	command_key_show, command_key_rotate, command_store_dump,
	command_disposal_list, command_disposal_propose, command_reveal,
	command_reveal_list, command_unseal, command_audit_access,
	command_audit_provision, command_audit_rules, command_audit_retention,
	command_order_sign, command_order_enter, command_order_list,
	command_hold_add, command_hold_release, command_hold_list,
	command_subject_find, command_subject_export, command_subject_erase,
	command_subject_restrict, command_subject_refuse, command_restrict_add,
	command_restrict_lift, command_restrict_list, command_erase,
	command_disposal_run, command_disposal_status,
	command_disposal_register, command_disposal_cancel,
	command_incident_report, command_aggregate;

/* The whole command: parses, runs, tells errors; the exit code. */
int cli_main(int argc, char **argv);

/* Sets what an error is followed by. */
void cli_safe(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void cli_next(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The error for a file that the user named: what of it is wrong is no damage of
 * ours. */
enum err_code cli_input(enum err_code rc, struct err *err);
/* The next step is the command `words` in the node's directory, or the daemon
 * there. */
void cli_next_command(struct cli *c, const char *words);
void cli_next_daemon(struct cli *c);

/* ---- cli/out.c ---- */

/* Canonical JSON and a line feed on stdout; takes `v`, NULL is no memory. */
enum err_code out_json(struct json *v, struct err *err);
/* Flushes stdout; ERR_IO when what was printed did not arrive. */
enum err_code out_flush(struct err *err);
/* Prints `s` with control characters as "?", so that a record cannot command
 * the terminal. */
void out_plain(FILE *f, const char *s, size_t len);
/* Prints the text of an error; what of it the catalogue knows, translated. */
void out_reason(FILE *f, const char *text);
/* Prints and pads to `width` columns, wide characters counted twice. */
void out_column(const char *s, int width);
int out_width(const char *s);
/* A label's name for people. */
const char *out_label(const char *name);
/* A title and the labels behind it; nothing for none. */
void out_label_list(const char *title, uint8_t labels);
/* What view_destroyed() tells: each label, when and why. */
void out_erased(FILE *f, const struct json *erased);
#define COUNT_TEXT_SIZE 32
/* 1234567 as "1,234,567". */
const char *out_count(uint64_t n, char text[COUNT_TEXT_SIZE]);

#define LOST_SHOWN 200 /* for people; --json has more */
/* Attachments that are not here, a line each: [{"label","object","origin",
 * "seq"}, ...]. */
void out_lost_files(const struct json *list);
/* `s` as one word of a shell: quoted where it has to be. */
const char *out_quoted(const char *s, char text[QUOTED_SIZE]);
/* A line of progress on a terminal, at most five a second; nothing where
 * stderr is none.  `all` 0: unknown.  It goes by progress_end(). */
void progress_show(
	void *unused, const char *doing, uint64_t done, uint64_t all);
void progress_end(void);

/* ---- cli/show.c ---- */

/* For people; `rules` give titles and may be NULL. */
void show_document(const struct rules *rules, const struct json *doc);
/* A proof into the file, or on stdout where `path` is NULL or "-". */
enum err_code show_proof_out(struct cli *c, const char *path, const void *proof,
	size_t len, struct err *err);

/* "public,internal" as LABEL_BITs.  ERR_USAGE. */
enum err_code labels_parse(const char *s, uint8_t *labels, struct err *err);

/* ---- cli/disposal_list.c ---- */

/* What may be destroyed by now, by the options series, from and labels; the
 * countersigned time.  ERR_DENIED while nobody confirms what day it is. */
enum err_code disposal_find(struct cli *c, const struct args *a, struct node *n,
	const struct rules *rules, struct due *out, int64_t *now,
	struct err *err);

/* ---- cli/open.c ---- */

struct control;
/* As open_writer(), for accounts too that may not read the directory. */
enum err_code open_access(struct cli *c, struct control **control,
	struct node **node, struct err *err);
/* Whether there is a node in the directory at all; ERR_NOT_FOUND says what to
 * do. */
enum err_code open_check(struct cli *c, struct err *err);
/* What an error in opening the node means: its code and what to do. */
enum err_code open_failed(struct cli *c, enum err_code rc, struct err *err);
/* Opens the node for reading; an error names the directory and what to do. */
enum err_code open_reader(struct cli *c, struct node **out, struct err *err);
/* The daemon's control socket, or else the node for writing: exactly one of
 * the two is set.  Waits a little for a daemon that is starting. */
enum err_code open_writer(struct cli *c, struct control **control,
	struct node **node, struct err *err);
