"""What a node promised, and whether a crash left it so.

A Book holds what was told to the outside: receipts, erasures, checkpoints.
check() opens the node and says where it differs.  All numbers are the node's
own log's.
"""
import base64
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scenario"), str(HERE.parent.parent / "scripts")]
import net  # noqa: E402
import verify_log  # noqa: E402

KILLED = 137
TOWN, COUNTY = "330106110000", "330106000000"
PLAIN = ("sensor",)  # series without attachments


class Broken(Exception):
    """A promise that was not kept."""


class Material:
    """Lines to put, with small attachments to some; each handed out once."""

    def __init__(self, folder, count, seed, node=TOWN, every=6):
        rng = random.Random(seed)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lines = []
        for i, text in enumerate(net.generate(node, count, seed=seed, rate=0).splitlines()):
            doc = json.loads(text)
            if i % every == 2 and doc["series"] not in PLAIN:
                data = rng.randbytes(rng.choice((0, 1, 900, 70000, 150000)))
                name = hashlib.sha256(data).hexdigest()
                (self.folder / name).write_bytes(data)
                doc["attachments"] = [{"sha256": name, "name": "scan.jpg", "media_type": "image/jpeg", "size": len(data)}]
            self.lines.append(json.dumps(doc, ensure_ascii=False))
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.lines):
            raise net.Failed("%d lines are too few" % len(self.lines))
        self.at += count
        return self.lines[self.at - count:self.at]


class Book:
    """Promises of one node."""

    def __init__(self):
        self.lines = {}       # id: line
        self.receipts = {}    # seq: receipt
        self.erased = {}      # (seq, label): seed
        self.erasing = {}     # the same, ordered and perhaps not done
        self.checkpoints = {} # (origin, size): root

    def copy(self):
        b = Book()
        for name in vars(self):
            setattr(b, name, dict(getattr(self, name)))
        return b

    def offer(self, lines):
        for line in lines:
            self.lines[json.loads(line)["id"]] = line
        return lines

    def hear(self, output):
        """Lines that `cundang put --json` or mill told; an unfinished last one counts for nothing."""
        heard = 0
        for line in output[:output.rfind(b"\n") + 1].splitlines():
            if not line.strip():
                continue
            told = json.loads(line)
            if "leaf" in told:
                self.promise(told)
                heard += 1
            for what in ("erasing", "erased"):
                for seq, label, seed in told.get(what, ()):
                    getattr(self, what)[seq, label] = seed
            if "error" in told:
                raise Broken("refused: %s" % line.decode())
        return heard

    def promise(self, receipt):
        old = self.receipts.setdefault(receipt["seq"], receipt)
        if old != receipt:
            raise Broken("two receipts of one place: %r and %r" % (old, receipt))

    def see(self, origin, size, root):
        old = self.checkpoints.setdefault((origin, size), root)
        if old != root:
            raise Broken("%s: two roots of size %d were signed" % (origin, size))

    def see_note(self, text):
        origin, size, root = text.split("\n")[:3]
        self.see(origin, int(size), root)


def roots_at(leaves, sizes):
    """{size: root} over prefixes of the leaves, each leaf hashed in once."""
    out, edge, n = {}, [], 0
    wanted = sorted(sizes)
    for at in wanted:
        if at > len(leaves):
            continue
        while n < at:
            h, k = leaves[n], n
            while k & 1:
                h, k = verify_log.node_hash(edge.pop(), h), k >> 1
            edge.append(h)
            n += 1
        root = None
        for h in reversed(edge):
            root = h if root is None else verify_log.node_hash(h, root)
        out[at] = root or verify_log.sha256(b"")
    return out


def export(tools, data, origin=None):
    """The log as (origin, entries), its signature and tiles verified."""
    with tempfile.TemporaryDirectory(prefix="cundang-log-") as folder:
        tools.run("-C", data, "log", *([origin] if origin else []), "--export", folder)
        vkey = (pathlib.Path(folder) / "vkey").read_text().strip()
        key, faults = verify_log.Key.from_vkey(vkey), verify_log.Faults()
        source = verify_log.Source(folder)
        note = verify_log.Note(source.get("checkpoint"))
        origin, size, root = verify_log.parse_checkpoint(note.text)
        if not note.verdict(key):
            raise Broken("%s: the checkpoint is not signed" % origin)
        entries = verify_log.Tree(source, size, 0, size, faults).check(root)
        if faults.list or len(entries) != size:
            raise Broken("%s: %s" % (origin, faults.list))
        return note.text, [entries[i] for i in range(size)]


