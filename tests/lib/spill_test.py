# SPDX-License-Identifier: Apache-2.0
"""Tests of a server with a spill tier: a small NVMe tier above it, out of which
values are pushed by others, and a look at the directory itself.

DRAM orders by LRU here: the other policies forget what they think nobody asks
for again, instead of handing it down.
"""
import contextlib
import json
import os
import re

from nvme_test import NvmeTest
from server_test import MIB
from watch import until

SIZE = 100_000
SMALL = 64 * MIB
FILLER = MIB - 8 * 1024  # of a size that fills segments well
FORMS = "{}%s", "{}:%s", "{{{}}}:%s"  # of the halves of an object


class SpillTest(NvmeTest):
    def setUp(self):
        super().setUp()
        self.spill = os.path.join(self.directory, "spill")
        self.fillers = 0

    def serve(self, **options):
        """The queues have room for a whole segment: nothing is left out."""
        return super().serve(**dict(
            {"dram_size": "32MiB", "dram_policy": "lru", "limits_value": "2MiB",
             "nvme_size": "32MiB", "nvme_queue": "8MiB",
             "spill_path": self.spill, "spill_size": "256MiB",
             "spill_inflight": "8MiB"}, **options))

    def start(self, **options):
        self.options = options
        self.serve(**options)
        self.client = self.connect()

    def restart(self, **options):
        """kill -9, once all that was put is where it belongs."""
        self.await_written()
        self.restart_at_once(**options)

    def restart_at_once(self, **options):
        self.serve_again(**dict(self.options, **options))
        self.client = self.connect()

    def stop_and_start(self, **options):
        """As an operator does."""
        self.assertEqual(self.server.stop(), 0)
        self.watch.close()
        self.serve(**dict(self.options, **options))
        self.client = self.connect()

    def ask(self, reply, *command):
        self.assertEqual(self.client.command(*command), reply, command[:2])

    # Where values are.

    def await_written(self):
        """Nothing waits for either tier: what NVMe gives up goes by itself."""
        until(lambda: self.queued() == 0, "empty queues")
        self.unwritten = 0

    def queued(self):
        info = self.watch.info()
        return info.get("nvme_queue_bytes", 0) + info["spill_queue_bytes"]

    def places(self, *names):
        """The tiers each is in: "dram+nvme", "missing"."""
        found = self.client.command("PREFIX.MATCH", "WITHTIERS", "--", *names)
        return [place.decode() for place in found[found.index(b"keys") + 1]]

    def push(self, size=MIB):
        """Other values, which go the same way behind those that are there."""
        for _ in range(size // FILLER + 1):
            self.fillers += 1
            self.put(self.client, f"filler{self.fillers}", FILLER)

    def push_until(self, is_so, most=96 * MIB):
        for _ in range(most // (2 * MIB)):
            if is_so():
                return
            self.push(2 * MIB)
        self.fail(f"still not so: {self.watch.info()}")

    def sink(self, *names):
        """Pushes those out of DRAM and NVMe, into the spill."""
        self.push_until(lambda: set(self.places(*names)) == {"spill"})
        self.await_written()

    def leave_dram(self, *names):
        """The same, of which NVMe may keep a copy."""
        self.push_until(lambda: not any("dram" in place for place in
                                        self.places(*names)))

    # What lies in the directory.

    def bytes_in_spill(self):
        """As du has it; files may go while they are counted."""
        total = 0
        for folder, _, names in os.walk(self.spill):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
        return total

    def bodies(self):
        """Paths of the files that hold values, oldest first."""
        return self.files("bodies", r"\d+\.sst")

    def files(self, folder, pattern):
        folder = os.path.join(self.spill, folder)
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                if re.fullmatch(pattern, name)]

    def file_of(self, name):
        """The one body file that holds a value; files are not compressed."""
        begin = self.expected(name)[:64]
        holders = []
        for path in self.bodies():
            with open(path, "rb") as file:
                if begin in file.read():
                    holders.append(path)
        self.assertEqual(len(holders), 1, name)
        return holders[0]

    @contextlib.contextmanager
    def told(self, number=1):
        """The spill is told of so many deletions or changes inside, and has
        written them down when this ends."""
        before = self.watch["spill_notes"]
        yield
        self.watch.until("spill_notes", before + number)
        self.watch.until_equal("spill_notes_waiting", 0)


class AloneTest(SpillTest):
    """Without NVMe, so that all that is put goes to the spill at once."""

    def start(self, **options):
        super().start(**dict({"nvme_path": "", "spill_size": SMALL}, **options))

    def begin(self, number=10, **options):
        """Values in the spill alone, and no server any more."""
        self.start(**options)
        names = self.put_many(self.client, number, SIZE)
        self.await_written()
        self.stop()
        return names

    def stop(self):
        self.assertEqual(self.server.stop(), 0)
        self.watch.close()

    def said(self, event):
        """Details of the log lines about it."""
        lines = [json.loads(line) for line in
                 self.server.stderr().splitlines() if line.startswith("{")]
        return [line["detail"] for line in lines if line["event"] == event]

    def assert_off(self, *words):
        """The server serves from DRAM, and says why it has no spill."""
        info = self.watch.info()
        self.assertEqual((info["spill_state"], info["spill_readable"],
                          info["spill_writable"], info["spill_chunks"]),
                         ("off", 0, 0, 0))
        said = self.said("spill is off")
        self.assertEqual(len(said), 1, self.server.stderr())
        for word in (self.server.options["spill.path"], *words):
            self.assertIn(word, said[0])
        self.assertNotIn("\n", said[0])
        self.put(self.client, "in DRAM", SIZE)
        self.assert_there(self.client, "in DRAM")
        self.assertEqual(self.client.command("DEL", "in DRAM"), b":1")
        self.assertEqual(self.watch["spill_writes_put"], 0)
