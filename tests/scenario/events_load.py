#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of KV events knows in the end exactly what the server holds: under a
load that evicts, when it misses messages, when events are lost, and when the
server is killed and comes back."""
import os
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from event_reader import EventReader  # noqa: E402
from event_test import EventsTest, key_of  # noqa: E402
from nvme_test import NvmeTest  # noqa: E402
from raw_client import encode  # noqa: E402
from resp_client import RespClient  # noqa: E402
from watch import until  # noqa: E402

LOAD_SECONDS = 3


class Load(EventsTest):
    """Writers who overwrite, delete and let expire, in a server with too little
    memory for them."""

    def write(self, seed, until_s, prefix):
        rng = random.Random(seed)
        with RespClient(self.server.data_port) as client:
            while time.monotonic() < until_s:
                commands = [self.any_command(rng, prefix) for _ in range(100)]
                client.socket.sendall(b"".join(commands))
                for _ in commands:
                    client.reply()

    def any_command(self, rng, prefix):
        name = f"{prefix}{rng.randrange(3000)}"
        what = rng.randrange(100)
        if what < 20:
            return encode("DEL", name)
        if what < 30:
            return encode("SET", name, b"x" * 500, "PX", rng.randrange(1, 300))
        if what == 99 and rng.randrange(20) == 0:
            return encode("FLUSHDB")
        return encode("SET", name, b"x" * rng.randrange(20_000))

    def run_load(self, prefix="key"):
        end = time.monotonic() + LOAD_SECONDS
        writers = [threading.Thread(target=self.write, args=(i, end, prefix))
                   for i in range(3)]
        for writer in writers:
            writer.start()
        return writers

    def finish(self, writers, readers):
        while any(writer.is_alive() for writer in writers):
            for reader in readers:
                reader.follow(0.01)
        for writer in writers:
            writer.join()
        for reader in readers:
            self.assert_agrees(reader)

    def test_a_reader_who_misses_much_knows_what_there_is(self):
        careful = self.start(**{"dram.size": "16MiB", "lease.ms": 0})
        rng = random.Random(1)
        careless = self.read(misses=lambda number: rng.randrange(3) == 0)
        self.finish(self.run_load(), [careful, careless])
        self.assertEqual(self.watch["events_lost"], 0)
        self.assertGreater(self.watch["evictions"], 0)
        self.assertGreater(careless.repeats, 3)

    def test_where_events_are_lost_readers_start_over(self):
        reader = self.start(**{"dram.size": "16MiB", "lease.ms": 0,
                               "events.queue": "64KiB"})
        self.finish(self.run_load("n" * 2000), [reader])
        self.assertGreater(self.watch["events_lost"], 0)
        self.assertGreater(reader.listings, 1)


class Restart(NvmeTest):
    def serve(self, **options):
        endpoints = {name: f"ipc://{self.directory}/{name}"
                     for name in ("listen", "replay")}
        server = super().serve(**dict(
            {f"events.{name}": endpoint
             for name, endpoint in endpoints.items()}, **options))
        self.client = self.connect()
        return server

    def test_a_reader_outlives_the_server(self):
        self.serve()
        reader = EventReader(self.watch["events_listen"],
                             self.watch["events_replay"])
        self.addCleanup(reader.close)
        self.assertIsNotNone(reader.hear())
        for i in range(200):
            self.assertEqual(self.client.command("SET", f"k{i}", b"x" * 5000),
                             b"+OK")
        reader.until(lambda: len(reader.keys()) == 200)
        self.watch.until_equal("nvme_queue_bytes", 0)
        until(lambda: self.watch["nvme_chunks"] == 200, "written")
        before = reader.last
        self.serve_again()
        self.assertEqual(self.client.command("DEL", "k3"), b":1")
        self.assertEqual(self.client.command("SET", "new", b"x"), b"+OK")
        wanted = {key_of(f"k{i}") for i in range(200) if i != 3}
        wanted.add(key_of("new"))
        reader.until(lambda: reader.keys() == wanted)
        self.assertGreater(reader.last, before)
        self.assertEqual(reader.listings, 2)


if __name__ == "__main__":
    unittest.main()
