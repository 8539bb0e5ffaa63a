#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The policies' bars, on short generated traces and, where PREFIXCACHE_TRACE
names it, on the recorded trace of conversations.  tests/bench/policies shows
the same at length."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import policy_bars  # noqa: E402
from server import program  # noqa: E402

# Few: much of such a trace is seen before the caches are full, and the
# estimates are the worse for it.
REQUESTS = 4000
OFF_MOST = 0.03


class PoliciesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        cls.addClassCleanup(directory.cleanup)
        cls.simulator = policy_bars.Simulator(program("PREFIXCACHE_BENCH"),
                                              directory.name)

    def check(self, lines):
        count = 0
        for line in lines:
            self.assertTrue(line.passed, policy_bars.show(line))
            count += 1
        self.assertGreater(count, 0)

    def check_shapes(self, judge, *more):
        for shape in policy_bars.SHAPES:
            with self.subTest(shape.name):
                path = self.simulator.generate(shape, REQUESTS)
                self.check(judge(self.simulator, path, shape, *more))

    def test_adaptive_is_no_worse_than_the_others_on_any_shape(self):
        self.check_shapes(policy_bars.judge_one_tier)

    def test_three_tiers_are_worth_one(self):
        self.check_shapes(policy_bars.judge_tiers)

    def test_estimates_for_other_sizes_are_near_what_is(self):
        self.check_shapes(policy_bars.judge_curves, OFF_MOST)

    def test_the_recorded_trace_has_what_it_had(self):
        path = os.environ.get("PREFIXCACHE_TRACE")
        if not path:
            self.skipTest("PREFIXCACHE_TRACE names no trace")
        self.check(policy_bars.judge(self.simulator, path,
                                     policy_bars.RECORDED))


if __name__ == "__main__":
    if os.environ.get("PREFIXCACHE_SANITIZER"):
        print("takes minutes under a sanitizer; bench_simulate.py is for that")
        sys.exit(77)
    unittest.main()
