# SPDX-License-Identifier: Apache-2.0
"""Tests that run prefixcache-cli against servers of their own, over the native
wire: what it says, in text or JSON, and its exit status."""
import json
import os
import random
import struct
import subprocess
import tempfile

import redis

from lm_client import LmClient, Shape, metadata
from server import Server, program
from server_test import MIB, ServerTest
from watch import until

CLI = program("PREFIXCACHE_CLI")
DONE, MISSING, USAGE, CONNECTION, REFUSED = range(5)
RUN_SECONDS = 120
DUMP_HEAD = 64
NOISE = random.Random(7).randbytes(9 << 20)


def noise(number, size):
    """Bytes that only this number has."""
    start = number * 4099 % (1 << 20)
    return (number.to_bytes(8, "little") + NOISE[start:start + size])[:size]


class CliTest(ServerTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name, content=None):
        path = os.path.join(self.directory, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def start_server(self, **options):
        """As serve(), but it may be killed in the test."""
        server = Server(**dict({"limits.workers": 2, "dram_size": "128MiB"},
                               **options))
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.stop)
        return server

    def redis(self, server, space=0):
        client = redis.Redis("127.0.0.1", server.data_port, db=space)
        self.addCleanup(client.close)
        return client

    def lm(self, server):
        client = LmClient(server.data_port)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def command(server, *arguments):
        url = server.url("prefixcache") if isinstance(server, Server) \
            else server
        return [CLI] + (["--url", url] if url else []) + list(arguments)

    def start(self, server, *arguments, **more):
        """One that is left running, and killed at the end of the test."""
        process = subprocess.Popen(
            self.command(server, *arguments),
            **dict({"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                    "stderr": subprocess.DEVNULL}, **more))

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def run_cli(self, code, server, *arguments, stdin=b"", stdout=None):
        result = subprocess.run(self.command(server, *arguments), input=stdin,
                                stdout=stdout or subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=RUN_SECONDS,
                                check=False)
        self.assertEqual(result.returncode, code,
                         (arguments, result.stdout and result.stdout[:500],
                          result.stderr[:2000]))
        return result

    def ask(self, code, server, *arguments, **more):
        """What it answers in JSON."""
        result = self.run_cli(code, server, *arguments, "-o", "json", **more)
        return json.loads(result.stdout)

    def assert_says(self, result, *words):
        for word in words:
            self.assertIn(word, result.stderr.decode(errors="replace"))

    @staticmethod
    def kill_when(process, is_so, what):
        """SIGKILL, while it still runs."""
        def look():
            if process.poll() is not None:
                raise AssertionError(f"ended by itself before {what}: "
                                     f"{process.returncode}")
            return is_so()
        until(look, what)
        process.kill()
        process.wait()


class Hoard:
    """Values of every size and kind on a server, and whether another has
    them."""
    # Of two groups, as LMCache writes it over redis://.
    PAIR = metadata(6, Shape(2, 3, 2, 27, 256, 8)) + b"g" * 20
    SIZES = (1, 63, 64, 4095, 4096, 65536, 300_000, 1 << 20, 5_000_001)

    def __init__(self, test, plain=40, objects=20):
        self.test = test
        self.plain = {}
        for number in range(plain):
            size = self.SIZES[number % len(self.SIZES)]
            if number >= 2 * len(self.SIZES):
                size = min(size, 65536)
            self.plain[(0 if number % 5 else 3, b"plain:%d\n\xff" % number)] = (
                noise(number, size), 900 if number % 7 == 0 else None)
        self.plain[(0, b"empty")] = (b"", None)
        self.plain[(255, b"k" * 4096)] = (b"a long key", None)
        self.objects = {
            f"model@1@0@{number:x}@half": (
                noise(1000 + number, 10_000 + number),
                Shape(2, 3, 2, number, 256, 8))
            for number in range(objects)}

    def __len__(self):
        # The pair of redis:// is one value.
        return len(self.plain) + len(self.objects) + 1

    def put(self, server):
        clients = {space: self.test.redis(server, space)
                   for space in (0, 3, 255)}
        for (space, key), (body, seconds) in self.plain.items():
            clients[space].set(key, body, ex=seconds)
        clients[3].set(b"pair:kv_bytes", b"halves")
        clients[3].set(b"pair:metadata", self.PAIR)
        lm = self.test.lm(server)
        for key, (body, shape) in self.objects.items():
            lm.put(key, body, shape)
        self.test.assertTrue(lm.exists(key))

    def assert_on(self, server):
        test = self.test
        clients = {space: test.redis(server, space) for space in (0, 3, 255)}
        for (space, key), (body, seconds) in self.plain.items():
            test.assertTrue(clients[space].get(key) == body, (space, key[:40]))
            left = clients[space].ttl(key)
            if seconds is None:
                test.assertEqual(left, -1, key[:40])
            else:
                test.assertTrue(seconds - 300 < left <= seconds, left)
        test.assertEqual(clients[3].get(b"pair:kv_bytes"), b"halves")
        test.assertEqual(clients[3].get(b"pair:metadata"), self.PAIR)
        test.assertIn(b"pair:metadata", list(clients[3].scan_iter()))
        lm = test.lm(server)
        for key, (body, shape) in self.objects.items():
            found = lm.get(key)
            test.assertIsNotNone(found, key)
            test.assertTrue(found[0] == body, key)
            code, size, *rest = [int.from_bytes(found[1][i:i + 4], "little")
                                 for i in range(0, 32, 4)]
            test.assertEqual(tuple(rest), tuple(shape))
        total = sum(client.dbsize() for client in clients.values())
        # redis:// counts both names of a pair.
        test.assertGreaterEqual(total, len(self))


class DumpTest(CliTest):
    """A file for a dump, values for it, and a look at its records."""

    def setUp(self):
        super().setUp()
        self.file = self.path("cache.dump")
        self.position = self.file + ".position"

    def fill(self, server, count=64, size=MIB // 4):
        client = self.redis(server)
        for number in range(count):
            client.set(f"k{number}", noise(number, size))
        return client

    def assert_filled(self, server, count=64, size=MIB // 4):
        client = self.redis(server)
        for number in range(count):
            self.assertTrue(client.get(f"k{number}") == noise(number, size),
                            number)

    def file_size(self):
        return os.path.getsize(self.file) if os.path.exists(self.file) else 0

    def records(self):
        """(offset, bytes before the value, key) of each."""
        with open(self.file, "rb") as file:
            text = file.read()
        at, found = DUMP_HEAD, []
        while text[at:at + 4] == b"PFXR":
            key, meta = struct.unpack_from("<HB", text, at + 4)
            body, = struct.unpack_from("<Q", text, at + 16)
            name = text[at + DUMP_HEAD:at + DUMP_HEAD + key]
            found.append((at, DUMP_HEAD + key + meta, name))
            at += DUMP_HEAD + key + meta + body
        return found

    def flip(self, offset):
        with open(self.file, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))
