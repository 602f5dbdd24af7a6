"""Pipelines that follow each other within a fire: over several agents, with control off, with artifacts."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    build:
      placement: {agent: host-1}
      params: {word: {type: string, default: plain}, fail: {type: boolean, default: false}}
      tasks:
        make:
          artifacts: {source: ["src/**", "top"]}
          steps:
            - name: s
              env: {WORD: "${{ params.word }}", FAIL: "${{ params.fail }}"}
              run: |
                mkdir -p src/deep; echo "$WORD" > src/deep/word; head -c 300000 /dev/urandom > src/blob
                echo t > top; sha256sum src/blob; [ "$FAIL" = false ] || [ -e fixed ] || { touch fixed; exit 1; }
    unit:
      placement: {agent: host-2}
      needs: [build]
      tasks: {t: {steps: [{name: s, run: ls}]}}
    scan:
      placement: {agent: host-2}
      params: {word: {type: string, default: other}}
      needs: [{pipeline: build, artifacts: [source]}]
      tasks:
        t: {steps: [{name: s, run: 'cat src/deep/word; sha256sum src/blob; echo "$XENE_PARAM_WORD"'}]}
    ship:
      placement: {agent: host-1}
      needs: [unit, scan]
      tasks: {t: {steps: [{name: s, run: "true"}]}}
    alarm:
      placement: {agent: host-2}
      needs: [{pipeline: build, on: error}]
      tasks: {t: {steps: [{name: s, run: "true"}]}}
    after-alarm:
      needs: [alarm]
      tasks: {t: {steps: [{name: s, run: "true"}]}}
    no-alarm:
      needs: [{pipeline: alarm, on: skipped}]
      tasks: {t: {steps: [{name: s, run: "true"}]}}
    always:
      needs: [{pipeline: ship, on: any}]
      tasks: {t: {steps: [{name: s, run: "true"}]}}
"""


