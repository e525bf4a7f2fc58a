"""Goal: who may have counts only gets counts, and never one that tells of a few.

    county 330106000000 <---link--- township 330106110000 <---link--- villages 330106110201, 330106110203

Disputes are settled at two villages in one month.  How much risk is left in them
the county may not know of any one.  When the month is over, by its own clock,
the villages have told how many there were, what is restricted apart; the county
and its consumers add up what may be told.  What comes late changes none of it.
All programs run under a clock of their own (clock.c).
"""
import calendar
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import net
import orders

COUNTY, TOWNSHIP, VILLAGE, OTHER = "330106000000", "330106110000", "330106110201", "330106110203"
TOKENS = {"statistics": "of mediation", "cases": "of service-case"}
CHINESE = {"LC_ALL": "zh_CN.UTF-8"}


def set_clock(text):
    """Every program that starts from now on; `text` at +08:00."""
    at = calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M")) - 8 * 3600
    os.environ["CLOCK_SHIFT"] = str(int(at - time.time()))


def consumers(folder):
    (folder / "consumers.yaml").write_text("consumers:\n" + "".join(
        "  - {name: %s, token_sha256: \"%s\", labels: [public, internal], series: [%s]}\n"
        % (name, hashlib.sha256(token.encode()).hexdigest(), token[3:]) for name, token in TOKENS.items()))


def put(node, counts, day="2026-04-20"):
    """So many settled disputes by the risk that is left."""
    docs = net.generate(node.code, sum(counts.values()), seed=int(node.code) % 1000, series="mediation", rate=0).splitlines()
    risks = [risk for risk, count in counts.items() for _ in range(count)]
    lines = []
    for doc, risk in zip(map(json.loads, docs), risks):
        doc.pop("id", None)
        doc.pop("attachments", None)
        doc["created_at"] = day + "T10:00:00+08:00"
        doc["fields"].update(risk=risk, outcome="达成协议")
        lines.append(json.dumps(doc, ensure_ascii=False).encode() + b"\n")
    return node.put(b"".join(lines))


def sums(node, *words):
    p = node.run("aggregate", "mediation", *words, "--json", check=False)
    assert p.returncode in (0, 3), p
    return [json.loads(x) for x in p.stdout.splitlines()]


def risks(row):
    (cells,) = [t["cells"] for t in row["by"] if t["field"] == "risk"]
    return {c["value"]: (c["count"], c["withheld"]) for c in cells}


def told(node):
    """The sys-aggregate records at a node, as they are."""
    rows = node.run("list", "--series", "sys-aggregate", "--limit", "1000", "--json").stdout.splitlines()
    return [node.json("show", "%s/%d" % (r["origin"], r["seq"])) for r in map(json.loads, rows)]


def restart(d, clock):
    """Each node has something countersigned on that day, or it learns of the day a minute later."""
    for n in d.nodes.values():
        n.stop()
    set_clock(clock)
    d.start()
    for n in d.nodes.values():
        put(n, {"低": 1}, clock[:10])


def check_before(county):
    p = county.run("aggregate", "mediation", check=False)
    assert p.returncode == 3 and "10 days after its end" in p.stderr, p
    p = county.run("aggregate", "household", check=False, env=CHINESE)
    assert p.returncode == 3 and "规则未要求统计" in p.stderr, p
    assert county.run("aggregate", "mediation", "--month", "2026-13", check=False).returncode == 2


