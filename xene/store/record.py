"""What agents report, folded into rows: exactly once, and only about what is theirs.

Called by `control` through `store.runs.record`, inside its transaction. Agents are not trusted: an event about a
run that is not assigned to that agent, or one that is malformed, is dropped and leaves an event for people.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any, Callable, Iterable, Mapping

from xene.engine.outputs import too_large
from xene.model import phases
from xene.model.ids import is_task_name
from xene.model.workflow import MATRIX_MOST
from xene.store import agents, artifacts, events, fires, tasks

_LATEST = 4e9  # an instant beyond this is no instant
_MOST = 2**53  # a number beyond this counts nothing
SAID_AGAIN = 60.0  # seconds until the same fault of an agent is worth another event
ATTEMPTS = 1000  # each makes a row
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{1,63}")
UNCLEAR = "MalformedReason"  # in the place of a reason that is none
_ENDS = frozenset({phases.SUCCESS, phases.ERROR, phases.NOT_EXECUTED})


class _Run:
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
_OLDER = (
    "SELECT o.id FROM runs r JOIN runs o ON o.workflow = r.workflow AND o.pipeline = r.pipeline"
    " WHERE r.seq = ? AND r.policy <> 'Allow' AND o.seq < r.seq AND o.ended = 0 ORDER BY o.seq LIMIT 1"
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


def record(
    conn: sqlite3.Connection, agent: str, journal: str, batch: Iterable[Mapping[str, Any]], now: float
) -> list[str]:
    """Fold a batch of events, oldest first, and move the cursor. Give the ids of runs that ended in it.

    Events at or below the cursor, or of a journal that is not the agent's present one, are passed over.
    """
    row = conn.execute(
        "SELECT cursor FROM agents WHERE name = ? AND journal = ?", (agent, journal)
    ).fetchone()
    if row is None:
        return []
    fold = _Fold(conn, agent, journal, now)
    cursor: int = row[0]
    for event in batch:
        number = event.get("n")
        if not isinstance(number, int) or not cursor < number < _MOST:
            continue
        cursor = number
        fold.add(event)
    fold.write(now)
    conn.execute("UPDATE agents SET cursor = ?, last_seen_at = ? WHERE name = ?", (cursor, now, agent))
    return fold.ended


def end_parts(conn: sqlite3.Connection, now: float, seq: int, reason: str) -> None:
    """Tasks and steps of a run (by its `seq`) about which nobody will say more."""
    for table in ("tasks", "task_attempts", "steps"):
        conn.execute(
            f"UPDATE {table} SET phase = ?, reason = ?, finished_at = ? WHERE run = ? AND phase = ?",
            (phases.ERROR, reason, now, seq, phases.RUNNING),
        )
    for table in ("tasks", "steps"):
        conn.execute(
            f"UPDATE {table} SET reason = coalesce(reason, ?), ended = 1 WHERE run = ? AND ended = 0",
            (reason, seq),
        )


class _Fold:
    """One batch of one agent."""

    def __init__(self, conn: sqlite3.Connection, agent: str, journal: str, now: float) -> None:
        self.conn, self.agent, self.journal, self.now = conn, agent, journal, now
        self.runs: dict[str, _Run | None] = {}
        self.ended: list[str] = []
        self.retried: list[str] = []
        self.notes: dict[tuple[str, str], str] = {}  # (name, reason): message; one of a kind is enough

    def add(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        try:
            if kind == "assigned":
                agents.confirm(self.conn, self.agent, _revisions(event["set"]), _names(event["gone"]))
            elif kind in _FOLDS:
                self._about_run(_FOLDS[kind], event)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self.notes[self.agent, "MalformedReport"] = (
                f"event {event.get('n')} ({kind}) was dropped: {error!r}"
            )

    def _about_run(
        self, act: Callable[[_Fold, _Run, Mapping[str, Any]], None], event: Mapping[str, Any]
    ) -> None:
        run = self._run(event["run"])
        if run is None:
            if event["type"] != "run.released":  # of a run that control was already done with
                self.notes[self.agent, "ForeignReport"] = (
                    f"a report about run {event['run']}, which is not assigned to it, was dropped"
                )
            return
        if run.ended and event["type"] not in ("run.released", "run.retried"):
            return  # the end never changes
        run.changed = True
        act(self, run, event)

    def _run(self, run_id: Any) -> _Run | None:
        if run_id not in self.runs:
            key = (_name(run_id), self.agent, self.journal)
            row = self.conn.execute(_READ, key).fetchone()
            if row is None and self._adopt(run_id):
                row = self.conn.execute(_READ, key).fetchone()
            self.runs[run_id] = None if row is None else _Run(row)
        return self.runs[run_id]

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

    def write(self, now: float) -> None:
        rows = [
            (
                run.phase, run.phase_since, run.reason, run.message, run.started_at, run.finished_at, run.ended,
                run.wish_seen, run.log, run.released, run.released, run.released, run.seq,
            )
            for run in self.runs.values()
            if run is not None and run.changed
        ]  # fmt: skip
        self.conn.executemany(_WRITE, rows)
        for run_id in self.ended:  # whoever waited for it waits for capacity alone now
            self.conn.execute(_NEXT, (phases.WAITING_FOR_CAPACITY, ACCEPTED, run_id, phases.WAITING_FOR_RUN))
        self._spare_the_history(now)
        lines = [
            (now, "Agent" if name == self.agent else "Run", name, reason, message)
            for (name, reason), message in self.notes.items()
        ]
        lines += [(now, "Run", run_id, "Retried", "it has another attempt") for run_id in self.retried]
        for run_id in self.ended:
            run = self.runs[run_id]
            if run is not None:
                lines.append((now, "Run", run_id, run.reason or run.phase, run.message or ""))
        if lines:
            events.note_all(self.conn, lines)

    def _spare_the_history(self, now: float) -> None:
        """What was said of an agent a minute ago is not said again: a flood must not wash away the events."""
        for name, reason in [key for key in self.notes if key[0] == self.agent]:
            said = self.conn.execute(
                "SELECT 1 FROM events WHERE kind = 'Agent' AND name = ? AND reason = ? AND at > ? LIMIT 1",
                (name, reason, now - SAID_AGAIN),
            ).fetchone()
            if said is not None:
                del self.notes[name, reason]


# -- one function per type of event


def _accepted(fold: _Fold, run: _Run, _event: Mapping[str, Any]) -> None:
    if run.phase == phases.QUEUED and run.reason is None:
        older = fold.conn.execute(_OLDER, (run.seq,)).fetchone()
        if older is not None:
            run.reason, run.message = phases.WAITING_FOR_RUN, f"run {older[0]} has not ended"
        else:
            run.reason, run.message = phases.WAITING_FOR_CAPACITY, ACCEPTED


def _run_held(_: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    run.reason, run.message = _reason(event["reason"]), _text(event["message"])


def _run_freed(_: _Fold, run: _Run, _event: Mapping[str, Any]) -> None:
    run.reason = run.message = None


def _run_waiting(_: _Fold, run: _Run, _event: Mapping[str, Any]) -> None:
    run.reason, run.message = phases.WAITING_FOR_APPROVAL, "all that is left waits for an approval"


def _run_retried(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    """Only where it was asked for: an end does not change by an agent's word alone."""
    attempt = _attempt(event["attempt"])
    asked = fold.conn.execute(
        "SELECT fire FROM runs WHERE seq = ? AND retry_attempt = ?", (run.seq, attempt)
    ).fetchone()
    if asked is None or not run.ended:
        return
    run.reason, run.message, run.started_at, run.finished_at = None, None, None, None
    run.enter(phases.QUEUED, _at(event))
    run.ended, run.log, run.wish_seen = 0, None, None
    fold.conn.execute(
        "UPDATE runs SET attempt = ?, retry_attempt = NULL, retry_start = NULL, archived = 0, log_message = NULL"
        " WHERE seq = ?",
        (attempt, run.seq),
    )
    tasks.begin_anew(fold.conn, run.seq, _names(event["tasks"]))
    fires.reopen(fold.conn, asked[0])
    fold.retried.append(event["run"])


