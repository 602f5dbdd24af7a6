"""Newer and older code takes over while steps run; code that does not start never does; old code goes."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from tests.agent.faulty import log_of
from tests.agent.probe import STATE, Probe, probing
from tests.agent.test_recovery import again
from tests.agent.test_runs import wait_until, workspace
from xene.agent import process
from xene.agent.succession import KEPT, clear_old_code
from xene.errors import XeneError
from xene.model import phases
from xene.wire import messages

WAITS = 'echo "$XENE_TASK" >> ../count; while [ ! -e "go-$XENE_TASK" ]; do sleep 0.02; done; echo "done $XENE_TASK"'
THREE = {"tasks": {name: {"steps": [{"name": "s", "run": WAITS}]} for name in ("a", "b", "c")}}


def lay(home: str, like: str, version: str, daemon: str = "") -> None:
    """A really different bundle under its own digest: its daemon has another text."""
    target = os.path.join(home, "agent", version)
    shutil.copytree(os.path.join(home, "agent", like), target)
    for cache in Path(target).rglob("__pycache__"):
        shutil.rmtree(cache)
    path = Path(target, "xene", "agent", "daemon.py")
    path.write_text(path.read_text() + f"\n# {version}\n{daemon}\n")


def turn_to(probe: Probe, version: str) -> Probe:
    """Connect as control of another version would, and go on."""
    other = Probe(probe.home, journal=probe.hello["journal"], after=probe.events[-1]["n"], version=version)
    other.events = [*probe.events, *other.events]
    other.orders = probe.orders
    return other


def ready(probe: Probe, run: str, count: int) -> None:
    path = Path(workspace(probe, run), "..", "count")
    wait_until(lambda: path.exists() and len(path.read_text().split()) == count)
    probe.wait(lambda: sum(event["type"] == "step.started" for event in probe.events) == count)


def go(probe: Probe, run: str, *tasks: str) -> None:
    for task in tasks:
        open(os.path.join(workspace(probe, run), f"go-{task}"), "w").close()


def test_up_and_down_with_steps_under_way_a_follow_and_an_end_in_that_very_moment(home: str) -> None:
    with probing(home) as probe:
        own = probe.hello["version"]
        lay(home, own, "f" * 64)
        run = probe.start(THREE)
        ready(probe, run, 3)
        probe.say(messages.follow(1, 1, run, live=True))
        go(probe, run, "a")
        newer = turn_to(probe, "f" * 64)
        assert newer.hello["version"] == "f" * 64
        pid = newer.daemon_pid()
        newer.say(messages.follow(1, 1, run, live=True))
        newer.wait(lambda: newer.logs.get(("a", "s")) == b"done a\n")
        go(probe, run, "b")
        older = turn_to(newer, own)
        assert older.hello["version"] == own and older.daemon_pid() == pid
        go(probe, run, "c")
        assert older.ended(run).phase == phases.SUCCESS
        assert older.read_logs(run) == {(name, "s"): f"done {name}\n".encode() for name in "abc"}
        assert sorted(Path(workspace(probe, run), "..", "count").read_text().split()) == ["a", "b", "c"]
        kinds = [event["type"] for event in older.events if event.get("run") == run]
        assert (kinds.count("step.started"), kinds.count("step.ended")) == (3, 3)
        newer.close()
        older.close()


def test_a_successor_that_cannot_be_imported_is_not_become(home: str) -> None:
    with probing(home) as probe:
        own, pid = probe.hello["version"], probe.daemon_pid()
        lay(home, own, "e" * 64, "raise RuntimeError('a bad build')")
        run = probe.start(THREE)
        ready(probe, run, 3)
        for _ in range(2):  # and is tried once
            other = turn_to(probe, "e" * 64)
            assert other.hello["version"] == own and other.daemon_pid() == pid
            other.close()
        assert log_of(home).count("does not start") == 1
        last = again(probe)
        go(probe, run, "a", "b", "c")
        assert last.ended(run).phase == phases.SUCCESS
        last.close()


def test_a_successor_that_dies_at_once_is_recovered_from_by_the_next_attach(home: str) -> None:
    with probing(home) as probe:
        own = probe.hello["version"]
        lay(home, own, "d" * 64, "Daemon.serve = lambda self: 1 / 0")
        run = probe.start(THREE)
        ready(probe, run, 3)
        with contextlib.suppress(AssertionError, XeneError):
            broken = turn_to(probe, "d" * 64)
            while True:  # it took over, and leaves
                broken._take()
        wait_until(lambda: not os.path.exists(os.path.join(home, STATE, "probe", "daemon.pid")))
        assert "ZeroDivisionError" in log_of(home) and "met a bug and ends" in log_of(home)
        last = again(probe)
        assert last.hello["version"] == own
        go(probe, run, "a", "b", "c")
        assert last.ended(run).phase == phases.SUCCESS
        assert len(Path(workspace(probe, run), "..", "count").read_text().split()) == 3
        last.close()


def test_old_code_goes_and_what_a_daemon_runs_from_stays(tmp_path: Path) -> None:
    code = tmp_path / "agent"
    versions = [f"{number:064x}" for number in range(8)]
    for age, version in enumerate(versions):
        (code / version).mkdir(parents=True)
        (code / f"{version}.pyz").write_bytes(b"")
        for path in (code / version, code / f"{version}.pyz"):
            os.utime(path, (1000 + age, 1000 + age))
    (code / ".unpack-left").mkdir()
    os.utime(code / ".unpack-left", (1000, 1000))
    (code / ".unpack-now").mkdir()
    (code / "notes").write_text("not ours")
    me = process.look(os.getpid())
    assert me is not None
    for name, line in (
        ("live", f"{me.process.pid} {me.process.start} {versions[1]}"),
        ("dead", f"1 1 {versions[2]}"),
    ):
        (tmp_path / "state" / name).mkdir(parents=True)
        (tmp_path / "state" / name / "daemon.pid").write_text(line)
    clear_old_code(str(code), versions[0])
    kept = [versions[0], versions[1], *versions[-KEPT:]]
    assert sorted(path.name for path in code.iterdir()) == sorted(
        [*kept, *(f"{version}.pyz" for version in kept), ".unpack-now", "notes"]
    )
