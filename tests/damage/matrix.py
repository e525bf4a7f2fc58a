"""Goal: whatever kind of file is damaged, it is named, and the rest is there.

    one node; in each kind of file one bit is flipped, the end is cut off, a
    page is zeroed, the file is taken away; then fsck, list and show look

Each damage is undone in place before the next.  fsck ends with an exit code
that is not 0 and names the file; what list and show tell is what was put;
nothing that was there is deleted.  In Chinese too.
"""
import json
import pathlib
import sys
import tempfile

import net

VILLAGE = "330106110201"
PAGE = 4096


def flip(b):
    b = bytearray(b)
    b[len(b) // 2] ^= 1
    return bytes(b)


def flip_early(b):
    b = bytearray(b)
    b[min(20, len(b) - 1)] ^= 4
    return bytes(b)


def cut(b):
    return b[:len(b) * 2 // 3]


def zero(b):
    at = len(b) // 2 // PAGE * PAGE
    n = min(PAGE, len(b) - at)
    return b[:at] + bytes(n) + b[at + n:]


def flip_code(b):
    at = b.index(b"code:") + 8
    return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


def flip_root(b):
    at = b.index(b"root:") + 10
    return b[:at] + (b"a" if b[at:at + 1] != b"a" else b"b") + b[at + 1:]


def cut_early(b):
    return b[:60]


DAMAGES = (flip, flip_early, cut, zero)
# Its addresses are the operator's, and true as they stand.
OF_CONFIG = (flip_code, flip_root, cut_early, zero)


class Node:
    def __init__(self, folder, tools):
        domain = net.Domain(folder / "domain", tools)
        self.node = domain.node(VILLAGE)
        self.data = pathlib.Path(self.node.data)
        files = folder / "files"
        files.mkdir()
        lines = net.generate(VILLAGE, 300, seed=7, attachments=files, rate=0.2).splitlines(True)
        for one in lines[:10]:
            self.node.put(one, attachments=files)
        self.node.put(b"".join(lines[10:]), attachments=files)
        self.rows = self.list()
        assert len(self.rows) >= 300, len(self.rows)

    def list(self, check=True):
        p = self.node.run("list", "--json", "--limit", "1000", check=check)
        return [json.loads(x) for x in p.stdout.splitlines()] if p.returncode == 0 else None

    def kinds(self):
        """(kind, path, what must name it) of one file of each kind."""
        newest = max((self.data / "segments").iterdir())
        attachment = next(p for p in sorted((self.data / "attachments").glob("??/*")))
        objects = sorted((self.data / "governance.git/objects").glob("??/*"), key=lambda p: -p.stat().st_size)
        yield "segment", newest, "segments/" + newest.name
        yield "keyring", self.data / "keyring", "keyring"
        yield "master", self.data / "keys/master", "keys/master"
        yield "attachment", attachment, str(attachment.relative_to(self.data))
        yield "governance object", objects[0], objects[0].name
        for key in ("log", "witness", "tls", "seal"):
            yield key + " key", self.data / ("keys/%s.pem" % key), "keys/%s.pem" % key
        yield "node.yaml", self.data / "node.yaml", "node.yaml"
        yield "index", self.data / "index/data.mdb", "index"


def files_of(data):
    return {str(p.relative_to(data)): p.stat().st_size for p in data.rglob("*")
            if p.is_file() and not str(p.relative_to(data)).startswith("index.check")}


def write_in_place(path, data):
    with open(path, "r+b") as f:
        f.write(data)
        f.truncate()


def fsck(n, lang="C.UTF-8"):
    p = n.node.run("fsck", check=False, env={"LC_ALL": lang, "LANGUAGE": ""})
    assert p.returncode >= 0, ("fsck died", p)
    assert "Traceback" not in p.stderr and "Sanitizer" not in p.stderr, p.stderr
    return p


def same_or_damaged(n):
    """What list and show tell is what was put, or an error in words."""
    rows = n.list(check=False)
    if rows is not None:
        known = {(r["origin"], r["seq"]): r["id"] for r in n.rows}
        assert all(known[(r["origin"], r["seq"])] == r["id"] for r in rows), "list tells another record"
    row = n.rows[len(n.rows) // 2]
    p = n.node.run("show", "%s/%d" % (row["origin"], row["seq"]), "--json", check=False)
    assert p.returncode >= 0 and "Sanitizer" not in p.stderr, p
    assert p.returncode != 0 or row["id"] in p.stdout, p


def hurt(n, kind, path, name, damage):
    whole = path.read_bytes()
    bad = damage(whole)
    if bad == whole:
        return None
    write_in_place(path, bad)
    before = files_of(n.data)
    try:
        p = fsck(n)
        told = p.returncode != 0 and name in p.stdout + p.stderr
        # An index has room that nothing uses.
        if kind == "index" and p.returncode == 0:
            told = None
        assert told or told is None, (kind, damage.__name__, p.returncode, p.stdout, p.stderr)
        same_or_damaged(n)
        gone = set(before) - set(files_of(n.data))
        assert not gone, ("deleted", gone)
        if told:
            zh = fsck(n, "zh_CN.UTF-8")
            assert zh.returncode == p.returncode and name in zh.stdout + zh.stderr, (kind, zh)
    finally:
        write_in_place(path, whole)
    return told


def take_away(n, kind, path, name):
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    try:
        p = fsck(n)
        if kind != "index":
            assert p.returncode != 0 and name.split("/")[-1] in p.stdout + p.stderr, (kind, p)
        else:  # it is made from the segments
            assert p.returncode == 0, p
        same_or_damaged(n)
    finally:
        aside.rename(path)


def main():
    tools = net.Tools()
    with tempfile.TemporaryDirectory() as folder:
        n = Node(pathlib.Path(folder), tools)
        assert fsck(n).returncode == 0
        told = runs = 0
        for kind, path, name in list(n.kinds()):
            for damage in OF_CONFIG if kind == "node.yaml" else DAMAGES:
                runs += 1
                result = hurt(n, kind, path, name, damage)
                told += bool(result)
                print("%-18s %-10s %s" % (kind, damage.__name__, {True: "named", None: "harmless"}.get(result, result)))
            take_away(n, kind, path, name)
            print("%-18s gone" % kind)
        assert runs >= 40 and told >= 34, (runs, told)
        assert fsck(n).returncode == 0 and n.list() == n.rows
    print("%d damages, %d named" % (runs, told))


if __name__ == "__main__":
    sys.exit(main())
