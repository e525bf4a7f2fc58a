#!/usr/bin/env python3
"""Goal: killed at any named crash point, a node keeps all it promised.

Every crash_point("...") of the sources stands in PLAN with the deeds that come
by it and at which passing they are killed there: the first and a later one.
Then the node is opened without the variable, and judged.

points.py [--list] [--only TEXT]
"""
import argparse
import concurrent.futures
import copy
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile

import judge
import net
from judge import COUNTY, KILLED, TOWN, Broken

FOLDERS = ("base", "crypto", "store", "policies", "syncd", "cli")
SEED = 3

# point: [(deed, passing), ...].  Points that a process passes once have two
# deeds, or say why there is one.
PLAN = {
    "attachment.noted": [("put", 1), ("put", 3)],
    "attachment.renamed": [("put", 1), ("put", 3), ("sync", 1), ("sync", 2)],
    "attachment.swept": [("sweep", 1), ("sweep", 2)],
    "attachment.synced": [("put", 1), ("put", 3), ("sync", 1), ("sync", 2)],
    "attachment.unlinked": [("erase", 1), ("erase", 2)],
    "batch.appended": [("put", 1), ("put", 3), ("erase", 4), ("adopt", 1), ("sync", 1), ("sync", 2)],
    "batch.indexed": [("put", 1), ("put", 3), ("erase", 4), ("adopt", 1), ("sync", 1), ("sync", 2)],
    "batch.keys": [("torn", 1), ("torn", 2)],
    "batch.synced": [("put", 1), ("put", 3), ("erase", 4), ("adopt", 1), ("sync", 1), ("sync", 2), ("order", 2)],
    "compact.claimed": [("pack", 1), ("pack", 2)],
    "compact.led": [("pack", 1), ("pack", 2)],
    "compact.led-some": [("pack", 1), ("pack", 5)],
    "compact.removed": [("pack", 1), ("pack", 2)],
    "compact.replaced": [("pack", 1), ("pack", 2)],
    "compact.settled": [("pack", 1), ("pack", 2)],
    "compact.written": [("pack", 1), ("pack", 2)],
    "epoch.begun": [("copy", 1), ("settle", 1)],
    "epoch.entered-some": [("settle", 1), ("settle", 2)],
    "epoch.marked": [("settle", 1)],  # a log is settled once
    "erase.committed": [("erase", 1), ("erase", 3), ("order", 1)],
    "erase.destroyed": [("erase", 1), ("erase", 3)],
    "erase.dropped": [("erase", 1), ("erase", 3)],
    "erase.left": [("erase", 1), ("pack", 1)],
    "erase.forgotten": [("erase", 1), ("erase", 3)],
    "erase.told": [("erase", 1), ("erase", 3)],
    "erase.punched": [("erase", 1), ("erase", 3)],
    "file.replace.renamed": [("init", 1), ("init", 5), ("put", 1), ("erase", 1), ("erase", 2), ("erase", 3)],
    "file.replace.written": [("init", 1), ("init", 5), ("put", 1), ("erase", 1), ("erase", 2), ("erase", 3)],
    "governance.final": [("sign", 1), ("found", 1)],
    "governance.head": [("init", 1), ("adopt", 1), ("receive", 1)],
    "governance.objects": [("init", 1), ("adopt", 1), ("receive", 1)],
    "governance.signed": [("sign", 1), ("found", 1)],
    "governance.written": [("publish", 1), ("publish again", 1)],
    "index.closed": [("put", 1), ("rebuild", 1)],
    "index.deleted": [("rebuild", 1), ("lost", 1), ("booted", 1)],
    "index.filled": [("rebuild", 1), ("lost", 1)],
    "index.moved": [("rebuild", 1), ("booted", 1)],
    "index.replayed": [("rebuild", 1), ("lost", 1)],
    "index.replaying": [("rebuild", 1), ("rebuild", 2), ("lost", 2)],
    "index.unclean": [("put", 1), ("rebuild", 1)],
    "instance.made": [("init", 1), ("copy", 1)],
    "keyring.add.written": [("put", 1), ("put", 3), ("sync", 1)],
    "keyring.create.file": [("init", 1)],  # a node's keyring is made once
    "keyring.drop.masters": [("erase", 1), ("erase", 3), ("sweep", 1)],
    "keyring.drop.rewritten": [("erase", 1), ("erase", 3), ("sweep", 1)],
    "keyring.drop.settled": [("erase", 1), ("erase", 3), ("sweep", 1)],
    "node.adopted": [("adopt", 1), ("receive", 1)],
    "node.instance": [("init", 1), ("copy", 1)],
    "node.keys": [("init", 1)],  # and so is a node
    "node.made": [("init", 1)],
    "node.rules": [("init", 1)],
    "orders.carried": [("order", 1)],  # an order is carried out once
    "provision.noted": [("give", 1)],  # a day's register is begun once
    "rotate.begun": [("rotate", 1)],  # keys are changed once
    "rotate.kept": [("rotate", 1), ("rotate", 3)],
    "rotate.made": [("rotate", 1), ("rotate", 3)],
    "rotate.marked": [("rotate", 1)],
    "rotate.switched": [("rotate", 1), ("rotate", 3)],
    "rotate.wiped": [("rotate", 1), ("rotate", 3)],
    "segment.created": [("init", 1), ("torn", 1)],
    "segment.opened": [("init", 1), ("torn", 1)],
    "segment.punched": [("erase", 1), ("erase", 4)],
    "segment.written": [("init", 1), ("torn", 1)],
    "segment.zeroed": [("torn", 1), ("torn erase", 1)],
}


