#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RESP as LMCache's native client reads it: replies to the byte, whatever way the
commands arrive, and nothing else when there is no room (WIRES 2.2)."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from resp_client import RespClient, bulk, encode  # noqa: E402
from server import Server  # noqa: E402

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


class NativeTest(WithServer):
    """What LMCache's native client does: it reads by size and never looks for
    an error (WIRES 2.2)."""

    def test_replies_are_the_bytes_a_native_client_reads(self):
        client = self.client
        for size in (0, 1, 100, 4096, 16384, 65536, 1 << 20, (3 << 20) + 7):
            key = f"m@0000000{size % 8}@0@{size:x}@salt"
            body = random.Random(size).randbytes(size)
            client.ask(b":0\r\n", "EXISTS", key)
            client.ask(b"+OK\r\n", "SET", key, body)
            client.ask(b":1\r\n", "EXISTS", key)
            client.ask(b"$%d\r\n%s\r\n" % (size, body), "GET", key)
            client.ask(b":1\r\n", "DEL", key)
            client.ask(b":0\r\n", "DEL", key)
            client.ask(b":0\r\n", "EXISTS", key)
            client.ask(b"$-1\r\n", "GET", key)

    def test_a_command_may_arrive_split_at_every_byte(self):
        stream = (encode("SET", "k", "value", "EX", 100) + encode("GET", "k") +
                  encode("MSET", "a", "1", "b", "22") +
                  encode("MGET", "a", "b", "c") + encode("EXISTS", "k"))
        wanted = (b"+OK\r\n$5\r\nvalue\r\n+OK\r\n*3\r\n$1\r\n1\r\n$2\r\n22"
                  b"\r\n$-1\r\n:1\r\n")
        other = self.connect()
        for at in range(1, len(stream)):
            self.client.socket.sendall(stream[:at])
            other.ask(b"+PONG\r\n", "PING")
            self.client.socket.sendall(stream[at:])
            self.client.expect(wanted)

    def test_a_large_value_arrives_in_any_pieces(self):
        body = random.Random(1).randbytes((2 << 20) + 33)
        whole = encode("SET", "k", body, "EX", 100) + encode("PING")
        for piece in (1000, 16384, 65536 + 1, len(whole) - 1):
            for at in range(0, len(whole), piece):
                self.client.socket.sendall(whole[at:at + piece])
            self.client.expect(b"+OK\r\n+PONG\r\n")
            self.client.ask(bulk(body), "GET", "k")
            self.client.ask(b":100\r\n", "TTL", "k")

    def test_pipelined_commands_are_answered_in_order(self):
        sent = wanted = b""
        for number in range(500):
            body = b"%d" % number * (number % 7)
            sent += encode("SET", number, body) + encode("GET", number)
            sent += encode("EXISTS", number, "nothing")
            wanted += b"+OK\r\n" + bulk(body) + b":1\r\n"
        self.client.socket.sendall(sent)
        self.client.expect(wanted)

    def test_a_value_over_the_limit_is_refused_and_the_framing_kept(self):
        before = self.client.counter("puts_too_big")
        self.client.ask(b"+OK\r\n", "SET", "k", "v")
        self.client.ask(b"-ERR value of 67108865 bytes is larger than "
                        b"limits.value allows, 67108864\r\n",
                        "SET", "k", bytes((64 << 20) + 1))
        self.client.ask(b"$1\r\nv\r\n", "GET", "k")
        self.client.ask(b"-ERR value of 67108865 bytes is larger than "
                        b"limits.value allows, 67108864\r\n",
                        "MSET", "k", bytes((64 << 20) + 1), "l", "w")
        self.client.ask(b"*2\r\n$1\r\nv\r\n$1\r\nw\r\n", "MGET", "k", "l")
        self.assertEqual(self.client.counter("puts_too_big"), before + 2)

    def test_a_command_given_wrongly_stores_nothing(self):
        for command in (["SETNX", "k", "v", "w"], ["SETEX", "k", 9, "v", "w"],
                        ["SET", "k", "v", "nonsense"], ["MSET", "k", "v", "l"],
                        ["SETEX", "k", "x", "v"], ["PSETEX", "k", 0, "v"],
                        ["SET", "k", "v", "x" * 70000],
                        ["SETNX", "k", bytes(70000), "w"]):
            with self.subTest(command=str(command)[:60]):
                self.assertEqual(self.client.call(*command)[:5], b"-ERR ")
                self.client.ask(b":0\r\n", "EXISTS", "k")
        self.client.ask(b":0\r\n", "DBSIZE")

    def test_framing_that_is_wrong_gets_one_error_and_ends(self):
        for stream, error in (
                (b"*x\r\n", b"invalid multibulk length"),
                (b"*1048577\r\n", b"invalid multibulk length"),
                (b"*1\r\n$-1\r\n", b"invalid bulk length"),
                (b"*1\r\n$x\r\n", b"invalid bulk length"),
                (b"*1\r\n$99999999999\r\n", b"invalid bulk length"),
                # Redis names the byte; ours may be any byte.
                (b"*1\r\n+PING\r\n", b"expected '$', got something else"),
                # Redis would take it for an inline command.
                (b"*0\r\nPING\r\n", b"expected '*', got something else"),
                # Redis takes any two bytes for the end of a value.
                (b"*1\r\n$4\r\nPINGxx", b"expected CRLF behind a value"),
                (b"*" + b"1" * 40, b"too big mbulk count string")):
            client = self.connect()
            client.socket.sendall(encode("PING") + stream)
            client.expect(b"+PONG\r\n-ERR Protocol error: " + error +
                          b"\r\n")
            client.expect_close()


class OverloadTest(unittest.TestCase):
    def test_a_value_without_room_is_answered_ok_and_counted(self):
        with Server(dram_size="16MiB", limits_inflight="1MiB",
                    limits_put_wait=0, lease_ms=0) as server, \
                RespClient(server.data_port) as client, \
                RespClient(server.data_port) as holder:
            # Announced, begun and not sent: it holds all of limits.inflight.
            holder.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$1048576\r\n"
                                  + bytes(1000))
            self.await_inflight(client, 1 << 20)
            client.ask(b"+OK\r\n", "SET", "k", bytes(100000))
            client.ask(b":0\r\n", "EXISTS", "k")
            client.ask(b":1\r\n", "SETNX", "k", bytes(100000))
            client.ask(b"+OK\r\n", "MSET", "k", "v", "l", "w")
            client.ask(b":0\r\n", "EXISTS", "k", "l")
            self.assertEqual(client.counter("puts_busy"), 4)
            holder.socket.sendall(bytes((1 << 20) - 1000) + b"\r\n")
            holder.expect(b"+OK\r\n")
            client.ask(b"+OK\r\n", "SET", "k", bytes(100000))
            client.ask(b":2\r\n", "EXISTS", "k", "h")

    def await_inflight(self, client, wanted):
        self.assertEqual(client.await_counter("inflight_used", wanted), wanted)


if __name__ == "__main__":
    unittest.main()
