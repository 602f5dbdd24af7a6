"""Real hosts for tests: as many `sshd` on loopback as a test wants, with keys, homes and ports of their own.

    with sshd_hosts(tmp_path, count=3) as hosts:
        (repository / "agents.yaml").write_text(hosts.manifests())
        hosts[0].target()                      # for the transport's own tests
        hosts[1].stop(); hosts[1].start()      # a host that goes away and comes back

They run as the current user, root or not. On leaving, every sshd, its sessions and every agent daemon under the
hosts' homes is ended; whatever process is then left of the test is ended too, and fails it. Without an sshd on
the machine a test that wants one is skipped, and says which program is missing.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from glob import glob
from pathlib import Path
from typing import Callable, Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from xene.model.agent import Ssh
from xene.transport.base import Target

STATE = "5f0c1f0e-0000-4000-8000-000000000001"
DEADLINE = 20.0
_MAKERS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def sshd_program() -> str | None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/lib/ssh"
    return shutil.which("sshd", path=path)


def agent_python() -> str:
    """A Python 3.9 where the machine has one (the oldest that an agent may meet), else this one."""
    found = shutil.which("python3.9")
    if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
        return found
    return next(
        iter(sorted(glob(os.path.expanduser("~/.pyenv/versions/3.9*/bin/python3.9")))), sys.executable
    )


def until(holds: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Wait for a condition; fail the test, saying `what`, when it does not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def make_key(path: Path, kind: str = "ed25519", passphrase: bytes | None = None) -> str:
    """A new private key in OpenSSH's format, 0600, and its .pub; the public key as text."""
    key = _MAKERS[kind]()
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, lock)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
    return public.decode()


