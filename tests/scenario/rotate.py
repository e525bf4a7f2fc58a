#!/usr/bin/env python3
"""Goal: nodes change their keys while they go on; the old keys are worth nothing then.

A village changes all its keys; its township does while the village is away, and
the village finds its way back.  A package over both keys verifies with both
verifiers.  Whoever holds the old keys opens no session and signs no more.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import net

COUNTY, TOWN, VILLAGE = "330106000000", "330106110000", "330106110201"
KINDS = ["log", "witness", "tls"]
VERIFIER = net.ROOT / "scripts/verify_package.py"


def put(node, count, seed):
    receipts = node.put(net.generate(node.code, count, seed))
    assert len(receipts) == count, receipts
    return receipts


def keys(node):
    return node.json("key", "show")


def rotate(d, node, kind="all"):
    """Asks for new keys, and has the officers name them."""
    path = d.folder / ("rotate-%s.request" % node.code)
    check = node.json("key", "rotate", kind, "-o", path)["check"]
    p = d.tools.run("node", "admit", "--all", d.gov, path, check=False)
    assert p.returncode and "--check" in p.stderr, p.stderr
    d.tools.run("node", "admit", "--check", check, d.gov, path)
    d.sign()


def changed(node, before):
    """The new keys are in force and the old ones are gone, in files too."""
    now = keys(node)
    left = sorted(p.name for p in (node.data / "keys").iterdir() if p.name.startswith(("old-", "next-", "changed")))
    return all(now[k] != before[k] for k in KINDS) and not now["next"] and not now["old"] and not left


def packages_verify(d, node, name):
    """A package of a node's log verifies with both verifiers."""
    path = d.folder / (name + ".tar")
    net.wait(node.countersigned, "%s is countersigned" % node.code)
    node.json("archive", "create", "--origin", node.code, "-o", path)
    report = d.tools.json("verify", path, "--root", d.root)
    assert report["cosignatures"] >= 1, report
    p = subprocess.run([sys.executable, str(VERIFIER), str(path), "--root", d.root], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    assert p.returncode == 0, p.stdout
    return path


def village_changes(d, village):
    put(village, 20, 1)
    d.settled()
    village.stop()
    shutil.copytree(village.data, d.folder / "stolen", ignore=shutil.ignore_patterns("*.sock"))
    village.start()
    before, size, origin = keys(village), village.status()["size"], village.origin()
    rotate(d, village)
    waiting = keys(village)
    assert waiting["next"] == KINDS and all(waiting[k] == before[k] for k in KINDS), waiting
    put(village, 5, 2)
    d.settled()  # signed by both: the rules of before still hold
    path = packages_verify(d, village, "between")
    assert path.exists()
    d.adopt()
    net.wait(lambda: changed(village, before), "the village's keys have changed")
    assert village.origin() == origin and village.status()["size"] > size
    put(village, 5, 3)
    d.settled()
    return packages_verify(d, village, "both")


def roster_tells_where_it_ends(d, size):
    text = subprocess.run(["git", "--git-dir", str(d.gov), "show", "main:roster/%s.yaml" % TOWN], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    assert "former:" in text and "until:" in text, text
    assert size in text, (size, text)


def township_changes(d, town, village):
    """While the village is away."""
    village.link.down()
    before = keys(town)
    rotate(d, town)
    d.adopt()
    net.wait(lambda: changed(town, before), "the township's keys have changed")
    put(village, 7, 4)
    village.link.up()
    d.settled()
    packages_verify(d, village, "after")


def root_changes(d, county, village):
    before = keys(county)
    rotate(d, county)
    d.adopt()
    net.wait(lambda: changed(county, before), "the county's keys have changed")
    put(village, 3, 5)
    d.settled()


def thief_is_refused(d, town, village):
    """The village's directory of before, with its old keys, dials the township."""
    d.ruled()
    d.settled()
    village.stop()
    net.wait(lambda: town.peer(VILLAGE) is None, "the township sees the village go")
    logs = {o: l for o, l in town.logs().items() if o.split("/")[1] == VILLAGE}
    mine, village.data = village.data, d.folder / "stolen"
    village.start()
    net.wait(lambda: "no such key" in village.peer(TOWN)["waiting_for"], "the thief is told that his key is none")
    village.put(net.generate(VILLAGE, 30, 6), check=False)
    village.run("sync", check=False)
    assert {o: l for o, l in town.logs().items() if o.split("/")[1] == VILLAGE} == logs
    assert all(p["code"] != VILLAGE for p in town.status()["peers"])
    village.stop()
    village.data = mine
    village.start()
    put(village, 2, 7)
    d.settled()
    assert {o for o in town.logs() if o.split("/")[1] == VILLAGE} == set(logs) == {village.origin()}


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(pathlib.Path(name)) as d:
        county = d.node(COUNTY)
        town = d.node(TOWN, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.start()
        village_changes(d, village)
        roster_tells_where_it_ends(d, village.origin().split("/")[2] + "/")
        township_changes(d, town, village)
        root_changes(d, county, village)
        thief_is_refused(d, town, village)
        for node in (county, town, village):
            node.stop()
            p = node.run("fsck", check=False)
            assert p.returncode == 0, p.stdout + p.stderr
            dump = [json.loads(x) for x in node.run("list", "--series", "sys-key", "--json").stdout.splitlines()]
            assert len(dump) >= 2, dump


if __name__ == "__main__":
    main()
