#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench disk`: what it reads and writes, and above all what it
leaves alone."""
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402  (after the path to it)

BENCH = program("PREFIXCACHE_BENCH")
DONE, FAILED, USAGE = 0, 1, 64
KIB, MIB = 1 << 10, 1 << 20
MARK = b"prefixcache-bench scratch file\n"
REFUSED = "io_uring is refused here"


def disk(*arguments):
    return subprocess.run([BENCH, "disk", *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, check=False)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class DiskTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "file")

    def make(self, content):
        with open(self.path, "wb") as file:
            file.write(content)
        return content

    def run_disk(self, code, *arguments):
        result = disk(*arguments)
        if REFUSED in result.stderr:
            self.skipTest(REFUSED)
        self.assertEqual(result.returncode, code,
                         (arguments, result.stdout, result.stderr))
        return result

    def measure(self, *arguments):
        result = self.run_disk(DONE, *arguments, "--seconds", "0.05", "-o",
                               "json")
        return json.loads(result.stdout), result.stderr

    def refuses(self, *arguments, words=()):
        before = contents(self.path)
        result = self.run_disk(FAILED, self.path, "--seconds", "0.05",
                               *arguments)
        for word in ("prefixcache-bench disk: " + self.path, *words):
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertTrue(contents(self.path) == before, "it was changed")


class Figures(DiskTest):
    def test_they_agree_with_each_other(self):
        for mode in "read", "write":
            for order in (), ("--sequential",):
                found, _ = self.measure(
                    self.path, "--file-size", "16MiB", "--mode", mode, *order,
                    "--size", "64KiB", "--inflight", "512KiB")
                latency = found["latency"][mode]
                self.assertEqual(found["mode"], mode)
                self.assertEqual(found["order"],
                                 "sequential" if order else "random")
                self.assertEqual(found["size"], 64 * KIB)
                self.assertEqual(found["depth"], 8)
                self.assertEqual(found["inflight"], 512 * KIB)
                self.assertEqual(found["file_size"], 16 * MIB)
                self.assertGreaterEqual(latency["count"], 8)
                self.assertEqual(found["bytes"], latency["count"] * 64 * KIB)
                self.assertAlmostEqual(
                    found["gb_per_s"] * found["seconds"] * 1e9 /
                    found["bytes"], 1, 2)
                self.assertLessEqual(latency["p50_us"], latency["p99_us"])
                self.assertLessEqual(latency["p999_us"], latency["max_us"])
                self.assertGreater(found["cpu_s"], 0)

    def test_what_is_under_way_is_said_in_bytes_or_in_transfers(self):
        for arguments, depth in ((("--size", "1MiB"), 8),
                                 (("--size", "4MiB"), 2),
                                 (("--size", "3MiB"), 2),
                                 (("--size", "9MiB"), 1),
                                 (("--size", "4MiB", "--inflight", 1), 1),
                                 (("--size", "4KiB", "--depth", 3), 3)):
            found, _ = self.measure(self.path, "--file-size", "16MiB",
                                    *arguments)
            self.assertEqual(found["depth"], depth, arguments)

    def test_a_table_for_people(self):
        result = self.run_disk(DONE, self.path, "--file-size", "8MiB",
                               "--seconds", "0.05")
        for words in ("random read of 1 MiB, 8 in flight (8 MiB)",
                      "8 MiB of " + self.path, "p99.9", "GB/s, own CPU"):
            self.assertIn(words, result.stdout)


class Scratch(DiskTest):
    def test_a_new_file_is_written_once_before_it_is_read(self):
        found, said = self.measure(self.path, "--file-size", "8MiB")
        self.assertIn("first writes 7 MiB", said)
        self.assertEqual(found["file_size"], 8 * MIB)
        made = contents(self.path)
        self.assertEqual(len(made), 8 * MIB)
        self.assertTrue(made.startswith(MARK + b"written 8388608\n\0"))
        for at in range(MIB, 8 * MIB, 4 * KIB):
            self.assertNotEqual(made[at:at + 32], bytes(32), at)
        _, said = self.measure(self.path)
        self.assertEqual(said, "", "it is filled already")
        self.assertTrue(contents(self.path) == made, "it was only read")

    def test_it_grows_and_only_what_is_new_is_filled(self):
        self.measure(self.path, "--file-size", "4MiB")
        before = contents(self.path)
        found, said = self.measure(self.path, "--file-size", "6MiB")
        self.assertIn("first writes 2 MiB", said)
        self.assertEqual(found["file_size"], 6 * MIB)
        after = contents(self.path)
        self.assertEqual(len(after), 6 * MIB)
        self.assertTrue(after[MIB:4 * MIB] == before[MIB:])
        found, said = self.measure(self.path, "--file-size", "4MiB")
        self.assertEqual((found["file_size"], said), (4 * MIB, ""))
        self.assertEqual(os.path.getsize(self.path), 6 * MIB)

    def test_what_was_only_written_here_and_there_is_filled_to_be_read(self):
        _, said = self.measure(self.path, "--mode", "write", "--file-size",
                               "4MiB")
        self.assertEqual(said, "")
        self.assertTrue(contents(self.path).startswith(MARK + b"written 0\n"))
        _, said = self.measure(self.path, "--no-fill")
        self.assertEqual(said, "")
        _, said = self.measure(self.path)
        self.assertIn("first writes 3 MiB", said)

    def test_its_own_file_is_written_again(self):
        self.measure(self.path, "--file-size", "4MiB")
        found, _ = self.measure(self.path, "--mode", "write")
        self.assertEqual(found["file_size"], 4 * MIB)
        self.assertTrue(contents(self.path).startswith(MARK))

    def test_in_a_directory_nothing_is_left(self):
        for mode in "read", "write":
            found, _ = self.measure(self.directory.name, "--mode", mode,
                                    "--file-size", "4MiB")
            self.assertEqual(found["file_size"], 4 * MIB)
            self.assertEqual(os.listdir(self.directory.name), [])


class LeftAlone(DiskTest):
    def test_what_others_made_is_read_as_it_is(self):
        before = self.make(os.urandom(4 * MIB))
        os.chmod(self.path, 0o400)
        found, said = self.measure(self.path)
        self.assertEqual((found["file_size"], said), (4 * MIB, ""))
        self.measure(self.path, "--fill")
        self.assertTrue(contents(self.path) == before, "it was changed")

    def test_what_others_made_is_not_written_unless_that_is_asked_for(self):
        before = self.make(os.urandom(4 * MIB))
        self.refuses("--mode", "write", words=["--overwrite"])
        self.measure(self.path, "--mode", "write", "--overwrite")
        after = contents(self.path)
        self.assertEqual(len(after), 4 * MIB)
        self.assertTrue(after[:MIB] == before[:MIB], "the first MiB stays")
        self.assertFalse(after[MIB:] == before[MIB:])

    def test_an_empty_file_is_somebodys(self):
        self.make(b"")
        self.refuses("--mode", "write", "--file-size", "4MiB",
                     words=["--overwrite"])

    def test_a_mark_that_is_not_whole_is_none(self):
        for mark in (MARK[:-1], MARK, MARK + b"lost 1",
                     MARK.replace(b" ", b"  ") + b"written 1\n"):
            self.make(mark + bytes(4 * MIB))
            self.refuses("--mode", "write", words=["--overwrite"])

    def test_a_device_of_the_server_is_never_written(self):
        for at in 0, 4 * KIB:  # it has two superblocks
            content = bytearray(os.urandom(4 * MIB))
            content[at:at + 8] = b"PREFIXCS"
            self.make(content)
            for more in (), ("--overwrite",), ("--overwrite", "--fill"):
                self.refuses("--mode", "write", *more,
                             words=["a device of prefixcached"])
            self.measure(self.path, "--fill")
            self.assertTrue(contents(self.path) == content)

    def test_a_file_that_is_in_use_is_not_written(self):
        self.make(os.urandom(4 * MIB))
        with open(self.path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.refuses("--mode", "write", "--overwrite", words=["in use"])
            self.measure(self.path)

    def test_only_files_and_block_devices_are(self):
        result = self.run_disk(FAILED, "/dev/null", "--mode", "write",
                               "--overwrite")
        self.assertIn("neither a file nor a block device", result.stderr)

    def test_a_file_that_is_too_small(self):
        self.make(os.urandom(MIB))
        self.refuses(words=["too small"])
        self.make(os.urandom(3 * MIB))
        self.refuses("--file-size", "4MiB", words=["too small", "3 MiB"])
        self.refuses("--size", "4MiB", words=["no room for one transfer"])

    def test_a_path_that_leads_nowhere(self):
        result = self.run_disk(FAILED, self.path + "/none")
        self.assertIn("No such file", result.stderr)

    def test_a_disk_that_is_too_small_keeps_nothing(self):
        result = self.run_disk(FAILED, self.path, "--file-size", "32TiB")
        self.assertIn("can not be made large enough", result.stderr)
        self.assertFalse(os.path.exists(self.path))


class Usage(DiskTest):
    def test_what_is_wrong_is_said_before_anything_is_touched(self):
        for arguments, words in (
                ((), "which file?"),
                ((self.path, "b"), "not also 'b'"),
                ((self.path, "--mode", "erase"), "read or write"),
                ((self.path, "--size", "5000"), "multiple of 4 KiB"),
                ((self.path, "--size", "1"), "from 4 KiB to 64 MiB"),
                ((self.path, "--inflight", "2GiB"), "from 1 B to 1 GiB"),
                ((self.path, "--depth", "0"), "from 1 to"),
                ((self.path, "--size", "64MiB", "--depth", "17"), "1 GiB"),
                ((self.path, "--file-size", "1MiB"), "from 2 MiB"),
                ((self.path, "-o", "xml"), "table or json")):
            result = self.run_disk(USAGE, *arguments)
            self.assertIn(words, result.stderr)
            self.assertFalse(os.path.exists(self.path))


if __name__ == "__main__":
    unittest.main()