@pytest.fixture(scope="module", params=["local", "ssh", "ssh+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=2) as made:
        made.write("shop.yaml", FLOW)
        made.apply()
        yield made


def by_pipeline(runs: Any) -> dict[str, Any]:
    return {run["pipeline"]: run for run in runs}


def of_fire(made: Fleet, fire: str) -> dict[str, Any]:
    return by_pipeline(run for run in made.get("runs") if run["fire"] == fire)


def test_a_whole_workflow_in_order_over_two_agents(applied: Fleet) -> None:
    done = applied.xene("run", "shop", "-p", "word=w x", "--wait", "-o", "json")
    runs = by_pipeline(done.json)
    assert set(runs) == {"build", "unit", "scan", "ship", "no-alarm", "always"}
    assert {run["phase"] for run in runs.values()} == {"Success"}
    assert len({run["fire"] for run in runs.values()}) == 1
    assert runs["build"]["trigger"] == "manual" and runs["scan"]["trigger"] == "pipeline"
    assert runs["scan"]["params"] == {"word": "w x"} and runs["unit"]["params"] == {}
    for first, then in (
        ("build", "unit"),
        ("build", "scan"),
        ("unit", "ship"),
        ("scan", "ship"),
        ("ship", "always"),
    ):
        assert runs[first]["finishedAt"] <= runs[then]["startedAt"]
    assert runs["build"]["agent"] != runs["scan"]["agent"]
    made = applied.xene("logs", runs["build"]["id"], "make/s").out
    assert applied.xene("logs", runs["scan"]["id"], "t/s").out.splitlines() == ["w x", made.strip(), "w x"]
    assert (
        applied.xene("logs", runs["unit"]["id"], "t/s").out == ""
    )  # nothing is laid that it did not ask for
    events = [event for event in applied.get("events") if event["reason"] == "ConnectorsNotMet"]
    skipped = {event["name"]: event["message"] for event in events}
    assert "error" in skipped["shop/alarm"] and "shop/after-alarm" in skipped


def test_the_ids_come_as_lines_and_follow_shows_all(applied: Fleet) -> None:
    done = applied.xene("run", "shop", "--follow")
    ids = done.out.split()
    assert len(ids) == len(set(ids)) == 6
    assert {applied.get("run", run)["phase"] for run in ids} == {"Success"}
    assert "scan" in done.err and "plain" in done.err


def test_on_error_and_what_is_skipped(applied: Fleet) -> None:
    done = applied.xene("run", "shop", "-p", "fail=true", "--wait", "-o", "json", code=1)
    runs = by_pipeline(done.json)
    assert {name: run["phase"] for name, run in runs.items()} == {
        "build": "Error", "alarm": "Success", "after-alarm": "Success", "always": "Success",
    }  # fmt: skip
    build = runs["build"]
    applied.xene("retry", build["id"])
    applied.xene("wait", build["id"])

    def followed() -> bool:
        applied.xene("reconcile")
        found = of_fire(applied, build["fire"])
        return "ship" in found and found["ship"]["phase"] == "Success"

    until(followed, "what was skipped is looked at again")
    found = of_fire(applied, build["fire"])
    assert found["alarm"]["id"] == runs["alarm"]["id"] and found["always"]["id"] == runs["always"]["id"]
    assert set(found) == {"build", "alarm", "after-alarm", "always", "unit", "scan", "ship"}


def test_a_pipeline_alone(applied: Fleet) -> None:
    (unit,) = applied.xene("run", "shop/unit", "--wait", "-o", "json").json
    assert unit["pipeline"] == "unit" and unit["phase"] == "Success"
    done = applied.xene("run", "shop/scan", code=2)
    assert "--artifacts-from" in done.err and done.out == ""
    (build,) = applied.xene("run", "shop/build", "-p", "word=mine", "--wait", "-o", "json").json
    (scan,) = applied.xene("run", "shop/scan", "--artifacts-from", build["id"], "--wait", "-o", "json").json
    assert scan["phase"] == "Success"
    assert applied.xene("logs", scan["id"], "t/s").out.splitlines()[0] == "mine"
    applied.xene("run", "shop/unit", "--artifacts-from", build["id"], code=2)
    applied.xene("run", "shop/scan", "--artifacts-from", unit["id"], code=4)
    applied.xene("run", "shop/scan", "--artifacts-from", "nope", code=4)


def test_artifacts_can_be_had(applied: Fleet, tmp_path: Path) -> None:
    (build,) = applied.xene("run", "shop/build", "--wait", "-o", "json").json
    applied.xene("artifacts", build["id"], "source", "--to", str(tmp_path / "out"))
    said = applied.xene("logs", build["id"], "make/s").out.split()[0]
    blob = next((tmp_path / "out").rglob("blob"))
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == said


def test_params_must_be_known_to_some_pipeline(applied: Fleet) -> None:
    done = applied.xene("run", "shop", "-p", "wrod=x", code=2)
    assert "did you mean" in done.err


def test_control_is_killed_between_two_pipelines(applied: Fleet, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    applied.write(
        "two.yaml",
        f"""\
        apiVersion: xene/v1
        kind: Workflow
        metadata: {{name: two}}
        spec:
          pipelines:
            one:
              placement: {{agent: host-1}}
              tasks: {{t: {{steps: [{{name: s, run: "until [ -e {gate} ]; do sleep 0.02; done"}}]}}}}
            next:
              placement: {{agent: host-2}}
              needs: [one]
              tasks: {{t: {{steps: [{{name: s, run: "true"}}]}}}}
    """,
    )
    applied.apply()
    child = applied.start("run", "two", "--wait")
    assert child.stdout is not None
    one = child.stdout.readline().strip()

    def runs() -> bool:
        seen = applied.xene("get", "run", one, "-o", "json", code=None)
        return seen.code == 0 and seen.json["tasks"]["t"]["phase"] == "Running"

    until(runs, "the first runs")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    gate.touch()
    fire = applied.get("run", one)["fire"]

    def followed() -> bool:
        applied.xene("reconcile")
        found = of_fire(applied, fire)
        return "next" in found and found["next"]["phase"] == "Success"

    until(followed, "reconcile goes on")
    assert len(of_fire(applied, fire)) == 2


def test_a_cancelled_run_lets_nothing_follow(applied: Fleet) -> None:
    applied.write(
        "stop.yaml",
        """\
        apiVersion: xene/v1
        kind: Workflow
        metadata: {name: stop}
        spec:
          pipelines:
            one: {gracePeriod: 1s, tasks: {t: {steps: [{name: s, run: sleep 300}]}}}
            any: {needs: [{pipeline: one, on: any}], tasks: {t: {steps: [{name: s, run: "true"}]}}}
    """,
    )
    applied.apply()
    child = applied.start("run", "stop", "--wait")
    assert child.stdout is not None
    one = child.stdout.readline().strip()
    applied.xene("cancel", one)
    child.communicate(timeout=60)
    assert child.returncode == 1
    assert set(of_fire(applied, applied.get("run", one)["fire"])) == {"one"}


def test_a_file_runs_its_pipelines_in_order(applied: Fleet) -> None:
    path = applied.repository / "shop.yaml"
    runs = by_pipeline(applied.xene("run", str(path), "-q", "-o", "json").json)
    assert set(runs) == {"build", "unit", "scan", "ship", "no-alarm", "always"}
    assert {run["phase"] for run in runs.values()} == {"Success"}
