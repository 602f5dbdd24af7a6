"""What each event about a run does to its rows: one function per type. Called by `store.record` alone."""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

from xene.model import phases
from xene.model.ids import is_task_name
from xene.model.workflow import MATRIX_MOST
from xene.store import artifacts, fires, reported, tasks
from xene.store.batch import ACCEPTED, Batch, Run

_OLDER = (
    "SELECT o.id FROM runs r JOIN runs o ON o.workflow = r.workflow AND o.pipeline = r.pipeline"
    " WHERE r.seq = ? AND r.policy <> 'Allow' AND o.seq < r.seq AND o.ended = 0 ORDER BY o.seq LIMIT 1"
)


def _accepted(batch: Batch, run: Run, _event: Mapping[str, Any]) -> None:
    if run.phase == phases.QUEUED and run.reason is None:
        older = batch.conn.execute(_OLDER, (run.seq,)).fetchone()
        if older is not None:
            run.reason, run.message = phases.WAITING_FOR_RUN, f"run {older[0]} has not ended"
        else:
            run.reason, run.message = phases.WAITING_FOR_CAPACITY, ACCEPTED


def _run_held(_: Batch, run: Run, event: Mapping[str, Any]) -> None:
    run.reason, run.message = reported.reason(event["reason"]), reported.text(event["message"])


def _run_freed(_: Batch, run: Run, _event: Mapping[str, Any]) -> None:
    run.reason = run.message = None


def _run_waiting(_: Batch, run: Run, _event: Mapping[str, Any]) -> None:
    run.reason, run.message = phases.WAITING_FOR_APPROVAL, "all that is left waits for an approval"


