"""What TASK[/STEP] of `xene logs` names."""

from __future__ import annotations

import re

import pytest

from tests.commands import shapes
from xene.commands.logs import chosen
from xene.errors import NotFound

INSTANCE = "test[linux/amd64,true]"
STEPS = [{"name": "go"}, {"name": "look"}]
RUN = shapes.run(tasks={"test": shapes.task(steps=[]), INSTANCE: shapes.task(steps=STEPS)})


@pytest.mark.parametrize(
    ("part", "task", "step"),
    [
        (None, None, None),
        ("test", "test", None),
        ("test/go", "test", "go"),
        (INSTANCE, INSTANCE, None),
        (f"{INSTANCE}/look", INSTANCE, "look"),
    ],
)
def test_what_is_chosen(part: str | None, task: str | None, step: str | None) -> None:
    assert chosen(RUN, part) == (task, step)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("tst/go", "has no task tst"),
        ("test/og", "has no step og"),
        (f"{INSTANCE}/og", "has no step og"),
        ("test[linux/arm64,true]", "has no task test[linux"),
    ],
)
def test_what_is_not_there(part: str, says: str) -> None:
    with pytest.raises(NotFound, match=re.escape(says)):
        chosen(RUN, part)
