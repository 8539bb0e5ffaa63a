# SPDX-License-Identifier: Apache-2.0
"""Tests of a server whose NVMe device is sick.  A script of them skips where
there can be no such device:

    if __name__ == "__main__":
        main()
"""
import json
import os
import sys
import unittest

import sick_disk
from nvme_test import NvmeTest
from server_test import MIB

DISK = 96 * MIB
ROOM = 32 * MIB  # nvme.size
SIZE = MIB - 8 * 1024  # of a value: a record of less than one read
NEVER, SOON = "1h", "300ms"


def main():
    if sick_disk.refusal():
        print(sick_disk.refusal())
        sys.exit(77)
    unittest.main()


class SickTest(NvmeTest):
    """Begins with the loop device self.disk, and no server."""

    def setUp(self):
        super().setUp()
        self.disk = self.add_disk(self.directory)

    def add_disk(self, directory):
        disk = sick_disk.Disk(directory, DISK)
        self.addCleanup(disk.close)
        return disk

    def add_filesystem(self):
        folder = os.path.join(self.directory, "mount")
        os.mkdir(folder)
        filesystem = sick_disk.Filesystem(self.disk, folder)
        self.addCleanup(filesystem.close)
        self.device = os.path.join(folder, "prefixcache.nvme")
        return filesystem

    def start(self, path, **options):
        self.path = path
        if path == self.disk.path:
            self.device = self.disk.image
        self.serve(**dict({"nvme_path": path, "nvme_size": ROOM,
                           "nvme_probe": NEVER, "limits_value": "2MiB"},
                          **options))
        self.client = self.connect()

    def restart(self, **options):
        """kill -9, once all that was put is written."""
        self.await_written()
        self.server.kill()
        self.watch.close()
        self.start(self.path, **options)

    def fill(self, number=8, **options):
        """Values that are on the device alone; the first has been read."""
        names = self.put_many(self.client, number, SIZE, prefix="cold")
        self.restart(**options)
        self.assert_there(self.client, names[0])
        return names

    def told(self, event):
        """Details of the log lines about it."""
        lines = [json.loads(line) for line in
                 self.server.stderr().splitlines() if line.startswith("{")]
        return [line["detail"] for line in lines if line["event"] == event]

    def assert_serves_from_dram(self, *names):
        """New values and those that have been read."""
        for number in range(5):
            self.put_fast(f"dram{number}")
        self.assert_there(self.client, *names,
                          *(f"dram{number}" for number in range(5)))

    def put_fast(self, name, size=SIZE, version=0):
        self.unwritten = 0
        self.put(self.client, name, size, version)
