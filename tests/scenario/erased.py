"""Goal: what was destroyed before it ever travelled is missed nowhere, and comes back from nowhere.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201

The village puts records with no link at all, and parts of them are destroyed;
at the county a part of an alert.  Then the links come up: all is complete at
every level, and each says what was destroyed, when and why.  A part that the
township holds already stays there.  A put of the same text, and a disk put
back to what it was before the order, bring nothing back.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import epoch
import net

COUNTY, TOWNSHIP, VILLAGE = "330106000000", "330106110000", "330106110201"
TOKEN = "auditor-of-this-scenario"
CHINESE = {"LC_ALL": "zh_CN.UTF-8"}
SECONDS, AT, WHY = 1782000000, "2026-06-21T08:00:00+08:00", "销毁令 7"
TOLD = {"at": AT, "why": WHY}


def grant(folder):
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: auditor\n    token_sha256: \"%s\"\n    labels: [public, internal, personal]\n"
        % hashlib.sha256(TOKEN.encode()).hexdigest())


def destroy(node, *parts):
    """Parts of the node's own log, by (sequence, label), while it is stopped."""
    tool = pathlib.Path(node.domain.tools.cundang).parent.parent / "tests/crash/destroy"
    words = [str(x) for part in parts for x in part]
    node.stop()
    subprocess.run([str(tool), str(node.data), str(SECONDS), WHY, *words], check=True)


def feed(node, cursor=""):
    lines = []
    while True:
        code, head, body = node.get("/v1/feed?limit=1000&after=%s" % cursor, token=TOKEN)
        assert code == 200, (code, body)
        lines += [json.loads(x) for x in body.splitlines()]
        if head["Cundang-Cursor"] == cursor:
            return lines, cursor
        cursor = head["Cundang-Cursor"]


def shown(node, receipt):
    return node.json("show", "%s/%d" % (receipt["origin"], receipt["seq"]))


def expect(node, receipt, erased, withheld):
    doc = shown(node, receipt)
    assert doc["erased"] == {l: TOLD for l in erased}, doc
    assert doc["withheld"] == withheld, doc
    why = node.json("why", "%s/%d" % (receipt["origin"], receipt["seq"]))
    assert why["erased"] == doc["erased"] and why["withheld"] == withheld, why
    row = next(r for r in map(json.loads, node.run("list", "--json", "--limit", "1000").stdout.splitlines())
               if (r["origin"], r["seq"]) == (receipt["origin"], receipt["seq"]))
    assert row.get("erased", {}) == doc["erased"], row


def expect_words(node, receipt):
    name = "%s/%d" % (receipt["origin"], receipt["seq"])
    for command in ("show", "why"):
        text = node.run(command, name).stdout
        assert "personal (2026-06-21 08:00, %s)" % WHY in text, text
        text = node.run(command, name, env=CHINESE).stdout
        assert "销毁" in text.replace(WHY, ""), text
        assert "2026-06-21 08:00" in text and WHY in text, text
    assert WHY in node.run("list").stdout
    proof = node.run("show", name, "--proof", "--labels", "internal")
    assert "destroyed under an order: personal (2026-06-21 08:00, %s)" % WHY in proof.stderr, proof.stderr


def refused(node, line):
    """A put that would bring a destroyed part back."""
    answer = node.put(line, check=False)
    assert len(answer) == 1 and answer[0]["error"]["code"] == "erased", answer


def complete(node):
    return node.peer(node.parent.code)["complete"]


def settle(d, what):
    for n in d.nodes.values():
        if n.parent:
            n.control("POST", "/sync", "{}")
    d.settled()
    for n in d.nodes.values():
        if n.parent:
            net.wait(lambda: complete(n), "%s at %s" % (what, n.code))


def check_objects(node, receipt):
    """The digests of the entry: gone are those that were destroyed, with the reason."""
    code, _, entry = node.get("/v1/objects/" + receipt["leaf"], token=TOKEN)
    assert code == 200, (code, entry)
    answers = [node.get("/v1/objects/" + d, token=TOKEN) for d in json.loads(entry)["_sd"]]
    gone = [body.decode() for code, _, body in answers if code == 410]
    assert gone and any(WHY in x and AT in x for x in gone), answers


