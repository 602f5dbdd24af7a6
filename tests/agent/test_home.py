"""The directories of a daemon: laid apart on a file system that can, and no worse on one that cannot."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from xene.agent import home as homes


def flags(path: Path) -> int:
    """The flags of a directory. Skips the test where its file system has none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, homes._GET_FLAGS, bytes(4)), "little")
    except OSError:
        pytest.skip("this file system has no flags")
    finally:
        os.close(descriptor)


def test_homes_and_runs_are_laid_apart(tmp_path: Path) -> None:
    made = homes.daemon_home(str(tmp_path / "home"), "state", "host-1")
    homes.prepare(made)
    if homes.filesystem(str(tmp_path)) != "ext4":
        pytest.skip("only ext4 is known to take the hint")
    for path in (tmp_path / "home", Path(made.runs)):
        assert flags(path) & homes._TOP_OF_HIERARCHIES
    before = flags(Path(made.runs))
    homes.spread(made.runs)
    assert flags(Path(made.runs)) == before


def test_a_file_system_without_the_hint_is_no_mistake() -> None:
    homes.spread("/proc/self")


def test_a_home_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    made = homes.daemon_home(str(tmp_path), "state", "host-1")
    os.makedirs(made.runs, mode=0o700)
    before = flags(Path(made.runs))
    homes.prepare(made)
    assert flags(Path(made.runs)) == before
