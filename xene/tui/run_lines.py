"""The lines of a run's screen: its tasks and steps as a tree; its params, outputs and artifacts. Pure."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from xene.engine.values import as_json
from xene.model import phases
from xene.plan import overview
from xene.plan.drawing.gantt import span as took
from xene.plan.drawing.graph import phase_of, task_of
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean, columns, squeezed, wrapped
from xene.plan.marks import MARKS

Json = Mapping[str, Any]

LONGEST = 2000  # characters of a param or an output that are shown
MOST = 3  # lines that the head, and what the cursor stands on, may take
LEAST = 6  # columns of a name, however little room there is


class Part(NamedTuple):
    """A line of the tree: the run, a task, or a step of it."""

    depth: int
    task: str | None
    step: str | None
    state: Json


def tree(run: Json) -> Iterator[Part]:
    """The run, its tasks and their steps; the instances of a matrix stand below their task."""
    yield Part(0, None, None, run)
    for name, task in run["tasks"].items():
        depth = 1 if task_of(name) == name else 2
        yield Part(depth, name, None, task)
        for step in task["steps"]:
            yield Part(depth + 1, name, step["name"], step)


def asked(run: Json) -> str:
    """What the run asks of a person, "" where it does not."""
    found = [
        (name, task) for name, task in run["tasks"].items() if task["reason"] == phases.WAITING_FOR_APPROVAL
    ]
    words = (f"{name} waits for approval: {task['message'] or 'may it start?'}" for name, task in found)
    return "; ".join(words)


def head(run: Json, now: float, width: int) -> list[Line]:
    """What the run is, and below it what it asks, or why it is as it is."""
    taken = overview.seconds(run, now)
    length = "" if taken is None else f" {took(taken)}"
    first = (
        Span(f"{run['workflow']}/{run['pipeline']}", BOLD),
        Span(f"  {MARKS.get(run['phase'], ' ')} {run['phase']}", run["phase"]),
        Span(f"{length}  {run['id']}  on {run['agent']}  by {run['trigger']}", DIM),
    )
    words = asked(run) or ": ".join(word for word in (run["reason"], run["message"]) if word)
    said = clean(words) if run["phase"] != phases.SUCCESS else ""
    return [first, *(_wrapped((Span(said),), width) if said else ())]


def _wrapped(line: Line, width: int) -> list[Line]:
    """On as many lines as it takes, if those are not too many."""
    return wrapped(line, max(20, width))[:MOST]


def detail(part: Part, answers: Mapping[str, str], log: str, now: float, width: int) -> list[Line]:
    """What the cursor stands on in full: `log` is what is to be said of its log."""
    message = clean(part.state["message"] or "") if part.task else ""  # that of the run stands in the head
    waits = part.state["reason"] == phases.WAITING_FOR_APPROVAL
    given = "" if part.step or waits else clean(answers.get(part.task or "", ""))
    words = dict.fromkeys(each for each in (message, given) if each)
    line = (
        *part_line(part, now),
        *(Span(f"  {each}") for each in words),
        Span(f"  {log}" if log else "", DIM),
    )
    return _wrapped(line, width)


def part_line(part: Part, now: float, room: int = 1000) -> Line:
    """One line of the tree: mark, name, attempt, exit code, how long. In `room` columns the name gives way."""
    state = part.state
    taken = overview.seconds(state, now)
    words = [] if taken is None else [took(taken)]
    words += [f"×{state['attempt']}"] if (state["attempt"] or 0) > 1 else []
    words += [f"exit {state['exitCode']}"] if state.get("exitCode") else []
    facts = f" {' '.join(words)}" if words else ""
    reason = state["reason"] if state["reason"] and state["reason"] != "StepFailed" else ""
    indent, phase = " " * part.depth, state["phase"] if part.depth == 0 else phase_of(state)
    left = room - columns(indent) - 2 - columns(facts)
    return (
        Span(indent),
        Span(f"{MARKS.get(phase, ' ')} ", phase),
        Span(squeezed(_name(part), max(LEAST, left)), BOLD if part.depth == 0 else ""),
        Span(facts, DIM),
        Span(f" {reason}" if reason else "", phases.QUEUED),
    )


def _name(part: Part) -> str:
    """What it is called below what it belongs to: of an instance of a matrix the values alone."""
    if part.step is not None:
        return part.step
    if part.task is None:
        return f"{part.state['workflow']}/{part.state['pipeline']}"
    return part.task[len(task_of(part.task)) :] or part.task


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
    """A value as the steps see it in their environment; of a long one the beginning."""
    text = value if isinstance(value, str) else as_json(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"


def artifact(each: Json) -> Line:
    """One artifact."""
    words: Sequence[str] = [
        f"{key}={value}" for key, value in each.items() if key not in ("task", "name") and value
    ]
    return Span(f"  {each['task']}/{each['name']}"), Span("  " + clean(" ".join(words)), DIM)
