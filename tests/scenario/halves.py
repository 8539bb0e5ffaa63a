#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The two names of an LMCache object over redis:// are one entry: complete,
deleted, expired and evicted together, in every order and spelling (WIRES 2.1).
A key that merely ends like one of them is a key like any other."""
import itertools
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import KV_SHAPE, LmClient, metadata  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from server import Server  # noqa: E402

SPELLINGS = {
    "suffix": "{}%s",
    "colon": "{}:%s",
    "braces": "{{{}}}:%s",
}
BODY = b"some bytes of a cache" * 100
META = metadata(len(BODY), KV_SHAPE)
STEMS = ["vllm@m@1@0@ff@half", "@0@0@0@half", "/abs/path@1@0@-1@f32", "x", "x:",
         "{", "}", "{tag}rest", "kv_bytes", "metadata", "a:metadata"]


def halves(spelling, stem):
    """Its name of the bytes and its name of the metadata."""
    form = SPELLINGS[spelling].format(stem.replace("%", "%%"))
    return form % "kv_bytes", form % "metadata"


class HalvesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(
            Server(dram_size="64MiB", lease_ms=0))

    def setUp(self):
        self.client = self.enterContext(RespClient(self.server.data_port))
        self.ask(b"+OK\r\n", "FLUSHALL")

    def ask(self, reply, *arguments):
        self.client.ask(reply, *arguments)

    def each_spelling(self, stem="m@1@0@ab@half"):
        for spelling in SPELLINGS:
            self.ask(b"+OK\r\n", "FLUSHALL")
            yield halves(spelling, stem)

    def put(self, bytes_name, meta_name, body=BODY, meta=META):
        self.ask(b"+OK\r\n", "SET", bytes_name, body)
        self.ask(b"+OK\r\n", "SET", meta_name, meta)

    def expect_whole(self, bytes_name, meta_name, body=BODY, meta=META):
        self.ask(b":1\r\n", "EXISTS", meta_name)
        self.ask(b":1\r\n", "EXISTS", bytes_name)
        self.ask(bulk(meta), "GET", meta_name)
        self.ask(bulk(body), "GET", bytes_name)

    def expect_gone(self, *names):
        for name in names:
            self.ask(b":0\r\n", "EXISTS", name)
            self.ask(b"$-1\r\n", "GET", name)
            self.ask(b":-2\r\n", "TTL", name)
            self.ask(b"+none\r\n", "TYPE", name)
            self.ask(b":0\r\n", "STRLEN", name)
        self.assertEqual(self.client.scan(), [])

    def test_an_object_is_whole_once_both_halves_are_set_in_either_order(self):
        for stem in STEMS:
            for name, meta_name in self.each_spelling(stem):
                self.ask(b":0\r\n", "EXISTS", name, meta_name)
                self.ask(b"+OK\r\n", "SET", name, BODY)
                self.ask(b":0\r\n", "EXISTS", meta_name)
                self.ask(b":1\r\n", "EXISTS", name)
                self.ask(b"+OK\r\n", "SET", meta_name, META)
                self.expect_whole(name, meta_name)
                self.ask(b"+OK\r\n", "FLUSHALL")
                self.ask(b"+OK\r\n", "SET", meta_name, META)
                self.ask(b":0\r\n", "EXISTS", meta_name)
                self.ask(b":0\r\n", "EXISTS", name)
                self.ask(b"+OK\r\n", "SET", name, BODY)
                self.expect_whole(name, meta_name)

    def test_metadata_without_its_bytes_does_not_exist(self):
        for name, meta_name in self.each_spelling():
            self.ask(b"+OK\r\n", "SET", meta_name, META)
            self.ask(b":0\r\n", "EXISTS", meta_name)
            self.ask(b":0\r\n", "EXISTS", meta_name, name, meta_name)
            self.ask(b"$-1\r\n", "GET", name)
            self.ask(b":1\r\n", "DEL", meta_name)
            self.expect_gone(name, meta_name)

    def test_deleting_either_half_deletes_both(self):
        for verb, which in itertools.product(("DEL", "UNLINK"), (0, 1)):
            for pair in self.each_spelling():
                self.put(*pair)
                self.ask(b":1\r\n", verb, pair[which])
                self.expect_gone(*pair)
                self.ask(b":0\r\n", verb, *pair)
                # One entry counts once, where Redis would count two keys.
                self.put(*pair)
                self.ask(b":1\r\n", verb, *pair)
                self.ask(b":0\r\n", "DBSIZE")

    def test_a_lifetime_given_to_either_half_is_that_of_both(self):
        for which in (0, 1):
            for pair in self.each_spelling():
                self.put(*pair)
                self.ask(b":1\r\n", "EXPIRE", pair[which], 100)
                self.expect_ttl(100, *pair)
                self.ask(b":1\r\n", "PERSIST", pair[1 - which])
                self.expect_ttl(-1, *pair)
                self.ask(b":1\r\n", "PEXPIRE", pair[which], 1)
                self.await_gone(*pair)
                self.expect_gone(*pair)

    def test_a_lifetime_set_with_either_half_is_that_of_both(self):
        for first in (0, 1):
            for which in (0, 1):
                for pair in self.each_spelling():
                    values = (BODY, META)
                    for half in (first, 1 - first):
                        lifetime = ["EX", 100] if half == which else []
                        self.ask(b"+OK\r\n", "SET", pair[half], values[half],
                                 *lifetime)
                    self.expect_ttl(100, *pair)

    def expect_ttl(self, seconds, *names):
        for name in names:
            self.ask(b":%d\r\n" % seconds, "TTL", name)

    def await_gone(self, *names):
        deadline = time.monotonic() + 30
        while self.client.value("EXISTS", *names):
            self.assertLess(time.monotonic(), deadline)

    def test_bytes_set_again_withdraw_the_metadata_until_that_is_set(self):
        other = b"other bytes" * 300
        for body in (other, BODY):
            for name, meta_name in self.each_spelling():
                self.put(name, meta_name)
                self.ask(b"+OK\r\n", "SET", name, body)
                self.ask(b":0\r\n", "EXISTS", meta_name)
                self.ask(b"$-1\r\n", "GET", meta_name)
                self.ask(bulk(body), "GET", name)
                self.assertEqual(self.client.scan(), [name.encode()])
                meta = metadata(len(body), KV_SHAPE)
                self.ask(b"+OK\r\n", "SET", meta_name, meta)
                self.expect_whole(name, meta_name, body, meta)

    def test_metadata_set_again_is_the_newest(self):
        for name, meta_name in self.each_spelling():
            self.put(name, meta_name)
            for groups in (1, 0, 5, 2, 0):
                meta = META + bytes(range(20)) * groups
                self.ask(b"+OK\r\n", "SET", meta_name, meta)
                self.expect_whole(name, meta_name, meta=meta)

    def test_metadata_of_several_groups_is_kept_verbatim_and_lm_misses(self):
        with LmClient(self.server.data_port) as lm:
            for size in (48, 68, 88, 108, 128):
                for name, meta_name in self.each_spelling("K"):
                    meta = META + os.urandom(size - 28)
                    self.put(name, meta_name, BODY, meta)
                    self.expect_whole(name, meta_name, meta=meta)
                    self.assertFalse(lm.exists("K"))
                    self.assertIsNone(lm.get("K"))
                    self.ask(b"+OK\r\n", "SET", meta_name, META)
                    self.assertEqual(lm.value("K"), BODY)

    def test_every_command_knows_either_half(self):
        for name, meta_name in self.each_spelling():
            self.ask(b"+OK\r\n", "MSET", name, BODY, meta_name, META)
            self.expect_whole(name, meta_name)
            self.ask(b"+OK\r\n", "FLUSHDB")
            self.ask(b"+OK\r\n", "MSET", meta_name, META, name, BODY)
            self.expect_whole(name, meta_name)
            self.ask(b"*3\r\n" + bulk(META) + bulk(BODY) + b"$-1\r\n", "MGET",
                     meta_name, name, "nothing")
            for which, value in ((name, BODY), (meta_name, META)):
                self.ask(b":%d\r\n" % len(value), "STRLEN", which)
                self.ask(bulk(value[3:9]), "GETRANGE", which, 3, 8)
                self.ask(bulk(value[-5:]), "GETRANGE", which, -5, -1)
                self.ask(b"+string\r\n", "TYPE", which)
                self.ask(b":0\r\n", "SETNX", which, META)
                self.ask(b"$-1\r\n", "SET", which, META, "NX")
                self.assertGreater(self.client.value("MEMORY", "USAGE", which),
                                   len(BODY))
            self.ask(bulk(META), "SET", meta_name, META, "GET")
            self.expect_whole(name, meta_name)
            self.ask(bulk(BODY), "SET", name, BODY, "GET")
            self.ask(b"$-1\r\n", "SET", meta_name, META, "GET")
            self.ask(b"+OK\r\n", "SET", meta_name, META, "XX")
            self.ask(b"+OK\r\n", "SET", name, BODY, "XX")
            self.ask(b"$-1\r\n", "SET", meta_name, META, "XX")
            self.ask(b":1\r\n", "SETNX", meta_name, META)
            self.expect_whole(name, meta_name)

    def test_scan_lists_the_names_that_were_set(self):
        wanted = []
        for number, spelling in enumerate(SPELLINGS):
            pair = halves(spelling, f"K{number}")
            self.put(*pair)
            wanted += pair
        lone = [halves("colon", "bytes only")[0],
                halves("braces", "metadata only")[1]]
        self.ask(b"+OK\r\n", "SET", lone[0], BODY)
        self.ask(b"+OK\r\n", "SET", lone[1], META)
        wanted += lone + ["plain", "plain metadata"]
        self.ask(b"+OK\r\n", "MSET", "plain", "v", "plain metadata", "w")
        self.ask(b":%d\r\n" % len(wanted), "DBSIZE")
        wanted = sorted(name.encode() for name in wanted)
        self.assertEqual(sorted(self.client.scan(count=1)), wanted)
        self.assertEqual(sorted(self.client.scan("MATCH", "*metadata")),
                         [name for name in wanted
                          if name.endswith(b"metadata")])

    def test_a_plain_key_may_end_in_metadata(self):
        for key in ("metadata", ":metadata", "{}:metadata", "kv_bytes",
                    "all metadata", "a:metadata", "{a}:metadata", "xmetadata"):
            for value in (b"hello", b"", b"x" * 27, b"x" * 28, b"x" * 29,
                          b"\xff" * 28, b"x" * 5000, META + b"1", META[:-1]):
                with self.subTest(key=key, size=len(value)):
                    self.ask(b"+OK\r\n", "SET", key, value, "EX", 100)
                    self.ask(bulk(value), "GET", key)
                    self.ask(b":1\r\n", "EXISTS", key)
                    self.ask(b":100\r\n", "TTL", key)
                    self.ask(b":%d\r\n" % len(value), "STRLEN", key)
                    self.ask(b":0\r\n", "SETNX", key, b"other")
                    self.ask(bulk(value), "SET", key, b"other", "GET")
                    self.ask(b"$5\r\nother\r\n", "GET", key)
                    self.ask(b":-1\r\n", "TTL", key)
                    self.assertEqual(self.client.scan(), [key.encode()])
                    self.ask(b":1\r\n", "DEL", key)
                    self.expect_gone(key)

    def test_a_name_without_a_stem_is_plain_whatever_its_value(self):
        for key in ("metadata", ":metadata", "{}:metadata", "kv_bytes",
                    ":kv_bytes", "{}:kv_bytes"):
            self.ask(b"+OK\r\n", "SET", key, META)
            self.ask(b":1\r\n", "EXISTS", key)
            self.ask(bulk(META), "GET", key)
        self.ask(b":6\r\n", "DBSIZE")

    def test_a_plain_value_and_metadata_take_turns_under_one_name(self):
        for name, meta_name in self.each_spelling():
            self.put(name, meta_name)
            self.ask(b"+OK\r\n", "SET", meta_name, b"a note")
            self.ask(b"$6\r\na note\r\n", "GET", meta_name)
            self.ask(bulk(BODY), "GET", name)
            self.ask(b"+OK\r\n", "SET", meta_name, META)
            self.expect_whole(name, meta_name)
            self.ask(b":2\r\n", "DBSIZE")
            self.ask(b":1\r\n", "DEL", meta_name)
            self.expect_gone(name, meta_name)

    def test_halves_of_different_spellings_are_no_pair(self):
        for one, other in itertools.permutations(SPELLINGS, 2):
            self.ask(b"+OK\r\n", "FLUSHALL")
            first, second = halves(one, "K"), halves(other, "K")
            self.ask(b"+OK\r\n", "SET", first[0], BODY)
            self.ask(b"$-1\r\n", "GET", second[0])
            self.ask(b"+OK\r\n", "SET", second[1], META)
            self.ask(b":0\r\n", "EXISTS", second[1])
            self.ask(b":0\r\n", "EXISTS", first[1])
            # The later spelling may take the stem over, whole.
            self.ask(b"+OK\r\n", "SET", second[0], b"new" * 9)
            self.ask(b"+OK\r\n", "SET", second[1], metadata(27))
            self.expect_whole(*second, b"new" * 9, metadata(27))
            self.assertIn(self.client.call("GET", first[0]),
                          (bulk(BODY), b"$-1\r\n"))

    def test_namespaces_hold_objects_apart(self):
        for name, meta_name in self.each_spelling():
            self.ask(b"+OK\r\n", "SELECT", 3)
            self.put(name, meta_name)
            self.ask(b"+OK\r\n", "SELECT", 0)
            self.expect_gone(name, meta_name)
            self.put(name, meta_name, b"zero" * 7, metadata(28))
            self.ask(b"+OK\r\n", "SELECT", 3)
            self.expect_whole(name, meta_name)
            self.ask(b"+OK\r\n", "FLUSHDB")
            self.expect_gone(name, meta_name)
            self.ask(b"+OK\r\n", "SELECT", 0)
            self.expect_whole(name, meta_name, b"zero" * 7, metadata(28))

    def test_both_halves_are_evicted_together(self):
        body = os.urandom(256 << 10)
        pairs = [halves(list(SPELLINGS)[n % 3], f"K{n}") for n in range(400)]
        for number, pair in enumerate(pairs):
            order = (pair[0], body), (pair[1], metadata(len(body)))
            for name, value in order[::1 if number % 2 else -1]:
                self.ask(b"+OK\r\n", "SET", name, value)
        self.assertGreater(self.client.counter("evictions"), 100)
        kept = 0
        for pair in pairs:
            there = self.client.value("EXISTS", pair[1])
            kept += there
            if there:
                self.expect_whole(*pair, body, metadata(len(body)))
            else:
                self.ask(b"*2\r\n$-1\r\n$-1\r\n", "MGET", *pair)
        self.assertGreater(kept, 200)
        self.assertEqual(len(self.client.scan()), 2 * kept)
        self.ask(b":%d\r\n" % (2 * kept), "DBSIZE")


if __name__ == "__main__":
    unittest.main()
