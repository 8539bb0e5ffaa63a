#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RESP as LMCache's native client reads it: replies to the byte, whatever way the
commands arrive, and nothing else when there is no room (WIRES 2.2)."""
import os
import random
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import LmClient, metadata  # noqa: E402
from raw_client import encode  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from resp_test import WithServer  # noqa: E402
from server import Server  # noqa: E402
META = metadata(1)


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


    def test_what_was_asked_before_quit_is_answered_in_full(self):
        body = os.urandom(5 << 20)
        self.client.ask(b"+OK\r\n", "SET", "k", body)
        self.client.socket.sendall(encode("GET", "k") + encode("QUIT") +
                                   encode("PING"))
        self.client.expect(bulk(body) + b"+OK\r\n")
        self.client.expect_close()

    def test_a_peer_that_ends_its_side_still_gets_its_answers(self):
        body = os.urandom(5 << 20)
        self.client.socket.sendall(encode("SET", "k", body) +
                                   encode("PING") * 1000 + encode("GET", "k"))
        self.client.socket.shutdown(socket.SHUT_WR)
        self.client.expect(b"+OK\r\n" + b"+PONG\r\n" * 1000 + bulk(body))
        self.client.expect_close()

    def test_keys_may_be_as_long_as_the_limit(self):
        names = ["k" * 4096, "b" * 4087 + ":kv_bytes", "b" * 4087 + ":metadata"]
        values = [b"plain", b"bytes", metadata(5)]
        for name, value in zip(names, values):
            self.client.ask(b"+OK\r\n", "SET", name, value)
        for name, value in zip(names, values):
            self.client.ask(b":1\r\n", "EXISTS", name)
            self.client.ask(bulk(value), "GET", name)
        self.assertEqual(sorted(self.client.scan()),
                         sorted(name.encode() for name in names))

    def test_thousands_of_keys_move_in_one_command(self):
        names = [f"m@1@0@{n:x}" for n in range(8192)]
        pairs = [word for name in names for word in (name, name)]
        values = b"".join(bulk(name.encode()) for name in names)
        self.client.ask(b"+OK\r\n", "MSET", *pairs)
        self.client.ask(b":8192\r\n", "EXISTS", *names)
        self.client.ask(b"*8192\r\n" + values, "MGET", *names)
        self.client.ask(b":8192\r\n", "DEL", *names)

    def test_one_of_many_wins_a_set_of_what_is_absent(self):
        wins, rounds, together = [], 40, threading.Barrier(8)

        def run(number):
            with RespClient(self.server.data_port) as client:
                for name in range(rounds):
                    together.wait(60)
                    forms = (["SETNX", f"k{name}", number],
                             ["SETNX", f"k{name}:kv_bytes", number],
                             ["SETNX", f"k{name}:metadata", META])
                    wins.extend((name, form[1]) for form in forms
                                if client.value(*form))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(wins), 3 * rounds)
        self.assertEqual(len(set(wins)), 3 * rounds)


class LongestLifeTest(unittest.TestCase):
    def test_nothing_lives_longer_than_the_limit(self):
        with Server(limits_ttl="100s", lease_ms=0) as server, \
                RespClient(server.data_port) as client, \
                LmClient(server.data_port) as lm:
            lm.put("lm", b"v")
            self.assertTrue(lm.exists("lm"))
            client.ask(b":100\r\n", "TTL", "lm")
            for command in (["SET", "k", "v"], ["SET", "k", "v", "EX", 1000],
                            ["SETEX", "k", 1000, "v"], ["MSET", "k", "v"],
                            ["SET", "k", "v", "KEEPTTL"]):
                client.ask(b"+OK\r\n", *command)
                client.ask(b":100\r\n", "TTL", "k")
            client.ask(b":1\r\n", "EXPIRE", "k", 50)
            client.ask(b":50\r\n", "TTL", "k")
            client.ask(b":1\r\n", "EXPIRE", "k", 500)
            client.ask(b":100\r\n", "TTL", "k")
            client.ask(b":1\r\n", "PERSIST", "k")
            client.ask(b":100\r\n", "TTL", "k")


class OverloadTest(unittest.TestCase):
    def setUp(self):
        server = self.enterContext(
            Server(dram_size="16MiB", limits_inflight="1MiB",
                   limits_put_wait=0, lease_ms=0))
        self.client = self.enterContext(RespClient(server.data_port))
        self.holder = self.enterContext(RespClient(server.data_port))

    def hold_all(self):
        """Announced, begun and not sent: it takes all of limits.inflight."""
        head = encode("SET", "held", bytes(1 << 20))[:-(1 << 20)]
        self.holder.socket.sendall(head)
        self.assertEqual(self.client.await_counter("inflight_used", 1 << 20),
                         1 << 20)

    def let_go(self):
        self.holder.socket.sendall(bytes((1 << 20) - 2) + b"\r\n")
        self.holder.expect(b"+OK\r\n")

    def test_a_value_without_room_is_answered_ok_and_counted(self):
        client = self.client
        self.hold_all()
        client.ask(b"+OK\r\n", "SET", "k", bytes(100000))
        client.ask(b":1\r\n", "SETNX", "l", bytes(100000))
        client.ask(b"+OK\r\n", "MSET", "m", "v", "n", "w")
        client.ask(b":0\r\n", "EXISTS", "k", "l", "m", "n")
        self.assertEqual(client.counter("puts_busy"), 4)
        self.let_go()
        client.ask(b"+OK\r\n", "SET", "k", bytes(100000))
        client.ask(b":2\r\n", "EXISTS", "k", "held")

    def test_a_value_that_was_dropped_leaves_no_older_one(self):
        client = self.client
        client.ask(b"+OK\r\n", "MSET", "k", "old", "okv_bytes", "old",
                   "ometadata", metadata(3))
        self.hold_all()
        # OK is said of a newer value: the one before it is wrong now.
        client.ask(b"+OK\r\n", "SET", "k", bytes(100000))
        client.ask(b"+OK\r\n", "SET", "okv_bytes", bytes(100000))
        self.assertEqual(client.counter("puts_busy"), 2)
        client.ask(b"$-1\r\n", "GET", "k")
        client.ask(b"$-1\r\n", "GET", "okv_bytes")
        client.ask(b":0\r\n", "EXISTS", "ometadata")
        self.let_go()


if __name__ == "__main__":
    unittest.main()
