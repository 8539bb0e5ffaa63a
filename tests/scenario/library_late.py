#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libprefixcache and servers that are late, silent, slow, refuse connections or are
nowhere; and what it makes of several that say different things of a prompt."""
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as wire  # noqa: E402
from library_client import LibraryClient  # noqa: E402
from library_test import (GET_MS, GRACE_US, TERMS, LibraryTest,  # noqa: E402
                          value)
from native_server import NativeServer  # noqa: E402


class Times(LibraryTest):
    """Answers that are late, or never come."""

    def test_a_late_body_is_skipped_and_the_connection_goes_on(self):
        go_on = threading.Event()

        class Halting(NativeServer):
            def get_one(self, peer, request, index, key):
                if key != b"slow":
                    super().get_one(peer, request, index, key)
                    return
                spelled = peer.spell(request, body=b"x" * 400_000)
                peer.send(spelled[:200_000])
                go_on.wait(60)
                peer.send(spelled[200_000:])
        client = self.start(Halting)
        got = client.get("slow", 1, 400_000)
        self.assert_missed(got)
        self.assertGreaterEqual(got.us, GET_MS * 1000)
        go_on.set()
        self.assert_serves(client)
        self.assert_connections(1)
        self.assertEqual(client.shard().late, 1)

    def test_an_answer_to_what_is_over_is_not_taken_for_the_next(self):
        class Late(NativeServer):
            def get_one(self, peer, request, index, key):
                if key == b"slow":
                    peer.held.append((request, index))
                    return
                for old, place in peer.held:
                    peer.reply(old, index=place, body=b"x" * 3000)
                super().get_one(peer, request, index, key)
        client = self.start(Late)
        self.assert_missed(client.get("slow", 1, 3000))
        self.assert_serves(client)
        self.assert_connections(1)

    def test_a_silent_server_is_asked_no_more_until_it_speaks(self):
        speak = threading.Event()

        class Silent(NativeServer):
            def perform(self, peer, request):
                if speak.is_set() or (request.head["verb"] == wire.HELLO and
                                      self.seen == []):
                    super().perform(peer, request)
        client = self.start(Silent, failures=3)
        for _ in range(3):
            self.assert_missed(client.get("a", 1, 3000))
        client.until(lambda shards: shards[0].is_open)
        started = time.monotonic()
        for _ in range(200):
            self.assertEqual(client.get("a", 1, 3000).status, "MISS")
        self.assertEqual(client.exists("a"), ["GONE"])
        # Not one of them has waited.
        self.assertLess(time.monotonic() - started, 200 * GET_MS / 1000)
        self.assertEqual(self.server.seen, [wire.HELLO])
        speak.set()
        self.assert_serves(client)
        self.assertFalse(client.shard().is_open)

    def test_a_server_that_sends_a_byte_now_and_then_is_given_up(self):
        class Dripping(NativeServer):
            def get_one(self, peer, request, index, key):
                if key == b"sane":
                    super().get_one(peer, request, index, key)
                    return
                spelled = peer.spell(request, body=b"x" * 4000)
                for at in range(len(spelled)):
                    peer.send(spelled[at:at + 1])
                    time.sleep(0.02)  # what it is slow by
        client = self.start(Dripping)
        for _ in range(3):
            self.assert_missed(client.get("a", 1, 4000))
        client.until(lambda shards: self.server.seen.count(wire.HELLO) == 2)
        self.assert_serves(client)

    def test_a_server_that_greets_and_says_no_more_is_asked_seldom(self):
        class Greeting(NativeServer):
            def get(self, peer, request):
                pass
        client = self.start(Greeting, get_ms=20, failures=1, retry_ms=500)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            client.get("a", 1, 100)
        self.assertLess(self.server.seen.count(wire.HELLO), 30)
        self.assertGreater(self.server.seen.count(wire.HELLO), 4)

    def test_a_server_that_never_greets_costs_misses(self):
        class Rude(NativeServer):
            def hello(self, peer, request):
                pass
        server = self.serve(Rude)
        client = self.connect(server)
        self.assert_missed(client.get("a", 1, 3000))
        client.until(lambda shards: shards[0].is_open)
        self.assertEqual(client.put("a", 1, 3000), "GONE")
        self.assertFalse(client.shard().is_up)

    def test_a_put_nobody_reads_is_late_and_its_memory_free(self):
        class Deaf(NativeServer):
            def refuse(self, peer, request, size):
                if size > 1_000_000:
                    threading.Event().wait(5)
                return False
        client = self.start(Deaf)
        self.assertEqual(client.put("a", 1, 60_000_000), "LATE")
        self.assert_serves(client)
        self.assertFalse(b"a" in self.server.values, "the rest was sent later")

    def test_puts_behind_are_bounded(self):
        speak = threading.Event()

        class Slow(NativeServer):
            def put(self, peer, request):
                speak.wait(60)
                super().put(peer, request)
        client = self.start(Slow, queue_bytes=1_000_000, put_ms=60000)
        said = [client.put_behind(f"k{i}", i, 300_000) for i in range(5)]
        self.assertEqual(said, ["OK"] * 3 + ["BUSY"] * 2)
        self.assertEqual(client.put_behind("k9", 9, 1_000_001), "BUSY")
        speak.set()
        self.server.await_seen(wire.PUT, 3)
        deadline = time.monotonic() + 30
        while client.put_behind("k5", 5, 900_000) != "OK":
            self.assertLess(time.monotonic(), deadline)
        self.server.await_seen(wire.PUT, 4)
        self.assertEqual(client.get("k2", 2, 300_000).status, "OK")

    def test_closing_waits_no_longer_than_the_deadline(self):
        class Silent(NativeServer):
            def put(self, peer, request):
                pass
        client = self.start(Silent)
        client.put_behind("a", 1, 3000)
        self.server.await_seen(wire.PUT, 1)
        took_us = client.close()
        self.assertGreater(took_us, 100_000)
        self.assertLess(took_us, TERMS["put_ms"] * 1000 + GRACE_US)

    def test_one_shard_that_hangs_holds_up_no_other(self):
        class Silent(NativeServer):
            def perform(self, peer, request):
                if request.head["verb"] == wire.HELLO:
                    super().perform(peer, request)
        sane, silent = self.serve(), self.serve(Silent)
        client = self.connect(sane, silent, get_ms=5000, failures=1000)
        client.until_up()
        keys = [f"k{i}" for i in range(200)]
        of_sane = [key for key in keys if client.ask("shard", key) == "0"]
        of_silent = [key for key in keys if key not in of_sane]
        self.assertTrue(of_sane and of_silent)
        for key in of_sane:
            sane.values[key.encode()] = value(3, 100)
        waiting = self.connect(sane, silent, get_ms=5000, failures=1000)
        waiting.until_up()
        waiting.send("load", 4, 1000, 100, 1000)
        for key in of_sane:
            self.assertEqual(client.get(key, 3, 100).status, "OK")
        waiting.receive()


class Places(LibraryTest):
    def test_a_connection_that_is_refused_is_gone_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        client = LibraryClient(f"prefixcache://127.0.0.1:{port}"
                               "?get_ms=60000&put_ms=60000&lookup_ms=60000")
        self.addCleanup(client.close)
        started = time.monotonic()
        self.assertEqual(client.get("a", 1, 10).status, "MISS")
        self.assertEqual(client.put("a", 1, 10), "GONE")
        self.assertEqual(client.exists("a"), ["GONE"])
        self.assertEqual(client.prefix("a")[0], "GONE")
        self.assertEqual(client.ask("stats", 0), "GONE 0")
        self.assertLess(time.monotonic() - started, 30)
        self.assertGreaterEqual(client.shard().gone, 3)

    def test_a_name_that_is_none_costs_misses(self):
        client = LibraryClient("prefixcache://nowhere.invalid:7654"
                               "?get_ms=2000&connect_ms=500")
        self.addCleanup(client.close)
        got = client.get("a", 1, 10)
        self.assert_missed(got)
        self.assert_in_time(got, 2000)

    def test_a_name_is_looked_up(self):
        server = self.serve()
        server.values[b"a"] = value(1, 100)
        client = LibraryClient(f"prefixcache://localhost:{server.port}")
        self.addCleanup(client.close)
        client.until_up()
        self.assertEqual(client.get("a", 1, 100).status, "OK")

    def test_a_prompt_over_several_shards_ends_where_a_key_is_missing(self):
        servers = [self.serve() for _ in range(3)]
        client = self.connect(*servers)
        client.until_up()
        keys = [f"chunk-{i}" for i in range(60)]
        for key in keys:
            if key != "chunk-40":
                server = servers[int(client.ask("shard", key))]
                server.values[key.encode()] = bytes(1000)
        self.assertTrue(all(server.values for server in servers))
        status, matched, size, *tiers = client.prefix(*keys)
        self.assertEqual((status, matched, size), ("OK", "40", "40000"))
        self.assertEqual(tiers[0], "dram=40/40/40000")
        self.assertEqual(client.prefix(*keys, ranks=3)[1:3], ["13", "39000"])
        self.assertEqual(client.prefix(*keys[:40])[1], "40")
        self.assertEqual(client.prefix("chunk-40", *keys)[1], "0")
        self.assertEqual(client.prefix(*keys, ranks=7)[0], "BAD_REQUEST")

    def serve_states(self, tiers, state):
        """All keys are in `state` of these tiers."""
        class Stating(NativeServer):
            def prefix(self, peer, request):
                count = len(request.keys)
                peer.reply(request, listed=bytes([state]) * count,
                           matched=count, bytes=count * 10, load_us=count,
                           lease_ms=request.head["lease_ms"],
                           tiers=[{"name": name} for name in tiers])
        return self.serve(Stating)

    def test_the_tiers_of_all_shards_are_said_together(self):
        leased = wire.STATE_LEASED
        client = self.connect(
            self.serve_states(["dram", "spill"], 2 | leased),
            self.serve_states(["dram", "nvme"], 3 | leased))
        client.until_up()
        keys = [f"chunk-{i}" for i in range(40)]
        places = [int(client.ask("shard", key)) for key in keys]
        fast, first = places.count(1), places.index(0)
        self.assertEqual(client.prefix(*keys, lease=100), [
            "OK", "40", "400", f"dram={fast}/{first}/{10 * fast}",
            f"nvme={fast}/{first}/{10 * fast}", "spill=40/40/400", "lease=100"])

    def test_a_key_that_was_refused_its_lease_ends_the_match(self):
        client = self.connect(
            self.serve_states(["dram"], 1 | wire.STATE_LEASED),
            self.serve_states(["dram"], 1))
        client.until_up()
        keys = [f"chunk-{i}" for i in range(40)]
        places = [int(client.ask("shard", key)) for key in keys]
        self.assertEqual(client.prefix(*keys, lease=100)[1],
                         str(places.index(1)))
        self.assertEqual(client.prefix(*keys)[1], "40")

    def test_what_can_not_be_is_refused_before_anything_is_sent(self):
        client = self.start(NativeServer)
        self.assertEqual(
            client.ask("misuse"),
            "-1/BAD_REQUEST/BAD_REQUEST -1 -1 -1 -1 -1 0 0 0 6 6 -6")
        self.assertEqual(self.server.seen, [wire.HELLO])
        self.assertEqual(client.batch("submit-gets", "k", 0, 1, 1)[0], 0)

    def test_a_prompt_stops_at_the_keys_of_a_dead_shard(self):
        servers = [self.serve() for _ in range(2)]
        client = self.connect(*servers)
        client.until_up()
        keys = [f"chunk-{i}" for i in range(30)]
        places = [int(client.ask("shard", key)) for key in keys]
        for key, place in zip(keys, places):
            servers[place].values[key.encode()] = bytes(10)
        self.assertEqual(client.prefix(*keys)[1], "30")
        servers[1].close()
        client.until(lambda shards: not shards[1].is_up)
        status, matched, *_ = client.prefix(*keys)
        self.assertEqual((status, int(matched)), ("OK", places.index(1)))

if __name__ == "__main__":
    unittest.main()
