"""What the rules cost: figures against the bounds they have to keep."""
import json
import os
import subprocess

from bench_table import row

NODES = 300
ADOPT_MS = 100


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


def bench(folder):
    enrolment(folder / "enrolment")
