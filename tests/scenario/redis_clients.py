#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""redis-py, as people and LMCache's redis:// connector use it."""
import asyncio
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import KV_SHAPE, metadata  # noqa: E402
from server import Server  # noqa: E402

try:
    import redis
    import redis.asyncio
except ImportError:
    print("python3-redis is not installed")
    sys.exit(77)

CONNECTIONS = 150


class RedisPyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(
            Server(dram_size="128MiB", lease_ms=0))

    def setUp(self):
        self.redis = self.connect()
        self.redis.flushall()

    def connect(self, **options):
        client = redis.Redis("127.0.0.1", self.server.data_port,
                             **options)
        self.addCleanup(client.close)
        return client

    def test_values_of_any_bytes_come_back(self):
        for size in (0, 1, 1000, 65536, 1 << 20, 5 << 20):
            key, value = os.urandom(40), os.urandom(size)
            self.assertTrue(self.redis.set(key, value))
            self.assertEqual(self.redis.get(key), value)
            self.assertEqual(self.redis.strlen(key), size)
            self.assertEqual(self.redis.exists(key), 1)
            self.assertEqual(self.redis.delete(key), 1)
            self.assertIsNone(self.redis.get(key))

    def test_options_of_set_are_those_of_redis(self):
        self.assertTrue(self.redis.set("k", "v", ex=100))
        self.assertEqual(self.redis.ttl("k"), 100)
        self.assertIsNone(self.redis.set("k", "w", nx=True))
        self.assertTrue(self.redis.set("k", "w", xx=True, keepttl=True))
        self.assertEqual(self.redis.ttl("k"), 100)
        self.assertEqual(self.redis.set("k", "x", get=True), b"w")
        self.assertEqual(self.redis.ttl("k"), -1)
        self.assertTrue(self.redis.setnx("l", "v"))
        self.assertFalse(self.redis.setnx("l", "v"))
        self.assertTrue(self.redis.setex("l", 50, "w"))
        self.assertTrue(self.redis.psetex("l", 50000, "w"))
        self.assertEqual(self.redis.ttl("l"), 50)
        self.assertTrue(self.redis.expire("l", 70))
        self.assertTrue(self.redis.persist("l"))
        self.assertEqual(self.redis.ttl("nothing"), -2)
        self.assertEqual(self.redis.getrange("l", 0, 0), b"w")
        self.assertEqual(self.redis.type("l"), b"string")
        self.assertGreater(self.redis.memory_usage("l"), 0)

    def test_many_keys_move_in_one_command(self):
        values = {f"k{n}": os.urandom(n * 100) for n in range(100)}
        self.assertTrue(self.redis.mset(values))
        self.assertEqual(self.redis.mget(list(values) + ["nothing"]),
                         list(values.values()) + [None])
        self.assertEqual(self.redis.exists(*values, "nothing"), 100)
        self.assertEqual(self.redis.dbsize(), 100)
        self.assertEqual(self.redis.unlink(*values), 100)
        self.assertEqual(self.redis.dbsize(), 0)

    def test_a_pipeline_of_large_values_goes_in_and_out(self):
        values = [os.urandom(n * 100) for n in range(500)]
        pipeline = self.redis.pipeline(transaction=False)
        for number, value in enumerate(values):
            pipeline.set(number, value)
        self.assertEqual(pipeline.execute(), [True] * 500)
        for number in range(500):
            pipeline.get(number)
        self.assertEqual(pipeline.execute(), values)

    def test_a_pipeline_answers_in_order(self):
        values = [os.urandom(n % 20 * 37) for n in range(1000)]
        pipeline = self.redis.pipeline(transaction=False)
        for number, value in enumerate(values):
            pipeline.set(number, value).get(number).exists(number, "nothing")
        wanted = [answer for value in values for answer in (True, value, 1)]
        self.assertEqual(pipeline.execute(), wanted)

    def test_a_transaction_is_refused_and_the_connection_goes_on(self):
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.set("k", "v")
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            pipeline.execute()
        self.assertTrue(self.redis.ping())

    def test_scan_iter_finds_every_key_once(self):
        names = {f"model@1@0@{n:x}@half".encode() for n in range(2000)}
        pipeline = self.redis.pipeline(transaction=False)
        for name in names:
            pipeline.set(name, "v")
        pipeline.execute()
        for count in (None, 1, 7, 1000, 100000):
            found = list(self.redis.scan_iter(count=count))
            self.assertEqual(len(found), len(names))
            self.assertEqual(set(found), names)
        self.assertEqual(set(self.redis.scan_iter("*@7f?@half")),
                         {n for n in names
                          if n.startswith(b"model@1@0@7f") and len(n) == 20})

    def test_databases_are_namespaces(self):
        other = self.connect(db=9)
        self.redis.set("k", "zero")
        other.set("k", "nine")
        self.assertEqual(self.redis.get("k"), b"zero")
        self.assertEqual(other.get("k"), b"nine")
        other.flushdb()
        self.assertEqual(self.redis.get("k"), b"zero")
        self.assertEqual(self.redis.info("keyspace")["db0"]["keys"], 1)

    def test_what_the_server_says_of_itself_can_be_read(self):
        info = self.redis.info()
        self.assertEqual(info["redis_version"], "7.0.15")
        self.assertEqual(info["process_id"], self.server.pid)
        self.assertEqual(info["maxmemory"], 128 << 20)
        self.assertEqual(self.redis.info("memory")["dram_size"], 128 << 20)
        self.assertEqual(self.redis.config_get("save"), {"save": ""})
        self.assertIn("dram.size", self.redis.config_get("dram.*"))
        self.assertEqual(self.redis.command_count(), len(self.redis.command()))
        self.assertTrue(self.redis.client_setname("me"))
        self.assertEqual(self.redis.client_getname(), "me")
        self.assertIn("me", [c["name"] for c in self.redis.client_list()])
        self.assertEqual(self.redis.client_info()["id"],
                         self.redis.client_id())
        self.assertEqual(self.redis.echo("hi"), b"hi")

    def test_150_threads_each_have_their_connection(self):
        failures, together = [], threading.Barrier(CONNECTIONS)

        def run(number):
            try:
                client = redis.Redis("127.0.0.1", self.server.data_port)
                client.ping()
                together.wait(60)
                value = os.urandom(1000 + 100 * number)
                for round_ in range(5):
                    key = f"{number}@{round_}"
                    assert client.set(key, value)
                    assert client.get(key) == value
                together.wait(60)
                client.close()
            except Exception as error:  # pylint: disable=broad-except
                failures.append((number, error))
                together.abort()

        threads = [threading.Thread(target=run, args=(number,))
                   for number in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.redis.dbsize(), 5 * CONNECTIONS)


