"""What control says of slots when no agent does."""

from __future__ import annotations

from typing import Any

import pytest

from xene.plan.silence import Span, Watched, spans

NOW = 10_000.0


def watched(**more: Any) -> Watched:
    return Watched(
        **{"key": "w/p", "trigger": "t", "since": 1000.0, "accounted": 0.0, "suspended": False, **more}
    )


def span(each: Watched) -> Span | None:
    return next(spans([each], NOW), None)


def test_what_no_agent_has_is_missed_once_it_is_late() -> None:
    found = span(watched())
    assert found is not None
    assert found[2:6] == (1000.0, NOW - 60, "missed", "NotPlaced") and found.agent is None


def test_it_is_skipped_while_it_is_suspended() -> None:
    found = span(watched(suspended=True))
    assert found is not None and (found.outcome, found.reason) == ("skipped", "Suspended")


@pytest.mark.parametrize(
    ("more", "until"),
    [
        ({"heard_at": NOW - 61}, NOW - 60),
        ({"heard_at": NOW - 60}, None),
        ({"heard_at": NOW - 61, "lost_after": 3600.0}, None),
        ({"heard_at": None}, None),
        ({"heard_at": NOW - 61, "fenced": True}, None),
    ],
)
def test_what_a_silent_agent_has_is_unknown(more: dict[str, Any], until: float | None) -> None:
    found = span(watched(**{"agent": "a", "lost_after": 60.0, **more}))
    assert (None if found is None else found.until) == until
    if found is not None:
        assert (found.outcome, found.reason, found.agent) == ("unknown", "AgentSilent", "a")


@pytest.mark.parametrize(
    ("accounted", "since"), [(0.0, 1000.0), (5000.0, 5000.0), (NOW, None), (NOW - 60, None)]
)
def test_what_is_accounted_for_is_not_said_again(accounted: float, since: float | None) -> None:
    found = span(watched(accounted=accounted))
    assert (None if found is None else found.since) == since
