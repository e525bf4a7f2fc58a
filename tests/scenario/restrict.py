"""Goal: what officers restrict is shown to nobody at any node that knows the order, is kept all the same, and comes back when they lift it.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201

A feed of the county is followed all the time: it tells of the restriction once,
and of the record once more when it is lifted, whoever follows from whenever.
"""
import hashlib
import json
import pathlib
import tempfile

import net
import orders

COUNTY, TOWNSHIP, VILLAGE = "330106000000", "330106110000", "330106110201"

TOKEN = "a consumer of the county"


def consumers(folder):
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: platform\n    token_sha256: \"%s\"\n    labels: [public, internal]\n"
        % hashlib.sha256(TOKEN.encode()).hexdigest())


class Follower:
    """A consumer that keeps what the feed says, and its place in it."""

    def __init__(self, node, limit=1000):
        self.node, self.limit, self.cursor, self.events, self.has = node, limit, "", [], {}

    def follow(self):
        """Everything up to the newest; what is new of it."""
        new = []
        while True:
            code, headers, body = self.node.get("/v1/feed?limit=%d&after=%s" % (self.limit, self.cursor), token=TOKEN)
            assert code == 200, body
            for line in body.splitlines():
                event = json.loads(line)
                new.append(event)
                self.take(event)
            if headers["Cundang-Cursor"] == self.cursor:
                break
            self.cursor = headers["Cundang-Cursor"]
        self.events += new
        return new

    def take(self, event):
        assert event["id"] not in {e["id"] for e in self.events}, event
        place = (event["data"]["origin"], event["data"]["seq"])
        if event["type"] == "cundang.restriction.v1":
            assert "fields" not in event["data"] and event["data"]["restricted"]["order"], event
            self.has.pop(place, None)
        else:
            assert "restricted" not in event["data"], event
            self.has[place] = event["data"]["fields"]

    def about(self, events, record):
        return [e["type"].split(".")[1] for e in events
                if (e["data"]["origin"], e["data"]["seq"]) == (record["origin"], record["seq"])]


def listed(node):
    return [json.loads(x) for x in node.run("list", "--limit", "1000", "--json").stdout.splitlines()]


def name(record):
    return "%s/%d" % (record["origin"], record["seq"])


def hidden(node, record, order):
    """Nothing of what it says is in what the node tells."""
    ids = [r["id"] for r in listed(node)]
    assert record["id"] not in ids, node.code
    p = node.run("list", "--limit", "1000")
    assert "restricted record" in p.stderr, p.stderr
    doc = node.json("show", name(record))
    assert doc["restricted"]["order"] == order and "fields" not in doc, doc
    p = node.run("show", "--all", record["id"])
    assert "by order " + order in p.stdout, p.stdout
    p = node.run("show", name(record), "--proof", check=False)
    assert p.returncode == 4 and "is restricted" in p.stderr, p.stderr
    p = node.run("reveal", name(record), "--reason", "counter", check=False)
    assert p.returncode == 4 and "is restricted" in p.stderr, p.stderr


def shown(node, record):
    assert record["id"] in [r["id"] for r in listed(node)], node.code
    doc = node.json("show", name(record))
    assert "restricted" not in doc and doc["fields"], doc


def restricted_at(nodes, record, order):
    for n in nodes:
        net.wait(lambda: n.json("show", name(record)).get("restricted", {}).get("order") == order,
                 "%s restricts" % n.code)
    for n in nodes:
        net.wait(lambda: n.code in orders.row(nodes[0], order).get("confirmed", []), "%s has confirmed" % n.code)


def lifted_at(nodes, record, lift):
    for n in nodes:
        net.wait(lambda: "restricted" not in n.json("show", name(record)), "%s shows it again" % n.code)
    for n in nodes:
        net.wait(lambda: n.code in orders.row(nodes[0], lift).get("confirmed", []), "%s has confirmed" % n.code)


