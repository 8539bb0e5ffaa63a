# SPDX-License-Identifier: Apache-2.0
"""The native wire written down once more, from PROTOCOLS and native.proto and
without nanopb or protobuf: what is said here and what the server understands
can only agree if both are right.

    encode, decode          messages, by the tables REQUEST and REPLY
    frame, read_prefix      what stands around them
    key_list, codes, entries
                            lists
    NativeClient            a blocking client; whatever is not asked for by
                            name (wrong sizes, other versions) goes by send_raw
"""
import collections
import socket
import struct

MAGIC, VERSION, PREFIX_SIZE = 0xC5, 1, 16
HELLO, GET, PUT, EXISTS, DROP, PREFIX, STATS, WALK = range(1, 9)
(OK, MISS, UNMET, BUSY, TOO_BIG, NO_SPACE, BAD_REQUEST, CORRUPT, LATE,
 UNSUPPORTED) = range(10)
ANY, PLAIN, OBJECT = range(3)
ALWAYS, IF_ABSENT, IF_PRESENT = range(3)
STATE_TIERS, STATE_LEASED = 0x0F, 0x80
ANSWER_SECONDS = 60

# What a field is, as far as its bytes go.  Those that are optional are None
# where they were not sent; the others then have their type's nothing.
NUMBER, FIXED64, BYTES, TEXT, MESSAGE = range(5)
WIRE_TYPES = {NUMBER: 0, FIXED64: 1, BYTES: 2, TEXT: 2, MESSAGE: 2}
Field = collections.namedtuple("Field", "number type is_optional",
                               defaults=(NUMBER, False))

REQUEST = {
    "id": Field(1), "verb": Field(2), "space": Field(3), "kind": Field(4),
    "count": Field(5), "deadline_ms": Field(6), "wants_checksum": Field(7),
    "checksum": Field(8, FIXED64, True), "meta": Field(9, BYTES),
    "form": Field(10), "lifetime_ms": Field(11), "condition": Field(12),
    "is_quiet": Field(13), "lease_ms": Field(14), "promote": Field(15),
    "ranks": Field(16), "wants_states": Field(17), "cursor": Field(18),
    "least": Field(19),
}
TIER_MATCH = {
    "name": Field(1, TEXT), "matched": Field(2), "unbroken": Field(3),
    "bytes": Field(4), "get_us": Field(5, NUMBER, True),
    "bytes_per_second": Field(6, NUMBER, True),
}
REPLY = {
    "id": Field(1), "code": Field(2), "index": Field(3), "why": Field(4, TEXT),
    "checksum": Field(5, FIXED64, True), "meta": Field(6, BYTES),
    "kind": Field(7), "form": Field(8), "tier": Field(9, TEXT),
    "lifetime_ms": Field(10), "matched": Field(11), "bytes": Field(12),
    "load_us": Field(13, NUMBER, True), "lease_ms": Field(14),
    "tiers": Field(15, MESSAGE), "cursor": Field(16),
    "server": Field(17, TEXT), "version": Field(18), "value_max": Field(19),
    "key_max": Field(20), "keys_max": Field(21), "list_max": Field(22),
    "instance": Field(23, FIXED64),
}

Prefix = collections.namedtuple("Prefix", "version head_size list_size "
                                "body_size")
# `reply` is a dict of the fields of REPLY, `list` and `body` are bytes.
Answer = collections.namedtuple("Answer", "reply list body")
Entry = collections.namedtuple("Entry", "key space kind form tiers body_size")


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_value(field, value):
    if field.type == NUMBER:
        return varint(int(value))
    if field.type == FIXED64:
        return struct.pack("<Q", value)
    if field.type == MESSAGE:
        value = encode(TIER_MATCH, value)
    elif field.type == TEXT:
        value = value.encode()
    return varint(len(value)) + bytes(value)


def encode(table, values):
    """Fields in the order of their numbers; nothing is left out where it is
    nothing, unless it is optional, as protobuf has it."""
    out = bytearray()
    for name in sorted(values, key=lambda name: table[name].number):
        field, value = table[name], values[name]
        if value is None or (not value and not field.is_optional):
            continue
        for one in value if field.type == MESSAGE else [value]:
            out += varint(field.number << 3 | WIRE_TYPES[field.type])
            out += _encode_value(field, one)
    return bytes(out)


def _take_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _take(data, at):
    """(number, wire type, value, where the next one begins)"""
    tag, at = _take_varint(data, at)
    number, wire_type = tag >> 3, tag & 7
    if wire_type == 0:
        value, at = _take_varint(data, at)
        return number, wire_type, value, at
    if wire_type == 1:
        size = 8
    elif wire_type == 5:
        size = 4
    elif wire_type == 2:
        size, at = _take_varint(data, at)
    else:
        raise ValueError(f"field {number} has wire type {wire_type}")
    if at + size > len(data):
        raise ValueError(f"field {number} is cut")
    return number, wire_type, data[at:at + size], at + size


def _nothing(field):
    if field.is_optional:
        return None
    return {NUMBER: 0, FIXED64: 0, BYTES: b"", TEXT: "", MESSAGE: []
            }[field.type]


def decode(table, data):
    """All fields of the table, and nothing of those that are not in it."""
    values = {name: _nothing(field) for name, field in table.items()}
    names = {field.number: name for name, field in table.items()}
    at = 0
    while at < len(data):
        number, wire_type, value, at = _take(data, at)
        if number not in names:
            continue
        name = names[number]
        field = table[name]
        if wire_type != WIRE_TYPES[field.type]:
            raise ValueError(f"{name} has wire type {wire_type}")
        if field.type == FIXED64:
            value, = struct.unpack("<Q", value)
        elif field.type == TEXT:
            value = value.decode()
        elif field.type == MESSAGE:
            value = values[name] + [decode(TIER_MATCH, value)]
        values[name] = value
    return values


