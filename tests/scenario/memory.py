#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""dram.size and limits.index_memory hold whatever the sizes of values, and the
newest nine tenths of dram.size are readable, byte for byte.  With
PREFIXCACHE_POOL_MIB=1024 in the environment the same at the size of a small
deployment; 256 keeps the suite quick."""
import os
import random
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from raw_client import LM_GET, LM_PUT, encode, lm_head  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

KIB = 1024
POOL = int(os.environ.get("PREFIXCACHE_POOL_MIB", "256")) * MIB
LARGEST = 5 * MIB
RESIDENT_MAX = POOL * 105 // 100 + 48 * MIB
READABLE = POOL * 9 // 10
BATCH_BYTES, BATCH = 256 * KIB, 64


class Values:
    """Values that are a function of their number."""

    def __init__(self):
        self.source = memoryview(random.Random(1).randbytes(LARGEST + 4096))

    def make(self, number, size):
        start = number * 64 % 4096
        if size < 8:
            return bytes(self.source[start:start + size])
        return struct.pack("<Q", number) + self.source[start:start + size - 8]


class PoolTest(ServerTest):
    """The newest are kept; by adaptive too, unless their sizes shift: it counts
    entries, and does not know yet that there will be fewer."""
    values = Values()
    policy = "lru"

    def setUp(self):
        self.serve(dram_size=POOL, lease_ms=0, dram_policy=self.policy)
        self.client = self.connect()
        self.sizes = []

    def put(self, total, size_of):
        """Values of size_of() bytes each until they are `total` together."""
        while total > 0:
            batch, held = [], 0
            while len(batch) < BATCH and held < BATCH_BYTES and total > held:
                number, size = len(self.sizes), size_of()
                batch.append(encode("SET", f"k{number}",
                                    self.values.make(number, size)))
                self.sizes.append(size)
                held += size
            self.client.send(b"".join(batch))
            for _ in batch:
                self.assertEqual(self.client.reply(), b"+OK")
            total -= held

    def newest(self):
        """Numbers of the newest values that are nine tenths of the pool."""
        held, number = 0, len(self.sizes)
        while held + self.sizes[number - 1] <= READABLE:
            number -= 1
            held += self.sizes[number]
        return range(number, len(self.sizes))

    def assert_holds(self):
        self.assertLessEqual(self.watch.resident(), RESIDENT_MAX)
        numbers = list(self.newest())
        for first in range(0, len(numbers), BATCH):
            batch = numbers[first:first + BATCH]
            self.client.send(b"".join(encode("GET", f"k{number}")
                                      for number in batch))
            for number in batch:
                found = self.client.reply()
                self.assertIsNotNone(
                    found, f"k{number} of k{numbers[0]}..k{numbers[-1]}, "
                    f"{self.sizes[number]} bytes")
                if found != self.values.make(number, self.sizes[number]):
                    self.fail(f"k{number} has wrong bytes")
        self.assertLessEqual(self.watch.resident(), RESIDENT_MAX)
        for name in "puts_busy", "puts_no_space", "puts_too_big":
            self.assertEqual(self.watch[name], 0, name)

    def test_four_times_the_pool_in_three_mixes(self):
        rng = random.Random(2)
        for size_of in (lambda: MIB, lambda: 11 * MIB // 10,
                        lambda: int(28 * (LARGEST / 28) ** rng.random())):
            self.put(4 * POOL, size_of)
            self.assert_holds()
        self.assertEqual(self.client.command("FLUSHALL"), b"+OK")
        self.watch.until_equal("dram_used", 0)

    def test_sizes_that_shift(self):
        """Room made of one size serves any other."""
        for size in (MIB, 64 * KIB, 24 * KIB, 70 * KIB, 4 * KIB, 3 * MIB + 1,
                     300 * KIB):
            self.put(5 * POOL // 4, lambda: size)
            self.assert_holds()

    def test_one_wire_evicts_what_the_other_put(self):
        lm = self.connect()
        self.put(POOL, lambda: MIB)
        for number in range(POOL // MIB):
            lm.send(lm_head(LM_PUT, f"lm{number}", MIB),
                    self.values.make(number, MIB))
        for number in range(READABLE // MIB + 1, POOL // MIB):
            lm.send(lm_head(LM_GET, f"lm{number}"))
            self.assertEqual(lm.lm_reply(),
                             (200, self.values.make(number, MIB)))
        self.assertLessEqual(self.watch.resident(), RESIDENT_MAX)


class AdaptivePoolTest(PoolTest):
    policy = "adaptive"
    test_sizes_that_shift = None


class IndexTest(ServerTest):
    def fill(self, number, key_of):
        client = self.connect()
        for first in range(0, number, 1000):
            client.send(b"".join(encode("SET", key_of(n), "v")
                                 for n in range(first, first + 1000)))
            for _ in range(1000):
                self.assertEqual(client.reply(), b"+OK")
        return client

    def test_tiny_values_are_bounded_by_the_index(self):
        self.serve(limits_index_memory="1MiB", lease_ms=0)
        before = self.watch.resident()
        for length in 10, 100, 4096:
            def key_of(number):
                return b"%010d" % number + b"k" * (length - 10)
            client = self.fill(20_000, key_of)
            info = self.watch.info()
            self.assertLessEqual(info["index_used"], info["index_size"])
            self.assertLessEqual(info["index_size"], MIB)
            self.assertGreater(info["evictions_index"], 0)
            self.assertGreater(info["entries"],
                               MIB * 3 // 8 // (length + 200))
            newest = range(20_000 - info["entries"] * 9 // 10, 20_000)
            for number in newest:
                self.assertEqual(client.command("EXISTS", key_of(number)),
                                 b":1", (number, info["entries"]))
            self.assert_grew_at_most(before, 70 * MIB)
        self.assertEqual(self.watch["puts_no_space"], 0)

    def test_a_value_needs_room_in_the_index_only_once(self):
        self.serve(limits_index_memory="256KiB", lease_ms=0)
        client = self.connect()
        for number in range(5000):
            self.assertEqual(client.command("SET", "k", "%d" % number), b"+OK")
        self.assertEqual(client.command("GET", "k"), b"4999")
        self.assertEqual(self.watch["entries"], 1)
        self.assertEqual(self.watch["evictions_index"], 0)


if __name__ == "__main__":
    unittest.main()
