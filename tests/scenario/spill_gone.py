#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What was deleted, overwritten, expired or flushed stays so over all three
tiers and any stop: when it has sunk, when it is on its way down, and when it
has copies in several tiers."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import LmClient, metadata  # noqa: E402
from nvme_test import body  # noqa: E402
from server_test import MIB  # noqa: E402
from spill_test import SpillTest  # noqa: E402
from watch import until  # noqa: E402

SIZE = 100_000
SPACES = 0, 3


class GoneTest(SpillTest):
    def setUp(self):
        super().setUp()
        self.start()

    def write(self, *names, size=SIZE):
        """They have sunk when it ends."""
        for name in names:
            self.put(self.client, name, size)
        self.sink(*names)

    def assert_stays_gone(self, *names):
        """After a kill, and after an end that was asked for."""
        self.assert_gone(self.client, *names)
        for start in self.restart, self.stop_and_start, self.restart:
            start()
            self.assert_gone(self.client, *names)
        self.assertEqual(self.watch["spill_corrupt"], 0)


class Sunk(GoneTest):
    """Each in the same way: it has sunk, then it is gone, and stays so."""

    def test_deleted(self):
        self.write("deleted", "unlinked", "kept")
        with self.told(2):
            self.ask(b":1", "DEL", "deleted")
            self.ask(b":1", "UNLINK", "unlinked")
        self.assertGreaterEqual(self.watch["spill_notes"], 2)
        self.assert_stays_gone("deleted", "unlinked")
        self.assert_there(self.client, "kept")

    def test_deleted_when_it_had_been_read_again(self):
        """DRAM has it, too, and is told."""
        self.write("twice")
        self.assert_there(self.client, "twice")
        with self.told():
            self.ask(b":1", "DEL", "twice")
        self.assert_stays_gone("twice")

    def test_deleted_when_NVMe_had_it_again(self):
        self.write("thrice")
        for _ in range(2):
            self.assert_there(self.client, "thrice")
            self.sink("thrice")
        self.assert_there(self.client, "thrice", "thrice")
        self.await_written()
        self.assertEqual(self.places("thrice"), ["dram+nvme+spill"])
        with self.told(), self.noted("thrice"):
            self.ask(b":1", "DEL", "thrice")
        self.assert_stays_gone("thrice")

    def test_deleted_before_anybody_read_it_again(self):
        self.write("unread")
        self.restart()
        with self.told():
            self.ask(b":1", "DEL", "unread")
        self.assert_stays_gone("unread")

    def test_many_deleted_at_once(self):
        names = [f"k{number}" for number in range(300)]
        self.write(*names, size=4000)
        with self.told(150):
            self.ask(b":150", "DEL", *names[::2])
        self.assert_stays_gone(*names[::2])
        self.assert_there(self.client, *names[1::2])

    def test_an_object_deleted_by_either_half(self):
        for half in "kv_bytes", "metadata":
            self.put(self.client, f"{half}@kv_bytes", SIZE)
            self.ask(b"+OK", "SET", f"{half}@metadata", metadata(SIZE))
        self.sink("kv_bytes@", "metadata@")
        with self.told(2):
            for half in "kv_bytes", "metadata":
                self.ask(b":1", "DEL", f"{half}@{half}")
        self.assert_stays_gone("kv_bytes@kv_bytes", "kv_bytes@metadata",
                               "metadata@kv_bytes", "metadata@metadata")

    def test_overwritten(self):
        """Every version sinks, and only the last one is ever seen."""
        for version in range(3):
            self.put(self.client, "again", 50_000 + version, version)
            self.sink("again")
        self.restart()
        self.assert_there(self.client, "again")
        self.put(self.client, "again", 3, 6)
        self.restart()
        self.assert_there(self.client, "again")
        self.sink("again")
        self.stop_and_start()
        self.assert_there(self.client, "again")

    def test_overwritten_by_what_is_lost(self):
        """A miss is legal then, the older value is not."""
        self.write("stale")
        with self.told():
            self.restart(nvme_write_max="1")
            self.put(self.client, "other", 5000)
            self.put(self.client, "stale", MIB, 1)
        self.restart_at_once()
        self.assert_miss_or_newest(self.client, "stale")
        self.stop_and_start()
        self.assert_miss_or_newest(self.client, "stale")

    def test_overwritten_over_the_other_wire(self):
        self.write("both")
        with LmClient(self.server.data_port) as lm, self.told():
            lm.put("both", b"newer" * 100)
            self.assertTrue(lm.exists("both"))
        self.restart()
        self.ask(b"newer" * 100, "GET", "both")
        with LmClient(self.server.data_port) as lm:
            self.assertEqual(lm.value("both"), b"newer" * 100)

    def test_given_a_lifetime_that_is_over(self):
        self.write("expire", "pexpire")
        with self.told(2):
            self.ask(b":1", "EXPIRE", "expire", "-1")
            self.ask(b":1", "PEXPIRE", "pexpire", "0")
        self.assert_stays_gone("expire", "pexpire")

    def test_expired_while_it_was_there(self):
        self.write("short")
        with self.told(1):
            self.ask(b":1", "PEXPIRE", "short", "300")
        until(lambda: self.client.command("EXISTS", "short") == b":0",
              "its end")
        self.assert_stays_gone("short")

    def test_expired_while_nobody_served(self):
        self.ask(b"+OK", "SET", "put", body("put", SIZE), "PX", "20000")
        self.sizes["put"] = SIZE, 0
        self.write("noted")
        self.sink("put")
        with self.told(2):
            self.ask(b":1", "PEXPIRE", "noted", "1500")
            self.ask(b":1", "PEXPIRE", "put", "1500")
            end = time.time() + 1.5
        self.await_written()
        self.server.kill()
        until(lambda: time.time() > end, "the end of its time")
        self.restart_at_once()
        self.assert_gone(self.client, "put", "noted")

    def test_flushed(self):
        """Nothing needs to be waited for: OK says that it is on the device."""
        for space in SPACES:
            self.ask(b"+OK", "SELECT", space)
            self.write(*(f"{space}/{number}" for number in range(10)))
        self.ask(b"+OK", "FLUSHALL")
        self.restart_at_once()
        self.assertEqual(self.watch["entries"], 0)
        for space in SPACES:
            self.ask(b"+OK", "SELECT", space)
            self.assert_gone(self.client,
                             *(f"{space}/{number}" for number in range(10)))

    def test_only_the_flushed_namespace(self):
        for space in 0, 1, 2:
            self.ask(b"+OK", "SELECT", space)
            self.write("same", f"in {space}")
        self.ask(b"+OK", "SELECT", 1)
        self.ask(b"+OK", "FLUSHDB")
        self.restart_at_once()
        for space in 0, 2:
            self.ask(b"+OK", "SELECT", space)
            self.assert_there(self.client, "same", f"in {space}")
        self.ask(b"+OK", "SELECT", 1)
        self.assert_gone(self.client, "same", "in 1", "in 0")

    def test_what_is_put_after_a_flush_is_there(self):
        self.write("before", "both")
        self.ask(b"+OK", "FLUSHALL")
        self.put(self.client, "both", 3000, 1)
        self.put(self.client, "after", 3000)
        self.sink("both", "after")
        self.restart()
        self.assert_there(self.client, "both", "after")
        self.assert_gone(self.client, "before")


