#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that send too much, too little, too slowly or something else: each
has one clear outcome, and everybody else is served meanwhile."""
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from raw_client import (LM_EXIST, LM_GET, LM_PUT, RawClient,  # noqa: E402
                        announce, encode, lm_head)
from server_test import MIB, ServerTest  # noqa: E402
from watch import until  # noqa: E402

HUGE = (b"9223372036854775808", b"18446744073709551616", b"9" * 40)


class Heads(ServerTest):
    def test_a_thousand_connections_that_send_one_byte_are_closed(self):
        self.serve(limits_header_timeout="1s")
        before = self.watch.resident()
        clients = self.connect_many(1000)
        for number, client in enumerate(clients):
            client.send(b"*" if number % 2 else b"\x01")
        self.assert_serves()
        self.watch.until("closed_header_timeout", 1000)
        self.assert_grew_at_most(before, 32 * MIB)
        for client in clients:
            self.assertEqual(client.read_until_closed(), b"")
        self.assertLessEqual(self.watch["head_memory_used"], 32 << 10)
        self.assert_serves()

    def test_a_head_that_dribbles_in_is_closed_all_the_same(self):
        self.serve(limits_header_timeout="500ms")
        client = self.connect()

        def is_closed():
            try:
                client.send(b"k")
            except ConnectionError:
                return True
            return False
        client.send(b"*2\r\n$3\r\nGET\r\n$4096\r\n")
        until(is_closed, "closed")
        self.assertEqual(self.watch["closed_header_timeout"], 1)

    def test_a_thousand_connections_that_announce_huge_arrays(self):
        """FAULTS S2."""
        self.serve(limits_header_timeout="2s", limits_head_memory="8MiB")
        before, bystander = self.watch.resident(), self.connect()
        self.assert_serves(bystander)
        clients = self.connect_many(1000)
        for client in clients:
            client.send(b"*1048576\r\n$6\r\nEXISTS\r\n$4096\r\n",
                        b"x" * 4095)
            self.assert_serves(bystander)
        self.watch.until("closed_limit", 1000 - 512)
        self.assert_grew_at_most(before, 64 * MIB)
        self.watch.until_equal("connected_clients", 2)
        self.assert_serves(bystander)

    def test_a_head_grows_within_the_memory_of_all_heads(self):
        self.serve(limits_head_memory="1MiB", limits_head="1MiB")
        clients = self.connect_many(8)
        for client in clients:
            try:
                client.send(b"*1000\r\n$6\r\nEXISTS\r\n",
                            encode(b"k" * 4000)[4:] * 100)
            except ConnectionError:
                pass
        self.watch.until("closed_limit", 6)
        self.assert_serves()

    def test_replies_that_nobody_takes_make_room_for_others(self):
        self.serve(limits_head_memory="1MiB")
        bystander = self.connect()
        for number, client in enumerate(self.connect_many(100, window=4096)):
            client.socket.setblocking(False)
            try:
                while True:
                    client.socket.send(encode("ECHO", b"e" * 8000) * 8)
            except (BlockingIOError, ConnectionError):
                pass
            self.assert_serves(bystander)
        self.assertGreater(self.watch["closed_limit"], 0)

    def test_a_head_over_its_limit_is_an_error(self):
        self.serve(limits_head="16KiB")
        client = self.connect()
        client.send(encode("EXISTS", *[b"k" * 4000] * 5))
        self.assertIn(b"limits.head", client.read_line())
        self.assertEqual(client.read_until_closed(), b"")
        self.assertEqual(self.watch["closed_broken"], 1)

    def test_lengths_that_are_none_lose_the_framing(self):
        self.serve()
        wrong = HUGE + (b"-1", b"-9223372036854775808", b"abc", b"", b"1x")
        for count, length in enumerate(wrong, 1):
            for head in (b"*2\r\n$3\r\nGET\r\n$%b\r\n",
                         b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%b\r\n"):
                client = self.connect()
                client.send(head % length)
                self.assertRegex(client.read_line(), b"^-ERR Protocol error",
                                 (head, length))
                self.assertEqual(client.read_until_closed(), b"")
            self.watch.until_equal("closed_broken", 2 * count)
        self.assert_serves()

    def test_counts_that_are_none_lose_the_framing(self):
        self.serve()
        wrong = HUGE + (b"abc", b"1x", b"2147483648")
        for length in wrong:
            client = self.connect()
            client.send(b"*%b\r\n" % length)
            self.assertRegex(client.read_line(), b"^-ERR Protocol error",
                             length)
            self.assertEqual(client.read_until_closed(), b"")
        self.watch.until_equal("closed_broken", len(wrong))
        self.assert_serves()

    def test_lm_lengths_below_zero_close(self):
        self.serve()
        for length in -1, -(1 << 31):
            client = self.connect()
            client.send(lm_head(LM_PUT, "k", length))
            self.assertEqual(client.read_until_closed(), b"")
        self.watch.until_equal("closed_broken", 2)
        self.assert_serves()


class Keys(ServerTest):
    def test_a_key_of_one_byte_too_many_is_an_error(self):
        self.serve()
        client = self.connect()
        long, longest = b"k" * 4097, b"k" * 4096
        for command in ("SET", long, "value"), ("SETEX", long, 10, "value"), \
                ("SETNX", long, "value"), ("MSET", long, "value"):
            self.assertRegex(client.command(*command), b"^-ERR .*key", command)
        for verb in "GET", "EXISTS", "DEL", "STRLEN", "TTL":
            self.assertNotEqual(client.command(verb, long), b":1", verb)
        self.assertEqual(client.command("DBSIZE"), b":0")
        self.assertEqual(client.command("SET", longest, "value"), b"+OK")
        self.assertEqual(client.command("GET", longest), b"value")
        self.assertEqual(client.command("EXISTS", longest), b":1")

    def test_a_shorter_limit_holds_over_lm_too(self):
        self.serve(limits_key=64)
        client = self.connect()
        client.send(lm_head(LM_PUT, "k" * 65, 5), b"value")
        client.send(lm_head(LM_EXIST, "k" * 65))
        self.assertEqual(client.lm_reply(), (400, b""))
        client.send(lm_head(LM_PUT, "k" * 64, 5), b"value")
        client.send(lm_head(LM_GET, "k" * 64))
        self.assertEqual(client.lm_reply(), (200, b"value"))

    def test_any_bytes_are_a_key(self):
        """FAULTS S5."""
        self.serve()
        keys = [b"../../etc/passwd", b"/", b"a\0b", b"\0", b"a\nb\r\n", b" ",
                b"\xff\xfe\xc3(", b"%s%n", b"$(reboot)", b"k" * 4096,
                bytes(range(256))]
        client, lm = self.connect(), self.connect()
        for key in keys:
            self.assertEqual(client.command("SET", key, b"<" + key), b"+OK")
        for key in keys:
            self.assertEqual(client.command("EXISTS", key), b":1")
            self.assertEqual(client.command("GET", key), b"<" + key)
        listed = client.command("SCAN", 0, "COUNT", 1000)
        self.assertEqual((listed[0], sorted(listed[1])), (b"0", sorted(keys)))
        for key in keys:
            self.assertEqual(client.command("DEL", key), b":1")
            self.assertIsNone(client.command("GET", key))
            if len(key) <= 150 and not key.endswith(b" "):
                lm.send(lm_head(LM_PUT, key, len(key)), key)
                lm.send(lm_head(LM_GET, key))
                self.assertEqual(lm.lm_reply(), (200, key))
                self.assertEqual(client.command("GET", key), key)


class Values(ServerTest):
    def test_a_value_of_one_byte_too_many_is_drained(self):
        self.serve(limits_value="1MiB")
        client, lm = self.connect(), self.connect()
        for size in MIB + 1, 3 * MIB:
            before = self.watch["drained_bytes"]
            client.send(announce("k", size), bytes(size), b"\r\n")
            self.assertRegex(client.reply(), b"^-ERR .*limits.value")
            self.assert_serves(client)
            self.assertIsNone(client.command("GET", "k"))
            lm.send(lm_head(LM_PUT, "k", size), bytes(size),
                    lm_head(LM_EXIST, "k"))
            self.assertEqual(lm.lm_reply(), (400, b""))
            self.assertEqual(self.watch["drained_bytes"] - before, 2 * size)
        self.assertEqual(self.watch["puts_too_big"], 4)
        self.assertEqual(client.command("SET", "k", bytes(MIB)), b"+OK")
        self.assertEqual(client.command("STRLEN", "k"), b":%d" % MIB)
        lm.send(lm_head(LM_PUT, "l", MIB), bytes(MIB), lm_head(LM_EXIST, "l"))
        self.assertEqual(lm.lm_reply(), (200, b""))

    def test_a_value_over_half_the_pool_is_refused(self):
        self.serve(dram_size="16MiB")
        client = self.connect()
        size = 8 * MIB
        self.assertRegex(client.command("SET", "k", bytes(size + 1)), b"^-ERR")
        self.assertEqual(client.command("SET", "k", bytes(size)), b"+OK")
        self.assertEqual(client.command("STRLEN", "k"), b":%d" % size)
        self.assertEqual(self.watch["puts_too_big"], 1)


class Turns(ServerTest):
    def flood(self, client, request):
        """Sends without end and takes all replies."""
        client.socket.settimeout(None)

        def drain():
            try:
                while client.socket.recv(1 << 20):
                    pass
            except OSError:
                pass

        def push():
            try:
                while True:
                    client.socket.sendall(request)
            except OSError:
                pass
        for act in drain, push:
            threading.Thread(target=act, daemon=True).start()

    def test_a_flood_of_small_requests_starves_nobody(self):
        """Each takes long enough that the next are always there already."""
        self.serve(limits_workers=1)
        flooding, client = self.connect(), self.connect()
        for first in range(0, 10_000, 1000):
            pairs = [b"%d" % n for n in range(first, first + 1000)
                     for _ in range(2)]
            self.assertEqual(client.command("MSET", *pairs), b"+OK")
        self.flood(flooding, encode("SCAN", 0, "MATCH", "x", "COUNT", 10_000)
                   * 10_000)
        self.watch.until("resp_other", 100)
        before = self.watch["resp_other"]
        for _ in range(10):
            self.assert_serves(client)
        # Starved, it would be served behind all 10,000.
        self.assertLess(self.watch["resp_other"] - before, 8000)
        flooding.socket.shutdown(socket.SHUT_RDWR)


class Foreign(ServerTest):
    def test_other_protocols_are_closed_and_logged_once(self):
        """FAULTS S4."""
        self.serve()
        hellos = [b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"POST / HTTP/1.1\r\n\r\n",
                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                  b"SSH-2.0-OpenSSH_9\r\n", b"\0", b"\xff" * 4096]
        for hello in hellos:
            self.assertEqual(
                self.connect().send(hello).read_until_closed(), b"")
        self.watch.until_equal("closed_foreign", len(hellos))
        log = self.server.stderr()
        self.assertEqual(log.count("foreign bytes on the data port"), 1, log)
        self.assert_serves()


class Bodies(ServerTest):
    def half_put(self, size=MIB, sent=None):
        client = self.connect()
        client.send(announce("half", size),
                    bytes(size // 2 if sent is None else sent))
        return client

    def assert_gave_back(self):
        self.watch.until_equal("inflight_used", 0)
        self.watch.until_equal("dram_used", 0)
        self.assertIsNone(self.connect().command("GET", "half"))

    def test_a_client_that_stops_in_a_body_is_closed(self):
        self.serve(limits_body_timeout="300ms")
        client = self.half_put()
        self.assertEqual(client.read_until_closed(), b"")
        self.assertEqual(self.watch["closed_body_timeout"], 1)
        self.assertEqual(self.watch["puts_cut"], 1)
        self.assert_gave_back()

    def test_a_client_that_goes_in_a_body_leaves_nothing(self):
        self.serve()
        for count, leave in enumerate((RawClient.close, RawClient.reset), 1):
            client = self.half_put()
            self.watch.until("inflight_used", MIB)
            leave(client)
            self.watch.until("puts_cut", count)
            self.assert_gave_back()
        self.assertEqual(self.watch["connections_closed"], 2)

    def test_a_slow_body_gives_its_memory_back(self):
        self.serve(limits_slow_body="200ms")
        client, size = self.half_put(8 * MIB, MIB // 2), 8 * MIB
        self.watch.until("puts_slow", 1)
        self.assert_gave_back()
        client.send(bytes(size - MIB // 2), b"\r\n")
        self.assertEqual(client.reply(), b"+OK")
        self.assert_serves(client)
        self.assertIsNone(client.command("GET", "half"))
        lm = self.connect()
        lm.send(lm_head(LM_PUT, "half", size))
        self.watch.until("puts_slow", 2)
        lm.send(bytes(size), lm_head(LM_EXIST, "half"))
        self.assertEqual(lm.lm_reply(), (400, b""))

    def test_a_put_without_budget_is_dropped_with_an_ok(self):
        self.serve(limits_inflight="1MiB", limits_value="1MiB",
                   limits_put_wait="300ms")
        holder, client = self.half_put(), self.connect()
        self.watch.until("inflight_used", MIB)
        start = time.monotonic()
        self.assertEqual(client.command("SET", "late", bytes(MIB)), b"+OK")
        waited = time.monotonic() - start
        self.assertGreater(waited, 0.25)
        self.assertLess(waited, 5)
        self.assertEqual(self.watch["puts_busy"], 1)
        self.assertIsNone(client.command("GET", "late"))
        lm = self.connect()
        lm.send(lm_head(LM_PUT, "late", MIB), bytes(MIB),
                lm_head(LM_EXIST, "late"))
        self.assertEqual(lm.lm_reply(), (400, b""))
        self.assertEqual(self.watch["puts_busy"], 2)
        holder.send(bytes(MIB // 2), b"\r\n")
        self.assertEqual(holder.reply(), b"+OK")
        self.assertEqual(client.command("SET", "late", bytes(MIB)), b"+OK")
        self.assertEqual(client.command("STRLEN", "late"), b":%d" % MIB)

    def test_a_put_that_waits_goes_on_when_there_is_budget(self):
        self.serve(limits_inflight="1MiB", limits_value="1MiB",
                   limits_put_wait="10s")
        holder = self.half_put()
        self.watch.until("inflight_used", MIB)
        waiting = self.connect_many(5)
        for number, client in enumerate(waiting):
            client.send(encode("SET", f"waiting{number}", bytes(MIB)))
        waiting.pop(2).reset()
        holder.send(bytes(MIB // 2), b"\r\n")
        self.assertEqual(holder.reply(), b"+OK")
        for client in waiting:
            self.assertEqual(client.reply(), b"+OK")
        self.assertEqual(self.watch["puts_busy"], 0)
        self.watch.until_equal("inflight_used", 0)
        for number in 0, 1, 3, 4:
            self.assertEqual(holder.command("EXISTS", f"waiting{number}"),
                             b":1")

    def test_announced_bytes_empty_nothing(self):
        """200 connections that announce 64 MiB and send 1 KiB."""
        self.serve(dram_size="256MiB", lease_ms=0)
        client, number = self.connect(), 300
        for index in range(number):
            value = b"%08d" % index * (MIB // 8)
            self.assertEqual(client.command("SET", f"v{index}", value), b"+OK")
        clients = self.connect_many(200)
        for index, liar in enumerate(clients):
            head = (announce(f"lie{index}", 64 * MIB) if index % 2 else
                    lm_head(LM_PUT, f"lie{index}", 64 * MIB))
            liar.send(head, bytes(1024))
        self.watch.until("puts_busy", 200 - 256 // 2 // 64)
        readable = 0
        for index in range(number):
            value = client.command("GET", f"v{index}")
            if value is not None:
                self.assertEqual(value, b"%08d" % index * (MIB // 8))
                readable += MIB
        self.assertGreaterEqual(readable, 0.9 * 256 * MIB)


if __name__ == "__main__":
    unittest.main()
