"""The main job, end to end, by the same tests over agents on this host and over real sshd hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import Fleet, fleet, until

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: flow}
spec:
  env: {WHOSE: flow}
  pipelines:
    good:
      params: {word: {type: string, default: plain}}
      tasks:
        make:
          outputs: [word]
          steps:
            - name: write
              run: echo "word=$WORD"; echo "word=$WORD" >> "$XENE_OUTPUT"
              env: {WORD: "${{ params.word }}"}
        use:
          needs: [make]
          steps:
            - {name: say, exec: [printf, "%s\\n", "${{ tasks.make.outputs.word }}"]}
            - {name: many, run: "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done"}
    bad:
      tasks:
        break: {steps: [{name: now, run: echo soon; exit 42}]}
        after: {needs: [break], steps: [{name: s, run: "true"}]}
    long:
      tasks:
        sleep: {steps: [{name: s, run: echo on; sleep 300, gracePeriod: 2s}]}
"""


@pytest.fixture(scope="module", params=["local", "ssh", "local+controller", "ssh+controller"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three agents and the workflow above, applied."""
    with fleet(tmp_path_factory.mktemp(request.param), request.param) as made:
        made.write("flow.yaml", FLOW)
        made.apply()
        yield made


def test_three_pipelines_spread_over_three_agents(applied: Fleet) -> None:
    pipelines = applied.get("pipelines")
    assert {one["phase"] for one in pipelines} == {"Scheduled"}
    assert sorted(one["agent"] for one in pipelines) == ["host-1", "host-2", "host-3"]
    assert all(one["revision"] == one["observedRevision"] for one in pipelines)
    assert {one["phase"] for one in applied.get("agents")} == {"Ready"}


def test_outputs_travel_and_logs_are_read_back_whole(applied: Fleet) -> None:
    done = applied.xene("run", "flow/good", "-p", "word=a b; $(id)", "--wait", "-o", "json")
    (run,) = done.json
    assert run["phase"] == "Success" and run["log"] == "complete"
    assert run["params"] == {"word": "a b; $(id)"}
    assert run["tasks"]["make"]["outputs"] == {"word": "a b; $(id)"}
    assert applied.xene("logs", run["id"], "use/say").out == "a b; $(id)\n"
    assert applied.xene("logs", run["id"], "use/many").out == "".join(f"line {i}\n" for i in range(1, 2001))
    assert applied.xene("logs", "flow/good", "use/many", "--tail", "2").out == "line 1999\nline 2000\n"
    merged = applied.xene("logs", run["id"]).out
    assert merged.count("\n") == 2002 and "make/write" in merged


def test_a_failing_step_says_so_everywhere(applied: Fleet) -> None:
    done = applied.xene("run", "flow/bad", "--follow", code=1)
    assert "soon" in done.err and done.out.strip()
    run = applied.xene("get", "run", done.out.strip(), "-o", "json").json
    assert (run["phase"], run["reason"]) == ("Error", "StepFailed")
    assert run["tasks"]["break"]["steps"][0]["exitCode"] == 42
    assert run["tasks"]["after"]["reason"] == "Omitted"
    assert "42" in applied.xene("why", f"run/{run['id']}").out
    assert applied.xene("wait", run["id"], code=1).code == 1


def test_cancel_answers_with_proof(applied: Fleet) -> None:
    run = applied.xene("run", "flow/long").out.strip()
    until(lambda: applied.get("run", run)["phase"] == "Running" or applied.xene("reconcile"), "it runs")
    until(lambda: applied.xene("logs", run).out == "sleep/s | on\n" or None, "its log is there")
    applied.xene("cancel", run)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "Cancelled")
    applied.xene("cancel", run, code=7)


def test_a_second_apply_does_nothing(applied: Fleet) -> None:
    assert applied.xene("diff", str(applied.repository)).code == 0
    before = applied.get("workflows") + applied.get("pipelines")
    applied.apply()
    assert [without_runs(one) for one in applied.get("workflows") + applied.get("pipelines")] == [
        without_runs(one) for one in before
    ]


def without_runs(row: dict) -> dict:
    return {key: value for key, value in row.items() if key not in ("lastRun", "execution")}


def test_an_invalid_manifest_changes_nothing(applied: Fleet) -> None:
    before = applied.get("workflows")
    path = applied.write(
        "broken.yaml", FLOW.replace("flow}", "other}").replace("needs: [make]", "needs: [mkae]")
    )
    try:
        done = applied.apply(code=3)
    finally:
        path.unlink()
    assert "broken.yaml:" in done.err and "did you mean" in done.err and "make" in done.err
    assert applied.get("workflows") == before


def test_unknown_things_and_bad_params_have_their_exit_codes(applied: Fleet) -> None:
    assert "did you mean" in applied.xene("run", "flwo", code=4).err
    assert "wrod" in applied.xene("run", "flow/good", "-p", "wrod=x", code=2).err
    assert applied.xene("get", "run", "nope", code=4).out == ""
    assert applied.xene("get", "nonsense", code=2).out == ""


def test_a_changed_workflow_keeps_the_revision_of_its_runs(applied: Fleet) -> None:
    old = applied.get("pipeline", "flow/good")["revision"]
    (run,) = applied.xene("run", "flow/good", "--wait", "-o", "json").json
    applied.write("flow.yaml", FLOW.replace("line $i", "row $i"))
    try:
        assert applied.xene("diff", str(applied.repository), code=1).out
        applied.apply()
        assert applied.get("pipeline", "flow/good")["revision"] != old
        assert applied.get("pipeline", "flow/good")["observedRevision"] != old
        assert applied.get("run", run["id"])["revision"] == old
    finally:
        applied.write("flow.yaml", FLOW)
        applied.apply()
    assert applied.get("pipeline", "flow/good")["revision"] == old


@pytest.mark.parametrize("kind", ["local", "ssh", "local+controller", "ssh+controller"])
def test_prune_removes_what_went_and_keeps_its_history(kind: str, tmp_path: Path) -> None:
    with fleet(tmp_path, kind, count=1) as made:
        made.write("flow.yaml", FLOW)
        made.write("other.yaml", FLOW.replace("name: flow", "name: other"))
        made.apply()
        (run,) = made.xene("run", "other/good", "--wait", "-o", "json").json
        (made.repository / "other.yaml").unlink()
        refused = made.xene("apply", str(made.repository), code=7)
        assert "other" in refused.err + refused.out
        made.apply()
        assert [one["name"] for one in made.get("workflows")] == ["flow"]
        assert made.get("run", run["id"])["phase"] == "Success"
        assert made.xene("logs", run["id"], "use/say").out == "plain\n"
        (made.repository / "flow.yaml").unlink()
        (made.repository / "agents.yaml").unlink()
        assert made.apply(code=7).code == 7  # nothing is left: that wants --allow-empty
        assert [one["name"] for one in made.get("workflows")] == ["flow"]


def test_without_any_agent_the_embedded_one_does_the_work(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        (made.repository / "agents.yaml").unlink()
        made.write("flow.yaml", FLOW)
        made.apply()
        assert {one["agent"] for one in made.get("pipelines")} == {"local"}
        done = made.xene("run", "flow/good", "--wait", "-o", "json")
        assert [run["phase"] for run in done.json] == ["Success"]
        assert json.loads(made.xene("get", "agent", "local", "-o", "json").out)["phase"] == "Ready"
