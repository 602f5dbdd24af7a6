"""Why the key of an act does nothing to what the cursor stands on: a key that is pressed is always answered. Pure.

Used by frames, for what `acts.offers` does not offer.
"""

from __future__ import annotations

from typing import Any, Mapping

from xene.model import phases
from xene.tui.acts import Subject

Json = Mapping[str, Any]

_RUNS = ("pipeline", "run")
# By key: what it is called, what kinds of things it is for.
KEYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "r": ("Run", ("workflow", "pipeline")),
    "c": ("Cancel", _RUNS),
    "k": ("Kill", _RUNS),
    "t": ("Retry", _RUNS),
    "T": ("Retry from here", ("run",)),
    "R": ("Rerun", _RUNS),
    "a": ("Approve", _RUNS),
    "x": ("Reject", _RUNS),
    "s": ("Suspend", ("workflow", "pipeline")),
    "o": ("Cordon", ("agent",)),
    "d": ("Drain", ("agent",)),
}


def refusal(key: str, subject: Subject | None) -> str:
    """One sentence. `key` is one of KEYS, and `subject` does not offer it."""
    label, kinds = KEYS[key]
    return f"{label}: {_why(key, kinds, subject)}"


def _why(key: str, kinds: tuple[str, ...], subject: Subject | None) -> str:
    wanted = f"{'an' if kinds == ('agent',) else 'a'} {' or '.join(kinds)}"
    if subject is None:
        return f"the cursor stands on nothing here that it could be done to; it is for {wanted}"
    if subject.kind not in kinds:
        return f"it is for {wanted}, and {subject.name} is {_a(subject.kind)}"
    if subject.kind == "agent":
        return f"{subject.name} is drained already; o takes it back"
    run = subject.row["lastRun"] if subject.kind == "pipeline" else subject.row
    return f"{subject.name} has never run; r runs it" if run is None else _of_run(key, run)


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "agent" else f"a {kind}"


def _of_run(key: str, run: Json) -> str:
    state = f"run {run['id']}"
    ended = run["phase"] in phases.ENDED
    if key in "ck":
        return f"nothing to {'cancel' if key == 'c' else 'kill'} here: {state} has ended in {run['phase']}"
    if key in "ax":
        return f"{state} {_silent(ended)}"
    if not ended:
        return f"{state} goes on ({run['phase']}); only one that has ended can be started again"
    if key == "T":
        return "enter opens the run; put the cursor on one of its tasks there"
    return f"nothing failed in {state}; R runs it anew"


def _silent(ended: bool) -> str:
    return "has ended, and asks nothing any more" if ended else "asks nothing now; enter shows its tasks"
