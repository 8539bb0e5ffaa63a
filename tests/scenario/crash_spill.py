#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 while values sink into the spill: what NVMe has given up is there, and
what was deleted is not, as crash.py has it of NVMe alone; `make crash
TIER=spill` does it a thousand times.  And that the loop finds it if not."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from crash_test import BROKEN, SANITIZED, CrashTest  # noqa: E402

CYCLES = 10
MIB = 1 << 20


class SpillTest(CrashTest):
    slowly = ["--slow", "--rate", "32MiB", "--live", "64MiB"]
    # Its cycles are few, and each spends its time filling NVMe first.
    done = ("puts", "gets", "expected")

    def crash(self, engine, *arguments, **more):
        return super().crash(engine, "--tier", "spill", *arguments, **more)


class Survives(SpillTest):
    def test_killed_while_values_sink(self):
        found = self.survives("mixed", CYCLES)
        self.assertGreater(found["sunk_bytes"], MIB, "nothing has sunk")


@unittest.skipIf(SANITIZED, "what is tested here is the test")
class Finds(SpillTest):
    def finds(self, sabotage):
        found, said = self.crash("threads", "--cycles", "20", "--sabotage",
                                 sabotage, expect=BROKEN)
        self.assertFalse(found["passed"])
        self.assertEqual(found["wrong"], 0)
        return found, said

    def test_an_older_state_of_the_spill(self):
        found, said = self.finds("rollback")
        self.assertGreater(found["resurrections"], 0)
        self.assertIn("RESURRECTION after a start", said)

    def test_a_spill_that_was_emptied(self):
        found, said = self.finds("wipe")
        self.assertLess(found["share"], 0.99)
        self.assertIn("LOST: ", said)
        self.assertEqual(found["resurrections"], 0)


if __name__ == "__main__":
    unittest.main()
