#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device that errs, is full or is gone (D5, D6, D7 and D9): what is there is a
miss, DRAM serves on, no byte is wrong, the server ends when it is told to, and
the tier comes back by itself.  slow_device.py is D8.  Root only."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from nvme_test import BLOCK, on_threads_too  # noqa: E402
from server_test import MIB  # noqa: E402
from sick_test import ROOM, SIZE, SOON, SickTest, main  # noqa: E402
from watch import until  # noqa: E402

BACK_SECONDS = 10  # "within 10 s of space"


@on_threads_too
class D5ReadErrors(SickTest):
    def setUp(self):
        super().setUp()
        self.start(self.disk.path)

    def place(self, name):
        """Where the bytes of a value begin on the disk."""
        at = self.disk.find(self.expected(name)[:64])
        self.assertGreater(at, 0)
        return at

    def test_a_value_that_can_not_be_read_is_a_miss(self):
        names = self.fill()
        last = max(names, key=self.place)
        self.disk.cut((self.place(last) + SIZE // 2) // BLOCK * BLOCK)
        self.assert_miss(self.client, last)
        self.assertEqual(self.client.command("EXISTS", last), b":0")
        names.remove(last)
        self.assert_there(self.client, *names)
        info = self.watch.info()
        self.assertEqual((info["nvme_read_errors"], info["nvme_reads_failed"],
                          info["nvme_readable"], info["nvme_writable"]),
                         (1, 1, 1, 1))

    def test_five_of_them_take_the_tier_out(self):
        names = self.fill()
        self.disk.cut(MIB)
        self.assert_miss(self.client, *names[1:])
        info = self.watch.info()
        self.assertEqual((info["nvme_readable"], info["nvme_out_of_service"],
                          info["nvme_read_errors"], info["nvme_reads_failed"]),
                         (0, 1, 5, 5))
        self.assertEqual(self.client.command("EXISTS", *names[1:]), b":0")
        self.assertEqual(self.client.command("MGET", *names)[1:], [None] * 7)
        self.assert_serves_from_dram(names[0])
        self.assertEqual(self.watch["nvme_read_errors"], 5)
        self.assertRegex(self.told("nvme is out of service")[0],
                         "Input/output error")

    def test_it_is_back_when_it_can_be_read_again(self):
        names = self.fill(nvme_probe=SOON)
        self.disk.cut(0)
        self.assertEqual(self.count_there(self.client, names[1:]), 0)
        self.assertEqual(self.watch["nvme_readable"], 0)
        self.assert_serves_from_dram(names[0])
        self.disk.mend()
        self.watch.until("nvme_readable", 1)
        # What was asked for before the fifth failure is gone.
        self.assert_there(self.client, names[0], *names[5:])
        self.assertEqual(self.count_there(self.client, names), 4)
        self.assertEqual(self.told("nvme is back in service"),
                         [self.disk.path])
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after", *names[5:])

    def out_and_back(self, work, **options):
        names = self.fill(nvme_probe=SOON, **options)
        self.disk.cut(0)
        self.assertEqual(self.count_there(self.client, names[1:6]), 0)
        self.assertEqual(self.watch["nvme_readable"], 0)
        work(*names[6:])
        self.disk.mend()
        self.watch.until("nvme_readable", 1)

    def test_what_is_deleted_meanwhile_is_not_back(self):
        self.out_and_back(lambda cold, _: self.client.command("DEL", cold))
        self.assert_gone(self.client, "cold6")
        self.assert_there(self.client, "cold7")

    def test_what_is_overwritten_meanwhile_is_not_back(self):
        def overwrite(cold, _):
            self.put_fast(cold, 1000, 1)
            self.assert_there(self.client, cold)
        self.out_and_back(overwrite)
        self.assert_there(self.client, "cold6", "cold7")
        until(lambda: self.count_notes("cold6") > 0, "the note of it")
        self.restart()
        self.assert_miss_or_newest(self.client, "cold6")

    def test_what_has_rotted_is_a_miss(self):
        """D3: the device says that all is well, the checksum does not."""
        names = self.fill()
        self.disk.flip(self.place(names[2]) + SIZE - 1)
        self.disk.flip(self.place(names[4]) - BLOCK + 100)
        self.assert_gone_when_read(names[2], names[4])
        for name in names[2], names[4]:
            names.remove(name)
        self.assert_there(self.client, *names)
        info = self.watch.info()
        self.assertEqual((info["nvme_corrupt"], info["nvme_reads_corrupt"],
                          info["nvme_read_errors"], info["nvme_readable"]),
                         (2, 2, 0, 1))

    def assert_gone_when_read(self, *names):
        """A look at it alone would not tell."""
        self.assert_miss(self.client, *names)
        self.assertEqual(self.client.command("EXISTS", *names), b":0")


@on_threads_too
class D6WriteErrors(SickTest):
    def write_until(self, field, value):
        """Values are put one after the other until that is so."""
        number = 0
        deadline = time.monotonic() + 20
        while self.watch[field] != value:
            self.assertLess(time.monotonic(), deadline, self.watch.info())
            self.put_fast(f"push{number % 10}", 50_000, number)
            self.await_written()
            number += 1

    def assert_reads_on(self, names):
        """After five writes that failed."""
        self.write_until("nvme_writable", 0)
        self.assert_there(self.client, *names)
        self.assert_serves_from_dram()
        info = self.watch.info()
        self.assertEqual((info["nvme_readable"], info["nvme_out_of_service"]),
                         (1, 1))
        self.assertGreaterEqual(info["nvme_write_errors"], 5)
        self.assertGreater(info["nvme_writes_failed"], 0)
        self.assertGreater(info["hits_nvme"], 5)
        self.assertEqual(len(self.told("nvme is not written")), 1)
        self.watch.until_equal("nvme_queue_bytes", 0)

    def test_a_filesystem_that_turns_read_only(self):
        filesystem = self.add_filesystem()
        self.start(filesystem.directory)
        names = self.fill()
        filesystem.abort()
        self.assert_reads_on(names)
        self.assertRegex(self.told("nvme is not written")[0], "Read-only")

    def test_a_device_that_fails_each_write(self):
        """A loop device in a filesystem that takes no more."""
        filesystem = self.add_filesystem()
        self.disk = self.add_disk(filesystem.directory)
        self.start(self.disk.path, nvme_size="16MiB")
        names = self.fill(nvme_size="16MiB")
        filesystem.abort()
        self.assert_reads_on(names)
        self.assertRegex(self.told("nvme is not written")[0],
                         "Input/output error")

    def test_a_flush_that_the_device_does_not_take_is_said(self):
        self.start(self.disk.path)
        names = self.fill()
        self.disk.forbid_writes()
        reply = self.client.command("FLUSHALL")
        self.assertRegex(reply, b"^-ERR .*nvme")
        self.assert_miss(self.client, *names)
        self.assertEqual(self.client.command("DBSIZE"), b":0")

    def test_it_is_written_again_when_it_can_be(self):
        self.start(self.disk.path)
        names = self.fill(nvme_probe=SOON)
        self.disk.forbid_writes()
        self.write_until("nvme_writable", 0)
        with self.noted(*names[2:4]):
            self.assertEqual(self.client.command("DEL", names[2]), b":1")
            self.put_fast(names[3], 1000, 1)
            self.disk.allow_writes()
            self.watch.until("nvme_writable", 1)
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after", names[1], *names[4:])
        self.assert_gone(self.client, names[2])
        self.assert_miss_or_newest(self.client, names[3])

    def test_a_flush_meanwhile_holds_after_it(self):
        self.start(self.disk.path)
        names = self.fill(nvme_probe=SOON)
        self.disk.forbid_writes()
        self.assertRegex(self.client.command("FLUSHALL"), b"^-ERR .*nvme")
        self.disk.allow_writes()
        self.watch.until("nvme_writable", 1)
        self.assertEqual(self.client.command("FLUSHALL"), b"+OK")
        self.restart()
        self.assert_gone(self.client, *names)


@on_threads_too
class D7NoSpace(SickTest):
    def test_a_device_without_room_is_taken_when_there_is_some(self):
        filesystem = self.add_filesystem()
        filler = os.path.join(filesystem.directory, "filler")
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0,
                               filesystem.free_bytes() - ROOM // 2)
        self.start(filesystem.directory, nvme_probe="30s")
        self.assertEqual(self.watch["nvme_writable"], 0)
        self.assertRegex(self.told("nvme is not written")[0], "No space")
        self.assert_serves_from_dram()
        self.assertEqual(self.watch["nvme_writes_put"], 0)
        os.unlink(filler)
        self.watch.until_equal("nvme_writable", 1, BACK_SECONDS)
        names = self.put_many(self.client, 8, SIZE)
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 8)
        self.restart()
        self.assert_there(self.client, *names)

    def test_a_device_that_is_full_while_it_is_written(self):
        self.start(self.disk.path)
        names = self.fill(nvme_probe="30s")
        self.disk.limit(12 * MIB)
        self.write_until_full()
        there = self.count_there(self.client, names)
        self.assertGreater(there, 0)
        self.assertRegex(self.told("nvme is not written")[0], "No space")
        self.disk.limit(0)
        self.watch.until_equal("nvme_writable", 1, BACK_SECONDS)
        self.await_written()
        more = self.put_many(self.client, 4, SIZE, prefix="after")
        self.await_written()
        self.restart()
        self.assert_there(self.client, *more)
        self.count_there(self.client, list(self.sizes))

    def write_until_full(self):
        number = 0
        while self.watch["nvme_writable"] != 0:
            self.put_fast(f"full{number}")
            self.await_written()
            self.assertLess(number, 100)
            number += 1


@on_threads_too
class D9Gone(SickTest):
    def test_a_device_that_answers_nothing_any_more(self):
        filesystem = self.add_filesystem()
        self.start(filesystem.directory)
        names = self.fill()
        filesystem.shut_down()
        self.assertEqual(self.count_there(self.client, names[1:]), 0)
        self.assertEqual(self.watch["nvme_readable"], 0)
        self.assert_serves_from_dram(names[0])
        self.assertRegex(self.client.command("FLUSHALL"), b"^-ERR .*nvme")
        self.assertEqual(self.client.command("DBSIZE"), b":0")
        self.assert_serves_from_dram()
        self.assertEqual(self.server.stop(), 0)

    def test_a_device_that_is_taken_away(self):
        """The kernel keeps it for those who have it open."""
        filesystem = self.add_filesystem()
        self.start(filesystem.directory)
        names = self.fill()
        number = self.disk.path
        filesystem.leave()
        self.disk.close()
        self.count_there(self.client, names)
        self.assert_serves_from_dram(names[0])
        self.assertEqual(self.server.stop(), 0)
        until(lambda: not os.path.exists(
            f"/sys/block/{os.path.basename(number)}/loop/backing_file"),
            "the loop device to end")

    def test_a_device_that_can_not_be_read_at_start(self):
        self.disk.cut(0)
        self.start(self.disk.path)
        info = self.watch.info()
        self.assertEqual((info["nvme_readable"], info["nvme_writable"]),
                         (0, 0))
        self.assert_serves_from_dram()
        self.assertEqual(self.client.command("DEL", "dram1"), b":1")
        self.client.command("FLUSHALL")
        self.assertEqual(self.client.command("DBSIZE"), b":0")
        self.assertEqual(self.server.stop(), 0)
        self.assertTrue(self.told("nvme is out of service"))


if __name__ == "__main__":
    main()
