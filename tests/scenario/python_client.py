#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client, over the real library and against a real server: values,
what other wires have of them, and how it may be used.
"""
import ctypes
import os
import re
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_library  # noqa: E402
import lm_client as lm  # noqa: E402
from prefixcache import (Cache, Closed, Item, Kind,  # noqa: E402
                         LibraryMissing, Status, Verb, library)
from python_test import MIB, SECONDS, ClientTest, url_of  # noqa: E402
from resp_client import bulk  # noqa: E402
from watch import until  # noqa: E402

SIZES = (0, 1, 4096, 65537, 3 * MIB + 5)
SHAPE = lm.Shape(2, 3, 2, 32, 256, 1024)
HEADER = os.path.join(native_library.HERE, "..", "..", "client",
                      "prefixcache.h")


class ValuesTest(ClientTest):
    def test_what_is_put_is_got(self):
        for size in SIZES:
            with self.subTest(size=size):
                body = os.urandom(size)
                self.assertTrue(self.cache.put(f"k{size}", body))
                self.assertEqual(self.cache.get(f"k{size}"), body)
                self.assertEqual(self.cache.get(b"k%d" % size), body)
        self.assertIsNone(self.cache.get("another"))

    def test_bodies_are_compared_end_to_end_when_asked(self):
        cache = self.open(url_of(self.server), checksum=True)
        for size in SIZES:
            body = os.urandom(size)
            self.assertTrue(cache.put("k", body))
            self.assertEqual(cache.get("k"), body)

    def test_a_get_writes_where_it_is_told_to_and_nowhere_else(self):
        body = os.urandom(5000)
        self.cache.put("k", body)
        memory = bytearray(b"\x55" * 10000)
        item = Item("k", memoryview(memory)[2000:7000])
        self.assertEqual(self.cache.get_many([item]), 1)
        self.assertEqual((item.status, item.size, item.kind),
                         (Status.OK, 5000, Kind.PLAIN))
        self.assertEqual(item.tier, "dram")
        self.assertEqual(bytes(memory), b"\x55" * 2000 + body + b"\x55" * 3000)

    def test_room_may_be_more_than_the_value(self):
        self.cache.put("k", b"12345")
        item = Item("k", bytearray(100))
        self.cache.get_many([item])
        self.assertEqual((item.size, bytes(item.body[:6])), (5, b"12345\0"))

    def test_a_value_over_the_room_is_too_big_and_says_its_size(self):
        self.cache.put("k", os.urandom(5000))
        memory = bytearray(5000)
        item = Item("k", memoryview(memory)[:4999])
        self.assertEqual(self.cache.get_many([item]), 0)
        self.assertEqual((item.status, item.size), (Status.TOO_BIG, 5000))
        self.assertEqual(memory[4999], 0)

    def test_a_value_over_the_room_is_asked_for_again(self):
        body = os.urandom(2 * MIB)
        self.cache.put("k", body)
        self.assertEqual(self.cache.get("k", room=16), body)

    def test_many_are_put_and_got_in_one_call(self):
        bodies = {f"k{n}": os.urandom(1000 * n) for n in range(100)}
        items = [Item(key, body) for key, body in bodies.items()]
        self.assertEqual(self.cache.put_many(items), 100)
        wanted = [Item(f"k{n}", bytearray(100000)) for n in range(150)]
        self.assertEqual(self.cache.get_many(wanted), 100)
        for number, item in enumerate(wanted):
            self.assertEqual(bool(item.status), number < 100)
            if item.status:
                self.assertEqual(bytes(item.body[:item.size]),
                                 bodies[f"k{number}"])
        self.assertEqual(self.cache.get_many([]), 0)

    def test_any_buffer_can_be_put(self):
        array = (ctypes.c_ubyte * 4)(1, 2, 3, 4)
        self.assertEqual(memoryview(array).format, "<B")
        for body in (b"bytes", bytearray(b"array"), memoryview(b"read only"),
                     array, memoryview(array), memoryview(array)[1:3],
                     memoryview(array).toreadonly(), b""):
            self.assertTrue(self.cache.put("k", body))
            self.assertEqual(self.cache.get("k"), bytes(body))
        with self.assertRaises(BufferError):
            self.cache.put("k", memoryview(b"12345")[::2])
        with self.assertRaises(TypeError):
            self.cache.put("k", "text")

    def test_a_get_into_read_only_memory_is_refused(self):
        self.cache.put("k", b"12345")
        with self.assertRaises(BufferError):
            self.cache.get_many([Item("k", b"54321")])

    def test_a_put_behind_copies_and_is_there_soon(self):
        body = bytearray(os.urandom(MIB))
        wanted = bytes(body)
        self.assertEqual(self.cache.put_behind([Item("k", body)]), 1)
        body[:] = bytes(MIB)
        until(lambda: "k" in self.cache, "k")
        self.assertEqual(self.cache.get("k"), wanted)

    def test_a_lifetime_goes_by(self):
        self.cache.put("k", b"value", lifetime_ms=60000)
        item = Item("k", bytearray(5))
        self.cache.get_many([item])
        self.assertTrue(0 < item.lifetime_ms <= 60000, item.lifetime_ms)

    def test_exists_and_drop_say_it_for_each_key(self):
        self.cache.put("a", b"1")
        self.cache.put("c", b"3")
        found = self.cache.exists(["a", "b", "c"])
        self.assertEqual(found, [Status.OK, Status.MISS, Status.OK])
        self.assertEqual([bool(one) for one in found], [True, False, True])
        self.assertEqual(self.cache.drop(["a", "b"]),
                         [Status.OK, Status.MISS])
        self.assertNotIn("a", self.cache)
        self.assertIn("c", self.cache)

    def test_what_exists_is_leased(self):
        before = self.resp.counter("leases_granted")
        self.cache.put_many([Item("a", b"1"), Item("b", b"2")])
        self.cache.exists(["a", "b", "c"])
        self.assertEqual(self.resp.counter("leases_granted") - before, 2)

    def test_a_prefix_is_counted_to_the_first_gap(self):
        keys = [f"k{n}" for n in range(10)]
        self.cache.put_many([Item(key, bytes(1000)) for key in keys[:7]])
        self.cache.put(keys[8], bytes(1000))
        match = self.cache.prefix(keys)
        self.assertEqual((match.status, match.matched, match.bytes),
                         (Status.OK, 7, 7000))
        self.assertEqual([(tier.name, tier.matched, tier.unbroken, tier.bytes)
                          for tier in match.tiers if tier.matched],
                         [("dram", 7, 7, 7000)])
        before = self.resp.counter("leases_granted")
        self.assertEqual(self.cache.prefix(keys, lease_ms=5000).matched, 7)
        self.assertEqual(self.resp.counter("leases_granted") - before, 7)
        self.assertEqual(self.cache.prefix(["none"]).matched, 0)


class WiresTest(ClientTest):
    def test_redis_gets_what_is_put_and_puts_what_is_got(self):
        self.cache.put("k", b"from here")
        self.resp.ask(bulk(b"from here"), "GET", "k")
        self.resp.ask(b"+OK\r\n", "SET", "k", b"from there")
        self.assertEqual(self.cache.get("k"), b"from there")

    def test_an_object_has_its_metadata_on_every_wire(self):
        body = os.urandom(100000)
        meta = lm.metadata(len(body), SHAPE)
        self.assertTrue(self.cache.put("m@1@0@ab@half", body,
                                       kind=Kind.OBJECT, meta=meta))
        client = self.enterContext(lm.LmClient(self.server.data_port))
        self.assertEqual(client.get("m@1@0@ab@half"),
                         (body, lm.reply(lm.V1, lm.OK, len(body), SHAPE)))
        self.resp.ask(bulk(meta), "GET", "m@1@0@ab@halfmetadata")

    def test_an_object_of_lm_is_got_with_its_metadata(self):
        body = os.urandom(100000)
        client = self.enterContext(lm.LmClient(self.server.data_port))
        client.put("m@1@0@cd@half", body, SHAPE)
        self.assertTrue(client.exists("m@1@0@cd@half"))
        for kind in (Kind.ANY, Kind.OBJECT):
            item = Item("m@1@0@cd@half", bytearray(len(body)), kind=kind)
            self.assertEqual(self.cache.get_many([item]), 1)
            self.assertEqual(item.body, body)
            self.assertEqual((item.kind, item.meta),
                             (Kind.OBJECT, lm.metadata(len(body), SHAPE)))
        self.assertIsNone(self.cache.get("m@1@0@cd@half", kind=Kind.PLAIN))


class UseTest(ClientTest):
    def test_threads_share_a_cache(self):
        failures = []

        def work(name):
            for number in range(50):
                key, body = f"{name}-{number}", os.urandom(20000)
                if not self.cache.put(key, body):
                    failures.append((key, "put"))
                elif self.cache.get(key) != body:
                    failures.append((key, "get"))
        threads = [threading.Thread(target=work, args=(name,))
                   for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        self.assertEqual(failures, [])
        self.assertGreaterEqual(self.resp.counter("puts_stored"), 200)

    def test_close_waits_for_whoever_is_inside(self):
        server = self.serve_another()
        cache = self.open(url_of(server), get_ms=700)
        cache.put("k", b"value")
        found, is_inside = [], threading.Event()

        def get():
            is_inside.set()
            found.append(cache.get("k"))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            thread = threading.Thread(target=get)
            thread.start()
            is_inside.wait(SECONDS)
            until(lambda: cache.shards()[0].requests >= 2 or found, "a get")
            cache.close()
            thread.join(SECONDS)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        self.assertEqual(found, [None])

    def test_a_closed_cache_says_so(self):
        body = bytearray(100)
        self.cache.put("k", bytes(100))
        item, put = Item("k", body), Item("k", bytes(100))
        self.cache.get_many([item])
        self.cache.put_many([put])
        self.assertTrue(item.status and put.status)
        self.cache.submit(Verb.GET, [item])
        self.cache.submit(Verb.PUT, [put])
        self.cache.close()
        self.assertEqual((item.status, put.status),
                         (Status.MISS, Status.GONE))
        body.append(0)
        for use in (lambda: self.cache.get("k"), self.cache.drain,
                    self.cache.shards, lambda: "k" in self.cache,
                    lambda: self.cache.submit(Verb.GET, [item])):
            with self.assertRaises(Closed):
                use()
        self.cache.close()

    def test_a_cache_does_not_outlive_a_fork(self):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self.cache.get("k")
            except Closed:
                self.cache.close()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertTrue(self.cache.put("k", b"v"))

    def test_what_can_not_be_is_refused_with_a_sentence(self):
        port = self.server.data_port
        for url in ("redis://127.0.0.1:7654", "prefixcache://", "", "nonsense",
                    f"prefixcache://127.0.0.1:{port}?nonsense=1"):
            with self.assertRaisesRegex(ValueError, ": .{10,}"):
                Cache(url)
        for options in ({"space": 256}, {"get_ms": -1}, {"get_ms": "5"},
                        {"get_ms": 1 << 40}, {"get_ms": True}):
            with self.assertRaises(ValueError):
                Cache(url_of(self.server), **options)
        with self.assertRaisesRegex(TypeError, "get_ms"):
            Cache(url_of(self.server), getms=5)
        with self.assertRaisesRegex(LibraryMissing, "PREFIXCACHE_LIBRARY"):
            Cache(url_of(self.server), library_path="/nowhere/library.so")
        for key in ("", b"", "k" * 4097, b"k" * 4097):
            with self.assertRaises(ValueError):
                self.cache.get(key)
        with self.assertRaises(TypeError):
            self.cache.get(5)
        with self.assertRaises(ValueError):
            Item("k", meta=bytes(129))

    def test_keys_are_bytes_of_any_value(self):
        for key in (b"\0", b"a\0b", bytes(range(256)), b"k" * 4096,
                    "schl\xfcssel"):
            self.assertTrue(self.cache.put(key, b"value"))
            self.assertEqual(self.cache.get(key), b"value")
        self.assertIsNone(self.cache.get(b"a"))

    def test_the_structures_are_those_of_the_header(self):
        with open(HEADER) as header:
            text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
        found = {}
        for name, members in re.findall(
                r"struct prefixcache_(\w+) \{(.*?)\}", text, re.S):
            found[name] = re.findall(r"(\w+)(?:\[\w+\])?(?=[,;])", members)
        for name, structure in (
                ("options", library.OptionsStruct),
                ("item", library.ItemStruct), ("tier", library.TierStruct),
                ("match", library.MatchStruct),
                ("prefix_options", library.PrefixOptionsStruct),
                ("completion", library.CompletionStruct),
                ("shard", library.ShardStruct),
                ("entry", library.EntryStruct)):
            self.assertEqual([member for member, *_ in structure._fields_],
                             found.pop(name), name)
        self.assertEqual(found, {})
        for name, value in (("KEY_MAX", library.KEY_MAX),
                            ("META_MAX", library.META_MAX),
                            ("WHY_SIZE", library.WHY_SIZE)):
            self.assertRegex(text, rf"define PREFIXCACHE_{name}\s+{value}\b")
        statuses = dict(re.findall(r"PREFIXCACHE_(\w+) = (\d+)", text))
        for enumeration in (Status, Kind, Verb):
            for member in enumeration:
                self.assertEqual(statuses[member.name], str(member.value))


if __name__ == "__main__":
    unittest.main()
