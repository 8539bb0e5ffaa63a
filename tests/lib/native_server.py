# SPDX-License-Identifier: Apache-2.0
"""A server of the native wire that does as it is told: it keeps values in a dict
and answers as PROTOCOLS says, unless a test has put something else in the place
of one of its methods.  So a client meets what no honest server does: answers that
are late, cut, out of order, for nobody, or no answers at all.

    class Silent(NativeServer):
        def get(self, peer, request):
            pass

    with Silent() as server: ... server.port, server.seen ...
"""
import collections
import socket
import struct
import threading

import native_wire as wire

Request = collections.namedtuple("Request", "head keys body")
HELLO = {"server": "native_server 1", "version": 1, "value_max": 1 << 26,
         "key_max": 4096, "keys_max": 8192, "list_max": 1 << 20, "instance": 7}


def split(listed):
    keys, at = [], 0
    while at < len(listed):
        size, = struct.unpack_from("<H", listed, at)
        keys.append(listed[at + 2:at + 2 + size])
        at += 2 + size
    return keys


class Peer:
    """One connection."""

    def __init__(self, server, taken):
        self.server, self.socket = server, taken
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.Lock()
        self.held = []

    def send(self, *pieces):
        with self.lock:
            for piece in pieces:
                self.socket.sendall(piece)

    def spell(self, request, code=wire.OK, listed=b"", body=b"", **fields):
        head = dict({"id": request.head["id"], "code": code}, **fields)
        return wire.frame(wire.encode(wire.REPLY, head), listed, body)

    def reply(self, request, code=wire.OK, listed=b"", body=b"", **fields):
        self.send(self.spell(request, code, listed, body, **fields))

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            more = self.socket.recv(min(size - len(data), 1 << 20))
            if not more:
                raise EOFError
            data += more
        return bytes(data)

    def read(self):
        sizes = wire.read_prefix(self._exactly(wire.PREFIX_SIZE))
        head = wire.decode(wire.REQUEST, self._exactly(sizes.head_size))
        keys = split(self._exactly(sizes.list_size))
        if head["verb"] == wire.PUT and self.server.refuse(
                self, Request(head, keys, None), sizes.body_size):
            self._exactly(sizes.body_size)
            return None
        return Request(head, keys, self._exactly(sizes.body_size))

    def run(self):
        try:
            while True:
                request = self.read()
                if request is not None:
                    self.server.perform(self, request)
        except (OSError, EOFError):
            pass
        finally:
            self.socket.close()


class NativeServer:
    def __init__(self, port=0):
        self.values = {}
        self.seen = []      # the verbs of all requests, and
        self.arrived = threading.Condition()  # when there is another one
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.peers, self.threads = [], []
        self.is_over = False
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self):
        return f"prefixcache://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.is_over = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.accepting.join()
        self.listener.close()
        for peer in self.peers:
            peer.close()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                taken, _ = self.listener.accept()
            except OSError:
                return
            if self.is_over:
                taken.close()
                return
            peer = Peer(self, taken)
            self.peers.append(peer)
            self.threads.append(threading.Thread(target=peer.run, daemon=True))
            self.threads[-1].start()

    def await_seen(self, verb, count, seconds=30):
        """Until so many requests of this verb have come."""
        with self.arrived:
            if not self.arrived.wait_for(
                    lambda: self.seen.count(verb) >= count, seconds):
                raise AssertionError(f"{self.seen} has no {count} of {verb}")

    def perform(self, peer, request):
        verb = request.head["verb"]
        with self.arrived:
            self.seen.append(verb)
            self.arrived.notify_all()
        does = {wire.HELLO: self.hello, wire.GET: self.get, wire.PUT: self.put,
                wire.EXISTS: self.exists, wire.DROP: self.drop,
                wire.PREFIX: self.prefix, wire.STATS: self.stats}.get(verb)
        if does is None:
            peer.reply(request, wire.UNSUPPORTED)
        else:
            does(peer, request)

    # What a test puts something else in the place of.

    def refuse(self, peer, request, size):
        """Of a PUT whose body was not read yet: True where it was answered."""
        return False

    def hello(self, peer, request):
        peer.reply(request, **HELLO)

    def get(self, peer, request):
        for index, key in enumerate(request.keys):
            self.get_one(peer, request, index, key)

    def get_one(self, peer, request, index, key):
        if key in self.values:
            peer.reply(request, index=index, kind=wire.PLAIN, tier="dram",
                       body=self.values[key])
        else:
            peer.reply(request, wire.MISS, index=index)

    def put(self, peer, request):
        self.values[request.keys[0]] = request.body
        peer.reply(request)

    def exists(self, peer, request):
        codes = bytes(wire.OK if key in self.values else wire.MISS
                      for key in request.keys)
        peer.reply(request, listed=codes, matched=codes.count(wire.OK))

    def drop(self, peer, request):
        codes = bytes(wire.OK if self.values.pop(key, None) is not None
                      else wire.MISS for key in request.keys)
        peer.reply(request, listed=codes, matched=codes.count(wire.OK))

    def prefix(self, peer, request):
        states = bytes(1 if key in self.values else 0 for key in request.keys)
        matched = (states + b"\0").index(0)
        size = sum(len(self.values[key]) for key in request.keys[:matched])
        listed = states if request.head["wants_states"] else b""
        peer.reply(request, listed=listed, matched=matched, bytes=size,
                   load_us=matched, tiers=[{
                       "name": "dram", "matched": matched, "unbroken": matched,
                       "bytes": size}])

    def stats(self, peer, request):
        peer.reply(request, listed=b"values %d\n" % len(self.values))
