#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is written to the spill and how much of it: with NVMe above it and
without, what nvme.write says and the bound of spill.write_max.  spill_full.py is
about spill.size."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from nvme_test import body  # noqa: E402
from server_test import MIB, SANITIZED  # noqa: E402
from spill_test import FILLER, SIZE, SMALL, SpillTest  # noqa: E402
from watch import until  # noqa: E402

KIB = 1 << 10


class SpaceTest(SpillTest):
    def put_at_once(self, names, size):
        """Faster than they are written."""
        for name in names:
            self.ask(b"+OK", "SET", name, body(name, size))
            self.sizes[name] = size, 0

    def names(self, number, prefix="k"):
        return [f"{prefix}{index}" for index in range(number)]


class WithoutNvme(SpaceTest):
    """The spill takes NVMe's place, and nvme.write says what is written."""

    def begin(self, **options):
        self.start(nvme_path="", **options)

    def test_what_is_put_is_written(self):
        self.begin()
        names = self.put_many(self.client, 50, SIZE)
        self.await_written()
        self.assertEqual(set(self.places(*names)), {"dram+spill"})
        info = self.watch.info()
        self.assertEqual((info["spill_writes_put"], info["spill_chunks"],
                          info["spill_value_bytes"], info["spill_queue_bytes"]),
                         (50, 50, 50 * SIZE, 0))
        self.assertNotIn("nvme_chunks", info)
        self.restart()
        self.assertEqual(self.watch["spill_recovered"], 50)
        self.assert_there(self.client, *names)
        self.assertEqual(self.watch["hits_spill"], 50)

    def test_an_equal_value_is_not_written_again(self):
        self.begin()
        for _ in range(3):
            self.put(self.client, "same", SIZE)
            self.await_written()
        self.assertEqual((self.watch["spill_writes_put"],
                          self.watch["puts_same"]), (1, 2))

    def test_only_what_is_asked_for_again_is(self):
        self.begin(nvme_write="reused")
        names = self.put_many(self.client, 10, SIZE)
        self.assert_there(self.client, "k1", "k2", "k1")
        self.watch.until("spill_writes_put", 2)
        self.await_written()
        self.restart()
        self.assert_there(self.client, "k1", "k2")
        self.assert_gone(self.client, *(set(names) - {"k1", "k2"}))

    def test_only_what_leaves_DRAM_is(self):
        self.begin(nvme_write="evicted")
        first = self.put_many(self.client, 4, FILLER, prefix="first")
        self.assertEqual(self.watch["spill_queue_bytes"], 0)
        names = list(first)
        for number in range(60):
            names += self.put_many(self.client, 1, FILLER, prefix=f"{number}.")
            self.await_free_dram()
        info = self.watch.info()
        self.assertGreaterEqual(info["spill_writes_put"], 32)
        self.assertLess(info["spill_chunks"], 50)
        for name in names:
            self.assert_there(self.client, name)
            self.await_free_dram()
        self.put(self.client, "last", SIZE)
        self.restart()
        self.assert_there(self.client, *first)
        self.assert_gone(self.client, "last")

    def await_free_dram(self):
        """What is written makes room a little ahead of need."""
        def is_free():
            info = self.watch.info()
            return (info["spill_queue_bytes"] == 0 and
                    info["dram_size"] - info["dram_used"] > MIB + 64 * KIB)
        until(is_free, lambda: self.watch.info())

    def test_the_policy_is_changed_by_a_signal(self):
        path = os.path.join(self.directory, "conf.yaml")

        def write(policy, reload=True):
            with open(path, "w") as file:
                file.write(f"nvme:\n  write: {policy}\n")
            if reload:
                os.kill(self.server.pid, signal.SIGHUP)
                until(lambda: "configuration reloaded" in self.server.stderr(),
                      "the reload")
        write("reused", reload=False)
        self.adopt(ConfiguredServer(
            config=path, spill_path=self.spill, spill_size=SMALL,
            limits_value="2MiB", lease_ms=0))
        self.client = self.connect()
        self.put(self.client, "before", SIZE)
        write("all")
        self.put(self.client, "after", SIZE)
        self.watch.until("spill_writes_put", 1)
        self.options = {"nvme_path": ""}
        self.restart()
        self.assert_there(self.client, "after")
        self.assert_gone(self.client, "before")

    def test_all_that_is_PUT_in_a_burst_is_written_or_counted(self):
        self.begin(nvme_queue="4MiB", spill_write_max="4MiB")
        names = self.names(60)
        self.put_at_once(names, 200_000)
        self.await_written()
        info = self.watch.info()
        self.assertGreater(info["spill_writes_skipped"], 0)
        self.assertEqual(info["spill_writes_put"] +
                         info["spill_writes_skipped"], 60)
        self.assertEqual(info["spill_write_bytes_skipped"],
                         200_000 * info["spill_writes_skipped"])
        self.restart()
        self.assertEqual(self.count_there(self.client, names),
                         info["spill_writes_put"])


