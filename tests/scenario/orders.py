"""Goal: what officers order is carried out at every node, never past a hold, and what is gone stays gone.

    county 330106000000 <---link--- township 330106110000 <---link--- villages 330106110201, 330106110203

An erasure is entered at the township while its link to the county is down, and
a hold at the county meanwhile: nobody destroys before the hold list is known to
be fresh, and then the hold beats the order.  When it is released all destroy,
and the receipts are back at the county.  A second order is cancelled.  What is
put again, and a disk put back to what it was before, bring nothing back.
"""
import base64
import hashlib
import json
import pathlib
import re
import subprocess
import tempfile

import epoch
import net

COUNTY, TOWNSHIP, VILLAGE, OTHER = "330106000000", "330106110000", "330106110201", "330106110203"
PERSON = ("personal", "sensitive")


def officers(domain, folder):
    """A third officer: an archivist of the township; a fourth who only registers."""
    for i, role, scope in ((3, "archivist", TOWNSHIP), (4, "registrar", COUNTY)):
        key = domain.folder / ("officer%d" % i)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)], check=True)
        with open(folder / "officers.yaml", "a") as f:
            f.write("  - name: officer%d\n    role: %s\n    scope: \"%s\"\n    key: \"%s\"\n"
                    % (i, role, scope, (domain.folder / (key.name + ".pub")).read_text().strip()))