def points_in_sources():
    found = set()
    for folder in FOLDERS:
        for path in (net.ROOT / folder).rglob("*.c"):
            text = path.read_text()
            names = re.findall(r'\bcrash_point\(\s*"([^"]+)"\s*\)', text)
            # Not its definition, nor its name in a comment.
            if re.search(r'\bcrash_point\((?!const char|\)|\s*"[^"]+"\s*\))', text):
                raise Broken("%s: a crash point without a plain name" % path)
            found.update(names)
    return found


class Base:
    """What all cases start from; made once, copied for each."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.d = net.Domain(self.folder / "net")
        self.tools = self.d.tools
        self.build = pathlib.Path(self.tools.cundang).parent.parent
        self.county = self.d.node(COUNTY)
        self.town = self.d.node(TOWN, self.county)
        self.material = judge.Material(self.folder / "files", 420, SEED)
        self.files = self.material.folder
        self.book = judge.Book()
        for i in (1, 2):
            rc, out, err = judge.mill(self.build, self.town.data, self.book.offer(self.material.take(40)), self.files, i, 3 * (i - 1))
            if rc:
                raise net.Failed("mill: %s" % err)
            self.book.hear(out)
            if i == 1:
                # Before anything is erased: for a county that has every part.
                self.whole, self.whole_book = judge.clone(self.town.data, self.folder / "whole"), self.book.copy()
        self.fresh_gov = judge.clone(self.d.gov, self.folder / "gov-1")
        self.d.admit()
        self.ahead()
        self.saved = {n: judge.clone(self.d.nodes[n].data, self.folder / ("saved-" + n)) for n in (TOWN, COUNTY)}

    def ahead(self):
        """The county as it is when it has more of the town's log than `whole` has."""
        kept = [judge.clone(n.data, self.folder / ("kept-" + n.code)) for n in (self.town, self.county)]
        judge.clone(self.whole, self.town.data)
        rc, out, err = judge.mill(self.build, self.town.data, copy.copy(self.material).take(20), self.files, 3, 0)
        if rc:
            raise net.Failed("mill: %s" % err)
        self.county.run("governance", "adopt", self.d.gov)
        self.d.start()
        self.d.settled()
        for n in (self.town, self.county):
            n.stop()
        self.town.link.down()
        self.county_ahead = judge.clone(self.county.data, self.folder / "county-ahead")
        for n, k in zip((self.town, self.county), kept):
            judge.clone(k, n.data)


