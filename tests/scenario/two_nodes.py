"""Goal: a county and a township come to hold the same log, however the link behaves.

    county 330106000000 <---link--- township 330106110000

Records put at the township while the link is down reach the county once it is
up, also when it is cut in the middle; an alert put at the county comes down;
the feed is read twice by cursor without gap or repeat; the county is killed
and goes on; bad requests are told so and the daemons live.
"""
import http.client
import json
import socket
import tempfile
import time

import net

COUNTY, TOWNSHIP = "330106000000", "330106110000"
RECORDS = 300


def read_feed(node, limit, series=""):
    """All lines from the beginning, page by page."""
    cursor, lines = "", []
    while True:
        code, head, body = node.get("/v1/feed?limit=%d&after=%s%s" % (limit, cursor, series))
        assert code == 200, (code, body)
        lines += [json.loads(x) for x in body.splitlines()]
        new = head["Cundang-Cursor"]
        if new == cursor:
            return lines, cursor
        assert not body or lines[-1]["cursor"] == new or series
        cursor = new


def records_of(node, count, seed, series="all"):
    return net.generate(node.code, count, seed=seed, series=series)


def complete(town):
    """How the session stands when nothing is left to do."""
    p = town.peer(COUNTY)
    return p if p["complete"] else None


def check_put_and_sync(town, county):
    """Durable with no link at all; then carried, and complete at both ends."""
    receipts = town.put(records_of(town, RECORDS, 1))
    assert len(receipts) == RECORDS and all(r["origin"] == town.origin() for r in receipts), receipts[:2]
    p = town.peer(COUNTY)
    assert p["state"] in ("waiting", "connecting") and p["backlog"] > RECORDS // 2, p
    town.link.up()
    town.control("POST", "/sync", "{}")
    net.wait(lambda: county.holds(town), "the county holds the township's log")
    p = net.wait(lambda: complete(town), "the township says complete")
    assert p["state"] == "open" and p["backlog"] == 0 and p["entries_out"] >= RECORDS, p
    net.wait(town.countersigned, "the county's cosignature came back")


def check_cut(town, county):
    """A link cut in the middle costs no record and no wrong root."""
    town.link.down()
    net.wait(lambda: town.peer(COUNTY)["state"] != "open", "the township sees the link go")
    town.put(records_of(town, 600, 2))
    before = town.link.bytes
    town.link.cut_after(40000)
    town.link.up()
    town.control("POST", "/sync", "{}")
    net.wait(lambda: not town.link.is_up, "the link is cut")
    assert not county.holds(town)
    town.link.up()
    town.control("POST", "/sync", "{}")
    net.wait(lambda: county.holds(town), "the rest came after the cut")
    print("cut: %d bytes over the link for 600 records" % (town.link.bytes - before))


def check_quiet(town, county):
    """With nothing new a reconnect costs next to nothing."""
    net.wait(lambda: town.peer(COUNTY)["complete"] and town.countersigned(), "all is quiet")
    town.link.down()
    net.wait(lambda: town.peer(COUNTY)["state"] != "open", "the township sees the link go")
    town.link.up()
    town.control("POST", "/sync", "{}")
    p = net.wait(lambda: complete(town), "complete again")
    assert p["sent"] + p["received"] <= 1024, p
    print("quiet: %d bytes of frames" % (p["sent"] + p["received"]))


def check_alert(town, county):
    receipt = county.put(records_of(county, 1, 3, series="alert"))[0]
    origin = county.origin()
    net.wait(lambda: origin in town.logs(), "the alert's log is known at the township")
    net.wait(lambda: any(x["subject"] == receipt["id"] for x in read_feed(town, 1000, "&series=alert")[0]),
             "the alert is in the township's feed")


def check_feed(county):
    first, cursor = read_feed(county, 200)
    second, _ = read_feed(county, 77)
    ids = [x["id"] for x in first]
    assert len(ids) == len(set(ids)) and ids == [x["id"] for x in second]
    assert first[0]["specversion"] == "1.0" and first[0]["data"]["series"], first[0]
    text = json.dumps(first, ensure_ascii=False)
    assert '"id_no"' not in text and '"phone"' not in text
    return ids, cursor


def check_long_poll(county, cursor):
    """An answer that waits comes as soon as there is something, not later."""
    code, head, body = county.get("/v1/feed?wait=1&after=" + cursor)
    assert code == 200 and not body and head["Cundang-Cursor"] == cursor, (code, body)
    started = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", county.http, timeout=70)
    c.request("GET", "/v1/feed?wait=60&after=" + cursor)
    receipt = county.put(records_of(county, 1, 4, series="facility-geo"))[0]
    r = c.getresponse()
    lines = [json.loads(x) for x in r.read().splitlines()]
    c.close()
    assert [x["subject"] for x in lines] == [receipt["id"]], lines
    assert time.monotonic() - started < 30


