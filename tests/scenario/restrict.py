"""Goal: what officers restrict is shown to nobody at any node that knows the order, is kept all the same, and comes back when they lift it.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201

A feed of the county is followed all the time: it tells of the restriction once,
and of the record once more when it is lifted, whoever follows from whenever,
under the same ids.
A person's request is answered at the village, and the orders that come of it.
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
    early, page, away = Follower(county), Follower(county, 1), Follower(county)
    early.follow()
    away.follow()
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
    orders.state(town, hold, "in-force")
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
    # Whoever reads when gets the same events under the same ids; the later revision came while it was restricted.
    for f in (fresh, slow, away):
        f.follow()
        assert f.about(f.events, victim) == ["record", "restriction", "record"], f.events
        assert {e["id"]: e["type"] for e in f.events if f.about([e], victim)} == \
            {e["id"]: e["type"] for e in early.events if early.about([e], victim)}, f.events
    assert early.has == late.has == fresh.has == slow.has == away.has
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


def check_subject(d, desk, nodes, lines):
    """A person asks: found by number or by name and telephone, copied, restricted, erased, refused; nobody is named by it."""
    county, town, village = nodes
    fields = json.loads(lines[4])["fields"]
    who = next(m for m in fields["members"] if m.get("id_no") and m.get("phone") and m["id_no"][6:10] < "2005")
    others = [m for m in fields["members"] if m is not who]
    number = "".join(chr(ord(c) + 0xfee0) if c.isdigit() else c for c in who["id_no"])
    asked = dict(stdin=" %s \n" % number)

    answer = village.json("subject", "find", "--reason", "核对受理单", "--request", "12", **asked)
    assert [f["id"] for f in answer["found"]] == [json.loads(lines[4])["id"]], answer
    text = json.dumps(answer, ensure_ascii=False)
    assert who["id_no"] not in text and who["name"] not in text and who["phone"] not in text, text
    place = answer["found"][0]["where"][0]
    assert place["path"].startswith("members[") and place["path"].endswith(".id_no"), place
    same = village.json("subject", "find", "--reason", "r", stdin="%s\n%s\n" % (who["name"], who["phone"]))
    assert [f["id"] for f in same["found"]] == [f["id"] for f in answer["found"]], same
    p = village.run("subject", "find", "--reason", "r", stdin=who["id_no"] + "\n")
    assert "name the person" in p.stderr and who["id_no"] not in p.stdout + p.stderr, p
    assert county.json("subject", "find", "--reason", "r", **asked)["found"] == []
    for wrong, says in (("110105194912310021\n", "no identity number"), (who["name"] + "\n", "name alone"), ("\n", "told by")):
        p = village.run("subject", "find", "--reason", "r", stdin=wrong, check=False)
        assert p.returncode == 2 and says in p.stderr and (not wrong.strip() or wrong.strip() not in p.stderr), p
    p = village.run("subject", "find", "--reason", who["id_no"], check=False, **asked)
    assert p.returncode == 2 and "number of a person" in p.stderr, p
    p = village.run("subject", "find", check=False, **asked)
    assert p.returncode == 2, p

    # The look is on record, without the person.
    line = json.loads(village.run("audit", "access", "--json").stdout.splitlines()[-1])
    access = village.json("show", "%s/%d" % (answer["access"]["origin"], answer["access"]["seq"]))["fields"]
    assert access["act"] == "find" and access["request"] == "12" and access["found"] == 1, access
    assert who["id_no"] not in json.dumps(access) and line["access"]["act"] == "find", line

    # A copy for them: their own raw, nobody else's.
    out = desk.folder / "copy.ndjson"
    p = village.run("subject", "export", "--reason", "r", "-o", out, **asked)
    assert out.stat().st_mode & 0o777 == 0o600
    text = out.read_text()
    assert who["id_no"] in text and who["phone"] in text
    for m in others:
        assert not m.get("id_no") or m["id_no"] not in text
        assert not m.get("phone") or m["phone"] == who["phone"] or m["phone"] not in text
        assert m["name"] not in text or m["name"] == who["name"], m
    assert village.run("subject", "export", "--reason", "r", "-o", out, check=False, **asked).returncode == 9
    looks = village.run("audit", "access", "--record", answer["found"][0]["id"], "--json").stdout.splitlines()
    assert [json.loads(x)["access"]["act"] for x in looks][-1] == "export", looks

    # Refused, restricted, held, erased.
    village.run("subject", "refuse", "--article", "会计档案管理办法第十四条", "--reason", "凭证未满保管期限", "--request", "12")
    line = json.loads(village.run("audit", "access", "--json").stdout.splitlines()[-1])
    assert line["access"]["result"] == "refused" and line["access"]["article"].startswith("会计"), line
    path = desk.folder / "subject.order"
    p = village.run("subject", "restrict", "--reason", "PIPL 47, request 12", "-o", path, **asked)
    assert "come later" in p.stdout and "Nodes above hold copies" in p.stdout, p.stdout
    assert who["id_no"] not in path.read_text()
    desk.sign(path, 1)
    order = desk.enter(village, path)
    record = answer["found"][0]
    restricted_at(nodes, record, order)
    for n in nodes:
        hidden(n, record, order)
    found = village.json("subject", "find", "--reason", "r", **asked)["found"]
    assert found[0]["restricted"] == order and "where" not in found[0], found
    empty = desk.folder / "empty.ndjson"
    p = village.run("subject", "export", "--reason", "r", "-o", empty, **asked)
    assert empty.read_bytes() == b"" and "restricted" in p.stderr, p
    path = desk.folder / "held.order"
    p = village.run("hold", "add", "--person", "--reason", "case 4", "-o", path, **asked)
    assert "come later" in p.stdout, p.stdout
    desk.sign(path, 1)
    hold = desk.enter(village, path)
    path = desk.folder / "gone.order"
    village.run("subject", "erase", "--reason", "PIPL 47, request 14", "-o", path, **asked)
    desk.sign(path, 1, 2)
    desk.refused(village, path, 4, "under the hold")
    path2, _ = desk.write(village, "hold", "release", hold, "--reason", "case 4 is over")
    desk.sign(path2, 1)
    desk.enter(village, path2)
    path.unlink()
    village.run("subject", "erase", "--reason", "PIPL 47, request 14", "-o", path, **asked)
    for sig in desk.folder.glob("gone.order*.sig"):
        sig.unlink()
    p = d.tools.run("order", "sign", path, "--key", d.folder / "officer1")
    assert "destroys 2 parts (personal) of " + VILLAGE in p.stdout or "destroys 1 parts (personal) of " + VILLAGE in p.stdout, p.stdout
    desk.sign(path, 1, 2)
    erase = desk.enter(village, path)
    for n in nodes:
        orders.state(n, erase, "done")
    assert village.json("subject", "find", "--reason", "r", **asked)["found"] == []
    p = village.run("subject", "erase", "--reason", "r", "-o", desk.folder / "no.order", check=False, **asked)
    assert p.returncode == 3 and "names this person" in p.stderr, p
    path, lift = desk.write(village, "restrict", "lift", order, "--reason", "nothing is left of it")
    desk.sign(path, 1)
    desk.enter(village, path)
    lifted_at(nodes, record, lift)


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
        check_subject(d, desk, (county, town, village), lines)
        for n in d.nodes.values():
            n.stop()
            n.run("fsck")
            n.run("fsck", "--rebuild")


if __name__ == "__main__":
    main()
