"""Attempts of steps: begun, put off while there is no room, stopped, taken over; and their ends recorded.

Held by `work`, which says when. What a process is and how it ends is in `steps`, what is started in `launching`.
"""

from __future__ import annotations

import errno
import os
from typing import Callable, Dict, List, Optional, Tuple

from xene.agent.complaints import complain, complain_of_bug
from xene.agent.containers import ContainerTrouble, Room
from xene.agent.launching import Launching, grace_of
from xene.agent.results import Result, result_of
from xene.agent.rooms import Rooms
from xene.agent.secrecy import Secrecy
from xene.agent.steps import TIMEOUT_CODE, End, Steps
from xene.agent.workspace import RunDirectory
from xene.engine.clock import Clock
from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.engine.scope import context_of
from xene.engine.texts import ExpressionError
from xene.model import events, phases
from xene.model.events import Event

ROOM_PAUSE = 1.0  # seconds until a step that found no room (disk, processes, memory) is tried again
SAID_MOST = 4000  # characters of an event's message

# What may well pass: nothing of the step was run, and it is not the step's fault.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class Attempts:
    """`run_of` knows the runs, `is_leaving` whether what was left of a run is going; `touch` has it looked at."""

    def __init__(
        self,
        steps: Callable[[Callable[[End], None]], Steps],
        launching: Launching,
        rooms: Rooms,
        secrecy: Secrecy,
        run_of: Callable[[str], RunProgress],
        directory: Callable[[str], RunDirectory],
        is_leaving: Callable[[str], bool],
        record: Callable[[Event], None],
        touch: Callable[[str], None],
        clock: Callable[[], Clock],
    ) -> None:
        self.steps = steps(self._step_ended)
        self._launching, self._rooms, self._secrecy = launching, rooms, secrecy
        self._run_of, self._directory, self._is_leaving = run_of, directory, is_leaving
        self._record, self._touch, self._clock = record, touch, clock
        self._delayed: Dict[Tuple[str, int], float] = {}  # those that found no room, and when to try again
        # Those that wait for their run's secrets: to be begun (None), or to have what they left looked through.
        self._locked: Dict[Tuple[str, int], Optional[End]] = {}

    def tick(self, now: float) -> None:
        """Timeouts and stops that are due, and what may be tried again. `now` is CLOCK_BOOTTIME."""
        self.steps.tick(now)
        for key, at in list(self._delayed.items()):
            if now >= at:
                del self._delayed[key]
                self.begin(self._run_of(key[0]), key[1])
        for key, late in self._late_starts().items():
            if now >= late:
                self._let_go(key)

    def _late_starts(self) -> Dict[Tuple[str, int], float]:
        """Until when those that are still to be begun may wait for secrets."""
        found = {
            key: self._run_of(key[0]).by_seq[key[1]][1] for key, end in self._locked.items() if end is None
        }
        lates = {key: _deadline(step) for key, step in found.items()}
        return {key: late for key, late in lates.items() if late is not None}

    def times(self) -> List[float]:
        """When `tick` has something to do."""
        step = self.steps.next_at()
        late = self._late_starts().values() if self._locked else ()
        return [*self._delayed.values(), *late, *(() if step is None else (step,))]

    def begin(self, run: RunProgress, seq: int) -> None:
        """Start the process of an attempt whose intent is durable; or record at once why it cannot be."""
        task, step, _ = run.by_seq[seq]
        key = (run.order.id, seq)
        late = _deadline(step)
        if task.stop is not None:
            return self._step_ended(End(key, None, task.stop[0], f"{task.stop[1]} before it was started"))
        if late is not None and self._clock().up >= late:
            return self._step_ended(End(key, TIMEOUT_CODE, phases.TIMEOUT, "timed out before it was started"))
        if self._secrecy.lacks(run):  # an earlier daemon had them, and died before it started the process
            self._locked[key] = None
            return None
        if self._is_leaving(run.order.id):  # a run that is tried again, while what was left of it goes
            return self._delay(key, "what an earlier daemon left of it goes first")
        try:
            home = self._directory(run.order.id)
            room = self._rooms.of(run, task, step, home)
            launch = self._launching.launch(run, task, step, home, room)
            try:
                self.steps.start(key, launch, grace_of(run, task, step), late, room)
            finally:
                if launch.output is not None:
                    os.close(launch.output)
        except ExpressionError as error:
            self._step_ended(End(key, None, phases.EXPRESSION_FAILED, error.message))
        except ContainerTrouble as error:
            self._step_ended(End(key, None, error.reason, error.message))
        except NotADirectoryError as error:
            self._step_ended(End(key, None, phases.WORK_DIR_MISSING, str(error)))
        except FileNotFoundError as error:
            self._step_ended(End(key, 127, phases.STEP_FAILED, f"exit code 127: {error}"))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                return self._delay(key, str(error))
            self._step_ended(End(key, None, phases.START_FAILED, f"cannot be started: {error}"))
        except Exception as error:  # noqa: BLE001  a bug met by one step must not end what all others live from
            complain_of_bug(f"step {step.spec.name} of run {run.order.id} cannot be started")
            self._step_ended(End(key, None, phases.START_FAILED, f"cannot be started: {error!r} (a bug)"))
        return None

    def _delay(self, key: tuple[str, int], why: str) -> None:
        """No room for a step: its intent stands, and it is started as soon as there is room."""
        complain(f"step {key[1]} of run {key[0]} waits: {why}")
        self._delayed[key] = self._clock().up + ROOM_PAUSE

    def _step_ended(self, end: End) -> None:
        run = self._run_of(end.key[0])
        task, step, attempt = run.by_seq[end.key[1]]
        result = Result(end.reason, end.message)
        if end.reason is None or step.internal:
            contained = context_of(run, task).container is not None
            shown = self._secrecy.shown(run)
            result = result_of(step, self._directory(run.order.id), contained, result, shown)
        if self._secrecy.lacks(run) and (result.outputs or result.reason != end.reason):
            if task.stop is None:
                self._locked[end.key] = end
                return
            result = Result(*task.stop)
        result = self._secrecy.cleared(run, result)
        self._record(
            events.step_ended(
                self._clock().at if end.at is None else end.at,
                run.order.id,
                task.name,
                step.spec.name,
                attempt,
                phases.ERROR if result.reason else phases.SUCCESS,
                result.reason,
                result.message and result.message[:SAID_MOST],
                end.exit_code,
                result.outputs,
                result.artifacts,
            )
        )
        self._touch(run.order.id)

    def stop(self, run: RunProgress, task: TaskProgress) -> None:
        """The step of a task, if one runs or waits for room, is stopped for the reason that is on record."""
        step = task.running_step
        if step is None or task.stop is None:
            return None
        key = (run.order.id, step.seq)
        if key in self._locked:
            return self._let_go(key)
        if key in self._delayed:
            self._delayed[key] = 0.0
        grace = 0.0 if run.kill_asked else None
        return self.steps.stop(key, *task.stop, self._clock().up, grace)

    def unlocked(self, run: str) -> None:
        """The secrets of a run are here: what waited for them goes on."""
        for key in [key for key in self._locked if key[0] == run]:
            self._let_go(key)

    def _let_go(self, key: Tuple[str, int]) -> None:
        end = self._locked.pop(key)
        return self.begin(self._run_of(key[0]), key[1]) if end is None else self._step_ended(end)

    def hasten(self, run: str, now: float) -> None:
        """Kill at once what of a run is being stopped."""
        for key in [key for key, live in self.steps.live.items() if key[0] == run]:
            if self.steps.live[key].stopping is not None:
                self.steps.stop(key, phases.CANCELLED, "", now, 0.0)

    def take_over(self, run: RunProgress, task: TaskProgress, step: StepProgress) -> bool:
        """Go on with an attempt of an earlier daemon. False: nobody has started it, so it is to be begun."""
        key = (run.order.id, step.seq)
        now = self._clock()
        if step.boot != now.boot:
            message = "the host was rebooted while the step ran"
            self._step_ended(End(key, None, phases.HOST_REBOOTED, message))
            return True
        base = self._directory(run.order.id).base(step.seq)
        late = _deadline(step)
        why = (phases.TIMEOUT, "timed out") if late is not None and now.up >= late else None
        why = task.stop or why
        room = self._room_left(run, task, step)
        if not self.steps.adopt(key, base, grace_of(run, task, step), late, why, room):
            return False
        self.stop(run, task)
        return True

    def _room_left(self, run: RunProgress, task: TaskProgress, step: StepProgress) -> Optional[Room]:
        """Where a step was started by an earlier daemon; one without a room that can be named was not."""
        try:
            return self._rooms.of(run, task, step, self._directory(run.order.id))
        except (ContainerTrouble, ExpressionError):
            return None


def _deadline(step: StepProgress) -> Optional[float]:
    return None if step.spec.timeout is None else step.up + step.spec.timeout
