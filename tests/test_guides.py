"""The complete manifests of the pages that explain the language: each is run, and does what its page says.

That they are valid is shown by `test_docs.py`, with all others.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.hosts import agent_homes, until
from tests.test_docs import blocks

ALONE = ("connectors", "failure", "matrix", "triggers")  # pages whose manifest runs with nobody there
Run = dict[str, Any]


def manifest(page: str) -> str:
    """The one complete Workflow of a page."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    (found,) = [block for block in blocks(text) if "kind: Workflow" in block]
    return found


@pytest.fixture(scope="module")
def host() -> Iterator[Terminal]:
    """A control host; the manifest of each page is in its current directory."""
    root = Path(tempfile.mkdtemp(prefix="xene-guides-"))
    (root / "cwd").mkdir()
    for page in (*ALONE, "approvals"):
        (root / "cwd" / f"{page}.yaml").write_text(manifest(page))
    try:
        with agent_homes(root):
            yield Terminal(home=root / "home", cwd=root / "cwd", anew=True)
    finally:
        shutil.rmtree(root)


def spot(host: Terminal, page: str, *words: str) -> dict[str, Run]:
    """The ended runs of `xene run FILE`, by pipeline. They must all be in Success."""
    runs = host("run", f"{page}.yaml", "-q", "-o", "json", *words, code=0).json
    return {run["pipeline"]: run for run in runs}


def ends(run: Run) -> dict[str, str]:
    """How each task ended: its reason, or else its phase."""
    return {name: task["reason"] or task["phase"] for name, task in run["tasks"].items()}


def test_connectors(host: Terminal) -> None:
    runs = spot(host, "connectors")
    assert set(runs) == {"build", "scan"}
    found = ends(runs["build"])
    assert (found["load"], found["tell"], found["publish"]) == ("Skipped", "Omitted", "Success")
    full = ends(spot(host, "connectors", "-p", "level=full")["build"])
    assert (full["load"], full["tell"], full["publish"]) == ("Success", "Omitted", "Success")


def test_pipelines_of_a_fire(host: Terminal) -> None:
    host("apply", "connectors.yaml", code=0)
    assert len(host("run", "shop", "--wait", code=0).out.split()) == 2
    events = host("get", "events", "-o", "json", code=0).json
    assert any(event["reason"] == "ConnectorsNotMet" and "page" in str(event) for event in events)
    assert "--artifacts-from" in host("run", "shop/scan", code=2).err
    host("run", "shop/scan", "--artifacts-from", "shop/build", "--wait", code=0)


def test_triggers(host: Terminal) -> None:
    runs = spot(host, "triggers", "-p", "level=full")
    assert set(runs) == {"collect", "report"}
    assert {run["trigger"] for run in runs.values()} == {"manual", "pipeline"}


def test_triggers_that_are_suspended_and_resumed(host: Terminal) -> None:
    (host.cwd / "figures.yaml").write_text(manifest("triggers"))
    host("apply", "figures.yaml", code=0)
    assert (
        host("get", "slots", "--since", "1d", "-o", "json", code=0).json == []
    )  # nothing of before is caught up
    host("suspend", "figures", code=0)
    assert "figures is suspended" in host("diff", "figures.yaml", code=0).out
    host("resume", "figures", code=0)
    host("suspend", "figures/collect", code=0)
    rows = {row["name"]: row for row in host("get", "pipelines", "-o", "json", code=0).json}
    assert (rows["collect"]["suspended"], rows["report"]["suspended"]) == (True, False)
    host("resume", "figures", code=0)
    rows = {row["name"]: row for row in host("get", "pipelines", "-o", "json", code=0).json}
    assert not rows["collect"]["suspended"] and rows["collect"]["nextFire"]


