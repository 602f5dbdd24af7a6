"""`why`, in words."""

from __future__ import annotations

from typing import Any

import pytest

from xene.model.phases import RUN_PHASES
from xene.plan import explain, explain_run


def agent(name: str = "build-1", **more: Any) -> dict[str, Any]:
    view = {
        "name": name,
        "phase": "Ready",
        "reason": None,
        "message": None,
        "cordoned": False,
        "drained": False,
        "capacity": 4,
        "capacityUsed": 1,
        "labels": {"os": "linux"},
        "version": None,
        "facts": {},
        "lastSeenAt": "2026-11-23T02:30:00.000Z",
    }
    return {**view, **more}


AWAY = {
    "phase": "Unreachable",
    "reason": "ConnectionRefused",
    "message": "agent build-1: h:22 refused the connection; see that sshd runs there and that the port is right",
}


def workflow(**placement: Any) -> dict[str, Any]:
    body = {"tasks": {"t": {"steps": [{"name": "s", "run": "true"}]}}, "placement": placement}
    return {"name": "shop", "spec": {"pipelines": {"build": body}}}


def pipeline(**more: Any) -> dict[str, Any]:
    view = {
        "workflow": "shop",
        "name": "build",
        "phase": "Scheduled",
        "execution": None,
        "reason": None,
        "message": None,
        "agent": "build-1",
        "revision": "r2",
        "observedRevision": "r2",
        "suspended": False,
        "nextFire": None,
        "lastRun": None,
    }
    return {**view, **more}


def not_scheduled(**more: Any) -> dict[str, Any]:
    return pipeline(phase="NotScheduled", agent=None, observedRevision=None, **more)


def run(**more: Any) -> dict[str, Any]:
    view = {
        "id": "R",
        "workflow": "shop",
        "pipeline": "build",
        "phaseSince": "2026-11-23T02:31:00.000Z",
        "phase": "Queued",
        "lastKnownPhase": None,
        "reason": None,
        "message": None,
        "agent": "build-1",
        "log": None,
        "startedAt": "S",
        "finishedAt": "F",
        "tasks": {},
    }
    return {**view, **more}


def task(
    phase: str, reason: str | None = None, message: str | None = None, *steps: dict[str, Any]
) -> dict[str, Any]:
    return {"phase": phase, "reason": reason, "message": message, "steps": list(steps)}


def step(phase: str, code: int | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"name": "go", "phase": phase, "reason": reason, "message": None, "exitCode": code}


def test_a_pipeline_that_is_where_it_should_be() -> None:
    agents = [agent(), agent("build-2", labels={"os": "bsd"}), agent("build-3")]
    view = pipeline(lastRun={"id": "R", "phase": "Success"})
    assert explain.pipeline(view, workflow(agentSelector={"matchLabels": {"os": "linux"}}), agents) == [
        "pipeline shop/build is Scheduled on build-1",
        "  build-1 has confirmed it, at revision r2",
        "  these agents could not take it:",
        "    build-2: label os=linux wanted, has os=bsd",
        "  its newest run R is Success: xene why run/R",
    ]


def test_a_pipeline_whose_agent_is_behind() -> None:
    view = pipeline(
        observedRevision="r1", reason="AgentBehind", message="agent build-1 still has revision r1"
    )
    assert explain.pipeline(view, workflow(), [agent(**AWAY)]) == [
        "pipeline shop/build is Scheduled on build-1",
        "  AgentBehind: agent build-1 still has revision r1",
        "  build-1 is Unreachable, ConnectionRefused: agent build-1: h:22 refused the connection; "
        "see that sshd runs there and that the port is right",
        "  a pipeline stays where it is while its agent is away: xene why agent/build-1",
        "  it has never run: xene run shop/build",
    ]


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([agent("build-2")], "it gives this away, and build-2 may take it"),
        ([], "it would give this away, but no other agent can take it"),
        ([agent("build-2", cordoned=True)], "it would give this away, but no other agent can take it"),
    ],
)
@pytest.mark.parametrize("away", [{}, AWAY])
def test_a_pipeline_on_an_agent_that_is_drained(others: list[Any], words: str, away: dict[str, Any]) -> None:
    """It is given away whether its agent is there or not."""
    lines = explain.pipeline(pipeline(), workflow(), [agent(drained=True, **away), *others])
    assert f"  build-1 is drained: {words}" in lines
    assert not any("stays where it is" in line for line in lines)
    assert any("Unreachable" in line for line in lines) == bool(away)


def test_a_drained_agent_and_a_workflow_that_has_gone() -> None:
    lines = explain.pipeline(pipeline(), None, [agent(drained=True), agent("build-2")])
    assert "  build-1 is drained: it gives this away to any other agent that can take it" in lines


def test_a_pipeline_that_is_nowhere() -> None:
    agents = [
        agent(labels={}),
        agent("build-2", cordoned=True),
        agent("build-3", **AWAY),
        agent("build-4", capacity=1),
    ]
    wanted = workflow(agentSelector={"matchLabels": {"os": "linux"}}, size=2)
    view = not_scheduled(reason="NoAgentReady", message="none of 4 agents can take it")
    lines = explain.pipeline(view, wanted, agents)
    assert lines[0] == "pipeline shop/build is NotScheduled, NoAgentReady"
    assert lines[1:5] == [
        "  build-2: cordoned",
        f"  build-3: Unreachable, ConnectionRefused: {AWAY['message']}",
        "  build-4: size 2 wanted, has capacity 1",
        "  build-1: label os=linux wanted, has no os",
    ]


