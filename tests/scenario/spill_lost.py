#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Groups of the spill that are gone before the index has been told: a volume
without room took the oldest, and nothing can be written.  EXISTS, PREFIX.MATCH
and GET agree all the same, for whoever is told that a key is there and then
misses waits for ever.  Root only."""
import contextlib
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from nvme_test import BLOCK  # noqa: E402
from server_test import MIB  # noqa: E402
from sick_test import main  # noqa: E402
from spill_fault_test import SIZE, SOON, FaultTest  # noqa: E402

SECONDS = 20


class Lost(FaultTest):
    def greed(self, is_full, is_over):
        """Takes all that is free, and whatever becomes so, at once."""
        path = os.path.join(self.filesystem.directory, "greed")
        size, piece = 0, MIB
        with open(path, "wb") as file:
            while not is_over.is_set():
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                    piece = MIB
                except OSError:
                    if piece == BLOCK:
                        is_full.set()
                    piece = max(piece // 2, BLOCK)
        os.unlink(path)

    @contextlib.contextmanager
    def without_any_room(self):
        """Not even what the spill gives up comes back to it."""
        is_full, is_over = threading.Event(), threading.Event()
        thread = threading.Thread(target=self.greed, args=[is_full, is_over])
        thread.start()
        try:
            self.assertTrue(is_full.wait(SECONDS))
            yield
        finally:
            is_over.set()
            thread.join()

    def begin(self, number=120):
        """Values in several groups, none of them in DRAM."""
        self.start(spill_size="256MiB", spill_probe=SOON)
        names = self.put_many(self.client, number, SIZE, prefix="cold")
        self.restart()
        return names

    def exist(self, names):
        return {name for name in names
                if self.client.command("EXISTS", name) == b":1"}

    def matched(self, names):
        return {name for name, place in zip(names, self.places(*names))
                if place != "missing"}

    def assert_said_is_so(self, names):
        """What was said before any of them is asked for."""
        exist, matched = self.exist(names), self.matched(names)
        there = {name for name in names
                 if self.client.command("GET", name) is not None}
        self.assertEqual(exist, matched)
        self.assertEqual(exist - there, set())
        return there

    def test_what_was_given_up_is_not_said_to_be_there(self):
        names = self.begin()
        with self.without_any_room():
            self.write_until("spill_writable", 0)
            self.assertTrue(self.said("spill gives up its oldest values"))
            there = self.assert_said_is_so(names)
            self.assertLess(len(there), len(names))
            self.assertIn(names[-1], there)
            self.assert_serves_from_dram()
        self.watch.until_equal("spill_writable", 1)
        newest = self.put_many(self.client, 10, SIZE, prefix="newest")
        self.restart()
        self.assert_there(self.client, *newest)
        self.assertLessEqual(self.assert_said_is_so(names), there)

    def test_and_the_index_forgets_it_meanwhile(self):
        """Also while nothing can be written: its memory comes back, and who
        listens is told."""
        names = self.begin()
        with self.without_any_room():
            before = self.watch["spill_chunks"]
            self.write_until("spill_writable", 0)
            self.watch.until("spill_reclaimed", 10)
            self.assertLess(self.watch["spill_chunks"], before)
            self.assert_said_is_so(names)

    def test_what_is_deleted_meanwhile_is_not_back(self):
        """What has to be written down for that waits for room, and the log in
        which there was none is not written again."""
        names = self.begin()
        with self.without_any_room():
            self.write_until("spill_writable", 0)
            self.client.command("DEL", *names[::2])
            self.assert_gone(self.client, *names[::2])
            self.watch.until("spill_notes", 1)
            self.assert_said_is_so(names)
        self.watch.until_equal("spill_writable", 1)
        self.watch.until_equal("spill_notes_waiting", 0)
        self.restart()
        self.assert_gone(self.client, *names[::2])
        self.assert_said_is_so(names)


if __name__ == "__main__":
    main()
