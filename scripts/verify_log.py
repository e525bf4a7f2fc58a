#!/usr/bin/env python3
"""Checks a log in the layout of C2SP tlog-tiles, independently of cundang.

  verify_log.py --vkey VKEY [--witness VKEY ...] [--all-partials] [--json] LOG

LOG is a directory (`cundang log --export DIR`) or a base URL
(http://127.0.0.1:PORT/tlog/CODE/EPOCH).  Checked are the checkpoint's
signature and the given witnesses' cosignatures, every tile with its partial
ones, every entry bundle against the tiles of level 0, the upper tiles against
the lower ones, and the root.  --all-partials also reads .p/W of every width:
each must be the beginning of the later file.

Needs the Python standard library and openssl, nothing else.
Exit status: 0 all is well, 1 there are faults, 2 the call is wrong.
"""
import argparse
import base64
import binascii
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

WIDTH = 256
HASH = 32
NOTE_LIMIT = 64 << 10
FILE_LIMIT = 32 << 20
SIZE_LIMIT = 1 << 53
SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")
ED25519, COSIGNATURE = 1, 4


class Bad(Exception):
    """The bytes are not what they should be."""


# ---------------------------------------------------------------- tree hashes

def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def perfect_root(hashes):
    """The root over 2^k hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1])
                  for i in range(0, len(hashes), 2)]
    return hashes[0]


def mth(hashes):
    """RFC 6962 2.1 over leaf hashes (or the roots of equal perfect trees)."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(mth(hashes[:k]), mth(hashes[k:]))


def root_from_edges(edges):
    """The root from the hashes that stand in the partial tile of each level,
    lowest level first: fold the right edge from below."""
    root = None
    for hashes in edges:
        pieces = []
        left = list(hashes)
        while left:
            k = 1 << (len(left).bit_length() - 1)
            pieces.append(perfect_root(left[:k]))
            left = left[k:]
        for piece in reversed(pieces):
            root = piece if root is None else node_hash(piece, root)
    return sha256(b"") if root is None else root


# ---------------------------------------------------------------- signatures

def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    pem = (b"-----BEGIN PUBLIC KEY-----\n" +
           base64.b64encode(SPKI_ED25519 + public) +
           b"\n-----END PUBLIC KEY-----\n")
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, n) for n in ("key", "message", "sig")]
        for name, data in zip(names, (pem, message, signature)):
            with open(name, "wb") as f:
                f.write(data)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", names[0],
             "-rawin", "-in", names[1], "-sigfile", names[2]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def b64(text, length=None):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("not base64")
    if base64.b64encode(data).decode() != text or \
            (length is not None and len(data) != length):
        raise Bad("not base64 of %s bytes" % length)
    return data


class Key:
    """A signer of notes: name, type, public key."""

    def __init__(self, name, kind, public):
        self.name, self.kind, self.public = name, kind, public
        self.id = sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]

    @classmethod
    def from_vkey(cls, vkey):
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise Bad("not a vkey")
        raw = b64(parts[2], 33)
        key = cls(parts[0], raw[0], raw[1:])
        if key.id.hex() != parts[1] or key.kind not in (ED25519, COSIGNATURE):
            raise Bad("vkey whose id does not match")
        return key

    def vkey(self):
        return "%s+%s+%s" % (
            self.name, self.id.hex(), base64.b64encode(
                bytes([self.kind]) + self.public).decode())


