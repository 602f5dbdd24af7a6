"""Checks of connectors, between tasks and between pipelines: whom they need, and what they take along. Pure.

Called by `checks` and `tasks`. The graph that they make is checked by `graph`.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import did_you_mean, quoted
from xene.model.workflow import ANY, JOIN_ANY, OUTCOME_SUCCESS

TASK, PIPELINE = "task", "pipeline"


class Need(NamedTuple):
    """One item of `needs`. `name` is empty where none can be read; `body` is None for a bare name."""

    name: str
    body: Any
    path: Path


def needs_of(holder: Any, path: Path, noun: str) -> list[Need]:
    """What a task or a pipeline needs, as it is written. `path` leads to it; `noun` is TASK or PIPELINE."""
    out = []
    for index, need in enumerate(items(holder, "needs")):
        place = (*path, "needs", index)
        if isinstance(need, str):
            out.append(Need(need, None, place))
        else:
            name = text(need, noun)
            out.append(Need(name or "", need, place if name is None else (*place, noun)))
    return out


def connector_findings(
    needs: list[Need], holder: Any, path: Path, noun: str, artifacts: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    """What is wrong with the connectors of one task or pipeline. `artifacts` are what others of its kind keep."""
    seen: set[str] = set()
    for need in needs:
        if need.name and need.name in seen:
            hint = (
                "one connector may name several outcomes: on: [success, error]"
                if need.body is not None
                else ""
            )
            yield Finding(need.path, "wrong-value", f"{quoted(need.name)} stands twice in 'needs'", hint)
        seen.add(need.name)
        if need.body is not None:
            place = need.path if need.path[-1] != noun else need.path[:-1]
            yield from _on(need.body, place)
            yield from _artifacts(need, place, noun, artifacts)
    if text(holder, "join") == JOIN_ANY and len(needs) < 2:
        message = "'join: any' wants at least two tasks in 'needs'"
        yield Finding((*path, "join"), "wrong-value", message, "leave 'join' out")


def _on(body: Any, path: Path) -> Iterator[Finding]:
    wanted = items(body, "on")
    if ANY in wanted and len(wanted) > 1:
        message = "'any' stands for all outcomes, so nothing may stand beside it"
        yield Finding((*path, "on", wanted.index(ANY)), "wrong-value", message, "write on: any")


def _artifacts(
    need: Need, path: Path, noun: str, artifacts: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    wanted = items(need.body, "artifacts")
    kept = artifacts.get(need.name)
    if not wanted or kept is None:
        return
    if noun == TASK and not may_succeed(need.body):
        message = "a task keeps its artifacts only when it has succeeded, which this connector rules out"
        yield Finding((*path, "artifacts"), "wrong-value", message, "add success to 'on'", at_key=True)
    for index, name in enumerate(wanted):
        if isinstance(name, str) and name not in kept:
            message = f"the {noun} {quoted(need.name)} keeps no artifact {quoted(name)}"
            hint = did_you_mean(name, kept) or f"declare it in the 'artifacts' of {_whose(noun, need.name)}"
            yield Finding((*path, "artifacts", index), "unknown-artifact", message, hint)


def may_succeed(body: Any) -> bool:
    """Whether a connector may hold when what it leads to has succeeded."""
    on = body.get("on", OUTCOME_SUCCESS) if isinstance(body, dict) else OUTCOME_SUCCESS
    return not isinstance(on, (str, list)) or OUTCOME_SUCCESS in on or ANY in on


def _whose(noun: str, name: str) -> str:
    return quoted(name) if noun == TASK else f"a task of {quoted(name)}"


def artifacts_by_task(pipeline: Any) -> dict[str, frozenset[str]]:
    """The artifacts that each task of a pipeline keeps, those of `finally` too."""
    groups = (fields(pipeline, "tasks"), fields(pipeline, "finally"))
    return {name: frozenset(fields(task, "artifacts")) for group in groups for name, task in group.items()}
