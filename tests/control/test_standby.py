"""Taking the place of a controller that hangs: the lock and the epoch in one write, once, and never by mistake."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from xene.control import lock as locks
from xene.control.fence import Fence
from xene.control.lock import CONTROLLER, Lock
from xene.control.standby import HUNG, Rival
from xene.errors import Conflict, Storage
from xene.store import db
from xene.store.db import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with db.open_state(str(tmp_path / "state.db"), patience=0.05) as found:
        yield found


@pytest.fixture
def first(state: State) -> Iterator[Lock]:
    """The lock of one that is at work, or hangs."""
    with Lock(state.path, CONTROLLER) as found:
        assert found.acquire()
        yield found


def looks(rival: Rival, count: int) -> list[bool]:
    return [rival.hangs() for _ in range(count)]


def test_one_that_gives_signs_of_life_does_not_hang(state: State, first: Lock) -> None:
    rival = Rival(state)
    for _ in range(3):
        first.beat()
        assert not any(looks(rival, HUNG))


def test_one_that_gives_none_does_after_a_while(state: State, first: Lock) -> None:
    assert looks(Rival(state), HUNG + 2) == [False] * HUNG + [True, True]


def test_a_command_never_does(state: State) -> None:
    with Lock(state.path) as command:
        assert command.acquire()
        assert not any(looks(Rival(state), 3 * HUNG))


def test_its_place_is_taken_with_a_higher_epoch_and_it_sees_that(state: State, first: Lock) -> None:
    fence, before = Fence(state, first), state.epoch
    fence.check()
    rival = Rival(state)
    with Lock(state.path, CONTROLLER) as second, Lock(state.path) as third:
        looks(rival, HUNG + 1)
        epoch = rival.replace(second)
        assert epoch is not None and before < epoch == state.epoch
        assert second.is_ours() and not first.is_ours()
        assert locks.holder(state.path) == os.getpid()
        assert not third.acquire()
        with pytest.raises(Conflict, match="another controller has taken over"):
            fence.check()
        first.release()
        assert not third.acquire()
        second.release()
        assert third.acquire()
    assert os.listdir(os.path.dirname(state.path)).count("state.db.lock") == 1


def test_one_that_moves_in_the_last_moment_keeps_its_place(state: State, first: Lock) -> None:
    rival, before = Rival(state), state.epoch
    assert looks(rival, HUNG + 1)[-1]
    first.beat()
    with Lock(state.path, CONTROLLER) as second:
        assert rival.replace(second) is None
    assert first.is_ours() and state.epoch == before and not rival.hangs()


def test_of_two_that_wait_one_takes_its_place(state: State, first: Lock) -> None:
    rivals = Rival(state), Rival(state)
    for rival in rivals:
        assert looks(rival, HUNG + 1)[-1]
    with Lock(state.path, CONTROLLER) as one, Lock(state.path, CONTROLLER) as other:
        assert rivals[0].replace(one) is not None
        assert rivals[1].replace(other) is None
        assert one.is_ours() and not other.is_ours()


def test_one_that_hangs_in_a_write_keeps_the_state(state: State, first: Lock) -> None:
    writer = sqlite3.connect(state.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    rival = Rival(state)
    looks(rival, HUNG + 1)
    with Lock(state.path, CONTROLLER) as second:
        assert rival.replace(second) is None
        assert "has been held" in rival.trouble and first.is_ours()
        writer.execute("ROLLBACK")
        writer.close()
        looks(rival, HUNG + 1)
        assert rival.replace(second) is not None and second.is_ours()


def test_whoever_dies_between_the_lock_and_the_epoch_leaves_a_lock_that_is_free(
    state: State, first: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> int:
        raise KeyboardInterrupt

    rival, fence = Rival(state), Fence(state, first)
    looks(rival, HUNG + 1)
    monkeypatch.setattr(db, "raise_epoch", die)
    with Lock(state.path, CONTROLLER) as second, pytest.raises(KeyboardInterrupt):
        rival.replace(second)
    with pytest.raises(Conflict):
        fence.check()  # the first one ends all the same
    with Lock(state.path) as third:
        assert third.acquire()


def test_a_state_that_was_removed_or_replaced_is_seen(state: State, first: Lock, tmp_path: Path) -> None:
    fence = Fence(state, first)
    os.rename(state.path, tmp_path / "away.db")
    with pytest.raises(Storage, match="was removed or replaced"):
        fence.check()
    Path(state.path).write_bytes(b"")
    with pytest.raises(Storage, match="was removed or replaced"):
        fence.check()


def test_a_higher_epoch_is_seen(state: State, first: Lock) -> None:
    fence = Fence(state, first)
    with state.transaction() as conn:
        db.raise_epoch(conn, 1.0)
    with pytest.raises(Conflict, match="epoch was raised"):
        fence.check()


def test_a_lock_that_was_replaced_while_it_was_being_taken_is_not_had(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, then put aside by another one, then locked: that lock means nothing."""
    real, other = locks._flock, Lock(state.path, CONTROLLER)

    def flock(handle: int, how: int) -> bool:
        monkeypatch.setattr(locks, "_flock", real)
        other.replace()
        return real(handle, how)

    with Lock(state.path) as mine, other:
        mine.acquire()
        mine.release()
        monkeypatch.setattr(locks, "_flock", flock)
        assert not mine.acquire()
        assert other.is_ours()
