"""Goal: readers beside the daemon, killed or stopped at will, hold up nobody.

    township 330106110000, and any number of cundang list, show and fsck

While records are put, readers come and go: most are killed at a random moment,
some are stopped for a while.  Each put is acknowledged all the same; a reader
that comes to its end saw whole records only; and what a killed one held of the
index is free again within a minute.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import net

TOWNSHIP = "330106110000"
SEED = int(os.environ.get("READERS_SEED", "1"))
SECONDS = 12
READERS = 5
PUT_LIMIT_S = 20  # a put of few records, on a machine with much else to do
SLOT, FIRST_SLOT = 64, 192  # the readers' table of LMDB: number of the transaction, process, thread


class Readers:
    def __init__(self, node, receipts, seed):
        self.node, self.receipts, self.rng = node, receipts, random.Random(seed)
        self.ended, self.killed, self.stopped = 0, [], 0
        self.faults = []
        self.over = threading.Event()
        self.lock = threading.Lock()

    def draw(self, what, *args):
        with self.lock:
            return getattr(self.rng, what)(*args)

    def command(self):
        receipt = self.draw("choice", self.receipts)
        return self.draw("choice", [
            (["list", "--json", "--limit", "40"], self.check_list),
            (["show", "%s/%d" % (receipt["origin"], receipt["seq"]), "--json"], lambda out: self.check_show(out, receipt)),
            (["fsck", "--json"], self.check_fsck)])

    def start(self, args):
        return subprocess.Popen([self.node.domain.tools.cundang, "-C", str(self.node.data), *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def one(self):
        args, check = self.command()
        fate = self.draw("random")
        p = self.start(args)
        if fate < 0.6:
            time.sleep(self.draw("random") * 0.3)
            if fate < 0.15:
                p.send_signal(signal.SIGSTOP)
                time.sleep(self.draw("random"))
                self.stopped += 1
            p.kill()
        out, err = p.communicate()
        if p.returncode == -signal.SIGKILL:
            self.killed.append(p.pid)
        elif p.returncode:
            raise net.Failed("%s: exit %d: %s" % (args, p.returncode, err.decode()))
        else:
            check(out)
            self.ended += 1

    def loop(self):
        while not self.over.is_set():
            try:
                self.one()
            except (net.Failed, ValueError, KeyError) as e:
                self.faults.append("%s: %s" % (type(e).__name__, e))

    @staticmethod
    def check_list(out):
        rows = [json.loads(line) for line in out.splitlines()]
        if not rows:
            raise net.Failed("an empty list")

    @staticmethod
    def check_show(out, receipt):
        doc = json.loads(out)
        if doc["id"] != receipt["id"] or doc["withheld"] or doc["erased"] or not doc["fields"]:
            raise net.Failed("half a record: %r" % doc)

    @staticmethod
    def check_fsck(out):
        if not json.loads(out)["ok"]:
            raise net.Failed("fsck: %s" % out.decode())

    def slots(self):
        """Processes that stand in the readers' table of the index."""
        table = (self.node.data / "index/lock.mdb").read_bytes()
        return {struct.unpack_from("<I", table, at + 8)[0] for at in range(FIRST_SLOT, len(table), SLOT)} - {0}

    def leave_a_slot(self):
        """Kills readers until one leaves what it held in the table."""
        for _ in range(400):
            p = self.start(["fsck", "--json"])
            while p.poll() is None and p.pid not in self.slots():
                time.sleep(0.001)
            p.kill()
            p.communicate()
            self.killed.append(p.pid)
            if self.slots() & set(self.killed):
                return
        raise net.Failed("no killed reader left anything")


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        node = d.node(TOWNSHIP)
        lines = net.generate(TOWNSHIP, 2600, seed=SEED).splitlines()
        receipts = node.put(b"\n".join(lines[:600]))
        node.start()
        readers = Readers(node, receipts, SEED)
        threads = [threading.Thread(target=readers.loop) for _ in range(READERS)]
        for t in threads:
            t.start()
        longest, at, end = 0, 600, time.monotonic() + SECONDS
        while time.monotonic() < end and at < 2400:
            started = time.monotonic()
            told = node.put(b"\n".join(lines[at:at + 5]))
            longest = max(longest, time.monotonic() - started)
            assert len(told) == 5, told
            receipts.extend(told)
            at += 5
        readers.over.set()
        for t in threads:
            t.join()
        assert not readers.faults, (SEED, readers.faults[:3])
        assert readers.killed and readers.ended, (readers.killed, readers.ended)
        assert longest < PUT_LIMIT_S, "a put took %.1f s" % longest
        readers.leave_a_slot()
        # The writer looks for dead readers as it goes on.
        started = time.monotonic()
        while readers.slots() & set(readers.killed):
            assert time.monotonic() - started < 60, "slots of dead readers are held for a minute"
            node.put(lines[at % len(lines)])
            at += 1
            time.sleep(0.5)
        freed = time.monotonic() - started
        node.run("fsck")
        assert len({(r["origin"], r["seq"]) for r in receipts}) == len(receipts)
        print("seed %d: %d puts beside %d readers that ended, %d killed, %d stopped; longest put %.2f s, freed after %.0f s" % (
            SEED, (len(receipts) - 600) // 5, readers.ended, len(readers.killed), readers.stopped, longest, freed))


if __name__ == "__main__":
    sys.exit(main())
