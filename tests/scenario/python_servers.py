#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client without waiting, and servers that are many, late, or gone.
"""
import asyncio
import os
import select
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_library  # noqa: E402,F401
import lm_client as lm  # noqa: E402
from prefixcache import Item, Kind, Status, Verb  # noqa: E402
from prefixcache.aio import Waiter  # noqa: E402
from python_test import SECONDS, ClientTest, url_of  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from watch import until  # noqa: E402

SHAPE = lm.Shape(2, 3, 2, 32, 256, 1024)


class WithoutWaitingTest(ClientTest):
    def test_each_batch_has_one_completion(self):
        bodies = [os.urandom(10000 + n) for n in range(50)]
        tickets = {self.cache.submit(Verb.PUT, [Item(f"k{n}", body)])
                   for n, body in enumerate(bodies)}
        self.assertEqual(len(tickets - {0}), 50)
        drained = self.drain(self.cache, 50)
        self.assertEqual({one.ticket for one in drained}, tickets)
        self.assertEqual([one.ok_count for one in drained], [1] * 50)
        wanted = {}
        for n in range(50):
            items = [Item(f"k{n}", bytearray(20000)), Item(f"no{n}")]
            wanted[self.cache.submit(Verb.GET, items)] = n
        for done in self.drain(self.cache, 50):
            got, missing = done.items
            self.assertEqual(done.ok_count, 1)
            self.assertFalse(missing.status)
            self.assertEqual(bytes(got.body[:got.size]),
                             bodies[wanted.pop(done.ticket)])
        self.assertEqual(self.cache.drain(), [])
        self.assertEqual(select.select([self.cache.event_fd()], [], [], 0)[0],
                         [])

    def test_exists_and_drop_need_not_be_waited_for(self):
        self.cache.put("k", b"v")
        self.cache.submit(Verb.EXISTS, [Item("k"), Item("none")])
        done, = self.drain(self.cache, 1)
        self.assertEqual([item.status for item in done.items],
                         [Status.OK, Status.MISS])
        self.cache.submit(Verb.DROP, [Item("k"), Item("none")])
        self.assertEqual(self.drain(self.cache, 1)[0].ok_count, 1)
        self.assertNotIn("k", self.cache)

    def test_memory_is_held_until_it_was_drained(self):
        body = bytearray(100)
        self.cache.put("k", bytes(100))
        self.cache.submit(Verb.GET, [Item("k", body)])
        with self.assertRaises(BufferError):
            body.append(0)
        self.drain(self.cache, 1)
        body.append(0)

    def test_what_can_not_be_is_refused_at_once(self):
        body = bytearray(100)
        with self.assertRaises(TypeError):
            self.cache.submit(Verb.PUT, [Item("k", body), Item("k", 5)])
        body.append(0)

    def test_a_coroutine_waits_for_many(self):
        async def run():
            waiter = Waiter(self.cache)
            bodies = {f"k{n}": os.urandom(n * 5000) for n in range(40)}
            await asyncio.gather(*(waiter.run(Verb.PUT, [Item(key, body)])
                                   for key, body in bodies.items()))
            items = [Item(key, bytearray(200000)) for key in bodies]
            await asyncio.gather(*(waiter.run(Verb.GET, [item])
                                   for item in items))
            for item in items:
                self.assertEqual(bytes(item.body[:item.size]),
                                 bodies[item.key.decode()])
            self.assertEqual(await waiter.run(Verb.EXISTS, []), [])
            await waiter.close()
            self.assertTrue(self.cache.is_closed)
        asyncio.run(run())

    def test_a_coroutine_that_is_cancelled_leaves_memory_held(self):
        server = self.serve_another()
        cache = self.open(url_of(server), get_ms=2000)
        cache.put("k", bytes(100))
        body = bytearray(100)

        async def run():
            waiter = Waiter(cache)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                future = waiter.begin(Verb.GET, [Item("k", body)])
                task = asyncio.ensure_future(asyncio.shield(future))
                await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                with self.assertRaises(BufferError):
                    body.append(0)
                await asyncio.wait_for(future, SECONDS)
                body.append(0)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await waiter.close()
        asyncio.run(run())


class ServersTest(ClientTest):
    def test_keys_are_on_the_shard_that_is_said(self):
        servers = [self.server, self.serve_another(), self.serve_another()]
        cache = self.open(url_of(*servers))
        clients = [self.enterContext(RespClient(server.data_port))
                   for server in servers]
        seen = set()
        for number in range(60):
            key = f"k{number}"
            self.assertTrue(cache.put(key, b"value"))
            shard = cache.shard_of(key)
            seen.add(shard)
            clients[shard].ask(bulk(b"value"), "GET", key)
        self.assertEqual(seen, {0, 1, 2})
        keys = [f"k{number}" for number in range(60)]
        self.assertTrue(all(cache.exists(keys)))
        self.assertEqual(cache.prefix(keys + ["none"]).matched, 60)
        names = [f"127.0.0.1:{server.data_port}" for server in servers]
        self.assertEqual([shard.name for shard in cache.shards()], names)

    def test_shards_say_how_they_are(self):
        self.cache.put("k", bytes(5000))
        shard, = self.cache.shards()
        self.assertTrue(shard.is_up)
        self.assertFalse(shard.is_open)
        self.assertGreaterEqual(shard.requests, 1)
        self.assertGreaterEqual(shard.bytes_out, 5000)
        self.assertEqual(shard.transport, "tcp")
        self.assertIn("prefixcached", shard.server)

    def test_stats_are_the_servers_counters(self):
        self.cache.put("k", b"v")
        self.cache.get("k")
        stats = self.cache.stats()
        self.assertEqual(stats["get_hits"], self.resp.counter("get_hits"))
        self.assertEqual(stats["state"], "serving")
        with self.assertRaises(ValueError):
            self.cache.stats(1)

    def test_a_walk_finds_everything(self):
        wanted = {b"k%d" % number: number for number in range(1000)}
        self.cache.put_many([Item(key, bytes(size))
                             for key, size in wanted.items()])
        self.cache.put("object", b"12345", kind=Kind.OBJECT,
                       meta=lm.metadata(5, SHAPE))
        found = {entry.key: entry for entry in self.cache.walk()}
        self.assertEqual({key: entry.size for key, entry in found.items()},
                         {**wanted, b"object": 5})
        self.assertEqual(found[b"object"].kind, Kind.OBJECT)
        self.assertEqual(found[b"k7"].kind, Kind.PLAIN)
        self.assertEqual(found[b"k7"].tiers, {"dram"})
        with self.assertRaises(ValueError):
            list(self.cache.walk(1))

    def test_a_server_that_is_killed_costs_misses_only(self):
        server = self.serve_another()
        cache = self.open(url_of(server), get_ms=1000, put_ms=1000,
                          lookup_ms=500)
        cache.put("k", b"value")
        server.kill()
        began = time.monotonic()
        self.assertIsNone(cache.get("k"))
        self.assertFalse(cache.exists(["k"])[0])
        self.assertFalse(cache.put("k", b"value"))
        self.assertEqual(cache.prefix(["k"]).matched, 0)
        self.assertLess(time.monotonic() - began, SECONDS)
        with self.assertRaises(OSError):
            cache.stats()
        self.assertFalse(cache.shards()[0].is_up)

    def test_a_server_that_comes_back_is_asked_again(self):
        server = self.serve_another()
        cache = self.open(url_of(server), get_ms=1000, put_ms=5000,
                          retry_ms=100)
        self.assertTrue(cache.put("k", b"value"))
        server.kill()
        self.assertIsNone(cache.get("k"))
        self.serve_another(
            **{"listen.data": f"127.0.0.1:{server.data_port}"})
        until(lambda: cache.put("k", b"new"), "a put is stored")
        self.assertEqual(cache.get("k"), b"new")

    def test_a_server_that_stands_still_is_waited_for_as_long_as_said(self):
        server = self.serve_another()
        cache = self.open(url_of(server), get_ms=300, lookup_ms=300)
        cache.put("k", b"value")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            self.assertIsNone(cache.get("k"))
            self.assertFalse(cache.exists(["k"])[0])
            took = time.monotonic() - began
        finally:
            os.kill(server.pid, signal.SIGCONT)
        self.assertLess(took, SECONDS / 2)

    def test_no_server_need_answer_at_first(self):
        server = self.serve_another()
        url = url_of(server)
        server.kill()
        cache = self.open(url, get_ms=500)
        self.assertIsNone(cache.get("k"))
        self.assertEqual(cache.get_many([Item("k", bytearray(5))]), 0)


if __name__ == "__main__":
    unittest.main()
