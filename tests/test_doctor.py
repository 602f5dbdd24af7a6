"""`xene doctor` over real sshd: hosts that are each broken in one way, on purpose, and what it says of each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet
from tests.hosts import Host, end_agents, make_key
from tests.test_hosts_in_trouble import mounted
from xene.store import db

NAMES = (
    "good", "no-python", "old-python", "clock", "noisy", "dumb", "lingering", "noexec", "full", "loose",
    "daemons", "engine", "autostart", "unknown", "changed", "away",
)  # fmt: skip
# name: (check, state, words of the message, words of the remedy)
EXPECTED = {
    "no-python": ("python", "problem", "no such Python", "install Python 3.9"),
    "old-python": ("python", "problem", "3.8.19", "spec.python"),
    "clock": ("clock", "problem", "ahead of", "NTP"),
    "noisy": ("login-shell", "warning", "Last login: never", "-t 1"),
    "dumb": ("login-shell", "problem", "This account is not available", "ssh HOST true"),
    "lingering": ("lingering", "problem", "KillUserProcesses", "loginctl enable-linger"),
    "noexec": ("tmp", "warning", "noexec", "TMPDIR"),
    "full": ("disk", "problem", "left", "xene gc"),
    "loose": ("home", "problem", "mode 777", "chmod 700"),
    "daemons": ("daemons", "warning", "another state", "kill "),
    "engine": ("engine", "problem", "cannot connect to the engine", "podman info"),
    "autostart": ("autostart", "problem", "nothing starts it after a reboot", "crontab"),
    "unknown": ("host-key", "problem", "is not known yet", "xene agent trust unknown"),
    "changed": ("host-key", "problem", "is not the one", "spec.ssh.hostKey"),
    "away": ("connection", "problem", "refused the connection", "sshd runs"),
}
SICK = {name: each for name, each in EXPECTED.items() if name not in ("unknown", "changed", "away", "dumb")}
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: w}
spec:
  pipelines:
    contained:
      placement: {agent: engine}
      contexts: {default: {container: {image: "docker.io/library/alpine:3"}}}
      tasks: {t: {steps: [{name: s, run: "true"}]}}
    clocked:
      placement: {agent: autostart}
      tasks: {t: {steps: [{name: s, run: "true"}]}}
"""


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def surround(root: Path, host: Host, name: str) -> None:
    """Programs that this host alone has, and what its sshd is told."""
    stubs = root / "stubs" / name
    stubs.mkdir(parents=True)
    if name == "lingering":
        program(stubs / "busctl", "echo b true")
        program(stubs / "loginctl", "echo no")
    if name == "engine":
        for engine in ("podman", "docker"):
            program(stubs / engine, "echo cannot connect to the engine >&2; exit 1")
    tmp = root / "noexec" if name == "noexec" else root
    values = (f"PATH={stubs}:{os.environ['PATH']}", f"HOME={host.login}", f"TMPDIR={tmp}")
    host.extra = "SetEnv " + " ".join(f'"{value}"' for value in values)
    if name == "noisy":
        shell = program(stubs / "shell", 'echo "Last login: never"; exec sh -c "$SSH_ORIGINAL_COMMAND"')
        host.extra += f"\nForceCommand {shell}"
    if name == "dumb":
        host.extra += (
            f"\nForceCommand {program(stubs / 'shell', 'echo This account is not available; exit 1')}"
        )
    host.restart()


