"""Goal: what is damaged at one node comes back from another, and what nobody holds is listed.

    county 330106000000 <--- township 330106110000 <--- village 330106110201

Bits are flipped in blocks of entries and of parts and in an attachment, at the
village and in the township's copy of its log.  `cundang repair` brings back what
a neighbour holds; `show` tells what it told before; the parts that the township
may not hold are listed, record by record; new records go on to the top.
"""
import json
import pathlib
import shutil
import struct
import subprocess
import tempfile

import net

COUNTY, TOWNSHIP, VILLAGE = "330106000000", "330106110000", "330106110201"
RECORDS = 300
STEP = 37  # every so many records are looked at
ENTRIES, PARTS, REFERENCES = 2, 3, 6
LABELS = "public", "internal", "personal", "sensitive"
INTERNAL, SENSITIVE = 1, 3


def items(path):
    """(offset, kind, label, series, head length, payload length) of a segment's items."""
    b = path.read_bytes()
    at = 40
    while b[at:at + 4] == b"CDit":
        kind, label, name = b[at + 5], b[at + 7], b[at + 8]
        length = struct.unpack(">I", b[at + 12:at + 16])[0]
        yield at, kind, label, b[at + 72:at + 72 + name].decode(), 72 + name, length
        at += 72 + name + length


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0] ^ 0x20
        f.seek(at)
        f.write(bytes([byte]))


