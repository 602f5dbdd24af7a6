"""A run's log over HTTP, as `xene logs` prints it: from the archive, or from its agent while the run goes on.

It is read on a thread of its own, and each piece is sent before the next is read: a log of any size is held in
memory by the piece. Whoever reads too slowly, or goes, ends it. A log that breaks off ends in a broken connection,
never as if it were whole.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable

from aiohttp import web

from xene.control import logs as control
from xene.control.tail import Choice, Source
from xene.errors import NotFound
from xene.plan import speech
from xene.server.api import RUN_ID
from xene.server.app import App
from xene.server.auth import check_scope
from xene.server.queries import FLAG, asked
from xene.server.refusals import Busy
from xene.server.routes import TEXT, Answer, Param, Route
from xene.server.service import Service, service, token
from xene.store import views
from xene.store.db import State
from xene.store.tokens import READ

STREAMS = 16  # logs that are read at once: each has a thread, and where an agent is asked a connection
SLOW = 60.0  # seconds that one piece may take to be sent
LOG_HEADER = "Xene-Log"

_PARAMS = (
    RUN_ID,
    Param("task", "Only this task; of one with a matrix all instances, or `TASK[...]`."),
    Param("step", "Only the steps of this name."),
    Param("attempt", "Only this attempt.", {"type": "integer", "minimum": 1, "maximum": 1_000_000}),
    Param(
        "tail",
        "Only the last so many lines of each step.",
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
    ),
    Param("follow", "Go on until the run has ended.", FLAG),
)


class Streams:
    """The logs that are read at the moment."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(STREAMS, "xene-http-log")
        self._free = STREAMS

    async def run(self, work: Any) -> Any:
        """Do it on a thread. Raises Busy where there is none left, and what `work` raises."""
        if self._free == 0:
            raise Busy(f"{STREAMS} logs are being read already", retry_after=5)
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._free += 1

    async def stop(self, _: web.Application) -> None:
        """Wait for the threads to end: they look whether the controller does."""
        await asyncio.to_thread(self._pool.shutdown)


class Gone(Exception):
    """Who asked has gone, reads too slowly, or the controller ends."""


def add(app: App) -> None:
    """Serve the route of this page."""
    streams = Streams()
    app.web.on_cleanup.append(streams.stop)
    answer = Answer(
        "The log. Lines of several steps are prefixed by `task/step | `; that of one is sent byte by byte.",
        media=TEXT,
    )
    handle = partial(_logs, streams)
    app.add(
        Route("GET", "/v1/runs/{id}/logs", handle, "What a run's steps said", {200: answer}, READ, _PARAMS)
    )


async def _logs(streams: Streams, request: web.Request) -> web.StreamResponse:
    found = asked(request, _PARAMS)
    run = await service(request).readers.read(lambda state: _checked(state, request, found))
    choice = Choice(found.get("task"), found.get("step"), found.get("attempt"), found.get("tail"))
    live = found.get("follow", False)
    stream = _Stream(request, run, choice, live)
    read = partial(
        control.read_beside,
        service(request).place,
        run["id"],
        stream.said,
        stream.look,
        choice=choice,
        live=live,
    )
    try:
        await streams.run(lambda: stream.take(read))
    except Exception as error:  # noqa: BLE001 - what was sent already cannot be taken back by an answer
        return stream.break_off(service(request), error)
    return await stream.end()


def _checked(state: State, request: web.Request, found: dict[str, Any]) -> dict[str, Any]:
    """The run, if the token may see it and it has what is asked for. Raises NotFound, Forbidden."""
    run = views.run(state, request.match_info["id"])
    check_scope(token(request), run["workflow"], run["pipeline"])
    task, step = found.get("task"), found.get("step")
    steps = _steps(run, task)
    if task is not None and not _tasks(run, task):
        raise NotFound(f"run {run['id']} has no task {task}", hint=f"it has {', '.join(run['tasks'])}")
    if step is not None and step not in steps:
        whose = f"run {run['id']}" if task is None else f"task {task}"
        raise NotFound(f"{whose} has no step {step}", hint=f"it has {', '.join(dict.fromkeys(steps))}")
    return run