def _run_retried(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    """Only where it was asked for: an end does not change by an agent's word alone."""
    attempt = reported.attempt(event["attempt"])
    asked = batch.conn.execute(
        "SELECT fire FROM runs WHERE seq = ? AND retry_attempt = ?", (run.seq, attempt)
    ).fetchone()
    if asked is None or not run.ended:
        return
    run.reason, run.message, run.started_at, run.finished_at = None, None, None, None
    run.enter(phases.QUEUED, reported.at(event))
    run.ended, run.log, run.wish_seen = 0, None, None
    batch.conn.execute(
        "UPDATE runs SET attempt = ?, retry_attempt = NULL, retry_start = NULL, archived = 0, log_message = NULL,"
        " ended = 0, erred = (phase = ?) WHERE seq = ?",  # here: the attempt may end in this very batch
        (attempt, phases.ERROR, run.seq),
    )
    tasks.begin_anew(batch.conn, run.seq, reported.names(event["tasks"]))
    fires.reopen(batch.conn, asked[0])
    batch.retried.append(event["run"])


def _matrix_expanded(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    task, instances = reported.name(event["task"]), event["instances"]
    if not isinstance(instances, list) or len(instances) > MATRIX_MOST:
        raise ValueError("instances are expected")
    names = [_instance(task, each[0]) for each in instances]
    spec = json.loads(
        batch.conn.execute(
            "SELECT v.spec FROM runs r JOIN revisions v ON v.digest = r.revision WHERE r.seq = ?", (run.seq,)
        ).fetchone()[0]
    )
    found = {**spec["pipeline"]["tasks"], **spec["pipeline"].get("finally", {})}[task]
    tasks.expand(batch.conn, run.seq, task, names, [step["name"] for step in found["steps"]])


def _instance(task: str, value: Any) -> str:
    """The name of an instance of `task`. Raises ValueError."""
    name = reported.name(value)
    if not is_task_name(name) or name.partition("[")[0] != task:
        raise ValueError(f"{name!r} is no instance of {task}")
    return name


def _approval_asked(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    _say(batch, run, event, phases.WAITING_FOR_APPROVAL)
    if run.phase in (phases.STARTING_UP, phases.QUEUED):
        run.enter(phases.RUNNING, reported.at(event))
    batch.notes[event["run"], phases.WAITING_FOR_APPROVAL] = f"task {event['task']}: {event['message']}"


def _approval_answered(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    task = reported.name(event["task"])
    batch.conn.execute("DELETE FROM answers WHERE run = ? AND task = ?", (run.seq, task))
    batch.conn.execute(
        "UPDATE tasks SET reason = NULL, message = NULL WHERE run = ? AND name = ? AND ended = 0",
        (run.seq, task),
    )


def _retry_planned(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    at, attempt = reported.at(event), reported.attempt(event["attempt"])
    if event["step"] is None:
        batch.conn.execute(
            "UPDATE task_attempts SET phase = ?, reason = ?, message = ?, finished_at = ?"
            " WHERE run = ? AND task = ? AND attempt = ? AND finished_at IS NULL",
            (
                phases.ERROR, reported.reason(event["reason"]), reported.text(event["message"]), at,
                run.seq, reported.name(event["task"]), attempt,
            ),
        )  # fmt: skip
    _say(batch, run, event, phases.WAITING_FOR_RETRY)


def _say(batch: Batch, run: Run, event: Mapping[str, Any], reason: str) -> None:
    """What a task waits for."""
    batch.conn.execute(
        "UPDATE tasks SET reason = ?, message = ? WHERE run = ? AND name = ? AND ended = 0",
        (reason, reported.text(event["message"]), run.seq, reported.name(event["task"])),
    )


def _run_started(_: Batch, run: Run, event: Mapping[str, Any]) -> None:
    run.started_at = reported.at(event)
    run.reason = run.message = None
    run.enter(phases.STARTING_UP, run.started_at)


def _task_started(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    at, attempt = reported.at(event), reported.attempt(event["attempt"])
    changed = batch.conn.execute(
        "UPDATE tasks SET phase = ?, reason = NULL, message = NULL, attempt = ?, started_at = ?,"
        " finished_at = NULL, ended = 0 WHERE run = ? AND name = ? AND (attempt IS NULL OR attempt < ?)",
        (phases.RUNNING, attempt, at, run.seq, reported.name(event["task"]), attempt),
    )
    if changed.rowcount:
        batch.conn.execute(
            "INSERT OR IGNORE INTO task_attempts (run, task, attempt, phase, started_at) VALUES (?, ?, ?, ?, ?)",
            (run.seq, reported.name(event["task"]), attempt, phases.RUNNING, at),
        )
        if attempt > 1:
            tasks.clear_steps(batch.conn, run.seq, reported.name(event["task"]))
        if "[" in event["task"]:
            _sum_started(batch, run, event["task"], at)
    run.reason = run.message = None
    if run.phase in (phases.STARTING_UP, phases.QUEUED):
        run.enter(phases.RUNNING, at)


def _sum_started(batch: Batch, run: Run, instance: str, at: float) -> None:
    """The task itself runs as soon as the first of its instances does."""
    batch.conn.execute(
        "UPDATE tasks SET phase = ?, reason = NULL, message = NULL, started_at = ?, attempt = coalesce(attempt, 0)"
        " + 1 WHERE run = ? AND name = ? AND instance = 0 AND started_at IS NULL AND ended = 0",
        (phases.RUNNING, at, run.seq, instance.partition("[")[0]),
    )


def _task_ended(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    at, phase, attempt = reported.at(event), reported.end_of(event), reported.count_or_none(event["attempt"])
    end = (phase, reported.reason(event["reason"]), reported.text(event["message"]))
    batch.conn.execute(
        "UPDATE tasks SET phase = ?, reason = ?, message = ?, outputs = ?, ended = 1,"
        " finished_at = CASE WHEN started_at IS NULL THEN NULL ELSE ? END"
        " WHERE run = ? AND name = ? AND ended = 0",
        (*end, reported.outputs(event["outputs"]), at, run.seq, reported.name(event["task"])),
    )
    batch.conn.execute(
        "UPDATE task_attempts SET phase = ?, reason = ?, message = ?, finished_at = ?"
        " WHERE run = ? AND task = ? AND attempt = ? AND finished_at IS NULL",
        (*end, at, run.seq, reported.name(event["task"]), attempt),
    )
    if end[1] is not None:
        batch.conn.execute(
            "UPDATE tasks SET reason = ?, message = ?, ended = 1"
            " WHERE run = ? AND name > ? AND name < ? AND ended = 0",
            (*end[1:], run.seq, *tasks.instances_between(event["task"])),
        )
    if event.get("artifacts") and phase == phases.SUCCESS:
        artifacts.announced(batch.conn, run.seq, reported.name(event["task"]), event["artifacts"])


def _step_started(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    attempt = reported.count(event["attempt"])
    batch.conn.execute(
        "UPDATE steps SET phase = ?, reason = NULL, message = NULL, exit_code = NULL, attempt = ?, seq = ?,"
        " started_at = ?, finished_at = NULL, ended = 0"
        " WHERE run = ? AND task = ? AND name = ? AND (attempt IS NULL OR attempt < ?)",
        (
            phases.RUNNING, attempt, reported.count(event["seq"]), reported.at(event),
            run.seq, reported.name(event["task"]), reported.name(event["step"]), attempt,
        ),
    )  # fmt: skip


def _step_ended(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    code = event["exitCode"]
    batch.conn.execute(
        "UPDATE steps SET phase = ?, reason = ?, message = ?, exit_code = ?, attempt = coalesce(?, attempt),"
        " finished_at = ?, ended = 1 WHERE run = ? AND task = ? AND name = ? AND ended = 0",
        (
            reported.end_of(event), reported.reason(event["reason"]), reported.text(event["message"]),
            None if code is None else int(code) % 2**31, reported.count_or_none(event["attempt"]),
            reported.at(event), run.seq, reported.name(event["task"]), reported.name(event["step"]),
        ),
    )  # fmt: skip


def _cancel_asked(_: Batch, run: Run, event: Mapping[str, Any]) -> None:
    run.wish_seen = "kill" if event["kill"] or run.wish_seen == "kill" else "cancel"


def _run_stopping(_: Batch, run: Run, event: Mapping[str, Any]) -> None:
    run.reason = run.message = None
    run.enter(phases.SHUTTING_DOWN, reported.at(event))


def _run_ended(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    phase = event["phase"]
    if phase not in phases.ENDED:
        raise ValueError(f"a run cannot end in {phase}")
    run.finished_at = reported.at(event)
    run.reason, run.message = reported.reason(event["reason"]), reported.text(event["message"])
    run.enter(phase, run.finished_at)
    run.ended, run.log = 1, "partial"  # until it is copied
    batch.ended.append(event["run"])


def _run_released(batch: Batch, run: Run, event: Mapping[str, Any]) -> None:
    """Control has all of it. One that has not even heard of the end is a restored copy of the one that did."""
    if not run.ended:
        run.reason = phases.STATE_RESTORED
        run.message = "it ended after this copy of the state was made; how it ended is not known any more"
        run.finished_at = reported.at(event)
        run.enter(phases.ERROR, run.finished_at)
        run.ended, run.log = 1, "partial"
        tasks.end_parts(batch.conn, run.finished_at, run.seq, phases.STATE_RESTORED)
        batch.ended.append(event["run"])
    run.released = 1


FOLDS: dict[Any, Callable[[Batch, Run, Mapping[str, Any]], None]] = {
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
