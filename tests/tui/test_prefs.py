"""What the screen keeps: two screens at once, a broken file, a home that is not there, a disk that is full."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from xene.errors import Storage
from xene.tui import prefs
from xene.tui.prefs import LIGHT, Prefs, View

MINE, THEIRS = View("mine", "build"), View("theirs", "team=web", "trouble")


def test_two_screens_keep_each_others_views(tmp_path: Path) -> None:
    home = str(tmp_path)
    prefs.change(home, Prefs(), lambda stored: prefs.with_view(stored, THEIRS))
    found = prefs.change(home, Prefs(), lambda stored: prefs.with_view(stored, MINE))
    assert found.views == (MINE, THEIRS) == prefs.read(home).views
    prefs.change(home, Prefs(), lambda stored: Prefs(LIGHT, stored.views))
    assert prefs.read(home) == Prefs(LIGHT, (MINE, THEIRS))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"theme": "x"}',
        '{"views": 1, "theme": 2}',
        "[" * 100_000,
        "\x00",
        '{"views": [3]}',
    ],
)
def test_what_is_no_such_file_is_put_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / prefs.FILE).write_text(text)
    assert prefs.read(str(tmp_path)) == Prefs()
    prefs.change(str(tmp_path), Prefs(), lambda stored: prefs.with_view(stored, MINE))
    assert prefs.read(str(tmp_path)).views == (MINE,)
    assert (tmp_path / f"{prefs.FILE}.broken").read_text() == text


def test_a_pipe_of_that_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / prefs.FILE)
    assert prefs.read(str(tmp_path)) == Prefs()


def test_a_home_that_is_not_there_is_made(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    prefs.change(str(home), Prefs(), lambda stored: prefs.with_view(stored, MINE))
    assert home.stat().st_mode & 0o777 == 0o700
    assert json.loads((home / prefs.FILE).read_text())["views"][0]["name"] == "mine"


def test_where_nothing_can_be_written_nothing_is_left_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(Storage, match="No space left on device"):
        prefs.change(str(tmp_path), Prefs(), lambda stored: stored)
    assert list(tmp_path.iterdir()) == []
