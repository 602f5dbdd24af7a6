"""Fixtures of the commands' tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from tests.commands.terminal import Terminal
from tests.hosts import agent_homes


@pytest.fixture
def xene(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with an empty home and an empty current directory; no process of it is left behind."""
    (tmp_path / "cwd").mkdir()
    with agent_homes(tmp_path):
        yield Terminal(home=tmp_path / "home", cwd=tmp_path / "cwd")


@pytest.fixture(scope="module")
def control_host() -> Iterator[Terminal]:
    """The same for all tests of a module."""
    root = Path(tempfile.mkdtemp(prefix="xene-cli-"))
    (root / "cwd").mkdir()
    try:
        with agent_homes(root):
            yield Terminal(home=root / "home", cwd=root / "cwd")
    finally:
        shutil.rmtree(root)
