"""What tasks do to each other, end to end: connectors, conditions, `finally`, failFast, forgiven errors.

One fire runs all of the first workflow over three agents; each test looks at one of its pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: flow}
spec:
  pipelines:
    connectors:
      tasks:
        good: {steps: [{name: s, run: "true"}]}
        bad: {steps: [{name: s, run: exit 3}], continueOnError: false}
        skipped: {when: "1 == 2", steps: [{name: s, run: "true"}]}
        after-good: {needs: [good], steps: [{name: s, run: "true"}]}
        after-bad: {needs: [bad], steps: [{name: s, run: "true"}]}
        on-error: {needs: [{task: bad, on: error}], steps: [{name: s, run: "true"}]}
        no-error: {needs: [{task: good, on: error}], steps: [{name: s, run: "true"}]}
        on-skipped: {needs: [{task: skipped, on: skipped}], steps: [{name: s, run: "true"}]}
        on-omitted: {needs: [{task: after-bad, on: skipped}], steps: [{name: s, run: "true"}]}
        on-any: {needs: [{task: bad, on: any}, {task: skipped, on: any}], steps: [{name: s, run: "true"}]}
        on-list: {needs: [{task: bad, on: [success, error]}], steps: [{name: s, run: "true"}]}
        travels: {needs: [after-bad], steps: [{name: s, run: "true"}]}
        after-skipped: {needs: [skipped], steps: [{name: s, run: "true"}]}
        any-of: {needs: [bad, good], join: any, steps: [{name: s, run: "true"}]}
        none-of: {needs: [bad, skipped], join: any, steps: [{name: s, run: "true"}]}
        all-of: {needs: [bad, good], steps: [{name: s, run: "true"}]}
        sees:
          needs: [{task: bad, on: any}, {task: skipped, on: any}, {task: after-bad, on: any}, good]
          outputs: [said]
          env:
            SAID: >-
              ${{ tasks.good.outcome }} ${{ tasks.bad.outcome }} ${{ tasks.skipped.outcome }}
              ${{ tasks['after-bad'].outcome }}
          steps: [{name: s, run: 'echo "said=$SAID" >> "$XENE_OUTPUT"'}]
    conditions:
      params: {level: {type: string, default: quick}, count: {type: integer, default: 3}}
      tasks:
        make: {outputs: [word], steps: [{name: s, run: 'echo word=x >> "$XENE_OUTPUT"'}]}
        taken: {needs: [{task: make, when: tasks.make.outputs.word == 'x'}], steps: [{name: s, run: "true"}]}
        missed: {needs: [{task: make, when: tasks.make.outputs.word == 'y'}], steps: [{name: s, run: "true"}]}
        own: {needs: [make], when: "params.level == 'full' or params.count > 5", steps: [{name: s, run: "true"}]}
        either:
          join: any
          needs: [{task: make, when: tasks.make.outputs.word == 'y'}, taken]
          steps: [{name: s, run: "true"}]
        wrong: {needs: [make], when: int(tasks.make.outputs.word) > 1, steps: [{name: s, run: "true"}]}
        after-wrong: {needs: [{task: wrong, on: error}], steps: [{name: s, run: "true"}]}
    early:
      tasks:
        slow: {steps: [{name: s, run: "while [ ! -e seen ]; do sleep 0.02; done"}]}
        quick: {steps: [{name: s, run: "true"}]}
        first: {needs: [slow, quick], join: any, steps: [{name: s, run: touch seen}]}
    forgiven:
      tasks:
        step:
          steps:
            - {name: a, run: exit 4, continueOnError: true}
            - {name: b, run: "true"}
        task: {continueOnError: true, steps: [{name: a, run: exit 5}, {name: never, run: "true"}]}
        on-success: {needs: [task], steps: [{name: s, run: "true"}]}
        on-error: {needs: [{task: task, on: error}], steps: [{name: s, run: "true"}]}
        says:
          needs: [task]
          outputs: [outcome]
          env: {OUTCOME: "${{ tasks.task.outcome }}"}
          steps: [{name: s, run: 'echo "outcome=$OUTCOME" >> "$XENE_OUTPUT"'}]
    quick-to-fail:
      failFast: true
      tasks:
        long: {steps: [{name: s, run: "touch begun; sleep 300", gracePeriod: 1s}]}
        bad: {steps: [{name: s, run: "while [ ! -e begun ]; do sleep 0.02; done; exit 1"}]}
        later: {needs: [long], steps: [{name: s, run: "true"}]}
        cleanup: {needs: [{task: bad, on: error}], steps: [{name: s, run: "true"}]}
      finally:
        report:
          outputs: [r]
          env: {R: "${{ run.outcome }} ${{ tasks.long.outcome }} ${{ tasks.later.outcome }}"}
          steps: [{name: s, run: 'echo "r=$R" >> "$XENE_OUTPUT"'}]
    forgiving-fast:
      failFast: true
      tasks:
        bad: {continueOnError: true, steps: [{name: s, run: exit 1}]}
        on: {needs: [bad], steps: [{name: s, run: "true"}]}
    last:
      tasks:
        bad: {steps: [{name: s, run: exit 1}]}
      finally:
        one:
          outputs: [r]
          env: {R: "${{ run.outcome }}"}
          steps: [{name: s, run: 'echo "r=$R" >> "$XENE_OUTPUT"'}]
        two: {needs: [one], when: run.outcome == 'error', steps: [{name: s, run: "true"}]}
        three: {when: run.outcome == 'success', steps: [{name: s, run: "true"}]}
    last-fails:
      tasks: {good: {steps: [{name: s, run: "true"}]}}
      finally:
        one:
          outputs: [r]
          env: {R: "${{ run.outcome }}"}
          steps: [{name: s, run: 'echo "r=$R" >> "$XENE_OUTPUT"'}]
        bad: {steps: [{name: s, run: exit 9}]}
    too-long:
      timeout: 1s
      gracePeriod: 1s
      tasks:
        long: {steps: [{name: s, run: "sleep 300"}]}
        later: {needs: [{task: long, on: any}], steps: [{name: s, run: "true"}]}
      finally:
        one:
          outputs: [r]
          env: {R: "${{ run.outcome }}"}
          steps: [{name: s, run: 'sleep 1.2; echo "r=$R" >> "$XENE_OUTPUT"'}]
"""


