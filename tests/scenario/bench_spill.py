#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench load --tier spill`: values are pushed out of all faster
tiers first, and what it says came from the spill did."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402
from server_test import MIB, SANITIZED, ServerTest  # noqa: E402

BENCH = program("PREFIXCACHE_BENCH")
DONE, FAILED = 0, 1
# Enough for a hundred reads and more: one is always near to DRAM.
SECONDS = 5 if SANITIZED else 0.5
KEYS = 96  # of a MiB: three times as much as there is DRAM


class SpillTest(ServerTest):
    def serve_spill(self, **options):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        return self.serve(**{
            "dram.size": 32 * MIB, "dram.policy": "lru", "limits.value": "2MiB",
            "nvme.queue": "8MiB", "spill.inflight": "8MiB",
            "spill.path": os.path.join(directory.name, "spill"),
            "spill.size": "512MiB", **options})

    def load(self, code, *arguments):
        result = subprocess.run(
            [BENCH, "load", self.server.url("lm"), "--tier", "spill",
             "--seconds", str(SECONDS), *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False)
        self.assertEqual(result.returncode, code,
                         (result.stdout, result.stderr))
        return result

    def measure(self, *arguments):
        return json.loads(self.load(DONE, "-o", "json", *arguments).stdout)

    def assert_from_spill(self, found):
        self.assertGreater(found["hits"], 0)
        self.assertEqual((found["misses"], found["wrong"]), (0, 0))
        spill = found["spill"]
        self.assertGreaterEqual(spill["share"], 0.99)
        self.assertEqual(spill["hits"] + spill["hits_above"], found["hits"])
        self.assertGreaterEqual(self.watch["hits_spill"], spill["hits"])

    def test_values_come_from_a_spill_below_DRAM(self):
        self.serve_spill()
        for fill in "--fill", "--no-fill":
            self.assert_from_spill(self.measure("--keys", KEYS, fill))

    def test_values_come_from_a_spill_below_NVMe(self):
        """Into which what is asked for a third time rises: they are so many
        that none is."""
        with tempfile.TemporaryDirectory(
                dir=os.environ.get("PREFIXCACHE_TMP")) as nvme:
            self.serve_spill(**{"nvme.path": nvme, "nvme.size": "32MiB",
                                "spill.size": "1GiB"})
            self.assert_from_spill(self.measure("--keys", 5 * KEYS))
            self.server.stop()

    def test_a_put_ends_when_it_is_written(self):
        self.serve_spill()
        found = self.measure("--mode", "put", "--keys", 1000, "--rate", "50M")
        self.assertEqual(self.watch["spill_queue_bytes"], 0)
        spill = found["spill"]
        self.assertGreater(found["bytes"], 0)
        self.assertEqual(spill["written_bytes"] + spill["skipped_bytes"],
                         found["bytes"])

    def test_hits_in_dram_are_no_answer(self):
        self.serve_spill()
        result = self.load(FAILED, "--keys", 4)
        self.assertIn("of the hits came from the spill, not 99 %",
                      result.stderr)
        self.assertIn("spill: ", result.stdout)

    def test_a_fill_that_leaves_values_out_is_no_fill(self):
        self.serve_spill(**{"limits.value": "2MiB", "nvme.queue": "1MiB",
                            "spill.write_max": "1MiB"})
        result = self.load(FAILED, "--keys", 40)
        self.assertIn("unwritten while it was filled", result.stderr)
        self.assertIn("spill.write_max", result.stderr)

    def test_a_server_without_a_spill_is_told_from_one_with_it(self):
        self.serve()
        self.assertIn("the server has no spill tier",
                      self.load(FAILED).stderr)


if __name__ == "__main__":
    unittest.main()
