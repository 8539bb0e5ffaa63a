#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli doctor: each of its rules, provoked on a real server, and
silent where there is nothing to say."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from doctor_test import (CLI, CONNECTION, DONE, FINDINGS, MANY,  # noqa: E402
                         NOBODY, USAGE, DoctorTest, digest, names, spell)
from lm_client import metadata  # noqa: E402
from nvme_test import NvmeTest  # noqa: E402
from raw_client import announce  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402


class Healthy(DoctorTest):
    def test_of_a_healthy_server_it_says_nothing(self):
        self.start()
        self.use(workers=2)
        self.use(workers=2, rank=1)
        self.assert_silent()
        self.assertEqual(self.report["keys"], 2 * MANY)
        self.assertEqual(self.report["hits"], 2 * MANY)
        self.assertTrue(self.report["all_keys"])
        self.assertIn("Nothing is wrong", self.call(code=DONE).stdout)

    def test_two_deployments_of_a_model_that_both_hit_are_fine(self):
        self.start()
        for parts in ({"workers": 1}, {"workers": 2, "dtype": "fp8"},
                      {"digits": 16}):
            self.use(**parts)
        self.assert_silent()

    def test_of_two_healthy_shards_it_says_nothing(self):
        self.start()
        other = self.start_another()
        url = "prefixcache://" + ",".join(self.urls)
        for key in names():
            subprocess.run([CLI, "-u", url, "put", key], check=True,
                           input=b"x" * 100, stdout=subprocess.DEVNULL)
        held = [client.command("DBSIZE") for client in (self.client, other)]
        self.assertNotIn(b":0", held)
        for client in self.client, other:
            for key in client.command("SCAN", 0, "COUNT", 1000)[1]:
                client.command("EXISTS", key)
        self.assert_silent()
        self.assertEqual(self.report["keys"], MANY)
        self.assertEqual([server["answers"] for server in
                          self.report["servers"]], [True, True])

    def test_it_changes_nothing(self):
        self.start()
        self.use()
        before = self.watch.info()
        self.diagnose()
        after = self.watch.info()
        for name in ("prefix_queries", "get_hits", "get_misses", "exists_hits",
                     "exists_misses", "leases_granted", "puts_stored"):
            self.assertEqual(after[name], before[name], name)

    def test_a_short_walk_says_that_it_is_short(self):
        self.start()
        self.use()
        self.assert_silent("--walk", "10")
        self.assertEqual(self.report["keys"], 10)
        self.assertFalse(self.report["all_keys"])


class Asked(DoctorTest):
    def test_a_server_that_is_gone(self):
        self.start()
        self.use()
        self.assert_silent()
        self.urls.append(NOBODY)
        found = self.assert_finds("server-gone", NOBODY)
        self.assertEqual(found["server-gone"]["severity"], "bad")

    def test_no_server_at_all_is_exit_3(self):
        result = self.call(code=CONNECTION, url=f"prefixcache://{NOBODY}")
        self.assertEqual(result.stdout, "")
        self.assertIn("does not answer", result.stderr)

    def test_no_traffic(self):
        self.start()
        self.assertEqual(list(self.assert_finds("no-traffic")), ["no-traffic"])

    def test_what_is_written_and_never_asked_for(self):
        self.start()
        self.put(names())
        self.assert_finds("never-asked", str(MANY), figures={"puts": MANY})
        self.assertEqual(self.client.command("PREFIX.MATCH", *names()),
                         b":%d" % MANY)
        self.assertNotIn("never-asked", self.diagnose())

    def test_what_is_asked_for_and_never_written(self):
        self.start()
        self.ask(names(), False)
        self.assert_finds("never-written", figures={"asked": MANY})

    def test_what_is_written_and_never_read(self):
        self.start()
        self.put(names())
        self.ask(names(start=1000), False)
        found = self.assert_finds("never-read", "m: of 40 chunks", "40 were put",
                                  figures={"queries": MANY, "hits": 0,
                                           "puts": MANY})
        self.assertEqual(list(found), ["never-read"])
        self.ask(names(), True)
        self.assert_silent()

    def test_one_model_in_two_namespaces(self):
        self.start()
        self.client.command("SELECT", 1)
        self.put(names())
        self.client.command("SELECT", 0)
        self.ask(names(), False)
        self.assert_finds("other-namespace", "namespace 1", "namespace 0")
        self.put(names())
        self.assertNotIn("other-namespace", self.diagnose())

    def test_one_model_under_two_names(self):
        self.start()
        self.put(names(model="/models/llama"))
        self.ask(names(model="meta-llama/Llama"), False)
        found = self.assert_finds("other-model", "/models/llama",
                                  "meta-llama/Llama")
        self.assertEqual(list(found), ["other-model"])

    def test_values_that_are_computed_again(self):
        self.start()
        self.use()
        self.put(names())
        self.assert_finds("computed-again", figures={"puts_same": MANY})

    def test_too_many_connections(self):
        self.start(limits_connections=8)
        self.use()
        self.watch.info()  # opens its connection
        crowd = [self.connect() for _ in range(12)]
        self.watch.until("closed_limit", 1)
        for client in crowd:
            client.close()
        self.watch.until_equal("connected_clients", 2)
        self.assert_finds("too-many-connections", figures={"maxclients": 8})

    def test_a_foreign_protocol(self):
        self.start()
        self.use()
        for _ in range(20):
            with self.connect() as client:
                client.send(b"GET / HTTP/1.1\r\n\r\n")
        self.watch.until("closed_foreign", 20)
        self.assert_finds("foreign-protocol")


