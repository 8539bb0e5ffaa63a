# SPDX-License-Identifier: Apache-2.0
"""One running prefixcached, for scenario tests.

    with Server(dram_size="64MiB", lease_ms=0) as server:
        ...server.data_port, server.http_port, server.pid...

Options are those of --set; the first underscore stands for the dot.  Ports come
from the kernel.  Its stderr goes to a file, which is shown when the server does
not start, does not end well, or the block fails.  What the server answers is
left to the tests.
"""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

START_SECONDS = 30
STOP_SECONDS = 30
DEFAULTS = {
    "listen.data": "127.0.0.1:0",
    "listen.http": "127.0.0.1:0",
    "dram.size": "64MiB",
}


def program(variable):
    """Path of a program under test; a skip where there is none."""
    path = os.environ.get(variable)
    if path and os.access(path, os.X_OK):
        return path
    print(f"{variable} names no program: {path}")
    sys.exit(77)


class Server:
    def __init__(self, **options):
        self.options = dict(DEFAULTS)
        for name, value in options.items():
            self.options[name.replace("_", ".", 1)
                         if "." not in name else name] = value
        self.process = None
        self.log = tempfile.NamedTemporaryFile(
            prefix="server.", suffix=".log", delete=False,
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.data_address = self.http_address = None
        self.data_port = self.http_port = None

    def start(self):
        command = [program("PREFIXCACHED")]
        for name, value in self.options.items():
            command += ["--set", f"{name}={value}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE,
                                        stderr=self.log)
        try:
            self._read_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _read_ready(self):
        line, deadline = b"", time.monotonic() + START_SECONDS
        pipe = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([pipe], [], [], left)
            got = os.read(pipe, 1024) if readable else b""
            if not got:
                raise AssertionError(
                    f"no ready line ({line!r}) within {START_SECONDS} s; "
                    f"stderr:\n{self.stderr()}")
            line += got
        words = line.decode().split()
        if words[:2] != ["prefixcached", "ready"]:
            raise AssertionError(f"no ready line: {line!r}")
        where = dict(word.split("=", 1) for word in words[2:])
        self.data_address, self.http_address = where["data"], where["http"]
        self.data_port = int(self.data_address.rsplit(":", 1)[1])
        self.http_port = int(self.http_address.rsplit(":", 1)[1])

    @property
    def pid(self):
        return self.process.pid

    def url(self, scheme="redis"):
        return f"{scheme}://127.0.0.1:{self.data_port}"

    def stderr(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()

    def stop(self, expect=0):
        """SIGTERM; its exit status must be `expect` (None: any)."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {STOP_SECONDS} s of "
                                 f"SIGTERM; stderr:\n{self.stderr()}") from None
        self._forget()
        if expect is not None and status != expect:
            raise AssertionError(f"exit status {status}, not {expect}; "
                                 f"stderr:\n{self.stderr()}")
        return status

    def kill(self):
        """SIGKILL, if it still runs."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        self.process.stdout.close()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
            else:
                print(f"server's stderr:\n{self.stderr()}", file=sys.stderr)
                self.kill()
        finally:
            self.log.close()
            os.unlink(self.log.name)
