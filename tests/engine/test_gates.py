"""Conditions that are read ahead: nothing is decided by it, and nothing can go wrong."""

from __future__ import annotations

from typing import Any

from tests.agent.probe import make_order
from xene.engine import gates, syntax
from xene.engine.progress import RunProgress, begin
from xene.model import events

STEP = {"steps": [{"name": "s", "exec": ["x"]}]}


def run_of(tasks: dict[str, Any]) -> RunProgress:
    order = make_order({"tasks": tasks})
    return begin(events.run_accepted(0.0, order.id, order.to_json()))


def test_what_is_asked_behind_a_task_is_read_while_it_runs() -> None:
    behind = {
        "needs": [{"task": "a", "when": "params.seen == 'one'"}],
        "when": "params.seen == 'two'",
        **STEP,
    }
    run = run_of({"a": STEP, "b": behind, "c": {"needs": ["b"], "when": "params.seen == 'three'", **STEP}})
    syntax._parsed.cache_clear()
    gates.foresee(run, "a")
    assert syntax._parsed.cache_info().misses == 2
    syntax.parse("params.seen == 'one'")
    syntax.parse("params.seen == 'two'")
    assert syntax._parsed.cache_info().misses == 2


def test_a_mistake_waits_until_it_is_met() -> None:
    run = run_of({"a": STEP, "b": {"needs": [{"task": "a", "when": "1 +"}], **STEP}})
    gates.foresee(run, "a")
    gates.foresee(run, "no such task")


def test_behind_a_wide_fan_only_the_first_few_are_read() -> None:
    behind = {"needs": ["a"], **STEP}
    run = run_of({"a": STEP, **{f"t{n}": {**behind, "when": f"params.n == {n}"} for n in range(100)}})
    syntax._parsed.cache_clear()
    gates.foresee(run, "a")
    assert syntax._parsed.cache_info().misses == gates.FORESEEN
