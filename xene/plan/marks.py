"""The mark of each phase, for those who see no colours. Data only; used by everything that shows a run."""

from __future__ import annotations

from xene.model import phases

MARKS = {
    phases.SUCCESS: "✓",
    phases.ERROR: "✗",
    phases.RUNNING: "●",
    phases.STARTING_UP: "●",
    phases.SHUTTING_DOWN: "●",
    phases.UNKNOWN: "?",
    phases.QUEUED: "◌",
    phases.NOT_EXECUTED: "·",
}