def spec(root: Path, host: Host, name: str, python: str) -> dict[str, Any]:
    """What the Agent object of this host says beside where it is."""
    if name == "no-python":
        return {"python": "no-such-python3"}
    if name == "old-python":
        return {"python": program(root / "old" / "python3.8", "echo 3.8.19")}
    if name == "clock":
        ahead = f'case "$*" in *time.time*) echo $(($(date +%s) + 3600)) ;; *) exec {python} "$@" ;; esac'
        return {"python": program(root / "ahead" / "python3", ahead)}
    if name == "full":
        return {"home": str(root / "full" / "xene")}
    if name in ("unknown", "changed"):
        ssh = {"host": host.address, "port": host.port, "user": host.user, "identityFile": str(host.identity)}
        return {"ssh": {**ssh, **({"hostKey": make_key(root / "other")} if name == "changed" else {})}}
    return {}


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All of them, applied, and then broken."""
    if os.getuid():
        pytest.skip("this test wants ROOT: it mounts file systems that are full and noexec")
    root = tmp_path_factory.mktemp("ward")
    with contextlib.ExitStack() as stack:
        for name, options in (("full", "size=64k"), ("noexec", "noexec")):
            stack.enter_context(mounted(root / name, options))
        made = stack.enter_context(fleet(root, "ssh", len(NAMES)))
        assert made.hosts is not None
        hosts = dict(zip(NAMES, made.hosts, strict=True))
        for name, host in hosts.items():
            surround(root, host, name)
        hosts["away"].stop()
        (root / "user" / ".ssh").mkdir(parents=True, mode=0o700)
        made.env["HOME"] = str(root / "user")
        (root / "user" / ".ssh" / "config").write_text("Host *\n  GlobalKnownHostsFile none\n")
        manifests = [
            host.agent_manifest(name, **spec(root, host, name, made.hosts.python))
            for name, host in hosts.items()
        ]
        made.write("agents.yaml", "---\n".join(manifests))
        made.write("w.yaml", WORKFLOW)
        made.apply(code=None)
        end_agents(root)
        with db.open_state(str(made.home / "state.db")) as state, state.transaction() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO triggers (workflow, pipeline, name, cron, since)"
                " VALUES ('w', 'clocked', 'nightly', '{}', 0)"
            )
            conn.execute("UPDATE agents SET facts = json_remove(facts, '$.autostart')")
        hosts["loose"].home.chmod(0o777)
        foreign = hosts["daemons"].home / "5f0c1f0e-0000-4000-8000-00000000000f" / "old"
        foreign.mkdir(parents=True)
        daemon = subprocess.Popen([sys.executable, "-c", "input()", "daemon"], stdin=subprocess.PIPE)
        (foreign / "daemon.pid").write_text(f"{daemon.pid} x\n")
        try:
            yield made
        finally:
            (foreign / "daemon.pid").unlink()
            daemon.communicate(b"\n")
            end_agents(root)


@pytest.fixture(scope="module")
def found(ward: Fleet) -> dict[str, dict[str, Any]]:
    """What it says of all of them at once, by agent and check."""
    said = ward.xene("doctor", "-o", "json", code=5).json
    assert [report["agent"] for report in said] == [None, *sorted(NAMES)]
    return {
        report["agent"]: {check["check"]: check for check in report["checks"]}
        | {"reached": report["reached"]}
        for report in said
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_each_is_found_with_a_remedy(name: str, found: dict[str, dict[str, Any]]) -> None:
    check, state, message, remedy = EXPECTED[name]
    said = found[name][check]
    assert said["state"] == state, json.dumps(found[name], indent=2)
    assert message in said["message"] and remedy in said["remedy"]
    assert found[name]["reached"] == (name != "away")


@pytest.mark.parametrize("name", SICK)
def test_and_nothing_else_is_found_there(name: str, found: dict[str, dict[str, Any]]) -> None:
    bad = {
        check
        for check, said in found[name].items()
        if check != "reached" and said["state"] in ("warning", "problem")
    }
    with_it = {"full": {"home"}}  # nothing fits on a full disk, so its home cannot be used either
    assert bad - with_it.get(name, set()) == {EXPECTED[name][0]}


def test_exit_codes(ward: Fleet) -> None:
    assert "all is well" in ward.xene("doctor", "good", code=0).err
    ward.xene("doctor", "noisy", code=1)
    ward.xene("doctor", "good", "unknown", code=1)  # it was reached: who it is, is what was found
    ended = ward.xene("doctor", "noisy", "away", code=5)  # not complete, whatever else was found
    assert "could not be reached: away" in ended.err
    assert "did you mean" in ward.xene("doctor", "goood", code=4).err


def test_a_table_and_below_it_what_to_do(ward: Fleet) -> None:
    said = ward.xene("doctor", "lingering", code=1).out
    assert said.splitlines()[0].split() == ["WHERE", "CHECK", "STATE", "MESSAGE"]
    assert "\nlingering, lingering: on the host, as root: loginctl enable-linger" in said


def test_nothing_is_left_on_a_host_and_no_agent_is_started(ward: Fleet) -> None:
    assert ward.hosts is not None
    host = ward.hosts[0]

    def files() -> list[Path]:
        return sorted(path for path in host.root.rglob("*") if path.name != "sshd.log")

    before = files()
    ward.xene("doctor", "good", code=0)
    assert files() == before and not list(host.home.rglob("daemon.pid"))
