"""What an agent records and control stores: the events of a run, and of the agent itself. Pure.

An event is a plain dict: `{"type": ..., "at": seconds since 1970, ...}`. In the agent's journal it gets a
number `n`. The constructors below are the only places where events are made, so this page is their schema.
`engine.progress` folds them, on both sides.

| type              | fields                                                                         |
|-------------------|--------------------------------------------------------------------------------|
| journal.begun     | journal (uuid)                                     first record of a journal   |
| daemon.begun      | boot (boot_id), version, pid                                                   |
| epoch             | epoch                                              the highest controller seen |
| assigned          | set {WORKFLOW/PIPELINE: tag}, gone [WORKFLOW/PIPELINE], capacity; never sent   |
|                   | back: charges {WORKFLOW/PIPELINE: Charge}, zones {NAME: base64}, autostart     |
| run.accepted      | run, order (RunOrder; never sent back to control); fired (None, or what control|
|                   | is to know of a run that a slot started): {workflow, pipeline, trigger, slot,  |
|                   | revision, params}; book                                                        |
| slots.settled     | pipeline (WORKFLOW/PIPELINE), trigger, outcome (skipped, missed, expired),     |
|                   | reason, message, slots [seconds]; book     what becomes of slots that do not fire |
| book              | pipeline, trigger, book      ends a group of several records of one trigger     |
| clock.stepped     | by (seconds); books                the wall clock was set, against CLOCK_BOOTTIME |
| autostart         | how (cron, systemd, none), message       how the daemon comes back after a reboot |
| run.held          | run, reason, message                       nothing of it starts until run.freed |
| run.freed         | run                                                                            |
| run.started       | run, boot, up                                      it has its capacity         |
| run.waiting       | run, boot, up       only approvals are left: capacity given back, clock stopped |
| run.resumed       | run, boot, up                                      it has its capacity again   |
| matrix.expanded   | run, task, instances [[name, {KEY: value}]]                                    |
| approval.asked    | run, task, message, boot, up                                                   |
| approval.answered | run, task, approved, message                                                   |
| task.started      | run, task, attempt, boot, up                                                   |
| step.started      | run, task, step, attempt, seq, boot, up            intent: before the process  |
| step.ended        | run, task, step, attempt, phase, reason, message, exitCode, outputs, artifacts |
| retry.planned     | run, task, step (None: the whole task), attempt, after (seconds), reason, message, boot, up |
| task.stopping     | run, task, reason, message                         its step is to be stopped   |
| task.ended        | run, task, attempt, phase, reason, message, outputs, artifacts                 |
| cancel.asked      | run, kill, reason                                                              |
| run.stopping      | run, reason, message     only `finally` starts; no reason: all tasks have ended |
| run.ended         | run, phase, reason, message                                                    |
| run.retried       | run, attempt, tasks [NAME]                 those begin anew, the rest stands   |
| run.released      | run                                                control has all of it       |

`book` (never sent back) is how far a trigger is accounted for with this record (JSON of `engine.slots.Book`);
`books` are those of many, by pipeline and trigger.
`attempt` counts all tries of that task or step in the run. `artifacts` are `[{name, size, sha256, files}]`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Protocol

from xene.model import phases

Event = Dict[str, Any]

PRIVATE = ("order", "charges", "zones", "autostart", "book", "books")  # fields that stay in the journal


class Now(Protocol):
    """An instant: `engine.clock.Clock`."""

    @property
    def at(self) -> float: ...

    @property
    def boot(self) -> str: ...

    @property
    def up(self) -> float: ...


def _instant(now: Now) -> Event:
    """`up` is CLOCK_BOOTTIME under `boot`, for timeouts and pauses."""
    return {"at": now.at, "boot": now.boot, "up": now.up}


def journal_begun(at: float, journal: str) -> Event:
    return {"type": "journal.begun", "at": at, "journal": journal}


def daemon_begun(at: float, boot: str, version: str, pid: int) -> Event:
    return {"type": "daemon.begun", "at": at, "boot": boot, "version": version, "pid": pid}


def epoch_seen(at: float, epoch: int) -> Event:
    return {"type": "epoch", "at": at, "epoch": epoch}


def assigned(
    at: float,
    new: Mapping[str, str],
    gone: List[str],
    capacity: int,
    charges: Optional[Mapping[str, Any]] = None,
    zones: Optional[Mapping[str, str]] = None,
    autostart: Optional[str] = None,
) -> Event:
    """`charges` are the JSON of those of `new` that have one; `zones` the bytes that these name, in base64."""
    event: Event = {"type": "assigned", "at": at, "set": dict(new), "gone": gone, "capacity": capacity}
    if charges:
        event["charges"], event["zones"] = dict(charges), dict(zones or {})
    if autostart is not None:
        event["autostart"] = autostart
    return event


def run_accepted(
    at: float,
    run: str,
    order: Mapping[str, Any],
    fired: Optional[Mapping[str, Any]] = None,
    book: Optional[Mapping[str, Any]] = None,
) -> Event:
    event: Event = {"type": "run.accepted", "at": at, "run": run, "order": order}
    if fired is not None:
        event["fired"] = dict(fired)
    if book is not None:
        event["book"] = dict(book)
    return event


def slots_settled(
    at: float,
    pipeline: str,
    trigger: str,
    outcome: str,
    reason: str,
    message: str,
    slots: List[int],
    book: Optional[Mapping[str, Any]] = None,
) -> Event:
    event: Event = {
        "type": "slots.settled",
        "at": at,
        "pipeline": pipeline,
        "trigger": trigger,
        "outcome": outcome,
        "reason": reason,
        "message": message,
        "slots": slots,
    }
    if book is not None:
        event["book"] = dict(book)
    return event


def book_kept(at: float, pipeline: str, trigger: str, book: Mapping[str, Any]) -> Event:
    return {"type": "book", "at": at, "pipeline": pipeline, "trigger": trigger, "book": dict(book)}


def clock_stepped(now: Now, by: float, books: Optional[Mapping[str, Any]] = None) -> Event:
    event: Event = {"type": "clock.stepped", "by": by, **_instant(now)}
    if books:
        event["books"] = dict(books)
    return event


def autostart_set(at: float, how: str, message: str) -> Event:
    return {"type": "autostart", "at": at, "how": how, "message": message}


def run_held(at: float, run: str, reason: str, message: str) -> Event:
    return {"type": "run.held", "at": at, "run": run, "reason": reason, "message": message}


def run_freed(at: float, run: str) -> Event:
    return {"type": "run.freed", "at": at, "run": run}


def run_started(now: Now, run: str) -> Event:
    return {"type": "run.started", "run": run, **_instant(now)}


def run_waiting(now: Now, run: str) -> Event:
    return {"type": "run.waiting", "run": run, **_instant(now)}


def run_resumed(now: Now, run: str) -> Event:
    return {"type": "run.resumed", "run": run, **_instant(now)}


def matrix_expanded(at: float, run: str, task: str, instances: List[Any]) -> Event:
    return {"type": "matrix.expanded", "at": at, "run": run, "task": task, "instances": instances}


def approval_asked(now: Now, run: str, task: str, message: str) -> Event:
    return {"type": "approval.asked", "run": run, "task": task, "message": message, **_instant(now)}


def approval_answered(at: float, run: str, task: str, approved: bool, message: str) -> Event:
    return {
        "type": "approval.answered",
        "at": at,
        "run": run,
        "task": task,
        "approved": approved,
        "message": message,
    }


def task_started(now: Now, run: str, task: str, attempt: int) -> Event:
    return {"type": "task.started", "run": run, "task": task, "attempt": attempt, **_instant(now)}


def step_started(now: Now, run: str, task: str, step: str, attempt: int, seq: int) -> Event:
    """`seq` numbers the step attempts of a run from 1."""
    return {
        "type": "step.started",
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "seq": seq,
        **_instant(now),
    }


def retry_planned(
    now: Now,
    run: str,
    task: str,
    step: Optional[str],
    attempt: int,
    after: float,
    reason: Optional[str],
    message: Optional[str],
) -> Event:
    """The next try begins `after` seconds. `attempt` is the one that failed, for `reason`."""
    return {
        "type": "retry.planned",
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "after": after,
        "reason": reason,
        "message": message,
        **_instant(now),
    }


def task_stopping(at: float, run: str, task: str, reason: str, message: str) -> Event:
    return {
        "type": "task.stopping",
        "at": at,
        "run": run,
        "task": task,
        "reason": reason,
        "message": message,
    }


def step_ended(
    at: float,
    run: str,
    task: str,
    step: str,
    attempt: int,
    phase: str,
    reason: Optional[str] = None,
    message: Optional[str] = None,
    exit_code: Optional[int] = None,
    outputs: Optional[Mapping[str, str]] = None,
    artifacts: Optional[List[Any]] = None,
) -> Event:
    return {
        "type": "step.ended",
        "at": at,
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "phase": phase,
        "reason": reason,
        "message": message,
        "exitCode": exit_code,
        "outputs": dict(outputs or {}),
        "artifacts": artifacts or [],
    }


def task_ended(
    at: float,
    run: str,
    task: str,
    attempt: int,
    phase: str,
    reason: Optional[str] = None,
    message: Optional[str] = None,
    outputs: Optional[Mapping[str, Any]] = None,
    artifacts: Optional[List[Any]] = None,
) -> Event:
    return {
        "type": "task.ended",
        "at": at,
        "run": run,
        "task": task,
        "attempt": attempt,
        "phase": phase,
        "reason": reason,
        "message": message,
        "outputs": dict(outputs or {}),
        "artifacts": artifacts or [],
    }


def cancel_asked(at: float, run: str, kill: bool, reason: str = phases.CANCELLED) -> Event:
    """`reason` is Cancelled, Replaced or LeaseEnded."""
    return {"type": "cancel.asked", "at": at, "run": run, "kill": kill, "reason": reason}


def run_stopping(at: float, run: str, reason: Optional[str] = None, message: Optional[str] = None) -> Event:
    return {"type": "run.stopping", "at": at, "run": run, "reason": reason, "message": message}


def run_retried(at: float, run: str, attempt: int, tasks: List[str]) -> Event:
    return {"type": "run.retried", "at": at, "run": run, "attempt": attempt, "tasks": tasks}


def run_ended(
    at: float, run: str, phase: str, reason: Optional[str] = None, message: Optional[str] = None
) -> Event:
    return {"type": "run.ended", "at": at, "run": run, "phase": phase, "reason": reason, "message": message}


def run_released(at: float, run: str) -> Event:
    return {"type": "run.released", "at": at, "run": run}


def public(event: Event) -> Event:
    """The event as it is sent to control."""
    if any(key in event for key in PRIVATE):
        return {key: value for key, value in event.items() if key not in PRIVATE}
    return event
