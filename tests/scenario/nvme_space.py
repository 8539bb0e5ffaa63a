#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is written to NVMe and how much of it: the policies of nvme.write, the
bounds of nvme.write_max, nvme.queue and nvme.size, what is kept when space is
given back, and a device that has another size than before."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from nvme_test import BLOCK, NvmeTest, body, on_threads_too  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402

KIB = 1 << 10
SIZE = 100_000
SMALL = 32 * MIB  # a device that is soon full
PIECE = 253_000  # with its head a sixteenth of a segment, less a little


class SpaceTest(NvmeTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()

    def restart(self, **options):
        self.serve_again(**options)
        self.client = self.connect()

    def put_at_once(self, names, size):
        """Faster than they are written."""
        for name in names:
            self.assertEqual(self.client.command("SET", name,
                                                 body(name, size)), b"+OK")
            self.sizes[name] = size, 0

    def rewrite(self, client, turns, size=MIB, capacity=SMALL):
        """So many times what the device holds goes by; gives the names."""
        number = int(turns * capacity) // size
        return self.put_many(client, number, size,
                             prefix=f"by{len(self.sizes)}.")


@on_threads_too
class Policies(SpaceTest):
    def test_what_is_put_is_written(self):
        self.start(nvme_write="all")
        names = self.put_many(self.client, 10, SIZE)
        self.await_written()
        info = self.watch.info()
        self.assertEqual((info["nvme_writes_put"], info["nvme_write_bytes_put"],
                          info["nvme_chunks"], info["nvme_value_bytes"]),
                         (10, 10 * SIZE, 10, 10 * SIZE))
        self.restart()
        self.assert_there(self.client, *names)

    def test_an_equal_value_is_not_written_again(self):
        self.start()
        for _ in range(3):
            self.put(self.client, "same", SIZE)
            self.await_written()
        self.assertEqual((self.watch["nvme_writes_put"], self.watch["puts_same"]),
                         (1, 2))
        self.restart()
        self.put(self.client, "same", SIZE)
        self.put(self.client, "other", SIZE)
        self.watch.until("nvme_writes_put", 1)
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 1)
        self.assert_there(self.client, "same", "other")

    def test_only_what_is_asked_for_again_is(self):
        self.start(nvme_write="reused")
        names = self.put_many(self.client, 10, SIZE)
        self.assert_there(self.client, "k1", "k2", "k1")
        self.watch.until("nvme_writes_put", 2)
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 2)
        self.restart(nvme_write="reused")
        self.assert_there(self.client, "k1", "k2")
        self.assert_gone(self.client, *(set(names) - {"k1", "k2"}))

    def test_only_what_leaves_DRAM_is(self):
        self.start(nvme_write="evicted", nvme_size="128MiB")
        first = self.put_many(self.client, 4, MIB, prefix="first")
        self.assertEqual(self.watch["nvme_queue_bytes"], 0)
        names = list(first)
        for number in range(60):
            names += self.put_many(self.client, 1, MIB, prefix=f"{number}.")
            self.await_free_dram()
        info = self.watch.info()
        self.assertGreaterEqual(info["nvme_writes_put"], 32)
        self.assertLess(info["nvme_writes_put"], 50)
        self.assertLess(info["nvme_chunks"], 50)
        for name in names:
            self.assert_there(self.client, name)
            self.await_free_dram()
        self.put(self.client, "last", SIZE)
        self.restart(nvme_size="128MiB")
        self.assert_there(self.client, *first)
        self.assert_gone(self.client, "last")

    def await_free_dram(self):
        """What is written makes room a little ahead of need."""
        def is_free():
            info = self.watch.info()
            return (info["nvme_queue_bytes"] == 0 and
                    info["dram_size"] - info["dram_used"] > MIB + 64 * KIB)
        until(is_free, lambda: self.watch.info())

    def test_the_policy_is_changed_by_a_signal(self):
        path = os.path.join(self.directory, "conf.yaml")

        def write(policy):
            with open(path, "w") as file:
                file.write(f"nvme:\n  write: {policy}\n")
        write("reused")
        self.adopt(ConfiguredServer(
            config=path, nvme_path=self.directory, nvme_size="64MiB",
            nvme_engine=self.engine, limits_value="8MiB", lease_ms=0))
        self.client = self.connect()
        self.put(self.client, "before", SIZE)
        write("all")
        os.kill(self.server.pid, signal.SIGHUP)
        until(lambda: "configuration reloaded" in self.server.stderr(),
              "the reload")
        self.put(self.client, "after", SIZE)
        self.watch.until("nvme_writes_put", 1)
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 1)
        self.restart()
        self.assert_there(self.client, "after")
        self.assert_gone(self.client, "before")


