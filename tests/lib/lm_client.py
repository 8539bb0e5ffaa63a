# SPDX-License-Identifier: Apache-2.0
"""An lm:// client as LMCache's: it blocks, never pipelines, and does exactly
one recv() for each reply head, which must bring all of it.

    V0, EXP, V1     the generations, as arguments of LmClient
"""
import collections
import socket
import struct

PUT, GET, EXIST, LIST, HEALTH = range(1, 6)
OK, FAIL = 200, 400
KEY_SIZE = 150
ANSWER_SECONDS = 60

Generation = collections.namedtuple("Generation", "name request reply")
V0 = Generation("v0", 158, 8)
EXP = Generation("exp", 182, 32)
V1 = Generation("v1", 186, 36)
GENERATIONS = (V0, EXP, V1)

# What a client says of its tensor; None of it is the server's to understand.
Shape = collections.namedtuple("Shape", "fmt dtype s0 s1 s2 s3")
BLANK = Shape(0, 0, 0, 0, 0, 0)
KV_SHAPE = Shape(2, 3, 2, 27, 256, 8)


def request(generation, command, key, size=0, shape=BLANK, location=1):
    if isinstance(key, str):
        key = key.encode()
    assert len(key) <= KEY_SIZE
    head = struct.pack("<ii", command, size)
    if generation is EXP:
        head += struct.pack("<6i", *shape)
    elif generation is V1:
        head += struct.pack("<3i", shape.fmt, shape.dtype, location)
        head += struct.pack("<4i", *shape[2:])
    head += key.ljust(KEY_SIZE)
    assert len(head) == generation.request
    return head


def reply(generation, code, size=0, shape=Shape(1, 2, 0, 0, 0, 0)):
    """The head a server must answer with; by default a miss's or a bare yes's.
    Location, the last of v1's, is always 0."""
    whole = struct.pack("<ii6ii", code, size, *shape, 0)
    return whole[:generation.reply]


def metadata(size, shape=BLANK):
    """The 28 bytes that redis:// keeps under a name of their own."""
    return struct.pack("<7i", size, *shape)


class LmClient:
    def __init__(self, port, generation=V1, seconds=ANSWER_SECONDS):
        self.generation = generation
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(seconds)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def send(self, command, key, size=0, shape=BLANK):
        self.socket.sendall(request(self.generation, command, key, size,
                                    shape))

    def head(self):
        """One recv()."""
        size = self.generation.reply
        got = self.socket.recv(size)
        if len(got) != size:
            raise AssertionError(f"one recv({size}) brought {len(got)} bytes: "
                                 f"{got!r}")
        return got

    def body(self, size):
        parts = bytearray(size)
        view, at = memoryview(parts), 0
        while at < size:
            n = self.socket.recv_into(view[at:])
            if n == 0:
                raise AssertionError(f"closed after {at} bytes of {size}")
            at += n
        return bytes(parts)

    def put(self, key, body, shape=KV_SHAPE):
        self.send(PUT, key, len(body), shape)
        self.socket.sendall(body)

    def ask(self, command, key=b""):
        """The bytes of the reply's head."""
        self.send(command, key)
        return self.head()

    def exists(self, key):
        code, = struct.unpack_from("<i", self.ask(EXIST, key))
        if code not in (OK, FAIL):
            raise AssertionError(f"code {code}")
        return code == OK

    def get(self, key):
        """(body, head), or None where the reply is exactly a miss."""
        head = self.ask(GET, key)
        code, size = struct.unpack_from("<ii", head)
        if code == OK:
            return self.body(size), head
        if head != reply(self.generation, FAIL):
            raise AssertionError(f"neither a hit nor a miss: {head!r}")
        return None

    def value(self, key):
        found = self.get(key)
        return found and found[0]

    def list(self):
        code, size = struct.unpack("<ii", self.ask(LIST))
        if code != OK:
            raise AssertionError(f"code {code}")
        return self.body(size).split(b"\n") if size else []