def check_restrict(d, desk, nodes, put, lines):
    county, town, village = nodes
    victim, other = put[1], put[3]
    early, page = Follower(county), Follower(county, 1)
    early.follow()
    assert early.about(early.events, victim) == ["record"]

    # Bad input.
    path, _ = desk.write(county, "restrict", "add", "--record", name(victim), "--reason", "r")
    desk.refused(county, path, 4, "has 0 signatures")
    desk.sign(path, 4)
    desk.refused(county, path, 4, "governors and archivists")
    path, _ = desk.write(county, "restrict", "add", "--record", "%s/0" % victim["origin"], "--reason", "r")
    desk.sign(path, 1)
    desk.refused(county, path, 4, "never restricted")
    p = county.run("restrict", "add", "--reason", "r", check=False)
    assert p.returncode == 2 and "nothing is selected" in p.stderr, p.stderr
    p = town.run("restrict", "add", "--record", name(victim), "--reason", "r", "-o", desk.folder / "reach.order")
    assert "Nodes above hold copies" in p.stdout, p.stdout

    # Entered in the middle, it goes up and down.
    path, order = desk.write(town, "restrict", "add", "--record", name(victim), "--reason", "PIPL 47, request 12")
    desk.sign(path, 3)
    desk.enter(town, path)
    restricted_at(nodes, victim, order)
    for n in nodes:
        hidden(n, victim, order)
        shown(n, other)
    assert early.about(early.follow(), victim) == ["restriction"]
    page.follow()
    assert page.about(page.events, victim) in (["restriction"], ["record", "restriction"]), page.events
    late = Follower(county)
    late.follow()
    assert late.about(late.events, victim) == ["restriction"]
    doc = json.loads(county.get("/v1/records/%s" % name(victim).split("/", 1)[1], token=TOKEN)[2])
    assert doc["restricted"]["order"] == order and "fields" not in doc, doc

    entry = json.loads(county.get("/v1/objects/" + victim["leaf"], token=TOKEN)[2])
    answers = {county.get("/v1/objects/" + x, token=TOKEN)[0] for x in entry["_sd"]}
    assert 200 not in answers and 403 in answers, answers

    # A later revision is the same record; a disk's check finds all of it there.
    changed = json.loads(lines[1])
    changed["fields"]["grid"] = "第九网格"
    new = village.put(json.dumps(changed, ensure_ascii=False).encode() + b"\n")[0]
    assert new["rev"] == 2, new
    hidden(village, new, order)
    d.settled()
    hidden(county, new, order)
    assert early.about(early.follow(), new) == []

    # Held, and packed, all the same.
    path, hold = desk.write(county, "hold", "add", "--record", name(victim), "--reason", "audit 7")
    desk.sign(path, 1)
    desk.enter(county, path)
    tar = desk.folder / "of.tar"
    county.run("archive", "create", "--origin", victim["origin"], "-o", tar)
    report = json.loads(d.tools.run("verify", tar, "--root", d.root, "--json").stdout)
    assert report["ok"], report

    # Lifted: each record once, in both revisions.
    path, _ = desk.write(town, "restrict", "lift", hold, "--reason", "r")
    desk.sign(path, 3)
    desk.refused(town, path, 4, "does not end")
    path, lift = desk.write(county, "restrict", "lift", order, "--reason", "request 12 was withdrawn")
    desk.sign(path, 2)
    desk.enter(county, path)
    lifted_at(nodes, victim, lift)
    for n in nodes:
        shown(n, victim)
        shown(n, new)
    events = early.follow()
    assert early.about(events, victim) == ["record"] and early.about(events, new) == ["record"], events
    late.follow()
    fresh, slow = Follower(county), Follower(county, 1)
    for f in (fresh, slow):
        f.follow()
        assert f.about(f.events, victim) == ["record"] and f.about(f.events, new) == ["record"], f.events
    assert early.has == late.has == fresh.has == slow.has
    page.follow()
    assert page.has == fresh.has
    assert [o["order"] for o in county.json("restrict", "list")["orders"]] == []
    return victim


def check_series(d, desk, nodes, put):
    """What comes later is restricted too, and comes to all when it is lifted."""
    county, town, village = nodes
    f = Follower(county)
    f.follow()
    path, order = desk.write(county, "restrict", "add", "--series", "household", "--reason", "case 9")
    desk.sign(path, 1)
    desk.enter(county, path)
    restricted_at(nodes, put[0], order)
    more = village.put(net.generate(VILLAGE, 3, seed=21, series="household"))
    d.settled()
    for r in (put[0], more[2]):
        for n in nodes:
            hidden(n, r, order)
    f.follow()
    assert not f.has, f.has

    # An erasure reaches it, and is told without what is left of it.
    path, erase = desk.write(county, "erase", more[0]["id"], "--reason", "request 13")
    desk.sign(path, 1, 2)
    desk.enter(county, path)
    for n in nodes:
        orders.state(n, erase, "done")

    # The county is stopped when it is lifted below: nothing is missed.
    path, lift = desk.write(county, "restrict", "lift", order, "--reason", "case 9 is over")
    desk.sign(path, 1)
    desk.enter(county, path)
    lifted_at(nodes, put[0], lift)
    county.stop()
    county.start()
    f.follow()
    fresh = Follower(county)
    fresh.follow()
    assert f.has == fresh.has and len(f.has) == len(put) + 1 + len(more), (len(f.has), len(fresh.has))
    ids = [(e["data"]["origin"], e["data"]["seq"]) for e in fresh.events]
    assert len(ids) == len(set(ids)), "each once"


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        desk = orders.Desk(d, pathlib.Path(folder))
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.edit(lambda f: orders.officers(d, f))
        d.edit(consumers)
        d.publish()
        d.adopt()
        d.start()
        lines = net.generate(VILLAGE, 6, seed=7, series="household").splitlines()
        put = village.put(b"\n".join(lines) + b"\n")
        d.settled()
        check_restrict(d, desk, (county, town, village), put, lines)
        check_series(d, desk, (county, town, village), put)
        for n in d.nodes.values():
            n.stop()
            n.run("fsck")
            n.run("fsck", "--rebuild")


if __name__ == "__main__":
    main()
