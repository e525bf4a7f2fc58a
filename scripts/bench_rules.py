"""What the rules cost: figures against the bounds they have to keep."""
import json
import os
import resource
import statistics
import subprocess
import sys

import net
from bench_table import clock, row

COUNTY = "330106000000"

NODES = 300
ADOPT_MS = 100
LIST_S = 2  # for 1,000,000 records
ROUNDS = 3


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


def bench(folder, sizes):
    enrolment(folder / "enrolment")
    for n in sizes:
        disposal(folder / ("disposal-%d" % n), n)
