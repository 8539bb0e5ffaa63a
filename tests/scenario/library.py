#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libprefixcache against real servers: what is put is got, over one shard and over
several, and a shard that is killed, stopped or started again under load costs
misses only.  How exactly deadlines hold is measured by tests/bench/deadlines.py."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from library_client import LibraryClient, is_sanitized  # noqa: E402
from raw_client import RawClient  # noqa: E402
from server import Server, program  # noqa: E402

program("PREFIXCACHED")
program("PREFIXCACHE_LIBRARY_CLIENT")
MIB = 1 << 20
# Loose: this is no measurement, and the machine may be busy.
GRACE_US = 2_000_000
GET_MS = 500
# Nothing is late here but what is meant to be, however slow the machine is.
PATIENT = {"get_ms": 60000, "lookup_ms": 60000, "put_ms": 60000}


class Library(unittest.TestCase):
    def serve(self, **options):
        server = Server(**dict({"limits.workers": 2, "lease_ms": 10000},
                               **options))
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.stop)
        return server

    def connect(self, servers, **terms):
        hosts = ",".join(server.data_address for server in servers)
        return self.open(f"prefixcache://{hosts}", **terms)

    def open(self, url, **terms):
        words = "&".join(f"{name}={number}"
                         for name, number in dict(PATIENT, **terms).items())
        client = LibraryClient(f"{url}?{words}")
        self.addCleanup(client.close)
        client.until_up()
        return client


class Values(Library):
    def check_values(self, client):
        for size in (0, 1, 4096, 70_000, 5 * MIB + 1):
            self.assertEqual(client.put(f"v{size}", size, size), "OK")
            got = client.get(f"v{size}", size, size)
            self.assertEqual((got.status, got.size), ("OK", size))
            self.assertTrue(got.is_right)
        self.assertEqual(got.tier, "dram")
        self.assertEqual(client.get("none", 1, 100).status, "MISS")
        got = client.get("v70000", 70_000, 69_999)
        self.assertEqual((got.status, got.size), ("TOO_BIG", 70_000))
        self.assertTrue(got.is_right)
        self.assertEqual(client.exists("v1", "none", "v4096"),
                         ["OK", "MISS", "OK"])
        self.assertEqual(client.drop("v1", "none"), ["OK", "MISS"])
        self.assertEqual(client.exists("v1"), ["MISS"])

    def check_batches(self, client):
        for put, get, stem in (("puts", "gets", "s"),
                               ("submit-puts", "submit-gets", "a")):
            self.assertEqual(client.batch(put, stem, 200, 5, 100_000)[0], 200)
            ok_count, _, wrong_count = client.batch(get, stem, 201, 5, 100_000)
            self.assertEqual((ok_count, wrong_count), (200, 0))
        self.assertEqual(client.batch("gets", "none", 0, 1, 1)[0], 0)

    def check_prompts(self, client):
        keys = [f"chunk-{i}" for i in range(100)]
        for key in keys:
            if key != "chunk-70":
                self.assertEqual(client.put(key, 1, 1000), "OK")
        for lease in 0, 5000:
            status, matched, size, *tiers = client.prefix(*keys, lease=lease)
            self.assertEqual((status, matched, size), ("OK", "70", "70000"))
            self.assertEqual(tiers[0], "dram=70/70/70000")
            self.assertEqual(tiers[-1], f"lease={lease}")
        self.assertEqual(client.prefix(*keys, ranks=4)[1], "17")
        self.assertEqual(client.prefix("chunk-70", *keys)[1], "0")

    def check_all(self, *servers, **terms):
        client = self.connect(servers, **terms)
        self.check_values(client)
        self.check_batches(client)
        self.check_prompts(client)
        for number in range(len(servers)):
            status, size = client.ask("stats", number).split()
            self.assertEqual(status, "OK")
            self.assertGreater(int(size), 100)
        return client

    def test_one_shard_keeps_and_gives_back(self):
        client = self.check_all(self.serve())
        self.assertEqual(client.ask("stats", 1), "BAD_REQUEST 0")

    def test_three_shards_keep_and_give_back(self):
        servers = [self.serve() for _ in range(3)]
        client = self.check_all(*servers)
        held = [int(client.ask("walk", number)) for number in range(3)]
        self.assertGreater(min(held), 50)
        self.assertEqual(sum(held), 4 + 400 + 99)

    def test_checksums_hold_end_to_end(self):
        client = self.check_all(self.serve(), self.serve(), flags=1)
        self.assertEqual([shard.corrupt for shard in client.shards().values()],
                         [0, 0])

    def test_many_threads_and_connections_keep_and_give_back(self):
        self.check_all(self.serve(), self.serve(), threads=3, connections=5)

    def test_a_unix_socket_is_as_good(self):
        path = os.path.join(os.environ.get("PREFIXCACHE_TMP", "/tmp"),
                            f"library.{os.getpid()}.socket")
        self.serve(listen_unix=path)
        self.check_values(self.open(f"prefixcache+unix://{path}"))

    def test_what_is_put_here_is_got_over_redis(self):
        server = self.serve()
        client = self.connect([server])
        self.assertEqual(client.put("shared", 1, 0), "OK")
        with RawClient(server) as raw:
            self.assertEqual(raw.command("GET", "shared"), b"")
            raw.command("SET", "theirs", "12345")
        self.assertEqual(client.get("theirs", 1, 100).size, 5)

    def test_a_put_behind_arrives(self):
        client = self.connect([self.serve()])
        for i in range(20):
            self.assertEqual(client.put_behind(f"k{i}", 5 + i, 300_000), "OK")
        self.assertLess(client.close(), 60_000_000)
        client = self.connect([self.serve_again])
        ok_count, _, wrong_count = client.batch("gets", "k", 20, 5, 300_000)
        self.assertEqual((ok_count, wrong_count), (20, 0))

    def serve(self, **options):
        self.serve_again = super().serve(**options)
        return self.serve_again

    def test_a_walk_finds_all(self):
        client = self.connect([self.serve()])
        self.assertEqual(client.ask("walk", 0), "0")
        self.assertEqual(client.batch("puts", "w", 3000, 1, 100)[0], 3000)
        self.assertGreaterEqual(int(client.ask("walk", 0)), 3000)


