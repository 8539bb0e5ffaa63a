#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starting on a device: which are refused, with what words, and that they are
left as they were; the two engines, io_uring forbidden among them (D13); and
what is shown of the tier by INFO, `stat` and /metrics."""
import ctypes
import ctypes.util
import json
import os
import shutil
import struct
import subprocess
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from nvme_test import (BLOCK, RECORD, SUPER, NvmeTest,  # noqa: E402
                       on_threads_too, uring_is_refused)
from server import Server, program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

SIZE = 100_000
FIGURES = """size value_bytes chunks queue_bytes readable writable direct
    segment_size segments segments_ready segments_sealed read_bytes
    written_bytes read_errors write_errors corrupt stale late out_of_service
    notes notes_lost recovered recovery_ms""".split()


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class StartTest(NvmeTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()

    def restart(self, **options):
        self.serve_again(**options)
        self.client = self.connect()

    def section(self, client):
        """The names in INFO's section of the tier."""
        lines = client.command("INFO", "nvme").decode().split("\r\n")
        return {line.split(":")[0] for line in lines if ":" in line}

    def make(self, content, path=None):
        with open(path or self.device, "wb") as file:
            file.write(content)
        return content

    def assert_refused(self, *words, code=1, **options):
        """A start that fails with clear words, and touches nothing."""
        path = options.setdefault("nvme_path", self.directory)
        before = contents(self.device) if os.path.exists(self.device) else None
        command = [program("PREFIXCACHED")]
        server = Server(**dict({"nvme_size": "64MiB",
                                "nvme_engine": self.engine}, **options))
        self.addCleanup(os.unlink, server.log.name)
        server.log.close()
        for name, value in server.options.items():
            command += ["--set", f"{name}={value}"]
        result = subprocess.run(command, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "")
        for word in (path, *words):
            self.assertIn(word, result.stderr)
        if before is not None:
            self.assertTrue(contents(self.device) == before, "it was changed")
        return result.stderr


@on_threads_too
class Refused(StartTest):
    def test_a_device_that_another_server_has(self):
        self.start()
        self.put(self.client, "k", SIZE)
        self.await_written()
        self.assert_refused("nvme is in use", nvme_path=self.device)
        self.put(self.client, "other", SIZE)
        self.await_written()
        self.restart()
        self.assert_there(self.client, "k", "other")

    def test_a_file_of_somebody_else(self):
        for content in (b"precious\n", os.urandom(3 * MIB),
                        bytes(BLOCK * 5) + b"x" + bytes(2 * MIB),
                        RECORD + bytes(2 * MIB), SUPER + bytes(MIB)):
            self.make(content)
            self.assert_refused("not a prefixcache device")

    def test_a_file_of_zeroes_may_be_taken(self):
        self.make(bytes(3 * MIB))
        self.start()
        self.put(self.client, "k", SIZE)
        self.restart()

    def test_a_device_whose_superblocks_are_broken(self):
        self.start()
        self.put(self.client, "k", SIZE)
        self.await_written()
        self.server.kill()
        device = bytearray(contents(self.device))
        self.assertTrue(device.startswith(SUPER))
        for at in 100, BLOCK + 100:
            device[at] ^= 1
        self.make(device)
        self.assert_refused("not a prefixcache device")
        device[100] ^= 1
        self.make(device)
        self.restart()  # one of them is enough
        self.assert_there(self.client, "k")

    def test_a_device_of_a_newer_version(self):
        found = ctypes.util.find_library("xxhash")
        if not found:
            self.skipTest("libxxhash is missing")
        xxhash = ctypes.CDLL(found)
        xxhash.XXH3_64bits.restype = ctypes.c_uint64
        xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.start()
        self.server.kill()
        device = bytearray(contents(self.device))
        for at in 0, BLOCK:
            struct.pack_into("<Q", device, at + 8, 0)
            struct.pack_into("<I", device, at + 32, 7)
            block = bytes(device[at:at + BLOCK])
            struct.pack_into("<Q", device, at + 8,
                             xxhash.XXH3_64bits(block, BLOCK))
        self.make(device)
        self.assert_refused("newer version", "version 7")

    def test_a_path_that_can_not_be(self):
        for path, word in ((self.directory + "/none/file", "No such file"),
                           (self.directory + "/file/below", "Not a directory"),
                           ("/dev/null", "neither a block device")):
            self.make(b"x", os.path.join(self.directory, "file"))
            self.assert_refused(word, nvme_path=path)

    def test_a_size_that_is_too_small(self):
        said = self.assert_refused("nvme.size", code=2, nvme_size="4MiB",
                                   nvme_path="")
        self.assertIn("8MiB", said)

    def test_a_refused_server_leaves_no_file(self):
        self.assert_refused("nvme.size", code=2, nvme_size="1MiB",
                            nvme_path="")
        self.assertEqual(os.listdir(self.directory), [])


