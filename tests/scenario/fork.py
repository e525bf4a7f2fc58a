"""Goal: a log that contradicts itself is refused, told at both ends, and harms nobody else.

    county 330106000000 <---link--- township 330106110000
                        <---link--- township 330106109000

One township's disk is put back to an older state and goes on from there: the
county keeps what it has, says why, and serves the other township as before; the
first one goes on in a new epoch (epoch.py has the rest).
"""
import pathlib
import shutil
import tempfile

import net

COUNTY, TOWNSHIP, OTHER = "330106000000", "330106110000", "330106109000"


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        other = d.node(OTHER, county)
        d.enrol()
        d.start()
        town.put(net.generate(TOWNSHIP, 20, seed=1))
        net.wait(lambda: county.holds(town), "the county holds the first records")
        town.stop()
        old = pathlib.Path(folder) / "old"
        shutil.copytree(town.data, old)
        town.start()
        town.put(net.generate(TOWNSHIP, 20, seed=2))
        net.wait(lambda: county.holds(town), "the county holds the next records")
        origin, before = town.origin(), county.logs()
        town.stop()
        shutil.rmtree(town.data)
        shutil.copytree(old, town.data)
        # As an image of the disk would: nothing shows that it is a copy.
        (town.data / "instance").unlink()
        # While the link is down the node cannot know that it was put back.
        town.link.down()
        town.start()
        town.put(net.generate(TOWNSHIP, 30, seed=3))
        town.link.up()
        town.control("POST", "/sync", "{}")
        net.wait(lambda: origin + " contradicts itself" in county.tail(200), "the county says that the log contradicts itself")
        net.wait(lambda: town.origin() != origin, "the township begins a new epoch")
        net.wait(lambda: town.peer(COUNTY)["complete"], "the township is complete")
        assert county.logs()[origin] == before[origin], (county.logs(), before)
        assert county.holds(town)
        other.put(net.generate(OTHER, 20, seed=4))
        net.wait(lambda: county.holds(other), "the other township is served")
        # Capture goes on: what is put is durable here.
        assert len(town.put(net.generate(TOWNSHIP, 5, seed=5))) == 5


if __name__ == "__main__":
    main()
