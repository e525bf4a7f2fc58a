"""Goal: a county comes into its domain by one kit, and goes through changes of its map.

    county 330106000000 --- township 330106110000 --- villages

Every node is made from the kit by what a clerk types, and admitted with its
check number compared; then one village is merged into another.
"""
import json
import os
import pathlib
import pty
import select
import shutil
import subprocess
import tempfile

import net

COUNTY, TOWN, VILLAGE = "330106000000", "330106110000", "330106110201"
SECOND, THIRD = "330106110203", "330106110204"


def divisions():
    """{code: name}"""
    lines = net.DIVISIONS.read_text(encoding="utf-8-sig").splitlines()[1:]
    return dict(line.split(",")[:2] for line in lines)


class KitNode(net.Node):
    """A node made from the kit, by name."""

    def __init__(self, domain, code, parent, kit, words):
        super().__init__(domain, code, parent)
        self.kit, self.words = kit, words
        domain.nodes[code] = self

    def init(self):
        args = ["init", "--kit", self.kit, "--name", self.words, "--listen", "127.0.0.1:%d" % self.listen,
                "--http", "127.0.0.1:%d" % self.http]
        if self.link:
            args += ["--parent", self.link.address]
        self.made = self.json(*args)
        assert self.made["code"] == self.code, self.made