class Names(DoctorTest):
    """The second way of spelling is told of only while little is found."""

    def start_apart(self, first, second):
        self.start()
        self.put(names(**first))
        self.ask(names(start=1000, **first), False)
        before = set(self.diagnose())
        self.put(names(**second))
        self.ask(names(start=1000, **second), False)
        gained = {rule: finding for rule, finding in self.diagnose().items()
                  if rule not in before}
        for parts in first, second:
            for _ in range(3):
                self.ask(names(**parts), True)
        self.assert_silent()
        return gained

    def assert_apart(self, rule, first, second, *words):
        gained = self.start_apart(first, second)
        self.assertEqual(list(gained), [rule])
        self.assertEqual(gained[rule]["severity"], "bad")
        for word in words:
            self.assertIn(word, gained[rule]["what"])

    def test_hashes_of_two_kinds(self):
        self.assert_apart("hash-shapes", {"digits": 64}, {"digits": 16},
                          "256-bit hexadecimal (40 keys)",
                          "64-bit hexadecimal (40 keys)")

    def test_two_numbers_of_workers(self):
        gained = self.start_apart({"workers": 1}, {"workers": 4})
        self.assertEqual(set(gained), {"worker-counts", "ranks-missing"})

    def test_two_types(self):
        self.assert_apart("dtypes", {"dtype": "bfloat16"}, {"dtype": "fp8"},
                          "bfloat16 (40 keys)", "fp8 (40 keys)")

    def test_two_layouts(self):
        self.start()
        self.put(names())
        self.put([f"vllm@m@1@0@{digest(n, 64)}" for n in range(MANY)])
        self.ask(names(start=1000), False)
        found = self.assert_finds("key-layouts", "model@workers@rank@hash@dtype",
                                  "format@model@workers@rank@hash")
        self.assertNotIn("dtypes", found)
        self.ask(names(), True)
        self.assertNotIn("key-layouts", self.diagnose())

    def test_hashes_with_a_random_seed(self):
        self.start()
        self.put(names(digits=15))
        self.put(names(digits=15, sign="-"))
        self.ask(names(start=1000, digits=15), False)
        found = self.assert_finds("hash-seed", "40 of 80 keys",
                                  figures={"keys": 80, "keys_signed": 40})
        self.assertIn("PYTHONHASHSEED", found["hash-seed"]["do"])
        self.ask(names(digits=15), True)
        self.assert_silent()

    def test_ranks_that_do_not_write(self):
        self.start()
        self.put(names(workers=2))
        self.ask(names(workers=2, start=1000), False)
        self.assert_finds("ranks-missing", figures={"workers": 2, "ranks": 1})
        self.put(names(workers=2, rank=1))
        self.assertNotIn("ranks-missing", self.diagnose())

    def test_halves_without_their_other_half(self):
        self.start()
        self.use()
        self.put([name + "kv_bytes" for name in names(start=100)])
        self.assert_finds("halves", arguments=("--compare", "1000"),
                          figures={"halves": MANY, "objects": MANY})
        for name in names(start=100):
            size = len(name + "kv_bytes") * 8
            self.put([name + "metadata"], value=metadata(size))
        self.assert_silent("--compare", "1000")

    def test_keys_on_the_wrong_server(self):
        self.start()
        self.start_another()
        self.use()
        self.assert_finds("misplaced")
        self.urls.pop()
        self.assert_silent()

    def test_equal_values_under_different_hashes(self):
        self.start()
        self.use()
        for number in range(MANY):
            self.put([spell(500 + number)],
                     value=spell(number).encode() * 8)
        self.ask(names(start=500), True)
        self.assert_silent()
        self.assert_finds("same-values", "80 of 80", "m@1@0@",
                          arguments=("--compare", "1000"),
                          figures={"alike": 2 * MANY, "read": 2 * MANY})

    def test_different_values_are_not_alike(self):
        """Nor equal ones of other models, ranks, numbers of workers."""
        self.start()
        self.use()
        for parts in {"rank": 1}, {"workers": 2}, {"model": "n"}:
            for number in range(MANY):
                self.put([spell(number + 500, **parts)],
                         value=spell(number).encode() * 8)
        self.ask(names(), True)
        self.assert_silent("--compare", "1000")
        self.assertEqual(self.report["compared"], 4 * MANY)


