"""Goal: what is masked is seen by whom the rules let, for a reason, and each look and each try is on record.

    county 330106000000 <---link--- township 330106110000

The township's node.yaml names a clerk, an approver and an auditor; everybody
else only reads what is masked.  A record about a minor is shown once, after a
second person approved it.  The county reads in its own copy of the log who saw
and who tried.  No output but that of reveal has a raw number of a person, and
scripts/check-privacy tells when a store or a feed has more than it may.
Accounts are real ones where this runs as root; elsewhere there is one person.
"""
import base64
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
import time

import net

COUNTY, TOWNSHIP = "330106000000", "330106110000"
CLERK, APPROVER, AUDITOR, STRANGER = "daemon", "bin", "sys", "nobody"
ID_NO, PHONE, CHILD_ID = "11010519491231002X", "13800138000", "33010620200105001"
REASON = "接待来访，核对受理单"
CASE = {"series": "service-case", "id": "0194bdb0-0000-7000-8000-000000000001", "node": TOWNSHIP,
        "created_at": "2026-04-22T17:48:35+08:00"}


def check_digit(digits):
    return digits + "10X98765432"[sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(digits)) % 11]


CHILD = check_digit(CHILD_ID)


def document(about, id_no, phone):
    """A service case of the sample with another applicant."""
    for line in net.generate(TOWNSHIP, 200, seed=7, series="service-case").splitlines():
        doc = json.loads(line)
        if not doc.get("attachments") and not doc["fields"].get("agent"):
            break
    doc["id"] = about
    doc["fields"]["applicant"] = {**doc["fields"]["applicant"], "id_no": id_no, "phone": phone}
    return json.dumps(doc, ensure_ascii=False).encode() + b"\n"


ADULT_ID, MINOR_ID = CASE["id"], "0194bdb0-0000-7000-8000-000000000002"


class Person:
    """Runs the command as an account of this machine."""

    def __init__(self, node, account):
        self.node, self.account = node, account
        e = pwd.getpwnam(account)
        self.ids = {"user": e.pw_uid, "group": e.pw_gid, "extra_groups": []}

    def run(self, *args, stdin=None):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        return subprocess.run([self.node.domain.tools.cundang, "-C", str(self.node.data), *args], env=env, cwd="/",
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **self.ids)

    def json(self, *args):
        p = self.run(*args, "--json")
        assert p.returncode == 0, p
        return [json.loads(x) for x in p.stdout.splitlines()]


def exits(p, code):
    assert p.returncode == code, (p.args, p.returncode, p.stdout, p.stderr)
    return p


def has_no_number(*texts):
    for text in texts:
        text = text if isinstance(text, str) else text.decode(errors="replace")
        for raw in (ID_NO, PHONE, CHILD):
            assert raw not in text, (raw, text[:2000])


def opened(proof):
    """What a tlog-proof carries beside the log's own lines."""
    extra = re.search(r"^extra (\S+)$", proof, re.M).group(1)
    return base64.b64decode(extra + "=" * (-len(extra) % 4)).decode()


def audited(node, *args):
    return [json.loads(x) for x in node.run("audit", "access", "--json", *args).stdout.splitlines()]


def check_alone(town):
    """A box for one: no daemon, no accounts, and the owner may all there is."""
    p = town.run("reveal", ADULT_ID, "--reason", REASON)
    assert ID_NO in p.stdout and PHONE in p.stdout and "recorded as" in p.stdout, p.stdout
    has_no_number(town.run("show", ADULT_ID).stdout, town.run("list", "--system").stdout)
    line = audited(town, "--record", ADULT_ID)
    assert len(line) == 1, line
    access = line[0]["access"]
    assert access["result"] == "shown" and access["role"] == "admin" and access["reason"] == REASON, access
    assert access["labels"] == ["personal", "sensitive"] and access["record"]["id"] == ADULT_ID, access
    only = town.json("reveal", ADULT_ID, "--reason", REASON, "--field", "applicant.phone")["document"]
    assert only["fields"] == {"applicant": {"phone": PHONE}} and only["masked"] == ["sensitive"], only
    some = json.dumps(town.json("reveal", ADULT_ID, "--reason", REASON, "--label", "personal"))
    assert PHONE in some and ID_NO not in some, some
    for bad in ("", "call " + PHONE, "ID 1101 0519 4912 3100 2x", "x" * 201):
        exits(town.run("reveal", ADULT_ID, "--reason", bad, check=False), 2)
    exits(town.run("reveal", ADULT_ID, check=False), 2)
    exits(town.run("reveal", ADULT_ID, "--reason", REASON, "--field", "applicant.nothing", check=False), 3)
    exits(town.run("show", ADULT_ID, "--proof", "--labels", "personal", check=False), 2)
    assert len(audited(town)) == 3
    # About a minor nobody decides alone.
    p = exits(town.run("reveal", MINOR_ID, "--reason", REASON, check=False), 5)
    has_no_number(p.stdout, p.stderr)
    request = re.search(r"request ([0-9a-f-]{36})", p.stderr).group(1)
    exits(town.run("reveal", "--approve", request, check=False), 4)
    assert [l["access"]["result"] for l in audited(town)][-2:] == ["waiting", "denied"], audited(town)


