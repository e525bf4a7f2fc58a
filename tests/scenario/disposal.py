"""Goal: three years of records of nine nodes are destroyed by law and with proof, everywhere, and stay so.

    county 330106000000 -+- township 330106109000 --- villages 330106109001, -002, -003
                         +- township 330106110000 --- villages 330106110201, -203, -204

5,000 records of 2010 to 2012 lie at the nodes that may hold them.  All that is
due is proposed, signed by two officers and entered at the county while a
village is away, and at that village, too.  Meanwhile the county holds what the
village recorded in one series: nothing of it goes anywhere, and the village
destroys nothing before it knows all holds.  Released, all of it goes, receipts
come back, and the one replica that was away with its disk of before ends clean.
Then the county's register is complete, each log verifies, and none of the nine
directories has any of the numbers destroyed, nor has the memory of a daemon.
"""
import base64
import csv
import hashlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import epoch
import memory
import net
import orders

COUNTY = "330106000000"
TOWNS = {"330106109000": ("330106109001", "330106109002", "330106109003"),
         "330106110000": ("330106110201", "330106110203", "330106110204")}
AWAY, LAST = "330106109002", "330106110204"
YEARS = (2010, 2011, 2012)
RECORDS = 5000
HELD = "complaint"


def put_all(d):
    """Records by node and year; all of them as documents."""
    docs = []
    share = RECORDS // (len(d.nodes) * len(YEARS)) + 1
    for i, node in enumerate(d.nodes.values()):
        for year in YEARS:
            count = min(share, RECORDS - len(docs))
            p = subprocess.run([sys.executable, str(net.GENERATOR), "--node", node.code, "--count", str(count), "--seed", str(100 * i + year),
                                "--series", "all", "--year", str(year)], check=True, stdout=subprocess.PIPE)
            lines = [json.loads(x) for x in p.stdout.splitlines()]
            for doc in lines:
                doc.pop("attachments", None)
            answers = node.put(b"".join(json.dumps(x, ensure_ascii=False).encode() + b"\n" for x in lines))
            docs += [dict(r, doc=x, node=node.code) for r, x in zip(answers, lines)]
    assert len(docs) == RECORDS, len(docs)
    return docs


def propose(desk, node):
    """A signed order over all that is due at a node, its register and how many parts it names."""
    out = desk.folder / ("proposal-" + node.code)
    said = node.json("disposal", "propose", "-o", out, "--reason", "鉴定 2026-1", "--labels", "personal,sensitive")
    assert said["left"] == 0 and said["count"] > 0, said
    desk.sign(out / "disposal.order", 1, 2)
    return out


def register_of(out):
    data = (out / "register.json").read_bytes()
    order = json.loads((out / "disposal.order").read_bytes())
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    assert order["register"] == digest
    rows = json.loads(data)["rows"]
    table = list(csv.DictReader(io.StringIO((out / "register.csv").read_bytes()[3:].decode())))
    assert len(rows) == len(table) and all(r["名称"] and r["件数"] for r in table)
    return rows


def named(rows, docs):
    """Of the records: those that the register names, by (origin, seq)."""
    at = {(r["origin"], r["seq"]): r for r in docs}
    found = {}
    for row in rows:
        for a, b in row["seqs"]:
            for seq in range(a, b):
                r = at[(row["origin"], seq)]
                assert r["doc"]["series"] == row["series"], (row, r)
                found[(row["origin"], seq)] = r
    return found


NUMBER = re.compile(rb"(?<![0-9])(?:1[0-9]{10}|[0-9]{17}[0-9X])(?![0-9])")


DIGITS = bytes(b"01"[c in b"0123456789"] for c in range(256))


def numbers_in(data):
    """Whatever looks like a mobile or an identity number.  Most of a memory is neither, and gone through without the pattern."""
    runs, found, end = data.translate(DIGITS), set(), 0
    while (at := runs.find(b"1" * 11, end)) >= 0:
        end = runs.find(b"0", at)
        end = end if end >= 0 else len(data)
        found.update(NUMBER.findall(data[at:end + 2]))
    return found


def text_of(doc):
    return json.dumps(doc, ensure_ascii=False).encode()


def nothing_left(d, gone):
    """In no directory, opened with its own keys or as it lies there."""
    for n in d.nodes.values():
        plain = n.run("store", "dump", text=False).stdout
        assert len(plain) > 1000 and not numbers_in(plain) & gone, (n.code, len(numbers_in(plain) & gone))
        for path in n.data.rglob("*"):
            if path.is_file():
                assert not numbers_in(path.read_bytes()) & gone, path


def check_register(d, folder, out, order, other):
    """The register is in the county's log as it was signed, with the day of destruction; and in its package."""
    county = d.nodes[COUNTY]
    shown = folder / "shown"
    county.run("disposal", "register", order, "-o", shown)
    assert (shown / "register.json").read_bytes() == (out / "register.json").read_bytes()
    said = county.json("disposal", "register", order)
    day = max(n["at"] for n in said["order"]["nodes"])[:10]
    assert said["destroyed_at"] == day and said["origin"] == county.origin(), said
    table = list(csv.DictReader(io.StringIO((shown / "register.csv").read_bytes()[3:].decode())))
    assert table and all(r["销毁时间"] == day for r in table), table[0]
    assert (shown / "register-gb18030.csv").read_bytes().decode("gb18030") == (shown / "register.csv").read_bytes()[3:].decode()
    assert "<td>%s</td>" % day in (shown / "register.html").read_text()
    # The village's own came up with its log.
    assert county.json("disposal", "register", other)["origin"] == d.nodes[AWAY].origin()
    assert d.nodes[LAST].run("disposal", "register", order, check=False).returncode == 3


