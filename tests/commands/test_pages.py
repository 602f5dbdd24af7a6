"""One object in full, as text."""

from __future__ import annotations

from tests.commands import shapes
from xene.commands import describe, kinds, pages


def test_a_workflow_with_its_pipelines() -> None:
    text = pages.workflow(shapes.workflow(), [shapes.pipeline(observedRevision="older")], False)
    assert "Source:      demo" in text and "Pipeline greet" in text
    assert "greet after look: where, say" in text
    assert "n: integer, required" in text and "who: string, default 'world'" in text
    assert "os=linux" in text and "size 2" in text
    assert "0123456789ab (the agent has older)" in text


def test_what_the_author_wrote_for_people_and_values_as_manifests_have_them() -> None:
    row = shapes.workflow()
    greet = row["spec"]["pipelines"]["greet"]
    greet["description"] = "says it"
    greet["params"] = {"loud": {"type": "boolean", "default": False}, "n": {"type": "integer", "default": 1}}
    text = pages.workflow(row, [shapes.pipeline()], False, "what it is for")
    assert "Description:  what it is for" in text and "Description:  says it" in text
    assert "loud: boolean, default false\n" in text and "n: integer, default 1\n" in text
    assert "loud=true" in pages.run(shapes.run(params={"loud": True}), shapes.NOW, False)


def test_a_run_with_steps_exit_codes_and_outputs() -> None:
    failed = shapes.step(phase="Error", reason="StepFailed", exitCode=3, message="exit code 3")
    tasks = {
        "look": shapes.task(phase="Success", outputs={"host": "h-1"}),
        "greet": shapes.task(failed, phase="Error", reason="StepFailed"),
    }
    text = pages.run(shapes.run(phase="Unknown", lastKnownPhase="Running", tasks=tasks), shapes.NOW, False)
    assert "Last known:  Running" in text and "who=world" in text
    line = next(line for line in text.splitlines() if line.startswith("  say") and "Error" in line)
    assert line.split() == ["say", "Error", "StepFailed", "3", "-", "exit", "code", "3"]
    assert "look.host:" in text and "h-1" in text


def test_sections_stand_below_and_empty_ones_are_left_out() -> None:
    more = {"events": [shapes.event()], "runs": [], "pipelines": []}
    text = describe.page(kinds.AGENTS, shapes.agent(), more, shapes.NOW, False)
    assert "Capacity:   1 used of 4" in text
    assert "Events\n  AGE" in text and "Last runs" not in text


def test_nothing_steers_the_terminal() -> None:
    evil = "\x1b[2J\r"
    task = shapes.task(message=evil, outputs={"k": evil})
    texts = [
        pages.run(shapes.run(message=evil, params={"p": evil}, tasks={evil: task}), shapes.NOW, False),
        pages.agent(shapes.agent(message=evil, facts={"hostname": evil}), shapes.NOW, False),
        pages.pipeline(shapes.pipeline(message=evil), shapes.NOW, False),
        pages.section("Events", [shapes.event(message=evil)], kinds.EVENTS, shapes.NOW, False),
    ]
    assert not any("\x1b" in text or "\r" in text for text in texts)