def _matrix_expanded(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    task, instances = _name(event["task"]), event["instances"]
    if not isinstance(instances, list) or len(instances) > MATRIX_MOST:
        raise ValueError("instances are expected")
    names = [_instance(task, each[0]) for each in instances]
    spec = json.loads(
        fold.conn.execute(
            "SELECT v.spec FROM runs r JOIN revisions v ON v.digest = r.revision WHERE r.seq = ?", (run.seq,)
        ).fetchone()[0]
    )
    found = {**spec["pipeline"]["tasks"], **spec["pipeline"].get("finally", {})}[task]
    tasks.expand(fold.conn, run.seq, task, names, [step["name"] for step in found["steps"]])


def _instance(task: str, value: Any) -> str:
    """The name of an instance of `task`. Raises ValueError."""
    name = _name(value)
    if not is_task_name(name) or name.partition("[")[0] != task:
        raise ValueError(f"{name!r} is no instance of {task}")
    return name


def _approval_asked(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    _say(fold, run, event, phases.WAITING_FOR_APPROVAL)
    if run.phase in (phases.STARTING_UP, phases.QUEUED):
        run.enter(phases.RUNNING, _at(event))
    fold.notes[event["run"], phases.WAITING_FOR_APPROVAL] = f"task {event['task']}: {event['message']}"


def _approval_answered(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    task = _name(event["task"])
    fold.conn.execute("DELETE FROM answers WHERE run = ? AND task = ?", (run.seq, task))
    fold.conn.execute(
        "UPDATE tasks SET reason = NULL, message = NULL WHERE run = ? AND name = ? AND ended = 0",
        (run.seq, task),
    )


def _retry_planned(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    at, attempt = _at(event), _attempt(event["attempt"])
    if event["step"] is None:
        fold.conn.execute(
            "UPDATE task_attempts SET phase = ?, reason = ?, message = ?, finished_at = ?"
            " WHERE run = ? AND task = ? AND attempt = ? AND finished_at IS NULL",
            (
                phases.ERROR, _reason(event["reason"]), _text(event["message"]), at,
                run.seq, _name(event["task"]), attempt,
            ),
        )  # fmt: skip
    _say(fold, run, event, phases.WAITING_FOR_RETRY)


def _say(fold: _Fold, run: _Run, event: Mapping[str, Any], reason: str) -> None:
    """What a task waits for."""
    fold.conn.execute(
        "UPDATE tasks SET reason = ?, message = ? WHERE run = ? AND name = ? AND ended = 0",
        (reason, _text(event["message"]), run.seq, _name(event["task"])),
    )


def _run_started(_: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    run.started_at = _at(event)
    run.reason = run.message = None
    run.enter(phases.STARTING_UP, run.started_at)


def _task_started(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    at, attempt = _at(event), _attempt(event["attempt"])
    changed = fold.conn.execute(
        "UPDATE tasks SET phase = ?, reason = NULL, message = NULL, attempt = ?, started_at = ?,"
        " finished_at = NULL, ended = 0 WHERE run = ? AND name = ? AND (attempt IS NULL OR attempt < ?)",
        (phases.RUNNING, attempt, at, run.seq, _name(event["task"]), attempt),
    )
    if changed.rowcount:
        fold.conn.execute(
            "INSERT OR IGNORE INTO task_attempts (run, task, attempt, phase, started_at) VALUES (?, ?, ?, ?, ?)",
            (run.seq, _name(event["task"]), attempt, phases.RUNNING, at),
        )
        if attempt > 1:
            tasks.clear_steps(fold.conn, run.seq, _name(event["task"]))
        if "[" in event["task"]:
            _sum_started(fold, run, event["task"], at)
    run.reason = run.message = None
    if run.phase in (phases.STARTING_UP, phases.QUEUED):
        run.enter(phases.RUNNING, at)


def _sum_started(fold: _Fold, run: _Run, instance: str, at: float) -> None:
    """The task itself runs as soon as the first of its instances does."""
    fold.conn.execute(
        "UPDATE tasks SET phase = ?, reason = NULL, message = NULL, started_at = ?, attempt = coalesce(attempt, 0)"
        " + 1 WHERE run = ? AND name = ? AND instance = 0 AND started_at IS NULL AND ended = 0",
        (phases.RUNNING, at, run.seq, instance.partition("[")[0]),
    )


def _task_ended(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    at, phase, attempt = _at(event), _end_of(event), _count_or_none(event["attempt"])
    end = (phase, _reason(event["reason"]), _text(event["message"]))
    fold.conn.execute(
        "UPDATE tasks SET phase = ?, reason = ?, message = ?, outputs = ?, ended = 1,"
        " finished_at = CASE WHEN started_at IS NULL THEN NULL ELSE ? END"
        " WHERE run = ? AND name = ? AND ended = 0",
        (*end, _outputs(event["outputs"]), at, run.seq, _name(event["task"])),
    )
    fold.conn.execute(
        "UPDATE task_attempts SET phase = ?, reason = ?, message = ?, finished_at = ?"
        " WHERE run = ? AND task = ? AND attempt = ? AND finished_at IS NULL",
        (*end, at, run.seq, _name(event["task"]), attempt),
    )
    if end[1] is not None:
        fold.conn.execute(
            "UPDATE tasks SET reason = ?, message = ?, ended = 1"
            " WHERE run = ? AND name > ? AND name < ? AND ended = 0",
            (*end[1:], run.seq, *tasks.instances_between(event["task"])),
        )
    if event.get("artifacts") and phase == phases.SUCCESS:
        artifacts.announced(fold.conn, run.seq, _name(event["task"]), event["artifacts"])


def _step_started(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    attempt = _count(event["attempt"])
    fold.conn.execute(
        "UPDATE steps SET phase = ?, reason = NULL, message = NULL, exit_code = NULL, attempt = ?, seq = ?,"
        " started_at = ?, finished_at = NULL, ended = 0"
        " WHERE run = ? AND task = ? AND name = ? AND (attempt IS NULL OR attempt < ?)",
        (
            phases.RUNNING, attempt, _count(event["seq"]), _at(event),
            run.seq, _name(event["task"]), _name(event["step"]), attempt,
        ),
    )  # fmt: skip


def _step_ended(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    code = event["exitCode"]
    fold.conn.execute(
        "UPDATE steps SET phase = ?, reason = ?, message = ?, exit_code = ?, attempt = coalesce(?, attempt),"
        " finished_at = ?, ended = 1 WHERE run = ? AND task = ? AND name = ? AND ended = 0",
        (
            _end_of(event), _reason(event["reason"]), _text(event["message"]),
            None if code is None else int(code) % 2**31, _count_or_none(event["attempt"]), _at(event),
            run.seq, _name(event["task"]), _name(event["step"]),
        ),
    )  # fmt: skip


def _cancel_asked(_: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    run.wish_seen = "kill" if event["kill"] or run.wish_seen == "kill" else "cancel"


def _run_stopping(_: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    run.reason = run.message = None
    run.enter(phases.SHUTTING_DOWN, _at(event))


def _run_ended(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    phase = event["phase"]
    if phase not in phases.ENDED:
        raise ValueError(f"a run cannot end in {phase}")
    run.finished_at = _at(event)
    run.reason, run.message = _reason(event["reason"]), _text(event["message"])
    run.enter(phase, run.finished_at)
    run.ended, run.log = 1, "partial"  # until it is copied
    fold.ended.append(event["run"])


def _run_released(fold: _Fold, run: _Run, event: Mapping[str, Any]) -> None:
    """Control has all of it. One that has not even heard of the end is a restored copy of the one that did."""
    if not run.ended:
        run.reason = phases.STATE_RESTORED
        run.message = "it ended after this copy of the state was made; how it ended is not known any more"
        run.finished_at = _at(event)
        run.enter(phases.ERROR, run.finished_at)
        run.ended, run.log = 1, "partial"
        end_parts(fold.conn, run.finished_at, run.seq, phases.STATE_RESTORED)
        fold.ended.append(event["run"])
    run.released = 1


_FOLDS: dict[Any, Callable[[_Fold, _Run, Mapping[str, Any]], None]] = {
    "run.accepted": _accepted,
    "run.held": _run_held,
    "run.freed": _run_freed,
    "run.waiting": _run_waiting,
    "run.resumed": _run_freed,
    "run.retried": _run_retried,
    "matrix.expanded": _matrix_expanded,
    "approval.asked": _approval_asked,
    "approval.answered": _approval_answered,
    "retry.planned": _retry_planned,
    "run.started": _run_started,
    "task.started": _task_started,
    "task.ended": _task_ended,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "cancel.asked": _cancel_asked,
    "run.stopping": _run_stopping,
    "run.ended": _run_ended,
    "run.released": _run_released,
}


# -- what fields must be


def _at(event: Mapping[str, Any]) -> float:
    at = float(event["at"])
    if not 0 <= at < _LATEST:
        raise ValueError(f"{at} is no instant")
    return at


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a count is expected")
    return value


def _attempt(value: Any) -> int:
    if _count(value) > ATTEMPTS:
        raise ValueError(f"more than {ATTEMPTS} attempts")
    return int(value)


def _count_or_none(value: Any) -> int | None:
    return None if value is None else _count(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 256:
        raise ValueError("a name is expected")
    return value


def _text(value: Any) -> str | None:
    return None if value is None else events.plain(str(value))


def _reason(value: Any) -> str | None:
    """A CamelCase word: programs compare it, tables print it."""
    if value is None or (isinstance(value, str) and _REASON.fullmatch(value)):
        return value
    return UNCLEAR


def _end_of(event: Mapping[str, Any]) -> str:
    if event["phase"] not in _ENDS:
        raise ValueError("this is no end of a task or step")
    return str(event["phase"])


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    return {key: str(item) for key, item in value.items()}


def _text_or_texts(value: Any) -> str | list[str]:
    """An output: a text, or for the sum of a matrix the list of those of its instances."""
    return [str(item) for item in value[:MATRIX_MOST]] if isinstance(value, list) else str(value)


def _revisions(value: Any) -> dict[str, str]:
    return {_name(key): _name(item) for key, item in _texts(value).items()}


def _names(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return [_name(item) for item in value]


def _outputs(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    outputs = {str(key): _text_or_texts(item) for key, item in value.items()}
    if too_large(outputs):
        raise ValueError("its outputs are too large")
    text = json.dumps(outputs, ensure_ascii=False)
    text.encode()  # lone surrogates raise here: they are no text
    return text
