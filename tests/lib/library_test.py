# SPDX-License-Identifier: Apache-2.0
"""libprefixcache against servers that do as a test tells them.  Whatever they do, a
call ends by its deadline, nothing is written to memory that was given back, wrong
bytes are never taken for a key's, and the next honest answer is taken."""
import struct
import time
import unittest

import native_wire as wire
from library_client import LibraryClient
from native_server import NativeServer
from server import program

program("PREFIXCACHE_LIBRARY_CLIENT")
# Loose: this is no measurement, and the machine may be busy.
GRACE_US = 2_000_000
GET_MS = 300
TERMS = {"connections": 1, "get_ms": GET_MS, "lookup_ms": 300, "put_ms": 300,
         "retry_ms": 50, "connect_ms": 300}


def value(seed, size):
    """As library_values.h makes them."""
    out, mask = bytearray(), (1 << 64) - 1
    for at in range(0, size, 8):
        word = ((seed + 1) * 0x9E3779B97F4A7C15 + at) & mask
        word ^= word >> 29
        out += struct.pack("<Q", word * 0xBF58476D1CE4E5B9 & mask)
    return bytes(out[:size])


class LibraryTest(unittest.TestCase):
    def serve(self, kind=NativeServer):
        server = kind()
        self.addCleanup(server.close)
        return server

    def connect(self, *servers, **terms):
        terms = "&".join(f"{name}={number}" for name, number in
                         dict(TERMS, **terms).items())
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        client = LibraryClient(f"prefixcache://{hosts}?{terms}")
        self.addCleanup(client.close)
        return client

    def start(self, kind, **terms):
        self.server = self.serve(kind)
        client = self.connect(self.server, **terms)
        client.until_up()
        return client

    def assert_in_time(self, got, milliseconds=GET_MS):
        self.assertLess(got.us, milliseconds * 1000 + GRACE_US)

    def assert_missed(self, got):
        self.assertEqual((got.status, got.size), ("MISS", 0))
        self.assert_in_time(got)

    def assert_connections(self, count):
        """So many it took, in all."""
        self.assertEqual(self.server.seen.count(wire.HELLO), count)

    def assert_serves(self, client):
        """As an honest server, from now on."""
        client.until_up()
        self.server.values[b"sane"] = value(9, 3000)
        deadline = time.monotonic() + 30
        while (got := client.get("sane", 9, 3000)).status != "OK":
            self.assertLess(time.monotonic(), deadline)
        self.assertTrue(got.is_right)
        self.assertEqual(client.ask("untouched"), "0")
