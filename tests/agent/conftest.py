"""One home and one daemon a test; whatever is left of either afterwards fails it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.probe import Probe, probing


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the agent's code is unpacked already: it costs half a second, once."""
    home = tmp_path_factory.mktemp("unpacked") / "home"
    with probing(str(home)):
        return home / "agent"


@pytest.fixture
def home(tmp_path: Path, unpacked: Path) -> str:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(unpacked, home / "agent")
    return str(home)


@pytest.fixture
def probe(home: str) -> Iterator[Probe]:
    with probing(home) as probe:
        yield probe
