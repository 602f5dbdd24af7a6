"""When something follows in a run though nothing happens: timeouts, pauses before a retry, approvals. Pure."""

from __future__ import annotations

from typing import List, Optional

from xene.engine.advance import clocked
from xene.engine.clock import Clock, reading
from xene.engine.progress import RunProgress


def next_due(run: RunProgress, now: Clock) -> Optional[float]:
    """The reading of CLOCK_BOOTTIME at which `advance` is to be asked again; None: not before something happens."""
    if run.ended or run.started_at is None:
        return None
    times: List[float] = []
    limit = run.pipeline.timeout
    if limit is not None and not run.stopping and not run.paused:
        times.append(now.up + limit - clocked(run, now))
    for task in run.running.values():
        if task.planned is not None and run.held is None:
            times.append(reading(task.planned.since, task.planned.after, now))
        if task.spec.timeout is not None and task.began is not None and task.stop is None:
            times.append(reading(task.began, task.spec.timeout, now))
    for task in run.asked.values():
        approval = task.spec.approval
        if approval is not None and approval.timeout is not None and task.asked is not None:
            times.append(reading(task.asked, approval.timeout, now))
    return min(times, default=None)
