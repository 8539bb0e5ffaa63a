#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli dump, restore and verify with files that are damaged, torn,
newer, no dumps or not to be written, and what they show on a terminal."""
import fcntl
import os
import pty
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from cli_test import (DONE, MISSING, USAGE, DUMP_HEAD as HEAD,  # noqa: E402
                      DumpTest, noise)
from server_test import MIB  # noqa: E402


class Damage(DumpTest):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.start_server(), self.start_server()
        self.fill(self.source, 10, 30_000)
        self.run_cli(DONE, self.source, "dump", self.file)

    def assert_one_is_lost(self, *words):
        result = self.run_cli(MISSING, None, "verify", self.file)
        self.assert_says(result, *words)
        self.assertIn(b"verified 9 values", result.stdout)
        result = self.run_cli(MISSING, self.target, "restore", self.file)
        self.assert_says(result, "record at byte")
        self.assertEqual(self.redis(self.target).dbsize(), 9)

    def test_a_damaged_value_is_found_and_left_out(self):
        at, size, key = self.records()[4]
        self.flip(at + size + 29_999)
        self.assert_one_is_lost(f"byte {at}, {key.decode()}",
                                "does not match its checksum")
        self.assertIsNone(self.redis(self.target).get(key))

    def test_a_damaged_head_does_not_hide_those_behind_it(self):
        at, _, key = self.records()[4]
        for offset in 0, 5, 17, 30, 40, 63:
            self.flip(at + offset)
            self.assert_one_is_lost(f"byte {at}", "head of a record")
            self.redis(self.target).flushall()
            self.flip(at + offset)
        self.run_cli(DONE, None, "verify", self.file)

    def test_a_damaged_key_is_not_taken_for_another(self):
        at, _, key = self.records()[4]
        self.flip(at + HEAD)
        self.assert_one_is_lost(f"byte {at}", "key does not match")

    def test_nothing_is_written_behind_damage(self):
        at, _, _ = self.records()[4]
        self.flip(at + 20)
        before = self.file_size()
        result = self.run_cli(USAGE, self.source, "dump", self.file)
        self.assert_says(result, f"damaged at byte {at}")
        self.assertEqual(self.file_size(), before)

    def test_a_lost_record_is_missed(self):
        """Bytes that were cut out of the middle, at the seams of records."""
        (first, _, _), (second, _, _) = self.records()[3:5]
        with open(self.file, "rb") as file:
            text = file.read()
        with open(self.file, "wb") as file:
            file.write(text[:first] + text[second:])
        answer = self.ask(MISSING, None, "verify", self.file)
        self.assertEqual((answer["values"], answer["failed"],
                          answer["is_whole"]), (9, 0, False))

    def test_a_torn_dump_gives_what_it_has(self):
        at, size, _ = self.records()[7]
        os.truncate(self.file, at + size + 100)
        result = self.run_cli(MISSING, self.target, "restore", self.file)
        self.assert_says(result, "not whole")
        self.assertEqual(self.redis(self.target).dbsize(), 7)
        with open(self.file, "rb") as file:
            torn = file.read()
        self.redis(self.target).flushall()
        self.run_cli(MISSING, self.target, "restore", "-", stdin=torn)
        self.assertEqual(self.redis(self.target).dbsize(), 7)

    def test_zeroes_at_the_end_are_torn_too(self):
        """As a machine that went down leaves them."""
        at, size, _ = self.records()[7]
        length = self.file_size()
        for start in at, at + size + 100:
            os.truncate(self.file, start)
            os.truncate(self.file, length)
            answer = self.ask(DONE, self.source, "dump", self.file)
            self.assertEqual((answer["in_file_before"], answer["in_file"]),
                             (7, 10))
            self.run_cli(DONE, None, "verify", self.file)

    def test_a_newer_version_is_refused(self):
        with open(self.file, "r+b") as file:
            file.seek(8)
            file.write(struct.pack("<I", 2))
        with open(self.file, "rb") as file:
            before = file.read()
        for server, verb in ((None, "verify"), (self.target, "restore"),
                             (self.source, "dump")):
            result = self.run_cli(USAGE, server, verb, self.file)
            self.assert_says(result, "version 2")
        with open(self.file, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_what_is_no_dump_is_left_alone(self):
        for content in b"precious", b"x" * 1000, b"PFXCDUMP":
            path = self.path("precious", content)
            for server, verb in ((None, "verify"), (self.target, "restore"),
                                 (self.source, "dump")):
                result = self.run_cli(USAGE, server, verb, path)
                self.assert_says(result, path, "no dump")
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content)
        self.flip(20)
        result = self.run_cli(USAGE, None, "verify", self.file)
        self.assert_says(result, "first bytes are damaged")


class Files(DumpTest):
    def test_a_file_that_cannot_be_written_is_said(self):
        server = self.start_server()
        self.fill(server, 4, 1000)
        result = self.run_cli(USAGE, server, "dump", "/dev/full")
        self.assert_says(result, "/dev/full", "No space")
        result = self.run_cli(USAGE, server, "dump",
                              self.path("nowhere") + "/x")
        self.assert_says(result, "No such file")
        result = self.run_cli(USAGE, server, "restore", self.path("nothing"))
        self.assert_says(result, "nothing", "No such file")

    def test_two_do_not_write_one_file(self):
        server = self.start_server()
        self.fill(server, 4, 1000)
        with open(self.file, "w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            result = self.run_cli(USAGE, server, "dump", self.file)
        self.assert_says(result, "another program")
        self.assertEqual(self.file_size(), 0)

    def test_a_full_file_system_leaves_whole_records(self):
        """A limit of the size of files stands for it."""
        server = self.start_server()
        self.fill(server, 20, 50_000)
        result = subprocess.run(
            ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""]
            + self.command(server, "dump", self.file),
            capture_output=True, timeout=60, check=False)
        self.assertEqual(result.returncode, USAGE, result.stderr)
        self.assertIn(b"File too large", result.stderr)
        answer = self.ask(DONE, server, "dump", self.file)
        self.assertGreater(answer["in_file_before"], 1)
        self.assertEqual((answer["cut_bytes"], answer["in_file"]), (0, 20))

    def test_a_value_over_the_limit_is_told_and_the_others_come(self):
        source = self.start_server()
        target = self.start_server(limits_value="1MiB")
        client = self.redis(source)
        client.set("large", noise(1, 2 * MIB))
        client.set("small", b"small")
        self.run_cli(DONE, source, "dump", self.file)
        result = self.run_cli(MISSING, target, "restore", self.file)
        self.assert_says(result, "large", "TOO_BIG")
        self.assertEqual(self.redis(target).get("small"), b"small")

    def test_a_position_that_cannot_be_written_stops_nothing(self):
        source, target = self.start_server(), self.start_server()
        self.fill(source, 10, 1000)
        self.run_cli(DONE, source, "dump", self.file)
        os.mkdir(self.position)
        result = self.run_cli(DONE, target, "restore", self.file, "--rate",
                              "12KiB")
        self.assert_says(result, "cannot write", ".position")
        self.assert_filled(target, 10, 1000)

    def test_a_terminal_shows_a_bar(self):
        server = self.start_server()
        self.fill(server, 16)
        master, slave = pty.openpty()
        with open(master, "rb", buffering=0) as screen:
            process = self.start(server, "dump", self.file, "--rate", "4MiB",
                                 stderr=slave)
            os.close(slave)
            shown = b""
            try:
                while True:
                    shown += screen.read(4096)
            except OSError:  # what a terminal says when nobody has it open
                pass
            self.assertEqual(process.wait(60), DONE)
        self.assertIn(b"/16 values", shown)
        self.assertIn(b"\r[", shown)
        self.assertIn(b" left", shown)
        result = self.run_cli(DONE, server, "dump", self.path("plain.dump"))
        self.assertNotIn(b"\r", result.stderr)

    def test_a_dump_is_not_written_to_a_terminal(self):
        server = self.start_server()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        result = self.run_cli(USAGE, server, "dump", "-", stdout=slave)
        self.assert_says(result, "terminal")


if __name__ == "__main__":
    unittest.main()