class Desk:
    """Where orders are written and signed."""

    def __init__(self, domain, folder):
        self.domain, self.folder, self.count = domain, folder, 0

    def write(self, node, *words):
        self.count += 1
        path = self.folder / ("%d.order" % self.count)
        return path, node.json(*words, "-o", path)["order"]

    def craft(self, **members):
        """An order as another program would write it."""
        self.count += 1
        path = self.folder / ("%d.order" % self.count)
        path.write_text(json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        return path

    def disposal(self, **members):
        """The same of a disposal, in a folder with its register."""
        rows = []
        for p in members["parts"]:
            count = sum(b - a for a, b in p["seqs"])
            code = p["origin"].split("/")[1]
            rows.append({"archive_no": "", "book": "", "count": count, "destroyed_at": "", "first_year": 2010, "kept_years": 10, "last_year": 2010,
                         "masked_in": [], "name": self.title("household"), "period": "D10", "series": "household", "since": "2021-01-01",
                         "source": self.unit(code), "volume": "", **p})
        register = {"accounts": members["accounts"], "as_of": "2026-01-01", "count": sum(r["count"] for r in rows), "domain": members["domain"],
                    "node": members["node"], "reason": members["reason"], "rows": rows, "rules": members["rules"], "unit": self.unit(members["node"])}
        text = json.dumps(register, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        self.count += 1
        folder = self.folder / ("disposal-%d" % self.count)
        folder.mkdir()
        (folder / "register.json").write_bytes(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
        return self.craft(**{**members, "register": digest}).rename(folder / "disposal.order")

    def rules(self, name):
        return subprocess.run(["git", "-C", str(self.domain.gov), "show", "main:" + name], check=True, stdout=subprocess.PIPE).stdout.decode()

    def title(self, series):
        return re.search("^title: (.*)$", self.rules("series/%s.yaml" % series), re.M).group(1)

    def unit(self, code):
        return re.search("^%s,([^,]*)," % code, pathlib.Path(net.DIVISIONS).read_text(), re.M).group(1)

    def sign(self, path, *officers):
        for i in officers:
            self.domain.tools.run("order", "sign", path, "--key", self.domain.folder / ("officer%d" % i))

    def enter(self, node, path, *words):
        return node.json(*(words or ("order", "enter")), path)["order"]

    def refused(self, node, path, code, *says):
        p = node.run("order", "enter", path, check=False)
        assert p.returncode == code, (p.returncode, p.stderr)
        for text in says:
            assert text in p.stderr, p.stderr


def row(node, order):
    for r in node.json("order", "list")["orders"]:
        if r["order"] == order:
            return r
    return {"state": "unknown", "why": ""}


def state(node, order, want, says=""):
    r = net.wait(lambda: (lambda r: r if r["state"] == want and says in r.get("why", "") else None)(row(node, order)),
                 "%s: %s is %s %s (%s)" % (node.code, order, want, says, row(node, order)))
    return r


def confirmed(node, order):
    """{code: whether it has confirmed} at a node."""
    for o in node.json("disposal", "status", order)["orders"]:
        return {n["node"]: n["confirmed"] for n in o["nodes"]}


def shown(node, receipt):
    return node.json("show", "%s/%d" % (receipt["origin"], receipt["seq"]))


def secrets(line):
    """What of a household nobody may find any more."""
    fields = json.loads(line)["fields"]
    found = [m[k] for m in fields["members"] for k in ("name", "id_no", "phone") if m.get(k)]
    assert found
    return [x.encode() for x in found if len(x) > 2]


def dump_lacks(node, texts):
    plain = node.run("store", "dump", text=False).stdout
    assert len(plain) > 1000
    for t in texts:
        assert t not in plain, (node.code, t.decode())


def bad_input(desk, county, town, village, line, put):
    """Each is refused in words, and nothing is entered."""
    name = "%s/%d" % (put[0]["origin"], put[0]["seq"])
    before = len(county.json("order", "list")["orders"])

    path, _ = desk.write(county, "erase", name, "--reason", "request 1")
    desk.refused(county, path, 4, "has 0 signatures, it needs 2")
    desk.sign(path, 1)
    path.with_name(path.name + ".again.sig").write_bytes(path.with_name(path.name + ".officer1.sig").read_bytes())
    desk.refused(county, path, 4, "twice")
    path.with_name(path.name + ".again.sig").unlink()
    desk.sign(path, 4)
    desk.refused(county, path, 4, "governors and archivists")
    path.with_name(path.name + ".officer4.sig").unlink()
    desk.sign(path, 2)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"request 1", b"request 2"))
    desk.refused(county, path, 4, "signature 1")
    path.write_bytes(good.replace(b'"kind"', b'"kinds"'))
    desk.refused(county, path, 1, "order")
    path.write_bytes(good)
    desk.refused(village, path, 4, "does not lie within")

    text = json.loads(good)
    for change, code, says in (
            ({"domain": "other.example", "parts": [{**p, "origin": p["origin"].replace("xihu.", "other.")}
                                                   for p in text["parts"]]}, 4, "other.example"),
            ({"parts": [{**p, "seqs": [[10 ** 6, 10 ** 6 + 1]]} for p in text["parts"]]}, 3, "not here"),
            ({"parts": [{"label": "internal", "origin": put[0]["origin"], "seqs": [[0, 1]]}]}, 4, "never destroyed"),
            ({"rules": 99}, 5, "head 99"),
            ({"holds": "A" * 43}, 4, "list of holds"),
            ({"node": OTHER}, 4, "outside")):
        path = desk.craft(**{**text, **change})
        desk.sign(path, 1, 2)
        desk.refused(county, path, code, says)
    path = desk.disposal(**text)
    desk.sign(path, 1, 2)
    desk.refused(county, path, 4, "15 days")
    late = {"not_before": "2099" + text["not_before"][4:]}
    path = desk.disposal(**{**text, **late})
    desk.sign(path, 1, 2)
    register = path.with_name("register.json")
    whole = register.read_text()
    register.write_text(whole.replace('"kept_years":10', '"kept_years":30'))
    desk.refused(county, path, 1, "not the one that order")
    register.unlink()
    desk.refused(county, path, 3, "register.json")
    # What officers signed has a name of a person in it.
    path = desk.disposal(**{**text, **late})
    register = path.with_name("register.json")
    name_in = register.read_text().replace('"source":"', '"source":"甄士隐')
    register.write_text(name_in)
    digest = base64.urlsafe_b64encode(hashlib.sha256(name_in.encode()).digest()).rstrip(b"=").decode()
    path.write_text(re.sub('"register":"[^"]*"', '"register":"%s"' % digest, path.read_text()))
    desk.sign(path, 1, 2)
    desk.refused(county, path, 1, "another name than the rules")

    path = desk.craft(**{**text, "reason": "request of 13805710001"})
    key = desk.domain.folder / "officer1"
    assert desk.domain.tools.run("order", "sign", path, "--key", key, check=False).returncode == 2
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "cundang-approval", "-f", str(key), str(path)], check=True)
    desk.refused(county, path, 2, "number of a person")
    for words in (("erase", name), ("hold", "add", "--series", "household")):
        p = county.run(*words, "--reason", "request of 13805710001", "-o", desk.folder / "no.order", check=False)
        assert p.returncode == 2 and "number of a person" in p.stderr, p.stderr
    p = county.run("hold", "add", "--from", "2026-05-02", "--to", "2026-05-01", "--reason", "r",
                   "-o", desk.folder / "no.order", check=False)
    assert p.returncode == 2 and "is after" in p.stderr, p.stderr

    path, _ = desk.write(county, "hold", "add", "--series", "household", "--reason", "all of the county")
    empty = path.with_name("empty.sig")
    empty.write_bytes(b"")
    p = county.run("order", "enter", path, empty, check=False)
    assert p.returncode == 4 and "no ssh signature" in p.stderr, p.stderr
    desk.sign(path, 3)
    desk.refused(county, path, 4, "outside that scope")

    # A document of these series is nobody's to put.
    fake = json.loads(line)
    answer = village.put(json.dumps({**fake, "series": "sys-hold", "fields": {"text": "{}"}}).encode() + b"\n", check=False)
    assert "written by the node itself" in answer[0]["error"]["text"], answer
    assert len(county.json("order", "list")["orders"]) == before


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as name, net.Domain(name) as d:
        folder = pathlib.Path(name)
        desk = Desk(d, folder)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        village, other = d.node(VILLAGE, town), d.node(OTHER, town)
        d.enrol()
        d.edit(lambda f: officers(d, f))
        d.publish()
        d.adopt()
        d.start()

        lines = net.generate(VILLAGE, 6, seed=7, series="household").splitlines()
        put = village.put(b"\n".join(lines) + b"\n")
        other.put(net.generate(OTHER, 3, seed=8, series="household"))
        for n in (town, village, other):
            n.control("POST", "/sync", "{}")
        d.settled()
        bad_input(desk, county, town, village, lines[0], put)

        # The township is alone; both orders are entered.
        town.link.down()
        victim, second = put[2], put[4]
        path, order = desk.write(town, "erase", victim["id"], "--reason", "PIPL 47, request 12")
        desk.sign(path, 1, 3)
        desk.enter(town, path, "disposal", "run")
        desk.refused(town, path, 9, "before")
        state(town, order, "waiting", "next session")
        state(village, order, "waiting")
        path, hold = desk.write(county, "hold", "add", "--record", "%s/%d" % (victim["origin"], victim["seq"]),
                                "--reason", "audit 7")
        desk.sign(path, 1)
        desk.enter(county, path)
        assert [h["order"] for h in county.json("hold", "list")["orders"]] == [hold]
        assert shown(village, victim)["withheld"] == [] and not shown(village, victim)["erased"]

        town.link.up()
        for n in (county, town, village):
            state(n, order, "waiting", "under the hold " + hold)
        assert confirmed(county, order) == {COUNTY: False, TOWNSHIP: False, VILLAGE: False} or \
            confirmed(county, order) == {TOWNSHIP: False, VILLAGE: False}, confirmed(county, order)
        assert not shown(village, victim)["erased"]
        path, _ = desk.write(county, "erase", victim["id"], "--reason", "request 13")
        desk.sign(path, 1, 2)
        desk.refused(county, path, 4, "under the hold")

        # A disk as it is now comes back later.
        village.stop()
        old = folder / "before"
        epoch.copy(village.data, old)
        village.start()

        # A disposal that waits is cancelled.
        text = json.loads(path.read_text())
        path = desk.disposal(**{**text, "order": text["order"][:-4] + "abcd", "reason": "disposal 1",
                             "not_before": "2099" + text["not_before"][4:],
                             "parts": [{"label": "personal", "origin": second["origin"],
                                        "seqs": [[second["seq"], second["seq"] + 1]]}]})
        desk.sign(path, 1, 2)
        late = desk.enter(county, path, "disposal", "run")
        state(village, late, "waiting", "waits until 2099")
        path, _ = desk.write(county, "disposal", "cancel", late, "--reason", "appraised again")
        desk.sign(path, 2)
        desk.enter(county, path)
        for n in (county, town, village):
            state(n, late, "ended")
        # Its register is there for ever, where it was entered.
        said = county.json("disposal", "register", late)
        assert said["destroyed_at"] == "" and said["register"]["reason"] == "disposal 1" and said["order"]["state"] == "ended", said
        assert village.run("disposal", "register", late, check=False).returncode == 3
        assert county.run("disposal", "register", order, check=False).returncode == 3

        # Released: gone everywhere, and confirmed.
        path, _ = desk.write(county, "hold", "release", hold, "--reason", "audit 7 is over")
        desk.sign(path, 2)
        desk.enter(county, path)
        for n in (county, town, village):
            state(n, order, "done")
        net.wait(lambda: all(confirmed(county, order).values()), "all receipts are at the county")
        assert OTHER not in confirmed(county, order)
        assert county.json("hold", "list")["orders"] == []
        doc = shown(village, victim)
        assert set(doc["erased"]) == set(PERSON), doc
        assert all(order in e["why"] for e in doc["erased"].values()), doc
        answer = village.put(lines[2], check=False)
        assert answer[0]["error"]["code"] == "erased", answer
        path = desk.craft(**json.loads((folder / "1.order").read_text()))
        gone = secrets(lines[2])

        # The old disk: it has the order, and not what came of it.
        village.stop()
        epoch.put_back(village, old)
        village.start()
        net.wait(lambda: village.origin() != victim["origin"] or row(village, order)["state"] == "done",
                 "the old disk is noticed")
        state(village, order, "done")
        village.put(net.generate(VILLAGE, 2, seed=9, series="household"))
        for n in (town, village, other):
            n.control("POST", "/sync", "{}")
        d.settled()
        assert set(shown(village, victim)["erased"]) == set(PERSON)
        assert village.put(lines[2], check=False)[0]["error"]["code"] == "erased"

        for n in d.nodes.values():
            n.stop()
            n.run("fsck", "--rebuild")
            dump_lacks(n, gone)
        for n in (village, county):
            tar = folder / ("of-%s.tar" % n.code)
            n.run("archive", "create", "--origin", victim["origin"], "-o", tar)
            report = json.loads(d.tools.run("verify", tar, "--root", d.root, "--json").stdout)
            assert report["ok"], report


if __name__ == "__main__":
    main()
