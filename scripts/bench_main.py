#!/usr/bin/env python3
"""What scripts/bench runs: each figure beside another tool's on the same data in the same run.

bench_main.py [store|sync|rules ...] [--records N] [--long] [--markdown FILE]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/scenario"))
import bench_rules  # noqa: E402
import bench_store  # noqa: E402
import net  # noqa: E402
from bench_store import git_import  # noqa: E402
from bench_table import clock, machine, markdown, row, zstd19  # noqa: E402

COUNTY, TOWN = "330106000000", "330106110000"
LONG = 1000000


def fetch(folder, base, more):
    """Bytes that git fetch moves for `more` records on top of `base`, through a counting proxy."""
    origin, clone = folder / "origin.git", folder / "clone.git"
    shutil.rmtree(origin, ignore_errors=True)
    shutil.rmtree(clone, ignore_errors=True)
    git_import(origin, base)
    subprocess.run(["git", "clone", "-q", "--mirror", str(origin), str(clone)], check=True)
    if more:
        git_import(origin, more, parent=True, start=len(base))
    port = net.free_port()
    daemon = subprocess.Popen(["git", "daemon", "--reuseaddr", "--base-path=" + str(folder), "--export-all", "--listen=127.0.0.1",
                               "--port=%d" % port], stderr=subprocess.DEVNULL)
    link = net.Link(("127.0.0.1", port))
    link.up()
    try:
        subprocess.run(["git", "-C", str(clone), "remote", "set-url", "origin", "git://%s/origin.git" % link.address], check=True)

        def go():
            if subprocess.run(["git", "-C", str(clone), "fetch", "-q", "origin"], stderr=subprocess.DEVNULL).returncode:
                raise net.Failed("fetch")
            return True
        net.wait(go, "git daemon answers", 20)
        seconds, _ = clock(go) if not more else (0, 0)
        return link.bytes, seconds
    finally:
        link.down()
        daemon.kill()
        daemon.wait()


def bench_sync(folder):
    with net.Domain(folder / "sync") as d:
        up = d.node(COUNTY)
        down = d.node(TOWN, up)
        d.enrol()
        d.start()
        base = net.generate(TOWN, 5000, "base")
        down.put(base)
        d.settled()
        gitdir = folder / "gitsync"
        gitdir.mkdir()
        for n in (0, 1, 100, 10000):
            down.link.down()
            net.wait(lambda: not connected(down), "the link is down")
            lines = net.generate(TOWN, n, "new-%d" % n) if n else b""
            if n:
                down.put(lines)
            before = down.link.bytes
            start = time.monotonic()
            down.link.up()
            down.control("POST", "/sync", "{}")
            net.wait(lambda: connected(down) and complete(down), "all is sent")
            seconds = time.monotonic() - start
            peer = down.peer(COUNTY)
            ours = down.link.bytes - before
            frames = peer["sent"] + peer["received"]
            git, _ = fetch(gitdir, base.splitlines(True), lines.splitlines(True))
            (folder / "new.ndjson").write_bytes(lines)
            packed = zstd19(folder / "new.ndjson") if n else 0
            row("wire, %d new: bytes (with TLS), against git fetch" % n, "%d (%d)" % (frames, ours), "%d" % git,
                "%.2f" % (git / ours), "%.2f s%s" % (seconds, "; %.2f x zstd -19" % (frames / packed) if n else ""))


def connected(node):
    p = node.peer(COUNTY)
    return bool(p and p["state"] == "open")


def complete(node):
    p = node.peer(COUNTY)
    return p["complete"] and p["backlog"] == 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", nargs="*", default=["store", "sync", "rules"], choices=["store", "sync", "rules"])
    ap.add_argument("--records", type=int, default=100000)
    ap.add_argument("--long", action="store_true", help="store and rules with %d records, too" % LONG)
    ap.add_argument("--markdown", metavar="FILE", help="also write the rows as a table")
    a = ap.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cundang-bench-", dir=os.environ.get("TMPDIR")))
    print(machine())
    try:
        sizes = [a.records] + ([LONG] if a.long else [])
        for n in sizes if "store" in a.what else []:
            (folder / str(n)).mkdir()
            bench_store.bench(folder / str(n), n)
            shutil.rmtree(folder / str(n))
        if "sync" in a.what:
            bench_sync(folder)
        if "rules" in a.what:
            (folder / "rules").mkdir()
            bench_rules.bench(folder / "rules", sizes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if a.markdown:
        markdown(a.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