def terminal(argv, lines):
    """Runs a program on a terminal and types lines; what it said."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["LC_ALL"] = "C.UTF-8"
        os.execv(argv[0], [str(a) for a in argv])
    said, todo = b"", list(lines)
    while True:
        if not select.select([fd], [], [], net.WAIT_S)[0]:
            raise net.Failed("silent terminal: %r" % said)
        try:
            more = os.read(fd, 4096)
        except OSError:
            break
        if not more:
            break
        said += more
        if todo and said.rstrip(b" ").endswith((b"?", b":")):
            os.write(fd, todo.pop(0).encode() + b"\n")
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def check_kit(d, folder):
    """The same bytes twice; what is wrong with it is told, and makes nothing."""
    kit, again = folder / "kit", folder / "again"
    said = d.tools.json("governance", "kit", d.gov, "-o", kit, "--parent", TOWN + "=10.1.1.1:7440")
    d.tools.run("governance", "kit", d.gov, "-o", again, "--parent", TOWN + "=10.1.1.1:7440")
    assert kit.read_bytes() == again.read_bytes() and said["root"] == d.root and said["bytes"] == kit.stat().st_size, said
    raw = kit.read_bytes()
    bad = folder / "bad"
    for change, words in ((raw.replace(b"10.1.1.1", b"10.1.1.2"), "damaged"), (raw[:-100], "damaged"), (b"not a kit" * 20, "not a kit"),
                          (b"", "not a kit")):
        bad.write_bytes(change)
        p = d.tools.run("-C", folder / "none", "init", "--kit", bad, "--code", VILLAGE, check=False)
        assert p.returncode == 1 and words in p.stderr and not (folder / "none").exists(), p.stderr
    p = d.tools.run("-C", folder / "none", "init", "--kit", kit, "--code", VILLAGE, "--pin", "0" * 64, check=False)
    assert p.returncode == 4 and "another domain" in p.stderr and not (folder / "none").exists(), p.stderr
    before = bad.read_bytes()
    p = d.tools.run("governance", "kit", d.gov, "-o", bad, check=False)
    assert p.returncode == 9 and bad.read_bytes() == before, p
    p = d.tools.run("governance", "kit", d.gov, "--force", "-o", bad, "--parent", "330199000000=a:1", check=False)
    assert p.returncode == 3, p
    return kit


def check_choice(d, folder, kit):
    """By code, name, part of a name and letters; several are listed or asked about."""
    names = divisions()
    try_ = folder / "try"

    def make(*args, check=True):
        shutil.rmtree(try_, ignore_errors=True)
        return d.tools.run("-C", try_, "init", "--kit", kit, *args, "--json", check=check)
    made = json.loads(make("--name", names[VILLAGE]).stdout)
    assert made["code"] == VILLAGE and made["parent"] == TOWN and made["name"] == names[VILLAGE], made
    assert 'parent: "10.1.1.1:7440"' in (try_ / "node.yaml").read_text()
    again = d.tools.json("-C", try_, "node", "request", "-o", folder / "x.request")
    assert again["check"] == made["check"] and pathlib.Path(made["request"]).read_bytes() == (folder / "x.request").read_bytes()
    assert json.loads(make("--name", "xxjd").stdout)["name"] == "西溪街道"
    assert make("--name", "没有这个村", check=False).returncode == 3
    p = make("--name", "村", check=False)
    listed = [json.loads(x) for x in p.stdout.splitlines()]
    assert p.returncode == 2 and len(listed) > 5 and all(names[x["code"]] == x["name"] for x in listed), p
    assert not (try_ / "node.yaml").exists()
    assert make(check=False).returncode == 2
    # On a terminal: first the name, then which of those that fit.
    shutil.rmtree(try_, ignore_errors=True)
    code, said = terminal([d.tools.cundang, "-C", try_, "init", "--kit", kit], ["村", "0", "2"])
    assert code == 0 and (try_ / "node.yaml").exists(), said
    assert "code: \"%s\"" % listed[1]["code"] in (try_ / "node.yaml").read_text() and d.root in said, said


def check_admission(d, folder, kit):
    """Requests by the folder: only what was compared counts, or --all says that nothing is."""
    names = divisions()
    county = KitNode(d, COUNTY, None, kit, names[COUNTY])
    town = KitNode(d, TOWN, county, kit, names[TOWN])
    below = [KitNode(d, c, town, kit, names[c]) for c in (VILLAGE, SECOND, THIRD)]
    box = folder / "requests"
    box.mkdir()
    for n in d.nodes.values():
        n.init()
        shutil.copy(n.made["request"], box)
    pending = [json.loads(x) for x in d.tools.run("node", "pending", d.gov, box, "--json").stdout.splitlines()]
    assert {x["code"]: x["check"] for x in pending} == {n.code: n.made["check"] for n in d.nodes.values()}, pending
    p = d.tools.run("node", "admit", d.gov, box, check=False)
    assert p.returncode == 2 and "--check" in p.stderr and "--all" in p.stderr and "node pending" in p.stderr, p.stderr
    assert d.tools.run("node", "admit", "--check", "000000x", d.gov, box, check=False).returncode == 2
    other = next(c for c in ("%06d" % i for i in range(9)) if c not in [x["check"] for x in pending])
    p = d.tools.run("node", "admit", "--check", other, d.gov, box, check=False)
    assert p.returncode == 3 and "no request has" in p.stderr, p
    said = ",".join(n.made["check"] for n in (county, town, below[0]))
    done = d.tools.json("node", "admit", "--check", said, d.gov, box)
    assert done["nodes"] == 3 and len(done["left_out"]) == 2, done
    d.sign()
    states = {x["code"]: x["state"] for x in map(json.loads, d.tools.run("node", "pending", d.gov, box, "--json").stdout.splitlines())}
    assert states[VILLAGE] == "admitted already" and states[SECOND] == "new", states
    # A code that is taken: another machine asks for it.
    thief = folder / "thief"
    d.tools.run("-C", thief, "init", "--kit", kit, "--code", VILLAGE)
    taken = next(thief.glob("*.request"))
    p = d.tools.run("node", "admit", "--all", d.gov, taken, check=False)
    assert p.returncode == 9 and "other keys" in p.stderr, p.stderr
    shutil.copy(taken, box / "again.request")
    p = d.tools.run("node", "admit", "--all", d.gov, box, check=False)
    assert p.returncode == 9 and "two requests" in p.stderr, p.stderr
    (box / "again.request").unlink()
    done = d.tools.json("node", "admit", "--all", d.gov, box)
    assert done["nodes"] == 5 and not done["left_out"], done
    d.sign()
    d.adopt()
    d.start()
    for n in below:
        n.put(net.generate(n.code, 30, seed=int(n.code[-3:])))
        n.control("POST", "/sync", "{}")
    d.settled()
    return county, town, below


def about(node, code, count, seed):
    """Records that `node` makes about the division `code`."""
    return net.generate(code, count, seed=seed)


def check_merge(d, folder, county, town, below):
    """A village is merged into another while its machine is offline: what was countersigned stays and verifies,
    nothing later comes in, and its successor goes on for the old code."""
    kept, gone = below[0], below[1]
    before = gone.status()["size"]
    log = gone.origin()
    p = kept.run("put", "-", stdin=about(kept, SECOND, 1, 90).decode(), check=False)
    assert p.returncode == 1 and "is not within" in p.stderr, p.stderr
    gone.link.down()
    net.wait(lambda: gone.peer(TOWN)["state"] != "open", "the village is offline")
    gone.put(about(gone, SECOND, 3, 91))
    said = d.tools.json("node", "retire", d.gov, SECOND, "--successor", VILLAGE, "--date", "2026-11-01")
    assert (said["retired"], said["successor"]) == ("2026-11-01", VILLAGE), said
    assert d.tools.run("node", "retire", d.gov, SECOND, check=False).returncode == 9
    assert d.tools.run("node", "retire", d.gov, TOWN, check=False).returncode == 4
    d.sign()
    d.adopt()
    net.wait(lambda: town.status()["governance"]["serial"] == said["serial"], "the township has the rules")
    gone.link.up()
    gone.control("POST", "/sync", "{}")
    net.wait(lambda: gone.status().get("retired") == "2026-11-01", "the village learns that it was merged")
    text = gone.run("status").stdout
    assert "retired on 2026-11-01" in text and VILLAGE in text, text
    p = gone.run("put", "-", stdin=about(gone, SECOND, 1, 92).decode(), check=False)
    assert p.returncode == 1 and "was retired on 2026-11-01" in p.stderr and VILLAGE in p.stderr, p.stderr
    assert "was retired on" in town.run("why", SECOND, check=False).stderr
    # It is not told to ask for admission.
    net.wait(lambda: "unknown-key" in gone.peer(TOWN)["waiting_for"], "the town refuses the key")
    p = gone.run("sync", "--timeout", "1", check=False)
    assert p.returncode == 5 and "was retired" in p.stderr and "successor" in p.stderr and "admit" not in p.stderr, p.stderr
    net.wait(lambda: kept.status()["governance"]["serial"] == county.status()["governance"]["serial"], "the successor knows it")
    receipts = kept.put(about(kept, SECOND, 5, 93))
    assert len(receipts) == 5 and all("id" in r for r in receipts), receipts
    kept.control("POST", "/sync", "{}")
    # It may put on record meanwhile what it gives.
    net.wait(lambda: county.holds(kept), "the county has what the successor recorded")
    # Nothing of the old log behind what was countersigned.
    assert town.logs()[log][0] == before and county.logs()[log][0] == before, (town.logs(), before)
    listed = [json.loads(x) for x in county.run("list", "--from", SECOND, "--limit", "1000", "--json").stdout.splitlines()]
    assert {x["origin"] for x in listed} == {log, kept.origin()} and len(listed) == 35, len(listed)
    whole = [json.loads(x) for x in county.run("list", "--from", VILLAGE, "--limit", "1000", "--json").stdout.splitlines()]
    assert {x["origin"] for x in whole} == {log, kept.origin()} and len(whole) == 65, [(x['origin'][13:25],x['node'],x['seq']) for x in whole]
    assert json.loads(county.run("show", receipts[0]["id"], "--json").stdout)
    verify(d, folder, county, SECOND)
    verify(d, folder, county, VILLAGE)
    p = d.tools.run("-C", folder / "new", "init", "--governance", d.gov, "--pin", d.root, "--code", SECOND, check=False)
    assert p.returncode == 4 and "takes no node any more" in p.stderr, p.stderr
    # A damaged machine of the old code: its own directory reads and verifies still.
    assert gone.run("fsck").returncode == 0


def verify(d, folder, node, code):
    """Both verifiers are content with a package of the log."""
    package = folder / (code + ".tar")
    node.run("archive", "create", "--origin", code, "-o", package)
    said = d.tools.json("verify", package, "--root", d.root)
    assert said["ok"] and not said["faults"], said
    p = subprocess.run(["python3", str(net.ROOT / "scripts/verify_package.py"), str(package), "--root", d.root],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert p.returncode == 0, p.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(pathlib.Path(name) / "d") as d:
        folder = pathlib.Path(name)
        kit = check_kit(d, folder)
        check_choice(d, folder, kit)
        county, town, below = check_admission(d, folder, kit)
        check_merge(d, folder, county, town, below)


if __name__ == "__main__":
    main()
