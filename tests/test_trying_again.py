"""What fails is tried again, by itself (`retry` in a manifest) or by command; what takes too long is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until

COUNTED = 'echo "$XENE_ATTEMPT" >> "$XENE_TASK"; [ "$(wc -l < "$XENE_TASK")" -ge 3 ]'
SAID = 'echo "said=$(tr "\\n" " " < "$OF")" >> "$XENE_OUTPUT"'

FLOW = f"""\
apiVersion: xene/v1
kind: Workflow
metadata: {{name: again}}
spec:
  pipelines:
    tries:
      tasks:
        steps:
          steps:
            - name: s
              retry: {{maxAttempts: 3, backoff: {{initial: 20ms, factor: 2, max: 1s}}}}
              run: |
                {COUNTED}
        tasks:
          retry: {{maxAttempts: 3, backoff: {{initial: 20ms}}}}
          steps:
            - {{name: first, run: echo x >> firsts}}
            - name: s
              run: |
                {COUNTED}
        both:
          retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}}}
          steps:
            - name: s
              retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}}}
              run: |
                {COUNTED}
        codes:
          continueOnError: true
          steps:
            - name: s
              retry: {{maxAttempts: 5, backoff: {{initial: 10ms}}, 'on': [7]}}
              run: |
                echo x >> codes; [ "$(wc -l < codes)" -ge 2 ] || exit 7; exit 8
        timed:
          steps:
            - name: s
              timeout: 300ms
              gracePeriod: 1s
              retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}, 'on': [timeout]}}
              run: |
                [ -e timed ] || {{ touch timed; sleep 300; }}
        not-timed:
          continueOnError: true
          steps:
            - name: s
              timeout: 300ms
              gracePeriod: 1s
              retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}, 'on': [error]}}
              run: sleep 300
        output:
          outputs: [word]
          retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}}}
          steps:
            - name: s
              run: |
                echo "word=$XENE_ATTEMPT" >> "$XENE_OUTPUT"; [ "$XENE_ATTEMPT" = 2 ]
        exhausted:
          continueOnError: true
          retry: {{maxAttempts: 2, backoff: {{initial: 10ms}}}}
          steps: [{{name: s, run: exit 6}}]
        look:
          needs: [steps, tasks, both, timed, output]
          outputs: [steps, tasks, both, firsts]
          steps:
            - name: s
              run: |
                for each in steps tasks both firsts; do
                  echo "$each=$(tr '\\n' ' ' < "$each")" >> "$XENE_OUTPUT"
                done
    times:
      timeout: 1h
      gracePeriod: 300ms
      tasks:
        step: {{steps: [{{name: s, timeout: 300ms, run: "sleep 300"}}]}}
        task: {{timeout: 500ms, steps: [{{name: a, run: "sleep 0.1"}}, {{name: b, run: "sleep 300"}}]}}
        deaf:
          timeout: 300ms
          steps: [{{name: s, run: "trap '' TERM; while :; do sleep 0.05 || :; done"}}]
        polite:
          gracePeriod: 20s
          steps:
            - name: s
              timeout: 300ms
              run: trap 'echo bye; exit 0' TERM; while :; do sleep 0.05 || :; done
        own:
          gracePeriod: 20s
          steps:
            - name: s
              timeout: 300ms
              gracePeriod: 200ms
              run: trap '' TERM; while :; do sleep 0.05 || :; done
    paused:
      tasks:
        one:
          retry: {{maxAttempts: 2, backoff: {{initial: 1h, max: 1h}}}}
          steps: [{{name: s, run: exit 3}}]
        two:
          steps: [{{name: s, retry: {{maxAttempts: 2, backoff: {{initial: 1h, max: 1h}}}}, run: exit 4}}]
