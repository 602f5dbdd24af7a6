"""`docs/failure-model.md` names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def named() -> list[tuple[str, str]]:
    """(file, test) of every row; `::test` goes on with the file before it."""
    path, found = "", []
    for file, test in re.findall(
        r"`(tests/[\w/]+\.py)?::(\w+)`", (ROOT / "docs/failure-model.md").read_text()
    ):
        path = file or path
        found.append((path, test))
    return found


def test_every_promise_has_its_test() -> None:
    missing = [f"{file}::{test}" for file, test in named() if test not in functions(file)]
    assert len(named()) > 40 and missing == []


def test_every_row_has_a_test() -> None:
    lines = (ROOT / "docs/failure-model.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| fault", "|---"))]
    assert [line for line in rows if "::test_" not in line] == []