@on_threads_too
class Taken(StartTest):
    def test_a_directory_and_its_file_are_the_same(self):
        self.start()
        self.assertEqual(os.listdir(self.directory), ["prefixcache.nvme"])
        self.assertEqual(os.stat(self.device).st_mode & 0o777, 0o600)
        self.put(self.client, "k", SIZE)
        self.await_written()
        self.restart(nvme_path=self.device)
        self.assert_there(self.client, "k")

    def test_all_of_its_room_is_taken_at_start(self):
        self.start()
        self.assertLessEqual(os.path.getsize(self.device), 64 * MIB)
        self.assertGreater(os.path.getsize(self.device), 48 * MIB)
        self.assertGreaterEqual(self.bytes_on_disk(),
                                os.path.getsize(self.device))

    def test_a_device_without_O_DIRECT_is_buffered(self):
        directory = "/dev/shm"
        if not os.access(directory, os.W_OK):
            self.skipTest(f"no {directory}")
        path = os.path.join(directory, f"prefixcache.{os.getpid()}")
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        self.start(nvme_path=path)
        if self.watch["nvme_direct"] == 0:
            self.assertEqual(self.server.stderr().count("nvme is buffered"), 1)
        names = self.put_many(self.client, 10, SIZE)
        self.await_written()
        self.restart(nvme_path=path)
        self.assert_there(self.client, *names)

    def test_there_is_no_tier_unless_it_has_a_path(self):
        server = ServerTest.serve(self)
        self.assertEqual(self.section(self.connect()), set())
        self.assertNotIn("prefixcache_nvme_", self.metrics(server))

    def metrics(self, server):
        url = f"http://127.0.0.1:{server.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as page:
            return page.read().decode()


class Engines(StartTest):
    def assert_at_work(self, engine):
        info = self.watch.info()
        self.assertEqual(info["nvme_engine"], engine)
        url = f"http://127.0.0.1:{self.server.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as page:
            self.assertIn(f'prefixcache_nvme_engine_info{{engine="{engine}"}} '
                          "1\n", page.read().decode())
        names = self.put_many(self.client, 5, MIB,
                              prefix=f"{self.server.pid}.")
        self.await_written()
        self.assertEqual(self.watch["nvme_writes_put"], 5)
        return names

    def test_threads_are_taken_when_they_are_asked_for(self):
        self.start(nvme_engine="threads", nvme_threads="3")
        names = self.assert_at_work("threads")
        tasks = f"/proc/{self.server.pid}/task"
        found = [contents(f"{tasks}/{task}/comm") for task in os.listdir(tasks)]
        self.assertEqual(sum(b"disk" in name for name in found), 3, found)
        self.restart(nvme_engine="auto")
        self.assert_there(self.client, *names)

    def test_io_uring_is_taken_where_the_kernel_lets_it(self):
        if uring_is_refused():
            self.skipTest("the kernel refuses io_uring")
        for engine in "auto", "uring":
            self.start(nvme_engine=engine)
            names = self.assert_at_work("uring")
            self.restart(nvme_engine="threads")
            self.assert_there(self.client, *names)
            self.server.stop()


