"""The controller's loop, on a thread beside the test: its companions, and trouble that it must live through."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from tests.control.scripted import Fleet
from tests.control.test_faults_storage import fill, small_disk
from xene.control import daemon
from xene.control.daemon import Context, Controller, Wishes
from xene.control.place import Place
from xene.errors import Conflict, Usage, XeneError
from xene.model import events as ev
from xene.store import db


class Running:
    """A controller on a thread; `error` is what it ended with."""

    def __init__(self, host: Host, **more: Any) -> None:
        self.wishes, self.said, self.error = Wishes(), list[str](), list[BaseException]()
        self.beats = 0
        self.controller = Controller(
            host.place, self.wishes, self.said.append, open=host.open, alive=self._beat, **more
        )
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _beat(self) -> None:
        self.beats += 1

    def _serve(self) -> None:
        try:
            self.controller.serve()
        except BaseException as error:
            self.error.append(error)

    def says(self, words: str) -> None:
        eventually(lambda: any(words in line for line in self.said) or self.error, words)
        assert not self.error, self.error

    def ends(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(host: Host, **more: Any) -> Iterator[Running]:
    made = Running(host, **more)
    try:
        yield made
    finally:
        made.wishes.stop = True
        made.ends()


class Beside:
    """A companion that writes down what is asked of it."""

    def __init__(self, refuses: XeneError | None = None) -> None:
        self.failed: Exception | None = None
        self.asked: list[str] = []
        self._refuses = refuses

    def start(self, context: Context) -> None:
        self.asked.append("start")
        self.context = context
        if self._refuses is not None:
            raise self._refuses

    def stop(self) -> None:
        self.asked.append("stop")

    def reload(self) -> None:
        self.asked.append("reload")
        if self.asked.count("reload") == 2:
            raise Usage("the certificate is torn")


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(
        workflow("shop", {"build": pipeline("one", placement={"agent": "far"})}),
        workflow("bank", {"pay": pipeline("one", placement={"agent": "near"})}),
        agent("far"),
        agent("near"),
    )
    return host


def by_command(host: Host, target: str) -> str:
    """The same by another process, which has to find the state free."""
    argv = [sys.executable, "-m", "xene", "run", target]
    env = {**os.environ, "XENE_HOME": host.place.home}
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def queued(host: Host, target: str) -> str:
    """A run that is wanted, and of which nobody was told."""
    from xene.control import fire

    return fire.fire(host.place, target, {}, hand_over=False, open=host.open).runs[0]


def test_companions_live_as_long_as_it_is_at_work(host: Host) -> None:
    beside, seconds = Beside(), list[str]()
    with running(host, companions=[beside]) as made:
        made.says("at work on")
        beside.context.measure.add(lambda name, _: seconds.append(name))
        made.wishes.reload = True
        eventually(lambda: "reload" in beside.asked)
        eventually(lambda: "pass" in seconds)
        made.wishes.reload = True
        made.says("not reloaded: the certificate is torn")
        with db.open_state(host.place.state) as state:
            assert beside.context.uuid == state.uuid
        seconds.clear()
        beside.context.nudge()
        eventually(lambda: "pass" in seconds)
    assert beside.asked == ["start", "reload", "reload", "stop"] and not made.error


def test_a_companion_that_dies_ends_it(host: Host) -> None:
    beside = Beside()
    with running(host, companions=[beside]) as made:
        made.says("at work on")
        beside.failed = OSError("no more descriptors")
        made.ends()
    assert made.error == [beside.failed] and beside.asked == ["start", "stop"]


def test_a_companion_that_cannot_start_ends_it_and_those_before_it_are_stopped(host: Host) -> None:
    first, second = Beside(), Beside(refuses=Usage("the port is taken"))
    with running(host, companions=[first, second]) as made:
        made.ends()
    assert [str(error) for error in made.error] == ["the port is taken"]
    assert first.asked == ["start", "stop"] and second.asked == ["start"]


def test_another_one_with_a_higher_epoch_ends_it(shop: Host) -> None:
    with running(shop) as made:
        made.says("at work on")
        with shop.state() as state, state.transaction() as conn:
            db.raise_epoch(conn, 1.0)
        made.ends()
    assert isinstance(made.error[0], Conflict)


def test_a_lock_file_that_was_removed_ends_it(shop: Host) -> None:
    with running(shop) as made:
        made.says("at work on")
        Path(shop.place.state + ".lock").unlink()
        made.ends()
    assert isinstance(made.error[0], Conflict)


def test_a_state_that_is_held_by_another_writer_is_waited_for(
    shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With patience of a moment instead of ten seconds."""
    monkeypatch.setitem(db.open_state.__kwdefaults__, "patience", 0.1)
    monkeypatch.setattr(daemon, "FIRST_PAUSE", 0.1)
    shop.fleet["far"].play = "wait"
    with running(shop) as made:
        made.says("at work on")
        run = queued(shop, "shop/build")
        eventually(lambda: shop.run(run)["phase"] != "Queued")
        other = sqlite3.connect(shop.place.state, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        shop.fleet["far"].do(run)
        made.says("has been held by process")
        beats = made.beats
        eventually(lambda: made.beats > beats)
        other.execute("ROLLBACK")
        other.close()
        eventually(lambda: shop.run(run)["phase"] == "Success", "what came meanwhile is taken")
        made.says("the state can be written again")
        assert sum("has been held" in line for line in made.said) == 1


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "FIRST_PAUSE", 0.1)
    home = tmp_path / "home"
    with small_disk(home) as mounted:
        if not mounted:
            pytest.skip("MOUNTS are not allowed here, so no file system can be full")
        host = Host(Place(str(home / "state.db"), str(home)), Fleet())
        host.apply(workflow("shop", {"build": pipeline("one")}), agent("far"))
        host.fleet["far"].play = "wait"
        with running(host) as made:
            made.says("at work on")
            run = queued(host, "shop/build")
            eventually(lambda: host.run(run)["phase"] != "Queued")
            fill(home / "ballast")
            host.fleet["far"].do(run)
            made.says("is full")
            (home / "ballast").unlink()
            eventually(lambda: host.run(run)["phase"] == "Success", "what came meanwhile is taken")
            eventually(lambda: host.run(run)["log"] == "complete")
        host.fleet["far"].cut()
        assert not made.error


