# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for those parts of LMCache that its plug-ins meet, as LMCache is
not installed where these tests run.  They have LMCache's names and do what was
read of its sources, no more: they show that a plug-in keeps its side, not that
LMCache does.

    install()             puts `lmcache` where `import lmcache...` finds it
    NativeAdapter         drives a "native_plugin" class: one thread polls its
                          event fd and drains, others submit
    Engine                drives a remote storage plug-in: an event loop in a
                          thread, calls from outside it
"""
import abc
import asyncio
import collections
import ctypes
import enum
import importlib
import logging
import mmap
import select
import struct
import sys
import threading
import types

SECONDS = 30


# What is on LMCache's side of an object.

class Dtype(enum.Enum):
    """Number on the wire, bytes each."""
    FLOAT16 = 2, 2
    BFLOAT16 = 3, 2
    FLOAT32 = 4, 4
    UINT8 = 6, 1

    @property
    def itemsize(self):
        return self.value[1]


DTYPES = {0: None, **{dtype.value[0]: dtype for dtype in Dtype}}


class MemoryFormat(enum.Enum):
    UNDEFINED = 0
    KV_2LTD = 1
    KV_T2D = 2
    KV_2TD = 3
    BINARY = 4
    BINARY_BUFFER = 5
    KV_MLA_FMT = 6


def size_of(shapes, dtypes, fmt):
    if fmt is MemoryFormat.BINARY_BUFFER:
        return shapes[0][0]
    total = 0
    for shape, dtype in zip(shapes, dtypes):
        size = dtype.itemsize
        for dimension in shape:
            size *= dimension
        total += size
    return total


class RemoteMetadata:
    """length, format, and five integers for each group, as on the wires."""
    groups = 1

    def __init__(self, length, shapes, dtypes, fmt):
        self.length, self.shapes = length, shapes
        self.dtypes, self.fmt = dtypes, fmt

    def serialize(self):
        numbers = [self.length, self.fmt.value]
        for shape, dtype in zip(self.shapes, self.dtypes):
            numbers += [dtype.value[0] if dtype else 0, *shape,
                        *[0] * (4 - len(shape))]
        return struct.pack(f"{len(numbers)}i", *numbers)

    @classmethod
    def deserialize(cls, text):
        numbers = struct.unpack_from(f"{2 + 5 * cls.groups}i", text)
        fmt, shapes, dtypes = MemoryFormat(numbers[1]), [], []
        for at in range(2, len(numbers), 5):
            shape = list(numbers[at + 1:at + 5])
            while fmt is not MemoryFormat.BINARY_BUFFER and len(shape) > 1 \
                    and shape[-1] == 0:
                shape.pop()
            dtypes.append(DTYPES[numbers[at]])
            shapes.append(tuple(shape))
        return cls(numbers[0], shapes, dtypes, fmt)


Meta = collections.namedtuple("Meta", "shapes dtypes fmt")


class MemoryObject:
    """Memory that is the allocator's again when nobody counts on it."""

    def __init__(self, allocator, meta, size):
        self.allocator, self.meta, self.size = allocator, meta, size
        self.references = 1
        self.array = (ctypes.c_ubyte * max(size, 1))()

    @property
    def byte_array(self):
        assert self.references > 0, "used behind its end"
        return memoryview(self.array)[:self.size]

    def get_size(self):
        return self.size

    def get_shapes(self):
        return self.meta.shapes

    def get_dtypes(self):
        return self.meta.dtypes

    def get_memory_format(self):
        return self.meta.fmt

    def ref_count_up(self):
        assert self.references > 0
        self.references += 1

    def ref_count_down(self):
        assert self.references > 0
        self.references -= 1
        if self.references == 0:
            self.allocator.free(self)


class LocalCPUBackend:
    """Allocates, and knows what is out."""

    def __init__(self, most=1 << 30):
        self.most, self.out = most, set()

    def allocate(self, shapes, dtypes, fmt):
        size = size_of(shapes, dtypes, fmt)
        # LMCache's would try again and again.
        assert 0 <= size <= 1 << 30, "asked for more than can be"
        if sum(one.size for one in self.out) + size > self.most:
            return None
        memory = MemoryObject(self, Meta(list(shapes), list(dtypes), fmt),
                              size)
        self.out.add(memory)
        return memory

    def free(self, memory):
        # Whatever is written there from now on would be somebody else's.
        self.out.remove(memory)


class RemoteConnector(abc.ABC):
    def __init__(self, config, metadata):
        assert metadata is not None
        self.save_chunk_meta = config.extra_config.get("save_chunk_meta", True)
        self.meta_shapes, self.meta_dtypes = metadata.shapes, metadata.dtypes
        self.meta_fmt = MemoryFormat.KV_2LTD
        self.full_chunk_size_bytes = size_of(metadata.shapes, metadata.dtypes,
                                             self.meta_fmt)
        self.single_token_size = \
            self.full_chunk_size_bytes // metadata.chunk_size
        RemoteMetadata.groups = len(metadata.shapes)
        self.remote_metadata_bytes = 8 + 20 * len(metadata.shapes)

    def reshape_partial_chunk(self, memory, size):
        if size == 0 or size % self.single_token_size or \
                size > self.full_chunk_size_bytes:
            raise ValueError(f"{size} bytes are no chunk")
        shape = list(memory.meta.shapes[0])
        shape[2] = size // self.single_token_size
        memory.meta = memory.meta._replace(shapes=[tuple(shape)])
        memory.size = size
        return memory

    def support_ping(self):
        return False

    @abc.abstractmethod
    async def exists(self, key):
        pass

    @abc.abstractmethod
    def exists_sync(self, key):
        pass

    @abc.abstractmethod
    async def get(self, key):
        pass

    @abc.abstractmethod
    async def put(self, key, memory_obj):
        pass

    @abc.abstractmethod
    async def list(self):
        pass

    @abc.abstractmethod
    async def close(self):
        pass


