#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native wire at its limits: what is refused without losing the connection,
what ends it, and clients that stop in the middle."""
import os
import signal
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as native  # noqa: E402
from native_test import NativeTest, value  # noqa: E402
from native_wire import (BAD_REQUEST, BUSY, MISS, OK, TOO_BIG,  # noqa: E402
                         UNSUPPORTED, NativeClient)
from raw_client import announce  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402


class Refusals(NativeTest):
    options = {"limits_value": "1MiB", "limits_head": "64KiB",
               "limits_key": "256"}

    def assert_serves_on(self):
        self.assertEqual(self.client.put("serves", b"v"), OK)
        self.assert_is("serves", b"v")

    def test_a_value_that_is_too_big_leaves_the_older(self):
        self.client.put("k", b"older")
        reply = self.assert_code(TOO_BIG, native.PUT, ["k"],
                                 value(MIB + 1))
        self.assertIn("limits.value", reply["why"])
        self.assert_is("k", b"older")
        self.assertEqual(self.watch["drained_bytes"], MIB + 1)

    def test_a_put_that_finds_no_budget_is_busy(self):
        self.serve(limits_put_wait=0, limits_value="8MiB", dram_size="64MiB",
                   limits_inflight="8MiB")
        self.client = self.native()
        self.client.put("k", b"older")
        other = self.connect()
        other.send(announce("other", 8 * MIB), b"x")
        self.watch.until("inflight_used", 8 * MIB)
        self.assertEqual(self.client.put("k", value(100)), BUSY)
        self.assert_is("k", b"older")
        self.assertEqual(self.watch["puts_busy"], 1)

    def test_what_is_not_known_is_skipped_whole(self):
        listed, body = native.key_list(["a", "b"]), value(100_000)
        head = native.encode(native.REQUEST, {"id": 7, "verb": 77, "count": 2})
        self.client.send_raw(native.frame(head, listed, body))
        reply = self.client.receive().reply
        self.assertEqual((reply["id"], reply["code"]), (7, UNSUPPORTED))
        self.client.send_raw(native.frame(head, listed, body, version=2))
        reply = self.client.receive().reply
        self.assertEqual((reply["id"], reply["code"]), (7, UNSUPPORTED))
        self.client.send_raw(native.frame(b"\xff" * 30, listed, body))
        self.assertEqual(self.client.receive().reply["code"], BAD_REQUEST)
        self.assert_serves_on()
        self.assertEqual(self.watch["native_errors"], 3)
        self.assertEqual(self.watch["drained_bytes"], 3 * len(body))

    def test_requests_that_can_not_be_are_answered_so(self):
        keys = ["a", "b"]
        for arguments, fields in (
                ((native.GET, []), {}), ((native.PUT, keys, b"v"), {}),
                ((native.PUT, [], b"v"), {}),
                ((native.GET, keys), {"count": 3}),
                ((native.GET, keys), {"count": 1}),
                ((native.GET, keys, b"body"), {}),
                ((native.HELLO, [], value(100_000)), {}),
                ((native.PUT, ["k" * 257], b"v"), {}),
                ((native.GET, keys), {"count": 8193})):
            reply = self.assert_code(BAD_REQUEST, *arguments, **fields)
            self.assertNotEqual(reply["why"], "")
        self.assert_serves_on()

    def test_a_key_over_the_limit_is_a_miss(self):
        self.assert_miss("k" * 257)
        self.assertEqual(self.client.exists(["k" * 257]), [MISS])
        self.assertEqual(self.client.drop(["k" * 257]), [MISS])
        self.assertEqual(self.client.put("k" * 256, b"v"), OK)
        self.assert_is("k" * 256, b"v")

    def test_a_list_over_the_limit_is_skipped(self):
        self.assertLess(self.client.hello()["list_max"], 64 << 10)
        keys = ["k" * 200] * 400
        reply = self.assert_code(BAD_REQUEST, native.EXISTS, keys)
        self.assertIn("limits.head", reply["why"])
        self.assert_code(BAD_REQUEST, native.PUT, keys, value(1000))
        self.assert_code(UNSUPPORTED, 77, keys, value(1000))
        self.assert_serves_on()
        self.assertEqual(self.client.exists(keys[:300]), [MISS] * 300)

    def test_a_frame_that_is_none_is_answered_once_and_closed(self):
        for bad in (b"*1\r\n$4\r\nPING\r\n" + bytes(20),
                    native.prefix(2000), native.prefix(0, 5 << 20),
                    native.prefix(0, 0, 1 << 41)):
            client = self.native()
            client.expect(OK, native.HELLO)
            client.send_raw(bad)
            reply = client.receive().reply
            self.assertEqual((reply["id"], reply["code"]), (0, BAD_REQUEST))
            client.expect_close()
        self.assertEqual(self.watch["closed_broken"], 4)

    def test_a_foreign_first_byte_is_told_of(self):
        foreign = self.connect()
        foreign.send(b"\xc6" + bytes(40))
        self.assertEqual(foreign.read_until_closed(), b"")
        self.assertEqual(self.watch["closed_foreign"], 1)
        self.assertIn("native wire", self.server.stderr())


class Connections(NativeTest):
    def test_a_client_cut_in_a_body_leaves_nothing(self):
        self.client.put("k", b"older")
        head = native.encode(native.REQUEST,
                             {"id": 1, "verb": native.PUT, "count": 1})
        start = (native.prefix(len(head), 3, 2 * MIB) + head +
                 native.key_list(["k"]))
        for sent in (0, 1, 100_000, 2 * MIB - 1):
            cut = self.native()
            cut.send_raw(start + value(sent))
            before = self.watch["puts_cut"]
            cut.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            until(lambda: self.watch["inflight_used"] > 0, "its budget")
            cut.close()
            self.watch.until("puts_cut", before + 1)
        self.watch.until_equal("inflight_used", 0)
        self.assert_is("k", b"older")

    def test_a_unix_socket_takes_it_too(self):
        path = os.path.join(os.environ.get("PREFIXCACHE_TMP", "/tmp"),
                            f"native.{os.getpid()}")
        self.serve(listen_unix=path)
        with NativeClient(path) as client:
            self.assertEqual(client.put("k", value(MIB)), OK)
            self.assertTrue(client.value("k") == value(MIB))

    def test_who_says_no_more_is_answered_still(self):
        self.client.put("k", value(3 * MIB))
        self.client.send(native.GET, ["k", "none"])
        self.client.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(self.client.receive().body == value(3 * MIB))
        self.assertEqual(self.client.receive().reply["code"], MISS)
        self.client.expect_close()

    def test_who_says_no_more_is_answered_though_the_end_came_at_once(self):
        room = 16 << 10  # what is received at one time: the end is seen next
        spelled = b""
        while len(spelled) < room - 200:
            spelled += self.client.spell(native.GET, ["none"])[1]
        shortest = len(self.client.spell(native.GET, ["k"])[1])
        left = room - len(spelled) - shortest
        spelled += self.client.spell(native.GET, ["k" * (left + 1)])[1]
        self.assertEqual(len(spelled), room)
        os.kill(self.server.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.server.pid, signal.SIGCONT)
        self.client.send_raw(spelled)
        self.client.socket.shutdown(socket.SHUT_WR)
        os.kill(self.server.pid, signal.SIGCONT)
        for id_ in (*range(1, self.client.last_id - 1), self.client.last_id):
            reply = self.client.receive().reply
            self.assertEqual((reply["id"], reply["code"]), (id_, MISS))
        self.client.expect_close()

    def test_replies_that_nobody_reads_hold_up_what_comes(self):
        self.client.put("k", value(8 * MIB))
        slow = self.native()
        for _ in range(20):
            slow.send(native.GET, ["k"])
        slow.send(native.PUT, ["late"], b"v")
        self.assert_is("k", value(8 * MIB))
        self.assert_miss("late")
        for _ in range(20):
            self.assertTrue(slow.receive().body == value(8 * MIB))
        self.assertEqual(slow.receive().reply["code"], OK)
        self.assert_is("late", b"v")

    def test_many_clients_at_once_keep_their_own(self):
        clients = [self.native() for _ in range(20)]
        for number, client in enumerate(clients):
            for index in range(30):
                client.send(native.PUT, [f"{number}-{index}"],
                            value(10_000, number + index), is_quiet=True)
            client.send(native.GET, [f"{number}-{index}"
                                     for index in range(30)])
        for number, client in enumerate(clients):
            for index in range(30):
                self.assertTrue(client.receive().body ==
                                value(10_000, number + index))


if __name__ == "__main__":
    unittest.main()
