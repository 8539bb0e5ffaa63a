# SPDX-License-Identifier: Apache-2.0
"""A test case with a server, and caches of the Python client that are patient:
nothing is late because the machine is busy, unless a test says so."""
import os
import select
import time
import unittest

import native_library  # noqa: F401
from prefixcache import Cache
from resp_client import RespClient
from server import Server, program

program("PREFIXCACHED")
MIB = 1 << 20
SECONDS = 20
PATIENT = {"connect_ms": 10000, "lookup_ms": 10000, "get_ms": 20000,
           "put_ms": 20000}


def url_of(*servers):
    return "prefixcache://" + ",".join(
        f"127.0.0.1:{server.data_port}" for server in servers)


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(dram_size="256MiB"))
        cls.resp = cls.enterClassContext(RespClient(cls.server.data_port))

    def setUp(self):
        self.resp.ask(b"+OK\r\n", "FLUSHALL")
        self.cache = self.open(url_of(self.server))

    def open(self, url, **options):
        cache = Cache(url, **{**PATIENT, **options})
        self.addCleanup(cache.close)
        return cache

    def serve_another(self, **options):
        server = Server(dram_size="64MiB", **options)
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.kill)
        return server

    def drain(self, cache, count):
        """Waits on the event fd for so many completions."""
        drained, deadline = [], time.monotonic() + SECONDS
        while len(drained) < count:
            left = deadline - time.monotonic()
            self.assertGreater(left, 0, f"{len(drained)} of {count} drained")
            select.select([cache.event_fd()], [], [], left)
            drained += cache.drain()
        return drained