def _tasks(run: dict[str, Any], task: str | None) -> list[dict[str, Any]]:
    """A task, or all; of one with a matrix each instance too."""
    return [view for name, view in run["tasks"].items() if task in (None, name, name.partition("[")[0])]


def _steps(run: dict[str, Any], task: str | None) -> list[str]:
    """The names of the steps of a task, or of all."""
    return [step["name"] for view in _tasks(run, task) for step in view["steps"]]


def _is_one_step(run: dict[str, Any], choice: Choice) -> bool:
    """Whether no more than one step can have anything to say. A matrix has none before it is expanded."""
    mine = [step for step in _steps(run, choice.task) if choice.step in (None, step)]
    return len(mine) == 1 and all(view["steps"] for view in _tasks(run, choice.task))


class _Stream:
    """One answer, written piece by piece by the thread that reads."""

    def __init__(self, request: web.Request, run: dict[str, Any], choice: Choice, live: bool) -> None:
        self._request, self._loop = request, asyncio.get_running_loop()
        self._prefixed = not _is_one_step(run, choice)
        self._live = live
        self._lines = speech.Lines()
        self._closing = service(request).closing
        self.response = web.StreamResponse()
        self.response.content_type, self.response.charset = TEXT, "utf-8"
        if run["log"] is not None:
            self.response.headers[LOG_HEADER] = run["log"]

    @property
    def begun(self) -> bool:
        """Whether anything was sent."""
        return self.response.prepared

    # -- on the thread that reads

    def look(self) -> None:
        """Raises Gone where nobody is there to read any more."""
        transport = self._request.transport
        if self._closing.is_set() or transport is None or transport.is_closing():
            raise Gone

    def said(self, source: Source, data: bytes) -> None:
        """Send a piece; returns when it is on its way. Raises Gone."""
        self._put(self._worded(speech.Source(*source), data) if self._prefixed else data)

    def _worded(self, source: speech.Source, data: bytes) -> bytes:
        lines = self._lines.ended_by(source, live=self._live)
        lines += [(source, line) for line in self._lines.feed(source, data)]
        return _text(lines)

    def take(self, read: Callable[[], object]) -> None:
        """Read it all, and send what never got its newline at the end."""
        read()
        self._put(_text(self._lines.rest()))

    def _put(self, data: bytes) -> None:
        self.look()
        if data:
            asyncio.run_coroutine_threadsafe(self._send(data), self._loop).result()

    # -- on the loop's thread

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(SLOW):
                if not self.begun:
                    await self.response.prepare(self._request)
                await self.response.write(data)
        except TimeoutError:
            _forget_unsent(self._request)
            raise Gone from None
        except OSError:
            raise Gone from None

    async def end(self) -> web.StreamResponse:
        """The log was sent, as far as there is one."""
        if not self.begun:
            await self.response.prepare(self._request)
        await self.response.write_eof()
        return self.response

    def break_off(self, found: Service, error: Exception) -> web.StreamResponse:
        """Cut the connection, since what was sent is not the whole. Raises the error where nothing was sent."""
        if not self.begun:
            raise Busy("the controller ends", retry_after=5) if isinstance(error, Gone) else error
        if self._request.transport is not None:
            self._request.transport.abort()
        if not isinstance(error, Gone):
            found.say(f"GET {self._request.path}: broken off: {error}")
        return self.response


def _forget_unsent(request: web.Request) -> None:
    """Closing shall not leave megabytes with the kernel for somebody who does not read."""
    sock = None if request.transport is None else request.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _text(lines: list[tuple[speech.Source, bytes]]) -> bytes:
    return b"".join(f"{source.name} | ".encode() + line + b"\n" for source, line in lines)
