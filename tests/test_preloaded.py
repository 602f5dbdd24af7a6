"""A forked command is told from one that was started from nothing by its speed alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import preloaded

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
WORDS = [["version"], ["get", "runs", "-o", "json"], ["get", "nonsense"], ["run", "nothing"], ["--help"], []]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XENE_HOME": str(tmp_path / "home"), "NO_COLOR": "1", "COLUMNS": "80"}


@pytest.fixture(params=[preloaded.Forked, subprocess.Popen])
def start(request: pytest.FixtureRequest, env: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Both ways to start a command."""

    def started(*words: str, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "xene", *words]
        options = {"env": env, "cwd": tmp_path, "stdin": subprocess.DEVNULL, **PIPES, **more}
        return request.param(command, **options)  # type: ignore[no-any-return]

    return started


@pytest.mark.parametrize("words", WORDS)
def test_it_says_and_ends_the_same(words: list[str], env: dict[str, str], tmp_path: Path) -> None:
    forked = preloaded.run("xene", words, env, timeout=60, cwd=tmp_path)
    command = [sys.executable, "-m", "xene", *words]
    anew = subprocess.run(
        command, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_it_is_a_process_that_can_be_killed(start: Callable[..., Any]) -> None:
    with start("controller") as child:
        assert "at work" in child.stderr.readline()
        assert child.poll() is None and os.path.exists(f"/proc/{child.pid}")
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
        assert child.poll() == -signal.SIGKILL


def test_it_has_a_directory_a_umask_and_streams_of_its_own(start: Callable[..., Any], tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        child = start("init", "ops")
    finally:
        os.umask(before)
    child.communicate(timeout=60)
    assert child.returncode == 0
    assert (tmp_path / "ops" / "xene.yaml").stat().st_mode & 0o777 == 0o640
    with open(tmp_path / "said", "w") as into, start("version", stdout=into) as child:
        assert child.wait(30) == 0
    assert (tmp_path / "said").read_text().startswith("xene ")


def test_a_pipe_that_it_writes_into_ends_with_it(start: Callable[..., Any]) -> None:
    others = [start("controller"), start("controller")]  # they hold no end of its pipe
    try:
        out, _ = start("version").communicate(timeout=30)
        assert out.startswith("xene ")
    finally:
        for child in others:
            child.kill()
            child.communicate(timeout=30)
