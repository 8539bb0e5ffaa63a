# SPDX-License-Identifier: Apache-2.0
"""Tests of a server with an NVMe tier: values that are a function of their
name, waiting until they are on the device, ends and starts on the same one, and
a look at the device itself.

    @on_threads_too         runs a test case with the second engine as well
"""
import contextlib
import ctypes
import errno
import hashlib
import mmap
import os
import random
import re
import struct
import sys
import tempfile

from server_test import MIB, ServerTest
from watch import until

BLOCK = 4096
SOURCE = memoryview(random.Random(3).randbytes(9 * MIB))
# What may wait to be written before a test waits too: less than any queue here.
UNWRITTEN_MOST = 2 * MIB
SUPER, HEADER, RECORD, TRAILER = (b"PREFIXC" + letter for letter in
                                  (b"S", b"H", b"R", b"T"))
KIND_AT, VALUE, NOTES, TABLE = 40, 1, 2, 3
IO_URING_SETUP = 425


def body(name, size, version=0):
    """Bytes that only this name has, in this version and size."""
    seed = hashlib.blake2b(repr((name, size, version)).encode()).digest()
    start = int.from_bytes(seed[:4], "little") % MIB
    return (seed + SOURCE[start:start + size])[:size]


def uring_is_refused():
    """Whether the kernel does to this process and those it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(IO_URING_SETUP, 1, None) >= 0:
        raise AssertionError("a ring without parameters")
    return ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.ENOMEM,
                                  errno.EACCES)


def on_threads_too(case):
    name = case.__name__ + "OnThreads"
    setattr(sys.modules[case.__module__], name,
            type(name, (case,), {"engine": "threads",
                                 "__module__": case.__module__}))
    return case


class NvmeTest(ServerTest):
    engine = "auto"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.device = os.path.join(self.directory, "prefixcache.nvme")
        self.sizes, self.unwritten = {}, 0

    def serve(self, **options):
        self.unwritten = 0
        return super().serve(**dict(
            {"dram_size": "32MiB", "lease_ms": 0, "limits_value": "8MiB",
             "nvme_path": self.directory, "nvme_size": "64MiB",
             "nvme_queue": "16MiB", "nvme_engine": self.engine}, **options))

    def serve_again(self, **options):
        """After kill -9, on the same device: nothing is in DRAM."""
        self.server.kill()
        self.watch.close()
        return self.serve(**options)

    # What is put and got.

    def put(self, client, name, size, version=0):
        """Waits now and then, so that none is left out for want of a queue."""
        if self.unwritten > UNWRITTEN_MOST:
            self.await_written()
        self.assertEqual(client.command("SET", name,
                                        body(name, size, version)), b"+OK")
        self.sizes[name] = size, version
        self.unwritten += size

    def put_many(self, client, number, size, prefix="k"):
        names = [f"{prefix}{index}" for index in range(number)]
        for name in names:
            self.put(client, name, size)
        return names

    def await_written(self):
        """Until all that was put is on the device, or was not meant to be."""
        self.watch.until_equal("nvme_queue_bytes", 0)
        self.unwritten = 0

    def expected(self, name):
        return body(name, *self.sizes[name])

    def assert_is(self, name, found):
        if found != self.expected(name):
            size, version = self.sizes[name]
            got = "a miss" if found is None else f"{len(found)} other bytes"
            self.fail(f"{name[:40]}, version {version}: {got}, not the "
                      f"{size} bytes that were put")

    def assert_there(self, client, *names):
        for name in names:
            self.assert_is(name, client.command("GET", name))

    def assert_miss(self, client, *names):
        for name in names:
            found = client.command("GET", name)
            if found is not None:
                self.fail(f"{name} is there, {len(found)} bytes")

    def assert_gone(self, client, *names):
        for name in names:
            self.assertEqual(client.command("EXISTS", name), b":0", name)
            self.assert_miss(client, name)

    def assert_miss_or_newest(self, client, name):
        """Where the last PUT may have come too late for the device."""
        found = client.command("GET", name)
        if found is not None:
            self.assert_is(name, found)

    def count_there(self, client, names):
        """How many are there; those must be right."""
        there = 0
        for name in names:
            found = client.command("GET", name)
            if found is not None:
                self.assert_is(name, found)
                there += 1
        return there

    def gained(self, work, *counters):
        before = self.watch.info()
        work()
        after = self.watch.info()
        return [after[name] - before[name] for name in counters]

    # What lies on the device.

    @contextlib.contextmanager
    def look(self):
        """The device's bytes, as they are now.  To be searched by re alone: the
        find() of a map looks at one byte too many in Python 3.11, which is a
        fault where nothing lies behind the map."""
        with open(self.device, "rb") as file:
            image = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield image
            finally:
                image.close()

    def find_records(self, image, kind):
        """(offset, bytes) of each record of that kind, whole or not."""
        for found in re.finditer(RECORD, image):
            at = found.start()
            if at % BLOCK == 0 and image[at + KIND_AT] == kind:
                blocks = image[at + KIND_AT + 1]
                payload, = struct.unpack_from("<I", image, at + 44)
                yield at, image[at:at + blocks * BLOCK + payload]

    def count_notes(self, name):
        """How often notes on the device speak of a key."""
        name = name if isinstance(name, bytes) else name.encode()
        with self.look() as image:
            return sum(record.count(name) for _, record in
                       self.find_records(image, NOTES))

    def await_on_device(self, what):
        def is_there():
            with self.look() as image:
                return re.search(re.escape(what), image)
        until(is_there, f"{what!r} on the device")

    @contextlib.contextmanager
    def noted(self, *names):
        """What is done inside is on the device when it ends, as one note more
        about each of these keys."""
        before = [self.count_notes(name) for name in names]
        yield
        for name, count in zip(names, before):
            until(lambda: self.count_notes(name) > count,
                  f"a note about {name}")

    def bytes_on_disk(self):
        return os.stat(self.device).st_blocks * 512
