"""Goal: a restored disk, a copied one and a lost one cost no record and no signature's worth.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201
                        <---link--- township 330106109000

A township's directory is put back to an old copy without a trace, a copy of
another runs beside the original, and a village's disk is lost whole and its
new keys are admitted in place of the old ones.  Each goes on at once; all
records come to the county, each once; each log only ever grows.
"""
import collections
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import net

COUNTY, TOWNSHIP, OTHER, VILLAGE = "330106000000", "330106110000", "330106109000", "330106110201"

TOKEN = "auditor-of-this-scenario"


def grant(folder):
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: auditor\n    token_sha256: \"%s\"\n    labels: [public, internal]\n"
        % hashlib.sha256(TOKEN.encode()).hexdigest())


def copy(source, target):
    shutil.copytree(source, target, ignore=lambda d, names: [n for n in names if n.endswith(".sock")])


def put_back(node, old):
    """As an image of the disk would: the marker of the directory is the same file as ever."""
    for p in node.data.iterdir():
        if p.name == "instance":
            continue
        if p.is_dir():
            shutil.rmtree(p)
        else:
            p.unlink()
    for p in old.iterdir():
        if p.name == "instance":
            continue
        if p.is_dir():
            shutil.copytree(p, node.data / p.name)
        else:
            shutil.copy2(p, node.data / p.name)


def feed(node):
    cursor, lines = "", []
    while True:
        code, head, body = node.get("/v1/feed?limit=1000&after=%s" % cursor, token=TOKEN)
        assert code == 200, (code, body)
        lines += [json.loads(x) for x in body.splitlines()]
        if head["Cundang-Cursor"] == cursor:
            return lines
        cursor = head["Cundang-Cursor"]


def records(county, code):
    """What the county's feed has of a node, by (id, revision, content)."""
    seen = collections.Counter()
    for x in feed(county):
        if x["source"].endswith("/" + code):
            seen[x["subject"], x["data"]["rev"], json.dumps(x["data"]["fields"], sort_keys=True)] += 1
    return seen


def expect(county, code, ids):
    """Each id that was ever acknowledged, once and in one revision."""
    def there():
        return {k[0] for k in records(county, code)} >= set(ids)
    net.wait(there, "the county has all %d records of %s" % (len(ids), code))
    seen = records(county, code)
    twice = [k[:2] for k, n in seen.items() if n > 1]
    assert not twice, twice
    assert {k[0] for k in seen} == set(ids), {k[0] for k in seen} ^ set(ids)
    assert len(seen) == len(ids), (len(seen), len(ids))


def put(node, count, seed):
    return [r["id"] for r in node.put(net.generate(node.code, count, seed=seed))]


def complete(node):
    return node.peer(node.parent.code)["complete"]


def settled(node, what):
    net.wait(lambda: complete(node), what)


def sync(node):
    node.link.up()
    node.control("POST", "/sync", "{}")


class Watch:
    """What the county has seen of each log: a log only grows, and what it was stays its beginning."""

    def __init__(self, county):
        self.county, self.sizes = county, {}

    def look(self):
        now = self.county.logs()
        for origin, (size, root) in self.sizes.items():
            assert origin in now and now[origin][0] >= size, origin
            if now[origin][0] == size:
                assert now[origin][1] == root, origin
        self.sizes = now


def said(node, *args):
    return node.run(*args).stdout


def check_restored(folder, county, town, other, watch):
    ids = put(town, 20, 1)
    settled(town, "the first records are above")
    town.link.down()
    ids += put(town, 15, 2)
    town.stop()
    old = folder / "old"
    copy(town.data, old)
    town.start()
    sync(town)
    ids += put(town, 25, 3)
    settled(town, "the next ones too, which the copy does not have")
    before, held = town.origin(), county.logs()
    watch.look()
    town.stop()
    put_back(town, old)
    # While the link is down the node cannot know that it was put back.
    town.link.down()
    town.start()
    assert town.origin() == before
    ids += put(town, 30, 4)
    assert town.origin() == before
    sync(town)
    net.wait(lambda: town.origin() != before, "the township begins a new epoch")
    ids += put(town, 5, 5)
    ids_other = put(other, 20, 6)
    settled(town, "the township has settled the old log")
    expect(county, TOWNSHIP, ids)
    expect(county, OTHER, ids_other)
    assert county.logs()[before] == held[before], "the old log stays as it was"
    watch.look()
    e = town.status()["epoch"]
    assert (e["reason"], e["origin"], e["settled"], e["entered"]) == ("forked", before, True, 30), e
    assert e["common"] >= 35 and e["last"] <= e["common"], e
    return before


def check_told(county, town, before):
    text = said(town, "status")
    assert "came from an older copy" in text and "entered again: 30" in text, text
    assert before in text
    assert "came from an older copy" in said(town, "why", COUNTY)
    forks = county.status()["forks"]
    assert [f["origin"] for f in forks] == [before] and forks[0]["now"] == town.origin(), forks
    path = county.data / forks[0]["file"]
    assert path.read_text().count(before + "\n") == 2, path.read_text()
    text = said(county, "status")
    assert str(path) in text and "contradicts itself" in text and town.origin() in text, text


