# SPDX-License-Identifier: Apache-2.0
"""A socket to the data port that says exactly what it is told to.

Well-behaved clients are redis-py's and the programs'; this one also stops in
the middle, announces what it does not send, and does not read.  Replies are
read one at a time and given as they came: lines with their first byte, bulks
as their bytes, None for a null.
"""
import resource
import socket
import struct

SECONDS = 20
LM_PUT, LM_GET, LM_EXIST, LM_LIST, LM_HEALTH = range(1, 6)
LM_REPLY = 36


def raise_descriptors():
    """As many sockets as this process may have; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def encode(*arguments):
    """A RESP command; str and int arguments are spelled out."""
    out = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if not isinstance(argument, bytes):
            argument = str(argument).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(out)


def announce(key, size):
    """The head of a SET whose value of that size is still to come."""
    key = key if isinstance(key, bytes) else key.encode()
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size)


def lm_head(verb, key, size=0):
    """A request head of LMCache's present generation."""
    key = key if isinstance(key, bytes) else key.encode()
    return struct.pack("<9i", verb, size, 2, 3, 0, 1, 2, 3, 4) + key.ljust(150)


class RawClient:
    def __init__(self, server, path=None, window=None):
        """Over TCP, or the Unix socket `path`; window: the receive buffer."""
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(path or ("127.0.0.1", server.data_port))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Goes away without a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def command(self, *arguments):
        return self.send(encode(*arguments)).reply()

    def _receive(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise EOFError(f"closed by the server; unread: {self.rest!r}")
        self.rest += got

    def read(self, size):
        pieces, got = [self.rest[:size]], min(size, len(self.rest))
        self.rest = self.rest[size:]
        while got < size:
            piece = self.socket.recv(min(size - got, 1 << 20))
            if not piece:
                raise EOFError("closed by the server in a reply")
            pieces.append(piece)
            got += len(piece)
        return b"".join(pieces)

    def read_line(self):
        while b"\r\n" not in self.rest:
            self._receive()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def reply(self):
        line = self.read_line()
        if line[:1] == b"$":
            if line == b"$-1":
                return None
            return self.read(int(line[1:]) + 2)[:-2]
        if line[:1] == b"*":
            return [self.reply() for _ in range(int(line[1:]))]
        return line

    def lm_reply(self):
        """(code, body)"""
        head = struct.unpack("<9i", self.read(LM_REPLY))
        return head[0], self.read(head[1])

    def read_until_closed(self):
        """What still came before the server closed."""
        try:
            while True:
                self._receive()
        except (EOFError, ConnectionError):
            rest, self.rest = self.rest, b""
            return rest