@on_threads_too
class Bounds(SpaceTest):
    def test_no_more_is_written_in_a_second_than_was_said(self):
        rate, size = 4 * MIB, 256 * KIB
        started = time.monotonic()
        self.start(nvme_write_max=rate, dram_size="64MiB", nvme_queue="32MiB")
        names = [f"k{number}" for number in range(32)]
        self.put_at_once(names, size)
        while self.watch["nvme_queue_bytes"] != 0:
            # A tenth of a second may be saved up, one value overdraw it.
            most = rate * (time.monotonic() - started + 0.1) + size
            written = self.watch["nvme_write_bytes_put"]
            self.assertLessEqual(written, most + rate * 0.1)
        self.assertGreater(time.monotonic() - started, 1.5)
        self.restart()
        self.assert_there(self.client, *names)

    def test_what_the_queue_has_no_room_for_is_left_out(self):
        self.start(nvme_write_max="64KiB", nvme_queue="1MiB")
        names = [f"k{number}" for number in range(40)]
        for name in names:
            self.put_at_once([name], 200_000)
            self.assertLessEqual(self.watch["nvme_queue_bytes"], MIB)
        self.watch.until("nvme_writes_skipped", 20)
        info = self.watch.info()
        self.assertGreaterEqual(info["nvme_write_bytes_skipped"], 20 * 200_000)
        self.assertEqual(info["puts_stored"], 40)
        self.assert_there(self.client, *names)

    def test_what_is_deleted_while_it_waits_is_not_written(self):
        self.start(nvme_write_max="256KiB")
        names = [f"k{number}" for number in range(10)]
        self.put_at_once(names, SIZE)
        for name in names[5:]:
            self.assertEqual(self.client.command("DEL", name), b":1")
        self.await_written()
        info = self.watch.info()
        self.assertGreater(info["nvme_writes_void"], 0)
        self.assertEqual(info["nvme_writes_put"] + info["nvme_writes_void"], 10)
        self.restart()
        self.assert_there(self.client, *names[:5])
        self.assert_gone(self.client, *names[5:])

    def test_a_value_larger_than_a_segment_stays_in_DRAM(self):
        self.start(nvme_size="16MiB")
        self.put(self.client, "large", 6 * MIB)
        self.put(self.client, "small", SIZE)
        self.watch.until("nvme_writes_too_big", 1)
        self.await_written()
        self.assert_there(self.client, "large", "small")
        self.assertIn("nvme.size is small", self.server.stderr())
        self.restart(nvme_size="16MiB")
        self.assert_there(self.client, "small")
        self.assert_gone(self.client, "large")

    def test_what_was_announced_and_never_sent_is_not_written(self):
        self.start()
        liar = self.connect()
        liar.send(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000000\r\n", bytes(1000))
        self.watch.until("inflight_used", 1_000_000)
        liar.reset()
        self.watch.until("puts_cut", 1)
        self.put(self.client, "k", SIZE)
        self.await_written()
        self.assertEqual(self.watch["nvme_write_bytes_put"], SIZE)


@on_threads_too
class Full(SpaceTest):
    """More is put than the device has room for."""

    def start_small(self, **options):
        self.start(nvme_size=SMALL, limits_value="2MiB", dram_size="16MiB",
                   nvme_queue="8MiB", **options)

    def restart_small(self, **options):
        self.restart(nvme_size=SMALL, limits_value="2MiB", dram_size="16MiB",
                     nvme_queue="8MiB", **options)

    def test_the_device_is_never_larger_than_was_said(self):
        self.start_small()
        for turn in range(1, 5):
            names = self.rewrite(self.client, 1, size=300_000)
            self.await_written()
            self.assertLessEqual(self.bytes_on_disk(), SMALL + BLOCK)
            self.assertLessEqual(os.path.getsize(self.device), SMALL)
            info = self.watch.info()
            self.assertLessEqual(info["nvme_size"], SMALL)
            self.assertLess(info["nvme_value_bytes"], SMALL)
        self.assertGreater(info["nvme_reclaimed"], 100)
        self.assertEqual(info["nvme_writes_skipped"], 0)
        newest = names[len(names) // 2:]
        self.assert_there(self.client, *newest)
        self.count_there(self.client, list(self.sizes))
        self.restart_small()
        self.assert_there(self.client, *newest)
        there = self.count_there(self.client, list(self.sizes))
        self.assertLess(there * 300_000, SMALL)
        self.assertEqual(self.watch["nvme_corrupt"], 0)

    def test_what_was_given_back_does_not_come_back(self):
        """Neither what was deleted, when what said so is given back."""
        self.start_small()
        self.put(self.client, "doomed", SIZE)
        self.put(self.client, "twice", SIZE)
        self.await_written()
        with self.noted("doomed", "twice"):
            self.assertEqual(self.client.command("DEL", "doomed"), b":1")
            self.put(self.client, "twice", SIZE, 1)
        for _ in range(4):
            self.rewrite(self.client, 1)
            self.await_written()
            self.restart_small()
            self.assert_gone(self.client, "doomed")
            self.assert_miss_or_newest(self.client, "twice")

    def test_what_is_asked_for_is_kept(self):
        self.start_small()
        hot = self.put_many(self.client, 4, 300_000, prefix="hot")
        for _ in range(40):
            self.rewrite(self.client, 0.2)
            self.assert_there(self.client, *hot)
        self.assertGreater(self.watch["nvme_writes_kept"], 4)
        self.assertGreater(self.watch["nvme_write_bytes_kept"], 4 * 300_000)
        self.await_written()
        self.restart_small()
        self.assert_there(self.client, *hot)

    def test_nothing_is_kept_if_that_is_said(self):
        self.start_small(nvme_reinsert="0")
        hot = self.put_many(self.client, 4, 300_000, prefix="hot")
        for _ in range(10):
            self.rewrite(self.client, 0.2)
            self.count_there(self.client, hot)
        self.assertGreater(self.watch["nvme_reclaimed"], 10)
        self.assertEqual(self.watch["nvme_writes_kept"], 0)

    def assert_keeps_leased(self, capacity):
        leased = self.put_many(self.client, 8, 300_000, prefix="leased")
        self.await_written()
        self.assertEqual(self.client.command("EXISTS", *leased), b":8")
        for _ in range(40):
            self.rewrite(self.client, 0.1, capacity=capacity)
            self.await_written()
        self.assertGreater(self.watch["nvme_writes_kept"], 8)
        self.assert_there(self.client, *leased)

    def test_what_is_leased_is_kept(self):
        self.start(nvme_size=2 * SMALL, limits_value="2MiB",
                   dram_size="16MiB", nvme_queue="8MiB", lease_ms="1h",
                   nvme_reinsert="0")
        self.assert_keeps_leased(2 * SMALL)

    def test_what_is_leased_is_kept_on_a_small_device_too(self):
        self.start_small(lease_ms="1h", nvme_reinsert="0")
        self.assert_keeps_leased(SMALL)

    def test_values_that_are_being_read_are_given_back_all_the_same(self):
        """Reads of what was there a moment ago: a hit or a miss, never else."""
        self.start_small()
        names = self.rewrite(self.client, 1, size=200_000)
        self.await_written()
        self.restart_small()
        reader = self.connect()
        for _ in range(6):
            for name in names:
                reader.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" %
                            (len(name), name.encode()))
            fresh = self.rewrite(self.client, 0.5, size=200_000)
            for name in names:
                found = reader.reply()
                if found is not None:
                    self.assert_is(name, found)
            names = fresh
        self.assertEqual(self.watch["nvme_corrupt"], 0)


@on_threads_too
class Resized(SpaceTest):
    def segments(self):
        info = self.watch.info()
        return info["nvme_segments"], info["nvme_size"]

    def again(self, size):
        self.await_written()
        self.restart(nvme_size=size, limits_value="2MiB", nvme_reinsert="0")

    def test_a_device_that_grows_keeps_what_it_had(self):
        self.start(nvme_size=SMALL, limits_value="2MiB")
        names = self.put_many(self.client, 60, PIECE)
        before = self.segments()
        self.again(2 * SMALL)
        self.assertGreater(self.segments(), before)
        self.assertGreater(self.segments()[1], SMALL)
        self.assert_there(self.client, *names)
        more = self.put_many(self.client, 110, PIECE, prefix="more")
        self.again(2 * SMALL)
        self.assert_there(self.client, *names, *more)

    def test_a_device_that_shrinks_keeps_what_fits(self):
        self.start(nvme_size=2 * SMALL, limits_value="2MiB")
        names = self.put_many(self.client, 180, PIECE)
        self.await_written()
        with self.noted("k3"):
            self.assertEqual(self.client.command("DEL", "k3"), b":1")
        names.remove("k3")
        self.again(SMALL)
        self.assertLessEqual(os.path.getsize(self.device), SMALL)
        self.assertLessEqual(self.bytes_on_disk(), SMALL + BLOCK)
        self.assertLessEqual(self.segments()[1], SMALL)
        there = self.count_there(self.client, names)
        self.assertGreater(there, 40)
        self.assertLess(there * PIECE, SMALL)
        self.assert_gone(self.client, "k3")
        more = self.put_many(self.client, 40, PIECE, prefix="more")
        self.again(SMALL)
        self.assert_there(self.client, *more)
        self.assert_gone(self.client, "k3")

    def test_what_is_said_where_it_is_cut_off_still_holds(self):
        """The note of a deletion lies behind what the smaller device has."""
        self.start(nvme_size=2 * SMALL, limits_value="2MiB")
        self.put(self.client, "early", PIECE)
        self.put(self.client, "twice", PIECE)
        self.put_many(self.client, 180, PIECE)
        self.put(self.client, "twice", PIECE, 1)
        self.await_written()
        with self.noted("early"):
            self.assertEqual(self.client.command("DEL", "early"), b":1")
        for _ in range(2):
            self.again(SMALL)
            self.assert_gone(self.client, "early")
            self.assert_miss_or_newest(self.client, "twice")


if __name__ == "__main__":
    unittest.main()
