"""Random faults over random workflows, and after each round of them every invariant (docs/failure-model.md).

The quick form is a round or two; `make soak` goes on for XENE_SOAK_SECONDS (900) and writes docs/soak.md.
XENE_SOAK_SEED draws the same workflows and the same acts again; what they meet depends on the machine.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.soak import report
from tests.soak.rounds import Soak, soak

SECONDS = float(os.environ.get("XENE_SOAK_SECONDS", "900"))
SEED = int(os.environ.get("XENE_SOAK_SEED", "0"))
ROUNDS = 8  # of one seed; then a new fleet


@pytest.mark.parametrize("seed", [1])
def test_a_round_of_random_faults(seed: int, tmp_path: Path) -> None:
    made = soak(tmp_path / "soak", seed, rounds=1)
    assert made.counts["runs"] > 0


@pytest.mark.soak
def test_random_faults_over_random_workflows(tmp_path: Path) -> None:
    began, seed, done = time.monotonic(), SEED or int(time.time()), list[Soak]()
    while time.monotonic() < began + SECONDS:
        done.append(soak(tmp_path / str(seed), seed, ROUNDS, began + SECONDS))
        print(f"seed {seed}: {done[-1].rounds} rounds, {done[-1].counts['runs']} runs")
        seed += 1
    report.write(done, time.monotonic() - began)
