#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values that outlive DRAM and the process: they overflow to NVMe and are read
from there, over both wires, after any stop; and what was deleted, overwritten,
expired or flushed is not (D1 and D2 from outside, one step at a time)."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import (EXP, GENERATIONS, KV_SHAPE, V1,  # noqa: E402
                       LmClient, metadata)
from nvme_test import NvmeTest, body, on_threads_too  # noqa: E402
from raw_client import encode  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402

KIB = 1 << 10
SIZES = (28, 100, 2000, 2047, 2048, 2049, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1,
         64 * KIB, 100_000, MIB - 1, MIB, MIB + 1, 3 * MIB + 7, 8 * MIB)
LONG = "1000"  # seconds, longer than any test


class WarmTest(NvmeTest):
    """Begins with a server; values put with self.client."""

    def setUp(self):
        super().setUp()
        self.start()

    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()

    def restart(self, **options):
        """kill -9, once all that was put is written."""
        self.await_written()
        self.restart_at_once(**options)

    def restart_at_once(self, **options):
        self.serve_again(**options)
        self.client = self.connect()

    def put_one(self, name, size, *options):
        self.assertEqual(self.client.command("SET", name, body(name, size),
                                             *options), b"+OK")
        self.sizes[name] = size, 0

    def ask(self, reply, *command):
        self.assertEqual(self.client.command(*command), reply, command[:2])

    def lm(self, generation=V1):
        client = LmClient(self.server.data_port, generation)
        self.addCleanup(client.close)
        return client


@on_threads_too
class Overflow(WarmTest):
    def test_values_of_any_size_that_DRAM_has_no_room_for_come_back(self):
        self.restart(nvme_size="192MiB")
        lm = self.lm()
        names = [f"{turn}/{size}" for turn in range(5) for size in SIZES]
        for name in names:
            size = int(name.split("/")[1])
            if name.startswith("1"):
                self.await_written()
                lm.put(name, body(name, size))
                self.assertTrue(lm.exists(name))
                self.sizes[name] = size, 0
            else:
                self.put(self.client, name, size)
        self.await_written()
        self.assertGreater(self.watch["evictions"], 0)
        for name in names:
            if name.startswith("1"):
                self.assert_is(name, lm.value(name))
            self.assert_there(self.client, name)
        info = self.watch.info()
        self.assertGreater(info["hits_nvme"], 20)
        self.assertGreaterEqual(info["hits_dram"], len(SIZES))
        self.assertEqual(info["get_misses"], 0)
        self.assertEqual(info["nvme_reads_good"], info["hits_nvme"])
        self.assertEqual(info["nvme_chunks"], len(names))
        self.assertEqual(info["nvme_value_bytes"], 5 * sum(SIZES))
        self.assertEqual(info["nvme_write_bytes_put"], 5 * sum(SIZES))
        self.assertGreater(info["nvme_written_bytes"], 5 * sum(SIZES))

    def test_names_of_any_length_are_found_again(self):
        names = [b"%04d" % number + b"n" * (length - 4) for number, length in
                 enumerate((4, 5, 150, 1000, 3900, 4000, 4050, 4095, 4096) * 4)]
        for number, name in enumerate(names):
            self.put(self.client, name, SIZES[number % len(SIZES)])
        self.restart()
        self.assertEqual(self.watch["nvme_recovered"], len(names))
        self.assert_there(self.client, *names)

    def test_an_empty_value_is_a_value(self):
        self.ask(b"+OK", "SET", "empty", b"")
        self.watch.until("nvme_writes_put", 1)
        self.restart()
        self.ask(b":1", "EXISTS", "empty")
        self.ask(b"", "GET", "empty")
        self.ask(b":0", "STRLEN", "empty")

    def test_a_value_is_read_once_and_then_in_DRAM(self):
        self.put(self.client, "once", MIB)
        self.restart()
        self.assertEqual(
            self.gained(lambda: self.assert_there(self.client, "once", "once"),
                        "hits_nvme", "hits_dram", "nvme_reads_good", "get_hits"),
            [1, 1, 1, 2])


