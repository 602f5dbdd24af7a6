"""Tables and kinds: what a row looks like."""

from __future__ import annotations

import re

import pytest

from tests.commands import shapes
from xene.commands import kinds, tables
from xene.errors import Usage


def test_columns_are_aligned_and_upper_case() -> None:
    rows = [shapes.run(), shapes.run(pipeline="a-much-longer-name", phase="Success")]
    text = tables.render(rows, kinds.RUNS.columns, shapes.NOW)
    lines = text.splitlines()
    assert lines[0].split() == ["ID", "PIPELINE", "PHASE", "REASON", "AGENT", "AGE", "TOOK", "LOG"]
    assert len({re.search(r"PHASE|Running|Success", line).start() for line in lines}) == 1  # type: ignore[union-attr]
    assert lines[1].split()[1:] == ["hello/greet", "Running", "-", "local", "1m", "50s", "-"]


def test_no_cell_breaks_the_table_or_the_terminal() -> None:
    rows = [shapes.pipeline(reason="Odd", message="two\nlines \x1b[2J")]
    text = tables.render(rows, kinds.PIPELINES.shown("wide"), shapes.NOW)
    assert len(text.splitlines()) == 2 and "\x1b" not in text and "two lines \\x1b[2J" in text


def test_colours_only_where_asked_and_never_in_the_width() -> None:
    plain = tables.render([shapes.run()], kinds.RUNS.columns, shapes.NOW)
    colored = tables.render([shapes.run()], kinds.RUNS.columns, shapes.NOW, color=True)
    assert "\x1b[36mRunning\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


def test_empty_tables_have_a_header_unless_told() -> None:
    assert tables.render([], kinds.AGENTS.columns, 0).startswith("NAME")
    assert tables.render([], kinds.AGENTS.columns, 0, header=False) == ""


@pytest.mark.parametrize(
    ("word", "kind"),
    [("workflows", kinds.WORKFLOWS), ("Run", kinds.RUNS), ("pl", kinds.PIPELINES), ("ev", kinds.EVENTS)],
)
def test_kinds_by_any_name(word: str, kind: kinds.Kind) -> None:
    assert kinds.kind_of(word) is kind


def test_an_unknown_kind_says_what_there_is() -> None:
    with pytest.raises(Usage) as caught:
        kinds.kind_of("workflow-s")
    assert "workflow" in caught.value.hint
    with pytest.raises(Usage) as caught:
        kinds.kind_of("zzz")
    assert "workflows, pipelines, runs, slots, agents, secrets, templates, events" in caught.value.hint


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.name)
@pytest.mark.parametrize("form", ["table", "wide"])
def test_every_kind_renders(kind: kinds.Kind, form: str) -> None:
    row = getattr(shapes, kind.one)()
    assert len(tables.render([row], kind.shown(form), shapes.NOW).splitlines()) == 2
    assert kind.key(row)


def test_agents_say_load_and_cordon() -> None:
    text = tables.render([shapes.agent(cordoned=True)], kinds.AGENTS.columns, shapes.NOW)
    assert text.splitlines()[1].split() == ["build-1", "Ready,Cordoned", "1/4", "30s", "-"]


def test_parts_of_a_watched_table_stay_aligned() -> None:
    widths: list[int] = []
    first = tables.render([shapes.run(pipeline="a-long-name")], kinds.RUNS.columns, shapes.NOW, widths=widths)
    again = tables.render([shapes.run()], kinds.RUNS.columns, shapes.NOW, header=False, widths=widths)
    assert first.splitlines()[1].index("Running") == again.index("Running") and len(again.splitlines()) == 1
