# SPDX-License-Identifier: Apache-2.0
"""What LMCache loads in an engine for remote_storage_plugins: an adapter that
makes a connector of a URL.

A chunk is one OBJECT whose metadata are LMCache's own RemoteMetadata, as lm://
and redis:// keep them, so that engines of all three share chunks.  With
save_chunk_meta: false it is one PLAIN value, as resp:// keeps it.  Both are
got.
"""
from __future__ import annotations

import asyncio
import math
import struct
import time
from typing import (TYPE_CHECKING, Any, Iterable, NamedTuple, Optional,
                    Sequence)

from lmcache.logging import init_logger
from lmcache.v1.protocol import RemoteMetadata
from lmcache.v1.storage_backend.connector import ConnectorAdapter
from lmcache.v1.storage_backend.connector.base_connector import \
    RemoteConnector
from prefixcache import Cache, Item, Kind, Status, Verb
from prefixcache.aio import Waiter

if TYPE_CHECKING:
    from lmcache.utils import CacheEngineKey
    from lmcache.v1.memory_management import MemoryObj
    from lmcache.v1.storage_backend.connector import ConnectorContext

logger = init_logger(__name__)

PLUGIN_TYPE = "prefixcache"
PLUGIN_SCHEME = "plugin://"
SCHEMES = ("prefixcache://", "prefixcache+unix://", "prefixcache+ucx://")
OPTIONS = ("connect_ms", "lookup_ms", "get_ms", "put_ms", "connections",
           "threads", "space", "retry_ms", "failures", "queue_bytes",
           "checksum")
COMPLAINT_SECONDS = 30


class PrefixcacheConnectorAdapter(ConnectorAdapter):
    """For remote_storage_plugins: ["prefixcache"], and for a remote_url."""

    def __init__(self) -> None:
        super().__init__(SCHEMES[0])

    def can_parse(self, url: str) -> bool:
        if url.startswith(PLUGIN_SCHEME):
            name = url[len(PLUGIN_SCHEME):]
            return name.split(".", 1)[0] == PLUGIN_TYPE
        return url.startswith(SCHEMES)

    def create_connector(self, context: ConnectorContext) -> RemoteConnector:
        """ValueError where there is no URL, or one that can not be."""
        extra = getattr(context.config, "extra_config", None) or {}
        name = getattr(context, "plugin_name", None) or PLUGIN_TYPE
        prefix = f"remote_storage_plugin.{name}."
        url = context.url
        if not url.startswith(SCHEMES):
            url = extra.get(prefix + "url")
        if not url:
            raise ValueError(f"extra_config has no {prefix}url")
        options = {option: extra[prefix + option] for option in OPTIONS
                   if prefix + option in extra}
        logger.info("prefixcache at %s, options %s", url, options)
        return PrefixcacheConnector(url, options, context)


class Layout(NamedTuple):
    """What LocalCPUBackend.allocate() wants to know."""
    shapes: list
    dtypes: list
    fmt: Any


class Room(NamedTuple):
    """Where a chunk is to go, and what it was allocated as."""
    item: Item
    memory: MemoryObj
    layout: Layout


