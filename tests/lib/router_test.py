# SPDX-License-Identifier: Apache-2.0
"""A test case with a server that routers keep their index in."""
import os
import tempfile
import unittest

import router
from resp_client import RespClient
from server import Server


class RouterTest(unittest.TestCase):
    def serve(self, **options):
        server = Server(**dict({"limits.workers": 2, "lease.ms": 0},
                               **options))
        self.addCleanup(os.unlink, server.log.name)
        self.addCleanup(server.log.close)
        server.start()
        self.addCleanup(server.stop)
        self.server = server
        self.client = self.connect()
        return server

    def connect(self, resp=2):
        client = RespClient(self.server.data_port)
        self.addCleanup(client.close)
        if resp == 3:
            client.call("HELLO", 3)
        return client

    def directory(self):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        return directory.name

    def replies(self, client, commands):
        """Of one pipeline, in order."""
        client.socket.sendall(router.pipeline(commands))
        return [client.reply() for _ in commands]

    def number(self, name):
        return int(self.client.info()[name])
