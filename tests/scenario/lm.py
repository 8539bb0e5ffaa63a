#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lm:// against a real server: three generations of clients, each of which does
one recv() for a reply's head."""
import hashlib
import os
import random
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import lm_client as lm  # noqa: E402  (after the path to it)
from lm_client import GENERATIONS, EXP, V0, V1, LmClient  # noqa: E402
from resp_client import RespClient  # noqa: E402
from server import Server  # noqa: E402

KEYS = [
    "meta-llama/Llama-3.1-8B-Instruct@1@0@%064x@half" % 0xfeed,
    "vllm@Qwen/Qwen3-0.6B@8@7@%x" % 0x1234567890abcdef,
    "m@1@0@-6d3e1f00c0ffee@bfloat16",
    "@0@0@0@half",
    "/srv/models/llama/snapshots/0e9e39f@1@0@abcdef@half",
    "./m@1@0@ab@half",
    "m@1@0@ab@half@31@tag%value@other%\u4e2d\u6587",
    "a",
    "two words  with spaces",
    "k" * 150,
]
SIZES = [0, 1, 27, 28, 4095, 4096, 4097, 16384, 65535, 65536, 65537, 1 << 20,
         (1 << 20) + 1, 3 << 20]


def noise(seed, size):
    return random.Random(seed).randbytes(size)


class LmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(
            Server(dram_size="256MiB", lease_ms=0,
                   limits_header_timeout="100ms"))
        cls.resp = cls.enterClassContext(RespClient(cls.server.data_port))

    def setUp(self):
        self.resp.ask(b"+OK\r\n", "FLUSHALL")

    def client(self, generation=V1):
        client = LmClient(self.server.data_port, generation)
        self.addCleanup(client.close)
        return client

    def hit(self, generation, body, shape):
        """The head of a hit; v0 has nothing to say a shape with."""
        return lm.reply(generation, lm.OK, len(body), shape)

    def test_what_is_put_is_got_and_its_shape_said_again(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            for number, key in enumerate(KEYS):
                body = noise(key, 100 + number)
                shape = lm.Shape(number % 8, number % 9, 2, 32, 256 + number,
                                 1024)
                client.put(key, body, shape)
                self.assertTrue(client.exists(key))
                got, head = client.get(key)
                self.assertEqual(got, body)
                self.assertEqual(head, self.hit(generation, body, shape))

    def test_every_format_and_dtype_is_echoed_unread(self):
        for generation in (EXP, V1):
            client = self.client(generation)
            for fmt in range(8):
                for dtype in range(9):
                    shape = lm.Shape(fmt, dtype, fmt + 1, 0x7fff, dtype, 0)
                    client.put("k", b"x" * 64, shape)
                    head = client.get("k")[1]
                    self.assertEqual(head, lm.reply(generation, lm.OK, 64,
                                                    shape))

    def test_bodies_of_any_size_come_back_whole(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            for size in SIZES:
                client.put(f"size@{size}", noise(size, size))
            for size in SIZES:
                self.assertEqual(client.value(f"size@{size}"),
                                 noise(size, size))

    def test_a_chunk_of_32_mib_comes_back_whole(self):
        body = noise("chunk", 32 << 20)
        client = self.client()
        client.put("llama@1@0@ff@bf16", body)
        self.assertTrue(client.exists("llama@1@0@ff@bf16"))
        got, head = client.get("llama@1@0@ff@bf16")
        self.assertEqual(head, lm.reply(V1, lm.OK, len(body), lm.KV_SHAPE))
        self.assertEqual(hashlib.sha256(got).digest(),
                         hashlib.sha256(body).digest())

    def test_what_one_generation_puts_the_others_get(self):
        for writer in GENERATIONS:
            client = self.client(writer)
            client.put("k", b"abc" * 9, lm.KV_SHAPE)
            self.assertTrue(client.exists("k"))
            shape = lm.BLANK if writer is V0 else lm.KV_SHAPE
            for reader in GENERATIONS:
                got, head = self.client(reader).get("k")
                self.assertEqual(got, b"abc" * 9)
                self.assertEqual(head, lm.reply(reader, lm.OK, 27, shape))
            self.resp.ask(b"+OK\r\n", "FLUSHALL")

    def test_a_put_has_no_reply_and_an_exist_behind_it_sees_it(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            for round_ in range(20):
                key = f"k{round_}"
                # One segment: were there a reply, EXIST would read it.
                client.socket.sendall(
                    lm.request(generation, lm.PUT, key, 5, lm.KV_SHAPE) +
                    b"hello" + lm.request(generation, lm.EXIST, key))
                self.assertEqual(client.head(), lm.reply(generation, lm.OK))

    def test_a_second_put_replaces_the_first(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            client.put("k", b"first")
            client.put("k", b"the second one", lm.Shape(3, 4, 5, 6, 7, 8))
            got, head = client.get("k")
            self.assertEqual(got, b"the second one")
            self.assertEqual(head, self.hit(generation, got,
                                            lm.Shape(3, 4, 5, 6, 7, 8)))
            # Equal bytes under another shape: the last one put counts too.
            client.put("k", b"the second one", lm.Shape(1, 1, 1, 1, 1, 1))
            self.assertEqual(client.get("k")[1],
                             self.hit(generation, got,
                                      lm.Shape(1, 1, 1, 1, 1, 1)))

    def test_a_miss_is_the_bytes_a_client_knows(self):
        misses = {V0: "9001000000000000",
                  EXP: "9001000000000000010000000200" + "00" * 18,
                  V1: "9001000000000000010000000200" + "00" * 22}
        for generation in GENERATIONS:
            client = self.client(generation)
            for command in (lm.GET, lm.EXIST):
                self.assertEqual(client.ask(command, "nothing").hex(),
                                 misses[generation])

    def test_health_and_exist_say_yes_in_the_same_bytes(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            client.put("k", b"v")
            self.assertEqual(client.ask(lm.EXIST, "k"),
                             lm.reply(generation, lm.OK))
            self.assertEqual(client.ask(lm.HEALTH),
                             lm.reply(generation, lm.OK))
            self.assertEqual(client.ask(lm.HEALTH, "k"),
                             lm.reply(generation, lm.OK))

    def test_any_request_may_be_a_connections_first(self):
        for generation in GENERATIONS:
            self.assertEqual(self.client(generation).ask(lm.HEALTH),
                             lm.reply(generation, lm.OK))
            self.assertEqual(self.client(generation).ask(lm.EXIST, "k"),
                             lm.reply(generation, lm.FAIL))
            client = self.client(generation)
            client.send(lm.LIST, "")
            if generation is V0:
                self.assertEqual(client.head(), lm.reply(V0, lm.OK))
            self.assertEqual(client.ask(lm.GET, "k"),
                             lm.reply(generation, lm.FAIL))

    def test_list_answers_the_oldest_clients_only(self):
        old = self.client(V0)
        self.assertEqual(old.list(), [])
        for key in KEYS:
            old.put(key, b"v")
        self.assertEqual(sorted(old.list()),
                         sorted(key.encode() for key in KEYS))
        for generation in (EXP, V1):
            client = self.client(generation)
            client.send(lm.LIST, "")
            # Its next reply is HEALTH's: LIST had none.
            self.assertEqual(client.ask(lm.HEALTH),
                             lm.reply(generation, lm.OK))

    def test_a_head_may_arrive_split_at_every_byte(self):
        for generation in GENERATIONS:
            key = "/models/m@1@0@-ff@half"
            put = lm.request(generation, lm.PUT, key, 3, lm.KV_SHAPE) + b"abc"
            get = lm.request(generation, lm.GET, key)
            wanted = self.hit(generation, b"abc", lm.KV_SHAPE)
            # A new connection for each of the first heads: its first bytes
            # tell the generation.
            for at in range(1, len(put)):
                with LmClient(self.server.data_port, generation) as client:
                    client.socket.sendall(put[:at])
                    self.resp.ask(b"+PONG\r\n", "PING")
                    client.socket.sendall(put[at:])
                    client.socket.sendall(get)
                    self.assertEqual(client.head(), wanted)
                    self.assertEqual(client.body(3), b"abc")

    def test_several_heads_in_one_segment_are_answered_in_order(self):
        for generation in GENERATIONS:
            client = self.client(generation)
            stream, wanted = b"", b""
            for number in range(40):
                key, body = f"k{number}", noise(number, number)
                stream += lm.request(generation, lm.PUT, key, number,
                                     lm.KV_SHAPE) + body
                stream += lm.request(generation, lm.EXIST, key)
                stream += lm.request(generation, lm.GET, key)
                stream += lm.request(generation, lm.GET, "missing")
                wanted += lm.reply(generation, lm.OK)
                wanted += self.hit(generation, body, lm.KV_SHAPE) + body
                wanted += lm.reply(generation, lm.FAIL)
            client.socket.sendall(stream)
            self.assertEqual(client.body(len(wanted)), wanted)

    def test_a_body_left_unread_holds_up_nobody_else(self):
        body = noise("unread", 32 << 20)
        stuck, other = self.client(), self.client()
        stuck.put("big", body)
        self.assertTrue(stuck.exists("big"))
        self.assertEqual(stuck.ask(lm.GET, "big"),
                         lm.reply(V1, lm.OK, len(body), lm.KV_SHAPE))
        for _ in range(50):
            self.assertTrue(other.exists("big"))
        # The value may go meanwhile; the bytes that are owed stay right.
        self.resp.ask(b":1\r\n", "DEL", "big")
        self.assertFalse(other.exists("big"))
        self.assertEqual(stuck.body(len(body)), body)
        self.assertFalse(stuck.exists("big"))

    def test_an_idle_connection_is_never_closed(self):
        idle = self.client()
        self.assertEqual(idle.ask(lm.HEALTH), lm.reply(V1, lm.OK))
        fresh = self.client()
        # Peers that stop inside a head show how much time has passed.
        closed = self.resp.counter("closed_header_timeout")
        for number in range(1, 6):
            slow = self.client()
            slow.socket.sendall(b"\x01")
            self.resp.await_counter("closed_header_timeout", closed + number)
            self.assertEqual(slow.socket.recv(1), b"")
        self.assertEqual(idle.ask(lm.HEALTH), lm.reply(V1, lm.OK))
        self.assertEqual(fresh.ask(lm.HEALTH), lm.reply(V1, lm.OK))

    def test_what_is_no_request_closes_the_connection(self):
        head = lm.request(V1, lm.GET, "k")
        for broken in (lm.request(V1, lm.PUT, "k", -1),
                       head[:8] + b"\x01" * 28 + head[36:],
                       lm.request(V1, lm.PUT, "", 3),
                       b"\x05\x01" + head[2:]):
            client = self.client()
            client.socket.sendall(broken)
            self.assertEqual(client.socket.recv(1), b"")
        self.assertEqual(self.client().ask(lm.HEALTH), lm.reply(V1, lm.OK))

    def test_a_body_too_large_is_drained_and_the_framing_kept(self):
        size = 65 << 20
        before = self.resp.info()
        for generation in GENERATIONS:
            client = self.client(generation)
            client.send(lm.PUT, "huge", size, lm.KV_SHAPE)
            piece = bytes(1 << 20)
            for _ in range(size >> 20):
                client.socket.sendall(piece)
            self.assertFalse(client.exists("huge"))
            client.put("k", b"v")
            self.assertEqual(client.value("k"), b"v")
        after = self.resp.info()
        self.assertEqual(int(after["puts_too_big"]),
                         int(before["puts_too_big"]) + 3)
        self.assertGreaterEqual(int(after["drained_bytes"]) -
                                int(before["drained_bytes"]), 3 * size)

    def test_many_clients_at_once_each_get_their_own(self):
        failures = []

        def run(number):
            try:
                with LmClient(self.server.data_port,
                              GENERATIONS[number % 3]) as client:
                    for round_ in range(10):
                        key = f"model@{number}@{round_}"
                        body = noise(key, 1000 * number + 70000 * (round_ % 2))
                        client.put(key, body)
                        assert client.exists(key), key
                        assert client.value(key) == body, key
            except Exception as error:  # pylint: disable=broad-except
                failures.append((number, error))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_readers_never_see_half_of_two_puts(self):
        """Writers of one key, each with a size, bytes and a shape of its own;
        what is got is one of them, whole."""
        failures, writers, done = [], 4, threading.Event()

        def write(number):
            with LmClient(self.server.data_port) as client:
                size = 50000 * (number + 1)
                for _ in range(60):
                    client.put("k", bytes([number]) * size,
                               lm.Shape(number, 0, number, 0, 0, size))
                client.exists("k")

        def read(generation):
            with LmClient(self.server.data_port, generation) as client:
                while not done.is_set():
                    body, head = client.get("k") or (None, None)
                    if body is None:
                        continue
                    number, size = body[0], 50000 * (body[0] + 1)
                    shape = lm.Shape(number, 0, number, 0, 0, size)
                    if (body != bytes([number]) * size or
                            head != self.hit(generation, body, shape)):
                        failures.append((head, body[:10], len(body)))

        readers = [threading.Thread(target=read, args=(generation,))
                   for generation in (EXP, V1)]
        threads = [threading.Thread(target=write, args=(number,))
                   for number in range(writers)]
        for thread in readers + threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
        self.assertEqual(failures, [])

    def test_requests_and_their_results_are_counted(self):
        before = self.resp.info()
        client = self.client()
        client.put("k", b"12345")
        client.exists("k")
        client.exists("no")
        client.get("k")
        client.get("no")
        client.ask(lm.HEALTH)
        after = self.resp.info()
        for name, step in {"lm_put": 1, "lm_exists": 2, "lm_get": 2,
                           "lm_other": 1, "exists_hits": 1,
                           "exists_misses": 1, "get_hits": 1, "get_misses": 1,
                           "get_bytes": 5, "put_bytes": 5,
                           "puts_stored": 1}.items():
            self.assertEqual(int(after[name]) - int(before[name]), step, name)


if __name__ == "__main__":
    unittest.main()
