"""A state that may only be read: somebody else's, a copy, one on a file system that is read-only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from xene.errors import Storage
from xene.store import db, views


def test_a_place_where_nothing_may_be_written(tmp_path: Path) -> None:
    """SQLite wants a file of its own beside a state: what is told is that, and what to do."""
    if os.getuid():
        pytest.skip("this test wants ROOT: it mounts a directory for reading alone")
    written, seen = tmp_path / "written", tmp_path / "seen"
    written.mkdir()
    seen.mkdir()
    db.open_state(str(written / "state.db")).close()
    subprocess.run(["mount", "--bind", str(written), str(seen)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(seen)], check=True)
        with pytest.raises(Storage, match="nothing may be written beside it") as caught:
            db.open_for_reading(str(seen / "state.db"))
        assert "directory of yours" in str(caught.value.hint)
    finally:
        subprocess.run(["umount", str(seen)], check=True)
    with db.open_for_reading(str(written / "state.db")) as state:
        assert [row["name"] for row in views.agents(state)] == ["local"]
