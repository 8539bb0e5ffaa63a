#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values that NVMe has no room for any more: they sink into the spill and are
read from there, over both wires and by every verb, as they were put; after any
stop, too, whatever was under way.  spill_gone.py is about those that have
ended."""
import contextlib
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from lm_client import (EXP, GENERATIONS, KV_SHAPE, V1,  # noqa: E402
                       LmClient, metadata)
from nvme_test import body, on_threads_too  # noqa: E402
from raw_client import encode  # noqa: E402
from server import STOP_SECONDS  # noqa: E402
from server_test import MIB, SANITIZED  # noqa: E402
from spill_test import FORMS, SpillTest  # noqa: E402

KIB = 1 << 10
SIZES = (28, 100, 2000, 2047, 2048, 2049, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1,
         64 * KIB, 100_000, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB)
LONG = "1000"  # seconds, longer than any test


class WarmTest(SpillTest):
    """Begins with a server; values put with self.client."""

    def setUp(self):
        super().setUp()
        self.start()

    def lm(self, generation=V1):
        client = LmClient(self.server.data_port, generation)
        self.addCleanup(client.close)
        return client


class Sinks(WarmTest):
    def test_a_value_goes_down_tier_by_tier_and_comes_back(self):
        names = self.put_many(self.client, 10, 300_000)
        self.await_written()
        self.assertEqual(set(self.places(*names)), {"dram+nvme"})
        self.push_until(lambda: set(self.places(*names)) <=
                        {"nvme", "spill"})
        self.sink(*names)
        info = self.watch.info()
        self.assertEqual((info["spill_writes_skipped"], info["spill_corrupt"],
                          info["hits_spill"], info["spill_read_bytes"]),
                         (0, 0, 0, 0))
        self.assertEqual(info["spill_writes_put"], info["spill_chunks"])
        self.assertEqual(
            self.gained(lambda: self.assert_there(self.client, *names),
                        "hits_spill", "get_hits", "get_misses"), [10, 10, 0])
        self.assertGreaterEqual(self.watch["spill_read_bytes"], 10 * 300_000)
        self.assertEqual(set(self.places(*names)), {"dram+spill"})
        self.assertEqual(
            self.gained(lambda: self.assert_there(self.client, *names),
                        "hits_spill", "hits_dram"), [0, 10])

    def test_values_of_any_size_come_back_over_both_wires(self):
        lm = self.lm()
        names = [f"{wire}/{size}" for wire in ("lm", "redis") for size in SIZES]
        for name in names:
            wire, size = name.split("/")
            if wire == "lm":
                lm.put(name, body(name, int(size)))
                self.assertTrue(lm.exists(name))
                self.sizes[name] = int(size), 0
                self.await_written()
            else:
                self.put(self.client, name, int(size))
        self.sink(*names)
        for name in names:
            if name.startswith("lm"):
                self.assert_is(name, lm.value(name))
            else:
                self.assert_there(self.client, name)
        self.assertEqual(self.watch["hits_spill"], len(names))

    def test_names_of_any_length_are_found_again(self):
        names = [b"%04d" % number + b"n" * (length - 4) for number, length in
                 enumerate((4, 5, 150, 1000, 3900, 4000, 4095, 4096) * 2)]
        for number, name in enumerate(names):
            self.put(self.client, name, SIZES[number])
        self.sink(*names)
        self.restart()
        self.assert_there(self.client, *names)
        self.assertEqual(self.watch["hits_spill"], len(names))

    def test_an_empty_value_is_a_value(self):
        self.ask(b"+OK", "SET", "empty", b"")
        self.sink("empty")
        self.restart()
        self.ask(b":1", "EXISTS", "empty")
        self.ask(b":0", "STRLEN", "empty")
        self.ask(b"", "GET", "empty")
        self.assertEqual(self.watch["hits_spill"], 1)

    def test_what_a_tensor_is_sinks_with_its_bytes(self):
        heads = {}
        for generation in GENERATIONS:
            lm = self.lm(generation)
            for size in 28, 70_000, MIB:
                name = f"{generation.name}@1@0@{size}@half"
                lm.put(name, body(name, size), KV_SHAPE)
                heads[generation, name] = lm.get(name)
        self.sink(*(name for _, name in heads))
        for (generation, name), found in heads.items():
            self.assertEqual(self.lm(generation).get(name), found)
        self.assertEqual(self.watch["hits_spill"], len(heads))

    def test_both_halves_of_an_object_sink(self):
        stems = [f"m@1@0@{number}@half" for number in range(3)]
        metas = [metadata(MIB, KV_SHAPE._replace(s2=number))
                 for number in range(3)]
        for form, stem, meta in zip(FORMS, stems, metas):
            self.put(self.client, form.format(stem) % "kv_bytes", MIB)
            self.ask(b"+OK", "SET", form.format(stem) % "metadata", meta)
        self.sink(*stems)
        self.restart()
        for form, stem, meta in zip(FORMS, stems, metas):
            name, other = (form.format(stem) % half
                           for half in ("kv_bytes", "metadata"))
            self.ask(b":2", "EXISTS", name, other)
            self.ask(meta, "GET", other)
            self.assert_there(self.client, name)
            found, head = self.lm(EXP).get(stem)
            self.assert_is(name, found)
            self.assertEqual(head[4:32], meta)
        self.assertEqual(self.watch["hits_spill"], 3)

    def test_compressed_ones_come_back_too(self):
        for kind in "lz4", "zstd":
            self.restart(spill_compression=kind)
            zeroes = bytes(MIB)
            self.ask(b"+OK", "SET", f"zeroes {kind}", zeroes)
            names = self.put_many(self.client, 5, MIB, prefix=kind)
            self.sink(f"zeroes {kind}", *names)
            self.assert_there(self.client, *names)
            self.ask(zeroes, "GET", f"zeroes {kind}")
        self.assert_there(self.client, *(f"lz4{i}" for i in range(5)))
        self.restart(spill_compression="none")
        self.assert_there(self.client, *(f"zstd{i}" for i in range(5)))

    def test_what_is_hit_again_and_again_comes_up_to_NVMe(self):
        self.put(self.client, "hot", 200_000)
        self.put(self.client, "cold", 200_000)
        self.sink("hot", "cold")
        for _ in range(2):
            self.assert_there(self.client, "hot")
            self.sink("hot")
        self.assert_there(self.client, "cold", "hot", "hot")
        self.await_written()
        self.assertEqual(self.places("hot", "cold"),
                         ["dram+nvme+spill", "dram+spill"])


@on_threads_too
class OnlyInSpill(WarmTest):
    """Every verb, of values that no faster tier has."""

    def setUp(self):
        super().setUp()
        self.names = self.put_many(self.client, 12, MIB + 17)
        self.sink(*self.names)

    def assert_read(self, least):
        self.assertGreaterEqual(self.watch["hits_spill"], least)

    def test_looking_at_them_reads_nothing(self):
        self.ask(b":12", "EXISTS", *self.names)
        for name in self.names:
            self.ask(b":%d" % (MIB + 17), "STRLEN", name)
            self.ask(b"+string", "TYPE", name)
            self.ask(b":-1", "TTL", name)
        self.assertEqual(set(self.places(*self.names)), {"spill"})
        self.assertEqual(self.watch["spill_read_bytes"], 0)

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
        self.ask(None, "SET", "k9", "other", "NX")
        self.assert_there(self.client, "k9")
        self.assert_read(3)

    def test_an_equal_value_brings_it_to_DRAM_without_a_read(self):
        self.put(self.client, "k3", MIB + 17)
        self.await_written()
        self.assertIn("dram", self.places("k3")[0])
        self.assertIn("spill", self.places("k3")[0])
        self.assert_there(self.client, "k3")
        info = self.watch.info()
        self.assertEqual((info["puts_same"], info["spill_read_bytes"]), (1, 0))

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
        before = self.watch["get_hits"]
        for client in clients:
            client.send(b"".join(encode("GET", name) for name in self.names))
        for name in self.names:
            for client in clients:
                self.assert_is(name, client.reply())
        info = self.watch.info()
        self.assertEqual(info["get_hits"] - before, 8 * 12)
        self.assertEqual(info["hits_spill"] + info["hits_dram"], 8 * 12)
        # Each once, and what stood behind them in their run.
        self.assertLessEqual(info["spill_reads_good"],
                             12 + info["spill_reads_ahead"])


class Restart(WarmTest):
    def test_a_killed_server_keeps_what_is_in_both_tiers(self):
        self.put_many(self.client, 40, 300_000)
        self.sink(*self.sizes)
        self.put_many(self.client, 10, 300_000, prefix="new")
        self.await_written()
        there = [name for name, place in zip(
            self.sizes, self.places(*self.sizes)) if place != "missing"]
        self.restart()
        self.assertEqual(self.watch["entries"], len(there))
        self.assertGreaterEqual(self.watch["spill_recovered"], 40)
        self.assert_there(self.client, *there)
        self.assertIn("spill recovered", self.server.stderr())
        self.assertEqual(set(there), set(self.sizes))

    def test_a_server_that_was_told_to_end_keeps_all(self):
        names = self.put_many(self.client, 20, 300_000)
        self.sink(*names[:10])
        self.ask(b":1", "DEL", "k7")
        self.stop_and_start()
        names.remove("k7")
        self.assert_there(self.client, *names)
        self.assert_gone(self.client, "k7")

    def test_what_NVMe_has_given_up_is_never_lost(self):
        """Killed in the midst of sinking, again and again."""
        written = set()
        self.restart(nvme_reinsert="0")
        for turn in range(3 if SANITIZED else 8):
            names = self.put_many(self.client, 30 + 3 * turn, 300_000,
                                  prefix=f"{turn}.")
            self.watch.until_equal("nvme_queue_bytes", 0)
            written.update(names)
            for name in self.put_many(self.client, 5 + turn, MIB,
                                      prefix=f"more{turn}."):
                del self.sizes[name]  # not written, perhaps
            info = self.watch.info()
            self.assertEqual((info["nvme_writes_skipped"],
                              info["spill_writes_skipped"]), (0, 0))
            self.restart_at_once(nvme_reinsert="0")
            self.assert_there(self.client, *written)
        self.assertGreater(self.watch["spill_recovered"], 30)

    def test_a_server_that_starts_without_it_goes_on_without_it(self):
        names = self.put_many(self.client, 10, 300_000)
        self.sink(*names)
        self.stop_and_start(spill_path="")
        self.assert_gone(self.client, *names)
        self.assertNotIn("spill_chunks", self.watch.info())

    def test_each_namespace_has_its_own_again(self):
        for space in 0, 1, 255:
            self.ask(b"+OK", "SELECT", space)
            self.ask(b"+OK", "SET", "same", f"of {space}")
            self.sink("same")
        self.restart()
        for space in 0, 1, 255:
            self.ask(b"+OK", "SELECT", space)
            self.ask(b"of %d" % space, "GET", "same")
        self.ask(b"+OK", "SELECT", 2)
        self.assert_gone(self.client, "same")
        self.assertEqual(self.watch["hits_spill"], 3)

    def test_metadata_that_came_after_its_bytes_had_sunk(self):
        meta = metadata(MIB, KV_SHAPE)
        self.put(self.client, "late@kv_bytes", MIB)
        self.sink("late@kv_bytes")
        with self.told():
            self.ask(b"+OK", "SET", "late@metadata", meta)
        self.restart()
        self.ask(b":2", "EXISTS", "late@kv_bytes", "late@metadata")
        self.ask(meta, "GET", "late@metadata")
        self.assert_is("late@kv_bytes", self.lm().value("late@"))

    def test_lifetimes_go_on(self):
        """Those of the PUT, and those that were set, changed or taken away
        when the value had sunk."""
        lives = {"put": ("EX", LONG), "set": (), "longer": ("EX", "10000"),
                 "freed": ("PX", "100000")}
        for name, life in lives.items():
            self.ask(b"+OK", "SET", name, body(name, 1000), *life)
            self.sizes[name] = 1000, 0
        self.sink(*lives)
        with self.told(3):
            self.ask(b":1", "EXPIRE", "set", LONG)
            self.ask(b":1", "PEXPIRE", "longer", "20000000")
            self.ask(b":1", "PERSIST", "freed")
        self.restart()
        for name, seconds in ("put", 1000), ("set", 1000), ("longer", 20_000):
            left = int(self.client.command("TTL", name)[1:])
            self.assertLessEqual(left, seconds)
            self.assertGreater(left, seconds - 100)
        self.ask(b":-1", "TTL", "freed")
        self.assert_there(self.client, *lives)

    def test_a_server_that_is_told_to_end_while_all_sinks_does_so(self):
        """In time: what is on its way is written or left, not waited for."""
        names = self.put_many(self.client, 30, MIB - 8 * KIB)
        writer = threading.Thread(target=self.write_on)
        writer.start()
        self.watch.until("spill_writes_put", 20)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.server.process.wait(STOP_SECONDS / 2), 0)
        writer.join()
        self.server.stop()
        self.watch.close()
        self.serve(**self.options)
        self.client = self.connect()
        self.count_there(self.client, names)
        self.assertEqual(self.watch["spill_corrupt"], 0)

    def write_on(self):
        """As fast as it is taken, until the server goes."""
        client = self.connect()
        with contextlib.suppress(EOFError, ConnectionError):
            for number in range(100_000):
                client.command("SET", f"x{number}", bytes(500_000))


if __name__ == "__main__":
    unittest.main()