class Faults(Library):
    """Three shards under load, and one of them in trouble."""

    def setUp(self):
        self.servers = [self.serve() for _ in range(3)]
        self.client = self.connect(self.servers, get_ms=GET_MS, lookup_ms=GET_MS,
                                   put_ms=1000, connect_ms=500, retry_ms=300)

    def load(self, milliseconds=2500):
        self.client.load(4, milliseconds, 100, 100_000)

    def assert_loaded(self):
        """No wrong byte, no call beyond its time, and hits all the while."""
        told = self.client.loaded()
        self.assertEqual(told["wrong"], 0)
        self.assertGreater(told["hits"], 0)
        self.assertLess(told["longest_get_us"], GET_MS * 1000 + GRACE_US)
        self.assertLess(told["longest_ask_us"], GET_MS * 1000 + GRACE_US)
        return told

    def await_load(self):
        """Until the load is felt; the client itself is busy with it."""
        with RawClient(self.servers[1]) as raw:
            for _ in range(10000):
                if int(raw.command("DBSIZE")[1:]) > 3:
                    return
        self.fail("no load comes")

    def test_a_shard_that_is_killed_costs_misses_only(self):
        victim = self.servers[1]
        self.load()
        self.await_load()
        victim.process.kill()
        self.assert_loaded()
        shards = self.client.until(lambda shards: not shards[1].is_up)
        self.assertGreater(shards[1].gone, 0)
        victim.kill()
        victim.options["listen.data"] = victim.data_address
        victim.start()
        self.client.until_up()
        self.load(1000)
        self.assert_loaded()
        self.assertEqual([shard.is_open for shard in
                          self.client.shards().values()], [0, 0, 0])

    def test_a_shard_that_is_stopped_costs_misses_and_comes_back(self):
        victim = self.servers[1]
        self.load()
        self.await_load()
        os.kill(victim.pid, signal.SIGSTOP)
        try:
            self.assert_loaded()
            self.client.until(lambda shards: shards[1].is_open)
        finally:
            os.kill(victim.pid, signal.SIGCONT)
        self.client.until_up()
        self.load(1000)
        told = self.assert_loaded()
        if not is_sanitized():
            self.assertGreater(told["put_ok"], 0)
        self.assertEqual(self.client.ask("untouched"), "0")

    def test_a_shard_that_ends_and_starts_again_costs_misses_only(self):
        victim = self.servers[1]
        self.load(4000)
        self.await_load()
        victim.stop(expect=None)
        victim.options["listen.data"] = victim.data_address
        victim.start()
        self.assert_loaded()
        self.client.until_up()


if __name__ == "__main__":
    unittest.main()
