"""Rounds of the soak: an hour of trouble in seconds, then quiet, then every invariant.

`Soak` keeps what was seen from round to round; the tests run it for some rounds, or until a time is over.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.soak import faults, invariants
from tests.soak.invariants import Row, Runs, Witness
from tests.soak.world import World, world

PATIENCE = 90.0  # seconds until quiet must have come
FIRES, ACTS = (1, 4), (8, 24)  # of one round
PACE = 0.25  # seconds between acts, at most, where a pass takes no longer


class Violation(AssertionError):
    """An invariant did not hold."""


class Soak:
    """One seed: a fleet, and its rounds."""

    def __init__(self, here: World, seed: int) -> None:
        self.world, self.seed, self.pace = here, seed, PACE
        self.ends: dict[str, Row] = {}
        self.checked: set[str] = set()
        self.counts: Counter[str] = Counter()

    def round(self, acts: tuple[int, int] = ACTS) -> None:
        """Trouble, quiet, checks. Raises Violation."""
        here = self.world
        self.counts["rounds"] += 1
        here.draw = random.Random(f"{self.seed}/{self.counts['rounds']}")
        here.gate.unlink(missing_ok=True)
        here.done, here.held = [], False
        try:
            self._trouble(acts)
            self._quiet()
            self.check()
        except Exception as error:
            raise Violation(self._report(error)) from error
        self._clear()

    def _trouble(self, acts: tuple[int, int]) -> None:
        here = self.world
        here.done += [faults.fire(here) for _ in range(here.draw.randint(*FIRES))]
        for _ in range(here.draw.randint(*acts)):
            faults.act(here)
            if here.undo and here.draw.random() < 0.3:
                here.undo_one()
            time.sleep(here.draw.uniform(0, self.pace))  # what comes in between is what is tried
            self._look(Runs(here))

    def _quiet(self) -> None:
        """The faults are over, all is applied, and passes are made until nothing is left to do."""
        here = self.world
        here.done.append("quiet")
        while here.undo:
            here.undo_one()
        here.gate.touch()
        deadline = time.monotonic() + PATIENCE
        for command in here.live():
            command.process.wait(timeout=max(1.0, deadline - time.monotonic()))
        here.fleet.apply()
        while left := self._left():
            if time.monotonic() > deadline:
                raise AssertionError(f"not quiet after {PATIENCE:g} s: {left}")
            here.fleet.xene("reconcile")
        while (processes := invariants.left_behind(here)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if processes:
            raise AssertionError(f"processes are left: {processes}")

    def _left(self) -> list[str]:
        return invariants.unsettled(self.world) or invariants.run_directories(self.world)

    def _look(self, runs: Runs) -> None:
        """An end that was seen once stays."""
        found = runs.ends()
        _none(invariants.changed_ends(self.ends, found))
        self.ends = found

    def check(self) -> None:
        """Everything that must hold in quiet. Raises AssertionError."""
        here, runs, witness = self.world, Runs(self.world), Witness(self.world)
        self._look(runs)
        _none(invariants.sound_state(here))
        _none(invariants.commands(here))
        _none(invariants.followers(here))
        _none(invariants.witnessed(runs, witness))
        for run in runs.by_id.keys() - self.checked:
            row = runs.by_id[run]
            _none(f"run {run} of {row['workflow']}/{row['pipeline']}: {each}" for each in
                  invariants.run_is_right(here, row, witness))  # fmt: skip
            self._count(row)
        self.checked |= runs.by_id.keys()

    def _count(self, row: Row) -> None:
        self.counts["runs"] += 1
        self.counts[f"runs {row['phase']}"] += 1
        self.counts["runs ended by a user"] += row["reason"] in ("Cancelled", "Killed")
        for step in row["steps"].values():
            self.counts["steps"] += 1
            self.counts[f"steps {step['phase']}"] += 1

    def _clear(self) -> None:
        """What commands said is kept of the last round alone."""
        for command in self.world.commands:
            command.said.unlink()
            command.answer.unlink()
        self.counts["commands"] += len(self.world.commands)
        self.world.commands.clear()

    def _report(self, error: Exception) -> str:
        acts = "\n  ".join(self.world.done)
        return (
            f"seed {self.seed}, round {self.counts['rounds']}: {type(error).__name__}: {error}\n"
            f"It happened in this order:\n  {acts}\n"
            f"All of it is kept in {self.world.root}; XENE_SOAK_SEED={self.seed} begins with this seed."
        )


def _none(found: Iterator[str]) -> None:
    sentences = list(found)
    assert not sentences, "\n".join(sentences)


@contextlib.contextmanager
def soaking(root: Path, seed: int) -> Iterator[Soak]:
    """A seed's world, below `root`, which must not be there yet."""
    root.mkdir(parents=True)
    with world(root, seed) as here:
        here.fleet.apply()
        made, began = Soak(here, seed), time.monotonic()
        here.fleet.xene(
            "reconcile"
        )  # a machine with much to do gets more time, or commands die before they begin
        made.pace = max(PACE, time.monotonic() - began)
        yield made


def soak(root: Path, seed: int, rounds: int, until: float) -> Soak:
    """A seed's rounds, as many of them as begin before `until` (time.monotonic()). Raises Violation."""
    with soaking(root, seed) as made:
        while made.counts["rounds"] < rounds and time.monotonic() < until:
            made.round()
    return made


def faults_done(made: Soak) -> Counter[str]:
    """How often each fault was done, by what it is called."""
    names = {act.__name__: text for act, text in faults.FAULTS.items()}
    return Counter({names[name]: count for name, count in made.world.faults.items() if name in names})
