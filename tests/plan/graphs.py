"""Graphs of tasks for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


@st.composite
def dags(draw: st.DrawFn, most: int = 18) -> dict[str, Any]:
    """Tasks `n0`, `n1` ...; each needs some of those before it, now and then with a condition."""
    tasks: dict[str, Any] = {}
    for number in range(draw(st.integers(1, most))):
        before = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        needs = [
            draw(st.sampled_from([f"n{n}", {"task": f"n{n}", "on": "error"}, {"task": f"n{n}", "on": "any"}]))
            for n in sorted(before)
        ]
        tasks[f"n{number}"] = {"needs": needs} if needs else {}
    return tasks
