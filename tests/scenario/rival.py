"""Goal: two rival heads, both fully signed, split nobody for long.

    county 330106000000 <---link--- township 330106110000

The officers sign two heads of one number; the county has one, the township the
other.  Each refuses the other's, says which they are, and captures on.  The
officers sign the next head on top of the one that the root's log records, the
township's operator takes the officers' repository in place of its own, and all
is one again, the township's records too.
"""
import pathlib
import shutil
import subprocess
import tempfile

import net

COUNTY, TOWNSHIP = "330106000000", "330106110000"


def consumer(mark):
    def edit(folder):
        (folder / "consumers.yaml").write_text(
            "consumers:\n  - name: platform\n    token_sha256: %s\n    labels: [public]\n" % (mark * 32))
    return edit


def rival_heads(d, folder):
    """Two repositories that both go on from the same head."""
    other = folder / "rival.git"
    shutil.copytree(d.gov, other)
    d.edit(consumer("ab"))
    d.publish()
    first, d.gov = d.gov, other
    d.edit(consumer("cd"))
    d.publish()
    d.gov = first
    return other


def statement(d, gov, serial):
    text = subprocess.run(["git", "-C", str(gov), "cat-file", "blob", "refs/cundang/heads/%010d:statement.json" % serial],
                          check=True, stdout=subprocess.PIPE).stdout
    return text


def check_refused(node, gov):
    p = node.run("governance", "adopt", gov, check=False)
    assert p.returncode == 7 and "rival heads of the rules: number 3 is " in p.stderr, p
    assert node.json("status")["governance"]["serial"] == 3


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(pathlib.Path(name) / "d") as d:
        folder = pathlib.Path(name)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.enrol()
        d.start()
        town.put(net.generate(TOWNSHIP, 10, seed=1))
        d.settled()
        d.links_down()
        rival = rival_heads(d, folder)
        # The proposal of the enrolment was number 2.
        assert county.json("governance", "adopt", d.gov)["serial"] == 3
        assert town.json("governance", "adopt", rival)["serial"] == 3
        check_refused(town, d.gov)
        check_refused(county, rival)
        town.stop()
        check_refused(town, d.gov)  # without a daemon too
        town.start()
        d.links_up()
        town.put(net.generate(TOWNSHIP, 10, seed=2))
        net.wait(lambda: "rival heads of the rules: number 3 is " in town.run("status").stdout, "the township says what is wrong")
        net.wait(lambda: "rival heads of the rules: number 3 is " in county.tail(400), "the county says what is wrong")
        # The way out: the next head on top of the one that the root records.
        d.edit(lambda f: (f / "calendar.yaml").write_text("days:\n  - {date: \"2030-10-01\", kind: holiday}\n"))
        d.publish()
        assert county.json("governance", "adopt", d.gov)["serial"] == 4
        assert "rival" in town.run("governance", "adopt", d.gov, check=False).stderr
        town.stop()
        town.data.joinpath("governance.git").rename(folder / "governance.rival")
        subprocess.run(["git", "clone", "-q", "--mirror", str(d.gov), str(town.data / "governance.git")], check=True)
        town.start()
        assert town.status()["governance"]["serial"] == 4
        d.settled()
        assert statement(d, town.data / "governance.git", 3) == statement(d, d.gov, 3)


if __name__ == "__main__":
    main()