def largest(path, kind, label=0, series=None):
    """The middle of the payload of a large item of the kind, the newest such."""
    found = [(n, at + head + n // 2) for at, k, l, name, head, n in items(path)
             if k == kind and l == label and series in (None, name)]
    return max(at for n, at in found if 2 * n > max(found)[0])


def rows(node):
    p = node.run("list", "--json", "--limit", "2000", check=False)
    return [json.loads(x) for x in p.stdout.splitlines()]


def shown(node, origin, size):
    """What show tells of each record of a log, or None."""
    out = []
    for seq in range(0, size, STEP):
        p = node.run("show", "%s/%d" % (origin, seq), "--json", check=False)
        out.append(json.loads(p.stdout) if p.returncode == 0 else None)
    return out


def fsck(node):
    return node.run("fsck", check=False)


def repair(node):
    p = node.run("repair", "--json", check=False)
    assert p.stdout, (p.returncode, p.stderr)
    return p.returncode, json.loads(p.stdout)


def check_nothing_to_do(village):
    code, told = repair(village)
    assert code == 0 and told["mended"] == 0 and told["lost"] == [], (code, told)
    p = village.run("repair", env={"LC_ALL": "zh_CN.UTF-8", "LANGUAGE": ""})
    assert "\u65e0\u9700\u4fee\u590d" in p.stdout, p.stdout


def check_village(township, village, origin, size):
    """Entries and parts that the township holds, and an attachment."""
    before = shown(village, origin, size)
    village.stop()
    segment = village.data / "segments/00000001.seg"
    flip(segment, largest(segment, ENTRIES))
    flip(segment, largest(segment, PARTS, INTERNAL))
    flipped, gone = [a for a in sorted((village.data / "attachments").glob("??/*"))
                     if (township.data / a.relative_to(village.data)).exists()][:2]
    flip(flipped, flipped.stat().st_size // 2)
    gone.unlink()
    p = fsck(village)
    assert p.returncode == 7 and "cundang repair" in p.stdout, p
    village.start()
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is connected")
    assert None in shown(village, origin, size), "nothing was damaged"
    code, told = repair(village)
    assert told["mended"] > 0 and told["attachments"] == 0 and told["away"] == [], told
    assert code == 0 and told["lost"] == [], (code, told["lost"][:3])
    after = shown(village, origin, size)
    assert after == before, [(a, b) for a, b in zip(before, after) if a != b][:1]
    p = fsck(village)
    assert p.returncode == 0 and "mended" in p.stdout, p.stdout
    print("village: %d records mended" % told["mended"])


def check_lost(township, village, origin, size):
    """A sensitive part that the township may not hold: the rest comes back."""
    before = shown(village, origin, size)
    there = (township.json("show", "%s/%d" % (origin, seq)) for seq in range(size))
    series = next(r["series"] for r in there if "sensitive" in r["withheld"])
    village.stop()
    segment = village.data / "segments/00000001.seg"
    flip(segment, largest(segment, PARTS, SENSITIVE, series))
    village.start()
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is connected")
    code, told = repair(village)
    assert code == 7 and told["mended"] > 0 and told["lost"], (code, told)
    lost = {r["seq"]: r for r in told["lost"]}
    assert len(lost) == len(told["lost"]), "each is told once"
    assert all(r["labels"] == ["sensitive"] and not r["entry"] and r["series"] for r in lost.values()), told["lost"][:3]
    after = shown(village, origin, size)
    assert None not in after
    same = [a == b for seq, (a, b) in zip(range(0, size, STEP), zip(before, after)) if seq not in lost]
    assert same and all(same)
    p = fsck(village)
    assert p.returncode == 0 and "all good" not in p.stdout, p.stdout
    assert "%d records lost parts" % len(lost) in p.stdout, p.stdout
    at = "%s/%d" % (origin, min(lost))
    told_of = json.loads(village.run("show", at, "--json").stdout)
    assert told_of["lost"] == ["sensitive"] and told_of["withheld"] == [], told_of
    p = village.run("why", at)
    assert "Lost here by damage" in p.stdout and "by the rules" not in p.stdout, p.stdout
    listed = {r["seq"]: r.get("lost") for r in rows(village) if r["origin"] == origin}
    assert all(listed[seq] == ["sensitive"] for seq in lost) and sum(map(bool, listed.values())) == len(lost), listed
    assert "lost: sensitive" in village.run("list", "--limit", "2000").stdout
    again = repair(village)
    assert again[0] == 7 and again[1]["mended"] == 0 and again[1]["lost"] == told["lost"], again
    print("village: %d records lack a part for good" % len(lost))


def destroy(node, seq):
    """All parts of a record of the node's own log, while it is stopped."""
    tool = pathlib.Path(node.domain.tools.cundang).parent.parent / "tests/crash/destroy"
    words = [str(x) for label in LABELS for x in (seq, label)]
    return subprocess.run([str(tool), str(node.data), "1782000000", "order 7", *words], check=False).returncode


def check_references(village, seq, files):
    """What tells whose attachments there are: an erasure waits for it, and leaves none of them."""
    village.stop()
    segment = village.data / "segments/00000001.seg"
    for at, kind, label, name, head, n in list(items(segment)):
        if kind == REFERENCES:
            flip(segment, at + head + n // 2)
    shutil.rmtree(village.data / "index")
    objects = lambda: {a.name for a in (village.data / "attachments").glob("??/*")}
    before = objects()
    assert destroy(village, seq) != 0 and objects() == before, "what is not known is not destroyed"
    village.start()
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is connected")
    code, told = repair(village)
    assert told["faults"] == [] and told["attachments"] == 0, (code, told)
    assert fsck(village).returncode == 0
    village.stop()
    shutil.rmtree(village.data / "index")
    assert destroy(village, seq) == 0
    assert len(objects()) == len(before) - files, (seq, files)
    village.start()
    assert fsck(village).returncode == 0
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is connected")
    print("village: %d attachments gone with their record" % files)


def check_lost_attachments(township, village):
    """Attachments that no other node holds are named for as long as they are away."""
    objects = village.data / "attachments"
    lost = {a.name for a in objects.glob("??/*")
            if not (township.data / a.relative_to(village.data)).exists()}
    assert lost, "the township holds all"
    shutil.move(objects, str(objects) + ".aside")
    code, told = repair(village)
    assert code == 7 and {w["object"] for w in told["wanted"]} == lost, (code, told)
    p = fsck(village)
    assert "all good" not in p.stdout and "of this node's records" in p.stdout, p.stdout
    assert all(name in p.stdout for name in lost), p.stdout
    told = json.loads(village.run("fsck", "--json", check=False).stdout)
    assert {w["object"] for w in told["lost_attachments"]} == lost, told


def check_township(township, village, origin, size):
    """The copy of the village's log comes back from the village."""
    before = shown(township, origin, size)
    township.stop()
    segment = township.data / "segments/00000001.seg"
    flip(segment, largest(segment, ENTRIES))
    flip(segment, largest(segment, PARTS, INTERNAL))
    shutil.rmtree(township.data / "index")
    assert fsck(township).returncode == 7
    township.start()
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is connected")
    code, told = repair(township)
    assert code == 0 and told["mended"] > 0 and told["lost"] == [], (code, told)
    assert shown(township, origin, size) == before
    assert fsck(township).returncode == 0
    township.stop()
    shutil.rmtree(township.data / "index")
    assert fsck(township).returncode == 0, "made anew from the segments it is as well"
    township.start()
    print("township: %d records mended" % told["mended"])


def check_steps(village):
    """Faults that repair can do nothing about name another next step."""
    village.stop()
    for name, step in (("node.yaml", "from a copy"), ("extent", "writes it anew"),
                       ("governance.git/refs/cundang/heads/0000000001", "governance adopt"),
                       ("governance.git/refs/heads/main", "governance adopt")):
        path = village.data / name
        was = path.read_bytes()
        path.write_bytes(b"x" * len(was))
        p = fsck(village)
        path.write_bytes(was)
        assert p.returncode == 7 and step in p.stdout and "cundang repair" not in p.stdout, (name, p.stdout, p.stderr)
        assert name.split("/")[0] in p.stdout and (not name.endswith("main") or name in p.stdout), p.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        township = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, township)
        d.enrol()
        d.start()
        files = pathlib.Path(folder) / "files"
        files.mkdir()
        lines = net.generate(VILLAGE, RECORDS, seed=5, attachments=files, rate=0.05)
        receipts = village.put(lines, attachments=files)
        attached = next((r["seq"], len(doc["attachments"])) for r, doc in
                        zip(receipts, map(json.loads, lines.splitlines())) if doc.get("attachments"))
        d.settled()
        net.wait(lambda: village.peer(TOWNSHIP)["complete"] and township.status()["wanted"] == 0, "the attachments came")
        origin, size = village.origin(), village.status()["size"]
        check_nothing_to_do(village)
        check_village(township, village, origin, size)
        check_township(township, village, origin, size)
        check_lost(township, village, origin, size)
        village.put(net.generate(VILLAGE, 20, seed=6))
        d.settled()
        check_references(village, *attached)
        check_lost_attachments(township, village)
        check_steps(village)


if __name__ == "__main__":
    main()
