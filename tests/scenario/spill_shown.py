#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A spill's directory and options, and what is shown of the tier by INFO, `stat`
and /metrics."""
import os
import shutil
import subprocess
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import Server, program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402
from spill_test import SIZE, SMALL, AloneTest  # noqa: E402

FIGURES = """state recovery_ms size used value_bytes chunks queue_bytes
    memory_used groups readable writable read_bytes written_bytes read_errors
    write_errors corrupt late out_of_service reopened recreated notes notes_waiting
    notes_lost recovered""".split()


class Paths(AloneTest):
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


class Options(AloneTest):
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


class Shown(AloneTest):
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
