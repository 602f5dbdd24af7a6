"""What the soak happens to: a control host, an agent on it and two behind sshd, commands at work, other code.

Acts of `faults` are done through it; nothing here decides or checks.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fleet import Fleet, fleet
from tests.hosts import Host, _about, _alive, _command, _signal
from tests.soak import flows
from tests.soak.flows import Flow, Pipeline

ROOT = Path(__file__).parents[2]
HERE = "here"  # the agent on the control host
HERE_AGENT = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: here}
spec: {local: {}, capacity: 4, home: %s}
"""
FLOWS = 4
# Impatient, so that a host that went away is seen in seconds.
SSH_CONFIG = "Host *\n  ConnectTimeout 2\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n"


@dataclass
class Command:
    """One `xene` command at work, or what it was."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    said: Path  # its stderr
    answer: Path  # its stdout
    shot: bool = False

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def __str__(self) -> str:
        code = self.process.poll()
        return f"xene {' '.join(self.words)}{'' if code is None else f' -> {code}'}"


@dataclass
class World:
    fleet: Fleet
    draw: random.Random
    commands: list[Command] = field(default_factory=list)
    plans: dict[tuple[str, str, int], Pipeline] = field(default_factory=dict)
    current: dict[str, Flow] = field(default_factory=dict)  # by name: what the repository holds
    wished: set[str] = field(default_factory=set)  # runs that somebody wanted ended
    shot: set[str] = field(default_factory=set)  # runs of which a step was killed from outside
    undo: list[tuple[str, Callable[[], None]]] = field(default_factory=list)  # of faults that last
    done: list[str] = field(default_factory=list)  # acts of this round
    faults: Counter[str] = field(default_factory=Counter)
    versions: int = 0
    held: bool = False  # a command was stopped in this round: the state may have been held for long

    @property
    def root(self) -> Path:
        return self.fleet.root

    @property
    def witness(self) -> Path:
        return self.root / "witness"

    @property
    def gate(self) -> Path:
        return self.root / "gate"

    @property
    def hosts(self) -> list[Host]:
        return list(self.fleet.hosts or [])

    @property
    def homes(self) -> dict[str, Path]:
        """By agent."""
        return {HERE: self.root / "agent-here", **{host.name: host.home for host in self.hosts}}

    def live(self) -> list[Command]:
        return [command for command in self.commands if command.lives]

    def start(self, *words: str) -> Command:
        number = len(self.commands)
        said, answer = self.root / "said" / f"{number}.err", self.root / "said" / f"{number}.out"
        env = {**os.environ, "XENE_HOME": str(self.fleet.home), "NO_COLOR": "1", **self.fleet.env}
        with open(said, "wb") as err, open(answer, "wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "xene", *words],
                env=env, cwd=self.root, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip
        self.commands.append(Command(words, process, said, answer))
        return self.commands[-1]

    def write(self, name: str) -> None:
        """Another version of this workflow into the repository, there whole or not at all."""
        self.versions += 1
        flow = flows.make_flow(self.draw, name, self.versions, list(self.homes))
        self.current[name] = flow
        for pipeline in flow.pipelines:
            self.plans[name, pipeline.name, flow.version] = pipeline
        text = json.dumps(flows.manifest(flow, str(self.witness), str(self.gate)), indent=1)
        path = self.fleet.repository / f"{name}.yaml"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def remove(self, name: str) -> None:
        del self.current[name]
        (self.fleet.repository / f"{name}.yaml").unlink()

    def daemon(self, agent: str) -> int:
        """The pid of the agent's daemon; 0 where none lives."""
        for path in self.homes[agent].glob("*/*/daemon.pid"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                pid = int(path.read_text().split()[0])
                if _alive(pid) and str(self.root) in _about(pid):
                    return pid
        return 0

    def under_way(self) -> dict[tuple[str, ...], int]:
        """The pids of steps that have begun and not ended, by run, task and step."""
        found: dict[tuple[str, ...], int] = {}
        for line in self.witness.read_text().splitlines():
            what, run, task, step, _, pid = line.split()
            found[run, task, step] = int(pid) if what == "start" else 0
        return {mark: pid for mark, pid in found.items() if pid and f"XENE_RUN={mark[0]}" in _about(pid)}

    def undo_one(self) -> None:
        """The oldest of the faults that last."""
        what, act = self.undo.pop(0)
        self.done.append(what)
        act()

    def turn_to(self, number: int) -> None:
        """Commands are from now on those of this code; 0 is the checkout."""
        self.fleet.env["PYTHONPATH"] = str(self.root / "code" / str(number)) if number else str(ROOT)


@contextlib.contextmanager
def world(root: Path, seed: int) -> Iterator[World]:
    """A fleet with its workflows, applied."""
    with fleet(root, "ssh", 2) as hosts:
        made = World(hosts, random.Random(seed))
        _prepare(made)
        try:
            yield made
        finally:
            while made.undo:
                made.undo_one()
            made.gate.touch()
            for command in made.live():
                command.process.kill()
                command.process.wait()


def _prepare(made: World) -> None:
    (made.root / "said").mkdir()
    made.witness.touch()
    config = made.root / "home" / ".ssh" / "config"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text(SSH_CONFIG)
    config.chmod(0o600)
    made.fleet.env |= {"HOME": str(made.root / "home"), "XDG_CACHE_HOME": str(made.root / "cache")}
    for number in (1, 2):
        _lay(made.root / "code" / str(number), number)
    made.turn_to(0)
    here = HERE_AGENT % made.homes[HERE]
    agents = [here, *(host.agent_manifest(capacity=4) for host in made.hosts)]
    made.fleet.write("agents.yaml", "---\n".join(agents))
    for number in range(FLOWS):
        made.write(f"flow-{number}")


def _lay(target: Path, number: int) -> None:
    """A copy of Xene whose agent has another text, hence another digest."""
    shutil.copytree(ROOT / "xene", target / "xene")
    shutil.copytree(ROOT / "schemas", target / "schemas")
    path = target / "xene" / "agent" / "daemon.py"
    path.write_text(f"{path.read_text()}\n# {number}\n")


def attached(home: Path) -> list[int]:
    """What is between the agent of this home and a command on this host."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if f" attach --home {home}" in _command(pid)]


def send(pid: int, number: int) -> None:
    """A signal to one process; one that has gone is no mistake."""
    if pid:
        _signal(pid, number)


STOP, GO, KILL, TERM = signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL, signal.SIGTERM