class Note:
    """A signed note: its text and the lines of signatures."""

    def __init__(self, data):
        if len(data) > NOTE_LIMIT:
            raise Bad("note of %d bytes" % len(data))
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("note that is not utf-8")
        cut = text.rfind("\n\n")
        if cut < 0 or not text.endswith("\n") or \
                any(ord(c) < 32 and c != "\n" for c in text):
            raise Bad("not a note")
        self.text = text[:cut + 1]
        self.lines = []
        for line in text[cut + 2:-1].split("\n"):
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014" or not parts[1]:
                raise Bad("malformed signature line")
            raw = b64(parts[2])
            if len(raw) < 5:
                raise Bad("short signature line")
            self.lines.append((parts[1], raw[:4], raw[4:]))
        if not 1 <= len(self.lines) <= 64:
            raise Bad("%d signature lines" % len(self.lines))

    def verdict(self, key):
        """None: no line of the key; else whether all of them verify."""
        good = None
        for name, kid, sig in self.lines:
            if name != key.name or kid != key.id:
                continue
            message = self.text.encode()
            if key.kind == COSIGNATURE:
                if len(sig) != 72:
                    return False
                time = struct.unpack(">Q", sig[:8])[0]
                message = b"cosignature/v1\ntime %d\n" % time + message
                sig = sig[8:]
            if not ed25519_verify(key.public, message, sig):
                return False
            good = True
        return good


def parse_checkpoint(text):
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise Bad("not a checkpoint of three lines")
    size = lines[1]
    if not size.isascii() or not size.isdigit() or \
            (size != "0" and size[0] == "0") or int(size) > SIZE_LIMIT:
        raise Bad("malformed size")
    return lines[0], int(size), b64(lines[2], HASH)


# ---------------------------------------------------------------- the files

def tile_path(level, index, width=WIDTH):
    """level None: an entry bundle."""
    groups = ["%03d" % (index % 1000)]
    while index >= 1000:
        index //= 1000
        groups.insert(0, "x%03d" % (index % 1000))
    kind = "entries" if level is None else str(level)
    path = "tile/%s/%s" % (kind, "/".join(groups))
    return path if width == WIDTH else "%s.p/%d" % (path, width)


class Source:
    """Reads resources of a log below a directory or a URL."""

    def __init__(self, where):
        self.where = where.rstrip("/")
        self.remote = where.startswith(("http://", "https://"))
        self.reads = 0

    def get(self, name, limit=FILE_LIMIT):
        """The bytes, or None where there is no such resource."""
        self.reads += 1
        try:
            if self.remote:
                with urllib.request.urlopen(
                        self.where + "/" + name, timeout=30) as answer:
                    return answer.read(limit + 1)
            with open(os.path.join(self.where, name), "rb") as f:
                return f.read(limit + 1)
        except urllib.error.HTTPError as e:
            if e.code in (404, 410):
                return None
            raise
        except (FileNotFoundError, NotADirectoryError):
            return None


def parse_bundle(data, width):
    entries, at = [], 0
    for _ in range(width):
        if at + 2 > len(data):
            raise Bad("bundle ends in entry %d" % len(entries))
        n = struct.unpack_from(">H", data, at)[0]
        at += 2
        if at + n > len(data):
            raise Bad("bundle ends in entry %d" % len(entries))
        entries.append(data[at:at + n])
        at += n
    if at != len(data):
        raise Bad("%d bytes behind the last entry" % (len(data) - at))
    return entries


def thing(level, index):
    """How a file of the tree is named in faults: "tile 0/001"."""
    name = tile_path(level, index)
    return "entries " + name[13:] if level is None else "tile " + name[5:]


