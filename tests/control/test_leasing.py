"""Leases over scripted agents and a clock that the test moves: who gets what when one is lost, and comes back."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, Iterator

import pytest

from tests.control.conftest import DEADLINE, Host, agent, pipeline, workflow
from xene.control import agents as removing
from xene.control import fire as firing
from xene.control import leasing
from xene.control import reconcile as reconciling
from xene.control.lock import Lock
from xene.control.passes import Control
from xene.errors import Unreachable
from xene.model import events as ev
from xene.plan.leases import PATIENCE, Clock
from xene.store import agents, db, leases, runs

NO_ROUTE = Unreachable("no route to host", code="NoRoute")
LOST_AFTER = 16.0
REPLACE = {"onLost": "replace", "lostAfter": "16s"}


class Ticking:
    """Control's clock, as the test says."""

    def __init__(self) -> None:
        self.boot, self.up = "b1", 1000.0

    def __call__(self) -> Clock:
        return Clock(self.boot, self.up, time.time())


class Tower:
    """Control at work on a host, a turn at a time."""

    def __init__(self, host: Host, state: db.State, clock: Ticking) -> None:
        self.host, self.state, self.clock = host, state, clock
        self.control = Control(host.place, state, open=host.open, clock=clock)

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Turns that reach everybody, until something holds."""
        deadline = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < deadline, f"in vain: {what}"
            self.turn()

    def turn(self) -> None:
        self.control.sessions.retry_now()
        self.control.turn([row.name for row in agents.every(self.state.conn)], 0.02)

    def settle(self) -> None:
        """Turns until nothing follows any more; for what must not happen."""
        for _ in range(10):
            self.turn()

    def held(self, name: str) -> dict[str, bool]:
        """What an agent holds, and whether it is fenced there."""
        return {
            f"{each.workflow}/{each.pipeline}": each.fenced_at is not None
            for each in agents.holdings(self.state.conn, name)
        }

    def lease(self, name: str) -> leases.Row | None:
        return next((row for row in leases.every(self.state.conn) if row.agent == name), None)

    def silent(self, name: str) -> bool:
        """By this clock: the commands in between have the real one."""
        lease = self.lease(name)
        return lease is not None and lease.silent is not None and lease.boot == self.clock.boot

    def lose(self, name: str) -> None:
        """Cut an agent off until control has tried in vain."""
        self.host.fleet[name].trouble = NO_ROUTE
        self.host.fleet[name].cut()
        self.until(lambda: self.silent(name), f"{name} is silent")


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@contextlib.contextmanager
def at_work(host: Host, clock: Ticking) -> Iterator[Tower]:
    with host.state() as state, Lock(state.path) as lock:
        assert lock.acquire()
        tower = Tower(host, state, clock)
        with tower.control:
            yield tower


def start(host: Host, *names: str, placement: dict[str, Any] | None = None, **more: Any) -> None:
    """Agents that ask for leases, and a pipeline on the first of them."""
    for number, name in enumerate(names):
        host.fleet[name].asks = (f"boot-{name}", 50.0 + number, time.time())
        host.fleet[name].play = "wait"
    one = pipeline("x", placement=REPLACE if placement is None else placement, **more)
    host.apply(workflow("shop", {"build": one}), agent(names[0]))
    if names[1:]:
        host.apply(*(agent(name) for name in names[1:]), source="others")


def test_a_grant_is_on_disk_before_it_is_sent_and_echoes_the_agents_reading(
    host: Host, clock: Ticking
) -> None:
    start(host, "a")
    host.fleet["a"].grants.clear()
    with at_work(host, clock) as tower:
        seen = []
        sent = tower.control.sessions.send

        def send(name: str, message: Any, blob: bytes = b"") -> bool:
            if message["type"] == "granted":
                with db.open_for_reading(host.place.state) as state:
                    seen.extend(leases.every(state.conn))
            return sent(name, message, blob)

        tower.control.sessions.send = send  # type: ignore[method-assign]
        tower.until(lambda: host.fleet["a"].grants, "the grant")
        assert host.fleet["a"].grants == [("boot-a", 50.0)]
        (row,) = seen
        assert (row.agent, row.boot, row.up, row.silent) == ("a", "b1", 1000.0, None)


def test_a_lost_agent_is_fenced_and_comes_back(host: Host, clock: Ticking) -> None:
    start(host, "a", "b", concurrencyPolicy="Forbid")
    a, b = host.fleet["a"], host.fleet["b"]
    with at_work(host, clock) as tower:
        (run,) = firing.store(tower.state, "shop", None, {})[0].runs
        tower.until(lambda: run in a.orders and tower.lease("a"), "the run and a lease")
        tower.lose("a")
        clock.up += LOST_AFTER - 0.1
        tower.settle()
        assert tower.held("a") == {"shop/build": False} and tower.held("b") == {}
        clock.up += 0.1
        tower.until(lambda: list(b.has) == ["shop/build"], "b has it")
        assert tower.held("a") == {"shop/build": True} and tower.held("b") == {"shop/build": False}
        assert host.run(run)["phase"] == "Unknown"
        assert "Fenced" in host.reasons("Pipeline")
        # What goes on there, perhaps, holds up nobody.
        assert runs.has_open(tower.state.conn, "shop", "build") is None
        (second,) = firing.store(tower.state, "shop", None, {})[0].runs
        tower.until(lambda: second in b.orders, "a run on b")

        # It comes back: it had killed the run; it is granted nothing before it has let go.
        a.grants.clear()
        a.deaf.add("assign")
        a.record(ev.run_ended(2000.0, run, "Error", "LeaseEnded"))
        a.trouble = None
        tower.until(lambda: host.run(run)["phase"] == "Error", "it is heard")
        assert host.run(run)["reason"] == "LeaseEnded"
        tower.settle()
        assert a.grants == [] and tower.held("a") == {"shop/build": True}
        a.deaf.clear()
        a.cut()
        tower.until(lambda: tower.held("a") == {}, "it lets go")
        tower.until(lambda: a.grants, "a lease for what it gets later")
        assert host.pipelines()["shop/build"]["agent"] == "b"  # it does not move back by itself
        assert host.run(second)["phase"] != "Unknown"


def test_one_that_had_succeeded_before_says_so(host: Host, clock: Ticking) -> None:
    start(host, "a", "b")
    a = host.fleet["a"]
    with at_work(host, clock) as tower:
        (run,) = firing.store(tower.state, "shop", None, {})[0].runs
        tower.until(lambda: run in a.orders and tower.lease("a"), "the run and a lease")
        tower.lose("a")
        a.do(run)
        clock.up += LOST_AFTER
        tower.until(lambda: tower.held("b"), "b has it")
        assert host.run(run)["phase"] == "Unknown"
        a.trouble = None
        tower.until(lambda: host.run(run)["phase"] == "Success", "it is heard")


def test_what_nobody_else_can_take_waits_and_is_renewed(host: Host, clock: Ticking) -> None:
    start(host, "a")
    with at_work(host, clock) as tower:
        tower.until(lambda: tower.lease("a"), "a lease")
        tower.lose("a")
        clock.up += 10 * LOST_AFTER
        tower.settle()
        assert tower.held("a") == {"shop/build": False}
        assert host.pipelines()["shop/build"]["agent"] == "a"
        host.fleet["a"].trouble = None
        tower.until(lambda: not tower.silent("a"), "it is renewed")
        tower.settle()
        assert tower.held("a") == {"shop/build": False}
        tower.lose("a")
    host.apply(agent("b"), source="others")
    with at_work(host, clock) as tower:
        tower.until(lambda: tower.silent("a"), "a is silent, by this clock")
        clock.up += LOST_AFTER
        tower.until(lambda: tower.held("b") == {"shop/build": False}, "whoever comes later gets it")


def test_wait_has_no_end(host: Host, clock: Ticking) -> None:
    start(host, "a", "b", placement={})
    with at_work(host, clock) as tower:
        tower.settle()
        host.fleet["a"].trouble = NO_ROUTE
        host.fleet["a"].cut()
        tower.until(lambda: host.agents()["a"]["phase"] == "Unreachable", "it is away")
        clock.up += 1e6
        tower.settle()
        assert tower.held("a") == {"shop/build": False} and tower.held("b") == {}


def test_one_that_is_connected_and_asks_no_more_is_lost_too(host: Host, clock: Ticking) -> None:
    """A daemon that is stopped: its host answers everything that the kernel and sshd answer."""
    start(host, "a", "b")
    a, b = host.fleet["a"], host.fleet["b"]
    with at_work(host, clock) as tower:
        (run,) = firing.store(tower.state, "shop", None, {})[0].runs
        tower.until(lambda: run in a.orders and tower.lease("a"), "the run and a lease")
        tower.settle()
        a.asks, a.deaf = None, {"assign"}
        clock.up += LOST_AFTER
        tower.until(lambda: tower.silent("a"), "it is missed")
        assert host.agents()["a"]["phase"] == "Ready"
        clock.up += PATIENCE
        b.ask()
        tower.until(lambda: tower.held("b") == {"shop/build": False}, "b has it")
        assert host.agents()["a"]["phase"] == "Ready"  # it may only just have come back, and be about to ask
        clock.up += PATIENCE
        tower.until(lambda: host.agents()["a"]["phase"] == "NotReady", "it hangs")
        assert host.run(run)["phase"] == "Unknown"
        assert host.reasons("Agent").count(leasing.SILENT) == 1


def test_control_that_starts_again_counts_on_and_after_a_boot_from_the_beginning(
    host: Host, clock: Ticking
) -> None:
    start(host, "a", "b")
    with at_work(host, clock) as tower:
        tower.until(lambda: tower.lease("a"), "a lease")
    host.fleet["a"].trouble = NO_ROUTE
    clock.up += 12
    with at_work(host, clock) as tower:
        tower.until(lambda: tower.silent("a"), "a is silent")
        clock.up += PATIENCE - 1.1  # its lease ends in this moment; control has listened for 4 s
        tower.settle()
        assert tower.held("b") == {}
        clock.boot, clock.up = "b2", 3.0
    with at_work(host, clock) as tower:
        tower.settle()
        clock.up += LOST_AFTER - 0.1
        tower.settle()
        assert tower.held("b") == {}
        clock.up += 0.1
        tower.until(lambda: tower.held("b"), "b has it")


def test_nobody_is_lost_because_nobody_listened(host: Host, clock: Ticking) -> None:
    """Control was off for a week: what is there is asked before anything moves."""
    start(host, "a", "b")
    with at_work(host, clock) as tower:
        tower.until(lambda: tower.lease("a"), "a lease")
    clock.up += 7 * 86400
    with at_work(host, clock) as tower:
        tower.until(
            lambda: tower.lease("a") == leases.Row("a", "b1", clock.up, tower.lease("a").at, None), "renewed"
        )
        tower.settle()
        assert tower.held("a") == {"shop/build": False} and tower.held("b") == {}


def test_one_that_was_never_granted_anything_is_lost_after_as_long_a_silence(
    host: Host, clock: Ticking
) -> None:
    start(host, "a", "b")
    with host.state() as state:
        state.conn.execute("DELETE FROM leases")
    with at_work(host, clock) as tower:
        tower.lose("a")
        clock.up += LOST_AFTER - 0.1
        tower.settle()
        assert tower.held("b") == {}
        clock.up += 0.1
        tower.until(lambda: tower.held("b"), "b has it")
        fenced = tower.state.conn.execute("SELECT fenced_at FROM holdings WHERE agent = 'a'").fetchone()
        assert fenced == (0.0,)  # it cannot have fired anything


def test_a_silence_of_long_ago_does_not_cost_what_an_agent_has_just_got(host: Host, clock: Ticking) -> None:
    """It had nothing that wants a lease, so that it asked for none; and it is there, since it can be told."""
    start(host, "a", "b")
    with host.state() as state:
        state.conn.execute("DELETE FROM leases")
        leases.put(state.conn, [leases.Row("b", "b1", None, None, 100.0)])
    with at_work(host, clock) as tower:
        tower.lose("a")
        clock.up += LOST_AFTER
        tower.until(lambda: list(host.fleet["b"].has) == ["shop/build"], "b has it")
        tower.settle()
        assert tower.held("b") == {"shop/build": False}
        assert host.pipelines()["shop/build"]["agent"] == "b"


def test_an_agent_that_is_removed_as_lost(host: Host, clock: Ticking) -> None:
    start(host, "a", "b")
    with at_work(host, clock) as tower:
        (run,) = firing.store(tower.state, "shop", None, {})[0].runs
        tower.until(lambda: run in host.fleet["a"].orders and tower.lease("a"), "the run and a lease")
        tower.lose("a")
        clock.up += LOST_AFTER
        tower.until(lambda: tower.held("b"), "b has it")
    removing.remove(host.place, "a", lost=True, open=host.open)
    row = host.run(run)
    assert (row["phase"], row["reason"]) == ("Error", "AgentLost")
    with host.state() as state:
        assert [row.agent for row in leases.every(state.conn)] == ["b"]


def test_a_take_over_does_not_trust_what_the_copy_knows(host: Host) -> None:
    start(host, "a")
    with host.state() as state, state.transaction() as conn:
        now = leasing.read_clock()
        leases.put(conn, [leases.Row("a", now.boot, now.up - 1000, 5.0, now.up - 900)])
    host.fleet["a"].trouble = NO_ROUTE
    reconciling.reconcile(host.place, take_over=True, open=host.open)
    with host.state() as state:
        (row,) = leases.every(state.conn)
    assert row.boot == now.boot and row.up is not None and row.up >= now.up
    assert row.at is not None and row.at >= now.wall and row.silent is not None and row.silent >= now.up


def test_a_pass_waits_until_leases_are_asked_for_but_not_for_ever(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "ASKING", 0.5)
    start(host, "a")
    a = host.fleet["a"]
    a.grants.clear()
    reconciling.reconcile(host.place, open=host.open)
    assert a.grants == [("boot-a", 50.0)]
    a.asks = None
    began = time.monotonic()
    reconciling.reconcile(host.place, open=host.open)
    assert time.monotonic() - began >= reconciling.ASKING  # it had its chance


@pytest.mark.parametrize(
    "lies",
    [
        {"boot": "", "up": 1.0},
        {"boot": "b", "up": "1"},
        {"boot": "b", "up": True},
        {"boot": "b" * 201, "up": 1.0},
        {"boot": 5, "up": 1.0},
        {"up": 1.0},
        {"boot": "b", "up": 1e999},
    ],
)
def test_an_ask_that_makes_no_sense_is_none(lies: dict[str, Any]) -> None:
    assert leasing.ask_of(lies) is None
    assert leasing.ask_of({"boot": "b", "up": 1, "at": "late"}) == leasing.Ask("b", 1.0, None)


def test_apply_warns_where_nobody_is_at_work(host: Host) -> None:
    shop = workflow("shop", {"build": pipeline("x", placement=REPLACE), "b": pipeline("y")})
    assert host.apply(shop, agent("a")).stopping == ["shop/build"]
    with host.state() as state, Lock(state.path) as lock:
        assert lock.acquire()
        assert not host.apply(shop, agent("a")).stopping
