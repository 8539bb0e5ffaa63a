#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench simulate`: tables, JSON and a picture from a generated
trace, and command lines that are wrong."""
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
TIERS = ("dram", "nvme", "spill")


def bench(*arguments):
    return subprocess.run([BENCH, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, check=False)


class SimulateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        cls.addClassCleanup(cls.directory.cleanup)
        cls.trace = os.path.join(cls.directory.name, "trace.jsonl")
        with open(cls.trace, "w", encoding="ascii") as file:
            file.write(bench("generate", "--requests", 1500).stdout)

    def simulate(self, *arguments):
        result = bench("simulate", self.trace, *arguments)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return result.stdout

    def results(self, *arguments):
        return json.loads(self.simulate("-o", "json", *arguments))

    def test_all_policies_and_the_optimum_are_in_the_table(self):
        lines = self.simulate("--capacity", "100,1000").splitlines()
        self.assertEqual(lines[1].split(), ["capacity", "lru", "s3fifo",
                                            "adaptive", "optimum"])
        small, large = lines[2].split(), lines[3].split()
        self.assertEqual((small[0], large[0]), ("100", "1000"))
        for one, other in zip(small[1:], large[1:]):
            self.assertLess(float(one), float(other))
            self.assertLessEqual(float(one), float(small[4]))

    def test_json_has_one_hit_ratio_for_one_simulation(self):
        one = self.results("--capacity", 500, "--policy", "adaptive")
        self.assertGreater(one["hit_ratio"], 0)
        self.assertEqual(one["hit_ratio"], one["results"][0]["hit_ratio"])
        self.assertNotIn("curve", one["results"][0])
        two = self.results("--capacity", 500, "--policy", "lru,adaptive")
        self.assertNotIn("hit_ratio", two)
        self.assertEqual(len(two["results"]), 2)

    def test_replay_simulates_the_same_lru(self):
        replayed = json.loads(bench("replay", self.trace, "--capacity", 500,
                                    "-o", "json").stdout)
        lru = self.results("--capacity", 500, "--policy", "lru")["results"][0]
        self.assertEqual(replayed["simulated_lru"]["hit_blocks"],
                         lru["hit_blocks"])

    def test_lower_tiers_add_their_hits(self):
        one = self.results("--dram", 200, "--policy", "lru")
        three = self.results("--dram", 200, "--nvme", 500, "--spill", 1000,
                             "--policy", "lru")
        row = three["results"][0]
        self.assertEqual(three["write"], "all")
        self.assertGreater(three["hit_ratio"], one["hit_ratio"])
        self.assertGreater(row["spill"]["hit_blocks"], 0)
        self.assertEqual(sum(row[tier]["hit_blocks"] for tier in TIERS),
                         row["hit_blocks"])
        evicted = self.results("--dram", 200, "--nvme", 500, "--spill", 1000,
                               "--write", "evicted",
                               "--policy", "lru")["results"][0]
        self.assertLess(evicted["nvme"]["writes"], row["nvme"]["writes"])

    def test_the_table_of_tiers_has_a_line_for_each_policy(self):
        lines = self.simulate("--dram", 200, "--nvme", 500).splitlines()
        self.assertIn("nvme 500", lines[1])
        self.assertEqual([line.split()[0] for line in lines[3:6]],
                         ["lru", "s3fifo", "adaptive"])

    def test_the_curve_has_each_tier_at_four_sizes(self):
        sizes = {"dram": 200, "nvme": 500, "spill": 1000}
        options = [word for tier, blocks in sizes.items()
                   for word in (f"--{tier}", blocks)]
        row = self.results(*options, "--policy", "adaptive",
                           "--curve")["results"][0]
        self.assertEqual([(size["tier"], size["percent"])
                          for size in row["curve"]],
                         [(tier, percent) for tier in TIERS
                          for percent in (50, 100, 200, 400)])
        for size in row["curve"]:
            if size["percent"] == 100:
                self.assertAlmostEqual(size["hit_ratio"], row["hit_ratio"])
                self.assertAlmostEqual(size["estimated"], row["hit_ratio"],
                                       places=5)
        more = self.results("--dram", 200, "--nvme", 500, "--spill", 2000,
                            "--policy", "adaptive")
        self.assertAlmostEqual(row["curve"][10]["hit_ratio"],
                               more["hit_ratio"])
        lines = self.simulate(*options, "--policy", "adaptive",
                              "--curve").splitlines()
        self.assertEqual([line.split()[:3] for line in lines[-3:]],
                         [["adaptive", tier, str(blocks)]
                          for tier, blocks in sizes.items()])

    def test_the_picture_has_a_line_for_each_policy(self):
        path = os.path.join(self.directory.name, "picture.svg")
        self.simulate("--capacity", "100,1000", "--plot", path)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read().count("<polyline"), 4)

    def test_wrong_command_lines_are_told(self):
        for arguments, words in (
                (("--policy", "fifo"), "'fifo' is none"),
                (("--capacity", 0), "capacity"),
                (("--capacity", "5,5"), "more than the one before"),
                (("--nvme", 5), "how large is --dram"),
                (("--dram", 5, "--spill", 5), "--nvme gives up"),
                (("--dram", 5, "--capacity", 5), "either"),
                (("--dram", 5, "--policy", "optimum"), "one tier"),
                (("--write", "some"), "'some'")):
            result = bench("simulate", self.trace, *arguments)
            self.assertEqual(result.returncode, USAGE, arguments)
            self.assertIn(words, result.stderr)
        result = bench("simulate", "/nowhere")
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("/nowhere", result.stderr)


if __name__ == "__main__":
    unittest.main()