class Tree:
    """The files of a tree held against each other and the root.

    Every hash is there twice, so one damaged file is told from its
    neighbours: what the root proves is true; what it does not is held against
    what lies below it.  Faults are (thing, what), each thing once."""

    def __init__(self, source, size, first, last, fault):
        """Entries [first, last), rounded out to bundles, are to be there."""
        self.source, self.size, self.fault = source, size, fault
        self.levels = []   # per level: {index: hashes as read or set right}
        self.true = []     # per level: indices that the root proves
        self.bundles = {}  # index: entries
        self.leaves = {}   # index: their hashes
        self.tiles = 0
        count = size
        while count:
            tiles = {}
            for i in range((count + WIDTH - 1) // WIDTH):
                tiles[i] = self.read_tile(
                    len(self.levels), i, min(WIDTH, count - i * WIDTH))
            self.levels.append(tiles)
            self.true.append(set())
            count //= WIDTH
        for i in range(first // WIDTH, (last + WIDTH - 1) // WIDTH):
            self.read_bundle(i, min(WIDTH, size - i * WIDTH))

    def read_tile(self, level, index, width):
        data = self.source.get(tile_path(level, index, width), WIDTH * HASH)
        if data is None and width < WIDTH and self.source.remote:
            data = self.source.get(tile_path(level, index), WIDTH * HASH)
            data = None if data is None else data[:HASH * width]
        if data is None:
            self.fault(thing(level, index), "is missing")
        elif len(data) != HASH * width:
            self.fault(thing(level, index), "has a wrong length")
        else:
            self.tiles += 1
            return [data[i:i + HASH] for i in range(0, len(data), HASH)]
        return None

    def read_bundle(self, index, width):
        data = self.source.get(tile_path(None, index, width))
        if data is None:
            return self.fault(thing(None, index), "is missing")
        try:
            entries = parse_bundle(data, width)
        except Bad:
            return self.fault(thing(None, index), "is no entry bundle")
        self.bundles[index] = entries
        self.leaves[index] = [leaf_hash(e) for e in entries]
        return None

    def from_below(self, level, index):
        """The tile as the files below it say; None where they do not."""
        if level == 0:
            return self.leaves.get(index)
        width = min(WIDTH, (self.size >> 8 * level) - index * WIDTH)
        below = self.levels[level - 1]
        tiles = [below[index * WIDTH + i] for i in range(width)]
        return None if None in tiles else [perfect_root(t) for t in tiles]

    def check_edge(self, root):
        edge = {}
        for level, tiles in enumerate(self.levels):
            if (self.size >> 8 * level) % WIDTH:
                edge[level] = max(tiles)
        have = {n: self.levels[n][i] for n, i in edge.items()}
        below = {n: self.from_below(n, i) for n, i in edge.items()}
        odd = [n for n in edge if have[n] is None or have[n] != below[n]]
        usable = [n for n in odd if below[n] is not None]
        absent = [n for n in odd if have[n] is None]
        swap = None
        if set(absent) <= set(usable):
            for some in [[]] + [[n] for n in usable] + [usable]:
                chosen = set(absent) | set(some)
                hashes = [below[n] if n in chosen else have[n]
                          for n in sorted(edge)]
                if root_from_edges(hashes) == root:
                    swap = chosen
                    break
        if swap is None:
            for n in odd:
                self.fault(thing(n, edge[n]), "does not lead to the root")
            if not odd:
                self.fault("checkpoint", "its root is not that of the tiles")
            return
        for n, i in edge.items():
            if n in swap:
                self.fault(thing(n, i), "does not lead to the root")
                self.levels[n][i] = below[n]
            self.true[n].add(i)

    def check_full(self, level, index):
        if index // WIDTH not in self.true[level + 1]:
            return
        want = self.levels[level + 1][index // WIDTH][index % WIDTH]
        have = self.levels[level][index]
        if have is None or perfect_root(have) != want:
            self.fault(thing(level, index), "does not match the tile above it")
            have = self.from_below(level, index)
            if have is None or perfect_root(have) != want:
                return
            self.levels[level][index] = have
        self.true[level].add(index)

    def check(self, root):
        """{sequence: entry} of the entries that match their tile."""
        self.check_edge(root)
        for level in range(len(self.levels) - 2, -1, -1):
            for index in range((self.size >> 8 * level) // WIDTH):
                self.check_full(level, index)
        entries = {}
        for index, bundle in self.bundles.items():
            hashes, well = self.levels[0][index], True
            for i, entry in enumerate(bundle):
                if hashes is None or self.leaves[index][i] == hashes[i]:
                    entries[index * WIDTH + i] = entry
                else:
                    well = False
            if not well and index in self.true[0]:
                self.fault(thing(None, index),
                           "does not match the tile above it")
        return entries


class Partials:
    """.p/W of every width: each is the beginning of the later file."""

    def __init__(self, source, fault):
        self.source, self.fault, self.count = source, fault, 0

    def check_file(self, level, index, width):
        data = self.source.get(tile_path(level, index, width))
        if data is None:
            return
        ends = [HASH * i for i in range(width + 1)]
        if level is None:
            ends = [0]
            try:
                for entry in parse_bundle(data, width):
                    ends.append(ends[-1] + 2 + len(entry))
            except Bad:
                return
        for w in range(1, min(width + 1, WIDTH)):
            part = self.source.get(tile_path(level, index, w))
            if part is None:
                # What a checkpoint may have named must be served while the
                # full file is not there; a directory has its own sizes only.
                if width < WIDTH and self.source.remote:
                    self.fault(tile_path(level, index, w), "is missing")
                continue
            self.count += 1
            if part != data[:ends[w]]:
                self.fault(tile_path(level, index, w),
                           "is not the beginning of the later file")

    def check(self, size):
        level, count = 0, size
        while count:
            for i in range((count + WIDTH - 1) // WIDTH):
                width = min(WIDTH, count - i * WIDTH)
                self.check_file(level, i, width)
                if level == 0:
                    self.check_file(None, i, width)
            level, count = level + 1, count // WIDTH


class Faults:
    """Things that are wrong, each once."""

    def __init__(self):
        self.list = []

    def __call__(self, name, what):
        if name not in [n for n, _ in self.list]:
            self.list.append((name, what))


def run(args):
    key = Key.from_vkey(args.vkey)
    witnesses = [Key.from_vkey(w) for w in args.witness]
    source = Source(args.log)
    faults = Faults()
    out = {"origin": None, "size": None, "cosignatures": 0, "tiles": 0,
           "bundles": 0, "entries": 0, "partials": 0}
    data = source.get("checkpoint", NOTE_LIMIT)
    try:
        if data is None:
            raise Bad("is missing")
        note = Note(data)
        origin, size, root = parse_checkpoint(note.text)
        out.update(origin=origin, size=size,
                   root=base64.b64encode(root).decode())
        if origin != key.name or not note.verdict(key):
            raise Bad("is not signed by the log's key")
        for witness in witnesses:
            if not note.verdict(witness):
                raise Bad("has no good cosignature of " + witness.name)
            out["cosignatures"] += 1
        tree = Tree(source, size, 0, size, faults)
        out["entries"] = len(tree.check(root))
        out.update(tiles=tree.tiles, bundles=len(tree.bundles))
        if args.all_partials:
            partials = Partials(source, faults)
            partials.check(size)
            out["partials"] = partials.count
    except Bad as e:
        faults("checkpoint", str(e))
    out.update(ok=not faults.list, faults=faults.list)
    return out


def main():
    parser = argparse.ArgumentParser(
        description="Checks a log in the layout of C2SP tlog-tiles.")
    parser.add_argument("log", metavar="LOG", help="a directory or a URL")
    parser.add_argument("--vkey", required=True, help="of the log")
    parser.add_argument("--witness", action="append", default=[],
                        help="vkey of a witness that must have cosigned")
    parser.add_argument("--all-partials", action="store_true",
                        help="also read .p/W of every width")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        out = run(args)
    except (Bad, OSError) as e:
        print("verify_log: %s" % e, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(out, ensure_ascii=False, sort_keys=True))
    else:
        for thing, what in out["faults"]:
            print("%s: %s" % (thing, what))
        print("%s: %s, %s entries, %d tiles, %d bundles, %d partial files" %
              (out["origin"], "good" if out["ok"] else "FAULTS", out["size"],
               out["tiles"], out["bundles"], out["partials"]))
    return 0 if out["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
