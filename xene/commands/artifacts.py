"""`xene artifacts`: what the tasks of a run left behind, listed, or laid into a directory here."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import Annotated, Iterator, Optional

import typer

from xene.agent import tarballs
from xene.agent.globs import ArtifactProblem
from xene.agent.tarballs import size_text
from xene.commands import completion, options
from xene.commands.call import Call
from xene.commands.slow import bar
from xene.commands.tables import Column, Row, render
from xene.commands.text import did_you_mean
from xene.errors import Conflict, NotFound, Storage, Usage
from xene.model.ids import file_safe
from xene.store import artifacts as stored
from xene.store import db, views

COLUMNS = (
    Column("NAME", lambda row, _: row["name"]),
    Column("TASK", lambda row, _: row["task"]),
    Column("FILES", lambda row, _: row["files"]),
    Column("SIZE", lambda row, _: size_text(row["size"])),
    Column("STATE", lambda row, _: row["state"]),
    Column("MESSAGE", lambda row, _: row["message"]),
)
COMPLETE, PARTIAL = "complete", "partial"

Name = Annotated[
    Optional[str],
    typer.Argument(
        metavar="NAME", help="One artifact: unpack it. TASK/NAME for that of one task.",
        autocompletion=completion.artifacts,
    ),
]  # fmt: skip
To = Annotated[
    Optional[str],
    typer.Option("--to", metavar="DIR", help="Unpack into this directory; made where it is missing."),
]


def artifacts(call: Call, run: options.Run, name: Name = None, to: To = None) -> int:
    """List the artifacts of a run; with NAME or --to unpack them into a directory on this host.

    NAME goes into ./RUN-NAME, or right into --to DIR. Without NAME each one goes into DIR/NAME. Where several tasks
    have an artifact of that name, each goes into a directory TASK.NAME. Files of the same names are replaced;
    nothing outside of the directory is touched. While an ended run's artifacts are still on its agent they are
    fetched first; 'gone' ones cannot be had any more.
    """
    with db.open_for_reading(call.state) as state:
        found = views.resolve_run(state, run)
        rows = stored.view(state, found)
        ended = views.run(state, found)["finishedAt"] is not None
    if name is None and to is None:
        return listed(call, found, rows)
    if to == "":
        raise Usage("--to: a directory is wanted")
    chosen(found, rows, name)
    if any(row["state"] == stored.AWAITED for row in rows):
        rows = fetched(call, found, rows, ended)
    return unpacked(call, found, chosen(found, rows, name), name, to)


def listed(call: Call, run: str, rows: list[Row]) -> int:
    """Print them; on stderr, what of them cannot be had."""
    if call.structured:
        call.put_value(rows)
    elif rows:
        call.put(render(rows, COLUMNS, time.time(), color=call.color()))
    else:
        call.say(f"run {run} has no artifacts")
    gone = [row["name"] for row in rows if row["state"] == stored.GONE]
    if gone:
        call.warn(f"the artifacts of run {run} are {PARTIAL}: {', '.join(gone)} cannot be had any more")
    return 0


def chosen(run: str, rows: list[Row], name: str | None) -> list[Row]:
    """Those that `name` names. Raises NotFound with a did-you-mean."""
    task, slash, last = (name or "").rpartition("/")
    found = [
        row for row in rows if name is None or (row["name"] == last and (not slash or row["task"] == task))
    ]
    if not found:
        known = sorted({row["name"] for row in rows})
        hint = did_you_mean(name or "", known) or (f"it has {', '.join(known)}" if known else "")
        what = f"artifact {name}" if name is not None else "artifacts"
        raise NotFound(f"run {run} has no {what}", hint=hint)
    return found


def fetched(call: Call, run: str, rows: list[Row], ended: bool) -> list[Row]:
    """The rows once the run's artifacts were fetched from its agent. Raises Conflict where it has not ended."""
    if not ended:
        raise Conflict(
            f"run {run} has not ended: its artifacts come here when it has", hint=f"xene wait {run}"
        )
    from xene.control import bringing
    from xene.control.place import Place

    total = sum(row["size"] for row in rows)
    with (
        bar(call, f"fetching {size_text(total)}", total) as notice,
        db.open_state(call.state, create=False) as state,
    ):
        bringing.bring(Place(call.state, call.home), state, run, notice.reach)
        return stored.view(state, run)


def unpacked(call: Call, run: str, rows: list[Row], name: str | None, to: str | None) -> int:
    """Lay them. Raises Conflict where one is not here, Storage where it cannot be laid."""
    for row in rows:
        if row["state"] != stored.KEPT:
            why = row["message"] or "its agent is away"
            raise Conflict(
                f"artifact {row['name']} of run {run} is {row['state']}: {why}", hint="xene get agents"
            )
    base = to or (f"{run}-{file_safe(rows[0]['name'])}" if name is not None else run)
    done = []
    total = sum(row["size"] for row in rows)
    with bar(call, f"unpacking {size_text(total)}", total) as notice:
        for row in rows:
            directory = os.path.join(base, *_below(row, rows, name))
            done.append({**row, "directory": os.path.abspath(directory)})
            lay(call, row, directory, notice.advance)
    if call.structured:
        call.put_value(done)
    else:
        call.put(
            "".join(f"{each['name']}: {_count(each['files'])} in {each['directory']}\n" for each in done)
        )
    return 0


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"


def _below(row: Row, rows: list[Row], name: str | None) -> list[str]:
    """Where below the directory an artifact goes."""
    if sum(each["name"] == row["name"] for each in rows) > 1:
        return [f"{file_safe(row['task'])}.{row['name']}"]
    return [] if name is not None else [row["name"]]


def lay(call: Call, row: Row, directory: str, progress: tarballs.Progress) -> None:
    """Lay one. Raises Storage."""
    from xene.control.fetching import tar_path
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        path = tar_path(Place(call.state, call.home).artifacts(state.uuid), row["run"], row["sha256"])
    with _told(row["name"]):
        os.makedirs(directory, exist_ok=True)
        tarballs.lay(path, row["size"], row["sha256"], directory, progress)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except ArtifactProblem as error:
        raise Storage(f"artifact {name}: {error.message}", code=error.code) from None
    except OSError as error:
        raise Storage(f"artifact {name} cannot be unpacked: {tarballs.why(error)}") from None
