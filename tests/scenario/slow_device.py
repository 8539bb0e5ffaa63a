#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device that crawls (D8): nobody waits but who has asked for what is on it,
and he not for long; late reads are misses, and the tier comes back.  Root
only."""
import contextlib
import os
import select
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import sick_disk  # noqa: E402
from nvme_test import on_threads_too  # noqa: E402
from raw_client import encode  # noqa: E402
from server import STOP_SECONDS  # noqa: E402
from server_test import MIB  # noqa: E402
from sick_test import SOON, SickTest, main  # noqa: E402
from watch import until  # noqa: E402


@on_threads_too
class D8SlowDevice(SickTest):
    """A megabyte a second: eight seconds for the value that is asked for, and
    no more than one of them is ever waited for here."""
    LARGE = 8 * MIB

    def setUp(self):
        super().setUp()
        self.slow = sick_disk.Slow(self.disk)
        self.addCleanup(self.slow.close)
        self.filesystem = self.add_filesystem()

    def start(self, path, **options):
        super().start(path, **dict({"limits_value": "8MiB",
                                    "nvme_size": "80MiB"}, **options))

    def crawl(self, **options):
        """Values on the device alone, which is slow from now on."""
        self.start(self.filesystem.directory, **options)
        self.put(self.client, "large", self.LARGE)
        self.put(self.client, "other", self.LARGE)
        names = self.fill(**options)
        self.slow.add(self.server.pid)
        self.slow.limit(read=MIB, write=MIB)
        self.addCleanup(self.slow.limit)
        return names

    def is_answered(self, client):
        readable, _, _ = select.select([client.socket], [], [], 0)
        return bool(readable)

    def test_nobody_but_who_asked_waits_for_it(self):
        names = self.crawl(nvme_read_wait="1m")
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
        names = self.crawl(nvme_read_wait="300ms")
        self.assert_miss(self.client, "large")
        self.assertEqual(self.watch["nvme_reads_good"], 1)  # not yet that one
        self.assertEqual(self.watch["nvme_reads_late"], 1)
        self.assertEqual(self.watch["nvme_late"], 1)
        self.assert_there(self.client, names[0])
        # The read goes on, and what it brings is not thrown away.
        self.slow.limit()
        self.watch.until("nvme_reads_good", 2)
        self.assert_there(self.client, "large")

    def test_five_that_were_late_take_it_out(self):
        names = self.crawl(nvme_read_wait="100ms", nvme_probe=SOON)
        clients = self.connect_many(6)
        for client, name in zip(clients, ["large", "other", *names[1:5]]):
            client.send(encode("GET", name))
        for client in clients:
            self.assertIsNone(client.reply())
        self.watch.until("nvme_out_of_service", 1)
        self.assertRegex(self.told("nvme is out of service")[0], "too long")
        self.slow.limit()
        self.watch.until("nvme_readable", 1)
        self.assert_there(self.client, *names[5:])

    def test_who_asks_for_the_same_shares_the_read(self):
        self.crawl(nvme_read_wait="1m")
        clients = self.connect_many(6)
        for client in clients:
            client.send(encode("GET", "large"))
        self.watch.until("nvme_reads_joined", 5)
        self.slow.limit()
        for client in clients:
            self.assert_is("large", client.reply())
        self.assertEqual(self.watch["nvme_reads_good"], 2)  # one by fill()
        self.assertEqual(self.watch["nvme_reads_joined"], 5)

    def test_what_stands_behind_it_keeps_its_order(self):
        names = self.crawl(nvme_read_wait="1m")
        for command in (("GET", "large"), ("PING",), ("GET", names[0]),
                        ("MGET", names[0], "other", "none", names[1]),
                        ("ECHO", "last")):
            self.client.send(encode(*command))
        self.watch.until("resp_get", 1)
        self.assertFalse(self.is_answered(self.client))
        self.slow.limit()
        self.assert_is("large", self.client.reply())
        self.assertEqual(self.client.reply(), b"+PONG")
        self.assert_is(names[0], self.client.reply())
        first, other, none, second = self.client.reply()
        self.assert_is(names[0], first)
        self.assert_is("other", other)
        self.assertIsNone(none)
        self.assert_is(names[1], second)
        self.assertEqual(self.client.reply(), b"last")

    def test_a_client_that_goes_while_it_waits_leaves_nothing(self):
        self.crawl(nvme_read_wait="1m")
        clients = self.connect_many(4)
        for client in clients:
            client.send(encode("GET", "large"), encode("GET", "other"))
        self.watch.until("nvme_reads_joined", 3)
        for client in clients[:3]:
            client.reset()
        self.slow.limit()
        self.assert_is("large", clients[3].reply())
        self.assert_is("other", clients[3].reply())
        self.watch.until_equal("connected_clients", 3)
        self.assertEqual(self.client.command("FLUSHALL"), b"+OK")
        self.watch.until_equal("dram_used", 0)

    def test_a_drain_answers_who_waits(self):
        self.crawl(nvme_read_wait="1m", limits_drain="30s")
        waiting = self.connect()
        waiting.send(encode("GET", "large"))
        self.watch.until("resp_get", 2)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.client.read_until_closed(), b"")
        self.assertFalse(self.is_answered(waiting))
        self.slow.limit()
        self.assert_is("large", waiting.reply())
        self.assertEqual(self.server.stop(), 0)

    def end_while_somebody_waits(self):
        self.crawl(nvme_read_wait="1m", limits_drain="300ms")
        waiting = self.connect()
        waiting.send(encode("GET", "large"))
        self.watch.until("resp_get", 2)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(waiting.read_until_closed(), b"")
        until(lambda: self.told("drain ended"), "the end of the drain")

    def test_a_drain_does_not_wait_for_ever(self):
        self.end_while_somebody_waits()
        self.slow.limit()
        self.assertEqual(self.server.process.wait(STOP_SECONDS), 0)

    def test_one_more_signal_does_not_kill_a_server_that_ends(self):
        """It waits for the read that nobody wants any more."""
        self.end_while_somebody_waits()
        until(lambda: "worker-0" not in self.threads(), "the workers' end")
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            os.kill(self.server.pid, number)
        self.slow.limit()
        self.assertEqual(self.server.process.wait(STOP_SECONDS), 0)

    def threads(self):
        tasks = f"/proc/{self.server.pid}/task"
        names = []
        for task in os.listdir(tasks):
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                with open(f"{tasks}/{task}/comm") as file:
                    names.append(file.read().strip())
        return names

    def test_puts_do_not_wait_for_it(self):
        names = self.crawl(nvme_queue="4MiB")
        for number in range(40):
            self.put_fast(f"new{number}", 500_000)
            self.assertLessEqual(self.watch["nvme_queue_bytes"], 4 * MIB)
        self.assert_there(self.client, *(f"new{number}"
                                         for number in range(40)))
        self.watch.until("nvme_writes_skipped", 10)
        self.assert_there(self.client, names[0])

    def test_a_flush_does_not_wait_for_it(self):
        """A minute's worth of writes is before it, segments among them that are
        given back; that the device did not take it in time is said all the
        same before a client gives up."""
        self.crawl(nvme_queue="16MiB", nvme_size="40MiB")
        self.slow.limit(read=MIB, write=MIB // 4)
        for number in range(30):
            self.put_fast(f"new{number}", 500_000)
        self.assertRegex(self.client.command("FLUSHALL"), b"^[+]OK|^-ERR.*nvme")
        self.assertEqual(self.client.command("DBSIZE"), b":0")
        self.slow.limit()

    def test_a_server_ends_though_its_device_crawls(self):
        self.crawl(nvme_queue="16MiB")
        for number in range(30):
            self.put_fast(f"new{number}", 500_000)
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    main()
