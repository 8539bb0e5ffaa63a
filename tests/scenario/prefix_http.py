#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What schedulers and people ask the HTTP port: POST /v1/prefix, the questions
of routers that know other indexes, /v1/keys, /v1/config; and that nothing is
changed there."""
import json
import os
import signal
import socket
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from json_client import JsonClient  # noqa: E402
from lm_client import KV_SHAPE, LmClient, metadata  # noqa: E402
from server import Server, program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402
from watch import until  # noqa: E402


def unsized(path):
    """A server whose file says how large its memory is."""
    server = ConfiguredServer(path)
    del server.options["dram.size"]
    return server


class HttpTest(ServerTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()
        self.http = JsonClient(self.server.http_port)
        self.addCleanup(self.http.close)

    def fill(self, *names, size=100):
        for name in names:
            name = name if isinstance(name, bytes) else name.encode()
            self.assertEqual(self.client.command("SET", name, b"x" * size),
                             b"+OK")

    def prefix(self, *keys, status=200, **more):
        return self.http.post("/v1/prefix", {"keys": list(keys), **more},
                              status)

    def assert_refused(self, answer, word, reason):
        self.assertEqual(set(answer), {"error", "reason"})
        self.assertEqual(answer["error"], word)
        self.assertIn(reason, answer["reason"])


class PrefixTest(HttpTest):
    def test_the_short_answer_is_the_match(self):
        self.start()
        self.fill("a", "b", "d", "m@\u00e9")
        self.assertEqual(self.prefix("a", "b", "c", "d"), {"matched": 2})
        self.assertEqual(self.prefix(), {"matched": 0})
        self.assertEqual(self.prefix("m@\u00e9"), {"matched": 1})
        self.assertEqual(self.prefix("a", "b", "d", "x", ranks=2),
                         {"matched": 1})
        self.assertEqual(self.prefix("a", namespace=3), {"matched": 0})
        self.client.command("SELECT", 3)
        self.fill("only here")
        self.assertEqual(self.prefix("only here", namespace=3),
                         {"matched": 1})

    def test_the_long_answer_is_that_of_resp(self):
        self.start()
        self.fill("a", "b", size=MIB)
        found = self.prefix("a", "b", "c", with_tiers=True)
        self.assertEqual(found, {
            "matched": 2, "bytes": 2 * MIB, "load_us": None,
            "tiers": [{"tier": "dram", "matched": 2, "unbroken": 2,
                       "bytes": 2 * MIB, "get_us": None,
                       "bytes_per_second": None}],
            "keys": ["dram", "dram", "missing"]})
        for _ in range(10):
            self.client.command("GET", "a")
        found = self.prefix("a", "b", with_tiers=True)
        self.assertGreater(found["load_us"], 0)
        self.assertGreater(found["tiers"][0]["bytes_per_second"], 1e6)

    def test_objects_have_all_their_names(self):
        self.start()
        with LmClient(self.server.data_port) as lm:
            lm.put("m@1", b"x" * 1000, KV_SHAPE)
            self.assertTrue(lm.exists("m@1"))
        self.client.command("MSET", "m@2kv_bytes", b"y" * 9, "m@2metadata",
                            metadata(9))
        self.assertEqual(self.prefix("m@1", "m@2", "m@2metadata",
                                     "m@1:kv_bytes", "m@3"), {"matched": 4})

    def test_what_would_change_something_is_refused(self):
        self.start()
        self.fill("a")
        for more in ({"lease_ms": 1000}, {"promote": True},
                     {"lease_ms": 0, "promote": True}):
            self.assert_refused(self.prefix("a", status=403, **more),
                                "read_only", "PREFIX.MATCH")
        self.assertEqual(self.watch["leased_bytes"], 0)
        self.assertEqual(self.prefix("a", promote=False), {"matched": 1})

    def test_wrong_questions_are_told_why(self):
        self.start()
        for body, reason in (
                (b"", "no JSON"), (b"{", "no JSON"), (b"[]", "no JSON object"),
                (b'{"keys": ["\xff"]}', "no JSON"),
                (b"[" * 100000, "no JSON"),
                ({"key": ["a"]}, '"key" is not known'),
                ({"keys": "a"}, "keys is not an array"),
                ({"keys": ["a", 5]}, "keys[1] is not a string"),
                ({"keys": ["a"], "ranks": 2}, "not a multiple"),
                ({"keys": ["a"], "namespace": 256}, "0 to 255")):
            self.assert_refused(self.http.post("/v1/prefix", body, 400),
                                "bad_request", reason)
        self.assert_refused(self.http.get("/v1/prefix", 405),
                            "method_not_allowed", "POST")
        self.assertEqual(self.prefix("a"), {"matched": 0})

    def test_8192_keys_are_answered_and_a_mebibyte_is_the_most(self):
        self.start()
        keys = [f"model@00000000@0@{number:064x}" for number in range(8192)]
        for start in range(0, 8192, 1024):
            self.client.command("MSET", *(word for key in keys[start:start + 1024]
                                          for word in (key, "v")))
        self.assertEqual(self.prefix(*keys), {"matched": 8192})
        self.client.command("DEL", keys[5000])
        found = self.prefix(*keys, with_tiers=True)
        self.assertEqual(found["matched"], 5000)
        self.assertEqual(found["keys"].count("missing"), 1)
        with socket.create_connection(
                ("127.0.0.1", self.server.http_port), 20) as large:
            large.sendall(b"POST /v1/prefix HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: %d\r\n\r\n" % (MIB + 1))
            self.assertIn(b" 413 ", large.recv(1000))

    def test_lookups_are_counted_and_are_no_hits(self):
        self.start()
        self.fill("a", "b")
        before = self.watch.info()
        self.prefix("a", "b", "c", "d", with_tiers=True)
        self.prefix("a", "b", "a", "x", ranks=2)
        self.http.get("/batch_query_keys?keys=a,x")
        after = self.watch.info()
        self.assertEqual(
            [after[name] - before[name] for name in
             ("lookups_http", "lookup_keys", "lookup_matched", "get_hits",
              "get_misses", "exists_hits", "leases_granted", "hits_dram")],
            [3, 10, 5, 0, 0, 0, 0, 0])


class RouterTest(HttpTest):
    """Those that ask as if this were a conductor or a master."""

    def hashes(self, *hashes, status=200, **more):
        return self.http.post("/query_by_hash",
                              {"block_hashes": list(hashes),
                               "model_name": "m", **more}, status)

    def test_hashes_become_keys_by_the_template(self):
        self.start(**{"index.key_template":
                      "{model}@{ranks}@{rank}@{hash:x}@half",
                      "index.ranks": 2})
        self.fill("m@2@0@ff@half", "m@2@1@ff@half", "m@2@0@-3f2a@half",
                  "m@2@1@-3f2a@half", "m@2@0@8000000000000000@half",
                  "m@2@1@8000000000000000@half", "m@2@0@abc@half")
        name = self.server.data_address
        found = self.hashes(255, -0x3f2a, 1 << 63, "abc", tenant_id="t")
        self.assertEqual(found, {
            "t": {name: {"longest_matched": 768, "GPU": 0, "DP": {},
                         "CPU": 768, "DISK": 768}},
            "instances": {name: {"longest_matched": 768, "gpu": 0, "dp": {},
                                 "cpu": 768, "disk": 768}}})
        found = self.hashes("ff", 1, block_size=16)
        self.assertEqual(found["default"][name]["longest_matched"], 16)
        found = self.hashes(1, cache_salt="s", lora_name=None)
        self.assertEqual(found["default"][name]["longest_matched"], 0)
        self.assertEqual(self.hashes()["instances"][name]["disk"], 0)

    def test_the_template_may_spell_tenants_and_salts(self):
        self.start(**{"index.key_template":
                      "{model}@{rank:08x}@0@{hash:016x}@{salt}/{tenant}",
                      "index.chunk_tokens": 100,
                      "cluster.announce": "cache-0.example:7654"})
        self.fill("m@00000000@0@000000000000000a@s/t")
        found = self.hashes(10, tenant_id="t", cache_salt="s")
        self.assertEqual(found["t"], {"cache-0.example:7654": {
            "longest_matched": 100, "GPU": 0, "DP": {}, "CPU": 100,
            "DISK": 100}})

    def test_a_wrong_template_is_told_at_start(self):
        program("PREFIXCACHED")
        for template in "{model}", "{hash:q}", "{hash}{what}":
            server = Server(**{"index.key_template": template})
            self.addCleanup(os.unlink, server.log.name)
            self.addCleanup(server.log.close)
            with self.assertRaisesRegex(AssertionError, "index.key_template"):
                server.start()

    def test_wrong_questions_are_told_why(self):
        self.start(**{"index.ranks": 4096})
        for body, word, reason in (
                (b"{", "bad_request", "no JSON"),
                ({"block_hashes": [1]}, "bad_request", "model_name"),
                ({"block_hashes": 1, "model_name": "m"}, "bad_request",
                 "block_hashes is not"),
                ({"block_hashes": [1 << 64], "model_name": "m"}, "bad_request",
                 "64 bits"),
                ({"block_hashes": [1] * 65, "model_name": "m"}, "too_many",
                 "262144")):
            self.assert_refused(self.http.post("/query_by_hash", body, 400),
                                word, reason)

    def test_a_master_is_asked_for_keys(self):
        self.start()
        self.fill("a", "b,c", size=10)
        name = self.server.data_address
        there = {"ok": True, "local_disk_values": [],
                 "values": [{"size_": 10, "transport_endpoint_": name}]}
        gone = {"ok": False, "error": "OBJECT_NOT_FOUND"}
        self.assertEqual(self.http.get("/batch_query_keys?keys=a,x,,a"),
                         {"success": True, "data": {"a": there, "x": gone}})
        # A comma parts keys however it is written.
        self.assertEqual(self.http.get("/batch_query_keys?keys=b%2Cc"),
                         {"success": True, "data": {"b": gone, "c": gone}})
        self.assertEqual(
            self.http.get("/batch_query_keys?keys=a&namespace=1"),
            {"success": True, "data": {"a": gone}})
        for query in "", "?keys=", "?keys=%zz", "?key=a", \
                "?keys=a&namespace=256":
            found = self.http.get("/batch_query_keys" + query, 400)
            self.assertEqual((found["success"], found["error"]),
                             (False, "bad_request"), query)

    def test_many_keys_fit_into_one_question(self):
        self.start()
        names = [f"m@1@0@{number:016x}@half" for number in range(2000)]
        self.fill(*names[:1000])
        found = self.http.get("/batch_query_keys?keys=" + ",".join(names))
        self.assertEqual([found["data"][name]["ok"] for name in names],
                         [True] * 1000 + [False] * 1000)


class ListTest(HttpTest):
    def walk(self, **query):
        found, cursor = [], "0"
        while True:
            page = self.http.get("/v1/keys?" + urllib.parse.urlencode(
                {**query, "cursor": cursor}))
            found += page["keys"]
            cursor = page["cursor"]
            if cursor == "0":
                return found

    def test_keys_are_listed_some_at_a_time(self):
        self.start()
        names = [f"m@{number}" for number in range(500)]
        self.fill(*names, "other")
        page = self.http.get("/v1/keys?count=10")
        self.assertGreaterEqual(len(page["keys"]), 10)
        self.assertLess(len(page["keys"]), 60)
        self.assertNotEqual(page["cursor"], "0")
        for count in 1, 7, 1000:
            found = self.walk(prefix="m@", count=count)
            self.assertEqual(sorted(key["key"] for key in found),
                             sorted(names))
        self.assertEqual(self.walk(prefix="ot"), [
            {"key": "other", "kind": "value", "bytes": 100,
             "tiers": ["dram"]}])
        self.assertEqual(len(self.walk()), 501)
        self.assertEqual(self.walk(namespace=1), [])

    def test_an_object_is_listed_once(self):
        self.start()
        self.client.command("MSET", "{K}:kv_bytes", b"y" * 9, "{K}:metadata",
                            metadata(9), "Lmetadata", metadata(9))
        self.assertEqual(self.walk(), [
            {"key": "K", "kind": "object", "bytes": 9, "tiers": ["dram"]}])

    def test_bytes_that_are_no_text_are_listed_too(self):
        self.start()
        self.fill(b"k\xff\x00\"", "\u00e9", size=1)
        found = {key["key"]: key.get("hex") for key in self.walk()}
        self.assertEqual(found, {"k\ufffd\x00\"": "6bff0022", "\u00e9": None})
        self.assertEqual(len(self.walk(prefix=b"k\xff")), 1)

    def test_wrong_questions_are_told_why(self):
        self.start()
        for query in "count=x", "count=1001", "cursor=-1", "prefix=%f", \
                "namespace=256", "prefix=" + "x" * 4097:
            self.assert_refused(self.http.get("/v1/keys?" + query, 400),
                                "bad_request", "namespace")


class ConfigTest(HttpTest):
    def test_every_option_is_told_with_its_source(self):
        self.start(**{"limits.key": 100})
        options = self.http.get("/v1/config")["options"]
        self.assertEqual(options["limits.key"],
                         {"value": "100", "source": "--set",
                          "reloadable": True})
        self.assertEqual(options["nvme.size"]["source"], "default")
        self.assertEqual(options["limits.inflight"]["source"], "derived")
        self.assertEqual(set(options), {
            name.decode() for name in
            self.client.command("CONFIG", "GET", "*.*")[::2]})

    def test_what_was_reloaded_is_told(self):
        with tempfile.NamedTemporaryFile(
                "w", suffix=".yaml", dir=os.environ.get("PREFIXCACHE_TMP")) \
                as file:
            def write(key, size):
                file.seek(0)
                file.truncate()
                file.write(f"limits:\n  key: {key}\ndram:\n  size: {size}\n")
                file.flush()
            write(100, "64MiB")
            server = self.adopt(unsized(file.name))
            self.http = JsonClient(server.http_port)
            self.addCleanup(self.http.close)
            write(200, "128MiB")
            os.kill(server.pid, signal.SIGHUP)

            def options():
                return self.http.get("/v1/config")["options"]
            until(lambda: options()["limits.key"]["value"] == "200",
                  "the new limit")
            self.assertEqual(options()["limits.key"]["source"],
                             f"{file.name}:2")
            self.assertEqual(options()["dram.size"]["value"], "64MiB")


class PortTest(HttpTest):
    def test_errors_are_json_with_a_reason(self):
        self.start()
        self.assert_refused(self.http.get("/v1/nothing", 404), "not_found",
                            "/v1/prefix")
        for path in "/v1/keys", "/v1/config", "/batch_query_keys", "/metrics":
            self.assert_refused(self.http.post(path, b"x", 405),
                                "method_not_allowed", "GET, HEAD")
        for path in "/v1/prefix", "/query_by_hash":
            self.assert_refused(self.http.get(path, 405),
                                "method_not_allowed", "POST")

    def test_a_body_that_does_not_come_keeps_nobody_waiting(self):
        self.start()
        with socket.create_connection(
                ("127.0.0.1", self.server.http_port), 20) as slow:
            slow.sendall(b"POST /v1/prefix HTTP/1.1\r\nHost: x\r\n"
                         b"Content-Length: 1000000\r\n\r\n{\"keys\":[")
            self.assertEqual(self.prefix("a"), {"matched": 0})

    def test_answers_are_the_same_while_values_come_and_go(self):
        self.start()
        names = [f"k{number}" for number in range(64)]
        self.fill(*names, size=1000)
        other = self.connect()
        for number in range(300):
            other.send(b"".join(
                b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nx\r\n"
                % (len(name), name)
                for name in (f"other{number}@{i}".encode() for i in range(20))))
            found = self.prefix(*names, with_tiers=True)
            self.assertEqual(found["matched"], 64)
            for _ in range(20):
                other.reply()
        self.assertEqual(json.loads(self.http.ask("GET", "/v1/config")[2])
                         ["options"]["dram.size"]["value"], "64MiB")


if __name__ == "__main__":
    unittest.main()