class ConnectorTest(unittest.TestCase):
    """LMCache's: asynchronous, up to 150 connections, two keys an object."""

    async def put(self, client, key, body):
        await client.set(key + "kv_bytes", body)
        await client.set(key + "metadata", metadata(len(body), KV_SHAPE))

    async def get(self, client, key):
        if not await client.exists(key + "metadata"):
            return None
        meta = await client.get(key + "metadata")
        body = await client.get(key + "kv_bytes")
        assert meta == metadata(len(body), KV_SHAPE), meta
        return body

    async def move(self, port):
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            f"redis://127.0.0.1:{port}", max_connections=CONNECTIONS)
        client = redis.asyncio.Redis(connection_pool=pool)
        bodies = {f"m@1@0@{n:x}@half": os.urandom(1000 * (n % 97))
                  for n in range(300)}
        self.assertEqual(await asyncio.gather(
            *(self.get(client, key) for key in bodies)), [None] * 300)
        await asyncio.gather(*(self.put(client, key, body)
                               for key, body in bodies.items()))
        self.assertEqual(await asyncio.gather(
            *(self.get(client, key) for key in bodies)),
            list(bodies.values()))
        keys = [key async for key in client.scan_iter("*metadata")]
        self.assertEqual(len(keys), 300)
        await asyncio.gather(*(client.delete(key + "metadata")
                               for key in bodies))
        self.assertEqual(await client.dbsize(), 0)
        seen = int((await client.info())["total_connections_received"])
        await pool.disconnect()
        return seen

    def test_objects_go_and_come_over_150_connections(self):
        with Server(dram_size="64MiB") as server:
            seen = asyncio.run(self.move(server.data_port))
            self.assertGreater(seen, 100)
            self.assertLessEqual(seen, CONNECTIONS + 1)


if __name__ == "__main__":
    unittest.main()
