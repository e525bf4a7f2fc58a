"""Goal: whatever strangers send, a county goes on and its child is served.

    strangers ---> county 330106000000 <---link--- township 330106110000

Strangers come without a key, with a key no roster knows, with noise instead of
TLS and instead of frames, with frames of absurd length, in numbers, and slowly.
"""
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import tempfile
import warnings

import net

COUNTY, TOWNSHIP = "330106000000", "330106110000"
ALPN = "cundang/1"
UNKNOWN_LIMIT = 16


def make_key(folder, name):
    key, cert = folder / (name + ".key"), folder / (name + ".crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=stranger", "-days", "30",
                    "-keyout", str(key), "-out", str(cert)], check=True, stderr=subprocess.DEVNULL)
    return cert, key


def dial(county, cert=None, alpn=ALPN):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    if cert:
        context.load_cert_chain(*map(str, cert))
    raw = socket.create_connection(("127.0.0.1", county.listen), timeout=20)
    try:
        return context.wrap_socket(raw)
    except OSError:
        raw.close()
        raise


def ended(s):
    """True once the county closed the connection, whatever it said before."""
    try:
        while s.recv(65536):
            pass
    except socket.timeout:
        return False
    except OSError:
        pass
    return True


def refused_at_all(county, **kw):
    try:
        with dial(county, **kw) as s:
            assert ended(s)
    except OSError:
        pass


def frame(kind, length, lane=0, version=1, last=1):
    return struct.pack(">BBBBI", version, kind, lane, last, length)


def send_and_end(county, cert, data):
    with dial(county, cert) as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        assert ended(s), data[:40]


def check_frames(county, cert):
    for data in (frame(1, 0xffffffff), frame(1, 65536), frame(1, 0), frame(99, 1) + b"x", frame(1, 4, version=9) + b"null",
                 frame(1, 4, lane=7) + b"null", frame(1, 4) + b"null", frame(1, 2) + b"{}", frame(4, 100) + b"\0" * 100,
                 os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n", frame(1, 8000) + b"[" * 8000,
                 frame(2, 60000, last=0) + b"\0" * 60000):
        send_and_end(county, cert, data)


def check_numbers(county, folder):
    """Each of many unknown keys says nothing; no more than the limit stay."""
    cert = make_key(folder, "many")
    many = [dial(county, cert) for _ in range(UNKNOWN_LIMIT + 8)]
    left = list(many)
    for s in many:
        s.settimeout(0.1)

    def few():
        left[:] = [s for s in left if not ended(s)]
        return len(left) <= UNKNOWN_LIMIT
    net.wait(few, "the county closes those beyond its limit")
    assert left, "somebody may stay"
    for s in many:
        s.close()


def check_raw(county):
    for data in (b"", b"\x16\x03\x01" + os.urandom(300), os.urandom(5000), b"\0" * 70000):
        with socket.create_connection(("127.0.0.1", county.listen), timeout=30) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            assert ended(s)


def served(county, town, seed):
    town.put(net.generate(TOWNSHIP, 20, seed=seed))
    town.control("POST", "/sync", "{}")
    net.wait(lambda: county.holds(town), "the child is served")


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        folder = pathlib.Path(folder)
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.enrol()
        d.start()
        served(county, town, 1)
        before = county.logs()
        refused_at_all(county)
        refused_at_all(county, cert=make_key(folder, "a"), alpn="http/1.1")
        refused_at_all(county, cert=make_key(folder, "b"), alpn=None)
        check_raw(county)
        check_frames(county, make_key(folder, "c"))
        check_numbers(county, folder)
        assert county.logs() == before
        slow = [socket.create_connection(("127.0.0.1", county.listen)) for _ in range(50)]
        served(county, town, 2)
        for s in slow:
            s.close()
        assert county.process.poll() is None


if __name__ == "__main__":
    main()
