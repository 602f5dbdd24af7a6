"""Differences field by field: a table, and hypothesis for what a difference means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.model import codec
from xene.plan.fields import Field, fields, lines

scalars = st.booleans() | st.integers(-2, 2) | st.text(max_size=3) | st.just(1.0)
keys = st.sampled_from(["a", "b", "a.b", "name"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(fields(value, value)) == []


@given(values, values)
def test_what_differs_has_a_field_and_lines(old: Any, new: Any) -> None:
    found = list(fields(old, new))
    assert bool(found) == (codec.canonical(old) != codec.canonical(new))
    for field in found:
        assert codec.canonical(field.old) != codec.canonical(field.new)
        assert lines(field)


STEP = {"name": "go", "exec": ["go", "test"], "timeout": "5m"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": True}, {"a": 1}, [("a", True, 1)]),
        ({}, {"a": {"b": 1}}, [("a", None, {"b": 1})]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, [("a.c", 2, None)]),
        ({"l": {"app.io/x": "1"}}, {"l": {"app.io/x": "2"}}, [("l['app.io/x']", "1", "2")]),
        ({"needs": ["a"]}, {"needs": ["b", "a"]}, [("needs[b]", None, "b")]),
        ({"exec": ["a"]}, {"exec": ["b", "a"]}, [("exec[0]", "a", "b"), ("exec[1]", None, "a")]),
        ({"n": [1]}, {"n": [1, 2]}, [("n[1]", None, 2)]),
        (
            {"needs": ["b", {"task": "a", "on": "any"}]},
            {"needs": [{"task": "a", "on": "error"}]},
            [("needs[b]", "b", None), ("needs[a].on", "any", "error")],
        ),
        (
            {"needs": ["a"]},
            {"needs": [{"task": "a", "on": "any"}]},
            [("needs[a]", "a", {"task": "a", "on": "any"})],
        ),
        ({"suite": ["unit", "api"]}, {"suite": ["api"]}, [("suite[unit]", "unit", None)]),
        ({"suite": ["a", "b"]}, {"suite": ["b", "a"]}, [("suite (order)", ["a", "b"], ["b", "a"])]),
        ({"steps": [STEP]}, {"steps": [{**STEP, "timeout": "6m"}]}, [("steps[go].timeout", "5m", "6m")]),
        ({"steps": [STEP]}, {"steps": [{"name": "x"}, STEP]}, [("steps[x]", None, {"name": "x"})]),
        (
            {"steps": [{"name": "a"}, {"name": "b"}]},
            {"steps": [{"name": "b"}, {"name": "a"}]},
            [("steps (order)", ["a", "b"], ["b", "a"])],
        ),
        ({"a": "1"}, {"a": ["1"]}, [("a", "1", ["1"])]),
        ({"triggers": ["a"]}, {"triggers": ["a", "b"]}, [("triggers[b]", None, "b")]),
        (
            {"cron": {"schedule": ["5 * * * *", "@daily"], "jitter": "2m"}},
            {"cron": {"schedule": ["@daily", "0 8 * * *"], "dst": {"fold": "both"}}},
            [
                ("cron.dst", None, {"fold": "both"}),
                ("cron.jitter", "2m", None),
                ("cron.schedule[5 * * * *]", "5 * * * *", None),
                ("cron.schedule[0 8 * * *]", None, "0 8 * * *"),
            ],
        ),
    ],
)
def test_fields(old: Any, new: Any, expected: list[tuple[str, Any, Any]]) -> None:
    assert list(fields(old, new)) == [Field(*each) for each in expected]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("a", "x", "y"), ['~ a: "x" -> "y"']),
        (Field("a", None, True), ["+ a: true"]),
        (Field("a", 5, None), ["- a: 5"]),
        (
            Field("tasks.t", None, {"needs": ["a"], "steps": [{"name": "s", "run": "x\ny"}]}),
            ['+ tasks.t.needs: ["a"]', '+ tasks.t.steps[s].run: "x\\ny"'],
        ),
        (
            Field("run", "one\ntwo\nthree\nfour\nfive\n", "one\ntwo\nthree\n4\nfive\n"),
            ["~ run:", "    @@ -2,4 +2,4 @@", "     two", "     three", "    -four", "    +4", "     five"],
        ),
        (Field("run", "a\n-- x\n", "a\n"), ["~ run:", "    @@ -1,2 +1 @@", "     a", "    --- x"]),
        (Field("run", "a", "a\n"), ["~ run:", "    (only the end of line differs)"]),
    ],
)
def test_lines(field: Field, expected: list[str]) -> None:
    assert lines(field) == expected