def test_a_failed_build_is_told_of(host: Terminal) -> None:
    text = manifest("connectors").replace("run: ./shop}", "run: exit 1}")
    (host.cwd / "broken.yaml").write_text(text.replace("name: shop}", "name: broken}"))
    runs = host("run", "broken.yaml", "-q", "-o", "json", code=1).json
    found = {run["pipeline"]: run for run in runs}
    assert {name: run["phase"] for name, run in found.items()} == {"build": "Error", "page": "Success"}
    assert ends(found["build"])["publish"] == "Omitted" and ends(found["build"])["tell"] == "Success"


def test_failure(host: Terminal) -> None:
    (run,) = spot(host, "failure").values()
    tasks = run["tasks"]
    assert tasks["fetch"]["outputs"] == {"try": "3"}
    assert [step["attempt"] for step in tasks["fetch"]["steps"]] == [3, 1]
    assert tasks["index"]["attempt"] == 2
    assert ends(run) == {
        "fetch": "Success", "index": "Success", "extras": "StepFailed", "publish": "Success",
        "unlock": "Success", "page": "Skipped",
    }  # fmt: skip


def test_what_a_retry_repeats_and_keeps(host: Terminal) -> None:
    text = manifest("failure").replace("exit 75; }", "exit 75; }; test -e /dev/null/none")
    (host.cwd / "down.yaml").write_text(text.replace("name: mirror}", "name: down}"))
    host("apply", "down.yaml", code=0)
    (run,) = host("run", "down", "--wait", "-o", "json", code=1).json
    assert ends(run)["page"] == "Success" and ends(run)["index"] == "Cancelled"  # failFast
    host("retry", run["id"], code=0)
    host("wait", run["id"], code=1)
    again = host("get", "runs", run["id"], "-o", "json", code=0).json
    assert again["attempt"] == 2
    assert again["tasks"]["unlock"]["attempt"] == 2  # finally, always
    assert host("rerun", run["id"], "--wait", code=1).out.split() != [run["id"]]


def test_matrix(host: Terminal) -> None:
    (run,) = spot(host, "matrix").values()
    assert {name for name in run["tasks"] if name.startswith("unit")} == {
        "unit", "unit[3.11,false]", "unit[3.12,true]", "unit[3.12,false]", "unit[3.13,false]",
    }  # fmt: skip
    assert run["tasks"]["system"]["outputs"] == {"passed": ["3", "4", "4"]}
    assert run["tasks"]["sum"]["outputs"] == {"all": "11"}


@pytest.mark.parametrize(("answer", "code", "end"), [("approve", 0, "Success"), ("reject", 1, "Rejected")])
def test_approvals(answer: str, code: int, end: str, host: Terminal) -> None:
    host("apply", "approvals.yaml", code=0)
    run = host("run", "schema", code=0).out.strip()
    until(lambda: _waits(host, run), "it asks")
    host(answer, "schema/migrate", "apply", "-m", "looked at", code=0)
    host("wait", "schema/migrate", code=code)
    found = host("get", "runs", run, "-o", "json", code=0).json
    assert ends(found)["apply"] == end and ends(found)["tell"] == "Success"
    assert host(answer, run, "apply", code=7).err


def test_who_waits_for_whom_and_what_is_asked_again(host: Terminal) -> None:
    host("apply", "approvals.yaml", code=0)
    first = host("run", "schema", code=0).out.strip()
    until(lambda: _waits(host, first), "it asks")
    host("reject", first, "apply", code=0)
    host("wait", first, code=1)
    assert "Rejected" in host("get", "runs", first).out
    host("retry", first, code=0)
    until(lambda: _waits(host, first), "it asks again")
    second = host("run", "schema", code=0).out.strip()
    host("reconcile", code=0)
    told = host("why", f"run/{second}").out
    assert f"run {first} of the same pipeline" in told and "and was first" in told
    host("cancel", second, code=0)
    host("approve", first, "apply", code=0)
    host("wait", first, code=0)


def _waits(host: Terminal, run: str) -> bool:
    host("reconcile", code=0)
    task = host("get", "runs", run, "-o", "json", code=0).json["tasks"]["apply"]
    asked = "Run 3 statements on the live database?"
    return bool((task["reason"], task["message"]) == ("WaitingForApproval", asked))
