"""What happens next in a run: its state in, the events that announce the next acts out. Pure.

The agent journals what `advance` returns, folds it, and only then acts: a `step.started` is the intent to start
that process, so a crash in between is told apart from a step that never was to start. Called again with nothing
new it returns nothing. It changes nothing but the indexes, which follow from what was folded.
"""

from __future__ import annotations

import heapq
from typing import List, Optional, Tuple

from xene.engine.clock import Clock, passed
from xene.engine.gates import START, WAIT, Refusal, judge
from xene.engine.outputs import too_large
from xene.engine.progress import RunProgress, TaskProgress
from xene.engine.within import next_in_task, start_task, task_end
from xene.model import events, phases
from xene.model.events import Event
from xene.model.units import format_duration

__all__ = ["Clock", "advance", "done", "ending"]

STOPS = frozenset({phases.CANCELLED, phases.REPLACED, phases.LEASE_ENDED})
_WHY = {
    phases.REPLACED: "the run was replaced by a newer one",
    phases.LEASE_ENDED: "the lease under which this agent may run it has ended: control was away for too long",
}


def advance(run: RunProgress, now: Clock) -> List[Event]:
    """The next events of `run`, at most one layer deep: fold them and call again until there are none."""
    if run.ended or (run.started_at is None and run.cancel_asked is None):
        return []
    if not run.stopping:
        why = _why_stop(run, now)
        if why is not None:
            return _stop(run, now, *why)
    expired = _expired(run, now)
    if expired or run.paused:
        return expired
    found = _refused(run, now) or [*_summed(run, now), *_cut(run, now), *_judged(run, now)]
    if found:
        return found
    for task in list(run.running.values()):
        found += next_in_task(run, task, now)
    if run.held is None:
        found += _starts(run, now)
    if not found and not run.stopping:
        found = _when_idle(run, now)
    return _numbered(run, found)


def done(run: RunProgress) -> bool:
    """Whether nothing is left to do but to clean up and to record `ending`."""
    return run.stopping and not run.open_main and not run.open_final and not run.ended


def ending(run: RunProgress, now: Clock) -> Event:
    """The `run.ended` of a run that is `done` and of which no process is left.

    A cancel that came when all had ended changes nothing.
    """
    name = run.order.id
    if run.stop is not None and run.stop[0] in STOPS:
        if run.kill_asked and run.stop[0] != phases.LEASE_ENDED:
            return events.run_ended(now.at, name, phases.ERROR, phases.KILLED, "the run was killed")
        return events.run_ended(now.at, name, phases.ERROR, *run.stop)
    if run.kill_asked and any(task.reason == phases.CANCELLED for task in run.tasks.values()):
        if run.cancel_asked == phases.LEASE_ENDED:
            why = _WHY[phases.LEASE_ENDED]
            return events.run_ended(now.at, name, phases.ERROR, phases.LEASE_ENDED, why)
        return events.run_ended(now.at, name, phases.ERROR, phases.KILLED, "the run was killed")
    if run.stop is not None and run.stop[0] == phases.TIMEOUT:
        return events.run_ended(now.at, name, phases.ERROR, *run.stop)
    if run.failures:
        failed = run.failures[0]
        message = f"task {failed.name}: {failed.message}"
        return events.run_ended(now.at, name, phases.ERROR, failed.reason, message)
    return events.run_ended(now.at, name, phases.SUCCESS)


# -- ends before the time


def _why_stop(run: RunProgress, now: Clock) -> Optional[Tuple[str, str]]:
    """Why nothing more of the run may start but `finally`; None where it goes on."""
    if run.cancel_asked is not None:
        return run.cancel_asked, _WHY.get(run.cancel_asked, "the run was cancelled")
    limit = run.pipeline.timeout
    if limit is not None and clocked(run, now) >= limit:
        return phases.TIMEOUT, f"the run took longer than {format_duration(limit)}"
    if run.pipeline.fail_fast and run.failures:
        return phases.FAIL_FAST, f"task {run.failures[0].name} failed, and failFast is set"
    return None


def clocked(run: RunProgress, now: Clock) -> float:
    """Seconds on the pipeline's clock, which stands still while only approvals are waited for."""
    since = run.running_since
    return run.ran + (passed(since, now) if since is not None and not run.paused else 0.0)


def _stop(run: RunProgress, now: Clock, reason: str, message: str) -> List[Event]:
    """Everything that has not started ends; what runs is stopped by `next_in_task`."""
    name = run.order.id
    found = [events.run_resumed(now, name)] if run.paused else []
    found.append(events.run_stopping(now.at, name, reason, message))
    never = run.started_at is None
    for task in run.ordered():
        unstarted = task.started_at is None and not task.ended and task.children is None
        if unstarted and (never or not task.final):
            why = f"{message} before it started"
            found.append(task_end(run, task, now, phases.NOT_EXECUTED, phases.CANCELLED, why))
    return found


