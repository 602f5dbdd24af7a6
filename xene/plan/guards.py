"""Whether a plan may be carried out, or must be asked about, or is refused.

Called by `apply` between the plan and the transaction. Pure: flags in, a verdict out; the asking is the command's.
"""

from __future__ import annotations

from dataclasses import dataclass

from xene.errors import Conflict
from xene.plan import diff

SHOWN = 5  # names that a message lists

GO = "go"
ASK = "ask"
REFUSE = "refuse"


@dataclass(frozen=True)
class Verdict:
    """GO, ASK or REFUSE. `message` is the question, or what is refused; `hint` says which flag would allow it."""

    answer: str
    message: str = ""
    hint: str = ""

    def check(self) -> None:
        """Raises Conflict if the plan is refused."""
        if self.answer == REFUSE:
            raise Conflict(self.message, hint=self.hint)


def judge(
    plan: diff.Plan, *, yes: bool, terminal: bool, allow_empty: bool = False, if_unchanged: str | None = None
) -> Verdict:
    """The verdict on `plan`. `yes`: --yes was given; `terminal`: somebody is there to be asked."""
    return (
        _moved(plan, if_unchanged)
        or _foreign(plan)
        or (None if allow_empty else _empty(plan) or _too_much(plan))
        or _removal(plan, yes, terminal)
        or Verdict(GO)
    )


def _moved(plan: diff.Plan, if_unchanged: str | None) -> Verdict | None:
    if if_unchanged is None or if_unchanged == plan.digest:
        return None
    message = (
        f"the plan is now {plan.digest}, not {if_unchanged}: the manifests or the state have moved since"
    )
    return Verdict(REFUSE, message, "look at `xene diff` again")


def _foreign(plan: diff.Plan) -> Verdict | None:
    if not plan.conflicts:
        return None
    message = _listed([conflict.message for conflict in plan.conflicts])
    return Verdict(REFUSE, message, "--take-over makes them this source's")


def _empty(plan: diff.Plan) -> Verdict | None:
    if plan.wanted:
        return None
    return Verdict(REFUSE, "there are no manifests here", "if that is meant: --allow-empty")


def _too_much(plan: diff.Plan) -> Verdict | None:
    removed = plan.of(diff.REMOVED)
    if 2 * len(removed) <= plan.owned:
        return None
    message = (
        f"this would remove {len(removed)} of the {plan.owned} objects of this source: {_names(removed)}"
    )
    return Verdict(REFUSE, message, "if that is meant: --allow-empty; to keep them: --no-prune")


def _removal(plan: diff.Plan, yes: bool, terminal: bool) -> Verdict | None:
    removed = plan.of(diff.REMOVED)
    if not removed or yes:
        return None
    message = f"this removes {_names(removed)}"
    if terminal:
        return Verdict(ASK, message)
    return Verdict(REFUSE, message, "without a terminal say --yes, or --no-prune to keep them")


def _names(changes: tuple[diff.Change, ...]) -> str:
    return _listed([f"{change.kind} {change.name}" for change in changes])


def _listed(words: list[str]) -> str:
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + rest
