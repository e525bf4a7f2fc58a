"""Goal: a clerk's first day with the command alone, no daemon, no network.

    a village 330106110201, not yet admitted by anybody

A node is made, records are put, good ones and each kind of bad one; the good
ones have receipts, the bad ones a line that says why, nothing is half kept;
records are listed and shown by every name they have; a proof verifies in an
empty folder; the log exports as tiles; all is recomputed.  Then the same bad
input goes through the daemon, which lives, and is killed in the middle of a
put: what was acknowledged is there.
"""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import uuid

import net

VILLAGE = "330106110201"
VERIFY_LOG = net.ROOT / "scripts/verify_log.py"


def changed(record, **members):
    """A new record: another id, members replaced."""
    return dict(json.loads(json.dumps(record)), id=str(uuid.uuid4()), **members)


def line(record):
    return json.dumps(record, ensure_ascii=False).encode()


def case_of(lines):
    return next(json.loads(x) for x in lines if b'"series":"service-case"' in x)


def bad_lines(case):
    """Each kind of bad input: (bytes, code of the error, what its text names)."""
    field, digit = changed(case), changed(case)
    field["fields"]["colour"] = "red"
    id_no = digit["fields"]["applicant"]["id_no"]
    digit["fields"]["applicant"]["id_no"] = id_no[:-1] + ("1" if id_no[-1] != "1" else "2")
    large, larger = changed(case), changed(case)
    large["fields"]["item"] = "x" * (1 << 20)
    larger["fields"]["item"] = "x" * (2 << 20)
    return [
        (b'{"series": broken', "invalid", "not json"),
        (b'{"series":"service-case","series":"service-case"}', "invalid", "duplicate name"),
        (line(large), "limit", "1048576"),
        (line(larger), "limit", "1048576"),
        (line(changed(case, series="no-such")), "not-found", "no-such"),
        (line(field), "invalid", "fields.colour"),
        (line(digit), "invalid", "fields.applicant.id_no: wrong check digit"),
        (line(changed(case, node="330106110202")), "denied", "330106110202"),
        (line(changed(case, node="110101001001")), "denied", "110101001001"),
        (b"[1]", "invalid", "not an object"),
        (b"\xff\xfd", "invalid", "not json"),
    ]