class Puts(DoctorTest):
    def test_values_that_are_too_big(self):
        self.start(limits_value="4KiB")
        self.use()
        self.client.command("SET", spell(1), bytes(5000))
        self.assert_finds("too-big", figures={"puts_too_big": 1})
        self.assertEqual(self.diagnose()["too-big"]["severity"], "warn")
        for number in range(20):
            self.client.command("SET", spell(number), bytes(5000))
        self.assertEqual(self.diagnose()["too-big"]["severity"], "bad")

    def test_values_that_are_dropped(self):
        self.start(limits_inflight="1MiB", limits_value="1MiB",
                   limits_put_wait=0)
        self.use()
        holder = self.connect().send(announce("held", MIB), bytes(MIB // 2))
        self.watch.until("inflight_used", MIB)
        self.put(names(start=500), value=bytes(MIB))
        self.assert_finds("dropped", figures={"puts_busy": MANY})
        holder.send(bytes(MIB // 2), b"\r\n")
        self.assertEqual(holder.reply(), b"+OK")

    def test_values_that_are_cut_off(self):
        self.start()
        self.use()
        for number in range(20):
            with self.connect() as client:
                client.send(announce(f"cut{number}", MIB), bytes(10_000))
                self.watch.until("inflight_used", 1)
        self.watch.until("puts_cut", 20)
        self.assert_finds("cut-off", figures={"puts_cut": 20})

    def test_values_that_expire(self):
        self.start()
        self.use()
        self.put(names(start=500), PX=1)
        for name in names(start=500):
            until(lambda key=name: self.client.command("GET", key) is None,
                  name)
        self.watch.until("expirations", MANY)
        self.assert_finds("expired", figures={"expirations": MANY})

    def test_values_that_are_deleted(self):
        self.start()
        self.use()
        self.client.command("DEL", *names(count=20))
        self.assert_finds("deleted", figures={"drops": 20})


    def test_values_that_are_flushed(self):
        self.start()
        self.use()
        self.client.command("FLUSHALL")
        self.assert_finds("flushed", figures={"vanished": MANY, "entries": 0})
        self.ask(names(start=1000, count=1000), False)
        self.assertNotIn("never-read", self.diagnose())


class Room(DoctorTest):
    def test_values_that_leave_too_early(self):
        self.start(dram_size="16MiB", limits_value="1MiB", lease_ms=0)
        self.put(names(), value=bytes(MIB))
        self.assertGreater(self.watch["evictions"], MANY // 2)
        self.ask(names(count=20), False)
        found = self.assert_finds("evicted-early")
        self.assertIn("dram.size", found["evicted-early"]["do"])
        self.assertNotIn("never-read", found)
        self.assertEqual({row["percent"] for row in self.report["curve"]},
                         {50, 100, 200, 400})

    def test_values_that_leave_when_nobody_wants_them_are_fine(self):
        self.start(dram_size="16MiB", limits_value="1MiB", lease_ms=0)
        self.put(names(), value=bytes(MIB))
        for _ in range(10):
            self.ask(names(start=MANY - 8, count=8), True)
        self.assert_silent()

    def test_an_index_that_is_full(self):
        self.start(limits_index_memory="256KiB", lease_ms=0)
        for number in range(5000):
            self.client.send(b"*3\r\n$3\r\nSET\r\n$6\r\nm@%04d\r\n"
                             b"$1\r\nx\r\n" % number)
            self.assertEqual(self.client.reply(), b"+OK")
        self.assertGreater(self.watch["evictions_index"], 100)
        self.assert_finds("index-full")

    def test_leases_that_are_refused(self):
        self.start(lease_ms="600s")
        self.put(names(), value=bytes(MIB))
        found = [self.client.command("EXISTS", name) for name in names()]
        self.assertEqual(found.count(b":0"), MANY - 16)
        self.assert_finds("leases-refused",
                          figures={"exists_unleased": MANY - 16,
                                   "exists_found": MANY})


class Tiers(NvmeTest, DoctorTest):
    def setUp(self):
        NvmeTest.setUp(self)

    def start_cold(self, number=8, **options):
        """Values that are on the device alone."""
        self.start(**options)
        keys = self.put_many(self.client, number, 200_000)
        self.await_written()
        self.server.kill()
        self.watch.close()
        self.start(**options)
        return keys

    def test_a_healthy_device(self):
        keys = self.start_cold(number=MANY)
        self.assert_there(self.client, *keys)
        self.assert_silent()

    def damage(self, keys):
        with open(self.device, "r+b") as file:
            content = file.read()
            for key in keys:
                at = re.search(re.escape(self.expected(key)[:64]), content)
                file.seek(at.start() + 100)
                file.write(b"not what was written")
            os.fsync(file.fileno())

    def test_reads_that_bring_nothing(self):
        keys = self.start_cold()
        self.damage(keys[:4])
        self.assert_miss(self.client, *keys[:4])
        self.assert_there(self.client, *keys[4:])
        self.assert_finds("tier-reads", "4 of 8 reads",
                          figures={"nvme_reads_corrupt": 4})

    def test_a_device_that_is_out_of_service(self):
        keys = self.start_cold(nvme_probe="1h")
        os.truncate(self.device, 0)
        self.assert_miss(self.client, *keys)
        self.watch.until_equal("nvme_readable", 0)
        found = self.assert_finds("tier-out", "the nvme tier is out of service",
                                  figures={"nvme_readable": 0})
        self.assertEqual(found["tier-out"]["severity"], "bad")

    def test_writes_that_are_skipped(self):
        self.start(nvme_write_max="64KiB", nvme_queue="1MiB")
        DoctorTest.put(self, names(), value=bytes(200_000))
        self.watch.until("nvme_writes_skipped", 20)
        self.assert_finds("tier-writes", "the nvme tier")


class Shown(DoctorTest):
    def test_a_person_reads_what_why_and_what_to_do(self):
        self.start()
        self.put(names())
        self.ask(names(start=1000), False)
        text = self.call(code=FINDINGS).stdout
        self.assertIn("1 of 1 servers answer.\n", text)
        self.assertIn("Of 40 chunks asked for, 0 were found (0.0 %); 40 values "
                      "were put.", text)
        self.assertIn("\nbad  never-read: m: of 40 chunks", text)
        self.assertIn("\n    Do: ", text)
        self.assertIn("(queries 40, hits 0, puts 40, left 0)", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_any_url_of_the_server_will_do(self):
        self.start()
        self.use()
        for scheme in "redis", "lm", "prefixcache":
            self.diagnose(url=self.server.url(scheme))

    def test_what_is_wrong_with_the_command_line_is_said(self):
        self.start()
        for arguments in (("--walk", "many"), ("--compare", "-1"),
                          ("--interval", "1s"), ("argument",)):
            result = self.call(*arguments, code=USAGE)
            self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main()
