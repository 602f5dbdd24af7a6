"""What can be done to what is under the cursor: a command line each, and a question where it destroys. Pure."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.model.param_values import as_text
from xene.plan.drawing.spans import clean, cut

Json = Mapping[str, Any]

LONGEST = 300  # columns that the params of a run may take in a question


class Subject(NamedTuple):
    """What the cursor stands on. `kind` is workflow, pipeline, run or agent; `task` that of a run, if one is meant.

    `row` is its JSON: of a pipeline and an agent that of the overview, of a run at least id, phase and reason; of a
    workflow `{pipelines}`.
    """

    kind: str
    name: str
    row: Json
    task: str | None = None


class Act(NamedTuple):
    """`question`: asked first, "" where it is done at once; `destroys`: something is lost by it.

    `form`: the rows of those pipelines whose params are wanted first; none, where no params are.
    `reason`: the command takes a text by -m, which is asked for too.
    `look`: the run of that id has to be read before it is known what is asked; the act of the same label is meant.
    `button`: what stands on the button that does it, where the label alone could be taken for leaving.
    """

    key: str
    label: str
    words: tuple[str, ...]
    question: str = ""
    destroys: bool = False
    form: Sequence[Json] = ()
    reason: bool = False
    look: str = ""
    button: str = ""


PASS = Act("p", "Pass", ("reconcile",))


def offers(subject: Subject | None) -> list[Act]:
    """The acts on it, as they are listed."""
    if subject is None:
        return []
    return list(
        {"workflow": _workflow, "pipeline": _pipeline, "run": _run, "agent": _agent}[subject.kind](subject)
    )


def _workflow(subject: Subject) -> Iterator[Act]:
    yield Act("r", "Run", ("run", subject.name), form=subject.row["pipelines"])
    yield _suspension(subject.name, all(row["suspended"] for row in subject.row["pipelines"]))


def _suspension(name: str, suspended: bool) -> Act:
    return Act("s", "Resume", ("resume", name)) if suspended else Act("s", "Suspend", ("suspend", name))


def _pipeline(subject: Subject) -> Iterator[Act]:
    row, name = subject.row, subject.name
    yield Act("r", "Run", ("run", name), form=(row,))
    yield _suspension(name, row["suspended"])
    for kind in row["open"]:
        if kind["reason"] == phases.WAITING_FOR_APPROVAL:
            yield from _to_be_read(kind["oldest"])
            break
    last = row["lastRun"]
    if last is not None:
        yield from _ended(last["id"], name) if last["phase"] in phases.ENDED else _under_way(last["id"], name)
        if last["phase"] == phases.ERROR:
            yield _retry(last["id"], name)


def _run(subject: Subject) -> Iterator[Act]:
    run, row = subject.name, subject.row
    of = f"{row['workflow']}/{row['pipeline']}"
    if row["phase"] not in phases.ENDED:
        yield from _answers(subject, of)
        yield from _under_way(run, of)
        return
    if row["phase"] == phases.ERROR:
        yield _retry(run, of)
    if subject.task is not None:
        words = ("retry", run, "--from", subject.task)
        question = f"Try run {run} of {of} again from task {subject.task} on, and all that comes after it?"
        yield Act("T", "Retry from here", words, question)
    yield from _ended(run, of)


def _retry(run: str, of: str) -> Act:
    return Act(
        "t",
        "Retry",
        ("retry", run),
        f"Try again what failed in run {run} of {of}, and all that comes after it?",
    )


def _ended(run: str, of: str) -> Iterator[Act]:
    question = f"Start a new run of {of} with the params and artifacts of run {run}?"
    yield Act("R", "Rerun", ("rerun", run), question)


def _under_way(run: str, of: str) -> Iterator[Act]:
    question = f"Cancel run {run} of {of}? Its steps get SIGTERM; its finally tasks run."
    yield Act("c", "Cancel", ("cancel", run), question, destroys=True, button="Cancel the run")
    question = f"Kill run {run} of {of}? Its steps get SIGKILL, and nothing of it runs after."
    yield Act("k", "Kill", ("kill", run), question, destroys=True, button="Kill the run")


def _answers(subject: Subject, of: str) -> Iterator[Act]:
    """Approve and reject: of the task under the cursor if that waits, else of the first that does."""
    tasks = subject.row.get("tasks")
    if tasks is None:
        if subject.row["reason"] == phases.WAITING_FOR_APPROVAL:
            yield from _to_be_read(subject.name)
        return
    waiting = [name for name, task in tasks.items() if task["reason"] == phases.WAITING_FOR_APPROVAL]
    task = subject.task if subject.task in waiting else next(iter(waiting), None)
    if task is not None:
        asked = _asked(subject.row, task, of)
        yield Act("a", "Approve", ("approve", subject.name, task), asked, reason=True)
        question = f"{asked}\nIf it is rejected, the run ends in Error."
        yield Act("x", "Reject", ("reject", subject.name, task), question, destroys=True, reason=True)


def _asked(run: Json, task: str, of: str) -> str:
    """Who asks, and what: nobody can answer without knowing with which params it goes on."""
    question = clean(run["tasks"][task]["message"] or "may it start?")
    params = cut(", ".join(f"{name}={as_text(value)}" for name, value in run["params"].items()), LONGEST)
    started = f"Run {run['id']}, started by {run['trigger']}{', with ' if params else ''}{params}"
    return f"Task {task} of {of} asks: {question}\n{started}"


def _to_be_read(run: str) -> Iterator[Act]:
    yield Act("a", "Approve", ("approve", run), look=run)
    yield Act("x", "Reject", ("reject", run), look=run)


def _agent(subject: Subject) -> Iterator[Act]:
    row, name = subject.row, subject.name
    if row["cordoned"] or row["drained"]:
        yield Act("o", "Uncordon", ("uncordon", name))
    else:
        yield Act("o", "Cordon", ("cordon", name))
    if not row["drained"]:
        question = f"Drain agent {name}? What others can take moves away, and its runs are waited for."
        yield Act("d", "Drain", ("drain", name), question, destroys=True)
