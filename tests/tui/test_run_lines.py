"""The lines of a run's screen, without a screen."""

from __future__ import annotations

from typing import Any

from tests.commands import shapes
from xene.plan.drawing.spans import Line, columns, text_of
from xene.tui.run_lines import Part, asked, detail, outputs, part_line, tree

NOW = shapes.NOW


def task(**more: Any) -> dict[str, Any]:
    return shapes.task(
        phase="Success", startedAt="2026-11-23T02:30:00Z", finishedAt="2026-11-23T02:30:20Z", **more
    )


def shown(line: Line) -> str:
    return text_of(line).rstrip()


def test_instances_stand_below_their_task() -> None:
    run = shapes.run(
        tasks={"test": task(), "test[linux,true]": task(), "test[linux,false]": task(), "next": task()}
    )
    lines = [shown(part_line(part, NOW)) for part in tree(run)][1:]
    steps = [line for line in lines if "20s" not in line]
    assert [line for line in lines if line not in steps] == [
        " ✓ test 20s", "  ✓ [linux,true] 20s", "  ✓ [linux,false] 20s", " ✓ next 20s",
    ]  # fmt: skip


def test_a_name_gives_way_and_not_how_long_it_took() -> None:
    part = Part(2, "test[a rather long name of a platform,true]", None, task(attempt=2))
    line = shown(part_line(part, NOW, 26))
    assert columns(line) <= 26 and line.endswith(",true] 20s ×2") and "…" in line
    assert shown(part_line(part, NOW)) == "  ✓ [a rather long name of a platform,true] 20s ×2"


def test_values_are_shown_as_the_steps_see_them() -> None:
    run = shapes.run(
        params={"dry": False, "level": "full", "count": 3},
        tasks={"test": task(outputs={"passed": ["7", "7"], "none": None})},
    )
    lines = [shown(line) for line in outputs({"run": run, "artifacts": []})]
    assert lines == [
        "params", "  dry=false", "  level=full", "  count=3", "",
        "outputs of test", '  passed=["7","7"]', "  none=null", "",
    ]  # fmt: skip


def test_the_question_of_an_approval_is_told() -> None:
    waits = shapes.task(phase="NotExecuted", reason="WaitingForApproval", message="Ship it?")
    assert asked(shapes.run(tasks={"ship": waits})) == "ship waits for approval: Ship it?"
    line = shown(
        detail(Part(1, "ship", None, waits), {"ship": "approved by eve: once"}, "3 lines", NOW, 200)[0]
    )
    assert line == " ◌ ship WaitingForApproval  Ship it?  3 lines"


def test_who_answered_and_why_is_told_at_the_task() -> None:
    answers = {"ship": "approved by eve: looks right"}
    part = Part(1, "ship", None, task())
    assert shown(detail(part, answers, "", NOW, 200)[0]) == " ✓ ship 20s  approved by eve: looks right"
    assert shown(detail(part._replace(task="test"), answers, "", NOW, 200)[0]) == " ✓ test 20s"
    refused = shapes.task(phase="NotExecuted", reason="Rejected", message="rejected by eve: no")
    line = shown(detail(Part(1, "ship", None, refused), {"ship": "rejected by eve: no"}, "", NOW, 200)[0])
    assert line.count("rejected by eve: no") == 1
