"""Sends notices beside a controller at work: one thread with an event loop, one connection to the state.

A try is written down before it is made, and what came of it after; so a notice is told at least once, whenever this
dies. A slow target holds up nobody but itself: tries go side by side, a few for each target. The state is read and
written on other threads: while another writer holds it, the answers of targets are still heard.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Collection, Sequence

from xene.control.daemon import Context
from xene.control.settings import settings
from xene.errors import XeneError
from xene.model.codec import secret_from_json
from xene.model.notice import EMAIL, WEBHOOK
from xene.model.secret import Secret
from xene.notify import message, sender
from xene.store import db, events, notices, objects
from xene.store.db import State
from xene.store.notices import Notice
from xene.store.run_views import run_if_known

LOOK = 1.0  # seconds between looks for what is due
AT_ONCE, FOR_ONE = 20, 2  # tries side by side: in all, to one target
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds until the second try; the longest
# Seconds after which a notice is given up; not before so many tries, or one that waited long for a controller would
# be lost with the first of them.
PATIENCE, LEAST_TRIES = 3 * 86400.0, 8
LONGEST_TRY = sender.SECONDS + 5.0  # seconds after which a try that nobody says anything of is dead
HORIZON = 2 * LONGEST_PAUSE  # seconds: what is due later than that was put off by another clock
BUSY = 5.0  # seconds that it waits for another writer before it says so
STOP = 12.0  # seconds for what is under way when it is to stop
FAILED = "NotifyFailed"


def pause(tries: int, chance: float) -> float:
    """Seconds until the next try after so many; `chance` in [0, 1) shortens it by up to a quarter."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 3.0 ** min(tries, 10)) * (1.0 - chance / 4)


def is_over(*, age: float, tries: int) -> bool:
    """Whether a notice that old (seconds) is given up after so many tries."""
    return age >= PATIENCE and tries >= LEAST_TRIES


def key_of(uuid: str, notice: Notice) -> str:
    """What tells a notice from every other, the same in each try.

    A state that is restored from a backup counts anew from there, so the moment of its making is part of it.
    """
    return f"{uuid}-{notice.id}-{int(notice.made_at * 1000):x}"


def _pause(notice: Notice) -> float:
    return pause(notice.tries, random.random())


def choose(due: Sequence[Notice], busy: Sequence[Notice]) -> list[Notice]:
    """Which of those that are due are tried now: none that is under way, not too many, few to one target."""
    chosen: list[Notice] = []
    ids, targets = {each.id for each in busy}, Counter(map(_name, busy))
    for notice in due:
        if len(busy) + len(chosen) < AT_ONCE and notice.id not in ids and targets[_name(notice)] < FOR_ONE:
            targets[_name(notice)] += 1
            chosen.append(notice)
    return chosen


