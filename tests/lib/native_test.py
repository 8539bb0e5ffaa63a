# SPDX-License-Identifier: Apache-2.0
"""Tests of the native wire: a server, a client of it, and bytes to put."""
import random

from lm_client import LmClient
from native_wire import OK, NativeClient
from server_test import MIB, ServerTest

SOURCE = random.Random(7).randbytes(9 * MIB)


def value(size, start=0):
    return SOURCE[start:start + size]


class NativeTest(ServerTest):
    """Begins with a server and a client of the native wire."""
    options = {}

    def setUp(self):
        self.serve(**dict({"lease_ms": 0}, **self.options))
        self.client = self.native()

    def native(self):
        client = NativeClient(self.server.data_port)
        self.addCleanup(client.close)
        return client

    def lm(self):
        client = LmClient(self.server.data_port)
        self.addCleanup(client.close)
        return client

    def assert_is(self, key, body, **fields):
        answer = self.client.get(key, **fields)
        self.assertEqual(answer.reply["code"], OK, key)
        self.assertTrue(answer.body == body, f"other bytes of {key}")
        return answer.reply

    def assert_miss(self, *keys, **fields):
        for key in keys:
            self.assertIsNone(self.client.value(key, **fields), key)

    def assert_code(self, code, *arguments, **fields):
        reply = self.client.request(*arguments, **fields).reply
        self.assertEqual(reply["code"], code, reply)
        return reply
