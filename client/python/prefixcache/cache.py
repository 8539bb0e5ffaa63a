# SPDX-License-Identifier: Apache-2.0
"""A cache: shards, and what can be asked of them."""
from __future__ import annotations

import ctypes
import os
import re
import threading
import warnings
from ctypes import byref
from typing import Iterator, NamedTuple, Optional, Sequence, Union

from . import library
from .item import Batch, Item, Key, Kind, Status, Verb, key_bytes, status_of

_DRAIN_MOST = 64
_GET_ROOM = 1 << 20


class Closed(RuntimeError):
    """The cache was closed, or belongs to another process."""


class TierMatch(NamedTuple):
    name: str
    matched: int  #: of the match, here or in a faster tier
    unbroken: int  #: from the first on, in this tier alone
    bytes: int


class Match(NamedTuple):
    """How much of a prompt is here."""
    status: Status  #: LATE or GONE: of no shard is anything known
    matched: int  #: how many keys from the first on
    bytes: int
    load_us: Optional[int]  #: what getting them would take, where known
    lease_ms: int  #: what was granted
    tiers: tuple[TierMatch, ...]


class Completion(NamedTuple):
    ticket: int
    items: Sequence[Item]
    ok_count: int


class Shard(NamedTuple):
    """A server of the URL, and what was had of it since the cache opened."""
    name: str
    is_up: bool
    is_open: bool  #: its circuit is: it is asked nothing but to answer
    requests: int
    misses_late: int
    misses_gone: int
    bytes_in: int
    bytes_out: int
    transport: str  #: tcp, unix, ucx
    server: str  #: what it says that it is
    misses_corrupt: int  #: gets whose bytes did not match their checksum
    puts_lost: int  #: put behind, taken, and not stored


class Entry(NamedTuple):
    """Something that a shard holds."""
    key: bytes
    size: int
    kind: Kind
    form: int
    space: int
    tiers: frozenset[str]


_TIER_NAMES = ("dram", "nvme", "spill")
_SAID = re.compile(r"(\w+)[: ](.*)")


