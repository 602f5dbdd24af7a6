"""`xene status` where stdout is no terminal, and as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from tests.hosts import until

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop, labels: {team: web}}
spec:
  triggers: {nightly: {cron: {schedule: "30 2 1 1 *"}}}
  pipelines:
    build: {triggers: [nightly], tasks: {one: {steps: [{name: s, run: "true"}]}}}
    fails: {tasks: {one: {steps: [{name: s, run: exit 3}]}}}
    asks: {tasks: {one: {approval: {message: "Ship it?"}, steps: [{name: s, run: "true"}]}}}
    nowhere: {placement: {agent: gone}, tasks: {one: {steps: [{name: s, run: "true"}]}}}
"""
GONE = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: gone}
spec: {ssh: {host: 127.0.0.1, port: 1, user: nobody}}
---
apiVersion: xene/v1
kind: Agent
metadata: {name: local}
spec: {local: {}, home: HOME, autostart: none}
"""


@pytest.fixture(scope="module")
def shop(control_host: Terminal) -> Terminal:
    root = Path(control_host.cwd)
    (root / "xene.yaml").write_text("name: tests\n")
    (root / "shop.yaml").write_text(SHOP)
    (root / "agents.yaml").write_text(GONE.replace("HOME", f"{root}/local"))
    control_host("apply", ".", code=5)  # one of the agents cannot be reached
    for pipeline, code in (("build", 0), ("build", 0), ("fails", 1)):
        control_host("run", f"shop/{pipeline}", "--wait", code=code)
    run = control_host("run", "shop/asks", "-o", "json", code=0).json[0]["id"]
    until(lambda: _reconciled(control_host, run)["reason"] == "WaitingForApproval", "it asks")
    return control_host


def _reconciled(host: Terminal, run: str) -> dict[str, object]:
    host("reconcile", code=0)
    found: dict[str, object] = host("get", "run", run, "-o", "json", code=0).json
    return found


def line(text: str, begin: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(begin + " "))


def test_the_table(shop: Terminal) -> None:
    shown = shop("status", code=0)
    assert shown.err == ""
    text = shown.out
    assert text.startswith("control:  no controller is at work: as of 20")
    build = line(text, "shop/build")
    assert build[:5] == ["shop/build", "local", "Scheduled", "✓✓", "Success"] and "in" in build
    assert line(text, "shop/fails")[3:5] == ["✗", "Error"]
    assert "1 run for approval: xene why run/" in " ".join(line(text, "shop/asks"))
    nowhere = " ".join(line(text, "shop/nowhere"))
    assert "NotScheduled" in nowhere and "not placed" in nowhere
    assert line(text, "local")[:3] == ["local", "Ready", "0/" + line(text, "local")[2].split("/")[1]]
    assert line(text, "gone")[1] in ("Unreachable", "NotReady", "Untrusted")
    assert "!!" not in text and "\x1b" not in text


def test_json_has_every_field(shop: Terminal) -> None:
    found = shop("status", "-o", "json", code=0).json
    assert set(found) == {"controller", "repo", "asOf", "alarms", "pipelines", "agents"}
    assert found["controller"] is None and found["repo"] is None
    build = found["pipelines"][0]
    assert [run["phase"] for run in build["runs"]] == ["Success", "Success"] and build["followers"] is None
    listed = shop("get", "pipelines", "-o", "json", code=0).json
    assert [
        {key: row[key] for key in each} for row, each in zip(found["pipelines"], listed, strict=True)
    ] == listed
    assert found["agents"] == shop("get", "agents", "-o", "json", code=0).json
    assert shop("status", "-o", "yaml", code=0).out.startswith("controller:")


def test_a_selector_and_the_wide_form(shop: Terminal) -> None:
    assert "shop/build" in shop("status", "-l", "team=web", code=0).out
    assert "no pipelines" in shop("status", "-l", "team=ops", code=0).out
    assert "is not a requirement" in shop("status", "-l", "==", code=2).err
    assert "HOST" in shop("status", "-o", "wide", code=0).out


def test_what_must_not_be_overlooked(shop: Terminal) -> None:
    import sqlite3

    with sqlite3.connect(shop.home / "state.db") as conn:
        conn.execute(
            "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, recorded_at)"
            " VALUES ('shop', 'build', 'nightly', ?, 'missed', 0)",
            (time.time() - 7300,),
        )
    conn.close()
    text = shop("status", code=0).out
    assert (
        "!! 1 slot missed in 7 days, newest shop/build/nightly 2h1m ago   xene get slots --outcome missed"
        in text
    )


def test_a_controller_at_work_and_the_directory_that_it_follows(shop: Terminal) -> None:
    repo = Path(shop.cwd)
    controller = subprocess.Popen(
        shop.command("controller", "--repo", str(repo)),
        cwd=repo, env=shop.environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: json.loads(shop("status", "-o", "json", code=0).out)["repo"], "it follows")
        text = shop("status", code=0).out
        assert text.startswith(f"control:  at work, process {controller.pid}\nrepo:     {repo}, applied ")
        assert "as of" not in text
        (repo / "shop.yaml").write_text("nonsense: true\n")
        until(lambda: "is NOT applied: " in shop("status", code=0).out, "it says what is wrong")
    finally:
        controller.send_signal(signal.SIGTERM)
        assert controller.wait(20) == 0
        controller.communicate()
        (repo / "shop.yaml").write_text(SHOP)


def test_no_state_reads_as_empty(xene: Terminal) -> None:
    text = xene("status", code=0).out
    assert (
        "no agent was ever heard" in text and "no pipelines: xene apply PATH" in text and "no agents" in text
    )
    assert not (xene.home / "state.db").exists()


def test_a_copied_state_that_may_only_be_read(shop: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shop("backup", str(copy), code=0)
    copy.chmod(0o400)
    assert "shop/build" in shop("status", "--state", str(copy), code=0).out


@pytest.mark.parametrize(
    ("given", "variable", "named"),
    [(None, None, False), (None, "other.db", False), ("other.db", None, True), ("other.db", "third.db", True),
     ("other.db", "other.db", False)],
)  # fmt: skip
def test_the_screen_names_the_state_in_command_lines_where_xene_alone_would_take_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, variable: str | None, named: bool
) -> None:
    from xene.commands import status
    from xene.commands.call import Call
    from xene.tui import app

    monkeypatch.setenv("XENE_HOME", str(tmp_path))
    monkeypatch.delenv("XENE_STATE", raising=False)
    if variable is not None:
        monkeypatch.setenv("XENE_STATE", str(tmp_path / variable))
    said: list[bool] = []
    monkeypatch.setattr(app, "run", lambda *_, named, **__: said.append(named))
    status.live(Call(state=str(tmp_path / (given or variable or "state.db"))), None, False)
    assert said == [named]
