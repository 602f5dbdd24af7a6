"""Matrices, end to end: instances from the manifest and from an output, their sum, their logs and their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fleet import Fleet, fleet

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: matrices}
spec:
  pipelines:
    static:
      tasks:
        test:
          matrix: {suite: [unit, api], race: [true, false], exclude: [{suite: api, race: true}], maxParallel: 2}
          outputs: [said]
          env: {SUITE: "${{ matrix.suite }}", RACE: "${{ matrix.race }}"}
          steps:
            - name: s
              run: |
                echo "$XENE_TASK runs $SUITE $RACE"
                echo "said=$SUITE-$RACE" >> "$XENE_OUTPUT"
        use:
          needs: [test]
          outputs: [all]
          env: {ALL: "${{ tasks.test.outputs.said }}"}
          steps: [{name: s, run: 'echo "all=$ALL" >> "$XENE_OUTPUT"'}]
    included:
      tasks:
        t:
          matrix: {os: [a, b], include: [{os: a, extra: x}, {os: c, extra: y}]}
          outputs: [said]
          env: {OS: "${{ matrix.os }}"}
          steps: [{name: s, run: 'echo "said=$OS" >> "$XENE_OUTPUT"'}]
    found:
      tasks:
        plan:
          outputs: [shards, none, object]
          steps:
            - name: s
              run: |
                echo 'shards=["a b", 2, {"k": "v"}]' >> "$XENE_OUTPUT"; echo 'none=[]' >> "$XENE_OUTPUT"
                echo 'object={}' >> "$XENE_OUTPUT"
        each:
          needs: [plan]
          matrix: {shard: "${{ fromJson(tasks.plan.outputs.shards) }}"}
          outputs: [got]
          env: {SHARD: "${{ matrix.shard }}"}
          steps: [{name: s, run: 'echo "got=$SHARD" >> "$XENE_OUTPUT"'}]
        empty:
          needs: [plan]
          matrix: {shard: "${{ fromJson(tasks.plan.outputs.none) }}"}
          steps: [{name: s, run: "true"}]
        on-empty: {needs: [{task: empty, on: skipped}], steps: [{name: s, run: "true"}]}
        after-empty: {needs: [empty], steps: [{name: s, run: "true"}]}
        wrong:
          needs: [plan]
          continueOnError: true
          matrix: {shard: "${{ fromJson(tasks.plan.outputs.object) }}"}
          steps: [{name: s, run: "true"}]
    limited:
      tasks:
        t:
          matrix: {n: [1, 2, 3, 4, 5], maxParallel: 2}
          env: {N: "${{ matrix.n }}"}
          steps:
            - name: s
              run: |
                mkdir -p now; touch "now/$N"
                [ "$N" != 2 ] || until [ -e now/1 ]; do sleep 0.02; done
                ls now | wc -l >> most
                [ "$N" != 2 ] || touch two
                [ "$N" != 1 ] || until [ -e two ]; do sleep 0.02; done
                rm "now/$N"
        look:
          needs: [t]
          outputs: [most]
          steps: [{name: s, run: 'echo "most=$(sort -n most | tail -1)" >> "$XENE_OUTPUT"'}]
    some-fail:
      tasks:
        t:
          matrix: {n: [1, 2, 3]}
          outputs: [n]
          env: {N: "${{ matrix.n }}"}
          steps: [{name: s, run: '[ "$N" != 2 ]; echo "n=$N" >> "$XENE_OUTPUT"'}]
        on-error: {needs: [{task: t, on: error}], steps: [{name: s, run: "true"}]}
        on-success: {needs: [t], steps: [{name: s, run: "true"}]}
    fast:
      tasks:
        t:
          matrix: {n: [1, 2, 3, 4], failFast: true, maxParallel: 2}
          env: {N: "${{ matrix.n }}"}
          steps:
            - name: s
              gracePeriod: 1s
              run: |
                [ "$N" != 1 ] || { until [ -e two ]; do sleep 0.02; done; exit 1; }
                touch two; sleep 300
        beside: {steps: [{name: s, run: "true"}]}
"""