class Notifier:
    """A companion of the controller. `say` writes a line of its log."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.failed: Exception | None = None
        self._say, self._closing, self._hurry = say, threading.Event(), False
        self._thread: threading.Thread | None = None

    def start(self, context: Context) -> None:
        """Begin to send."""
        self.failed = None
        self._hurry = True  # whoever was at work before may have died in the middle of its tries
        self._closing.clear()
        self._thread = threading.Thread(target=self._serve, args=(context,), name="xene-notify", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(STOP)

    def reload(self) -> None:
        """Settings are read for every try; what waits for its next one is tried now, since they may be mended."""
        self._hurry = True

    def _serve(self, context: Context) -> None:
        try:
            asyncio.run(self._work(context))
        except Exception as error:  # noqa: BLE001 - the controller looks at it, and ends
            self.failed = error

    async def _work(self, context: Context) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE + 4, "xene-notify"))
        under_way: dict[asyncio.Task[None], Notice] = {}
        while not self._closing.is_set():
            try:
                for notice in await asyncio.to_thread(self._begin, context, list(under_way.values())):
                    under_way[asyncio.create_task(self._tell(context, notice))] = notice
            except XeneError as error:
                self._say(f"notices: {error.message}")  # a full disk, another writer: later
                await asyncio.sleep(LOOK)
            await _wait(under_way)
            for task in [task for task in under_way if task.done()]:
                del under_way[task]
                task.result()
        if under_way:
            await asyncio.wait(under_way, timeout=STOP - 1.0)

    def _begin(self, context: Context, busy: list[Notice]) -> list[Notice]:
        """What is to be tried now, after it was written down that it is."""
        now = time.time()
        with db.open_for_reading(context.place.state) as state:
            if not state.exists:
                return []
            last = notices.latest(state.conn)
            found = notices.due(state.conn, now, FOR_ONE)
        hurry, horizon = self._hurry, now if self._hurry else now + HORIZON
        put_off = last is not None and last > horizon
        chosen = choose(found, busy)
        if chosen or put_off:
            with self._open(context) as state, state.transaction() as conn:
                notices.pull_in(conn, now, horizon)
                notices.trying(conn, [(each.id, now + LONGEST_TRY + _pause(each)) for each in chosen])
                notices.prune(conn, now)
        if hurry:
            self._hurry = False
        return chosen

    def _open(self, context: Context) -> State:
        return db.open_state(context.place.state, create=False, patience=BUSY)

    async def _tell(self, context: Context, notice: Notice) -> None:
        why = await self._try(context, notice)
        if why is None:
            await self._store(context, lambda conn: notices.delivered(conn, time.time(), notice.id))
        else:
            await self._store_failure(context, notice, why)

    async def _try(self, context: Context, notice: Notice) -> str | None:
        """Why it could not be told; None where it was."""
        try:
            found, known = await asyncio.to_thread(self._look_up, context, notice)
            await sender.tell(context.place.home, key_of(context.uuid, notice), notice.target, found, known)
        except sender.Untold as untold:
            return str(untold)
        except XeneError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - one target that nobody thought of is no end of all others
            return f"unforeseen, a fault of Xene: {type(error).__name__}"  # its words may hold what is secret
        return None

    def _look_up(self, context: Context, notice: Notice) -> tuple[message.Facts, dict[str, Secret]]:
        """Its facts, and the Secrets that its target names."""
        with db.open_for_reading(context.place.state) as state, state.snapshot() as conn:
            run = run_if_known(conn, notice.run) if notice.run is not None else None
            data = {name: objects.read(conn, objects.SECRET, name) for name in _secrets(context, notice)}
        known = {name: secret_from_json(each) for name, each in data.items() if each is not None}
        return message.facts(notice, run), known

    async def _store_failure(self, context: Context, notice: Notice, why: str) -> None:
        gone = is_over(age=time.time() - notice.made_at, tries=notice.tries + 1)
        if gone or notice.tries == 0:
            end = "; it is given up" if gone else ""
            self._say(f"notice {notice.id} of {notice.workflow}/{notice.pipeline}: {why}{end}")

        def store(conn: sqlite3.Connection) -> None:
            if not gone:
                return notices.failed(conn, notice.id, time.time() + _pause(notice), why)
            name = f"{notice.workflow}/{notice.pipeline}"
            notices.give_up(conn, time.time(), notice.id, why)
            return events.note(conn, time.time(), "Pipeline", name, FAILED, f"{notice.kind}: {why}")

        await self._store(context, store)

    async def _store(self, context: Context, store: Callable[[sqlite3.Connection], None]) -> None:
        """Write down what came of a try. Where that is impossible it is kept here, and not told again meanwhile."""
        said = False
        while True:
            try:
                return await asyncio.to_thread(self._write, context, store)
            except XeneError as error:
                if not said:
                    self._say(f"notices: {error.message}")
                said = True
            if self._closing.is_set():
                return None  # the next controller tells it once more
            await asyncio.sleep(LOOK)

    def _write(self, context: Context, store: Callable[[sqlite3.Connection], None]) -> None:
        with self._open(context) as state, state.transaction() as conn:
            store(conn)


async def _wait(under_way: Collection[asyncio.Task[None]]) -> None:
    """Until something has ended, or it is time to look again."""
    if under_way:
        await asyncio.wait(under_way, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(LOOK)


def _name(notice: Notice) -> str:
    """What tells one target from another."""
    return json.dumps(notice.target, sort_keys=True)


def _secrets(context: Context, notice: Notice) -> list[str]:
    """The names of the Secrets that a target needs. Raises InvalidManifest, NotTrusted for a bad config.yaml."""
    if WEBHOOK in notice.target:
        name = notice.target[WEBHOOK].get("secretRef")
    elif EMAIL in notice.target:
        name = settings(context.place.home).get("smtp", {}).get("secretRef")
    else:
        name = None
    return [] if name is None else [name]