"""


@pytest.fixture(scope="module", params=["local", "ssh", "local+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=2) as made:
        made.write("again.yaml", FLOW)
        made.apply()
        yield made


def test_steps_and_tasks_are_tried_again(applied: Fleet) -> None:
    (run,) = applied.xene("run", "again/tries", "--wait", "-o", "json").json
    tasks = run["tasks"]
    assert run["phase"] == "Success"
    assert tasks["look"]["outputs"] == {
        "steps": "1 2 3 ",
        "tasks": "1 2 3 ",
        "both": "1 2 1 ",
        "firsts": "x x x ",
    }
    assert (tasks["steps"]["attempt"], tasks["steps"]["steps"][0]["attempt"]) == (1, 3)
    assert tasks["tasks"]["attempt"] == 3
    assert [each["phase"] for each in tasks["tasks"]["attempts"]] == ["Error", "Error", "Success"]
    assert tasks["both"]["attempt"] == 2
    assert tasks["codes"]["steps"][0]["exitCode"] == 8 and tasks["codes"]["steps"][0]["attempt"] == 2
    assert tasks["timed"]["phase"] == "Success" and tasks["timed"]["steps"][0]["attempt"] == 2
    assert (tasks["not-timed"]["reason"], tasks["not-timed"]["steps"][0]["exitCode"]) == ("Timeout", 124)
    assert tasks["not-timed"]["steps"][0]["attempt"] == 1
    assert tasks["output"]["outputs"] == {"word": "2"}
    assert (tasks["exhausted"]["phase"], tasks["exhausted"]["attempt"]) == ("Error", 2)
    assert [each["reason"] for each in tasks["exhausted"]["attempts"]] == ["StepFailed", "StepFailed"]


def test_logs_of_each_attempt_can_be_had(applied: Fleet) -> None:
    applied.write(
        "says.yaml",
        """\
        apiVersion: xene/v1
        kind: Workflow
        metadata: {name: says}
        spec:
          pipelines:
            p:
              tasks:
                t:
                  steps:
                    - name: s
                      retry: {maxAttempts: 2, backoff: {initial: 10ms}}
                      run: |
                        echo "try $XENE_ATTEMPT"; [ "$XENE_ATTEMPT" = 2 ]
    """,
    )
    applied.apply()
    run = applied.xene("run", "says/p", "--wait").out.strip()
    assert applied.xene("logs", run, "t/s", "--attempt", "1").out == "try 1\n"
    assert applied.xene("logs", run, "t/s", "--attempt", "2").out == "try 2\n"


def test_what_takes_too_long_is_stopped_within_its_grace(applied: Fleet) -> None:
    (run,) = applied.xene("run", "again/times", "--wait", "-o", "json", code=1).json
    tasks = run["tasks"]
    assert {name: task["reason"] for name, task in tasks.items()} == dict.fromkeys(tasks, "Timeout")
    codes = {name: task["steps"][-1]["exitCode"] for name, task in tasks.items()}
    assert codes == dict.fromkeys(tasks, 124)
    assert (run["phase"], run["reason"]) == ("Error", "Timeout")
    assert applied.xene("logs", run["id"], "polite/s").out.endswith("bye\n")
    assert "took longer than" in tasks["task"]["message"]


def test_a_pause_before_another_try_is_shown_and_can_be_cancelled(applied: Fleet) -> None:
    run = applied.xene("run", "again/paused").out.strip()

    def waits() -> Any:
        applied.xene("reconcile")
        tasks = applied.get("run", run)["tasks"]
        return tasks if {task["reason"] for task in tasks.values()} == {"WaitingForRetry"} else None

    tasks = until(waits, "both wait for their next try")
    assert tasks["one"]["phase"] == tasks["two"]["phase"] == "Running"
    assert "WaitingForRetry" in applied.xene("why", f"run/{run}").out
    applied.xene("cancel", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Cancelled")
    assert {task["reason"] for task in seen["tasks"].values()} == {"Cancelled"}


RETRIED = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: retried}
spec:
  pipelines:
    p:
      params: {word: {type: string, default: plain}}
      env: {WHERE: REVISION}
      tasks:
        make:
          outputs: [word]
          steps:
            - name: s
              env: {WORD: "${{ params.word }}"}
              run: echo x >> made; echo "word=$WORD" >> "$XENE_OUTPUT"
        beside: {steps: [{name: s, run: echo x >> beside}]}
        flaky:
          needs: [make]
          env: {WORD: "${{ tasks.make.outputs.word }}"}
          steps: [{name: s, run: 'echo "$WORD $WHERE" >> seen; [ -e fixed ]'}]
        each:
          needs: [make]
          matrix: {n: [1, 2, 3]}
          env: {N: "${{ matrix.n }}"}
          steps: [{name: s, run: 'echo x >> "each-$N"; [ "$N" != 2 ] || [ -e fixed ]'}]
        after: {needs: [flaky, each], steps: [{name: s, run: cat seen made beside each-*}]}
        rescue: {needs: [{task: flaky, on: error}], steps: [{name: s, run: echo x >> rescued}]}
        fix: {needs: [{task: rescue, on: any}, {task: each, on: any}], steps: [{name: s, run: touch fixed}]}
      finally:
        last: {steps: [{name: s, run: echo x >> last; wc -l < last}]}
"""


def test_a_retry_repeats_what_failed_and_all_after_it(applied: Fleet) -> None:
    applied.write("retried.yaml", RETRIED)
    applied.apply()
    (run,) = applied.xene("run", "retried/p", "-p", "word=a b", "--wait", "-o", "json", code=1).json
    applied.write("retried.yaml", RETRIED.replace("REVISION", "CHANGED"))
    applied.apply()
    done = applied.xene("retry", run["id"], "-o", "json")
    assert done.json["id"] == run["id"] and done.json["attempt"] == 2
    applied.xene("wait", run["id"])
    seen = applied.get("run", run["id"])
    tasks = seen["tasks"]
    assert (seen["phase"], seen["revision"], seen["attempt"]) == ("Success", run["revision"], 2)
    assert seen["params"] == {"word": "a b"}
    said = applied.xene("logs", run["id"], "after").out
    assert [line.split(" | ")[-1] for line in said.splitlines()] == [
        "a b REVISION", "a b REVISION", "x", "x", "x", "x", "x", "x",
    ]  # fmt: skip
    assert tasks["rescue"]["reason"] == "Omitted"
    assert (tasks["make"]["attempt"], tasks["flaky"]["attempt"]) == (1, 2)
    assert (tasks["each[2]"]["attempt"], tasks["each[1]"]["attempt"]) == (2, 1)
    assert [each["phase"] for each in tasks["flaky"]["attempts"]] == ["Error", "Success"]
    assert seen["log"] == "complete"
    assert applied.xene("logs", run["id"], "last/s").out.splitlines()[-1] == "2"
    done = applied.xene("retry", run["id"], code=7)
    assert "rerun" in done.err
    applied.xene("retry", run["id"], "--from", "flaky", code=7)  # the workspace of a Success is not kept
    applied.xene("retry", "nope", code=4)


