#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench lookup`: it asks what it says, of a server or of an index
of its own, and fails where a lookup did not match."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402
from server_test import ServerTest  # noqa: E402

BENCH = program("PREFIXCACHE_BENCH")
DONE, FAILED, USAGE = 0, 1, 64


class LookupTest(ServerTest):
    def run_lookup(self, *arguments, code=DONE):
        result = subprocess.run(
            [BENCH, "lookup", *map(str, arguments)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, code,
                         (result.stdout, result.stderr))
        return result

    def ask(self, *arguments, code=DONE):
        result = self.run_lookup(
            self.server.url(), "--entries", 3000, "--seconds", 0.2, "-o",
            "json", *arguments, code=code)
        return json.loads(result.stdout) if code == DONE else result

    def test_it_asks_a_server(self):
        self.serve()
        found = self.ask("--keys", 100)
        self.assertEqual((found["keys"], found["entries"],
                          found["incomplete"]), (100, 3000, 0))
        info = self.watch.info()
        self.assertEqual(info["db0"], "keys=3000,expires=0,avg_ttl=0")
        self.assertGreater(info["lookups_resp"], 0)
        self.assertEqual(info["lookup_keys"], 100 * info["lookups_resp"])
        self.assertEqual(info["lookup_matched"], info["lookup_keys"])
        self.assertEqual(found["written_gb_per_s"], 0)
        self.assertGreater(found["lookup"]["p99_us"], 0)

    def test_it_writes_beside_its_lookups(self):
        self.serve(**{"dram.size": "256MiB"})
        found = self.ask("--write", "20M", "--write-size", "64KiB", "-c", 2,
                         "--with-tiers", "--seconds", 0.5)
        self.assertGreater(found["written_gb_per_s"], 0.005)
        self.assertLess(found["written_gb_per_s"], 0.04)
        self.ask("--no-fill", "--write", "max")

    def test_it_fails_where_keys_are_missing(self):
        self.serve()
        result = self.ask("--no-fill", code=FAILED)
        self.assertGreater(json.loads(result.stdout)["incomplete"], 0)

    def test_it_probes_an_index_of_its_own(self):
        found = json.loads(self.run_lookup(
            "--entries", 5000, "--seconds", 0.1, "-o", "json").stdout)
        self.assertEqual((found["entries"], found["wrong"]), (5000, 0))
        self.assertGreater(found["here_per_second"], 0)
        self.assertGreater(found["missing_per_second"], 0)

    def test_what_makes_no_sense_is_refused(self):
        for arguments in (["memcached://127.0.0.1:1"], ["--keys", 0],
                          ["--keys", 8193], ["--entries", 5],
                          ["--write", "x"], ["a", "b"], ["-o", "xml"]):
            self.run_lookup(*arguments, code=USAGE)
        self.run_lookup("redis://127.0.0.1:1", code=FAILED)


if __name__ == "__main__":
    unittest.main()
