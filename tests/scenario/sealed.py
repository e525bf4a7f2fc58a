"""Goal: what is sealed goes up to the people of its role, and nobody on the way can read it.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201

The village captures reports about a child.  The county and the township carry
them: each holds a message that it cannot open, and no byte of what is in it.
The role's officer opens it at the county, with this program and with stock
openssl; so does the recovery key.  Each time another person approved before, at
the village too, which shows its own masked and finds in them what a person asks
for.  Accounts are real ones where this runs as root; elsewhere nobody approves.  Both verifiers take the archive, and tell a message that
is not the one of its entry.  Destroyed under an order it is gone everywhere.
When a record may go only the village knows; what goes by itself there the county
lists for its officers.
"""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import access
import memory
import net
import orders

COUNTY, TOWNSHIP, VILLAGE = "330106000000", "330106110000", "330106110201"
ID = "0194bdb0-0000-7000-8000-000000000001"
PARENT = "11010519491231002X"
CHILD, SITUATION, REASON = "张小明", "独自在家，身上有伤，监护人 " + PARENT, "核对受理"
SECRETS = [x.encode() for x in (CHILD, SITUATION, "minor-protection", ID, "T-0815", "RB-77")]


def document(about=ID, **more):
    return json.dumps({"series": "minor-protection", "id": about, "node": VILLAGE, "created_at": "2026-04-22T17:48:35+08:00",
                       "fields": {"report_no": "RB-77", "type": "伤害", "minor_token": "T-0815", "name": CHILD,
                                  "situation": SITUATION, "found_at": "2026-04-22T17:00:00+08:00", **more}},
                      ensure_ascii=False).encode() + b"\n"


