"""What `scripts/bench store` measures: writing, room, memory, checking, finding and starting, of one node."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

import net
from bench_table import clock, row, zstd19

COUNTY = "330106000000"
ROUNDS = 3
SINGLES = 1000
FOUND = 20000
STARTS = 5


def build(name):
    return str(pathlib.Path(os.environ["CUNDANG_BUILD"]) / name)


def on_cores(n):
    """Before a command: on so many of the cores."""
    return ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:n]))] if n else []


def size_of(folder):
    """Bytes that the files take on the disk."""
    return sum(p.lstat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*")
               if p.is_file() and p.name != "reserve")  # of one size, whatever is kept


# ---- the others ----

SQLITE = r"""
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


def sqlite_put(folder, path, cores=0):
    """WAL, synchronous=FULL, 1,000 a transaction, SHA-256 of the record as the key."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(on_cores(cores) + [sys.executable, "-c", SQLITE, str(folder / "r.db"), str(path)], check=True)


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

class Peak:
    """The most memory that a process has while the block runs: all of it, and without what is mapped from files."""

    def __init__(self, pid):
        self.path = "/proc/%d/status" % pid
        self.all = self.anon = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def look(self):
        try:
            text = pathlib.Path(self.path).read_text()
        except OSError:
            return
        for name, key in (("VmHWM", "all"), ("RssAnon", "anon")):
            m = re.search(r"%s:\s+(\d+) kB" % name, text)
            if m:
                setattr(self, key, max(getattr(self, key), int(m.group(1))))

    def run(self):
        while not self.ended.wait(0.005):
            self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()


def put(node, path, cores=0):
    """Puts a file without a daemon; its peak of memory."""
    p = subprocess.Popen(on_cores(cores) + [build("cli/cundang"), "-C", str(node.data), "put", str(path)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Peak(p.pid) as peak:
        if p.wait():
            raise net.Failed("put failed")
    return peak


def fresh(empty, node):
    """The node as it was before any record."""
    shutil.rmtree(node.data)
    shutil.copytree(empty, node.data, symlinks=True)
    subprocess.run(["sync", "-f", str(node.data)], check=True)  # or the puts would pay for it


def bench_bulk(node, folder, path, n):
    """Our puts and SQLite's by turns; the node of the last round is kept."""
    empty = folder / "empty"
    shutil.copytree(node.data, empty, symlinks=True)
    peak = None
    for cores in (2, 0):
        ours, theirs = [], []
        for _ in range(ROUNDS):
            fresh(empty, node)
            seconds, peak = clock(lambda: put(node, path, cores))
            ours.append(seconds)
            theirs.append(clock(lambda: sqlite_put(folder / "sqlite", path, cores))[0])
        a, b = statistics.median(ours), statistics.median(theirs)
        row("bulk put on %d cores against SQLite" % (cores or os.cpu_count()), "%d/s" % (n / a), "%d/s" % (n / b),
            "%.2f" % (b / a), "times as fast; medians of %d; ours checks, splits, salts, compresses, encrypts and signs" % ROUNDS)
    row("memory of that put, at most", "%.0f MB" % (peak.all / 1024), "%.0f MB" % (peak.anon / 1024), "",
        "resident; without pages mapped from files")


def bench_git(folder, data, path, node, empty):
    shutil.rmtree(folder / "git", ignore_errors=True)
    gi, _ = clock(lambda: git_import(folder / "git", data))
    fresh(empty, node)
    ours, _ = clock(lambda: put(node, path))
    n = len(data)
    row("bulk put against git fast-import", "%d/s" % (n / ours), "%d/s" % (n / gi), "%.2f" % (gi / ours), "times as fast")


def bench_disk(node, path, n):
    raw = path.stat().st_size
    ours = size_of(node.data)
    floor = zstd19(path) if n <= 100000 else 0
    row("bytes on disk a record, against zstd -19 of all", "%.0f" % (ours / n), "%.0f" % (floor / n) if floor else "",
        "%.2f" % (ours / floor) if floor else "", "raw %.0f; seeds, keys, log and index included" % (raw / n))
    index = size_of(node.data / "index")
    row("of these the index", "%.0f" % (index / n), "", "%.2f" % (index / ours))


def singles(node, path, count, trace=None):
    args = [build("tests/bench_put"), str(node.data), str(path), str(count)]
    if trace:
        args = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,sync_file_range,msync,syncfs"] + args
    return json.loads(subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout)