class PrefixcacheConnector(RemoteConnector):
    """All asynchronous methods run on the loop's thread, the others on any.

    A key that can not be had, for whatever reason, is a miss; nothing here
    raises because a server is late or gone, and LMCache is given no ping(), as
    a failing one would turn its own memory off too.
    """

    def __init__(self, url: str, options: dict[str, Any],
                 context: ConnectorContext):
        super().__init__(context.config, context.metadata)
        self.local_cpu_backend = context.local_cpu_backend
        self._cache = Cache(url, **options)
        self._waiter = Waiter(self._cache, context.loop)
        self._complaints = _Complaints()
        self._full = Layout(list(self.meta_shapes), list(self.meta_dtypes),
                            self.meta_fmt)
        # By type of key, what _learn() has seen.
        self._layouts: dict[type, Layout] = {}
        self._sizes: dict[type, int] = {}

    # Lookups.

    async def exists(self, key: CacheEngineKey) -> bool:
        return await self.batched_async_contains("", [key]) == 1

    def exists_sync(self, key: CacheEngineKey) -> bool:
        return self.batched_contains([key]) == 1

    def support_batched_contains(self) -> bool:
        return True

    def batched_contains(self, keys: Sequence[CacheEngineKey]) -> int:
        """How many from the first on are there.  They stay for lease.ms."""
        return _unbroken(self._cache.exists([key.to_string()
                                             for key in keys]))

    def support_batched_async_contains(self) -> bool:
        return True

    async def batched_async_contains(self, lookup_id: str,
                                     keys: Sequence[CacheEngineKey],
                                     pin: bool = False) -> int:
        items = [Item(key.to_string()) for key in keys]
        return _unbroken(await self._waiter.run(Verb.EXISTS, items))

    # Chunks from there.

    async def get(self, key: CacheEngineKey) -> Optional[MemoryObj]:
        return (await self.batched_get([key]))[0]

    def support_batched_get(self) -> bool:
        return True

    async def batched_get(
            self, keys: Sequence[CacheEngineKey]) -> list[Optional[MemoryObj]]:
        """One chunk or None for each key."""
        rooms = self._make_room(keys)
        found: list[Optional[MemoryObj]] = [None] * len(keys)
        if not rooms:
            return found
        memories = [room.memory for room in rooms]
        try:
            future = self._waiter.begin(Verb.GET,
                                        [room.item for room in rooms])
        except BaseException:
            _release(memories)
            raise
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda _: _release(memories))
            raise
        for at, (key, room) in enumerate(zip(keys, rooms)):
            found[at] = self._accept(type(key), room)
        return found

    def support_batched_get_non_blocking(self) -> bool:
        return True

    async def batched_get_non_blocking(
            self, lookup_id: str,
            keys: Sequence[CacheEngineKey]) -> list[MemoryObj]:
        """The chunks from the first on, until one is missing."""
        found = await self.batched_get(keys)
        count = found.index(None) if None in found else len(found)
        _release(memory for memory in found[count:] if memory is not None)
        return found[:count]

    def _make_room(self, keys: Sequence[CacheEngineKey]) -> list[Room]:
        """For as many as there is memory."""
        rooms = []
        for key in keys:
            layout = self._layouts.get(type(key), self._full)
            memory = self.local_cpu_backend.allocate(*layout)
            if memory is None:
                self._complaints.say(f"no memory for {len(keys) - len(rooms)} "
                                     f"of {len(keys)} chunks")
                break
            item = Item(key.to_string(), memory.byte_array)
            rooms.append(Room(item, memory, layout))
        return rooms

    def _accept(self, key_type: type, room: Room) -> Optional[MemoryObj]:
        """The memory that has the chunk, in the layout it was put in; other
        memory than it came into where that is another."""
        item, kept = room.item, None
        if item.status and item.kind is Kind.PLAIN:
            kept = self._fit(room)
        elif item.status:
            kept = self._lay_out(key_type, room)
        elif item.status is not Status.MISS:
            self._complaints.say(f"get of {_text(item)}: {item.status.name}")
            if item.status is Status.TOO_BIG:
                self._layouts[key_type] = self._full
        if kept is not room.memory:
            room.memory.ref_count_down()
        return kept

    def _fit(self, room: Room) -> Optional[MemoryObj]:
        """A chunk that says nothing of itself is whole, or a beginning."""
        if room.item.size == room.memory.get_size():
            return room.memory
        if room.layout is not self._full:
            return None
        try:
            return self.reshape_partial_chunk(room.memory, room.item.size)
        except (AssertionError, ValueError):
            return None

    def _lay_out(self, key_type: type, room: Room) -> Optional[MemoryObj]:
        item, memory = room.item, room.memory
        if len(item.meta) != self.remote_metadata_bytes:
            return None
        try:
            meta = RemoteMetadata.deserialize(item.meta)
        except (KeyError, ValueError, struct.error):
            return None
        layout = Layout(list(meta.shapes), list(meta.dtypes), meta.fmt)
        if meta.length != item.size or _size_of(layout) != item.size:
            return None
        if layout == room.layout:
            return memory if memory.get_size() == item.size else None
        self._learn(key_type, layout, item.size)
        fitting = self.local_cpu_backend.allocate(*layout)
        if fitting is None:
            return None
        if fitting.get_size() != item.size:
            fitting.ref_count_down()
            return None
        _bytes_of(fitting)[:] = _bytes_of(memory)[:item.size]
        return fitting

    def _learn(self, key_type: type, layout: Layout, size: int) -> None:
        """Memory is allocated before a chunk comes and says what it is.  That
        of a whole chunk always does, but a layer is a small part of one: so
        the largest of another format that was seen is expected next."""
        if layout.fmt == self._full.fmt:
            return
        known = self._layouts.get(key_type)
        if known is None or (known is not self._full and
                             size > self._sizes[key_type]):
            self._layouts[key_type] = layout
            self._sizes[key_type] = size

    # Chunks to there.

    async def put(self, key: CacheEngineKey, memory_obj: MemoryObj) -> None:
        await self.batched_put([key], [memory_obj])

    def support_batched_put(self) -> bool:
        return True

    async def batched_put(self, keys: Sequence[CacheEngineKey],
                          memory_objs: Sequence[MemoryObj]) -> None:
        """Waits until each is stored, or known not to be, which is logged now
        and then and no error."""
        items, memories = [], []
        for key, memory in zip(keys, memory_objs):
            try:
                items.append(self._item_of(key, memory))
                memories.append(memory)
            except ValueError as error:
                self._complaints.say(f"put of {key.to_string()}: {error}")
        if not items:
            return
        future = self._waiter.begin(Verb.PUT, items)
        # LMCache lets go of the chunks when this returns, which a cancellation
        # makes sooner than the library does.
        for memory in memories:
            memory.ref_count_up()
        future.add_done_callback(lambda _: _release(memories))
        await asyncio.shield(future)
        for item in items:
            if not item.status:
                self._complaints.say(
                    f"put of {_text(item)}: {item.status.name}")

    def _item_of(self, key: CacheEngineKey, memory: MemoryObj) -> Item:
        """ValueError where its metadata or its name are too long."""
        body = memory.byte_array
        if not self.save_chunk_meta:
            return Item(key.to_string(), body, kind=Kind.PLAIN)
        size = memoryview(body).nbytes
        layout = Layout(list(memory.get_shapes()), list(memory.get_dtypes()),
                        memory.get_memory_format())
        self._learn(type(key), layout, size)
        return Item(key.to_string(), body, kind=Kind.OBJECT,
                    meta=RemoteMetadata(size, *layout).serialize())

    # The rest.

    def remove_sync(self, key: CacheEngineKey) -> bool:
        return bool(self._cache.drop([key.to_string()])[0])

    async def list(self) -> list[str]:
        """Every key of every shard, which may be a great many."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._list)

    def _list(self) -> list[str]:
        return [entry.key.decode(errors="replace")
                for shard in range(len(self._cache.shards()))
                for entry in self._cache.walk(shard)]

    async def close(self) -> None:
        await self._waiter.close()


class _Complaints:
    """Logs the first of a while, and how many there were in the one before: a
    server that is gone would fill the log."""

    def __init__(self) -> None:
        self._next = 0.0
        self._unsaid = 0

    def say(self, what: str) -> None:
        now = time.monotonic()
        if now < self._next:
            self._unsaid += 1
            return
        logger.warning("%s (and %d of the like before)", what, self._unsaid)
        self._next, self._unsaid = now + COMPLAINT_SECONDS, 0


def _unbroken(statuses: Sequence[Status]) -> int:
    for count, status in enumerate(statuses):
        if not status:
            return count
    return len(statuses)


def _release(memories: Iterable[MemoryObj]) -> None:
    for memory in memories:
        memory.ref_count_down()


def _text(item: Item) -> str:
    return item.key.decode(errors="replace")


def _size_of(layout: Layout) -> int:
    """In bytes; -1 where it is none.  A buffer of bytes has no dtype, and its
    size is its first dimension."""
    size = 0
    for shape, dtype in zip(layout.shapes, layout.dtypes):
        if min(shape, default=0) < 0:
            return -1
        size += (shape[0] if dtype is None
                 else math.prod(shape) * dtype.itemsize)
    return size


def _bytes_of(memory: MemoryObj) -> memoryview:
    return memoryview(memory.byte_array).cast("B")
