#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The replies to a long list of commands are those of a real redis-server, byte
for byte, in RESP2 and RESP3, but for those that differ on purpose."""
import os
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from redis_script import ON_PURPOSE, SCRIPT, RandomCommands  # noqa: E402
from resp_client import Redis, RespClient, bulk  # noqa: E402
from resp_test import WithServer  # noqa: E402

REDIS_SERVER = shutil.which("redis-server")

# Commands that Redis has not.
OUR_OWN = (b"prefix.match",)


class AsRedisTest(WithServer):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        cls.addClassCleanup(cls.directory.cleanup)
        cls.real = Redis(REDIS_SERVER, cls.directory.name)
        cls.addClassCleanup(cls.real.stop)

    def pair(self, resp=2):
        ours, theirs = self.connect(resp), self.real.connect()
        self.addCleanup(theirs.close)
        if resp == 3:
            theirs.call("HELLO", 3)
        theirs.call("FLUSHALL")
        return ours, theirs

    def compare(self, resp):
        excused = [command for command, _, _ in ON_PURPOSE]
        ours, theirs = self.pair(resp)
        for command in SCRIPT:
            if command in excused:
                continue
            got, wanted = ours.call(*command), theirs.call(*command)
            self.assertEqual(got[:2000], wanted[:2000], command)
            self.assertTrue(got == wanted, command)

    def test_resp2_replies_are_those_of_redis(self):
        self.compare(2)

    def test_resp3_replies_are_those_of_redis(self):
        self.compare(3)

    def test_commands_by_chance_get_the_replies_of_redis(self):
        for seed in range(4):
            commands = RandomCommands(seed)
            ours, theirs = self.pair()
            self.client.ask(b"+OK\r\n", "FLUSHALL")
            for number in range(1500):
                command = commands.next()
                got, wanted = ours.call(*command), theirs.call(*command)
                if command[0] != "HELLO":
                    self.assertTrue(got == wanted,
                                    f"seed {seed}, command {number}: "
                                    f"{str(command)[:200]}: {got[:200]}, "
                                    f"redis: {wanted[:200]}")

    def test_replies_that_differ_do_so_on_purpose(self):
        _, theirs = self.pair()
        for command, reply, why in ON_PURPOSE:
            self.assertEqual(self.client.call(*command), reply, why)
            if command[0] != "SELECT" and command[0] not in ("SUBSCRIBE",):
                self.assertNotEqual(theirs.call(*command), reply, why)

    def test_lifetimes_run_as_in_redis(self):
        ours, theirs = self.pair()
        for command in (["SET", "k", "v", "PX", 50000], ["SETEX", "k", 70, "v"],
                        ["SET", "k", "v", "EX", 90], ["PEXPIRE", "k", 12345],
                        ["PSETEX", "k", 54321, "v"], ["EXPIRE", "k", 1000]):
            self.assertEqual(ours.call(*command), theirs.call(*command))
            mine, its = ours.value("PTTL", "k"), theirs.value("PTTL", "k")
            self.assertAlmostEqual(mine, its, delta=2000, msg=command)
            self.assertLessEqual(mine, 1000000)
        now = int(time.time())
        ours.ask(b"+OK\r\n", "SET", "k", "v", "EXAT", now + 500)
        self.assertAlmostEqual(ours.value("TTL", "k"), 500, delta=5)
        ours.ask(b"+OK\r\n", "SET", "k", "v", "PXAT", (now + 500) * 1000)
        self.assertAlmostEqual(ours.value("PTTL", "k"), 500000, delta=5000)

    def test_what_has_expired_is_gone(self):
        self.client.ask(b"+OK\r\n", "SET", "k", "v", "PX", 20)
        self.client.ask(b"+OK\r\n", "SET", "l", "v")
        self.client.ask(b":1\r\n", "PEXPIRE", "l", 20)
        deadline = time.monotonic() + 30
        while self.client.value("EXISTS", "k", "l"):
            self.assertLess(time.monotonic(), deadline)
        self.client.ask(b"$-1\r\n", "GET", "k")
        self.client.ask(b":-2\r\n", "TTL", "l")
        self.client.ask(b"$-1\r\n", "SET", "k", "v", "XX")
        self.client.ask(b"+OK\r\n", "SET", "l", "v", "NX")
        self.assertEqual(self.client.scan(), [b"l"])

    def test_scan_lists_the_same_names_by_any_pattern(self):
        ours, theirs = self.pair()
        names = ["hello", "hallo", "hxllo", "h?llo", "h*llo", "heello", "h[llo",
                 "a", "ab", "abc", "aXbYc", "a\\b", "-", "]", "^", "a-c",
                 b"\xff\xfe", b"a\x00b", "Hello", "metadata", "xkv_bytes",
                 "some metadata"] + [f"key:{n}" for n in range(300)]
        for client in (ours, theirs):
            for name in names:
                client.ask(b"+OK\r\n", "SET", name, "v")
        for pattern in ("*", "h?llo", "h*llo", "h[ae]llo", "h[^e]llo",
                        "h[a-e]llo", "h[e-a]llo", "h\\?llo", "h\\*llo",
                        "h\\[llo", "a*b*c", "**", "?", "??", "", "key:1?",
                        "key:*9", "*:2*", "[", "[a", "[a-", "[^a]", "[]]",
                        "a\\\\b", "a\\", "\\", "[\\]]", "[a-c]*", "*metadata",
                        b"\xff*", b"a\x00*", "nothing", "[a-]", "a[", "key:[^1]*"):
            mine = sorted(ours.scan("MATCH", pattern))
            self.assertEqual(len(mine), len(set(mine)), pattern)
            self.assertEqual(mine, sorted(set(theirs.scan("MATCH", pattern))),
                             pattern)
        self.assertEqual(sorted(ours.scan(count=1)), sorted(ours.scan()))
        self.assertEqual(len(ours.scan("TYPE", "string")), len(names))
        self.assertEqual(ours.scan("TYPE", "list"), [])
        self.assertEqual(ours.value("DBSIZE"), theirs.value("DBSIZE"))

    def test_commands_are_described_as_redis_describes_them(self):
        ours, theirs = self.pair()
        rows = ours.value("COMMAND")
        self.assertEqual(len(rows), ours.value("COMMAND", "COUNT"))
        docs = ours.value("COMMAND", "DOCS")
        self.assertEqual(len(docs), 2 * len(rows))
        for row in rows:
            its = theirs.value("COMMAND", "INFO", row[0])[0]
            self.assertEqual(ours.value("COMMAND", "INFO", row[0])[0], row)
            if row[0] in OUR_OWN:
                self.assertIsNone(its)
                continue
            self.assertEqual(row[:2] + row[3:6], its[:2] + its[3:6])
            self.assertLessEqual(
                set(row[2]) - {b"write", b"readonly"}, set(its[2]), row[0])
            self.assertEqual(b"write" in row[2], b"write" in its[2], row[0])

    def test_quit_and_reset_answer_before_they_act(self):
        for client in self.pair(3):
            client.ask(b"+OK\r\n", "SELECT", 3)
            client.ask(b"+OK\r\n", "SET", "k", "v")
            client.ask(b"_\r\n", "GET", "nothing")
            client.ask(b"+RESET\r\n", "RESET")
            client.ask(b"$-1\r\n", "GET", "k")
            client.ask(b":0\r\n", "DBSIZE")
            client.ask(b"+OK\r\n", "QUIT")
            client.expect_close()

    def test_namespaces_hold_names_apart(self):
        for client in self.pair():
            for space in range(16):
                client.ask(b"+OK\r\n", "SELECT", space)
                client.ask(b"+OK\r\n", "SET", "k", space)
            client.ask(b"+OK\r\n", "SELECT", 7)
            client.ask(b"+OK\r\n", "FLUSHDB")
            for space in range(16):
                client.ask(b"+OK\r\n", "SELECT", space)
                client.ask(b"$-1\r\n" if space == 7 else
                           bulk(str(space).encode()), "GET", "k")
            client.ask(b"+OK\r\n", "FLUSHALL")
            client.ask(b":0\r\n", "DBSIZE")


if __name__ == "__main__":
    if REDIS_SERVER is None:
        print("there is no redis-server to compare with")
        sys.exit(77)
    unittest.main()