def check_proof(d, town, folder):
    """Raw values that verify by themselves: recorded as any look is."""
    path = folder / "raw.tlog-proof"
    before = len(audited(town))
    town.run("reveal", ADULT_ID, "--reason", REASON, "--proof", "-o", path)
    assert len(audited(town)) == before + 1
    vkey = town.json("key", "show")["log"]
    d.tools.run("verify", path, "--log", vkey)
    assert ID_NO in opened(path.read_text())


def name_accounts(node):
    with open(node.data / "node.yaml", "a") as f:
        f.write("accounts:\n")
        for user, role in ((CLERK, "clerk"), (APPROVER, "approver"), (AUDITOR, "auditor")):
            f.write("  - {user: \"%s\", role: %s}\n" % (user, role))
    os.chmod(node.data, 0o711)


def check_stranger(stranger):
    shown = exits(stranger.run("show", ADULT_ID), 0)
    assert ADULT_ID in shown.stdout, shown.stdout
    has_no_number(shown.stdout)
    has_no_number(*(exits(stranger.run("reveal", ADULT_ID, "--reason", REASON), 4).stderr for _ in range(20)))
    exits(stranger.run("reveal", "0194bdb0-0000-7000-8000-00000000ffff", "--reason", REASON), 4)
    exits(stranger.run("put", "-", stdin=document(ADULT_ID, ID_NO, PHONE).decode()), 4)
    assert ADULT_ID in exits(stranger.run("list"), 0).stdout
    assert ADULT_ID in [r["id"] for r in stranger.json("list", "--series", "service-case", "--limit", "1000")]
    assert ADULT_ID == stranger.json("why", ADULT_ID)[0]["id"]
    said = exits(stranger.run("why", ADULT_ID), 0).stdout
    assert "It is here" in said and "Countersigned by " + COUNTY in said, said
    has_no_number(said)
    for args in (("--system",), ("--series", "sys-access")):
        exits(stranger.run("list", *args), 4)
    exits(stranger.run("audit", "access"), 4)
    exits(stranger.run("reveal", "list"), 4)
    exits(stranger.run("repair"), 4)


def hold_socket(person, path, count):
    """A process of that account with so many connections; it ends when the pipe is closed."""
    ready, told = os.pipe()
    wait, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(end)
            os.setgroups([])
            os.setgid(person.ids["group"])
            os.setuid(person.ids["user"])
            held = [socket.socket(socket.AF_UNIX) for _ in range(count)]
            for s in held:
                s.connect(path)
            os.write(told, b"held")
            os.read(wait, 1)
        finally:
            os._exit(0)
    os.close(told)
    os.close(wait)
    assert os.read(ready, 4) == b"held"
    os.close(ready)
    return pid, end


def check_crowd(stranger, clerk, town):
    """Somebody who holds the socket with all hands keeps nobody out."""
    pid, end = hold_socket(stranger, str(town.data / "control.sock"), 100)
    exits(clerk.run("show", ADULT_ID), 0)
    assert town.put(document(ADULT_ID, ID_NO, PHONE))[0]["id"] == ADULT_ID
    os.close(end)
    os.waitpid(pid, 0)


