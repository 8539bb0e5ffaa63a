# SPDX-License-Identifier: Apache-2.0
"""Finds libprefixcache and declares what client/prefixcache.h declares.

The structures below are those of the header, member by member; a test compares
them.  Nobody outside this package needs them.
"""
from __future__ import annotations

import ctypes
import functools
import os
from ctypes import (POINTER, Structure, c_char, c_char_p, c_int, c_int64,
                    c_size_t, c_ubyte, c_uint, c_uint32, c_uint64, c_void_p)

SONAME = "libprefixcache.so.0"
VARIABLE = "PREFIXCACHE_LIBRARY"

KEY_MAX = 4096
META_MAX = 128
TIERS_MAX = 4
WALK_MOST = 256
WHY_SIZE = 256
CHECKSUM = 1


class LibraryMissing(ImportError):
    """libprefixcache is not there, or is not the one this package is for."""


class OptionsStruct(Structure):
    _fields_ = [("size", c_size_t), ("connect_ms", c_uint),
                ("lookup_ms", c_uint), ("get_ms", c_uint), ("put_ms", c_uint),
                ("connections", c_uint), ("threads", c_uint),
                ("space", c_uint), ("retry_ms", c_uint), ("failures", c_uint),
                ("queue_bytes", c_uint64), ("flags", c_uint)]


class ItemStruct(Structure):
    # `key` is a bytes object, which the structure then keeps alive.
    _fields_ = [("key", c_char_p), ("key_size", c_size_t), ("body", c_void_p),
                ("body_size", c_size_t), ("got", c_size_t), ("status", c_int),
                ("kind", c_int), ("form", c_uint), ("meta_size", c_uint),
                ("meta", c_ubyte * META_MAX), ("lifetime_ms", c_uint64),
                ("tier", c_char * 16)]


class TierStruct(Structure):
    _fields_ = [("name", c_char * 16), ("matched", c_uint32),
                ("unbroken", c_uint32), ("bytes", c_uint64)]


class MatchStruct(Structure):
    _fields_ = [("size", c_size_t), ("matched", c_uint32), ("bytes", c_uint64),
                ("load_us", c_int64), ("lease_ms", c_uint),
                ("tier_count", c_uint), ("tiers", TierStruct * TIERS_MAX)]


class PrefixOptionsStruct(Structure):
    _fields_ = [("size", c_size_t), ("lease_ms", c_uint), ("ranks", c_uint),
                ("promote", c_int)]


class CompletionStruct(Structure):
    _fields_ = [("ticket", c_uint64), ("count", c_size_t),
                ("ok_count", c_size_t)]


class ShardStruct(Structure):
    _fields_ = [("name", c_char * 264), ("is_up", c_int), ("is_open", c_int),
                ("requests", c_uint64), ("misses_late", c_uint64),
                ("misses_gone", c_uint64), ("bytes_in", c_uint64),
                ("bytes_out", c_uint64), ("transport", c_char * 16),
                ("server", c_char * 48), ("misses_corrupt", c_uint64),
                ("puts_lost", c_uint64)]


class EntryStruct(Structure):
    _fields_ = [("key", c_ubyte * KEY_MAX), ("key_size", c_size_t),
                ("body_size", c_size_t), ("kind", c_int), ("form", c_uint),
                ("space", c_uint), ("tiers", c_uint)]


_HANDLE = c_void_p
_ITEMS = POINTER(ItemStruct)
_BATCH = [_HANDLE, _ITEMS, c_size_t]
_FUNCTIONS = {
    "open": (c_int, [c_char_p, POINTER(OptionsStruct), POINTER(_HANDLE),
                     c_char_p]),
    "close": (None, [POINTER(_HANDLE)]),
    "get": (c_int, _BATCH),
    "put": (c_int, _BATCH),
    "put_behind": (c_int, _BATCH),
    "drop": (c_int, _BATCH),
    "exists": (c_int, _BATCH + [c_uint]),
    "prefix": (c_int, _BATCH + [POINTER(PrefixOptionsStruct),
                                POINTER(MatchStruct)]),
    "submit": (c_uint64, [_HANDLE, c_int, _ITEMS, c_size_t]),
    "event_fd": (c_int, [_HANDLE]),
    "drain": (c_size_t, [_HANDLE, POINTER(CompletionStruct), c_size_t]),
    "shards": (c_size_t, [_HANDLE, POINTER(ShardStruct), c_size_t, c_size_t]),
    "shard_of": (c_size_t, [_HANDLE, c_char_p, c_size_t]),
    "stats": (c_int, [_HANDLE, c_size_t, POINTER(c_void_p)]),
    "walk": (c_int, [_HANDLE, c_size_t, POINTER(c_uint64),
                     POINTER(EntryStruct), c_size_t]),
}


class Library:
    """The functions of one loaded library, without their prefix."""

    def __init__(self, path: str):
        try:
            loaded = ctypes.CDLL(path)
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(loaded, "prefixcache_" + name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        except (OSError, AttributeError) as error:
            raise LibraryMissing(
                f"{path} is not to be had ({error}): install libprefixcache, "
                f"or let {VARIABLE} be the path of a {SONAME}") from None
        self.free = ctypes.CDLL(None).free
        self.free.restype, self.free.argtypes = None, [c_void_p]
        self.path = path


@functools.lru_cache(maxsize=None)
def load(path: str) -> Library:
    """The library at `path`, or of that soname; loaded once."""
    return Library(path)


def default_path() -> str:
    """What PREFIXCACHE_LIBRARY says, else the soname, for the linker."""
    return os.environ.get(VARIABLE) or SONAME


@functools.lru_cache(maxsize=None)
def _array_type(kind: type, count: int) -> type:
    return kind * count


def array(kind: type, count: int) -> ctypes.Array:
    """At least `count` of a structure, zeroed.

    The types of arrays are kept, and their sizes are powers of two: ctypes
    makes a class for every other length, which only the garbage collector
    ends, and engines turn that off.
    """
    return _array_type(kind, 1 << max(count - 1, 0).bit_length())()