def bench_single(node, folder):
    """In the process that has the store; the pair of each is a write and fdatasync of 4 KiB beside it."""
    path = folder / "single.ndjson"
    path.write_bytes(net.generate(COUNTY, 2 * SINGLES, "single"))
    one = singles(node, path, SINGLES)
    row("single durable put against one fdatasync", "%.0f us" % one["put_us"], "%.0f us" % one["fdatasync_us"],
        "%.2f" % one["ratio"], "medians of %d; %.2f of our calls of fdatasync a put" % (SINGLES, one["syncs_a_put"]))
    row("processor time of a single put", "%.0f us" % one["put_cpu_us"], "", "", "all threads")
    if shutil.which("strace"):
        path.write_bytes(net.generate(COUNTY, 200, "traced"))
        singles(node, path, 200, folder / "trace")
        calls = [l for l in (folder / "trace").read_text().splitlines()
                 if "sync_file_range" not in l or "_WAIT_" in l]  # without it begins, and waits for nothing
        syncs = re.findall(r"\b(?:fsync|fdatasync|sync_file_range|msync|syncfs)\(\d+<([^>]*)>", "\n".join(calls))
        inside = [s for s in syncs if s.endswith(".seg")]
        row("syncs a put, counted by strace", "%.2f" % (len(inside) / 200), "", "", "of segments, over 200 puts; %d other in the directory: %s" % (
            len(syncs) - len(inside) - 200, "opening and closing"))


def bench_daemon(node, folder):
    """What a clerk's script waits for: one record a call."""
    lines = net.generate(COUNTY, 120, "daemon").splitlines(True)
    alone = [clock(lambda l=l: node.put(l))[0] for l in lines[:20]]
    node.start()
    with_it = [clock(lambda l=l: node.put(l))[0] for l in lines[20:40]]
    asked = [clock(lambda l=l: node.control("POST", "/put", l))[0] for l in lines[40:]]
    node.stop()
    row("cundang put of one record, a call", "%.1f ms" % (1e3 * statistics.median(alone)), "%.1f ms" % (1e3 * statistics.median(with_it)),
        "", "without a daemon; through it")
    row("one record by the control socket", "%.2f ms" % (1e3 * statistics.median(asked)), "", "", "a connection each")


def bench_fsck(node, path, n):
    sha = statistics.median(clock(lambda: sha256_all(path))[0] for _ in range(ROUNDS))
    ours = statistics.median(clock(lambda: node.run("fsck", "--json"))[0] for _ in range(ROUNDS))
    row("fsck against SHA-256 of the raw bytes, one core", "%d/s" % (n / ours), "%d/s" % (n / sha), "%.1f" % (ours / sha),
        "times its time, on %d cores" % os.cpu_count())


def bench_find(node):
    f = json.loads(subprocess.run([build("tests/bench_find"), str(node.data), str(FOUND)], check=True, stdout=subprocess.PIPE).stdout)
    for name, what in (("newest", "of the newest 1,000"), ("recent", "of the newest 10,000, at random"), ("all", "of all, at random")):
        v = f[name]
        row("found by id, by entry, by part, %s" % what, "%d/s" % v["id"], "%d/s, %d/s" % (v["leaf"], v["part"]), "", "one thread, of its processor time")
        row("shown by id, by digest, %s" % what, "%d/s" % v["show"], "%d/s" % v["show_leaf"], "", "found, and all its parts read")
    ident = json.loads(node.run("list", "--json", "--limit", "1").stdout.splitlines()[0])["id"]
    t = statistics.median(clock(lambda: node.run("show", ident))[0] for _ in range(ROUNDS))
    row("cundang show, a call", "%.1f ms" % (1e3 * t), "", "")


def bench_start(node, lines):
    """Until the control socket answers."""
    clean, killed = [], []
    for i in range(STARTS):
        clean.append(clock(node.start)[0])
        node.put(lines[i])
        node.kill()
        killed.append(clock(node.start)[0])
        node.stop()
    row("start after an orderly stop, after a kill", "%.2f s" % statistics.median(clean), "%.2f s" % statistics.median(killed), "",
        "until the daemon answers; medians of %d" % STARTS)
    shutil.rmtree(node.data / "index")
    row("start without an index", "%.2f s" % clock(node.start)[0], "", "", "it is made again")
    node.stop()


def bench(folder, n):
    print("-- %d records" % n, flush=True)
    path = folder / "records.ndjson"
    path.write_bytes(net.generate(COUNTY, n))
    node = net.Domain(folder / "put").node(COUNTY)
    bench_bulk(node, folder, path, n)
    bench_disk(node, path, n)
    bench_fsck(node, path, n)
    bench_find(node)
    bench_single(node, folder)
    bench_daemon(node, folder)
    bench_start(node, net.generate(COUNTY, STARTS, "start").splitlines(True))
    if n <= 100000:
        bench_git(folder, path.read_bytes().splitlines(True), path, node, folder / "empty")