class Forbidden(Engines):
    """D13: the kernel says EPERM to io_uring_setup(), as container runtimes
    have it do."""

    def setUp(self):
        super().setUp()
        wrapper = program("PREFIXCACHE_WITHOUT_URING")
        result = subprocess.run([wrapper, "true"], capture_output=True,
                                text=True, check=False)
        if result.returncode != 0:
            self.skipTest(result.stdout.strip())
        script = os.path.join(self.directory, "prefixcached")
        with open(script, "w") as file:
            file.write(f'#!/bin/sh\nexec "{wrapper}" '
                       f'"{program("PREFIXCACHED")}" "$@"\n')
        os.chmod(script, 0o755)
        before = os.environ["PREFIXCACHED"]
        os.environ["PREFIXCACHED"] = script
        self.addCleanup(os.environ.__setitem__, "PREFIXCACHED", before)

    def test_io_uring_is_taken_where_the_kernel_lets_it(self):
        """It does not: threads are, and it is said once."""
        self.start(nvme_engine="auto")
        names = self.assert_at_work("threads")
        said = [json.loads(line) for line in
                self.server.stderr().splitlines() if "disk engine" in line]
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0]["detail"], "threads.*io_uring.*not permitted")
        self.restart()
        self.assert_there(self.client, *names)

    def test_a_start_that_insists_on_io_uring_fails(self):
        self.assert_refused("not permitted", nvme_engine="uring")


@on_threads_too
class Shown(StartTest):
    def metrics(self):
        url = f"http://127.0.0.1:{self.server.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as page:
            return page.read().decode()

    def setUp(self):
        super().setUp()
        self.start()
        self.put_many(self.client, 10, SIZE)
        self.await_written()
        self.restart()
        self.put_many(self.client, 5, SIZE, prefix="new")
        self.await_written()
        self.assert_there(self.client, "k1", "k2", "new1")

    def test_the_figures_are_true(self):
        info = self.watch.info()
        for name, value in (
                ("value_bytes", 15 * SIZE), ("chunks", 15), ("recovered", 10),
                ("queue_bytes", 0), ("readable", 1), ("writable", 1),
                ("read_errors", 0), ("write_errors", 0), ("corrupt", 0),
                ("stale", 0), ("late", 0), ("out_of_service", 0),
                ("notes_lost", 0)):
            self.assertEqual(info["nvme_" + name], value, name)
        segments = info["nvme_segments"] * info["nvme_segment_size"]
        self.assertEqual(info["nvme_size"], MIB + segments)
        self.assertGreaterEqual(info["nvme_segments"], 4)
        self.assertGreaterEqual(info["nvme_segments_sealed"], 1)
        self.assertGreaterEqual(info["nvme_segments_ready"], 1)
        self.assertGreaterEqual(info["nvme_written_bytes"], 5 * SIZE)
        self.assertGreaterEqual(info["nvme_read_bytes"], 2 * SIZE)
        self.assertLess(info["nvme_read_bytes"], 4 * SIZE)
        self.assertLess(info["nvme_recovery_ms"], 60_000)
        self.assertEqual((info["hits_nvme"], info["hits_dram"]), (2, 1))
        self.assertEqual(self.section(self.client),
                         {"nvme_" + name for name in FIGURES} |
                         {"nvme_engine"})

    def test_INFO_has_a_section_of_its_own(self):
        said = self.client.command("INFO", "nvme").decode()
        self.assertTrue(said.startswith("# NVMe\r\n"), said)
        self.assertIn("nvme_chunks:15\r\n", said)

    def test_stat_prints_them(self):
        result = subprocess.run(
            [program("PREFIXCACHE_CLI"), "--url", self.server.url(), "stat"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result)
        for name in FIGURES:
            self.assertIn("nvme_" + name, result.stdout)

    def test_each_is_a_metric(self):
        text = self.metrics()
        for metric, kind in (("size_bytes", "gauge"), ("readable", "gauge"),
                             ("read_errors_total", "counter"),
                             ("late_total", "counter"),
                             ("recovery_seconds", "gauge")):
            self.assertIn(f"# TYPE prefixcache_nvme_{metric} {kind}\n", text)
        self.assertIn("\nprefixcache_nvme_chunks 15\n", text)
        self.assertIn('prefixcache_hits_total{tier="nvme"} 2\n', text)
        self.assertIn('prefixcache_tier_reads_total{tier="nvme",'
                      'result="good"} 2\n', text)
        self.assertIn('prefixcache_tier_writes_total{tier="nvme",'
                      'result="put"} 5\n', text)

    def test_prometheus_takes_them(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (Debian package prometheus)")
        result = subprocess.run(["promtool", "check", "metrics"],
                                input=self.metrics(), capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "", ""))


if __name__ == "__main__":
    unittest.main()
