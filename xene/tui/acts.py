"""What can be done to what is under the cursor: a command line each, and a question where it destroys. Pure."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from xene.model import phases

Json = Mapping[str, Any]


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
    """`question`: asked first, "" where nothing is lost. `form`: the run wants its params first.

    `reason`: the command takes a text by -m, which is asked for too.
    """

    key: str
    label: str
    words: tuple[str, ...]
    question: str = ""
    form: bool = False
    reason: bool = False


PASS = Act("p", "Pass", ("reconcile",))


def offers(subject: Subject | None) -> list[Act]:
    """The acts on it, as they are listed."""
    if subject is None:
        return []
    return list(
        {"workflow": _workflow, "pipeline": _pipeline, "run": _run, "agent": _agent}[subject.kind](subject)
    )


def _workflow(subject: Subject) -> Iterator[Act]:
    yield Act("r", "Run", ("run", subject.name), form=True)
    yield _suspension(subject.name, all(row["suspended"] for row in subject.row["pipelines"]))


def _suspension(name: str, suspended: bool) -> Act:
    return Act("s", "Resume", ("resume", name)) if suspended else Act("s", "Suspend", ("suspend", name))


def _pipeline(subject: Subject) -> Iterator[Act]:
    row, name = subject.row, subject.name
    yield Act("r", "Run", ("run", name), form=True)
    yield _suspension(name, row["suspended"])
    last = row["lastRun"]
    if last is not None:
        yield from _of_run(last["id"], last["phase"], None)


def _run(subject: Subject) -> Iterator[Act]:
    yield from _of_run(subject.name, subject.row["phase"], subject)


def _of_run(run: str, phase: str, subject: Subject | None) -> Iterator[Act]:
    if phase in phases.ENDED:
        if phase == phases.ERROR:
            yield Act("t", "Retry", ("retry", run))
        if subject is not None and subject.task is not None:
            yield Act("T", "Retry from here", ("retry", run, "--from", subject.task))
        yield Act("R", "Rerun", ("rerun", run))
        return
    if subject is not None:
        for task in _asking(subject):
            yield Act("a", "Approve", ("approve", run, task), reason=True)
            yield Act(
                "x",
                "Reject",
                ("reject", run, task),
                f"Reject task {task}? The run will end in Error.",
                reason=True,
            )
    yield Act(
        "c", "Cancel", ("cancel", run), f"Cancel run {run}? Its steps get SIGTERM; its finally tasks run."
    )
    yield Act(
        "k", "Kill", ("kill", run), f"Kill run {run}? Its steps get SIGKILL, and nothing of it runs after."
    )


def _asking(subject: Subject) -> list[str]:
    """The task that waits for an approval: the one under the cursor, else the first."""
    tasks = subject.row.get("tasks", {})
    found = [name for name, task in tasks.items() if task["reason"] == phases.WAITING_FOR_APPROVAL]
    return [subject.task] if subject.task in found and subject.task is not None else found[:1]


def _agent(subject: Subject) -> Iterator[Act]:
    row, name = subject.row, subject.name
    if row["cordoned"] or row["drained"]:
        yield Act("o", "Uncordon", ("uncordon", name))
    else:
        yield Act("o", "Cordon", ("cordon", name))
    if not row["drained"]:
        question = f"Drain agent {name}? What others can take moves away, and its runs are waited for."
        yield Act("d", "Drain", ("drain", name), question)