@on_threads_too
class OnlyOnDisk(WarmTest):
    """Every verb, of values that no memory has."""

    def setUp(self):
        super().setUp()
        self.names = self.put_many(self.client, 12, MIB + 17)
        self.restart()

    def assert_read(self, least):
        self.assertGreaterEqual(self.watch["hits_nvme"], least)

    def test_looking_at_them_reads_nothing(self):
        self.ask(b":12", "EXISTS", *self.names)
        for name in self.names:
            self.ask(b":%d" % (MIB + 17), "STRLEN", name)
            self.ask(b"+string", "TYPE", name)
            self.ask(b":-1", "TTL", name)
        self.ask(b":12", "DBSIZE")
        found = self.client.command("SCAN", 0, "COUNT", 1000)[1]
        self.assertEqual({name.decode() for name in found}, set(self.names))
        info = self.watch.info()
        self.assertEqual((info["nvme_read_bytes"], info["nvme_reads_good"],
                          info["dram_chunks"]), (0, 0, 0))

    def test_many_at_once(self):
        keys = self.names[:6] + ["none"] + self.names[::-1]
        found = self.client.command("MGET", *keys)
        self.assertEqual(len(found), len(keys))
        for name, value in zip(keys, found):
            if name == "none":
                self.assertIsNone(value)
            else:
                self.assert_is(name, value)
        self.assert_read(12)
        self.assertEqual(self.watch["get_misses"], 1)

    def test_a_part_of_one(self):
        whole = self.expected("k3")
        for name, first, last, part in (
                ("k3", 0, 9, whole[:10]), ("k4", -1, -1, None),
                ("k5", MIB, -1, None), ("k6", 5, 4, b"")):
            if part is None:
                part = self.expected(name)[first:]
            self.ask(part, "GETRANGE", name, first, last)
        self.assert_read(3)

    def test_a_set_that_tells_what_was_there(self):
        self.ask(self.expected("k7"), "SET", "k7", "new", "GET")
        self.ask(b"new", "GET", "k7")
        self.ask(self.expected("k8"), "SET", "k8", "other", "NX", "GET")
        self.assert_there(self.client, "k8")
        self.ask(self.expected("k9"), "SET", "k9", "other", "XX", "GET")
        self.ask(b"other", "GET", "k9")
        self.assert_read(3)

    def test_conditions_see_them(self):
        self.ask(None, "SET", "k1", "x", "NX")
        self.ask(b":0", "SETNX", "k1", "x")
        self.assert_there(self.client, "k1")
        self.ask(b"+OK", "SET", "k2", "x", "XX")
        self.ask(b"x", "GET", "k2")

    def test_a_pipeline_is_answered_in_its_order(self):
        self.ask(b"+OK", "SET", "warm", "in DRAM")
        commands, replies = [], []
        for name in self.names:
            commands += [("GET", name), ("ECHO", name), ("GET", "warm"),
                         ("MGET", name, "none", "warm"), ("GET", "none"),
                         ("EXISTS", name)]
            whole = self.expected(name)
            replies += [whole, name.encode(), b"in DRAM",
                        [whole, None, b"in DRAM"], None, b":1"]
        for command in commands:
            self.client.send(encode(*command))
        for command, reply in zip(commands, replies):
            self.assertTrue(self.client.reply() == reply, command)
        self.assert_read(12)

    def test_objects_over_both_wires(self):
        names = [f"o{number}@1@0@half" for number in range(8)]
        lm = self.lm()
        for name in names:
            lm.put(name, body(name, MIB), KV_SHAPE)
            self.assertTrue(lm.exists(name))
            self.sizes[name] = MIB, 0
        heads = [lm.get(name)[1] for name in names]
        self.restart()
        lm = self.lm()
        for name, head in zip(names[:4], heads):
            self.assertTrue(lm.exists(name))
            self.assertEqual(lm.get(name), (self.expected(name), head))
        self.assert_there(self.client, *names[4:])
        self.assert_read(8)

    def test_clients_that_go_while_they_wait_leave_nothing(self):
        for client in self.connect_many(24):
            client.send(b"".join(encode("GET", name) for name in self.names))
            client.reset()
        self.watch.until("connections_closed", 24)
        self.assert_there(self.client, *self.names)
        self.ask(b"+OK", "FLUSHALL")
        self.watch.until_equal("dram_used", 0)

    def test_many_clients_ask_for_the_same(self):
        clients = self.connect_many(8)
        for client in clients:
            client.send(b"".join(encode("GET", name) for name in self.names))
        for name in self.names:
            for client in clients:
                self.assert_is(name, client.reply())
        info = self.watch.info()
        self.assertEqual(info["get_hits"], 8 * 12)
        self.assertEqual(info["hits_nvme"] + info["hits_dram"], 8 * 12)
        self.assertEqual(info["nvme_reads_good"] + info["nvme_reads_joined"],
                         info["hits_nvme"])