class Host:
    """One sshd. `home` is where its agents live, `host_keys` its public keys, the first the one to pin."""

    def __init__(self, hosts: Hosts, number: int, host_keys: tuple[str, ...], extra: str) -> None:
        self.hosts = hosts
        self.name, self.number = f"host-{number + 1}", number
        self.root = hosts.root / self.name
        self.root.mkdir(mode=0o700)
        self.home = self.root / "xene"
        self.login = self.root / "login"  # the user's $HOME there: no start-up file of this machine's shells
        self.login.mkdir(mode=0o700)
        self.user = hosts.user
        self.address = hosts.address
        self.identity = hosts.identity
        self.port = 0
        self.extra = extra
        self.key_files = [self.root / f"host_{kind}" for kind in host_keys]
        self.host_keys = [make_key(path, kind) for path, kind in zip(self.key_files, host_keys, strict=True)]
        self.process: subprocess.Popen[bytes] | None = None
        self.authorized_keys = self.root / "authorized_keys"
        self.authorized_keys.write_text(hosts.public_key + "\n")

    @property
    def host_key(self) -> str:
        return self.host_keys[0]

    @property
    def log(self) -> str:
        return (self.root / "sshd.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, under the port that it had before."""
        for _ in range(20):
            port = self.port or (2200 + self.number if self.hosts.within else _free_port(self.address))
            if self._try(port):
                self.port = port
                return
        raise AssertionError(f"sshd does not start:\n{self.log}")

    def _try(self, port: int) -> bool:
        (self.root / "sshd_config").write_text(self._config(port))
        program = sshd_program()
        assert program
        with open(self.root / "sshd.log", "ab") as log:
            self.listened = self.log.count("Server listening")
            self.process = subprocess.Popen(
                [*self.hosts.within, program, "-D", "-e", "-f", str(self.root / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process = self.process
        until(lambda: process.poll() is not None or self._listens(), f"sshd listens:\n{self.log}")
        return process.poll() is None

    def _listens(self) -> bool:
        """By its own word: somebody else may have got the port meanwhile."""
        return self.log.count("Server listening") > self.listened

    def _config(self, port: int) -> str:
        return "\n".join([
            f"Port {port}",
            f"ListenAddress {self.address}",
            *(f"HostKey {path}" for path in self.key_files),
            f"AuthorizedKeysFile {self.authorized_keys}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "UseDNS no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "MaxStartups 100",
            "PrintMotd no",
            f'SetEnv "PATH={os.environ["PATH"]}" "HOME={self.login}"' if "SetEnv" not in self.extra else "",
            self.extra,
            "",
        ])  # fmt: skip

    def stop(self) -> None:
        """End it and every session that it holds, as a host that loses its network does."""
        if self.process is None:
            return
        self._signal_all(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def freeze(self) -> None:
        """It keeps its connections, and its kernel acknowledges what comes, but nobody answers any more."""
        self._signal_all(signal.SIGSTOP)

    def _signal_all(self, number: int) -> None:
        assert self.process
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            if pid == self.process.pid or _command(pid).startswith("sshd"):
                _signal(pid, number)

    def restart(self) -> None:
        self.stop()
        self.start()

    def ssh(self, **changes: object) -> Ssh:
        fields: dict[str, object] = {
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "identity_file": str(self.identity),
            "host_key": self.host_key,
            **changes,
        }
        return Ssh(**fields)  # type: ignore[arg-type]

    def target(
        self, name: str = "", *, python: str = "", home: str = "", state: str = STATE, **ssh: object
    ) -> Target:
        return Target(
            name or self.name,
            self.ssh(**ssh),
            home=home or str(self.home),
            python=python or self.hosts.python,
            state=state,
        )

    def agent_manifest(self, name: str = "", labels: dict[str, str] | None = None, **spec: object) -> str:
        """The YAML of an Agent object for this host; `spec` adds fields or replaces them."""
        import json

        fields = {
            "ssh": {
                "host": self.address,
                "port": self.port,
                "user": self.user,
                "identityFile": str(self.identity),
                "hostKey": self.host_key,
            },
            "home": str(self.home),
            "python": self.hosts.python,
            **spec,
        }
        metadata = {"name": name or self.name, "labels": labels or {}}
        lines = ["apiVersion: xene/v1", "kind: Agent", f"metadata: {json.dumps(metadata)}", "spec:"]
        lines += [f"  {key}: {json.dumps(value)}" for key, value in fields.items()]
        return "\n".join(lines) + "\n"


class Hosts(list[Host]):
    """The hosts of one test and what they share: the user's key, known_hosts and configuration."""

    def __init__(self, root: Path, address: str, within: list[str]) -> None:
        super().__init__()
        self.root = root
        self.address = address
        self.within = within  # what their command lines begin with: a network namespace
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.python = agent_python()
        self.user_home = root / "user"  # a $HOME whose .ssh knows every host by name
        dot_ssh = self.user_home / ".ssh"
        dot_ssh.mkdir(parents=True, mode=0o700)
        self.identity = dot_ssh / "id_test"
        self.public_key = make_key(self.identity)
        self.known_hosts = dot_ssh / "known_hosts"
        self.config = dot_ssh / "config"

    def write_user_files(self) -> None:
        """known_hosts with every key, and a config with every host under its name."""
        lines, blocks = [], []
        for host in self:
            lines += [f"[{host.address}]:{host.port} {key}" for key in host.host_keys]
            blocks.append(
                f"Host {host.name}\n  HostName {host.address}\n  Port {host.port}\n  User {host.user}\n"
                f"  IdentityFile {self.identity}\n  UserKnownHostsFile {self.known_hosts}\n"
            )
        self.known_hosts.write_text("\n".join(lines) + "\n")
        self.config.write_text("\n".join(blocks))
        self.config.chmod(0o600)

    def manifests(self) -> str:
        return "---\n".join(host.agent_manifest() for host in self)


@contextlib.contextmanager
def agent_homes(root: Path) -> Iterator[Path]:
    """For agents without a host (`local`): on leaving, every daemon below `root` is ended; what is left fails."""
    try:
        yield root
    finally:
        end_agents(root)
        left = end_processes(root)
    assert not left, "processes were left behind:\n" + "\n".join(left)


@contextlib.contextmanager
def sshd_hosts(
    tmp_path: Path,
    count: int = 1,
    *,
    extra: str = "",
    host_keys: tuple[str, ...] = ("ed25519",),
    address: str = "127.0.0.1",
    within: list[str] | None = None,
) -> Iterator[Hosts]:
    """Start `count` hosts; `extra` are more lines of their sshd_config. See the module's head."""
    need_sshd()
    root = tmp_path / "hosts"
    root.mkdir(mode=0o700)
    hosts = Hosts(root, address, within or [])
    with agent_homes(root):
        try:
            for number in range(count):
                hosts.append(Host(hosts, number, host_keys, extra))
                hosts[-1].start()
            hosts.write_user_files()
            yield hosts
        finally:
            for host in hosts:
                host.stop()


def need_sshd() -> None:
    """Skip, loudly, where there is no sshd; make the directory without which it will not start as root."""
    if sshd_program() is None:
        pytest.skip("the program `sshd` is MISSING: apt-get install openssh-server (`make test` tries to)")
    if os.getuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)


def end_agents(root: Path) -> None:
    """Stop every agent daemon that has its home below `root` and wait until it is gone."""
    for path in root.rglob("daemon.pid"):
        try:
            pid = int(path.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            continue
        if str(root) in _about(pid):
            _signal(pid, signal.SIGTERM)
            until(lambda: not _alive(pid), f"the agent daemon {pid} ends")


def end_processes(root: Path, patience: float = 5.0) -> list[str]:
    """Kill whatever still runs on behalf of `root` after `patience` seconds; what it was, a line each."""
    deadline = time.monotonic() + patience
    while (left := processes(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        _signal(pid, signal.SIGKILL)
    return [f"{pid}: {about}" for pid, about in left.items()]


def processes(root: Path) -> dict[int, str]:
    """Processes that name `root` in their command, directory or environment, we and our parents apart."""
    ours = {os.getpid(), os.getppid()}
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {
        pid: _command(pid) for pid in pids if pid not in ours and str(root) in _about(pid) and _alive(pid)
    }


def _about(pid: int) -> str:
    parts = []
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:
            parts.append(file.read().decode(errors="replace"))
    with contextlib.suppress(OSError):
        parts.append(os.readlink(f"/proc/{pid}/cwd"))
    return "\n".join(parts)


def _command(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()
    return []


def _alive(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def _descendants(pid: int) -> list[int]:
    parents = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found, queue = [], [pid]
    while queue:
        parent = str(queue.pop())
        children = [child for child, stat in parents.items() if stat and stat[1] == parent]
        found += children
        queue += children
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