def new_key(folder, name):
    """As docs/rules.md says: what goes into seals.yaml."""
    pem = folder / (name + ".pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(pem)],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(pem, 0o644)
    der = subprocess.run(["openssl", "pkey", "-in", str(pem), "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE)
    return base64.b64encode(der.stdout).decode()


def seal_series(folder):
    for name, role in (("minor-protection", "child-protection"), ("special-rehab", "rehabilitation")):
        path = folder / ("series/%s.yaml" % name)
        text = path.read_text()
        assert "\nattachments: sensitive\n" in text
        path.write_text(text.replace("\nattachments: sensitive\n", "\nattachments: none\nsealed: %s\n" % role))


def seals(folder, keys):
    domain = folder / "domain.yaml"
    domain.write_text(domain.read_text() + "waiting_days: \"0\"\n")
    (folder / "seals.yaml").write_text(
        "recovery: \"%s\"\nrecipients:\n" % keys["recovery"] + "".join(
            "  - {name: %s, role: %s, scope: \"%s\", key: \"%s\"}\n" % (name, role, scope, keys[name])
            for name, role, scope in (("officer3", "child-protection", COUNTY), ("officer4", "rehabilitation", COUNTY))))


def check_rules(d, folder, keys):
    """A sealed series that nobody could open is no rule."""
    stays = ["minor-protection", "special-rehab"]
    said = d.tools.json("governance", "check", d.gov)
    assert said["ok"] and said["stays"] == stays, said
    p = d.tools.run("governance", "check", d.gov)
    assert all("series/%s.yaml: no rank may hold" % x in p.stdout for x in stays), p.stdout
    d.edit(seal_series)
    p = d.tools.run("governance", "check", d.gov, check=False)
    assert p.returncode and "sealed: child-protection" in p.stdout + p.stderr, p.stdout + p.stderr
    d.edit(lambda f: seals(f, keys))
    assert d.tools.json("governance", "check", d.gov)["stays"] == []
    diff = d.tools.run("governance", "diff", d.gov).stdout
    assert "sealed" in diff and "officer3" in diff, diff
    d.publish()


def files_lack(node, texts):
    """Neither the files nor what this node's keys open in them."""
    orders.dump_lacks(node, texts)
    for path in node.data.rglob("*"):
        if path.is_file() and "governance.git" not in path.parts:
            data = path.read_bytes()
            for t in texts:
                assert t not in data, (path, t.decode())
    for args in (["list", "--system", "--limit", "1000"], ["audit", "access"], ["status"]):
        p = node.run(*args, text=False)
        for t in texts:
            assert t not in p.stdout + p.stderr, (args, p.stdout.decode())


def place(receipt):
    return "%s/%d" % (receipt["origin"], receipt["seq"])


def check_put(village, receipt):
    assert receipt["id"] == ID and receipt["rev"] == 1, receipt
    assert village.put(document()) == [receipt]
    other = village.put(document(action="已送医"))[0]
    assert other["id"] == ID and other["rev"] == 2 and other["seq"] > receipt["seq"], other
    assert village.put(document(action="已送医")) == [other]
    answer = village.put(document(about=ID[:-1] + "2", found_at="later"), check=False)
    assert "found_at" in answer[0]["error"]["text"], answer
    return other


@contextlib.contextmanager
def people(node):
    """A clerk and who approves; the owner alone again afterwards."""
    before = (node.data / "node.yaml").read_text()
    node.stop()
    access.name_accounts(node)
    node.start()
    yield [access.Person(node, x) for x in (access.CLERK, access.APPROVER)]
    node.stop()
    (node.data / "node.yaml").write_text(before)
    node.start()


def seen(two, *args, code=0):
    """What a clerk is shown once it was approved."""
    clerk, approver = two
    p = access.exits(clerk.run(*args), 5)
    assert CHILD not in p.stdout + p.stderr and SITUATION not in p.stdout + p.stderr, p
    access.exits(approver.run("reveal", "--approve", re.search(r"request ([0-9a-f-]{36})", p.stderr).group(1)), 0)
    return access.exits(clerk.run(*args), code)


def check_attachments(village, folder):
    """A file beside a message would be read on the way: there is none."""
    data = b"a child's face, as bytes" * 50
    digest = hashlib.sha256(data).hexdigest()
    (folder / digest).write_bytes(data)
    doc = json.loads(document(about=ID[:-1] + "3"))
    doc["attachments"] = [{"media_type": "text/plain", "name": "photo.txt", "sha256": digest, "size": len(data)}]
    before = sorted(village.data.rglob("attachments/**/*"))
    answer = village.put(json.dumps(doc, ensure_ascii=False).encode() + b"\n", attachments=folder, check=False)
    assert "minor-protection is sealed, and takes none" in answer[0]["error"]["text"], answer
    assert sorted(village.data.rglob("attachments/**/*")) == before
    assert village.run("show", doc["id"], check=False).returncode == 3


def check_subject(village, county, receipts):
    """Who asks finds what was written of them, where it can be read; it is shown by reveal alone."""
    asked = {"stdin": PARENT + "\n"}
    found = village.json("subject", "find", "--reason", REASON, **asked)["found"]
    assert [(x["series"], x["id"], x["seq"]) for x in found] == [("minor-protection", ID, r["seq"]) for r in receipts], found
    assert PARENT not in json.dumps(found) and found[0]["where"][0]["path"] == "situation", found
    assert county.json("subject", "find", "--reason", REASON, **asked)["found"] == []
    out = village.data / "copy.ndjson"
    p = village.run("subject", "export", "--reason", REASON, "-o", out, check=False, **asked)
    assert "sealed: cundang reveal" in p.stderr, p.stderr
    assert not out.exists() or not out.read_bytes()
    looks = village.run("audit", "access", "--json").stdout
    assert ID not in looks and "minor-protection" not in looks, looks


def check_shown(village, receipt):
    """Masked to all; whole to nobody alone."""
    for name in (ID, place(receipt)):
        doc = village.json("show", name)
        assert doc["series"] == "minor-protection" and doc["id"] == ID and doc["rev"] == receipt["rev"], doc
        assert doc["fields"]["report_no"] == "RB-77" and CHILD not in json.dumps(doc, ensure_ascii=False), doc
    p = village.run("reveal", ID, "--reason", REASON, check=False)
    assert p.returncode and "another person" in p.stderr and CHILD not in p.stdout + p.stderr, p
    p = village.run("reveal", ID, "--reason", REASON, "--field", "name", check=False)
    assert p.returncode == 2, p


def check_other(village, county, folder):
    """Of another role: nobody of the first opens anything of it."""
    doc = {"series": "special-rehab", "node": VILLAGE, "created_at": "2026-05-03T09:00:00+08:00",
           "fields": {"person_token": "T-0816", "program": "社区康复", "competent_body": "民政局", "term_from": "2026-05-01"}}
    receipt = village.put(json.dumps(doc).encode() + b"\n")[0]
    net.wait(lambda: village.origin() in county.logs() and county.logs()[village.origin()][0] > receipt["seq"], "it is above")
    args = ["unseal", place(receipt), "--reason", REASON, "--key"]
    if os.geteuid() == 0:
        with people(village) as two:
            shown = json.loads(seen(two, "reveal", receipt["id"], "--reason", REASON, "--json").stdout)["document"]
            assert shown["fields"]["person_token"] == "T-0816" and shown["series"] == "special-rehab", shown
        with people(county) as two:
            seen(two, *args, folder / "officer3.pem", code=4)
            p = seen(two, *args, folder / "officer4.pem", "--json")
            assert json.loads(p.stdout)["fields"]["person_token"] == "T-0816"
    looks = village.run("audit", "access", "--json").stdout
    assert "special-rehab" not in looks and receipt["id"] not in looks, looks


def check_relay(node, receipt):
    """A relay knows that there is something, and of when, by the month."""
    doc = node.json("show", place(receipt))
    assert doc["series"] == "sealed" and doc["fields"] == {} and doc["masked"] == ["sensitive"], doc
    assert doc["created_at"] == "2026-04-01T00:00:00+08:00" and doc["id"] != ID, doc
    assert node.run("show", ID, check=False).returncode == 3
    files_lack(node, SECRETS)
    for text in SECRETS[:2]:
        assert not memory.has(node, text), (node.code, text.decode())
    return doc["id"]


def check_unseal(county, receipt, folder):
    """Who has the key opens it here or with stock openssl, after another person approved that it is given to them."""
    args = ["unseal", place(receipt), "--reason", REASON]
    p = county.run(*args, "--key", folder / "officer3.pem", check=False)
    assert p.returncode == 5 and "another person" in p.stderr and CHILD not in p.stdout + p.stderr, p
    if os.geteuid() != 0:
        return None
    with people(county) as two:
        for name in ("officer3", "recovery"):
            doc = json.loads(seen(two, *args, "--key", folder / (name + ".pem"), "--json").stdout)
            assert doc["id"] == ID and doc["fields"]["name"] == CHILD and doc["fields"]["situation"] == SITUATION, doc
        assert CHILD in seen(two, *args, "--key", folder / "officer3.pem").stdout
        p = seen(two, *args, "--key", folder / "officer4.pem", code=4)
        assert CHILD not in p.stdout + p.stderr, p
        seen(two, *args, "-o", folder / "x.cms")
    looks = [json.loads(x)["access"] for x in county.run("audit", "access", "--json").stdout.splitlines()]
    assert [x["record"]["series"] for x in looks if x["result"] == "shown"] == ["sealed"] * 5, looks
    assert [x["account"] for x in looks if x["result"] == "approved"] == [access.APPROVER] * 5, looks
    plain = subprocess.run(["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(folder / "x.cms"), "-inkey",
                            str(folder / "officer3.pem")], check=True, stdout=subprocess.PIPE).stdout
    v = json.loads(plain)
    assert len(plain) == 4096 and v["parts"]["sensitive"]["name"] == CHILD and v["rev"] == 1, v
    return (folder / "x.cms").read_bytes()


def old_documents():
    """A report that was closed in 1990, and notes of a term that ended in 2010."""
    closed = json.loads(document(about=ID[:-1] + "8", found_at="1990-04-22T17:00:00+08:00", closed_at="1990-06-01T09:00:00+08:00"))
    closed["created_at"] = "1990-04-22T17:48:35+08:00"
    term = {"series": "special-rehab", "id": ID[:-1] + "9", "node": VILLAGE, "created_at": "2010-02-03T09:00:00+08:00",
            "fields": {"person_token": "T-0817", "program": "社区矫正", "competent_body": "司法所", "term_from": "2010-02-01",
                       "term_to": "2010-06-30"}}
    return b"".join(json.dumps(x, ensure_ascii=False).encode() + b"\n" for x in (closed, term))


def due_at(node, *args):
    return [json.loads(x) for x in node.run("disposal", "list", "--json", *args).stdout.splitlines()]


def check_retention(d, county, village, closed, term, folder):
    """The village can tell when; the rest only what went there by itself.  An order reaches every copy."""
    for receipt, says in ((closed, "2021-01-01"), (term, "")):
        label = village.json("audit", "retention", receipt["id"])["labels"][0]
        assert label["label"] == "sensitive" and label.get("since", "") == says, label
    p = county.run("audit", "retention", place(closed))
    assert "is sealed: only " + VILLAGE in p.stdout, p.stdout
    assert county.json("audit", "retention", place(closed))["labels"][0]["state"] == "sealed"
    group, = due_at(village)
    assert group["series"] == "minor-protection" and group["label"] == "sensitive", group
    assert (group["since"], group["period"], group["seqs"]) == ("2021-01-01", "D30", [[closed["seq"], closed["seq"] + 1]]), group
    assert due_at(village, "--series", "sealed") == [group]
    # What goes by itself is not told by name: nobody above learns of what series it was.
    group, = net.wait(lambda: due_at(county), "the county knows what went at the village")
    assert group["series"] == "sealed" and group["since"] == "2011-01-31", group
    assert group["seqs"] == [[term["seq"], term["seq"] + 1]], group
    assert "cannot tell" in county.run("disposal", "list").stderr
    assert "special-rehab" not in county.run("show", group["origin"] + "/%d" % (village.logs()[group["origin"]][0] - 1)).stdout
    desk, done = orders.Desk(d, folder), []
    for node, receipt, name in ((village, closed, "minor-protection"), (county, term, "sealed")):
        out = folder / ("proposal-" + node.code)  # a register is read above: it tells no more than that
        said = node.json("disposal", "propose", "-o", out, "--reason", "鉴定 2026-3", "--series", name)
        assert (said["count"], said["left"]) == (1, 0), said
        row, = json.loads((out / "register.json").read_bytes())["rows"]
        assert row["series"] == "sealed" and row["name"] == "密封记录" and row["seqs"] == [[receipt["seq"], receipt["seq"] + 1]], row
        desk.sign(out / "disposal.order", 1, 2)
        done.append((desk.enter(county, out / "disposal.order"), receipt))
    for order, receipt in done:
        for n in d.nodes.values():
            orders.state(n, order, "done")
            assert "sensitive" in n.json("show", place(receipt))["erased"], (n.code, receipt)
    assert due_at(village) == due_at(county) == []


def verifies(d, tar):
    """Both verifiers' words about it."""
    ours = d.tools.run("verify", tar, "--root", d.root, "--json", check=False)
    p = subprocess.run([sys.executable, str(net.ROOT / "scripts/verify_package.py"), str(tar), "--root", d.root, "--json"],
                       stdout=subprocess.PIPE)
    return json.loads(ours.stdout), json.loads(p.stdout)


def check_archive(d, county, receipt, message, folder):
    tar = folder / "village.tar"
    county.run("archive", "create", "--origin", VILLAGE, "-o", tar)
    assert all(v["ok"] for v in verifies(d, tar)), verifies(d, tar)
    with tarfile.open(tar) as t:
        name = next(n for n in t.getnames() if n.endswith("records/sealed.sensitive.ndjson"))
        lines = [json.loads(x) for x in t.extractfile(name).read().splitlines()]
    line = next(x for x in lines if x["seq"] == receipt["seq"])
    text = line["part"]["cms"]
    stored = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert message in (None, stored)
    shutil.copy(tar, folder / "altered.tar")
    data = (folder / "altered.tar").read_bytes()
    at = data.index(text[-40:-20].encode())
    (folder / "altered.tar").write_bytes(data[:at] + (b"B" if data[at:at + 1] == b"A" else b"A") + data[at + 1:])
    for v in verifies(d, folder / "altered.tar"):
        assert not v["ok"] and "record %d" % receipt["seq"] in json.dumps(v), v
    return stored


def check_erasure(d, nodes, receipts, folder):
    """By the id, at the village; or by its places, anywhere."""
    desk = orders.Desk(d, folder)
    county, village = nodes[0], nodes[-1]
    path, order = desk.write(village, "erase", ID, "--reason", "PIPL 47, request 3")
    named = json.loads(path.read_text())["parts"]
    assert sum(b - a for p in named for a, b in p["seqs"]) == len(receipts), named
    assert {p["label"] for p in named} == {"sensitive"}, named
    desk.sign(path, 1, 2)
    desk.enter(county, path)
    for n in nodes:
        orders.state(n, order, "done")
        for r in receipts:
            doc = n.json("show", place(r))
            assert doc["series"] == "sealed" and "sensitive" in doc["erased"], doc
    answer = village.put(document(), check=False)
    assert answer[0]["error"]["code"] == "erased", answer


def main():
    memory.overwrite_freed()
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name) / "desk"
        folder.mkdir()
        os.chmod(name, 0o711)
        os.chmod(folder, 0o777)
        keys = {x: new_key(folder, x) for x in ("recovery", "officer3", "officer4")}
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        check_rules(d, folder, keys)
        d.adopt()
        d.start()
        net.wait(lambda: village.status()["governance"]["serial"] == 3, "the village has the rules")

        first = village.put(document())[0]
        second = check_put(village, first)
        d.settled()
        check_shown(village, second)
        check_attachments(village, folder)
        village.stop()  # what may go is looked for once a day, and at the start
        closed, term = village.put(old_documents())
        village.start()
        net.wait(lambda: village.json("show", place(term)).get("erased"), "the notes went by themselves")
        check_retention(d, county, village, closed, term, folder)
        d.settled()
        for n in (county, town):
            check_relay(n, first)
            check_relay(n, second)
        files_lack(village, SECRETS[:2])
        message = check_unseal(county, first, folder)
        for n in (county, town, village):
            assert n.json("fsck")["ok"]
        check_other(village, county, folder)
        check_subject(village, county, (first, second))
        village.put(net.generate(VILLAGE, 2, series="household"))
        d.settled()
        message = check_archive(d, county, first, message, folder)
        check_erasure(d, (county, town, village), (first, second), folder)
        for n in (county, town, village):
            memory.forgets(n, lambda piece: [x for x in SECRETS[:2] if x in piece])
        for n in (county, town, village):
            assert message[-64:] not in b"".join(p.read_bytes() for p in n.data.rglob("*.seg"))
            assert n.json("fsck")["ok"]


if __name__ == "__main__":
    main()
