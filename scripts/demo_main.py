#!/usr/bin/env python3
"""The main job, told as it happens: seven daemons, bad links, a kill, an alert, an auditor.

demo_main.py [--keep DIR] [--seed N] [--records N]

Everything that is counted here is written below the folder, and
scripts/demo-check recomputes each count from there.
"""
import argparse
import csv
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/scenario"))
sys.path.insert(0, str(ROOT / "scripts"))
import demo_count  # noqa: E402
import net  # noqa: E402

COUNTY = "330106000000"
TOWNSHIPS = ("330106110000", "330106109000")
SLOW = 48_000  # bytes a second while the links are bad
TOKEN = "demo-token-of-the-county-platform"


def say(text=""):
    print(text, flush=True)


def step(n, text):
    say("\n%d. %s" % (n, text))


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n")


def divisions():
    with open(net.DIVISIONS, encoding="utf-8") as f:
        return {r["code"]: r for r in csv.DictReader(f)}


def pick_villages(rows):
    out = []
    for town in TOWNSHIPS:
        out += [c for c in sorted(rows) if rows[c]["parent"] == town and not c.endswith("000")][:2]
    return out


def consumer(folder):
    """The officer's edit that lets the county's platform read the feed."""
    (folder / "consumers.yaml").write_text(
        "consumers:\n  - name: county-platform\n    token_sha256: %s\n    labels: [public, internal]\n"
        % hashlib.sha256(TOKEN.encode()).hexdigest())


def put_and_kill(node, lines, attachments, folder):
    """Puts lines through a pipe, kills the daemon in the middle, restarts it, puts them again."""
    stop_after = len(lines) // 3
    args = [node.domain.tools.cundang, "-C", str(node.data), "put", "--json", "-", "--attachments", str(attachments)]
    p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = []

    def feed():
        try:
            for i in range(0, len(lines), 8):
                p.stdin.write(b"".join(lines[i:i + 8]))
                p.stdin.flush()
                # The pipe is read as fast as the daemon syncs; a pause lets it acknowledge.
                while len(out) + 64 < i and p.poll() is None:
                    time.sleep(0.001)
            p.stdin.close()
        except OSError:
            pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    for line in p.stdout:
        out.append(line)
        if len(out) == stop_after:
            node.kill()
    p.wait()
    feeder.join()
    p.stderr.close()
    save(folder / "receipts-before-kill" / (node.code + ".ndjson"), b"".join(out))
    before = [json.loads(x) for x in out]
    before = [r for r in before if "leaf" in r]
    node.start()
    again = node.put(b"".join(lines), attachments)
    save(folder / "receipts" / (node.code + ".ndjson"), "".join(json.dumps(r) + "\n" for r in again).encode())
    by_id = {r["id"]: r for r in again}
    for r in before:
        if by_id.get(r["id"]) != r:
            raise net.Failed("acknowledged before the kill and not the same after: %r, %r" % (r, by_id.get(r["id"])))
    return len(before), len(again)


def snapshot(nodes):
    return {n.code: {"status": n.status(), "link_bytes": n.link.bytes if n.link else 0} for n in nodes}


def pending(snap):
    """Entries that some parent has not acknowledged, and attachments on their way, in a snapshot."""
    return sum(p["backlog"] for s in snap.values() for p in s["status"]["peers"] if p["role"] == "parent") + \
        sum(s["status"]["wanted"] for s in snap.values())