def check_packages(folder, d, node, origin, erased):
    tar = folder / ("of-%s.tar" % node.code)
    node.run("archive", "create", "--origin", origin, "-o", tar)
    report = json.loads(d.tools.run("verify", tar, "--root", d.root, "--json").stdout)
    assert report["ok"] and report["erased"] == erased, report
    python = subprocess.run([sys.executable, str(net.ROOT / "scripts/verify_package.py"), str(tar), "--root", d.root, "--json"],
                            stdout=subprocess.PIPE, check=True)
    report = json.loads(python.stdout)
    assert report["ok"] and report["erased"] == erased, report


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.edit(grant)
        d.publish()
        d.adopt()
        d.start(links=False)
        # They have the rules; then the links go down.
        d.links_up()
        settle(d, "the rules are known")
        d.links_down()

        lines = net.generate(VILLAGE, 8, seed=7, series="household").splitlines()
        put = village.put(b"\n".join(lines) + b"\n")
        alert = county.put(net.generate(COUNTY, 1, seed=7, series="alert"))[0]
        a, b, c = put[2], put[5], put[6]
        village.stop()
        old = folder / "before"
        epoch.copy(village.data, old)
        destroy(village, (a["seq"], "personal"), (a["seq"], "sensitive"), (b["seq"], "internal"))
        destroy(county, (alert["seq"], "internal"))
        refused(village, lines[2])
        village.start()
        county.start()
        refused(village, lines[2])
        expect(village, a, ["personal", "sensitive"], [])

        d.links_up()
        settle(d, "nothing is missed")
        expect(town, a, ["personal"], ["sensitive"])
        expect(county, a, [], ["personal", "sensitive"])
        expect(village, b, ["internal"], [])
        expect(town, b, ["internal"], ["sensitive"])
        expect(county, b, ["internal"], ["personal", "sensitive"])
        net.wait(lambda: not village.run("show", "%s/%d" % (alert["origin"], alert["seq"]), check=False).returncode,
                 "the alert came down")
        for n in (county, town, village):
            expect(n, alert, ["internal"], [])
        expect_words(village, a)
        expect_words(town, a)
        check_objects(village, a)
        check_packages(folder, d, village, a["origin"], 3)
        check_packages(folder, d, town, a["origin"], 2)

        # What came before the order stays until orders travel themselves; the
        # village's feed tells of it under a new number.
        events, cursor = feed(village)
        told = [(e["type"], e["data"]["erased"]) for e in events if e["subject"] == a["id"]]
        assert told == [("cundang.record.v1", {"personal": TOLD}), ("cundang.erasure.v1", {"personal": TOLD})], told
        told = [(e["type"], e["data"]["erased"]) for e in feed(town)[0] if e["subject"] == a["id"]]
        assert told == [("cundang.record.v1", {"personal": TOLD})], told
        destroy(village, (c["seq"], "personal"))
        village.start()
        events, cursor = feed(village, cursor)
        assert [(e["type"], e["subject"], e["time"], e["data"]["erased"]) for e in events] == \
            [("cundang.erasure.v1", c["id"], AT, {"personal": TOLD})], events
        assert feed(village, cursor) == ([], cursor)
        refused(village, lines[6])
        village.put(net.generate(VILLAGE, 3, seed=8, series="household"))
        settle(d, "the next records are above")
        expect(village, c, ["personal"], [])
        expect(town, c, [], ["sensitive"])

        # A disk put back to before the order, without a trace.
        village.stop()
        epoch.put_back(village, old)
        village.start()
        village.put(net.generate(VILLAGE, 2, seed=9, series="household"))
        settle(d, "the disk that was put back is settled")
        assert village.origin() != a["origin"]
        expect(town, a, ["personal"], ["sensitive"])
        name = json.loads(lines[2])["fields"]["members"][0]["name"]
        for n in (town, county):
            events, _ = feed(n)
            assert all("personal" not in e["data"]["fields"] and name not in json.dumps(e, ensure_ascii=False)
                       for e in events if e["subject"] == a["id"]), a["id"]
        for n in d.nodes.values():
            n.stop()
            n.run("fsck", "--rebuild")


if __name__ == "__main__":
    main()
