"""A run while it runs: lines and the tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands import shapes
from xene.commands import follow, progress, speech
from xene.commands.call import Call
from xene.plan.speech import Source


def test_lines_say_what_moved_and_nothing_twice() -> None:
    before = shapes.run(phase="Queued", agent=None, startedAt=None)
    assert list(progress.changes(None, before, shapes.NOW)) == [
        "hello/greet 20261123-022900-k7q2m4xa: Queued"
    ]
    after = shapes.run(tasks={"look": shapes.task(phase="Running"), "greet": shapes.task()})
    assert list(progress.changes(before, after, shapes.NOW)) == [
        "hello/greet 20261123-022900-k7q2m4xa: Running (50s) on local",
        "hello/greet look: Running",
    ]
    assert list(progress.changes(after, after, shapes.NOW)) == []


def test_a_failure_says_why() -> None:
    run = shapes.run(phase="Error", reason="TaskFailed", message="greet: exit code 3")
    assert progress.state(run, shapes.NOW) == "Error: TaskFailed: greet: exit code 3 (50s)"


@given(st.integers(0, 60), st.integers(3, 30), st.integers(1, 3))
def test_the_tree_keeps_to_its_room(tasks: int, room: int, runs: int) -> None:
    phases = ["Running", "Success", "NotExecuted", "Error"]
    each = {f"t-{n}": shapes.task(phase=phases[n % 4]) for n in range(tasks)}
    lines = progress.tree([shapes.run(tasks=each)] * runs, shapes.NOW, room)
    assert len(lines) <= max(room, 3 * runs)
    if tasks + 1 > room:
        assert f"{tasks} tasks:" in lines[-1].text


def test_running_steps_stand_below_their_task() -> None:
    task = shapes.task(shapes.step("a", phase="Success"), shapes.step("b", phase="Running"), phase="Running")
    lines = progress.tree([shapes.run(tasks={"build": task})], shapes.NOW, 20)
    assert [(line.depth, line.text) for line in lines[1:]] == [(1, "build  Running"), (2, "b  Running")]


@given(st.lists(st.binary(max_size=20)))
def test_pieces_become_whole_lines(pieces: list[bytes]) -> None:
    lines, source = speech.Lines(), Source("r", "t", "s", 1)
    out = [line for piece in pieces for line in lines.feed(source, piece)]
    out += [line for _, line in lines.rest()]
    assert b"\n".join(out) == b"".join(pieces).removesuffix(b"\n")


def test_a_line_without_end_is_printed_when_it_is_long() -> None:
    assert speech.Lines().feed(Source("r", "t", "s", 1), b"x" * 70_000) == [b"x" * 70_000]


def test_followed_lines_have_a_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    shown = follow.Plain(Call(state="/nowhere"))
    source = Source(shapes.run()["id"], "look", "where", 1)
    shown.moved(shapes.run())
    for piece in (b"one\ntw", b"o \x1b[2J"):
        shown.said(source, piece)
    shown.close()
    printed = capsys.readouterr()
    assert printed.err.splitlines()[1:] == ["look/where | one", "look/where | two \\x1b[2J"]
    assert printed.out == ""


def test_several_runs_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    shown = follow.Plain(Call(state="/nowhere"))
    for name in ("a", "b"):
        shown.moved(shapes.run(id=name, pipeline=name))
    shown.said(Source("b", "t", "s", 1), b"hi\n")
    assert capsys.readouterr().err.splitlines()[-1] == "b:t/s | hi"


def test_a_pipe_gets_every_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    raw, source = b"\x00\xff\x1b[2J\r\nlast", Source("r", "t", "s", 1)
    speech.ToStdout(prefixed=False, color=False).said(source, raw)
    assert capfdbinary.readouterr().out == raw
    out = speech.ToStdout(prefixed=True, color=False)
    out.said(source, raw)
    out.close()
    assert capfdbinary.readouterr().out == b"t/s | \x00\xff\x1b[2J\r\nt/s | last\n"


def test_where_an_attempt_begins_can_be_marked(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    first, second = (Source("r", "t", "s", number) for number in (1, 2))
    for prefixed, expected in (
        (False, b"one\ntwo\n--- attempt 2 ---\nthree\nfour"),
        (True, b"t/s | one\nt/s | two\nt/s | --- attempt 2 ---\nt/s | three\nt/s | four\n"),
    ):
        out = speech.ToStdout(prefixed=prefixed, color=False, marked=True)
        for source, piece in ((first, b"one\n"), (first, b"two"), (second, b"three\n"), (second, b"four")):
            out.said(source, piece)
        out.close()
        assert capfdbinary.readouterr().out == expected


def test_at_eighty_columns_the_state_of_a_run_is_seen() -> None:
    (line, *_) = progress.tree(
        [shapes.run(pipeline="a-rather-long-name-of-forty-characters-xx")], shapes.NOW, 10
    )
    assert "Running (50s) on local" in line.text[:80] and line.text.endswith(shapes.run()["id"])