@on_threads_too
class Restart(WarmTest):
    def test_a_server_that_was_told_to_end_keeps_all(self):
        names = self.put_many(self.client, 20, MIB)
        self.ask(b":1", "DEL", "k7")
        self.assertEqual(self.server.stop(), 0)
        self.restart_at_once()
        names.remove("k7")
        self.assert_there(self.client, *names)
        self.assert_gone(self.client, "k7")

    def test_a_killed_server_keeps_what_was_written(self):
        for turn in range(3):
            for size in SIZES:
                self.put(self.client, f"{turn}/{size}", size)
            self.restart()
            self.assertEqual(self.watch["nvme_recovered"], len(self.sizes))
            self.assert_there(self.client, *self.sizes)
            self.ask(b":%d" % len(self.sizes), "DBSIZE")
        self.assertIn("nvme recovered", self.server.stderr())

    def test_each_namespace_has_its_own_again(self):
        for space in 0, 1, 255:
            self.ask(b"+OK", "SELECT", space)
            self.ask(b"+OK", "SET", "same", f"of {space}")
        self.restart()
        for space in 0, 1, 255:
            self.ask(b"+OK", "SELECT", space)
            self.ask(b"of %d" % space, "GET", "same")
            self.ask(b":1", "DBSIZE")
        self.ask(b"+OK", "SELECT", 2)
        self.assert_gone(self.client, "same")

    def test_what_a_tensor_is_comes_back_with_its_bytes(self):
        heads = {}
        for generation in GENERATIONS:
            lm = self.lm(generation)
            for size in 28, 70_000, MIB:
                name = f"{generation.name}@1@0@{size}@half"
                lm.put(name, body(name, size), KV_SHAPE)
                heads[generation, name] = lm.get(name)
        self.restart()
        for (generation, name), found in heads.items():
            self.assertEqual(self.lm(generation).get(name), found)

    def test_both_halves_of_an_object_come_back(self):
        forms = "{}%s", "{}:%s", "{{{}}}:%s"
        stems = [f"m@1@0@{number}@half" for number in range(3)]
        metas = [metadata(MIB, KV_SHAPE._replace(s2=number))
                 for number in range(3)]
        for form, stem, meta in zip(forms, stems, metas):
            self.put(self.client, form.format(stem) % "kv_bytes", MIB)
            self.ask(b"+OK", "SET", form.format(stem) % "metadata", meta)
        for meta in metas:
            self.await_on_device(meta)
        self.restart()
        for form, stem, meta in zip(forms, stems, metas):
            name, other = (form.format(stem) % half
                           for half in ("kv_bytes", "metadata"))
            self.ask(b":2", "EXISTS", name, other)
            self.ask(meta, "GET", other)
            self.assert_there(self.client, name)
            found, head = self.lm(EXP).get(stem)
            self.assert_is(name, found)
            self.assertEqual(head[4:32], meta)

    def test_metadata_that_came_after_its_bytes_were_written(self):
        meta = metadata(MIB, KV_SHAPE)
        self.put(self.client, "late@kv_bytes", MIB)
        self.await_written()
        with self.noted("late@"):
            self.ask(b"+OK", "SET", "late@metadata", meta)
        self.restart()
        self.ask(b":2", "EXISTS", "late@kv_bytes", "late@metadata")
        self.ask(meta, "GET", "late@metadata")
        self.assert_is("late@kv_bytes", self.lm().value("late@"))
        self.assert_there(self.client, "late@kv_bytes")

    def test_lifetimes_go_on(self):
        """Those of the PUT, and those that were set, changed or taken away
        when the value was on the device."""
        self.put_one("put", 1000, "EX", LONG)
        for name in "set", "longer":
            self.put_one(name, 1000, *(["EX", "10000"] * (name == "longer")))
        self.put_one("freed", 1000, "PX", "100000")
        self.await_written()
        with self.noted("set", "longer", "freed"):
            self.ask(b":1", "EXPIRE", "set", LONG)
            self.ask(b":1", "PEXPIRE", "longer", "20000000")
            self.ask(b":1", "PERSIST", "freed")
        self.restart()
        for name, seconds in ("put", 1000), ("set", 1000), ("longer", 20_000):
            left = int(self.client.command("TTL", name)[1:])
            self.assertLessEqual(left, seconds)
            self.assertGreater(left, seconds - 100)
        self.ask(b":-1", "TTL", "freed")
        self.assert_there(self.client, "put", "set", "longer", "freed")


