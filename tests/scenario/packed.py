"""Goal: a node without a daemon does not drown in small blocks: put packs at its end.

One node; each record is put by a process of its own.  What a power cut left of
a group ends the first segment, and the next put packs it: the records are what
they were, the check is clean, and a put behind it leaves it as it is.
"""
import json
import pathlib
import tempfile

import net
from repair import items

VILLAGE = "330106110201"
TORN = b"CDit\1 and no more of it"


def segments(node):
    return sorted(p.name for p in (node.data / "segments").iterdir())


def rows(node):
    return node.run("list", "--json", "--limit", "1000").stdout


def end_of_groups(path):
    return max(at + head + n for at, _, _, _, head, n in items(path))


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(pathlib.Path(folder) / "domain") as d:
        node = d.node(VILLAGE)
        lines = net.generate(VILLAGE, 16, seed=3, series="service-case").splitlines(True)
        for one in lines[:12]:
            assert len(node.put(one)) == 1
        assert segments(node) == ["00000001.seg"]
        first = node.data / "segments/00000001.seg"
        with open(first, "r+b") as f:
            f.seek(end_of_groups(first))
            f.write(TORN)
        before, size = rows(node), len(list(items(first)))
        last = node.put(lines[12])
        assert segments(node) == ["00000001-1.seg", "00000002.seg"], segments(node)
        packed = len(list(items(node.data / "segments/00000001-1.seg")))
        assert 2 * packed < size, (packed, size)
        assert set(before.splitlines()) < set(rows(node).splitlines())
        report = node.run("fsck")
        assert "all good" in report.stdout, report.stdout
        assert node.put(lines[12]) == last, "the same document, the same receipt"
        node.put(b"".join(lines[13:]))
        assert segments(node) == ["00000001-1.seg", "00000002.seg"], segments(node)
        assert len([json.loads(x) for x in rows(node).splitlines()]) >= 16
    print("%d items became %d" % (size, packed))


if __name__ == "__main__":
    main()