def check_minor(clerk, approver):
    p = exits(clerk.run("reveal", MINOR_ID, "--reason", REASON), 5)
    has_no_number(p.stdout, p.stderr)
    request = re.search(r"request ([0-9a-f-]{36})", p.stderr).group(1)
    exits(clerk.run("reveal", MINOR_ID, "--reason", REASON), 5)
    exits(clerk.run("reveal", "--approve", request), 4)
    p = exits(approver.run("reveal", MINOR_ID, "--reason", REASON), 4)
    waits = approver.json("reveal", "list")[0]["requests"]
    assert [(w["request"], w["account"], w["state"], w["reason"], w["record"]["id"]) for w in waits if w["account"] == CLERK] == \
        [(request, CLERK, "waiting", REASON, MINOR_ID)], waits
    p = exits(clerk.run("reveal", "list"), 0)
    assert request in p.stdout and "waits until" in p.stdout and "--approve" in p.stderr, (p.stdout, p.stderr)
    has_no_number(p.stdout, json.dumps(waits))
    exits(approver.run("reveal", "--refuse", request), 0)
    assert clerk.json("reveal", "list") == [{"requests": []}]
    exits(clerk.run("reveal", "--refuse", request), 4)
    exits(clerk.run("reveal", MINOR_ID, "--reason", REASON), 5)
    p = exits(approver.run("reveal", "--approve", request), 0)
    assert CLERK in p.stdout and REASON in p.stdout and MINOR_ID in p.stdout, p.stdout
    has_no_number(p.stdout)
    assert [w["state"] for w in clerk.json("reveal", "list")[0]["requests"]] == ["approved"]
    exits(approver.run("reveal", "--approve", request), 3)
    p = exits(clerk.run("reveal", MINOR_ID, "--reason", "另一事由"), 5)
    assert request not in p.stderr and CHILD not in p.stdout, p.stderr
    assert CHILD in exits(clerk.run("reveal", MINOR_ID, "--reason", REASON), 0).stdout
    exits(clerk.run("reveal", MINOR_ID, "--reason", REASON), 5)


def check_people(town, county):
    clerk, approver, auditor, stranger = (Person(town, a) for a in (CLERK, APPROVER, AUDITOR, STRANGER))
    net.wait(lambda: county.holds(town), "the county holds what was put")
    assert ID_NO in exits(clerk.run("reveal", ADULT_ID, "--reason", REASON), 0).stdout
    net.wait(lambda: county.holds(town), "the look is on record above too")
    begun = time.monotonic()
    check_stranger(stranger)
    check_crowd(stranger, clerk, town)
    # A clerk puts records; others do not.
    again = document(ADULT_ID, ID_NO, PHONE).decode()
    assert ADULT_ID in exits(clerk.run("put", "--json", "-", stdin=again), 0).stdout
    exits(stranger.run("put", "-", stdin=again), 4)
    exits(clerk.run("repair", "--timeout", "5"), 4)
    exits(clerk.run("audit", "access"), 4)
    # Those who keep the machine, or the audit, do not look.
    exits(auditor.run("reveal", ADULT_ID, "--reason", REASON), 4)
    exits(town.run("reveal", ADULT_ID, "--reason", REASON, check=False), 4)
    check_minor(clerk, approver)
    lines = auditor.json("audit", "access", "--record", MINOR_ID)
    told = [(l["access"]["account"], l["access"]["act"], l["access"]["result"]) for l in lines]
    assert (CLERK, "reveal", "waiting") in told and (APPROVER, "approve", "approved") in told, told
    assert (APPROVER, "reveal", "denied") in told and told.count((CLERK, "reveal", "shown")) == 1, told
    denied = auditor.json("audit", "access", "--account", STRANGER)
    assert len(denied) >= 6 and all(l["access"]["result"] == "denied" for l in denied), denied
    assert auditor.run("audit", "access", "--to", "2020-01-01").stdout.startswith("Nobody"), denied
    exits(auditor.run("audit", "access", "--from", "2026-05-02", "--to", "2026-05-01"), 2)
    text = auditor.run("audit", "access").stdout
    assert text.count("\n") == len(auditor.json("audit", "access")) and "approved" in text, text
    # Of a minute's tries six have a record each; the others are only counted, in one more record.
    minutes = int(time.monotonic() - begun) // 59 + 1
    town.stop()
    town.start()
    counts = [l["access"].get("count") for l in auditor.json("audit", "access", "--account", STRANGER)]
    assert 6 <= counts.count(None) <= 6 * minutes and len(counts) <= 7 * minutes, (minutes, counts)
    assert sum(c or 1 for c in counts) == 21, counts
    return auditor.json("audit", "access")


def check_above(town, county, lines):
    """The same lines, from the copy that the county verified."""
    net.wait(lambda: county.holds(town), "the county holds the township's log")
    above = [json.loads(x) for x in county.run("audit", "access", "--json").stdout.splitlines()]
    assert above == lines, (len(above), len(lines))
    one = lines[-1]
    proof = county.run("show", "%s/%d" % (one["origin"], one["seq"]), "--proof").stdout
    assert "sys-access" in opened(proof) and one["access"]["account"] in opened(proof), opened(proof)


def check_archive(d, county, town, folder):
    """Looks, requests and approvals are entries as any: fsck and both verifiers say so."""
    assert county.json("fsck")["ok"] and town.json("fsck")["ok"]
    tar = folder / "looks.tar"
    county.run("archive", "create", "--origin", TOWNSHIP, "-o", tar)
    assert d.tools.json("verify", tar, "--root", d.root)["ok"]
    p = subprocess.run([sys.executable, str(net.ROOT / "scripts/verify_package.py"), str(tar), "--root", d.root, "--json"],
                       stdout=subprocess.PIPE, check=True)
    assert json.loads(p.stdout)["ok"], p.stdout


