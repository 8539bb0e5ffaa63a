# SPDX-License-Identifier: Apache-2.0
"""What LMCache's multi-process server loads as {"type": "native_plugin"}.

LMCache polls event_fd() on a thread of its own and drains there, submits from
others, and takes what drain_completions() says by the id that submit_batch_*()
gave.  A chunk is one PLAIN value, so that what was put by LMCache's own "resp"
adapter is found, and the other way round.
"""
from __future__ import annotations

from typing import Iterable, Optional, Sequence, Union

from prefixcache import Cache, Completion, Item, Kind, Verb

Outcome = tuple[int, bool, str, Optional[list[bool]]]


class PrefixcacheClient:
    """url and options are prefixcache.Cache's ("adapter_params").

    A server that is gone costs misses.  A chunk whose size is not that of the
    memory it is to go to is a miss too.
    """

    def __init__(self, url: str, **options: Union[int, bool]):
        self._cache = Cache(url, **options)

    def event_fd(self) -> int:
        """Readable while drain_completions() has something to say."""
        return self._cache.event_fd()

    def submit_batch_get(self, keys: Sequence[str],
                         memoryviews: Sequence[memoryview]) -> int:
        return self._submit(Verb.GET, keys, memoryviews)

    def submit_batch_set(self, keys: Sequence[str],
                         memoryviews: Sequence[memoryview]) -> int:
        return self._submit(Verb.PUT, keys, memoryviews)

    def submit_batch_exists(self, keys: Sequence[str]) -> int:
        """What is found stays readable for the server's lease.ms."""
        return self._submit(Verb.EXISTS, keys)

    def submit_batch_delete(self, keys: Sequence[str]) -> int:
        return self._submit(Verb.DROP, keys)

    def drain_completions(self) -> list[Outcome]:
        """(id, ok, error, one bool a key; of a set None) for each batch that
        is done."""
        return [_outcome(done) for done in self._cache.drain()]

    def close(self) -> None:
        """The memory of batches that were not drained is free then."""
        self._cache.close()

    def _submit(self, verb: Verb, keys: Sequence[str],
                memoryviews: Optional[Sequence[memoryview]] = None) -> int:
        bodies = [None] * len(keys) if memoryviews is None else memoryviews
        if len(bodies) != len(keys):
            raise ValueError(f"{len(keys)} keys with {len(bodies)} views")
        if not keys:
            raise ValueError("a batch without keys")
        batch = _Batch(verb, (Item(key, body, kind=Kind.PLAIN)
                              for key, body in zip(keys, bodies)))
        return self._cache.submit(verb, batch)


class _Batch(list):
    """Items that know what is asked of them."""

    def __init__(self, verb: Verb, items: Iterable[Item]):
        super().__init__(items)
        self.verb = verb


def _outcome(done: Completion) -> Outcome:
    verb = done.items.verb
    found = [bool(item.status) for item in done.items]
    if verb is Verb.GET:
        found = [is_there and item.size == memoryview(item.body).nbytes
                 for is_there, item in zip(found, done.items)]
    if verb in (Verb.EXISTS, Verb.DROP):
        return done.ticket, True, "", found
    # A get that misses a key is not ok: an LMCache that does not look at
    # single keys yet then uses none of them.
    missing = found.count(False)
    error = f"{missing} of {len(found)} keys are missing" if missing else ""
    return (done.ticket, not missing, error,
            found if verb is Verb.GET else None)
