"""Goal: a disk put back to an old copy forgets no order, no look and no receipt.

    county 330106000000 <---link--- township 330106110000 <---link--- village 330106110201

The township enters a hold and an erasure, and its disk is put back to before
both.  While it does not know that, it enters another hold, and somebody looks
at a record.  Then the link comes up: what only the township has is entered
again in its new log, what only the nodes above and below have comes back to it.
What was destroyed is destroyed there again, what is held stays, and an erasure
that waits for the township's word at the village does not wait for ever.
"""
import json
import pathlib
import tempfile

import epoch
import net
from orders import COUNTY, Desk, TOWNSHIP, VILLAGE, confirmed, dump_lacks, officers, row, secrets, shown, state

REASON = "接待来访，核对受理单"


def order(desk, node, signers, *words, how=("order", "enter")):
    path, name = desk.write(node, *words, "--reason", "request 12")
    desk.sign(path, *signers)
    desk.enter(node, path, *how)
    return name


def looks(node):
    return [x for x in map(json.loads, node.run("audit", "access", "--json").stdout.splitlines())
            if x["access"]["result"] == "shown"]


def ids(node, code):
    p = node.run("list", "--json", "--from", code, "--limit", "1000")
    return {json.loads(x)["id"] for x in p.stdout.splitlines()}


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        desk = Desk(d, folder)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.edit(lambda f: officers(d, f))
        d.publish()
        d.adopt()
        d.start()
        lines = net.generate(VILLAGE, 6, seed=7, series="household").splitlines()
        put = village.put(b"\n".join(lines) + b"\n")
        own = town.put(net.generate(TOWNSHIP, 4, seed=8, series="service-case"))
        d.settled()
        town.stop()
        epoch.copy(town.data, folder / "old")
        town.start()

        # What the copy does not know.
        held, victim, late = put[1], put[2], put[4]
        hold = order(desk, town, [1], "hold", "add", "--record", "%s/%d" % (held["origin"], held["seq"]))
        erased = order(desk, town, [1, 3], "erase", victim["id"], how=("disposal", "run"))
        for n in (county, town, village):
            state(n, hold, "in-force")
            state(n, erased, "done")
        village.put(net.generate(VILLAGE, 3, seed=9, series="household"))
        net.wait(lambda: all(confirmed(county, erased).values()), "all receipts are at the county")
        d.settled()
        before = town.origin()
        town.stop()
        epoch.put_back(town, folder / "old")
        town.link.down()
        town.start()
        assert town.origin() == before and row(town, hold)["state"] == row(town, erased)["state"] == "unknown"

        # What only the copy knows.
        second = order(desk, town, [1], "hold", "add", "--series", "household", "--from", "2001-01-01", "--to", "2001-12-31")
        town.run("reveal", own[0]["id"], "--reason", REASON)
        assert len(looks(town)) == 1
        town.link.up()
        net.wait(lambda: town.origin() != before, "the township begins a new epoch")
        for n in (county, town, village):
            state(n, hold, "in-force")
            state(n, second, "in-force")
            state(n, erased, "done")
        assert {r["origin"] for r in town.json("order", "list")["orders"] if r["order"] == hold} == {town.origin()}
        net.wait(lambda: len(looks(county)) == 1, "the county knows of the look")
        assert len(looks(town)) == 1, looks(town)
        net.wait(lambda: ids(town, VILLAGE) == ids(village, VILLAGE), "the village's records are at the township again")
        assert shown(town, victim)["erased"] and not shown(town, held)["erased"]

        # Nobody waits for what was lost.
        last = order(desk, county, [1, 2], "erase", late["id"], how=("disposal", "run"))
        for n in (county, town, village):
            state(n, last, "done")
        path, _ = desk.write(county, "erase", held["id"], "--reason", "request 13")
        desk.sign(path, 1, 2)
        desk.refused(county, path, 4, "under the hold " + hold)
        d.settled()
        for n in d.nodes.values():
            n.stop()
            n.run("fsck", "--rebuild")
            dump_lacks(n, secrets(lines[2]) + secrets(lines[4]))
            n.start()
        for n in (county, town, village):
            state(n, hold, "in-force")
        d.settled()


if __name__ == "__main__":
    main()
