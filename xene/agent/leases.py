"""The leases of this agent: asked for while control is in touch, and what must end when one does.

Held by `duties`. A grant is kept in a file beside the journal, for the next daemon of the same boot: it need not
outlive the host, so it is not made durable. What is decided about a run is recorded like everything else.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, Mapping, Optional

from xene.agent.ledger import Ledger
from xene.agent.work import Work
from xene.engine.clock import Clock
from xene.engine.lease import Grant, better, holds, parted, pause
from xene.engine.progress import RunProgress
from xene.model import events, phases
from xene.model.events import Event
from xene.wire import messages

_ASKED = 16  # questions that may still be answered


class Leases:
    """`ask` sends a message to control and says whether there was one to send it to; `back` is told of pipelines
    whose lease holds again. `path` is the file."""

    def __init__(
        self,
        ledger: Ledger,
        work: Work,
        record: Callable[[Event], None],
        path: str,
        ask: Callable[[Mapping[str, Any]], bool],
        back: Callable[[str], None],
    ) -> None:
        self._ledger, self._work, self._record = ledger, work, record
        self._path, self._send, self._back = path, ask, back
        self._lengths: Dict[str, float] = {}  # WORKFLOW/PIPELINE -> seconds
        self._keys: Dict[float, Dict[str, None]] = {}  # and the other way round
        self._valid: Dict[float, bool] = {}  # length -> whether it was at the last look
        self._grant = _read(path)
        self._asked: List[Grant] = []
        self._ask_at: Optional[float] = None  # CLOCK_BOOTTIME; None: nobody to ask
        work.may_start = self.may

    def may(self, key: str) -> bool:
        """Whether the pipeline may fire and start here, as of the last look."""
        length = self._lengths.get(key)
        return length is None or self._valid[length]

    def put(self, key: str, length: Optional[float], now: Clock) -> None:
        """A pipeline's charge, with the length of its lease; None: it wants none."""
        before = self._lengths.pop(key, None)
        if before is not None and before != length:
            self._forget(before, key)
        if length is None:
            return self._free(key) if before is not None else None
        self._lengths[key] = length
        self._keys.setdefault(length, {})[key] = None
        self._valid.setdefault(length, holds(self._grant, length, now))
        if self._ask_at is not None:
            self._ask_at = min(self._ask_at, now.up if before is None else self._ask_at)
        return self._free(key) if self._valid[length] else self._end(key)

    def drop(self, key: str) -> None:
        """The pipeline is this agent's no more: what still waits here for a lease gets none."""
        length = self._lengths.pop(key, None)
        if length is not None:
            self._forget(length, key)
            for run in self._open(key):
                if run.held is not None and run.held[0] == phases.WAITING_FOR_LEASE:
                    self._kill(run)

    def _forget(self, length: float, key: str) -> None:
        self._keys[length].pop(key, None)
        if not self._keys[length]:
            del self._keys[length], self._valid[length]

    # -- question and answer

    def greeted(self, now: Clock) -> None:
        """Control is in touch: ask at once."""
        self._ask_at = now.up

    def hurry(self, now: Clock) -> None:
        """What was granted may be worth nothing any more: ask at once, if control is in touch."""
        if self._ask_at is not None:
            self._ask_at = now.up

    def granted(self, boot: str, up: float, now: Clock) -> None:
        """Control's answer to the question that was asked at `up`; to another one it counts for nothing."""
        asked = next((each for each in self._asked if each.boot == boot and each.up == up), None)
        if asked is None:
            return
        self._asked = [each for each in self._asked if each.up > up]
        grant = better(self._grant, asked)
        if self._grant is not None and parted(Clock(self._grant.at, boot, self._grant.up), now):
            grant = asked  # the older one is worth nothing any more
        if grant is not self._grant:
            self._grant = grant
            _write(self._path, grant)
        self.look(now)

    def tick(self, now: Clock) -> None:
        """Ask when it is time, and look at what has ended."""
        if self._ask_at is not None and now.up >= self._ask_at and self._lengths:
            self._ask(now)
        self.look(now)

    def _ask(self, now: Clock) -> None:
        asked = Grant(now.boot, now.up, now.at)
        if not self._send(messages.lease(now.boot, now.up, now.at)):
            self._ask_at = None
            return
        self._asked = [*self._asked, asked][-_ASKED:]
        self._ask_at = now.up + pause(self._keys)

    def next_at(self) -> Optional[float]:
        """When `tick` has something to do, on CLOCK_BOOTTIME."""
        times = [] if self._ask_at is None or not self._lengths else [self._ask_at]
        if self._grant is not None:
            times += [self._grant.up + length for length, valid in self._valid.items() if valid]
        return min(times, default=None)

    # -- what follows

    def look(self, now: Clock) -> None:
        """Record what follows for runs where a lease has ended, or holds again."""
        for length, was in list(self._valid.items()):
            valid = holds(self._grant, length, now)
            if valid != was:
                self._valid[length] = valid
                for key in list(self._keys[length]):
                    self._free(key) if valid else self._end(key)

    def _end(self, key: str) -> None:
        for run in self._open(key):
            if run.started_at is None:
                self._work.hold(run)
            elif not run.kill_asked:
                self._kill(run)

    def _kill(self, run: RunProgress) -> None:
        self._record(events.cancel_asked(self._work.clock().at, run.order.id, True, phases.LEASE_ENDED))
        self._work.cancel(run.order.id)

    def _free(self, key: str) -> None:
        for run in self._open(key):
            self._work.free(run, phases.WAITING_FOR_LEASE)
        self._back(key)

    def _open(self, key: str) -> List[RunProgress]:
        return [self._ledger.runs[name] for name in list(self._ledger.open.get(key, ()))]


def _read(path: str) -> Optional[Grant]:
    try:
        with open(path, encoding="ascii") as file:
            boot, up, at = json.load(file)
        return Grant(str(boot), float(up), float(at))
    except (OSError, ValueError, TypeError):
        return None  # none was kept, or not whole: control is asked


def _write(path: str, grant: Grant) -> None:
    temporary = path + ".tmp"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(grant, file)
        os.rename(temporary, path)
    except OSError:
        pass  # no room: this daemon has it in memory, and the next one asks
