#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native wire over a device that crawls: what waits for it is overtaken by
all that does not, on the same connection.  Root only."""
import os
import select
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as native  # noqa: E402
import sick_disk  # noqa: E402
from native_wire import LATE, MISS, OK, NativeClient  # noqa: E402
from nvme_test import body, on_threads_too  # noqa: E402
from server_test import MIB  # noqa: E402
from sick_test import SickTest, main  # noqa: E402

LARGE = 8 * MIB


@on_threads_too
class SlowDevice(SickTest):
    """A megabyte a second, until it is let go: eight seconds for the value that
    is asked for."""

    def setUp(self):
        super().setUp()
        self.slow = sick_disk.Slow(self.disk)
        self.addCleanup(self.slow.close)
        self.filesystem = self.add_filesystem()

    def start(self, path, **options):
        super().start(path, **dict({"limits_value": "8MiB",
                                    "nvme_size": "80MiB"}, **options))

    def crawl(self, **options):
        """Values on the device alone, which is slow from now on; the name of
        one that is in memory."""
        options = dict({"nvme_read_wait": "1m"}, **options)
        self.start(self.filesystem.directory, **options)
        self.put(self.client, "large", LARGE)
        self.put(self.client, "other", LARGE)
        names = self.fill(**options)
        self.slow.add(self.server.pid)
        self.slow.limit(read=MIB, write=MIB)
        self.addCleanup(self.slow.limit)
        self.native = NativeClient(self.server.data_port)
        self.addCleanup(self.native.close)
        return names[0]

    def is_answered(self):
        readable, _, _ = select.select([self.native.socket], [], [], 0)
        return bool(readable)

    def expect(self, id_, code, name=None):
        answer = self.native.receive()
        self.assertEqual((answer.reply["id"], answer.reply["code"]),
                         (id_, code))
        if name:
            self.assert_is(name, answer.body)
        return answer

    def test_all_else_overtakes_what_waits(self):
        warm = self.crawl()
        large = self.native.send(native.GET, ["large"])
        for _ in range(20):
            self.expect(self.native.send(native.GET, [warm]), OK, warm)
            answer = self.expect(self.native.send(native.PREFIX,
                                                  [warm, "large", "none"]), OK)
            self.assertEqual(answer.reply["matched"], 2)
            self.expect(self.native.send(native.PUT, ["new"], b"v"), OK)
            answer = self.expect(self.native.send(native.EXISTS,
                                                  ["large", "none"]), OK)
            self.assertEqual([*answer.list], [OK, MISS])
            self.expect(self.native.send(native.GET, ["none"]), MISS)
        self.assertFalse(self.is_answered())
        self.slow.limit()
        answer = self.expect(large, OK, "large")
        self.assertEqual(answer.reply["tier"], "nvme")

    def test_keys_of_one_get_do_not_wait_for_each_other(self):
        warm = self.crawl()
        id_ = self.native.send(native.GET, ["large", warm, "none", warm])
        for index, name in ((1, warm), (2, None), (3, warm)):
            answer = self.expect(id_, OK if name else MISS, name)
            self.assertEqual(answer.reply["index"], index)
        self.assertFalse(self.is_answered())
        self.slow.limit()
        self.assertEqual(self.expect(id_, OK, "large").reply["index"], 0)

    def test_what_passes_its_deadline_is_late(self):
        warm = self.crawl()
        patient = self.native.send(native.GET, ["large"])
        late = self.native.send(native.GET, ["large"], deadline_ms=100)
        self.assertEqual(self.expect(late, LATE).body, b"")
        self.assertEqual(self.watch["gets_late"], 1)
        self.assertFalse(self.is_answered())
        self.slow.limit()
        self.expect(patient, OK, "large")
        self.assertEqual(self.watch["get_misses"], 0)
        self.assertEqual(self.native.get(warm, deadline_ms=1).reply["code"],
                         OK)

    def test_what_was_overwritten_since_is_never_the_answer_to_what_follows(
            self):
        self.crawl()
        old = self.native.send(native.GET, ["large"])
        self.assertEqual(self.native.request(
            native.PUT, ["large"], b"new").reply["code"], OK)
        self.assertEqual(self.native.request(native.GET, ["large"]).body,
                         b"new")
        self.slow.limit()
        answer = self.native.receive()
        self.assertEqual(answer.reply["id"], old)
        if answer.reply["code"] == OK:
            self.assertTrue(answer.body == body("large", LARGE))
        else:
            self.assertEqual(answer.reply["code"], MISS)

    def test_a_client_that_goes_while_it_waits_leaves_nothing(self):
        self.crawl()
        clients = [NativeClient(self.server.data_port) for _ in range(4)]
        for client in clients:
            client.send(native.GET, ["large", "other"])
        self.watch.until("nvme_reads_joined", 3)
        for client in clients:
            client.close()
        self.slow.limit()
        self.watch.until_equal("connected_clients", 3)
        self.assert_is("large", self.native.value("large"))
        self.assertEqual(self.client.command("FLUSHALL"), b"+OK")
        self.watch.until_equal("dram_used", 0)

    def test_a_drain_answers_who_waits(self):
        self.crawl(limits_drain="30s")
        id_ = self.native.send(native.GET, ["large"])
        self.watch.until("native_get", 1)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.client.read_until_closed(), b"")
        self.assertFalse(self.is_answered())
        self.slow.limit()
        self.expect(id_, OK, "large")
        self.native.expect_close()
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    main()
