"""Work that threads do for the event loop: a job, its answer, and the queue between them.

Used by `writer` and `readers`. An answer that nobody waits for any more is passed over; the work was done all the
same.
"""

from __future__ import annotations

import asyncio
import queue
from typing import Any, Callable, Generic, Iterable, TypeVar

from xene.server.refusals import Busy

T = TypeVar("T")
Act = TypeVar("Act", bound=Callable[..., Any])


class Job(Generic[Act]):
    """One piece of work; made on the loop's thread, settled by another."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.value: Any = None
        self.error: BaseException | None = None
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def settle(self) -> None:
        """Hand over the answer. On the loop's thread."""
        if self.future.done():
            return  # who asked has gone
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Waiting(Generic[Act]):
    """Jobs that wait for their thread; `most` of them at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: queue.SimpleQueue[Job[Act] | None] = queue.SimpleQueue()

    def put(self, act: Act) -> asyncio.Future[Any]:
        """Have it done; the answer, to be awaited. Raises Busy where too much waits already."""
        if self._queue.qsize() >= self._most:
            raise Busy("more is asked than can be stored", retry_after=1)
        job = Job(act)
        self._queue.put(job)
        return job.future

    def end(self) -> None:
        """Let the thread end once it has done what waits. Once for each thread."""
        self._queue.put(None)

    def take(self, most: int = 1) -> list[Job[Act]]:
        """The next job, with others that wait already, `most` in all; none at the end."""
        found: list[Job[Act]] = []
        item = self._queue.get()
        while item is not None:
            found.append(item)
            if len(found) >= most or self._queue.empty():
                return found
            item = self._queue.get_nowait()
        if found:
            self._queue.put(None)  # the end comes after what was found before it
        return found


def settle(jobs: Iterable[Job[Any]]) -> None:
    """Hand over the answers of jobs that were asked for on one loop."""
    done = list(jobs)
    if done:
        done[0].loop.call_soon_threadsafe(_settle_all, done)


def _settle_all(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.settle()
