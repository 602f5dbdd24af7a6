"""The ledger's part of triggers: charges and books rebuilt from any journal, whole, torn or compacted."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.entrusting import charge, key_of, tag_of, zones
from xene.agent import ledger as ledgers
from xene.agent.assigning import KEYS, batches
from xene.agent.charges import pack, unpack
from xene.agent.journal import open_journal
from xene.agent.ledger import Ledger
from xene.engine.slots import Book
from xene.model import events
from xene.model.events import public

KEY = "flow/main"


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "journal")


def opened(path: str) -> Ledger:
    return Ledger(*open_journal(path, events.journal_begun(1.0, "uuid")))


def again(ledger: Ledger) -> Ledger:
    ledger.journal.flush()
    ledger.journal.close()
    return opened(ledger.journal.path)


def known(ledger: Ledger) -> Any:
    return (
        ledger.assignments,
        {key: ledger.charges.get(key) for key in ledger.charges.packed},
        ledger.charges.books,
        ledger.charges.autostart,
        ledger.charges.comes_back,
        ledger.capacity,
        ledger.epoch,
    )


def compact(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "COMPACT_ABOVE", 0)
    ledger._compact_at = 0
    ledger.compact_if_large()


def given_to(ledger: Ledger, *names: str, gone: list[str] | None = None, **more: Any) -> None:
    made = {name: charge(name=name, since=100.0, **more) for name in names}
    ledger.record(
        events.assigned(
            2.0,
            {key_of(each): tag_of(each) for each in made.values()},
            gone or [],
            3,
            {key_of(each): each.to_json() for each in made.values()},
            zones(),
            "cron",
        )
    )


def book(watermark: float) -> dict[str, Any]:
    return dict(Book(watermark, ((watermark - 60, watermark),)).to_json())


def test_a_charge_is_what_it_was() -> None:
    made = charge(since=5.0, params={"sha": "häd\udcff"}, secrets=("TOKEN",), lost_after=60.0, lease=46.0)
    assert unpack(pack(made.to_json())) == made.to_json()


def test_charges_zones_and_books_come_back_from_the_journal(path: str) -> None:
    ledger = opened(path)
    given_to(ledger, "main", "other")
    ledger.record(events.slots_settled(3.0, KEY, "tick", "skipped", "Suspended", "m", [120, 180], book(180)))
    ledger.record(events.autostart_set(4.0, "cron", ""))
    second = again(ledger)
    assert known(second) == known(ledger)
    assert second.charges.zones == zones()
    assert second.charges.books[KEY]["tick"]["watermark"] == 180


def test_nothing_of_a_charge_or_a_book_is_told(path: str) -> None:
    ledger = opened(path)
    given_to(ledger, "main")
    ledger.record(events.slots_settled(3.0, KEY, "tick", "skipped", "Suspended", "m", [120], book(120)))
    compact_now = Ledger.compact_if_large
    ledger._compact_at = 0
    compact_now(ledger)
    for event in ledger.journal.read(0):
        assert not {"charges", "zones", "book", "books", "autostart"} & set(public(event))


def test_a_group_without_its_book_leaves_its_instants_past(path: str) -> None:
    """The tail was torn before the `book`: what is on record is accounted for, and nothing beyond it."""
    ledger = opened(path)
    given_to(ledger, "main")
    ledger.record(events.slots_settled(3.0, KEY, "tick", "missed", "Late", "m", [120, 180, 240]))
    assert again(ledger).charges.books[KEY]["tick"] == {"watermark": 240.0, "holes": [], "again": []}


def test_a_book_of_a_compaction_is_not_undone_by_older_records(path: str, monkeypatch) -> None:
    ledger = opened(path)
    given_to(ledger, "main")
    ledger.record(events.slots_settled(3.0, KEY, "tick", "missed", "Late", "m", [120], book(120)))
    ledger.record(events.slots_settled(3.0, KEY, "tick", "missed", "Late", "m", [180], book(180)))
    ledger.record(events.clock_stepped(Now, -60.0, {KEY: {"tick": book(150)}}))
    compact(ledger, monkeypatch)
    second = again(ledger)
    assert known(second) == known(ledger)
    assert second.charges.books[KEY]["tick"] == book(150)
    second.record(events.book_kept(4.0, KEY, "tick", book(300)))
    assert again(second).charges.books[KEY]["tick"] == book(300)


class Now:
    at, boot, up = 3.0, "boot", 3.0


def test_charges_that_were_replaced_do_not_stay(path: str, monkeypatch) -> None:
    ledger = opened(path)
    for number in range(50):
        given_to(ledger, "main", "other", params={"n": "x" * 1000 + str(number)})
    before = ledger.journal.size
    ledger.journal.flush()
    assert ledger.journal.size > before + 50 * 2000
    compact(ledger, monkeypatch)
    assert ledger.journal.size < 8000
    assert known(again(ledger)) == known(ledger)


def test_a_tag_that_is_confirmed_again_keeps_its_charge(path: str, monkeypatch) -> None:
    ledger = opened(path)
    given_to(ledger, "main", "other")
    ledger.record(
        events.assigned(3.0, {KEY: ledger.assignments[KEY]}, [], 3, {KEY: ledger.charges.get(KEY)}, zones())
    )
    compact(ledger, monkeypatch)
    assert set(again(ledger).charges.packed) == {KEY, "flow/other"}


def test_what_control_has_not_stored_stays(path: str, monkeypatch) -> None:
    ledger = opened(path)
    given_to(ledger, "main")
    for number in range(3000):
        ledger.record(
            events.slots_settled(3.0, KEY, "tick", "missed", "Late", "m", [60 * number], book(60 * number))
        )
    compact(ledger, monkeypatch)
    assert sum(event["type"] == "slots.settled" for event in ledger.journal.read(0)) == 3000
    ledger.heard = ledger.journal.last
    ledger.record(events.slots_settled(3.0, KEY, "tick", "missed", "Late", "m", [60 * 3000], book(60 * 3000)))
    compact(ledger, monkeypatch)
    assert 2000 <= sum(event["type"] == "slots.settled" for event in ledger.journal.read(0)) <= 2002
    assert known(again(ledger)) == known(ledger)


def test_it_is_known_how_far_slots_were_forgotten(path: str, monkeypatch) -> None:
    """So that a control whose state is an older copy sees that it will never hear of them."""
    ledger = opened(path)
    given_to(ledger, "main")
    for number in range(2100):
        at = 60 * number
        ledger.record(events.slots_settled(float(at), KEY, "tick", "missed", "Late", "m", [at], book(at)))
    compact(ledger, monkeypatch)
    ledger = again(ledger)
    assert ledger.forgot is None
    ledger.heard = ledger.journal.last
    compact(ledger, monkeypatch)
    first = next(event for event in ledger.journal.read(0) if event["type"] == "slots.settled")
    assert ledger.forgot == [first["n"] - 1, first["slots"][0] - 60.0]
    second = again(ledger)
    assert second.forgot == ledger.forgot
    compact(second, monkeypatch)
    assert again(second).forgot == ledger.forgot


def test_an_assignment_of_thousands_is_several_records() -> None:
    new = {f"flow/p{number}": "tag" for number in range(5 * KEYS + 1)}
    found = list(batches(1.0, new, ["flow/gone"], 2))
    assert [len(event["set"]) for event in found] == [KEYS] * 5 + [1]
    assert [event["gone"] for event in found] == [["flow/gone"]] + [[]] * 5
    assert {key for event in found for key in event["set"]} == set(new)


NAMES = ("a", "b", "c")
STEP = st.one_of(
    st.tuples(st.just("give"), st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 3)),
    st.tuples(st.just("plain"), st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 3)),
    st.tuples(st.just("take"), st.sets(st.sampled_from(NAMES), min_size=1), st.just(0)),
    st.tuples(st.just("settle"), st.sets(st.sampled_from(NAMES), min_size=1), st.integers(1, 20)),
    st.tuples(st.just("compact"), st.just(frozenset()), st.just(0)),
    st.tuples(st.just("restart"), st.just(frozenset()), st.just(0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, max_size=14))
def test_whatever_happens_a_compacted_journal_says_the_same(steps: list[Any]) -> None:
    """Folded by this agent, and by a control that hears what is left of it from the beginning."""
    with tempfile.TemporaryDirectory() as root:
        ledger = opened(os.path.join(root, "journal"))
        for what, names, number in steps:
            if what == "give":
                given_to(ledger, *sorted(names), params={"n": str(number)})
            elif what == "plain":
                ledger.record(
                    events.assigned(2.0, {f"flow/{n}": f"plain{number}" for n in sorted(names)}, [], 2)
                )
            elif what == "take":
                ledger.record(events.assigned(2.0, {}, [f"flow/{n}" for n in sorted(names)], 2))
            elif what == "settle":
                for name in sorted(names):
                    at = number * 60
                    ledger.record(
                        events.slots_settled(
                            3.0, f"flow/{name}", "tick", "missed", "Late", "", [at], book(at)
                        )
                    )
            elif what == "compact":
                ledger._compact_at = 0
                ledger.compact_if_large()
            else:
                before = known(ledger)
                ledger = again(ledger)
                assert known(ledger) == before
        ledger._compact_at = 0
        ledger.compact_if_large()
        assert told(ledger) == ledger.assignments
        assert known(again(ledger)) == known(ledger)


def told(ledger: Ledger) -> dict[str, str]:
    heard: dict[str, str] = {}
    for event in map(public, ledger.journal.read(0)):
        if event["type"] == "assigned":
            heard.update(event["set"])
            for key in event["gone"]:
                heard.pop(key, None)
    return heard
