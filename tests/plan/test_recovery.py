"""What is left of runs when an agent is not what it was."""

from __future__ import annotations

from xene.plan import recovery
from xene.plan.orders import RunView

NEVER = RunView("never", "w/p", "a", "Queued")
SENT = RunView("sent", "w/p", "a", "Queued", sent_journal="old")
KNOWN = RunView("known", "w/p", "a", "Running", sent_journal="old", known=True)
ENDED = RunView("ended", "w/p", "a", "Success", sent_journal="old", known=True, ended=True)
ARCHIVED = ENDED._replace(id="archived", archived=True)
RUNS = [NEVER, SENT, KNOWN, ENDED, ARCHIVED]


def test_the_same_journal_loses_nothing() -> None:
    assert recovery.on_hello("a", "old", RUNS) == recovery.Loss()


def test_another_journal_loses_what_was_sent_under_the_old_one() -> None:
    loss = recovery.on_hello("a", "new", RUNS)
    assert [(lost.run, lost.reason) for lost in loss.runs] == [("sent", "AgentLost"), ("known", "AgentLost")]
    assert loss.logs == ("ended",)
    sent, known = (lost.message for lost in loss.runs)
    assert "whether it had started is not known" in sent and "wiped or restored" in sent
    assert "while the run was Running there" in known


def test_a_second_time_it_loses_nothing_more() -> None:
    loss = recovery.on_hello("a", "new", RUNS)
    gone = {lost.run for lost in loss.runs} | set(loss.logs)
    after = [
        run._replace(ended=run.ended or run.id in gone, archived=run.archived or run.id in gone)
        for run in RUNS
    ]
    assert recovery.on_hello("a", "new", after) == recovery.Loss()


def test_silence_makes_unknown_what_was_sent_and_had_not_ended() -> None:
    assert recovery.on_silence(RUNS) == ("sent", "known")


def test_a_removed_agent_takes_its_runs_with_it_but_for_those_never_sent() -> None:
    loss = recovery.on_removal("a", RUNS)
    assert [lost.run for lost in loss.runs] == ["sent", "known"] and loss.logs == ("ended",)
    assert all("removed as lost" in lost.message for lost in loss.runs)
