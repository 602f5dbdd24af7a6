"""Containers end to end: the real command line, agents on this host and behind a real sshd, a real podman."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from tests.containers import Podman, podman_engine
from tests.fleet import Fleet, fleet, until
from tests.hosts import agent_homes
from xene.agent import process

HEAD = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: boxed}
spec:
  pipelines:
"""
GOOD = (
    HEAD
    + """\
    good:
      params: {who: {type: string, default: "it's \\"$HOME\\" `id`"}}
      contexts:
        box:
          workDir: src
          container:
            {image: 'IMAGE', engine: podman, pull: never, network: none, mounts: ["DATA:/data:ro"]}
        other: {container: {image: 'IMAGE', user: worker, network: none}}
      tasks:
        write: {steps: [{name: s, run: "mkdir src; echo from outside > src/given"}]}
        read:
          needs: [write]
          context: box
          outputs: [said]
          steps:
            - name: look
              run: |
                cat given /data/file; pwd; hostname > ../one
                echo "said=$WHO" >> "$XENE_OUTPUT"
              env: {WHO: "${{ params.who }}"}
            - {name: program, exec: [printf, "%s\\n", "${{ params.who }}"]}
        apart: {needs: [write], context: other, steps: [{name: s, run: "id -un > user; hostname > two"}]}
        check:
          needs: [read, apart]
          env: {SAID: "${{ tasks.read.outputs.said }}", WHO: "${{ params.who }}"}
          steps:
            - {name: s, run: "[ \\"$SAID\\" = \\"$WHO\\" ]; [ $(cat user) = worker ]; ! cmp -s one two"}
    slow:
      contexts: {box: {container: {image: 'IMAGE', network: none}}}
      tasks:
        t:
          context: box
          steps: [{name: s, run: "echo on; touch ready; sleep 300", gracePeriod: 2s, TIMEOUT}]
"""
)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with podman_engine() as engine:
        (engine.root / "data").mkdir()
        (engine.root / "data" / "file").write_text("from the host\n")
        yield engine


def text(podman: Podman, timeout: str = "timeout: 10m") -> str:
    return (
        GOOD.replace("IMAGE", podman.image).replace("DATA", f"{podman.root}/data").replace("TIMEOUT", timeout)
    )


@pytest.fixture
def xene(tmp_path: Path, podman: Podman) -> Iterator[Terminal]:
    """For `xene run FILE`, whose daemon is a child of the command."""
    with agent_homes(tmp_path):
        yield Terminal(tmp_path / "home", tmp_path, podman.settings)
    assert podman.names() == []


def test_run_file(xene: Terminal, podman: Podman) -> None:
    (xene.cwd / "boxed.yaml").write_text(text(podman))
    ended = xene("run", "boxed.yaml:good", code=0)
    for line in ("from outside", "from the host", 'it\'s "$HOME" `id`'):
        assert line in ended.err
    assert podman.names() == []


def test_run_file_with_a_timeout(xene: Terminal, podman: Podman) -> None:
    (xene.cwd / "boxed.yaml").write_text(text(podman, "timeout: 3s"))
    [run] = xene("run", "boxed.yaml:slow", "-q", "-o", "json", code=1).json
    step = run["tasks"]["t"]["steps"][0]
    assert (step["reason"], step["exitCode"]) == ("Timeout", 124)


def test_run_file_whose_command_is_killed_leaves_nothing(xene: Terminal, podman: Podman) -> None:
    (xene.cwd / "boxed.yaml").write_text(text(podman))
    child = subprocess.Popen(
        xene.command("run", "boxed.yaml:slow"),
        cwd=xene.cwd,
        env=xene.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: podman.names() or child.poll() is not None, "the container is there")
    assert child.poll() is None
    child.kill()
    child.wait()
    until(lambda: podman.names() == [], "the container goes")


def test_an_image_that_may_not_be_pulled(xene: Terminal, podman: Podman) -> None:
    (xene.cwd / "boxed.yaml").write_text(text(podman).replace(podman.image, "localhost/none:1"))
    [run] = xene("run", "boxed.yaml:good", "-q", "-o", "json", code=1).json
    step = run["tasks"]["read"]["steps"][0]
    assert step["reason"] == "ImageUnavailable" and "pull is 'never'" in step["message"]
    assert "exitCode" not in step or step["exitCode"] is None


SECRET = (
    HEAD
    + """\
    p:
      secrets: {TOKEN: token}
      contexts: {box: {container: {image: 'IMAGE', network: none}}}
      tasks: {t: {context: box, steps: [{name: s, run: 'echo "it is $TOKEN."; [ ${#TOKEN} = 15 ]'}]}}
---
apiVersion: xene/v1
kind: Secret
metadata: {name: token}
spec: {env: THE_TOKEN}
"""
)


def test_a_secret_comes_in_and_does_not_come_out(xene: Terminal, podman: Podman) -> None:
    (xene.cwd / "secret.yaml").write_text(SECRET.replace("IMAGE", podman.image))
    ended = xene("run", "secret.yaml", code=0, THE_TOKEN="s3cr3t-in-a-box")
    assert "it is ***." in ended.err and "s3cr3t" not in ended.err


@pytest.fixture(scope="module", params=["local", "ssh"])
def applied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, podman: Podman
) -> Iterator[Fleet]:
    """One agent, told of the test's podman by its own `env`."""
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=1) as made:
        agents = made.repository / "agents.yaml"
        given = agents.read_text()
        if made.kind == "local":
            agents.write_text(given.replace("home: ", f"env: {podman.settings}, home: "))
        else:
            agents.write_text(f"{given.rstrip()}\n  env: {podman.settings}\n")
        made.write("boxed.yaml", text(podman))
        made.apply()
        yield made
    assert podman.names() == []


def started(applied: Fleet, podman: Podman) -> str:
    """A run of `slow` whose step runs."""
    run = applied.xene("run", "boxed/slow").out.strip()
    until(lambda: "on" in applied.xene("logs", run, code=None).out, "the step runs")
    assert podman.names() == [f"xene-{run}-box"]
    return run


def test_a_run_on_an_agent(applied: Fleet, podman: Podman) -> None:
    followed = applied.xene("run", "boxed/good", "--follow")
    assert "from outside" in followed.err and "from the host" in followed.err
    assert podman.names() == []


@pytest.mark.parametrize("verb", ["cancel", "kill"])
def test_cancel_and_kill(applied: Fleet, podman: Podman, verb: str) -> None:
    run = started(applied, podman)
    applied.xene(verb, run)
    assert podman.names() == []
    assert not process.members(f"XENE_RUN={run}", None)


def test_a_daemon_that_is_killed(applied: Fleet, podman: Podman) -> None:
    run = started(applied, podman)
    [pid] = {int(path.read_text().split()[0]) for path in applied.root.rglob("daemon.pid")}
    os.kill(pid, signal.SIGKILL)
    until(lambda: (seen := process.look(pid)) is None or seen.state == "Z", "the daemon is dead")
    assert podman.names() == [f"xene-{run}-box"]
    applied.xene("cancel", run)
    assert applied.get("runs", run)["reason"] == "Cancelled"
    assert podman.names() == []
    assert not process.members(f"XENE_RUN={run}", None)
