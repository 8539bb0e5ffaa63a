#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli over the native wire: the verbs that other wires have too,
many values at a time, prefixes, leases."""
import base64
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from cli_test import (CONNECTION, DONE, MISSING, REFUSED,  # noqa: E402
                      USAGE, CliTest, noise)
from server_test import MIB  # noqa: E402
from watch import Watch, until  # noqa: E402


class SameVerbs(CliTest):
    """What was there before the native wire answers the same over it."""

    def setUp(self):
        super().setUp()
        self.one = self.start_server(limits_value="8MiB")
        self.client = self.redis(self.one)

    def test_ping_answers(self):
        url = self.one.url("prefixcache")
        self.assertIn(b"answered in", self.run_cli(DONE, url, "ping").stdout)
        answer = self.ask(DONE, url, "ping")
        self.assertEqual((answer["url"], answer["ok"]), (url, True))

    def test_what_was_put_is_got_byte_for_byte(self):
        for size in 0, 1, 4096, 1 << 20, 5_000_001:
            value = noise(size, size)
            self.run_cli(DONE, self.one, "put", "k", stdin=value)
            self.assertTrue(self.client.get("k") == value, size)
            got = self.run_cli(DONE, self.one, "get", "k").stdout
            self.assertTrue(got == value, size)

    def test_values_come_from_files_and_go_to_files(self):
        value = noise(1, 300_000)
        source, target = self.path("in", value), self.path("out")
        self.assertEqual(self.ask(DONE, self.one, "put", "k", source),
                         {"key": "k", "stored": True, "size": 300_000})
        answer = self.ask(DONE, self.one, "get", "k", target)
        self.assertEqual((answer["size"], answer["kind"], answer["tier"]),
                         (300_000, "plain", "dram"))
        with open(target, "rb") as file:
            self.assertEqual(file.read(), value)
        answer = self.ask(DONE, self.one, "get", "k")
        self.assertEqual(base64.b64decode(answer["value_base64"]), value)

    def test_a_value_larger_than_expected_comes_whole(self):
        large = self.start_server(limits_value="40MiB", dram_size="256MiB")
        value = noise(1, 9 * MIB) * 4
        self.redis(large).set("k", value)
        got = self.run_cli(DONE, large, "get", "k", self.path("out"))
        self.assertEqual(got.stdout, b"")
        with open(self.path("out"), "rb") as file:
            self.assertTrue(file.read() == value)

    def test_what_lm_put_is_got(self):
        lm = self.lm(self.one)
        lm.put("model@1@0@ab@half", b"an object")
        self.assertTrue(lm.exists("model@1@0@ab@half"))
        answer = self.ask(DONE, self.one, "get", "model@1@0@ab@half")
        self.assertEqual((answer["kind"], answer["size"]), ("object", 9))

    def test_a_missing_key_is_exit_1(self):
        path = self.path("precious", b"precious")
        result = self.run_cli(MISSING, self.one, "get", "nope", path)
        self.assert_says(result, "nope", self.one.url("prefixcache"))
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"precious")
        self.assertEqual(self.ask(MISSING, self.one, "get", "nope"),
                         {"key": "nope", "found": False})

    def test_exists_and_del_say_yes_and_no(self):
        self.client.set("here", "x")
        result = self.run_cli(MISSING, self.one, "exists", "here", "gone")
        self.assertEqual(result.stdout, b"here  yes\ngone  no\n")
        self.run_cli(DONE, self.one, "exists", "here", "here")
        self.assertEqual(self.ask(MISSING, self.one, "exists", "gone", "here"),
                         {"keys": [{"key": "gone", "exists": False},
                                   {"key": "here", "exists": True}],
                          "found": 1, "asked": 2})
        result = self.run_cli(DONE, self.one, "del", "here", "gone")
        self.assertEqual(result.stdout, b"here  deleted\ngone  was not there\n")
        self.assertEqual(self.client.dbsize(), 0)

    def test_ls_prints_every_key(self):
        names = {f"model@1@0@{i:04x}" for i in range(2500)}
        self.client.mset({name: b"v" for name in names})
        self.redis(self.one, 4).set("elsewhere", "12345")
        listed = self.run_cli(DONE, self.one, "ls").stdout.decode()
        self.assertEqual(set(listed.splitlines()), names)
        self.assertEqual(self.ask(DONE, self.one, "ls", "*@00[f]f"),
                         [{"key": "model@1@0@00ff", "kind": "plain",
                           "size": 1, "namespace": 0, "tiers": ["dram"]}])
        self.assertEqual(self.ask(DONE, self.one, "ls", "zzz*"), [])
        four = self.one.url("prefixcache") + "/4"
        result = self.run_cli(DONE, four, "ls", "--long")
        self.assertEqual(result.stdout.split(),
                         [b"5", b"plain", b"4", b"d--", b"elsewhere"])

    def test_stat_is_what_info_says(self):
        over_redis = self.ask(DONE, self.one.url("redis"), "stat")
        answer = self.ask(DONE, self.one, "stat")
        self.assertEqual(answer.keys(), over_redis.keys())
        self.assertEqual(answer["server"]["process_id"], self.one.pid)
        table = self.run_cli(DONE, self.one, "stat").stdout.decode()
        self.assertIn("process_id", table)

    def test_a_unix_socket_does_as_well(self):
        path = self.path("s")
        server = self.start_server(listen_unix=path)
        url = "prefixcache+unix://" + path
        self.run_cli(DONE, url, "put", "k", stdin=b"v")
        self.assertEqual(self.redis(server).get("k"), b"v")
        # Other schemes name the same server.
        answer = self.ask(DONE, "redis+unix://" + path, "prefix", "k")
        self.assertEqual(answer["matched"], 1)

    def test_a_value_over_the_limit_is_refused(self):
        result = self.run_cli(REFUSED, self.one, "put", "big",
                              stdin=bytes(9 * MIB))
        self.assert_says(result, "big", "TOO_BIG")
        self.run_cli(MISSING, self.one, "exists", "big")

    def test_nobody_listens(self):
        self.one.kill()
        for verb in (["ping"], ["get", "k"], ["put", "k"], ["exists", "k"],
                     ["ls"], ["stat"], ["prefix", "k"], ["lease", "k"],
                     ["verify"]):
            result = self.run_cli(CONNECTION, self.one, *verb)
            self.assert_says(result, "does not answer")

    def test_a_silent_server_is_given_up(self):
        os.kill(self.one.pid, signal.SIGSTOP)
        try:
            for verb in ["ping"], ["get", "k"], ["exists", "k"]:
                self.run_cli(CONNECTION, self.one, *verb, "--timeout", "300ms")
        finally:
            os.kill(self.one.pid, signal.SIGCONT)


class Many(CliTest):
    def setUp(self):
        super().setUp()
        self.one = self.start_server()
        self.client = self.redis(self.one)
        self.files = self.path("files")

    def file(self, name):
        with open(os.path.join(self.files, name), "rb") as file:
            return file.read()

    def test_many_values_go_to_files_and_come_back(self):
        values = {f"model/a@1@{i}": noise(i, 10_000 + i) for i in range(200)}
        self.client.mset(values)
        listed = self.run_cli(DONE, self.one, "ls").stdout
        answer = self.ask(DONE, self.one, "get", "--to", self.files, "--keys",
                          "-", stdin=listed)
        self.assertEqual((answer["found"], answer["asked"]), (200, 200))
        self.assertEqual(len(os.listdir(self.files)), 200)
        self.assertEqual(self.file("model%2Fa@1@7"), values["model/a@1@7"])
        self.client.flushall()
        result = self.run_cli(DONE, self.one, "put", "--from", self.files)
        self.assertIn(b"stored 200 values", result.stdout)
        self.assertEqual(self.client.dbsize(), 200)
        for name, value in values.items():
            self.assertTrue(self.client.get(name) == value, name)

    def test_strange_keys_are_names_of_files(self):
        names = [b".", b"..", b"../../x", b"%41", b"\xff\x00\n\\", b"a b",
                 b"\\x41", "ä".encode(), b"-"]
        for number, name in enumerate(names):
            self.client.set(name, noise(number, 100))
        listed = self.run_cli(DONE, self.one, "ls").stdout
        self.run_cli(DONE, self.one, "get", "--to", self.files, "--keys", "-",
                     stdin=listed)
        self.assertEqual(len(os.listdir(self.files)), len(names))
        self.assertEqual(self.file("%2E.%2F..%2Fx"), noise(2, 100))
        self.client.flushall()
        self.run_cli(DONE, self.one, "put", "--from", self.files)
        for number, name in enumerate(names):
            self.assertEqual(self.client.get(name), noise(number, 100), name)

    def test_keys_come_from_arguments_and_from_a_file(self):
        self.client.mset({"a": "1", "b": "2", "c": "3"})
        keys = self.path("keys", b"b\n\nnope\nc")
        answer = self.ask(MISSING, self.one, "get", "--to", self.files, "a",
                          "--keys", keys)
        self.assertEqual([row["found"] for row in answer["keys"]],
                         [True, True, False, True])
        self.assertEqual([row["key"] for row in answer["keys"]],
                         ["a", "b", "nope", "c"])
        self.assertEqual(sorted(os.listdir(self.files)), ["a", "b", "c"])
        answer = self.ask(MISSING, self.one, "exists", "--keys", keys)
        self.assertEqual((answer["found"], answer["asked"]), (2, 3))
        answer = self.ask(DONE, self.one, "del", "--keys", keys)
        self.assertEqual(answer["deleted"], 2)
        self.assertEqual(self.client.dbsize(), 1)

    def test_named_keys_are_put_alone_and_last_as_long_as_is_said(self):
        os.mkdir(self.files)
        for name in "abc":
            with open(os.path.join(self.files, name), "w",
                      encoding="ascii") as file:
                file.write(name * 10)
        self.run_cli(DONE, self.one, "put", "--from", self.files, "a", "b",
                     "--ttl", "15m")
        self.assertEqual(self.client.mget("a", "b", "c"),
                         [b"a" * 10, b"b" * 10, None])
        self.assertTrue(600 < self.client.ttl("a") <= 900)
        result = self.run_cli(USAGE, self.one, "put", "--from", self.files,
                              "nope")
        self.assert_says(result, "nope", "No such file")

    def test_memory_is_bounded(self):
        """20 values of 4 MiB, of which at most two are under way: less than
        the address space that all would need."""
        for number in range(20):
            self.client.set(f"k{number}", noise(number, 4 * MIB))
        if os.environ.get("PREFIXCACHE_SANITIZER"):
            self.skipTest("a sanitizer takes address space of its own")
        result = subprocess.run(
            ["/bin/sh", "-c", "ulimit -v 200000; exec \"$0\" \"$@\""] +
            self.command(self.one, "verify", "--jobs", "2"),
            capture_output=True, timeout=60, check=False)
        self.assertEqual(result.returncode, DONE, result.stderr)

    def test_a_directory_is_not_a_file(self):
        self.client.set("a", "1")
        path = self.path("file", b"")
        result = self.run_cli(USAGE, self.one, "get", "--to", path, "a")
        self.assert_says(result, "Not a directory")
        result = self.run_cli(USAGE, self.one, "put", "--from", path)
        self.assert_says(result, "Not a directory")


class Lookups(CliTest):
    def setUp(self):
        super().setUp()
        self.one = self.start_server(**{"lease_ms": 1000})
        self.client = self.redis(self.one)
        for number in range(5):
            self.client.set(f"p{number}", noise(number, 1000))

    def test_a_prefix_ends_at_the_first_key_that_is_missing(self):
        answer = self.ask(MISSING, self.one, "prefix", "p0", "p1", "x", "p2")
        self.assertEqual((answer["matched"], answer["asked"], answer["bytes"],
                          answer["lease_ms"]), (2, 4, 2000, 0))
        self.assertEqual(answer["tiers"][0], {
            "tier": "dram", "matched": 2, "unbroken": 2, "bytes": 2000})
        self.assertIn("load_us", answer)
        result = self.run_cli(DONE, self.one, "prefix", "p0", "p1")
        self.assertIn(b"2 of 2 keys, 1.95 KiB", result.stdout)
        keys = self.path("keys", b"".join(b"p%d\n" % i for i in range(5)))
        answer = self.ask(DONE, self.one, "prefix", "--keys", keys)
        self.assertEqual(answer["matched"], 5)
        self.assertEqual(self.ask(MISSING, self.one, "prefix", "x")["matched"],
                         0)

    def test_ranks_are_interleaved(self):
        answer = self.ask(MISSING, self.one, "prefix", "p0", "p1", "p2", "x",
                          "--ranks", "2")
        self.assertEqual((answer["matched"], answer["asked"]), (1, 2))
        self.run_cli(DONE, self.one, "prefix", "p0", "p1", "--ranks", "2")

    def test_a_lease_is_granted_for_as_long_as_is_asked(self):
        watch = Watch(self.one)
        self.addCleanup(watch.close)
        answer = self.ask(DONE, self.one, "prefix", "p0", "--lease", "700ms")
        self.assertEqual(answer["lease_ms"], 700)
        result = self.run_cli(MISSING, self.one, "lease", "p1", "x",
                              "--lease", "20s")
        self.assertEqual(result.stdout, b"p1  leased\nx  not leased\n")
        until(lambda: watch["leased_bytes"] == 1000,
              "the shorter one has ended")
        self.assertEqual(self.ask(DONE, self.one, "lease", "p2")["leased"], 1)

    def test_other_schemes_go_over_the_native_wire(self):
        for scheme in "redis", "resp", "lm":
            answer = self.ask(DONE, self.one.url(scheme), "prefix", "p0")
            self.assertEqual(answer["matched"], 1)
        five = self.one.url("redis") + "/5"
        self.assertEqual(self.ask(MISSING, five, "prefix", "p0")["matched"], 0)


class Usage(CliTest):
    def test_what_is_wrong_is_said_before_anybody_is_asked(self):
        for arguments, words in (
                (["ping", "--keep"], "ping: --keep is no option of it"),
                (["prefix"], "expected KEY..."),
                (["warm"], "expected FROM-URL"),
                (["dump", "a", "b"], '"b" is one argument too many'),
                (["dump", "x", "--jobs", "0"], "from 1 on"),
                (["dump", "x", "--jobs", "1000"], "at most 256"),
                (["dump", "x", "--rate", "fast"], "expected a size"),
                (["-u", "prefixcache://h/999", "verify"], "999"),
                (["-u", "prefixcache://h:0", "ping"], "prefixcache://h:0"),
                (["-u", "prefixcache://h?speed=9", "ping"], "speed"),
                (["-u", "memcached://h", "dump", "x"], "prefixcache://"),
                (["-u", "prefixcache:/h", "ping"], "no scheme")):
            result = self.run_cli(USAGE, None, *arguments)
            self.assert_says(result, "prefixcache-cli: ", words)
        server = self.start_server()
        for arguments, words in (
                (["get", "--keys", "x"], "--keys needs --to"),
                (["put", "--keys", "x"], "--keys needs --from"),
                (["lease", "k", "--lease", "soon"], "5s or 500ms"),
                (["exists", "--keys", self.path("none")], "No such file"),
                (["exists", "--keys", self.path("blank", b"\n")],
                 "no key is named"),
                (["exists", "--keys", self.path("long", b"k" * 4097)],
                 "4097 bytes")):
            result = self.run_cli(USAGE, server, *arguments)
            self.assert_says(result, words)

    def test_help_names_every_verb_and_option(self):
        text = self.run_cli(DONE, None, "--help").stdout.decode()
        for verb in ("prefix", "lease", "warm", "dump", "restore", "verify"):
            self.assertIn(f"\n  {verb} ", text)
        for option in ("--from=DIR", "--to=DIR", "--keys=FILE", "--ttl=TIME",
                       "--jobs=NUMBER", "--rate=SIZE", "--match=PATTERN",
                       "--keep", "--all", "--lease=TIME", "--promote",
                       "--ranks=NUMBER", "--long"):
            self.assertIn(option, text)


if __name__ == "__main__":
    unittest.main()
