#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A key that EXISTS has answered 1 for stays readable for the lease: a client
that is told 1 and then misses hangs for ever (WIRES 2.2)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import KV_SHAPE, LmClient, metadata  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from server import Server  # noqa: E402

MIB = 1 << 20
BODY = os.urandom(MIB)
LONG = "600s"


def body(number):
    return BODY[number:] + BODY[:number]


class LeaseTest(unittest.TestCase):
    def start(self, lease_ms, **options):
        server = self.enterContext(Server(dram_size="64MiB", lease_ms=lease_ms,
                                          **options))
        self.resp = self.enterContext(RespClient(server.data_port))
        self.lm = self.enterContext(LmClient(server.data_port))

    def ask(self, reply, *arguments):
        self.resp.ask(reply, *arguments)

    def fill(self, first, count):
        for number in range(first, first + count):
            self.ask(b"+OK\r\n", "SET", f"k{number}", body(number))

    def press(self):
        """Twice the pool goes by."""
        before = self.resp.counter("evictions")
        self.fill(1000, 128)
        self.assertGreater(self.resp.counter("evictions"), before + 60)

    def test_leased_keys_outlive_any_pressure(self):
        self.start(LONG)
        self.fill(0, 20)
        for number in range(0, 12):
            self.ask(b":1\r\n", "EXISTS", f"k{number}")
        self.press()
        for number in range(0, 12):
            self.ask(bulk(body(number)), "GET", f"k{number}")
        for number in range(12, 20):
            self.ask(b"$-1\r\n", "GET", f"k{number}")
        info = self.resp.info()
        self.assertEqual(info["leases_granted"], "12")
        self.assertEqual(info["leases_refused"], "0")
        self.assertEqual(info["leased_bytes"], str(12 * MIB))

    def test_lm_exist_leases_too(self):
        self.start(LONG)
        for number in range(8):
            self.lm.put(f"m@{number}", body(number), KV_SHAPE)
        for number in range(8):
            self.assertTrue(self.lm.exists(f"m@{number}"))
        self.press()
        for number in range(8):
            self.assertEqual(self.lm.value(f"m@{number}"), body(number))

    def test_either_half_leases_the_object(self):
        self.start(LONG)
        meta = metadata(MIB, KV_SHAPE)
        for number in range(4):
            self.ask(b"+OK\r\n", "MSET", f"p{number}kv_bytes", body(number),
                     f"p{number}metadata", meta)
        self.ask(b":1\r\n", "EXISTS", "p0metadata")
        self.ask(b":1\r\n", "EXISTS", "p1kv_bytes")
        self.press()
        for number in (0, 1):
            self.ask(bulk(meta), "GET", f"p{number}metadata")
            self.ask(bulk(body(number)), "GET", f"p{number}kv_bytes")
        self.ask(b":0\r\n", "EXISTS", "p2metadata", "p3kv_bytes")

    def test_over_a_quarter_of_the_pool_exists_answers_0_and_counts(self):
        self.start(LONG)
        self.fill(0, 20)
        answers = [self.resp.value("EXISTS", f"k{n}") for n in range(20)]
        self.assertEqual(answers, [1] * 16 + [0] * 4)
        self.lm.put("m@1", body(1), KV_SHAPE)
        self.assertFalse(self.lm.exists("m@1"))
        info = self.resp.info()
        self.assertEqual(info["leases_granted"], "16")
        self.assertEqual(info["leases_refused"], "5")
        self.assertEqual(info["exists_hits"], "16")
        self.assertEqual(info["exists_unleased"], "5")
        self.assertEqual(info["leased_bytes"], str(16 * MIB))
        # They are there all the same, and what is leased may be asked again.
        self.ask(bulk(body(19)), "GET", "k19")
        self.assertEqual(self.lm.value("m@1"), body(1))
        for number in range(16):
            self.ask(b":1\r\n", "EXISTS", f"k{number}")
        self.assertEqual(self.resp.counter("leased_bytes"), 16 * MIB)
        self.press()
        for number in range(16):
            self.ask(bulk(body(number)), "GET", f"k{number}")

    def test_a_deleted_key_gives_its_lease_back(self):
        self.start(LONG)
        self.fill(0, 17)
        for number in range(16):
            self.ask(b":1\r\n", "EXISTS", f"k{number}")
        self.ask(b":0\r\n", "EXISTS", "k16")
        self.ask(b":1\r\n", "DEL", "k3")
        self.ask(b"$-1\r\n", "GET", "k3")
        self.ask(b":0\r\n", "EXISTS", "k3")
        self.ask(b":1\r\n", "EXISTS", "k16")
        self.ask(b"+OK\r\n", "FLUSHALL")
        self.assertEqual(self.resp.counter("leased_bytes"), 0)
        self.ask(b":0\r\n", "EXISTS", "k16")

    def test_a_lifetime_does_not_end_inside_a_lease(self):
        self.start(LONG)
        self.ask(b"+OK\r\n", "SET", "kept", "v", "PX", 200)
        self.ask(b"+OK\r\n", "SET", "gone", "v", "PX", 200)
        self.ask(b":1\r\n", "EXISTS", "kept")
        while self.resp.value("PTTL", "gone") >= 0:
            pass
        self.ask(b"$-1\r\n", "GET", "gone")
        self.ask(b"$1\r\nv\r\n", "GET", "kept")
        # But it gets no other, or asking would keep it for ever.
        self.ask(b":0\r\n", "EXISTS", "kept")
        self.ask(b"$1\r\nv\r\n", "GET", "kept")
        self.ask(b":1\r\n", "DEL", "kept")
        self.ask(b"$-1\r\n", "GET", "kept")

    def test_a_lease_ends(self):
        self.start("50ms")
        self.fill(0, 1)
        self.ask(b":1\r\n", "EXISTS", "k0")
        self.assertEqual(self.resp.counter("leased_bytes"), MIB)
        for _ in range(10 ** 6):
            if self.resp.counter("leased_bytes") == 0:
                break
        self.press()
        self.ask(b"$-1\r\n", "GET", "k0")

    def test_a_new_value_takes_the_place_of_a_leased_one(self):
        self.start(LONG)
        self.fill(0, 2)
        self.ask(b":2\r\n", "EXISTS", "k0", "k1")
        self.ask(b"+OK\r\n", "SET", "k0", "new")
        self.ask(b"$3\r\nnew\r\n", "GET", "k0")
        self.press()
        self.ask(bulk(body(1)), "GET", "k1")

    def test_exists_does_not_make_a_key_newer(self):
        self.start(0)
        self.fill(0, 20)
        for _ in range(10):
            self.ask(b":1\r\n", "EXISTS", "k0")
        self.assertEqual(self.resp.counter("leased_bytes"), 0)
        self.ask(bulk(body(1)), "GET", "k1")
        number = 1000
        while self.resp.counter("evictions") == 0:
            self.fill(number, 1)
            number += 1
        # The oldest went first; a GET made k1 newer than those behind it.
        self.ask(b":0\r\n", "EXISTS", "k0")
        self.ask(b":1\r\n", "EXISTS", "k1")


if __name__ == "__main__":
    unittest.main()
