#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A spill into which more is put than it has room for: spill.size holds, whoever
looks, the oldest group goes, and what was hit or leased is kept."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from nvme_test import body  # noqa: E402
from server_test import MIB  # noqa: E402
from spill_test import FILLER, SIZE, SMALL, SpillTest  # noqa: E402
from watch import until  # noqa: E402


class Full(SpillTest):
    def start(self, **options):
        super().start(**dict({"spill_size": SMALL}, **options))

    def push_while_watched(self, size):
        """Never more than was said is in the directory, whoever looks."""
        most = 0
        for _ in range(size // (2 * MIB)):
            self.push(2 * MIB)
            most = max(most, self.bytes_in_spill(), self.watch["spill_used"])
            self.assertLessEqual(most, SMALL)
        return most

    def test_the_directory_is_never_larger_than_was_said(self):
        self.start()
        for turn in range(3):
            most = self.push_while_watched(120 * MIB)
            self.assertGreater(most, SMALL // 2)
            self.restart()
            self.assertLessEqual(self.bytes_in_spill(), SMALL)
        info = self.watch.info()
        self.assertEqual(info["spill_size"], SMALL)
        self.assertGreater(info["spill_chunks"], 20)
        self.assertLess(info["spill_value_bytes"], SMALL)
        self.assertEqual(info["spill_corrupt"], 0)
        there = self.count_there(self.client, list(self.sizes))
        self.assertGreater(there, 50)
        self.assertLess(there * FILLER, 2 * SMALL)

    def test_small_values_count_with_all_that_is_around_them(self):
        self.start(nvme_path="", dram_size="16MiB", nvme_queue="4MiB")
        most = 0
        for turn in range(15):
            names = [f"{turn}.{index}" for index in range(2000)]
            for first in range(0, 2000, 100):
                for name in names[first:first + 100]:
                    self.ask(b"+OK", "SET", name, body(name, 3000))
                    self.sizes[name] = 3000, 0
                self.await_written()
            most = max(most, self.bytes_in_spill())
            self.assertLessEqual(most, SMALL)
        self.assertGreater(self.watch["spill_reclaimed"], 1000)
        self.assertEqual(self.watch["spill_writes_skipped"], 0)
        self.restart()
        self.assert_there(self.client, *names)

    def test_the_oldest_group_goes_first(self):
        self.start()
        old = self.put_many(self.client, 8, 300_000, prefix="old")
        self.sink(*old)
        self.push(40 * MIB)
        new = self.put_many(self.client, 8, 300_000, prefix="new")
        self.sink(*new)
        self.push_until(lambda: set(self.places(*old)) ==
                        {"missing"})
        self.assertEqual(set(self.places(*new)), {"spill"})
        self.assertGreater(self.watch["spill_reclaimed"], 8)
        self.restart()
        self.assert_gone(self.client, *old)
        self.assert_there(self.client, *new)

    def test_what_was_given_back_does_not_come_back(self):
        """Neither what was deleted, when the group that had it has gone."""
        self.start()
        self.put(self.client, "doomed", SIZE)
        self.put(self.client, "twice", SIZE)
        self.sink("doomed", "twice")
        with self.told(2):
            self.ask(b":1", "DEL", "doomed")
            self.put(self.client, "twice", SIZE, 1)
        for _ in range(4):
            self.push(50 * MIB)
            self.restart()
            self.assert_gone(self.client, "doomed")
            self.assert_miss_or_newest(self.client, "twice")
        self.assertEqual(self.watch["spill_corrupt"], 0)

    def rounds(self, names, number=12):
        """A spill and more goes by, and they are asked for now and then."""
        for _ in range(number):
            self.push(20 * MIB)
            self.count_there(self.client, names)

    def test_what_is_hit_is_kept(self):
        self.start(nvme_reinsert="0")
        hot = self.put_many(self.client, 4, 300_000, prefix="hot")
        self.sink(*hot)
        for _ in range(12):
            self.assert_there(self.client, *hot)
            self.push(20 * MIB)
        self.assertGreaterEqual(self.watch["spill_writes_kept"], 4)
        self.assertGreaterEqual(self.watch["spill_write_bytes_kept"],
                                4 * 300_000)
        self.await_written()
        self.restart()
        self.assert_there(self.client, *hot)

    def test_nothing_is_kept_if_that_is_said(self):
        self.start(spill_reinsert="0")
        hot = self.put_many(self.client, 4, 300_000, prefix="hot")
        self.sink(*hot)
        self.rounds(hot)
        self.assertGreater(self.watch["spill_reclaimed"], 20)
        self.assertEqual(self.watch["spill_writes_kept"], 0)

    def test_what_is_leased_is_kept(self):
        self.start(lease_ms="1h", spill_reinsert="0", nvme_reinsert="0")
        leased = self.put_many(self.client, 8, 300_000, prefix="leased")
        self.sink(*leased)
        self.ask(b":8", "EXISTS", *leased)
        for _ in range(12):
            self.push_while_watched(20 * MIB)
        self.await_written()
        self.assertGreaterEqual(self.watch["spill_writes_kept"], 8)
        self.assertGreater(self.watch["spill_reclaimed"], 50)
        self.assert_there(self.client, *leased)

    def test_a_lease_that_was_granted_above_holds_below(self):
        """Leased in NVMe: kept there, or in the spill when it has sunk."""
        self.start(lease_ms="1h", spill_reinsert="0", nvme_reinsert="0")
        leased = self.put_many(self.client, 6, 300_000, prefix="leased")
        self.await_written()
        self.leave_dram(*leased)
        self.ask(b":6", "EXISTS", *leased)
        self.push(200 * MIB)
        self.await_written()
        self.assert_there(self.client, *leased)

    def test_values_that_are_read_are_given_back_all_the_same(self):
        """Reads of what was there a moment ago: a hit or a miss, never else."""
        self.start()
        names = self.put_many(self.client, 100, 200_000)
        self.sink(*names)
        reader = self.connect()
        for turn in range(4):
            for name in names:
                reader.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" %
                            (len(name), name.encode()))
            fresh = self.put_many(self.client, 100, 200_000, f"{turn}.")
            self.push(20 * MIB)
            for name in names:
                found = reader.reply()
                if found is not None:
                    self.assert_is(name, found)
            names = fresh
        self.assertEqual(self.watch["spill_corrupt"], 0)


class Resized(SpillTest):
    def test_a_spill_that_grows_keeps_what_it_had(self):
        self.start(spill_size=SMALL)
        names = self.put_many(self.client, 20, 300_000)
        self.sink(*names)
        self.restart(spill_size=2 * SMALL)
        self.assertEqual(self.watch["spill_size"], 2 * SMALL)
        self.assert_there(self.client, *names)

    def test_a_spill_that_shrinks_gives_the_oldest_back(self):
        self.start(spill_size=2 * SMALL)
        old = self.put_many(self.client, 10, 300_000, prefix="old")
        self.sink(*old)
        self.push(80 * MIB)
        new = self.put_many(self.client, 10, 300_000, prefix="new")
        self.sink(*new)
        self.assertGreater(self.bytes_in_spill(), SMALL)
        self.restart(spill_size=SMALL)
        until(lambda: self.bytes_in_spill() <= SMALL,
              lambda: f"{self.bytes_in_spill()} bytes: fewer")
        self.assert_there(self.client, *new)
        self.assert_gone(self.client, *old)
        self.push(40 * MIB)
        self.await_written()
        self.assertLessEqual(self.bytes_in_spill(), SMALL)


if __name__ == "__main__":
    unittest.main()
