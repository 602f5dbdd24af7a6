"""Silence of connected agents: asked, noticed, told, and over when they are heard again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import heartbeat, sessions
from xene.control.heartbeat import Heartbeat
from xene.control.passes import Control
from xene.errors import Unreachable


@pytest.fixture
def shop(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A run that goes on at `far`; control is impatient."""
    monkeypatch.setattr(heartbeat, "QUIET", 0.1)
    monkeypatch.setattr(heartbeat, "PATIENCE", 0.3)
    host.apply(workflow("shop", {"build": pipeline("one")}), agent("far"))
    host.fleet["far"].play = "wait"
    host.fire("shop/build")
    return host


@contextlib.contextmanager
def at_work(host: Host) -> Iterator[Control]:
    with host.state() as state, Control(host.place, state, open=host.open) as control:
        turns(control, lambda: control.sessions.links and control.sessions.link("far").caught_up)
        yield control


def turns(control: Control, holds: Any) -> None:
    def look() -> Any:
        control.turn(["far"], 0.02)
        return holds()

    eventually(look)


def phases_of(host: Host) -> tuple[str, str, str]:
    (run,) = [host.run(row) for row in host.fleet["far"].orders]
    far = host.agents()["far"]
    return run["phase"], far["phase"], far["reason"]


def test_a_quiet_agent_is_asked_and_answers(shop: Host) -> None:
    with at_work(shop) as control:
        turns(control, lambda: shop.fleet["far"].types().count("ping") >= 3)
        assert phases_of(shop)[:2] == ("StartingUp", "Ready")
        assert shop.fleet["far"].connections == 3  # apply, fire, and this one


def test_one_that_answers_no_more_is_unknown_until_it_is_heard_again(shop: Host) -> None:
    far = shop.fleet["far"]
    with at_work(shop) as control:
        far.deaf = {"ping"}
        turns(control, lambda: phases_of(shop) == ("Unknown", "Unreachable", "Silent"))
        far.deaf = set()
        turns(control, lambda: phases_of(shop)[:2] == ("StartingUp", "Ready"))


def test_one_whose_lost_connection_cannot_be_made_again_is_unknown(shop: Host) -> None:
    """The first loss is nothing to tell; that it stays away is, also while connecting takes for ever."""
    far = shop.fleet["far"]
    with at_work(shop) as control:
        control.sessions.link("far").up_since -= sessions.LASTING + 1
        far.hang.set()
        far.cut()
        turns(control, lambda: phases_of(shop) == ("Unknown", "Unreachable", "Silent"))
        far.hang.clear()
        far.released.set()
        turns(control, lambda: phases_of(shop)[:2] == ("StartingUp", "Ready"))


def test_a_pause_of_ours_is_no_silence_of_theirs(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SLEPT", 0.5)
    monkeypatch.setattr(heartbeat, "PATIENCE", 0.6)
    with at_work(shop) as control:
        link, watch = control.sessions.link("far"), Heartbeat()
        shop.fleet["far"].deaf = {"ping"}
        link.heard_at = time.monotonic() - 1
        assert not watch.look(control.state, control.sessions, ())
        assert link.pinged_at is not None
        link.pinged_at -= 100  # as if all of us had stood still for so long
        watch._looked_at -= 100
        assert not watch.look(control.state, control.sessions, ())
        assert time.monotonic() - link.pinged_at < 50


def test_one_that_we_do_not_listen_to_is_not_silent(shop: Host) -> None:
    with at_work(shop) as control:
        link, watch = control.sessions.link("far"), Heartbeat()
        link.pinged_at, link.heard_at, link.room.full = 0.0, 0.0, True
        assert not watch.look(control.state, control.sessions, ())
        link.room.full = False
        assert not watch.look(control.state, control.sessions, ())


class OneByteASecond:
    """Its hello comes at once; after that nothing comes faster than a byte in a while."""

    def __init__(self, channel: Any) -> None:
        self._channel, self._left, self._first = channel, b"", True
        self._gone = threading.Event()

    def recv(self, size: int) -> bytes:
        if self._first:
            self._first = False
            return bytes(self._channel.recv(size))
        self._left = self._left or self._channel.recv(size)
        self._gone.wait(0.2)
        byte, self._left = self._left[:1], self._left[1:]
        return b"" if self._gone.is_set() else byte

    def close(self) -> None:
        self._gone.set()
        self._channel.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


def test_one_byte_at_a_time_is_no_answer(shop: Host) -> None:
    real, slow = shop.open, threading.Event()

    def open_slowly(target: Any, trusted: Any) -> Any:
        if slow.is_set():
            raise Unreachable("it is away", code="ConnectionRefused")
        slow.set()
        return OneByteASecond(real(target, trusted))

    shop.open = open_slowly  # type: ignore[method-assign]
    with shop.state() as state, Control(shop.place, state, open=shop.open) as control:
        turns(control, lambda: any(row["reason"] == "Silent" for row in events(shop)))
        turns(control, lambda: phases_of(shop)[0] == "Unknown")


def events(host: Host) -> list[dict[str, Any]]:
    from xene.store import db, views

    with db.open_for_reading(host.place.state) as state:
        return views.events(state, kind="Agent")


def test_letting_go_waits_for_nobody(shop: Host) -> None:
    """Fifty agents behind a cut wire must not cost a second each."""
    with at_work(shop) as control:
        link = control.sessions.link("far")
        assert link.session is not None
        began, closed = threading.Event(), threading.Event()

        def slow(seconds: float = 1.0) -> None:
            began.set()
            closed.wait(10)

        link.session.close, real = slow, link.session.close  # type: ignore[method-assign, assignment]
        control.sessions.give_up("far")
        assert began.wait(10) and not closed.is_set()
        closed.set()
        real()


def test_when_an_idle_agent_was_heard_is_kept(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SEEN", 0.3)
    with at_work(shop) as control:
        before = shop.agents()["far"]["lastSeenAt"]
        turns(control, lambda: shop.agents()["far"]["lastSeenAt"] > before)


def test_a_wire_that_is_closed_is_not_pinged(shop: Host) -> None:
    with at_work(shop) as control:
        control.sessions.give_up("far")
        link = control.sessions.link("far")
        assert link.session is None and not link.up and link.next_try > time.monotonic()
        assert not Heartbeat().look(control.state, control.sessions, ())