def check_log(tools, data, book, origin=None):
    text, entries = export(tools, data, origin)
    book.see_note(text)
    origin = text.split("\n", 1)[0]
    leaves = [verify_log.leaf_hash(e) for e in entries]
    seen = {size: root for (o, size), root in book.checkpoints.items() if o == origin}
    roots = roots_at(leaves, seen)
    for size, root in seen.items():
        if size not in roots:
            raise Broken("%s has %d entries, a checkpoint of %d was seen" % (origin, len(leaves), size))
        if base64.b64encode(roots[size]).decode() != root:
            raise Broken("%s: the checkpoint of %d is no prefix of that of %d" % (origin, size, len(leaves)))
    return origin, entries, leaves


def check_receipts(book, origin, entries, leaves):
    for seq, r in book.receipts.items():
        if r["origin"] != origin:
            raise Broken("a receipt of %s, the log is %s" % (r["origin"], origin))
        if seq >= len(leaves):
            raise Broken("acknowledged as %d, the log has %d entries" % (seq, len(leaves)))
        leaf = base64.urlsafe_b64encode(leaves[seq]).decode().rstrip("=")
        if leaf != r["leaf"] or json.loads(entries[seq])["id"] != r["id"]:
            raise Broken("entry %d is another one than was acknowledged" % seq)


def check_again(tools, data, book, folder, rng, sample):
    """Puts what was acknowledged again: whole, it gives the same receipt.

    A part that is erased is refused, or was empty."""
    gone = {seq for seq, _ in (*book.erased, *book.erasing)}
    told = [r for r in book.receipts.values() if r["id"] in book.lines]
    if sample and len(told) > sample:
        told = rng.sample(told, sample - 4) + told[-4:]
    told = list({r["seq"]: r for r in told}.values())
    text = "\n".join(book.lines[r["id"]] for r in told)
    p = tools.run("-C", data, "put", "--json", "--attachments", folder, "-", stdin=text, check=False)
    answers = [json.loads(x) for x in p.stdout.splitlines()]
    if len(answers) != len(told):
        raise Broken("put again: %d answers to %d lines: %s" % (len(answers), len(told), p.stderr))
    for r, a in zip(told, answers):
        if a == r:
            continue
        if r["seq"] in gone and a.get("error", {}).get("code") == "erased":
            continue
        raise Broken("put again: %r instead of %r" % (a, r))


def check_erased(tools, data, book, origin, rng, sample):
    orders = list(book.erased)
    if sample and len(orders) > 3:  # each is a process; check_nowhere() looks for all
        orders = rng.sample(orders, 3)
    for seq, label in orders:
        doc = tools.json("-C", data, "show", "%s/%d" % (origin, seq))
        if label not in doc["erased"]:
            raise Broken("entry %d: its %s part came back" % (seq, label))


def check_nowhere(tools, data, book):
    """No key in the directory opens anything that holds an erased part's seed."""
    dump = tools.run("-C", data, "store", "dump", text=False).stdout
    for (seq, label), seed in book.erased.items():
        if bytes.fromhex(seed) in dump:
            raise Broken("entry %d: its %s part can be read still" % (seq, label))


def check_fsck(tools, data):
    p = tools.run("-C", data, "fsck", "--json", check=False)
    if p.returncode or not json.loads(p.stdout)["ok"]:
        raise Broken("fsck: exit %d %s %s" % (p.returncode, p.stdout, p.stderr))


def check_wanted(tools, data):
    """A node without children has every attachment its records refer to."""
    wanted = tools.json("-C", data, "status")["wanted"]
    if wanted:
        raise Broken("%d attachments are missing" % wanted)


def check(tools, data, book, folder, rng, sample=0, deep=True):
    """All of it.  `sample`: how many records and erasures to look into, 0 for all; what the log says is always checked whole."""
    check_again(tools, data, book, folder, rng, sample)  # a writer opens first
    origin, entries, leaves = check_log(tools, data, book)
    check_receipts(book, origin, entries, leaves)
    if deep:
        check_erased(tools, data, book, origin, rng, sample)
        check_wanted(tools, data)
        check_nowhere(tools, data, book)
        check_fsck(tools, data)


def mill_args(build, data, lines, folder, seed, erasures, below=0, work=None):
    path = pathlib.Path(work or folder) / ("lines-%d" % seed)
    path.write_text("".join(x + "\n" for x in lines))
    return [str(x) for x in (build / "tests/crash/mill", data, path, folder, seed, erasures, below)]


def mill(*args, env=None, **kw):
    """Runs mill to its end or death; (exit status, stdout, stderr)."""
    p = subprocess.run(mill_args(*args, **kw), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    return p.returncode, p.stdout, p.stderr


def clone(source, target):
    """A copy that passes for the same: a node knows its directory by the file `instance`, so the two share that one."""
    shutil.rmtree(target, ignore_errors=True)
    # Sockets of a killed daemon are not copied.
    shutil.copytree(source, target, ignore=lambda d, names: [n for n in names if n.endswith(".sock")])
    marker = pathlib.Path(source) / "instance"
    if marker.exists():
        (target / "instance").unlink()
        os.link(marker, target / "instance")
    return target
