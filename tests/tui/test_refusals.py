"""Every key of an act has an answer on everything that the cursor can stand on, and says what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest

from xene.tui import acts
from xene.tui.acts import Subject
from xene.tui.frame import ACTS
from xene.tui.refusals import KEYS, refusal

ENDED = {"id": "20261123-020000-aaaaaaaa", "phase": "Success", "reason": None}
UNDER_WAY = {**ENDED, "phase": "Running"}


def pipeline(last: dict[str, Any] | None) -> Subject:
    row = {"suspended": False, "open": [], "lastRun": last}
    return Subject("pipeline", "shop/build", row)


def run(row: dict[str, Any], task: str | None = None) -> Subject:
    return Subject("run", row["id"], {**row, "workflow": "shop", "pipeline": "build"}, task)


AGENT = Subject("agent", "build-1", {"cordoned": True, "drained": True})
SUBJECTS = [
    None,
    Subject("workflow", "shop", {"pipelines": [{"suspended": False}]}),
    *(pipeline(last) for last in (None, ENDED, UNDER_WAY)),
    *(run(row) for row in (ENDED, UNDER_WAY)),
    AGENT,
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_not_offered_is_answered(subject: Subject | None) -> None:
    offered = {act.key for act in acts.offers(subject)}
    for key in KEYS.keys() - offered:
        label, _, words = refusal(key, subject).partition(": ")
        assert (key, label) in ACTS and words


@pytest.mark.parametrize(
    ("key", "subject", "words"),
    [
        ("k", run(ENDED), f"Kill: nothing to kill here: run {ENDED['id']} has ended in Success"),
        ("c", pipeline(ENDED), f"Cancel: nothing to cancel here: run {ENDED['id']} has ended in Success"),
        ("R", pipeline(None), "Rerun: shop/build has never run; r runs it"),
        (
            "t", pipeline(UNDER_WAY),
            f"Retry: run {ENDED['id']} goes on (Running); only one that has ended can be started again",
        ),
        ("t", run(ENDED), f"Retry: nothing failed in run {ENDED['id']}; R runs it anew"),
        ("T", run(ENDED), "Retry from here: enter opens the run; put the cursor on one of its tasks there"),
        ("a", run(ENDED), f"Approve: run {ENDED['id']} has ended, and asks nothing any more"),
        ("x", run(UNDER_WAY), f"Reject: run {ENDED['id']} asks nothing now; enter shows its tasks"),
        ("r", AGENT, "Run: it is for a workflow or pipeline, and build-1 is an agent"),
        ("d", AGENT, "Drain: build-1 is drained already; o takes it back"),
        ("o", None, "Cordon: the cursor stands on nothing here that it could be done to; it is for an agent"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_told(key: str, subject: Subject | None, words: str) -> None:
    assert refusal(key, subject) == words


def test_every_key_of_an_act_is_known() -> None:
    assert set(KEYS) == {key for key, _ in ACTS}
