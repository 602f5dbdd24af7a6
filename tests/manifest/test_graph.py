"""The graph of tasks against the plainest thing that could be right."""

from hypothesis import given
from hypothesis import strategies as st

from xene.manifest import graph
from xene.manifest.connectors import Need

names = st.sampled_from("abcdefgh")
graphs = st.dictionaries(names, st.lists(st.sampled_from("abcdefghz"), max_size=3, unique=True).map(tuple))


def written(needs):
    """The needs as connectors, at the places of bare names."""
    return {
        task: [Need(need, None, ("tasks", task, "needs", index)) for index, need in enumerate(wanted)]
        for task, wanted in needs.items()
    }


def above(needs, task):
    """Everything that can be reached from `task` over needs, itself only by a circle."""
    seen, pending = set(), list(needs[task])
    while pending:
        at = pending.pop()
        if at in needs and at not in seen:
            seen.add(at)
            pending += needs[at]
    return seen


@given(graphs)
def test_upstream_is_what_can_be_reached(needs):
    upstream = graph.Upstream(needs)
    for task in needs:
        reach = above(needs, task)
        own = {other for other in reach | {task} if other in above(needs, other) and needs[other] != (other,)}
        if upstream.known(task):
            assert {other for other in needs if upstream.holds(task, other)} == reach - {task}
        else:
            assert own


@given(graphs)
def test_every_unknown_need_and_every_knot_is_told(needs):
    found = list(graph.findings(written(needs), "task", "this pipeline"))
    unknown = {(task, need) for task in needs for need in needs[task] if need not in needs}
    assert len([f for f in found if f.code == "unknown-task"]) == len(unknown)
    circular = any(task in above(needs, task) for task in needs)
    assert any(f.code == "cycle" for f in found) == circular
    for finding in found:
        *_, task, key, index = finding.path
        assert key == "needs" and 0 <= index < len(needs[task])


def test_a_circle_is_named_in_order():
    needs = {"a": ("b",), "b": ("c",), "c": ("a", "d"), "d": ()}
    (finding,) = graph.findings(written(needs), "task", "this pipeline")
    assert finding.message.endswith("a -> b -> c -> a")


def test_thousands_of_tasks_in_a_chain():
    needs = {f"t{n}": (f"t{n - 1}",) if n else () for n in range(5000)}
    upstream = graph.Upstream(needs)
    assert upstream.holds("t4999", "t0")
    assert not upstream.holds("t0", "t4999")


@given(graphs, st.sets(names))
def test_of_what_one_is_enough_only_what_all_have_is_sure(needs, loose):
    upstream = graph.Upstream(needs, frozenset(loose))
    order = {task: {need for need in needs[task] if need in needs and need != task} for task in needs}

    def ended(task):
        """Whatever happens, these have ended when `task` starts."""
        sets = [{need} | ended(need) for need in sorted(order[task])]
        if not sets:
            return set()
        return set.intersection(*sets) if task in loose else set.union(*sets)

    for task in needs:
        if upstream.known(task):
            assert {other for other in needs if upstream.holds(task, other)} == ended(task)
