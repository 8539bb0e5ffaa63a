# SPDX-License-Identifier: Apache-2.0
"""Tests that run the crash loop (tests/crash) for some cycles."""
import json
import os
import shutil
import subprocess
import unittest

from server import program

CRASH = program("PREFIXCACHE_CRASH")
program("PREFIXCACHED")
SANITIZED = bool(os.environ.get("PREFIXCACHE_SANITIZER"))
# So that no loop of a check misses out anything that one can do.
ODD_CYCLES = ["--calm-every", "7", "--flush-every", "6"]
PASSED, BROKEN, SKIPPED = 0, 1, 77
SECONDS_MOST = 250
# What a loop has to have done; a sanitizer leaves time for less.
DONE = ("puts", "gets", "expected") if SANITIZED else (
    "start_kills", "flushes", "puts", "overwrites", "deletes", "gets",
    "expected", "expected_new")


class CrashTest(unittest.TestCase):
    slowly = ["--slow"]  # how, where the server was built with a sanitizer
    done = DONE

    def crash(self, engine, *arguments, expect=PASSED):
        """What the loop says of itself, and to stderr."""
        directory = os.path.join(os.environ.get("PREFIXCACHE_TMP", "."), "crash")
        command = [CRASH, "--engine", engine, "--directory", directory, "-o",
                   "json", *arguments]
        if SANITIZED:
            command += self.slowly
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=SECONDS_MOST, check=False)
        if done.returncode == SKIPPED:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, expect, done.stderr + done.stdout)
        shutil.rmtree(directory, ignore_errors=True)  # of a sabotage
        return json.loads(done.stdout), done.stderr

    def survives(self, engine, cycles, *arguments):
        found, said = self.crash(engine, "--cycles", str(cycles), *ODD_CYCLES,
                                 *arguments)
        self.assertTrue(found["passed"], said)
        self.assertEqual((found["wrong"], found["resurrections"],
                          found["failed_starts"]), (0, 0, 0), said)
        self.assertGreaterEqual(found["share"], 0.99)
        self.assertEqual(found["kills"], cycles)
        for what in self.done:
            self.assertGreater(found[what], 0, what)
        return found
