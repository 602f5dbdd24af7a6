"""Placement: tables for the words, hypothesis for what must always hold."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.model import phases
from xene.model.workflow import Placement, Requirement
from xene.plan import selectors
from xene.plan.placement import Candidate, Wanted, place

names = st.integers(0, 12).map("a{}".format)
labels = st.dictionaries(st.sampled_from("kxz"), st.sampled_from("12"), max_size=3)
requirements = st.builds(
    Requirement,
    st.sampled_from("kxz"),
    st.sampled_from(["In", "NotIn"]),
    st.lists(st.sampled_from("12"), min_size=1, max_size=2, unique=True).map(tuple),
) | st.builds(Requirement, st.sampled_from("kxz"), st.sampled_from(["Exists", "DoesNotExist"]))
placements = st.builds(
    Placement,
    labels,
    st.lists(requirements, max_size=2).map(tuple),
    st.none() | st.none() | names,
    st.integers(1, 4),
)
fleets = st.lists(
    st.builds(
        Candidate,
        names,
        labels,
        st.none() | st.integers(1, 5),
        st.booleans(),
        st.booleans(),
        drained=st.booleans(),
    ),
    max_size=10,
    unique_by=lambda agent: agent.name,
)
wishes = st.lists(
    st.builds(
        Wanted,
        st.sampled_from(["w", "v"]),
        st.integers(0, 30).map("p{}".format),
        placements,
        st.none() | names,
        st.just(frozenset()) | st.frozensets(names, max_size=3),
    ),
    max_size=25,
    unique_by=lambda wish: wish.key,
)


def fits(placement: Placement, agent: Candidate) -> bool:
    return (
        selectors.matches_placement(placement, agent.labels)
        and placement.agent in (None, agent.name)
        and (agent.capacity is None or placement.size <= agent.capacity)
    )


def can_take(wish: Wanted, agent: Candidate) -> bool:
    """Whether the agent is open to it as something new."""
    return fits(wish.placement, agent) and agent.ready and not agent.cordoned and not agent.drained


@given(wishes, fleets)
def test_never_an_unfit_agent_always_one_where_one_is_and_what_is_placed_stays(
    wanted: list[Wanted], fleet: list[Candidate]
) -> None:
    decisions = place(wanted, fleet)
    by_name = {agent.name: agent for agent in fleet}
    assert set(decisions) == {wish.key for wish in wanted}
    for wish in wanted:
        decision = decisions[wish.key]
        here = by_name.get(wish.agent or "")
        able = {agent.name for agent in fleet if can_take(wish, agent)} - wish.barred
        leaves = here is not None and (here.drained or here.name in wish.barred) and able
        if here is not None and fits(wish.placement, here) and not leaves:
            assert decision.agent == wish.agent
        elif able:
            assert decision.agent in able
        else:
            assert decision.agent is None and decision.reason and decision.message
        assert (decision.agent is None) == (decision.reason is not None)


@given(wishes, fleets)
def test_rejections_name_exactly_those_that_cannot_take_it(
    wanted: list[Wanted], fleet: list[Candidate]
) -> None:
    for wish in wanted:
        rejected = {rejection.agent for rejection in place([wish], fleet)[wish.key].rejections}
        assert rejected == {agent.name for agent in fleet if not can_take(wish, agent)}


@given(wishes, fleets, st.randoms())
def test_the_order_of_the_input_does_not_matter(
    wanted: list[Wanted], fleet: list[Candidate], chance: random.Random
) -> None:
    first = place(wanted, fleet)
    shuffled, agents = list(wanted), list(fleet)
    chance.shuffle(shuffled)
    chance.shuffle(agents)
    again = place(shuffled, agents)
    assert again == first
    assert {key: each.rejections for key, each in again.items()} == {
        key: each.rejections for key, each in first.items()
    }


@given(wishes, fleets)
def test_a_second_pass_moves_nothing(wanted: list[Wanted], fleet: list[Candidate]) -> None:
    first = place(wanted, fleet)
    settled = [replace(each, agent=first[each.key].agent) for each in wanted]
    assert place(settled, fleet) == first


@given(st.lists(st.integers(1, 4), max_size=40), st.integers(1, 8), st.integers(4, 9))
def test_equal_agents_are_balanced_within_one_size(sizes: list[int], agents: int, capacity: int) -> None:
    wanted = [Wanted("w", f"p{number}", Placement(size=size)) for number, size in enumerate(sizes)]
    decisions = place(wanted, [Candidate(f"a{number}", capacity=capacity) for number in range(agents)])
    load = {f"a{number}": 0 for number in range(agents)}
    for wish in wanted:
        load[decisions[wish.key].agent or ""] += wish.placement.size
    assert max(load.values()) - min(load.values()) <= max(sizes, default=0)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6))
def test_pipelines_of_a_workflow_stand_apart(workflows: int, agents: int) -> None:
    wanted = [
        Wanted(f"w{number}", f"p{each}", Placement()) for number in range(workflows) for each in range(agents)
    ]
    decisions = place(wanted, [Candidate(f"a{number}", capacity=4) for number in range(agents)])
    for number in range(workflows):
        assert len({decisions[f"w{number}/p{each}"].agent for each in range(agents)}) == agents


def test_apart_decides_between_equally_loaded() -> None:
    fleet = [Candidate("a", capacity=4), Candidate("b", capacity=4)]
    wanted = [
        Wanted("other", "one", Placement(), "b"),
        Wanted("shop", "build", Placement(), "a"),
        Wanted("shop", "scan", Placement()),
    ]
    assert place(wanted, fleet)["shop/scan"].agent == "b"


def test_load_is_by_capacity() -> None:
    fleet = [Candidate("large", capacity=8), Candidate("small", capacity=2)]
    wanted = [Wanted(f"w{number}", "p", Placement()) for number in range(10)]
    taken = [decision.agent for decision in place(wanted, fleet).values()]
    assert (taken.count("large"), taken.count("small")) == (8, 2)


def test_the_one_with_few_choices_goes_first() -> None:
    fleet = [Candidate("a", {"gpu": "1"}, 1), Candidate("b", {}, 1)]
    wanted = [Wanted("a", "any", Placement()), Wanted("z", "gpu", Placement({"gpu": "1"}))]
    assert {key: each.agent for key, each in place(wanted, fleet).items()} == {"a/any": "b", "z/gpu": "a"}


def test_cordon_and_silence_stop_new_placements_only() -> None:
    fleet = [Candidate("a", cordoned=True), Candidate("b", ready=False, why_not_ready="connection refused")]
    wanted = [
        Wanted("w", "on-a", Placement(), "a"),
        Wanted("w", "on-b", Placement(), "b"),
        Wanted("w", "new", Placement()),
    ]
    decisions = place(wanted, fleet)
    assert (decisions["w/on-a"].agent, decisions["w/on-b"].agent) == ("a", "b")
    assert decisions["w/new"].reason == phases.NO_AGENT_READY
    assert decisions["w/new"].message == "none of 2 agents can take it: a: cordoned; b: connection refused"


@pytest.mark.parametrize(
    ("placement", "reason", "message"),
    [
        (
            Placement({"os": "linux"}),
            phases.NO_AGENT_MATCHES,
            "none of 2 agents can take it: build-1: label os=linux wanted, has os=bsd; "
            "build-2: label os=linux wanted, has no os",
        ),
        (
            Placement({"os": "bsd"}, size=9),
            phases.NO_CAPACITY,
            "none of 2 agents can take it: build-1: size 9 wanted, has capacity 4; "
            "build-2: label os=bsd wanted, has no os",
        ),
        (
            Placement(agent="build-9"),
            phases.NO_AGENT_MATCHES,
            "pinned to build-9, which does not exist; did you mean build-2?",
        ),
        (
            Placement(agent="build-2", size=3),
            phases.NO_CAPACITY,
            "pinned to build-2: size 3 wanted, has capacity 2",
        ),
    ],
)
def test_a_refusal_says_it_agent_by_agent(placement: Placement, reason: str, message: str) -> None:
    fleet = [Candidate("build-1", {"os": "bsd"}, 4), Candidate("build-2", {}, 2)]
    decision = place([Wanted("w", "p", placement)], fleet)["w/p"]
    assert (decision.agent, decision.reason, decision.message) == (None, reason, message)


def test_no_agents_at_all() -> None:
    decision = place([Wanted("w", "p", Placement())], [])["w/p"]
    assert (decision.agent, decision.reason, decision.message) == (
        None,
        phases.NO_AGENT_MATCHES,
        "there are no agents",
    )


def test_a_message_is_bounded_and_begins_with_the_nearest() -> None:
    fleet = [Candidate(f"far-{number}", {"os": "bsd"}, 4) for number in range(500)]
    fleet += [
        Candidate("near", {"os": "linux", "zone": "a"}, 4),
        Candidate("tiny", {"os": "linux", "zone": "b"}, 1),
    ]
    decision = place([Wanted("w", "p", Placement({"os": "linux", "zone": "b"}, size=2))], fleet)["w/p"]
    assert decision.message.startswith(
        "none of 502 agents can take it: tiny: size 2 wanted, has capacity 1; "
        "near: label zone=b wanted, has zone=a; far-0: "
    )
    assert decision.message.endswith("; and 497 more (501 by labels, 1 too small in all)")
    assert len(decision.rejections) == 502


def test_a_drained_agent_gives_away_what_another_can_take_and_keeps_the_rest() -> None:
    fleet = [Candidate("a", capacity=4, drained=True), Candidate("b", capacity=1)]
    wanted = [
        Wanted("w", "goes", Placement(), "a"),
        Wanted("w", "large", Placement(size=3), "a"),
        Wanted("w", "pinned", Placement(agent="a"), "a"),
        Wanted("w", "new", Placement()),
    ]
    decisions = place(wanted, fleet)
    assert {key: each.agent for key, each in decisions.items()} == {
        "w/goes": "b",
        "w/large": "a",
        "w/pinned": "a",
        "w/new": "b",
    }
    assert [each.message for each in decisions["w/new"].rejections] == ["drained"]


def test_what_an_agent_has_lost_goes_elsewhere_and_not_back_before_it_let_go() -> None:
    fleet = [Candidate("a"), Candidate("b", ready=False)]
    lost = Wanted("w", "p", Placement(), "a", frozenset("a"))
    assert place([lost], fleet)["w/p"].agent == "a"  # nobody else can take it
    fleet = [Candidate("a"), Candidate("b")]
    assert place([lost], fleet)["w/p"].agent == "b"
    away = place([replace(lost, agent="gone")], [Candidate("a")])["w/p"]
    assert away.agent is None and away.reason == phases.NO_AGENT_READY
    assert away.message.startswith("a lost its lease")
