"""The lines of a run's screen: its tasks and steps as a tree; its params, outputs and artifacts. Pure."""

from __future__ import annotations

import json
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.plan import overview
from xene.plan.drawing.gantt import span as took
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean
from xene.plan.marks import MARKS

Json = Mapping[str, Any]


class Part(NamedTuple):
    """A line of the tree: the run, a task, or a step of it."""

    depth: int
    task: str | None
    step: str | None
    state: Json


def tree(run: Json) -> Iterator[Part]:
    """The run, its tasks and their steps."""
    yield Part(0, None, None, run)
    for name, task in run["tasks"].items():
        yield Part(1, name, None, task)
        for step in task["steps"]:
            yield Part(2, name, step["name"], step)


def asked(run: Json) -> str:
    """What the run asks of a person, "" where it does not."""
    found = [
        (name, task) for name, task in run["tasks"].items() if task["reason"] == phases.WAITING_FOR_APPROVAL
    ]
    words = (f"{name} waits for approval: {task['message'] or 'may it start?'}" for name, task in found)
    return "; ".join(words)


def part_line(part: Part, now: float) -> Line:
    """One line of the tree: mark, name, attempt, exit code, how long."""
    state = part.state
    name = part.step or _short(part.task) or f"{state['workflow']}/{state['pipeline']}"
    taken = overview.seconds(state, now)
    words = [] if taken is None else [took(taken)]
    words += [f"×{state['attempt']}"] if (state["attempt"] or 0) > 1 else []
    words += [f"exit {state['exitCode']}"] if state.get("exitCode") else []
    reason = state["reason"] if state["reason"] and state["reason"] != "StepFailed" else ""
    return (
        Span(" " * (part.depth + (part.task != _short(part.task) or 0))),
        Span(f"{MARKS.get(state['phase'], ' ')} ", state["phase"]),
        Span(clean(name), BOLD if part.depth == 0 else ""),
        Span(f" {' '.join(words)}" if words else "", DIM),
        Span(f" {reason}" if reason else "", phases.QUEUED),
    )


def outputs(found: Mapping[str, Any]) -> list[Line]:
    """Params, outputs by task, artifacts."""
    run = found["run"]
    lines: list[Line] = []
    for title, pairs in (
        ("params", run["params"]),
        *((f"outputs of {n}", t["outputs"]) for n, t in run["tasks"].items()),
    ):
        if pairs:
            lines += [
                (Span(title, BOLD),),
                *((Span(f"  {key}={clean(_as_seen(value))}"),) for key, value in pairs.items()),
                (),
            ]
    if found["artifacts"]:
        lines += [(Span("artifacts", BOLD),), *(artifact(each) for each in found["artifacts"]), ()]
        lines.append((Span(f"xene artifacts {run['id']} --to DIR unpacks them", DIM),))
    return lines or [(Span("no params, no outputs, no artifacts", DIM),)]


def _as_seen(value: Any) -> str:
    """A value as the steps see it in their environment."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(task: str | None) -> str | None:
    """Of an instance of a matrix the values alone: it stands below its task."""
    return None if task is None else task[task.index("[") :] if "[" in task else task


def artifact(each: Json) -> Line:
    """One artifact."""
    words: Sequence[str] = [
        f"{key}={value}" for key, value in each.items() if key not in ("task", "name") and value
    ]
    return Span(f"  {each['task']}/{each['name']}"), Span("  " + clean(" ".join(words)), DIM)
