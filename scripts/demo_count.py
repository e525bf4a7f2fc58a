"""Recounts what a demo's folder holds: nothing is taken from the demo's own memory."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNTS_ZERO = ("county_sensitive_parts", "county_id_numbers", "logs_differing", "feed_repeated", "feed_missing", "feed_foreign",
               "acknowledged_changed")


def cundang():
    build = os.environ.get("CUNDANG_BUILD") or ROOT / "build/release"
    return os.environ.get("CUNDANG") or str(pathlib.Path(build) / "cli/cundang")


def lines(path):
    return [json.loads(x) for x in path.read_bytes().splitlines()]


def entries(log):
    """The entries of an exported tlog-tiles tree, in order."""
    out, n = [], 0
    folder = log / "tile/entries"
    size = int((log / "checkpoint").read_text().splitlines()[1])
    while len(out) < size:
        name = ""
        digits = "%03d" % n if n < 1000 else "%0*d" % (-(-len(str(n)) // 3) * 3, n)
        groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
        name = "/".join(["x" + g for g in groups[:-1]] + [groups[-1]])
        width = min(256, size - 256 * n)
        data = (folder / (name if width == 256 else "%s.p/%d" % (name, width))).read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            out.append(json.loads(data[2:2 + length]))
            data = data[2 + length:]
        n += 1
    return out


def backlog(snap):
    return sum(p["backlog"] for s in snap.values() for p in s["status"]["peers"] if p["role"] == "parent") + \
        sum(s["status"]["wanted"] for s in snap.values())


def privacy(data):
    p = subprocess.run([str(ROOT / "scripts/check-privacy"), "--json", str(data)], stdout=subprocess.PIPE, check=False,
                       env=dict(os.environ, CUNDANG=cundang()))
    return json.loads(p.stdout)


def verify(package, root):
    out = {}
    for who, args in (("c", [cundang(), "verify"]), ("python", [sys.executable, str(ROOT / "scripts/verify_package.py")])):
        p = subprocess.run(args + [str(package), "--root", root, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out[who] = json.loads(p.stdout)
        out[who]["exit"] = p.returncode
    return out


def things(report):
    return sorted({f[0] for f in report["faults"]})


def first_fault(report):
    return "%s: %s" % tuple(report["faults"][0]) if report["faults"] else "nothing found"


def damage(package, folder, kind):
    """Unpacks, flips one byte of the kind, and makes the manifests right again."""
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(package) as tar:
        tar.extractall(folder.with_suffix(".tmp"))
    top, = folder.with_suffix(".tmp").iterdir()
    top.rename(folder)
    folder.with_suffix(".tmp").rmdir()
    data = folder / "data"
    if kind == "record":
        path = max(data.glob("records/*.personal.ndjson"), key=lambda p: p.stat().st_size)
        # One bit of an ASCII letter or digit inside a field's value.
        at = path.read_bytes().index(b'":"', path.read_bytes().index(b'"part":{')) + 3
    elif kind == "tile":
        path = sorted(p for p in (data / "log/tile/0").rglob("*") if p.is_file())[0]
        at = 40
    elif kind == "checkpoint":
        path = data / "log/checkpoint"
        at = path.read_bytes().index(b"\n\n") - 30  # in the root
    else:
        path = sorted((data / "attachments").iterdir())[0]
        at = path.stat().st_size // 2
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    manifests(folder)


def manifests(bag):
    def digest(p):
        return hashlib.sha256(p.read_bytes()).hexdigest()

    def write(name, files):
        rows = sorted(str(p.relative_to(bag)) for p in files)
        (bag / name).write_text("".join("%s  %s\n" % (digest(bag / r), r) for r in rows))
    write("manifest-sha256.txt", [p for p in (bag / "data").rglob("*") if p.is_file()])
    write("tagmanifest-sha256.txt", [p for p in bag.iterdir() if p.is_file() and not p.name.startswith("tagmanifest")])


def count(folder):
    folder = pathlib.Path(folder)
    demo = json.loads((folder / "demo.json").read_text())
    villages, county = demo["villages"], demo["county"]
    r = {}

    inputs = {v: lines(folder / "input" / (v + ".ndjson")) for v in villages}
    receipts = {v: lines(folder / "receipts" / (v + ".ndjson")) for v in villages}
    r["records"] = sum(map(len, inputs.values()))
    r["acknowledged"] = sum("leaf" in x for v in villages for x in receipts[v])
    killed, = [p.stem for p in (folder / "receipts-before-kill").iterdir()]
    before = [x for x in lines(folder / "receipts-before-kill" / (killed + ".ndjson")) if "leaf" in x]
    after = {x["id"]: x for x in receipts[killed]}
    r["acknowledged_before_kill"] = len(before)
    r["killed_node_records"] = len(inputs[killed])
    r["acknowledged_changed"] = sum(after.get(x["id"]) != x for x in before)

    for name in ("cut", "alert"):
        snap = json.loads((folder / "observed" / (name + ".json")).read_text())
        r["bytes_at_" + name] = sum(s["link_bytes"] for s in snap.values())
        r["backlog_at_" + name] = backlog(snap)

    # Logs: what each node exported against what the county exported of it.
    r["logs"] = r["entries"] = r["logs_differing"] = 0
    expected, captured = set(), set()
    for log in sorted((folder / "logs").iterdir()):
        theirs = folder / "logs-at-county" / log.name
        mine, same = entries(log), entries(theirs)
        r["logs"] += 1
        r["entries"] += len(mine)
        r["logs_differing"] += mine != same or \
            (log / "checkpoint").read_text().splitlines()[:3] != (theirs / "checkpoint").read_text().splitlines()[:3]
        origin = (log / "checkpoint").read_text().splitlines()[0]
        for seq, e in enumerate(mine):
            if not e["series"].startswith("sys-"):
                expected.add((origin, seq))
                captured.add(e["id"])
    r["records_in_logs"] = len(captured & {x["id"] for v in villages for x in inputs[v]})

    feeds = []
    for n in (1, 2):
        feeds.append([tuple(x["id"].rsplit("/", 1)) for x in lines(folder / ("feed-%d.ndjson" % n))])
    r["feed_items"], r["feed_items_second"] = map(len, feeds)
    r["feed_repeated"] = sum(len(f) - len(set(f)) for f in feeds) + (feeds[0] != feeds[1])
    seen = {(o, int(s)) for o, s in feeds[0]}
    r["feed_missing"] = len(expected - seen)
    r["feed_foreign"] = len(seen - expected)

    alert = lines(folder / "receipts" / (county + ".ndjson"))[0]
    where = "%s/%d" % (alert["origin"], alert["seq"])
    r["alert_villages"] = sum(subprocess.run(
        [cundang(), "-C", str(folder / demo["data"][v]), "show", where, "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0 for v in villages)

    at_county = privacy(folder / demo["data"][county])
    at_village = privacy(folder / demo["data"][villages[0]])
    r["county_opened"] = at_county["opened"]
    r["county_sensitive_parts"], r["county_id_numbers"] = at_county["sensitive_parts"], at_county["id_numbers"]
    r["village_sensitive_parts"], r["village_id_numbers"] = at_village["sensitive_parts"], at_village["id_numbers"]

    package, = (folder / "packages").glob("*.tar")
    whole = verify(package, demo["root"])
    r["package_good"] = all(v["ok"] and v["exit"] == 0 for v in whole.values())
    r["package_records"] = whole["c"]["records"]
    r["package_records_python"] = whole["python"]["records"]
    r["damage_found"] = r["damage_agreed"] = 0
    for kind in ("record", "tile", "checkpoint", "attachment"):
        out = verify(folder / "packages" / ("damaged-" + kind), demo["root"])
        r["damage_found"] += all(not v["ok"] and v["exit"] == 1 and any(t.startswith(kind) for t in things(v))
                                 for v in out.values())
        r["damage_agreed"] += things(out["c"]) == things(out["python"])
    return r


def check(r):
    """Asserts what the demo claims."""
    def must(what, truth):
        if not truth:
            raise AssertionError("%s: %s" % (what, json.dumps(r, sort_keys=True)))
    for name in COUNTS_ZERO:
        must("%s is 0" % name, r[name] == 0)
    must("every record was acknowledged", r["records"] == r["acknowledged"] == r["records_in_logs"])
    must("0 < before < all at the kill", 0 < r["acknowledged_before_kill"] < r["killed_node_records"])
    for name in ("bytes_at_cut", "backlog_at_cut", "bytes_at_alert", "backlog_at_alert", "village_sensitive_parts",
                 "village_id_numbers", "county_opened", "feed_items", "entries", "package_records"):
        must("%s > 0" % name, r[name] > 0)
    must("seven logs", r["logs"] == 7)
    must("both feeds are the same", r["feed_items"] == r["feed_items_second"])
    must("the alert is in every village", r["alert_villages"] == 4)
    must("the package is good to both verifiers",
         r["package_good"] is True and r["package_records"] == r["package_records_python"])
    must("both verifiers name each damage alike", r["damage_found"] == r["damage_agreed"] == 4)


