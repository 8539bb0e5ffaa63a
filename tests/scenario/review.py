#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one client can cost the others: each of these once took memory, a core
or somebody else's connection, and takes no more."""
import os
import signal
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from lm_client import metadata  # noqa: E402
from raw_client import (LM_GET, LM_PUT, RawClient, announce,  # noqa: E402
                        encode, lm_head, raise_descriptors)
from server_test import MIB, SANITIZED, ServerTest  # noqa: E402
from watch import until  # noqa: E402

KIB = 1 << 10
SLOWER = 20 if SANITIZED else 1


def ask_lm(client, *request):
    return client.send(lm_head(*request)).lm_reply()


class ReviewTest(ServerTest):
    def serve(self, **options):
        return super().serve(**{"limits.workers": 1, **options})

    def cpu_of(self, act):
        """Seconds of the server's time that act() costs."""
        before = self.watch.cpu_seconds()
        act()
        return self.watch.cpu_seconds() - before


class Memory(ReviewTest):
    def test_metadata_set_with_get_gives_its_bytes_back(self):
        self.serve(lease_ms=0)
        client, body = self.connect(), os.urandom(MIB)
        half = metadata(len(body))
        client.command("SET", "akv_bytes", body)
        client.command("SET", "ametadata", half)
        self.assertEqual(client.command("SET", "ametadata", half, "GET"), half)
        self.assertEqual(client.command("FLUSHALL"), b"+OK")
        self.assertLess(self.watch["dram_used"], MIB)

    def test_a_section_of_info_is_said_once(self):
        self.serve()
        before = self.watch.resident()
        client = self.connect()
        said = client.command("INFO", *["all"] * 20_000, *["memory"] * 20_000)
        self.assertEqual(said.count(b"# Memory"), 1)
        self.assertEqual(client.command("INFO", "none"), b"")
        if not SANITIZED:
            self.assertLess(self.watch.resident() - before, 4 * MIB)

    def test_who_keeps_heads_behind_unread_replies_is_closed_first(self):
        self.serve(limits_head_memory="1MiB")
        raise_descriptors()
        client = self.connect()
        client.command("SET", "big", os.urandom(8 * MIB))
        for _ in range(100):
            hoarder = self.connect(window=4 * KIB)
            hoarder.send(encode("GET", "big") * 100)
        until(lambda: self.watch["get_hits"] >= 100, "100 gets")
        for _ in range(20):
            self.assertEqual(self.connect().command("PING"), b"+PONG")
        self.assertEqual(client.command("PING"), b"+PONG")

    def test_heads_of_one_worker_close_nobody_of_another(self):
        """Connections go to the two workers by turns."""
        self.serve(limits_workers=2, limits_head_memory="1MiB")
        raise_descriptors()
        keepers, others = [], []
        for _ in range(70):
            keepers.append(self.connect())
            others.append(self.connect())
            others[-1].command("PING")
        for keeper in keepers:
            keeper.send(encode("GET", b"x" * 1000)[:-10])
        until(lambda: self.watch["closed_limit"] >= 6, "all of it used")
        for other in others:
            self.assertEqual(other.command("PING"), b"+PONG")


class Truth(ReviewTest):
    def test_a_put_that_was_dropped_leaves_no_older_value(self):
        """No wire tells of it, so the value before would be wrong bytes."""
        self.serve(dram_size="16MiB", limits_inflight="1MiB",
                   limits_value="1MiB", limits_slow_body="200ms",
                   limits_put_wait="50ms", limits_body_timeout="1m")
        client = self.connect()
        for key in b"waited", b"slow", b"plain":
            client.send(lm_head(LM_PUT, key, 3), b"old")
        self.assertEqual(ask_lm(client, LM_GET, b"slow"), (200, b"old"))
        slow, resp = self.connect(), self.connect()
        slow.send(lm_head(LM_PUT, b"slow", MIB), bytes(1000))
        self.watch.until("inflight_used", MIB)
        client.send(lm_head(LM_PUT, b"waited", 4), b"newer"[:4])
        self.assertEqual(ask_lm(client, LM_GET, b"waited"), (400, b""))
        self.assertEqual(self.watch["puts_busy"], 1)
        self.watch.until("puts_slow", 1)
        self.assertEqual(ask_lm(client, LM_GET, b"slow"), (400, b""))
        # What is told to be too big has replaced nothing.
        said = resp.command("SET", "plain", bytes(2 * MIB))
        self.assertTrue(said.startswith(b"-ERR value"), said)
        self.assertEqual(resp.command("GET", "plain"), b"old")


