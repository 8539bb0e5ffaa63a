# SPDX-License-Identifier: Apache-2.0
"""Tests over RESP that share one server, which each begins with nothing in."""
import unittest

from resp_client import RespClient
from server import Server


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(
            Server(dram_size="256MiB", lease_ms=0))

    def connect(self, resp=2):
        client = RespClient(self.server.data_port)
        self.addCleanup(client.close)
        if resp == 3:
            client.call("HELLO", 3)
        return client

    def setUp(self):
        self.client = self.connect()
        self.client.ask(b"+OK\r\n", "FLUSHALL")
