"""Goal: a county comes into its domain by one kit, and goes through changes of its map.

    county 330106000000 --- township 330106110000 --- villages

Every node is made from the kit by what a clerk types.
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
    p = d.tools.run("governance", "kit", d.gov, "-o", bad, "--parent", "330199000000=a:1", check=False)
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


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(pathlib.Path(name) / "d") as d:
        folder = pathlib.Path(name)
        kit = check_kit(d, folder)
        check_choice(d, folder, kit)


if __name__ == "__main__":
    main()
