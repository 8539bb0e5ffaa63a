# SPDX-License-Identifier: Apache-2.0
"""A blocking RESP client that reads exactly the bytes it expects, as LMCache's
native client does, and the counters of a server as INFO gives them.

What it gets is never parsed into values unless a test asks: a reply is its
bytes, so that two servers can be compared byte for byte.
"""
import os
import select
import socket
import subprocess
import time

from raw_client import encode

ANSWER_SECONDS = 20


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


class RespClient:
    """`where` is a TCP port of this host or the path of a Unix socket."""

    def __init__(self, where, seconds=ANSWER_SECONDS):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(where)
            except OSError:
                self.socket.close()
                raise
        self.socket.settimeout(seconds)
        self.arrived = bytearray()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def send(self, *arguments):
        self.socket.sendall(encode(*arguments))

    def receive(self, size):
        """Exactly so many bytes."""
        while len(self.arrived) < size:
            self._read_more(f"{size} bytes")
        got = bytes(memoryview(self.arrived)[:size])
        del self.arrived[:size]
        return got

    def _read_more(self, wanted):
        try:
            part = self.socket.recv(1 << 20)
        except TimeoutError:
            part, why = b"", "nothing more came"
        else:
            why = "closed"
        if not part:
            raise AssertionError(f"{why}; expected {wanted}, got "
                                 f"{len(self.arrived)}: "
                                 f"{bytes(self.arrived[:300])!r}")
        self.arrived += part

    def expect(self, reply):
        while len(self.arrived) < len(reply):
            if not reply.startswith(self.arrived[:64]):
                break
            self._read_more(repr(reply[:64]))
        got = self.receive(min(len(reply), len(self.arrived)))
        if got != reply:
            raise AssertionError(f"got {got[:300]!r}, expected "
                                 f"{reply[:300]!r}")

    def ask(self, reply, *arguments):
        """Sends a command and reads as many bytes as the reply must have."""
        self.send(*arguments)
        self.expect(reply)

    def reply(self):
        """The bytes of one reply, however deep."""
        while (end := self.arrived.find(b"\r\n")) < 0:
            self._read_more("a line")
        line = self.receive(end + 2)
        kind, number = line[:1], line[1:-2]
        if kind in b"$=":
            size = int(number)
            return line if size < 0 else line + self.receive(size + 2)
        if kind in b"*~>%":
            count = int(number) * (2 if kind == b"%" else 1)
            return line + b"".join(self.reply() for _ in range(count))
        if kind in b"+-:_#,(":
            return line
        raise AssertionError(f"no reply begins with {line!r}")

    def call(self, *arguments):
        self.send(*arguments)
        return self.reply()

    def value(self, *arguments):
        return value_of(self.call(*arguments))

    def expect_close(self):
        rest = bytes(self.arrived) or self.socket.recv(1 << 16)
        if rest:
            raise AssertionError(f"{rest[:200]!r} before the end")

    def info(self):
        """All of INFO: {name: text}."""
        lines = self.value("INFO").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def counter(self, name):
        return int(self.info()[name])

    def await_counter(self, name, least, seconds=ANSWER_SECONDS):
        """Until it has reached `least`; asks now and then."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.counter(name)
            if found >= least:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is {found}, not {least}, "
                                     f"after {seconds} s")
            select.select([self.socket], [], [], 0.01)

    def scan(self, *options, count=100):
        """Every name that a whole SCAN lists, in order of arrival."""
        names, cursor = [], b"0"
        while True:
            cursor, found = self.value("SCAN", cursor, "COUNT", count,
                                       *options)
            names += found
            if cursor == b"0":
                return names


def value_of(raw):
    """What a reply's bytes say: bytes, int, None, list, dict, or RespError."""
    value, rest = _value(raw)
    assert not rest, rest
    return value


class RespError(Exception):
    pass


def _value(raw):
    line, rest = raw.split(b"\r\n", 1)
    kind, text = line[:1], line[1:]
    if kind == b"+":
        return text, rest
    if kind == b"-":
        return RespError(text.decode()), rest
    if kind == b":":
        return int(text), rest
    if kind == b"_" or (kind in b"$*" and text == b"-1"):
        return None, rest
    size = int(text)
    if kind in b"$=":
        skip = 4 if kind == b"=" else 0
        return rest[skip:size], rest[size + 2:]
    values = []
    for _ in range(size * (2 if kind == b"%" else 1)):
        value, rest = _value(rest)
        values.append(value)
    if kind == b"%":
        return dict(zip(values[::2], values[1::2])), rest
    return values, rest


class Redis:
    """A redis-server of its own, on a Unix socket in `directory`."""

    def __init__(self, redis_server, directory):
        self.path = os.path.join(directory, "redis.sock")
        self.process = subprocess.Popen(
            [redis_server, "--port", "0", "--unixsocket", self.path,
             "--save", "", "--appendonly", "no", "--dir", directory,
             "--daemonize", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def connect(self, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return RespClient(self.path)
            except OSError:
                if (time.monotonic() > deadline or
                        self.process.poll() is not None):
                    raise
                select.select([], [], [], 0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()
