"""What the rules cost: figures against the bounds they have to keep."""
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys

import net
from bench_table import clock, row

COUNTY, TOWN = "330106000000", "330106110000"

NODES = 300
ADOPT_MS = 100
LIST_S = 2  # for 1,000,000 records
ROUNDS = 3
LABELLED = 50000


def enrolment(folder):
    """Many nodes in one signed head."""
    folder.mkdir()
    for key in ("k1", "k2"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(folder / key)], check=True)
    program = os.path.join(os.environ["CUNDANG_BUILD"], "tests/bench_enrol")
    got = json.loads(subprocess.run([program, str(folder), str(NODES)], check=True, stdout=subprocess.PIPE).stdout)
    row("adopting a head with %d new nodes" % NODES, "%.0f ms" % got["adopt_ms"], "%d ms" % ADOPT_MS,
        "%.2f" % (got["adopt_ms"] / ADOPT_MS), "%.0f ms of them processor time; %d bytes sent; admitting took %.0f ms" %
        (got["adopt_cpu_ms"], got["bytes"], got["admit_ms"]))
    row("the kit of a domain of %d nodes" % NODES, "%d bytes" % got["kit_bytes"], "", "",
        "%.0f ms to make, %.0f ms to take" % (got["kit_write_ms"], got["kit_take_ms"]))


def disposal(folder, n):
    """What may be destroyed by now, of records that nearly all may: nothing of it is kept beside them, so putting them costs nothing more."""
    folder.mkdir()
    node = net.Domain(folder / "put").node(COUNTY)
    path = folder / "records.ndjson"
    with open(path, "wb") as f:
        subprocess.run([sys.executable, str(net.GENERATOR), "--node", COUNTY, "--series", "all", "--count", str(n), "--seed", "1",
                        "--year", "2010", "--jobs", str(os.cpu_count())], check=True, stdout=f)
    put, _ = clock(lambda: node.run("put", path))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = statistics.median(clock(lambda: node.run("disposal", "list"))[0] for _ in range(ROUNDS))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / ROUNDS
    row("disposal list over %d records" % n, "%.2f s" % seconds, "%.2f s" % (LIST_S * n / 1e6), "%.2f" % (seconds / (LIST_S * n / 1e6)),
        "%.2f s of processor time; %.0f times as fast as they were put; medians of %d" % (cpu, put / seconds, ROUNDS))


def one_label(folder):
    """The same series without rules about who sees what: one label for all, nothing derived from it."""
    for path in (folder / "series").glob("*.yaml"):
        text = re.sub(r"#.*", "", path.read_text())
        head, fields = text.split("\nfields:")
        head = re.sub(r"(?ms)^(clearance|retention):\n(  .*\n?)+", "", head + "\n")
        head = re.sub(r"(?m)^attachments:.*$", "attachments: internal", head)
        fields = re.sub(r",\s*(derive|derive_label|minors|derive_params): [^,}]*", "", fields)
        fields = re.sub(r"(?<!_)label: \w+", "label: internal", fields)
        path.write_text(head + "clearance:\n  village: [internal]\n  township: [internal]\n  county: [internal]\n"
                        "retention:\n  - {label: internal, period: Y}\nfields:" + fields)


def processor_time(run):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, _ = clock(run)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def daemons_time(d):
    """Processor time of all daemons since they started."""
    spent = 0
    for node in d.nodes.values():
        with open("/proc/%d/stat" % node.process.pid) as f:
            spent += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    return spent / os.sysconf("SC_CLK_TCK")


def send(d, town):
    """Seconds until all of the town's log is above, and the processor time of both daemons; how many records that took is in the log."""
    before = daemons_time(d)
    town.link.up()
    town.control("POST", "/sync", "{}")
    seconds, _ = clock(lambda: d.settled(pause=0.2))
    return seconds, daemons_time(d) - before


def labels(folder, n):
    """Putting and sending the same documents with the rules of the template and with one label for all, by turns."""
    folder.mkdir()
    path = folder / "records.ndjson"
    path.write_bytes(net.generate(TOWN, n))
    spent = {"put": ([], []), "send": ([], [])}
    provisions = 0
    for turn in range(2 * ROUNDS):
        with net.Domain(folder / str(turn)) as d:
            town = d.node(TOWN, d.node(COUNTY))
            d.enrol()
            if turn % 2:
                d.edit(one_label)
                d.publish()
                d.adopt()
            d.start()
            net.wait(lambda: town.status()["governance"] == d.nodes[COUNTY].status()["governance"], "the rules are there")
            town.link.down()
            town.stop()
            spent["put"][turn % 2].append(processor_time(lambda: town.run("put", path)))
            town.start()
            before = town.status()["size"]
            spent["send"][turn % 2].append(send(d, town))
            if turn % 2 == 0:
                provisions = town.status()["size"] - before
        shutil.rmtree(folder / str(turn))
    for what, (ours, plain) in spent.items():
        a, b = (statistics.median(x[0] for x in list) for list in (ours, plain))
        row("%s %d records with the rules of the template against one label for all" % (what, n), "%d/s" % (n / a), "%d/s" % (n / b),
            "%.2f" % (a / b), "times its time, medians of %d by turns" % ROUNDS)
    for what, note in (("put", ""), ("send", "both daemons; with %d records of sys-provision" % provisions)):
        a, b = (statistics.median(x[1] for x in list) for list in spent[what])
        row("processor time of that: %s" % what, "%.2f s" % a, "%.2f s" % b, "%.2f" % (a / b), note)


def bench(folder, sizes):
    labels(folder / "labels", LABELLED)
    enrolment(folder / "enrolment")
    for n in sizes:
        disposal(folder / ("disposal-%d" % n), n)
