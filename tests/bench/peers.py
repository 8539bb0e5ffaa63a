# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, and how one is measured.

Each is started once, on loopback, on a port the kernel chose, and stopped by
its own process.  All are measured by the same client, prefixcache-bench.  What
is measured when, and what it must reach, is left to run and bars.py.
"""
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from server import Server, program  # noqa: E402

START_SECONDS = 30
GRACE_SECONDS = 120  # beyond what a measurement is meant to take


class Failed(Exception):
    """A measurement that gave no figures, or wrong bytes."""


def bench(arguments, seconds):
    """Runs prefixcache-bench and returns what it found."""
    command = [program("PREFIXCACHE_BENCH")] + arguments + ["-o", "json"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False,
                              timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(command)}: not done in time") from late
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}: "
                     f"{(done.stderr or done.stdout).strip()}")
    return json.loads(done.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def shape(cell, seconds):
    """The options of `load` and `ceiling` that make a cell."""
    return ["--mode", cell.mode, "--size", str(cell.size), "--connections",
            str(cell.connections), "--keys", str(cell.keys), "--seconds",
            str(seconds)]


class Ceiling:
    """Starts its server anew for each measurement: its pool holds the values
    of one size."""

    def __init__(self, threads):
        self.name = f"ceiling{threads}"
        self.threads = threads

    def start(self, _memory):
        pass

    def stop(self):
        pass

    def measure(self, cell, seconds):
        return bench(["ceiling", "--server-threads", str(self.threads),
                      "--pool", str(cell.keys * cell.size)]
                     + shape(cell, seconds), seconds)


class Running:
    """A server that stays: url and pid are known once it is started."""

    def __init__(self, name):
        self.name = name
        self.url = None
        self.pid = None
        self.filled = set()

    def measure(self, cell, seconds, more=()):
        """`more`: arguments of `load`."""
        found = bench(["load", self.url, "--pid", str(self.pid), *more]
                      + shape(cell, seconds) + [self._fill(cell)], seconds)
        if found["misses"] or found["refused"]:
            print(f"{self.name}: {found['misses']} misses, "
                  f"{found['refused']} refused in {cell}", file=sys.stderr)
        return found

    def _fill(self, cell):
        """Its values are put once, before they are first read; PUTs put the
        same ones again."""
        if cell.size in self.filled or cell.mode == "put":
            return "--no-fill"
        self.filled.add(cell.size)
        return "--fill"


class Ours(Running):
    def __init__(self, workers):
        super().__init__("ours")
        self.options = {"limits.workers": workers}
        self.stack = contextlib.ExitStack()

    def start(self, memory):
        server = self.stack.enter_context(Server(
            **{"dram.size": memory, **self.options}))
        self.url = server.url("lm")
        self.pid = server.pid

    def stop(self):
        self.stack.close()


class OursOverAnother(Running):
    """The same kind of server over another wire, where a PUT is answered."""

    def __init__(self, name, scheme, workers):
        super().__init__(name)
        self.scheme = scheme
        self.inner = Ours(workers)

    def start(self, memory):
        self.inner.start(memory)
        self.pid = self.inner.pid
        self.url = self.inner.url.replace("lm://", f"{self.scheme}://")

    def stop(self):
        self.inner.stop()


class OursNative(OursOverAnother):
    """By libprefixcache, which may have many requests on their way."""

    def __init__(self, workers):
        super().__init__("ours-native", "prefixcache", workers)

    def measure(self, cell, seconds, more=()):
        return super().measure(
            cell, seconds, ["--in-flight", str(cell.in_flight), *more])


class Foreign(Running):
    """A program of the distribution, told its port on its command line."""

    scheme = ""
    program = ""

    def __init__(self):
        super().__init__(self.program.split("-", 1)[0])
        self.process = None

    def command(self, port, memory):
        raise NotImplementedError

    def is_there(self):
        return shutil.which(self.program) is not None

    def start(self, memory):
        port = free_port()
        self.process = subprocess.Popen(
            self.command(port, memory), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.url = f"{self.scheme}://127.0.0.1:{port}"
        self._await(port)

    def _await(self, port):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise Failed(f"{self.program} did not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Redis(Foreign):
    scheme, program = "redis", "redis-server"

    def command(self, port, memory):
        return [self.program, "--bind", "127.0.0.1", "--port", str(port),
                "--save", "", "--appendonly", "no", "--maxmemory",
                str(memory), "--maxmemory-policy", "allkeys-lru"]


class Memcached(Foreign):
    scheme, program = "memcached", "memcached"

    def __init__(self, threads):
        super().__init__()
        self.threads = threads

    def command(self, port, memory):
        user = pwd.getpwuid(os.getuid()).pw_name
        return [self.program, "-l", "127.0.0.1", "-p", str(port), "-U", "0",
                "-u", user, "-I", "128m", "-m", str(memory >> 20), "-t",
                str(self.threads), "-c", "256"]


def all_peers(threads):
    return [Ceiling(1), Ceiling(threads), Ours(threads),
            OursOverAnother("ours-resp", "redis", threads),
            OursNative(threads), Redis(), Memcached(threads)]
