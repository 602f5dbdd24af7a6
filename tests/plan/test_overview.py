"""Words and marks of `xene status`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands import shapes
from xene.model.units import rfc3339
from xene.plan import overview
from xene.plan.drawing.spans import text_of

NOW = shapes.NOW
SLOTS = {outcome: {"count": 0, "newest": None, "at": None} for outcome in ("missed", "expired", "unknown")}
CALM = {"unknownRuns": {"count": 0, "newest": None}, "slots": SLOTS}


def pipeline(**more: Any) -> dict[str, Any]:
    return {**shapes.pipeline(), "runs": [], "open": [], "followers": None, **more}


def kind(**more: Any) -> dict[str, Any]:
    plain = {
        "phase": "Queued",
        "reason": None,
        "agent": "build-1",
        "count": 1,
        "oldest": "R",
        "message": None,
    }
    return {**plain, "since": None, **more}


READY, AWAY = shapes.agent(), shapes.agent(phase="Unreachable")


@pytest.mark.parametrize(
    ("row", "agent", "words"),
    [
        (pipeline(), READY, ""),
        (
            pipeline(phase="NotScheduled", reason="NoAgentMatches", message="none has gpu"),
            READY,
            "not placed, NoAgentMatches: none has gpu",
        ),
        (pipeline(reason="AgentBehind", message="old"), READY, "AgentBehind: old"),
        (pipeline(open=[kind(count=3)]), READY, "3 runs Queued: the next pass sends it"),
        (pipeline(open=[kind()]), AWAY, "1 run Queued: build-1 is Unreachable"),
        (pipeline(open=[kind()]), None, "1 run Queued: agent build-1 has gone"),
        (
            pipeline(open=[kind(reason="WaitingForCapacity")]),
            READY,
            "1 run Queued, WaitingForCapacity",
        ),
        (pipeline(open=[kind(phase="Running")]), READY, ""),
        (
            pipeline(open=[kind(phase="Running", reason="WaitingForApproval")]),
            READY,
            "1 run for approval: xene why run/R",
        ),
        (
            pipeline(open=[kind(), kind(phase="Unknown", count=2)]),
            AWAY,
            "2 runs Unknown: build-1 is Unreachable; 1 run Queued: build-1 is Unreachable",
        ),
        (
            pipeline(followers={"count": 2, "needs": ["build", "test"]}),
            READY,
            "2 fires until build, test has ended",
        ),
    ],
)
def test_what_waits_and_why(row: dict[str, Any], agent: dict[str, Any] | None, words: str) -> None:
    assert overview.waits(row, {} if agent is None else {"build-1": agent}) == words


def test_a_strip_is_cut_from_the_left() -> None:
    runs = [shapes.run(phase=phase) for phase in ("Success", "Error", "Unknown", "Running")]
    assert text_of(overview.strip(runs, 3)) == "✗?●"
    assert [span.style for span in overview.strip(runs, 2)] == ["Unknown", "Running"]


def took(seconds: float | None, phase: str = "Success", *, ended: bool = True) -> dict[str, Any]:
    """A run that began so many seconds ago, and ended now if it did."""
    began = None if seconds is None else rfc3339(NOW - seconds)
    return shapes.run(phase=phase, startedAt=began, finishedAt=rfc3339(NOW) if ended and began else None)


@pytest.mark.parametrize(
    ("runs", "bars"),
    [
        ([], ""),
        ([took(8), took(4), took(1), took(None, "Queued")], "█▅▂ "),
        ([took(8), took(900, "Running", ended=False)], "██"),  # the scale is of those that have ended
        ([took(2, "Running", ended=False)], "█"),
        ([took(0), took(0)], "▁▁"),
    ],
)
def test_how_long_the_last_runs_took(runs: list[dict[str, Any]], bars: str) -> None:
    assert text_of(overview.lengths(runs, 20, NOW)) == bars


def test_how_the_last_run_ended() -> None:
    run = {"id": "R", "phase": "Error"}
    assert overview.last(None, []) == "no run yet"
    assert overview.last(run, []) == "R Error"
    assert overview.last(run, [shapes.run(id="R", reason="Cancelled")]) == "R Error, Cancelled"


def test_nobody_knows_how_long_an_unknown_run_takes() -> None:
    lost = took(900, "Unknown", ended=False)
    assert text_of(overview.newest([lost], NOW)) == "Unknown"
    assert text_of(overview.lengths([took(5), lost], 20, NOW)) == "█ "
    assert text_of(overview.history([lost], NOW)).strip() == "?"


def test_the_last_runs_with_their_lengths_newest_first() -> None:
    runs = [took(5, "Error"), took(90), took(None, "Queued")]
    assert text_of(overview.history(runs, NOW)) == "◌  ✓ 1m30s  ✗ 5s  "
    assert overview.lengths(runs, 2, NOW)[0].style == "Success"


def test_the_newest_run_and_how_long_it_took() -> None:
    ended = shapes.run(phase="Error", finishedAt="2026-11-23T02:29:13.000Z")
    assert text_of(overview.newest([ended], NOW)) == "Error 3s"
    assert text_of(overview.newest([shapes.run()], NOW)) == "Running 50s"
    assert text_of(overview.newest([shapes.run(phase="Queued", startedAt=None)], NOW)) == "Queued"
    assert text_of(overview.newest([], NOW)) == "-"


def test_countdowns() -> None:
    assert overview.countdown(None, NOW) == "-"
    assert overview.countdown("2026-11-23T02:33:00.000Z", NOW) == "in 3m"
    assert overview.countdown("2026-11-23T02:30:00.000Z", NOW) == "now"


def test_what_is_far_off_may_be_told_less_exactly() -> None:
    """The last minute, before and after, is told by the second."""
    for seconds, told in ((0.5, "0s"), (12, "12s"), (59.9, "59s"), (72, "1m10s"), (3599, "59m")):
        assert overview.countdown(rfc3339(NOW + seconds), NOW, overview.by_tens) == f"in {told}"
        assert overview.ago(rfc3339(NOW - seconds), NOW, overview.by_tens) == told


def test_alarms_only_where_there_is_something() -> None:
    assert overview.alarms(CALM, NOW) == []
    missed = {"count": 2, "newest": "shop/build/nightly", "at": "2026-11-23T00:30:00.000Z"}
    found = {"unknownRuns": {"count": 1, "newest": "R"}, "slots": {**SLOTS, "missed": missed}}
    texts = [alarm.text for alarm in overview.alarms(found, NOW)]
    assert texts == [
        "1 run Unknown: may be going on, or have ended; newest R",
        "2 slots missed in 7 days, newest shop/build/nightly 2h ago",
    ]
    assert [alarm.command for alarm in overview.alarms(found, NOW)] == [
        "xene get runs --phase Unknown",
        "xene get slots --outcome missed",
    ]


def test_who_is_at_work() -> None:
    at_work = {"controller": {"pid": 12}, "asOf": "2026-11-23T02:29:00.000Z"}
    assert text_of(overview.control(at_work, NOW)) == "control:  at work, process 12"
    alone = text_of(overview.control({**at_work, "controller": None}, NOW, "a pass"))
    assert alone == "control:  no controller is at work: as of 2026-11-23T02:29:00.000Z, 1m ago; a pass"
    assert "no agent was ever heard" in text_of(overview.control({"controller": None, "asOf": None}, NOW))


def test_the_directory_that_is_followed() -> None:
    good = {
        "directory": "/srv/ops",
        "revision": "0123456789abcdef",
        "error": None,
        "appliedAt": "2026-11-23T02:29:00Z",
    }
    assert text_of(overview.repository(good, NOW)) == "repo:     /srv/ops at 0123456789ab, applied 1m ago"
    bad = overview.repository({**good, "error": "a.yaml:1:1: no"}, NOW)
    assert text_of(bad) == "repo:     /srv/ops at 0123456789ab is NOT applied: a.yaml:1:1: no"
    assert bad[-1].style == "Error"
    assert overview.repository(None, NOW) == ()


def test_agents() -> None:
    assert overview.load(READY) == "1/4" and overview.load(shapes.agent(capacity=None)) == "1/?"
    assert (
        overview.seen(READY, NOW) == "30s ago"
        and overview.seen(shapes.agent(lastSeenAt=None), NOW) == "never"
    )


@pytest.mark.parametrize(("age", "shown"), [(0.0, 0.0), (9.9, 0.0), (10.0, 10.0), (129.0, 120.0)])
def test_ages_that_go_on_by_tens(age: float, shown: float) -> None:
    assert overview.by_tens(age) == shown
