#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-fsck over devices that are whole, flipped, cut, foreign, newer or
not there at all."""
import fcntl
import json
import os
import pty
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402  (after the path to it)

FSCK = program("PREFIXCACHE_FSCK")
MAKE_IMAGE = program("PREFIXCACHE_MAKE_IMAGE")
HEALTHY, BROKEN, UNREAD = range(3)
BLOCK, SEGMENT, START = 4096, 1 << 20, 1 << 20


def fsck(*arguments, **more):
    return subprocess.run([FSCK, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False, **more)


class FsckTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "prefixcache.nvme")

    def make(self, kind="whole"):
        """Writes an image; {name: offset} of what lies in it."""
        text = subprocess.run([MAKE_IMAGE, self.path, kind], check=True,
                              capture_output=True, text=True,
                              timeout=60).stdout
        return {name: int(offset) for name, offset in
                (line.split() for line in text.splitlines())}

    def flip(self, offset):
        with open(self.path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0xff]))

    def run_fsck(self, code, *arguments):
        result = fsck(*arguments)
        self.assertEqual(result.returncode, code,
                         (arguments, result.stdout, result.stderr))
        return result

    def look(self, code, path=None):
        """The JSON of a run that came to an end."""
        found = json.loads(self.run_fsck(code, path or self.path, "-o",
                                         "json").stdout)
        self.assertEqual(found["healthy"], code == HEALTHY)
        self.assertEqual(found["broken_count"] == 0, code == HEALTHY)
        sums = [found[name]["values"] for name in
                ("live", "superseded", "expired", "flushed")]
        self.assertEqual(sum(sums), found["values"])
        return found

    def looks_broken(self, *places):
        """One broken thing at each of these (segment, block)."""
        found = self.look(BROKEN)
        self.assertEqual([(each["segment"], each["block"])
                          for each in found["broken"]], list(places), found)
        self.assertEqual(found["broken_count"], len(places))
        for each in found["broken"]:
            self.assertTrue(each["reason"])
        return found

    def refuses(self, *words, arguments=()):
        result = self.run_fsck(UNREAD, *(arguments or [self.path]))
        self.assertEqual(result.stdout, "")
        for word in words:
            self.assertIn(word, result.stderr)


def place(offset):
    segment, rest = divmod(offset - START, SEGMENT)
    return segment, rest // BLOCK


class AWholeDevice(FsckTest):
    def test_is_healthy_and_counted(self):
        self.make()
        with open(self.path, "rb") as file:
            before = file.read()
        found = self.look(HEALTHY)
        self.assertEqual(found["path"], self.path)
        self.assertEqual(found["version"], 1)
        self.assertEqual(found["serial"], 3)
        self.assertEqual(bytes.fromhex(found["identity"]),
                         b"an image's name.")
        self.assertEqual(found["segment_size"], SEGMENT)
        self.assertEqual(found["segments"], {"total": 4, "blank": 1,
                                             "open": 1, "sealed": 2})
        self.assertEqual(found["records"], 13)
        self.assertEqual(found["values"], 10)
        self.assertEqual(found["tombstones"], 2)
        self.assertEqual(found["changes"], 1)
        self.assertEqual(found["bytes"], 5000 + 70000 + 100 + 200000 + 60000 +
                         4096 + 12345 + 60000 + 70000)
        self.assertEqual(found["live"], {"values": 3, "bytes":
                                         60000 + 200000 + 12345})
        self.assertEqual(found["superseded"], {"values": 5, "bytes": 70000 +
                                               60000 + 4096 + 70000})
        self.assertEqual(found["expired"], {"values": 1, "bytes": 100})
        self.assertEqual(found["flushed"], {"values": 1, "bytes": 5000})
        self.assertEqual(found["gaps"], 1)
        self.assertEqual(found["broken"], [])
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), before, "it only reads")

    def test_is_found_in_its_directory(self):
        self.make()
        self.assertEqual(self.look(HEALTHY, self.directory.name)["path"],
                         self.path)

    def test_never_used_is_healthy(self):
        self.make("blank")
        found = self.look(HEALTHY)
        self.assertEqual(found["segments"]["blank"], 4)
        self.assertEqual(found["records"], 0)

    def test_is_told_in_a_table(self):
        self.make()
        text = self.run_fsck(HEALTHY, self.path).stdout
        self.assertIn("4 segments of 1 MiB", text)
        self.assertIn("1 blank, 1 open, 2 sealed", text)
        self.assertRegex(text, r"live +3 values +[\d.]+ KiB")
        self.assertRegex(text, r"records +13 ")
        self.assertEqual(text.splitlines()[-1], "healthy")

    def test_shows_no_bar_where_there_is_no_terminal(self):
        self.make()
        self.assertEqual(self.run_fsck(HEALTHY, self.path).stderr, "")

    def test_ends_its_bar_on_a_terminal(self):
        self.make()
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        result = subprocess.run([FSCK, self.path], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=theirs,
                                timeout=60, check=False)
        os.close(theirs)
        self.assertEqual(result.returncode, HEALTHY)
        self.assertIn(b"\r\033[K", os.read(ours, 4096))


class ABrokenDevice(FsckTest):
    def test_with_a_flipped_payload(self):
        offset = self.make()["value"]
        self.flip(offset + BLOCK + 1000)
        found = self.looks_broken(place(offset))
        self.assertEqual(found["live"]["values"], 2)
        self.assertEqual(found["records"], 12)
        text = self.run_fsck(BROKEN, self.path).stdout
        self.assertIn("broken: segment %d, block %d: " % place(offset), text)
        self.assertEqual(text.splitlines()[-1], "1 broken")

    def test_with_a_flipped_head(self):
        offset = self.make()["value"]
        self.flip(offset + 80)
        self.assertEqual(self.looks_broken(place(offset))["records"], 12)

    def test_with_a_flipped_note(self):
        offset = self.make()["note"]
        self.flip(offset + BLOCK + 20)
        found = self.looks_broken(place(offset))
        self.assertEqual(found["tombstones"], 1)

    def test_with_a_flipped_value_before_the_torn_tail(self):
        offset = self.make()["open_value"]
        self.flip(offset + BLOCK)
        self.looks_broken(place(offset))

    def test_with_a_flipped_table(self):
        offset = self.make()["first_table"]
        self.flip(offset + BLOCK + 30)
        found = self.looks_broken(place(offset))
        self.assertEqual(found["records"], 13, "they were walked to")

    def test_with_a_flipped_trailer(self):
        offset = self.make()["trailer"]
        self.flip(offset + 33)
        found = self.looks_broken(place(offset))
        self.assertEqual(found["segments"]["open"], 2)
        self.assertEqual(found["records"], 13)

    def test_with_a_flipped_header(self):
        offset = self.make()["header"]
        self.flip(offset + 41)
        found = self.looks_broken(place(offset))
        self.assertEqual(found["segments"]["blank"], 2)

    def test_with_one_flipped_superblock(self):
        self.make()
        for which in range(2):
            self.flip(which * BLOCK + 100)
            self.looks_broken((None, which))
            self.flip(which * BLOCK + 100)
        self.look(HEALTHY)

    def test_that_was_cut(self):
        offset = self.make()["torn"]
        os.truncate(self.path, offset + 1000)
        found = self.look(BROKEN)
        self.assertIn((None, offset // BLOCK),
                      [(each["segment"], each["block"])
                       for each in found["broken"]])
        self.assertEqual(found["segments"], {"total": 4, "blank": 2,
                                             "open": 1, "sealed": 1})
        os.truncate(self.path, 2 * BLOCK)
        self.assertEqual(self.look(BROKEN)["segments"]["blank"], 4)

    def test_whose_table_knows_of_less(self):
        self.make("unlisted")
        found = self.look(BROKEN)
        self.assertEqual(found["broken_count"], 1)
        self.assertIn("not in the table", found["broken"][0]["reason"])

    def test_whose_table_knows_of_more(self):
        self.make("listed")
        reasons = [each["reason"] for each in self.look(BROKEN)["broken"]]
        self.assertEqual(len(reasons), 2)
        self.assertIn("no such record", reasons[0])
        self.assertIn("notes", reasons[1])

    def test_whose_table_says_something_else(self):
        self.make("changed")
        found = self.looks_broken((0, 1))
        self.assertIn("something else", found["broken"][0]["reason"])

    def test_wherever_a_byte_is_flipped(self):
        """Each is healthy or broken, and never anything else."""
        self.make()
        for offset in range(START, START + 100 * BLOCK, 13 * 512 + 7):
            self.flip(offset)
            result = fsck(self.path, "-o", "json")
            self.assertIn(result.returncode, (HEALTHY, BROKEN), offset)
            self.assertEqual(json.loads(result.stdout)["healthy"],
                             result.returncode == HEALTHY)
            self.flip(offset)


class WhatCanNotBeLookedAt(FsckTest):
    def test_is_not_there(self):
        self.refuses(self.path, "No such file")
        self.refuses("No such file", arguments=[self.directory.name])

    def test_is_foreign(self):
        with open(self.path, "wb") as file:
            file.write(os.urandom(3 << 20))
        self.refuses("not a prefixcache device")

    def test_is_blank(self):
        for size in (0, 5000, 3 << 20):
            with open(self.path, "wb") as file:
                file.truncate(size)
            self.refuses("blank")

    def test_has_lost_both_superblocks(self):
        self.make()
        self.flip(100)
        self.flip(BLOCK + 100)
        self.refuses("superblocks")

    def test_is_newer_than_the_program(self):
        self.make("newer")
        self.refuses("version 2", "newer")

    def test_is_neither_file_nor_device(self):
        os.mkfifo(self.path)
        self.refuses("neither a block device")
        self.refuses("neither a block device", arguments=["/dev/null"])

    def test_has_too_long_a_name(self):
        self.refuses("too long", arguments=["x" * 5000])

    def test_is_held_by_a_server(self):
        self.make()
        with open(self.path, "r+b") as server:
            fcntl.flock(server, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.refuses("a server uses it", "--force")
            self.run_fsck(HEALTHY, "--force", self.path)
        self.run_fsck(HEALTHY, self.path)

    def test_may_be_looked_at_by_two(self):
        self.make()
        with open(self.path, "rb") as other:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.run_fsck(HEALTHY, self.path)


class TheCommandLine(FsckTest):
    def test_that_is_wrong_is_refused(self):
        self.make()
        for arguments in ((), (self.path, "more"), (self.path, "-o", "xml"),
                          (self.path, "--repair")):
            self.refuses(arguments=arguments or ("--output=table",))

    def test_helps(self):
        text = self.run_fsck(HEALTHY, "--help").stdout
        for word in ("PATH", "--output", "--force", "Exit status"):
            self.assertIn(word, text)
        self.assertIn("prefixcache-fsck",
                      self.run_fsck(HEALTHY, "--version").stdout)

    def test_may_not_lose_its_output(self):
        self.make()
        with open("/dev/full", "wb") as full:
            result = subprocess.run([FSCK, self.path], stdout=full,
                                    stderr=subprocess.PIPE, timeout=60,
                                    check=False)
        self.assertEqual(result.returncode, UNREAD)
        self.assertIn(b"standard output", result.stderr)


if __name__ == "__main__":
    unittest.main()
