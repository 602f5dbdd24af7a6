"""`xene run`: fires a workflow or a pipeline, or runs a file on the spot."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from xene.commands import completion, options
from xene.commands.call import Call
from xene.commands.run_file import file_of, run_file
from xene.errors import Usage


def run(
    call: Call,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="WORKFLOW, WORKFLOW/PIPELINE, or FILE.yaml[:PIPELINE].",
            autocompletion=completion.targets,
        ),
    ],
    param: Annotated[
        Optional[list[str]],
        typer.Option("--param", "-p", metavar="K=V", help="A param of its pipelines; may be repeated."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show tasks and logs on stderr while it runs; waits.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every run of the fire has ended.")] = False,
    timeout: options.Timeout = None,
    artifacts_from: Annotated[
        Optional[str],
        typer.Option(
            "--artifacts-from",
            metavar="RUN",
            help="A run whose artifacts the pipeline takes instead of those of its fire.",
            autocompletion=completion.runs,
        ),
    ] = None,
) -> int:
    """Fire a workflow or one pipeline and print the ids of its runs; or run a file on the spot.

    With --wait or --follow exit 0 if every run ended in Success, 1 if one did not, 6 after --timeout (the runs
    go on). Ctrl-C detaches; the runs go on. -o json prints a list of runs.

    A file runs on an agent of its own on this host, needs no state and leaves none. It is followed (-q: not);
    Ctrl-C cancels it, a second one kills.
    """
    given = options.assignments(param or [])
    file = file_of(target)
    if file is not None:
        if artifacts_from is not None:
            raise Usage("--artifacts-from wants runs of a state, and a file runs without one")
        if timeout is not None:
            raise Usage("--timeout ends waiting, and a file is always waited for", hint="Ctrl-C cancels it")
        return run_file(call, *file, given)
    from xene.commands.run_fire import Manner, run_fire

    manner = Manner(follow, wait or follow, options.seconds(timeout, "--timeout"))
    return run_fire(call, target, given, manner, artifacts_from)
