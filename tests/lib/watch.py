# SPDX-License-Identifier: Apache-2.0
"""What a running server says about itself, and waiting for it to say so.

    watch = Watch(server)
    watch.until("closed_header_timeout", 1000)

Counters and gauges come by their INFO names over one connection of its own
(which counts as one), opened at first use.
"""
import os
import time

from raw_client import RawClient

SECONDS = 20
PAUSE_SECONDS = 0.01


def until(is_so, what, seconds=SECONDS):
    """Waits for is_so() to give something true, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = is_so()
        if answer:
            return answer
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {said}")
        time.sleep(PAUSE_SECONDS)


class Watch:
    def __init__(self, server):
        self.server = server
        self.client = None

    def close(self):
        if self.client:
            self.client.close()
        self.client = None

    def info(self):
        if self.client is None:
            self.client = RawClient(self.server)
        fields = {}
        for line in self.client.command("INFO").decode().splitlines():
            name, colon, value = line.partition(":")
            if colon:
                fields[name] = int(value) if value.isdigit() else value
        return fields

    def __getitem__(self, name):
        return self.info()[name]

    def until(self, name, value, seconds=SECONDS):
        """Until it is at least that."""
        until(lambda: self[name] >= value,
              lambda: f"{name} {value}; it is {self[name]}", seconds)

    def until_equal(self, name, value, seconds=SECONDS):
        until(lambda: self[name] == value,
              lambda: f"{name} {value}; it is {self[name]}", seconds)

    def resident(self):
        """Bytes of the server's process that are in memory."""
        with open(f"/proc/{self.server.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """User and system time the server's process has used."""
        with open(f"/proc/{self.server.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
