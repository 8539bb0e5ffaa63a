#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`prefixcache-bench` over prefixcache://: what `load` and `lookup` count is what
the server does, and what has failed is no figure."""
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
DONE, FAILED, USAGE = 0, 1, 64
TIMEOUT = 120
SIZE, KEYS = 65536, 40
NOBODY = "prefixcache://127.0.0.1:1"


def name_of(number, size=SIZE):
    """As prefixcache-bench names its values."""
    return f"prefixcache-bench@1@0@{size << 32 | number:016x}@u8"


class BenchTest(ServerTest):
    def run_bench(self, *arguments, code=DONE):
        result = subprocess.run(
            [BENCH, *map(str, arguments)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, code,
                         (result.stdout, result.stderr))
        return result

    def load(self, *arguments, scheme="prefixcache", code=DONE):
        result = self.run_bench(
            "load", self.server.url(scheme), "-o", "json", "--size", SIZE,
            "--keys", KEYS, "--seconds", 0.3, *arguments, code=code)
        return json.loads(result.stdout)

    def lookup(self, *arguments, scheme="prefixcache", code=DONE):
        result = self.run_bench(
            "lookup", self.server.url(scheme), "-o", "json", "--entries", 1000,
            "--keys", 100, "--seconds", 0.2, *arguments, code=code)
        return json.loads(result.stdout)


class LoadTest(BenchTest):
    def test_gets_are_counted_as_the_server_counts_them(self):
        self.serve()
        found = self.load("--in-flight", 8, "--pid", self.server.pid)
        info = self.watch.info()
        self.assertEqual((found["in_flight"], found["connections"]), (8, 1))
        self.assertGreater(found["hits"], KEYS)
        self.assertEqual((info["native_get"], info["native_put"]),
                         (found["hits"], KEYS))
        self.assertEqual(found["latency"]["get"]["count"], found["hits"])
        self.assertEqual(found["bytes"], found["hits"] * SIZE)
        self.assertEqual((found["misses"], found["wrong"], found["refused"]),
                         (0, 0, 0))

    def test_puts_are_counted_as_the_server_counts_them(self):
        self.serve()
        found = self.load("--mode", "put", "--in-flight", 3, "-c", 2)
        puts = found["latency"]["put"]["count"]
        self.assertGreater(puts, 0)
        self.assertEqual(self.watch["native_put"], puts)
        self.assertEqual(found["bytes"], puts * SIZE)
        self.assertEqual(found["refused"], 0)

    def test_mixed_and_exists_work_over_many_connections(self):
        self.serve()
        found = self.load("--mode", "mixed", "--in-flight", 4, "-c", 3)
        self.assertEqual(set(found["latency"]), {"get", "put"})
        self.assertEqual((found["misses"], found["wrong"]), (0, 0))
        found = self.load("--mode", "exists", "--in-flight", 4, "-c", 3,
                          "--no-fill")
        self.assertGreater(found["hits"], 0)
        self.assertEqual(found["latency"]["exists"]["count"], found["hits"])
        self.assertEqual(self.watch["native_exists"], found["hits"])

    def test_so_many_are_on_their_way_as_were_asked_for(self):
        self.serve()
        for in_flight in (1, 8):
            latency = self.load("--in-flight", in_flight)["latency"]["get"]
            # Little's law.
            at_once = latency["mean_us"] * latency["ops_per_s"] / 1e6
            self.assertLess(at_once, in_flight * 1.05)
            self.assertGreater(at_once, in_flight * 0.6)

    def test_a_connection_each_and_no_other(self):
        self.serve()
        before = self.watch["connections_accepted"]
        self.load("-c", 3, "--in-flight", 4)
        self.assertEqual(self.watch["connections_accepted"] - before, 3)

    def test_a_rate_holds_for_all_that_are_on_their_way(self):
        self.serve()
        found = self.load("--rate", "10M", "--in-flight", 4, "-c", 2)
        most = 10e6 * found["seconds"] + 2 * SIZE
        self.assertGreater(found["bytes"], 0)
        self.assertLessEqual(found["bytes"], most)

    def test_what_another_wire_has_put_is_got(self):
        self.serve()
        for scheme in ("lm", "redis"):
            self.load("--mode", "exists", "--fill", scheme=scheme)
            found = self.load("--no-fill", "--in-flight", 8)
            self.assertGreater(found["hits"], 0)
            self.assertEqual((found["misses"], found["wrong"]), (0, 0))
            self.connect().command("FLUSHALL")

    def test_what_is_not_there_is_a_miss(self):
        self.serve()
        found = self.load("--no-fill", "--in-flight", 8)
        self.assertEqual((found["hits"], found["bytes"]), (0, 0))
        self.assertEqual(found["latency"]["get"]["count"], found["misses"])
        self.assertGreater(found["misses"], 0)

    def test_a_wrong_value_is_found(self):
        self.serve()
        self.load("--mode", "exists")
        for wrong in (b"x" * SIZE, b"short", b"x" * (SIZE + 1)):
            self.connect().command("SET", name_of(3), wrong)
            found = self.load("--no-fill", "--in-flight", 8, code=FAILED)
            self.assertGreater(found["wrong"], 0)
            self.assertLess(found["wrong"], found["hits"])
        self.load("--mode", "put")

    def test_a_put_that_is_refused_is_counted(self):
        self.serve(**{"limits.value": "32KiB"})
        found = self.load("--mode", "put", "--in-flight", 2)
        self.assertEqual(found["latency"]["put"]["count"], found["refused"])
        self.assertEqual(found["bytes"], 0)
        self.assertGreater(found["refused"], 0)

    def test_values_come_from_the_disk(self):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        self.serve(**{"dram.size": 32 * MIB, "dram.policy": "lru",
                      "nvme.path": directory.name, "nvme.size": 256 * MIB})
        found = self.load("--tier", "nvme", "--size", MIB, "--keys", 96, "-c",
                          2, "--in-flight", 4)
        self.assertGreater(found["hits"], 0)
        self.assertEqual((found["misses"], found["wrong"]), (0, 0))
        self.assertGreaterEqual(found["nvme"]["share"], 0.99)

    def test_a_server_that_dies_ends_the_run(self):
        self.serve()
        process = subprocess.Popen(
            [BENCH, "load", self.server.url("prefixcache"), "--size", str(SIZE),
             "--keys", str(KEYS), "--seconds", "60", "--in-flight", "4"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.watch.until("native_get", 10)
        self.server.kill()
        _, said = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, FAILED, said)
        self.assertIn("the server is gone", said)

    def test_who_is_not_there_is_no_miss(self):
        result = self.run_bench("load", NOBODY, code=FAILED)
        self.assertIn("no prefixcached answers there", result.stderr)

    def test_what_makes_no_sense_is_refused(self):
        for url, *arguments in (["lm://127.0.0.1:1", "--in-flight", 2],
                                ["redis://127.0.0.1:1", "--in-flight", 2],
                                [NOBODY, "--in-flight", 0],
                                [NOBODY, "--in-flight", 1025],
                                [NOBODY + ",127.0.0.1:2", "--tier", "nvme"],
                                [NOBODY + "?retrys_ms=1"],
                                ["prefixcache:///nowhere"]):
            result = self.run_bench("load", url, *arguments, code=USAGE)
            self.assertIn("prefixcache-bench load: ", result.stderr)


class LookupTest(BenchTest):
    def test_a_lookup_is_one_request(self):
        self.serve()
        found = self.lookup()
        self.assertEqual((found["ask"], found["incomplete"]), ("prefix", 0))
        info = self.watch.info()
        self.assertEqual(info["lookups_native"], found["lookup"]["count"])
        self.assertEqual(info["lookup_keys"], 100 * info["lookups_native"])
        found = self.lookup("--ask", "exists", "--no-fill")
        self.assertEqual((found["ask"], found["incomplete"]), ("exists", 0))
        self.assertGreater(found["lookup"]["count"], 0)
        self.assertEqual(self.watch["exists_hits"],
                         100 * found["lookup"]["count"])

    def test_lm_asks_for_each(self):
        self.serve()
        found = self.lookup(scheme="lm")
        self.assertEqual((found["ask"], found["incomplete"]), ("exists", 0))
        # One behind each 256 that were put.
        self.assertEqual(self.watch["lm_exists"],
                         100 * found["lookup"]["count"] + 4)

    def test_redis_asks_for_all_in_one_exists(self):
        self.serve()
        found = self.lookup("--ask", "exists", scheme="redis")
        self.assertEqual((found["ask"], found["incomplete"]), ("exists", 0))
        self.assertEqual(self.watch["exists_hits"],
                         100 * found["lookup"]["count"])

    def test_it_fails_where_keys_are_missing(self):
        self.serve()
        for scheme, verb in (("prefixcache", "prefix"), ("lm", "exists"),
                             ("prefixcache", "exists"), ("redis", "exists")):
            found = self.lookup("--no-fill", "--ask", verb, scheme=scheme,
                                code=FAILED)
            self.assertEqual(found["incomplete"], found["lookup"]["count"])

    def test_it_writes_beside_its_lookups(self):
        self.serve(**{"dram.size": "256MiB"})
        found = self.lookup("--write", "20M", "--write-size", "64KiB", "-c", 2)
        self.assertGreater(found["written_gb_per_s"], 0)

    def test_what_a_wire_can_not_say_is_refused(self):
        for url, *arguments in (["lm://127.0.0.1:1", "--ask", "prefix"],
                                ["memcached://127.0.0.1:1"],
                                ["redis://127.0.0.1:1", "--ask", "all"],
                                [NOBODY, "--with-tiers"],
                                ["redis://127.0.0.1:1", "--ask", "exists",
                                 "--with-tiers"]):
            self.run_bench("lookup", url, *arguments, code=USAGE)
        self.run_bench("lookup", NOBODY, code=FAILED)
        self.run_bench("lookup", "lm://127.0.0.1:1", code=FAILED)


if __name__ == "__main__":
    unittest.main()