class OnTheWay(GoneTest):
    """It is gone while it sinks, or while it waits to be written there."""
    TURNS = 3

    def begin(self, turn):
        """Values of one segment, which is being given back."""
        names = [f"{turn}.{index}" for index in range(35)]
        for name in names:
            self.put(self.client, name, SIZE)
        self.await_written()
        while (self.watch["spill_queue_bytes"] == 0 and
               "nvme" in self.places(names[0])[0]):
            self.fillers += 1
            name = f"filler{self.fillers}"
            self.ask(b"+OK", "SET", name, body(name, MIB))
            self.watch.until_equal("nvme_queue_bytes", 0)
        return names

    def wait_in_line(self):
        """Without NVMe, as what is written to the spill waits the longer."""
        self.restart(nvme_path="", spill_write_max="1MiB")
        names = [f"k{index}" for index in range(40)]
        for name in names:
            self.ask(b"+OK", "SET", name, body(name, SIZE))
            self.sizes[name] = SIZE, 0
        self.watch.until("spill_writes_put", 5)
        self.assertGreater(self.watch["spill_queue_bytes"], MIB)
        return names

    def end_of_line(self, **options):
        self.await_written()
        for start in self.restart, self.stop_and_start:
            start(nvme_path="", **options)
        self.assertEqual(self.watch["spill_corrupt"], 0)

    def test_deleted(self):
        for turn in range(self.TURNS):
            names = self.begin(turn)
            self.client.command("DEL", *names[::2])
            self.assert_gone(self.client, *names[::2])
            self.push(40 * MIB)
            self.await_written()
            self.assert_stays_gone(*names[::2])
            self.count_there(self.client, names[1::2])

    def test_overwritten(self):
        for turn in range(self.TURNS):
            names = self.begin(turn)
            for name in names[::2]:
                self.put(self.client, name, 2000, 1)
            self.push(40 * MIB)
            for start in self.restart, self.stop_and_start:
                for name in names:
                    self.assert_miss_or_newest(self.client, name)
                start()
        self.assertEqual(self.watch["spill_corrupt"], 0)

    def test_flushed(self):
        for turn in range(self.TURNS):
            names = self.begin(turn)
            self.ask(b"+OK", "FLUSHALL")
            self.assert_gone(self.client, *names)
            self.restart_at_once()
            self.assertEqual(self.watch["entries"], 0)
            self.push(40 * MIB)
            self.assert_stays_gone(*names)

    def test_expired(self):
        for turn in range(self.TURNS):
            names = self.begin(turn)
            for name in names[::2]:
                self.client.command("PEXPIRE", name, 1)
            until(lambda: self.client.command("EXISTS", *names[::2]) == b":0",
                  "their end")
            self.push(40 * MIB)
            self.assert_stays_gone(*names[::2])
            self.count_there(self.client, names[1::2])

    def test_deleted_while_it_waits_to_be_written(self):
        names = self.wait_in_line()
        self.assertEqual(self.client.command("DEL", *names[1::2]), b":20")
        self.end_of_line()
        self.assert_gone(self.client, *names[1::2])
        self.assert_there(self.client, *names[::2])

    def test_overwritten_while_it_waits_to_be_written(self):
        names = self.wait_in_line()
        for name in names[1::2]:
            self.put_now(name, 2000, 1)
        self.end_of_line()
        self.assert_there(self.client, *names)

    def test_flushed_while_it_waits_to_be_written(self):
        names = self.wait_in_line()
        self.ask(b"+OK", "FLUSHALL")
        self.put_now("after", SIZE)
        self.end_of_line()
        self.assert_gone(self.client, *names)
        self.assert_there(self.client, "after")

    def put_now(self, name, size, version=0):
        self.ask(b"+OK", "SET", name, body(name, size, version))
        self.sizes[name] = size, version


if __name__ == "__main__":
    unittest.main()