def prefix(head_size, list_size=0, body_size=0, version=VERSION):
    return struct.pack("<BBHIQ", MAGIC, version, head_size, list_size,
                       body_size)


def read_prefix(data):
    magic, *rest = struct.unpack("<BBHIQ", data)
    if magic != MAGIC:
        raise ValueError(f"no frame begins {data!r}")
    return Prefix(*rest)


def frame(head, listed=b"", body=b"", version=VERSION):
    """All of one, where `head` is a message that is encoded already."""
    return (prefix(len(head), len(listed), len(body), version) + head +
            listed + body)


def as_key(key):
    return key.encode() if isinstance(key, str) else bytes(key)


def key_list(keys):
    return b"".join(struct.pack("<H", len(key)) + key
                    for key in map(as_key, keys))


def entries(listed):
    """Those of a WALK."""
    found, at = [], 0
    while at < len(listed):
        space, kind, form, tiers, body_size, size = struct.unpack_from(
            "<BBBBIH", listed, at)
        at += 10
        key = listed[at:at + size]
        if len(key) != size:
            raise ValueError("an entry is cut")
        found.append(Entry(key, space, kind, form, tiers, body_size))
        at += size
    return found


class NativeClient:
    """`where` is a TCP port of this host or the path of a Unix socket."""

    def __init__(self, where, seconds=ANSWER_SECONDS):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        self.socket.settimeout(seconds)
        self.last_id = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def send_raw(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def spell(self, verb, keys=(), body=b"", **fields):
        """(id, the bytes of a request); the id is the next one, unless given."""
        self.last_id += 1
        fields = dict({"id": self.last_id, "verb": verb, "count": len(keys)},
                      **fields)
        return fields["id"], frame(encode(REQUEST, fields), key_list(keys),
                                   body)

    def send(self, verb, keys=(), body=b"", **fields):
        """The id of the request.  Its replies are read by receive()."""
        id_, spelled = self.spell(verb, keys, body, **fields)
        self.socket.sendall(spelled)
        return id_

    def _exactly(self, size):
        parts = bytearray(size)
        view, at = memoryview(parts), 0
        while at < size:
            n = self.socket.recv_into(view[at:])
            if n == 0:
                raise EOFError(f"closed after {at} bytes of {size}")
            at += n
        return bytes(parts)

    def receive(self):
        """The next reply, whosesoever it is."""
        sizes = read_prefix(self._exactly(PREFIX_SIZE))
        if sizes.version != VERSION:
            raise AssertionError(f"a reply of version {sizes.version}")
        head = decode(REPLY, self._exactly(sizes.head_size))
        return Answer(head, self._exactly(sizes.list_size),
                      self._exactly(sizes.body_size))

    def request(self, verb, keys=(), body=b"", **fields):
        """The one reply of a request that has one; nothing else may be under
        way."""
        id_ = self.send(verb, keys, body, **fields)
        answer = self.receive()
        if answer.reply["id"] != id_:
            raise AssertionError(f"asked as {id_}, answered {answer.reply}")
        return answer

    def expect(self, code, verb, keys=(), body=b"", **fields):
        """The same; but the code of the reply must be that."""
        answer = self.request(verb, keys, body, **fields)
        if answer.reply["code"] != code:
            raise AssertionError(f"expected code {code}, got {answer.reply}")
        return answer

    def hello(self):
        return self.expect(OK, HELLO).reply

    def put(self, key, body, **fields):
        """The code."""
        return self.request(PUT, [key], body, **fields).reply["code"]

    def get_all(self, keys, **fields):
        """The replies of a GET in the order of its keys, however they came."""
        id_ = self.send(GET, keys, **fields)
        found = {}
        while len(found) < len(keys):
            answer = self.receive()
            index = answer.reply["index"]
            if answer.reply["id"] != id_ or index in found:
                raise AssertionError(f"asked as {id_}, got {answer.reply}")
            found[index] = answer
        return [found[index] for index in range(len(keys))]

    def get(self, key, **fields):
        return self.get_all([key], **fields)[0]

    def value(self, key, **fields):
        """The bytes, or None where the reply is a miss and has none."""
        answer = self.get(key, **fields)
        if answer.reply["code"] == OK:
            return answer.body
        if answer.reply["code"] != MISS or answer.body:
            raise AssertionError(f"neither a hit nor a miss: {answer.reply}")
        return None

    def exists(self, keys, **fields):
        """A code for each key."""
        return self._codes(EXISTS, keys, fields)

    def drop(self, keys, **fields):
        return self._codes(DROP, keys, fields)

    def _codes(self, verb, keys, fields):
        answer = self.expect(OK, verb, keys, **fields)
        codes = [*answer.list]
        if (len(codes) != len(keys) or
                codes.count(OK) != answer.reply["matched"]):
            raise AssertionError(f"{answer} of {len(keys)} keys")
        return codes

    def prefix(self, keys, **fields):
        """(the reply, a byte a key where wants_states was asked for)"""
        answer = self.expect(OK, PREFIX, keys, **fields)
        return answer.reply, answer.list

    def stats(self):
        return self.expect(OK, STATS)

    def walk(self, **fields):
        """Every entry of a whole walk."""
        found, cursor = [], 0
        while True:
            answer = self.expect(OK, WALK, cursor=cursor, **fields)
            found += entries(answer.list)
            cursor = answer.reply["cursor"]
            if cursor == 0:
                return found

    def expect_close(self):
        """Nothing more comes."""
        rest = self.socket.recv(1 << 16)
        if rest:
            raise AssertionError(f"{rest[:200]!r} before the end")
