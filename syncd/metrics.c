/* metrics.c - Prometheus text format 0.0.4. */
#include "syncd/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "syncd/loop.h"
#include "syncd/peers.h"

static void put(struct buf *out, const char *name, const char *type,
	const char *help, uint64_t value)
{
	buf_printf(out,
		"# HELP cundang_%s %s\n# TYPE cundang_%s %s\ncundang_%s "
		"%" PRIu64 "\n",
		name, help, name, type, name, value);
}

/* 0 where /proc is not there. */
static uint64_t resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_peers(struct daemon *d, struct buf *out)
{
	struct peers_totals t;

	peers_totals(d->peers, &t);
	put(out, "sessions", "gauge", "Sessions that are open.", t.sessions);
	put(out, "children", "gauge", "Children with an open session.",
		t.children);
	put(out, "unknown_peers", "gauge", "Connections of unknown keys.",
		t.unknown);
	put(out, "parent_open", "gauge", "Whether the session up is open.",
		t.parent_open);
	put(out, "parent_complete", "gauge",
		"Whether the parent has all, by equal roots.", t.complete);
	put(out, "backlog_entries", "gauge",
		"Entries the parent has not acknowledged.", t.backlog);
	put(out, "connections_total", "counter", "Connections accepted.",
		t.connections);
	put(out, "connections_refused_total", "counter",
		"Connections turned away.", t.refused);
	put(out, "sent_bytes_total", "counter", "Bytes of frames sent.",
		t.sent);
	put(out, "received_bytes_total", "counter", "Bytes of frames received.",
		t.received);
}

void metrics_start(struct daemon *d, struct buf *out)
{
	struct rules *rules = node_rules(d->node);
	int64_t now = time_now();
	int64_t age = now - rules_at(rules);

	put(out, "start_time_seconds", "gauge", "When this daemon started.",
		(uint64_t)d->started);
	put(out, "resident_memory_bytes", "gauge", "Resident size.",
		resident_bytes());
	put(out, "rules_serial", "gauge", "Serial of the rules in force.",
		rules_serial(rules));
	put(out, "rules_age_seconds", "gauge", "Age of the rules in force.",
		age > 0 ? (uint64_t)age : 0);
	put(out, "put_records_total", "counter",
		"Records acknowledged to the command.", d->put_records);
	put(out, "put_refused_total", "counter",
		"Records refused to the command.", d->put_refused);
	put(out, "feed_held", "gauge",
		"Arrival that the feed is held up at by damage, or 0.",
		d->feed_held);
	put(out, "jobs", "gauge", "Jobs on the workers.", loop_jobs(d->loop));
	put_peers(d, out);
	rules_unref(rules);
}

struct counts {
	uint64_t logs, entries, cosigned, damages;
};

static enum err_code count_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	struct counts *c = arg;

	(void)where;
	(void)what;
	(void)err;
	c->damages++;
	return ERR_OK;
}

static enum err_code count_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct counts *c = arg;

	(void)err;
	c->logs++;
	c->entries += log->size;
	c->cosigned += log->cosigned_size;
	return ERR_OK;
}

enum err_code metrics_finish(struct node *n, struct buf *out, struct err *err)
{
	struct counts c = {0};
	enum err_code rc;

	if ((rc = store_log_each(n->store, count_log, &c, err)) ||
		(rc = store_damage_each(n->store, count_damage, &c, err)))
		return rc;
	put(out, "damages", "gauge",
		"Places found damaged when the store was opened.", c.damages);
	put(out, "logs", "gauge", "Logs held here.", c.logs);
	put(out, "records", "gauge", "Records held here, gapless.", c.entries);
	put(out, "records_cosigned", "gauge",
		"Of them, those below a cosigned checkpoint.", c.cosigned);
	put(out, "arrivals", "gauge", "The newest arrival number.",
		store_arrivals(n->store));
	put(out, "wanted_attachments", "gauge",
		"Attachments referred to and not here.",
		store_wanted_count(n->store));
	put(out, "syncs_total", "counter", "Calls of fsync and fdatasync.",
		file_sync_count());
	return buf_ok(out, err);
}
