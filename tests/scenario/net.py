"""Real daemons on loopback with breakable links: what scenarios and the demo are made of.

    with net.Domain(folder, tools) as d:
        county = d.node("330106000000"); town = d.node("330106110000", county)
        d.enrol(); d.start()
        town.put(lines); d.wait(lambda: ...)

A child reaches its parent through a Link, a small TCP proxy that can be down,
slow, or cut after a number of bytes.  Nothing here sleeps to be right: wait()
polls a condition under a generous limit and tells what it saw last.
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DIVISIONS = ROOT / "tests/data/divisions-330106.csv"
GENERATOR = ROOT / "tests/data/gen_records.py"
WAIT_S = 120
POLL_S = 0.02
COMMAND_S = 400  # the longest that a command may take; most wait for 120 s at most themselves


class Failed(Exception):
    pass


def wait(condition, what, limit=WAIT_S, pause=POLL_S):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + limit
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (OSError, Failed, http.client.HTTPException) as e:
            last = e
        time.sleep(pause)
    raise Failed("gave up after %d s waiting until %s; last: %r" % (limit, what, last))


PORTS = range(20000, 32000)  # below those that the kernel gives to whoever asks
held = []


def free_port():
    """A TCP port that is free and stays so: its UDP twin, held to the end of
    the process, keeps other tests from taking it."""
    for port in random.SystemRandom().sample(PORTS, 200):
        twin = socket.socket(type=socket.SOCK_DGRAM)
        try:
            twin.bind(("127.0.0.1", port))
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            twin.close()
            continue
        held.append(twin)
        return port
    raise Failed("no free port")


class Tools:
    """Where the programs are."""

    def __init__(self, build=None):
        build = pathlib.Path(build or os.environ.get("CUNDANG_BUILD") or ROOT / "build/dev")
        self.cundang = str(build / "cli/cundang")
        self.cundangd = str(build / "syncd/cundangd")
        for path in (self.cundang, self.cundangd):
            if not os.access(path, os.X_OK):
                raise Failed("%s is not built" % path)

    def run(self, *args, check=True, stdin=None, env=None, text=True):
        full = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        full.pop("CUNDANG_DATA", None)
        try:
            p = subprocess.run([self.cundang, *map(str, args)], input=stdin, env=full, timeout=COMMAND_S,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text)
        except subprocess.TimeoutExpired:
            raise AssertionError("cundang %s: no end after %d s" % (" ".join(map(str, args)), COMMAND_S))
        if check and p.returncode != 0:
            raise Failed("cundang %s: exit %d\n%s%s" % (" ".join(map(str, args)), p.returncode, p.stdout, p.stderr))
        return p

    def json(self, *args, **kw):
        return json.loads(self.run(*args, "--json", **kw).stdout)


class Link:
    """A TCP proxy from a port of its own to `target`: up or down, limited, cut."""

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.address = "127.0.0.1:%d" % self.port
        self.bytes = 0          # both ways, since the start
        self.rate = 0           # bytes a second each way, 0: as fast as it goes
        self._cut_at = None     # value of self.bytes at which all is cut
        self._lock = threading.Lock()
        self._conns = set()
        self._listener = None
        self.cuts = 0

    def up(self):
        with self._lock:
            if self._listener:
                return
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", self.port))
            s.listen(64)
            self._listener = s
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def down(self):
        with self._lock:
            s, self._listener = self._listener, None
            conns = list(self._conns)
            if s:
                self._kill(s)
                s.close()
        for c in conns:
            self._kill(c)

    def cut_after(self, count):
        """Goes down once `count` more bytes have passed."""
        self._cut_at = self.bytes + count

    @property
    def is_up(self):
        return self._listener is not None

    def _kill(self, sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self, listener):
        while True:
            try:
                a, _ = listener.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(self.target, timeout=5)
                b.settimeout(None)
            except OSError:
                a.close()
                continue
            for s in (a, b):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                late = self._listener is not listener
                if not late:
                    self._conns.update((a, b))
            if late:  # it went down meanwhile
                a.close()
                b.close()
                return
            for src, dst in ((a, b), (b, a)):
                threading.Thread(target=self._pump, args=(src, dst), daemon=True).start()

    def _pump(self, src, dst):
        try:
            while True:
                data = src.recv(16384)
                if not data:
                    break
                with self._lock:
                    self.bytes += len(data)
                    cut = self._cut_at is not None and self.bytes >= self._cut_at
                    if cut:
                        self._cut_at = None
                        self.cuts += 1
                if cut:
                    self.down()
                    return
                dst.sendall(data)
                if self.rate:
                    time.sleep(len(data) / self.rate)
        except OSError:
            pass
        finally:
            self._kill(src)
            self._kill(dst)
            with self._lock:
                self._conns.discard(src)


class _UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    def __init__(self, domain, code, parent=None, name=None, bandwidth=0):
        self.domain, self.code, self.parent = domain, code, parent
        self.name = name or code
        self.data = domain.folder / code
        self.listen = free_port()
        self.http = free_port()
        self.link = Link(("127.0.0.1", parent.listen)) if parent else None
        self.bandwidth = bandwidth
        self.process = None
        self.log = domain.folder / (code + ".log")

    def run(self, *args, **kw):
        return self.domain.tools.run("-C", self.data, *args, **kw)

    def json(self, *args, **kw):
        return self.domain.tools.json("-C", self.data, *args, **kw)

    def init(self):
        args = ["init", "--code", self.code, "--governance", self.domain.gov, "--pin", self.domain.root,
                "--listen", "127.0.0.1:%d" % self.listen, "--http", "127.0.0.1:%d" % self.http]
        if self.link:
            args += ["--parent", self.link.address]
        if self.bandwidth:
            args += ["--bandwidth", str(self.bandwidth)]
        self.run(*args)

    def start(self, env=None):
        log = open(self.log, "ab")
        full = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        self.process = subprocess.Popen([self.domain.tools.cundangd, "-C", str(self.data)], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, env=full)
        log.close()
        wait(lambda: self._alive() and self.status(), "%s answers" % self.name)
        return self

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError("%s ended with %s:\n%s" % (self.name, self.process.returncode, self.tail()))
        return True

    def tail(self, lines=30):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed("%s does not stop on SIGTERM\n%s" % (self.name, self.tail()))
        code = self.process.returncode if self.process else 0
        self.process = None
        if code not in (0, None):
            raise Failed("%s ended with %s\n%s" % (self.name, code, self.tail()))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def control(self, method, path, body=None):
        c = _UnixHTTP(str(self.data / "control.sock"))
        try:
            c.request(method, path, body)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def status(self):
        code, body = self.control("GET", "/status")
        if code != 200:
            raise Failed("status: %d %s" % (code, body[:200]))
        return json.loads(body)

    def get(self, path, token=None):
        c = http.client.HTTPConnection("127.0.0.1", self.http, timeout=70)
        try:
            c.request("GET", path, headers={"Authorization": "Bearer " + token} if token else {})
            r = c.getresponse()
            return r.status, dict(r.getheaders()), r.read()
        finally:
            c.close()

    def put(self, lines, attachments=None, check=True):
        """Puts NDJSON bytes; the receipts as a list."""
        args = ["put", "--json", "-"]
        if attachments:
            args += ["--attachments", str(attachments)]
        p = self.run(*args, stdin=lines, check=False, text=False)
        if check and p.returncode != 0:
            raise Failed("put at %s: exit %d: %s %s" % (self.name, p.returncode, p.stdout[-500:], p.stderr[-500:]))
        return [json.loads(x) for x in p.stdout.splitlines()]

    def peer(self, code):
        for p in self.status()["peers"]:
            if p["code"] == code:
                return p
        return None

    def logs(self):
        """{origin: (size, root)} of all logs here."""
        return {l["origin"]: (l["size"], l["root"]) for l in self.status()["logs"]}

    def origin(self):
        return self.status()["origin"]

    def holds(self, below):
        """Whether all of the own log of a node below is here."""
        mine = below.status()
        return self.logs().get(mine["origin"]) == (mine["size"], mine["root"])

    def countersigned(self):
        """Whether a node above has countersigned all of the own log, and that came back."""
        s = self.status()
        return any(l["origin"] == s["origin"] and l["cosigned"] == s["size"] for l in s["logs"])


class Domain:
    def __init__(self, folder, tools=None, domain="xihu.example", root="330106000000"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tools = tools or Tools()
        self.domain, self.root_code = domain, root
        self.gov = self.folder / "governance.git"
        self.officers = [self.folder / ("officer%d" % i) for i in (1, 2)]
        for key in self.officers:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)], check=True)
        args = ["governance", "init", self.gov, "--domain", domain, "--root", root, "--divisions", DIVISIONS]
        for key in self.officers:
            args += ["--officer", "%s=%s.pub" % (key.name, key)]
        self.root = self.tools.json(*args)["root"]
        self.nodes = {}
        self.sign()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for n in self.nodes.values():
            if n.link:
                n.link.down()
        errors = []
        for n in self.nodes.values():
            try:
                n.stop()
            except Failed as e:
                errors.append(str(e))
        if exc[0]:
            for n in self.nodes.values():
                print("---- %s\n%s" % (n.name, n.tail()))
        elif errors:
            raise Failed("\n".join(errors))

    def sign(self):
        """Both officers sign the open proposal."""
        for key in self.officers:
            p = self.tools.run("governance", "sign", self.gov, "--key", key, check=False)
            if p.returncode and "no open proposal" not in p.stderr:
                raise Failed("governance sign: %s" % p.stderr)

    def node(self, code, parent=None, **kw):
        n = self.nodes[code] = Node(self, code, parent, **kw)
        n.init()
        return n

    def edit(self, change, message="change the rules"):
        """An officer's edit with stock git: change(folder) in a clone."""
        work = self.folder / "officer-clone"
        shutil.rmtree(work, ignore_errors=True)
        git = ["git", "-c", "user.name=officer1", "-c", "user.email=officer1@localhost", "-c", "init.defaultBranch=main"]
        subprocess.run(git + ["clone", "-q", "-b", "main", str(self.gov), str(work)], check=True)
        change(work)
        subprocess.run(git + ["-C", str(work), "add", "-A"], check=True)
        subprocess.run(git + ["-C", str(work), "commit", "-q", "-m", message], check=True)
        subprocess.run(git + ["-C", str(work), "push", "-q", "origin", "HEAD:main"], check=True)

    def publish(self):
        self.tools.run("governance", "publish", self.gov)
        self.sign()

    def admit(self, nodes=None):
        """Enrols nodes: requests, one head, signatures."""
        files = []
        for n in nodes or self.nodes.values():
            path = self.folder / (n.code + ".request")
            n.run("node", "request", "-o", path)
            files.append(path)
        self.tools.run("node", "admit", "--all", self.gov, *files)
        self.sign()

    def enrol(self):
        self.admit()
        self.adopt()

    def adopt(self):
        self.nodes[self.root_code].run("governance", "adopt", self.gov)

    def start(self, links=True):
        for n in self.nodes.values():
            n.start()
        if links:
            self.links_up()

    def links_up(self):
        for n in self.nodes.values():
            if n.link:
                n.link.up()

    def links_down(self):
        for n in self.nodes.values():
            if n.link:
                n.link.down()

    def ruled(self):
        """Waits until every node has the rules of the root's."""
        serial = self.nodes[self.root_code].status()["governance"]["serial"]
        for n in self.nodes.values():
            wait(lambda: n.status()["governance"]["serial"] == serial, "%s has head %d" % (n.code, serial))

    def settled(self, limit=WAIT_S, pause=POLL_S):
        """Waits until every parent holds every log below it with the same root."""
        def same():
            for n in self.nodes.values():
                above = n.parent
                while above:
                    if not above.holds(n):
                        return False
                    above = above.parent
            return True
        wait(same, "all logs are the same at every level", limit, pause)


def generate(node, count, seed=1, attachments=None, series="all", rate=0.003):
    """NDJSON bytes of generated records."""
    args = ["python3", str(GENERATOR), "--node", node, "--count", str(count), "--seed", str(seed), "--series", series]
    if attachments:
        args += ["--attachments", str(attachments), "--attach-rate", str(rate)]
    return subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout
