# SPDX-License-Identifier: Apache-2.0
"""A prefix cache from Python: libprefixcache, by ctypes.

    from prefixcache import Cache

    with Cache("prefixcache://a:7654,b:7654") as cache:
        cache.put("model@1@0@5f3a", chunk)
        cache.exists(["model@1@0@5f3a", "model@1@0@6b01"])
        cache.get("model@1@0@5f3a")

Nothing here waits longer than its deadline, and a server that is gone costs
misses, never an exception.  Needs libprefixcache.so.0 and nothing else.
"""
from .cache import (Cache, Closed, Completion, Entry, Match, Shard, TierMatch)
from .item import Item, Kind, Status, Verb
from .library import LibraryMissing

__all__ = ["Cache", "Closed", "Completion", "Entry", "Item", "Kind",
           "LibraryMissing", "Match", "Shard", "Status", "TierMatch", "Verb"]
__version__ = "0.1.0"