def check_schema(county):
    """What a series is, for machines: of those that who asks may see."""
    assert county.get("/v1/schemas/household")[0] == 404
    code, head, body = county.get("/v1/schemas/service-case")
    schema = json.loads(body)
    assert code == 200 and head["Content-Type"] == "application/schema+json", (code, head)
    fields = schema["properties"]["fields"]["properties"]
    assert fields["applicant"]["properties"]["id_no"]["x-label"] == "sensitive", fields


def check_refusals(town, county):
    for path, want in (("/v1/feed?limit=0", 400), ("/v1/feed?x=1", 400), ("/v1/feed?series=none-such", 404), ("/none", 404),
                       ("/v1/objects/AAAA", 404), ("/v1/schemas/none-such", 404), ("/v1/schemas/sys-policy", 404), ("/v1/schemas/", 404),
                       ("/tlog/330106110000/0000000000000000/checkpoint", 404),
                       ("/v1/feed?after=%s-0-00000000" % ("0" * 16), 409), ("/metrics?a", 400)):
        code, _, body = county.get(path)
        assert code == want and "error" in json.loads(body), (path, code, body)
    assert "restart" in json.loads(county.get("/v1/feed?after=%s-0-00000000" % ("0" * 16))[2])
    assert county.get("/v1/feed", token="nobody's")[0] == 401
    c = http.client.HTTPConnection("127.0.0.1", county.http)
    c.request("POST", "/v1/feed", "x")
    assert c.getresponse().status == 405
    c.close()
    for junk in (b"\x00" * 20000, b"GET / HTTP/9\r\n\r\n", b"GET /" + b"a" * 20000):
        with socket.create_connection(("127.0.0.1", county.http)) as s:
            try:
                s.sendall(junk)
                s.recv(4096)
            except OSError:
                pass
    with socket.create_connection(("127.0.0.1", county.listen)) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"\xff" * 5000)
        s.settimeout(10)
        try:
            s.recv(4096)
        except OSError:
            pass
    assert town.control("POST", "/put", b"{broken\n")[0] == 200
    code, body = town.control("POST", "/put", b"{broken\n\n[]")
    answers = [json.loads(x) for x in body.splitlines()]
    assert code == 200 and len(answers) == 3 and "error" in answers[0] and answers[1] == {} and "error" in answers[2], body
    assert town.control("POST", "/put", b"\n" * 4097)[0] == 413
    assert town.control("POST", "/sync", b'{"peer":"330106110201"}')[0] == 404
    assert town.control("PUT", "/attachments/" + "0" * 64, b"x")[0] == 400
    assert town.control("POST", "/governance/adopt", b'{"path":"relative"}')[0] == 400
    assert town.control("GET", "/none")[0] == 404


def check_tlog(county, town):
    origin = town.origin()
    path = "/tlog/" + "/".join(origin.split("/")[1:]) + "/"
    code, head, note = county.get(path + "checkpoint")
    assert code == 200 and head["Content-Type"] == "text/plain; charset=utf-8", head
    lines = note.decode().split("\n")
    assert lines[0] == origin
    size = int(lines[1])
    assert note.decode().count("\u2014") >= 2, note
    assert len(county.get(path + "tile/0/000")[2]) == 8192
    width = size % 256
    n = size // 256
    assert len(county.get(path + "tile/0/%03d.p/%d" % (n, width))[2]) == 32 * width
    assert county.get(path + "tile/0/%03d.p/%d" % (n, width + 1))[0] == 404
    entries = county.get(path + "tile/entries/%03d.p/%d" % (n, width))[2]
    first = entries[2:2 + int.from_bytes(entries[:2], "big")]
    assert json.loads(first)["iss"] == "/".join(origin.split("/")[:2])
    text = county.get("/metrics")[2].decode()
    assert "cundang_records %d" % sum(s for s, _ in county.logs().values()) in text, text


def check_kill(town, county):
    """Killed, the county goes on where it was; the township finds it by itself."""
    town.put(records_of(town, 100, 5))
    county.kill()
    town.put(records_of(town, 100, 6))
    county.start()
    net.wait(lambda: county.holds(town), "the logs are equal after a kill")


def main():
    with tempfile.TemporaryDirectory(prefix="cundang-") as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWNSHIP, county)
        d.admit()
        d.start(links=False)
        d.adopt()
        assert county.status()["governance"]["serial"] == 2 and county.status()["enrolled"]
        # The township learns of its own enrolment over the link.
        town.link.up()
        town.control("POST", "/sync", "{}")
        net.wait(lambda: (town.peer(COUNTY) or {}).get("state") == "open", "the first session is open")
        town.link.down()
        net.wait(lambda: town.peer(COUNTY)["state"] != "open", "the township sees the link go")
        check_put_and_sync(town, county)
        check_cut(town, county)
        check_quiet(town, county)
        check_alert(town, county)
        ids, cursor = check_feed(county)
        check_long_poll(county, cursor)
        check_schema(county)
        check_refusals(town, county)
        check_tlog(county, town)
        check_kill(town, county)
        assert len(ids) > RECORDS
        print("%d records in the feed" % len(ids))


if __name__ == "__main__":
    main()
