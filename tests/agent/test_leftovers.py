"""What an agent frees when it is asked: only what nobody can want, and nothing of anybody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.probe import STATE, Probe, one_step, probing
from tests.hosts import until
from xene.agent.leftovers import CODE, HOMES, IDLE, INCOMING, JOURNALS, KEPT, RUNS, UNHEARD
from xene.transport import bundle
from xene.wire import messages

OLD = IDLE + 60
SHA = "a" * 64


def sweep(probe: Probe, *, dry: bool = False, forget: list[str] | None = None) -> dict[str, Any]:
    probe.others = [message for message in probe.others if message["type"] != "swept"]
    probe.say(messages.sweep(probe.epoch, 5, dry, ["probe", "other"], forget or []))
    found: dict[str, Any] = probe.wait(lambda: probe.one("swept"))
    return found


def kinds(swept: dict[str, Any]) -> dict[str, int]:
    return {each["what"]: each["count"] for each in swept["what"]}


def age(path: Path, seconds: float = OLD) -> Path:
    os.utime(path, (time.time() - seconds,) * 2, follow_symlinks=False)
    return path


def laid(path: Path, size: int = 100_000, seconds: float = OLD) -> Path:
    """A directory with a file of that size, so old."""
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * size)
    return age(path, seconds)


def mine(home: str) -> Path:
    return Path(home, STATE, "probe")


def test_nothing_to_free(probe: Probe) -> None:
    assert sweep(probe) == {"type": "swept", "id": 5, "bytes": 0, "what": [], "ended": []}


def test_old_code_goes_and_what_is_in_use_stays(probe: Probe, home: str) -> None:
    code = Path(home, "agent")
    old, fresh = laid(code / SHA), laid(code / ("b" * 64), seconds=60)
    half = laid(code / ".unpack-x")
    archive = code / f"{'c' * 64}.pyz"
    archive.write_bytes(b"x")
    age(archive)
    own = age(code / bundle.build().sha)
    named = laid(code / ("d" * 64))
    (mine(home) / "start").write_text(f"exec {named}/__main__.py\n")
    running = laid(code / ("e" * 64))
    process = subprocess.Popen([sys.executable, "-c", "input()", str(running)], stdin=subprocess.PIPE)
    shown = Path(f"/proc/{process.pid}/cmdline")  # the kernel shows it a moment after `exec`
    until(lambda: str(running).encode() in shown.read_bytes(), "its command line")
    try:
        looked = sweep(probe, dry=True)
        assert kinds(looked) == {CODE: 3} and looked["bytes"] > 200_000
        assert old.exists() and half.exists() and archive.exists()
        done = sweep(probe)
        assert (done["bytes"], kinds(done)) == (looked["bytes"], {CODE: 3})
        assert not old.exists() and not half.exists() and not archive.exists()
        assert fresh.exists() and own.exists() and named.exists() and running.exists()
    finally:
        process.communicate(b"\n")


def test_runs_that_are_on_no_record(probe: Probe, home: str) -> None:
    run = probe.start(one_step("echo hello"))
    probe.ended(run)
    stray = laid(mine(home) / "runs" / "20260101-000000-abcdefgh", seconds=0)
    other = laid(mine(home) / "runs" / "not-a-run", seconds=0)
    assert kinds(sweep(probe)) == {RUNS: 1}
    assert not stray.exists() and other.exists()
    assert probe.read_logs(run) == {("t", "s"): b"hello\n"}


def test_journals_set_aside_and_artifacts_that_nobody_waits_for(probe: Probe, home: str) -> None:
    aside = mine(home) / "journal.damaged-1-2"
    aside.write_bytes(b"x" * 5000)
    age(aside, KEPT + 60)
    recent = mine(home) / "journal.damaged-3-4"
    recent.write_bytes(b"x")
    age(recent)
    incoming = mine(home) / "incoming"
    incoming.mkdir()
    (incoming / SHA).write_bytes(b"x" * 5000)
    age(incoming / SHA)
    assert kinds(sweep(probe)) == {JOURNALS: 1, INCOMING: 1}
    assert not aside.exists() and recent.exists() and not (incoming / SHA).exists()
    assert (mine(home) / "journal").exists()


def gone_home(home: str, name: str) -> Path:
    place = laid(Path(home, STATE, name))
    (place / "daemon.lock").touch()
    (place / "journal").touch()
    age(place / "journal")
    return place


def test_homes_of_agents_that_are_gone_and_no_other(probe: Probe, home: str) -> None:
    gone, still_there = gone_home(home, "gone"), gone_home(home, "other")
    foreign = laid(Path(home, "5f0c1f0e-0000-4000-8000-00000000000f", "gone"))
    assert kinds(sweep(probe, dry=True)) == {HOMES: 1}
    assert kinds(sweep(probe)) == {HOMES: 1}
    assert not gone.exists() and still_there.exists() and foreign.exists()


@pytest.mark.parametrize("use", ["lock", "process", "young"])
def test_a_home_in_use_stays(use: str, probe: Probe, home: str) -> None:
    import fcntl

    gone = gone_home(home, "gone")
    with open(gone / "daemon.lock") as lock:
        process = None
        if use == "lock":
            fcntl.flock(lock, fcntl.LOCK_EX)
        elif use == "young":
            age(gone / "journal", 60)
        else:
            env = {**os.environ, "XENE_WORKSPACE": f"{gone}/runs/r/workspace"}
            process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=env)
            shown = Path(f"/proc/{process.pid}/environ")  # the kernel shows it a moment after `exec`
            until(lambda: b"XENE_WORKSPACE=" in shown.read_bytes(), "its environment")
        try:
            assert kinds(sweep(probe)) == {}
            assert gone.exists()
        finally:
            if process is not None:
                process.communicate(b"")


def test_runs_that_control_never_heard_of(home: str) -> None:
    from tests.agent import faulty

    faulty.arm(home)
    faulty.set_clock(home, -2 * OLD)
    with probing(home) as probe:
        run = probe.start(one_step("echo hello"))
        probe.ended(run)
        assert sweep(probe, dry=True)["ended"] == []
        assert kinds(sweep(probe, forget=[run])) == {}  # it ended just now
        faulty.set_clock(home, 0.0)
        assert sweep(probe, dry=True)["ended"] == [run]
        assert kinds(sweep(probe, dry=True, forget=[run, "20260101-000000-abcdefgh"])) == {UNHEARD: 1}
        assert (mine(home) / "runs" / run).exists()
        assert kinds(sweep(probe, forget=[run])) == {UNHEARD: 1}
        assert not (mine(home) / "runs" / run).exists()
        assert sweep(probe)["ended"] == []
        probe.wait(lambda: any(event["type"] == "run.released" for event in probe.events))


def test_a_large_home_does_not_hold_up_the_daemon(probe: Probe, home: str) -> None:
    """While it is measured, in pieces, another request is answered."""
    stray = mine(home) / "runs" / "20260101-000000-abcdefgh"
    for folder in range(6):
        (stray / str(folder)).mkdir(parents=True)
        for number in range(1000):
            (stray / str(folder) / str(number)).touch()
    run = probe.start(one_step("echo hello"))
    probe.ended(run)
    probe.others.clear()
    probe.say(messages.sweep(probe.epoch, 5, True, [], []))
    probe.say(messages.follow(probe.epoch, 7, run, live=False))
    probe.wait(lambda: probe.one("swept") and probe.one("followed"))
    order = [message["type"] for message in probe.others]
    assert order.index("followed") < order.index("swept")


def test_a_reader_may_ask_and_an_older_epoch_may_not(probe: Probe, home: str) -> None:
    reader = Probe(home, role="reader")
    try:
        assert sweep(reader, dry=True)["what"] == []
        reader.say(messages.sweep(0, 6, False, [], []))
        assert reader.wait(lambda: reader.one("refused"))["code"] == "StaleEpoch"
        reader.say({"type": "sweep", "epoch": 1, "id": 8})
        assert "makes no sense" in reader.wait(lambda: reader.one("failed"))["message"]
    finally:
        reader.close()
