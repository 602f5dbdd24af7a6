"""Random faults over random workflows, and after each round of them every invariant (docs/failure-model.md).

The quick form is two rounds; `make soak` goes on for XENE_SOAK_SECONDS (900) and writes docs/soak.md.
XENE_SOAK_SEED=N begins with seed N: the same workflows again; what acts meet depends on the machine's timing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fleet import until
from tests.soak import invariants, report
from tests.soak.rounds import Soak, soak, soaking

SECONDS = float(os.environ.get("XENE_SOAK_SECONDS", "900"))
SEED = int(os.environ.get("XENE_SOAK_SEED", "0"))
ROUNDS = 8  # of one seed; then a new fleet


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak]:
    with soaking(tmp_path_factory.mktemp("soak") / "world", SEED or 1) as made:
        for _ in range(2):
            made.round(acts=(6, 10))
        yield made


def test_rounds_of_random_faults(soaked: Soak) -> None:
    """It is the fixture that would have failed."""
    assert soaked.counts["runs"] > 0 and soaked.counts["steps Success"] > 0 and soaked.world.faults


def _ended(mark: str, marks: list[str]) -> bool:
    """Whether the step that left it has left the mark of its end too: one that was killed has not."""
    return any(each.startswith("end") and each.split()[1:5] == mark.split()[1:5] for each in marks)


Spoil = Callable[[list[str]], list[str]]
SPOILED: dict[str, Spoil] = {
    "2 times": lambda marks: [*marks, marks[0]],
    "the state does not know it": lambda marks: [*marks, "start 20200101-000000-aaaaaaaa t s 1 1"],
    "left (0, 1) marks": lambda marks: [
        mark for mark in marks if mark.startswith("end") or not _ended(mark, marks)
    ],
    "left (1, 0) marks": lambda marks: [mark for mark in marks if not mark.startswith("end")],
    "began before": lambda marks: marks[::-1],
}


@pytest.mark.parametrize("what", SPOILED)
def test_marks_that_are_not_as_the_state_says_are_seen(soaked: Soak, what: str) -> None:
    witness = soaked.world.witness
    marks = witness.read_text().splitlines()
    witness.write_text("\n".join(SPOILED[what](marks)) + "\n")
    try:
        assert what in violation(soaked)
    finally:
        witness.write_text("\n".join(marks) + "\n")


def violation(soaked: Soak) -> str:
    soaked.checked.clear()
    with pytest.raises(AssertionError) as found:
        soaked.check()
    return str(found.value)


def test_an_end_that_changes_is_seen(soaked: Soak) -> None:
    state = sqlite3.connect(soaked.world.fleet.home / "state.db", isolation_level=None)
    with contextlib.closing(state):
        state.execute("UPDATE runs SET finished_at = finished_at + 1 WHERE seq = 1")
        assert "the end of" in violation(soaked)
        state.execute("UPDATE runs SET finished_at = finished_at - 1 WHERE seq = 1")


def test_a_process_that_is_left_is_seen(soaked: Soak) -> None:
    stray = subprocess.Popen(["sleep", "60"], cwd=soaked.world.root)
    try:
        until(lambda: stray.pid in invariants.left_behind(soaked.world), "it is seen")
    finally:
        stray.kill()
        stray.wait()


@pytest.mark.soak
def test_random_faults_over_random_workflows(tmp_path: Path) -> None:
    began, seed, done = time.monotonic(), SEED or int(time.time()), list[Soak]()
    while time.monotonic() < began + SECONDS:
        done.append(soak(tmp_path / str(seed), seed, ROUNDS, began + SECONDS))
        shutil.rmtree(tmp_path / str(seed))  # only what went wrong is kept
        seed += 1
    report.write(done, time.monotonic() - began)
