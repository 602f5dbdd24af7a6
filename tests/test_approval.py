"""Approvals, and what happens when a pipeline is to run while it runs (`concurrencyPolicy`), end to end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: ask}
spec:
  pipelines:
    ship:
      concurrencyPolicy: Allow
      placement: {agent: host-1}
      timeout: TIMEOUT
      params: {to: {type: string, default: prod}}
      tasks:
        build: {steps: [{name: s, run: echo built}]}
        ship:
          needs: [build]
          approval: {message: "Ship to ${{ params.to }}?", timeout: 1d}
          steps: [{name: s, run: echo shipped}]
        undo: {needs: [{task: ship, on: error}], steps: [{name: s, run: "true"}]}
        any: {needs: [{task: ship, on: any}], steps: [{name: s, run: "true"}]}
      finally:
        report:
          outputs: [r]
          env: {R: "${{ run.outcome }} ${{ tasks.ship.outcome }}"}
          steps: [{name: s, run: 'echo "r=$R" >> "$XENE_OUTPUT"'}]
    expires:
      concurrencyPolicy: Allow
      placement: {agent: host-1}
      tasks:
        ask: {approval: {message: "Now?", timeout: 400ms}, steps: [{name: s, run: "true"}]}
    other:
      placement: {agent: host-1}
      tasks: {t: {steps: [{name: s, run: "true"}]}}
"""
POLICIES = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: policy}
spec:
  pipelines:
    %s:
      concurrencyPolicy: %s
      gracePeriod: 1s
      placement: {agent: host-1}
      params: {go: {type: string}}
      tasks:
        t:
          steps:
            - name: s
              run: until [ -e "$XENE_PARAM_GO" ]; do sleep 0.02; done; echo "$XENE_RUN" >> "$XENE_PARAM_GO"
      finally:
        report: {steps: [{name: s, run: "true"}]}
"""


@pytest.fixture(scope="module", params=["local", "ssh", "ssh+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One agent that runs one run at a time."""
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=1) as made:
        path = made.repository / "agents.yaml"
        path.write_text(path.read_text().replace("capacity: 4", "capacity: 1"))
        made.write("ask.yaml", FLOW.replace("TIMEOUT", "1h"))
        made.apply()
        yield made


def reasons(run: Any) -> dict[str, str]:
    return {name: task["reason"] or task["phase"] for name, task in run["tasks"].items()}


def asking(made: Fleet, target: str, *words: str, task: str = "ship") -> str:
    """Fire it and wait until it waits for an approval alone; the run's id."""
    run = made.xene("run", target, *words).out.strip()

    def asks() -> bool:
        made.xene("reconcile")
        return bool(made.get("run", run)["reason"] == "WaitingForApproval")

    until(asks, f"{task} waits for approval")
    return run


def test_an_approval_lets_a_task_start_and_gives_room_while_it_waits(applied: Fleet) -> None:
    run = applied.xene("run", "ask/ship", "-p", "to=moon").out.strip()
    behind = applied.xene("run", "ask/other").out.strip()
    applied.xene("wait", behind)  # though the agent runs one run at a time
    until(
        lambda: applied.xene("reconcile") and applied.get("run", run)["reason"] == "WaitingForApproval",
        "it asks",
    )
    seen = applied.get("run", run)
    assert (seen["phase"], seen["tasks"]["ship"]["phase"]) == ("Running", "NotExecuted")
    assert seen["tasks"]["ship"]["reason"] == "WaitingForApproval"
    assert seen["tasks"]["ship"]["message"] == "Ship to moon?"
    assert "Ship to moon?" in applied.xene("why", f"run/{run}").out
    assert "WaitingForApproval" in applied.xene("get", "runs").out
    applied.xene("run", "ask/other", "--wait")
    assert applied.get("agent", "host-1")["capacityUsed"] == 0
    applied.xene("approve", run, "nothing", code=4)
    applied.xene("approve", run, "build", code=7)
    applied.xene("approve", "nope", "ship", code=4)
    done = applied.xene("approve", run, "ship", "--message", "go on then")
    assert "approved" in done.err
    applied.xene("wait", run)
    seen = applied.get("run", run)
    assert seen["phase"] == "Success"
    assert reasons(seen) == {
        "build": "Success", "ship": "Success", "undo": "Omitted", "any": "Success", "report": "Success",
    }  # fmt: skip
    assert seen["tasks"]["report"]["outputs"] == {"r": "success success"}
    assert any("go on then" in event["message"] for event in applied.get("events"))
    applied.xene("approve", run, "ship", code=7)


