"""A run over time: bars, scale, what is waited for, the longest way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands import shapes
from xene.model.units import rfc3339
from xene.plan import drawing
from xene.plan.drawing import gantt
from xene.plan.drawing.spans import TO_ASCII, Line, columns, text_of

START = shapes.NOW
NEEDS = {
    "fetch": [], "test": ["fetch"], "lint": ["fetch"], "ship": ["test"], "rollback": ["ship"],
    "report": ["test", "lint"],
}  # fmt: skip
PICTURE = """\
                  │0       │15s     │30s      │45s     │1m      │1m15s
✓ fetch           ████████                                             12s
✗ test                   ─────────────────────────                     38s
✓ lint                   █████✗░░███✗░░░░░░█████████████               33s ×3
✓ test[unit,true]        ████████████                                  18s
✗ test[api,true]          ░░░░███████████████████✗                     30s
● report                                                ░░░░░████████▌ 13s
◌ ship            WaitingForApproval              ░░░░░░░░░░░░░░░░░░░░ 33s
· rollback        Omitted
█ at work, ░ waiting, ✗ failed, bold: the longest way
"""


def attempt(number: int, phase: str, start: float, end: float | None) -> dict[str, Any]:
    return {
        "attempt": number,
        "phase": phase,
        "reason": None,
        "message": None,
        "startedAt": rfc3339(START + start),
        "finishedAt": None if end is None else rfc3339(START + end),
    }


def task(*tries: dict[str, Any], **more: Any) -> dict[str, Any]:
    if not tries:
        return shapes.task(**more)
    last = tries[-1]
    ends = {key: last[key] for key in ("phase", "attempt", "finishedAt")}
    return shapes.task(attempts=list(tries), startedAt=tries[0]["startedAt"], **{**ends, **more})


def run() -> dict[str, Any]:
    tasks = {
        "fetch": task(attempt(1, "Success", 0, 12)),
        "test": task(attempt(1, "Error", 12, 50)),
        "ship": task(reason="WaitingForApproval"),
        "lint": task(attempt(1, "Error", 12, 20), attempt(2, "Error", 25, 30), attempt(3, "Success", 40, 60)),
        "rollback": task(reason="Omitted"),
        "report": task(attempt(1, "Running", 70, None)),
        "test[unit,true]": task(attempt(1, "Success", 12, 30)),
        "test[api,true]": task(attempt(1, "Error", 20, 50)),
    }
    return shapes.run(startedAt=rfc3339(START), tasks=tasks)


def shown(lines: list[Line]) -> str:
    return "".join(text_of(line).rstrip() + "\n" for line in lines)


def test_the_picture() -> None:
    assert shown(drawing.timeline(run(), NEEDS, START + 83, 80)) == PICTURE


def test_the_picture_in_ascii() -> None:
    text = PICTURE.translate(TO_ASCII)
    assert text.isascii() and [*map(len, text.splitlines())] == [*map(len, PICTURE.splitlines())]


def test_styles_tell_attempts_apart() -> None:
    lines = drawing.timeline(run(), NEEDS, START + 83, 80)
    (lint,) = (line for line in lines if "lint" in text_of(line))
    bars = [(span.text.strip(), span.style) for span in lint if set(span.text) & {"█", "░", "✗"}]
    assert bars == [
        ("█████✗", "Error"), ("░░", "dim"), ("███✗", "Error"), ("░░░░░░", "dim"), ("█████████████", "Success"),
    ]  # fmt: skip


def test_the_longest_way_goes_over_the_need_that_ended_last() -> None:
    assert gantt.critical_path(run()["tasks"], NEEDS) == {"report", "lint", "fetch"}
    assert gantt.critical_path({}, {}) == set()


def test_the_rows_for_programs() -> None:
    rows = drawing.attempts(run()["tasks"])
    assert [(row["task"], row["attempt"]) for row in rows if row["task"] == "lint"] == [
        ("lint", 1), ("lint", 2), ("lint", 3),
    ]  # fmt: skip
    assert rows[0] == {
        "task": "fetch",
        "attempt": 1,
        "phase": "Success",
        "startedAt": "2026-11-23T02:30:00.000Z",
        "finishedAt": "2026-11-23T02:30:12.000Z",
    }
    assert [row["startedAt"] for row in rows] == sorted(row["startedAt"] for row in rows)


def test_an_attempt_whose_end_is_not_known_ended_before_the_next() -> None:
    tasks = {"t": task(attempt(1, "Error", 0, None), attempt(2, "Running", 5, None))}
    (row,) = gantt.rows(shapes.run(startedAt=rfc3339(START), tasks=tasks), {}, START + 9)
    assert [(a.started - START, a.finished and a.finished - START) for a in row.attempts] == [
        (0, 5),
        (5, None),
    ]


def test_a_run_that_has_not_begun() -> None:
    text = shown(drawing.timeline(shapes.run(startedAt=None, phase="Queued"), {}, START, 80))
    assert "look  NotExecuted" in text


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e5), st.booleans(), st.sampled_from(["Success", "Error"])),
        max_size=12,
    ),
    st.integers(1, 140),
)
@settings(max_examples=100, deadline=None)
def test_every_row_is_there_and_keeps_to_the_scale(
    found: list[tuple[float, float, bool, str]], width: int
) -> None:
    tasks = {
        f"n{n}": task(attempt(1, phase, start, None if open_ else start + long))
        for n, (start, long, open_, phase) in enumerate(found)
    }
    lines = drawing.timeline(shapes.run(startedAt=rfc3339(START), tasks=tasks), {}, START + 2e6, width)
    assert len(lines) == len(tasks) + 2
    if width >= 40:
        assert all(columns(text_of(line)) <= width for line in lines)


def test_the_page_shows_what_is_drawn() -> None:
    tasks = {
        "fetch": task(attempt(1, "Success", 0, 3.2)),
        "test": task(attempt(1, "Success", 3.2, 20)),
        "lint": task(
            attempt(1, "Error", 3.2, 6.1), attempt(2, "Error", 8, 10.2), attempt(3, "Error", 16, 18.6)
        ),
        "ship": task(reason="Omitted"),
        "test[unit]": task(attempt(1, "Success", 3.2, 11.4)),
        "test[api]": task(attempt(1, "Success", 11.5, 20)),
    }
    needs = {"fetch": [], "test": ["fetch"], "lint": ["fetch"], "ship": ["test", "lint"]}
    done = shapes.run(startedAt=rfc3339(START), finishedAt=rfc3339(START + 20), tasks=tasks)
    page = (Path(__file__).parents[2] / "docs/pictures.md").read_text()
    assert shown(drawing.timeline(done, needs, START + 99, 70)) in page


def test_a_run_that_was_tried_again_begins_with_its_first_attempt() -> None:
    """Its own start is that of the last try; the time between is drawn as what it was."""
    tries = (attempt(1, "Error", 0, 10), attempt(2, "Success", 90, 100))
    again = shapes.run(
        startedAt=rfc3339(START + 90), finishedAt=rfc3339(START + 100), tasks={"t": task(*tries)}
    )
    lines = shown(drawing.timeline(again, {"t": []}, START + 100, 60)).splitlines()
    assert lines[1] == "✓ t ████✗" + "░" * 36 + "█████ 20s ×2"


def test_a_matrix_that_was_tried_again_has_the_bars_of_both_tries() -> None:
    """Its sum keeps the instants of the last try alone; those of the first are its instances'."""
    tries = (attempt(1, "Success", 0, 10), attempt(2, "Success", 90, 100))
    sum_ = {**task(tries[1]), "attempts": [], "attempt": 2}
    tasks = {
        "t": sum_,
        "t[a]": task(*tries),
        "t[b]": task(attempt(1, "Error", 5, 15), attempt(2, "Success", 90, 95)),
    }
    again = shapes.run(startedAt=rfc3339(START + 90), finishedAt=rfc3339(START + 100), tasks=tasks)
    (row, *_) = gantt.rows(again, {"t": []}, START + 100)
    assert [(a.started - START, a.finished and a.finished - START) for a in row.attempts] == [
        (0, 15),
        (90, 100),
    ]
    assert "25s ×2" in shown(drawing.timeline(again, {"t": []}, START + 100, 60)).splitlines()[1]


def test_a_matrix_that_waits_to_be_tried_again_keeps_what_it_did() -> None:
    waits = {**task(phase="NotExecuted"), "startedAt": None, "finishedAt": None, "attempts": []}
    tasks = {
        "t": waits,
        "t[a]": task(attempt(1, "Success", 0, 10)),
        "t[b]": task(attempt(1, "Error", 20, 30)),
    }
    (row, *_) = gantt.rows(shapes.run(startedAt=rfc3339(START), tasks=tasks), {"t": []}, START + 60)
    assert [(a.started - START, a.finished and a.finished - START) for a in row.attempts] == [
        (0, 10),
        (20, 30),
    ]


def test_long_names_of_instances_can_be_told_apart() -> None:
    names = [f"test[a rather long name of a platform,{value}]" for value in ("true", "false")]
    tasks = {"test": task(phase="Success"), **{name: task(attempt(1, "Success", 0, 9)) for name in names}}
    lines = shown(drawing.timeline(shapes.run(startedAt=rfc3339(START), tasks=tasks), {}, START + 9, 80))
    assert ",true] " in lines and ",false] " in lines
