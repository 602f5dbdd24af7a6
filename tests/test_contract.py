"""The contract as somebody outside meets it: the program, its exit codes, its JSON, field by field.

Nothing here looks inside. What a page of SPEC promises and another test shows already is not repeated.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.commands.terminal import Terminal
from tests.hosts import agent_homes

RUN = {
    "id", "workflow", "pipeline", "phase", "lastKnownPhase", "phaseSince", "reason", "message", "agent", "trigger",
    "fire", "slot", "params", "revision", "attempt", "log", "createdAt", "startedAt", "finishedAt", "tasks",
}  # fmt: skip
TASK = {"phase", "reason", "message", "attempt", "startedAt", "finishedAt", "outputs", "attempts", "steps"}
ATTEMPT = {"attempt", "phase", "reason", "message", "startedAt", "finishedAt"}
STEP = {"name", "phase", "reason", "message", "exitCode", "attempt", "startedAt", "finishedAt"}
WORKFLOW = {"name", "source", "generation", "revision", "suspended", "labels", "spec"}
PIPELINE = {
    "workflow", "name", "phase", "execution", "reason", "message", "agent", "revision", "observedRevision",
    "suspended", "nextFire", "lastRun",
}  # fmt: skip
AGENT = {
    "name", "phase", "reason", "message", "cordoned", "capacity", "capacityUsed", "labels", "version", "facts",
    "lastSeenAt",
}  # fmt: skip
TOKEN = {"name", "role", "for", "createdAt", "expiresAt", "lastUsedAt"}
EVENT = {"at", "kind", "name", "reason", "message"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop, labels: {team: web}}
spec:
  pipelines:
    build:
      params: {sha: {type: string, pattern: "[0-9a-f]+|HEAD", default: HEAD}}
      tasks:
        make: {outputs: [word], steps: [{name: s, run: 'echo made; echo word=w >> "$XENE_OUTPUT"'}]}
        after: {needs: [make], steps: [{name: s, run: "true"}]}
    fails:
      tasks:
        slow: {steps: [{name: s, run: sleep 60, timeout: 100ms, gracePeriod: 100ms}]}
        shot: {steps: [{name: s, run: kill -9 $$}]}
        after: {needs: [slow], steps: [{name: s, run: "true"}]}
    shared:
      params: {must: {type: integer}}
      tasks: {t: {steps: [{name: s, run: env}]}}
"""
OTHER = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: other, labels: {team: ops}}
spec: {pipelines: {shared: {tasks: {t: {steps: [{name: s, run: "true"}]}}}}}
"""
PINNED = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: pinned}
spec: {pipelines: {p: {placement: {agent: WHERE}, tasks: {t: {steps: [{name: s, run: "true"}]}}}}}
"""
AGENT_OBJECT = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: NAME, labels: {zone: a}}
spec: {local: {}, home: HOME}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Two workflows of a source `ops`, applied; runs: build (Success), fails (Error), build (Success)."""
    root = tmp_path_factory.mktemp("contract")
    (root / "ops").mkdir()
    (root / "ops" / "xene.yaml").write_text("name: ops\n")
    (root / "ops" / "shop.yaml").write_text(SHOP)
    (root / "ops" / "other.yaml").write_text(OTHER)
    with agent_homes(root):
        host = Terminal(root / "home", root)
        host("apply", "ops", code=0)
        host("run", "shop/build", "--wait", code=0)
        host("run", "shop/fails", "--wait", code=1)
        host("run", "build", "-p", "sha=abc", "--wait", code=0)
        yield host


def ids(host: Terminal, *words: str) -> list[str]:
    return [row["id"] for row in host("get", "runs", *words, "-o", "json", code=0).json]


def test_a_run_field_by_field(shop: Terminal) -> None:
    run = shop("get", "run", "shop/build", "-o", "json", code=0).json
    assert set(run) >= RUN
    assert (run["workflow"], run["pipeline"], run["phase"], run["trigger"]) == (
        "shop",
        "build",
        "Success",
        "manual",
    )
    assert (run["params"], run["attempt"], run["log"], run["slot"]) == ({"sha": "abc"}, 1, "complete", None)
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z0-9]{8}", run["id"]) and run["agent"] == "local"
    for key in ("createdAt", "startedAt", "finishedAt", "phaseSince"):
        assert INSTANT.fullmatch(run[key]), key
    assert list(run["tasks"]) == ["make", "after"]
    task = run["tasks"]["make"]
    assert set(task) >= TASK and task["outputs"] == {"word": "w"} and task["phase"] == "Success"
    assert [set(each) >= ATTEMPT for each in task["attempts"]] == [True]
    (step,) = task["steps"]
    assert set(step) >= STEP and (step["name"], step["exitCode"], step["attempt"]) == ("s", 0, 1)


def test_exit_codes_of_steps_and_reasons(shop: Terminal) -> None:
    tasks = shop("get", "run", "shop/fails", "-o", "json", code=0).json["tasks"]
    slow, shot = tasks["slow"]["steps"][0], tasks["shot"]["steps"][0]
    assert (slow["exitCode"], slow["reason"]) == (124, "Timeout")
    assert (shot["exitCode"], shot["reason"]) == (128 + 9, "StepFailed")
    assert (tasks["after"]["phase"], tasks["after"]["reason"]) == ("NotExecuted", "Omitted")
    assert tasks["after"]["startedAt"] is None and tasks["after"]["steps"][0]["exitCode"] is None


def test_a_run_before_its_end_has_every_field(shop: Terminal, tmp_path: Path) -> None:
    (run,) = shop("run", "other", "-o", "json", code=0).json
    assert set(run) >= RUN and set(run["tasks"]) == {"t"} and set(run["tasks"]["t"]) >= TASK
    shop("wait", run["id"], code=0)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("workflows", WORKFLOW), ("pipelines", PIPELINE), ("agents", AGENT), ("events", EVENT), ("runs", RUN)],
)
def test_lists_field_by_field(kind: str, fields: set[str], shop: Terminal) -> None:
    rows = shop("get", kind, "-o", "json", code=0).json
    assert rows and all(set(row) >= fields for row in rows)
    assert all(
        INSTANT.fullmatch(row[key]) for row in rows for key in ("at", "createdAt", "lastSeenAt") if key in row
    )


def test_values_of_workflows_pipelines_and_agents(shop: Terminal) -> None:
    flow = shop("get", "workflow", "shop", "-o", "json", code=0).json
    assert (flow["source"], flow["generation"], flow["suspended"]) == ("ops", 1, False)
    assert flow["labels"] == {"team": "web"} and set(flow["spec"]["pipelines"]) == {
        "build",
        "fails",
        "shared",
    }
    pipeline = shop("get", "pipeline", "shop/build", "-o", "json", code=0).json
    assert (pipeline["phase"], pipeline["execution"], pipeline["agent"]) == ("Scheduled", "Success", "local")
    assert pipeline["revision"] == pipeline["observedRevision"] and pipeline["nextFire"] is None
    assert pipeline["lastRun"]["phase"] == "Success" and pipeline["lastRun"]["id"] in ids(shop)
    agent = shop("get", "agent", "local", "-o", "json", code=0).json
    assert (agent["phase"], agent["cordoned"], agent["capacityUsed"]) == ("Ready", False, 0)
    assert agent["capacity"] >= 1 and {"hostname", "os", "arch", "python", "cpus"} <= set(agent["facts"])


def test_every_way_to_name_a_run(shop: Terminal) -> None:
    newest, oldest = (
        run for run in ids(shop) if shop("get", "run", run, "-o", "json").json["pipeline"] == "build"
    )
    names = {
        newest: [newest, newest[:-1], "shop/build", "shop/build~0", "build"],
        oldest: [oldest, "shop/build~1"],
    }
    for run, words in names.items():
        for word in words:
            assert shop("get", "run", word, "-o", "name", code=0).out == f"run/{run}\n", word
    for words in (["describe", "run"], ["wait"]):
        assert shop(*words, "shop/build~1", "-o", "json", code=0).json["id"] == oldest
    assert shop("logs", "shop/build~1", code=0).out == shop("logs", oldest, code=0).out == "make/s | made\n"
    assert shop("why", "run/build~1", code=0).out == shop("why", f"run/{oldest}", code=0).out
    for verb in ("cancel", "kill"):
        assert oldest in shop(verb, "shop/build~1", code=7).err
    assert (
        "shop/shared" in (ended := shop("get", "pipeline", "shared", code=4)).err
        and "other/shared" in ended.err
    )
    for word in ("shop/build~9", "29990101-000000-aaaaaaaa", "shop/nothing", "2"):
        assert shop("get", "run", word, code=4).out == ""


def test_filters(shop: Terminal) -> None:
    every = ids(shop)
    failed = ids(shop, "--outcome", "error")
    assert len(failed) == 1 and ids(shop, "--phase", "Error") == failed
    assert set(ids(shop, "--outcome", "success")) == set(every) - set(failed)
    assert ids(shop, "--limit", "2") == every[:2] and ids(shop, "--limit", "0") == every
    assert ids(shop, "--since", "1h") == every and ids(shop, "--since", "2099-01-01T00:00:00Z") == []
    assert failed[0] in ids(shop, "-l", "team=web") and failed[0] not in ids(shop, "-l", "team notin (web)")
    names = shop("get", "pipelines", "-l", "team in (ops)", "-o", "name", code=0).out
    assert names == "pipeline/other/shared\n"
    assert shop("get", "pipelines", "--phase", "NotScheduled", "-o", "json", code=0).json == []
    assert shop("get", "workflows", "-l", "!team", "-o", "json", code=0).json == []
    assert shop("get", "agents", "--phase", "Ready", "-o", "name", code=0).out == "agent/local\n"
    assert len(shop("get", "events", "--limit", "1", "-o", "json", code=0).json) == 1


def test_bad_params_are_2_and_leave_no_run(shop: Terminal) -> None:
    before = ids(shop)
    for words in (["shop/build", "-p", "sha=XYZ"], ["shop/build", "-p", "sah=a"], ["shop/shared"],
                  ["shop/shared", "-p", "must=many"], ["shop/build", "-p", "sha"]):  # fmt: skip
        ended = shop("run", *words, code=2)
        assert ended.out == "" and "hint" in ended.err
    assert shop("run", "shop/nothing", code=4).out == "" and ids(shop) == before


def test_the_environment_of_a_step(shop: Terminal) -> None:
    run = shop("run", "shop/shared", "-p", "must=7", "--wait", code=0, LEAK="x", XENE_LEAK="y").out.strip()
    lines = dict(
        line.split("=", 1) for line in shop("logs", run, "t/s", code=0).out.splitlines() if "=" in line
    )
    assert {f"XENE_{name}" for name in (
        "WORKFLOW", "PIPELINE", "RUN", "TASK", "STEP", "ATTEMPT", "AGENT", "TRIGGER", "WORKSPACE", "OUTPUT",
    )} <= set(lines)  # fmt: skip
    assert lines["XENE_RUN"] == run and lines["XENE_PARAM_MUST"] == "7" and lines["XENE_TRIGGER"] == "manual"
    assert lines["PWD"] == lines["XENE_WORKSPACE"] and {"PATH", "HOME"} <= set(lines)
    assert not {"LEAK", "XENE_LEAK", "XENE_HOME", "PYTHONPATH"} & set(lines)


def write(host: Terminal, **files: str) -> None:
    for name, text in files.items():
        path = host.cwd / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def xene(tmp_path: Path) -> Iterator[Terminal]:
    (tmp_path / "cwd").mkdir()
    with agent_homes(tmp_path):
        yield Terminal(tmp_path / "home", tmp_path / "cwd")


def names(host: Terminal, kind: str) -> list[str]:
    return [row["name"] for row in host("get", kind, "-o", "json", code=0).json]


def test_below_its_root_a_source_keeps_its_name_and_nothing_is_pruned(xene: Terminal) -> None:
    write(xene, m__xene_yaml="name: m\n", m__a__shop_yaml=SHOP, m__b__other_yaml=OTHER)
    xene("apply", "m", code=0)
    (xene.cwd / "m/a/shop.yaml").unlink()
    write(xene, m__a__new_yaml=PINNED.replace("WHERE", "local"))
    xene("apply", "m/a", code=0)
    assert names(xene, "workflows") == ["other", "pinned", "shop"]
    assert {row["source"] for row in xene("get", "wf", "-o", "json").json} == {"m"}
    xene("apply", "m", "--no-prune", "--yes", code=0)
    assert "shop" in names(xene, "workflows")
    xene("apply", "m", "--yes", code=0)
    assert names(xene, "workflows") == ["other", "pinned"]


def test_without_a_name_the_source_is_the_real_path(xene: Terminal) -> None:
    write(xene, m__other_yaml=OTHER)
    (xene.cwd / "link").symlink_to("m")
    xene("apply", "link", code=0)
    (row,) = xene("get", "wf", "-o", "json", code=0).json
    assert row["source"] == str((xene.cwd / "m").resolve())


def test_an_object_of_another_source_is_a_conflict_and_nothing_is_changed(xene: Terminal) -> None:
    write(xene, one__xene_yaml="name: one\n", one__other_yaml=OTHER)
    write(
        xene, two__xene_yaml="name: two\n", two__other_yaml=OTHER.replace("ops", "dev"), two__shop_yaml=SHOP
    )
    xene("apply", "one", code=0)
    assert "one" in xene("apply", "two", code=7).err
    assert names(xene, "workflows") == ["other"]
    xene("apply", "two", "--take-over", code=0)
    assert {row["source"] for row in xene("get", "wf", "-o", "json").json} == {"two"}
    assert xene("apply", "one", code=7).out.count("! Workflow other") == 1


def test_what_is_skipped(xene: Terminal) -> None:
    broken = "kind: [\n"
    write(xene, m__xene_yaml="name: m\n", m__other_yaml=OTHER, m__skip__x_yaml=broken, m__keep__y_yaml=SHOP)
    write(
        xene,
        **{
            "m__.hidden__z_yaml": broken,
            "m__.xeneignore": "skip/\nkeep/*\n!keep/y.yaml\n",
            "m__notes.txt": "[",
        },
    )
    assert "no problems: 2 workflows in 2 files" in xene("validate", "m", code=0).err
    (xene.cwd / "m/.xeneignore").unlink()
    assert "skip/x.yaml:" in xene("validate", "m", code=3).out


def test_references_resolve_in_the_path_and_in_the_state(xene: Terminal) -> None:
    home = str(xene.cwd / "agent")
    write(xene, a__agent_yaml=AGENT_OBJECT.replace("NAME", "build-1").replace("HOME", home))
    write(xene, f__pinned_yaml=PINNED.replace("WHERE", "build-1"))
    assert "unresolved-reference" in xene("validate", "f", code=3).out
    assert "unresolved-reference" in xene("apply", "f", code=3).err
    xene("validate", "f", "a", code=0)
    xene("apply", "a", code=0)
    xene("diff", "f", code=1)
    xene("apply", "f", "--wait", code=0)
    assert xene("get", "pl", "p", "-o", "json", code=0).json["agent"] == "build-1"


def test_the_implicit_agent_goes_with_the_first_agent_object(xene: Terminal) -> None:
    write(xene, m__xene_yaml="name: m\n", m__other_yaml=OTHER)
    xene("apply", "m", code=0)
    run = xene("run", "other", "--wait", code=0).out.strip()
    assert names(xene, "agents") == ["local"]
    home = str(xene.cwd / "agent")
    write(xene, m__agent_yaml=AGENT_OBJECT.replace("NAME", "build-1").replace("HOME", home))
    xene("apply", "m", code=0)
    xene("run", "other", "--wait", code=0)
    assert names(xene, "agents") == ["build-1"]
    assert (
        xene("logs", run, code=0).err == "" and xene("get", "run", run, "-o", "json").json["agent"] == "local"
    )
    write(xene, m__agent_yaml=AGENT_OBJECT.replace("NAME", "local").replace("HOME", home))
    xene("apply", "m", "--yes", "--allow-empty", code=0)
    assert names(xene, "agents") == ["local"]


def test_history_outlives_objects(xene: Terminal) -> None:
    write(xene, m__xene_yaml="name: m\n", m__other_yaml=OTHER)
    xene("apply", "m", code=0)
    run = xene("run", "other", "--wait", code=0).out.strip()
    (xene.cwd / "m/other.yaml").unlink()
    xene("apply", "m", "--yes", code=7)
    xene("apply", "m", "--yes", "--allow-empty", code=0)
    assert names(xene, "workflows") == [] and xene("run", "other", code=4).out == ""
    assert xene("get", "run", "other/shared", "-o", "name", code=0).out == f"run/{run}\n"
    assert xene("logs", run, code=0).err == ""


def test_a_revision_stays_with_its_run(xene: Terminal) -> None:
    write(xene, m__xene_yaml="name: m\n", m__other_yaml=OTHER)
    xene("apply", "m", code=0)
    first: dict[str, Any] = xene("run", "other", "--wait", "-o", "json", code=0).json[0]
    write(xene, m__other_yaml=OTHER.replace("true", ":"))
    digest = xene("diff", "m", "-o", "json", code=1).json["digest"]
    assert "moved since" in xene("apply", "m", "--if-unchanged", "0" * 12, code=7).err
    xene("apply", "m", "--if-unchanged", digest, code=0)
    second = xene("run", "other", "--wait", "-o", "json", code=0).json[0]
    assert first["revision"] != second["revision"]
    assert xene("get", "run", first["id"], "-o", "json").json["revision"] == first["revision"]
    assert xene("get", "wf", "other", "-o", "json").json["generation"] == 2


def test_a_file_runs_without_a_state(xene: Terminal) -> None:
    write(xene, w_yaml=SHOP)
    ended = xene("run", "w.yaml:build", "-p", "sha=ab", "-o", "json", code=0)
    (run,) = ended.json
    assert set(run) >= RUN and run["params"] == {"sha": "ab"} and run["phase"] == "Success"
    assert "make/s | made" in ended.err and not xene.home.exists()
    assert xene("-q", "run", "w.yaml:build", code=0).err == ""
    assert xene("run", "w.yaml:fails", code=1).out == ""
    assert xene("run", "w.yaml:nothing", code=4).out == ""


def test_a_plan_that_removes_is_refused_whole(xene: Terminal) -> None:
    write(
        xene, m__xene_yaml="name: m\n", m__other_yaml=OTHER, m__pinned_yaml=PINNED.replace("WHERE", "local")
    )
    xene("apply", "m", code=0)
    (xene.cwd / "m/pinned.yaml").unlink()
    write(xene, m__shop_yaml=SHOP, m__other_yaml=OTHER.replace("ops", "dev"))
    refused = xene("apply", "m", code=7)
    assert "+ Workflow shop" in refused.out and "--yes" in refused.err
    assert names(xene, "workflows") == ["other", "pinned"]
    assert xene("get", "wf", "other", "-o", "json").json["labels"] == {"team": "ops"}
    assert xene("apply", "m", "--dry-run", code=0).out == refused.out


def test_a_whole_workflow_is_fired_and_waited_for(shop: Terminal) -> None:
    ended = shop("run", "shop", "-p", "must=1", "-p", "sha=ab", "--wait", "-o", "json", code=1)
    params = {run["pipeline"]: run["params"] for run in ended.json}
    assert params == {"build": {"sha": "ab"}, "fails": {}, "shared": {"must": 1}}
    assert len({run["fire"] for run in ended.json}) == 1
    assert {run["pipeline"]: run["phase"] for run in ended.json} == {
        "build": "Success",
        "fails": "Error",
        "shared": "Success",
    }
    shown = shop("run", "shop", "-p", "must=1", "--follow", code=1)
    assert len(shown.out.split()) == 3 and "build:make/s | made" in shown.err
    assert shop("run", "shop", code=2).out == ""


def test_a_state_of_its_own_and_no_state(shop: Terminal, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "none.db")
    for words in (["get", "runs"], ["get", "agents"], ["reconcile"]):
        shop(*words, "--state", elsewhere, code=0)
        shop(*words, code=0, XENE_STATE=elsewhere)
    for words in (
        ["describe", "run", "x"],
        ["why", "agent/local"],
        ["logs", "x"],
        ["cancel", "x"],
        ["run", "shop"],
    ):
        assert shop(*words, "--state", elsewhere, code=4).out == ""
    assert not Path(elsewhere).exists()
