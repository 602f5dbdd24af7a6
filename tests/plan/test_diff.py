"""The plan of an apply and its guards."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.errors import Conflict
from xene.model import codec
from xene.plan import diff as diffing
from xene.plan.diff import Plan, Thing, diff
from xene.plan.guards import ASK, GO, REFUSE, judge


def thing(
    name: str, value: Any = 1, source: str = "here", kind: str = "Workflow", generation: int = 0
) -> Thing:
    data = {"metadata": {"name": name}, "spec": {"value": value}}
    return Thing(kind, name, source, codec.digest(data), lambda: data, generation)


def stored(name: str, value: Any = 1, source: str = "here", generation: int = 1) -> Thing:
    return thing(name, value, source, generation=generation)


def actions(plan: Plan) -> dict[str, str]:
    return {change.name: change.action for change in plan.changes}


def test_created_changed_removed_unchanged() -> None:
    plan = diff(
        [thing("new"), thing("same"), thing("other", 2)],
        [stored("same"), stored("other"), stored("gone"), stored("theirs", source="there")],
        "here",
        True,
    )
    assert actions(plan) == {"new": "created", "same": "unchanged", "other": "changed", "gone": "removed"}
    assert (plan.owned, plan.wanted, plan.conflicts, plan.differs) == (3, 3, (), True)
    assert [change.fields for change in plan.changes if change.name == "other"] == [(("spec.value", 1, 2),)]


def test_one_name_under_two_kinds_is_two_objects() -> None:
    plan = diff([thing("x", kind="Agent"), thing("x")], [stored("x")], "here", True)
    assert [(change.kind, change.action) for change in plan.changes] == [
        ("Agent", "created"),
        ("Workflow", "unchanged"),
    ]


def test_less_than_the_whole_source_never_prunes_nor_does_no_prune() -> None:
    assert not diff([], [stored("gone")], "here", False).differs
    assert not diff([], [stored("gone")], "here", True, prune=False).differs


def test_an_object_of_another_source_is_a_conflict_unless_taken_over() -> None:
    theirs = [stored("x", source="there")]
    plan = diff([thing("x")], theirs, "here", True)
    assert [conflict.message for conflict in plan.conflicts] == ["Workflow x belongs to the source there"]
    assert plan.changes == () and plan.differs
    taken = diff([thing("x")], theirs, "here", True, take_over=True)
    assert [(change.action, change.taken_from, change.fields) for change in taken.changes] == [
        ("changed", "there", ())
    ]
    assert taken.conflicts == ()


def test_unchanged_objects_are_never_loaded() -> None:
    def loud() -> dict[str, Any]:
        raise AssertionError("loaded")

    same = [Thing("Workflow", f"w{number}", "here", "d", loud) for number in range(3)]
    created, gone = Thing("Workflow", "new", "here", "d", loud), Thing("Workflow", "gone", "here", "d", loud)
    plan = diff([*same, created], [*same, gone], "here", True)
    assert [change.fields for change in plan.changes] == [()] * 5


sides = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=4, unique_by=lambda each: each[0]
)


@given(sides, sides, st.randoms())
def test_the_digest_is_of_both_sides_whatever_their_order(new: Any, old: Any, chance: Any) -> None:
    wanted, have = [thing(*each) for each in new], [stored(*each) for each in old]
    plan = diff(wanted, have, "here", True)
    chance.shuffle(wanted)
    chance.shuffle(have)
    assert diff(wanted, have, "here", True) == plan
    assert diff(wanted, [*have, stored("z", source="there")], "here", True).digest == plan.digest
    assert diff([*wanted, thing("z")], have, "here", True).digest != plan.digest
    for index, each in enumerate(have):
        moved = Thing(each.kind, each.name, each.source, each.digest, each.data, each.generation + 1)
        assert diff(wanted, [*have[:index], moved, *have[index + 1 :]], "here", True).digest != plan.digest


@given(sides, sides)
def test_what_an_apply_wrote_differs_no_more(new: Any, old: Any) -> None:
    assert not diff([thing(*each) for each in new], [stored(*each) for each in new], "here", True).differs
    plan = diff([thing(*each) for each in new], [stored(*each) for each in old], "here", True)
    assert plan.differs == (dict(new) != dict(old))


def plan_of(kept: int, removed: int, created: int = 0) -> Plan:
    wanted = [thing(f"w{number}") for number in range(kept + created)]
    have = [stored(f"w{number}") for number in range(kept)] + [
        stored(f"x{number}") for number in range(removed)
    ]
    return diff(wanted, have, "here", True)


@pytest.mark.parametrize(
    ("plan", "flags", "answer", "words"),
    [
        (plan_of(2, 0), {}, GO, ""),
        (plan_of(0, 0, 3), {}, GO, ""),
        (plan_of(0, 0), {}, REFUSE, "no manifests"),
        (plan_of(0, 0), {"allow_empty": True}, GO, ""),
        (plan_of(0, 2), {"yes": True}, REFUSE, "no manifests"),
        (plan_of(0, 2), {"yes": True, "allow_empty": True}, GO, ""),
        (plan_of(1, 1), {"yes": True}, GO, ""),
        (
            plan_of(1, 2),
            {"yes": True},
            REFUSE,
            "remove 2 of the 3 objects of this source: Workflow x0, Workflow x1",
        ),
        (plan_of(1, 2, 5), {"yes": True}, REFUSE, "2 of the 3"),
        (plan_of(1, 9), {}, REFUSE, "and 4 more"),
        (plan_of(1, 2), {"yes": True, "allow_empty": True}, GO, ""),
        (plan_of(2, 1), {}, REFUSE, "this removes Workflow x0"),
        (plan_of(2, 1), {"terminal": True}, ASK, "this removes Workflow x0"),
        (plan_of(1, 2), {"terminal": True}, REFUSE, "2 of the 3"),
        (plan_of(2, 1), {"terminal": True, "yes": True}, GO, ""),
        (plan_of(2, 0), {"if_unchanged": "stale"}, REFUSE, "not stale"),
        (plan_of(2, 0), {"if_unchanged": plan_of(2, 0).digest}, GO, ""),
    ],
)
def test_guards(plan: Plan, flags: dict[str, Any], answer: str, words: str) -> None:
    verdict = judge(plan, **{"yes": False, "terminal": False, **flags})
    assert verdict.answer == answer and words in verdict.message
    assert bool(verdict.hint) == (answer == REFUSE)
    if answer == REFUSE:
        with pytest.raises(Conflict):
            verdict.check()
    else:
        verdict.check()


def test_conflicts_are_refused_even_with_yes() -> None:
    plan = diff([thing("x")], [stored("x", source="there")], "here", True)
    verdict = judge(plan, yes=True, terminal=True, allow_empty=True)
    assert (verdict.answer, verdict.message) == (REFUSE, "Workflow x belongs to the source there")


def test_actions_have_the_names_of_the_contract() -> None:
    assert (diffing.CREATED, diffing.CHANGED, diffing.REMOVED, diffing.UNCHANGED) == (
        "created",
        "changed",
        "removed",
        "unchanged",
    )
