"""One screen in a browser: the process behind it, and what a browser may say to it. Opened by `serving`.

It ends with its page, whatever state either is in: what is drawn for a browser that has gone is thrown away, since
a process whose drawings nobody takes would wait for ever; and one that does not end when asked is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any, Sequence

from textual_serve.app_service import AppService

from xene.tui import served

GRACE = 5.0  # seconds that a screen has to end by itself
WIDEST, TALLEST = 1000, 500  # columns and lines; what a browser may ask for
ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Screen(AppService):
    """`xene status` over `state` with these `words`, and the rights of `role`; `given` are AppService's."""

    def __init__(self, state: str, role: str, words: Sequence[str] = (), **given: Any) -> None:
        super().__init__("xene status", **given)
        self._command = [sys.executable, "-m", "xene", "status", "--state", state, *words]
        self._role = role
        self._gone = False

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        """What is said of this terminal's colours says nothing of the browser's."""
        found = {
            **super()._build_environment(width, height),
            served.VARIABLE: self._role,
            "TEXTUAL_FPS": "30",
        }
        found.pop("NO_COLOR", None)
        return found

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Without a shell in between, which would be killed in its place; a Ctrl-C is the server's alone."""
        env = self._build_environment(width, height)
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env, start_new_session=True
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def start(self, width: int, height: int) -> None:
        await super().start(*_bounded(width, height))

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(*_bounded(width, height))

    async def run(self) -> None:
        """Carry what it draws, until it ends; the page is closed then, also where it said no word of that."""
        try:
            await super().run()
        finally:
            await self.remote_close()

    async def on_data(self, payload: bytes) -> None:
        if not self._gone:
            try:
                await super().on_data(payload)
            except ConnectionError:
                self._gone = True

    async def hear(self, text: str) -> str | None:
        """Do what a message of the browser says; what is to be answered. One of `ODD` for what no terminal says."""
        kind, *rest = json.loads(text)
        if kind == "stdin":
            await self.send_bytes(rest[0].encode())
        elif kind == "resize":
            await self.set_terminal_size(rest[0]["width"], rest[0]["height"])
        elif kind == "ping":
            return json.dumps(["pong", str(rest[0])])
        elif kind == "focus":
            await self.focus()
        elif kind == "blur":
            await self.blur()
        else:
            raise ValueError(kind)
        return None

    async def stop(self) -> None:
        """Have it end, by force if it does not; it has ended when this returns."""
        if self._process is None:
            return
        ending = asyncio.ensure_future(self._end(self._process))
        await asyncio.wait([ending], timeout=GRACE)
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _end(self, process: Process) -> None:
        await super().stop()
        await process.wait()


def _bounded(width: int, height: int) -> tuple[int, int]:
    return max(1, min(int(width), WIDEST)), max(1, min(int(height), TALLEST))
