"""Artifacts of other runs, on their way to the agent of a run that is to be started: by piece, each one confirmed.

Called by `control.passes` on the control thread. An agent that has all of a run's artifacts is noted in its link
(`Link.stowed`); only then `plan.dispatch` lets the run start. A cut costs the piece that was under way: on the next
connection the agent is asked how far it is.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Mapping, NamedTuple, Sequence

from xene.control.archive import request_of
from xene.control.fetching import tar_path
from xene.control.sessions import Sessions
from xene.store.events import plain
from xene.wire import messages

FIRST_REQUEST = 2_000_000_000  # beyond those of `fetching`
PIECE = 1024 * 1024  # bytes under way to one agent
PAUSE = 30.0  # seconds until an agent that found no room is asked again
STANDSTILLS = 3  # answers in which an agent has no more than before, until it counts as trouble

Order = Mapping[str, Any]  # {name, sha256, size, run}: `store.artifacts.for_order`


class Trouble(NamedTuple):
    """Why a run cannot have its artifacts now; `final`: it never will."""

    run: str
    message: str
    final: bool


class _Load:
    """One artifact for one run."""

    def __init__(self, run: str, order: Order, last: bool) -> None:
        self.run, self.sha256, self.size = run, str(order["sha256"]), int(order["size"])
        self.name, self.source = str(order["name"]), str(order["run"])
        self.last = last
        self.have, self.standstills = -1, 0


class _Queue:
    """What one agent is to get; the first is under way, on the connection that `token` tells from the next."""

    def __init__(self, token: int | None) -> None:
        self.token = token
        self.loads: deque[_Load] = deque()
        self.request = 0
        self.resume_at: float | None = None


class Stowing:
    """One queue for each agent. `moved`: a run may be started now; `troubles`: to be stored and told."""

    def __init__(self, directory: str, sessions: Sessions) -> None:
        self.moved = False
        self.troubles: list[Trouble] = []
        self._directory, self._sessions = directory, sessions
        self._queues: dict[str, _Queue] = {}
        self._last = FIRST_REQUEST

    def begin(self, agent: str, run: str, orders: Sequence[Order]) -> None:
        """Bring the artifacts of `run` to `agent`."""
        token = self._sessions.token(agent)
        queue = self._queues.get(agent)
        if queue is None or queue.token != token:
            queue = self._queues[agent] = _Queue(token)
        idle = not queue.loads
        queue.loads.extend(_Load(run, order, order is orders[-1]) for order in orders)
        if idle:
            self._ask(agent, queue)

    def _ask(self, agent: str, queue: _Queue, offset: int = 0, data: bytes = b"") -> None:
        """Send a piece; without one, ask how far it is."""
        load = queue.loads[0]
        self._last += 1
        queue.request, queue.resume_at = self._last, None
        said = messages.stow(self._sessions.epoch, self._last, load.run, load.sha256, load.size, offset)
        self._sessions.send(agent, said, data)

    def take(self, agent: str, message: Mapping[str, Any], _: bytes) -> bool:
        """How far an agent is, or that it cannot. False if it answers no request of this page."""
        queue = self._queues.get(agent)
        kind = message.get("type")
        if queue is None or not queue.loads or request_of(message) != queue.request:
            return False
        if kind == "failed":
            self._pause(queue, plain(str(message.get("message")))[:500])
        elif kind == "stowed":
            self._answered(agent, queue, message.get("have"))
        else:
            return False
        return True

    def _answered(self, agent: str, queue: _Queue, have: Any) -> None:
        load = queue.loads[0]
        if not isinstance(have, int) or isinstance(have, bool) or not 0 <= have <= load.size:
            return self._pause(queue, "the agent's answer makes no sense")
        if have == load.size:
            return self._arrived(agent, queue)
        load.standstills = load.standstills + 1 if have <= load.have else 0
        load.have = max(load.have, have)
        if load.standstills >= STANDSTILLS:
            load.have, load.standstills = -1, 0
            return self._pause(queue, f"the agent does not get beyond {have} of its {load.size} bytes")
        try:
            with open(tar_path(self._directory, load.source, load.sha256), "rb") as file:
                file.seek(have)
                data = file.read(PIECE)
        except OSError as error:
            return self._give_up(agent, queue, str(error.strerror))
        if not data:
            return self._give_up(agent, queue, "its file is cut short")
        return self._ask(agent, queue, have, data)

    def _arrived(self, agent: str, queue: _Queue) -> None:
        load = queue.loads.popleft()
        if load.last:
            self._sessions.link(agent).stowed.add(load.run)
            self.moved = True
        if queue.loads:
            self._ask(agent, queue)

    def _pause(self, queue: _Queue, why: str) -> None:
        load = queue.loads[0]
        queue.request, queue.resume_at = 0, time.monotonic() + PAUSE
        self.troubles.append(Trouble(load.run, f"artifact {load.name} has not arrived: {why}", final=False))

    def _give_up(self, agent: str, queue: _Queue, why: str) -> None:
        """The artifact is not here any more: the run cannot have it, and what else it wants is not needed."""
        lost = queue.loads[0]
        self.troubles.append(
            Trouble(lost.run, f"artifact {lost.name} of run {lost.source} is not here: {why}", final=True)
        )
        queue.loads = deque(load for load in queue.loads if load.run != lost.run)
        if queue.loads:
            self._ask(agent, queue)

    def tick(self) -> None:
        """Ask those again that found no room a while ago."""
        now = time.monotonic()
        for agent, queue in self._queues.items():
            if queue.loads and queue.resume_at is not None and now >= queue.resume_at:
                self._ask(agent, queue)

    def forget(self, agent: str) -> None:
        """The connection to an agent has ended: on the next, all of it is asked for again."""
        self._queues.pop(agent, None)
