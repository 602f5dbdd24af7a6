"""`xene rerun`: a new run with the inputs of an earlier one."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from xene.commands import kinds, listing, options
from xene.commands.call import Call
from xene.commands.run_fire import Manner, report
from xene.commands.slow import slow
from xene.errors import Usage
from xene.store import db


def rerun(
    call: Call,
    run: options.Run,
    revision: Annotated[
        Optional[str],
        typer.Option(
            "--revision",
            metavar="latest",
            help="'latest': as the pipeline is now, and not as it was for that run.",
            autocompletion=lambda: ["latest"],
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show tasks and logs while it runs; waits.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    timeout: options.Timeout = None,
) -> int:
    """Start a new run with the params and artifacts of an earlier one, at the same revision. Prints its id.

    Exit codes as for 'run'.
    """
    from xene.control import again
    from xene.control.place import Place

    if revision not in (None, "latest"):
        raise Usage(f"--revision {revision}: only 'latest' is known", hint="leave it out for that of the run")
    with db.open_for_reading(call.state) as state:
        ident = listing.one(state, kinds.RUNS, run)["id"]
    manner = Manner(follow, wait or follow, options.seconds(timeout, "--timeout"))
    with slow(call, "handing over"):
        fired = again.rerun(
            Place(call.state, call.home), ident, latest=revision is not None, hand_over=not manner.wait
        )
    return report(call, fired, manner)
