"""Runs being worked off: decisions of the engine recorded, and acted on once they are durable.

`decide` asks the engine and records; `act` starts, stops and cleans up. The daemon puts a flush in between.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Optional

from xene.agent import process
from xene.agent.attempts import Attempts
from xene.agent.ends import Ends
from xene.agent.facts import user_environment
from xene.agent.home import Home, lay
from xene.agent.launching import Launching
from xene.agent.ledger import Ledger
from xene.agent.leftovers import Leftovers
from xene.agent.process import WRAPPER
from xene.agent.results import discard
from xene.agent.rooms import Rooms, client_env
from xene.agent.secrecy import LOST, Secrecy
from xene.agent.spares import Spares
from xene.agent.steps import Steps
from xene.agent.sweeps import kill_all
from xene.agent.vault import Vault
from xene.agent.workspace import RunDirectory, Trash
from xene.engine.advance import advance, done, ending
from xene.engine.clock import Clock
from xene.engine.progress import RunProgress
from xene.engine.timers import next_due
from xene.model import events, phases
from xene.model.events import Event

NO_LEASE = "it may not start here before control has renewed this agent's lease"
TOLD_PAUSE = 0.02  # seconds until it is looked again whether the maskers of a run have ended


class Work:
    """`record` puts an event into the ledger. Acts wait in `_acts` until the daemon has made events durable."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        record: Callable[[Event], None],
        clock: Callable[[], Clock],
        umask: int,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        trash: Trash,
        code: str,
        vault: Vault,
    ) -> None:
        self._home, self._ledger, self._record, self.clock = home, ledger, record, clock
        self._trash, self._version = trash, os.path.basename(code)
        self.may_start: Callable[[str], bool] = lambda _: True  # whether a pipeline has the lease that it wants
        self._touched: Dict[str, None] = {}
        self._directories: Dict[str, RunDirectory] = {}
        self._spares = Spares(os.path.join(home.path, "spare"))
        self.secrecy = Secrecy(vault)
        self._due: Dict[str, float] = {}  # runs in which something follows at a reading of CLOCK_BOOTTIME
        self._acts: List[Callable[[], None]] = []
        self._ends = Ends(home, self._is_open)
        self._recovered: Dict[str, None] = {}  # runs that began under an earlier daemon
        lay(home.wrapper, WRAPPER.encode())
        user = user_environment()
        rooms = Rooms(home, umask, user["HOME"])
        self._attempts = Attempts(
            lambda on_end: Steps(home.wrapper, umask, on_end, watch, unwatch),
            Launching(code, home.incoming, user, self._spares, self.secrecy, rooms),
            rooms,
            self.secrecy,
            lambda run: ledger.runs[run],
            self.directory,
            self._ends.__contains__,
            record,
            self.touch,
            clock,
        )
        self.steps = self._attempts.steps

    def directory(self, run: str) -> RunDirectory:
        """Where a run lives on the host."""
        found = self._directories.get(run)
        if found is None:
            found = self._directories[run] = RunDirectory(self._home, run)
        return found

    # -- the daemon's turn

    def touch(self, run: str) -> None:
        """Something happened to a run: look at it in the next `decide`."""
        self._touched[run] = None

    def decide(self) -> None:
        """Record what follows from what happened; the acts of it wait for `act`.

        A run that comes to wait for approvals alone, or whose approval has expired, changes who may start.
        """
        self._admit()
        while self._touched:
            name, _ = self._touched.popitem()
            run = self._ledger.runs.get(name)
            if run is not None:
                self._decide_run(run)
            if not self._touched:
                self._admit()

    def _admit(self) -> None:
        """Start the queued runs for which there is room, and let those go on that were paused."""
        for name in self._ledger.admissible() if self._ledger.queue else ():
            paused = self._ledger.runs[name].paused
            begin = events.run_resumed if paused else events.run_started
            self._record(begin(self.clock(), name))
            self.touch(name)

    def _decide_run(self, run: RunProgress) -> None:
        now = self.clock()
        while True:
            found = advance(run, now)
            if not found:
                break
            for event in found:
                self._record(event)
                self._intend(run, event)
        self._set_alarm(run, now)
        if done(run) and run.order.id not in self._ends:
            self._acts.append(lambda: self._sweep(run))

    def _intend(self, run: RunProgress, event: Event) -> None:
        """What is to be done about an event, once it is durable."""
        if event["type"] == "step.started":
            self._begin_later(run, event["seq"])
        elif event["type"] == "task.stopping":
            task = run.tasks[event["task"]]
            self._acts.append(lambda: self._attempts.stop(run, task))

    def _set_alarm(self, run: RunProgress, now: Clock) -> None:
        at = next_due(run, now)
        if at is None:
            self._due.pop(run.order.id, None)
        else:
            self._due[run.order.id] = at

    def act(self) -> bool:
        """Carry out what was decided. False when there was nothing, and nothing was recorded on the way."""
        acts, self._acts = self._acts, []
        for call in acts:
            call()
        if self.steps.live:
            self._spares.refill()
        return bool(acts) or bool(self._touched)

    def tick(self) -> None:
        """Timeouts, stops and sweeps that are due."""
        now = self.clock().up
        self._attempts.tick(now)
        for name in [name for name, at in self._due.items() if now >= at]:
            del self._due[name]
            self.touch(name)
        self._ends.tick(now)

    def next_at(self) -> Optional[float]:
        """When `tick` has something to do, on CLOCK_BOOTTIME."""
        times = [*self._ends.times(), *self._attempts.times(), *self._due.values()]
        return min(times, default=None)

    def exited(self, pid: int, status: int) -> None:
        """A child of the daemon was reaped."""
        if not self._ends.exited(pid, status, self.clock().up):
            self.steps.exited(pid, status)

    # -- ends

    def cancel(self, run: str) -> None:
        """A wish to cancel was recorded: the engine says what stops; a kill hastens what is stopping already."""
        self.touch(run)
        self._acts.append(lambda: self._hasten(self._ledger.runs[run]))

    def begin_again(self, run: str) -> None:
        """An ended run is to be retried: what its directory was made of is looked at anew."""
        self._directories.pop(run, None)
        self.hold(self._ledger.runs[run])
        self.touch(run)

    def open_runs(self) -> List[RunProgress]:
        """The runs that have not ended."""
        return [run for run in self._ledger.runs.values() if not run.ended]

    def cancel_all(self) -> bool:
        """Ask every run to end, as if control had. False when there is none left to ask."""
        open_runs = self.open_runs()
        for run in open_runs:
            if not run.cancel_asked:
                self._record(events.cancel_asked(self.clock().at, run.order.id, False))
                self.cancel(run.order.id)
        return bool(open_runs)

    def kill_unleased(self) -> None:
        """Kill what runs without its lease though the journal cannot be written: another agent may start it."""
        for run in self.open_runs():
            if run.kill_asked and run.cancel_asked == phases.LEASE_ENDED:
                for task in list(run.running.values()):
                    self._attempts.stop(run, task)

    def _hasten(self, run: RunProgress) -> None:
        if run.kill_asked:
            now = self.clock().up
            self._attempts.hasten(run.order.id, now)
            self._ends.hasten(run.order.id, now)

    def _sweep(self, run: RunProgress) -> None:
        """End what steps left running, then the run. Where this daemon has no unknown child, nothing is left.

        A container is one: who watches it is an orphan that has come to this daemon.
        """
        name = run.order.id
        if run.ended or name in self._ends:  # decided twice while the disk was full
            return None
        if name not in self._recovered and self._knows_all_children():
            return self._end(run)
        place, now = self.directory(name).path, self.clock().up
        return self._ends.begin(name, place, run.kill_asked, now, lambda: self._end(run), client_env(run))

    def _knows_all_children(self) -> bool:
        own = {live.pid for live in self.steps.live.values()}.union(self._ends.pids())
        return all(process.is_masker(pid) for pid in process.children() - own)

    def _is_open(self, name: str) -> bool:
        run = self._ledger.runs.get(name)
        return run is not None and not run.ended

    def _end(self, run: RunProgress) -> None:
        """Record the end, once all that the steps said is in the logs."""
        if not self.secrecy.is_told(run, self._logs(run)):
            self._due[run.order.id] = self.clock().up + TOLD_PAUSE
            return
        if run.pipeline.secrets:
            discard(self.directory(run.order.id), run.by_seq)
        self.secrecy.vault.forget(run.order.id)
        self._recovered.pop(run.order.id, None)
        self._record(ending(run, self.clock()))
        self.touch(run.order.id)

    def _logs(self, run: RunProgress) -> List[str]:
        if not run.pipeline.secrets:
            return []
        home = self.directory(run.order.id)
        return [
            home.log(seq, task.name, step.spec.name, attempt)
            for seq, (task, step, attempt) in run.by_seq.items()
        ]

    def hold(self, run: RunProgress) -> None:
        """Record that a run waits for secrets that are not here, or for a lease to start under, if it does."""
        if run.ended or run.held is not None:
            return
        if self.secrecy.lacks(run):
            self._record(events.run_held(self.clock().at, run.order.id, phases.SECRET_UNAVAILABLE, LOST))
        elif run.started_at is None and not self.may_start(run.key):
            self._record(events.run_held(self.clock().at, run.order.id, phases.WAITING_FOR_LEASE, NO_LEASE))

    def unlock(self, run: RunProgress, values: Mapping[str, str]) -> None:
        """The secrets of a run are here."""
        self.secrecy.keep(run.order.id, values)
        if not self.secrecy.lacks(run) and self.free(run, phases.SECRET_UNAVAILABLE):
            self._attempts.unlocked(run.order.id)
        self.touch(run.order.id)

    def free(self, run: RunProgress, reason: str) -> bool:
        """Record that a run is no longer held for `reason`, if it was; it may be for another one."""
        if run.held is None or run.held[0] != reason:
            return False
        self._record(events.run_freed(self.clock().at, run.order.id))
        self.hold(run)
        self.touch(run.order.id)
        return True

    # -- removal

    def remove(self, run: str) -> None:
        """Control has all of a run: what is left of it goes, once that is on record."""
        self._directories.pop(run, None)
        self._acts.append(lambda: self._trash.take(self._home.run(run)))

    def remove_workspace(self, run: str) -> None:
        """The workspace of a run that has ended is no longer wanted."""
        self._trash.take(self.directory(run).workspace)

    def leftovers(self, request: Mapping[str, Any], unheard: List[str], artifacts: List[str]) -> Leftovers:
        """What control asks to be freed here: runs of which it never heard, artifacts that no run waits for."""
        take = self._trash.take
        return Leftovers(request, self._home, self._version, self._ledger, unheard, artifacts, take)

    # -- after a restart

    def recover(self) -> None:
        """Take over what an earlier daemon left: adopt steps, read their exit codes, or start them."""
        for name in set(os.listdir(self._home.runs)) - set(self._ledger.runs):
            self._clear_stray(name)
        for run in self._ledger.runs.values():
            if run.ended:
                continue
            self._recovered[run.order.id] = None
            self.hold(run)
            self.touch(run.order.id)
            for task in list(run.running.values()):
                step = task.running_step
                if step is not None and not self._attempts.take_over(run, task, step):
                    self._begin_later(run, step.seq)
        self._ends.look_for_leftovers()

    def _begin_later(self, run: RunProgress, seq: int) -> None:
        self._acts.append(lambda: self._attempts.begin(run, seq))

    def _clear_stray(self, name: str) -> None:
        """A run that is on no record: released, or of a journal that is no more. Nothing of it may go on."""
        path = self._home.run(name)
        self._ends.begin(name, path, False, self.clock().up, lambda: self._trash.take(path))

    def abandon(self) -> None:
        """The home is gone: nobody could ever find these steps again. Blocks until they are killed, or 5 s."""
        kill_all([run.order.id for run in self.open_runs()], self.steps.live.values())