@pytest.fixture(scope="module", params=["local", "ssh", "local+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=2) as made:
        made.write("matrices.yaml", FLOW)
        made.apply()
        yield made


@pytest.fixture(scope="module")
def ended(applied: Fleet) -> dict[str, Any]:
    """The run of each pipeline of one fire, by name."""
    done = applied.xene("run", "matrices", "--wait", "-o", "json", code=1)
    return {run["pipeline"]: run for run in done.json}


def test_instances_are_named_by_value_and_stand_beside_their_sum(
    applied: Fleet, ended: dict[str, Any]
) -> None:
    run = ended["static"]
    names = ["test", "test[unit,true]", "test[unit,false]", "test[api,false]", "use"]
    assert list(run["tasks"]) == names
    assert {task["phase"] for task in run["tasks"].values()} == {"Success"}
    assert run["tasks"]["test"]["steps"] == []
    assert run["tasks"]["test"]["outputs"] == {"said": ["unit-true", "unit-false", "api-false"]}
    assert run["tasks"]["test[api,false]"]["outputs"] == {"said": "api-false"}
    assert run["tasks"]["use"]["outputs"] == {"all": '["unit-true","unit-false","api-false"]'}
    assert applied.xene("logs", run["id"], "test[unit,true]").out.endswith("test[unit,true] runs unit true\n")
    assert applied.xene("logs", run["id"], "test[unit,true]/s").out == "test[unit,true] runs unit true\n"
    whole = applied.xene("logs", run["id"], "test").out
    assert all(f"runs {each}" in whole for each in ("unit true", "unit false", "api false"))
    steps = applied.xene("logs", run["id"], "test/s").out
    assert "test[api,false]/s | test[api,false] runs api false\n" in steps and steps.count("\n") == 3
    assert "test[unit,true]" in applied.xene("logs", run["id"], "test[unit,tru]", code=4).err
    shown = applied.xene("describe", "run", run["id"]).out
    assert "test[unit,true]" in shown


def test_all_instances_are_there_from_the_start(applied: Fleet) -> None:
    done = applied.xene("run", "matrices/static", "-o", "json")
    assert list(done.json[0]["tasks"])[:2] == ["test", "test[unit,true]"]
    applied.xene("wait", done.json[0]["id"])


def test_include_extends_and_adds(ended: dict[str, Any]) -> None:
    run = ended["included"]
    assert list(run["tasks"]) == ["t", "t[a,x]", "t[b]", "t[c,y]"]
    assert run["tasks"]["t"]["outputs"] == {"said": ["a", "b", "c"]}


def test_a_matrix_from_an_output_is_expanded_when_it_is_reached(ended: dict[str, Any]) -> None:
    tasks = ended["found"]["tasks"]
    assert ended["found"]["phase"] == "Success"
    assert [name for name in tasks if name.startswith("each")] == [
        "each", "each[a b]", "each[2]", 'each[{"k":"v"}]',
    ]  # fmt: skip
    assert tasks["each"]["outputs"] == {"got": ["a b", "2", '{"k":"v"}']}
    assert (tasks["empty"]["phase"], tasks["empty"]["reason"]) == ("NotExecuted", "EmptyMatrix")
    assert tasks["on-empty"]["phase"] == "Success"
    assert tasks["after-empty"]["reason"] == "Omitted"
    assert (tasks["wrong"]["phase"], tasks["wrong"]["reason"]) == ("Error", "ExpressionFailed")


def test_max_parallel_holds(ended: dict[str, Any]) -> None:
    assert ended["limited"]["phase"] == "Success"
    assert ended["limited"]["tasks"]["look"]["outputs"] == {"most": "2"}


def test_a_sum_fails_when_an_instance_does(ended: dict[str, Any]) -> None:
    tasks = ended["some-fail"]["tasks"]
    assert ended["some-fail"]["phase"] == "Error" and "t[2]" in ended["some-fail"]["message"]
    phases = {name: task["phase"] for name, task in tasks.items()}
    assert phases == {
        "t": "Error", "t[1]": "Success", "t[2]": "Error", "t[3]": "Success",
        "on-error": "Success", "on-success": "NotExecuted",
    }  # fmt: skip
    assert tasks["t"]["outputs"] == {} and tasks["t"]["reason"] == "StepFailed"


def test_fail_fast_of_a_matrix_ends_its_other_instances_alone(ended: dict[str, Any]) -> None:
    tasks = ended["fast"]["tasks"]
    reasons = {name: task["reason"] or task["phase"] for name, task in tasks.items()}
    assert reasons == {
        "t": "StepFailed", "t[1]": "StepFailed", "t[2]": "Cancelled", "t[3]": "Cancelled", "t[4]": "Cancelled",
        "beside": "Success",
    }  # fmt: skip
    assert tasks["t[2]"]["phase"] == "Error" and tasks["t[3]"]["phase"] == "NotExecuted"
    assert (ended["fast"]["phase"], ended["fast"]["reason"]) == ("Error", "StepFailed")


LARGE = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: large}
spec:
  pipelines:
    p:
      tasks:
        each:
          matrix: {n: [1, 2, 3]}
          outputs: [o]
          steps: [{name: s, shell: python, run: SAY}]
        steps:
          outputs: [a, b]
          steps: [{name: a, shell: python, run: SAY-A}, {name: b, shell: python, run: SAY-B}]
        near: {outputs: [o], steps: [{name: s, shell: python, run: NEAR}]}
"""


def test_outputs_that_are_too_large_together_are_an_error_that_is_told(applied: Fleet) -> None:
    def said(name: str, text: str) -> str:
        return f'\'import os; open(os.environ["XENE_OUTPUT"], "w").write("{name}=" + {text} + "\\n")\''

    text = LARGE.replace("SAY-A", said("a", '"x" * 600000')).replace("SAY-B", said("b", '"x" * 600000'))
    text = text.replace("SAY", said("o", '"x" * 600000')).replace("NEAR", said("o", "chr(1) * 1040000"))
    applied.write("large.yaml", text)
    applied.apply()
    (run,) = applied.xene("run", "large/p", "--wait", "-o", "json", code=1).json
    reasons = {name: task["reason"] or task["phase"] for name, task in run["tasks"].items()}
    assert reasons == {
        "each": "OutputInvalid", **{f"each[{n}]": "Success" for n in (1, 2, 3)},
        "steps": "OutputInvalid", "near": "Success",
    }  # fmt: skip
    assert len(run["tasks"]["near"]["outputs"]["o"]) == 1040000


def test_a_file_runs_with_a_matrix_too(applied: Fleet) -> None:
    path = str(applied.repository / "matrices.yaml")
    (run,) = applied.xene("run", f"{path}:found", "-q", "-o", "json").json
    assert run["tasks"]["each"]["outputs"] == {"got": ["a b", "2", '{"k":"v"}']}