def read_feed(node, folder):
    """Two passes with curl, each from the beginning with the cursor it is given."""
    for number in (1, 2):
        cursor, pages, total = "", [], 0
        while True:
            url = "http://127.0.0.1:%d/v1/feed?limit=%d&after=%s" % (node.http, 200 if number == 1 else 77, cursor)
            head = folder / "head.txt"
            body = subprocess.run(["curl", "-sS", "--fail", "-D", str(head), "-H", "Authorization: Bearer " + TOKEN, url],
                                  check=True, stdout=subprocess.PIPE).stdout
            new = [l.split(":", 1)[1].strip() for l in head.read_text().splitlines() if l.lower().startswith("cundang-cursor:")][0]
            pages.append(body)
            total += body.count(b"\n")
            if new == cursor:
                break
            cursor = new
        head.unlink()
        save(folder / ("feed-%d.ndjson" % number), b"".join(pages))
    return total


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--keep", metavar="DIR", help="leave everything there, and running")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--records", type=int, default=2000)
    a = ap.parse_args()
    if a.records < 200:
        ap.error("--records: at least 200")
    folder = pathlib.Path(a.keep or tempfile.mkdtemp(prefix="cundang-demo-"))
    if a.keep and folder.exists() and any(folder.iterdir()):
        ap.error("%s is not empty" % folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    started = time.monotonic()
    kept = False
    domain = None
    try:
        domain = net.Domain(folder / "net")
        run(a, folder, domain)
        result = demo_count.count(folder)
        save(folder / "result.json", result)
        demo_count.check(result)
        say("\nDone in %d seconds." % (time.monotonic() - started))
        if a.keep:
            kept = True
            leave(folder, domain)
        say(json.dumps(result, sort_keys=True))
        return 0
    except (net.Failed, AssertionError, subprocess.CalledProcessError) as e:
        say("\nThe demo failed: %s" % e)
        if domain:
            for n in domain.nodes.values():
                say("---- %s\n%s" % (n.name, n.tail()))
        return 1
    finally:
        if domain and not kept:
            for n in domain.nodes.values():
                if n.link:
                    n.link.down()
                try:
                    n.stop()
                except net.Failed as e:
                    say(str(e))
            if not a.keep:
                shutil.rmtree(folder, ignore_errors=True)


def run(a, folder, domain):
    rows = divisions()
    villages = pick_villages(rows)
    nodes = {}

    step(1, "Two officers found the domain %s, pinned by its root fingerprint" % domain.domain)
    say("   %s" % domain.root)
    county = nodes[COUNTY] = domain.node(COUNTY, name=rows[COUNTY]["name"])
    for t in TOWNSHIPS:
        nodes[t] = domain.node(t, county, name=rows[t]["name"])
    for v in villages:
        nodes[v] = domain.node(v, nodes[rows[v]["parent"]], name=rows[v]["name"])
    domain.edit(consumer, "let the county's platform read the feed")
    domain.enrol()
    say("   %d nodes made their keys and were admitted by one signed head; the county adopted it." % len(nodes))

    step(2, "Seven daemons start; every link is down")
    domain.start(links=False)
    villages = [nodes[v] for v in villages]
    save(folder / "demo.json", {"root": domain.root, "seed": a.seed, "records": a.records, "county": COUNTY,
                                "townships": TOWNSHIPS, "villages": [v.code for v in villages], "token": TOKEN,
                                "data": {n.code: str(n.data.relative_to(folder)) for n in nodes.values()}})

    step(3, "The villages record their work, offline")
    share = [a.records // 4 + (i < a.records % 4) for i in range(4)]
    attachments = folder / "attachments"
    inputs = {}
    for v, n in zip(villages, share):
        lines = net.generate(v.code, n, "%d-%s" % (a.seed, v.code), attachments, rate=0.01)
        save(folder / "input" / (v.code + ".ndjson"), lines)
        inputs[v.code] = lines.splitlines(True)
    for v in villages[:3]:
        receipts = v.put(b"".join(inputs[v.code]), attachments)
        save(folder / "receipts" / (v.code + ".ndjson"), "".join(json.dumps(r) + "\n" for r in receipts).encode())
        say("   %s %s: %d records, each durable before it was acknowledged" % (v.code, v.name, len(receipts)))
    v = villages[3]
    before, after = put_and_kill(v, inputs[v.code], attachments, folder)
    say("   %s %s: kill -9 after %d of %d acknowledgements; restarted, all %d are the same, the rest followed" % (
        v.code, v.name, before, after, before))

    step(4, "The links come up, slow, and are cut in the middle")
    for n in nodes.values():
        if n.link:
            n.link.rate = SLOW
    for v, n in zip(villages, share):
        v.link.cut_after(12_000 + 40 * n)
    domain.links_up()
    net.wait(lambda: all(v.link.cuts for v in villages), "all four village links are cut")
    domain.links_down()
    snap = snapshot(nodes.values())
    save(folder / "observed" / "cut.json", snap)
    say("   %d bytes had passed, %d entries and attachments were still to go" % (
        sum(s["link_bytes"] for s in snap.values()), pending(snap)))

    step(5, "The links come back; a warning from the county overtakes the backlog")
    at_cut = {v.code: v.link.bytes for v in villages}
    domain.links_up()
    net.wait(lambda: all(v.link.bytes > at_cut[v.code] + 4000 for v in villages), "the villages go on sending")
    alert = net.generate(COUNTY, 1, "%d-alert" % a.seed, series="alert")
    save(folder / "input" / (COUNTY + ".ndjson"), alert)
    receipt = county.put(alert)
    save(folder / "receipts" / (COUNTY + ".ndjson"), (json.dumps(receipt[0]) + "\n").encode())
    where = "%s/%d" % (receipt[0]["origin"], receipt[0]["seq"])
    net.wait(lambda: all(v.run("show", where, "--json", check=False).returncode == 0 for v in villages),
             "the alert is in every village")
    snap = snapshot(nodes.values())
    save(folder / "observed" / "alert.json", snap)
    say("   %s is in all four villages; %d entries and attachments were still on their way" % (where, pending(snap)))

    step(6, "The links get better; everything arrives")
    for n in nodes.values():
        if n.link:
            n.link.rate = 0
    domain.settled()
    net.wait(lambda: all(n.status()["wanted"] == 0 for n in nodes.values()), "all attachments are where they belong")
    net.wait(lambda: all(cosigned(n) for n in villages), "every village holds its parent's cosignature")
    say("   every log has the same root at every level, and every village holds its township's cosignature")

    step(7, "What the county may not see is not there")
    for code in (COUNTY, villages[0].code):
        p = subprocess.run([str(ROOT / "scripts/check-privacy"), "--json", str(nodes[code].data)],
                           stdout=subprocess.PIPE, check=False, env=tools_env(domain))
        report = json.loads(p.stdout)
        save(folder / "observed" / ("privacy-%s.json" % code), report)
        say("   %s: %d blocks and files opened; %d sensitive parts, %d identity numbers found" % (
            code, report["opened"], report["sensitive_parts"], report["id_numbers"]))

    step(8, "The county's platform reads the feed, twice")
    total = read_feed(county, folder)
    say("   %d records each time, by cursor" % total)

    step(9, "An auditor checks the logs and an archive package")
    export(folder, nodes, county)
    audit(folder, domain, best_archive(folder, villages))

    table(nodes.values())


def cosigned(node):
    s = node.status()
    return any(l["origin"] == s["origin"] and l["cosigned"] == s["size"] for l in s["logs"])


def tools_env(domain):
    import os
    return dict(os.environ, CUNDANG=domain.tools.cundang)


def export(folder, nodes, county):
    """Each log as its own node has it, and as the county has it."""
    for n in nodes.values():
        n.run("log", "--export", folder / "logs" / n.code)
        county.run("log", "--origin", n.origin(), "--export", folder / "logs-at-county" / n.code)
        for where in ("logs", "logs-at-county"):
            d = folder / where / n.code
            subprocess.run([sys.executable, str(ROOT / "scripts/verify_log.py"), str(d), "--vkey", (d / "vkey").read_text().strip(),
                            "--all-partials"],
                           check=True, stdout=subprocess.DEVNULL)
    say("   %d logs exported and checked tile by tile, as their nodes and as the county hold them" % len(nodes))


def best_archive(folder, villages):
    """The village with the most attachments: the package shall have some."""
    def attachments(v):
        return (folder / "input" / (v.code + ".ndjson")).read_bytes().count(b'"attachments"')
    return max(villages, key=attachments)


def verify_both(folder, domain, package, name):
    c = domain.tools.run("verify", package, "--root", domain.root, "--json", check=False)
    py = subprocess.run([sys.executable, str(ROOT / "scripts/verify_package.py"), str(package), "--root", domain.root, "--json"],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out = {}
    for who, p in (("c", c), ("python", py)):
        try:
            out[who] = json.loads(p.stdout)
        except ValueError:
            raise net.Failed("verify %s by %s: exit %d\n%s%s" % (name, who, p.returncode, p.stdout, p.stderr))
        out[who]["exit"] = p.returncode
    save(folder / "observed" / ("verify-%s.json" % name), out)
    return out


def audit(folder, domain, village):
    package = folder / "packages" / (village.code + ".tar")
    package.parent.mkdir()
    village.run("archive", "create", "--origin", village.code, "-o", package)
    out = verify_both(folder, domain, package, "whole")
    say("   package of %s %s: %d records, %d bytes; cundang verify: %s, verify_package.py: %s" % (
        village.code, village.name, out["c"]["records"], package.stat().st_size,
        "good" if out["c"]["ok"] else out["c"]["faults"], "good" if out["python"]["ok"] else out["python"]["faults"]))
    for kind in ("record", "tile", "checkpoint", "attachment"):
        damaged = folder / "packages" / ("damaged-%s" % kind)
        demo_count.damage(package, damaged, kind)
        out = verify_both(folder, domain, damaged, kind)
        say("   one byte of a %s flipped, manifests remade: %s | %s" % (
            kind, demo_count.first_fault(out["c"]), demo_count.first_fault(out["python"])))


def table(nodes):
    say("\n%-14s %-10s %7s %6s  %s" % ("node", "rank", "entries", "logs", "root"))
    for n in sorted(nodes, key=lambda n: (n.status()["rank"] != "county", n.code)):
        s = n.status()
        say("%-14s %-10s %7d %6d  %s" % (n.code, s["rank"], s["size"], len(s["logs"]), s["root"]))


def leave(folder, domain):
    """Direct links instead of the proxies, which end with this program."""
    for n in domain.nodes.values():
        if n.link:
            n.link.down()
            n.stop()
            config = n.data / "node.yaml"
            config.write_text(config.read_text().replace(n.link.address, "127.0.0.1:%d" % n.parent.listen))
            n.start()
    county = domain.nodes[COUNTY]
    village = [n for n in domain.nodes.values() if not n.code.endswith("000")][0]
    say("\nSeven daemons go on running. Try:")
    for text in (
            "export PATH=%s:$PATH" % pathlib.Path(domain.tools.cundang).parent,
            "cundang -C %s status" % county.data,
            "cundang -C %s list --limit 5" % village.data,
            "cundang -C %s show %s/3" % (village.data, village.code),
            "cundang -C %s why %s" % (village.data, village.parent.code),
            "curl -s -H 'Authorization: Bearer %s' 'http://127.0.0.1:%d/v1/feed?limit=2'" % (TOKEN, county.http),
            "cundang verify %s --root %s" % (next((folder / "packages").glob("*.tar")), domain.root),
            "scripts/demo-check %s" % folder,
            "kill %s      # to end them" % " ".join(str(n.process.pid) for n in domain.nodes.values())):
        say("    " + text)


if __name__ == "__main__":
    sys.exit(main())
