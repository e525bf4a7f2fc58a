"""Goal: rules change only as the officers sign, with stock tools too.

    a governance repository, two officers, one node that follows

Too few signatures, the same officer twice, a stranger's key, an old repository
and a broken file change nothing and say why; an edit by stock git and
signatures by stock ssh-keygen count; the node adopts, alone and by its daemon.
"""
import json
import pathlib
import shutil
import subprocess
import tempfile

import net

COUNTY = "330106000000"


def new_key(folder, name):
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def fails(p, code, *names):
    assert p.returncode == code, p
    for n in names:
        assert n in p.stderr, (n, p.stderr)


def check_init(domain, folder):
    """A domain needs two officers; a mistake leaves nothing behind."""
    run, key = domain.tools.run, domain.officers[0]
    base = ["governance", "init", folder / "gov", "--domain", "xihu.example", "--root", COUNTY, "--divisions", net.DIVISIONS]
    fails(run(*base, "--officer", "a=%s.pub" % key, check=False), 2, "two officers")
    fails(run(*base, "--officer", "a", "--officer", "b", check=False), 2, "NAME=KEY.pub")
    fails(run(*base[:-2], "--officer", "a=%s.pub" % key, check=False), 2, "--divisions")
    assert not (folder / "gov").exists()


def heads(domain):
    return [json.loads(x) for x in domain.tools.run("governance", "log", domain.gov, "--json").stdout.splitlines()]


def sign(domain, key, check=False):
    return domain.tools.run("governance", "sign", domain.gov, "--key", key, check=check)


def consumer(folder):
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: platform\n    token_sha256: %s\n    labels: [public]\n" % ("ab" * 32))


def check_quorum(domain, folder):
    """Two of two: one is too few, the same one twice is one, a stranger's is none."""
    run = domain.tools.run
    fails(sign(domain, domain.officers[0]), 3, "no open proposal")
    domain.edit(consumer)
    assert run("governance", "check", domain.gov).returncode == 0
    assert "consumer platform comes in and is granted public" in run("governance", "publish", domain.gov).stdout
    fails(run("governance", "publish", domain.gov, check=False), 9)
    fails(sign(domain, new_key(folder, "stranger")), 4, "no officer")
    said = sign(domain, domain.officers[0], check=True).stdout
    assert "consumer platform comes in" in said and "1 of 2" in said, said
    fails(sign(domain, domain.officers[0]), 9, "signed")
    assert [h["final"] for h in heads(domain)] == [True, False], heads(domain)


def check_too_few(domain, node):
    """What is not signed by enough is not adopted."""
    assert node.json("governance", "adopt", domain.gov)["serial"] == 1


def check_stock_signature(domain, folder):
    """The second officer signs with ssh-keygen alone."""
    run, statement = domain.tools.run, folder / "statement"
    text = run("governance", "to-sign", domain.gov, text=False).stdout
    statement.write_bytes(text)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "cundang-governance", "-f", str(domain.officers[1]), str(statement)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    armor = statement.with_suffix(".sig")
    wrong = folder / "other"
    wrong.write_bytes(text + b" ")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "cundang-governance", "-f", str(domain.officers[1]), str(wrong)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fails(run("governance", "sign", domain.gov, "--signature", wrong.with_suffix(".sig"), check=False), 4)
    assert "2 of 2" in run("governance", "sign", domain.gov, "--signature", armor).stdout
    assert [h["final"] for h in heads(domain)] == [True, True], heads(domain)


def check_mistakes(domain):
    """Every mistake in one go, with its line and what to do, in Chinese too."""
    def broken(folder):
        alert = folder / "series" / "alert.yaml"
        alert.write_text(alert.read_text().replace("type: time", "type: clock", 1))
        task = folder / "series" / "task-ledger.yaml"
        task.write_text(task.read_text().replace("title: 得分", "title: 人脸"))
        with (folder / "domain.yaml").open("a") as f:
            f.write("retention:\n  - {series: sys-provision, period: T1y}\n")
    domain.edit(broken)
    check = ("governance", "check", domain.gov)
    p = domain.tools.run(*check, check=False)
    assert p.returncode == 1 and "domain.yaml: line 12: retention of sys-provision: the law wants" in p.stdout, p
    domain.edit(lambda folder: subprocess.run(["git", "checkout", "-q", "HEAD~1", "domain.yaml"], cwd=folder, check=True))
    p = domain.tools.run(*check, check=False)
    assert p.returncode == 1 and "alert.yaml: line " in p.stdout and "type: clock: not one of" in p.stdout, p
    assert "task-ledger.yaml: line " in p.stdout and "take the field out" in p.stdout, p
    p = domain.tools.run(*check, check=False, env={"LC_ALL": "zh_CN.UTF-8"})
    assert "type: clock: 不是这里可用的词" in p.stdout and "不得保存生物识别信息：请删去此字段" in p.stdout, p
    subprocess.run(["git", "-C", str(domain.gov), "update-ref", "refs/heads/main", "refs/heads/main~2"], check=True)