class Case:
    """One death: a copy of the town's directory, its book, a point."""

    def __init__(self, base, point, deed, passing, number):
        self.base, self.tools, self.point, self.deed = base, base.tools, point, deed
        self.passing = passing
        self.name = "%s*%d in %s" % (point, passing, deed)
        self.crash = {"CUNDANG_CRASH": "%s*%d" % (point, passing)}
        self.env = dict(os.environ, **self.crash)
        self.folder = base.folder / ("case-%d" % number)
        self.folder.mkdir()
        self.data = self.folder / "town"
        self.rng = random.Random(number)
        self.number = number + 10
        self.book = base.book.copy()
        self.material = copy.copy(base.material)  # goes on behind what the base took

    def town(self):
        judge.clone(self.base.saved[TOWN], self.data)

    def died(self, status, words=""):
        if status != KILLED:
            raise Broken("never came there: exit %d %s" % (status, words))

    def run(self, *args, **kw):
        return self.tools.run(*args, check=False, **kw)

    def dies(self, *args, **kw):
        p = self.run(*args, env=self.crash, **kw)
        self.died(p.returncode, p.stderr)

    def mill(self, lines, erasures, crash=True):
        rc, out, err = judge.mill(self.base.build, self.data, self.book.offer(self.material.take(lines)), self.base.files,
                                  self.number, erasures, env=self.env if crash else None, work=self.folder)
        self.book.hear(out)
        if crash:
            self.died(rc, err.decode())
        elif rc:
            raise Broken("mill: %s" % err.decode())

    def judge(self):
        judge.check(self.tools, self.data, self.book, self.base.files, self.rng, sample=24)
        # And it goes on from there.
        self.number += 1000
        self.mill(5, 1, crash=False)
        judge.check_receipts(self.book, *judge.check_log(self.tools, self.data, self.book))
        judge.check_fsck(self.tools, self.data)

    # ---- deeds

    def do_put(self):
        self.town()
        self.mill(70, 0)
        self.judge()

    def do_erase(self):
        self.town()
        # Few orders are of a part with attachments.
        self.mill(4, 90 if self.point.startswith("attachment") else 8)
        self.judge()

    def do_pack(self):
        """Segments are small: they are packed while records come and go."""
        self.env["CUNDANG_SEGMENT_SIZE"] = "24000"
        self.town()
        self.mill(180, 4)
        self.judge()
        self.number += 1
        self.mill(20, 2, crash=False)
        self.judge()
        if not any((self.data / "segments").glob("*-*.seg")):
            raise Broken("nothing was packed")

    def do_rebuild(self):
        self.town()
        self.dies("-C", self.data, "fsck", "--rebuild")
        self.judge()

    def do_lost(self):
        """The index is gone, and put makes it anew."""
        self.town()
        shutil.rmtree(self.data / "index")
        self.mill(4, 0)
        self.judge()

    def do_booted(self):
        """The machine went down without an orderly end."""
        self.town()
        (self.data / "index/clean").unlink()
        (self.data / "index/boot").write_text("another boot\n")
        self.mill(4, 0)
        self.judge()

    def tear(self):
        segment = max((self.data / "segments").iterdir())
        with open(segment, "ab") as f:
            f.write(self.rng.randbytes(3000))

    def do_torn(self):
        self.town()
        self.tear()
        self.mill(40, 4)
        self.judge()

    def do_torn_erase(self):
        """A crash tore the tail of a segment that is not the newest any more."""
        self.town()
        self.tear()
        self.mill(3, 0, crash=False)
        self.tear()
        self.number += 1
        self.mill(3, 4)
        self.judge()

    def do_sweep(self):
        """Attachments were half made; opening sweeps them."""
        self.town()
        for i in range(2):
            # Each leaves one: it is killed before it has its name.
            env, self.env = self.env, dict(self.env, CUNDANG_CRASH="attachment.synced*1")
            judge.clone(self.data, self.folder / "before")
            self.mill(40, 0)
            self.env = env
            left = list((self.data / "attachments/incoming").glob("new-*"))
            if not left:
                raise Broken("nothing was left half made")
            if i == 0:
                keep = self.folder / "kept"
                shutil.copy(left[0], keep)
                name = left[0].name
                os.unlink(left[0])
            else:
                # The first one's key lies in the keyring still.
                shutil.copy(keep, self.data / "attachments/incoming" / name)
        self.number += 1
        self.mill(4, 0)
        self.judge()

    def do_init(self):
        node = self.base.town
        args = ["-C", self.data, "init", "--code", TOWN, "--governance", self.base.fresh_gov, "--pin", self.base.d.root]
        self.dies(*args)
        if (self.data / "node.yaml").exists():
            if self.run("-C", self.data, "put", "-", stdin="").returncode:
                raise Broken("%s: node.yaml is there and there is no node" % node.name)
        else:
            p = self.run("-C", self.data, "put", "-", stdin="")
            if p.returncode == 0 or not ("there is no node" in p.stderr or "node.yaml is gone" in p.stderr):
                raise Broken("half a node: %s" % p.stderr)
            shutil.rmtree(self.data)
            self.tools.run(*args)
        self.book = judge.Book()
        self.mill(5, 0, crash=False)
        judge.check(self.tools, self.data, self.book, self.base.files, self.rng)

    def heads(self, gov):
        """Serials of the final heads, all of which verify."""
        log = self.tools.run("governance", "log", gov).stdout
        self.tools.run("governance", "check", gov)
        return log

    def sign_all(self, gov):
        for key in self.base.d.officers:
            p = self.run("governance", "sign", gov, "--key", key)
            if p.returncode and "no open proposal" not in p.stderr and "has signed" not in p.stderr:
                raise Broken("sign: %s" % p.stderr)

    def proposal(self, gov):
        """A head with the nodes of the base, proposed in a copy of head 1."""
        judge.clone(self.base.fresh_gov, gov)
        requests = [self.base.d.folder / (c + ".request") for c in (TOWN, COUNTY)]
        return ["node", "admit", "--all", gov, *requests]

    def adopt_from(self, gov):
        """The county takes the head: what it says is whole."""
        judge.clone(self.base.saved[COUNTY], self.data)
        self.tools.run("-C", self.data, "governance", "adopt", gov)
        if self.tools.json("-C", self.data, "status")["governance"]["serial"] != 2:
            raise Broken("head 2 is not in force")

    def do_publish(self):
        gov = self.folder / "gov"
        args = self.proposal(gov)
        self.dies(*args)
        self.tools.run(*args)
        self.sign_all(gov)
        self.adopt_from(gov)

    def do_publish_again(self):
        """In place of an open proposal of one node."""
        gov = self.folder / "gov"
        args = self.proposal(gov)
        self.tools.run(*args[:-1])
        self.dies(*args)
        self.tools.run(*args)
        self.sign_all(gov)
        self.adopt_from(gov)

    def do_sign(self):
        gov = self.folder / "gov"
        self.tools.run(*self.proposal(gov))
        # A roster within one's own scope needs one signature.
        self.dies("governance", "sign", gov, "--key", self.base.d.officers[0])
        self.sign_all(gov)
        self.adopt_from(gov)

    def do_found(self):
        """The first head needs two signatures: the second is the last."""
        gov = self.folder / "gov"
        args = ["governance", "init", gov, "--domain", "xihu.example", "--root", COUNTY, "--divisions", net.DIVISIONS]
        for key in self.base.d.officers:
            args += ["--officer", "%s=%s.pub" % (key.name, key)]
        root = self.tools.json(*args)["root"]
        first, second = self.base.d.officers
        if self.point == "governance.final":
            self.tools.run("governance", "sign", gov, "--key", first)
            self.dies("governance", "sign", gov, "--key", second)
        else:
            self.dies("governance", "sign", gov, "--key", first)
        self.sign_all(gov)
        self.tools.run("-C", self.data, "init", "--code", TOWN, "--governance", gov, "--pin", root)

    def do_adopt(self):
        judge.clone(self.base.saved[COUNTY], self.data)
        self.book = judge.Book()
        judge.check_log(self.tools, self.data, self.book)
        self.dies("-C", self.data, "governance", "adopt", self.base.d.gov)
        p = self.run("-C", self.data, "governance", "adopt", self.base.d.gov)
        serial = self.tools.json("-C", self.data, "status")["governance"]["serial"]
        if serial != 2:
            raise Broken("serial %d after adopting again: %s" % (serial, p.stderr))
        _, entries, _ = judge.check_log(self.tools, self.data, self.book)
        if len(entries) != 2:
            raise Broken("%d records of 2 heads" % len(entries))
        judge.check_fsck(self.tools, self.data)

    def do_rotate(self):
        """The root changes its keys: those of now or the new ones are whole at any time."""
        judge.clone(self.base.saved[COUNTY], self.data)
        self.book = judge.Book()
        at = ["-C", self.data]
        gov = self.folder / "gov"
        shutil.copytree(self.base.d.gov, gov)
        self.tools.run(*at, "governance", "adopt", gov)
        before = self.tools.json(*at, "key", "show")
        request = self.folder / "request"
        rotate = at + ["key", "rotate", "-o", request]
        if self.point in ("rotate.made", "rotate.begun"):
            self.dies(*rotate)
        check = self.tools.json(*rotate)["check"]
        self.tools.run("node", "admit", "--check", check, gov, request)
        self.sign_all(gov)
        adopt = at + ["governance", "adopt", gov]
        if self.point not in ("rotate.made", "rotate.begun"):
            self.dies(*adopt)
            self.tools.run(*at, "key", "show")
        self.tools.run(*adopt)
        after = self.tools.json(*at, "key", "show")
        if any(before[k] == after[k] for k in ("log", "witness", "tls")) or after["next"] or after["old"]:
            raise Broken("keys after the change: %s" % after)
        left = {p.name for p in (self.data / "keys").iterdir()}
        if left & {"old-log.pem", "old-witness.pem", "old-tls.pem", "next-log.pem", "next-witness.pem", "next-tls.pem"}:
            raise Broken("left behind: %s" % sorted(left))
        judge.check_log(self.tools, self.data, self.book)
        judge.check_fsck(self.tools, self.data)

    def do_order(self):
        """The root carries out an order: what is destroyed and the receipt are one."""
        judge.clone(self.base.saved[COUNTY], self.data)
        at = ["-C", self.data]
        line = net.generate(COUNTY, 1, seed=5, series="household")
        put = json.loads(self.tools.run(*at, "put", "--json", "-", stdin=line.decode()).stdout)
        text = self.folder / "text"
        order = self.tools.json(*at, "erase", put["id"], "--reason", "request 1", "-o", text)["order"]
        for key in self.base.d.officers:
            self.tools.run("order", "sign", text, "--key", key)
        self.dies(*at, "order", "enter", text)
        self.tools.run(*at, "put", "-", stdin="")  # whoever writes next puts the index right
        state = [o["state"] for o in self.tools.json(*at, "order", "list")["orders"]]
        status = self.tools.json(*at, "disposal", "status", order)["orders"][0]["nodes"]
        if state != ["done"] or [n["destroyed"] for n in status if n["confirmed"]] not in ([2], []):
            raise Broken("state %s, receipts %s" % (state, status))
        if self.run(*at, "order", "enter", text).returncode != 9:
            raise Broken("the order is entered twice")
        name = json.loads(line)["fields"]["members"][0]["name"]
        if name in self.tools.run(*at, "store", "dump", text=False).stdout.decode(errors="replace"):
            raise Broken("a destroyed name is there")
        judge.check_fsck(self.tools, self.data)

    def do_copy(self):
        """The directory is a copy: a new epoch begins, and the old log stays as it was."""
        self.town()
        (self.data / "instance").unlink()
        shutil.copy(self.base.saved[TOWN] / "instance", self.data / "instance")
        old = next(iter(self.book.receipts.values()))["origin"]
        self.dies("-C", self.data, "put", "-", stdin="")
        receipts, self.book.receipts = self.book.receipts, {}
        self.mill(5, 0, crash=False)
        if any(r["origin"] == old for r in self.book.receipts.values()):
            raise Broken("a copy goes on with the log of the other")
        kept, self.book.erased = self.book.erased, {}
        judge.check(self.tools, self.data, self.book, self.base.files, self.rng)
        self.book.erased = kept
        judge.check_nowhere(self.tools, self.data, self.book)
        self.book.receipts = receipts
        judge.check_receipts(self.book, *judge.check_log(self.tools, self.data, self.book, old))

    # ---- deeds of two daemons: one after the other, on their own ports

    def daemons(self, dying):
        """The county and the town from their saved state; `dying` is killed at the point."""
        base = self.base
        judge.clone(base.saved[COUNTY], base.county.data)
        judge.clone(base.whole, base.town.data)
        self.book = base.whole_book.copy()
        if dying is base.county:
            base.county.run("governance", "adopt", base.d.gov)
            base.county.start(self.crash)
            base.town.start()
        else:
            base.county.start()
            base.county.run("governance", "adopt", base.d.gov)
            base.town.start(self.crash)
        base.town.link.up()
        net.wait(lambda: dying.process.poll() is not None, "%s dies at %s" % (dying.name, self.point))
        self.died(dying.process.returncode, dying.tail())
        dying.process = None
        base.town.link.down()

    def settle(self):
        base = self.base
        base.town.link.up()
        net.wait(lambda: base.town.control("POST", "/sync", "{}"), "the town answers")
        base.d.settled()
        net.wait(lambda: base.county.status()["wanted"] == 0, "all attachments are at the county")
        for n in (base.town, base.county):
            n.stop()
        base.town.link.down()
        for n in (base.town, base.county):
            judge.check_fsck(self.tools, n.data)
        self.data = base.town.data
        judge.check(self.tools, self.data, self.book, base.files, self.rng, sample=8)
        origin, entries, _ = judge.check_log(self.tools, base.town.data, self.book)
        _, above, _ = judge.check_log(self.tools, base.county.data, self.book, origin)
        if above != entries:
            raise Broken("the county holds another log than the town")

    def do_sync(self):
        base = self.base
        try:
            self.daemons(base.county)
            own = base.town.status()["logs"][0]
            base.county.start()
            here = base.county.logs().get(own["origin"], (0, ""))[0]
            if here < own["cosigned"]:
                raise Broken("the county countersigned %d entries and holds %d" % (own["cosigned"], here))
            if own["cosigned"]:
                self.book.see_note(base.county.json("log", own["origin"])["checkpoint"])
            self.settle()
        finally:
            self.end()

    def do_give(self):
        """What would leave is on record, and has not left."""
        base = self.base
        try:
            self.daemons(base.town)
            told = [json.loads(x) for x in base.town.run("list", "--series", "sys-provision", "--json").stdout.splitlines()]
            if len(told) != 1:
                raise Broken("on record: %s" % told)
            if base.county.logs().get(told[0]["origin"], (0, ""))[0]:
                raise Broken("something left before it was on record")
            base.town.start()
            self.settle()
        finally:
            self.end()

    def do_settle(self):
        """The town's disk was put back, and it went on: the county has other entries."""
        base = self.base
        judge.clone(base.county_ahead, base.county.data)
        judge.clone(base.whole, base.town.data)
        self.book = base.whole_book.copy()
        self.data = base.town.data
        self.material.take(20)
        # More than one chunk for a later passing.
        self.mill(60 if self.passing == 1 else 300, 0, crash=False)
        told = list(self.book.receipts.values())
        try:
            base.county.start()
            base.town.start(self.crash)
            base.town.link.up()
            net.wait(lambda: base.town.process.poll() is not None, "the town dies at %s" % self.point)
            self.died(base.town.process.returncode, base.town.tail())
            base.town.start()
            origin = told[0]["origin"]
            net.wait(lambda: base.town.origin() != origin, "a new epoch begins")
            net.wait(lambda: base.town.control("POST", "/sync", "{}"), "the town answers")
            base.d.settled()
            net.wait(lambda: base.county.status()["wanted"] == 0, "all attachments are at the county")
            again = base.town.put("\n".join(self.book.lines[r["id"]] for r in told).encode(), base.files)
            for r, a in zip(told, again):
                if (a.get("id"), a.get("rev")) != (r["id"], r["rev"]):
                    raise Broken("%r is %r after the new epoch" % (r, a))
            base.d.settled()
            origin = base.town.origin()
        finally:
            self.end()
        for n in (base.town, base.county):
            self.tools.run("-C", n.data, "put", "-", stdin="")  # a writer opens first
            judge.check_fsck(self.tools, n.data)
            judge.check_log(self.tools, n.data, self.book, origin)

    def do_receive(self):
        """The town gets head 2 from the county."""
        base = self.base
        try:
            self.daemons(base.town)
            base.town.start()
            self.settle()
            if self.tools.json("-C", base.town.data, "status")["governance"]["serial"] != 2:
                raise Broken("head 2 is not in force")
        finally:
            self.end()

    def end(self):
        for n in (self.base.county, self.base.town):
            if n.process:
                n.kill()
        self.base.town.link.down()

    def work(self):
        try:
            getattr(self, "do_" + self.deed.replace(" ", "_"))()
        except (net.Failed, Broken, AssertionError, KeyError, ValueError) as e:
            print("%s: %s: %s" % (self.name, type(e).__name__, e), flush=True)
            return self.name
        shutil.rmtree(self.folder, ignore_errors=True)
        return None


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--list", action="store_true", help="the points, and no more")
    ap.add_argument("--only", default="", help="cases whose name holds this")
    a = ap.parse_args()
    found = points_in_sources()
    if a.list:
        print("\n".join(sorted(found)))
        return 0
    if found != set(PLAN) and not a.only:
        print("not in PLAN: %s; in PLAN only: %s" % (sorted(found - set(PLAN)), sorted(set(PLAN) - found)))
        return 1
    with tempfile.TemporaryDirectory(prefix="cundang-points-") as folder:
        base, cases = Base(folder), []
        for point, deaths in PLAN.items():
            for deed, passing in deaths:
                case = Case(base, point, deed, passing, len(cases))
                if a.only in case.name:
                    cases.append(case)
                else:
                    shutil.rmtree(case.folder)
        # Those of two daemons share their directories and ports.
        paired = [c for c in cases if c.deed in ("sync", "give", "receive", "settle")]
        alone = [c for c in cases if c not in paired]
        with concurrent.futures.ThreadPoolExecutor(max(2, (os.cpu_count() or 2) - 1)) as pool:
            rest = pool.submit(lambda: [c.work() for c in paired])
            faults = list(pool.map(Case.work, alone)) + rest.result()
    faults = [f for f in faults if f]
    print("%d points, %d kills, %d faults" % (len({c.point for c in cases}), len(cases), len(faults)))
    return 1 if faults or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
