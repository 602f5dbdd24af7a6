"""Empty files made ahead: a stock that may always be empty."""

from __future__ import annotations

import os
from pathlib import Path

from xene.agent.spares import KEPT, Spares


def test_a_spare_file_becomes_the_wanted_one_and_the_stock_is_refilled(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path / "spare"))
    spares.give(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()  # nothing in stock yet
    spares.refill()
    spares.give(str(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == b""
    assert os.stat(tmp_path / "one").st_mode & 0o777 == 0o600
    spares.refill()
    assert len(os.listdir(tmp_path / "spare")) == KEPT


def test_what_stands_there_is_never_written_over(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path / "spare"))
    spares.refill()
    (tmp_path / "log").write_text("said before")
    spares.give(str(tmp_path / "log"))
    assert (tmp_path / "log").read_text() == "said before"


def test_a_stock_that_somebody_removed_is_no_mistake(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path / "spare"))
    spares.refill()
    for name in os.listdir(tmp_path / "spare"):
        os.unlink(tmp_path / "spare" / name)
    spares.give(str(tmp_path / "log"))
    assert not (tmp_path / "log").exists()
    spares.refill()
    assert len(os.listdir(tmp_path / "spare")) == KEPT


def test_what_a_dead_daemon_left_is_cleared(tmp_path: Path) -> None:
    Spares(str(tmp_path / "spare")).refill()
    spares = Spares(str(tmp_path / "spare"))
    assert os.listdir(tmp_path / "spare") == []
    spares.refill()
    assert len(os.listdir(tmp_path / "spare")) == KEPT