def test_garbage_of_one_agent_is_its_own_trouble(shop: Host) -> None:
    with running(shop) as made:
        made.says("at work on")
        eventually(lambda: shop.agents()["far"]["phase"] == "Ready")
        far = shop.fleet["far"]
        eventually(lambda: far._wires)
        far._answer = lambda sock, *_: sock.sendall(b"\xff" * 1000)  # type: ignore[method-assign]
        for sock, _ in far._wires:
            far._answer(sock, {}, {})
        eventually(lambda: shop.agents()["far"]["reason"] == "Garbled")
        run = queued(shop, "bank/pay")
        eventually(lambda: shop.run(run)["phase"] == "Success")


def test_a_flood_of_one_agent_does_not_drown_another(shop: Host) -> None:
    """It talks as fast as it is heard, about a run that is not its own, for as long as the test takes."""
    far, over = shop.fleet["far"], threading.Event()

    def flood() -> None:
        while not over.is_set():
            for number in range(500):
                far.record(ev.run_stopping(1006.0, f"20261123-023000-{number:08d}"))
            far.say(ev.run_stopping(1006.0, "20261123-023000-k7q2m4xa"))

    with running(shop) as made:
        made.says("at work on")
        eventually(lambda: far._wires and shop.agents()["near"]["phase"] == "Ready")
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            run = by_command(shop, "bank/pay")
            eventually(lambda: shop.run(run)["phase"] == "Success", "the other one is served")
        finally:
            over.set()
            far.cut()
            thread.join()
