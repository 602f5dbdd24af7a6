"""`xene retry`: another attempt of the same run, on the same agent, in the same workspace."""

from __future__ import annotations

import time
from typing import Annotated, Optional

import typer

from xene.commands import completion, kinds, listing, options, progress, waiting
from xene.commands.call import Call
from xene.store import db


def retry(
    call: Call,
    run: options.Run,
    start: Annotated[
        Optional[str],
        typer.Option(
            "--from",
            metavar="TASK",
            help="This task and all after it, too.",
            autocompletion=completion.tasks,
        ),
    ] = None,
) -> int:
    """Have an ended run try again what failed and all after it; its params, workspace and outputs are kept.

    Returns when its agent has taken it: exit 0; 'xene wait' waits for the end. Nothing to repeat, or its workspace
    is gone: 7. Its agent cannot be reached: 5; the wish stays.
    """
    from xene.control import again
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        ident = listing.one(state, kinds.RUNS, run)["id"]
    found = again.retry(Place(call.state, call.home), ident, start=start)
    call.say(f"{progress.title(found)}: attempt {found['attempt']}; {progress.state(found, time.time())}")
    waiting.put(call, [found], one=True)
    return 0
