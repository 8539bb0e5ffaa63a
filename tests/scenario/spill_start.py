#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starting on a spill: what is wrong with its directory turns it off with clear
words and never keeps the server from serving (D10), what is deleted meanwhile
stays so, and what is shown of the tier by INFO, `stat` and /metrics."""
import contextlib
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from nvme_test import body  # noqa: E402
from server import Server, program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402
from spill_test import SpillTest  # noqa: E402
from watch import until  # noqa: E402

SIZE = 100_000
SMALL = 64 * MIB
FIGURES = """state recovery_ms size used value_bytes chunks queue_bytes
    memory_used groups readable writable read_bytes written_bytes read_errors
    write_errors corrupt late out_of_service reopened recreated notes notes_waiting
    notes_lost recovered""".split()
F_OFD_SETLK = 37


class StartTest(SpillTest):
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


class Held(StartTest):
    def test_a_directory_that_another_server_has(self):
        self.start()
        first, watch, client = self.server, self.watch, self.client
        names = self.put_many(client, 10, SIZE)
        self.await_written()
        self.start()
        self.assert_off("LOCK is held", "another process has it")
        self.ask(b"+OK", "FLUSHALL")
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


class Damaged(StartTest):
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


class Reopened(StartTest):
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


class Paths(StartTest):
    def test_a_directory_is_made_where_there_is_none(self):
        self.start()
        self.assertEqual(self.watch["spill_state"], "serving")
        self.assertEqual(os.stat(self.spill).st_mode & 0o7777, 0o750)

    def test_a_path_that_can_not_be(self):
        with open(os.path.join(self.directory, "file"), "w") as file:
            file.write("precious")
        for path, *words in (
                ("none/spill", "No such file", "make it"),
                ("file/below", "Not a directory", "make it"),
                ("file", "Not a directory")):
            self.start(spill_path=os.path.join(self.directory, path))
            self.assert_off(*words)
            self.stop()
        with open(os.path.join(self.directory, "file")) as file:
            self.assertEqual(file.read(), "precious")

    def test_a_directory_that_may_not_be_written(self):
        """As for another user: the directory is there, and read only."""
        names = self.begin()
        os.chmod(self.spill, 0o500)
        self.addCleanup(os.chmod, self.spill, 0o700)
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere; spill_faults.py has a "
                          "file system that is read only")
        self.start()
        self.assert_off()
        self.assert_gone(self.client, *names)

    def test_one_without_a_disk_works(self):
        path = f"/dev/shm/prefixcache.{os.getpid()}"
        if not os.access("/dev/shm", os.W_OK):
            self.skipTest("no /dev/shm")
        self.addCleanup(shutil.rmtree, path, True)
        self.start(spill_path=path)
        names = self.put_many(self.client, 10, SIZE)
        self.restart()
        self.assert_there(self.client, *names)
        # Where its kernel has no O_DIRECT for it.
        said = self.said("spill is read through the page cache")
        self.assertLessEqual(len(said), 1)

    def test_files_of_others_in_it_are_left(self):
        os.mkdir(self.spill)
        other = os.path.join(self.spill, "notes.txt")
        with open(other, "w") as file:
            file.write("mine")
        names = self.begin()
        os.unlink(os.path.join(self.spill, "FORMAT"))
        self.start()
        self.assert_gone(self.client, *names)
        with open(other) as file:
            self.assertEqual(file.read(), "mine")


class Options(StartTest):
    def assert_refused(self, *words, **options):
        command = [program("PREFIXCACHED")]
        server = Server(**dict({"spill_path": self.spill}, **options))
        self.addCleanup(os.unlink, server.log.name)
        server.log.close()
        for name, value in server.options.items():
            command += ["--set", f"{name}={value}"]
        result = subprocess.run(command, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse(os.path.exists(self.spill))

    def test_what_no_spill_can_be(self):
        self.assert_refused("spill.size", "64MiB", spill_size="1MiB")
        self.assert_refused("spill.memory", "16MiB", spill_memory="1MiB")
        self.assert_refused("spill.compression", "none,lz4,zstd",
                            spill_compression="gzip")
        self.assert_refused("spill.threads", spill_threads="0")
        self.assert_refused("spill.reinsert", "100", spill_reinsert="101")
        self.assert_refused("spill.inflight", "dram.size",
                            spill_inflight="1GiB")
        self.assert_refused("spill.pth", "spill.path", spill_pth="x")


class Shown(StartTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.put_many(self.client, 10, SIZE)
        self.restart()
        self.put_many(self.client, 5, SIZE, prefix="new")
        self.await_written()
        self.assert_there(self.client, "k1", "k2", "new1")

    def metrics(self, server=None):
        port = (server or self.server).http_port
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as page:
            return page.read().decode()

    def section(self):
        """INFO's section of the tier, {name: value}."""
        lines = self.client.command("INFO", "spill").decode().split("\r\n")
        self.assertIn(lines[0], ("# Spill", ""))
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def test_the_figures_are_true(self):
        self.watch.until("spill_used", 1)
        section = self.section()
        self.assertEqual(set(section), {"spill_" + name for name in FIGURES})
        info = self.watch.info()
        for name, value in (
                ("state", "serving"), ("size", SMALL),
                ("value_bytes", 15 * SIZE), ("chunks", 15), ("recovered", 10),
                ("queue_bytes", 0), ("readable", 1), ("writable", 1),
                ("read_bytes", 2 * SIZE), ("written_bytes", 5 * SIZE),
                ("read_errors", 0), ("write_errors", 0), ("corrupt", 0),
                ("late", 0), ("out_of_service", 0), ("reopened", 0),
                ("recreated", 0), ("notes", 0), ("notes_waiting", 0),
                ("notes_lost", 0)):
            self.assertEqual(info["spill_" + name], value, name)
        self.assertGreaterEqual(info["spill_groups"], 1)
        self.assertGreater(info["spill_used"], 15 * SIZE)
        self.assertLess(info["spill_used"], SMALL)
        self.assertLess(info["spill_recovery_ms"], 60_000)
        self.assertEqual((info["hits_spill"], info["hits_dram"]), (2, 1))

    def test_the_memory_of_it_is_shown_and_bounded(self):
        self.watch.until("spill_memory_used", 1)
        self.assertLess(self.watch["spill_memory_used"], 256 * MIB)

    def test_notes_are_counted(self):
        before = self.watch["spill_notes"]
        self.ask(b":2", "DEL", "k3", "new2")
        self.ask(b":1", "EXPIRE", "k4", "1000")
        self.assertEqual(self.watch["spill_notes"], before + 3)
        self.watch.until_equal("spill_notes_waiting", 0)

    def test_stat_prints_them(self):
        result = subprocess.run(
            [program("PREFIXCACHE_CLI"), "--url", self.server.url(), "stat"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result)
        for name in FIGURES:
            self.assertIn("spill_" + name, result.stdout)

    def test_each_is_a_metric(self):
        text = self.metrics()
        for metric, kind in (
                ("size_bytes", "gauge"), ("used_bytes", "gauge"),
                ("queue_bytes", "gauge"), ("readable", "gauge"),
                ("writable", "gauge"), ("memory_bytes", "gauge"),
                ("read_errors_total", "counter"), ("late_total", "counter"),
                ("reopened_total", "counter"), ("recovery_seconds", "gauge")):
            self.assertIn(f"# TYPE prefixcache_spill_{metric} {kind}\n", text)
        self.assertIn("\nprefixcache_spill_chunks 15\n", text)
        self.assertIn('prefixcache_hits_total{tier="spill"} 2\n', text)
        self.assertIn('prefixcache_tier_reads_total{tier="spill",'
                      'result="good"} 2\n', text)
        self.assertIn('prefixcache_tier_writes_total{tier="spill",'
                      'result="put"} 5\n', text)

    def test_prometheus_takes_them(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (Debian package prometheus)")
        self.restart(nvme_path=self.directory)
        text = self.metrics()
        self.assertIn("prefixcache_spill_chunks", text)
        self.assertIn("prefixcache_nvme_chunks", text)
        result = subprocess.run(["promtool", "check", "metrics"], input=text,
                                capture_output=True, text=True, timeout=60,
                                check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "", ""))

    def test_there_is_no_tier_unless_it_has_a_path(self):
        server = ServerTest.serve(self)
        self.client = self.connect()
        self.assertEqual(self.section(), {})
        self.assertNotIn("prefixcache_spill_", self.metrics(server))


if __name__ == "__main__":
    unittest.main()
