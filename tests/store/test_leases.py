"""How long each holding may outlive its grant, whatever of what it was told the agent has got."""

from __future__ import annotations

import pytest

from tests.store.conftest import Filled
from xene.store import agents, leases


class Holder:
    """One agent that holds one pipeline."""

    def __init__(self, filled: Filled) -> None:
        self.conn = filled.state.conn
        agents.intend(self.conn, [("w", "p", "local")])

    def tell(self, tag: str, bound: float | None) -> None:
        leases.sent(self.conn, "local", {"w/p": (tag, bound)})

    def confirm(self, tag: str) -> None:
        agents.confirm(self.conn, "local", {"w/p": tag}, [])

    @property
    def bound(self) -> float | None:
        (row,) = agents.holdings(self.conn, "local")
        assert leases.bounds(self.conn) == ([] if row.bound is None else [("w/p", "local", row.bound)])
        return row.bound


@pytest.fixture
def holder(filled: Filled) -> Holder:
    return Holder(filled)


def test_until_it_is_confirmed_the_longer_bound_holds(holder: Holder) -> None:
    assert holder.bound is None  # it is not known what it is told
    holder.tell("t1", 60.0)
    assert holder.bound == 60.0
    holder.confirm("t1")
    holder.tell("t2", 16.0)
    assert holder.bound == 60.0
    holder.confirm("t2")
    assert holder.bound == 16.0
    holder.tell("t3", 90.0)
    assert holder.bound == 90.0
    holder.tell("t3", 90.0)  # said again on another connection
    holder.confirm("t3")
    assert holder.bound == 90.0


def test_what_may_still_be_held_without_a_lease_is_never_replaced(holder: Holder) -> None:
    holder.tell("t1", None)
    holder.confirm("t1")
    holder.tell("t2", 16.0)
    assert holder.bound is None
    holder.confirm("t1")  # late, of the first
    assert holder.bound is None
    holder.confirm("t2")
    assert holder.bound == 16.0
    holder.tell("t3", None)
    assert holder.bound is None


def test_to_and_fro_before_anything_is_confirmed(holder: Holder) -> None:
    """A late answer to the first must not be taken for one to the third."""
    holder.tell("t1", 16.0)
    holder.tell("t2", 90.0)
    holder.tell("t1", 16.0)
    holder.confirm("t1")
    assert holder.bound == 90.0
    holder.tell("t4", 16.0)
    holder.confirm("t4")
    assert holder.bound == 16.0


def test_a_home_from_an_older_copy_may_have_anything(holder: Holder) -> None:
    holder.tell("t1", 16.0)
    holder.confirm("t1")
    agents.rewound(holder.conn, 100.0, "local")
    assert holder.bound is None
    holder.tell("t1", 16.0)
    assert holder.bound is None
    holder.confirm("t1")
    assert holder.bound == 16.0


def test_a_fence_stays_until_the_agent_lets_go(holder: Holder) -> None:
    holder.tell("t1", 16.0)
    assert not leases.is_fenced(holder.conn, "local")
    leases.fence(holder.conn, 100.0, "w/p", "local", 90.0)
    assert leases.is_fenced(holder.conn, "local") and leases.bounds(holder.conn) == []
    assert leases.fenced(holder.conn) == {("w/p", "local")}
    holder.confirm("t1")
    assert leases.is_fenced(holder.conn, "local")
    agents.confirm(holder.conn, "local", {}, ["w/p"])
    assert not leases.is_fenced(holder.conn, "local")