@on_threads_too
class Gone(WarmTest):
    """Each in the same way: it is written, then it is gone, and stays so."""

    def write(self, *names, size=100_000):
        for name in names:
            self.put(self.client, name, size)
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_skipped"], 0)

    def assert_stays_gone(self, *names):
        for restart in range(2):
            self.restart()
            self.assert_gone(self.client, *names)

    def test_deleted(self):
        self.write("deleted", "unlinked", "kept")
        before = self.watch["nvme_notes"]
        with self.noted("deleted", "unlinked"):
            self.ask(b":1", "DEL", "deleted")
            self.ask(b":1", "UNLINK", "unlinked")
        self.watch.until("nvme_notes", before + 2)
        self.assert_stays_gone("deleted", "unlinked")
        self.assert_there(self.client, "kept")

    def test_deleted_before_it_was_read_again(self):
        self.write("unread")
        self.restart()
        with self.noted("unread"):
            self.ask(b":1", "DEL", "unread")
        self.assert_stays_gone("unread")

    def test_an_object_deleted_by_either_half(self):
        for half in "kv_bytes", "metadata":
            self.write(f"{half}@kv_bytes")
            self.ask(b"+OK", "SET", f"{half}@metadata", metadata(100_000))
            with self.noted(f"{half}@"):
                self.ask(b":1", "DEL", f"{half}@{half}")
        self.assert_stays_gone("kv_bytes@kv_bytes", "kv_bytes@metadata",
                               "metadata@kv_bytes", "metadata@metadata")

    def test_overwritten(self):
        """Every version is written, and only the last one is ever seen."""
        for version in range(5):
            self.put(self.client, "again", 50_000 + version, version)
            self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 5)
        self.restart()
        self.assert_there(self.client, "again")
        self.put(self.client, "again", 3, 6)
        self.restart()
        self.assert_there(self.client, "again")

    def test_overwritten_by_what_is_not_written(self):
        """A miss is legal then, the older value is not."""
        self.write("stale")
        with self.noted("stale"):
            self.restart(nvme_write_max="1")
            self.put(self.client, "other", 5000)
            self.put(self.client, "stale", MIB, 1)
        self.restart_at_once()
        self.assert_miss_or_newest(self.client, "stale")

    def test_overwritten_over_the_other_wire(self):
        lm = self.lm()
        self.write("both")
        with self.noted("both"):
            lm.put("both", b"newer" * 100)
            self.assertTrue(lm.exists("both"))
        self.restart()
        self.ask(b"newer" * 100, "GET", "both")
        self.assertEqual(self.lm().value("both"), b"newer" * 100)

    def test_given_a_lifetime_that_is_over(self):
        self.write("expire", "pexpire")
        with self.noted("expire", "pexpire"):
            self.ask(b":1", "EXPIRE", "expire", "-1")
            self.ask(b":1", "PEXPIRE", "pexpire", "0")
        self.assert_stays_gone("expire", "pexpire")

    def test_expired_while_it_was_there(self):
        self.put_one("short", 5000, "PX", "200")
        self.write("shortened")
        with self.noted("shortened"):
            self.ask(b":1", "PEXPIRE", "shortened", "200")
            until(lambda: self.client.command("EXISTS", "short", "shortened")
                  == b":0", "the end of both")
        self.assert_stays_gone("short", "shortened")

    def test_expired_while_nobody_served(self):
        end = time.time() + 1
        self.put_one("late", 5000, "PX", "1000")
        self.write("noted")
        with self.noted("noted"):
            self.ask(b":1", "PEXPIRE", "noted", "1000")
            end = time.time() + 1
        self.await_written()
        self.server.kill()
        until(lambda: time.time() > end, "the end of its time")
        self.restart_at_once()
        self.assert_gone(self.client, "late", "noted")

    def test_flushed(self):
        """Nothing needs to be waited for: OK says that it is on the device."""
        for space in 0, 3:
            self.ask(b"+OK", "SELECT", space)
            self.write(*(f"{space}/{number}" for number in range(20)))
        self.ask(b"+OK", "FLUSHALL")
        self.restart_at_once()
        self.assertEqual(self.watch["entries"], 0)
        for space in 0, 3:
            self.ask(b"+OK", "SELECT", space)
            self.assert_gone(self.client,
                             *(f"{space}/{number}" for number in range(20)))

    def test_flushed_before_it_was_written(self):
        self.restart(nvme_write_max="1MiB")
        names = [f"f{number}" for number in range(30)]
        for name in names:
            self.put_one(name, 50_000)
        self.ask(b"+OK", "FLUSHALL")
        self.restart()
        self.assert_gone(self.client, *names)

    def test_only_the_flushed_namespace(self):
        for space in 0, 1, 2:
            self.ask(b"+OK", "SELECT", space)
            self.write("same", f"in {space}")
        self.ask(b"+OK", "SELECT", 1)
        self.ask(b"+OK", "FLUSHDB")
        self.restart_at_once()
        for space in 0, 2:
            self.ask(b"+OK", "SELECT", space)
            self.assert_there(self.client, "same", f"in {space}")
        self.ask(b"+OK", "SELECT", 1)
        self.assert_gone(self.client, "same", "in 1", "in 0")

    def test_what_is_put_after_a_flush_is_there(self):
        self.write("before", "both")
        self.ask(b"+OK", "FLUSHALL")
        self.put(self.client, "both", 3000, 1)
        self.put(self.client, "after", 3000)
        self.restart()
        self.assert_there(self.client, "both", "after")
        self.assert_gone(self.client, "before")

    def test_a_flush_of_what_only_the_device_had(self):
        self.write("cold")
        self.restart()
        self.ask(b"+OK", "FLUSHDB")
        self.assert_stays_gone("cold")


if __name__ == "__main__":
    unittest.main()
