"""Phases as lists show them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands import shapes
from xene.plan import phase_words


@pytest.mark.parametrize(("suspended", "words"), [(False, "Scheduled"), (True, "Scheduled,Suspended")])
def test_pipelines(suspended: bool, words: str) -> None:
    assert phase_words.pipeline({**shapes.pipeline(), "suspended": suspended}) == words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "Ready"),
        ({"cordoned": True}, "Ready,Cordoned"),
        ({"cordoned": True, "drained": True, "pipelines": 0, "capacityUsed": 0}, "Ready,Drained"),
        ({"cordoned": True, "drained": True, "pipelines": 9, "capacityUsed": 0}, "Ready,Draining"),
        ({"cordoned": True, "drained": True, "pipelines": 0, "capacityUsed": 1}, "Ready,Draining"),
        ({"phase": "Unreachable", "cordoned": True}, "Unreachable,Cordoned"),
    ],
)
def test_agents(more: dict[str, Any], words: str) -> None:
    assert phase_words.agent(shapes.agent(**more)) == words
