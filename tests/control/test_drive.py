"""Several commands at once: one is at work, the others are served, and take over when it leaves."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest

from tests.control.conftest import Host, agent, eventually, workflow
from xene.control import drive as driving
from xene.control import follow, lock, logs, reconcile
from xene.control.lock import Lock
from xene.control.tail import Choice


class Command:
    """A command on a thread of its own: what it gave, or what it raised."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._act = act
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._act()
        except BaseException as error:
            self.error = error
        self.done.set()

    def wait(self) -> Any:
        assert self.done.wait(20)
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(workflow("shop"), workflow("shed"), agent("a"), agent("b"))
    for name in ("a", "b"):
        host.fleet[name].play = "wait"
    return host


def agent_of(host: Host, run: str) -> Any:
    return host.fleet[host.run(run)["agent"]]


def test_whoever_is_at_work_serves_the_others(shop: Host) -> None:
    (first,) = shop.fire("shop").runs
    holder = Command(lambda: shop.ended(first))
    eventually(lambda: lock.holder(shop.place.state))
    (second,) = shop.fire("shed").runs  # stored and nudged; handed over by the one at work
    assert shop.run(second)["phase"] == "StartingUp"
    waiter = Command(lambda: shop.ended(second))
    agent_of(shop, second).do(second)
    agent_of(shop, second).cut()
    assert waiter.wait()[0]["phase"] == "Success"
    assert not holder.done.is_set()
    agent_of(shop, first).do(first)
    agent_of(shop, first).cut()
    assert holder.wait()[0]["phase"] == "Success"


def test_who_waits_takes_over(shop: Host) -> None:
    (first,), (second,) = shop.fire("shop").runs, shop.fire("shed").runs
    holder = Command(lambda: shop.ended(first))
    eventually(lambda: lock.holder(shop.place.state))
    waiter = Command(lambda: shop.ended(second))
    agent_of(shop, first).do(first)
    agent_of(shop, first).cut()
    assert holder.wait()[0]["phase"] == "Success"
    eventually(lambda: lock.holder(shop.place.state))
    agent_of(shop, second).do(second)
    agent_of(shop, second).cut()
    assert waiter.wait()[0]["phase"] == "Success"
    assert lock.holder(shop.place.state) is None


def test_a_dead_holder_is_followed_by_whoever_waits(shop: Host) -> None:
    """The lock is held by one that does nothing; when it goes, the work is done."""
    (run,) = shop.fire("shop").runs
    agent_of(shop, run).do(run)
    with Lock(shop.place.state) as dead:
        assert dead.acquire()
        waiter = Command(lambda: shop.ended(run))
        assert not waiter.done.wait(0.2)
    assert waiter.wait()[0]["phase"] == "Success"


def test_reconcile_leaves_the_work_to_whoever_is_at_it(shop: Host) -> None:
    with Lock(shop.place.state) as other:
        other.acquire()
        assert reconcile.reconcile(shop.place, open=shop.open) == reconcile.Made(False)


def test_an_interrupt_lets_everything_go(shop: Host) -> None:
    (run,) = shop.fire("shop").runs

    class Impatient:
        def moved(self, row: dict[str, Any]) -> None:
            raise KeyboardInterrupt

        def said(self, source: Any, data: bytes) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        follow.until_ended(shop.place, [run], show=Impatient(), open=shop.open)
    assert lock.holder(shop.place.state) is None
    assert shop.run(run)["phase"] == "StartingUp"


class Ears:
    """What was said, by source."""

    def __init__(self) -> None:
        self.heard: dict[Any, bytes] = {}

    def moved(self, row: dict[str, Any]) -> None: ...

    def said(self, source: Any, data: bytes) -> None:
        self.heard[source] = self.heard.get(source, b"") + data


@pytest.mark.parametrize("held", [False, True])
def test_logs_are_followed_whoever_is_at_work(shop: Host, held: bool) -> None:
    (run,) = shop.fire("shop").runs
    other = Lock(shop.place.state)
    if held:
        other.acquire()
    ears = Ears()
    command = Command(lambda: shop.ended(run, show=ears, logs=True))
    agent_of(shop, run).do(run)
    agent_of(shop, run).cut()
    if held:
        eventually(lambda: ears.heard)
        other.release()
    command.wait()
    assert ears.heard == {(run, "one", "s1", 1): b"one 1\n"}


def test_reading_logs(shop: Host) -> None:
    (run,) = shop.fire("shop").runs

    def read(**choice: Any) -> tuple[dict[Any, bytes], str | None]:
        ears = Ears()
        found = logs.read(shop.place, run, ears.said, choice=Choice(**choice), open=shop.open)
        return ears.heard, found.state

    agent_of(shop, run).play = "wait"
    assert read() == ({}, None)
    agent_of(shop, run).do(run)
    whole = {(run, "one", "s1", 1): b"one 1\n"}
    assert read()[0] == whole
    shop.ended(run)
    assert read() == (whole, "complete")
    assert read(task="one", step="s1", attempt=1, lines=5) == (whole, "complete")
    assert read(task="other") == read(lines=0) == ({}, "complete")


def test_logs_of_an_agent_that_is_away(shop: Host) -> None:
    from xene.errors import Unreachable

    (run,) = shop.fire("shop").runs
    agent_of(shop, run).trouble = Unreachable("no route", code="NoRoute")
    found = logs.read(shop.place, run, Ears().said, open=shop.open)
    assert found.state == "partial" and "no route" in str(found.message)


def test_the_time_of_a_drive_is_bounded(shop: Host) -> None:
    from xene.control.fire import HandedOver
    from xene.errors import TimedOut

    class Never(HandedOver):
        def met(self, state: Any) -> bool:
            return False

    with Lock(shop.place.state) as other:
        other.acquire()
        with pytest.raises(TimedOut):
            driving.drive(shop.place, Never([]), timeout=0.1, open=shop.open)
