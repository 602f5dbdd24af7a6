"""Which instants a backfill starts runs for: by what the ledger says, what ran, and what is asked for."""

from __future__ import annotations

import pytest

from xene.plan.backfill import ALL, FAILED, NONE, choose
from xene.store.backfills import Past

AT, RECKONED = 1000.0, 5000.0


def chosen(past: Past, reprocess: str) -> bool:
    (choice,) = choose([AT], {AT: past}, RECKONED, reprocess)
    assert choice.why and choice.at == AT
    return choice.starts


STARTS = {
    "missed": (Past(AT, "missed", "Late"), {NONE, FAILED, ALL}),
    "expired": (Past(AT, "expired", "DeadlinePassed"), {NONE, FAILED, ALL}),
    "skipped": (Past(AT, "skipped", "Suspended"), {NONE, FAILED, ALL}),
    "a silent agent may have fired it": (Past(AT, "unknown", "AgentSilent", settled=False), {ALL}),
    "an agent may still fire it": (Past(AT, "missed", "NotPlaced", settled=False), set()),
    "fired, and well": (Past(AT, "fired", run="r", phase="Success"), {ALL}),
    "fired, and goes on": (Past(AT, "fired", run="r", phase="Running"), {ALL}),
    "fired, and failed": (Past(AT, "fired", run="r", phase="Error"), {FAILED, ALL}),
    "fired, and forgotten": (Past(AT, "fired", run="r"), {ALL}),
    "backfilled": (Past(AT, "missed", "Late", run="r", phase="Success", backfilled=True), {ALL}),
    "backfilled, and failed": (Past(AT, None, run="r", phase="Error", backfilled=True), {FAILED, ALL}),
    "by the backfill that goes on": (
        Past(AT, "missed", run="r", phase="Error", backfilled=True, goes_on=True),
        set(),
    ),
}


@pytest.mark.parametrize("what", STARTS)
@pytest.mark.parametrize("reprocess", [NONE, FAILED, ALL])
def test_what_is_run_again(what: str, reprocess: str) -> None:
    past, starts = STARTS[what]
    assert chosen(past, reprocess) is (reprocess in starts)


@pytest.mark.parametrize("reprocess", [NONE, FAILED, ALL])
def test_an_instant_without_a_slot(reprocess: str) -> None:
    """What its agent has not accounted for yet is left to it: it may have fired it."""
    found = choose([1000, 5000, 5060], {}, RECKONED, reprocess)
    assert [(choice.at, choice.starts) for choice in found] == [(1000, True), (5000, True), (5060, False)]


def test_instants_of_an_older_schedule_are_in_the_ledger_alone() -> None:
    found = choose([1060], {1000.0: Past(1000.0, "missed", "Late")}, RECKONED, NONE)
    assert [choice.at for choice in found] == [1000.0, 1060]