def main():
    memory.overwrite_freed()
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        desk = orders.Desk(d, folder)
        county = d.node(COUNTY)
        for code, villages in TOWNS.items():
            town = d.node(code, county)
            for v in villages:
                d.node(v, town)
        away, last = d.nodes[AWAY], d.nodes[LAST]
        d.enrol()
        d.edit(lambda f: (f / "domain.yaml").open("a").write("waiting_days: \"0\"\n"))
        d.publish()
        d.adopt()
        d.start()
        d.ruled()
        docs = put_all(d)
        for n in d.nodes.values():
            n.control("POST", "/sync", "{}")
        d.settled()
        # Whoever proposes goes by the clock of who countersigned.
        net.wait(away.countersigned, "the one that goes away is countersigned")

        # One is away with what it recorded; the other's disk of now comes back later.
        away.link.down()
        out = propose(desk, away)
        mine = desk.enter(away, out / "disposal.order", "disposal", "run")
        gone = named(register_of(out), docs)
        assert {seq for origin, seq in gone if origin == away.origin()} and len({o for o, _ in gone}) == 1
        orders.state(away, mine, "waiting", "next session")
        last.stop()
        old = folder / "before"
        epoch.copy(last.data, old)

        path, hold = desk.write(county, "hold", "add", "--series", HELD, "--node", AWAY, "--reason", "audit 7")
        desk.sign(path, 1)
        desk.enter(county, path)
        out = propose(desk, county)
        for at, r in named(register_of(out), docs).items():
            assert r["node"] != AWAY or r["doc"]["series"] != HELD, at
            gone[at] = r
        all_due = desk.enter(county, out / "disposal.order", "disposal", "run")
        for n in d.nodes.values():
            if n not in (away, last):
                orders.state(n, all_due, "done")
        orders.state(away, mine, "waiting", "next session")
        status = orders.confirmed(county, all_due)
        assert status[COUNTY] and not status[AWAY] and not status[LAST], status

        # It hears of the hold, and of the order that the hold does not touch.
        away.link.up()
        away.control("POST", "/sync", "{}")
        orders.state(away, all_due, "done")
        for n in (away, away.parent, county):
            orders.state(n, mine, "waiting", "under the hold " + hold)
        held = [r for r in docs if r["node"] == AWAY and r["doc"]["series"] == HELD and (r["origin"], r["seq"]) in gone]
        r = held[0]["origin"] + "/%d" % held[0]["seq"]
        said = away.json("audit", "retention", r)
        assert said["hold"] == hold, said
        assert [(x["label"], x["state"]) for x in said["labels"] if x["label"] in ("personal", "sensitive")][0][1] == "ends", said
        said = county.json("audit", "rules", r)
        assert said["serial"] == 3 and [o["name"] for o in said["signed_by"]] == ["officer1", "officer2"], said
        assert held and not any(orders.shown(away, r)["erased"] for r in held)

        path, _ = desk.write(county, "hold", "release", hold, "--reason", "audit 7 is over")
        desk.sign(path, 2)
        desk.enter(county, path)
        for n in (away, away.parent, county):
            orders.state(n, mine, "done")
        assert all(orders.shown(away, r)["erased"] for r in held)

        said = county.json("audit", "retention", r)
        assert "hold" not in said and ("personal", "destroyed") in [(x["label"], x["state"]) for x in said["labels"]], said

        # The last replica, with all of it.
        epoch.put_back(last, old)
        assert numbers_in(last.run("store", "dump", text=False).stdout) & {x for r in gone.values() for x in numbers_in(text_of(r["doc"]))}
        last.start()
        orders.state(last, all_due, "done")
        net.wait(lambda: all(orders.confirmed(county, all_due).values()) and all(orders.confirmed(county, mine).values()), "all have confirmed")
        assert set(orders.confirmed(county, all_due)) == set(d.nodes)
        check_register(d, folder, out, all_due, mine)
        for n in d.nodes.values():
            n.control("POST", "/sync", "{}")
        d.settled()

        stay = {x for r in docs if (r["origin"], r["seq"]) not in gone for x in numbers_in(text_of(r["doc"]))}
        numbers = {x for r in gone.values() for x in numbers_in(text_of(r["doc"]))} - stay
        assert len(gone) > RECORDS // 4 and len(numbers) > 1000, (len(gone), len(numbers))
        for n in d.nodes.values():
            memory.forgets(n, lambda piece: numbers_in(piece) & numbers)
        print("records %d, destroyed %d, numbers %d" % (len(docs), len(gone), len(numbers)))
        some = next(r for r in gone.values() if r["node"] == LAST)
        answer = last.put(text_of(some["doc"]) + b"\n", check=False)
        assert answer[0]["error"]["code"] == "erased", answer

        for n in d.nodes.values():
            n.stop()
        nothing_left(d, numbers)
        for n in d.nodes.values():
            n.run("fsck")
            tar = folder / (n.code + ".tar")
            county.run("archive", "create", "--origin", n.code, "-o", tar)
            report = json.loads(d.tools.run("verify", tar, "--root", d.root, "--json").stdout)
            assert report["ok"], report


if __name__ == "__main__":
    main()