@pytest.mark.parametrize(
    ("spec", "agents", "words"),
    [
        (None, [agent()], "its workflow has gone"),
        (workflow(), [], "there are no agents"),
        (workflow(), [agent()], "build-1 could take it now"),
        (workflow(agent="build-2"), [agent()], "pinned to build-2, which does not exist"),
    ],
)
def test_other_reasons_to_be_nowhere(spec: Any, agents: Any, words: str) -> None:
    assert words in "\n".join(explain.pipeline(not_scheduled(reason="X", message="m"), spec, agents))


def test_a_workflow_is_short_about_what_is_well() -> None:
    nowhere = {**not_scheduled(reason="NoAgentMatches", message="there are no agents"), "name": "scan"}
    spec = workflow()
    spec["spec"]["pipelines"]["scan"] = spec["spec"]["pipelines"]["build"]
    assert explain.workflow(spec, [pipeline(), nowhere], []) == [
        "workflow shop: 1 of 2 pipelines are Scheduled",
        "  pipeline shop/build is Scheduled on build-1",
        "    it has never run: xene run shop/build",
        "  pipeline shop/scan is NotScheduled, NoAgentMatches",
        "    there are no agents",
        "    declare an Agent object",
        "    it has never run: xene run shop/scan",
    ]


def test_agents() -> None:
    assert explain.agent(agent(), [pipeline()], [run(phase="Running")]) == [
        "agent build-1 is Ready",
        "  last heard at 2026-11-23T02:30:00.000Z",
        "  capacity 4, 1 in use",
        "  pipelines that belong to it: 1",
        "  run R (shop/build) is Running",
    ]
    away = "\n".join(explain.agent(agent(**AWAY, lastSeenAt=None, capacity=None, cordoned=True), [], []))
    for words in (
        "ConnectionRefused",
        "see that sshd runs",
        "never been heard",
        "xene reconcile",
        "cordoned",
        "--lost",
    ):
        assert words in away
    untrusted = {
        "phase": "Untrusted",
        "reason": "HostKeyUnknown",
        "message": "its key SHA256:x is not known yet",
    }
    assert "xene agent trust build-1" in "\n".join(explain.agent(agent(**untrusted), [], []))
    pinned = {**untrusted, "message": "its key is not the one pinned; change spec.ssh.hostKey"}
    assert "xene agent trust" not in "\n".join(explain.agent(agent(**pinned), [], []))


@pytest.mark.parametrize(
    ("view", "host", "home", "words"),
    [
        (
            run(reason="WaitingForCapacity"),
            agent(capacityUsed=4),
            None,
            ["accepted it", "4 of its capacity of 4"],
        ),
        (
            run(),
            agent(**AWAY),
            None,
            ["not sent yet: build-1 is Unreachable", "refused", "xene why agent/build-1"],
        ),
        (run(), agent(), None, ["not sent yet: build-1 was Ready", "xene reconcile"]),
        (run(), None, None, ["not there any more"]),
        (
            run(),
            agent(),
            pipeline(reason="Moving", message="build-9 still has it"),
            ["moving. build-9 still has it"],
        ),
        (
            run(
                phase="Running",
                tasks={"a": task("Success"), "b": task("Running", None, None, step("Running"))},
            ),
            agent(),
            None,
            ["1 of 2 tasks have ended", "task b is running, at step go", "xene logs R -f"],
        ),
        (
            run(
                phase="Error",
                reason="StepFailed",
                message="task test: step go: exit code 3",
                log="partial",
                tasks={
                    "test": task("Error", "StepFailed", "x", step("Error", 3, "StepFailed")),
                    "ship": task("NotExecuted", "Omitted", "test has not succeeded"),
                },
            ),
            agent(),
            None,
            [
                "is Error, StepFailed: task test",
                "task test ended in Error, StepFailed",
                "step go failed with exit code 3",
                "xene logs R test/go",
                "task ship was not executed, Omitted: test has not succeeded",
                "log is partial",
            ],
        ),
        (
            run(phase="Error", log="gone", tasks={"t": task("Error", "OutputMissing", "no output v")}),
            agent(),
            None,
            ["OutputMissing: no output v", "log is gone"],
        ),
        (
            run(phase="Unknown", lastKnownPhase="Running"),
            agent(**AWAY),
            None,
            ["last known as Running, Unknown since 2026-11-23T02:31:00.000Z", "refused"],
        ),
        (run(phase="Unknown", lastKnownPhase="Running"), None, None, ["not there any more"]),
        (run(phase="Success", tasks={"a": task("Success")}), agent(), None, ["1 of 1 tasks succeeded"]),
    ],
)
def test_runs(view: Any, host: Any, home: Any, words: list[str]) -> None:
    text = "\n".join(explain_run.run(view, host, home))
    for each in words:
        assert each in text
    assert text.startswith("run R of shop/build is ")


@pytest.mark.parametrize("phase", RUN_PHASES)
def test_every_phase_has_an_explanation(phase: str) -> None:
    assert len(explain_run.run(run(phase=phase), agent(), pipeline())) >= (2 if phase != "Error" else 1)
