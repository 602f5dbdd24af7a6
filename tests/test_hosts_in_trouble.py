"""Hosts that misbehave, all in one fleet, as a user meets them: a state, a reason and a remedy for each.

What each does on the wire is tested in `tests/transport`; here it is what `apply`, `get agents` and `why` say.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet
from tests.hosts import Host, end_agents, make_key

GOOD, NOISY, CROWDED, CLOSED, SFTP_ONLY = range(5)

# name: (phase, reason, words of the message, words of the remedy)
EXPECTED: dict[str, tuple[str, str, str, str]] = {
    "good": ("Ready", "", "", ""),
    "noisy": ("Ready", "", "", ""),
    "noexec": ("Ready", "", "", ""),
    "full-tmp": ("Ready", "", "", ""),
    "no-python": ("Unreachable", "PythonMissing", "no such Python", "install Python 3.9"),
    "python-3-8": ("Unreachable", "PythonTooOld", "is Python 3.8", "Python 3.9 or newer"),
    "read-only": ("Unreachable", "HomeUnusable", "Read-only file system", "`spec.home`"),
    "full": ("Unreachable", "HomeUnusable", "No space left", "`spec.home`"),
    "crowded": ("Unreachable", "ConnectionClosed", "before it was set up", "MaxStartups"),
    "closed": ("Unreachable", "AuthenticationFailed", "cannot log in", "authorized_keys"),
    "sftp-only": ("Unreachable", "NoisyOrBroken", "sftp connections only", "login shell"),
    "refusing": ("Unreachable", "ConnectionRefused", "refused the connection", "sshd runs"),
    "garbage": ("Unreachable", "NotSsh", "does not speak SSH", "`port`"),
    "silent": ("Unreachable", "ConnectTimeout", "did not answer in time", "firewall"),
    "unknown": ("Untrusted", "HostKeyUnknown", "known", "xene agent trust unknown"),
    "changed": (
        "Untrusted",
        "HostKeyChanged",
        "is not the one that the Agent's `hostKey` pins",
        "`spec.ssh.hostKey`",
    ),
}
READY = [name for name, (phase, *_) in EXPECTED.items() if phase == "Ready"]
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: works}
spec:
  pipelines:
"""
PIPELINE = """\
    on-%s:
      placement: {agent: %s}
      tasks: {t: {steps: [{name: s, run: 'echo hello from "$XENE_AGENT"'}]}}
"""


