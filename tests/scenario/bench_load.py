#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench load --tier nvme`: what it says came from the disk did."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

BENCH = program("PREFIXCACHE_BENCH")
DONE, FAILED = 0, 1
KEYS = 96  # of a MiB: three times as much as there is DRAM


class LoadTest(ServerTest):
    def serve_nvme(self, **options):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        return self.serve(**{"dram.size": 32 * MIB, "dram.policy": "lru",
                             "nvme.path": directory.name,
                             "nvme.size": 256 * MIB, **options})

    def run_load(self, code, *arguments, scheme="lm"):
        result = subprocess.run(
            [BENCH, "load", self.server.url(scheme), "--tier", "nvme",
             "--seconds", "0.3", "-c", "2", *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False)
        self.assertEqual(result.returncode, code,
                         (result.stdout, result.stderr))
        return result

    def measure(self, *arguments, code=DONE, scheme="lm"):
        result = self.run_load(code, "-o", "json", *arguments, scheme=scheme)
        return json.loads(result.stdout)

    def test_values_come_from_the_disk_on_either_wire(self):
        self.serve_nvme()
        for scheme, fill in (("lm", "--fill"), ("lm", "--no-fill"),
                             ("redis", "--fill"), ("redis", "--no-fill")):
            found = self.measure("--keys", KEYS, fill, scheme=scheme)
            self.assertGreater(found["hits"], 0)
            self.assertEqual((found["misses"], found["wrong"]), (0, 0))
            nvme = found["nvme"]
            self.assertGreaterEqual(nvme["share"], 0.99)
            self.assertEqual(nvme["hits"] + nvme["hits_above"], found["hits"])
            self.assertGreaterEqual(self.watch["hits_nvme"], nvme["hits"])
            self.assertEqual(nvme["skipped_bytes"], 0)

    def test_hits_in_dram_are_no_answer(self):
        self.serve_nvme()
        result = self.run_load(FAILED, "--keys", 4)
        self.assertIn("of the hits came from NVMe, not 99 %", result.stderr)
        self.assertIn("% of the hits, written", result.stdout)

    def test_a_put_ends_when_it_is_written(self):
        self.serve_nvme()
        for run in range(2):
            found = self.measure("--mode", "put", "--keys", 1000, "--first-key",
                                 1000 * run, "--rate", "100M")
            self.assertEqual(self.watch["nvme_queue_bytes"], 0)
            nvme = found["nvme"]
            self.assertGreater(found["bytes"], 0)
            self.assertGreaterEqual(
                nvme["written_bytes"] + nvme["skipped_bytes"], found["bytes"])

    def test_a_server_without_that_tier_is_told_from_one_with_it(self):
        self.serve()
        result = self.run_load(FAILED)
        self.assertIn("the server has no NVMe tier", result.stderr)

    def test_a_server_that_can_not_write_so_fast_is_waited_for(self):
        self.serve_nvme(**{"nvme.write_max": 64 * MIB})
        found = self.measure("--keys", KEYS)
        self.assertGreaterEqual(found["nvme"]["share"], 0.99)


if __name__ == "__main__":
    unittest.main()
