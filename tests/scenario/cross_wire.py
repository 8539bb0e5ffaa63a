#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is put through one wire is got through the other, in full or not at
all."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import lm_client as lm  # noqa: E402
from lm_client import GENERATIONS, V0, V1, LmClient, metadata  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from server import Server  # noqa: E402

KEY = "meta-llama/Llama-3.1-8B@1@0@-5f3a@half"
SHAPE = lm.Shape(2, 3, 2, 32, 256, 1024)
SIZES = (0, 1, 4096, 65537, (3 << 20) + 5)
BYTES_NAMES = ("{}kv_bytes", "{}:kv_bytes", "{{{}}}:kv_bytes")
META_NAMES = ("{}metadata", "{}:metadata", "{{{}}}:metadata")
PAIRS = [(b.format(KEY), m.format(KEY))
         for b, m in zip(BYTES_NAMES, META_NAMES)]
ALL_NAMES = [KEY] + [name for pair in PAIRS for name in pair]


class CrossWireTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(
            Server(dram_size="256MiB", lease_ms=0))

    def setUp(self):
        port = self.server.data_port
        self.resp = self.enterContext(RespClient(port))
        self.lms = {generation: self.enterContext(LmClient(port, generation))
                    for generation in GENERATIONS}
        self.ask(b"+OK\r\n", "FLUSHALL")

    def ask(self, reply, *arguments):
        self.resp.ask(reply, *arguments)

    def put(self, body, shape=SHAPE, generation=V1):
        """By lm://; an EXIST, because a PUT has no reply to wait for."""
        self.lms[generation].put(KEY, body, shape)
        self.assertTrue(self.lms[generation].exists(KEY))

    def expect_lm(self, body, shape=SHAPE):
        for generation, client in self.lms.items():
            self.assertTrue(client.exists(KEY))
            got, head = client.get(KEY)
            self.assertEqual(got, body)
            self.assertEqual(head, lm.reply(generation, lm.OK, len(body),
                                            shape))

    def expect_lm_miss(self):
        for client in self.lms.values():
            self.assertFalse(client.exists(KEY))
            self.assertIsNone(client.get(KEY))

    def test_an_lm_put_is_read_by_every_name_of_redis(self):
        for generation in GENERATIONS:
            for size in SIZES:
                body = os.urandom(size)
                self.put(body, generation=generation)
                meta = metadata(size, lm.BLANK if generation is V0 else SHAPE)
                self.ask(bulk(body), "GET", KEY)
                for bytes_name, meta_name in PAIRS:
                    self.ask(b":1\r\n", "EXISTS", meta_name)
                    self.ask(b":1\r\n", "EXISTS", bytes_name)
                    self.ask(bulk(meta), "GET", meta_name)
                    self.ask(bulk(body), "GET", bytes_name)
                    self.ask(b"*2\r\n" + bulk(meta) + bulk(body), "MGET",
                             meta_name, bytes_name)
                    self.ask(b":28\r\n", "STRLEN", meta_name)
                    self.ask(b":%d\r\n" % size, "STRLEN", bytes_name)
                    self.ask(b"+string\r\n", "TYPE", bytes_name)

    def test_a_redis_pair_is_read_over_lm_with_its_shape(self):
        for pair in PAIRS:
            for size in SIZES:
                for order in (0, 1), (1, 0):
                    with self.subTest(pair=pair, size=size, order=order):
                        body = os.urandom(size)
                        values = body, metadata(size, SHAPE)
                        self.ask(b"+OK\r\n", "FLUSHALL")
                        self.ask(b"+OK\r\n", "SET", pair[order[0]],
                                 values[order[0]])
                        self.expect_lm_miss()
                        self.ask(b"+OK\r\n", "SET", pair[order[1]],
                                 values[order[1]])
                        self.expect_lm(body)

    def test_lm_misses_where_the_metadata_does_not_fit_the_body(self):
        for bytes_name, meta_name in PAIRS:
            self.ask(b"+OK\r\n", "SET", bytes_name, bytes(1000))
            for meta in (metadata(999, SHAPE), metadata(1001, SHAPE),
                         metadata(0), metadata(2 ** 31 - 1),
                         metadata(1000, SHAPE) + bytes(20)):
                self.ask(b"+OK\r\n", "SET", meta_name, meta)
                self.expect_lm_miss()
                self.ask(b":1\r\n", "EXISTS", meta_name)
            self.ask(b"+OK\r\n", "SET", meta_name, metadata(1000, SHAPE))
            self.expect_lm(bytes(1000))
            self.ask(b"+OK\r\n", "SET", bytes_name, bytes(1001))
            self.expect_lm_miss()

    def test_a_plain_value_is_no_object(self):
        self.ask(b"+OK\r\n", "SET", KEY, b"plain")
        self.expect_lm_miss()
        for bytes_name, meta_name in PAIRS:
            self.ask(b":0\r\n", "EXISTS", bytes_name, meta_name)

    def test_a_plain_set_overwrites_an_lm_object(self):
        self.put(b"from lm")
        self.ask(b"+OK\r\n", "SET", KEY, b"from resp")
        self.ask(bulk(b"from resp"), "GET", KEY)
        self.expect_lm_miss()
        for name in ALL_NAMES[1:]:
            self.ask(b"$-1\r\n", "GET", name)
        self.ask(b":1\r\n", "DBSIZE")
        self.put(b"from lm again")
        self.ask(bulk(b"from lm again"), "GET", KEY)
        self.expect_lm(b"from lm again")
        self.ask(b":1\r\n", "DBSIZE")
        # Nothing of what was overwritten is left below.
        self.ask(b":1\r\n", "DEL", KEY)
        self.ask(b"$-1\r\n", "GET", KEY)

    def test_set_with_conditions_sees_an_lm_object(self):
        self.ask(b"$-1\r\n", "SET", KEY, b"w", "XX")
        self.put(b"from lm")
        self.ask(b":0\r\n", "SETNX", KEY, b"w")
        self.ask(b"$-1\r\n", "SET", KEY, b"w", "NX")
        self.expect_lm(b"from lm")
        self.ask(bulk(b"from lm"), "SET", KEY, b"w", "XX", "GET")
        self.ask(bulk(b"w"), "GET", KEY)
        self.expect_lm_miss()

    def test_a_half_overwrites_an_lm_object(self):
        for bytes_name, meta_name in PAIRS:
            self.put(b"from lm")
            self.ask(b"+OK\r\n", "SET", bytes_name, b"redis bytes")
            self.expect_lm_miss()
            self.ask(b":0\r\n", "EXISTS", meta_name)
            self.ask(b"$-1\r\n", "GET", KEY)
            self.ask(b"+OK\r\n", "SET", meta_name, metadata(11, SHAPE))
            self.expect_lm(b"redis bytes")
            self.put(b"lm again")
            self.ask(bulk(b"lm again"), "GET", bytes_name)
            self.ask(bulk(metadata(8, SHAPE)), "GET", meta_name)
            self.ask(bulk(b"lm again"), "GET", KEY)

    def test_metadata_set_anew_changes_what_lm_is_told(self):
        self.put(b"from lm")
        other = lm.Shape(1, 4, 9, 8, 7, 6)
        for _, meta_name in PAIRS:
            self.ask(b"+OK\r\n", "SET", meta_name, metadata(7, other))
            self.expect_lm(b"from lm", other)
            self.put(b"from lm")

    def test_any_name_deletes_an_lm_object(self):
        for name in ALL_NAMES:
            self.put(b"body")
            self.ask(b":1\r\n", "DEL", name)
            self.expect_lm_miss()
            for other in ALL_NAMES:
                self.ask(b":0\r\n", "EXISTS", other)

    def test_any_name_gives_an_lm_object_its_lifetime(self):
        for name in ALL_NAMES:
            self.put(b"body")
            self.ask(b":-1\r\n", "TTL", name)
            self.ask(b":1\r\n", "EXPIRE", name, 100)
            for other in ALL_NAMES:
                self.ask(b":100\r\n", "TTL", other)
            self.expect_lm(b"body")
            self.ask(b":1\r\n", "EXPIRE", name, -1)
            self.expect_lm_miss()

    def test_lm_lives_in_namespace_0(self):
        self.put(b"body")
        self.ask(b"+OK\r\n", "SELECT", 1)
        try:
            for name in ALL_NAMES:
                self.ask(b"$-1\r\n", "GET", name)
            self.ask(b"+OK\r\n", "MSET", PAIRS[0][0], b"other", PAIRS[0][1],
                     metadata(5, SHAPE), KEY, b"third")
            self.ask(bulk(b"third"), "GET", KEY)
            self.expect_lm(b"body")
            self.ask(b"+OK\r\n", "FLUSHDB")
            self.expect_lm(b"body")
        finally:
            self.ask(b"+OK\r\n", "SELECT", 0)

    def test_each_wire_lists_what_came_by_the_other(self):
        self.put(b"body")
        self.assertEqual(self.resp.scan(), [KEY.encode()])
        self.ask(b":1\r\n", "DBSIZE")
        self.ask(b"+OK\r\n", "MSET", "pair:kv_bytes", b"12345",
                 "pair:metadata", metadata(5), "plain", "v", "lone:kv_bytes",
                 "w")
        self.assertEqual(sorted(self.lms[V0].list()),
                         sorted([KEY.encode(), b"pair"]))
        self.ask(b"+OK\r\n", "FLUSHALL")
        self.assertEqual(self.lms[V0].list(), [])
        self.expect_lm_miss()

    def test_the_sum_of_both_wires_is_counted(self):
        before = self.resp.info()
        self.put(b"12345")
        self.ask(bulk(b"12345"), "GET", KEY)
        self.ask(bulk(b"12345"), "GET", PAIRS[0][0])
        self.expect_lm(b"12345")
        after = self.resp.info()
        for name, step in {"get_hits": 5, "get_bytes": 25, "puts_stored": 1,
                           "lm_get": 3, "resp_get": 2}.items():
            self.assertEqual(int(after[name]) - int(before[name]), step, name)


if __name__ == "__main__":
    unittest.main()
