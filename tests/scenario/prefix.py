#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PREFIX.MATCH: how much of a prompt is here, by which names, in which tiers,
on what terms; and that asking changes nothing."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import KV_SHAPE, LmClient, metadata  # noqa: E402
from nvme_test import NvmeTest  # noqa: E402
from raw_client import encode  # noqa: E402
from resp_client import RespClient, RespError, bulk, value_of  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402
from watch import until  # noqa: E402

ARITY = "ERR wrong number of arguments for 'prefix.match' command"
NUMBER = "ERR value is not an integer or out of range"


def flat(pairs):
    """RESP2's maps."""
    return dict(zip(pairs[::2], pairs[1::2]))


class PrefixTest(ServerTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect_resp()

    def connect_resp(self, dialect=2):
        client = RespClient(self.server.data_port)
        self.addCleanup(client.close)
        if dialect == 3:
            client.call("HELLO", 3)
        return client

    def ask(self, *words):
        return self.client.value("PREFIX.MATCH", *words)

    def ask_long(self, *words):
        """The long answer, over RESP3."""
        return self.connect_resp(3).value("PREFIX.MATCH", "WITHTIERS", *words)

    def fill(self, *names, size=100):
        for name in names:
            self.client.ask(b"+OK\r\n", "SET", name, name.encode() * size)


class MatchTest(PrefixTest):
    def test_the_match_is_counted_from_the_first_key_on(self):
        self.start()
        self.fill("a", "b", "d")
        for words, matched in ((["a"], 1), (["a", "b"], 2), (["a", "b", "c"], 2),
                               (["a", "b", "c", "d"], 2), (["c", "a"], 0),
                               (["d", "d", "a", "b"], 4), (["x" * 5000], 0),
                               (["a", "x" * 5000, "b"], 1), ([""], 0)):
            self.client.ask(b":%d\r\n" % matched, "PREFIX.MATCH", *words)
        self.client.ask(b":2\r\n", "prefix.match", "a", "b", "c")
        self.connect_resp(3).ask(b":2\r\n", "PREFIX.MATCH", "a", "b", "c")
        self.client.ask(b":1\r\n", "DEL", "a")
        self.client.ask(b":0\r\n", "PREFIX.MATCH", "a", "b")

    def test_options_come_before_the_keys_and_end_at_the_first_one(self):
        self.start()
        self.fill("LEASE", "PROMOTE", "a", "--")
        self.assertEqual(self.ask("--", "LEASE", "PROMOTE", "a"), 3)
        self.assertEqual(self.ask("--", "--"), 1)
        self.assertEqual(self.ask("a", "LEASE", "PROMOTE", "x"), 3)
        self.assertEqual(self.ask("lease", 1000, "promote", "ranks", 1, "a"), 1)
        self.assertEqual(self.ask("LEASE", 5, "LEASE", 6, "a"), 1)
        for words, error in (
                ([], ARITY), (["--"], ARITY), (["PROMOTE"], ARITY),
                (["LEASE", 5], ARITY), (["RANKS", 2, "--"], ARITY),
                (["LEASE"], "ERR syntax error"),
                (["LEASE", "a"], NUMBER), (["RANKS", "1.5", "a"], NUMBER),
                (["LEASE", 0, "a"], "ERR value is out of range"),
                (["LEASE", -1, "a"], "ERR value is out of range"),
                (["RANKS", 0, "a"], "ERR value is out of range"),
                (["RANKS", 4097, "a"], "ERR value is out of range"),
                (["RANKS", 2, "a"],
                 "ERR the number of keys is not a multiple of RANKS")):
            found = self.ask(*words)
            self.assertIsInstance(found, RespError, words)
            self.assertEqual(str(found), error, words)
        self.assert_serves()

    def test_a_key_may_be_any_name_of_an_object(self):
        self.start()
        with LmClient(self.server.data_port) as lm:
            lm.put("m@1", b"x" * 1000, KV_SHAPE)
            self.assertTrue(lm.exists("m@1"))
        for name in ("m@1", "m@1metadata", "m@1:kv_bytes", "{m@1}:metadata"):
            self.assertEqual(self.ask(name), 1, name)
        self.client.ask(b"+OK\r\n", "SET", "m@2kv_bytes", b"x" * 1000)
        self.assertEqual(self.ask("m@2"), 0)
        self.assertEqual(self.ask("m@2metadata"), 0)
        self.assertEqual(self.ask("m@2kv_bytes"), 1)
        self.client.ask(b"+OK\r\n", "SET", "m@2metadata", metadata(1000))
        self.assertEqual(self.ask("m@1", "m@2", "m@3"), 2)
        self.assertEqual(self.ask("m@2metadata", "m@2kv_bytes"), 2)
        self.assertEqual(self.ask("m@2:metadata"), 0)
        # As redis:// keeps them in another namespace.
        self.client.ask(b"+OK\r\n", "SELECT", 3)
        self.assertEqual(self.ask("m@1"), 0)
        self.client.ask(b"+OK\r\n", "MSET", "{m@1}:kv_bytes", b"y" * 10,
                        "{m@1}:metadata", metadata(10))
        self.assertEqual(self.ask("m@1"), 1)

    def test_with_ranks_the_match_is_the_shortest_of_them(self):
        self.start()
        # Positions 0 to 4 of ranks 0 to 2; rank 1 lacks position 3.
        keys = [f"k{position}@{rank}" for position in range(5)
                for rank in range(3)]
        self.fill(*(key for key in keys if key != "k3@1"))
        self.assertEqual(self.ask("RANKS", 3, *keys), 3)
        self.assertEqual(self.ask("RANKS", 1, *keys), 10)
        self.assertEqual(self.ask("RANKS", 5, *keys), 2)
        self.assertEqual(self.ask("RANKS", 15, *keys), 0)
        for rank, wanted in ((0, 5), (1, 3), (2, 5)):
            self.assertEqual(self.ask(*keys[rank::3]), wanted)
        found = self.ask_long("RANKS", 3, *keys)
        self.assertEqual(found[b"matched"], 3)
        self.assertEqual(found[b"bytes"], 9 * 400)

    def test_8192_keys_are_answered_and_more(self):
        self.start()
        keys = [f"model@00000000@0@{number:064x}" for number in range(8192)]
        for start in range(0, 8192, 1024):
            pairs = [word for key in keys[start:start + 1024]
                     for word in (key, "v")]
            self.client.ask(b"+OK\r\n", "MSET", *pairs)
        self.assertEqual(self.ask(*keys), 8192)
        self.client.ask(b":1\r\n", "DEL", keys[8000])
        self.assertEqual(self.ask(*keys), 8000)
        found = self.ask_long("--", *keys)
        self.assertEqual(found[b"matched"], 8000)
        self.assertEqual(found[b"keys"],
                         [b"dram"] * 8000 + [b"missing"] + [b"dram"] * 191)
        short = [key[-4:] for key in keys] * 9
        self.assertEqual(self.ask(*short), 0)

    def test_pipelined_lookups_are_answered_in_order(self):
        self.start()
        self.fill("a", "b")
        commands = [["PREFIX.MATCH"] + ["a"] * number + ["x"]
                    for number in range(1, 300)]
        self.client.socket.sendall(b"".join(encode(*c) for c in commands))
        for number in range(1, 300):
            self.client.expect(b":%d\r\n" % number)


class AnswerTest(PrefixTest):
    def test_the_long_answer_is_a_map(self):
        self.start()
        self.fill("a", "b", "d")
        words = ["PREFIX.MATCH", "WITHTIERS", "a", "b", "c", "d"]
        sizes = b"$7\r\nmatched\r\n:2\r\n$8\r\nunbroken\r\n:2\r\n" + \
            b"$5\r\nbytes\r\n:200\r\n"
        states = b"".join(map(bulk, (b"dram", b"dram", b"missing", b"dram")))
        totals = b"$7\r\nmatched\r\n:2\r\n$5\r\nbytes\r\n:200\r\n"
        self.client.ask(
            b"*12\r\n$4\r\nkeys\r\n*4\r\n" + states + totals +
            b"$7\r\nload_us\r\n$-1\r\n$8\r\nlease_ms\r\n:0\r\n"
            b"$5\r\ntiers\r\n*2\r\n$4\r\ndram\r\n*10\r\n" + sizes +
            b"$6\r\nget_us\r\n$-1\r\n$16\r\nbytes_per_second\r\n$-1\r\n", *words)
        self.connect_resp(3).ask(
            b"%6\r\n$4\r\nkeys\r\n*4\r\n" + states + totals +
            b"$7\r\nload_us\r\n_\r\n$8\r\nlease_ms\r\n:0\r\n"
            b"$5\r\ntiers\r\n%1\r\n$4\r\ndram\r\n%5\r\n" + sizes +
            b"$6\r\nget_us\r\n_\r\n$16\r\nbytes_per_second\r\n_\r\n", *words)

    def test_the_load_time_is_known_once_values_were_got(self):
        self.start()
        self.fill("a", "b", size=MIB)
        found = self.ask_long("a", "b")
        self.assertIsNone(found[b"load_us"])
        for _ in range(20):
            self.client.call("GET", "a")
        found = self.ask_long("a", "b")
        dram = found[b"tiers"][b"dram"]
        self.assertGreater(found[b"load_us"], 0)
        self.assertGreater(dram[b"bytes_per_second"], 1_000_000)
        per_byte = 2 * MIB / dram[b"bytes_per_second"] * 1e6
        self.assertAlmostEqual(found[b"load_us"], per_byte + 2 * dram[b"get_us"],
                               delta=0.01 * per_byte + 10)
        self.assertEqual(self.ask_long("x")[b"load_us"], 0)
        # The same over lm://, which is the same tier.
        with LmClient(self.server.data_port) as lm:
            lm.put("m@1", b"x" * MIB, KV_SHAPE)
            self.assertEqual(lm.value("m@1"), b"x" * MIB)

    def test_lookups_are_counted(self):
        self.start()
        self.fill("a", "b")
        before = self.watch.info()
        self.ask("a", "b", "c")
        self.ask("RANKS", 2, "a", "b", "a", "c")
        self.ask("LEASE", "x", "a")
        after = self.watch.info()
        self.assertEqual(
            [after[name] - before[name] for name in
             ("lookups_resp", "lookups_http", "lookup_keys", "lookup_matched",
              "promotions")], [2, 0, 7, 4, 0])


class HarmlessTest(PrefixTest):
    """Nothing that a GET or an eviction could notice."""

    def test_a_lookup_is_no_hit_and_no_lease(self):
        self.start(**{"lease.ms": "10s"})
        self.fill("a", "b")
        before = self.watch.info()
        for _ in range(100):
            self.ask("a", "b", "c")
            self.ask_long("a", "b", "c")
        after = self.watch.info()
        moved = {name for name in after if after[name] != before.get(name)}
        self.assertLessEqual(
            {name for name in moved if name.startswith(
                ("get", "exists", "hits", "keyspace", "leases", "leased",
                 "evict", "expir", "put", "dram", "entries"))}, set())
        self.assertIn("lookup_keys", moved)

    def survivors(self, policy, is_asked):
        """What is left when several times the pool has gone by."""
        self.start(**{"limits.workers": 1, "dram.size": "32MiB",
                      "lease.ms": 0, "dram.policy": policy})
        names = [f"k{number:03}" for number in range(160)]
        for number, name in enumerate(names):
            self.fill(name, size=MIB // len(name))
            if number % 5 == 0:
                self.client.call("GET", names[number // 2])
                self.client.call("GET", names[number])
            if is_asked:
                self.ask(*names[:number + 1])
                self.ask("PROMOTE", *names[number // 2:number + 1])
        left = [name for name in names if self.ask(name)]
        self.server.stop()
        return left

    def test_a_lookup_never_changes_what_is_evicted(self):
        for policy in "lru", "s3fifo", "adaptive":
            left = self.survivors(policy, False)
            self.assertGreater(len(left), 16)
            self.assertLess(len(left), 40)
            self.assertEqual(self.survivors(policy, True), left, policy)


class LeaseTest(PrefixTest):
    def press(self):
        before = self.watch["evictions"]
        self.fill(*(f"other{number}" for number in range(128)),
                  size=MIB // 8)
        self.assertGreater(self.watch["evictions"], before + 30)

    def test_the_match_stays_for_the_lease(self):
        self.start(**{"lease.max": "600s", "dram.policy": "lru"})
        names = [f"k{number}" for number in range(10)]
        self.fill(*names[:9], size=MIB // 2)
        self.assertEqual(self.ask("LEASE", 600000, *names[:4], *names[8:]), 5)
        info = self.watch.info()
        self.assertEqual(info["leases_granted"], 5)
        self.assertEqual(info["leased_bytes"], 5 * MIB)
        self.press()
        self.assertEqual(self.ask(*names[:4], names[8]), 5)
        self.assertEqual([self.ask(name) for name in names[4:8]], [0] * 4)

    def test_what_is_refused_its_lease_ends_the_match(self):
        self.start(**{"lease.max": "600s"})
        names = [f"k{number:02}" for number in range(30)]
        self.fill(*names, size=MIB // 3)
        found = self.ask_long("LEASE", 60000, *names)
        matched = found[b"matched"]
        self.assertIn(matched, (15, 16))  # a quarter of 64 MiB
        self.assertEqual(found[b"keys"],
                         [b"dram"] * matched + [b"unleased"] +
                         [b"dram"] * (29 - matched))
        self.assertEqual(self.watch["leases_refused"], 1)
        self.assertEqual(self.ask(*names), 30)

    def test_none_is_longer_than_may_be_asked_for(self):
        self.start(**{"lease.max": "20s", "lease.ms": "5s"})
        self.fill("a")
        for asked, given in ((1, 1), (20000, 20000), (20001, 20000),
                             (10 ** 10, 20000)):
            found = self.ask_long("LEASE", asked, "a")
            self.assertEqual(found[b"lease_ms"], given)
        self.assertEqual(self.ask_long("a")[b"lease_ms"], 0)

    def test_one_of_exists_does_not_shorten_it(self):
        self.start(**{"lease.max": "600s", "lease.ms": "1ms"})
        self.fill("a", size=MIB)
        self.assertEqual(self.ask("LEASE", 600000, "a"), 1)
        self.client.ask(b":1\r\n", "EXISTS", "a")
        self.press()
        self.client.ask(bulk(b"a" * MIB), "GET", "a")

    def test_without_leases_none_is_given(self):
        self.start(**{"lease.ms": 0})
        self.fill("a")
        found = self.ask_long("LEASE", 5000, "a")
        self.assertEqual((found[b"matched"], found[b"lease_ms"]), (1, 0))
        self.assertEqual(self.watch["leased_bytes"], 0)

    def test_a_deleted_key_gives_its_lease_back(self):
        self.start(**{"lease.max": "600s"})
        self.fill("a", size=MIB)
        self.assertEqual(self.ask("LEASE", 600000, "a"), 1)
        self.client.ask(b":1\r\n", "DEL", "a")
        self.assertEqual(self.watch["leased_bytes"], 0)
        self.assertEqual(self.ask("LEASE", 600000, "a"), 0)


class TierTest(NvmeTest):
    """Values that live on the device, as a start leaves them."""

    def setUp(self):
        super().setUp()
        self.serve()
        client = self.connect()
        self.names = self.put_many(client, 24, 256 << 10)
        self.await_written()
        self.server.stop()
        self.watch.close()
        self.serve()
        self.client = RespClient(self.server.data_port)
        self.addCleanup(self.client.close)
        self.client.call("HELLO", 3)

    def ask_long(self, *words):
        return self.client.value("PREFIX.MATCH", "WITHTIERS", *words)

    def test_tiers_are_cumulated(self):
        found = self.ask_long(*self.names, "missing")
        self.assertEqual(found[b"matched"], 24)
        self.assertEqual(found[b"keys"], [b"nvme"] * 24 + [b"missing"])
        self.assertEqual(found[b"tiers"][b"dram"][b"matched"], 0)
        self.assertEqual(found[b"tiers"][b"nvme"][b"matched"], 24)
        for name in self.names[:3] + self.names[10:12]:
            self.client.call("GET", name)
        found = self.ask_long(*self.names)
        self.assertEqual(found[b"keys"][2:4], [b"dram+nvme", b"nvme"])
        dram, nvme = (found[b"tiers"][name] for name in (b"dram", b"nvme"))
        self.assertEqual((dram[b"unbroken"], dram[b"matched"]), (3, 5))
        self.assertEqual((nvme[b"unbroken"], nvme[b"matched"]), (24, 24))
        self.assertEqual(dram[b"bytes"], 5 * (256 << 10))
        self.assertEqual(nvme[b"bytes"], 24 * (256 << 10))
        self.assertGreater(nvme[b"bytes_per_second"], 1_000_000)

    def test_a_load_time_needs_every_tier_measured(self):
        self.client.call("GET", self.names[0])
        found = self.ask_long(*self.names[1:3])
        self.assertGreater(found[b"load_us"], 0)
        self.assertIsNone(self.ask_long(*self.names[:2])[b"load_us"],
                          "no GET of what is in DRAM yet")
        self.client.call("GET", self.names[0])
        self.assertGreater(self.ask_long(*self.names[:2])[b"load_us"], 0)

    def test_a_plain_lookup_reads_nothing(self):
        before = self.watch.info()
        for _ in range(20):
            self.ask_long(*self.names)
        after = self.watch.info()
        self.assertEqual(before["nvme_read_bytes"], after["nvme_read_bytes"])
        self.assertEqual(after["promotions"], 0)

    def test_a_promotion_brings_values_into_dram(self):
        found = self.ask_long("PROMOTE", *self.names[:4], "missing",
                              *self.names[4:])
        self.assertEqual(found[b"matched"], 4)
        until(lambda: self.ask_long(*self.names[:4])[b"tiers"][b"dram"]
              [b"unbroken"] == 4, "four values in DRAM")
        info = self.watch.info()
        self.assertEqual(info["promotions"], 4)
        self.assertEqual((info["get_hits"], info["hits_nvme"]), (0, 0))
        found = self.ask_long(*self.names)
        self.assertEqual(found[b"tiers"][b"dram"][b"matched"], 4)

    def test_promotions_are_bounded(self):
        self.ask_long("PROMOTE", *self.names)
        self.assertLessEqual(self.watch["promotions"], 24)
        self.assertGreater(self.watch["promotions"], 3)
        self.assert_there(self.connect(), *self.names)


if __name__ == "__main__":
    unittest.main()
