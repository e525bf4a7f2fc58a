"""What lies in the memory of a daemon, as whoever takes the machine would read it."""
import os
import re

import net

FORGOTTEN_S = 300  # what others read at the moment of an erasure is tidied away within two minutes, alone on a machine


def overwrite_freed():
    """Before daemons start: a sanitizer overwrites what is freed, too; elsewhere the daemon sees to it."""
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":max_free_fill_size=1073741824:free_fill_byte=90"


def pieces(node):
    """All that the process may write, piece by piece."""
    pid = node.process.pid
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb") as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not m:
                continue
            start, end = (int(x, 16) for x in m.groups())
            if end - start > 1 << 30:  # what a sanitizer reserves for itself
                continue
            while start < end:
                try:
                    mem.seek(start)
                    piece = mem.read(min(end - start, 1 << 22))
                except (OSError, ValueError, OverflowError):
                    break
                if not piece:
                    break
                yield piece
                start += len(piece)


def has(node, text):
    return any(text in piece for piece in pieces(node))


def forgets(node, found):
    """Waits until found(piece) is empty of every piece."""
    assert has(node, node.code.encode()), "nothing of %s can be read" % node.code

    def left():
        return sum(len(found(piece)) for piece in pieces(node))
    net.wait(lambda: left() == 0, "%s has forgotten" % node.code, FORGOTTEN_S)
