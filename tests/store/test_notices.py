"""What is to be told comes to be with the end of a run, whatever the order in which reports come."""

from __future__ import annotations

from typing import Any

from tests.store.conftest import RUN, Filled, workflow
from xene.model import events as ev
from xene.store import notices

STEPS = {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}}
TARGET = {"webhook": {"url": "https://chat.example.com/hook"}}


def watched(filled: Filled, *on: str) -> Filled:
    filled.hear()
    filled.put(workflow("shop", {"build": {**STEPS, "notify": [{"on": list(on), **TARGET}]}}))
    return filled


def told(filled: Filled) -> list[tuple[str, str | None, int | None]]:
    return [(each.kind, each.run, each.attempt) for each in notices.waiting(filled.state.conn)]


def ended(phase: str, run: str = RUN) -> dict[str, Any]:
    return ev.public(ev.run_ended(130.0, run, phase, "StepFailed" if phase == "Error" else None, None))


def retried(filled: Filled, attempt: int, run: str = RUN) -> dict[str, Any]:
    with filled.state.transaction() as conn:
        conn.execute("UPDATE runs SET retry_attempt = ? WHERE id = ?", (attempt, run))
    return ev.public(ev.run_retried(140.0, run, attempt, ["one"]))


def test_an_attempt_that_begins_and_ends_in_one_report_is_told(filled: Filled) -> None:
    watched(filled, "Error", "Recovered")
    filled.run()
    filled.report(ended("Error"))
    filled.report(retried(filled, 2), ended("Error"), first=2)
    filled.report(retried(filled, 3), ended("Success"), first=4)
    assert told(filled) == [("Error", RUN, 1), ("Error", RUN, 2), ("Recovered", RUN, 3)]


def test_a_success_that_was_tried_again_is_no_recovery(filled: Filled) -> None:
    watched(filled, "Error", "Recovered")
    filled.run()
    filled.report(ended("Success"))
    filled.report(retried(filled, 2), first=2)
    filled.report(ended("Success"), first=3)
    assert told(filled) == []
