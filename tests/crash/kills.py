#!/usr/bin/env python3
"""Goal: killed at any instant under load, a node keeps all it promised.

    county 330106000000 <---link--- township 330106110000

Each round the county is at work in one of three ways, is killed with SIGKILL
after a random while, and is judged:

  daemon   puts through the daemon, while the township's log and attachments
           come in and new rules are adopted;
  mill     captures and erasures at once, by a writer of its own;
  rebuild  the index is made anew, over and over.

What was acknowledged must be there, whole; what was ordered erased and told so
must be nowhere; each checkpoint that anybody saw is the beginning of the log.

kills.py [--kills N] [--seed N]
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import judge
import net
from judge import COUNTY, TOWN, Broken

SEED = 1
DEEP_EACH = 10
RULE_EDITS = 12  # new heads there may be
LINES = 4000
SEGMENT_SIZE = "50000"  # so that there is something to pack all the time


class Life:
    def __init__(self, folder, seed, rounds):
        self.folder = pathlib.Path(folder)
        self.rng = random.Random(seed)
        self.rounds = rounds
        self.d = net.Domain(self.folder / "net")
        self.tools = self.d.tools
        self.build = pathlib.Path(self.tools.cundang).parent.parent
        self.county = self.d.node(COUNTY)
        self.town = self.d.node(TOWN, self.county)
        self.d.enrol()
        count = min(LINES, 400 + 30 * rounds)
        self.material = judge.Material(self.folder / "files", count, seed, node=COUNTY)
        self.below = judge.Material(self.folder / "files", count, seed + 1)
        self.book, self.town_book = judge.Book(), judge.Book()
        self.kills = {"daemon": 0, "mill": 0, "rebuild": 0}
        self.edits = 0

    def more(self, material, count):
        """Lines; the first ones come again with another id when all were handed out."""
        if material.at + count > len(material.lines):
            material.at = 0
            fresh = []
            for line in material.lines:
                doc = json.loads(line)
                doc["id"] = doc["id"][:24] + "%012x" % self.rng.getrandbits(48)
                fresh.append(json.dumps(doc, ensure_ascii=False))
            material.lines = fresh
        return material.take(count)

    # ---- one round of each kind

    def put_until_dead(self, node, book, lines):
        """Puts in small runs; what comes back is promised."""
        text = "\n".join(book.offer(lines))
        p = subprocess.run([self.tools.cundang, "-C", str(node.data), "put", "--json", "--attachments", str(self.material.folder), "-"],
                           input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        heard = []
        for line in p.stdout[:p.stdout.rfind(b"\n") + 1].splitlines():
            if b'"error"' not in line:
                heard.append(line)
        book.hear(b"\n".join(heard) + b"\n")

    def edit_rules(self):
        """A head that the officers sign, adopted by the root through its daemon."""
        if self.edits >= RULE_EDITS:
            return
        self.edits += 1
        number = self.edits

        def change(folder):
            (folder / "consumers.yaml").write_text(
                "consumers:\n  - name: platform-%d\n    token_sha256: %064x\n    labels: [public]\n" % (number, number))
        self.d.edit(change, "rules %d" % number)
        self.d.publish()

    def see(self, node, book):
        """A checkpoint that somebody saw."""
        p = self.tools.run("-C", node.data, "log", "--json", check=False)
        if p.returncode == 0:
            book.see_note(json.loads(p.stdout)["checkpoint"])

    def round_daemon(self):
        rng, threads = self.rng, []
        edit = rng.random() < 0.2
        if edit:
            self.edit_rules()
        self.town.put(("\n".join(self.town_book.offer(self.more(self.below, rng.randrange(1, 30))))).encode(), self.below.folder)
        self.start_county()
        self.town.link.up()

        def adopt():
            self.tools.run("-C", self.county.data, "governance", "adopt", self.d.gov, check=False)

        def run(what, *args):
            t = threading.Thread(target=self.guard, args=(what, *args))
            t.start()
            threads.append(t)
        for _ in range(2):
            run(self.put_until_dead, self.county, self.book, self.more(self.material, rng.randrange(1, 24)))
        if edit or rng.random() < 0.2:
            run(adopt)
        run(self.town.control, "POST", "/sync", "{}")
        time.sleep(rng.random() ** 2 * 0.6)
        self.county.kill()
        self.town.link.down()
        for t in threads:
            t.join()
        self.kills["daemon"] += 1

    def guard(self, what, *args):
        try:
            what(*args)
        except (OSError, net.http.client.HTTPException):
            pass  # the daemon died, as it should
        except Exception as e:  # told by the main thread
            self.fault = e

    def start_county(self):
        if self.rng.random() < 0.15:
            shutil.rmtree(self.county.data / "index", ignore_errors=True)
        self.county.start()

    def round_mill(self):
        rng = self.rng
        args = judge.mill_args(self.build, self.county.data, self.book.offer(self.more(self.material, rng.randrange(20, 160))),
                               self.material.folder, rng.getrandbits(30), rng.randrange(0, 24), work=self.folder)
        with open(self.folder / "told", "wb") as out, open(self.folder / "mill.err", "wb") as err:
            p = subprocess.Popen(args, stdout=out, stderr=err)
            time.sleep(0.05 + rng.random() ** 2 * 0.5)
            self.killed(p, "mill", self.folder / "mill.err")
        self.book.hear((self.folder / "told").read_bytes())

    def killed(self, p, kind, errors):
        if p.poll() is None:
            p.kill()
            self.kills[kind] += 1
        if p.wait() not in (0, -signal.SIGKILL):
            raise Broken("%s: exit %d: %s" % (kind, p.returncode, errors.read_text()[-2000:]))

    def round_rebuild(self):
        with open(self.folder / "rebuild.err", "wb") as err:
            p = subprocess.Popen([self.tools.cundang, "-C", str(self.county.data), "fsck", "--rebuild"],
                                 stdout=subprocess.DEVNULL, stderr=err)
            time.sleep(0.01 + self.rng.random() * 0.15)
            self.killed(p, "rebuild", self.folder / "rebuild.err")

    # ---- judging

    def judge(self, number):
        deep = number % DEEP_EACH == 0
        judge.check(self.tools, self.county.data, self.book, self.material.folder, self.rng, sample=12, deep=False)
        origin = self.town_origin
        logs = self.tools.json("-C", self.county.data, "status")["logs"]
        if any(l["origin"] == origin and l["checkpoint"] for l in logs):
            judge.check_log(self.tools, self.county.data, self.book, origin)
            # What the county countersigned it has.
            own = self.town.status()["logs"][0]
            if own["cosigned"]:
                held = json.loads(self.tools.run("-C", self.county.data, "log", "--json", origin).stdout)["size"]
                if held < own["cosigned"]:
                    raise Broken("%d entries of the township are countersigned, %d are here" % (own["cosigned"], held))
        if deep:
            judge.check_nowhere(self.tools, self.county.data, self.book)
            judge.check_fsck(self.tools, self.county.data)

    def settle(self):
        """At the end all arrives."""
        self.county.start()
        self.town.link.up()
        self.town.control("POST", "/sync", "{}")
        self.d.settled()
        for n in (self.county, self.town):
            net.wait(lambda: n.status()["wanted"] == 0, "all attachments are at %s" % n.name)
        self.county.stop()
        self.town.stop()
        judge.check(self.tools, self.county.data, self.book, self.material.folder, self.rng, sample=200)
        judge.check(self.tools, self.town.data, self.town_book, self.material.folder, self.rng)

    def live(self):
        self.fault = None
        self.town.start()
        self.town_origin = self.town.origin()
        try:
            number = 0
            while sum(self.kills.values()) < self.rounds:
                number += 1
                kind = self.rng.choice(("daemon", "daemon", "mill", "mill", "rebuild"))
                getattr(self, "round_" + kind)()
                if self.fault:
                    raise self.fault
                try:
                    self.judge(number)
                except (Broken, net.Failed) as e:
                    raise Broken("round %d (%s): %s" % (number, kind, e))
            self.settle()
        finally:
            for n in (self.county, self.town):
                if n.process:
                    n.kill()
            self.town.link.down()


def main():
    os.environ["CUNDANG_SEGMENT_SIZE"] = SEGMENT_SIZE
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--kills", type=int, default=50)
    ap.add_argument("--seed", type=int, default=SEED)
    ap.add_argument("--keep", action="store_true", help="leave the folder there after a fault")
    a = ap.parse_args()
    folder = tempfile.mkdtemp(prefix="cundang-random-")
    keep = a.keep
    try:
        life = Life(folder, a.seed, a.kills)
        life.live()
        print("seed %d: %d kills %s, %d records and %d erasures promised, %d at the township" % (
            a.seed, a.kills, life.kills, len(life.book.receipts), len(life.book.erased), len(life.town_book.lines)))
        keep = False
        return 0
    except Exception as e:
        print("seed %d: %s: %s" % (a.seed, type(e).__name__, e), flush=True)
        if not isinstance(e, (Broken, net.Failed)):
            raise
        return 1
    finally:
        if keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