@contextlib.contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    """A tmpfs of its own, with these options."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"MOUNTS are not allowed here, so no file system can be full: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextlib.contextmanager
def server(says: bytes) -> Iterator[int]:
    """Says this to whoever connects, and nothing more; its port."""
    held = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])
                    held[-1].sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in held:
                sock.close()


def python_3_8(root: Path) -> str:
    """A real one where there is one, else a program that says so of itself."""
    for found in glob(os.path.expanduser("~/.pyenv/versions/3.8*/bin/python3.8")):
        return found
    path = root / "python3.8"
    path.write_text("#!/bin/sh\necho 'xene-agent: PythonTooOld: it is Python 3.8' >&2; exit 1\n")
    path.chmod(0o755)
    return str(path)


def configure(root: Path, hosts: list[Host]) -> None:
    shell = root / "noisy-shell"
    shell.write_text(
        '#!/bin/sh\necho Welcome; echo "Last login: never" >&2\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    shell.chmod(0o755)
    (root / "full-tmp" / "ballast").write_bytes(bytes(64 * 1024))
    environment = f'SetEnv "PATH={os.environ["PATH"]}" "HOME={hosts[GOOD].login}" "TMPDIR={root}/full-tmp"'
    hosts[GOOD].extra = f"MaxSessions 1\nSubsystem sftp /bin/false\n{environment}"
    hosts[NOISY].extra = f"ForceCommand {shell}"
    hosts[CROWDED].extra = "MaxStartups 1:100:1"
    hosts[CLOSED].extra = "AllowUsers somebody-else"
    hosts[
        SFTP_ONLY
    ].extra = f"Subsystem sftp internal-sftp\nMatch User {hosts[0].user}\n  ForceCommand internal-sftp"
    for host in hosts[:5]:
        host.restart()


def agents(root: Path, hosts: list[Host], ports: dict[str, int]) -> str:
    good = hosts[GOOD]

    def ssh(host: Host = good, **changes: Any) -> dict[str, Any]:
        fields = {"host": host.address, "port": host.port, "user": host.user, "identityFile": str(host.identity),
                  "hostKey": host.host_key, **changes}  # fmt: skip
        return {key: value for key, value in fields.items() if value is not None}

    specs: dict[str, dict[str, Any]] = {
        "good": {},
        "noisy": {"ssh": ssh(hosts[NOISY])},
        "noexec": {"home": str(root / "noexec" / "xene")},
        "full-tmp": {"home": str(good.root / "other")},
        "no-python": {"python": "no-such-python3"},
        "python-3-8": {"python": python_3_8(root)},
        "read-only": {"home": str(root / "read-only" / "xene")},
        "full": {"home": str(root / "full" / "xene")},
        "crowded": {"ssh": ssh(hosts[CROWDED])},
        "closed": {"ssh": ssh(hosts[CLOSED])},
        "sftp-only": {"ssh": ssh(hosts[SFTP_ONLY])},
        "unknown": {"ssh": ssh(hostKey=None)},
        "changed": {"ssh": ssh(hostKey=make_key(root / "other-key"))},
        **{name: {"ssh": ssh(port=port)} for name, port in ports.items()},
    }
    assert specs.keys() == EXPECTED.keys()
    return "---\n".join(good.agent_manifest(name, **spec) for name, spec in specs.items())


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Fleet]:
    """The fleet, not applied yet."""
    if os.getuid():
        pytest.skip("this test wants ROOT: it mounts file systems that are full, read-only and noexec")
    with contextlib.ExitStack() as stack:
        for name, options in (
            ("read-only", "ro"),
            ("full", "size=64k"),
            ("noexec", "noexec"),
            ("full-tmp", "size=64k"),
        ):
            stack.enter_context(mounted(tmp_path / name, options))
        made = stack.enter_context(fleet(tmp_path, "ssh", 6))
        assert made.hosts is not None
        configure(tmp_path, made.hosts)
        made.hosts[5].stop()
        squatter = stack.enter_context(socket.create_connection(("127.0.0.1", made.hosts[CROWDED].port)))
        assert squatter.recv(4) == b"SSH-"
        ports = {"refusing": made.hosts[5].port}
        ports["garbage"] = stack.enter_context(server(b"HTTP/1.1 400 Bad Request\r\n" * 200))
        ports["silent"] = stack.enter_context(server(b""))
        (tmp_path / "home" / ".ssh").mkdir(parents=True, mode=0o700)
        config = "Host *\n  GlobalKnownHostsFile none\n  ConnectTimeout 3\n"
        (tmp_path / "home" / ".ssh" / "config").write_text(config)
        made.env["HOME"] = str(tmp_path / "home")
        made.write("agents.yaml", agents(tmp_path, made.hosts, ports))
        made.write("works.yaml", WORKFLOW + "".join(PIPELINE % (name, name) for name in READY))
        try:
            yield made
        finally:
            end_agents(tmp_path)  # also those whose homes are on the file systems that go first


def test_each_has_a_state_a_reason_and_a_remedy_and_the_others_work(crowd: Fleet) -> None:
    done = crowd.apply(code=5)
    assert f"{len(EXPECTED) - len(READY)} agents could not be told" in done.err
    found = {agent["name"]: agent for agent in crowd.get("agents") if agent["name"] in EXPECTED}
    states = {name: (agent["phase"], agent["reason"] or "") for name, agent in found.items()}
    assert states == {name: expected[:2] for name, expected in EXPECTED.items()}
    for name, (phase, _, message, remedy) in EXPECTED.items():
        if phase == "Ready":
            continue
        said = " ".join(crowd.xene("why", f"agent/{name}").out.split())
        assert message in said and remedy in said, f"{name}: {said}"
    (*runs,) = crowd.xene("run", "works", "--wait", "-o", "json").json
    assert sorted(run["agent"] for run in runs) == sorted(READY)
    assert {run["phase"] for run in runs} == {"Success"}
    assert list((crowd.root / "full-tmp").iterdir()) == [crowd.root / "full-tmp" / "ballast"]
