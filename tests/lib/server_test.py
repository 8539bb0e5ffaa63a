# SPDX-License-Identifier: Apache-2.0
"""A test case that starts a server of its own, with options of its own, and
looks at it from outside.  All it opened is closed when the test ends, and the
server must then end well too."""
import os
import unittest

from raw_client import RawClient, raise_descriptors
from server import Server, program
from watch import Watch

program("PREFIXCACHED")
MIB = 1 << 20
SANITIZED = bool(os.environ.get("PREFIXCACHE_SANITIZER"))


class ServerTest(unittest.TestCase):
    def serve(self, **options):
        return self.adopt(Server(**dict({"limits.workers": 2}, **options)))

    def adopt(self, server):
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.stop)
        self.watch = Watch(server)
        self.addCleanup(self.watch.close)
        self.server = server
        return server

    def connect(self, **more):
        client = RawClient(self.server, **more)
        self.addCleanup(client.close)
        return client

    def connect_many(self, number, **more):
        raise_descriptors()
        return [self.connect(**more) for _ in range(number)]

    def assert_serves(self, client=None):
        """The framing holds: the next request is understood."""
        client = client or self.connect()
        self.assertEqual(client.command("PING"), b"+PONG")

    def assert_grew_at_most(self, before, most):
        if not SANITIZED:
            self.assertLess(self.watch.resident() - before, most)
