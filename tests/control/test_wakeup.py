"""Nudges arrive, carry nothing, and may be lost."""

from __future__ import annotations

import os
import queue
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually
from xene.control import wakeup
from xene.control.passes import Control
from xene.errors import Unreachable


@pytest.mark.parametrize("depth", [0, 12])
def test_a_nudge_arrives_also_below_a_long_path(tmp_path: Any, depth: int) -> None:
    folder = tmp_path.joinpath(*["a-rather-long-name"] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "state.db")
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = wakeup.Listener(path, inbox)
    try:
        assert os.stat(wakeup.socket_path(path)).st_mode & 0o777 == 0o600
        assert wakeup.nudge(path)
        assert inbox.get(timeout=10) == wakeup.Nudge()
    finally:
        listener.close()
    assert not os.path.exists(wakeup.socket_path(path))


def test_nobody_listens(tmp_path: Any) -> None:
    path = str(tmp_path / "state.db")
    assert not wakeup.nudge(path)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    first = wakeup.Listener(path, inbox)
    second = wakeup.Listener(path, inbox)  # the first one died without a word
    assert wakeup.nudge(path)
    inbox.get(timeout=10)
    first.close()
    second.close()
    assert not wakeup.nudge(path)


def test_a_flood_is_no_trouble(tmp_path: Any) -> None:
    path = str(tmp_path / "state.db")
    listener = wakeup.Listener(path, queue.SimpleQueue())
    assert all(wakeup.nudge(path) for _ in range(500))
    listener.close()


def test_what_is_written_within_tries_nobody_who_is_away(host: Host) -> None:
    """A flood of webhooks is no reason to knock at a host that is down; a command that waits for it is."""
    away = host.fleet["a"]
    away.trouble = Unreachable("connection refused", code="ConnectionRefused")
    host.apply(agent("a"))
    with host.state() as state, Control(host.place, state, open=host.open) as control:

        def tries(item: Any) -> int:
            """How often it is tried in some turns, with such an item before each."""
            before = away.connections
            for _ in range(50):
                control.inbox.put(item)
                control.turn(["a"], 0.0)
                control.turn(["a"], 0.005)
            return away.connections - before

        eventually(lambda: control.turn(["a"], 0.01) and control.sessions.next_try(["a"]), "it to be away")
        assert tries(wakeup.Written()) < 10 < tries(wakeup.Nudge())
