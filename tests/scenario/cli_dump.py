#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli dump and restore: what comes back is what was there, also
when they were killed half way."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from cli_test import (CONNECTION, DONE, MISSING,  # noqa: E402
                      DUMP_HEAD as HEAD, DumpTest, Hoard)
from lm_client import KV_SHAPE, OK, V1, reply  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                      "golden", "dump", "version_1.dump")


class RoundTrip(DumpTest):
    def test_what_was_dumped_is_restored(self):
        source, target = self.start_server(), self.start_server()
        hoard = Hoard(self)
        hoard.put(source)
        answer = self.ask(DONE, source, "dump", self.file)
        self.assertEqual((answer["values"], answer["in_file"],
                          answer["failed"]), (len(hoard), len(hoard), 0))
        answer = self.ask(DONE, None, "verify", self.file)
        self.assertEqual((answer["values"], answer["is_whole"]),
                         (len(hoard), True))
        answer = self.ask(DONE, target, "restore", self.file)
        self.assertEqual(answer["values"], len(hoard))
        hoard.assert_on(target)
        self.assertFalse(os.path.exists(self.position))

    def start_pipe(self, source, *options):
        pipe = self.start(source, "dump", "-", *options,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(pipe.stdout.close)
        self.addCleanup(pipe.stderr.close)
        return pipe

    def restore_from(self, pipe, target, *options):
        result = subprocess.run(
            self.command(target, "restore", "-", "-o", "json", *options),
            stdin=pipe.stdout, capture_output=True, timeout=120, check=False)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertIn(b"dumped 400 values", pipe.stderr.read())
        self.assertEqual(pipe.wait(60), DONE)
        self.assert_filled(target, 400, 20_000)
        return json.loads(result.stdout)

    def test_some_hundred_values_through_a_pipe(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source, 400, 20_000)
        answer = self.restore_from(self.start_pipe(source), target)
        self.assertEqual((answer["values"], answer["skipped"]), (400, 0))

    def test_a_pipe_that_was_cut_goes_on_with_what_is_missing(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source, 400, 20_000)
        pipe = self.start_pipe(source, "--rate", "8MiB")
        restore = self.start(target, "restore", "-", stdin=pipe.stdout)
        self.kill_when(pipe, lambda: self.redis(target).dbsize() > 50,
                       "a part was restored")
        self.assertEqual(restore.wait(60), MISSING)
        there = self.redis(target).dbsize()
        self.assertLess(there, 400)
        answer = self.restore_from(self.start_pipe(source), target, "--keep")
        self.assertEqual((answer["values"], answer["skipped"]),
                         (400 - there, there))

    def test_a_namespace_or_a_pattern_is_dumped_alone(self):
        source, target = self.start_server(), self.start_server()
        for space in 0, 5:
            client = self.redis(source, space)
            for name in "ab1", "ab2", "c[d":
                client.set(name, f"{name} in {space}")
        five = source.url("prefixcache") + "/5"
        self.assertEqual(self.ask(DONE, five, "dump", self.file)["values"], 3)
        self.run_cli(DONE, target, "restore", self.file)
        self.assertEqual(self.redis(target, 0).dbsize(), 0)
        self.assertEqual(self.redis(target, 5).get("ab1"), b"ab1 in 5")
        other = self.path("other.dump")
        answer = self.ask(DONE, source, "dump", other, "--match", "ab?")
        self.assertEqual(answer["values"], 4)
        answer = self.ask(DONE, target, "restore", other, "--match", "*2")
        self.assertEqual((answer["values"], answer["skipped"]), (2, 2))
        self.assertEqual(self.redis(target, 0).get("ab2"), b"ab2 in 0")
        self.assertIsNone(self.redis(target, 0).get("ab1"))

    def test_keep_leaves_what_is_there(self):
        server = self.start_server()
        client = self.redis(server)
        client.set("a", "dumped")
        client.set("b", "dumped")
        self.run_cli(DONE, server, "dump", self.file)
        client.set("a", "newer")
        client.delete("b")
        answer = self.ask(DONE, server, "restore", self.file, "--keep")
        self.assertEqual((answer["values"], answer["skipped"]), (1, 1))
        self.assertEqual(client.mget("a", "b"), [b"newer", b"dumped"])
        self.run_cli(DONE, server, "restore", self.file)
        self.assertEqual(client.get("a"), b"dumped")

    def test_what_has_expired_since_is_not_restored(self):
        server = self.start_server()
        client = self.redis(server)
        client.set("short", "lived", px=1500)
        client.set("long", "lived", ex=900)
        answer = self.ask(DONE, server, "dump", self.file)
        self.assertEqual(answer["values"], 2)
        until(lambda: client.get("short") is None, "it has expired")
        client.delete("long")
        answer = self.ask(DONE, server, "restore", self.file)
        self.assertEqual((answer["values"], answer["gone"]), (1, 1))
        self.assertIsNone(client.get("short"))
        self.assertTrue(0 < client.ttl("long") <= 900)

    def test_a_dump_that_is_done_again_has_what_is_new(self):
        server = self.start_server()
        self.fill(server, 10, 1000)
        self.run_cli(DONE, server, "dump", self.file)
        before = self.file_size()
        answer = self.ask(DONE, server, "dump", self.file)
        self.assertEqual((answer["values"], answer["skipped"]), (0, 10))
        self.assertEqual(self.file_size(), before)
        self.redis(server).set("new", "one")
        answer = self.ask(DONE, server, "dump", self.file)
        self.assertEqual((answer["values"], answer["in_file"],
                          answer["in_file_before"]), (1, 11, 10))
        self.assertEqual(self.ask(DONE, None, "verify",
                                  self.file)["values"], 11)

    def test_the_rate_is_kept(self):
        server = self.start_server()
        self.fill(server, 8, MIB // 4)
        answer = self.ask(DONE, server, "dump", self.file, "--rate", "4MiB",
                          "--jobs", "1")
        self.assertGreater(answer["seconds"], 0.4)
        self.assertLess(answer["bytes_per_second"], 5 * MIB)


    def test_a_dump_of_version_1_is_read(self):
        """Bytes that were written when it was new: three values, of which one
        has expired."""
        server = self.start_server()
        answer = self.ask(DONE, None, "verify", GOLDEN)
        self.assertEqual((answer["values"], answer["is_whole"]), (3, True))
        answer = self.ask(DONE, server, "restore", GOLDEN)
        self.assertEqual((answer["values"], answer["gone"]), (2, 1))
        self.assertEqual(self.redis(server).get("a"), b"hello")
        found = self.lm(server).get("m@1@0@ab@half")
        self.assertEqual(found, (b"object", reply(V1, OK, 6, KV_SHAPE)))
        self.assertFalse(os.path.exists(GOLDEN + ".position"))


class KilledHalfWay(DumpTest):
    def test_a_dump_goes_on_behind_what_is_whole(self):
        source, target = self.start_server(), self.start_server()
        hoard = Hoard(self, plain=200)
        hoard.put(source)
        self.kill_when(self.start(source, "dump", self.file, "--rate", "4MiB"),
                       lambda: self.file_size() > MIB, "a part was dumped")
        torn = self.file_size()
        answer = self.ask(MISSING, None, "verify", self.file)
        self.assertFalse(answer["is_whole"])
        self.assertLess(answer["values"], len(hoard))
        answer = self.ask(DONE, source, "dump", self.file)
        self.assertGreater(answer["in_file_before"], 0)
        self.assertEqual(answer["values"] + answer["in_file_before"],
                         len(hoard))
        self.assertGreater(self.file_size(), torn)
        answer = self.ask(DONE, None, "verify", self.file)
        self.assertEqual(answer["values"], len(hoard))
        self.run_cli(DONE, target, "restore", self.file)
        hoard.assert_on(target)

    def test_a_dump_may_be_killed_anywhere(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source, 40, 50_000)
        self.run_cli(DONE, source, "dump", self.file)
        with open(self.file, "rb") as file:
            whole = file.read()
        first, second = [at for at, _, _ in self.records()[:2]]
        for cut in (HEAD, first + 3, first + HEAD, first + HEAD + 1,
                    second - 1, second, len(whole) - HEAD, len(whole) - 1):
            with open(self.file, "wb") as file:
                file.write(whole[:cut])
            answer = self.ask(DONE, source, "dump", self.file)
            self.assertEqual(answer["in_file"], 40, cut)
            ends = [HEAD] + [at for at, _, _ in self.records()]
            self.assertEqual(answer["cut_bytes"], min(
                cut - end for end in ends + [len(whole) - HEAD]
                if end <= cut), cut)
            answer = self.ask(DONE, None, "verify", self.file)
            self.assertEqual(answer["values"], 40, cut)
        self.run_cli(DONE, target, "restore", self.file)
        self.assert_filled(target, 40, 50_000)

    def kill_restore(self, target):
        self.kill_when(
            self.start(target, "restore", self.file, "--rate", "8MiB"),
            lambda: os.path.exists(self.position) and
            self.redis(target).dbsize() > 20, "a part was restored")
        self.assertLess(self.redis(target).dbsize(), 64)

    def test_a_restore_goes_on_where_it_was(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source)
        self.run_cli(DONE, source, "dump", self.file)
        self.kill_restore(target)
        there = self.redis(target).dbsize()
        result = self.run_cli(DONE, target, "restore", self.file)
        self.assert_says(result, "going on at byte")
        self.assert_filled(target)
        self.assertLess(there, 64)
        self.assertFalse(os.path.exists(self.position))

    def test_a_restore_puts_again_what_was_lost_meanwhile(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source)
        self.run_cli(DONE, source, "dump", self.file)
        self.kill_restore(target)
        target.kill()
        target.start()
        answer = self.ask(DONE, target, "restore", self.file)
        self.assertEqual(answer["values"] + answer["skipped"], 64)
        self.assert_filled(target)

    def test_a_position_of_another_server_does_not_count(self):
        source, target = self.start_server(), self.start_server()
        other = self.start_server()
        self.fill(source)
        self.redis(other).set("k0", "another value")
        self.run_cli(DONE, source, "dump", self.file)
        self.kill_restore(target)
        answer = self.ask(DONE, other, "restore", self.file)
        self.assertEqual((answer["values"], answer["skipped"]), (64, 0))
        self.assert_filled(other)

    def test_a_server_that_dies_leaves_a_dump_that_goes_on(self):
        server = self.start_server()
        self.fill(server)
        process = self.start(server, "dump", self.file, "--rate", "8MiB",
                             stderr=subprocess.PIPE)
        until(lambda: self.file_size() > 2 * MIB, "a part was dumped")
        server.kill()
        self.assertEqual(process.wait(60), CONNECTION)
        with process.stderr as stderr:
            self.assertIn(b"does not answer", stderr.read())
        server.start()
        self.fill(server)
        answer = self.ask(DONE, server, "dump", self.file)
        self.assertGreater(answer["in_file_before"], 0)
        self.assertEqual(answer["in_file"], 64)
        self.run_cli(DONE, None, "verify", self.file)

    def test_a_server_that_is_not_there_touches_no_file(self):
        server = self.start_server()
        server.kill()
        self.run_cli(CONNECTION, server, "dump", self.file)
        self.assertFalse(os.path.exists(self.file))


if __name__ == "__main__":
    unittest.main()
