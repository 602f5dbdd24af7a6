"""All that the daemon knows, rebuilt from its journal: runs, assignments, capacity, the highest epoch.

`record` is the one way in: it numbers an event in the journal and folds it. Nothing recorded may be acted on
before `journal.flush()`; the daemon sees to that.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from xene.agent.charges import Charges
from xene.agent.compaction import Compaction
from xene.agent.facts import cpus
from xene.agent.journal import Journal
from xene.engine.admission import admit
from xene.engine.folds import fold
from xene.engine.progress import RunProgress, begin
from xene.errors import Storage
from xene.model.events import Event
from xene.model.workflow import ALLOW

COMPACT_ABOVE = 4 * 1024 * 1024  # bytes of journal


class Ledger:
    """`runs` are those that control has not released, oldest first; `queue` those of them that want capacity."""

    def __init__(self, journal: Journal, history: Iterable[Event]) -> None:
        self.journal = journal
        self.runs: Dict[str, RunProgress] = {}
        self.queue: Dict[str, int] = {}  # id -> size
        self.active: Dict[str, int] = {}  # id -> size of those that hold capacity
        self.open: Dict[
            str, Dict[str, None]
        ] = {}  # WORKFLOW/PIPELINE -> its runs that have not ended, in order
        self.assignments: Dict[str, str] = {}  # WORKFLOW/PIPELINE -> tag
        self.charges = Charges()
        self.capacity = cpus()
        self.epoch = 0
        self.heard = 0  # the last record that control is known to have stored
        self.left_at = 0.0  # when an earlier daemon made its last record
        self.forgot: Optional[List[float]] = None  # [n, at] of the newest record dropped that told of a slot
        self._ended: Dict[str, int] = {}  # run -> the record of its end
        self._compact_at = COMPACT_ABOVE
        for event in history:
            self._fold_known(event)
            self.left_at = event["at"]

    def record(self, event: Event) -> Event:
        """Journal `event` and fold it into what is known."""
        self.journal.append(event)
        self._fold(event)
        return event

    def admissible(self) -> List[str]:
        """The queued runs that may start, or go on, now."""
        ready = [item for item in self.queue.items() if self._may_start(self.runs[item[0]])]
        return admit(ready, sum(self.active.values()), self.capacity)

    def _may_start(self, run: RunProgress) -> bool:
        """Whether nothing but capacity keeps it: no secret that is not here, no earlier run of its pipeline."""
        if run.held is not None:
            return False
        if run.paused or run.pipeline.concurrency_policy == ALLOW:
            return True
        return next(iter(self.open[run.key])) == run.order.id

    def compact_if_large(self) -> None:
        """Drop what nobody needs any more, when the journal has grown."""
        if self.journal.size < self._compact_at:
            return
        self.journal.flush()
        compaction = Compaction(self.journal.read(0), self.runs, self.heard)

        def summary() -> Dict[str, Any]:
            self.forgot = compaction.forgot or self.forgot
            return {**self.charges.summary(), **({"forgot": self.forgot} if self.forgot else {})}

        self.journal.compact(compaction.kept, summary)
        self._compact_at = max(COMPACT_ABOVE, 2 * self.journal.size)

    def _fold_known(self, event: Event) -> None:
        """Raises Storage for a record that this code cannot read: one of a later version, by all likelihood."""
        try:
            self._fold(event)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise Storage(
                f"record {event.get('n')} of {self.journal.path} cannot be read by this version: {error!r}",
                hint="attach with the version of Xene that wrote it; or move the journal away",
                code="JournalUnreadable",
            ) from None

    def _fold(self, event: Event) -> None:
        kind = event["type"]
        if kind == "run.accepted":
            run = begin(event)
            self.runs[run.order.id] = run
            self._wants_capacity(run)
            if "fired" in event:
                self.charges.fired(event)
        elif "run" in event:
            self._fold_run(kind, event)
        elif kind == "epoch":
            self.epoch = event["epoch"]
        else:
            self._fold_charges(kind, event)

    def _fold_charges(self, kind: str, event: Event) -> None:
        if kind == "assigned":
            self.charges.assigned(event, self.assignments)
            self.assignments.update(event["set"])
            for key in event["gone"]:
                self.assignments.pop(key, None)
            self.capacity = event["capacity"]
        elif kind in ("slots.settled", "book"):
            self.charges.settled(event)
        elif kind == "clock.stepped":
            self.charges.stepped(event)
        elif kind == "autostart":
            self.charges.comes_back = event["how"]
        elif kind == "journal.begun":
            self.forgot = event.get("forgot")
            self.charges.begun(event)

    def _fold_run(self, kind: str, event: Event) -> None:
        name = event["run"]
        if name not in self.runs:
            return  # it was released, and this is an older record of it
        run = self.runs[name]
        fold(run, event)
        if kind in ("run.started", "run.resumed"):
            self.active[name] = self.queue.pop(name, run.size)
        elif kind == "run.waiting":
            self.active.pop(name, None)
        elif kind == "approval.answered" and run.paused:
            self.queue = {name: run.size, **self.queue}  # it was here before those that wait
        elif kind == "run.ended":
            self._ended[name] = event["n"]
            self._no_longer_open(run)
        elif kind == "run.retried":
            self._wants_capacity(run)
        elif kind == "run.released":
            self._no_longer_open(run)
            del self.runs[name]
            self.heard = max(self.heard, self._ended.pop(name, 0))  # control had stored all up to its end

    def _wants_capacity(self, run: RunProgress) -> None:
        self.queue[run.order.id] = run.size
        self.open.setdefault(run.key, {})[run.order.id] = None

    def _no_longer_open(self, run: RunProgress) -> None:
        name = run.order.id
        self.active.pop(name, None)
        self.queue.pop(name, None)
        others = self.open.get(run.key, {})
        others.pop(name, None)
        if not others:
            self.open.pop(run.key, None)
