"""Goal: who was given personal data is on record before it leaves, once a day.

    county 330106000000 <---link--- township 330106110000

Complaints of the township go up, and a platform pulls them from the county's
feed.  Each giver's log has one register a day for each recipient, whatever
else goes and however often the daemons start; `cundang audit provision` tells
at both nodes who received a record, and each line is proved.  A node that
cannot put it on record gives nothing.  When the token leaks, the township's
machine is stolen or a package is lost, `cundang incident report` lists what
that reaches, and shows nobody's values.
"""
import hashlib
import json
import tempfile

import net

COUNTY, TOWNSHIP = "330106000000", "330106110000"
TOKEN = "platform-of-this-scenario"


def grant(folder):
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: platform\n    token_sha256: \"%s\"\n    labels: [public, internal, personal]\n"
        % hashlib.sha256(TOKEN.encode()).hexdigest())


def records(series, count, seed):
    return net.generate(TOWNSHIP, count, seed=seed, series=series, rate=0)


def lines(p):
    return [json.loads(x) for x in p.stdout.splitlines()]


def registers(node, giver):
    rows = lines(node.run("list", "--series", "sys-provision", "--limit", "1000", "--json"))
    return [node.json("show", "%s/%d" % (r["origin"], r["seq"])) for r in rows if r["origin"].split("/")[1] == giver]


def expect_one_a_day(node, giver, member, name):
    """One register a day; a test may run past midnight."""
    rows = [r for r in registers(node, giver) if r["fields"].get(member) == name]
    days = [r["fields"]["day"] for r in rows]
    assert rows and len(days) == len(set(days)) <= 2, rows
    assert all(r["rev"] == 1 for r in rows), rows
    return rows


def audited(node, about):
    return lines(node.run("audit", "provision", about, "--json"))


def check_up(d, county, town):
    put = town.put(records("complaint", 300, 1) + records("sensor", 20, 2))
    assert not registers(town, TOWNSHIP)
    town.link.up()
    d.settled()
    rows = expect_one_a_day(town, TOWNSHIP, "to", COUNTY)
    (item,) = rows[-1]["fields"]["given"]
    assert item["origin"] == town.origin() and item["labels"] == ["personal"] and item["from"] <= put[0]["seq"], item
    # The register itself went up, and begot none there.
    net.wait(lambda: len(registers(county, TOWNSHIP)) == len(rows), "the county has the register")
    assert not registers(county, COUNTY)
    return put


def check_tells(d, county, town, put):
    complaint, sensor = put[0], put[-1]
    net.wait(lambda: [x["state"] for x in audited(town, complaint["id"])] == ["received"], "the county's countersignature came")
    (line,) = audited(town, complaint["id"])
    assert line["to"] == COUNTY and line["labels"] == ["personal"] and line["record"]["seq"] == complaint["seq"], line
    assert audited(county, complaint["id"]) == [line]
    for node in (town, county):
        assert audited(node, sensor["id"]) == []
    place = "%s/%d" % (line["origin"], line["seq"])
    path = d.folder / "register.tlog-proof"
    county.run("show", place, "--proof", "-o", path)
    d.tools.run("verify", path, "--log", town.json("key", "show")["log"])
    text = town.run("audit", "provision", complaint["id"]).stdout
    assert COUNTY in text and "received" in text and "show %s --proof" % place in text, text
    chinese = {"LC_ALL": "zh_CN.UTF-8"}
    assert "已收到" in town.run("audit", "provision", complaint["id"], env=chinese).stdout
    assert "未向任何一方" in town.run("audit", "provision", sensor["id"], env=chinese).stdout
    assert town.run("audit", "provision", "0194bdb0-0000-7000-8000-000000000001", check=False).returncode == 3


def pull(county, token=TOKEN):
    seen, cursor = 0, ""
    while True:
        code, head, body = county.get("/v1/feed?limit=50&after=" + cursor, token=token)
        assert code == 200, (code, body)
        seen += body.count(b'"caller":{')
        if head["Cundang-Cursor"] == cursor:
            return seen
        cursor = head["Cundang-Cursor"]


