#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A volume under the spill that errs, is full, slow or gone (D10, and D5 to D9
of the spill): what is there is a miss, the other tiers serve on, no byte is
wrong, the server ends when it is told to, and the tier comes back by itself.
What was deleted meanwhile does not.  Root only."""
import os
import select
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import sick_disk  # noqa: E402
from raw_client import encode  # noqa: E402
from server import STOP_SECONDS  # noqa: E402
from server_test import MIB  # noqa: E402
from sick_test import main  # noqa: E402
from spill_fault_test import NEVER, SIZE, SOON, FaultTest  # noqa: E402
from spill_test import SpillTest  # noqa: E402
from watch import until  # noqa: E402

BACK_SECONDS = 10


class NoSpace(FaultTest):
    def test_a_volume_that_is_full(self):
        names = self.begin(5, spill_probe="30s")
        filler = self.fill_up()
        self.write_until("spill_writable", 0)
        info = self.watch.info()
        self.assertEqual((info["spill_state"], info["spill_readable"]),
                         ("read only", 1))
        self.assertRegex(self.said("spill is not written")[0], "No space")
        self.assert_there(self.client, *names)
        self.assert_serves_from_dram()
        os.unlink(filler)
        self.watch.until_equal("spill_writable", 1, BACK_SECONDS)
        self.assertTrue(self.said("spill is written again"))
        more = self.put_many(self.client, 10, SIZE, prefix="after")
        self.restart()
        self.assert_there(self.client, *more, *names)

    def test_a_volume_that_is_smaller_than_spill_size(self):
        """The oldest values make room for the newest."""
        self.fill_up(left=60 * MIB)
        self.start(spill_size="256MiB", spill_probe=SOON)
        names = self.put_many(self.client, 300, SIZE)
        info = self.watch.info()
        self.assertEqual((info["spill_readable"], info["spill_corrupt"]),
                         (1, 0))
        self.assertTrue(self.said("spill gives up its oldest values"))
        self.assertGreater(info["spill_chunks"], 20)
        self.assert_exists_is_true(names)
        self.watch.until_equal("spill_writable", 1)
        newest = self.put_many(self.client, 10, SIZE, prefix="newest")
        self.restart()
        self.assert_there(self.client, *newest)
        self.assertLess(self.count_there(self.client, names), 120)

    def assert_exists_is_true(self, names):
        """Whoever is told so and then misses would wait for ever."""
        there = [name for name in names
                 if self.client.command("EXISTS", name) == b":1"]
        self.assertLess(len(there), len(names))
        self.assert_there(self.client, *there)

    def test_a_volume_that_is_full_at_the_start(self):
        """It is off then, and in use at the next one."""
        filler = self.fill_up()
        self.start()
        self.assert_serves_from_dram()
        os.unlink(filler)
        self.restart()
        self.assertEqual(self.watch["spill_state"], "serving")
        names = self.put_many(self.client, 10, SIZE)
        self.restart()
        self.assert_there(self.client, *names)

    def test_deletes_on_a_full_volume_hold(self):
        names = self.begin(5, spill_probe=SOON)
        filler = self.fill_up()
        self.write_until("spill_writable", 0)
        self.client.command("DEL", *names[::2])
        self.assert_gone(self.client, *names[::2])
        os.unlink(filler)
        self.watch.until_equal("spill_writable", 1, BACK_SECONDS)
        with self.told():
            self.client.command("DEL", names[1])
        self.restart()
        self.assert_gone(self.client, names[1], *names[::2])
        self.count_there(self.client, names)


class WriteErrors(FaultTest):
    def test_a_volume_that_turns_read_only(self):
        names = self.begin()
        self.filesystem.abort()
        self.write_until("spill_writable", 0)
        self.assertTrue(self.said("spill is not written") or
                        self.said("spill is out of service"))
        self.assertGreaterEqual(self.watch["spill_out_of_service"], 1)
        self.assertGreater(self.watch["spill_write_errors"], 0)
        self.count_there(self.client, names)
        self.assert_serves_from_dram()
        self.assert_ends()

    def test_one_that_is_read_only_at_the_start(self):
        names = self.begin()
        self.assertEqual(self.server.stop(), 0)
        self.watch.close()
        sick_disk.run("mount", "-o", "remount,ro", self.filesystem.directory)
        self.serve(**dict(self.options, nvme_path="", spill_size="64MiB"))
        self.client = self.connect()
        self.assertEqual(self.watch["spill_state"], "off")
        self.assertRegex(self.said("spill is off")[0],
                         "Read-only file system.*see to it")
        self.assertTrue(self.said("spill can not be marked"))
        self.assert_gone(self.client, *names)
        self.assert_serves_from_dram()
        self.assertEqual(self.client.command("DEL", "dram1"), b":1")
        self.assert_ends()

    def test_one_that_answers_nothing_any_more(self):
        names = self.begin(spill_probe=SOON)
        self.filesystem.shut_down()
        self.write_until("spill_writable", 0)
        self.assertEqual(self.count_there(self.client, names[1:]), 0)
        self.watch.until_equal("spill_readable", 0)
        self.assertRegex(self.said("spill is out of service")[0],
                         "Input/output error")
        self.assert_serves_from_dram()
        self.assertRegex(self.client.command("FLUSHALL"), b"^-ERR .*spill")
        self.assertEqual(self.client.command("DBSIZE"), b":0")
        self.assert_serves_from_dram()
        self.assert_ends()

    def test_one_that_is_taken_away(self):
        """The kernel keeps it for those who have it open."""
        names = self.begin()
        loop = os.path.basename(self.disk.path)
        self.filesystem.leave()
        self.disk.close()
        self.count_there(self.client, names)
        self.assert_serves_from_dram(names[0])
        self.assert_ends()
        until(lambda: not os.path.exists(f"/sys/block/{loop}/loop/backing_file"),
              "the loop device to end")

    def test_one_in_whose_place_there_is_another(self):
        """Databases are opened by their path, which leads elsewhere then."""
        names = self.begin(spill_probe=SOON)
        self.filesystem.leave()
        self.client.command("DEL", *names[:5])
        self.write_until("spill_writable", 0)
        self.assertEqual(os.listdir(self.filesystem.directory), [])
        self.count_there(self.client, names)
        self.assert_serves_from_dram()
        self.assert_ends()


class ReadErrors(FaultTest):
    """Blocks that btrfs knows to be broken: EIO for what lies there, and for
    nothing else."""
    kind = "btrfs"

    def fail_reads_of(self, *names):
        """The server is killed, and is there again."""
        self.await_written()
        self.server.kill()
        self.watch.close()
        self.filesystem.remount(lambda: self.flip_all(names))
        self.serve(**dict(self.options, nvme_path="", spill_size="64MiB",
                          **self.again))
        self.client = self.connect()

    def flip_all(self, names):
        for name in names:
            at = self.disk.find(self.expected(name)[:64])
            self.assertGreater(at, 0)
            self.disk.flip(at + SIZE // 2)

    def begin(self, **options):
        """So that each lies in blocks of its own, and in several files."""
        self.again = dict({"spill_probe": NEVER}, **options)
        self.start(**options)
        names = []
        for number in range(16):
            names += self.put_many(self.client, 1, SIZE, prefix=f"{number}.")
            self.await_written()
        return names

    def test_a_value_that_can_not_be_read_is_a_miss(self):
        names = self.begin()
        self.fail_reads_of(names[3])
        self.assert_miss(self.client, names[3])
        self.assertEqual(self.client.command("EXISTS", names[3]), b":0")
        info = self.watch.info()
        self.assertEqual((info["spill_read_errors"] + info["spill_corrupt"],
                          info["spill_readable"], info["spill_writable"]),
                         (1, 1, 1))
        names.remove(names[3])
        self.assert_there(self.client, *names)

    def out(self, names, broken):
        self.assert_there(self.client, names[-1])
        self.assertEqual(self.count_there(self.client, broken), 0)
        self.assertGreaterEqual(self.watch["spill_out_of_service"], 1)

    def test_five_of_them_take_the_tier_out_and_it_comes_back(self):
        names = self.begin(spill_probe="1s")
        self.fail_reads_of(*names[:5])
        self.out(names, names[:5])
        self.assertRegex(self.said("spill is out of service")[0],
                         "Input/output error")
        self.assert_serves_from_dram(names[-1])
        self.watch.until("spill_reopened", 1)
        self.watch.until_equal("spill_readable", 1)
        self.assert_there(self.client, *names[5:])
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after", *names[5:])

    def test_while_it_is_out_all_is_a_miss(self):
        names = self.begin()
        self.fail_reads_of(*names[:5])
        self.out(names, names[:5])
        self.assertEqual(self.watch["spill_state"], "out of service")
        self.assert_miss(self.client, *names[5:-1])
        self.assertEqual(self.client.command("EXISTS", *names[5:-1]), b":0")
        self.assert_serves_from_dram(names[-1])
        self.assertEqual(self.watch["spill_reopened"], 0)

    def delete_while_out(self, end):
        """What was told to the server while it had no spill is not forgotten,
        however it ends."""
        names = self.begin()
        self.fail_reads_of(*names[:5])
        self.out(names, names[:5])
        self.client.command("DEL", *names[5:8])
        self.put_fast(names[8], 1000, 1)
        end()
        self.assert_gone(self.client, *names[5:8])
        self.assert_miss_or_newest(self.client, names[8])
        for name in names[9:]:
            self.assert_miss_or_newest(self.client, name)

    def test_what_is_deleted_while_it_is_out_is_not_back_after_a_stop(self):
        self.delete_while_out(self.stop_and_start)

    def test_what_is_deleted_while_it_is_out_is_not_back_after_a_kill(self):
        def end():
            until(lambda: os.path.exists(os.path.join(self.spill, "STALE")),
                  "a mark of what it has not been told")
            self.restart_at_once()
        self.delete_while_out(end)

    def test_what_is_deleted_while_it_is_out_is_not_back_with_it(self):
        names = self.begin(spill_probe="1s")
        self.fail_reads_of(*names[:5])
        self.out(names, names[:5])
        self.client.command("DEL", *names[5:8])
        self.put_fast(names[8], 1000, 1)
        self.watch.until("spill_reopened", 1)
        self.watch.until_equal("spill_readable", 1)
        self.assert_gone(self.client, *names[5:8])
        self.assert_there(self.client, *names[8:])
        self.stop_and_start()
        self.assert_gone(self.client, *names[5:8])
        self.assert_there(self.client, *names[8:])


class Slow(FaultTest):
    """A megabyte a second: eight seconds for the value that is asked for."""
    LARGE = 8 * MIB

    def setUp(self):
        super().setUp()
        self.slow = sick_disk.Slow(self.disk)
        self.addCleanup(self.slow.close)

    def crawl(self, **options):
        """Values in the spill alone, which is slow from now on."""
        options = dict({"limits_value": "8MiB", "spill_size": "192MiB",
                        "nvme_queue": "16MiB"}, **options)
        self.start(**options)
        self.put(self.client, "large", self.LARGE)
        self.put(self.client, "other", self.LARGE)
        names = self.put_many(self.client, 20, SIZE, prefix="cold")
        self.restart()
        self.assert_there(self.client, names[0])
        self.slow.add(self.server.pid)
        self.slow.limit(read=MIB, write=MIB)
        self.addCleanup(self.slow.limit)
        return names

    def is_answered(self, client):
        readable, _, _ = select.select([client.socket], [], [], 0)
        return bool(readable)

    def test_nobody_but_who_asked_waits_for_it(self):
        names = self.crawl(spill_read_wait="1m")
        waiting = self.connect()
        waiting.send(encode("GET", "large"))
        others = self.connect_many(2)  # of both workers
        for _ in range(50):
            for client in others:
                self.assert_there(client, names[0])
                self.assertEqual(client.command("EXISTS", names[1], "large"),
                                 b":2")
                self.assertEqual(client.command("SET", "new", b"x"), b"+OK")
        self.assertFalse(self.is_answered(waiting))
        self.slow.limit()
        self.assert_is("large", waiting.reply())

    def test_what_comes_too_late_is_a_miss(self):
        names = self.crawl(spill_read_wait="300ms")
        self.assert_miss(self.client, "large")
        info = self.watch.info()
        self.assertEqual((info["spill_reads_late"], info["spill_late"]), (1, 1))
        self.assert_there(self.client, names[0])
        # The read goes on, and what it brings is not thrown away.
        self.slow.limit()
        self.watch.until("spill_reads_good", 2)
        self.assert_there(self.client, "large")

    def test_puts_do_not_wait_for_it(self):
        self.crawl(nvme_queue="4MiB")
        names = [f"new{number}" for number in range(30)]
        for name in names:
            self.put_fast(name)
            self.assertLessEqual(self.watch["spill_queue_bytes"], 12 * MIB)
        self.assert_there(self.client, *names)
        self.watch.until("spill_writes_skipped", 5)

    def test_a_flush_does_not_wait_for_it(self):
        """That it has not been told in time is said before a client gives
        up."""
        self.crawl(nvme_queue="8MiB")
        self.slow.limit(read=MIB, write=MIB // 4)
        for number in range(20):
            self.put_fast(f"new{number}")
        self.assertRegex(self.client.command("FLUSHALL"),
                         b"^[+]OK|^-ERR.*spill")
        self.assertEqual(self.client.command("DBSIZE"), b":0")
        self.slow.limit()

    def test_a_server_ends_though_its_volume_crawls(self):
        self.crawl(nvme_queue="8MiB")
        for number in range(20):
            self.put_fast(f"new{number}")
        self.assert_ends()

    def test_a_server_ends_while_somebody_waits(self):
        self.crawl(spill_read_wait="1m", limits_drain="300ms")
        waiting = self.connect()
        waiting.send(encode("GET", "large"))
        self.watch.until("resp_get", 2)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(waiting.read_until_closed(), b"")
        until(lambda: self.said("drain ended"), "the end of the drain")
        self.slow.limit()
        self.assertEqual(self.server.process.wait(STOP_SECONDS), 0)


class BehindNvme(FaultTest):
    """NVMe goes on when what is below it does not."""

    def start(self, **options):
        SpillTest.start(self, **dict({"spill_size": "64MiB",
                                      "spill_probe": SOON}, **options))

    def test_a_spill_that_fails_while_values_sink(self):
        self.start()
        names = self.put_many(self.client, 10, 300_000)
        self.sink(*names)
        self.filesystem.shut_down()
        self.push(40 * MIB)
        self.watch.until_equal("spill_writable", 0)
        self.assertEqual(self.watch["nvme_writable"], 1)
        before = self.watch["nvme_writes_put"]
        more = self.put_many(self.client, 10, 300_000, prefix="more")
        self.watch.until_equal("nvme_queue_bytes", 0)
        self.assertGreaterEqual(self.watch["nvme_writes_put"], before + 10)
        self.assertEqual(self.count_there(self.client, names), 0)
        self.restart_at_once()
        self.assertEqual(self.watch["spill_state"], "off")
        self.assert_there(self.client, *more)
        self.assert_ends()

    def test_a_spill_that_is_off_leaves_NVMe_as_it_was(self):
        os.mkdir(self.spill)
        with open(os.path.join(self.spill, "FORMAT"), "w") as file:
            file.write("something else\n")
        self.start()
        self.assertEqual(self.watch["spill_state"], "off")
        self.push(80 * MIB)
        names = self.put_many(self.client, 10, 300_000)
        self.await_written()
        self.assertEqual(self.watch["spill_writes_put"], 0)
        with self.noted(names[0]):
            self.assertEqual(self.client.command("DEL", names[0]), b":1")
        self.restart()
        self.assert_gone(self.client, names[0])
        self.assert_there(self.client, *names[1:])


if __name__ == "__main__":
    main()
