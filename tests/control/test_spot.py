"""`run FILE`: real runs of a file, and nothing left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_runs import wait_until
from xene.agent import process
from xene.control import spot
from xene.errors import Usage
from xene.manifest import repository

FILE = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: greet}
spec:
  pipelines:
    hello:
      params: {who: {type: string, default: world}}
      tasks:
        say:
          outputs: [word]
          steps:
            - name: s
              run: |
                echo "hello $WHO"; echo "word=$WHO" >> "$XENE_OUTPUT"
              env: {WHO: "${{ params.who }}"}
        again:
          needs: [say]
          steps: [{name: s, exec: [echo, "${{ tasks.say.outputs.word }}"]}]
    bad: {tasks: {t: {steps: [{name: s, run: exit 5}]}}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = tmp_path / "greet.yaml"
    path.write_text(FILE)
    return str(path)


def run(file: str, pipeline: str | None = None, **given: str) -> tuple[list[dict[str, Any]], bytes]:
    said: list[bytes] = []
    moved: list[str] = []
    watcher = spot.Watcher(lambda one: moved.append(one["phase"]), lambda _, data: said.append(data))
    wanted = spot.orders(repository.load(file, cache=False).entries, pipeline, given, time.time(), "/none")
    runs = spot.carry_out(spot.begin(), wanted, watcher)
    assert moved
    return runs, b"".join(said)


def left(tmp: Path) -> list[str]:
    home = tmp / f"xene-{os.geteuid()}"
    return [name for name in os.listdir(home) if name != "agent"]


def test_a_file_runs_and_leaves_nothing(file: str, tmp_path: Path) -> None:
    runs, said = run(file, "hello", who="you; rm -rf $HOME")
    assert [one["phase"] for one in runs] == ["Success"]
    assert runs[0]["tasks"]["say"]["outputs"] == {"word": "you; rm -rf $HOME"}
    assert said == b"hello you; rm -rf $HOME\nyou; rm -rf $HOME\n"
    assert left(tmp_path) == []


def test_every_pipeline_of_the_file_runs_and_each_says_how_it_ended(file: str, tmp_path: Path) -> None:
    runs, _ = run(file)
    assert {one["pipeline"]: one["phase"] for one in runs} == {"hello": "Success", "bad": "Error"}
    assert runs[1]["tasks"]["t"]["steps"][0]["exitCode"] == 5
    assert left(tmp_path) == []


def test_a_file_with_two_workflows_is_refused(file: str) -> None:
    text = Path(file).read_text()
    Path(file).write_text(text + "---\n" + text.replace("name: greet", "name: other"))
    with pytest.raises(Usage, match="2 workflows"):
        spot.orders(repository.load(file, cache=False).entries, None, {}, 0.0, "/none")


def test_when_xene_is_killed_nothing_of_the_run_stays(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(FILE.replace("exit 5", "touch $TMPDIR/begun; setsid sleep 300 & sleep 300"))
    code = f"""
import time
from xene.control import spot
from xene.manifest import repository
wanted = spot.orders(repository.load({str(path)!r}, cache=False).entries, "bad", {{}}, time.time(), "/none")
print(wanted.now[0].id, flush=True)
spot.carry_out(spot.begin(), wanted, None)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    run_id = child.stdout.readline().strip()
    wait_until((tmp_path / "begun").exists)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    wait_until(lambda: not process.members(f"XENE_RUN={run_id}", None))
    wait_until(lambda: left(tmp_path) == [])
