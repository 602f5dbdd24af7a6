"""`xene schedule` over a state: what is listed, flagged, summed up, and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import Terminal
from tests.control.conftest import pipeline, repository, workflow
from xene.control import apply
from xene.control.apply import Options
from xene.control.place import Place

NIGHT = {"schedule": "30 2 * * *", "timeZone": "Europe/Berlin"}


def applied(home: Path, *things: dict[str, Any]) -> None:
    """Apply objects as JSON."""
    apply.apply(
        Place(str(home / "state.db"), str(home)), repository(*things), Options(yes=True), lambda _: True
    )


def flow(name: str, crons: dict[str, Any], count: int = 1, **spec: Any) -> dict[str, Any]:
    """A workflow whose pipelines, p0 and so on, all name these cron triggers."""
    made = workflow(name, {f"p{n}": pipeline("true", triggers=list(crons)) for n in range(count)})
    made["spec"] |= {"triggers": {key: {"cron": cron} for key, cron in crons.items()}, **spec}
    return made


@pytest.fixture(scope="module")
def home(control_host: Terminal) -> Terminal:
    applied(
        control_host.home,
        flow("shop", {"nightly": NIGHT, "often": {"schedule": "*/5 * * * *", "jitter": "2m"}}),
        flow("crowd", {"hourly": {"schedule": "@hourly"}}, count=4),
        flow(
            "asleep",
            {"daily": {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "dst": {"gap": "skip"}}},
        ),
        flow("still", {"noon": {"schedule": "0 12 * * *"}}, suspend=True),
        workflow("plain"),
    )
    return control_host


WINTER = ("--from", "2026-03-28T12:00:00Z", "--until", "2026-03-29T12:00:00Z")


def test_gaps_are_flagged_in_both_times(home: Terminal) -> None:
    rows = home("schedule", "shop/p0", *WINTER, "--limit", "0", "-o", "json", code=0).json
    (night,) = [row for row in rows if row["trigger"] == "nightly"]
    assert night == {
        "workflow": "shop",
        "pipeline": "p0",
        "trigger": "nightly",
        "at": "2026-03-29T01:00:00.000Z",
        "local": "2026-03-29T03:00:00+02:00",
        "timeZone": "Europe/Berlin",
        "flag": "gap",
        "jitter": 0.0,
        "startsAt": "2026-03-29T01:00:00.000Z",
        "suspended": False,
        "agent": "local",
    }
    often = [row for row in rows if row["trigger"] == "often"]
    assert (
        len(often) == 24 * 12 and len({row["jitter"] for row in often}) == 1 and 0 < often[0]["jitter"] < 120
    )


def test_a_table_for_people(home: Terminal) -> None:
    shown = home("schedule", "shop", *WINTER, "--limit", "0", code=0).out
    (line,) = [line for line in shown.splitlines() if "nightly" in line]
    cells = re.split(" {2,}", line)
    assert cells[:5] == ["2026-03-29 01:00", "Sun 2026-03-29 03:00", "Europe/Berlin", "shop/p0", "nightly"]
    assert cells[5:] == ["-", "local", "gap: no such time that day"]


def test_a_limit_is_told(home: Terminal) -> None:
    done = home("schedule", "shop", *WINTER, "--limit", "7", code=0)
    assert len(done.out.splitlines()) == 8 and "--limit 0 shows all" in done.err
    assert len(home("schedule", *WINTER, "-o", "json", code=0).json) == 50


def test_the_most_crowded_minutes(home: Terminal) -> None:
    shown = home("schedule", "crowd", "--from", "2026-01-01", "--until", "2026-01-01T02:00:00Z", code=0).out
    assert "Most runs in one minute\n  local: 2026-01-01T00:00Z 4, 2026-01-01T01:00Z 4\n" in shown
    assert "Most runs" not in home("schedule", "shop/p0", "--from", "2026-01-01", code=0).out


def test_what_is_suspended_is_said(home: Terminal) -> None:
    shown = home("schedule", "still", "--from", "2026-01-01", code=0).out
    assert shown.splitlines()[1].endswith("suspended")


def test_a_slot_that_a_gap_takes_away(home: Terminal) -> None:
    made = flow(
        "gaps", {"daily": {"schedule": "30 2 * * *", "timeZone": "Europe/Berlin", "dst": {"gap": "skip"}}}
    )
    other = Terminal(home.home.parent / "other", home.cwd)
    applied(other.home, made)
    done = other("schedule", *WINTER, code=0)
    assert done.out.startswith("no slot of gaps/p0 daily on 2026-03-29") and "gap: skip" in done.out
    assert "the next is 2026-03-30T00:30:00.000Z, gaps/p0 daily" in done.err


def test_nothing_is_due(home: Terminal) -> None:
    done = home("schedule", "still", "--from", "2026-01-01", "--until", "2026-01-01T01:00:00Z", code=0)
    assert done.out == "" and "the next is 2026-01-01T12:00:00.000Z, still/p0 noon" in done.err
    nobody = Terminal(home.home.parent / "nobody", home.cwd)
    assert "there are no cron triggers" in nobody("schedule", code=0).err
    assert nobody("schedule", "-o", "json", code=0).json == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["shoop"], 4, "did you mean 'shop'"),
        (["plain"], 4, "with a cron trigger"),
        (["--from", "soon"], 2, "neither a duration nor a time"),
        (["--from", "2026-01-02", "--until", "2026-01-01"], 2, "is not later than --from"),
        (["--from", "2026-01-01T00:00:00"], 2, "has no offset"),
        (["--limit", "-1"], 2, "a count is wanted"),
        (["-o", "name"], 2, "-o name is not known here"),
    ],
)
def test_what_is_refused(home: Terminal, words: list[str], code: int, told: str) -> None:
    assert told in home("schedule", *words, code=code).err


def test_times_count_from_now_on(home: Terminal) -> None:
    rows = home("schedule", "crowd/p0", "--from", "-2h", "--until", "+2h", "-o", "json", code=0).json
    assert len(rows) == 4
    assert len(home("schedule", "crowd/p0", "--from", "-2h", "--until", "2h", "-o", "json", code=0).json) == 4
    assert len(home("schedule", "crowd/p0", "--from", "now", "--until", "1h", "-o", "json", code=0).json) == 1


def test_diff_shows_how_next_fires_change(home: Terminal) -> None:
    from xene.commands import plans
    from xene.control.place import Place

    changed = flow("shop", {"nightly": {**NIGHT, "schedule": "30 4 * * *"}, "new": {"schedule": "0 0 1 1 *"}})
    seen = apply.preview(
        Place(str(home.home / "state.db"), str(home.home)),
        repository(changed, complete=False),
        Options(),
    )
    by_trigger = {each.trigger: each for each in seen.next_fires}
    assert set(by_trigger) == {"nightly", "new", "often"}
    text = plans.text(seen, color=False)
    assert "Next fires\n  + shop/p0 new: " in text and "-01-01T00:00:00Z\n" in text
    assert "  ~ shop/p0 nightly: " in text and " 02:30 Europe/Berlin) -> " in text
    assert "  - shop/p0 often: " in text
    data = json.loads(json.dumps(plans.as_json(seen)))["nextFires"]
    assert [each["trigger"] for each in data] == ["new", "nightly", "often"]
    assert data[0]["before"] is None and data[0]["after"]["at"].endswith("-01-01T00:00:00.000Z")
    assert data[1]["after"]["local"][11:16] == "04:30" and data[2]["after"] is None
