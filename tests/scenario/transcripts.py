#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What clients that Debian does not have say when they connect, played back as
bytes: redis-py 5 to 8, GLIDE, go-redis, LMCache's native client (WIRES 2)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import KV_SHAPE, metadata  # noqa: E402
from raw_client import encode  # noqa: E402
from resp_client import RespClient, bulk  # noqa: E402
from server import Server  # noqa: E402

OK = b"+OK\r\n"
NO_MAINTENANCE = (b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT "
                  b"HELP.\r\n")
BODY = os.urandom(100000)
META = metadata(len(BODY), KV_SHAPE)


def hello(number, proto):
    """HELLO's answer on the connection of that number."""
    fields = [("server", "redis"), ("version", "7.0.15"), ("proto", proto),
              ("id", number), ("mode", "standalone"), ("role", "master")]
    out = b"%7\r\n" if proto == 3 else b"*14\r\n"
    for name, value in fields:
        out += bulk(name.encode())
        out += (b":%d\r\n" % value if isinstance(value, int) else
                bulk(value.encode()))
    return out + bulk(b"modules") + b"*0\r\n"


class TranscriptTest(unittest.TestCase):
    def setUp(self):
        server = self.enterContext(Server(dram_size="64MiB"))
        self.client = self.enterContext(RespClient(server.data_port))

    def play(self, *lines):
        """Each line: what is sent as one segment, and all of its answer."""
        for commands, reply in lines:
            if isinstance(commands[0], (str, bytes)):
                commands = [commands]
            self.client.socket.sendall(b"".join(encode(*command)
                                                for command in commands))
            self.client.expect(reply)

    def use_as_lmcache(self, null):
        """LMCache's redis:// connector, with that null."""
        self.play(
            (["EXISTS", "Kmetadata"], b":0\r\n"),
            (["GET", "Kmetadata"], null),
            (["SET", "Kkv_bytes", BODY], OK),
            (["SET", "Kmetadata", META], OK),
            (["EXISTS", "Kmetadata"], b":1\r\n"),
            (["GET", "Kmetadata"], bulk(META)),
            (["GET", "Kkv_bytes"], bulk(BODY)),
            (["DEL", "Kmetadata"], b":1\r\n"),
            (["GET", "Kkv_bytes"], null))

    def test_redis_py_4_says_nothing_first(self):
        self.use_as_lmcache(b"$-1\r\n")

    def test_redis_py_4_may_select(self):
        self.play((["SELECT", "5"], OK))
        self.use_as_lmcache(b"$-1\r\n")

    def test_redis_py_5_to_7_tell_their_name(self):
        self.play(
            ([["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
              ["CLIENT", "SETINFO", "LIB-VER", "5.2.1"]], OK + OK),
            (["SELECT", "2"], OK))
        self.use_as_lmcache(b"$-1\r\n")

    def test_redis_py_8_speaks_resp3(self):
        self.play(
            (["HELLO", "3"], hello(1, 3)),
            (["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type",
              "internal-ip"], NO_MAINTENANCE),
            (["CLIENT", "SETINFO", "LIB-NAME", "redis-py"], OK),
            (["CLIENT", "SETINFO", "LIB-VER", "8.0.0"], OK))
        self.use_as_lmcache(b"_\r\n")

    def test_redis_py_8_may_present_a_password_in_its_hello(self):
        self.play(
            (["HELLO", 3, "AUTH", "default", "secret"], hello(1, 3)),
            ([["CLIENT", "MAINT_NOTIFICATIONS", "ON"],
              ["CLIENT", "SETINFO", "LIB-NAME", "redis-py"]],
             NO_MAINTENANCE + OK))
        self.use_as_lmcache(b"_\r\n")

    def test_hello_with_another_user_is_refused_and_changes_nothing(self):
        self.play(
            (["HELLO", 3, "AUTH", "somebody", "secret"],
             b"-WRONGPASS invalid username-password pair or user is disabled."
             b"\r\n"),
            (["GET", "nothing"], b"$-1\r\n"),
            (["HELLO", 3, "SETNAME", "worker-0"], hello(1, 3)),
            (["CLIENT", "GETNAME"], bulk(b"worker-0")),
            (["GET", "nothing"], b"_\r\n"),
            (["HELLO", 2], hello(1, 2)),
            (["GET", "nothing"], b"$-1\r\n"),
            (["HELLO"], hello(1, 2)))

    def test_glide_asks_for_a_master(self):
        info = b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
        self.play(
            (["HELLO", "3"], hello(1, 3)),
            ([["CLIENT", "SETINFO", "LIB-NAME", "GlidePy"],
              ["CLIENT", "SETINFO", "LIB-VER", "2.0.1"]], OK + OK),
            (["INFO", "REPLICATION"],
             b"=%d\r\ntxt:%s\r\n" % (len(info) + 4, info)),
            (["PING"], b"+PONG\r\n"),
            (["SET", "k", BODY, "EX", "60"], OK),
            (["GET", "k"], bulk(BODY)),
            (["TTL", "k"], b":60\r\n"),
            (["MGET", "{k}:metadata", "{k}:kv_bytes"], b"*2\r\n_\r\n_\r\n"),
            ([["SET", "{k}:kv_bytes", BODY], ["SET", "{k}:metadata", META]],
             OK + OK),
            (["MGET", "{k}:metadata", "{k}:kv_bytes"],
             b"*2\r\n" + bulk(META) + bulk(BODY)),
            (["MGET", "k:metadata", "k:kv_bytes"], b"*2\r\n_\r\n_\r\n"))
        memory = self.client.value("INFO", "memory").decode()
        usage = dict(line.split(":") for line in memory.split("\r\n")[1:]
                     if line)
        self.assertEqual(int(usage["maxmemory"]), 64 << 20)
        self.assertGreater(int(usage["used_memory"]), len(BODY))
        self.assertLess(int(usage["used_memory"]), 64 << 20)

    def test_go_redis_9_pipelines_its_greeting(self):
        self.play(
            (["hello", "3"], hello(1, 3)),
            ([["client", "maint_notifications", "on", "moving-endpoint-type",
               "none"]],
             NO_MAINTENANCE.replace(b"MAINT_NOTIFICATIONS",
                                    b"maint_notifications")),
            ([["client", "setinfo", "lib-name", "go-redis(,go1.24)"],
              ["client", "setinfo", "lib-ver", "9.11.0"]], OK + OK),
            (["ping"], b"+PONG\r\n"))

    def test_the_native_client_without_a_password_just_begins(self):
        self.play(
            (["EXISTS", "m@00000000@0@ff@salt"], b":0\r\n"),
            (["SET", "m@00000000@0@ff@salt", BODY], OK),
            (["EXISTS", "m@00000000@0@ff@salt"], b":1\r\n"),
            (["GET", "m@00000000@0@ff@salt"], bulk(BODY)),
            (["DEL", "m@00000000@0@ff@salt"], b":1\r\n"))

    def test_a_password_that_nobody_set_is_answered_as_redis_does(self):
        self.play(
            (["AUTH", "secret"],
             b"-ERR AUTH <password> called without any password configured "
             b"for the default user. Are you sure your configuration is "
             b"correct?\r\n"),
            (["AUTH", "default", "secret"], OK),
            (["PING"], b"+PONG\r\n"))

    def test_redis_cli_and_benchmark_ask_for_these_first(self):
        self.play(
            (["CONFIG", "GET", "save"], b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
            (["CONFIG", "GET", "appendonly"],
             b"*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
            (["CONFIG", "GET", "maxmemory"],
             b"*2\r\n$9\r\nmaxmemory\r\n$8\r\n67108864\r\n"))
        self.assertEqual(self.client.call("COMMAND", "DOCS")[:1], b"*")
        self.assertIn(b"cluster_enabled:1",
                      self.client.value("INFO", "cluster"))


if __name__ == "__main__":
    unittest.main()
