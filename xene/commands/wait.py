"""`xene wait`: returns when a run has ended, or has come to a phase."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from xene.commands import kinds, listing, options, waiting
from xene.commands.call import Call
from xene.commands.text import did_you_mean
from xene.errors import Conflict, Usage
from xene.model import phases
from xene.store import db


def wait(
    call: Call,
    run: options.Run,
    phase: Annotated[
        Optional[str],
        typer.Option(
            "--for",
            metavar="PHASE",
            help="Wait for this phase instead of the end.",
            autocompletion=lambda: list(phases.RUN_PHASES),
        ),
    ] = None,
    timeout: options.Timeout = None,
) -> int:
    """Wait until a run has ended, and print it: exit 0 after Success, 1 after Error, 6 after --timeout.

    With --for PHASE exit 0 once it is in that phase, 7 if it ended in another one. Ctrl-C stops the waiting,
    never the run.
    """
    wanted = known_phase(phase)
    with db.open_for_reading(call.state) as state:
        ident = listing.one(state, kinds.RUNS, run)["id"]
    limit = options.seconds(timeout, "--timeout")
    runs = waiting.until_ended(call, [ident], timeout=limit, phase=wanted)
    waiting.put(call, runs, one=True)
    if wanted is None:
        return waiting.told(call, runs)
    if runs[0]["phase"] != wanted:
        raise Conflict(f"run {ident} ended in {runs[0]['phase']}, not {wanted}", hint=f"xene why run/{ident}")
    return 0


def known_phase(word: str | None) -> str | None:
    """The phase that `word` names, in any case. Raises Usage."""
    if word is None:
        return None
    for phase in phases.RUN_PHASES:
        if phase.lower() == word.lower():
            return phase
    known = ", ".join(phases.RUN_PHASES)
    raise Usage(f"no such phase: {word}", hint=did_you_mean(word, phases.RUN_PHASES) or f"there are {known}")