@pytest.fixture(scope="module", params=["local", "ssh", "local+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three agents and the workflow above, applied."""
    with fleet(tmp_path_factory.mktemp(request.param), request.param) as made:
        made.write("flow.yaml", FLOW)
        made.apply()
        yield made


@pytest.fixture(scope="module")
def ended(applied: Fleet) -> dict[str, Any]:
    """The run of each pipeline of one fire, by name."""
    return {run["pipeline"]: run for run in applied.xene("run", "flow", "--wait", "-o", "json", code=1).json}


def states(run: Any) -> dict[str, str]:
    """Of each task its reason, or where it has none its phase."""
    return {name: task["reason"] or task["phase"] for name, task in run["tasks"].items()}


def test_connectors_hold_or_omit_and_that_travels_on(ended: dict[str, Any]) -> None:
    run = ended["connectors"]
    assert (run["phase"], run["reason"]) == ("Error", "StepFailed")
    ran = {
        "good",
        "after-good",
        "on-error",
        "on-skipped",
        "on-omitted",
        "on-any",
        "on-list",
        "any-of",
        "sees",
    }
    omitted = {"after-bad", "no-error", "travels", "after-skipped", "none-of", "all-of"}
    assert states(run) == {
        **dict.fromkeys(ran, "Success"),
        **dict.fromkeys(omitted, "Omitted"),
        "bad": "StepFailed",
        "skipped": "Skipped",
    }
    assert all(run["tasks"][name]["phase"] == "NotExecuted" for name in [*omitted, "skipped"])
    assert run["tasks"]["sees"]["outputs"] == {"said": "success error skipped skipped"}


def test_conditions_of_connectors_omit_and_those_of_tasks_skip(ended: dict[str, Any]) -> None:
    run = ended["conditions"]
    assert states(run) == {
        "make": "Success",
        "taken": "Success",
        "missed": "Omitted",
        "own": "Skipped",
        "either": "Success",
        "wrong": "ExpressionFailed",
        "after-wrong": "Success",
    }
    assert run["tasks"]["wrong"]["phase"] == "Error" and run["phase"] == "Error"
    assert "int(" in run["tasks"]["wrong"]["message"]


def test_join_any_starts_at_the_first_connector_that_holds(ended: dict[str, Any]) -> None:
    assert states(ended["early"]) == {"slow": "Success", "quick": "Success", "first": "Success"}


def test_errors_that_are_forgiven(ended: dict[str, Any]) -> None:
    run = ended["forgiven"]
    assert run["phase"] == "Success"
    found = states(run)
    assert found["task"] == "StepFailed" and found["on-success"] == found["on-error"] == "Success"
    assert [step["phase"] for step in run["tasks"]["step"]["steps"]] == ["Error", "Success"]
    assert run["tasks"]["step"]["phase"] == "Success"
    assert [step["phase"] for step in run["tasks"]["task"]["steps"]] == ["Error", "NotExecuted"]
    assert run["tasks"]["says"]["outputs"] == {"outcome": "error"}


def test_fail_fast_stops_what_runs_and_starts_nothing_but_finally(ended: dict[str, Any]) -> None:
    run = ended["quick-to-fail"]
    assert (run["phase"], run["reason"]) == ("Error", "StepFailed")
    assert states(run) == {
        "long": "Cancelled",
        "bad": "StepFailed",
        "later": "Cancelled",
        "cleanup": "Cancelled",
        "report": "Success",
    }
    assert run["tasks"]["later"]["phase"] == run["tasks"]["cleanup"]["phase"] == "NotExecuted"
    assert run["tasks"]["report"]["outputs"] == {"r": "error cancelled cancelled"}
    assert ended["forgiving-fast"]["phase"] == "Success"
    assert states(ended["forgiving-fast"])["on"] == "Success"


def test_finally_runs_after_an_error_and_knows_the_outcome(ended: dict[str, Any]) -> None:
    run = ended["last"]
    assert (run["phase"], run["reason"]) == ("Error", "StepFailed")
    assert run["tasks"]["one"]["outputs"] == {"r": "error"}
    assert states(run) == {"bad": "StepFailed", "one": "Success", "two": "Success", "three": "Skipped"}
    failed = ended["last-fails"]
    assert failed["phase"] == "Error" and "bad" in failed["message"]
    assert failed["tasks"]["one"]["outputs"] == {"r": "success"}


def test_a_run_that_takes_too_long_ends_but_for_finally(ended: dict[str, Any]) -> None:
    run = ended["too-long"]
    assert (run["phase"], run["reason"]) == ("Error", "Timeout")
    assert states(run) == {"long": "Cancelled", "later": "Cancelled", "one": "Success"}
    assert run["tasks"]["one"]["outputs"] == {"r": "error"}


STOPPED = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: stopped}
spec:
  pipelines:
    long:
      gracePeriod: 1s
      tasks:
        sleep: {steps: [{name: s, run: echo on; sleep 300}]}
        later: {needs: [{task: sleep, on: any}], steps: [{name: s, run: "true"}]}
      finally:
        report:
          outputs: [r]
          env: {R: "${{ run.outcome }} ${{ tasks.sleep.outcome }}"}
          steps: [{name: s, run: 'echo "r=$R" >> "$XENE_OUTPUT"'}]
    hangs:
      gracePeriod: 1s
      tasks:
        one: {steps: [{name: s, run: "true"}]}
      finally:
        report: {timeout: 1s, steps: [{name: s, run: sleep 300}]}
"""


def running(made: Fleet, target: str, task: str) -> str:
    """Fire it and wait until a step of a task runs; the run's id."""
    run = made.xene("run", target).out.strip()

    def begun() -> bool:
        made.xene("reconcile")
        return bool(made.get("run", run)["tasks"][task]["phase"] == "Running")

    until(begun, f"{task} runs")
    return run


def test_finally_runs_after_a_cancel_and_not_after_a_kill(applied: Fleet) -> None:
    applied.write("stopped.yaml", STOPPED)
    applied.apply()
    run = running(applied, "stopped/long", "sleep")
    applied.xene("cancel", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Cancelled")
    assert states(seen) == {"sleep": "Cancelled", "later": "Cancelled", "report": "Success"}
    assert seen["tasks"]["report"]["outputs"] == {"r": "cancelled cancelled"}
    run = running(applied, "stopped/long", "sleep")
    applied.xene("kill", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Killed")
    assert set(states(seen).values()) == {"Cancelled"}
    assert seen["tasks"]["report"]["phase"] == "NotExecuted"


def test_a_finally_that_hangs_has_its_own_time_and_can_be_killed(applied: Fleet) -> None:
    applied.write("stopped.yaml", STOPPED)
    applied.apply()
    (run,) = applied.xene("run", "stopped/hangs", "--wait", "-o", "json", code=1).json
    assert (run["phase"], run["reason"]) == ("Error", "Timeout")
    assert run["tasks"]["report"]["steps"][0]["exitCode"] == 124
    applied.write("stopped.yaml", STOPPED.replace("timeout: 1s, ", ""))
    applied.apply()
    spec = applied.get("workflow", "stopped")["spec"]["pipelines"]["hangs"]["finally"]["report"]
    assert spec.get("timeout") in (600, "10m", None)
    run = running(applied, "stopped/hangs", "report")
    applied.xene("kill", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Killed")


def test_a_run_that_waits_for_capacity_is_cancelled_without_finally(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        path = made.repository / "agents.yaml"
        path.write_text(path.read_text().replace("capacity: 4", "capacity: 1"))
        made.write(
            "stopped.yaml",
            STOPPED.replace("gracePeriod: 1s", "gracePeriod: 1s\n      concurrencyPolicy: Allow"),
        )
        made.apply()
        first = running(made, "stopped/long", "sleep")
        second = made.xene("run", "stopped/long").out.strip()
        seen = made.get("run", second)
        assert (seen["phase"], seen["reason"]) == ("Queued", "WaitingForCapacity")
        made.xene("cancel", second)
        seen = made.get("run", second)
        assert (seen["phase"], seen["reason"]) == ("Error", "Cancelled")
        assert set(states(seen).values()) == {"Cancelled"}
        made.xene("cancel", first)