def _expired(run: RunProgress, now: Clock) -> List[Event]:
    """Approvals that nobody gave in time."""
    found = []
    for task in run.asked.values():
        limit = task.spec.approval.timeout if task.spec.approval else None
        if limit is not None and task.asked is not None and passed(task.asked, now) >= limit:
            why = f"nobody answered within {format_duration(limit)}"
            found.append(events.approval_answered(now.at, run.order.id, task.name, False, why))
    return found


def _refused(run: RunProgress, now: Clock) -> List[Event]:
    """Tasks that can no longer run; and those of `finally` in a run that is killed."""
    if run.kill_asked and run.stopping:
        left = [task for task in run.ordered() if task.final and not task.ended and task.started_at is None]
        message = "the run was killed before it started"
        return [task_end(run, task, now, phases.NOT_EXECUTED, phases.CANCELLED, message) for task in left]
    return [_omission(run, run.tasks[name], now) for name in run.to_omit]


def _omission(run: RunProgress, task: TaskProgress, now: Clock) -> Event:
    wanted = [(connector, run.tasks[connector.task]) for connector in task.spec.needs]
    lost = [
        f"{other.name} on {'|'.join(connector.on)}, and that ended in {other.outcome}"
        for connector, other in wanted
        if other.ended and not other.satisfies(connector.on)
    ]
    return task_end(run, task, now, phases.NOT_EXECUTED, phases.OMITTED, f"needs {'; '.join(lost[:3])}")


# -- sums of matrices


def _summed(run: RunProgress, now: Clock) -> List[Event]:
    return [_sum_end(run, run.tasks[name], now) for name in run.to_sum]


def _sum_end(run: RunProgress, task: TaskProgress, now: Clock) -> Event:
    children = task.children or []
    bad = [child for child in children if child.phase != phases.SUCCESS]
    if not bad:
        outputs = {name: [child.published[name] for child in children] for name in task.spec.outputs}
        message = too_large(outputs)
        if message is not None:
            return task_end(run, task, now, phases.ERROR, phases.OUTPUT_INVALID, message)
        artifacts = [each for child in children for each in child.artifacts]
        return task_end(run, task, now, phases.SUCCESS, outputs=outputs, artifacts=artifacts)
    failed = [child for child in bad if child.outcome == "error"]
    first = (failed or bad)[0]
    phase = phases.NOT_EXECUTED if all(child.started_at is None for child in children) else phases.ERROR
    message = f"{len(failed or bad)} of {len(children)} instances: {first.name}: {first.message}"
    return task_end(run, task, now, phase, first.reason, message)


def _cut(run: RunProgress, now: Clock) -> List[Event]:
    """With failFast of a matrix: its other instances end, when one has failed."""
    found: List[Event] = []
    for name in run.to_cut:
        for child in run.tasks[name].children or ():
            if child.ended or child.stop is not None:
                continue
            message = "another instance failed, and the matrix says failFast"
            if child.started_at is None:
                found.append(task_end(run, child, now, phases.NOT_EXECUTED, phases.CANCELLED, message))
            else:
                found.append(
                    events.task_stopping(now.at, run.order.id, child.name, phases.CANCELLED, message)
                )
    return found


# -- starts


def _judged(run: RunProgress, now: Clock) -> List[Event]:
    """What follows from the gates of the tasks that were reached."""
    if run.held is not None:
        return []
    found: List[Event] = []
    for name in list(run.reached):
        task = run.tasks[name]
        verdict = judge(run, task, now)
        if verdict == START:
            run.enqueue(task)
        elif verdict == WAIT:
            del run.reached[name]  # the next end of what it needs brings it back
        elif isinstance(verdict, Refusal):
            found.append(task_end(run, task, now, *verdict))
        elif isinstance(verdict, dict):
            found.append(verdict)
    return found


def _starts(run: RunProgress, now: Clock) -> List[Event]:
    room = run.pipeline.max_parallel - len(run.running)
    found: List[Event] = []
    for name in _first_ready(run, room):
        found += start_task(run, run.tasks[name], now)
    return found


def _first_ready(run: RunProgress, count: int) -> List[str]:
    """The first `count` tasks that wait for room, in order; the heap (which may hold ended ones) stays."""
    found: List[str] = []
    looks = [(run.ready[0], 0)] if run.ready else []
    while looks and len(found) < count:
        (_, name), at = heapq.heappop(looks)
        task = run.tasks.get(name)
        if task is not None and task.started_at is None and not task.ended:
            found.append(name)
        for child in (2 * at + 1, 2 * at + 2):
            if child < len(run.ready):
                heapq.heappush(looks, (run.ready[child], child))
    return found


def _when_idle(run: RunProgress, now: Clock) -> List[Event]:
    """All tasks have ended; or only approvals are left to wait for."""
    if not run.open_main:
        return [events.run_stopping(now.at, run.order.id)]
    if run.asked and not run.running and run.held is None:
        return [events.run_waiting(now, run.order.id)]
    return []


def _numbered(run: RunProgress, found: List[Event]) -> List[Event]:
    """Give each step attempt its `seq`, in the order in which they will start."""
    seq = run.steps_started
    for event in found:
        if event["type"] == "step.started":
            seq += 1
            event["seq"] = seq
    return found
