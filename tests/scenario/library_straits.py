#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libprefixcache in straits: thousands of calls that wait for one connection, a
connection that is slow or silent beside others that are not, no descriptors, many
small puts, and a process that forks.  One of these costs what it has to, and
nothing else."""
import os
import random
import resource
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as wire  # noqa: E402
from library_client import LibraryClient, is_sanitized  # noqa: E402
from library_test import GRACE_US, LibraryTest  # noqa: E402
from native_server import NativeServer  # noqa: E402

LIST_MAX = 4 << 20


class Crowds(LibraryTest):
    def connect_to_nowhere(self, **terms):
        """To a shard that neither takes a connection nor refuses it."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            held = socket.socket()
            self.addCleanup(held.close)
            held.setblocking(False)
            held.connect_ex(listener.getsockname())
        terms = "&".join(f"{name}={number}" for name, number in terms.items())
        client = LibraryClient("prefixcache://127.0.0.1:"
                               f"{listener.getsockname()[1]}?{terms}")
        self.addCleanup(client.close)
        return client

    def test_a_crowd_that_waits_for_a_connection_is_late_in_time(self):
        count = 4000 if is_sanitized() else 40000
        client = self.connect_to_nowhere(connect_ms=20000, put_ms=500,
                                         connections=1)
        ok_count, took_us, _ = self.batch(client, count)
        self.assertEqual(ok_count, 0)
        self.assertLess(took_us, 500_000 + GRACE_US)
        self.assertEqual(client.shard().late, count)

    @staticmethod
    def batch(client, count):
        return client.batch("puts", "k", count, 1, 1)

    def test_small_puts_behind_are_bounded_too(self):
        client = self.connect_to_nowhere(connect_ms=20000, put_ms=1000,
                                         queue_bytes=100_000)
        said = [client.put_behind(f"k{i}", 1, 0) for i in range(1000)]
        self.assertEqual(said[0], "OK")
        self.assertEqual(said[-1], "BUSY")

    def test_a_put_behind_that_was_not_taken_is_not_lost(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        client = LibraryClient(f"prefixcache://127.0.0.1:{port}?failures=1")
        self.addCleanup(client.close)
        client.until(lambda shards: shards[0].is_open)
        self.assertEqual(client.put_behind("a", 1, 100), "GONE")
        self.assertEqual(client.shard().lost, 0)


class Connections(LibraryTest):
    def test_a_body_that_is_slow_but_comes_is_a_sign_of_life(self):
        piece = b"x" * 100_000

        class Slow(NativeServer):
            def get(self, peer, request):
                if request.keys == [b"sane"]:
                    super().get(peer, request)
                    return
                if request.keys[0] != b"k0":
                    return
                spelled = peer.spell(request, body=piece * 20)
                for at in range(0, len(spelled), len(piece)):
                    peer.send(spelled[at:at + len(piece)])
                    time.sleep(0.04)  # what it is slow by
        # Three requests on the one connection, all of them late.
        client = self.start(Slow, failures=3)
        self.assertEqual(client.batch("gets", "k", 40, 1, 2_000_000)[0], 0)
        self.assertEqual(client.shard().late, 40)
        self.assert_serves(client)
        self.assert_connections(1)

    def test_a_silent_connection_beside_a_good_one_is_given_up_alone(self):
        asked = set()

        class Half(NativeServer):
            def get(self, peer, request):
                if request.keys[0].startswith(b"k") and peer is self.peers[0]:
                    return
                asked.add(peer)
                super().get(peer, request)
        client = self.start(Half, connections=2, failures=2)
        deadline = time.monotonic() + 30
        while len(asked) < 2:
            self.assertLess(time.monotonic(), deadline)
            client.batch("gets", "both", 8, 1, 100)
        client.batch("gets", "k", 60, 1, 100)
        self.server.await_seen(wire.HELLO, 3)
        self.assert_serves(client)
        self.assert_connections(3)

    def test_a_list_of_the_largest_size_is_taken(self):
        class Talking(NativeServer):
            def stats(self, peer, request):
                spelled = peer.spell(request, listed=b"x" * LIST_MAX)
                peer.send(spelled[:-10])
                time.sleep(0.1)  # so that it is read in two pieces
                peer.send(spelled[-10:])
        client = self.start(Talking, get_ms=20000)
        self.assertEqual(client.ask("stats", 0), f"OK {LIST_MAX}")
        self.assert_serves(client)
        self.assert_connections(1)

    def test_no_descriptors_cost_misses(self):
        client = self.start(NativeServer)
        pid = client.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        self.server.peers[0].close()
        client.until(lambda shards: shards[0].is_open)
        self.assert_missed(client.get("a", 1, 100))
        self.assertEqual(client.put("a", 1, 100), "GONE")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.assert_serves(client)


class Children(LibraryTest):
    """A child has what its parent had open, until it ends."""

    def fork(self, client):
        child = int(client.ask("fork"))
        self.addCleanup(os.kill, child, signal.SIGKILL)

    def cpu_seconds(self, client):
        with open(f"/proc/{client.process.pid}/stat", encoding="ascii") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def test_a_connection_that_was_given_up_is_over_though_a_child_has_it(self):
        ended = threading.Event()

        class Silent(NativeServer):
            def get(self, peer, request):
                if request.keys == [b"sane"]:
                    super().get(peer, request)
                elif not peer.socket.recv(1):
                    ended.set()
        client = self.start(Silent, failures=1)
        self.fork(client)
        self.assert_missed(client.get("a", 1, 100))
        self.assertTrue(ended.wait(30))
        self.assert_serves(client)

    def test_a_connection_that_a_child_still_has_wakes_nobody(self):
        client = self.start(NativeServer)
        self.fork(client)
        self.server.peers[0].close()
        self.assert_serves(client)
        before = self.cpu_seconds(client)
        time.sleep(1)  # what it is measured over
        self.assertLess(self.cpu_seconds(client) - before, 0.5)


class Mad(NativeServer):
    """Answers late, out of order, in halves or not at all, and closes connections,
    but never says what is not so; until it is calm."""
    is_calm = False
    dice = random.Random(3)

    def pause(self):
        time.sleep(self.dice.random() * 0.08)  # what it is slow by

    def perform(self, peer, request):
        chance = 1 if self.is_calm else self.dice.random()
        if chance < 0.01:
            peer.close()
        elif chance < 0.02:
            pass
        elif chance < 0.07:
            peer.held.append(request)
        else:
            if chance < 0.1:
                self.pause()
            held, peer.held = peer.held, []
            self.dice.shuffle(held)
            for one in [request] + held:
                super().perform(peer, one)

    def get_one(self, peer, request, index, key):
        if self.is_calm or key not in self.values or self.dice.random() > 0.02:
            super().get_one(peer, request, index, key)
            return
        spelled = peer.spell(request, index=index, kind=wire.PLAIN,
                             body=self.values[key])
        cut = self.dice.randrange(1, len(spelled))
        peer.send(spelled[:cut])
        self.pause()
        peer.send(spelled[cut:])

    def refuse(self, peer, request, size):
        chance = 1 if self.is_calm else self.dice.random()
        if chance < 0.03:
            self.pause()
        elif chance < 0.05:
            peer.close()
        elif chance < 0.07:
            peer.reply(request, wire.TOO_BIG)
            return True
        return False


class Madness(LibraryTest):
    def test_whatever_servers_do_no_bytes_are_wrong_and_all_calls_end(self):
        servers = [self.serve(Mad) for _ in range(3)]
        client = self.connect(*servers, threads=3, connections=3, get_ms=40,
                              put_ms=50, lookup_ms=25, queue_bytes=4_000_000)
        for server in servers:
            server.await_seen(wire.HELLO, 3)
        descriptors = f"/proc/{client.process.pid}/fd"
        count = len(os.listdir(descriptors))
        client.load(8, 3000, 60, 200_000)
        loaded = client.loaded()
        self.assertEqual(loaded["wrong"], 0)
        self.assertGreater(loaded["hits"], 0)
        for server in servers:
            server.is_calm = True
        client.until_up()
        client.load(4, 1000, 60, 200_000)
        self.assertEqual(client.loaded()["wrong"], 0)
        self.assertLessEqual(len(os.listdir(descriptors)), count)


if __name__ == "__main__":
    unittest.main()
