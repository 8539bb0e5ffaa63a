# SPDX-License-Identifier: Apache-2.0
"""libprefixcache, driven by lines: tests/lib/library_client.c says which."""
import collections
import os
import subprocess
import time

from server import program

Got = collections.namedtuple("Got", "status size us is_right tier")
Shard = collections.namedtuple("Shard", "is_up is_open requests late gone "
                               "corrupt lost")


class LibraryClient:
    def __init__(self, url):
        self.process = subprocess.Popen(
            [program("PREFIXCACHE_LIBRARY_CLIENT"), url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise AssertionError(f"ended after {line!r}: "
                                 f"{self.process.wait(60)}")
        return line.strip()

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def put(self, key, seed, size):
        return self.ask("put", key, seed, size)

    def put_behind(self, key, seed, size):
        return self.ask("behind", key, seed, size)

    @staticmethod
    def read_got(line):
        status, size, took, *rest = line.split()
        return Got(status, int(size), int(took), "WRONG" not in rest,
                   next((word for word in rest if word != "WRONG"), ""))

    def get(self, key, seed, room):
        return self.read_got(self.ask("get", key, seed, room))

    def batch(self, verb, stem, count, seed, size):
        """(how many are OK, microseconds, how many are wrong)"""
        return tuple(map(int, self.ask(verb, stem, count, seed, size).split()))

    def exists(self, *keys):
        return self.ask("exists", *keys).split()

    def drop(self, *keys):
        return self.ask("drop", *keys).split()

    def prefix(self, *keys, lease=0, ranks=0):
        """[status, matched, bytes, TIER=MATCHED/UNBROKEN/BYTES..., lease=MS]"""
        return self.ask("prefix", lease, ranks, *keys).split()

    def shards(self):
        found = {}
        for word in self.ask("shards").split():
            name, numbers = word.rsplit("=", 1)
            found[name] = Shard(*map(int, numbers.split(",")))
        return found

    def shard(self, number=0):
        return list(self.shards().values())[number]

    def until(self, is_so, seconds=30):
        """Until is_so(the shards), which are then returned."""
        deadline = time.monotonic() + seconds
        while True:
            shards = list(self.shards().values())
            if is_so(shards):
                return shards
            if time.monotonic() > deadline:
                raise AssertionError(f"still {shards} after {seconds} s")
            time.sleep(0.002)

    def until_up(self, seconds=30):
        return self.until(lambda shards: all(shard.is_up for shard in shards),
                          seconds)

    def load(self, threads, milliseconds, keys, size):
        self.send("load", threads, milliseconds, keys, size)

    def loaded(self):
        return {name: int(number) for name, number in
                (word.split("=") for word in self.receive().split())}

    def close(self):
        """How long it took, in microseconds; it must end well."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        try:
            said, _ = process.communicate("close\n", timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError("close() did not end") from None
        if process.returncode != 0:
            raise AssertionError(f"exit status {process.returncode}")
        return int(said.split()[-1])


def is_sanitized():
    return bool(os.environ.get("PREFIXCACHE_SANITIZER"))
