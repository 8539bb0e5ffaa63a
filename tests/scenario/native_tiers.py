#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native wire over values that are on a device alone: all of them come, in
whatever order, and other requests go on meanwhile."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as native  # noqa: E402
from native_wire import MISS, OBJECT, OK, PLAIN, NativeClient  # noqa: E402
from nvme_test import NvmeTest, body, on_threads_too  # noqa: E402
from server_test import MIB  # noqa: E402

SIZES = (1, 2048, 4097, 100_000, MIB, 3 * MIB + 7)


@on_threads_too
class ColdValues(NvmeTest):
    """Begins with a server."""

    def setUp(self):
        super().setUp()
        self.serve()
        self.client = self.native()

    def native(self):
        client = NativeClient(self.server.data_port)
        self.addCleanup(client.close)
        return client

    def put_one(self, key, size, **fields):
        self.assertEqual(self.client.put(key, body(key, size), **fields), OK)
        self.sizes[key] = size, 0

    def put_sizes(self, **fields):
        for size in SIZES:
            self.put_one(f"k{size}", size, **fields)
        self.restart()
        return [f"k{size}" for size in SIZES]

    def restart(self):
        """kill -9, once all that was put is written."""
        self.await_written()
        self.serve_again()
        self.client = self.native()

    def test_they_say_where_they_were(self):
        keys = self.put_sizes()
        for tier in ("nvme", "dram"):
            for key in keys:
                answer = self.client.get(key)
                self.assert_is(key, answer.body)
                self.assertEqual(answer.reply["tier"], tier)
                self.assertEqual(answer.reply["kind"], PLAIN)
        self.assertEqual(self.watch["nvme_reads_good"], len(keys))
        self.assertEqual(self.watch["get_hits"], 2 * len(keys))

    def test_objects_keep_what_they_were_put_with(self):
        keys = self.put_sizes(kind=OBJECT, meta=bytes(range(100)), form=3,
                              lifetime_ms=1_000_000)
        for key in keys:
            answer = self.client.get(key, wants_checksum=True)
            self.assert_is(key, answer.body)
            self.assertEqual((answer.reply["kind"], answer.reply["form"],
                              answer.reply["meta"], answer.reply["tier"]),
                             (OBJECT, 3, bytes(range(100)), "nvme"))
            self.assertTrue(0 < answer.reply["lifetime_ms"] <= 1_000_000)
            # Read again from memory it has the same one.
            again = self.client.get(key, wants_checksum=True)
            self.assertEqual(again.reply["checksum"],
                             answer.reply["checksum"])

    def test_each_of_many_keys_comes_once(self):
        keys = self.put_many(self.connect(), 120, 100_000)
        self.restart()
        answers = self.client.get_all(keys + ["none"] + keys)
        for key, answer in zip(keys + ["none"] + keys, answers):
            if key == "none":
                self.assertEqual(answer.reply["code"], MISS)
            else:
                self.assert_is(key, answer.body)
        self.watch.until_equal("get_hits", 2 * len(keys))
        self.assertEqual(self.watch["get_misses"], 1)

    def test_values_over_the_share_of_the_pool_come_too(self):
        keys = self.put_many(self.connect(), 6, 4 * MIB)
        self.restart()
        for key, answer in zip(keys, self.client.get_all(keys)):
            self.assert_is(key, answer.body)

    def test_puts_and_lookups_go_on_between_them(self):
        keys = self.put_many(self.connect(), 100, 100_000)
        self.restart()
        wanted = {}
        for index, key in enumerate(keys):
            wanted[self.client.send(native.GET, [key])] = key
            self.client.send(native.PUT, [f"new{index}"], body(key, 5000),
                             is_quiet=True)
            exists = self.client.send(native.EXISTS, [f"new{index}", key])
            wanted[exists] = None
        for _ in range(len(wanted)):
            answer = self.client.receive()
            key = wanted.pop(answer.reply["id"])
            if key is None:
                self.assertEqual([*answer.list], [OK, OK])
            else:
                self.assert_is(key, answer.body)
        self.assertEqual(wanted, {})

    def test_prefix_and_walk_tell_the_tier(self):
        keys = self.put_sizes()
        self.assert_is(keys[1], self.client.get(keys[1]).body)
        reply, states = self.client.prefix(keys, wants_states=True)
        self.assertEqual(reply["matched"], len(keys))
        self.assertEqual([tier["name"] for tier in reply["tiers"]],
                         ["dram", "nvme"])
        self.assertEqual([tier["matched"] for tier in reply["tiers"]],
                         [1, len(keys)])
        self.assertEqual([*states], [2, 3] + [2] * (len(keys) - 2))
        tiers = {entry.key.decode(): entry.tiers
                 for entry in self.client.walk()}
        self.assertEqual([tiers[key] for key in keys], [*states])
        self.client.prefix(keys, promote=True)
        self.watch.until("promotions", 1)

    def test_what_was_dropped_or_overwritten_is_never_given(self):
        keys = self.put_many(self.connect(), 30, 200_000)
        self.restart()
        gets = {self.client.send(native.GET, [key]): key for key in keys}
        for key in keys:
            self.client.send(native.DROP, [key])
        late = {self.client.send(native.GET, [key]) for key in keys}
        for _ in range(3 * len(keys)):
            answer = self.client.receive()
            if answer.reply["id"] in late:
                self.assertEqual(answer.reply["code"], MISS)
            # Asked before it was dropped.
            elif answer.reply["id"] in gets and answer.reply["code"] == OK:
                self.assert_is(gets[answer.reply["id"]], answer.body)

    def test_clients_that_go_while_they_wait_leave_nothing(self):
        keys = self.put_many(self.connect(), 100, 100_000)
        self.restart()
        for _ in range(10):
            gone = self.native()
            gone.send(native.GET, keys)
            gone.close()
        self.watch.until_equal("connected_clients", 2)
        for key, answer in zip(keys, self.client.get_all(keys)):
            self.assert_is(key, answer.body)
        self.assertEqual(self.connect().command("FLUSHALL"), b"+OK")
        self.watch.until_equal("dram_used", 0)


if __name__ == "__main__":
    unittest.main()