def check_counts(county, village, other):
    net.wait(lambda: [r["divisions"] for r in sums(county)] == [4], "all four told the county: %s" % sums(county))
    (row,) = sums(county)
    assert (row["month"], row["total"], row["withheld"]) == ("2026-04", 31, 0), row
    # 中 goes with 高, so that 3 cannot be worked out from 24 - 12 - 9.
    assert risks(row) == {"低": (19, 0), "中": (0, 1), "高": (0, 1), "": (0, 1)}, row
    (row,) = sums(county, "--node", VILLAGE)
    assert risks(row) == {"低": (12, 0), "中": (0, 1), "高": (0, 1), "": (0, 1)} and row["divisions"] == 1, row
    (row,) = sums(county, "--node", OTHER, "--month", "2026-04")
    assert risks(row) == {"低": (7, 0), "中": (0, 0), "高": (0, 0), "": (0, 0)}, row
    assert sums(county, "--month", "2026-03") == []
    assert sums(village) == sums(county, "--node", VILLAGE) and sums(other) == sums(county, "--node", OTHER)
    text = county.run("aggregate", "mediation").stdout
    assert "4 divisions told" in text and "+ too few to tell in 1 division" in text, text
    text = county.run("aggregate", "mediation", env=CHINESE).stdout
    assert "4 个区划已报送" in text and "风险等级" in text and "因数量过少不公布" in text, text


def check_small(county, records):
    """Nothing at the county tells of a few, or of any one."""
    for doc in told(county):
        cells = [c for t in doc["fields"]["by"] for c in t["cells"]] + [{"count": doc["fields"].get("total", 0)}]
        assert not any(0 < c.get("count", 0) < 5 for c in cells), doc
    for r in records:
        doc = county.json("show", "%s/%d" % (r["origin"], r["seq"]))
        assert "risk" not in doc.get("fields", {}), doc


def events(node, token):
    code, _, body = node.get("/v1/feed?limit=1000&series=sys-aggregate", token=token)
    assert code == 200, body
    return [json.loads(x)["data"]["fields"] for x in body.splitlines()]


def check_feed(county):
    about = events(county, TOKENS["statistics"])
    assert len(about) == 4 and {f["series"] for f in about} == {"mediation"}, about
    assert sum(f["total"] for f in about) == 31, about
    assert events(county, TOKENS["cases"]) == [] and events(county, None) == []


def check_late(d, county, village):
    """A month is told once: another version of it would tell what came late."""
    before = [doc for doc in told(county) if doc["fields"]["month"] == "2026-04"]
    put(village, {"高": 2}, "2026-04-30")
    put(village, {"中": 5}, "2026-05-12")
    d.tools.run("governance", "publish", d.gov, "--renew")
    d.sign()
    d.adopt()
    d.ruled()
    restart(d, "2026-06-11 09:00")
    net.wait(lambda: [r["divisions"] for r in sums(county)] == [4, 4], "all four told of May: %s" % sums(county))
    april, may = sums(county)
    assert risks(april)["低"] == (19, 0) and april["total"] == 31, april
    assert may["total"] == 6 and may["withheld"] == 3, may
    assert [doc for doc in told(county) if doc["fields"]["month"] == "2026-04"] == before


def check_privacy(d):
    d.settled()
    feeds = [x for n in d.nodes.values() for x in ("--feed", "http://127.0.0.1:%d" % n.http)]
    p = subprocess.run([sys.executable, str(net.ROOT / "scripts/check-privacy"), *feeds, *(str(n.data) for n in d.nodes.values())],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "CUNDANG": d.tools.cundang})
    assert p.returncode == 0, p.stdout


def main():
    build = pathlib.Path(net.Tools().cundang).parent.parent
    os.environ["LD_PRELOAD"] = str(build / "tests/scenario/clock.so")
    set_clock("2026-04-20 12:00")
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        desk = orders.Desk(d, pathlib.Path(folder))
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village, other = d.node(VILLAGE, town), d.node(OTHER, town)
        d.enrol()
        d.edit(consumers)
        d.publish()
        d.adopt()
        d.start()
        d.ruled()
        records = put(village, {"低": 13, "中": 9, "高": 3}) + put(other, {"低": 7})
        path, order = desk.write(village, "restrict", "add", "--record", records[0]["id"], "--reason", "PIPL 47")
        desk.sign(path, 1)
        desk.enter(village, path)
        d.settled()
        check_before(county)
        restart(d, "2026-05-13 09:00")
        check_counts(county, village, other)
        check_small(county, records)
        check_feed(county)
        check_late(d, county, village)
        check_privacy(d)


if __name__ == "__main__":
    main()
