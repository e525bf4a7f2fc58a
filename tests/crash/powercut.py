#!/usr/bin/env python3
"""Goal: whatever a power cut leaves of what was not synced, a node keeps all it promised.

Writers run with powercut.so preloaded, which writes down each thing they do to
the data directory.  A cut is made of a beginning of that trace: what was synced
is there; of every write, truncation and entry of a folder that was not, some
are there and some are not, whichever the seed says, whole or in part.  The
directory that is left is opened like one after a restart of the machine.

powercut.py [--cuts N] [--seed N] [--only DEED]
"""
import argparse
import concurrent.futures
import copy
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import judge
import net
from judge import COUNTY, TOWN, Broken

OPEN, WRITE, TRUNCATE, SYNC, SYNC_DIR, RENAME, LINK, UNLINK, MKDIR, RMDIR = range(1, 11)
HEAD = struct.Struct("<BQQQII")
SECTOR = 512
SEED = 11
SEGMENT_SIZE = "30000"  # so that some are packed


# ---------------------------------------------------------------- the disk

class File:
    """Bytes that the disk has, and what was done to them since."""

    def __init__(self, source=None):
        self.source, self.bytes, self.pending = source, None, []

    def load(self):
        if self.bytes is None:
            self.bytes = bytearray(self.source.read_bytes() if self.source else b"")

    def apply(self, op):
        self.load()
        if op[0] == TRUNCATE:
            size = op[1]
            del self.bytes[size:]
            self.bytes.extend(bytes(size - len(self.bytes)))
        else:
            at, data = op[1:]
            if at > len(self.bytes):
                self.bytes.extend(bytes(at - len(self.bytes)))
            self.bytes[at:at + len(data)] = data

    def sync(self):
        for op in self.pending:
            self.apply(op)
        self.pending = []

    def cut(self, rng):
        """Keeps some of what is pending; a write may be there in part, at a sector's edge."""
        how = rng.random()
        for op in self.pending:
            if how < 0.2 or (how < 0.8 and rng.random() < 0.5):
                continue
            if op[0] == WRITE and rng.random() < 0.4:
                at, data = op[1:]
                edge = -at % SECTOR
                cuts = [0, *range(edge, len(data), SECTOR), len(data)]
                for a, b in zip(cuts, cuts[1:]):
                    if rng.random() < 0.6:
                        self.apply((WRITE, at + a, data[a:b]))
                continue
            self.apply(op)
        self.pending = []


class Folder:
    """Entries that the disk has, and changes to them since.  `now` is what programs see."""

    def __init__(self):
        self.disk, self.now, self.pending = {}, {}, []

    def change(self, op):
        """op: (group, name, what is there then or None).  Changes of one group stay together within a folder."""
        self.pending.append(op)
        self.put(self.now, op)

    @staticmethod
    def put(entries, op):
        if op[2] is None:
            entries.pop(op[1], None)
        else:
            entries[op[1]] = op[2]

    def sync(self):
        self.disk, self.pending = dict(self.now), []

    def cut(self, rng, fate):
        how = rng.random()
        for op in self.pending:
            if op[0] not in fate:
                fate[op[0]] = how > 0.8 or (how > 0.2 and rng.random() < 0.5)
            # What goes away by a rename went nowhere unless it came there.
            if fate[op[0]]:
                self.put(self.disk, op)


class Disk:
    """Files below one directory, from a snapshot and a trace."""

    def __init__(self, snapshot):
        self.root = self.read(pathlib.Path(snapshot))
        self.open = {}
        self.ops = 0
        self.odd = set()

    def read(self, path):
        folder = Folder()
        for entry in path.iterdir():
            folder.disk[entry.name] = self.read(entry) if entry.is_dir() else File(entry)
        folder.now = dict(folder.disk)
        return folder

    def at(self, path):
        node = self.root
        for part in path.split("/"):
            node = node.now[part] if part else node
        return node

    def place(self, path):
        head, _, name = path.rstrip("/").rpartition("/")
        return self.at(head), name

    def do(self, what, file, a, b, one, two):
        self.ops += 1
        if what == OPEN:
            folder, name = self.place(one)
            if name not in folder.now:
                folder.change((self.ops, name, File()))
            self.open[file] = folder.now[name]
            if a:
                self.open[file].pending.append((TRUNCATE, 0))
        elif what == WRITE:
            self.open[file].pending.append((WRITE, a, two))
            if b:
                self.open[file].sync()
        elif what == TRUNCATE:
            self.open[file].pending.append((TRUNCATE, a))
        elif what == SYNC:
            self.open[file].sync()
        elif what == SYNC_DIR:
            self.at(one).sync()
        elif what in (RENAME, LINK):
            target = two.decode()
            folder, name = self.place(one)
            to, new = self.place(target)
            to.change((self.ops, new, folder.now[name]))
            if what == RENAME:
                folder.change((self.ops, name, None))
        elif what in (UNLINK, RMDIR):
            folder, name = self.place(one)
            folder.change((self.ops, name, None))
        elif what == MKDIR and one:  # not the directory itself
            folder, name = self.place(one)
            folder.change((self.ops, name, Folder()))

    def cut(self, rng):
        fate, done = {}, set()

        def visit(node):
            if id(node) in done:
                return
            done.add(id(node))
            if isinstance(node, File):
                node.cut(rng)
                return
            node.cut(rng, fate)
            for below in node.disk.values():
                visit(below)
        visit(self.root)

    def write(self, target):
        def put(node, path):
            if isinstance(node, Folder):
                path.mkdir(mode=0o700)
                for name, below in node.disk.items():
                    put(below, path / name)
            else:
                node.load()
                path.write_bytes(node.bytes)
        put(self.root, target)