class _Gate:
    """Who is inside the library, which is to be nobody when it is closed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_shut = False
        self._process = os.getpid()

    def __enter__(self) -> None:
        if os.getpid() != self._process:
            raise Closed("a cache does not outlive a fork: open it behind it")
        with self._changed:
            if self._is_shut:
                raise Closed("the cache was closed")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def shut(self) -> bool:
        """Lets nobody in and waits until all are out; False where it was."""
        if os.getpid() != self._process:
            return False
        with self._changed:
            if self._is_shut:
                return False
            self._is_shut = True
            self._changed.wait_for(lambda: self._inside == 0)
            return True

    @property
    def is_shut(self) -> bool:
        return self._is_shut or os.getpid() != self._process


class Cache:
    """A prefix cache behind a URL, prefixcache://host[:port][,host...].

    Keyword arguments are the options of prefixcache_open(3), which those of
    the URL go before: connect_ms, lookup_ms, get_ms, put_ms, connections,
    threads, space, retry_ms, failures, queue_bytes; and checksum=True, which
    has every body compared end to end.  ValueError where the URL or an option
    can not be; LibraryMissing where libprefixcache is not to be had.  No
    server need answer: what it would have is a miss.

    Any thread may call anything; calls that wait let others run.  Open it in
    the process that uses it: a fork does not take it along.
    """

    def __init__(self, url: str, *, checksum: bool = False,
                 library_path: Optional[str] = None, **options: int):
        self._handle = ctypes.c_void_p()
        self._gate = _Gate()
        self._lock = threading.Lock()  # of _under_way
        self._under_way: dict[int, Batch] = {}
        self._library = library.load(library_path or library.default_path())
        given = library.OptionsStruct()
        given.size = ctypes.sizeof(given)
        if checksum:
            given.flags = library.CHECKSUM
        for name, value in options.items():
            if name not in _OPTIONS:
                raise TypeError(f"no option {name!r}; there are: checksum, "
                                + ", ".join(sorted(_OPTIONS)))
            _set_option(given, name, value)
        why = ctypes.create_string_buffer(library.WHY_SIZE)
        status = status_of(self._library.open(
            url.encode(), byref(given), byref(self._handle), why))
        if not status:
            text = why.value.decode(errors="replace") or status.name
            kind = MemoryError if status is Status.NO_SPACE else ValueError
            raise kind(f"{url}: {text}")

    # Values.

    def get(self, key: Key, *, kind: Kind = Kind.ANY,
            room: int = _GET_ROOM) -> Optional[bytes]:
        """The value of `key`, or None.

        A value over `room` bytes is asked for a second time; whoever knows
        sizes, or has the memory already, uses get_many().
        """
        for _ in range(2):
            body = bytearray(room)
            item = Item(key, body, kind=kind)
            self.get_many([item])
            if item.status:
                return bytes(memoryview(body)[:item.size])
            if item.status is not Status.TOO_BIG:
                break
            room = item.size
        return None

    def get_many(self, items: Sequence[Item]) -> int:
        """Values into the items' own memory; how many are OK."""
        return self._run("get", items, Verb.GET)

    def put(self, key: Key, body: object, *, kind: Kind = Kind.ANY,
            meta: bytes = b"", form: int = 0, lifetime_ms: int = 0) -> Status:
        """Waits until it is stored, or is known not to be."""
        item = Item(key, body, kind=kind, meta=meta, form=form,
                    lifetime_ms=lifetime_ms)
        self.put_many([item])
        return item.status

    def put_many(self, items: Sequence[Item]) -> int:
        """As put(); how many are OK."""
        return self._run("put", items)

    def put_behind(self, items: Sequence[Item]) -> int:
        """Copies the bodies and returns at once; nobody hears what becomes of
        them.  How many were taken; others are BUSY."""
        return self._run("put_behind", items)

    def exists(self, keys: Sequence[Key], *,
               lease_ms: int = 0) -> list[Status]:
        """OK for each key that is there and stays readable for lease_ms (0:
        the server's lease.ms).  One round trip to each shard."""
        items = [Item(key) for key in keys]
        self._run("exists", items, None, lease_ms)
        return [item.status for item in items]

    def __contains__(self, key: Key) -> bool:
        return bool(self.exists([key])[0])

    def drop(self, keys: Sequence[Key]) -> list[Status]:
        """OK for each key that was there, and is no more."""
        items = [Item(key) for key in keys]
        self._run("drop", items)
        return [item.status for item in items]

    def prefix(self, keys: Sequence[Key], *, lease_ms: int = 0,
               ranks: int = 1, promote: bool = False) -> Match:
        """How many of a prompt's keys, from the first on, are here.

        keys are in the prompt's order.  Nothing changes by being asked but for
        lease_ms (of what matched) and promote (from disk to memory).  ranks:
        that many lists are interleaved.
        """
        batch = Batch([Item(key) for key in keys])
        asked = library.PrefixOptionsStruct(
            size=ctypes.sizeof(library.PrefixOptionsStruct), lease_ms=lease_ms,
            ranks=ranks, promote=promote)
        found = library.MatchStruct(size=ctypes.sizeof(library.MatchStruct))
        with self._gate:
            status = status_of(self._library.prefix(
                self._handle, batch.slots, batch.count, byref(asked),
                byref(found)))
        _refuse(status, "these keys can not be asked for")
        tiers = tuple(TierMatch(_text(tier.name), tier.matched, tier.unbroken,
                                tier.bytes)
                      for tier in found.tiers[:found.tier_count])
        return Match(status, found.matched, found.bytes,
                     found.load_us if found.load_us >= 0 else None,
                     found.lease_ms, tiers)

    def _run(self, name: str, items: Sequence[Item],
             verb: Optional[Verb] = None, *more: int) -> int:
        if not items:
            return 0
        batch = Batch(items, verb)
        try:
            with self._gate:
                count = getattr(self._library, name)(
                    self._handle, batch.slots, batch.count, *more)
        except BaseException:
            batch.abandon()
            raise
        batch.finish()
        if count < 0:
            raise ValueError(f"{name}: items that can not be")
        return count

    # The same without waiting.

    def submit(self, verb: Verb, items: Sequence[Item]) -> int:
        """Begins it and gives the ticket of its completion, of which there is
        one whatever becomes of it.  Items and their buffers are the library's
        until it was drained."""
        batch = Batch(items, verb)
        ticket = 0
        try:
            with self._gate, self._lock:
                ticket = self._library.submit(self._handle, verb, batch.slots,
                                              batch.count)
                if ticket:
                    self._under_way[ticket] = batch
        finally:
            if not ticket:
                batch.abandon()
        if not ticket:
            raise ValueError(f"{Verb(verb).name.lower()}: items that can not "
                             "be, or no memory")
        return ticket

    def event_fd(self) -> int:
        """Readable while there are completions.  The cache's: only to be
        waited for, and not behind close()."""
        with self._gate:
            fd = self._library.event_fd(self._handle)
        if fd < 0:
            raise MemoryError("there is no completion queue")
        return fd

    def drain(self) -> list[Completion]:
        """The completions there are, without waiting; their items say what
        became of them and are the caller's again."""
        room = library.array(library.CompletionStruct, _DRAIN_MOST)
        drained = []
        with self._gate:
            while True:
                count = self._library.drain(self._handle, room, _DRAIN_MOST)
                # Not before submit() has put its batch there.
                with self._lock:
                    drained += [(self._under_way.pop(one.ticket), one.ticket,
                                 one.ok_count) for one in room[:count]]
                if count < _DRAIN_MOST:
                    break
        for batch, _, _ in drained:
            batch.finish()
        return [Completion(ticket, batch.items, ok_count)
                for batch, ticket, ok_count in drained]

    # The servers.

    def shards(self) -> list[Shard]:
        """Each server of the URL, in its order."""
        size = ctypes.sizeof(library.ShardStruct)
        with self._gate:
            count = self._library.shards(self._handle, None, 0, size)
            found = library.array(library.ShardStruct, count)
            self._library.shards(self._handle, found, count, size)
        return [Shard(_text(one.name), bool(one.is_up), bool(one.is_open),
                      one.requests, one.misses_late, one.misses_gone,
                      one.bytes_in, one.bytes_out, _text(one.transport),
                      _text(one.server), one.misses_corrupt, one.puts_lost)
                for one in found[:count]]

    def shard_of(self, key: Key) -> int:
        """Which of shards() has this key."""
        name = key_bytes(key)
        with self._gate:
            return self._library.shard_of(self._handle, name, len(name))

    def stats(self, shard: int = 0) -> dict[str, Union[int, str]]:
        """What a shard counts and says of itself, by the names of INFO.
        OSError where it does not answer."""
        text = ctypes.c_void_p()
        with self._gate:
            status = status_of(self._library.stats(self._handle, shard,
                                                   byref(text)))
        _refuse(status, f"there is no shard {shard}")
        if not status:
            raise OSError(f"shard {shard} is {status.name}")
        lines = ctypes.string_at(text).decode(errors="replace").splitlines()
        self._library.free(text)
        pairs = (_SAID.match(line) for line in lines)
        return {pair[1]: int(pair[2]) if pair[2].isdigit() else pair[2]
                for pair in pairs if pair}

    def walk(self, shard: int = 0) -> Iterator[Entry]:
        """What a shard holds.  What is there all the time comes at least once.
        OSError where the shard does not answer."""
        cursor = ctypes.c_uint64(0)
        most = library.WALK_MOST
        entries = library.array(library.EntryStruct, most)
        while True:
            with self._gate:
                count = self._library.walk(self._handle, shard, byref(cursor),
                                           entries, most)
            if count < 0:
                status = status_of(-count)
                _refuse(status, f"there is no shard {shard}")
                raise OSError(f"shard {shard} is {status.name}")
            for one in entries[:count]:
                yield _entry(one)
            if cursor.value == 0:
                return

    # The end.

    def close(self) -> None:
        """Waits for what is under way, at most for its deadline.  What was
        submitted and not drained is a miss."""
        if not self._gate.shut():
            return
        self._library.close(byref(self._handle))
        for batch in self._under_way.values():
            batch.abandon()
        self._under_way.clear()

    @property
    def is_closed(self) -> bool:
        return self._gate.is_shut

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Without a handle __init__ did not get far.
        if getattr(self, "_handle", None) and not self.is_closed:
            warnings.warn("a cache was not closed", ResourceWarning,
                          source=self)
            self.close()


_OPTIONS = {name for name, _ in library.OptionsStruct._fields_} - {"size",
                                                                   "flags"}


def _set_option(given: library.OptionsStruct, name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}, expected a number")
    setattr(given, name, value)
    if getattr(given, name) != value:
        raise ValueError(f"{name} is {value}, which is too much")


def _refuse(status: Status, why: str) -> None:
    if status is Status.BAD_REQUEST:
        raise ValueError(why)
    if status is Status.NO_SPACE:
        raise MemoryError("no memory")


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _entry(one: library.EntryStruct) -> Entry:
    return Entry(bytes(memoryview(one.key)[:one.key_size]), one.body_size,
                 Kind(one.kind), one.form, one.space,
                 frozenset(name for bit, name in enumerate(_TIER_NAMES)
                           if one.tiers & 1 << bit))
