"""Goal: a county whose disk is full loses nothing, serves what it has, and goes on by itself.

    county 330106000000, on a disk of 48 MiB <---link--- township 330106110000

With 0 bytes free: put says so, with exit code 6, and keeps nothing half; list,
show, status, why and fsck answer; segments are packed; the township is told
"full" and keeps its records; the county ends and starts in order.  When there is room again, the
same daemon takes records, and what the township kept arrives.
"""
import fcntl
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import net  # noqa: E402

COUNTY, TOWNSHIP = "330106000000", "330106110000"
SKIPPED = 77
DISK = "48m"
SEGMENT_SIZE = "20000"
FULL = 6
PUTS_LIMIT = 200
INSIDE = "CUNDANG_SMALL_DISK"


def enter_namespace():
    """Goes on in a mount namespace of its own, as root or as a user."""
    for flags in ("-m", "-rm"):
        if subprocess.run(["unshare", flags, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp("unshare", ["unshare", flags, sys.executable, __file__])
    print("skipped: no disk of our own can be mounted")
    sys.exit(SKIPPED)


def fill(path):
    """Takes every byte that is free."""
    with open(path, "ab", buffering=0) as f:
        for step in (1 << 20, 4096, 1):
            try:
                while f.write(b"\1" * step) == step:
                    pass
            except OSError:
                pass
    st = os.statvfs(path.parent)
    assert st.f_bavail == 0, st


def one(node, seed):
    return net.generate(node.code, 1, seed=seed)


def refused(county, seed, locale):
    """What a refused put says; within the pages that are there already some may still go."""
    for i in range(PUTS_LIMIT):
        size = county.status()["size"]
        p = county.run("put", "-", stdin=one(county, seed + i), check=False, text=False, env={"LC_ALL": locale})
        if p.returncode:
            break
    assert p.returncode == FULL, (p.returncode, p.stderr)
    assert county.status()["size"] == size
    return p.stderr.decode()


def put_is_refused(county, seed):
    assert "the disk is full: make room" in refused(county, seed, "C.UTF-8")
    assert "磁盘已满" in refused(county, seed + PUTS_LIMIT, "zh_CN.UTF-8")
    return county.status()["size"]


def all_else_answers(county, receipt, size):
    assert county.status()["size"] == size
    assert county.json("show", receipt["id"])["id"] == receipt["id"]
    for words in (["list"], ["status"], ["why", TOWNSHIP], ["fsck"]):
        p = county.run(*words, check=False)
        assert p.returncode == 0 or words[0] == "why", (words, p.returncode, p.stderr)


def unpacked(county, disk):
    """The county holds segments that it would pack, were they not being checked."""
    check = os.open(disk / "segments", os.O_RDONLY)
    fcntl.flock(check, fcntl.LOCK_SH)
    for i in range(8):
        county.put(net.generate(county.code, 24, seed=50 + i))
    assert not packed(disk)
    return check


def packed(disk):
    return list((disk / "segments").glob("*-1.seg"))


def asks_to_sync(county, town):
    """The township need not wait for its next turn."""
    town.control("POST", "/sync", "{}")
    return county.holds(town)


def main():
    if not os.environ.get(INSIDE):
        enter_namespace()
    os.environ["CUNDANG_SEGMENT_SIZE"] = SEGMENT_SIZE
    with tempfile.TemporaryDirectory(prefix="cundang-disk-") as folder:
        disk = pathlib.Path(folder) / "d" / COUNTY
        disk.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + DISK, "tmpfs", str(disk)], check=True)
        try:
            run(pathlib.Path(folder) / "d", disk)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def run(folder, disk):
    with net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.enrol()
        d.start()
        receipt = county.put(one(county, 1))[0]
        net.wait(lambda: county.holds(town), "the county holds the township's log")
        assert (disk / "reserve").stat().st_size == 3 << 20

        check = unpacked(county, disk)
        fill(disk / "ballast")
        os.close(check)
        if (disk / "segments/00000002.seg").exists():  # where SEGMENT_SIZE is heeded
            net.wait(lambda: packed(disk), "a segment is packed on the full disk")
        fill(disk / "ballast")
        size = put_is_refused(county, 1000)
        all_else_answers(county, receipt, size)
        kept = town.put(net.generate(TOWNSHIP, 20, seed=3))
        assert len(kept) == 20
        town.control("POST", "/sync", "{}")
        net.wait(lambda: "busy: full" in town.tail(), "the township hears that the county is full")
        assert not county.holds(town)

        county.stop()
        county.start()
        size = put_is_refused(county, 2000)
        all_else_answers(county, receipt, size)

        (disk / "ballast").unlink()
        assert len(county.put(one(county, 5))) == 1
        assert county.status()["size"] == size + 1
        net.wait(lambda: asks_to_sync(county, town), "what the township kept is here")
        assert (disk / "reserve").stat().st_size == 3 << 20
        county.run("fsck")
    print("ok")


if __name__ == "__main__":
    main()