def records(trace, end):
    at = 0
    while at < end:
        what, file, a, b, n1, n2 = HEAD.unpack_from(trace, at)
        at += HEAD.size + n1 + n2
        if at > end:
            return
        yield at, what, file, a, b, trace[at - n1 - n2:at - n2].decode() if n1 else "", bytes(trace[at - n2:at])


# ---------------------------------------------------------------- deeds

class Story:
    """One traced piece of life: a snapshot, the trace, and what was promised by which place of the trace."""

    def __init__(self, base, name, source):
        self.base, self.name = base, name
        self.folder = base.folder / name
        self.folder.mkdir()
        self.data = judge.clone(source, self.folder / "data") if source else self.folder / "data"
        self.snapshot = self.folder / "before"
        if source:
            judge.clone(self.data, self.snapshot)
        else:
            self.snapshot.mkdir()
        self.trace = self.folder / "trace"
        self.trace.touch()
        self.env = dict(os.environ, LC_ALL="C.UTF-8", LD_PRELOAD=str(base.build / "tests/crash/powercut.so"),
                        POWERCUT_DATA=str(self.data), POWERCUT_TRACE=str(self.trace))
        self.told = []  # (place, line of output)
        self.seen = []  # (place, what a child was told)
        self.verdict = self.judge_records

    def here(self):
        return self.trace.stat().st_size

    def listen(self, args, kill_after=None):
        """Runs a writer to its end, or kills it once it told so many lines."""
        p = subprocess.Popen([str(x) for x in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        for n, line in enumerate(p.stdout, 1):
            self.told.append((self.here(), line))
            if n == kill_after:
                p.kill()
                break
        p.stdout.close()
        err = p.stderr.read().decode(errors="replace")
        p.stderr.close()
        if p.wait() != (0 if kill_after is None else -9) and not (kill_after and p.returncode == 0):
            raise net.Failed("%s: exit %s: %s" % (self.name, p.returncode, err[-2000:]))

    def mill(self, lines, erasures, seed, kill_after=None):
        self.listen(judge.mill_args(self.base.build, self.data, lines, self.base.files, seed, erasures, work=self.folder), kill_after)

    def finish(self):
        """Where to cut: the ends of records; those around a sync are the interesting ones."""
        self.bytes = self.trace.read_bytes()
        self.done = self.here()
        self.told.append((self.done, b""))
        ends, syncs = [0], []
        for at, what, *_ in records(self.bytes, len(self.bytes)):
            if what in (SYNC, SYNC_DIR):
                syncs += [ends[-1], at]
            ends.append(at)
        self.ends, self.syncs = ends, syncs
        return self

    def choose(self, rng):
        how = rng.random()
        if how < 0.5:
            return rng.choice(self.syncs)
        if how < 0.75:
            return rng.choice(self.told + self.seen)[0]
        return rng.choice(self.ends)

    def book(self, cut):
        """What was promised for certain before the cut; what was ordered perhaps."""
        book = self.start_book.copy()
        for place, line in self.told[:-1]:
            if place <= cut:
                book.hear(line)
            elif b'"erasing"' in line or b'"erased"' in line:
                late = judge.Book()
                late.hear(line)
                book.erasing.update(late.erasing)
                book.erasing.update(late.erased)
        return book

    def leave(self, cut, rng, target):
        disk = Disk(self.snapshot)
        for at, *op in records(self.bytes, cut):
            disk.do(*op)
        disk.cut(rng)
        disk.write(target)
        # The machine was started again.
        boot = target / "index/boot"
        if boot.exists():
            boot.write_text("before the cut\n")
        # A real cut leaves the file of this name where it was born.
        marker = target / "instance"
        if marker.exists() and marker.read_bytes() == (self.data / "instance").read_bytes():
            marker.unlink()
            os.link(self.data / "instance", marker)

    def judge(self, cut, rng, folder):
        target = folder / "node"
        self.leave(cut, rng, target)
        self.verdict(target, cut, rng, folder)

    def judge_init(self, target, cut, rng, folder):
        """There is a node or there is none; what was said to be made is there."""
        if not (target / "node.yaml").exists():
            if cut >= self.done:
                raise Broken("the node that was made is gone")
            return
        book = judge.Book()
        rc, out, err = judge.mill(self.base.build, target, book.offer(copy.copy(self.rest).take(5)), self.base.files, 99, 1,
                                  work=folder)
        if rc:
            raise Broken("mill: %s" % err.decode())
        book.hear(out)
        judge.check(self.base.tools, target, book, self.base.files, rng)

    def judge_adopt(self, target, cut, rng, folder):
        tools, book = self.base.tools, judge.Book()
        tools.run("-C", target, "put", "-", stdin="")
        judge.check_log(tools, target, book)
        serial = tools.json("-C", target, "status")["governance"]["serial"]
        if cut >= self.done and serial != 2:
            raise Broken("head 2 was adopted and is not in force")
        tools.run("-C", target, "governance", "adopt", self.base.d.gov)
        if tools.json("-C", target, "status")["governance"]["serial"] != 2:
            raise Broken("head 2 is not in force")
        judge.check_log(tools, target, book)
        judge.check_fsck(tools, target)

    def judge_sync(self, target, cut, rng, folder):
        """What the county countersigned it has."""
        tools, book = self.base.tools, judge.Book()
        tools.run("-C", target, "put", "-", stdin="")
        held = {l["origin"]: l["checkpoint"] for l in tools.json("-C", target, "status")["logs"]}
        for place, log in self.seen:
            if place > cut:
                break
            book.see(log["origin"], log["cosigned"], log["root"])
            if held.get(log["origin"], 0) < log["cosigned"]:
                raise Broken("%d entries were countersigned, %s are here" % (log["cosigned"], held))
        for origin in (o for o in held if held[o]):
            judge.check_log(tools, target, book, origin)
        judge.check_fsck(tools, target)

    def judge_records(self, target, cut, rng, folder):
        book = self.book(cut)
        judge.check(self.base.tools, target, book, self.base.files, rng, sample=24)
        rc, out, err = judge.mill(self.base.build, target, book.offer(copy.copy(self.rest).take(5)), self.base.files, 99, 1,
                                  work=folder)
        if rc:
            raise Broken("mill: %s" % err.decode())
        book.hear(out)
        judge.check_receipts(book, *judge.check_log(self.base.tools, target, book))
        judge.check_fsck(self.base.tools, target)


class Base:
    def __init__(self, folder, seed):
        self.folder = pathlib.Path(folder)
        self.d = net.Domain(self.folder / "net")
        self.tools = self.d.tools
        self.build = pathlib.Path(self.tools.cundang).parent.parent
        self.county = self.d.node(COUNTY)
        self.town = self.d.node(TOWN, self.county)
        self.material = judge.Material(self.folder / "files", 400, seed)
        self.files = self.material.folder
        self.book = judge.Book()
        rc, out, err = judge.mill(self.build, self.town.data, self.book.offer(self.material.take(40)), self.files, 1, 0)
        if rc:
            raise net.Failed("mill: %s" % err)
        self.book.hear(out)
        self.d.admit()

    def story(self, name, source):
        s = Story(self, name, source)
        s.start_book, s.rest = self.book.copy(), copy.copy(self.material)
        return s

    def take(self, s, count):
        return s.start_book.offer(s.rest.take(count))

    def put(self):
        """Captures, attachments, an orderly end, and on."""
        s = self.story("put", self.town.data)
        s.mill(self.take(s, 60), 0, 2)
        s.mill(self.take(s, 30), 0, 3)
        return s.finish()

    def erase(self):
        """Captures and erasures together."""
        s = self.story("erase", self.town.data)
        s.mill(self.take(s, 40), 6, 4)
        s.mill(self.take(s, 10), 4, 5)
        return s.finish()

    def killed(self):
        """Killed and started again before the power goes: what the kernel still had counts for nothing."""
        s = self.story("killed", self.town.data)
        for i in range(6):
            s.env["CUNDANG_CRASH"] = ("batch.appended*2", "attachment.renamed*1", "keyring.drop.rewritten*1",
                                      "segment.written*1", "keyring.add.written*1", "file.replace.renamed*2")[i]
            lines = self.take(s, 12)
            try:
                s.mill(lines, 2 + i % 2, 6 + 2 * i)
            except net.Failed as e:
                if "exit 137" not in str(e):
                    raise
            del s.env["CUNDANG_CRASH"]
            # What the kernel had is told again: the receipt of the earlier time.
            s.mill(lines, 0, 7 + 2 * i)
        return s.finish()

    def retold(self):
        """Killed before the sync: what the kernel still had is acknowledged later, with nothing new to sync."""
        s = self.story("retold", self.town.data)
        path = s.folder / "some.ndjson"
        args = [self.tools.cundang, "-C", s.data, "put", "--json", "--attachments", self.files, path]
        for i in range(12):
            path.write_text("".join(x + "\n" for x in self.take(s, 3)))
            s.env["CUNDANG_CRASH"] = ("batch.appended", "segment.written", "batch.appended")[i % 3]
            try:
                s.listen(args)
            except net.Failed as e:
                if "exit 137" not in str(e):
                    raise
            del s.env["CUNDANG_CRASH"]
            s.listen(args)
        return s.finish()

    def init(self):
        """A node is made."""
        s = self.story("init", None)
        s.listen([self.tools.cundang, "-C", s.data, "init", "--code", TOWN, "--governance", self.d.gov, "--pin", self.d.root])
        s.verdict = s.judge_init
        return s.finish()

    def adopt(self):
        """New rules are adopted, killed in between, adopted again."""
        s = self.story("adopt", self.county.data)
        args = [self.tools.cundang, "-C", s.data, "governance", "adopt", self.d.gov]
        for point in ("governance.objects", "governance.head", "batch.appended", "node.adopted", None):
            s.env["CUNDANG_CRASH"] = point or ""
            try:
                s.listen(args)
            except net.Failed as e:
                if "exit 137" not in str(e):
                    raise
        s.verdict = s.judge_adopt
        return s.finish()

    def sync(self):
        """The county's daemon takes in the township's log and attachments."""
        s = self.story("sync", self.county.data)
        self.county.run("governance", "adopt", self.d.gov)
        judge.clone(self.county.data, s.data)
        judge.clone(s.data, s.snapshot)
        own, self.county.data = self.county.data, s.data

        def look():
            log = self.town.status()["logs"][0]
            # The root is that of the size; countersigned may be less.
            if log["cosigned"] and log["cosigned"] == log["size"]:
                s.seen.append((s.here(), log))
                return True
            return False
        try:
            self.county.start(s.env)
            self.town.start()
            self.town.link.up()
            for _ in range(5):
                self.town.put("\n".join(self.take(s, 9)).encode(), self.files)
                self.town.control("POST", "/sync", "{}")
                net.wait(look, "the county countersigns")
            net.wait(lambda: self.county.status()["wanted"] == 0, "all attachments are at the county")
            self.county.kill()
            self.town.stop()
        finally:
            self.town.link.down()
            for n in (self.county, self.town):
                if n.process:
                    n.kill()
            self.county.data = own
        s.verdict = s.judge_sync
        return s.finish()


DEEDS = ("put", "erase", "killed", "retold", "init", "adopt", "sync")


def main():
    os.environ["CUNDANG_SEGMENT_SIZE"] = SEGMENT_SIZE
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--cuts", type=int, default=30)
    ap.add_argument("--seed", type=int, default=SEED)
    ap.add_argument("--only", choices=DEEDS)
    ap.add_argument("--cut", type=int, help="this one alone")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory(prefix="cundang-powercut-") as folder:
        base = Base(folder, a.seed)
        stories = [getattr(base, name)() for name in DEEDS if a.only in (None, name)]

        def one(number):
            story = stories[number % len(stories)]
            rng = random.Random("%d/%d" % (a.seed, number))
            cut = story.choose(rng)
            place = base.folder / ("cut-%d" % number)
            place.mkdir()
            try:
                story.judge(cut, rng, place)
            except (net.Failed, Broken, AssertionError, KeyError, ValueError) as e:
                print("%s cut at %d (--seed %d --cut %d): %s: %s" % (story.name, cut, a.seed, number, type(e).__name__, e), flush=True)
                return False
            shutil.rmtree(place)
            return True
        numbers = range(a.cuts) if a.cut is None else [a.cut]
        with concurrent.futures.ThreadPoolExecutor(max(2, (os.cpu_count() or 2) - 1)) as pool:
            good = list(pool.map(one, numbers))
    print("seed %d: %d cuts, %d faults" % (a.seed, len(good), good.count(False)))
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
