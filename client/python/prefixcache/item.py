# SPDX-License-Identifier: Apache-2.0
"""Keys and values of calls that have many, and what became of each."""
from __future__ import annotations

import ctypes
import enum
from typing import Optional, Sequence, Union

from . import library
from .memory import Memory

Key = Union[str, bytes]


class Status(enum.Enum):
    """What became of a key.  True where it is OK, and only there."""
    OK = 0
    MISS = 1  #: not there, or not to be had in time
    UNMET = 2  #: the condition of a put does not hold
    BUSY = 3  #: over a limit of the server, or the queue of puts is full
    TOO_BIG = 4  #: over the server's limit, or over the room of a get
    NO_SPACE = 5  #: no memory, there or here
    BAD_REQUEST = 6  #: what was passed can not be
    CORRUPT = 7  #: a put whose bytes changed on their way
    LATE = 8  #: not a get: no answer before the deadline
    GONE = 9  #: not a get: the shard can not be reached

    def __bool__(self) -> bool:
        return self is Status.OK


class Kind(enum.IntEnum):
    """Which of the names a key may be."""
    ANY = 0  #: get: PLAIN, else OBJECT; put: PLAIN
    PLAIN = 1  #: what redis:// has under this name
    OBJECT = 2  #: what lm:// has, with metadata


class Verb(enum.IntEnum):
    """What Cache.submit() can do."""
    GET = 1
    PUT = 2
    EXISTS = 3
    DROP = 4


_STATUSES = {status.value: status for status in Status}


def status_of(number: int) -> Status:
    """One that this version does not know is no OK, so a MISS."""
    return _STATUSES.get(number, Status.MISS)


def key_bytes(key: Key) -> bytes:
    """A key as it goes over the wire; ValueError where none can be so."""
    if isinstance(key, str):
        key = key.encode()
    elif not isinstance(key, bytes):
        raise TypeError(f"a key is str or bytes, not {type(key).__name__}")
    if not 1 <= len(key) <= library.KEY_MAX:
        raise ValueError(f"a key of {len(key)} bytes: it has 1 to "
                         f"{library.KEY_MAX}")
    return key


class Item:
    """One key and its value.

    body     get: a writable buffer, where to; put: any buffer, from where.
             Its bytes are read and written in place: leave it alone until the
             call has returned, or its completion was drained.
    kind, form, meta, lifetime_ms
             put: see client/prefixcache.h; a get sets them to what was found
    status   Status, set by the call
    size     get: bytes of the value, also where it is TOO_BIG for its body
    tier     get: where it was, "dram" for one
    """
    __slots__ = ("key", "body", "kind", "form", "meta", "lifetime_ms",
                 "status", "size", "tier")

    def __init__(self, key: Key, body: Optional[object] = None, *,
                 kind: Kind = Kind.ANY, form: int = 0, meta: bytes = b"",
                 lifetime_ms: int = 0):
        self.key = key_bytes(key)
        if len(meta) > library.META_MAX:
            raise ValueError(f"metadata of {len(meta)} bytes: at most "
                             f"{library.META_MAX}")
        self.body = body
        self.kind = kind
        self.form = form
        self.meta = bytes(meta)
        self.lifetime_ms = lifetime_ms
        self.status = Status.MISS
        self.size = 0
        self.tier = ""

    def __repr__(self) -> str:
        return f"Item({self.key!r}, {self.status.name}, size={self.size})"


_META_OFFSET = library.ItemStruct.meta.offset


class Batch:
    """Items as the library takes them.  Must live until the call is over; then
    finish() says in the items what became of them, and lets the buffers go."""

    def __init__(self, items: Sequence[Item], verb: Optional[Verb] = None):
        self.items = items
        self.count = len(items)
        self.slots = library.array(library.ItemStruct, self.count)
        self._is_get = verb == Verb.GET
        self._memories: list[Memory] = []
        try:
            for slot, item in zip(self.slots, items):
                self._fill(slot, item)
        except BaseException:
            self._release()
            raise

    def _fill(self, slot: library.ItemStruct, item: Item) -> None:
        slot.key = item.key
        slot.key_size = len(item.key)
        slot.kind = item.kind
        slot.form = item.form
        slot.lifetime_ms = item.lifetime_ms
        if item.meta and not self._is_get:
            ctypes.memmove(ctypes.addressof(slot) + _META_OFFSET, item.meta,
                           len(item.meta))
            slot.meta_size = len(item.meta)
        if item.body is not None:
            memory = Memory(item.body, writable=self._is_get)
            self._memories.append(memory)
            slot.body = memory.address
            slot.body_size = memory.size

    def finish(self) -> None:
        for slot, item in zip(self.slots, self.items):
            item.status = status_of(slot.status)
            if self._is_get:
                item.size = slot.got
            if self._is_get and item.status:
                item.kind = Kind(slot.kind)
                item.form = slot.form
                item.meta = ctypes.string_at(
                    ctypes.addressof(slot) + _META_OFFSET, slot.meta_size)
                item.lifetime_ms = slot.lifetime_ms
                item.tier = slot.tier.decode("ascii", "replace")
        self._release()

    def abandon(self) -> None:
        """The cache was closed before the completion was drained."""
        for item in self.items:
            item.status = Status.MISS if self._is_get else Status.GONE
        self._release()

    def _release(self) -> None:
        for memory in self._memories:
            memory.release()
        self._memories.clear()
