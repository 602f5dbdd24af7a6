"""`xene backfill` with the real agent of this host: what it prints, how it ends, that no crash doubles a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.commands.test_schedule import applied, flow
from tests.fleet import until

DAYS = ("--from", "2026-01-01", "--until", "2026-01-04")
INSTANTS = [f"2026-01-0{day}T12:00:00.000Z" for day in (1, 2, 3)]


def shop(home: Terminal, script: str, **more: Any) -> Path:
    """A pipeline whose runs note that they ran, for which instant; the notes."""
    notes = home.cwd / "notes"
    notes.touch()
    made = flow("shop", {"noon": {"schedule": "0 12 * * *"}})
    body = made["spec"]["pipelines"]["p0"]
    body["tasks"]["one"]["steps"][0]["run"] = f"echo $XENE_SCHEDULED_AT $XENE_TRIGGER >> {notes}; {script}"
    body |= more
    applied(home.home, made)
    return notes


def noted(notes: Path) -> list[str]:
    return [line.split()[0] for line in notes.read_text().splitlines()]


def test_each_instant_once(xene: Terminal) -> None:
    notes = shop(xene, "true")
    shown = xene("backfill", "shop/p0", *DAYS, "--dry-run", code=0)
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [[at, "yes"] for at in INSTANTS]
    assert "3 instants in the range, 3 to be run" in shown.err and not noted(notes)
    done = xene("backfill", "p0", *DAYS, code=0)
    assert noted(notes) == INSTANTS and len(done.out.splitlines()) == 3
    assert notes.read_text().splitlines()[0] == f"{INSTANTS[0]} backfill"
    assert "(3 of 3)" in done.err
    again = xene("backfill", "shop/p0", *DAYS, "-o", "json", code=0)
    assert again.json == [] and noted(notes) == INSTANTS
    rows = xene("backfill", "shop/p0", *DAYS, "--dry-run", "-o", "json", code=0).json
    assert [row["starts"] for row in rows] == [False] * 3
    assert rows[0]["why"].startswith("a backfill started run ") and rows[0]["run"] == done.out.splitlines()[0]


def test_runs_that_fail(xene: Terminal) -> None:
    notes = shop(xene, "case $XENE_SCHEDULED_AT in *-02T*) test -e mended || exit 3;; esac")
    done = xene("backfill", "shop/p0", *DAYS, "-o", "json", code=1)
    assert [(row["slot"], row["phase"], row["trigger"]) for row in done.json] == [
        (INSTANTS[0], "Success", "backfill"),
        (INSTANTS[1], "Error", "backfill"),
        (INSTANTS[2], "Success", "backfill"),
    ]
    assert "hint: xene why run/" in done.err
    xene("backfill", "shop/p0", *DAYS, "--reprocess", "failed", code=1)
    assert noted(notes) == [*INSTANTS, INSTANTS[1]]


def started(home: Terminal, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        home.command(*words), env=home.environment(), cwd=home.cwd, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_detaches_and_the_same_again_goes_on(xene: Terminal) -> None:
    gate = xene.cwd / "gate"
    notes = shop(xene, f"until test -e {gate}; do sleep 0.05; done")
    with started(xene, "backfill", "shop/p0", *DAYS) as child:
        until(lambda: noted(notes), "the first run")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert child.returncode == 130 and len(out.splitlines()) == 1
    assert "detached; 1 run goes on; 2 instants got no run" in err
    assert "the same command again goes on where this one stopped" in err
    gate.touch()
    done = xene("backfill", "shop/p0", *DAYS, code=0)
    assert noted(notes) == INSTANTS
    assert "a backfill goes on that had started 1 run" in done.err and len(done.out.splitlines()) == 2


# -- killed


def dying(home: Terminal, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.dying", *words],
        env=home.environment(), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def three_days(number: int) -> tuple[list[str], list[str]]:
    """The words for the `number`th range of three days, and its instants."""
    first = date(2025, 1, 1) + timedelta(days=3 * number)
    instants = [f"{first + timedelta(days=day)}T12:00:00.000Z" for day in range(3)]
    return ["--from", f"{first}", "--until", f"{first + timedelta(days=3)}"], instants


def test_a_kill_anywhere_doubles_nothing(xene: Terminal) -> None:
    """At every write of the command itself; then the same command again has each instant run exactly once."""
    notes = shop(xene, "true")
    command = ("backfill", "shop/p0", "--reprocess", "all")
    days, _ = three_days(0)
    listing = xene.cwd / "points"
    assert dying(xene, "--list", str(listing), "--", *command, *days).returncode == 0
    points = [point for point in listing.read_text().splitlines() if "@control.backfill." in point]
    assert len(points) == 8  # three starts, and that the end was told: before and after each
    for number, point in enumerate(points, 1):
        days, instants = three_days(number)
        died = dying(xene, point, "--", *command, *days)
        assert died.returncode == -signal.SIGKILL, point
        if point == points[-1]:
            assert (
                "(3 of 3)" in died.stderr
            )  # it was at its end, and had said so: the same again is another one
        else:
            told = xene(*command, *days, code=0).err
            assert "(3 of 3)" in told, (point, told)
        assert sorted(at for at in noted(notes) if at in instants) == instants, point


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["shop/p0", "--from", "2026-01-04", "--until", "2026-01-01"], 2, "is not later than --from"),
        (["shop/p0", *DAYS, "--reprocess", "some"], 2, "one of none, failed, all"),
        (["shop/p0", *DAYS, "--max-active", "0"], 2, "--max-active"),
        (["shop/p0", *DAYS, "--trigger", "night"], 4, "it has noon"),
        (["shop/none", *DAYS], 4, "shop/none"),
        (["shop/p0", "--from", "2026-01-04"], 2, "--until"),
    ],
)
def test_what_is_refused(control_host: Terminal, words: list[str], code: int, told: str) -> None:
    if not (control_host.home / "state.db").exists():
        shop(control_host, "true")
    assert told in control_host("backfill", *words, code=code).err
