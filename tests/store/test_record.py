"""What agents report: exactly once, only about what is theirs, and ends that never change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.test_advance import Simulation, pipelines
from tests.instants import instant
from tests.store.conftest import RUN, Filled
from xene.engine import progress
from xene.engine.again import to_repeat
from xene.engine.folds import fold
from xene.engine.view import view
from xene.model import events as ev
from xene.model import phases
from xene.model.run import RunOrder
from xene.store import agents, runs, views, wishes

STORY = [
    ev.run_accepted(110, RUN, {}),
    ev.run_started(instant(111), RUN),
    ev.task_started(instant(112), RUN, "one", 1),
    ev.step_started(instant(113), RUN, "one", "s", 1, 1),
    ev.step_ended(114, RUN, "one", "s", 1, "Error", "StepFailed", "exit code 3", 3, {}),
    ev.task_ended(115, RUN, "one", 1, "Error", "StepFailed", "step s failed"),
    ev.run_stopping(116, RUN),
    ev.run_ended(117, RUN, "Error", "TaskFailed", "task one failed"),
]
PHASES = ["Queued", "StartingUp", "Running", "Running", "Running", "Running", "ShuttingDown", "Error"]


@pytest.fixture
def told(filled: Filled) -> Filled:
    filled.hear()
    filled.run()
    return filled


def get(filled: Filled) -> dict[str, Any]:
    return views.run(filled.state, RUN)


def test_a_run_goes_through_its_phases(told: Filled) -> None:
    for number, (event, phase) in enumerate(zip(STORY, PHASES, strict=True), 1):
        told.report(event, first=number)
        assert get(told)["phase"] == phase
    run = get(told)
    assert (run["reason"], run["message"], run["log"]) == ("TaskFailed", "task one failed", "partial")
    assert (run["startedAt"], run["finishedAt"]) == ("1970-01-01T00:01:51.000Z", "1970-01-01T00:01:57.000Z")
    task = run["tasks"]["one"]
    assert task["attempts"] == [
        {
            "attempt": 1,
            "phase": "Error",
            "reason": "StepFailed",
            "message": "step s failed",
            "startedAt": "1970-01-01T00:01:52.000Z",
            "finishedAt": "1970-01-01T00:01:55.000Z",
        }
    ]
    assert task["steps"][0]["exitCode"] == 3


def test_all_tasks_are_there_from_the_start(told: Filled) -> None:
    assert get(told)["tasks"]["one"] == {
        "phase": "NotExecuted", "reason": None, "message": None, "attempt": None, "startedAt": None,
        "finishedAt": None, "outputs": {}, "attempts": [],
        "steps": [{"name": "s", "phase": "NotExecuted", "reason": None, "message": None, "exitCode": None,
                   "attempt": None, "startedAt": None, "finishedAt": None}],
    }  # fmt: skip


def test_repeated_and_overlapping_batches_change_nothing(told: Filled) -> None:
    assert told.report(*STORY) == [RUN]
    before = get(told)
    assert told.report(*STORY) == []
    assert told.report(*STORY[4:], first=5) == []
    assert get(told) == before
    agent = agents.read(told.state.conn, "local")
    assert agent is not None and agent.cursor == len(STORY)


def test_the_end_never_changes(told: Filled) -> None:
    told.report(*STORY)
    before = get(told)
    told.report(
        ev.task_started(instant(300), RUN, "one", 1),
        ev.step_ended(301, RUN, "one", "s", 1, "Success", exit_code=0),
        ev.task_ended(302, RUN, "one", 1, "Success"),
        ev.run_ended(303, RUN, "Success"),
        first=50,
    )
    assert get(told) == before


def test_the_end_of_a_task_never_changes_while_the_run_goes_on(told: Filled) -> None:
    told.report(*STORY[:6])
    before = get(told)
    told.report(
        ev.task_ended(302, RUN, "one", 1, "Success"),
        ev.step_ended(301, RUN, "one", "s", 1, "Success", exit_code=0),
        ev.step_started(instant(301), RUN, "one", "s", 1, 9),
        first=50,
    )
    assert get(told) == before


def test_reports_about_what_is_not_theirs_are_dropped(filled: Filled) -> None:
    filled.put({"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": "b"}, "spec": {"local": {}}})
    filled.hear()
    filled.hear("b", "K")
    filled.run()
    filled.report(*STORY, name="b", journal="K")
    assert get(filled)["phase"] == "Queued"
    (event,) = [each for each in views.events(filled.state) if each["reason"] == "ForeignReport"]
    assert (event["kind"], event["name"]) == ("Agent", "b") and RUN in event["message"]
    assert filled.report(*STORY, journal="another") == []
    assert get(filled)["phase"] == "Queued"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "run.started", "at": "soon", "run": RUN},
        {"type": "run.started", "at": 1e300, "run": RUN},
        {"type": "run.started", "at": float("nan"), "run": RUN},
        {"type": "run.started", "run": RUN},
        {"type": "run.started", "at": 1, "run": {}},
        {"type": "run.ended", "at": 1, "run": RUN, "phase": "Running", "reason": None, "message": None},
        {"type": "task.started", "at": 1, "run": RUN, "task": {}, "attempt": 1},
        {"type": "task.started", "at": 1, "run": RUN, "task": "one", "attempt": 10**30},
        {"type": "task.ended", "at": 1, "run": RUN, "task": "one", "attempt": 1, "phase": "Error",
         "reason": None, "message": None, "outputs": {"k": "x" * 2_000_000}},
        {"type": "assigned", "at": 1, "set": [], "gone": []},
    ],
)  # fmt: skip
def test_malformed_reports_are_dropped_and_told(told: Filled, event: dict[str, Any]) -> None:
    told.report(event, STORY[0])
    assert get(told)["phase"] == "Queued"
    assert [each["reason"] for each in views.events(told.state)] == ["MalformedReport", "Ready"]
    told.report(*STORY, first=3)
    assert get(told)["phase"] == "Error"


def test_texts_that_are_no_text(told: Filled) -> None:
    told.report(*STORY[:-1], ev.run_ended(117, RUN, "Error", "Odd", "half a pair \ud800 " + "x" * 10_000))
    assert get(told)["message"].startswith("half a pair ? xxx") and len(get(told)["message"]) <= 2000


def test_another_journal_starts_a_new_cursor(told: Filled) -> None:
    told.report(*STORY)
    assert told.hear(journal="J") is False
    assert told.hear(journal="K") is True
    agent = agents.read(told.state.conn, "local")
    assert agent is not None and (agent.journal, agent.cursor) == ("K", 0)


def test_unknown_and_known_again(told: Filled) -> None:
    told.report(*STORY[:3])
    with told.state.transaction() as conn:
        runs.lost_sight(conn, 150, "local")
        runs.lost_sight(conn, 160, "local")
    run = get(told)
    assert (run["phase"], run["lastKnownPhase"]) == ("Unknown", "Running")
    assert run["phaseSince"] == "1970-01-01T00:02:30.000Z"
    with told.state.transaction() as conn:
        runs.back_in_sight(conn, 170, "local")
    assert (get(told)["phase"], get(told)["lastKnownPhase"]) == ("Running", None)
    told.report(*STORY[3:], first=4)
    assert get(told)["phase"] == "Error"


def test_control_ends_what_was_lost(told: Filled) -> None:
    told.report(*STORY[:4])
    with told.state.transaction() as conn:
        runs.end(conn, 400, RUN, phases.AGENT_LOST, "its agent was removed", log="gone")
    run = get(told)
    assert (run["phase"], run["reason"], run["log"]) == ("Error", "AgentLost", "gone")
    assert run["tasks"]["one"]["phase"] == run["tasks"]["one"]["steps"][0]["phase"] == "Error"
    assert run["tasks"]["one"]["attempts"][0]["finishedAt"] == run["finishedAt"]
    told.report(*STORY[4:], first=5)
    assert get(told) == run


def test_assigned_confirms_and_lets_go(told: Filled) -> None:
    with told.state.transaction() as conn:
        agents.intend(conn, [("w", "a", "local"), ("w", "b", "local")])
    told.report(ev.assigned(1, {"w/a": "r1"}, [], None))
    assert [each.observed_revision for each in agents.holdings(told.state.conn, "local")] == ["r1", None]
    told.report(ev.assigned(1, {}, ["w/a"], None), first=2)
    assert [each.pipeline for each in agents.holdings(told.state.conn)] == ["b"]


TASKS = {"a": ["x", "y"], "b": ["x"], "c": ["z"]}


@st.composite
def stories(draw: Any) -> list[dict[str, Any]]:
    """What an agent may say of a run: tasks in any interleaving, any end, cut anywhere."""
    at, sequence, lanes = 10.0, 0, []
    for task, steps in TASKS.items():
        lane = [("task.started", task, "")]
        for step in steps:
            lane += [("step.started", task, step), ("step.ended", task, step)]
        lanes.append([*lane, ("task.ended", task, "")])
    story = [ev.run_started(instant(at), RUN)]
    while any(lanes):
        lane = draw(st.sampled_from([each for each in lanes if each]))
        kind, task, step = lane.pop(0)
        at += 1
        phase = draw(st.sampled_from(["Success", "Error"]))
        if kind == "task.started":
            story.append(ev.task_started(instant(at), RUN, task, 1))
        elif kind == "step.started":
            sequence += 1
            story.append(ev.step_started(instant(at), RUN, task, step, 1, sequence))
        elif kind == "step.ended":
            story.append(ev.step_ended(at, RUN, task, step, 1, phase, None, None, 0, {"k": "v"}))
        else:
            story.append(ev.task_ended(at, RUN, task, 1, phase, "Why", "words", {"k": "v"}))
    story += [ev.run_stopping(at + 1, RUN), ev.run_ended(at + 2, RUN, "Success")]
    return story[: draw(st.integers(0, len(story)))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pipeline=pipelines(), data=st.data())
def test_rows_agree_with_the_engines_fold_of_any_run(
    filled: Filled, pipeline: dict[str, Any], data: st.DataObject
) -> None:
    """The whole language: what a run did, told in batches cut anywhere, is what the state shows. And retried."""
    simulation = Simulation(pipeline, RUN)
    simulation.play(data)
    told = list(simulation.journal)
    with filled.state.transaction() as conn:
        conn.execute("DELETE FROM runs")
        conn.execute("DELETE FROM fires")
    filled.hear(journal="first")
    filled.hear(journal="J")
    filled.run(pipeline_spec=pipeline)
    heard = tell(filled, data, told, 0)
    assert_alike(filled, simulation)
    again = to_repeat(simulation.run, None)
    if not again:
        return
    with filled.state.transaction() as conn:
        wishes.retry(conn, 5.0, RUN, 2, None)
    simulation.record(ev.run_retried(simulation.now.at, RUN, 2, again))
    simulation.record(ev.run_started(simulation.now, RUN))
    simulation.play(data)
    tell(filled, data, simulation.journal[len(told) :], heard)
    assert_alike(filled, simulation)


def tell(filled: Filled, data: st.DataObject, story: list[dict[str, Any]], heard: int) -> int:
    """Report the events in batches; give how many were heard by then."""
    at = 0
    while at < len(story):
        more = data.draw(st.integers(1, len(story)))
        batch = [ev.public(dict(event)) for event in story[at : at + more]]
        filled.report(*batch, first=heard + at + 1)
        at += more
    return heard + len(story)


def assert_alike(filled: Filled, simulation: Simulation) -> None:
    run, state = get(filled), simulation.run
    assert (run["phase"], run["reason"], run["attempt"]) == (state.phase, state.reason, state.attempt)
    expected = view(state)
    assert list(run["tasks"]) == list(expected)
    for name, task in expected.items():
        if name in state.tasks and state.tasks[name].is_sum:  # its own attempts are those of its instances
            task = {**task, "attempts": [], "attempt": run["tasks"][name]["attempt"]}
        assert run["tasks"][name] == task, (name, run["tasks"][name], task)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(), cuts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4))
def test_rows_agree_with_the_engines_fold(
    filled: Filled, story: list[dict[str, Any]], cuts: list[tuple[int, int]]
) -> None:
    """However the story is cut into batches, and whatever is said twice."""
    with filled.state.transaction() as conn:
        conn.execute("DELETE FROM runs")
        conn.execute("DELETE FROM fires")
    filled.hear(journal="first")
    filled.hear(journal="J")
    filled.run(tasks=TASKS)
    heard = 0
    for again, more in cuts:
        start = max(0, heard - again)
        filled.report(*story[start : heard + more], first=start + 1)
        heard = min(len(story), heard + more)
    filled.report(*story[heard:], first=heard + 1)
    shape = {name: {"steps": [{"name": step, "run": "x"} for step in steps]} for name, steps in TASKS.items()}
    order = RunOrder(RUN, "w", "p", "r", {"pipeline": {"tasks": shape}}, {}, "manual", 0, "local", {}, {})
    state = progress.begin(ev.run_accepted(0, RUN, order.to_json()))
    for event in story:
        fold(state, event)
    run = get(filled)
    assert run["phase"] == state.phase
    assert run["tasks"] == view(state)
