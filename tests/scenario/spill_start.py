#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starting on a spill: what is wrong with its directory turns it off with clear
words and never keeps the server from serving (D10), what is deleted meanwhile
stays so."""
import contextlib
import fcntl
import os
import shutil
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from spill_test import SIZE, AloneTest  # noqa: E402
from watch import until  # noqa: E402

F_OFD_SETLK = 37


class Held(AloneTest):
    def test_a_directory_that_another_server_has(self):
        self.start()
        first, watch, client = self.server, self.watch, self.client
        names = self.put_many(client, 10, SIZE)
        self.await_written()
        self.start()
        self.assert_off("LOCK is held", "another process has it")
        # Should it be ours again, what it had is there again.
        self.assertIn(b"did not take it", self.client.command("FLUSHALL"))
        self.assert_gone(self.client, *names)
        self.stop()
        self.server, self.watch, self.client = first, watch, client
        self.assert_there(client, *names)
        self.put(client, "more", SIZE)
        self.restart()
        self.assert_there(self.client, "more", *names)

    def test_a_lock_that_any_process_holds(self):
        names = self.begin()
        with self.held(os.path.join(self.spill, "LOCK")):
            self.start()
            self.assert_off("LOCK is held")
            self.stop()
        self.start()
        self.assert_there(self.client, *names)

    def test_a_lock_of_the_database_itself(self):
        """As its own tools take it: nothing is removed."""
        for folder in "heads", "bodies":
            names = self.begin()
            with self.held(os.path.join(self.spill, folder, "LOCK")):
                self.start()
                self.assert_off("another process has it")
                self.stop()
            self.start()
            self.count_there(self.client, names)
            self.stop()

    @contextlib.contextmanager
    def held(self, path):
        with open(path, "r+b") as file:
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(file, F_OFD_SETLK, lock)
            yield


class Damaged(AloneTest):
    """Files of a server that does not run are cut, broken or gone."""

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte, = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 0x10]))

    def assert_begins_anew(self, names, *words):
        """It is off, and the next start has an empty one, which works."""
        self.start()
        self.assert_off(*words, "begins with an empty one")
        self.ask(b":0", "EXISTS", *names)
        self.ask(b"+OK", "FLUSHALL")
        self.stop()
        self.start()
        self.assertEqual(self.watch["spill_state"], "serving")
        self.assertEqual(self.watch["entries"], 0)
        self.assertTrue(self.said("spill begins anew"))
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after")
        self.assert_gone(self.client, *names)
        self.stop()

    def test_a_manifest_that_is_gone(self):
        for folder in "heads", "bodies":
            names = self.begin()
            for path in self.files(folder, r"MANIFEST-\d+"):
                os.unlink(path)
            self.assert_begins_anew(names, "MANIFEST")

    def test_a_CURRENT_that_is_broken(self):
        for folder in "heads", "bodies":
            for content in b"", b"MANIFEST-999999\n", os.urandom(100):
                names = self.begin(2)
                path = os.path.join(self.spill, folder, "CURRENT")
                with open(path, "wb") as file:
                    file.write(content)
                self.assert_begins_anew(names)

    def test_a_CURRENT_that_is_gone(self):
        for folder in "heads", "bodies":
            names = self.begin(2)
            os.unlink(os.path.join(self.spill, folder, "CURRENT"))
            self.assert_begins_anew(names)

    def test_a_database_that_is_gone(self):
        for folder in "heads", "bodies":
            names = self.begin(2)
            shutil.rmtree(os.path.join(self.spill, folder))
            self.assert_begins_anew(names)

    def test_a_FORMAT_of_somebody_else(self):
        names = self.begin()
        with open(os.path.join(self.spill, "FORMAT"), "w") as file:
            file.write("something else\n")
        self.assert_begins_anew(names, "FORMAT")

    def test_a_newer_version_is_left_as_it_is(self):
        names = self.begin()
        path = os.path.join(self.spill, "FORMAT")
        with open(path) as file:
            before = file.read()
        with open(path, "w") as file:
            file.write("prefixcache spill 2\n")
        self.start()
        self.assert_off("newer version")
        self.stop()
        with open(path) as file:
            self.assertEqual(file.read(), "prefixcache spill 2\n")
        self.assertTrue(self.bodies())
        with open(path, "w") as file:
            file.write(before)
        # It was off while values might have been deleted.
        self.start()
        self.assert_gone(self.client, *names)

    def test_what_is_deleted_while_it_is_off_is_not_back(self):
        """Though the file that was gone is back."""
        names = self.begin()
        manifest, = self.files("heads", r"MANIFEST-\d+")
        aside = os.path.join(self.directory, "aside")
        os.rename(manifest, aside)
        self.start()
        self.assert_off()
        self.ask(b":0", "DEL", names[0])
        self.restart_at_once()
        self.stop()
        if not os.path.exists(manifest):
            os.rename(aside, manifest)
        self.start()
        self.assert_gone(self.client, *names)

    def biggest_body(self):
        return max(self.bodies(), key=os.path.getsize)

    def assert_some_lost(self, names):
        """Those of one file are misses, the others and the tier are well."""
        self.start()
        self.assertEqual(self.watch["spill_state"], "serving")
        there = self.count_there(self.client, names)
        self.assertLess(there, len(names))
        self.assertGreater(there, 0)
        info = self.watch.info()
        self.assertEqual((info["spill_state"], info["get_misses"]),
                         ("serving", len(names) - there))
        self.assertEqual(info["spill_corrupt"], len(names) - there)
        self.assertEqual(info["entries"], there)
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after")
        self.assertEqual(self.count_there(self.client, names), there)

    def begin_with_two_files(self):
        self.start()
        names = self.put_many(self.client, 10, SIZE, prefix="a")
        self.await_written()
        names += self.put_many(self.client, 10, SIZE, prefix="b")
        self.await_written()
        self.stop()
        self.assertGreaterEqual(len(self.bodies()), 2)
        return names

    def test_a_body_file_that_is_cut(self):
        for share in 0.5, 0:
            names = self.begin_with_two_files()
            path = self.biggest_body()
            os.truncate(path, int(os.path.getsize(path) * share))
            self.assert_some_lost(names)
            self.stop()
            shutil.rmtree(self.spill)

    def test_a_body_file_that_is_gone(self):
        names = self.begin_with_two_files()
        os.unlink(self.biggest_body())
        self.assert_some_lost(names)

    def test_a_bit_that_has_turned(self):
        names = self.begin_with_two_files()
        path = self.file_of(names[3])
        with open(path, "rb") as file:
            at = file.read().index(self.expected(names[3])[:64])
        self.flip(path, at + SIZE - 1)
        self.assert_some_lost(names)

    def test_heads_that_are_broken_are_not_believed(self):
        names = self.begin(200)
        path, = self.files("heads", r"\d+\.log")[-1:]
        self.flip(path, os.path.getsize(path) // 3)
        self.start()
        there = self.count_there(self.client, names)
        if self.watch["spill_state"] == "off":
            self.assertEqual(there, 0)
            self.assert_off()
        self.assertEqual(self.server.stop(), 0)


class Reopened(AloneTest):
    """A database that fails while it is in use is closed, and opened again when
    it can be."""

    def lose(self, folder):
        """Its files are elsewhere; the first write finds that out."""
        os.rename(os.path.join(self.spill, folder),
                  os.path.join(self.directory, folder))
        self.put(self.client, "lost", SIZE)
        self.watch.until_equal("spill_readable", 0)
        self.assertTrue(self.said("spill is out of service"))

    def give_back(self, folder):
        os.rename(os.path.join(self.directory, folder),
                  os.path.join(self.spill, folder))
        self.watch.until_equal("spill_state", "serving", 60)

    def begin(self):
        self.start(spill_probe="200ms")
        names = self.put_many(self.client, 10, SIZE)
        self.restart()
        return names

    def test_it_is_tried_ever_more_seldom_and_comes_back(self):
        names = self.begin()
        self.lose("bodies")
        self.assert_miss(self.client, *names)
        start, used = time.monotonic(), self.watch.cpu_seconds()
        until(lambda: len(self.said("spill is still not well")) >= 4,
              "some attempts")
        # Each takes a moment, and between them nothing is done.
        self.assertLess(self.watch.cpu_seconds() - used,
                        (time.monotonic() - start) / 2)
        self.put(self.client, "in DRAM", SIZE)
        self.assert_there(self.client, "in DRAM")
        self.give_back("bodies")
        self.assertGreaterEqual(self.watch["spill_reopened"], 1)
        self.assertTrue(self.said("spill is back in service"))
        self.assert_there(self.client, *names)
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after", *names)

    def test_what_is_deleted_meanwhile_is_not_back(self):
        names = self.begin()
        self.lose("bodies")
        self.assertEqual(self.client.command("DEL", *names[:3]), b":3")
        self.put(self.client, names[3], 2000, 1)
        self.give_back("bodies")
        self.assert_gone(self.client, *names[:3])
        self.assert_there(self.client, *names[3:])
        self.stop_and_start()
        self.assert_gone(self.client, *names[:3])
        self.assert_there(self.client, *names[4:])

    def test_what_is_deleted_meanwhile_is_not_back_after_a_kill(self):
        """Whoever could not be told begins anew."""
        names = self.begin()
        self.lose("bodies")
        self.assertEqual(self.client.command("DEL", names[0]), b":1")
        until(lambda: os.path.exists(os.path.join(self.spill, "STALE")),
              "a mark")
        self.server.kill()
        os.rename(os.path.join(self.directory, "bodies"),
                  os.path.join(self.spill, "bodies"))
        self.watch.close()
        self.start()
        self.assert_gone(self.client, names[0])

    def test_a_mark_is_gone_when_it_was_told(self):
        names = self.begin()
        self.lose("bodies")
        self.client.command("DEL", names[0])
        stale = os.path.join(self.spill, "STALE")
        until(lambda: os.path.exists(stale), "a mark")
        self.give_back("bodies")
        until(lambda: not os.path.exists(stale), "its end")
        self.restart_at_once()
        self.assert_gone(self.client, names[0])
        self.assert_there(self.client, *names[1:])

    def test_one_that_is_broken_is_made_anew(self):
        names = self.begin()
        manifests = self.files("bodies", r"MANIFEST-\d+")
        self.lose("bodies")
        for path in manifests:
            os.truncate(os.path.join(self.directory, "bodies",
                                     os.path.basename(path)), 10)
        self.give_back("bodies")
        self.assertEqual(self.watch["spill_recreated"], 1)
        self.assertTrue(self.said("spill begins anew"))
        until(lambda: self.client.command("EXISTS", *names) == b":0",
              "that nothing of it is there any more")
        self.assert_gone(self.client, *names)
        self.put(self.client, "after", SIZE)
        self.restart()
        self.assert_there(self.client, "after")
        self.assert_gone(self.client, *names)


if __name__ == "__main__":
    unittest.main()
