"""docs/schedule.md: its workflow is applied, its commands are run, and what it says of them is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.hosts import agent_homes
from tests.test_docs import blocks, lines_of_shell

PAGE = (ROOT / "docs" / "schedule.md").read_text()


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    root = tmp_path_factory.mktemp("books")
    (root / "cwd").mkdir()
    (manifest,) = [block for block in blocks(PAGE) if "kind: Workflow" in block]
    (root / "cwd" / "books.yaml").write_text(manifest)
    with agent_homes(root):
        xene = Terminal(root / "home", root / "cwd")
        xene("apply", ".", code=0)
        yield xene


@pytest.mark.parametrize("line", list(lines_of_shell(PAGE)))
def test_every_command_of_the_page(books: Terminal, line: str) -> None:
    assert books(*line.split()[1:], code=0).out


def test_the_instant_is_in_the_environment(books: Terminal) -> None:
    books("backfill", "books/report", "--from", "2026-10-01", "--until", "2026-10-02", code=0)
    assert (
        books("logs", "books/report", code=0).out == "count/day | full report for 2026-10-01T00:30:00.000Z\n"
    )
    books("rerun", "books/report", "--wait", code=0)
    assert "2026-10-01T00:30:00.000Z" in books("logs", "books/report", code=0).out
    books("run", "books/report", "--wait", code=0)
    assert books("logs", "books/report", code=0).out == "count/day | quick report for now\n"


def test_it_is_no_name_of_the_expressions(books: Terminal, tmp_path: Path) -> None:
    text = (books.cwd / "books.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("${{ params.level }}", "${{ XENE_SCHEDULED_AT }}"))
    assert "there is no 'XENE_SCHEDULED_AT'" in books("validate", str(tmp_path / "wrong.yaml"), code=3).out


def test_fields_of_the_json(books: Terminal) -> None:
    (row, *_) = books("schedule", "--until", "3d", "-o", "json", code=0).json
    (told,) = re.findall(r"list of `\{(.+?)\}`", PAGE)
    assert told.split(", ") == list(row)


def test_next_fires_of_a_diff(books: Terminal) -> None:
    path = books.cwd / "books.yaml"
    text = path.read_text()
    path.write_text(text.replace("30 2", "45 3"))
    shown = books("diff", ".", code=1).out
    path.write_text(text)
    assert "\nNext fires\n  ~ books/report nightly: " in shown and "03:45 Europe/Berlin)\n" in shown
    assert "Next fires" not in books("diff", ".", code=0).out