def check_difference(domain, node):
    """Who signs is told in words, in Chinese too, what a change is."""
    run = domain.tools.run
    diff = ("governance", "diff", domain.gov)
    assert "Nothing changes." in run(*diff).stdout
    assert domain.tools.json(*diff, "1", "1") == {"changes": []}

    def less(folder):
        path = folder / "series" / "complaint.yaml"
        text = path.read_text()
        path.write_text(text.replace("township: [public, internal, personal, sensitive]", "township: [public, internal, sensitive]"))
        assert path.read_text() != text
    domain.edit(less)
    line, = domain.tools.json(*diff)["changes"]
    assert line["file"] == "series/complaint.yaml" and "township no longer sees personal: " in line["en"], line
    assert "乡镇（街道）不再看到个人信息：" in line["zh"], line
    assert line["en"] in run(*diff).stdout
    assert line["zh"] in run(*diff, env={"LC_ALL": "zh_CN.UTF-8"}).stdout
    fails(run(*diff, "7", check=False), 3)
    # The root sends nothing up, and captured none of these.
    assert node.json(*diff, "--here")["here"] == {"clock": True, "due": [], "seen": [], "unfit": []}
    fails(run(*diff, "what", check=False), 2, "main or proposal")
    node.put(net.generate(COUNTY, 60, seed=4, series="household"))

    def other(folder):
        path = folder / "series" / "household.yaml"
        path.write_text("".join(x for x in path.read_text().splitlines(True) if "household_no" not in x))
    domain.edit(other)
    unfit, = node.json(*diff, "--here")["here"]["unfit"]
    assert unfit["documents"] == 60 and "household_no" in unfit["why"], unfit
    assert "household: 60 documents of this node would be refused" in node.run(*diff, "--here").stdout
    subprocess.run(["git", "-C", str(domain.gov), "update-ref", "refs/heads/main", "refs/heads/main~1"], check=True)
    subprocess.run(["git", "-C", str(domain.gov), "update-ref", "refs/heads/main", "refs/heads/main~1"], check=True)


def check_pages(domain, node, folder):
    """A page in each language for every series, and one that lists them."""
    assert domain.tools.json("governance", "docs", folder / "pages", domain.gov)["pages"] == 52
    assert "52" in node.run("governance", "docs", folder / "pages").stdout
    names = sorted(p.name for p in (folder / "pages").iterdir())
    assert len(names) == 52 and "README.zh-CN.md" in names and "household.md" in names, names
    assert "公民身份号码" in (folder / "pages" / "household.zh-CN.md").read_text()
    assert "(minor-protection.md)" in (folder / "pages" / "README.md").read_text()


def check_broken_rules(domain):
    """A file that does not load is told by name and never proposed."""
    def broken(folder):
        (folder / "series" / "alert.yaml").write_text("name: alert\ncolour: red\n")
    domain.edit(broken)
    p = domain.tools.run("governance", "check", domain.gov, "--json", check=False)
    report = json.loads(p.stdout)
    assert p.returncode == 1 and not report["ok"] and "alert.yaml" in report["faults"][0][0], report
    p = domain.tools.run("governance", "publish", domain.gov, check=False)
    assert p.returncode == 1 and "alert.yaml" in p.stderr and "governance check" in p.stderr, p
    subprocess.run(["git", "-C", str(domain.gov), "update-ref", "refs/heads/main", "refs/heads/main~1"], check=True)


def check_old_serial(domain, node, old):
    """An older repository takes nothing back."""
    assert node.json("governance", "adopt", domain.gov)["serial"] == 2
    assert node.json("governance", "adopt", old)["serial"] == 2
    assert node.json("status")["governance"]["serial"] == 2


def check_foreign(domain, node, folder):
    """The rules of another domain, or of another founding, are not taken."""
    other = net.Domain(folder / "other-domain", domain.tools)
    other.edit(consumer)
    other.publish()
    p = node.run("governance", "adopt", other.gov, check=False)
    assert p.returncode != 0 and node.json("status")["governance"]["serial"] == 2, p
    p = domain.tools.run("-C", folder / "x", "init", "--code", COUNTY, "--governance", other.gov, "--pin", domain.root, check=False)
    assert p.returncode == 4 and not (folder / "x" / "node.yaml").exists(), p


def check_requests(domain, node, folder):
    """A request is shown with its check number; a damaged one is refused."""
    request = folder / "node.request"
    said = node.json("node", "request", "-o", request)
    pending = json.loads(domain.tools.run("node", "pending", domain.gov, request, "--json").stdout)
    assert pending["check"] == said["check"] and pending["code"] == COUNTY and pending["state"] == "new", pending
    damaged = folder / "damaged.request"
    raw = request.read_bytes()
    damaged.write_bytes(raw.replace(COUNTY.encode(), b"330106110000"))
    assert domain.tools.run("node", "admit", "--all", domain.gov, damaged, check=False).returncode != 0
    domain.tools.run("node", "admit", "--check", said["check"], domain.gov, request)
    domain.sign()
    assert json.loads(domain.tools.run("node", "pending", domain.gov, request, "--json").stdout)["state"] == "admitted already"


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(pathlib.Path(name) / "d") as d:
        folder = pathlib.Path(name)
        check_init(d, folder)
        old = folder / "old.git"
        shutil.copytree(d.gov, old)
        node = d.node(COUNTY)
        check_quorum(d, folder)
        check_too_few(d, node)
        check_stock_signature(d, folder)
        check_old_serial(d, node, old)
        check_mistakes(d)
        check_difference(d, node)
        check_pages(d, node, folder)
        check_broken_rules(d)
        check_foreign(d, node, folder)
        check_requests(d, node, folder)
        node.start()
        assert node.json("governance", "adopt", d.gov)["serial"] == 3
        assert node.status()["governance"]["serial"] == 3
        assert node.json("governance", "adopt", old)["serial"] == 3
        assert len(node.run("governance", "log").stdout.splitlines()) == 3


if __name__ == "__main__":
    main()
