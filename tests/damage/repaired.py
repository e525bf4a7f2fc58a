"""Goal: whatever is damaged in a segment comes back from a neighbour, and the check is clean again.

    county 330106000000 <--- township 330106110000 <--- village 330106110201

The village has items of all kinds.  In one of each kind a bit is flipped, in
every second case the index is lost too; then `cundang repair`, and fsck ends
with 0; what show and the lists of orders tell is what they told.
"""
import json
import pathlib
import shutil
import subprocess
import tempfile

import net
from orders import COUNTY, Desk, TOWNSHIP, VILLAGE, state
from repair import flip, items

KINDS = {1: "log", 2: "entries", 3: "parts", 4: "proved", 5: "note", 6: "references", 7: "erased", 8: "commit",
         9: "mended", 10: "closed"}


def damage(village, kind, nth):
    """One bit of the payload of an item that is not among the newest."""
    places = []
    segments = sorted((village.data / "segments").iterdir())
    for path in segments:
        data, found = path.read_bytes(), list(items(path))
        commits = [at for at, k, *_ in found if KINDS[k] == "commit"]
        end = len(data) if path != segments[-1] else commits[-2] if len(commits) > 1 else 0
        places += [(path, at + head + n // 2) for at, k, l, name, head, n in found
                   if k == kind and at < end and any(data[at + head:at + head + n])]
    path, at = places[nth % len(places)]
    flip(path, at)


def told(village, origin, size):
    """Everything that a person sees of it."""
    rows = [village.run("show", "%s/%d" % (origin, seq), "--json").stdout for seq in range(0, size, 25)]
    orders = {(o["order"], o["state"]) for o in village.json("order", "list")["orders"]}
    alerts = village.run("list", "--json", "--from", COUNTY, "--limit", "100").stdout
    return rows, orders, alerts


def repair(village):
    p = village.run("repair", "--json", check=False)
    assert p.stdout, (p.returncode, p.stderr)
    return p.returncode, json.loads(p.stdout)


def complete(village):
    net.wait(lambda: village.peer(TOWNSHIP)["complete"], "the village is complete")


def destroy(village, seq):
    tool = pathlib.Path(village.domain.tools.cundang).parent.parent / "tests/crash/destroy"
    village.stop()
    subprocess.run([str(tool), str(village.data), "1782000000", "order 7", str(seq), "internal"], check=True)
    village.start()
    complete(village)


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        county = d.node(COUNTY)
        township = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, township)
        d.enrol()
        d.start()
        files = folder / "files"
        files.mkdir()
        alert = county.put(net.generate(COUNTY, 3, seed=7, series="alert"))
        desk = Desk(d, folder)
        path, hold = desk.write(county, "hold", "add", "--series", "household", "--reason", "audit 7")
        desk.sign(path, 1)
        desk.enter(county, path)
        lines = net.generate(VILLAGE, 60, seed=5, attachments=files, rate=0.2, series="service-case")
        receipts = village.put(lines, attachments=files)
        d.settled()
        complete(village)
        net.wait(lambda: village.run("show", "%s/%d" % (alert[2]["origin"], alert[2]["seq"]), check=False).returncode == 0,
                 "the alerts came down")
        state(village, hold, "in-force")
        destroy(village, receipts[3]["seq"])
        done = []
        for case, kind in enumerate((4, 1, 2, 3, 5, 6, 7, 8, 9, 10)):
            village.put(net.generate(VILLAGE, 2, seed=20 + case, series="service-case"))
            village.put(net.generate(VILLAGE, 2, seed=50 + case, series="service-case"))
            complete(village)
            net.wait(lambda: township.status()["wanted"] == 0, "the attachments are above")
            origin, size = village.origin(), village.status()["size"]
            before = told(village, origin, size)
            village.stop()
            damage(village, kind, case)
            if case % 2:
                shutil.rmtree(village.data / "index")
            found = village.run("fsck", check=False)
            assert found.returncode == 7, (KINDS[kind], found.stdout)
            village.start()
            complete(village)
            code, report = repair(village)
            assert code == 0 and report["lost"] == [] and report["faults"] == [], (KINDS[kind], code, report)
            p = village.run("fsck", check=False)
            assert p.returncode == 0, (KINDS[kind], p.stdout)
            assert village.origin() == origin and told(village, origin, size) == before, KINDS[kind]
            done.append(KINDS[kind])
            print("%-10s is whole again" % KINDS[kind], flush=True)
        village.stop()
        shutil.rmtree(village.data / "index")
        p = village.run("fsck", check=False)
        assert p.returncode == 0, p.stdout
        assert set(done) == set(KINDS.values())


if __name__ == "__main__":
    main()
