"""`xene logs`: what the steps of a run said, from the archive or from the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from xene.commands import completion, kinds, listing, options
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.speech import ToStdout
from xene.commands.tables import Row
from xene.commands.text import did_you_mean
from xene.errors import Detached, NotFound, Usage
from xene.plan.speech import Source
from xene.store import db

if TYPE_CHECKING:
    from xene.control.logs import LogState


Part = Annotated[
    Optional[str],
    typer.Argument(metavar="TASK[/STEP]", help="One task, or one step.", autocompletion=completion.tasks),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")]
LastLines = Annotated[
    Optional[int], typer.Option("--tail", metavar="N", help="Only the last N lines of each step.")
]
Since = Annotated[
    Optional[str],
    typer.Option("--since", metavar="TIME", help="Only steps that ran since 10m, 2h ... ago, or a time."),
]
Attempt = Annotated[
    Optional[int], typer.Option("--attempt", metavar="N", help="Only this attempt; default: all.")
]
Marked = Annotated[
    bool, typer.Option("--mark-attempts", help="Say where a second attempt begins, a third, and so on.")
]


def logs(
    call: Call,
    run: options.Run,
    part: Part = None,
    follow: Follow = False,
    tail: LastLines = None,
    since: Since = None,
    attempt: Attempt = None,
    marked: Marked = False,
) -> int:
    """Print what the steps of a run said: all of them in the order in which they began, or one.

    Lines of several steps are prefixed by 'task/step | '; one step is printed as it is, byte by byte where
    stdout is no terminal. Whether the log is partial or gone is said on stderr. Ctrl-C with -f detaches.
    """
    from xene.control import logs as control
    from xene.control.place import Place
    from xene.control.tail import Choice

    if tail is not None and tail < 0:
        raise Usage("--tail: a count of lines is wanted")
    if attempt is not None and attempt < 1:
        raise Usage("--attempt: the number of an attempt is wanted; the first is 1")
    with db.open_for_reading(call.state) as state:
        row = listing.one(state, kinds.RUNS, run)
    task, step = chosen(row, part)
    check_attempt(row, attempt)
    recent = recent_steps(row, options.instant(since, "--since"))
    several = step is None or len(steps_of(row, task)) > 1
    out = ToStdout(prefixed=several, color=call.color(), live=follow, marked=marked)

    def emit(source: tuple[str, str, str, int], data: bytes) -> None:
        notices.end()  # what the step says is what the user waits for
        if recent is None or source[1:3] in recent:
            out.said(Source(*source), data)

    try:
        choice = Choice(task, step, attempt, tail)
        with slow(call, "waiting for the log", lines=False) as notices:
            found = control.read(Place(call.state, call.home), row["id"], emit, choice=choice, live=follow)
    except KeyboardInterrupt:
        raise Detached("detached; the run goes on", hint=f"to stop it: xene cancel {row['id']}") from None
    finally:
        out.close()
    say_how_complete(call, row["id"], found)
    return 0


def chosen(row: Row, part: str | None) -> tuple[str | None, str | None]:
    """Task and step that `part` names. Raises NotFound with a did-you-mean."""
    if part is None:
        return None, None
    task, slash, step = _split(part, row["tasks"])
    _check(task, row["tasks"], f"run {row['id']} has no task {task}")
    if slash:
        known = dict.fromkeys(name for names in steps_of(row, task) for name in names)
        _check(step, list(known), f"task {task} has no step {step}")
    return task, step if slash else None


def _split(part: str, tasks: Any) -> tuple[str, str, str]:
    """Task, slash, step. The values in an instance's name may hold slashes too."""
    head, slash, step = part.rpartition("/")
    if part in tasks:
        return part, "", ""
    return (head, slash, step) if head in tasks else part.partition("/")


def steps_of(row: Row, task: str | None) -> list[list[str]]:
    """The names of the steps of a task; of one with a matrix those of each of its instances."""
    found = [view for name, view in row["tasks"].items() if name == task or name.startswith(f"{task}[")]
    return [[step["name"] for step in view["steps"]] for view in found if view["steps"]]


def _check(name: str, known: Any, message: str) -> None:
    if name not in known:
        raise NotFound(message, hint=did_you_mean(name, known) or f"it has {', '.join(known)}")


def check_attempt(row: Row, attempt: int | None) -> None:
    """Raises NotFound where nothing of an ended run was tried so often; one under way may yet be."""
    tried = [thing["attempt"] or 0 for task in row["tasks"].values() for thing in (task, *task["steps"])] + [
        row["attempt"]
    ]
    if attempt is not None and attempt > max(tried) and row["finishedAt"] is not None:
        raise NotFound(f"run {row['id']} has no attempt {attempt}", hint=f"it has {max(tried)}")


def recent_steps(row: Row, since: float | None) -> set[tuple[str, str]] | None:
    """The steps that still ran at `since` or later, as (task, step); None: all."""
    if since is None:
        return None
    return {
        (task, step["name"])
        for task, view in row["tasks"].items()
        for step in view["steps"]
        if step["finishedAt"] is None or (kinds.seconds(step["finishedAt"]) or 0.0) >= since
    }


def say_how_complete(call: Call, run: str, found: LogState) -> None:
    """Partial and gone are always said; that it is complete only with -v."""
    why = f": {found.message}" if found.message else ""
    if found.state in ("partial", "gone"):
        call.warn(f"the log of run {run} is {found.state}{why}")
    elif found.state == "complete":
        call.detail(f"the log of run {run} is complete")
    elif found.message:
        call.say(found.message)
