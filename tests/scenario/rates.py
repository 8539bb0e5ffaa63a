#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hit rates by namespace and model: what counts as a query, and that /v1/stats,
INFO prefixcache and /metrics say the same of it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from json_client import JsonClient  # noqa: E402
from lm_client import KV_SHAPE, LmClient, metadata  # noqa: E402
from nvme_test import NvmeTest  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

SOURCE = os.environ.get("PREFIXCACHE_SOURCE", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LONG = "600s"
SPANS = ["1m", "5m", "1h", "start"]
SAMPLE = re.compile(r'^prefixcache_prefix_(\w+)_total\{namespace="(\d+)",'
                    r'model="((?:[^"\\]|\\.)*)"(?:,tier="(\w+)")?\} (\d+)$')


class RatesTest(ServerTest):
    def start(self, **options):
        self.serve(**dict({"lease_ms": LONG}, **options))
        self.client = self.connect()
        self.http = JsonClient(self.server.http_port)
        self.addCleanup(self.http.close)

    def say(self, *arguments):
        return self.client.command(*arguments)

    def stats(self):
        return self.http.get("/v1/stats")

    def models(self, span="start"):
        """{(namespace, model): what was counted}"""
        return {(row["namespace"], row["model"]): row["windows"][span]
                for row in self.stats()["rates"]["models"]}

    def counted(self, model, space=0):
        """Queries and hits."""
        row = self.models().get((space, model))
        return row and (row["queries"]["chunks"], row["hits"]["chunks"])

    def assert_counted(self, model, queries, hits, space=0):
        self.assertEqual(self.counted(model, space), (queries, hits))

    def samples(self):
        """{(name, namespace, model, tier or None): value}"""
        _, _, text = self.http.ask("GET", "/metrics")
        found = {}
        for line in text.decode().splitlines():
            match = SAMPLE.match(line)
            if match:
                *name, value = match.groups()
                found[tuple(name)] = int(value)
        return found


class Queries(RatesTest):
    def test_get_after_exists_is_the_same_query(self):
        self.start()
        self.say("SET", "m@1@0@a@half", b"12345")
        for _ in range(2):
            self.assertEqual(self.say("EXISTS", "m@1@0@a@half"), b":1")
            for _ in range(3):
                self.assertEqual(self.say("GET", "m@1@0@a@half"), b"12345")
        self.assert_counted("m", 2, 2)

    def test_a_get_that_no_exists_came_before_is_a_query(self):
        self.start()
        self.say("SET", "m@a", b"1")
        for _ in range(3):
            self.say("GET", "m@a")
        self.say("GETRANGE", "m@a", 0, 0)
        self.assert_counted("m", 4, 4)

    def test_a_miss_is_a_query_each_time(self):
        self.start()
        self.assertEqual(self.say("EXISTS", "m@a", "m@b"), b":0")
        self.assertIsNone(self.say("GET", "m@a"))
        self.assertEqual(self.say("MGET", "m@a", "m@b"), [None, None])
        self.assert_counted("m", 5, 0)

    def test_when_the_lease_is_over_a_get_is_a_query_again(self):
        self.start(lease_ms="50ms")
        self.say("SET", "m@a", b"1")
        self.say("EXISTS", "m@a")
        self.watch.until_equal("leased_bytes", 0)
        self.say("GET", "m@a")
        self.assert_counted("m", 2, 2)

    def test_without_leases_each_is_a_query(self):
        self.start(lease_ms=0)
        self.say("SET", "m@a", b"1")
        self.say("EXISTS", "m@a")
        self.say("GET", "m@a")
        self.assert_counted("m", 2, 2)

    def test_an_exists_that_is_refused_is_no_hit(self):
        self.start()
        for number in range(20):
            self.say("SET", f"m@{number}", b"x" * MIB)
        for number in range(20):
            self.say("EXISTS", f"m@{number}")
        self.assert_counted("m", 20, 16)
        self.say("GET", "m@19")
        self.assert_counted("m", 21, 17)

    def test_a_key_that_is_gone_was_promised_nothing(self):
        self.start()
        self.say("SET", "m@a", b"1")
        self.say("EXISTS", "m@a")
        self.say("DEL", "m@a")
        self.assertIsNone(self.say("GET", "m@a"))
        self.assert_counted("m", 2, 1)

    def test_a_new_value_keeps_the_promise_of_the_old_one(self):
        self.start()
        self.say("SET", "m@a", b"1")
        self.say("EXISTS", "m@a")
        self.say("SET", "m@a", b"2")
        self.say("GET", "m@a")
        self.assert_counted("m", 1, 1)

    def test_a_lookup_is_no_query_and_its_lease_no_promise(self):
        self.start()
        self.say("SET", "m@a", b"1")
        self.assertEqual(self.say("PREFIX.MATCH", "m@a", "m@b"), b":1")
        self.assertEqual(self.say("PREFIX.MATCH", "LEASE", 9000, "m@a"),
                         b":1")
        self.assertEqual(self.http.post("/v1/prefix", {"keys": ["m@a"]}),
                         {"matched": 1})
        self.assert_counted("m", 0, 0)
        self.say("GET", "m@a")
        self.assert_counted("m", 1, 1)

    def test_what_only_looks_is_no_query(self):
        self.start()
        self.say("SET", "m@a", b"1")
        for words in (("TTL", "m@a"), ("STRLEN", "m@a"), ("TYPE", "m@a"),
                      ("MEMORY", "USAGE", "m@a"), ("SCAN", 0),
                      ("DEL", "m@none")):
            self.say(*words)
        self.assert_counted("m", 0, 0)


class Objects(RatesTest):
    """Of an object's two halves one counts."""

    def put(self, name):
        self.say("SET", name + "kv_bytes", b"x" * 1000)
        self.say("SET", name + "metadata", metadata(1000, KV_SHAPE))

    def test_the_halves_of_an_object_are_one_query(self):
        self.start()
        self.put("m@1")
        self.assertEqual(self.say("EXISTS", "m@1metadata"), b":1")
        self.assertIsNotNone(self.say("GET", "m@1metadata"))
        self.assertIsNotNone(self.say("GET", "m@1kv_bytes"))
        self.assert_counted("m", 1, 1)

    def test_also_where_no_exists_came_before(self):
        self.start()
        self.put("m@1")
        self.say("GET", "m@1metadata")
        self.say("GET", "m@1kv_bytes")
        self.say("MGET", "m@1metadata", "m@1kv_bytes")
        self.assert_counted("m", 2, 2)

    def test_a_missing_object_is_one_query(self):
        self.start()
        self.say("GET", "m@1metadata")
        self.assert_counted("m", 1, 0)
        self.say("MGET", "m@1:metadata", "m@1:kv_bytes")
        self.assert_counted("m", 2, 0)
        self.say("GET", "m@1kv_bytes")
        self.assert_counted("m", 3, 0)
        # The halves of two objects are two queries.
        self.say("MGET", "m@1metadata", "m@2kv_bytes")
        self.assert_counted("m", 5, 0)

    def test_both_halves_are_one_put(self):
        self.start()
        self.put("m@1")
        row = self.models()[0, "m"]
        self.assertEqual(row["puts"], {"chunks": 1, "tokens": 256,
                                       "bytes": 1000})

    def test_braces_are_not_of_the_model(self):
        self.start()
        self.put("{m@1}:")
        self.say("GET", "{m@1}:kv_bytes")
        self.assertEqual(set(self.models()), {(0, "m")})
        self.assert_counted("m", 1, 1)

    def test_lm_counts_as_well(self):
        self.start()
        with LmClient(self.server.data_port) as client:
            self.assertFalse(client.exists("m@1"))
            client.put("m@1", b"x" * 500)
            self.assertTrue(client.exists("m@1"))
            self.assertEqual(client.value("m@1"), b"x" * 500)
            self.assertIsNone(client.value("m@2"))
            client.put("m@3", b"y")
            self.assertEqual(client.value("m@3"), b"y")
        self.assert_counted("m", 4, 2)
        self.assertEqual(self.models()[0, "m"]["puts"]["chunks"], 2)
        # Put by one wire, promised by it, and got by the other.
        self.assertIsNotNone(self.say("GET", "m@1"))
        self.assert_counted("m", 4, 2)


class Labels(RatesTest):
    def test_models_are_told_apart(self):
        self.start()
        self.say("SET", "Qwen/Qwen3-0.6B@1@0@a", b"1")
        self.say("GET", "Qwen/Qwen3-0.6B@1@0@a")
        self.say("GET", "/models/llama@1@0@a")
        self.say("GET", "no model")
        self.assert_counted("Qwen/Qwen3-0.6B", 1, 1)
        self.assert_counted("/models/llama", 1, 0)
        self.assert_counted("other", 1, 0)

    def test_later_models_are_other(self):
        self.start(index_models=2)
        for model in "abcd":
            self.say("GET", f"{model}@1")
        self.say("GET", "b@2")
        self.assertEqual({name: row["queries"]["chunks"] for name, row in
                          self.models().items()},
                         {(0, "a"): 1, (0, "b"): 2, (0, "other"): 2})

    def test_namespaces_are_told_apart(self):
        self.start()
        self.say("GET", "m@1")
        self.say("SELECT", 7)
        self.say("GET", "m@1")
        self.say("GET", "m@2")
        self.say("GET", "plain")
        self.assertEqual({name: row["queries"]["chunks"] for name, row in
                          self.models().items()},
                         {(0, "m"): 1, (7, "m"): 2, (7, "other"): 1})

    def test_a_name_may_hold_what_other_formats_mark(self):
        self.start()
        odd = 'a"b\\c,d={}<b>é'
        self.say("GET", odd.encode() + b"@1")
        self.say("GET", b"\xff\xfe@1")
        self.say("GET", b"line\nend@1")
        self.assert_counted(odd, 1, 0)
        self.assert_counted("other", 2, 0)
        escaped = odd.replace("\\", "\\\\").replace('"', '\\"')
        self.assertEqual(self.samples()["queries", "0", escaped, None], 1)
        self.assertEqual(self.watch["prefix_model_1"].partition("model=")[2],
                         odd)


class Units(RatesTest):
    def test_chunks_tokens_and_bytes(self):
        self.start(index_chunk_tokens=100)
        self.say("GET", "m@0")
        for number in range(4):
            self.say("SET", f"m@{number}", b"x" * 2000)
        self.say("SET", "m@0", b"x" * 2000)
        self.say("GET", "m@0")
        self.say("GET", "m@1")
        self.say("GET", "m@none")
        row = self.models()[0, "m"]
        self.assertEqual(row["puts"], {"chunks": 4, "tokens": 400,
                                       "bytes": 8000})
        self.assertEqual(row["hits"], {"chunks": 2, "tokens": 200,
                                       "bytes": 4000})
        # What is missing has a size that is guessed, once one was seen.
        self.assertEqual(row["queries"], {"chunks": 4, "tokens": 400,
                                          "bytes": 6000})
        self.assertEqual(row["tiers"]["dram"], row["hits"])
        self.assertEqual(row["hit_ratio"], 0.5)
        self.assertEqual(self.stats()["rates"]["chunk_tokens"], 100)

    def test_every_window_has_what_is_new(self):
        self.start()
        self.say("GET", "m@1")
        rates = self.stats()["rates"]
        for row in (rates["all"], rates["models"][0]["windows"]):
            self.assertEqual(list(row), SPANS)
            for span in SPANS:
                self.assertEqual(row[span]["queries"]["chunks"], 1)
                self.assertEqual(row[span]["hit_ratio"], 0)
                self.assertGreater(row[span]["seconds"], 0)

    def test_nothing_asked_is_no_ratio(self):
        self.start()
        self.assertIsNone(self.stats()["rates"]["all"]["1m"]["hit_ratio"])
        self.assertEqual(self.stats()["rates"]["models"], [])
        self.assertEqual(self.watch["prefix_hit_ratio_5m"], "none")

    def test_info_has_the_same_numbers(self):
        self.start()
        self.say("SET", "m@1", b"1")
        self.say("GET", "m@1")
        self.say("GET", "m@2")
        self.say("GET", "n@1")
        text = self.say("INFO", "prefixcache").decode()
        lines = dict(line.split(":", 1) for line in text.split("\r\n")
                     if ":" in line)
        self.assertEqual({name: lines["prefix_" + name] for name in
                          ("queries", "hits", "puts", "chunk_tokens")},
                         {"queries": "3", "hits": "1", "puts": "1",
                          "chunk_tokens": "256"})
        for span in SPANS:
            self.assertEqual(lines["prefix_hit_ratio_" + span], "0.3333")
        self.assertEqual(
            lines["prefix_model_0"],
            "namespace=0,queries=2,hits=1,puts=1,hit_ratio_1m=0.5000,"
            "hit_ratio_5m=0.5000,hit_ratio_1h=0.5000,hit_ratio_start=0.5000,"
            "model=m")
        self.assertNotIn("prefix_model_2", lines)

    def test_metrics_can_be_divided(self):
        self.start()
        self.say("SET", "m@1", b"12345")
        self.say("GET", "m@1")
        self.say("GET", "m@2")
        self.say("GET", "n@1")
        found = self.samples()
        for unit in "queries", "hits":
            of = {name[1:] for name in found if name[0] == unit}
            self.assertEqual(of, {("0", "m", None), ("0", "n", None)})
        self.assertEqual(
            {name[0]: value for name, value in found.items()
             if name[2:] == ("m", None)},
            {"queries": 2, "query_tokens": 512, "query_bytes": 10,
             "hits": 1, "hit_tokens": 256, "hit_bytes": 5,
             "puts": 1, "put_tokens": 256, "put_bytes": 5})
        self.assertEqual(found["tier_hits", "0", "m", "dram"], 1)
        self.assertEqual(found["tier_hit_bytes", "0", "m", "dram"], 5)

    def test_prometheus_takes_them(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (Debian package prometheus)")
        self.start()
        self.say("SET", 'we"ird\\@1', b"1")
        self.say("GET", 'we"ird\\@1')
        _, _, text = self.http.ask("GET", "/metrics")
        self.assertIn(b"prefixcache_prefix_hits_total{", text)
        result = subprocess.run(["promtool", "check", "metrics"], input=text,
                                capture_output=True, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, b"", b""))


    def test_the_rules_of_the_manual_are_rules(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (Debian package prometheus)")
        with open(os.path.join(SOURCE, "server", "prefixcache-http.7")) as file:
            found = re.search(r"^\.EX\n(groups:\n.*?)^\.EE$", file.read(),
                              re.M | re.S)
        self.start()
        self.say("GET", "m@1")
        rules = found.group(1).replace("\\-", "-")
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(rules)
            file.flush()
            subprocess.run(["promtool", "check", "rules", file.name],
                           check=True, capture_output=True, timeout=60)
        there = {f"prefixcache_prefix_{name}_total"
                 for name, *_ in self.samples()}
        self.assertLessEqual(set(re.findall(r"prefixcache_\w+_total", rules)),
                             there)


class Stats(RatesTest):
    def test_it_tells_of_everything(self):
        self.start()
        self.say("SET", "m@1", b"x" * 5000)
        self.say("GET", "m@1")
        stats = self.stats()
        self.assertEqual(stats["server"]["state"], "serving")
        self.assertEqual(stats["server"]["data_address"],
                         self.server.data_address)
        self.assertEqual(stats["connections"]["open"], 1)
        self.assertEqual(stats["index"]["entries"], 1)
        self.assertEqual(stats["requests"]["get_hits"], 1)
        self.assertEqual(stats["requests"]["put_bytes"], 5000)
        tier, = stats["tiers"]
        self.assertEqual((tier["tier"], tier["values"], tier["value_bytes"],
                          tier["hits"], tier["readable"], tier["writable"]),
                         ("dram", 1, 5000, 1, True, True))
        self.assertEqual([size["percent"] for size in
                          stats["curve"]["tiers"][0]["sizes"]],
                         [50, 100, 200, 400])

    def test_what_was_is_kept(self):
        self.start()
        for _ in range(3):
            self.say("GET", "m@1")

        found = self.stats()["history"]["rates"]
        self.assertEqual(sum(step["queries"] for step in found), 3)
        self.assertEqual(sum(step["hits"] for step in found), 0)
        for step in found:
            self.assertGreater(step["seconds"], 0)

    def test_it_only_reads(self):
        self.start()
        for method in "POST", "PUT", "DELETE":
            status, headers, _ = self.http.ask(method, "/v1/stats", b"{}")
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))


class Tiers(NvmeTest):
    def test_a_hit_counts_for_the_tier_that_has_it(self):
        self.serve(lease_ms=LONG)
        client = self.connect()
        names = self.put_many(client, 3, MIB, "m@")
        self.await_written()
        self.serve_again(lease_ms=LONG)
        client = self.connect()
        client.command("EXISTS", names[0])
        self.assert_there(client, names[0], names[1], names[1])
        with JsonClient(self.server.http_port) as http:
            row, = http.get("/v1/stats")["rates"]["models"]
        window = row["windows"]["start"]
        self.assertEqual(window["hits"]["chunks"], 3)
        self.assertEqual({tier: of["chunks"] for tier, of in
                          window["tiers"].items()}, {"dram": 1, "nvme": 2})
        self.assertEqual(window["tiers"]["nvme"]["bytes"], 2 * MIB)


if __name__ == "__main__":
    unittest.main()
