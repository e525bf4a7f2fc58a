"""Goal: what damage took for good is told once, and holds up nothing else.

    county 330106000000 <---link--- township 330106110000

While the link is down, blocks of two of the township's newest records are
damaged: nobody else holds them.  After `cundang repair` a new log goes on with
all that is whole, and repair, status and why say so; fsck ends with 0.  Then
the township loses all segments and the index: repair and status say what is
known of the log, and the county keeps what it has.
"""
import json
import shutil
import tempfile

import net
from repair import ENTRIES, PARTS, flip, items

COUNTY, TOWN = "330106000000", "330106110000"
ZH = {"LC_ALL": "zh_CN.UTF-8", "LANGUAGE": ""}
FIRST = slice(24, 32)


def block_of(node, kind, seq):
    """The middle of the payload of a block that begins with the record."""
    path = node.data / "segments/00000001.seg"
    data = path.read_bytes()
    for at, k, _, _, head, n in items(path):
        if k == kind and int.from_bytes(data[at:][FIRST], "big") == seq and data[at + 19] == 1:
            return path, at + head + n // 2
    raise AssertionError("no block of kind %d begins with %d" % (kind, seq))


def feed(node):
    cursor, seen = "", []
    while True:
        code, head, body = node.get("/v1/feed?limit=100&after=" + cursor)
        if code != 200:
            return seen, json.loads(body)["error"]
        seen += [json.loads(x)["subject"] for x in body.splitlines()]
        if head["Cundang-Cursor"] == cursor:
            return seen, None
        cursor = head["Cundang-Cursor"]


def repair(node):
    p = node.run("repair", "--json", check=False)
    assert p.stdout, (p.returncode, p.stderr)
    return p.returncode, json.loads(p.stdout)


def listed(node, code):
    p = node.run("list", "--json", "--from", code, "--limit", "1000", check=False)
    return {json.loads(x)["id"] for x in p.stdout.splitlines()}


def complete(town):
    net.wait(lambda: town.peer(COUNTY)["complete"], "the township is complete")


def check_held(county, town):
    """Two of eight records are damaged before they go up."""
    first = town.put(net.generate(TOWN, 20, seed=1))
    complete(town)
    town.link.down()
    alone = [town.put(one)[0] for one in net.generate(TOWN, 8, seed=2).splitlines(True)]
    town.stop()
    lost = [alone[2], alone[5]]
    for record, kind in zip(lost, (ENTRIES, PARTS)):
        flip(*block_of(town, kind, record["seq"]))
    town.start()
    town.link.up()
    net.wait(lambda: "cundang repair" in town.peer(COUNTY)["waiting_for"], "the township's log is held up")
    whole = {r["id"] for r in first + alone if r not in lost}
    return whole, lost


def check_renewed(county, town, whole, lost):
    before = town.origin()
    assert town.run("fsck", check=False).returncode == 7
    code, told = repair(town)
    assert code == 7 and told["renewed"] == 1 and told["entered"] == 6 and told["faults"] == [], (code, told)
    assert [(r["origin"], r["seq"], r["entry"]) for r in told["lost"]] == \
        [(before, r["seq"], True) for r in lost], told["lost"]
    assert town.origin() != before
    complete(town)
    assert listed(county, TOWN) == whole, "the county has all but what is lost"
    p = town.run("fsck", check=False)
    assert p.returncode == 0 and "2 records" in p.stdout and "all good" not in p.stdout, p.stdout
    for args in (["status"], ["why", COUNTY]):
        p = town.run(*args)
        assert "no other node held them" in p.stdout and "entered again: 6" in p.stdout, p.stdout
        assert "没有其他节点" in town.run(*args, env=ZH).stdout
    assert town.run("status").stdout.count("00000001") == 0
    seen, error = feed(town)
    assert error is None, error


def check_once(county, town, whole, lost):
    """What was dealt with stays so; what is lost is told by repair at any time."""
    whole |= {r["id"] for r in town.put(net.generate(TOWN, 5, seed=3))}
    complete(town)
    town.stop()
    shutil.rmtree(town.data / "index")
    (town.data / "epochs").unlink()
    town.start()
    complete(town)
    origin = town.origin()
    code, told = repair(town)
    assert code == 7 and told["renewed"] == 0 and len(told["lost"]) == 2, told
    assert town.origin() == origin
    text = town.run("repair", check=False, env=ZH).stdout
    assert all("/%d" % r["seq"] in text for r in lost), text
    complete(town)
    assert listed(county, TOWN) == whole
    assert town.run("fsck", check=False).returncode == 0
    assert feed(town)[1] is None


def check_gone(county, town, whole):
    """All segments and the index are gone."""
    before, size = town.origin(), town.status()["size"]
    town.stop()
    town.link.down()
    for p in (town.data / "segments").iterdir():
        p.unlink()
    shutil.rmtree(town.data / "index")
    town.start()
    assert town.origin() != before
    for lang in ({}, ZH):
        text = town.run("status", env=lang).stdout
        assert before in text and str(size) in text, text
    town.stop()
    town.start()
    code, told = repair(town)
    assert code == 7 and told["cut"] == {"gone": True, "had": size, "held": 0, "origin": before}, told
    town.link.up()
    new = {r["id"] for r in town.put(net.generate(TOWN, 4, seed=4))}
    complete(town)
    p = town.run("repair", check=False)
    assert p.returncode == 7 and before in p.stdout and "nothing to repair" not in p.stdout, p.stdout
    assert str(size) in p.stdout and "not taken back" in p.stdout, p.stdout
    assert "无需修复" not in town.run("repair", check=False, env=ZH).stdout
    text = town.run("status").stdout
    assert before in text and "kept there" in text, text
    assert listed(county, TOWN) == whole | new


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWN, county)
        d.enrol()
        d.start()
        complete(town)
        whole, lost = check_held(county, town)
        check_renewed(county, town, whole, lost)
        check_once(county, town, whole, lost)
        check_gone(county, town, whole)
        print("%d records whole, %d lost, and the log went on" % (len(whole), len(lost)))


if __name__ == "__main__":
    main()
