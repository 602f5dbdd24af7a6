"""`xene approve` and, by `answer`, `xene reject`: what a task that waits for an approval is told."""

from __future__ import annotations

import getpass
import time
from typing import Annotated, Optional

import typer

from xene.commands import completion, kinds, listing, options, progress, waiting
from xene.commands.call import Call
from xene.store import db

Task = Annotated[
    str,
    typer.Argument(
        metavar="TASK", help="The task that waits for approval.", autocompletion=completion.approvals
    ),
]
Message = Annotated[
    Optional[str], typer.Option("--message", "-m", metavar="TEXT", help="Why; kept with the run.")
]


def approve(call: Call, run: options.Run, task: Task, message: Message = None) -> int:
    """Let a task start that waits for approval. Returns when its agent has taken the answer: exit 0.

    The task does not wait: 7. Its agent cannot be reached: 5; the answer is kept, and told when it is back.
    """
    return answer(call, run, task, message, approved=True)


def answer(call: Call, run: str, task: str, message: str | None, *, approved: bool) -> int:
    """Tell it either way, and print the run."""
    from xene.control import answering
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        ident = listing.one(state, kinds.RUNS, run)["id"]
    who = f"{'approved' if approved else 'rejected'} by {getpass.getuser()}"
    words = f"{who}: {message}" if message else who
    found = answering.answer(Place(call.state, call.home), ident, task, approved=approved, message=words)
    call.say(f"{progress.title(found)}: task {task} {who}; {progress.state(found, time.time())}")
    waiting.put(call, [found], one=True)
    return 0