def test_a_rejection_ends_the_run_in_error_and_satisfies_nothing(applied: Fleet) -> None:
    run = asking(applied, "ask/ship")
    applied.xene("reject", run, "ship", "-m", "not on a Friday")
    applied.xene("wait", run, code=1)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Rejected")
    assert reasons(seen) == {
        "build": "Success", "ship": "Rejected", "undo": "Omitted", "any": "Omitted", "report": "Success",
    }  # fmt: skip
    assert seen["tasks"]["ship"]["phase"] == "NotExecuted"
    assert "not on a Friday" in seen["tasks"]["ship"]["message"]
    assert seen["tasks"]["report"]["outputs"] == {"r": "error rejected"}
    applied.xene("retry", run)  # and it can be asked again
    until(
        lambda: applied.xene("reconcile") and applied.get("run", run)["reason"] == "WaitingForApproval",
        "it asks again",
    )
    applied.xene("approve", run, "ship")
    applied.xene("wait", run)
    assert applied.get("run", run)["tasks"]["build"]["attempt"] == 1


GATES = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: gates}
spec:
  pipelines:
    p:
      concurrencyPolicy: Allow
      tasks:
        never: {when: "1 == 2", approval: {message: "Never?"}, steps: [{name: s, run: "true"}]}
        bad: {steps: [{name: s, run: exit 1}]}
        omitted: {needs: [bad], approval: {message: "Never?"}, steps: [{name: s, run: "true"}]}
        each:
          approval: {message: "All?"}
          matrix: {n: [1, 2]}
          steps: [{name: s, run: "true"}]
        other: {approval: {message: "Other?"}, steps: [{name: s, run: "true"}]}
        after: {needs: [each, other], join: any, steps: [{name: s, run: "true"}]}
