# SPDX-License-Identifier: Apache-2.0
"""A cache's calls that do not wait, on an asyncio event loop.

    waiter = Waiter(cache)
    statuses = await waiter.run(Verb.GET, items)
    await waiter.close()
"""
from __future__ import annotations

import asyncio
from typing import Optional, Sequence

from .cache import Cache, Closed
from .item import Item, Status, Verb


class Waiter:
    """Turns completions into futures.

    All of it is called on the loop's own thread, and nobody else drains this
    cache; its other methods are anybody's.
    """

    def __init__(self, cache: Cache,
                 loop: Optional[asyncio.AbstractEventLoop] = None):
        self.cache = cache
        self._loop = loop
        self._fd: Optional[int] = None
        self._futures: dict[int, asyncio.Future] = {}

    def begin(self, verb: Verb, items: Sequence[Item]) -> asyncio.Future:
        """A future that is done when the library has let go of the items,
        which then say what became of them.  It never fails.

        Wait for it by asyncio.shield(): the library goes on when a waiter is
        cancelled, and what the items point to must stay until it is done.
        """
        if self._fd is None:
            self._loop = self._loop or asyncio.get_running_loop()
            self._fd = self.cache.event_fd()
            self._loop.add_reader(self._fd, self._on_readable)
        ticket = self.cache.submit(verb, items)
        future = self._loop.create_future()
        self._futures[ticket] = future
        return future

    async def run(self, verb: Verb, items: Sequence[Item]) -> list[Status]:
        """begin(), and waits for it."""
        if items:
            await asyncio.shield(self.begin(verb, items))
        return [item.status for item in items]

    async def close(self) -> None:
        """Closes the cache; what is under way is waited for, at most for its
        deadline, while the loop goes on."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.cache.close)
        futures, self._futures = self._futures, {}
        for future in futures.values():
            _finish(future)

    def _on_readable(self) -> None:
        try:
            completions = self.cache.drain()
        except Closed:
            self._loop.remove_reader(self._fd)
            return
        for completion in completions:
            _finish(self._futures.pop(completion.ticket))


def _finish(future: asyncio.Future) -> None:
    if not future.done():
        future.set_result(None)
