"""Goal: each node knows by itself what may be destroyed by now, and by whose clock.

    a county 330106000000 above a township 330106110000

Before a node above has countersigned the township's log it lists nothing and
says why.  Then both list the same, whatever the zone of the machine: not the
open case, not what was made this year.  Parts of a series that says so go by
themselves then.  A proposal is a register that people
print and programs read, and an order that names it.
"""
import base64
import csv
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import net

COUNTY, TOWN = "330106000000", "330106110000"


def listed(node, *args, **kw):
    p = node.run("disposal", "list", "--json", *args, **kw)
    return [g for g in map(json.loads, p.stdout.splitlines()) if g["series"] != "public-health"]


def documents():
    """A closed case and an open one of 2010, and one of this year."""
    lines = net.generate(TOWN, 200, "old").splitlines()
    cases = [d for d in map(json.loads, lines) if d["series"] == "service-case" and d["fields"].get("closed_at")]
    old, still, new = cases[:3]
    for d in (old, still):
        d["created_at"] = "2010-03-01T09:00:00+08:00"
    old["fields"]["closed_at"] = "2010-12-31T23:30:00+08:00"  # in 2011 further east, at noon in New York
    del still["fields"]["closed_at"]
    for d in (old, still, new):
        d.pop("attachments", None)
    return [json.dumps(d, ensure_ascii=False).encode() + b"\n" for d in (old, still, new)]


def check_never_connected(town):
    p = town.run("disposal", "list", "--json", check=False)
    assert p.returncode == 4 and not p.stdout, p
    assert "no node above has countersigned" in p.stderr, p
    p = town.run("disposal", "list", check=False, env={"LC_ALL": "zh_CN.UTF-8"})
    assert "还没有上级节点签收过" in p.stderr and "不会销毁" in p.stderr, p


def check_list(node, receipt):
    groups = listed(node)
    assert [g["label"] for g in groups] == ["public", "internal", "personal", "sensitive"], groups
    for g in groups:
        assert g["origin"] == receipt["origin"] and g["series"] == "service-case", g
        assert (g["since"], g["period"], g["count"]) == ("2021-01-01", "D10", 1), g
        assert g["seqs"] == [[receipt["seq"], receipt["seq"] + 1]], g
        assert (g["first_year"], g["last_year"]) == (2010, 2010), g
    for zone in ("America/New_York", "Asia/Shanghai", "Pacific/Kiritimati"):
        assert listed(node, env={"TZ": zone}) == groups, zone
    assert listed(node, "--labels", "sensitive") == groups[3:]
    assert listed(node, "--from", COUNTY) == groups
    assert listed(node, "--series", "alert") == []
    said = node.run("disposal", "list")
    assert "2021-01-01  D10" in said.stdout and "service-case" in said.stdout, said
    assert "parts may be destroyed" in said.stderr and "still open" in said.stderr, said


def check_proposal(node, folder, receipt, officers):
    out = folder / "proposal"
    said = node.json("disposal", "propose", "-o", out, "--reason", "鉴定 2026-7", "--series", "service-case")
    assert (said["count"], said["left"]) == (4, 0), said
    text = (out / "disposal.order").read_bytes()
    order, register = json.loads(text), (out / "register.json").read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(register).digest()).rstrip(b"=").decode()
    assert order["kind"] == "erase" and order["register"] == digest and order["order"] == said["order"], order
    for part in order["parts"]:
        assert part["origin"] == receipt["origin"] and part["seqs"] == [[receipt["seq"], receipt["seq"] + 1]], part
    rows = json.loads(register)["rows"]
    assert [r["label"] for r in rows] == ["public", "internal", "personal", "sensitive"], rows
    utf8 = (out / "register.csv").read_bytes()
    assert utf8.startswith(b"\xef\xbb\xbf") and (out / "register-gb18030.csv").read_bytes().decode("gb18030") == utf8[3:].decode()
    table = list(csv.DictReader(io.StringIO(utf8[3:].decode())))
    assert table[0]["名称"] and table[0]["起止年度"] == "2010" and table[0]["应保管期限"] == "10年", table[0]
    assert table[0]["卷号"] == table[0]["册号"] == table[0]["档号"] == table[0]["销毁时间"] == "", table[0]
    assert "<h1>电子档案销毁清册</h1>" in (out / "register.html").read_text()
    # Stock tools sign it, and the same parts on the same day give the same register.
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "cundang-approval", "-f", str(officers[0]), str(out / "disposal.order")], check=True)
    again = folder / "again"
    node.run("disposal", "propose", "-o", again, "--reason", "鉴定 2026-7", "--series", "service-case")
    if json.loads((again / "register.json").read_bytes())["as_of"] == json.loads(register)["as_of"]:
        for name in ("register.json", "register.csv", "register-gb18030.csv", "register.html"):
            assert (again / name).read_bytes() == (out / name).read_bytes(), name
    for args, code in ((("-o", out, "--reason", "x"), 9), (("-o", folder / "none", "--reason", "x", "--series", "alert"), 3),
                       (("-o", folder / "none"), 2), (("-o", folder / "none", "--reason", "x" * 300), 2)):
        assert node.run("disposal", "propose", *args, check=False).returncode == code, args
    assert not (folder / "none").exists()


def report(name, purge_at):
    return json.dumps({"series": "public-health", "node": TOWN, "created_at": "2010-03-01T09:00:00+08:00", "fields": {
        "report_no": "r-" + purge_at, "disease_class": "流感", "name": name, "purge_at": purge_at}}, ensure_ascii=False).encode() + b"\n"


def check_automatic(node, ended, lasting):
    """The root knows what day it is: what is over goes by itself, and the record of it is in its log."""
    gone = net.wait(lambda: node.json("show", ended["id"]).get("erased"), "what is over went by itself")
    assert sorted(gone) == ["personal", "sensitive"] and gone["sensitive"]["why"] == "automatic", gone
    assert not node.json("show", lasting["id"]).get("erased")
    said = [json.loads(x) for x in node.run("list", "--json", "--system", "--series", "sys-disposal").stdout.splitlines()]
    assert len([x for x in said if x["origin"] == node.origin()]) == 1, said  # the township tells of its own copies

    def dump():
        return node.run("store", "dump", text=False).stdout
    # It is told before the last key of what it was is gone.
    net.wait(lambda: "甄永别".encode() not in dump(), "nothing opens it any more")
    assert "甄长留".encode() in dump()


def check_mistakes(node):
    for args, code in ((("--series", "nothing"), 3), (("--from", "12"), 2), (("--labels", "secret"), 2)):
        assert node.run("disposal", "list", *args, check=False).returncode == code, args


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-retention-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWN, county)
        lines = documents()
        receipt = town.put(lines[0])[0]
        ended, lasting = county.put(report("甄永别", "2010-06-30") + report("甄长留", "2999-06-30"))
        check_never_connected(town)
        d.enrol()
        d.start()
        town.put(b"".join(lines[1:]))
        d.settled()
        check_automatic(county, ended, lasting)
        net.wait(town.countersigned, "the county's cosignature came back")
        check_list(town, receipt)
        check_list(county, receipt)
        check_mistakes(county)
        check_proposal(county, pathlib.Path(folder), receipt, d.officers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
