"""A control host and its agents for whole-program tests: the CLI as a subprocess, agents local or behind sshd.

The same scenario runs over both kinds; whatever a test leaves running fails it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import preloaded
from tests.hosts import Hosts, agent_homes, sshd_hosts
from xene.control import lock

DEADLINE = 60.0


@dataclass
class Done:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Fleet:
    """`root` holds the control host's home and the repository; `kind` is local or ssh."""

    root: Path
    kind: str
    env: dict[str, str] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)  # what its command lines begin with: a network namespace
    hosts: Hosts | None = None

    @property
    def home(self) -> Path:
        return self.root / "control"

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    def write(self, name: str, text: str) -> Path:
        path = self.repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *words: str, into: Any = subprocess.PIPE, **more: Any) -> subprocess.Popen[str]:
        """A command that goes on; what it says goes `into` a file, or into pipes."""
        more.update(cwd=self.root, stdin=subprocess.DEVNULL, stdout=into, stderr=into, text=True)
        if self.within:
            command = [*self.within, sys.executable, "-m", "xene", *words]
            return subprocess.Popen(command, env=self.environment, **more)
        return preloaded.start("xene", words, self.environment, **more)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XENE_HOME": str(self.home), "NO_COLOR": "1", **self.env}

    def xene(self, *words: str, code: int | None = 0) -> Done:
        """One command to its end; `code` is what it must exit with (None: anything)."""
        child = self.start(*words)
        out, err = child.communicate(timeout=DEADLINE)
        done = Done(child.returncode, out, err)
        assert code is None or done.code == code, f"{words} -> {done.code}, not {code}\n{err}\n{out}"
        return done

    def dying(self, *words: str) -> int:
        """A command through `tests.dying`: `POINT -- WORDS`, or `--list FILE -- WORDS`. How it ended."""
        assert not self.within, "in a network namespace nothing has to die at a point"
        done = preloaded.run("tests.dying", words, self.environment, cwd=self.root, timeout=DEADLINE)
        return done.returncode

    def points(self, *words: str) -> list[str]:
        """Every point at which this command writes or sends, while it is carried out."""
        listing = self.root / "points"
        listing.unlink(missing_ok=True)
        self.dying("--list", str(listing), "--", *words)
        return listing.read_text().splitlines()

    def get(self, *words: str) -> Any:
        return self.xene("get", *words, "-o", "json").json

    def apply(self, *words: str, code: int | None = 0) -> Done:
        return self.xene("apply", str(self.repository), "--yes", *words, code=code)


def until(holds: Any, what: str) -> Any:
    """Wait for a condition and give what it gave."""
    deadline = time.monotonic() + DEADLINE
    while not (found := holds()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)
    return found


def local_agents(root: Path, count: int) -> str:
    """Manifests of agents on this host, each with a home of its own."""
    return "---\n".join(
        f"apiVersion: xene/v1\nkind: Agent\nmetadata: {{name: host-{number}, labels: {{number: 'n{number}'}}}}\n"
        f"spec: {{local: {{}}, capacity: 4, home: {root}/agent-{number}}}\n"
        for number in range(1, count + 1)
    )


@contextlib.contextmanager
def fleet(root: Path, kind: str, count: int = 3, **options: Any) -> Iterator[Fleet]:
    """A fleet whose repository holds its agents and nothing else yet; `options` are those of `sshd_hosts`.

    `kind` is `local` or `ssh`; with `+controller` behind it, a `xene controller` is at work all the time.
    """
    kind, _, controller = kind.partition("+")
    with contextlib.ExitStack() as stack:
        stack.enter_context(agent_homes(root))
        manifests, hosts = local_agents(root, count), None
        if kind == "ssh":
            hosts = stack.enter_context(sshd_hosts(root, count=count, **options))
            manifests = "---\n".join(
                host.agent_manifest(f"host-{number}", {"number": f"n{number}"}, capacity=4)
                for number, host in enumerate(hosts, 1)
            )
        made = Fleet(root, kind, hosts=hosts)
        made.repository.mkdir()
        made.write("xene.yaml", "name: tests\n")
        made.write("agents.yaml", manifests)
        if controller:
            stack.enter_context(at_work(made))
        yield made


@contextlib.contextmanager
def at_work(made: Fleet) -> Iterator[subprocess.Popen[str]]:
    """A controller from when it has the lock; it must be there to the end, and then end when it is asked to."""
    with open(made.root / "controller.log", "w") as log:
        child = made.start("controller", into=log)
    state = str(made.home / "state.db")
    try:
        until(
            lambda: child.poll() is not None or lock.holder(state) == child.pid, "the controller is at work"
        )
        yield child
    finally:
        ended = child.poll()
        child.terminate()
        code = child.wait(DEADLINE)
    said = (made.root / "controller.log").read_text()
    assert ended is None and code == 0, f"the controller ended: {ended}, {code}\n{said}"
