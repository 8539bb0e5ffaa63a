#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Short requests go before slices of large values on a worker, and large values
go on all the same, however many short requests there are.  (How long an EXISTS
waits among large values is measured by tests/bench/run, mode exists.)"""
import contextlib
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from raw_client import announce, encode  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

LARGE = 16 * MIB
FLOODS = 4
PIPELINE = 200
PINGS = 50
# Requests; a turn of half a millisecond has a thousand or two of the shortest.
FEW_TURNS = 12000


class Fairness(ServerTest):
    def setUp(self):
        self.serve(limits_workers=1, dram_size=256 * MIB)
        self.is_over = threading.Event()
        self.threads = []

    def tearDown(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def start(self, work):
        """Repeats work(client) on a thread of its own till the test ends."""
        client = self.connect()

        def repeat():
            while not self.is_over.is_set():
                work(client)
        self.threads.append(threading.Thread(target=repeat))
        self.threads[-1].start()

    def flood(self):
        def work(client):
            client.send(encode("EXISTS", "none") * PIPELINE)
            for _ in range(PIPELINE):
                client.reply()
        for _ in range(FLOODS):
            self.start(work)
        self.watch.until("exists_misses", FLOODS * PIPELINE)

    def test_a_large_value_is_put_and_got_in_a_flood_of_short_requests(self):
        self.flood()
        client = self.connect()
        value = bytes(range(256)) * (LARGE // 256)
        client.send(announce("large", LARGE) + value + b"\r\n")
        self.assertEqual(client.reply(), b"+OK")
        self.assertEqual(client.command("GET", "large"), value)

    def test_one_that_sends_without_end_goes_no_more_often_than_others(self):
        client = socket.create_connection(("127.0.0.1", self.server.data_port))
        self.addCleanup(client.close)
        requests = encode("EXISTS", "none") * 10000

        def send():
            with contextlib.suppress(OSError):
                while not self.is_over.is_set():
                    client.sendall(requests)

        def receive():
            with contextlib.suppress(OSError):
                while client.recv(MIB) and not self.is_over.is_set():
                    pass
        for work in send, receive:
            self.threads.append(threading.Thread(target=work))
            self.threads[-1].start()
        self.watch.until("exists_misses", 100000)
        other, before = self.connect(), self.watch["exists_misses"]
        for _ in range(PINGS):
            self.assertEqual(other.command("PING"), b"+PONG")
        gone_first = (self.watch["exists_misses"] - before) / PINGS
        self.is_over.set()
        client.shutdown(socket.SHUT_RDWR)
        self.assertLess(gone_first, FEW_TURNS)


if __name__ == "__main__":
    unittest.main()
