#!/usr/bin/env python3
"""Verifies a package made by `cundang archive create`, independently of it.

  verify_package.py --root SHA256 [--json] PACKAGE

PACKAGE is the tar or its unpacked folder, SHA256 the domain's root
fingerprint in hex, as it is printed on paper.  docs/format.md section 9 has
the layout; what is checked:

  the manifests of the bag, both ways · every governance head from the root
  fingerprint on: statements, trees, officers' signatures and their number ·
  the checkpoint's signature and cosignatures · tiles, entries and root ·
  each part against its entry · that each entry shows the parts that the head
  in force for it and all later ones let the holder see, and none above ·
  attachments · that cited heads are there

Needs the Python standard library, openssl and ssh-keygen, and verify_log.py
beside it.  Exit status: 0 all is well, 1 there are faults, 2 the call is wrong,
3 there is no such file.  Stopped by a signal it leaves nothing unpacked behind.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

import verify_log
from verify_log import Bad, COSIGNATURE, ED25519, Faults, Key, Note

LABELS = ("public", "internal", "personal", "sensitive")
NAMESPACE = "cundang-governance"
TOTAL_LIMIT = 256 << 30
TREE_LIMIT = 1 << 27
SAFE_INTEGER = (1 << 53) - 1
ORDER_SERIES = ("sys-hold", "sys-erasure", "sys-restrict")
SYSTEM_SERIES = ("sys-policy", "sys-key", "sys-epoch", "sys-witness",
                 "sys-provision", "sys-hold", "sys-erasure", "sys-receipt",
                 "sys-restrict", "sys-disposal", "sys-archive", "sys-access",
                 "sys-aggregate")


class NoPackage(Exception):
    """It is no package, or a tar that cannot be read whole: one fault."""


# ------------------------------------------------------- canonical JSON (8785)

def canonical_number(v):
    if isinstance(v, int):
        if abs(v) > SAFE_INTEGER:
            raise Bad("integer beyond 2^53-1")
        return str(v)
    if v != v or v in (float("inf"), float("-inf")):
        raise Bad("number that no double holds")
    if v == 0:
        return "0"
    sign = "-" if v < 0 else ""
    digits, _, exponent = ("%r" % abs(v)).partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0").rstrip("0")
    n = len(digits)
    if n <= point <= 21:
        return sign + digits + "0" * (point - n)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if n > 1 else "")
    return "%s%se%+d" % (sign, mantissa, point - 1)


def canonical(v):
    if v is None or isinstance(v, bool):
        return {None: "null", True: "true", False: "false"}[v]
    if isinstance(v, str):
        return json.dumps(v, ensure_ascii=False)
    if isinstance(v, (int, float)):
        return canonical_number(v)
    if isinstance(v, list):
        return "[" + ",".join(canonical(x) for x in v) + "]"
    names = sorted(v, key=lambda s: s.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(
        canonical(n) + ":" + canonical(v[n]) for n in names) + "}"


def no_duplicates(pairs):
    if len({n for n, _ in pairs}) != len(pairs):
        raise Bad("duplicate names")
    return dict(pairs)


def refuse(text):
    raise Bad("not json: " + text)


def parse_canonical(data):
    """The value of exactly canonical bytes."""
    try:
        text = data.decode("utf-8")
        v = json.loads(text, object_pairs_hook=no_duplicates,
                       parse_constant=refuse)
        if canonical(v) != text:
            raise Bad("not canonical json")
    except (UnicodeError, ValueError, RecursionError) as e:
        raise Bad("not json: %s" % e)
    return v


# ---------------------------------------------------------------- disclosures

def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text, length):
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise Bad("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(data) != length or b64url(data) != text:
        raise Bad("not base64url of %d bytes" % length)
    return data


def disclosure_digest(text):
    encoded = b64url(text.encode("utf-8")).encode()
    return b64url(hashlib.sha256(encoded).digest())


def salt(seed, label, name):
    mac = hmac.new(seed, label.encode() + b"\0" + name.encode(), "sha256")
    return b64url(mac.digest()[:16])


def part_digest(seed, label, part):
    """RFC 9901 digest of a part, docs/format.md section 2."""
    digests = []
    for name, value in part.items():
        if name in ("", "_sd", "..."):
            raise Bad("reserved name")
        digests.append(disclosure_digest(canonical(
            [salt(seed, label, name), name, value])))
    return disclosure_digest(canonical(
        [salt(seed, label, ""), label, {"_sd": sorted(digests)}]))


# ------------------------------------------------------- the YAML that we take

class Yaml:
    """A strict reader of the subset in governance trees: block and flow
    mappings and sequences, plain and double-quoted scalars, comments.  Every
    scalar is a string."""

    PLAIN = re.compile(r'(?:[^\s#:,\[\]{}"\'&*!|>%@`-]|-(?=\S))'
                       r'(?:[^#:,\[\]{}\n]|:(?=\S)|(?<=\S)#)*')
    BLOCK = re.compile(r'(?:[^\s#:,\[\]{}"\'&*!|>%@`-]|-(?=\S))'
                       r'(?:[^#:\n]|:(?=\S)|(?<=\S)#)*')

    def __init__(self, data):
        try:
            self.text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("yaml that is not utf-8")
        self.at = 0

    def fail(self, what):
        raise Bad("yaml, line %d: %s" %
                  (self.text.count("\n", 0, self.at) + 1, what))

    def skip(self):
        """Blanks, line feeds and comments."""
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in " \n":
                self.at += 1
            elif c == "#" and (self.at == 0 or
                               self.text[self.at - 1] in " \n"):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                break

    def column(self):
        return self.at - (self.text.rfind("\n", 0, self.at) + 1)

    def peek(self):
        return self.text[self.at:self.at + 1]

    def quoted(self):
        out, self.at = [], self.at + 1
        while True:
            c = self.peek()
            self.at += 1
            if c in ("", "\n"):
                self.fail("open quote")
            if c == '"':
                return "".join(out)
            if c == "\\":
                c = self.peek()
                self.at += 1
                if c not in ('"', "\\"):
                    self.fail("unknown escape")
            out.append(c)

    def scalar(self, plain):
        if self.peek() == '"':
            return self.quoted()
        m = plain.match(self.text, self.at)
        if not m:
            self.fail("no value")
        self.at = m.end()
        return m.group().rstrip(" ")

    def flow(self):
        c = self.peek()
        if c == "[":
            return self.flow_list()
        if c == "{":
            return self.flow_map()
        return self.scalar(self.PLAIN)

    def flow_list(self):
        out, self.at = [], self.at + 1
        while True:
            self.skip()
            if self.peek() == "]":
                self.at += 1
                return out
            out.append(self.flow())
            self.skip()
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != "]":
                self.fail("no , or ] in a list")

    def key(self, plain):
        name = self.scalar(plain)
        if self.peek() != ":":
            self.fail("no : behind a name")
        self.at += 1
        return name

    def flow_map(self):
        out, self.at = {}, self.at + 1
        while True:
            self.skip()
            if self.peek() == "}":
                self.at += 1
                return out
            name = self.key(self.PLAIN)
            self.skip()
            if name in out:
                self.fail("%s twice" % name)
            out[name] = self.flow()
            self.skip()
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != "}":
                self.fail("no , or } in a mapping")

    def is_item(self):
        return self.text[self.at:self.at + 2] in ("- ", "-\n")

    def block(self, indent):
        """A block collection that stands at column `indent`."""
        return self.block_list(indent) if self.is_item() else \
            self.block_map(indent)

    def value(self, above, line, in_list):
        """What stands behind "name:" or "- "."""
        start = self.at
        self.skip()
        if "\n" not in self.text[start:self.at] and self.at < len(self.text):
            if self.peek() in "[{":
                return self.flow()
            if in_list:
                keep = self.at
                self.scalar(self.BLOCK)
                again, self.at = self.peek() == ":", keep
                if again:
                    return self.block_map(self.column())
            return self.scalar(self.BLOCK)
        column = self.column()
        if self.at == len(self.text) or column < above or \
                (column == above and (in_list or not self.is_item())):
            self.fail("no value")
        return self.block(column)

    def block_list(self, indent):
        out = []
        while self.at < len(self.text) and self.column() == indent and \
                self.is_item():
            self.at += 1
            out.append(self.value(indent, False, True))
            self.skip()
        return out

    def block_map(self, indent):
        out = {}
        while self.at < len(self.text) and self.column() == indent and \
                not self.is_item():
            name = self.key(self.BLOCK)
            if name in out:
                self.fail("%s twice" % name)
            out[name] = self.value(indent, False, False)
            self.skip()
        return out

    def document(self):
        self.skip()
        if self.text.startswith("---", self.at):
            self.at += 3
            self.skip()
        if self.at == len(self.text):
            self.fail("empty")
        v = self.block(self.column())
        if self.at != len(self.text):
            self.fail("what follows does not belong")
        return v


def members(v, required, optional=()):
    if not isinstance(v, dict) or not set(required) <= set(v) or \
            not set(v) <= set(required) | set(optional):
        raise Bad("members other than %s" % ", ".join(required))
    return v


# ------------------------------------------------------------------ governance

def within(code, above):
    """`code` is `above` or lies below it."""
    n = 6 if above.endswith("000000") else 9 if above.endswith("000") else 12
    return code[:n] == above[:n]


def is_code(text):
    return isinstance(text, str) and re.fullmatch("[0-9]{12}", text)


def plain_name(text):
    """As people read it: no full-width letters, case or spaces."""
    narrow = "".join(chr(ord(c) - 0xfee0) if "\uff01" <= c <= "\uff5e" else c
                     for c in text)
    return re.sub("[ \u00a0\u3000\u200b-\u200f\u2060\ufeff]", "",
                  narrow).lower()


class Head:
    """The files of one governance head as rules."""

    def __init__(self, files):
        self.files = files
        domain = members(self.yaml("domain.yaml"),
                         ("name", "root", "approvals"),
                         ("retention", "waiting_days"))
        root = members(domain["root"], ("code", "name", "rank"))
        approvals = members(
            domain["approvals"], ("rules", "roster"),
            ("disposal", "accounts", "hold"))
        self.domain = domain["name"]
        self.root_code = root["code"]
        self.approvals = self.count(approvals["rules"], 2)
        self.roster_approvals = self.count(approvals["roster"], 1)
        self.check_orders(approvals, domain)
        self.officers = [
            members(o, ("name", "role", "scope", "key"), ("until",))
            for o in members(self.yaml("officers.yaml"),
                             ("officers",))["officers"]]
        self.check_officers()
        self.nodes = {self.root_code: {
            "rank": root["rank"], "parent": None, "keys": None}}
        self.series = {}
        for path in sorted(files):
            if path.startswith("roster/"):
                self.add_roster(path)
            elif path.startswith("series/"):
                self.add_series(path)
            elif path not in ("domain.yaml", "officers.yaml", "README.md",
                              "consumers.yaml", "calendar.yaml",
                              "seals.yaml"):
                raise Bad("%s: no such file in a governance tree" % path)
        for name in SYSTEM_SERIES:
            self.series[name] = {
                "labels": {"internal"},
                "direction": "down" if name in ORDER_SERIES else "up",
                "clearance": {rank: {"internal"} for rank in
                              ("village", "township", "county")}}
        self.series[SEALED] = {
            "labels": {"sensitive"}, "direction": "up",
            "clearance": {rank: {"sensitive"} for rank in
                          ("village", "township", "county")}}
        self.check_seals()

    def check_seals(self):
        """Each sealed series has somebody who can open its records."""
        if "seals.yaml" in self.files:
            seals = members(self.yaml("seals.yaml"),
                            ("recovery", "recipients"))
            everywhere = {
                members(r, ("name", "role", "scope", "key"))["role"]
                for r in seals["recipients"]
                if within(r["scope"], self.root_code) and
                r["scope"] == self.root_code}
        else:
            everywhere = set()
        for name, s in self.series.items():
            if s.get("sealed") and (
                    s["sealed"] not in everywhere or
                    any(s["clearance"].values()) or s["direction"] != "up"):
                raise Bad("series/%s.yaml: sealed" % name)

    def yaml(self, path):
        if path not in self.files:
            raise Bad("%s: missing" % path)
        try:
            return Yaml(self.files[path]).document()
        except Bad as e:
            raise Bad("%s: %s" % (path, e))

    @staticmethod
    def count(text, least):
        if not re.fullmatch("[1-9][0-9]?", str(text)) or int(text) < least:
            raise Bad("domain.yaml: number of approvals")
        return int(text)

    def check_orders(self, approvals, domain):
        least = {name: self.count(approvals.get(name, floor), floor)
                 for name, floor in (("disposal", 2), ("accounts", 5),
                                     ("hold", 1))}
        if least["accounts"] < least["disposal"] or not re.fullmatch(
                "0|[1-9][0-9]{0,2}", str(domain.get("waiting_days", 15))) or \
                int(domain.get("waiting_days", 15)) > 365:
            raise Bad("domain.yaml: approvals or waiting of orders")

    def check_officers(self):
        governors = 0
        for o in self.officers:
            if o["role"] not in ("governor", "registrar", "archivist") or \
                    not is_code(o["scope"]) or \
                    not within(o["scope"], self.root_code):
                raise Bad("officers.yaml: role or scope of " + o["name"])
            if "until" in o:
                datetime.datetime.strptime(o["until"], "%Y-%m-%d")
                if len(o["until"]) != len("2027-06-30"):
                    raise Bad("officers.yaml: until of " + o["name"])
            governors += o["role"] == "governor" and "until" not in o and \
                o["scope"] == self.root_code
        for what in (lambda o: plain_name(o["name"]),
                     lambda o: key_hash(o["key"])):
            if len({what(o) for o in self.officers}) != len(self.officers):
                raise Bad("officers.yaml: a name or key twice")
        if governors < self.approvals:
            raise Bad("officers.yaml: fewer governors than approvals")

    def children(self, path):
        if path not in self.files:
            return {}
        out = {}
        for child in members(self.yaml(path), ("children",))["children"]:
            members(child, ("code", "name", "rank"), ("address", "keys", "former", "retired",
                     "successor"))
            if "keys" in child:
                members(child["keys"], ("log", "witness", "tls", "seal"))
            for key in child.get("former", []):
                members(key, (), ("log", "witness", "until"))
                if ("log" in key) == ("witness" in key) or "until" in key and not (
                        "log" in key and re.fullmatch("[0-9a-f]{16}/[0-9]+", key["until"])):
                    raise Bad("%s: a former key of %s" % (path, child["code"]))
            if not is_code(child["code"]) or child["code"] in out:
                raise Bad("%s: a code that is none or twice" % path)
            out[child["code"]] = child
        return out

    def add_roster(self, path):
        m = re.fullmatch(r"roster/(root|[0-9]{12})\.yaml", path)
        if not m:
            raise Bad("%s: no such file in a governance tree" % path)
        for code, child in self.children(path).items():
            node = {"rank": child["rank"], "keys": child.get("keys"),
                    "former": child.get("former", []),
                    "retired": child.get("retired"),
                    "successor": child.get("successor"),
                    "parent": None if m[1] == "root" else m[1]}
            if (code in self.nodes) != (m[1] == "root"):
                raise Bad("%s: %s in a wrong place" % (path, code))
            self.nodes[code] = node

    def add_series(self, path):
        s = members(self.yaml(path), (
            "name", "title", "plan", "direction", "urgent", "attachments",
            "clearance", "retention", "fields"),
            ("to", "from", "accounts", "sealed", "aggregate"))
        if path != "series/%s.yaml" % s["name"]:
            raise Bad("%s: another name inside" % path)
        clearance = members(s["clearance"], ("village", "township", "county"))
        if "aggregate" in s:
            k = members(s["aggregate"], ("k",), ("by",))["k"]
            if not re.fullmatch("[0-9]{1,4}", k) or not 5 <= int(k) <= 1000:
                raise Bad("%s: aggregate: k" % path)
        labels = set()
        for f in s["fields"]:
            labels.add(f["label"])
            if "derive_label" in f:
                labels.add(f["derive_label"])
        if s["attachments"] != "none":
            labels.add(s["attachments"])
        if not labels <= set(LABELS):
            raise Bad("%s: unknown label" % path)
        self.series[s["name"]] = {
            "labels": labels, "direction": s["direction"],
            "sealed": s.get("sealed"),
            "clearance": {k: set(v) for k, v in clearance.items()}}

    def tree_digest(self):
        lines = b"".join(
            b"%s\0%d\0%s\n" % (path, len(self.files[path.decode()]),
                               hashlib.sha256(self.files[path.decode()])
                               .hexdigest().encode())
            for path in sorted(p.encode() for p in self.files))
        return hashlib.sha256(lines).hexdigest()

    def way(self, below, above):
        """Nodes from `below` up to `above`, or None."""
        out = [below]
        while out[-1] != above:
            up = self.nodes[out[-1]]["parent"]
            if up is None or up not in self.nodes or len(out) > 64:
                return None
            out.append(up)
        return out

    def clearance(self, series, origin, holder):
        """Labels that the holder may hold: what every node on the way from the
        origin may hold; all at the origin itself."""
        s = self.series[series]
        if origin not in self.nodes or holder not in self.nodes:
            return set()
        way = self.way(origin, holder)
        if way is None and s["direction"] == "down":
            way = self.way(holder, origin)
        if way is None:
            return set()
        labels = set(s["labels"])
        for code in way:
            if code != origin:
                labels &= s["clearance"][self.nodes[code]["rank"]]
        return labels

    def slim(self):
        """Of an older head only what clearance() asks stays."""
        self.files = {}
        self.nodes = {code: {"rank": n["rank"], "parent": n["parent"]}
                      for code, n in self.nodes.items()}

    def key(self, code, which, name, kind):
        node = self.nodes.get(code)
        if not node or not node["keys"]:
            return None
        return Key(name, kind, verify_log.b64(node["keys"][which], 32))

    def answers_for(self, own, about):
        """`about` lies within `own`, or was retired and its successor does."""
        for _ in range(len(self.nodes) + 1):
            if within(about, own):
                return True
            node = self.nodes.get(about)
            if not node or not node["retired"] or not node["successor"]:
                return False
            about = node["successor"]
        return False

    def former(self, code, which, name, kind):
        """(key, until) of those that a node had before, newest first."""
        node = self.nodes.get(code)
        return [(Key(name, kind, verify_log.b64(k[which], 32)), k.get("until"))
                for k in (node["former"] if node else []) if which in k]

    def witness(self, code, name, kid):
        """The witness key with that id, in force or of before."""
        keys = [self.key(code, "witness", name, COSIGNATURE)] + \
            [k for k, _ in self.former(code, "witness", name, COSIGNATURE)]
        return next((k for k in keys if k is not None and k.id == kid), None)


class Change:
    """What differs between two heads, and who may sign that."""

    def __init__(self, old, new):
        self.rules, self.codes = old is None, set()
        before = old.files if old else {}
        for path in set(before) | set(new.files):
            if before.get(path) == new.files.get(path) or self.rules:
                continue
            if not path.startswith("roster/"):
                self.rules = True
                continue
            a, b = old.children(path), new.children(path)
            codes = {c for c in set(a) | set(b) if a.get(c) != b.get(c)}
            parent = path[7:-5]
            self.codes |= codes or {
                old.root_code if parent == "root" else parent}

    def covered_by(self, officer, root_code):
        if self.rules:
            return officer["role"] == "governor" and \
                officer["scope"] == root_code
        return officer["role"] != "archivist" and \
            all(within(code, officer["scope"]) for code in self.codes)


def key_hash(line):
    blob = base64.b64decode(line.split(" ")[1], validate=True)
    return hashlib.sha256(blob).hexdigest()[:32]


def ssh_verify(officer_key, signature, message):
    with tempfile.TemporaryDirectory() as folder:
        allowed = os.path.join(folder, "allowed")
        sig = os.path.join(folder, "sig")
        with open(allowed, "w", encoding="utf-8") as f:
            f.write("officer namespaces=\"%s\" %s\n" %
                    (NAMESPACE, " ".join(officer_key.split(" ")[:2])))
        with open(sig, "wb") as f:
            f.write(signature)
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "officer",
             "-n", NAMESPACE, "-s", sig], input=message,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def read_tree(folder):
    """{path: bytes} of the regular files below a folder."""
    out = {}
    for at, dirs, names in os.walk(folder):
        for name in dirs + names:
            if os.path.islink(os.path.join(at, name)):
                raise Bad("a link in a governance tree")
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, folder)] = f.read()
    return out


class Governance:
    """The chain of heads from the root fingerprint on."""

    def __init__(self, folder, fingerprint):
        self.folder, self.fingerprint = folder, fingerprint
        self.head = None   # rules of the newest good head
        self.heads = []    # of all of them
        self.serial = 0
        self.last = None   # SHA-256 of its statement
        self.at = ""       # when it was made

    def step(self):
        here = os.path.join(self.folder, "%010d" % (self.serial + 1))
        sigs = {}
        statement = None
        try:
            for name in sorted(os.listdir(here)):
                if name == "tree":
                    continue
                with open(os.path.join(here, name), "rb") as f:
                    data = f.read()
                if name == "statement.json":
                    statement = data
                elif re.fullmatch(r"[0-9a-f]{32}\.sig", name):
                    sigs[name[:32]] = data
                else:
                    raise Bad("a head has no file " + name)
            if statement is None:
                raise Bad("no statement")
            head = Head(read_tree(os.path.join(here, "tree")))
        except OSError as e:
            raise Bad("not readable: %s" % e)
        except (KeyError, TypeError, AttributeError, ValueError) as e:
            raise Bad("a file that does not load: %s" % e)
        self.judge(head, statement, sigs)
        if self.head:
            self.head.slim()
        self.head, self.serial = head, self.serial + 1
        self.heads.append(head)
        self.last = hashlib.sha256(statement).hexdigest()
        self.at = parse_canonical(statement)["at"]

    def judge(self, head, statement, sigs):
        v = parse_canonical(statement)
        names = ["at", "commit", "domain", "serial", "tree"]
        members(v, names + (["previous"] if self.serial else []))
        digest = hashlib.sha256(statement).hexdigest()
        if v["serial"] != self.serial + 1:
            raise Bad("a statement of another serial")
        if self.serial == 0 and digest != self.fingerprint:
            raise Bad("not the head of the root fingerprint")
        if self.serial and v["previous"] != self.last:
            raise Bad("names another predecessor")
        if v["domain"] != head.domain or \
                (self.head and head.domain != self.head.domain):
            raise Bad("of another domain")
        if self.head and head.root_code != self.head.root_code:
            raise Bad("changes the root")
        if v["tree"] != head.tree_digest():
            raise Bad("its files are not those that were signed")
        if v["at"] < self.at:  # all are written at +08:00
            raise Bad("of an earlier time than the one before it")
        self.check_signatures(head, statement, sigs, v["at"][:10])

    def check_signatures(self, head, statement, sigs, day):
        judges = self.head or head
        change = Change(self.head, head)
        officers = {key_hash(o["key"]): o for o in judges.officers}
        for name, sig in sigs.items():
            officer = officers.get(name)
            if officer is None:
                raise Bad("signed by a key that is no officer's")
            if not ssh_verify(officer["key"], sig, statement):
                raise Bad("a signature that does not verify")
            if day > officer.get("until", day):
                raise Bad("the key of %s no longer counts" % officer["name"])
            if not change.covered_by(officer, judges.root_code):
                raise Bad("%s may not sign this change" % officer["name"])
        want = judges.approvals if change.rules else judges.roster_approvals
        if len(sigs) < want:
            raise Bad("%d signatures, it needs %d" % (len(sigs), want))


# ------------------------------------------------------------------- the bag

class Bag:
    """BagIt 1.0, RFC 8493."""

    TAG = "tagmanifest-sha256.txt"
    UNLISTED = (TAG, "tagmanifest.sig", "tagmanifest.tsr")

    def __init__(self, folder, faults):
        self.folder, self.faults = folder, faults
        self.files = []
        for at, dirs, names in os.walk(folder):
            for name in dirs + names:
                if os.path.islink(os.path.join(at, name)):
                    raise NoPackage("a link in the package")
            self.files += [os.path.relpath(os.path.join(at, n), folder)
                           for n in names]

    def tell(self, path, what):
        self.faults("manifest " + path, what)

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as f:
                return f.read()
        except OSError:
            self.tell(name, "missing or unreadable")
            return None

    def digest(self, path):
        h, size = hashlib.sha256(), 0
        with open(os.path.join(self.folder, path), "rb") as f:
            for piece in iter(lambda: f.read(1 << 20), b""):
                h.update(piece)
                size += len(piece)
        return h.hexdigest(), size

    def check_manifest(self, name, payload):
        data = self.read(name)
        size, listed = 0, {}
        if data is None:
            return 0, 0
        for line in data.decode("utf-8", "replace").splitlines():
            m = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+(.+)", line)
            if not m or m[2] in listed:
                self.tell(name, "malformed")
                return 0, 0
            path = re.sub("%(0[aAdD]|25)",
                          lambda x: chr(int(x[1], 16)), m[2])
            listed[path] = m[1].lower()
        for path, want in listed.items():
            if path.startswith("data/") != payload:
                self.tell(path, "listed in the wrong manifest")
            elif path not in self.files:
                self.tell(path, "listed, but missing")
            else:
                have, n = self.digest(path)
                size += n
                if have != want:
                    self.tell(path, "does not match its digest")
        for path in self.files:
            if path.startswith("data/") == payload and \
                    path not in listed and \
                    (payload or path not in self.UNLISTED):
                self.tell(path, "not listed in the manifest")
        return size, len(listed)

    def check(self):
        text = self.read("bagit.txt")
        if text is not None and text != \
                b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n":
            self.tell("bagit.txt", "does not declare BagIt 1.0 in UTF-8")
        oxum = "%d.%d" % self.check_manifest("manifest-sha256.txt", True)
        info = self.read("bag-info.txt")
        if info is not None:
            m = re.search(r"^Payload-Oxum: (.*?)\r?$",
                          info.decode("utf-8", "replace"), re.M)
            if not m or m[1] != oxum:
                self.tell("bag-info.txt", "Payload-Oxum does not match")
        self.check_manifest(self.TAG, False)


# ---------------------------------------------------------------- the package

LINE = re.compile(rb'\{"part":(.*),"seed":"([A-Za-z0-9_-]{22})",'
                  rb'"seq":(0|[1-9][0-9]{0,15})\}', re.S)
ENTRY_MEMBERS = {"_sd", "_sd_alg", "at", "id", "iss", "node", "series"}
SEALED = "sealed"


def parse_entry(data):
    v = parse_canonical(data)
    sealed = isinstance(v, dict) and v.get("series") == SEALED
    must = ENTRY_MEMBERS | {"seal" if sealed else "rev"}
    if not isinstance(v, dict) or not must <= set(v) or \
            not set(v) <= must | (set() if sealed else {"prev", "to"}) or \
            v["_sd_alg"] != "sha-256" or not isinstance(v["_sd"], list) or \
            v["_sd"] != sorted(v["_sd"]) or not is_code(v["node"]) or \
            not isinstance(v["series"], str):
        raise Bad("not an entry")
    return v


def seal_holds(entry, part):
    """The message in a sealed record's part is the one that its entry names."""
    if entry["series"] != SEALED:
        return True
    text = part.get("cms")
    if set(part) != {"cms"} or not isinstance(text, str):
        return False
    message = from_b64url(text, len(text) * 3 // 4)
    return b64url(hashlib.sha256(message).digest()) == entry["seal"]


class Package:
    """One pass over an unpacked package."""

    def __init__(self, folder, fingerprint):
        self.folder, self.fingerprint = folder, fingerprint
        self.faults = Faults()
        self.rows = {}      # seq: {label: part}
        self.missing = {}   # (series, label): parts that no line supplies
        self.strays = {}    # (series, label): lines that supply no part
        self.withheld = {}  # counts by "SERIES.LABEL"
        self.objects = set()
        self.may = {}       # series: per head, what the holder may see
        self.before = None  # sequence of the sys-policy record below `from`
        self.out = {"records": 0, "parts": 0, "withheld": 0, "erased": 0,
                    "attachments": 0, "cosignatures": 0}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read_description(self):
        try:
            with open(self.path("data", "package.json"), "rb") as f:
                data = f.read()
        except OSError:
            raise NoPackage("there is no data/package.json")
        d = members(parse_canonical(data), (
            "domain", "erased", "from", "holder", "origin", "policies", "root",
            "serial", "size", "to", "version", "withheld"))
        for name in ("from", "serial", "size", "to"):
            if type(d[name]) is not int or d[name] < 0:
                raise Bad("%s is no number" % name)
        if d["version"] != 1 or d["serial"] < 1 or \
                not is_code(d["holder"]) or \
                not d["from"] < d["to"] <= d["size"] <= TREE_LIMIT or \
                not isinstance(d["erased"], dict) or \
                not isinstance(d["withheld"], dict) or \
                not all(isinstance(v, list) for v in d["erased"].values()) or \
                not isinstance(d["domain"], str) or \
                not isinstance(d["origin"], str) or \
                not isinstance(d["root"], str) or not re.fullmatch(
                    "[a-z0-9.-]+/[0-9]{12}/[0-9a-f]{16}", d["origin"]):
            raise Bad("malformed")
        self.read_policies(d)
        self.root = verify_log.b64(d["root"], 32)
        self.d = d
        self.code = d["origin"].split("/")[1]
        self.out.update({n: d[n] for n in
                         ("origin", "size", "from", "to", "holder", "root")})

    @staticmethod
    def read_policies(d):
        """Where the log names heads: ascending pairs of sequence and serial,
        only the first of them below `from`."""
        least = 0
        if not isinstance(d["policies"], list):
            raise Bad("policies are no list")
        for pair in d["policies"]:
            if not isinstance(pair, list) or len(pair) != 2 or \
                    any(type(n) is not int for n in pair) or \
                    not least <= pair[0] < d["to"] or \
                    not 1 <= pair[1] <= d["serial"]:
                raise Bad("policies are malformed")
            least = d["from"] if pair[0] < d["from"] else pair[0] + 1

    def check_governance(self):
        g = Governance(self.path("data", "governance"), self.fingerprint)
        while g.serial < self.d["serial"]:
            try:
                g.step()
            except Bad as e:
                self.faults("governance %d" % (g.serial + 1), str(e))
                break
        self.rules, self.heads = g.head, g.heads
        self.rules_whole = g.serial == self.d["serial"]
        if not g.head:
            return False
        if g.head.domain != self.d["domain"]:
            self.faults("package", "names another domain than its rules")
        if self.d["holder"] not in g.head.nodes:
            self.faults("package", "its holder is no node")
            return False
        return True

    def check_lines(self, note, origin, size):
        """Every line is the log's or a witness's of the roster, and so are
        the keys in data/log/vkeys."""
        m = re.fullmatch("([a-z0-9.-]+)/([0-9]{12})/[0-9a-f]{16}", origin)
        log = None
        if m and m[1] == self.rules.domain:
            log = self.rules.key(m[2], "log", origin, ED25519)
        replaced = False
        if log is not None and not note.verdict(log):
            # What a key signed before it was replaced stands, up to the size
            # that the roster tells, where a node above has seen it; the root
            # has none above.
            former = [f for f in self.rules.former(m[2], "log", origin, ED25519)
                      if note.verdict(f[0])]
            log, until = former[0] if former else (None, None)
            told = until is not None and until.split("/")[0] == origin.split("/")[2]
            if told and size > int(until.split("/")[1]):
                raise Bad("is by a key that was replaced at %s" % until.split("/")[1])
            replaced = not (told and m[2] == self.rules.root_code)
        if log is None:
            raise Bad("is not signed by the log's key of the roster")
        keys, count = [log], 0
        for name, kid, _ in note.lines:
            m = re.fullmatch(r"([^/]*)/([0-9]{12})/witness", name)
            key = None
            if m and m[1] == self.rules.domain:
                key = self.rules.witness(m[2], name, kid)
            if name == log.name and kid == log.id:
                continue
            if key is None or kid != key.id:
                raise Bad("has lines that no key of the roster made")
            if not note.verdict(key):
                raise Bad("cosignature by %s does not verify" % name)
            keys.append(key)
            # Custody is what a node above says, not the node's own witness
            # or one beside it.
            above, below = name.split("/")[1], log.name.split("/")[1]
            count += above != below and within(below, above)
        if self.rules.nodes[log.name.split("/")[1]]["retired"]:
            replaced = True
        if replaced and not count:
            raise Bad("is by a key that was replaced or retired, and no node above "
                      "has countersigned it")
        self.out["cosignatures"] = count
        try:
            with open(self.path("data", "log", "vkeys"), "rb") as f:
                vkeys = f.read()
        except FileNotFoundError:
            vkeys = None
        if vkeys != b"".join(k.vkey().encode() + b"\n" for k in keys):
            self.faults("vkeys", "are not those of the roster")

    def trust(self, origin, size, root):
        """What was signed counts, not what the package says of itself."""
        d = self.d
        if (origin, size, root) != (d["origin"], d["size"], self.root):
            self.faults("package", "names another tree than its checkpoint")
        self.root = root
        d.update(origin=origin, size=size, to=min(d["to"], size),
                 root=base64.b64encode(root).decode())
        if d["from"] >= d["to"]:
            d["from"] = 0
        self.code = origin.split("/")[1]
        self.out.update({n: d[n] for n in
                         ("origin", "size", "from", "to", "root")})

    def check_checkpoint(self):
        try:
            with open(self.path("data", "log", "checkpoint"), "rb") as f:
                note = Note(f.read())
            origin, size, root = verify_log.parse_checkpoint(note.text)
            self.check_lines(note, origin, size)
        except (Bad, OSError) as e:
            # Older rules may not know the key yet: that says nothing of it.
            if self.rules_whole:
                self.faults("checkpoint", str(e))
            return
        self.trust(origin, size, root)

    # -- records

    def take_line(self, series, label, line):
        """Does the line supply the part of its entry (or cannot be judged)?"""
        m = LINE.fullmatch(line)
        if not m:
            return False
        seq = int(m[3])
        if not self.d["from"] <= seq < self.d["to"] and \
                (seq != self.before or series != "sys-policy"):
            return False
        if seq not in self.entries:
            return True
        row = self.rows.setdefault(seq, {})
        try:
            entry = parse_entry(self.entries[seq])
            part = parse_canonical(m[1])
            if label in row or entry["series"] != series or \
                    not isinstance(part, dict):
                return False
            seed = from_b64url(m[2].decode(), 16)
            if part_digest(seed, label, part) not in entry["_sd"] or \
                    not seal_holds(entry, part):
                return False
        except (Bad, UnicodeError):
            return False
        row[label] = part
        self.out["parts"] += 1
        return True

    def read_records(self):
        folder = self.path("data", "records")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in names:
            m = re.fullmatch(r"([^.]{1,63})\.(%s)\.ndjson" % "|".join(LABELS),
                             name)
            if not m:
                self.faults("records " + name, "is no file of records")
                continue
            strays = 0
            with open(os.path.join(folder, name), "rb") as f:
                for line in f:
                    if not line.endswith(b"\n") or \
                            not self.take_line(m[1], m[2], line[:-1]):
                        strays += 1
            self.strays[m[1], m[2]] = strays

    def record_fault(self, seq, what):
        self.faults("record %d" % seq, what)

    def check_label(self, seq, series, label, clear):
        if label in self.rows.get(seq, {}):
            if not clear:
                self.record_fault(
                    seq, "part %s is above the clearance of %s" %
                    (label, self.d["holder"]))
        elif seq in self.d["erased"].get("%s.%s" % (series, label), []):
            self.out["erased"] += 1
        elif not clear:
            name = "%s.%s" % (series, label)
            self.withheld[name] = self.withheld.get(name, 0) + 1
            self.out["withheld"] += 1
        elif self.rules_whole:
            # A head that cannot be read may have narrowed who sees it.
            self.tell_missing(seq, series, label)

    def count_missing(self, series, label):
        key = series, label
        self.missing[key] = self.missing.get(key, 0) + 1

    def tell_missing(self, seq, series, label):
        self.count_missing(series, label)
        self.record_fault(seq, "part %s is missing or altered" % label)

    def shown(self, serial, name):
        """The labels of a series that head `serial` and all later ones let the
        holder see; the node that captured it sees all."""
        if name not in self.may:
            rows, since = [], None
            for head in reversed(self.heads):
                if name not in head.series:
                    labels = since = set()
                elif self.d["holder"] == self.code:
                    labels = head.series[name]["labels"]
                else:
                    labels = head.clearance(name, self.code, self.d["holder"])
                    labels &= labels if since is None else since
                    since = labels
                rows.append(labels)
            self.may[name] = rows[::-1]
        return self.may[name][serial - 1]

    def check_parts(self, seq, entry):
        serial = self.serial or self.d["serial"]
        name = entry["series"]
        if serial > len(self.heads):
            return
        series = self.heads[serial - 1].series.get(name)
        if series is None:
            if self.rows.get(seq):
                self.record_fault(seq, "has parts of a series that head %d "
                                  "does not know" % serial)
            return
        if len(entry["_sd"]) != len(series["labels"]):
            self.record_fault(
                seq, "has %d parts, its series has %d in head %d" % (
                    len(entry["_sd"]), len(series["labels"]), serial))
            return
        shown = self.shown(serial, name)
        for label in LABELS:
            if label in series["labels"]:
                self.check_label(seq, name, label, label in shown)

    def check_entry(self, seq, data):
        try:
            entry = parse_entry(data)
            if entry["iss"] != self.d["origin"].rpartition("/")[0] or \
                    not self.rules.answers_for(self.code, entry["node"]):
                raise Bad("of another node")
        except Bad:
            self.record_fault(seq, "is no entry of this log")
            return
        self.out["records"] += 1
        self.check_parts(seq, entry)

    def is_policy(self, seq):
        try:
            return parse_entry(self.entries[seq])["series"] == "sys-policy"
        except Bad:
            return False

    def follow_policy(self, seq, listed):
        """The head in force behind `seq`.  What its record says counts; where
        that is damaged, what package.json says, so that the entries behind it
        are not told as well."""
        here = seq in self.entries
        policy = here and self.is_policy(seq)
        part = self.rows.get(seq, {}).get("internal")
        if policy and part is not None:
            serial = part.get("serial")
            if type(serial) is not int or \
                    not 1 <= serial <= self.d["serial"]:
                self.record_fault(
                    seq, "cites a head that is not in the package")
                return
            if serial != listed:
                self.faults("package", "names other heads than its records")
            self.serial = serial
        elif listed and here and not policy:
            self.faults("package", "names other heads than its records")
        elif listed:
            self.serial = listed

    def check_before(self, listed):
        """Where the range begins."""
        seq = self.before
        if seq in self.entries:
            if not self.is_policy(seq):
                self.count_missing("sys-policy", "internal")
            elif not self.rows.get(seq):
                self.tell_missing(seq, "sys-policy", "internal")
        self.follow_policy(seq, listed)

    def check_entries(self):
        self.serial = 0  # of the head in force for the next entry
        listed = dict(self.d["policies"])
        if self.before is not None:
            self.check_before(listed[self.before])
        for seq in range(self.d["from"], self.d["to"]):
            if seq in self.entries:
                self.check_entry(seq, self.entries[seq])
            self.follow_policy(seq, listed.get(seq, 0))

    def check_records(self):
        self.check_entries()
        for (series, label), strays in self.strays.items():
            more = strays - self.missing.get((series, label), 0)
            if more > 0:
                self.faults("records %s.%s.ndjson" % (series, label),
                            "%d lines belong to no record" % more)
        if not self.real_faults() and (
                canonical(self.withheld) != canonical(self.d["withheld"]) or
                sum(map(len, self.d["erased"].values())) !=
                self.out["erased"]):
            self.faults("package", "counts other parts as not shown")

    def real_faults(self):
        return len(self.faults.list) - self.manifest_faults

    # -- attachments

    def check_attachment(self, seq, item):
        try:
            name = from_b64url(item["object"], 32).hex()
            seed = from_b64url(item["salt"], 16)
            plain, size = item["sha256"], item["size"]
            if not re.fullmatch("[0-9a-f]{64}", plain) or \
                    not isinstance(size, int):
                raise Bad("malformed")
        except (Bad, KeyError, TypeError):
            self.record_fault(seq, "lists an attachment that has no name")
            return
        self.objects.add(name)
        salted, bare, n = hashlib.sha256(seed), hashlib.sha256(), 0
        try:
            with open(self.path("data", "attachments", name), "rb") as f:
                for piece in iter(lambda: f.read(1 << 20), b""):
                    salted.update(piece)
                    bare.update(piece)
                    n += len(piece)
        except FileNotFoundError:
            self.faults("attachment " + name, "is missing")
            return
        self.out["attachments"] += 1
        if (salted.hexdigest(), bare.hexdigest(), n) != (name, plain, size):
            self.faults("attachment " + name, "does not match its name")

    def check_attachments(self):
        whole = not self.real_faults()
        for seq in sorted(self.rows):
            if seq == self.before or \
                    b'"series":"sys-' in self.entries[seq]:
                continue
            for label in LABELS:
                part = self.rows[seq].get(label, {})
                items = part.get("attachments", [])
                if not isinstance(items, list):
                    self.record_fault(seq, "has attachments that are no list")
                    continue
                for item in items:
                    self.check_attachment(seq, item)
        folder = self.path("data", "attachments")
        if whole and os.path.isdir(folder):
            for name in sorted(set(os.listdir(folder)) - self.objects):
                self.faults("attachment " + name, "belongs to no record")

    def check_tree(self):
        source = verify_log.Source(self.path("data", "log"))
        tree = verify_log.Tree(source, self.d["size"], self.d["from"],
                               self.d["to"], self.faults)
        self.entries = tree.check(self.root)
        first = self.d["policies"][0][0] if self.d["policies"] else None
        if first is None or first >= self.d["from"]:
            return
        self.before = first
        if first // verify_log.WIDTH not in range(
                self.d["from"] // verify_log.WIDTH,
                (self.d["to"] - 1) // verify_log.WIDTH + 1):
            tree = verify_log.Tree(source, self.d["size"], first, first + 1,
                                   self.faults)
            self.entries.update(tree.check(self.root))

    def check(self):
        Bag(self.folder, self.faults).check()
        self.manifest_faults = len(self.faults.list)
        try:
            self.read_description()
        except (Bad, NoPackage) as e:
            self.faults("package", str(e))
            return
        if not self.check_governance():
            return
        self.check_checkpoint()
        if self.d["size"] > TREE_LIMIT:
            raise NoPackage("tree of %d entries" % self.d["size"])
        self.check_tree()
        self.read_records()
        self.check_records()
        self.check_attachments()


# ---------------------------------------------------------------------- call

BLOCK = 512
ZEROS = bytes(BLOCK)


def tar_size(block, at):
    """The size in a header of a tar; what is not whole is refused, since
    readers of tars pass over it, each in its own way (docs/format.md 9.3)."""
    said, size = block[148:156], block[124:136]
    want = sum(block) - sum(said) + 8 * 32
    if not re.fullmatch(rb"[0-7]{6}\0 ", said) or int(said[:6], 8) != want or \
            not re.fullmatch(rb"[0-7]{11}[\0 ]", size):
        raise NoPackage("tar: damaged header at byte %d" % at)
    return int(size[:11], 8)


def scan(path):
    """Walks all headers of a tar to its end."""
    length = os.path.getsize(path)
    if length % BLOCK:
        raise NoPackage("tar: %d bytes are not whole blocks" % length)
    at, zeros = 0, 0
    with open(path, "rb") as f:
        while at < length:
            f.seek(at)
            block = f.read(BLOCK)
            at += BLOCK
            if block == ZEROS:
                zeros += 1
            elif zeros:
                raise NoPackage("tar: there are bytes behind its end")
            else:
                size = tar_size(block, at - BLOCK)
                at += (size + BLOCK - 1) // BLOCK * BLOCK
    if zeros < 2:
        raise NoPackage("tar: ends at byte %d without its end" % length)


def unpack(path, folder):
    """Regular files with plain relative names only, below one top folder."""
    total, top = 0, None
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            parts = member.name.rstrip("/").split("/")
            if not (member.isreg() or member.isdir()) or \
                    any(p in ("", ".", "..") for p in parts) or \
                    "\\" in member.name or "\0" in member.name or \
                    (member.isreg() and len(parts) < 2) or \
                    top not in (None, parts[0]):
                raise NoPackage("a member that is no plain file: %r" %
                                member.name)
            top = parts[0]
            if member.isdir():
                continue
            total += member.size
            if total > TOTAL_LIMIT:
                raise NoPackage("more than %d bytes" % TOTAL_LIMIT)
            where = os.path.join(folder, *parts[1:])
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with tar.extractfile(member) as f, open(where, "xb") as g:
                for piece in iter(lambda: f.read(1 << 20), b""):
                    g.write(piece)
    if top is None:
        raise NoPackage("no file in the package")


def verify_in(folder, path, fingerprint):
    if os.path.isdir(path):
        folder = path
    else:
        folder = os.path.join(folder, "package")
        os.mkdir(folder)
        try:
            scan(path)
            unpack(path, folder)
        except (tarfile.TarError, EOFError, FileExistsError,
                NotADirectoryError) as e:
            raise NoPackage("not a tar: %s" % e)
    package = Package(folder, fingerprint)
    package.check()
    return dict(package.out, faults=package.faults.list)


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Scratch:
    """A folder for this user only that goes with us: signals wait while it is
    made and removed."""

    def __enter__(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        self.folder = tempfile.mkdtemp(prefix="cundang-verify-")
        tempfile.tempdir = self.folder
        return self

    def open(self):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return self.folder

    def __exit__(self, *exc):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        shutil.rmtree(self.folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def verify(path, fingerprint):
    os.stat(path)
    with Scratch() as scratch:
        try:
            out = verify_in(scratch.open(), path, fingerprint)
        except NoPackage as e:
            out = dict(Package(path, fingerprint).out,
                       faults=[("package", str(e))])
    out["ok"] = not out["faults"]
    return out


def stopped(number, frame):
    """As an exception it unwinds, and the folder goes."""
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(
        description="Verifies a package made by `cundang archive create`.")
    parser.add_argument("package", metavar="PACKAGE")
    parser.add_argument("--root", required=True, metavar="SHA256",
                        help="the domain's root fingerprint")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not re.fullmatch("[0-9a-f]{64}", args.root):
        parser.error("--root wants 64 lower-case hex digits")
    for number in STOPS:
        signal.signal(number, stopped)
    try:
        out = verify(args.package, args.root)
    except FileNotFoundError as e:
        print("verify_package: %s" % e, file=sys.stderr)
        return 3
    except OSError as e:
        print("verify_package: %s" % e, file=sys.stderr)
        return 8
    if args.json:
        print(json.dumps(out, ensure_ascii=False, sort_keys=True))
        return 0 if out["ok"] else 1
    for name, what in out["faults"]:
        print("%s: %s" % (name, what))
    print("%s: %s, %s records, %s parts, %s withheld, %s erased, "
          "%s attachments, %s cosignatures" % (
              out.get("origin", args.package),
              "good" if out["ok"] else "FAULTS", out["records"], out["parts"],
              out["withheld"], out["erased"], out["attachments"],
              out["cosignatures"]))
    return 0 if out["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
