"""What is left of the runs of an agent that came back with another journal, fell silent, or was given up.

Called by `control` when a hello, a silence or `agent rm --lost` comes. Pure. A journal has a uuid, so that a home
that was wiped or restored from a backup is seen: it knows nothing of what was sent under the old one. A run that
was sent there may have started, whether or not it was acknowledged, so it is never sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from xene.model import phases
from xene.plan.orders import RunView

_AGAIN = "; `xene run` starts a new one"


@dataclass(frozen=True)
class Lost:
    """A run that ends in Error because nobody will report about it any more."""

    run: str
    reason: str
    message: str


@dataclass(frozen=True)
class Loss:
    """`runs` end in Error; `logs` are of runs that had ended: what was not fetched of those logs is gone."""

    runs: tuple[Lost, ...] = ()
    logs: tuple[str, ...] = ()


def on_hello(agent: str, journal: str, runs: Iterable[RunView]) -> Loss:
    """`agent` answers with `journal`: what was sent to it under another one is lost."""
    elsewhere = [run for run in runs if run.sent_journal not in (None, journal)]
    return _loss(elsewhere, f"the home of agent {agent} was wiped or restored")


def on_rewind(agent: str, runs: Iterable[RunView]) -> Loss:
    """`agent` answers with fewer records than it had: its home is an older copy of itself."""
    sent = [run for run in runs if run.sent_journal is not None]
    return _loss(sent, f"the home of agent {agent} was restored from an older copy")


def on_removal(agent: str, runs: Iterable[RunView]) -> Loss:
    """`agent` was removed as lost. Runs that were never sent are not lost: they go where their pipeline goes."""
    sent = [run for run in runs if run.sent_journal is not None]
    return _loss(sent, f"agent {agent} was removed as lost")


def _loss(runs: list[RunView], cause: str) -> Loss:
    ending = tuple(Lost(run.id, phases.AGENT_LOST, _message(run, cause)) for run in runs if not run.ended)
    return Loss(ending, tuple(run.id for run in runs if run.ended and not run.archived))


def _message(run: RunView, cause: str) -> str:
    if run.known:
        return f"{cause} while the run was {run.phase} there{_AGAIN}"
    return f"{cause} after the run was sent there; whether it had started is not known{_AGAIN}"


def on_silence(runs: Iterable[RunView]) -> tuple[str, ...]:
    """The runs that become Unknown when their agent cannot be reached: sent, and not known to have ended."""
    return tuple(run.id for run in runs if run.sent_journal is not None and not run.ended)
