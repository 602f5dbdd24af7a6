"""One process at a time is at work, and who that is can be seen."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest

from tests.control.conftest import eventually
from xene.control import lock
from xene.control.lock import Lock


@pytest.fixture
def path(tmp_path: Any) -> str:
    return str(tmp_path / "state.db")


def test_one_at_a_time(path: str) -> None:
    with Lock(path) as one, Lock(path) as two:
        assert one.acquire() and one.acquire()
        assert not two.acquire()
        assert lock.holder(path) == os.getpid()
        one.release()
        assert lock.holder(path) is None
        assert two.acquire()


def hold(path: str, pipe: Any) -> None:
    Lock(path).acquire()
    pipe.send(os.getpid())
    pipe.recv()


def test_it_goes_with_its_holder(path: str) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(path, theirs))
    process.start()
    assert ours.recv() == lock.holder(path) == process.pid
    process.kill()
    process.join()
    with Lock(path) as mine:
        assert eventually(mine.acquire)


def test_looking_does_not_stop_anybody(path: str) -> None:
    with Lock(path) as mine:
        mine.acquire()
        mine.release()
        for _ in range(50):
            lock.holder(path)
            assert mine.acquire()
            mine.release()


def test_nobody_where_there_is_nothing(path: str) -> None:
    assert lock.holder(path) is None
    assert not os.path.exists(path + ".lock")


def test_it_is_private(path: str) -> None:
    before = os.umask(0)
    try:
        with Lock(path) as mine:
            mine.acquire()
            assert os.stat(path + ".lock").st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
