# SPDX-License-Identifier: Apache-2.0
"""Tests of a server whose spill lies on a file system that is made to fail.  A
script of them skips where there can be none (sick_test.main)."""
import json
import os
import signal

import sick_disk
from nvme_test import BLOCK
from server import STOP_SECONDS
from server_test import MIB
from spill_test import SpillTest
from watch import until

DISK = 192 * MIB  # what btrfs needs at least, and some
SIZE = 500_000
NEVER, SOON = "1h", "300ms"


class FaultTest(SpillTest):
    """Begins with a file system for the spill, and no server.  There is no NVMe
    tier, so that all that is put goes to the spill at once."""
    kind = "ext4"

    def setUp(self):
        super().setUp()
        self.disk = sick_disk.Disk(self.directory, DISK)
        self.addCleanup(self.disk.close)
        folder = os.path.join(self.directory, "mount")
        os.mkdir(folder)
        self.filesystem = sick_disk.Filesystem(self.disk, folder, self.kind)
        self.addCleanup(self.filesystem.close)
        self.spill = os.path.join(folder, "spill")

    def start(self, **options):
        super().start(**dict({"nvme_path": "", "spill_size": "64MiB",
                              "spill_probe": NEVER}, **options))

    def begin(self, number=20, **options):
        """Values that are in the spill alone; the first has been read."""
        self.start(**options)
        names = self.put_many(self.client, number, SIZE, prefix="cold")
        self.restart()
        self.assert_there(self.client, names[0])
        return names

    def said(self, event):
        lines = [json.loads(line) for line in
                 self.server.stderr().splitlines() if line.startswith("{")]
        return [line["detail"] for line in lines if line["event"] == event]

    def put_fast(self, name, size=SIZE, version=0):
        self.unwritten = 0
        self.put(self.client, name, size, version)

    def assert_serves_from_dram(self, *names):
        """New values and those that have been read."""
        for number in range(5):
            self.put_fast(f"dram{number}")
        self.assert_there(self.client, *names,
                          *(f"dram{number}" for number in range(5)))

    def write_until(self, field, value, most=100):
        """Values are put one after the other until that is so."""
        for number in range(most):
            if self.watch[field] == value:
                return
            self.put_fast(f"push{number}")
            until(lambda: self.watch["spill_queue_bytes"] == 0, "its write")
        self.fail(f"{field} is {self.watch[field]}")

    def assert_ends(self):
        """When it is told to, whatever its volume does."""
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.server.process.wait(STOP_SECONDS * 2 / 3), 0)

    def fill_up(self, left=0):
        """Others take all of the volume but so much."""
        filler = os.path.join(self.filesystem.directory, "filler")
        size, piece = 0, MIB
        with open(filler, "wb") as file:
            while piece >= BLOCK and self.filesystem.free_bytes() > left:
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                except OSError:
                    piece //= 2
        return filler
