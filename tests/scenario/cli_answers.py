"""Goal: what the command says when something is in the way is true, plain, and names the next step.

    a county 330106000000, a township 330106110000 above a village 330106110201

Before the village is admitted, while the link is down, when the daemon does not
answer, when files are wrong, missing or damaged, and in Chinese; and whoever
stops a verifier leaves nothing of people's records behind.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import net

COUNTY, TOWN, VILLAGE = "330106000000", "330106110000", "330106110201"
VERIFY = net.ROOT / "scripts/verify_package.py"
CHINESE = {"LC_ALL": "zh_CN.UTF-8"}


def expect(p, code, *texts):
    said = p.stdout + p.stderr
    assert p.returncode == code, (code, p)
    for text in texts:
        assert text in said, (text, said)
    return said


def check_not_admitted(village, town):
    net.wait(lambda: "unknown-key" in village.peer(TOWN)["waiting_for"], "the town refuses the key")
    said = expect(village.run("status"), 0, "do not know this node's key yet", "node admit")
    assert "0 to go" not in said, said
    expect(village.run("why", TOWN), 0, "do not know this node's key yet", "node request")
    expect(village.run("why", "%s/0" % VILLAGE), 0, "No node above has acknowledged", "node admit")
    expect(village.run("sync", "--timeout", "1", check=False), 5, "do not know this node's key yet", "node admit")
    expect(town.run("why", VILLAGE, check=False), 3, "not admitted")
    expect(village.run("status", env=CHINESE), 0, "规则还不认得本节点的密钥", "官员")


def check_link_down(village, town):
    village.link.down()
    net.wait(lambda: village.peer(TOWN)["state"] == "waiting", "the link is down")
    record = village.put(net.generate(VILLAGE, 1, seed=5))[0]
    assert village.peer(TOWN)["backlog"] >= 1, village.peer(TOWN)
    expect(village.run("sync", "--timeout", "1", check=False), 5, "not complete within 1 s: ")
    # In the moment of a try there is no next one.
    net.wait(lambda: "next try" in village.run("why", record["id"]).stdout, "the next try is told")
    expect(village.run("why", record["id"]), 0, "No node above")
    net.wait(lambda: town.peer(VILLAGE) is None, "the town sees it gone")
    expect(town.run("why", VILLAGE, check=False), 3, "is not connected now")
    village.link.up()


def check_why(county, village, town):
    expect(county.run("why", "%s/0" % COUNTY), 0, "root of its domain")
    own = expect(village.run("why", "%s/0" % VILLAGE), 0, "Countersigned by " + TOWN)
    assert "No node above" not in own, own
    expect(town.run("why", "330106110203", check=False), 3, "not admitted")
    expect(town.run("why", "990000000000", check=False), 3, "no division")


def check_show(village):
    text = net.generate(VILLAGE, 40, seed=3, series="service-case")
    record = village.put(text)[0]
    said = expect(village.run("show", record["id"]), 0, "masked", "personal", "kept here whole")
    assert "(" in said
    shown = village.json("show", record["id"])
    assert "personal" in shown["masked"] and shown["withheld"] == [], shown
    expect(village.run("show", record["id"], env=CHINESE), 0, "个人", "已遮盖")


def check_put(folder, village):
    record = json.loads(net.generate(VILLAGE, 1, seed=11).splitlines()[0])
    size = village.json("log")["size"]
    pretty = json.dumps([record] * 5, indent=1).encode()
    p = village.run("put", "-", stdin=pretty, check=False, text=False)
    assert p.returncode == 1 and p.stderr.count(b"line ") < 40 and b"one JSON document a line" in p.stderr, p.stderr
    assert b"Nothing was stored" in p.stderr and village.json("log")["size"] == size
    assert village.put(b"\xef\xbb\xbf" + json.dumps(record).encode())[0]["id"] == record["id"]
    p = village.run("put", "-", stdin=b'\n\n{"series": broken', check=False, text=False)
    assert b"line 3: document: column " in p.stderr, p.stderr


def check_texts(folder, village):
    """Files that are no documents in UTF-8 are named, with the next step, and nothing of them is kept."""
    line = net.generate(VILLAGE, 1, seed=8).decode()
    assert not line.isascii()
    before = village.status()["size"]
    path = folder / "records.ndjson"
    for encoding, name in (("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("gbk", "GB18030")):
        path.write_bytes(line.encode(encoding, "ignore"))
        expect(village.run("put", path, check=False), 1, str(path), name, "iconv -f " + name)
    path.write_bytes(b"")
    expect(village.run("put", path), 0, "%s is empty" % path)
    expect(village.run("put", folder, check=False), 2, "%s is a folder" % folder, "cundang put %s/*" % folder)
    expect(village.run("put", path, env=CHINESE), 0, "为空")
    assert village.status()["size"] == before
    path.write_bytes(b"\xef\xbb\xbf" + line.encode())
    expect(village.run("put", path), 0, "1 record kept")


def check_files(folder, domain, village):
    """A wrong file of the user is no damage of ours."""
    wrong = folder / "wrong file"
    wrong.write_text("nothing of the kind\n")
    expect(domain.tools.run("node", "admit", "--all", domain.gov, wrong, check=False), 1, "no request of a node")
    proposal = domain.tools.run("governance", "sign", domain.gov, "--key", wrong, check=False)
    assert proposal.returncode in (1, 3) and "7" != str(proposal.returncode), proposal
    empty = folder / "empty.proof"
    empty.write_bytes(b"")
    key = village.json("key", "show")["log"]
    expect(domain.tools.run("verify", empty, "--log", key, check=False), 1, "this is no proof")
    expect(domain.tools.run("-C", wrong, "init", "--code", VILLAGE, "--governance", domain.gov, "--pin", domain.root,
                            check=False), 9, "is not a folder")
    expect(domain.tools.run("-C", folder / "a b", "status", check=False), 3)
    for verifier in ([domain.tools.cundang, "verify"], [sys.executable, str(VERIFY)]):
        for what, code in ((wrong, 1), (folder / "none.tar", 3)):
            p = subprocess.run(verifier + [str(what), "--root", domain.root], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            assert p.returncode == code, (verifier, what, p.returncode)
        p = subprocess.run(verifier + [str(wrong), "--root", "short"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        assert p.returncode == 2, (verifier, p.returncode)


def check_archive(folder, domain, village):
    tar = folder / "with space.tar"
    said = village.run("archive", "create", "-o", tar).stdout
    assert "verify '%s'" % tar in said, said
    before = tar.read_bytes()
    expect(village.run("archive", "create", "-o", tar, check=False), 9, "already", "--force")
    village.run("archive", "create", "-o", tar, "--force")
    assert tar.read_bytes() == before
    assert [p.name for p in folder.glob("with space*")] == ["with space.tar"]
    roots = []
    for verifier in ([domain.tools.cundang, "verify"], [sys.executable, str(VERIFY)]):
        p = subprocess.run(verifier + [str(tar), "--root", domain.root, "--json"], stdout=subprocess.PIPE, check=True)
        roots.append(json.loads(p.stdout)["root"])
    assert roots[0] == roots[1], roots
    return tar


def check_signals(folder, domain, tar):
    """Stopped at any moment, nothing that was unpacked stays."""
    scratch = folder / "scratch"
    scratch.mkdir()
    caught = 0
    for verifier in ([domain.tools.cundang, "verify"], [sys.executable, str(VERIFY)]):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            p = subprocess.Popen(verifier + [str(tar), "--root", domain.root], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=str(scratch)))
            while p.poll() is None and not list(scratch.iterdir()):
                time.sleep(0.001)
            for there in scratch.iterdir():
                try:
                    assert there.stat().st_mode & 0o077 == 0, there
                except FileNotFoundError:
                    pass  # it was done before the signal came
                caught += 1
            p.send_signal(number)
            p.wait(60)
            net.wait(lambda: not list(scratch.iterdir()), "nothing is left of %s" % verifier[-1])
    assert caught > 0


def check_broken(folder, domain, village):
    """Damage of what is ours: 7; without an index the same words everywhere."""
    copy = folder / "a copy"
    shutil.copytree(village.data, copy, ignore=shutil.ignore_patterns("control.sock"))
    shutil.rmtree(copy / "index")
    # fsck needs no index: the segments are the truth.
    assert "all good" in domain.tools.run("-C", copy, "fsck").stdout
    for args in (["list"], ["status"]):
        p = domain.tools.run("-C", copy, *args, check=False)
        said = expect(p, 3, "the index in %s is missing" % copy, "'%s' fsck --rebuild" % copy)
        assert "segments" in said, said
    (copy / "node.yaml").write_text("")
    expect(domain.tools.run("-C", copy, "list", check=False), 7, "node.yaml")
    daemon = [domain.tools.cundangd, "-C"]
    p = subprocess.run(daemon + [str(folder / "nobody")], stderr=subprocess.PIPE, env=dict(os.environ, **CHINESE))
    assert p.returncode == 3 and "没有".encode() in p.stderr, p
    p = subprocess.run(daemon[:1] + ["--nonsense"], stderr=subprocess.PIPE, env=dict(os.environ, **CHINESE))
    assert p.returncode == 2 and "用法".encode() in p.stderr, p
    shutil.rmtree(copy)


def check_silent(village):
    """A daemon that hangs is told within a quarter of a minute."""
    village.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        said = expect(village.run("status", check=False), 8, "does not answer", str(village.process.pid))
        assert "safe" in said and time.monotonic() - begun < 30, said
    finally:
        village.process.send_signal(signal.SIGCONT)


def check_no_parent(domain):
    alone = domain.node("330106110203")
    expect(alone.run("status"), 0, "node.yaml names no parent", TOWN)


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        folder = pathlib.Path(folder)
        county = d.node(COUNTY)
        town = d.node(TOWN, county)
        d.enrol()
        village = d.node(VILLAGE, town)
        village.put(net.generate(VILLAGE, 20, seed=1))
        d.start()
        check_not_admitted(village, town)
        d.admit([village])
        d.adopt()
        net.wait(lambda: village.peer(TOWN)["complete"], "the village is admitted and complete")
        expect(village.run("sync"), 0, "Complete")
        assert village.countersigned()
        check_why(county, village, town)
        check_link_down(village, town)
        check_show(village)
        check_put(folder, village)
        check_texts(folder, village)
        check_files(folder, d, village)
        check_silent(village)
        village.stop()
        assert village.json("key", "show")["seal"]
        check_signals(folder, d, check_archive(folder, d, village))
        check_broken(folder, d, village)
        check_no_parent(d)


if __name__ == "__main__":
    main()
