#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load (D1), a few times over each engine; `make crash` does it a
thousand times.  And that the loop finds what it is there to find."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from crash_test import BROKEN, SANITIZED, CrashTest  # noqa: E402

CYCLES = 20


class Survives(CrashTest):
    slowly = ["--slow", "--rate", "80MiB", "--size", "192MiB", "--live",
              "16MiB", "--dram", "32MiB"]

    def survives_each(self, engine):
        found = self.survives(engine, CYCLES)
        if found["rate"] >= 200 << 20:  # else the disk is slow
            self.assertGreater(found["written_bytes"], 512 << 20,
                               "the log did not go round")

    def test_io_uring_killed_under_load(self):
        self.survives_each("uring")

    def test_threads_killed_under_load(self):
        self.survives_each("threads")


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
