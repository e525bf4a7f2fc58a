#!/usr/bin/env python3
"""What scripts/bench runs: each figure beside another tool's on the same data in the same run.

bench_main.py [put|disk|fsck|sync ...] [--records N] [--markdown FILE]
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/scenario"))
import net  # noqa: E402

COUNTY, TOWN = "330106000000", "330106110000"
ROWS = []


def row(what, ours, other, ratio, note=""):
    ROWS.append((what, ours, other, ratio, note))
    print("%-44s %18s %26s %9s  %s" % (what, ours, other, ratio, note), flush=True)


def clock(f):
    start = time.monotonic()
    value = f()
    return time.monotonic() - start, value


def size_of(folder):
    """Bytes that the files take on the disk."""
    return sum(p.lstat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*")
               if p.is_file() and p.name != "reserve")  # of one size, whatever is kept


def zstd19(data):
    return len(subprocess.run(["zstd", "-19", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout)


# ---- the others ----

def sqlite_put(folder, lines):
    """WAL, synchronous=FULL, 1,000 a transaction, SHA-256 of the record as the key."""
    code = r"""
import hashlib, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode=wal"); db.execute("pragma synchronous=full"); db.execute("pragma cache_size=-262144")
db.execute("create table r(k blob primary key, v blob) without rowid")
rows = []
def flush():
    db.execute("begin"); db.executemany("insert or ignore into r values(?,?)", rows); db.execute("commit"); rows.clear()
for line in open(sys.argv[2], "rb"):
    rows.append((hashlib.sha256(line).digest(), line))
    if len(rows) == 1000: flush()
flush()
"""
    subprocess.run([sys.executable, "-c", code, str(folder / "r.db"), str(lines)], check=True)


def git_import(repo, lines, parent=None, start=0):
    """One blob a record, a commit every 1,000."""
    if not repo.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repo)], check=True)
    p = subprocess.Popen(["git", "-C", str(repo), "fast-import", "--quiet", "--force"], stdin=subprocess.PIPE)
    w = p.stdin.write
    names = []

    def commit(n):
        nonlocal parent
        w(b"commit refs/heads/main\ncommitter c <c@localhost> %d +0000\ndata 1\nc\n" % (1700000000 + n))
        if parent:  # of the first only: those after it follow it by themselves
            w(b"from refs/heads/main^0\n")
            parent = None
        for mark, name in names:
            w(b"M 100644 :%d %s\n" % (mark, name))
        names.clear()
    for n, line in enumerate(lines, start + 1):
        h = hashlib.sha256(line).hexdigest().encode()
        w(b"blob\nmark :%d\ndata %d\n" % (n, len(line)) + line + b"\n")
        names.append((n, h[:2] + b"/" + h[2:4] + b"/" + h[4:]))
        if len(names) == 1000:
            commit(n)
    if names:
        commit(start + len(lines))
    p.stdin.close()
    if p.wait():
        raise net.Failed("git fast-import failed")


def sha256_all(path):
    subprocess.run([sys.executable, "-c", "import hashlib,sys;print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())",
                    str(path)], check=True, stdout=subprocess.DEVNULL)


# ---- ours ----

def county(folder):
    d = net.Domain(folder)
    return d, d.node(COUNTY)


def bench_put(a, folder, data, path):
    d, node = county(folder / "put")
    ours, _ = clock(lambda: subprocess.run([d.tools.cundang, "-C", str(node.data), "put", str(path)], check=True,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    size = size_of(node.data)  # of these records; the single ones below are others
    (folder / "sqlite").mkdir()
    sq, _ = clock(lambda: sqlite_put(folder / "sqlite", path))
    gi, _ = clock(lambda: git_import(folder / "git", data))
    n = len(data)
    row("bulk put, %d records, against SQLite" % n, "%d/s" % (n / ours), "%d/s" % (n / sq), "%.2f" % (sq / ours),
        "times as fast; ours checks, splits, salts, encrypts and signs")
    row("bulk put against git fast-import", "%d/s" % (n / ours), "%d/s" % (n / gi), "%.2f" % (gi / ours), "times as fast")
    single = json.loads(subprocess.run([str(pathlib.Path(os.environ["CUNDANG_BUILD"]) / "tests/bench_put"), str(node.data),
                                        str(single_lines(folder)), "1000"], check=True, stdout=subprocess.PIPE).stdout)
    row("single durable put against one fdatasync", "%.0f us" % single["put_us"], "%.0f us" % single["fdatasync_us"],
        "%.2f" % single["ratio"], "%.2f syncs a put" % single["syncs_a_put"])
    return node, size


def single_lines(folder):
    path = folder / "single.ndjson"
    path.write_bytes(net.generate(COUNTY, 1000, "single"))
    return path


def bench_disk(a, folder, data, path, ours):
    raw = path.stat().st_size
    floor = zstd19(path.read_bytes())
    n = len(data)
    row("bytes on disk a record, against zstd -19 of all", "%.0f" % (ours / n), "%.0f" % (floor / n), "%.2f" % (ours / floor),
        "raw %.0f; seeds, keys, log and index included" % (raw / n))


def bench_fsck(a, folder, data, path, node):
    ours, _ = clock(lambda: node.run("fsck", "--json"))
    sha, _ = clock(lambda: sha256_all(path))
    n = len(data)
    row("fsck against SHA-256 of the raw bytes, one core", "%d/s" % (n / ours), "%d/s" % (n / sha), "%.1f" % (ours / sha),
        "times its time, on %d cores" % os.cpu_count())


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


def bench_sync(a, folder):
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
            packed = zstd19(lines) if n else 0
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
    ap.add_argument("what", nargs="*", default=["put", "disk", "fsck", "sync"])
    ap.add_argument("--records", type=int, default=100000)
    ap.add_argument("--markdown", metavar="FILE", help="also write the rows as a table")
    a = ap.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cundang-bench-", dir=os.environ.get("TMPDIR")))
    print("%d cores, %d records\n%-44s %18s %26s %9s" % (os.cpu_count(), a.records, "", "cundang", "other", "ratio"))
    try:
        if set(a.what) - {"sync"}:
            path = folder / "records.ndjson"
            path.write_bytes(net.generate(COUNTY, a.records))
            data = path.read_bytes().splitlines(True)
            node, size = bench_put(a, folder, data, path)
            if "disk" in a.what:
                bench_disk(a, folder, data, path, size)
            if "fsck" in a.what:
                bench_fsck(a, folder, data, path, node)
        if "sync" in a.what:
            bench_sync(a, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if a.markdown:
        with open(a.markdown, "w", encoding="utf-8") as f:
            f.write("| what | cundang | other | ratio | |\n|---|---|---|---|---|\n")
            for r in ROWS:
                f.write("| %s |\n" % " | ".join(r))
    return 0


if __name__ == "__main__":
    sys.exit(main())