class Time(ReviewTest):
    def test_a_long_head_in_small_pieces_is_not_parsed_at_each(self):
        self.serve()
        client, other = self.connect(), self.connect()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(b"*100001\r\n$6\r\nEXISTS\r\n", b"$1\r\na\r\n" * 90_000)
        rest = b"$1\r\na\r\n" * 200

        def drip():
            for at in range(0, len(rest), 2):
                client.send(rest[at:at + 2])
                other.command("PING")
        self.assertLess(self.cpu_of(drip), 0.2 * SLOWER)
        client.send(b"$1\r\na\r\n" * 9_800)
        self.assertEqual(client.reply(), b":0")

    def test_what_is_behind_a_value_may_be_long_too(self):
        self.serve()
        client = self.connect()
        words = encode(*["KEEPTTL"] * 2000).split(b"\r\n", 1)[1]
        client.send(b"*2003\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\n", b"hello\r\n")
        for at in range(0, len(words), 1000):
            client.send(words[at:at + 1000])
        self.assertEqual(client.reply(), b"+OK")
        self.assertEqual(client.command("GET", "k"), b"hello")

    def test_patterns_that_take_long_are_refused(self):
        self.serve()
        client = self.connect()
        pattern = b"*[" + b"b" * 60_000 + b"]!"
        for number in range(4):
            client.command("SET", b"a" * 4000 + b"%d" % number, "v")
        for command in ("SCAN", 0, "MATCH"), ("CONFIG", "GET"):
            said = client.command(*command, pattern)
            self.assertTrue(said.startswith(b"-ERR "), said[:80])
        said = client.command("CONFIG", "GET", *["*a"] * 1000)
        self.assertTrue(said.startswith(b"-ERR "), said[:80])
        self.assertIn(b"dram.size", client.command("CONFIG", "GET", "dram.*"))

    def test_a_scan_ends_early_and_still_finds_everything(self):
        self.serve()
        client = self.connect()
        names = {b"a" * 3990 + b"%05d" % n for n in range(300)}
        for name in names:
            client.command("SET", name, "v")
        for match in [], ["MATCH", b"*a" * 200 + b"*"]:
            found, cursor, longest = set(), b"0", 0
            while True:
                cursor, here = client.command("SCAN", cursor, "COUNT", 1000,
                                              *match)
                longest = max(longest, len(here))
                found |= set(here)
                if cursor == b"0":
                    break
            self.assertEqual(found, names)
            self.assertLess(longest, 30)

    def test_many_keys_are_counted_with_pauses(self):
        """Another client is answered while they are."""
        self.serve()
        client, other = self.connect(), self.connect()
        client.command("MSET", *[word for n in range(1000)
                                 for word in (b"k%d" % n, b"v")])
        keys = [b"k%d" % (n % 2000) for n in range(100_000)]
        wholes = [encode("EXISTS", *keys), encode("MGET", *keys)]
        replies = []
        for whole in wholes:
            thread = threading.Thread(target=client.send, args=[whole])
            thread.start()
            for _ in range(20):
                self.assertEqual(other.command("PING"), b"+PONG")
            replies.append(client.reply())
            thread.join()
        self.assertEqual(replies[0], b":50000")
        self.assertEqual(len(replies[1]), 100_000)
        self.assertEqual(replies[1].count(b"v"), 50_000)
        self.assertEqual(client.command("DEL", *keys[:1000]), b":1000")

    def test_a_flush_of_very_many_is_whole(self):
        self.serve()
        client = self.connect()
        for space in 0, 1:
            client.command("SELECT", space)
            for first in range(0, 5000, 1000):
                client.command("MSET", *[word for n in range(1000)
                                         for word in (b"%d" % (first + n),
                                                      b"v")])
        client.send(encode("FLUSHDB"), encode("DBSIZE"), encode("SELECT", 0),
                    encode("DBSIZE"), encode("FLUSHALL"), encode("DBSIZE"))
        self.assertEqual([client.reply() for _ in range(6)],
                         [b"+OK", b":0", b"+OK", b":5000", b"+OK", b":0"])


class Reload(ReviewTest):
    def test_a_new_limit_of_the_drain_holds(self):
        """A body that does not end is waited for no longer than that."""
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        config = os.path.join(directory.name, "config.yaml")

        def write(drain):
            with open(config, "w") as file:
                file.write(f"limits:\n  drain: {drain}\n")
        write("1h")
        server = ConfiguredServer(config)
        server.start()
        self.addCleanup(server.kill)
        with RawClient(server) as client:
            client.send(announce("half", MIB), bytes(1000))
            write("100ms")
            os.kill(server.pid, signal.SIGHUP)
            until(lambda: "configuration reloaded" in server.stderr(),
                  "the reload")
            server.stop()


if __name__ == "__main__":
    unittest.main()
