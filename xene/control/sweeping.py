"""Asking hosts to free what nobody needs any more. Called by `xene gc`.

Over connections of its own (role reader), so that it works beside whoever is at work. An agent is asked twice:
first what there is, and which ended runs it still has; then to free it, and of those runs the ones of which this
state has never heard.
"""

from __future__ import annotations

import queue
import time
from typing import Any, Mapping, NamedTuple, Sequence

from xene.control.archive import request_of
from xene.control.place import Place
from xene.control.sessions import Came, Open, Sessions, open_channel
from xene.model.ids import is_run_id
from xene.store import agents, history
from xene.store.agents import Agent
from xene.store.db import State
from xene.store.events import plain
from xene.transport.session import Down, Got, Up
from xene.wire import messages

PATIENCE = 180.0  # seconds for all agents together
KINDS = 20  # kinds of things that are believed of one agent
RUNS = 10_000  # ended runs of one agent that are looked at
LOOK, ACT = 1, 2  # the two requests


class Swept(NamedTuple):
    """What one agent freed, or would: `what` as [{what, count, bytes}]. `error`: it could not be asked."""

    agent: str
    what: list[dict[str, Any]]
    error: str | None = None

    @property
    def bytes(self) -> int:
        return sum(each["bytes"] for each in self.what)


class _Asked:
    """How far one agent is."""

    def __init__(self, row: Agent) -> None:
        self.row = row
        self.hello: Mapping[str, Any] = {}
        self.answer: Swept | None = None


def sweep(place: Place, state: State, *, dry: bool, open: Open = open_channel) -> list[Swept]:
    """Ask every agent that was ever in touch; one answer each, by name."""
    with state.snapshot() as conn:
        rows = [row for row in agents.every(conn) if row.journal is not None]
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sessions = Sessions(place, state.uuid, state.epoch, inbox, role="reader", open=open)
    try:
        return _Sweep(state, sessions, inbox, rows, dry).all()
    finally:
        sessions.close()


class _Sweep:
    def __init__(
        self,
        state: State,
        sessions: Sessions,
        inbox: queue.SimpleQueue[Any],
        rows: Sequence[Agent],
        dry: bool,
    ) -> None:
        self._state, self._sessions, self._inbox, self._dry = state, sessions, inbox, dry
        self._asked = {row.name: _Asked(row) for row in rows}

    def all(self) -> list[Swept]:
        deadline = time.monotonic() + PATIENCE
        self._sessions.reach(asked.row for asked in self._asked.values())
        while any(asked.answer is None for asked in self._asked.values()):
            try:
                came = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(came, Came):
                came.taken()
                if self._sessions.is_current(came):
                    self._take(came.item)
        late = f"it has not answered within {PATIENCE:g} s"
        return [asked.answer or Swept(name, [], late) for name, asked in self._asked.items()]

    def _take(self, item: Any) -> None:
        asked = self._asked[item.agent]
        if isinstance(item, Up):
            self._sessions.went_up(item.agent, 0)
            asked.hello = item.hello
            self._ask(item.agent, LOOK, dry=True, forget=[])
        elif isinstance(item, Down):
            asked.answer = asked.answer or Swept(item.agent, [], item.message)
        elif isinstance(item, Got) and item.message.get("type") == "failed":
            asked.answer = Swept(item.agent, [], plain(str(item.message.get("message")))[:500])
        elif isinstance(item, Got) and item.message.get("type") == "refused":
            asked.answer = Swept(
                item.agent, [], "its agent is of an older version: run `xene reconcile` first"
            )
        elif isinstance(item, Got) and item.message.get("type") == "swept":
            self._swept(item.agent, asked, item.message)

    def _ask(self, agent: str, number: int, *, dry: bool, forget: list[str]) -> None:
        names = list(self._asked)
        self._sessions.send(agent, messages.sweep(self._sessions.epoch, number, dry, names, forget))

    def _swept(self, agent: str, asked: _Asked, message: Mapping[str, Any]) -> None:
        if request_of(message) == LOOK:
            forget = self._never_heard_of(asked, message.get("ended"))
            if forget or not self._dry:
                return self._ask(agent, ACT, dry=self._dry, forget=forget)
        asked.answer = Swept(agent, _believed(message.get("what")))

    def _never_heard_of(self, asked: _Asked, ended: Any) -> list[str]:
        """Ended runs that are not in this state, once all that the agent has journalled is stored in it."""
        said = ended[:RUNS] if isinstance(ended, list) else []
        ids = [run for run in said if isinstance(run, str) and is_run_id(run)]
        last = asked.hello.get("last")
        with self._state.snapshot() as conn:
            row = agents.read(conn, asked.row.name)
            heard_out = row is not None and row.journal == asked.hello.get("journal")
            if row is None or not heard_out or not isinstance(last, int) or row.cursor < last:
                return []
            return history.unknown(conn, ids)


def _believed(what: Any) -> list[dict[str, Any]]:
    """What an agent says it freed, as far as it makes sense."""
    found = []
    for each in what[:KINDS] if isinstance(what, list) else []:
        if isinstance(each, dict) and all(_is_count(each.get(key)) for key in ("count", "bytes")):
            name = plain(str(each.get("what")))[:100]
            found.append({"what": name, "count": each["count"], "bytes": each["bytes"]})
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**60