def check_nothing_twice(county, town, watch):
    """What was settled stays so, also without the note of it."""
    before = records(county, TOWNSHIP)
    for remove in (False, True):
        town.stop()
        if remove:
            (town.data / "epochs").unlink()
        town.start()
        sync(town)
        settled(town, "the township is complete again")
        assert town.status()["epoch"]["entered"] == 30
    assert records(county, TOWNSHIP) == before
    watch.look()


def check_restored_untouched(folder, county, town, ids, watch):
    """Nothing was put since: nothing is entered again, and the next record goes to a new log."""
    town.stop()
    old = folder / "old-again"
    copy(town.data, old)
    town.start()
    sync(town)
    ids += put(town, 10, 7)
    settled(town, "the township is complete")
    before = town.origin()
    town.stop()
    put_back(town, old)
    town.start()
    sync(town)
    net.wait(lambda: town.origin() != before, "the township begins a new epoch")
    settled(town, "the township has settled the old log")
    e = town.status()["epoch"]
    assert (e["reason"], e["entered"]) == ("restored", 0), e
    ids += put(town, 3, 8)
    settled(town, "the township is complete")
    expect(county, OTHER, ids)
    watch.look()


def check_copied(folder, d, county, town, watch):
    """The same node twice: an error of its operator, without loss."""
    ids = [k[0] for k in records(county, town.code)]
    town.link.down()
    ids += put(town, 10, 9)
    town.stop()
    twin = net.Node(d, town.code, county)
    twin.name, twin.log = "the copy of " + town.code, folder / "twin.log"
    copy(town.data, folder / "twin")
    twin.data = folder / "twin"
    text = (twin.data / "node.yaml").read_text()
    for a, b in ((town.listen, twin.listen), (town.http, twin.http)):
        text = text.replace(":%d\"" % a, ":%d\"" % b)
    (twin.data / "node.yaml").write_text(text.replace(town.link.address, twin.link.address))
    town.start()
    twin.start()
    try:
        assert town.origin() != twin.origin() and twin.status()["epoch"]["reason"] == "copied"
        ids += put(town, 12, 10)
        ids += put(twin, 14, 11)
        assert "is a copy of another one" in said(twin, "status")
        # Whichever comes first: what both bring, the feed has once.
        sync(town)
        sync(twin)
        expect(county, town.code, ids)
        twin.link.down()
        settled(town, "the original is complete")
        town.link.down()
        sync(twin)
        settled(twin, "the copy is complete")
        watch.look()
    finally:
        twin.link.down()
        twin.stop()
    sync(town)
    return ids


def check_lost(folder, d, county, town, village, watch):
    town.link.down()
    ids = put(village, 40, 12)
    settled(village, "the township has the village's records")
    before, size = village.origin(), village.status()["size"]
    village.stop()
    shutil.rmtree(village.data)
    village.init()
    assert len(put_offline(village, 6, 13, ids)) == 46
    request = folder / "again.request"
    village.run("node", "request", "-o", request)
    p = d.tools.run("node", "admit", "--all", d.gov, request, check=False)
    assert p.returncode and "other keys" in p.stderr and "--replace" in p.stderr, p.stderr
    d.tools.run("node", "admit", "--all", "--replace", d.gov, request)
    d.sign()
    county.run("governance", "adopt", d.gov)
    village.start()
    sync(town)
    sync(village)
    settled(village, "the village is complete under its new keys")
    expect(county, VILLAGE, ids)
    net.wait(lambda: county.logs().get(before, (0,))[0] == size, "the old log came up, signed by the former key")
    watch.look()
    e = village.status()["epoch"]
    assert (e["reason"], e["origin"], e["last"]) == ("lost", before, size), e
    text = said(village, "status")
    assert "not here any more" in text and before in text, text
    return before


def check_archives(folder, d, county, village, before):
    """The county's packages of both epochs; the newest is what a code names."""
    tools = pathlib.Path(__file__).resolve().parents[2] / "scripts/verify_package.py"
    for args, origin in (([], village.origin()), (["--epoch", before.split("/")[-1]], before)):
        path = folder / ("package-%s.tar" % origin.split("/")[-1])
        made = county.json("archive", "create", "--origin", VILLAGE, *args, "-o", path)
        assert made["origin"] == origin, made
        d.tools.run("verify", path, "--root", d.root)
        p = subprocess.run([sys.executable, str(tools), str(path), "--root", d.root], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        assert p.returncode == 0, p.stdout


def put_offline(node, count, seed, ids):
    ids += put(node, count, seed)
    return ids


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        other = d.node(OTHER, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.edit(grant)
        d.publish()
        d.adopt()
        d.start()
        watch = Watch(county)
        before = check_restored(folder, county, town, other, watch)
        check_told(county, town, before)
        check_nothing_twice(county, town, watch)
        ids = [k[0] for k in records(county, OTHER)]
        check_restored_untouched(folder, county, other, ids, watch)
        check_copied(folder, d, county, other, watch)
        before = check_lost(folder, d, county, town, village, watch)
        check_archives(folder, d, county, village, before)
        # Nobody else was held up.
        settled(town, "the township is complete")
        settled(other, "the other township is complete")


if __name__ == "__main__":
    main()