def check_feed(county, town, put):
    pull(county, None)
    assert not registers(county, COUNTY)
    assert pull(county) == 300
    pull(county)
    row = expect_one_a_day(county, COUNTY, "consumer", "platform")[-1]
    assert [i["origin"] for i in row["fields"]["given"]] == [town.origin()], row
    # One by one it is no more.
    code, _, body = county.get("/v1/records/%s/%d" % (put[0]["origin"].split("/", 1)[1], put[0]["seq"]), token=TOKEN)
    assert code == 200 and b'"caller"' in body, body
    expect_one_a_day(county, COUNTY, "consumer", "platform")
    states = {x.get("to") or x["consumer"]: x["state"] for x in audited(county, put[0]["id"])}
    assert states == {COUNTY: "received", "platform": "open"}, states


def check_again(d, county, town):
    """More of the same day, and after a start, is on record already."""
    town.put(records("complaint", 20, 3))
    d.settled()
    town.stop()
    county.stop()
    county.start()
    town.start()
    put = town.put(records("complaint", 20, 4))
    d.settled()
    expect_one_a_day(town, TOWNSHIP, "to", COUNTY)
    assert pull(county) == 340
    expect_one_a_day(county, COUNTY, "consumer", "platform")
    assert [x["day"] for x in audited(county, put[0]["id"]) if x.get("to")], put[0]
    assert county.json("fsck")["ok"] and town.json("fsck")["ok"]


def check_incident(d, county, town):
    """Three losses, each told with and without a daemon."""
    tar, csv = d.folder / "lost.tar", d.folder / "lost.csv"
    town.run("archive", "create", "-o", tar)
    raw = [json.loads(x)["fields"]["caller"]["name"] for x in records("complaint", 300, 1).splitlines() if b'"caller"' in x][:20]
    assert len(raw) == 20, raw
    for _ in range(2):
        token = county.json("incident", "report", "--consumer", "platform", "-o", csv)
        assert token["records"] == 340 and token["about"] == {"consumer": "platform"}, token
        assert [(x["series"], x["label"], x["count"]) for x in token["data"]] == [("complaint", "personal", 340)], token
        assert token["data"][0]["fields"][0] == "来电人姓名" and 0 < token["persons"] <= 340, token
        assert [x["consumer"] for x in token["given"]] == ["platform"], token
        machine = county.json("incident", "report", "--node", TOWNSHIP)
        assert machine["records"] == 360 and [x["to"] for x in machine["given"]] == [], machine
        lost = town.json("incident", "report", "--package", tar)
        assert lost["records"] == 360 and lost["persons"] == machine["persons"], lost
        text = county.run("incident", "report", "--node", TOWNSHIP).stdout
        assert "360 records" in text and "来电人电话" in text, text
        for name in raw:
            assert name not in text + csv.read_text() + json.dumps(machine, ensure_ascii=False), name
        chinese = county.run("incident", "report", "--consumer", "platform", env={"LC_ALL": "zh_CN.UTF-8"}).stdout
        assert "340 条记录" in chinese and "至多" in chinese, chinese
        county.stop()
    county.start()
    for wrong, code in ((["--consumer", "nobody"], 3), (["--node", "330107000000"], 3), ([], 2),
                        (["--node", TOWNSHIP, "--series", "sensor"], 2), (["--package", csv], 1)):
        assert county.run("incident", "report", *wrong, check=False).returncode == code, wrong


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-scenario-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.enrol()
        d.edit(grant)
        d.publish()
        d.adopt()
        d.start(links=False)
        put = check_up(d, county, town)
        check_tells(d, county, town, put)
        check_feed(county, town, put)
        check_again(d, county, town)
        check_incident(d, county, town)


if __name__ == "__main__":
    main()
