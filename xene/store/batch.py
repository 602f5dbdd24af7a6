"""One batch of one agent's reports while it is folded: the rows of its runs, read once and written back once.

Made by `store.record`, filled by `store.folds` and `store.slot_folds`, inside one transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from xene.model import phases
from xene.store import events, reported

SAID_AGAIN = 60.0  # seconds until the same fault of an agent is worth another event


class Run:
    """The row of one run while a batch is folded; written back once."""

    __slots__ = ("changed", "ended", "finished_at", "known", "log", "message", "phase", "phase_since", "reason",
                 "released", "seq", "started_at", "wish_seen")  # fmt: skip

    def __init__(self, row: tuple[Any, ...]) -> None:
        (
            self.seq, self.phase, self.phase_since, self.reason, self.message, self.started_at,
            self.finished_at, self.ended, self.known, self.wish_seen, self.log, self.released,
        ) = row  # fmt: skip
        self.changed = False

    def enter(self, phase: str, at: float) -> None:
        self.phase, self.phase_since = phase, at


_READ = (
    "SELECT seq, coalesce(last_known_phase, phase), phase_since, reason, message, started_at, finished_at, ended,"
    " known, wish_seen, log, released FROM runs WHERE id = ? AND agent = ? AND sent_journal = ?"
)
_ADOPT = (
    "UPDATE runs SET agent = ?, sent_journal = ?, sent_at = ? WHERE id = ? AND sent_journal IS NULL AND ended = 0"
    " AND (agent = ? OR EXISTS (SELECT 1 FROM holdings h WHERE h.workflow = runs.workflow"
    " AND h.pipeline = runs.pipeline AND h.agent = ?))"
)
_NEXT = (
    "UPDATE runs SET reason = ?, message = ? WHERE seq = (SELECT min(n.seq) FROM runs r JOIN runs n"
    " ON n.workflow = r.workflow AND n.pipeline = r.pipeline AND n.ended = 0 WHERE r.id = ?) AND reason = ?"
)
ACCEPTED = "its agent has accepted it"
_WRITE = (
    "UPDATE runs SET phase = ?, last_known_phase = NULL, phase_since = ?, reason = ?, message = ?,"
    " started_at = ?, finished_at = ?, ended = ?, known = 1, wish_seen = ?, log = ?, released = ?,"
    " workspace_dropped = max(workspace_dropped, ?), settled = (? AND archived) WHERE seq = ?"
)


class Batch:
    """`ended` and `retried` are ids of runs; `notes` become events: by (name, reason), one of a kind is enough."""

    def __init__(self, conn: sqlite3.Connection, agent: str, journal: str, now: float) -> None:
        self.conn, self.agent, self.journal, self.now = conn, agent, journal, now
        self.ended: list[str] = []
        self.retried: list[str] = []
        self.notes: dict[tuple[str, str], str] = {}
        self._runs: dict[str, Run | None] = {}
        self._uuid = ""

    @property
    def uuid(self) -> str:
        """That of the state."""
        if not self._uuid:
            row = self.conn.execute("SELECT value FROM meta WHERE key = 'uuid'").fetchone()
            self._uuid = str(row[0])
        return self._uuid

    def run(self, run_id: Any) -> Run | None:
        """The run of that id, if it was sent to this journal of this agent."""
        if run_id not in self._runs:
            key = (reported.name(run_id), self.agent, self.journal)
            row = self.conn.execute(_READ, key).fetchone()
            if row is None and self._adopt(run_id):
                row = self.conn.execute(_READ, key).fetchone()
            self._runs[run_id] = None if row is None else Run(row)
        return self._runs[run_id]

    def forget(self, run_id: str) -> None:
        """Its row is read anew when it is next asked for: it was made only now."""
        self._runs.pop(run_id, None)

    def _adopt(self, run_id: str) -> bool:
        """Whether this is a run that was sent after this state was copied, and before the copy was restored.

        The agent has it, or had it: it counts as sent, and is not sent again.
        """
        values = (self.agent, self.journal, self.now, run_id, self.agent, self.agent)
        if not self.conn.execute(_ADOPT, values).rowcount:
            return False
        self.notes[run_id, phases.STATE_RESTORED] = (
            f"agent {self.agent} reports about it, but this state never sent it: the state is a restored copy"
        )
        return True

    def write(self) -> None:
        """Write back what has changed, and tell people."""
        self._write_runs()
        for run_id in self.ended:  # whoever waited for it waits for capacity alone now
            self.conn.execute(_NEXT, (phases.WAITING_FOR_CAPACITY, ACCEPTED, run_id, phases.WAITING_FOR_RUN))
        self._spare_the_history()
        lines = [
            (self.now, "Agent" if name == self.agent else "Run", name, reason, message)
            for (name, reason), message in self.notes.items()
        ]
        lines += [(self.now, "Run", run_id, "Retried", "it has another attempt") for run_id in self.retried]
        for run_id in self.ended:
            run = self._runs[run_id]
            if run is not None:
                lines.append((self.now, "Run", run_id, run.reason or run.phase, run.message or ""))
        if lines:
            events.note_all(self.conn, lines)

    def _write_runs(self) -> None:
        rows = [
            (
                run.phase, run.phase_since, run.reason, run.message, run.started_at, run.finished_at, run.ended,
                run.wish_seen, run.log, run.released, run.released, run.released, run.seq,
            )
            for run in self._runs.values()
            if run is not None and run.changed
        ]  # fmt: skip
        self.conn.executemany(_WRITE, rows)

    def _spare_the_history(self) -> None:
        """What was said of an agent a minute ago is not said again: a flood must not wash away the events."""
        for name, reason in [key for key in self.notes if key[0] == self.agent]:
            said = self.conn.execute(
                "SELECT 1 FROM events WHERE kind = 'Agent' AND name = ? AND reason = ? AND at > ? LIMIT 1",
                (name, reason, self.now - SAID_AGAIN),
            ).fetchone()
            if said is not None:
                del self.notes[name, reason]
