#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many connections, too many, more than there are descriptors for, and those
that do not read what they asked for."""
import http.client
import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from raw_client import (LM_GET, LM_PUT, encode, lm_head,  # noqa: E402
                        raise_descriptors)
from server_test import MIB, ServerTest  # noqa: E402
from watch import until  # noqa: E402

WINDOW = 4096


class Many(ServerTest):
    def test_idle_connections_stay_open_and_cost_little(self):
        number = min(10_000, raise_descriptors() - 200)
        self.serve(limits_header_timeout="300ms", limits_body_timeout="300ms",
                   limits_output_timeout="300ms", limits_connections=11_000)
        before = self.watch.resident()
        clients = self.connect_many(number)
        for client in clients[::10]:
            self.assert_serves(client)
        self.watch.until_equal("connected_clients", number + 1)
        self.assert_grew_at_most(before, 48 * MIB)
        with self.connect() as late:  # longer than every limit in time
            late.send(b"*")
            late.read_until_closed()
        self.assertEqual(self.watch["connected_clients"], number + 1)
        for client in clients[::100]:
            self.assert_serves(client)

    def test_one_connection_too_many_is_closed(self):
        self.serve(limits_connections=5)
        clients = self.connect_many(4)
        self.watch.until_equal("connected_clients", 5)
        self.assertEqual(self.connect().read_until_closed(), b"")
        self.watch.until_equal("closed_limit", 1)
        for client in clients:
            self.assert_serves(client)
        clients.pop().close()
        self.watch.until_equal("connected_clients", 4)
        self.assert_serves()

    def test_the_limit_is_lowered_to_what_may_be_opened(self):
        """FAULTS L4."""
        server = self.adopt(ConfiguredServer(descriptors=256))
        self.assertIn("limits.connections lowered", server.stderr())
        most = self.watch["maxclients"]
        self.assertLess(most, 256)
        self.assertGreater(most, 100)
        clients = self.connect_many(300)
        self.watch.until("closed_limit", 300 - most)
        self.assertEqual(self.watch["accept_errors"], 0)
        for client in clients:
            client.close()
        until(lambda: self.watch["connected_clients"] == 1, "all closed")
        for client in self.connect_many(most - 1):
            self.assert_serves(client)

    def test_without_descriptors_accept_backs_off_and_recovers(self):
        """Both ports, whose accept would otherwise be called for ever."""
        server = self.serve()
        self.assertEqual(self.watch["accept_errors"], 0)
        used = len(os.listdir(f"/proc/{server.pid}/fd"))
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 2, hard))
        clients = self.connect_many(10)
        # They have the last descriptors, and HTTP gets none.
        self.watch.until("accept_errors", 1)
        waiting = http.client.HTTPConnection("127.0.0.1", server.http_port,
                                             timeout=20)
        waiting.request("GET", "/livez")
        self.watch.until("accept_errors", 2)
        before = self.watch.cpu_seconds()
        errors = self.watch["accept_errors"]
        self.watch.until("accept_errors", errors + 5)
        self.assertLess(self.watch.cpu_seconds() - before, 0.3)
        self.assertEqual(server.stderr().count('"accept failed"'), 1)
        until(lambda: server.stderr().count("on the HTTP port") == 1,
              "the HTTP port's back-off is logged, once")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (1000, hard))
        for client in clients:
            self.assert_serves(client)
        self.assertEqual(waiting.getresponse().status, 200)
        waiting.close()


class Unread(ServerTest):
    def put(self, key, size):
        self.assertEqual(self.connect().command("SET", key, bytes(size)),
                         b"+OK")

    def test_output_that_nobody_reads_closes(self):
        """FAULTS S3."""
        self.serve(limits_output_timeout="500ms")
        self.put("k", 16 * MIB)
        self.connect(window=WINDOW).send(encode("GET", "k"))
        lm = self.connect(window=WINDOW)
        lm.send(lm_head(LM_PUT, "l", 16 * MIB), bytes(16 * MIB),
                lm_head(LM_GET, "l"))
        self.watch.until("closed_output_timeout", 2)
        self.assert_serves()

    def test_small_replies_that_nobody_reads_close_too(self):
        self.serve(limits_output_timeout="500ms")
        before = self.watch.resident()
        for client in self.connect_many(50, window=WINDOW):
            client.socket.setblocking(False)
            try:
                while True:
                    client.socket.send(encode("ECHO", b"e" * 1000) * 100)
            except BlockingIOError:
                pass
        self.watch.until("closed_output_timeout", 50)
        self.assert_grew_at_most(before, 48 * MIB)
        self.assert_serves()

    def test_a_slow_reader_is_not_closed(self):
        self.serve(limits_output_timeout="500ms")
        size = 24 * MIB
        self.put("k", size)
        client = self.connect(window=WINDOW)
        with self.connect() as clock:  # half of its time, over and over
            client.send(encode("GET", "k"))
            self.assertEqual(client.read_line(), b"$%d" % size)
            for _ in range(6):
                clock.socket.settimeout(0.25)
                self.assertRaises(TimeoutError, clock.socket.recv, 1)
                client.read(size // 6)
        self.assertEqual(client.read(2), b"\r\n")
        self.assert_serves(client)
        self.assertEqual(self.watch["closed_output_timeout"], 0)

    def test_output_that_pins_much_closes_sooner(self):
        """An eighth of the pool, 8 MiB, is the bar."""
        self.serve(limits_output_timeout="1h", limits_pinned_timeout="300ms",
                   limits_header_timeout="1s")
        self.put("first", 7 * MIB)
        self.put("second", 7 * MIB)
        first = self.connect(window=WINDOW).send(encode("GET", "first"))
        with self.connect() as clock:
            clock.send(b"*")
            clock.read_until_closed()
        self.assertEqual(self.watch["closed_output_timeout"], 0)
        second = self.connect(window=WINDOW).send(encode("GET", "second"))
        self.watch.until("closed_output_timeout", 1)
        first.close()
        second.close()
        self.watch.until("connected_clients", 1)
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