def check_bad_input(village, case):
    """Good lines around bad ones are kept; each bad one is told in its place."""
    bad = bad_lines(case)
    first, last = changed(case), changed(case)
    size = village.json("log")["size"]
    text = b"\n".join([line(first)] + [b[0] for b in bad] + [b"", line(last)])  # the last line is not terminated
    p = village.run("put", "--json", "-", stdin=text, check=False, text=False)
    assert p.returncode == 1, p
    out = [json.loads(x) for x in p.stdout.splitlines()]
    assert len(out) == len(bad) + 2, out
    assert out[0]["id"] == first["id"] and out[-1]["id"] == last["id"], out
    for number, (said, (_, code, names)) in enumerate(zip(out[1:-1], bad), 2):
        assert said["line"] == number and said["error"]["code"] == code and names in said["error"]["text"], (said, code)
        assert case["fields"]["applicant"]["id_no"] not in said["error"]["text"], said
    assert village.json("log")["size"] == size + 2
    for number, (text, code, names) in enumerate(bad, 1):
        p = village.run("put", "-", stdin=text, check=False, text=False)
        assert p.returncode == 1 and not p.stdout, p
        assert b"line 1: " in p.stderr and names.encode() in p.stderr and b"1 refused" in p.stderr, (number, p.stderr)
    assert village.json("log")["size"] == size + 2
    chinese = {k: v for k, v in os.environ.items() if not k.startswith("LC_")}
    p = subprocess.run([village.domain.tools.cundang, "-C", str(village.data), "put"], input=bad[6][0],
                       env=dict(chinese, LANG="zh_CN.UTF-8"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = p.stderr.decode().replace("：", ": ")  # a daemon in another language says the beginning
    assert "第 1 行: fields.applicant.id_no: 校验码不对" in said, said
    assert "拒收 1 条".encode() in p.stderr, p.stderr.decode()


def check_names(village, receipt):
    """One record by all its names, masked."""
    names = [receipt["id"], receipt["leaf"], "%s/%d" % (receipt["origin"], receipt["seq"]),
             "%s/%d" % (VILLAGE, receipt["seq"])]
    shown = [village.json("show", n) for n in names]
    assert all(s == shown[0] for s in shown) and shown[0]["id"] == receipt["id"], shown
    text = village.run("show", names[0]).stdout
    assert receipt["id"] in text and names[2] in text, text
    p = village.run("show", "%s/99999" % VILLAGE, check=False)
    assert p.returncode == 3 and "99999" in p.stderr and "next:" in p.stderr, p
    p = village.run("show", "nonsense", check=False)
    assert p.returncode == 2 and "nonsense" in p.stderr, p
    assert village.json("why", names[0])["origin"] == receipt["origin"]


def check_masked(village, records, receipts):
    """No raw identity number or name of a person in what is shown."""
    for record, receipt in zip(records, receipts):
        if record["series"] != "service-case":
            continue
        who = record["fields"]["applicant"]
        text = village.run("show", receipt["id"]).stdout + village.run("show", receipt["id"], "--json").stdout
        assert who["id_no"] not in text and who["phone"] not in text, text
        assert who["name"] not in json.dumps(village.json("show", receipt["id"])["fields"]["applicant"]), text
        return
    raise AssertionError("no service-case among the records")


def check_revisions(village, case):
    first = changed(case)
    second = dict(json.loads(json.dumps(first)))
    second["fields"]["item"] = "失业登记（更正）"
    r = village.put(b"\n".join([line(first), line(second), line(second)]))
    assert [x["rev"] for x in r] == [1, 2, 2] and r[1] == r[2], r
    assert village.json("show", first["id"])["rev"] == 2
    every = village.run("show", first["id"], "--all", "--json").stdout.splitlines()
    assert [json.loads(x)["rev"] for x in every] == [1, 2], every


def check_proof(domain, village, receipt, other):
    """Verifies in an empty folder with nothing but the proof and the key."""
    where = "%s/%d" % (receipt["origin"], receipt["seq"])
    key = village.json("key", "show")["log"]
    with tempfile.TemporaryDirectory() as empty:
        proof = pathlib.Path(empty) / "record.proof"
        village.run("show", where, "--proof", "-o", proof)
        good = domain.tools.run("verify", proof, "--log", key, "--json", env={"HOME": empty})
        report = json.loads(good.stdout)
        assert report["ok"] and report["id"] == receipt["id"] and report["seq"] == receipt["seq"], report
        assert village.run("show", where, "--proof").stdout == proof.read_text()
        raw = bytearray(proof.read_bytes())
        at = raw.index(b"extra ") + 40
        raw[at] = ord("A") if raw[at] != ord("A") else ord("B")
        proof.write_bytes(raw)
        p = domain.tools.run("verify", proof, "--log", key, "--json", check=False)
        assert p.returncode == 1 and not json.loads(p.stdout)["ok"], p
        village.run("show", where, "--proof", "-o", proof, "--labels", "public")
        p = domain.tools.run("verify", proof, "--log", other, check=False)
        assert p.returncode == 1 and "FAULT proof" in p.stdout, p


def check_export(folder, village, size):
    out = folder / "tiles"
    assert village.json("log", "--export", out, "--all-partials")["size"] == size
    key = (out / "vkey").read_text().strip()
    assert key == village.json("key", "show")["log"]
    if VERIFY_LOG.exists():
        subprocess.run([sys.executable, str(VERIFY_LOG), "--vkey", key, "--all-partials", str(out)], check=True,
                       stdout=subprocess.DEVNULL)
    p = village.run("log", "--export", out, check=False)
    assert p.returncode == 9, p


def check_list(village, count):
    rows = [json.loads(x) for x in village.run("list", "--json", "--limit", "100000").stdout.splitlines()]
    assert len(rows) == count and [r["arrival"] for r in rows] == sorted(r["arrival"] for r in rows)
    newest = [json.loads(x) for x in village.run("list", "--json", "--limit", "3").stdout.splitlines()]
    assert newest == rows[-3:], newest
    after = village.run("list", "--json", "--after", str(rows[4]["arrival"]), "--limit", "5").stdout.splitlines()
    assert [json.loads(x) for x in after] == rows[5:10], after
    some = [json.loads(x) for x in village.run("list", "--json", "--limit", "100000", "--series", "alert").stdout.splitlines()]
    assert some == [r for r in rows if r["series"] == "alert"]
    everything = village.run("list", "--json", "--limit", "100000", "--system").stdout.splitlines()
    assert len(everything) == village.json("log")["size"], (len(everything), count)


def check_usage(domain, village):
    """What is mistyped is told with the nearest thing that exists."""
    for args, code, names in ((["putt"], 2, '"put"'), (["put", "--jsn"], 2, "--json"), (["governance"], 2, "another word"),
                              (["sync"], 3, "daemon"), (["list", "--limit", "x"], 2, "--limit"),
                              (["verify", "/nonexistent"], 3, "/nonexistent")):
        p = village.run(*args, check=False)
        assert p.returncode == code and names in p.stderr and "Traceback" not in p.stderr, (args, p)
    p = village.run("show", "nonsense", "--json", check=False)
    assert json.loads(p.stderr)["error"]["code"] == "usage" and not p.stdout, p
    p = domain.tools.run("-C", "/nonexistent", "status", check=False)
    assert p.returncode == 3 and "/nonexistent" in p.stderr, p
    text = domain.tools.run("help").stdout
    for name in re.findall(r"^  ([a-z]+(?: [a-z-]+)?)  ", text, re.M):
        one = domain.tools.run("help", *name.split())
        assert one.stdout.startswith("usage: cundang"), name
        assert domain.tools.run(*name.split(), "--help").stdout == one.stdout, name
    assert "store dump" not in text and domain.tools.run("help", "exit-codes").stdout.count("\n") == 10


def check_attachments(folder, village, seed):
    """Files are found by their SHA-256; a document whose file is missing is refused whole."""
    files = folder / "files"
    text = net.generate(VILLAGE, 60, seed=seed, attachments=files, rate=0.5)
    with_files = [x for x in text.splitlines() if json.loads(x).get("attachments")]
    assert with_files
    before = village.json("log")["size"]
    p = village.run("put", "--json", "-", stdin=text, check=False, text=False)
    out = [json.loads(x) for x in p.stdout.splitlines()]
    assert p.returncode == 1 and sum("error" in x for x in out) == len(with_files), out
    assert len(village.put(text, files)) == 60
    assert village.json("log")["size"] == before + 60
    wanted = json.loads(with_files[0])["attachments"][0]["sha256"]
    path, = files.glob(wanted + "*")
    path.write_bytes(path.read_bytes() + b"x")
    other = changed(json.loads(with_files[0]))
    p = village.run("put", "--json", "-", "--attachments", files, stdin=line(other), check=False, text=False)
    assert p.returncode == 1, p
    path.write_bytes(path.read_bytes()[:-1])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted


def check_killed(village, lines):
    """The daemon is killed in the middle of a put; the same file again gives the same receipts."""
    p = subprocess.Popen([village.domain.tools.cundang, "-C", str(village.data), "put", "--json", "-"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    killed = threading.Event()

    def feed():
        try:
            for i, x in enumerate(lines):
                if i == len(lines) // 2:
                    killed.wait()
                p.stdin.write(x + b"\n")
                p.stdin.flush()
            p.stdin.close()
        except OSError:
            pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    before = []
    for x in p.stdout:
        before.append(json.loads(x))
        if len(before) == 20:
            village.kill()
            killed.set()
    error = json.loads(p.stderr.read())
    code = p.wait()
    feeder.join()
    assert 20 <= len(before) < len(lines), len(before)
    assert code in (5, 8), (code, error)
    village.start()
    again = village.put(b"\n".join(lines))
    assert again[:len(before)] == before and len(again) == len(lines)


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        folder = pathlib.Path(folder)
        village = d.node(VILLAGE)
        p = village.run("init", "--code", VILLAGE, "--governance", d.gov, "--pin", d.root, check=False)
        assert p.returncode == 9 and "not touched" in p.stderr, p
        lines = net.generate(VILLAGE, 400, seed=7).splitlines()
        records = [json.loads(x) for x in lines]
        receipts = village.put(b"\n".join(lines))
        assert [r["id"] for r in receipts] == [r["id"] for r in records]
        assert village.put(b"\n".join(lines)) == receipts
        check_list(village, 400)
        check_bad_input(village, case_of(lines))
        check_names(village, receipts[17])
        check_masked(village, records, receipts)
        check_revisions(village, case_of(lines))
        check_proof(d, village, receipts[-1], d.node("330106110203").json("key", "show")["log"])
        check_attachments(folder, village, 9)
        check_usage(d, village)
        status = village.json("status")
        assert status["running"] is False and status["size"] == village.json("log")["size"], status
        check_export(folder, village, status["size"])
        fsck = village.json("fsck")
        assert fsck["ok"] and fsck["records"] == status["size"], fsck
        assert village.json("fsck", "--rebuild", "-j", "2")["ok"]
        assert village.json("status")["root"] == status["root"]

        village.start()
        assert village.json("status")["running"] is True
        check_bad_input(village, case_of(lines))
        check_attachments(folder / "again", village, 10)
        check_killed(village, net.generate(VILLAGE, 3000, seed=8).splitlines())
        assert village.json("fsck")["ok"]


if __name__ == "__main__":
    main()
