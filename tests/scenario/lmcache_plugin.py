#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Both LMCache plug-ins, over the real library and against a real server,
driven as LMCache drives them (tests/lib/lmcache_stand_in.py stands in for it).
"""
import concurrent.futures
import logging
import os
import signal
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_library  # noqa: E402,F401
import lmcache_stand_in as lmcache  # noqa: E402
lmcache.install()
import lm_client as lm  # noqa: E402
from prefixcache import Cache, Closed, Kind  # noqa: E402
from prefixcache_lmcache.connector import \
    PrefixcacheConnectorAdapter  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from server import Server, program  # noqa: E402
from watch import until  # noqa: E402

program("PREFIXCACHED")
SECONDS = 20
# Nothing here is late because the machine is busy.
PATIENT = {"connect_ms": 10000, "lookup_ms": 10000, "get_ms": 20000,
           "put_ms": 20000}
KEYS = [f"meta-llama/Llama-3.1-8B@00000001@0@{number:064x}"
        for number in range(16)]
SIZE = 300000


class PluginTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(dram_size="256MiB"))
        cls.resp = cls.enterClassContext(RespClient(cls.server.data_port))

    def setUp(self):
        self.resp.ask(b"+OK\r\n", "FLUSHALL")

    def serve_another(self):
        server = Server(dram_size="64MiB")
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.kill)
        return server

    def url(self, server=None):
        return (server or self.server).url("prefixcache")


class NativeTest(PluginTest):
    def load(self, server=None, **options):
        adapter = lmcache.NativeAdapter({
            "type": "native_plugin", "module_path": "prefixcache_lmcache",
            "class_name": "PrefixcacheClient",
            "adapter_params": {"url": self.url(server), **PATIENT,
                               **options}})
        self.addCleanup(self.close, adapter)
        self.arena = lmcache.Arena(64 << 20)
        return adapter

    def close(self, adapter):
        adapter.close()
        self.assertEqual(adapter.unknown, [])

    def store(self, adapter, keys, size=SIZE):
        values = [os.urandom(size) for _ in keys]
        views = [self.arena.take(size, value) for value in values]
        self.assertEqual(adapter.call("set", keys, views), (True, "", None))
        return values

    def room(self, keys, size=SIZE):
        return [self.arena.take(size) for _ in keys]

    def test_chunks_are_stored_looked_up_and_loaded(self):
        adapter = self.load()
        values = self.store(adapter, KEYS[:8])
        self.assertEqual(adapter.call("exists", KEYS),
                         (True, "", [True] * 8 + [False] * 8))
        views = self.room(KEYS[:8])
        self.assertEqual(adapter.call("get", KEYS[:8], views),
                         (True, "", [True] * 8))
        self.assertEqual([bytes(view) for view in views], values)

    def test_a_missing_chunk_leaves_the_others_loaded(self):
        adapter = self.load()
        values = self.store(adapter, KEYS[:4])
        wanted = [KEYS[0], KEYS[9], KEYS[3]]
        views = self.room(wanted)
        ok, error, found = adapter.call("get", wanted, views)
        self.assertEqual(found, [True, False, True])
        self.assertEqual((bytes(views[0]), bytes(views[2])),
                         (values[0], values[3]))
        # An LMCache that knows only `ok` must not use what is not there.
        self.assertFalse(ok)
        self.assertIn("1 of 3", error)

    def test_a_chunk_of_another_size_is_a_miss(self):
        adapter = self.load()
        self.store(adapter, KEYS[:1], size=1000)
        for size in (999, 1001):
            self.assertEqual(
                adapter.call("get", KEYS[:1], self.room(KEYS[:1], size))[2],
                [False])

    def test_deleted_chunks_are_gone(self):
        adapter = self.load()
        self.store(adapter, KEYS[:4])
        self.assertEqual(adapter.call("delete", KEYS[2:6]),
                         (True, "", [True, True, False, False]))
        self.assertEqual(adapter.call("exists", KEYS[:4])[2],
                         [True, True, False, False])

    def test_what_was_found_is_leased(self):
        adapter = self.load()
        self.store(adapter, KEYS[:4])
        before = self.resp.counter("leases_granted")
        adapter.call("exists", KEYS[:6])
        self.assertEqual(self.resp.counter("leases_granted") - before, 4)

    def test_read_only_memory_can_be_stored(self):
        adapter = self.load()
        views = [memoryview(b"of bytes"), self.arena.take(
            8, b"of arena").toreadonly()]
        self.assertTrue(adapter.call("set", KEYS[:2], views)[0])
        room = self.room(KEYS[:2], 8)
        self.assertTrue(adapter.call("get", KEYS[:2], room)[0])
        self.assertEqual([bytes(view) for view in room],
                         [b"of bytes", b"of arena"])
        with self.assertRaises(BufferError):
            adapter.submit("get", KEYS[:1], views[:1])

    def test_its_chunks_are_those_of_the_resp_adapter(self):
        adapter = self.load()
        value, = self.store(adapter, KEYS[:1])
        self.resp.ask(bulk(value), "GET", KEYS[0])
        self.resp.ask(b"+OK\r\n", "SET", KEYS[1], value)
        view, = self.room(KEYS[1:2])
        self.assertTrue(adapter.call("get", KEYS[1:2], [view])[0])
        self.assertEqual(bytes(view), value)

    def test_a_malformed_batch_is_refused(self):
        adapter = self.load()
        for arguments in (("exists", []), ("get", [], []),
                          ("get", KEYS[:2], self.room(KEYS[:1])),
                          ("set", KEYS[:1], self.room(KEYS[:2])),
                          ("exists", [""])):
            with self.assertRaises(ValueError):
                adapter.submit(*arguments)
        with self.assertRaises(TypeError):
            adapter.submit("get", KEYS[:1], [5])

    def test_threads_submit_while_another_drains(self):
        adapter = self.load()
        values = self.store(adapter, KEYS)

        def work(first):
            for number in range(first, first + 40):
                at = number % len(KEYS)
                view = memoryview(bytearray(SIZE))
                adapter.call("exists", KEYS[at:])
                if not adapter.call("get", [KEYS[at]], [view])[0] or \
                        view != values[at]:
                    return number
            return None
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(work, range(4))), [None] * 4)

    def test_a_server_that_is_killed_costs_misses_only(self):
        server = self.serve_another()
        adapter = self.load(server, get_ms=1000, put_ms=1000, lookup_ms=500)
        self.store(adapter, KEYS[:2])
        server.kill()
        began = time.monotonic()
        self.assertEqual(adapter.call("exists", KEYS[:2]),
                         (True, "", [False, False]))
        self.assertEqual(
            adapter.call("get", KEYS[:2], self.room(KEYS[:2]))[2],
            [False, False])
        self.assertFalse(adapter.call("set", KEYS[:2],
                                      self.room(KEYS[:2]))[0])
        self.assertEqual(adapter.call("delete", KEYS[:2])[2], [False, False])
        self.assertLess(time.monotonic() - began, SECONDS)

    def test_a_closed_client_lets_memory_go(self):
        server = self.serve_another()
        adapter = self.load(server, get_ms=500)
        self.store(adapter, KEYS[:1])
        memory = bytearray(SIZE)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            adapter.is_stopped = True
            adapter.thread.join(SECONDS)
            adapter.submit("get", KEYS[:1], [memoryview(memory)])
            adapter.client.close()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        memory.append(0)
        with self.assertRaises(Closed):
            adapter.submit("exists", KEYS[:1])
        adapter.client.close()


class ConnectorTest(PluginTest):
    def start(self, server=None, **options):
        """An engine with the plug-in; nothing of its memory may stay out."""
        more = {name: options.pop(name) for name in ("memory", "shapes")
                if name in options}
        extra = {f"remote_storage_plugin.prefixcache.{name}": value
                 for name, value in {**PATIENT, **options}.items()
                 if name != "save_chunk_meta"}
        extra["remote_storage_plugin.prefixcache.url"] = self.url(server)
        if "save_chunk_meta" in options:
            extra["save_chunk_meta"] = options["save_chunk_meta"]
        engine = lmcache.Engine(PrefixcacheConnectorAdapter(), **more, **extra)
        self.addCleanup(self.finish, engine)
        self.size = engine.connector.full_chunk_size_bytes
        return engine

    def finish(self, engine):
        engine.close()
        self.assertEqual(engine.backend.out, set())

    def store(self, engine, count):
        keys = [lmcache.Key(f"m@1@0@{number:x}@bfloat16")
                for number in range(count)]
        values = [os.urandom(self.size) for _ in keys]
        for key, value in zip(keys, values):
            engine.put(key, engine.chunk(value))
        return keys, values

    def take(self, memory):
        """Its bytes; it is let go."""
        value = bytes(memory.byte_array)
        memory.ref_count_down()
        return value

    def test_a_chunk_is_put_and_got(self):
        engine = self.start()
        (key,), (value,) = self.store(engine, 1)
        memory = engine.call(engine.connector.get(key))
        self.assertEqual(memory.meta, lmcache.Meta(
            engine.shapes, engine.dtypes, lmcache.MemoryFormat.KV_2LTD))
        self.assertEqual(self.take(memory), value)
        self.assertTrue(engine.call(engine.connector.exists(key)))
        self.assertTrue(engine.connector.exists_sync(key))
        none = lmcache.Key("none")
        self.assertIsNone(engine.call(engine.connector.get(none)))
        self.assertFalse(engine.call(engine.connector.exists(none)))
        self.assertFalse(engine.connector.exists_sync(none))

    def test_lookups_count_to_the_first_gap_in_one_round_trip(self):
        engine = self.start()
        keys, _ = self.store(engine, 8)
        self.assertTrue(engine.connector.remove_sync(keys[5]))
        self.assertFalse(engine.connector.remove_sync(keys[5]))
        before = self.resp.counter("native_exists")
        self.assertEqual(engine.connector.batched_contains(keys), 5)
        self.assertEqual(engine.call(
            engine.connector.batched_async_contains("id", keys)), 5)
        self.assertEqual(engine.connector.batched_contains(keys[5:]), 0)
        self.assertEqual(self.resp.counter("native_exists") - before, 3)

    def test_batches_are_put_and_got(self):
        engine = self.start()
        keys = [lmcache.Key(f"m@{number}") for number in range(6)]
        values = [os.urandom(self.size) for _ in keys]
        memories = [engine.chunk(value) for value in values]
        engine.call(engine.connector.batched_put(keys, memories))
        for memory in memories:
            memory.ref_count_down()
        wanted = keys[:3] + [lmcache.Key("none")] + keys[3:]
        found = engine.call(engine.connector.batched_get(wanted))
        self.assertIsNone(found.pop(3))
        self.assertEqual([self.take(memory) for memory in found], values)
        found = engine.call(
            engine.connector.batched_get_non_blocking("id", wanted))
        self.assertEqual([self.take(memory) for memory in found], values[:3])

    def test_chunks_are_shared_with_lm_and_redis(self):
        engine = self.start()
        (key,), (value,) = self.store(engine, 1)
        shape = lm.Shape(1, 3, *engine.shapes[0])
        client = self.enterContext(lm.LmClient(self.server.data_port))
        self.assertEqual(client.get(key.text),
                         (value, lm.reply(lm.V1, lm.OK, self.size, shape)))
        self.resp.ask(bulk(lm.metadata(self.size, shape)), "GET",
                      key.text + "metadata")
        client.put("of-lm", value, shape)
        self.assertTrue(client.exists("of-lm"))
        self.resp.ask(b"+OK\r\n", "MSET", "of-rediskv_bytes", value,
                      "of-redismetadata", lm.metadata(self.size, shape))
        for name in ("of-lm", "of-redis"):
            self.assertEqual(engine.connector.batched_contains(
                [lmcache.Key(name)]), 1)
            memory = engine.call(engine.connector.get(lmcache.Key(name)))
            self.assertEqual(self.take(memory), value)

    def test_a_chunk_comes_back_in_its_own_shape(self):
        engine = self.start()
        for number, (shape, fmt) in enumerate((
                ((2, 4, 100, 64), lmcache.MemoryFormat.KV_2LTD),
                ((256, 2, 64), lmcache.MemoryFormat.KV_T2D),
                ((256, 2, 64), lmcache.MemoryFormat.KV_T2D),
                ((77, 0, 0, 0), lmcache.MemoryFormat.BINARY_BUFFER),
                ((256, 2, 128), lmcache.MemoryFormat.KV_T2D),
                ((2, 4, 256, 64), lmcache.MemoryFormat.KV_2LTD))):
            key = lmcache.LayerKey(f"layer@{number}")
            chunk = engine.chunk(None, [shape], fmt)
            value = os.urandom(chunk.size)
            chunk.byte_array.cast("B")[:] = value
            engine.put(key, chunk)
            memory = engine.call(engine.connector.get(key))
            if memory is None:
                # It had been the largest until then; once is enough.
                memory = engine.call(engine.connector.get(key))
            self.assertEqual((memory.meta.shapes, memory.meta.fmt),
                             ([shape], fmt))
            self.assertEqual(self.take(memory), value)

    def test_layers_do_not_take_the_memory_of_whole_chunks(self):
        engine = self.start(memory=64 * 256 * 2 * 2 * 6)
        shape, fmt = (256, 2, 64), lmcache.MemoryFormat.KV_T2D
        keys = [lmcache.LayerKey(f"layer@{number}") for number in range(4)]
        for key in keys:
            engine.put(key, engine.chunk(None, [shape], fmt))
        found = engine.call(engine.connector.batched_get(keys))
        self.assertNotIn(None, found)
        for memory in found:
            self.assertEqual(memory.meta.fmt, fmt)
            memory.ref_count_down()
        # One that puts nothing learns it from the first that it gets.
        reader = self.start(memory=64 * 256 * 2 * 2 * 6)
        for wanted in (keys[:1], keys):
            found = reader.call(reader.connector.batched_get(wanted))
            self.assertNotIn(None, found)
            for memory in found:
                memory.ref_count_down()

    def test_a_chunk_has_as_many_groups_as_its_model(self):
        shapes = [(2, 4, 256, 64), (1, 2, 256, 32)]
        engine = self.start(shapes=shapes)
        (key,), (value,) = self.store(engine, 1)
        memory = engine.call(engine.connector.get(key))
        self.assertEqual(memory.meta.shapes, shapes)
        self.assertEqual(self.take(memory), value)

    def test_metadata_may_be_left_out(self):
        engine = self.start(save_chunk_meta=False)
        (key,), (value,) = self.store(engine, 1)
        self.resp.ask(bulk(value), "GET", key.text)
        self.assertEqual(
            self.take(engine.call(engine.connector.get(key))), value)
        part = engine.connector.single_token_size * 7
        self.resp.ask(b"+OK\r\n", "SET", "part", value[:part])
        memory = engine.call(engine.connector.get(lmcache.Key("part")))
        self.assertEqual(memory.meta.shapes, [(2, 4, 7, 64)])
        self.assertEqual(self.take(memory), value[:part])
        self.resp.ask(b"+OK\r\n", "SET", "odd", value[:part + 1])
        self.assertIsNone(
            engine.call(engine.connector.get(lmcache.Key("odd"))))

    def test_metadata_that_can_not_be_is_a_miss(self):
        engine = self.start()
        good = lm.metadata(self.size, lm.Shape(1, 3, *engine.shapes[0]))
        cache, accepted = self.enterContext(Cache(self.url())), 0
        for number, meta in enumerate((
                good[:27], good + bytes(20), bytes(28), b"",
                struct.pack("<7i", self.size - 1, 1, 3, 2, 4, 256, 64),
                struct.pack("<7i", self.size, 99, 3, 2, 4, 256, 64),
                struct.pack("<7i", self.size, 1, 99, 2, 4, 256, 64),
                struct.pack("<7i", self.size, 1, 3, 2, 4, 255, 64),
                struct.pack("<7i", self.size, 1, 3, -2, -4, 256, 64),
                struct.pack("<7i", self.size, 1, 3, *[0x7fffffff] * 4),
                struct.pack("<7i", self.size, 5, 0, self.size - 1, 0, 0, 0))):
            key = f"bad@{number}"
            if not cache.put(key, bytes(self.size), kind=Kind.OBJECT,
                             meta=meta):
                continue
            accepted += 1
            with self.subTest(meta=meta):
                self.assertIsNone(
                    engine.call(engine.connector.get(lmcache.Key(key))))
        # The server itself refuses some.
        self.assertGreaterEqual(accepted, 5)
        self.assertTrue(cache.put("good", bytes(self.size), kind=Kind.OBJECT,
                                  meta=good))
        self.take(engine.call(engine.connector.get(lmcache.Key("good"))))

    def test_as_many_are_got_as_there_is_memory_for(self):
        engine = self.start(memory=3 * 2 * 4 * 256 * 64 * 2)
        keys, values = self.store(engine, 5)
        found = engine.call(engine.connector.batched_get(keys))
        self.assertEqual(found[3:], [None, None])
        self.assertEqual([self.take(memory) for memory in found[:3]],
                         values[:3])

    def test_a_server_that_is_killed_costs_misses_and_one_line(self):
        server = self.serve_another()
        engine = self.start(server, get_ms=1000, put_ms=1000, lookup_ms=500)
        keys, _ = self.store(engine, 3)
        server.kill()
        with self.assertLogs(level=logging.WARNING) as logs:
            self.assertEqual(engine.connector.batched_contains(keys), 0)
            self.assertEqual(
                engine.call(engine.connector.batched_get(keys)), [None] * 3)
            for key in keys:
                engine.put(key, engine.chunk())
        self.assertEqual(len(logs.output), 1)
        self.assertFalse(engine.connector.support_ping())

    def test_memory_of_what_is_cancelled_goes_when_the_library_is_done(self):
        server = self.serve_another()
        engine = self.start(server, get_ms=3000, put_ms=3000)
        keys, _ = self.store(engine, 2)
        memory = engine.chunk()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            futures = [engine.begin(engine.connector.batched_get(keys)),
                       engine.begin(engine.connector.put(keys[0], memory))]
            until(lambda: memory.references == 2 and
                  len(engine.backend.out) == 3, "both are under way")
            for future in futures:
                future.cancel()
            memory.ref_count_down()
            settled = threading.Event()
            engine.loop.call_soon_threadsafe(settled.set)
            settled.wait(SECONDS)
            self.assertEqual(len(engine.backend.out), 3)
            until(lambda: not engine.backend.out, "all memory is back")
        finally:
            os.kill(server.pid, signal.SIGCONT)

    def test_every_key_is_listed(self):
        engine = self.start()
        keys, _ = self.store(engine, 5)
        self.assertEqual(sorted(engine.call(engine.connector.list())),
                         [key.text for key in keys])

    def test_the_adapter_knows_its_urls(self):
        adapter = PrefixcacheConnectorAdapter()
        for url in ("plugin://prefixcache", "plugin://prefixcache.second",
                    "prefixcache://a:1,b:2", "prefixcache+unix:///run/p",
                    "prefixcache+ucx://a:1"):
            self.assertTrue(adapter.can_parse(url), url)
        for url in ("plugin://redis", "plugin://prefixcaches", "redis://a:1",
                    "prefixcached://a:1", "lm://a:1"):
            self.assertFalse(adapter.can_parse(url), url)

    def test_settings_are_those_of_the_instance(self):
        prefix = "remote_storage_plugin.prefixcache.second."
        engine = lmcache.Engine(
            PrefixcacheConnectorAdapter(), "plugin://prefixcache.second",
            **{prefix + "url": self.url(), prefix + "space": 7,
               "remote_storage_plugin.prefixcache.url": "nonsense"})
        self.addCleanup(self.finish, engine)
        engine.put(lmcache.Key("k"), engine.chunk())
        self.resp.ask(b"+OK\r\n", "SELECT", 7)
        self.addCleanup(self.resp.ask, b"+OK\r\n", "SELECT", 0)
        self.resp.ask(b":1\r\n", "DBSIZE")

    def test_the_url_may_be_lmcaches_own(self):
        engine = lmcache.Engine(PrefixcacheConnectorAdapter(),
                                self.url() + "?lookup_ms=10000")
        self.addCleanup(self.finish, engine)
        engine.put(lmcache.Key("k"), engine.chunk())
        self.assertTrue(engine.connector.exists_sync(lmcache.Key("k")))

    def test_settings_that_can_not_be_are_refused(self):
        for extra, wanted in (({}, "remote_storage_plugin.prefixcache.url"),
                              ({"url": "redis://a:1"}, "redis://a:1"),
                              ({"url": self.url(), "get_ms": "soon"},
                               "get_ms")):
            extra = {f"remote_storage_plugin.prefixcache.{name}": value
                     for name, value in extra.items()}
            with self.assertRaisesRegex(ValueError, wanted):
                lmcache.Engine(PrefixcacheConnectorAdapter(), **extra)


if __name__ == "__main__":
    unittest.main()