class Bounds(SpaceTest):
    def test_no_more_is_written_in_a_second_than_was_said(self):
        rate, size = 4 * MIB, 256 * KIB
        started = time.monotonic()
        self.start(nvme_path="", spill_write_max=rate, dram_size="64MiB",
                   nvme_queue="32MiB")
        names = self.names(32)
        self.put_at_once(names, size)
        while self.watch["spill_queue_bytes"] != 0:
            # A tenth of a second may be saved up, one value overdraw it.
            written = self.watch["spill_write_bytes_put"]
            most = rate * (time.monotonic() - started + 0.2) + size
            self.assertLessEqual(written, most)
        self.assertGreater(time.monotonic() - started, 1.5)
        self.restart()
        self.assert_there(self.client, *names)

    def test_what_sinks_faster_than_that_is_left_out_and_counted(self):
        self.start(spill_write_max="1MiB")
        started = time.monotonic()
        self.push(96 * MIB)
        self.await_written()
        seconds = time.monotonic() - started
        info = self.watch.info()
        self.assertLessEqual(info["spill_write_bytes_put"],
                             MIB * (seconds + 1) + FILLER)
        self.assertGreater(info["spill_writes_skipped"], 10)
        self.assertEqual(info["spill_write_bytes_skipped"],
                         FILLER * info["spill_writes_skipped"])
        # NVMe takes all of it meanwhile.
        self.assertEqual(info["nvme_writes_put"], self.fillers)
        self.assertEqual((info["nvme_writes_skipped"], info["puts_busy"]),
                         (0, 0))
        self.assertEqual(set(self.places(*self.newest(16))), {"dram+nvme"})

    def newest(self, number):
        return [f"filler{self.fillers - index}" for index in range(number)]

    def test_the_limit_is_changed_by_a_signal(self):
        path = os.path.join(self.directory, "conf.yaml")

        def write(rate):
            with open(path, "w") as file:
                file.write(f"spill:\n  write_max: {rate}\n")
        write("64KiB")
        self.adopt(ConfiguredServer(
            config=path, dram_size="32MiB", spill_path=self.spill,
            spill_size=SMALL, limits_value="2MiB", lease_ms=0))
        self.client = self.connect()
        self.put_at_once(self.names(60), SIZE)
        self.assertGreater(self.watch["spill_queue_bytes"], 4 * MIB)
        write("0")
        os.kill(self.server.pid, signal.SIGHUP)
        self.watch.until_equal("spill_queue_bytes", 0)
        self.assertEqual(self.watch["spill_writes_put"], 60)

    def test_what_is_announced_and_never_sent_is_not_written(self):
        self.start(nvme_path="")
        liar = self.connect()
        liar.send(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000000\r\n", bytes(1000))
        self.watch.until("inflight_used", 1_000_000)
        liar.reset()
        self.watch.until("puts_cut", 1)
        self.put(self.client, "k", SIZE)
        self.await_written()
        self.assertEqual(self.watch["spill_write_bytes_put"], SIZE)

    def test_it_takes_no_more_memory_than_was_said(self):
        memory = 16 * MIB
        self.start(spill_size="128MiB", spill_memory=memory)
        most = 32 * MIB * 21 // 20 + 48 * MIB + memory
        for _ in range(15):
            self.push(16 * MIB)
            self.count_there(self.client, self.newest(100)[60:])
            self.assertLess(self.watch["spill_memory_used"], memory)
            if not SANITIZED:
                self.assertLess(self.watch.resident(), most)
        self.assertGreater(self.watch["hits_spill"], 100)

    def test_a_value_larger_than_a_group_is_not_written(self):
        self.start(nvme_path="", limits_value="24MiB", dram_size="128MiB",
                   spill_size=SMALL, spill_inflight="24MiB",
                   nvme_queue="32MiB")
        self.ask(b"+OK", "SET", "large", bytes(20 * MIB))
        self.put(self.client, "small", SIZE)
        self.watch.until("spill_writes_too_big", 1)
        self.assertIn("spill.size is small", self.server.stderr())
        self.restart()
        self.assert_there(self.client, "small")
        self.assert_gone(self.client, "large")


if __name__ == "__main__":
    unittest.main()