def test_a_retry_from_a_task_repeats_that_too(applied: Fleet) -> None:
    applied.write("retried.yaml", RETRIED)
    applied.apply()
    run = applied.xene("run", "retried/p", "--wait", code=1).out.strip()
    applied.xene("retry", run, "--from", "nothing", code=4)
    applied.xene("retry", run, "--from", "make")
    applied.xene("wait", run)
    tasks = applied.get("run", run)["tasks"]
    assert (tasks["make"]["attempt"], tasks["beside"]["attempt"]) == (2, 1)
    assert [tasks[f"each[{n}]"]["attempt"] for n in (1, 2, 3)] == [2, 2, 2]
    said = applied.xene("logs", run, "after").out
    assert [line.split(" | ")[-1] for line in said.splitlines()] == ["plain REVISION"] * 2 + ["x"] * 9


def test_a_rerun_is_a_new_run_with_the_same_inputs(applied: Fleet) -> None:
    applied.write("retried.yaml", RETRIED)
    applied.apply()
    (run,) = applied.xene("run", "retried/p", "-p", "word=w", "--wait", "-o", "json", code=1).json
    applied.write("retried.yaml", RETRIED.replace("REVISION", "CHANGED"))
    applied.apply()
    (same,) = applied.xene("rerun", run["id"], "--wait", "-o", "json", code=1).json
    (new,) = applied.xene("rerun", run["id"], "--revision", "latest", "--wait", "-o", "json", code=1).json
    assert len({run["id"], same["id"], new["id"]}) == 3
    assert run["params"] == same["params"] == new["params"] == {"word": "w"}
    assert same["revision"] == run["revision"] != new["revision"]
    assert same["trigger"] == new["trigger"] == "rerun"
    log = [applied.xene("logs", each["id"], "flaky/s", code=None) for each in (same, new)]
    assert all(each.code == 0 for each in log)
    applied.xene("rerun", "nope", code=4)
    applied.xene("rerun", run["id"], "--revision", "first", code=2)


def test_a_retry_without_its_workspace_or_its_agent(tmp_path: Path) -> None:
    with fleet(tmp_path, "ssh", count=1) as made:
        made.write(
            "p.yaml",
            """\
            apiVersion: xene/v1
            kind: Workflow
            metadata: {name: w}
            spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: 'echo x >> n; [ "$(wc -l < n)" = 2 ]'}]}}}}}
        """,
        )
        made.apply()
        run = made.xene("run", "w/p", "--wait", code=1).out.strip()
        assert made.hosts is not None
        made.hosts[0].stop()
        done = made.xene("retry", run, code=5)
        assert "host-1" in done.err
        assert made.get("run", run)["phase"] == "Error"
        made.hosts[0].start()
        made.xene("reconcile")

        def again() -> bool:
            made.xene("reconcile")
            return bool(made.get("run", run)["attempt"] == 2)

        until(again, "the retry is carried out when the agent is back")
        made.xene("wait", run)
        assert made.get("run", run)["phase"] == "Success"
        assert json.loads(made.xene("get", "run", run, "-o", "json").out)["tasks"]["t"]["attempt"] == 2


def test_a_retry_of_a_run_whose_agent_is_no_more(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=2) as made:
        made.write(
            "p.yaml",
            """\
            apiVersion: xene/v1
            kind: Workflow
            metadata: {name: w}
            spec:
              pipelines:
                p: {placement: {agent: host-1}, tasks: {t: {steps: [{name: s, run: exit 1}]}}}
        """,
        )
        made.apply()
        run = made.xene("run", "w/p", "--wait", code=1).out.strip()
        path = made.repository / "agents.yaml"
        path.write_text(path.read_text().split("---\n")[1])
        made.write("p.yaml", (made.repository / "p.yaml").read_text().replace("host-1", "host-2"))
        made.apply("--allow-empty")
        until(lambda: made.xene("reconcile") and len(made.get("agents")) == 1, "the agent has gone")
        done = made.xene("retry", run, code=7)
        assert "workspace" in done.err and "rerun" in done.err
        again = made.xene("rerun", run, "--wait", code=1).out.strip()
        assert made.get("run", again)["agent"] == "host-2"
