"""Deliveries that come again: the answer that they had, for a week, and only to whom it was given."""

from __future__ import annotations

import sqlite3

import pytest

from tests.store.conftest import Filled
from xene.errors import Conflict
from xene.store import deliveries
from xene.store.deliveries import KEPT, Answered, Delivery

ONE = Delivery("/hooks/shop/triggers/push", "", "72d3162e")
ANSWER = Answered(202, ("20261123-023000-k7q2m4xa", "20261123-023000-k7q2m4xb"))


@pytest.fixture
def conn(filled: Filled) -> sqlite3.Connection:
    with filled.state.transaction() as conn:
        deliveries.keep(conn, 1000.0, ONE, b"body", *ANSWER)
    return filled.state.conn


def test_the_same_gets_the_same_answer(conn: sqlite3.Connection) -> None:
    assert deliveries.seen(conn, 1001.0, ONE, b"body") == ANSWER
    assert deliveries.seen(conn, 1000.0 + KEPT - 1, ONE, b"body") == ANSWER


@pytest.mark.parametrize(
    "other", [ONE._replace(route="/hooks/shop/triggers/tag"), ONE._replace(token="ci"), ONE._replace(key="8")]
)
def test_another_route_sender_or_key_is_another_delivery(conn: sqlite3.Connection, other: Delivery) -> None:
    assert deliveries.seen(conn, 1001.0, other, b"body") is None
    assert deliveries.seen(conn, 1001.0, other, b"another body") is None


def test_another_body_under_its_key_is_a_conflict(conn: sqlite3.Connection) -> None:
    with pytest.raises(Conflict, match="72d3162e came before with another body"):
        deliveries.seen(conn, 1001.0, ONE, b"body ")


def test_after_a_week_it_is_new(conn: sqlite3.Connection) -> None:
    later = 1000.0 + KEPT
    assert deliveries.seen(conn, later, ONE, b"another body") is None
    deliveries.keep(conn, later, ONE, b"another body", 200, ())
    assert deliveries.seen(conn, later, ONE, b"another body") == Answered(200, ())


def test_those_of_more_than_a_week_ago_go_oldest_first(conn: sqlite3.Connection) -> None:
    for n in range(1, 4):
        deliveries.keep(conn, 1000.0 + n, ONE._replace(key=str(n)), b"", 202, ())
    assert deliveries.remove_old(conn, 1000.0, 10) == 0
    assert deliveries.remove_old(conn, 1002.0 + KEPT, 2) == 2
    left = [row[0] for row in conn.execute("SELECT key FROM deliveries ORDER BY at")]
    assert left == ["2", "3"]
    assert deliveries.remove_old(conn, 1002.0 + KEPT, 2) == 1
