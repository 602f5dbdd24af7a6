"""docs/state.md says what is there: every view with its columns, and queries that run."""

from __future__ import annotations

import os
import re

import pytest

from tests.store.conftest import Filled

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "state.md")


@pytest.fixture(scope="module")
def page() -> str:
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def test_every_view_and_column_is_named(filled: Filled, page: str) -> None:
    told = dict(re.findall(r"^\| `(xene_\w+)` \| (.+) \|$", page, re.MULTILINE))
    rows = filled.state.conn.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    there = {
        name: ", ".join(row[1] for row in filled.state.conn.execute(f"PRAGMA table_info({name})"))
        for (name,) in rows
    }
    assert told == there


def test_every_query_runs(filled: Filled, page: str) -> None:
    queries = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    assert len(queries) >= 3
    for query in queries:
        filled.state.conn.execute(query).fetchall()
