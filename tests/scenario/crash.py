#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load (D1), a few times over each engine; `make crash` does it a
thousand times.  And that the loop finds what it is there to find."""
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402

CRASH = program("PREFIXCACHE_CRASH")
program("PREFIXCACHED")
SANITIZED = bool(os.environ.get("PREFIXCACHE_SANITIZER"))
CYCLES = 20
# So that no loop of a check misses out anything that one can do.
ODD_CYCLES = ["--calm-every", "7", "--flush-every", "6"]
SLOWLY = ["--slow", "--rate", "80MiB", "--size", "192MiB", "--live", "16MiB",
          "--dram", "32MiB"]
PASSED, BROKEN, SKIPPED = 0, 1, 77
SECONDS_MOST = 250


class CrashTest(unittest.TestCase):
    def crash(self, engine, *arguments, expect=PASSED):
        """What the loop says of itself, and to stderr."""
        directory = os.path.join(os.environ.get("PREFIXCACHE_TMP", "."), "crash")
        command = [CRASH, "--engine", engine, "--directory", directory, "-o",
                   "json", *arguments]
        if SANITIZED:
            command += SLOWLY
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=SECONDS_MOST, check=False)
        if done.returncode == SKIPPED:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, expect, done.stderr + done.stdout)
        shutil.rmtree(directory, ignore_errors=True)  # of a sabotage
        return json.loads(done.stdout), done.stderr

    def survives(self, engine):
        found, said = self.crash(engine, "--cycles", str(CYCLES), *ODD_CYCLES)
        self.assertTrue(found["passed"], said)
        self.assertEqual((found["wrong"], found["resurrections"],
                          found["failed_starts"]), (0, 0, 0), said)
        self.assertGreaterEqual(found["share"], 0.99)
        self.assertEqual(found["kills"], CYCLES)
        for what in ("start_kills", "flushes", "puts", "overwrites", "deletes",
                     "gets", "expected", "expected_new"):
            self.assertGreater(found[what], 0, what)
        if found["rate"] >= 200 << 20:  # else the disk is slow
            self.assertGreater(found["written_bytes"], 512 << 20,
                               "the log did not go round")


class Survives(CrashTest):
    def test_io_uring_killed_under_load(self):
        self.survives("uring")

    def test_threads_killed_under_load(self):
        self.survives("threads")


@unittest.skipIf(SANITIZED, "what is tested here is the test")
class Finds(CrashTest):
    """What each sabotage breaks, and nothing else than that, is said."""

    def finds(self, sabotage):
        found, said = self.crash("threads", "--cycles", "12", "--sabotage",
                                 sabotage, expect=BROKEN)
        self.assertFalse(found["passed"])
        self.assertIn("left behind: ", said)
        return found, said

    def test_an_older_state_of_the_device(self):
        found, said = self.finds("rollback")
        self.assertGreater(found["resurrections"], 0)
        self.assertIn("RESURRECTION after a start", said)
        self.assertEqual(found["wrong"], 0)

    def test_a_device_that_was_emptied(self):
        found, said = self.finds("wipe")
        self.assertLess(found["share"], 0.99)
        self.assertIn("LOST: ", said)
        self.assertEqual((found["wrong"], found["resurrections"]), (0, 0))

    def test_a_bit_that_was_turned(self):
        found, said = self.finds("bytes")
        self.assertGreater(found["wrong"], 0)
        self.assertIn("WRONG BYTES", said)
        self.assertEqual(found["resurrections"], 0)


if __name__ == "__main__":
    unittest.main()
