"""What an agent records and control stores: the events of a run, and of the agent itself. Pure.

An event is a plain dict: `{"type": ..., "at": seconds since 1970, ...}`. In the agent's journal it gets a
number `n`. The constructors below are the only places where events are made, so this page is their schema.
`engine.progress` folds them, on both sides.

| type          | fields                                                                     |
|---------------|----------------------------------------------------------------------------|
| journal.begun | journal (uuid)                                  first record of a journal  |
| daemon.begun  | boot (boot_id), version, pid                                               |
| epoch         | epoch                                           the highest controller seen |
| assigned      | set {WORKFLOW/PIPELINE: revision}, gone [WORKFLOW/PIPELINE], capacity      |
| run.accepted  | run, order (RunOrder; never sent back to control)                          |
| run.started   | run                                             it has its capacity        |
| task.started  | run, task, attempt                                                         |
| step.started  | run, task, step, attempt, seq, boot, up         intent: before the process |
| step.ended    | run, task, step, attempt, phase, reason, message, exitCode, outputs        |
| task.ended    | run, task, attempt, phase, reason, message, outputs                        |
| cancel.asked  | run, kill                                                                  |
| run.stopping  | run                                             nothing more starts        |
| run.ended     | run, phase, reason, message                                                |
| run.released  | run                                             control has all of it      |
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

Event = Dict[str, Any]

PRIVATE = ("order",)  # fields that stay in the journal


def journal_begun(at: float, journal: str) -> Event:
    return {"type": "journal.begun", "at": at, "journal": journal}


def daemon_begun(at: float, boot: str, version: str, pid: int) -> Event:
    return {"type": "daemon.begun", "at": at, "boot": boot, "version": version, "pid": pid}


def epoch_seen(at: float, epoch: int) -> Event:
    return {"type": "epoch", "at": at, "epoch": epoch}


def assigned(at: float, new: Mapping[str, str], gone: List[str], capacity: int) -> Event:
    return {"type": "assigned", "at": at, "set": dict(new), "gone": gone, "capacity": capacity}


def run_accepted(at: float, run: str, order: Mapping[str, Any]) -> Event:
    return {"type": "run.accepted", "at": at, "run": run, "order": order}


def run_started(at: float, run: str) -> Event:
    return {"type": "run.started", "at": at, "run": run}


def task_started(at: float, run: str, task: str, attempt: int) -> Event:
    return {"type": "task.started", "at": at, "run": run, "task": task, "attempt": attempt}


def step_started(
    at: float, run: str, task: str, step: str, attempt: int, seq: int, boot: str, up: float
) -> Event:
    """`seq` numbers the step attempts of a run from 1; `up` is CLOCK_BOOTTIME under `boot`, for timeouts."""
    return {
        "type": "step.started",
        "at": at,
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "seq": seq,
        "boot": boot,
        "up": up,
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
    }


def task_ended(
    at: float,
    run: str,
    task: str,
    attempt: int,
    phase: str,
    reason: Optional[str] = None,
    message: Optional[str] = None,
    outputs: Optional[Mapping[str, str]] = None,
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
    }


def cancel_asked(at: float, run: str, kill: bool) -> Event:
    return {"type": "cancel.asked", "at": at, "run": run, "kill": kill}


def run_stopping(at: float, run: str) -> Event:
    return {"type": "run.stopping", "at": at, "run": run}


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