def check_refusals(town):
    """What is refused is told by its path, not by what stood there."""
    for name, value in (("id_no", ID_NO[:-1] + "1"), ("phone", PHONE + "0"), ("nation", PHONE)):
        doc = json.loads(document("0194bdb0-0000-7000-8000-000000000004", ID_NO, PHONE))
        doc["fields"]["applicant"][name] = value
        p = exits(town.run("put", "-", stdin=json.dumps(doc), check=False), 1)
        assert name in p.stderr, p.stderr
        has_no_number(p.stdout, p.stderr, p.stderr.replace(value, ID_NO))


def check_silence(d, nodes):
    for n in nodes:
        texts = [n.log.read_text(errors="replace"), n.get("/metrics")[2], n.control("GET", "/status")[1]]
        for path in ("/v1/feed?limit=1000", "/v1/schemas/service-case"):
            texts.append(n.get(path)[2])
        for args in (["list", "--system", "--limit", "1000"], ["show", ADULT_ID], ["show", MINOR_ID, "--json"],
                     ["why", ADULT_ID], ["why", MINOR_ID, "--json"], ["status"], ["show", ADULT_ID, "--proof"],
                     ["audit", "access"]):
            p = n.run(*args, check=False)
            texts += [p.stdout, p.stderr, opened(p.stdout) if "--proof" in args and p.returncode == 0 else ""]
        has_no_number(*texts)


def sweep(d, code, *args, chinese=False):
    p = subprocess.run([sys.executable, str(net.ROOT / "scripts/check-privacy"), *map(str, args)], stdout=subprocess.PIPE,
                       env={**os.environ, "CUNDANG": d.tools.cundang, "LC_ALL": "zh_CN.UTF-8" if chinese else "C.UTF-8"},
                       stderr=subprocess.PIPE, text=True)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    has_no_number(p.stdout, p.stderr)
    return p


def narrow(folder):
    path = folder / "series/service-case.yaml"
    text = path.read_text()
    assert "county: [public, internal]" in text
    path.write_text(text.replace("county: [public, internal]", "county: [public]"))


def check_sweep(d, county, town):
    """What an operator runs: quiet where all is well, and not where it is not."""
    feeds = ["--feed", "http://127.0.0.1:%d" % county.http, "--feed", "http://127.0.0.1:%d" % town.http]
    assert "Nothing is beyond" in sweep(d, 0, *feeds, county.data, town.data).stdout
    assert "没有超出权限" in sweep(d, 0, *feeds, county.data, town.data, chinese=True).stdout
    report = json.loads(sweep(d, 0, "--json", town.data).stdout)
    assert report["id_numbers"] > 0 and report["beyond"] == 0, report
    sweep(d, 2)
    sweep(d, 2, d.folder / "nowhere")
    # Somebody writes a number where everybody reads it.
    doc = json.loads(document("0194bdb0-0000-7000-8000-000000000003", ID_NO, PHONE))
    doc["fields"]["item"] = "咨询 " + ID_NO + " 或 " + PHONE
    town.put(json.dumps(doc, ensure_ascii=False).encode() + b"\n")
    text = sweep(d, 1, feeds[2], feeds[3], town.data).stdout
    assert "mobile number in the feed" in text and "a part that is public" in text, text
    assert "公民身份号码" in sweep(d, 1, town.data, chinese=True).stdout
    # Rules that take back what the county holds already.
    d.settled()
    d.edit(narrow)
    d.publish()
    d.adopt()
    places = json.loads(sweep(d, 1, "--json", county.data).stdout)["places"]
    assert any(where.startswith(str(county.data)) and "service-case internal" in where and "may not hold" in what
               for where, what in places), places


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-scenario-") as folder, net.Domain(folder) as d:
        os.chmod(folder, 0o711)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.enrol()
        town.put(document(ADULT_ID, ID_NO, PHONE) + document(MINOR_ID, CHILD, PHONE))
        check_alone(town)
        check_proof(d, town, d.folder)
        people = os.geteuid() == 0
        if people:
            name_accounts(town)
        d.start()
        lines = check_people(town, county) if people else audited(town)
        check_above(town, county, lines)
        check_archive(d, county, town, d.folder)
        check_refusals(town)
        check_silence(d, [town, county])
        check_sweep(d, county, town)


if __name__ == "__main__":
    main()
