"""Goal: what is damaged is passed over by nobody, and holds up nobody else.

    county 330106000000 <---link--- township 330106110000 <--- village 330106110201

A block of parts in the township's own log is damaged.  The feed stops right
before its record, and says where it lies; the village's log reaches the county
through the township all the same; why and status tell what waits for what.
When the bytes are right again all goes on, without a gap and without a repeat.
"""
import json
import tempfile

import net

COUNTY, TOWN, VILLAGE = "330106000000", "330106110000", "330106110201"
ITEM, HEAD, PARTS, SEALED = b"CDit\x01", 72, 3, 2
LENGTH_OF_NAME, LOG, FIRST = 8, slice(16, 20), slice(24, 32)


def flip_parts(node, seq):
    """One bit in a block of parts of the own log that begins with the record."""
    path = node.data / "segments/00000001.seg"
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(ITEM, at + 1)) >= 0:
        if data[at + 5] == PARTS and data[at + 6] == SEALED and int.from_bytes(data[at:][LOG], "big") == 1 and \
                int.from_bytes(data[at:][FIRST], "big") == seq:
            bit = at + HEAD + data[at + LENGTH_OF_NAME] + 20
            data[bit] ^= 1
            with open(path, "r+b") as f:
                f.seek(bit)
                f.write(data[bit:bit + 1])
            return
    raise AssertionError("no block of parts begins with record %d" % seq)


class Consumer:
    def __init__(self, node):
        self.node, self.cursor, self.seen, self.error = node, "", [], None

    def follow(self):
        while True:
            code, head, body = self.node.get("/v1/feed?limit=7&after=" + self.cursor)
            if code != 200:
                self.error = (code, json.loads(body)["error"])
                return self
            self.seen += [json.loads(x)["id"] for x in body.splitlines()]
            if head["Cundang-Cursor"] == self.cursor:
                self.error = None
                return self
            self.cursor = head["Cundang-Cursor"]


def metric(node, name):
    text = node.get("/metrics")[2].decode()
    return next(int(l.split()[1]) for l in text.splitlines() if l.startswith("cundang_%s " % name))


def main():
    with tempfile.TemporaryDirectory() as folder, net.Domain(folder) as d:
        county = d.node(COUNTY)
        town = d.node(TOWN, county)
        village = d.node(VILLAGE, town)
        d.enrol()
        d.start(links=False)
        lines = net.generate(TOWN, 24, seed=3).splitlines(True)
        receipts = [town.put(one)[0] for one in lines[:6]] + town.put(b"".join(lines[6:]))
        whole = Consumer(town).follow().seen  # without a token, not all of them
        ids = ["%s/%d" % (r["origin"], r["seq"]) for r in receipts]
        bad = next(r for r, i in zip(receipts[3:], ids[3:]) if i in whole)
        held, after = ids[receipts.index(bad)], ids[receipts.index(bad) + 1]
        assert metric(town, "feed_held") == 0 and bad in receipts[:6], bad
        town.stop()
        flip_parts(town, bad["seq"])
        town.start()

        consumer = Consumer(town).follow()
        assert consumer.seen == whole[:whole.index(held)], consumer.seen
        code, error = consumer.error
        assert code == 503 and error["code"] == "corrupt", consumer.error
        for word in (held, "segment 00000001 at ", "cundang repair"):
            assert word in error["text"], (word, error)
        status = town.status()
        assert status["feed_held"] == bad["seq"] + 1, status
        assert metric(town, "feed_held") == status["feed_held"]
        assert held in status["feed_held_text"]
        # By itself it is damaged, and those behind it are not.
        assert town.get("/v1/records/%s" % held.split("/", 1)[1])[0] == 503
        assert town.get("/v1/records/%s" % after.split("/", 1)[1])[0] != 503

        theirs = village.put(net.generate(VILLAGE, 30, seed=4))
        assert len(theirs) == 30
        d.links_up()
        for n in (village, town):
            n.control("POST", "/sync", "{}")
        log = village.origin()
        net.wait(lambda: county.logs().get(log) == village.logs()[log], "the village's log is at the county")
        net.wait(lambda: held.rsplit("/", 1)[0] in (town.peer(COUNTY) or {}).get("waiting_for", ""), "the town says what waits")
        told = town.run("why", COUNTY).stdout
        assert "00000001" in told and "cundang repair" in told, told
        assert "cundang repair" in town.run("status").stdout
        assert town.peer(COUNTY)["complete"] is False

        town.stop()
        flip_parts(town, bad["seq"])
        town.start()
        consumer.follow()
        assert consumer.error is None, consumer.error
        assert consumer.seen == Consumer(town).follow().seen and len(set(consumer.seen)) == len(consumer.seen)
        assert consumer.seen[:len(whole)] == whole and any(log in i for i in consumer.seen), consumer.seen
        assert metric(town, "feed_held") == 0 and "feed_held" not in town.status()
        town.control("POST", "/sync", "{}")
        d.settled()
    print("%d records, held up at %s" % (len(ids), held))


if __name__ == "__main__":
    main()