"""


def test_an_approval_comes_after_conditions_and_before_instances(applied: Fleet) -> None:
    applied.write("gates.yaml", GATES)
    applied.apply()
    run = asking(applied, "gates/p", task="each")
    seen = reasons(applied.get("run", run))
    assert seen["never"] == "Skipped" and seen["omitted"] == "Omitted"
    assert seen["each"] == seen["other"] == "WaitingForApproval"
    applied.xene("approve", run, "each")

    def goes_on() -> bool:
        applied.xene("reconcile")
        return reasons(applied.get("run", run))["after"] == "Success"

    until(goes_on, "it goes on")
    seen = reasons(applied.get("run", run))
    assert seen["each[1]"] == seen["each[2]"] == "Success" and seen["other"] == "WaitingForApproval"
    applied.xene("kill", run)
    assert applied.get("run", run)["reason"] == "Killed"


def test_nobody_answers_in_time(applied: Fleet) -> None:
    (run,) = applied.xene("run", "ask/expires", "--wait", "-o", "json", code=1).json
    assert (run["phase"], run["reason"]) == ("Error", "Rejected")
    assert "400ms" in run["tasks"]["ask"]["message"]


def test_the_clock_of_the_pipeline_stands_still_while_it_waits(applied: Fleet) -> None:
    applied.write("ask.yaml", FLOW.replace("TIMEOUT", "1500ms"))
    applied.apply()
    run = asking(applied, "ask/ship")
    asked = applied.get("run", run)["tasks"]["build"]["finishedAt"]
    until(lambda: seconds(now()) - seconds(asked) > 2.0, "more time has passed than it has")
    assert applied.get("run", run)["reason"] == "WaitingForApproval"
    applied.xene("approve", run, "ship")
    applied.xene("wait", run)
    assert applied.get("run", run)["phase"] == "Success"
    applied.write("ask.yaml", FLOW.replace("TIMEOUT", "1h"))
    applied.apply()


def now() -> str:
    from datetime import datetime

    return datetime.now(UTC).isoformat()


def seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_a_run_that_waits_for_approval_can_be_cancelled(applied: Fleet) -> None:
    run = asking(applied, "ask/ship")
    applied.xene("cancel", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Cancelled")
    assert reasons(seen)["ship"] == "Cancelled" and reasons(seen)["report"] == "Success"


def test_an_answer_for_an_agent_that_is_away_is_kept(tmp_path: Path) -> None:
    with fleet(tmp_path, "ssh", count=1) as made:
        made.write("ask.yaml", FLOW.replace("TIMEOUT", "1h"))
        made.apply()
        run = asking(made, "ask/ship")
        assert made.hosts is not None
        made.hosts[0].stop()
        done = made.xene("approve", run, "ship", code=5)
        assert "host-1" in done.err
        made.hosts[0].start()
        made.xene("wait", run)
        assert made.get("run", run)["phase"] == "Success"


# -- concurrencyPolicy


def policy(made: Fleet, policy: str) -> str:
    """A pipeline of its own, so that no earlier run of another test counts."""
    name = policy.lower()
    made.write(f"{name}.yaml", (POLICIES % (name, policy)).replace("name: policy", f"name: policy-{name}"))
    made.apply()
    return f"policy-{name}/{name}"


def fired(made: Fleet, target: str, go: Path) -> str:
    return made.xene("run", target, "-p", f"go={go}").out.strip()


def is_running(made: Fleet, run: str) -> bool:
    made.xene("reconcile")
    return bool(made.get("run", run)["tasks"]["t"]["phase"] == "Running")


def test_forbid(applied: Fleet, tmp_path: Path) -> None:
    target, go = policy(applied, "Forbid"), tmp_path / "go"
    first = fired(applied, target, go)
    until(lambda: is_running(applied, first), "it runs")
    done = applied.xene("run", target, "-p", f"go={go}", code=7)
    assert first in done.err and done.out == ""
    applied.xene("rerun", first, code=7)
    applied.xene("cancel", first)
    second = fired(applied, target, go)
    until(lambda: is_running(applied, second), "another one runs")
    assert second in applied.xene("retry", first, code=7).err
    first = second
    go.touch()
    applied.xene("wait", first)
    applied.xene("run", target, "-p", f"go={go}", "--wait")


def test_replace(applied: Fleet, tmp_path: Path) -> None:
    target, go = policy(applied, "Replace"), tmp_path / "go"
    never = tmp_path / "never"
    first = fired(applied, target, never)
    until(lambda: is_running(applied, first), "it runs")
    go.touch()
    second = fired(applied, target, go)
    applied.xene("wait", second)
    applied.xene("wait", first, code=1)
    seen = applied.get("run", first)
    assert (seen["phase"], seen["reason"]) == ("Error", "Replaced")
    assert seen["tasks"]["report"]["phase"] == "Success"
    other = applied.get("run", second)
    assert other["phase"] == "Success" and other["startedAt"] >= seen["finishedAt"]


def test_queue_keeps_the_order(applied: Fleet, tmp_path: Path) -> None:
    target, go = policy(applied, "Queue"), tmp_path / "go"
    ids = [fired(applied, target, go) for _ in range(3)]
    until(lambda: is_running(applied, ids[0]), "the first runs")
    assert [applied.get("run", run)["phase"] for run in ids[1:]] == ["Queued", "Queued"]
    assert ids[0] in applied.xene("why", f"run/{ids[1]}").out
    applied.xene("cancel", ids[1])
    assert applied.get("run", ids[1])["reason"] == "Cancelled"
    go.touch()
    applied.xene("wait", ids[0])
    applied.xene("wait", ids[2])
    assert go.read_text().split() == [ids[0], ids[2]]


def test_queue_counts_a_run_that_waits_for_approval(applied: Fleet) -> None:
    applied.write(
        "queue.yaml", FLOW.replace("TIMEOUT", "1h").replace("Allow", "Queue").replace("ask}", "line}")
    )
    applied.apply()
    first = asking(applied, "line/ship")
    second = applied.xene("run", "line/ship").out.strip()
    applied.xene("run", "line/other", "--wait")
    assert applied.get("run", second)["phase"] == "Queued"
    applied.xene("approve", first, "ship")
    applied.xene("wait", first)
    until(
        lambda: applied.xene("reconcile") and applied.get("run", second)["reason"] == "WaitingForApproval",
        "the second has its turn",
    )
    applied.xene("cancel", second)


def test_allow(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        target, go = policy(made, "Allow"), tmp_path / "go"
        ids = [fired(made, target, go) for _ in range(2)]
        until(lambda: all(is_running(made, run) for run in ids), "both run at once")
        go.touch()
        for run in ids:
            made.xene("wait", run)