class ConnectorAdapter(abc.ABC):
    def __init__(self, schema=""):
        self.schema = schema

    @abc.abstractmethod
    def create_connector(self, context):
        pass


class Key:
    """CacheEngineKey."""

    def __init__(self, text):
        self.text = text

    def to_string(self):
        return self.text


class LayerKey(Key):
    """LayerCacheEngineKey."""


Config = collections.namedtuple("Config", "extra_config")
Metadata = collections.namedtuple("Metadata", "shapes dtypes chunk_size")
Context = collections.namedtuple(
    "Context", "url loop local_cpu_backend config metadata plugin_name")


def install():
    def module(name, **members):
        made = types.ModuleType(name)
        made.__path__ = []
        vars(made).update(members)
        sys.modules[name] = made
    module("lmcache")
    module("lmcache.logging", init_logger=logging.getLogger)
    module("lmcache.v1")
    module("lmcache.v1.protocol", RemoteMetadata=RemoteMetadata)
    module("lmcache.v1.storage_backend")
    module("lmcache.v1.storage_backend.connector",
           ConnectorAdapter=ConnectorAdapter)
    module("lmcache.v1.storage_backend.connector.base_connector",
           RemoteConnector=RemoteConnector)


# What calls.

class Arena:
    """LMCache's memory: pieces of one mapping, seen as memoryviews of <B."""

    def __init__(self, size):
        self.map = mmap.mmap(-1, size)
        self.at = 0

    def take(self, size, value=b""):
        array = (ctypes.c_ubyte * size).from_buffer(self.map, self.at)
        self.at += size
        view = memoryview(array)
        assert view.format == "<B"
        view.cast("B")[:len(value)] = value
        return view


class NativeAdapter:
    """Loads and uses a class as {"type": "native_plugin"} has it."""

    METHODS = ("event_fd", "submit_batch_get", "submit_batch_set",
               "submit_batch_exists", "submit_batch_delete",
               "drain_completions", "close")

    def __init__(self, config):
        plugin = getattr(importlib.import_module(config["module_path"]),
                         config["class_name"])
        self.client = plugin(**config["adapter_params"])
        for method in self.METHODS:
            assert callable(getattr(self.client, method)), method
        self.fd = int(self.client.event_fd())
        self.lock = threading.Lock()
        self.results, self.pending = {}, {}
        self.unknown = []
        self.is_stopped = False
        self.thread = threading.Thread(target=self._demultiplex, daemon=True)
        self.thread.start()

    def submit(self, verb, *arguments):
        with self.lock:
            future = int(getattr(self.client, f"submit_batch_{verb}")(
                *arguments))
            self.pending[future] = threading.Event()
        return future

    def result(self, future):
        """(ok, error, bools)"""
        if not self.pending[future].wait(SECONDS):
            raise AssertionError(f"no completion of {future}")
        with self.lock:
            del self.pending[future]
            return self.results.pop(future)

    def call(self, verb, *arguments):
        return self.result(self.submit(verb, *arguments))

    def _demultiplex(self):
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        while not self.is_stopped:
            if not poller.poll(50):
                continue
            done = self.client.drain_completions()
            with self.lock:
                for future, ok, error, bools in done:
                    if future not in self.pending or future in self.results:
                        self.unknown.append(future)
                        continue
                    self.results[future] = ok, error, bools
                    self.pending[future].set()

    def close(self):
        self.is_stopped = True
        self.thread.join(SECONDS)
        self.client.close()


class Engine:
    """Makes a connector as LMCache's manager does, and calls it as its remote
    backend does: from outside the loop's thread."""

    SHAPES = [(2, 4, 256, 64)]

    def __init__(self, adapter, url="plugin://prefixcache", plugin_name=None,
                 memory=1 << 30, shapes=None, **extra):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever,
                                       daemon=True)
        self.thread.start()
        self.backend = LocalCPUBackend(memory)
        self.shapes = shapes or self.SHAPES
        self.dtypes = [Dtype.BFLOAT16] * len(self.shapes)
        if url.startswith("plugin://"):
            plugin_name = url[len("plugin://"):]
        assert adapter.can_parse(url)
        self.connector = adapter.create_connector(Context(
            url, self.loop, self.backend, Config(extra),
            Metadata(self.shapes, self.dtypes, 256), plugin_name))

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, coroutine):
        return self.begin(coroutine).result(SECONDS)

    def chunk(self, value=None, shapes=None, fmt=MemoryFormat.KV_2LTD):
        dtypes = self.dtypes
        if fmt is MemoryFormat.BINARY_BUFFER:
            dtypes = [None]
        memory = self.backend.allocate(shapes or self.shapes, dtypes, fmt)
        if value is not None:
            memory.byte_array.cast("B")[:] = value
        return memory

    def put(self, key, memory):
        """As the instrumented connector: its reference goes with it."""
        async def put():
            try:
                await self.connector.put(key, memory)
            finally:
                memory.ref_count_down()
        self.call(put())

    def close(self):
        self.call(self.connector.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)
        self.loop.close()
