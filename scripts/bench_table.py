"""Rows of figures, and how they are taken."""
import os
import subprocess
import time

ROWS = []


def row(what, ours, other, ratio, note=""):
    ROWS.append((what, ours, other, ratio, note))
    print("%-52s %18s %22s %7s  %s" % (what, ours, other, ratio, note), flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return "%d cores (%s), load %.1f" % (os.cpu_count(), model[0] if model else "?", os.getloadavg()[0])


def clock(f):
    start = time.monotonic()
    value = f()
    return time.monotonic() - start, value


def zstd19(path):
    p = subprocess.Popen(["zstd", "-19", "-q", "-c", "-T0", str(path)], stdout=subprocess.PIPE)
    size = 0
    while piece := p.stdout.read(1 << 20):
        size += len(piece)
    if p.wait():
        raise OSError("zstd failed")
    return size


def markdown(path):
    with open(path, "w", encoding="utf-8") as f:
        f.write("%s\n\n| what | cundang | other | ratio | |\n|---|---|---|---|---|\n" % machine())
        for r in ROWS:
            f.write("| %s |\n" % " | ".join(r))
