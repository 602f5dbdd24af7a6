"""`xene graph`: a workflow as a picture: its pipelines, their tasks, and how far their newest runs are.

It only reads. `--as mermaid` and `--as dot` write it for other programs to draw.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from xene.commands import completion, freshness, kinds, listing, pictures, progress
from xene.commands.call import Call
from xene.commands.run_file import file_of, load
from xene.commands.tables import Row
from xene.commands.text import did_you_mean, one_line
from xene.errors import NotFound, Usage
from xene.plan import drawing
from xene.plan.drawing.spans import BOLD, Line, Span
from xene.store import db, views
from xene.store.db import State

if TYPE_CHECKING:
    from xene.manifest.repository import Entry

FORMS = ("text", "mermaid", "dot")


class Wanted(NamedTuple):
    """What is drawn: pipelines of a workflow as JSON, and the newest run of each that has one."""

    workflow: str
    pipelines: Row
    runs: dict[str, Row]


def graph(
    call: Call,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="WORKFLOW, WORKFLOW/PIPELINE, or FILE.yaml[:PIPELINE].",
            autocompletion=completion.targets,
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="text (default), mermaid, or dot.",
            autocompletion=lambda: list(FORMS),
        ),
    ] = "text",
) -> int:
    """Draw a workflow or one pipeline: tasks in layers, each below what it needs.

    Marks and colours are those of each pipeline's newest run: ✓ Success, ✗ Error, ● running, · not executed. Of a
    matrix the box says how many instances have succeeded. What an edge asks for beyond success stands beside it.
    Tasks with the same needs and followers share a box where there is no room for one each; what is still too
    wide for the terminal (or $COLUMNS) is listed layer by layer.
    """
    if form not in FORMS:
        raise Usage(
            f"--as {form} is not known", hint=did_you_mean(form, FORMS) or f"use one of {', '.join(FORMS)}"
        )
    file = file_of(target)
    found = from_file(call, *file) if file else [from_state(call, target)]
    for number, wanted in enumerate(found):
        if form == "text":
            pictures.put(call, [*([()] if number else []), *page(wanted, pictures.width(), time.time())])
        elif form == "mermaid":
            call.put(drawing.mermaid(wanted.pipelines, wanted.runs))
        else:
            call.put(drawing.dot(wanted.workflow, wanted.pipelines, wanted.runs))
    if not file and any(wanted.runs for wanted in found):
        freshness.tell(call, call.state)
    return 0


def from_file(call: Call, path: str, pipeline: str | None) -> list[Wanted]:
    """The workflows of a manifest file, or the one that has `pipeline`. Raises InvalidManifest, NotFound."""
    entries = [entry for entry in load(call, path).entries if entry.kind == "Workflow"]
    if not entries:
        raise NotFound(f"there is no Workflow in {one_line(path)}")
    found = [Wanted(entry.name, _pipelines(entry), {}) for entry in entries]
    if pipeline is None:
        return found
    chosen = [_only(wanted, pipeline) for wanted in found if pipeline in wanted.pipelines]
    if not chosen:
        known = [name for wanted in found for name in wanted.pipelines]
        hint = did_you_mean(pipeline, known) or f"it has {', '.join(known[:5])}"
        raise NotFound(f"there is no pipeline {pipeline} in {one_line(path)}", hint=hint)
    return chosen


def _pipelines(entry: Entry) -> Row:
    pipelines: Row = json.loads(entry.text)["spec"]["pipelines"]
    return pipelines


def _only(wanted: Wanted, pipeline: str) -> Wanted:
    return wanted._replace(pipelines={pipeline: wanted.pipelines[pipeline]})


def from_state(call: Call, target: str) -> Wanted:
    """What `target` names among what was applied. Raises NotFound with a did-you-mean."""
    with db.open_for_reading(call.state) as state, state.snapshot():
        name, pipeline = named(state, target)
        row = listing.one(state, kinds.WORKFLOWS, name)
        wanted = Wanted(name, row["spec"]["pipelines"], {})
        wanted = wanted if pipeline is None else _only(wanted, pipeline)
        for each in wanted.pipelines:
            wanted.runs.update(
                (each, run) for run in views.runs(state, workflow=name, pipeline=each, limit=1)
            )
        return wanted


def named(state: State, target: str) -> tuple[str, str | None]:
    """The workflow, and the pipeline where one is meant; a bare word is a workflow before it is a pipeline."""
    if "/" in target:
        return views.resolve_pipeline(state, target)
    if not views.workflows(state, name=target) and views.pipelines(state, name=target):
        return views.resolve_pipeline(state, target)
    return target, None


# -- text


def page(wanted: Wanted, width: int, now: float) -> list[Line]:
    """The whole picture: how the pipelines follow each other, then each with its tasks."""
    lines = drawing.between(wanted.pipelines, wanted.runs, width)
    for name, body in wanted.pipelines.items():
        run = wanted.runs.get(name)
        lines += [*([()] if lines else []), head(f"{wanted.workflow}/{name}", run, now)]
        lines += drawing.pipeline(body, run, width)
    return lines


def head(name: str, run: Row | None, now: float) -> Line:
    """`shop/build  ● Running (5s)  20261123-...`."""
    if run is None:
        return (Span(name, BOLD),)
    mark = Span(f"  {progress.MARKS.get(run['phase'], ' ')} ", run["phase"])
    return (Span(name, BOLD), mark, Span(f"{progress.state(run, now)}  {run['id']}"))
