"""The rows of the budget that go over SSH, on loopback: steps on one host, on ten, and apply to fifty.

"Cold" is a control host on which no `xene` runs and a host on which no daemon runs; what it is cold of beyond that
is in each row's name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import peers
from bench.timing import XENE, Contender, race, table
from tests.hosts import Host, Hosts, end_agents, sshd_hosts


class Bed:
    """Hosts, and a control host with a repository: one workflow with a pipeline of `steps` steps for each host."""

    def __init__(self, root: Path, hosts: Hosts, steps: int) -> None:
        self.root, self.hosts, self.steps = root, hosts, steps
        self.repository = root / "repository"
        self.repository.mkdir()
        (self.repository / "xene.yaml").write_text("name: bench\n")
        (self.repository / "agents.yaml").write_text(hosts.manifests())
        if steps:
            (self.repository / "bench.yaml").write_text(_workflow([host.name for host in hosts], steps))
        self.env = {"XENE_HOME": str(root / "control"), "XDG_CACHE_HOME": str(root / "cache")}

    def forget(self) -> None:
        """Nothing is left of Xene, here and there."""
        self.stop()
        for path in (self.root / "control", *(host.home for host in self.hosts)):
            shutil.rmtree(path, ignore_errors=True)

    def stop(self) -> None:
        """No daemon runs; state and script stay."""
        end_agents(self.hosts.root)

    def strip(self) -> None:
        """No daemon runs, and the script is not there; the state stays."""
        self.stop()
        for host in self.hosts:
            shutil.rmtree(host.home / "agent", ignore_errors=True)

    def xene(self, name: str, *commands: str) -> Contender:
        """These command lines of xene's, one after another, as one contender."""
        line = " && ".join(f"{' '.join(XENE)} {command}" for command in commands)
        return Contender(name, ["/bin/sh", "-c", line], self.env)

    @property
    def apply(self) -> str:
        return f"apply {self.repository} --yes"


def _workflow(agents: list[str], steps: int) -> str:
    lines = ["apiVersion: xene/v1", "kind: Workflow", "metadata: {name: bench}", "spec:", "  pipelines:"]
    for agent in agents:
        lines += [f"    on-{agent}:", f"      placement: {{agent: {agent}}}", "      tasks:", "        t:"]
        lines += [
            "          steps:",
            *(f"            - {{name: s{n}, exec: ['true']}}" for n in range(steps)),
        ]
    return "\n".join(lines) + "\n"


@contextmanager
def _bed(count: int, steps: int) -> Iterator[Bed]:
    with tempfile.TemporaryDirectory(prefix="bench-ssh-") as name, sshd_hosts(Path(name), count) as hosts:
        bed = Bed(Path(name), hosts, steps)
        try:
            yield bed
        finally:
            bed.stop()


def _control_master(bed: Bed) -> Contender:
    """A loop of `ssh HOST true` for each host, side by side, each over one connection."""
    options = f"-F {bed.hosts.config} -o ControlPath={bed.root}/%n.sock"
    masters, loops = [], []
    for host in bed.hosts:
        masters.append(f"ssh {options} -fN -o ControlMaster=yes {host.name} &")
        loop = f"i=0; while [ $i -lt {bed.steps} ]; do ssh {options} {host.name} true; i=$((i+1)); done"
        loops.append(f"({loop}; ssh {options} -O exit {host.name} 2>/dev/null) &")
    text = "set -e\n" + "\n".join([*masters, "wait", *loops, "wait"]) + "\n"
    return Contender("ssh in a loop, ControlMaster", ["/bin/sh", "-c", text])


def _ansible(bed: Bed) -> list[Contender]:
    common = f"-F {bed.hosts.config}"
    inventory = "[all]\n" + "\n".join(f"{host.name} ansible_ssh_common_args='{common}'" for host in bed.hosts)
    tasks = "\n".join("    - raw: 'true'" for _ in range(bed.steps))
    playbook = f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}\n"
    return peers.ansible(str(bed.root), inventory + "\n", playbook, len(bed.hosts))


def _dagu(bed: Bed) -> list[Contender]:
    steps = [_dagu_step(bed, host, number) for host in bed.hosts for number in range(bed.steps)]
    text = f"type: graph\nmaxActiveSteps: {len(bed.hosts)}\nsteps:\n" + "\n".join(steps) + "\n"
    return [each.renamed("Dagu 1.30, ssh steps") for each in peers.dagu(text)]


def _dagu_step(bed: Bed, host: Host, number: int) -> str:
    config = {
        "user": host.user,
        "host": host.address,
        "port": host.port,
        "key": str(host.identity),
        "strictHostKey": True,
        "knownHostFile": str(bed.hosts.known_hosts),
    }
    before = [_step(host, number - 1)] if number else []
    executor = {"type": "ssh", "config": config}
    step = {"name": _step(host, number), "command": "true", "depends": before, "executor": executor}
    return f"  - {json.dumps(step)}"


def _step(host: Host, number: int) -> str:
    return f"{host.name.replace('-', '_')}_{number}"


def _steps(count: int, steps: int, title: str, budget: str, runs: int) -> str:
    with _bed(count, steps) as bed:
        run = "run bench --wait -q"
        from_nothing = bed.xene("xene apply, xene run, from nothing", bed.apply, run)
        bare = bed.xene("xene run, applied, no daemon, no script there", run)
        cold = bed.xene("xene run, applied, no daemon", run)
        warm = bed.xene("xene run, applied, daemon up", run)
        from_nothing.prepare, bare.prepare, cold.prepare = bed.forget, bed.strip, bed.stop
        rivals = [_control_master(bed), *_ansible(bed), *_dagu(bed)]
        race([from_nothing, bare, cold, warm, *rivals], runs)
        return table(title, budget, [bare, cold, warm, from_nothing, *rivals])


def _apply(count: int, runs: int) -> str:
    with _bed(count, 0) as bed:
        cold = bed.xene(f"xene apply to {count} agents, from nothing", bed.apply)
        warm = bed.xene(f"xene reconcile with {count} agents, daemons up", "reconcile -q")
        again = bed.xene(f"xene apply to {count} agents, script there, daemons up", bed.apply)
        cold.prepare = bed.forget
        again.prepare = partial(_rewrite, bed)
        race([cold, warm, again], runs)
        return table(
            f"Apply to {count} agents", "10 s from nothing, 4 s with daemons up", [cold, warm, again]
        )


def _rewrite(bed: Bed) -> None:
    """A change that every agent must be told: a workflow with a pipeline on each, another each time."""
    bed.steps += 1
    (bed.repository / "bench.yaml").write_text(_workflow([host.name for host in bed.hosts], bed.steps))


def report() -> str:
    """All rows as Markdown."""
    if not shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        print("no sshd: nothing is measured over SSH (scripts/install-sshd.sh)", file=sys.stderr)
        return ""
    return "\n".join(
        [
            _steps(1, 100, "100 steps on one host over SSH, whole process", "0.9 s", 3),
            _steps(10, 20, "20 steps on each of ten hosts over SSH, whole process", "1.2 s", 3),
            _apply(50, 2),
        ]
    )
