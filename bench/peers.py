"""What Xene is compared with, in the same run: Dagu, GNU parallel, and a bare loop of posix_spawn."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

from bench.timing import Contender

_ANSIBLE = ".bench/ansible/bin/ansible-playbook"
_DAGU = ".bench/node_modules/@dagu-org/dagu-linux-x64/bin/dagu"

SPAWN_LOOP = """
import os
for _ in range({count}):
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
"""


def spawn_loop(count: int) -> Contender:
    """The floor: nothing but starting `count` processes one after another."""
    return Contender(
        "posix_spawn loop (floor)", [sys.executable, "-I", "-S", "-c", SPAWN_LOOP.format(count=count)]
    )


def dagu_program() -> str | None:
    """Its path, where it is here."""
    path = os.path.abspath(_DAGU)
    return path if os.access(path, os.X_OK) else None


def dagu(text: str) -> list[Contender]:
    """Dagu on a DAG file, in a home of its own; empty where it is not here."""
    path = dagu_program()
    if path is None:
        return []
    home = tempfile.mkdtemp(prefix="bench-dagu-")
    file = os.path.join(home, "dag.yaml")
    with open(file, "w") as out:
        out.write(text)
    return [Contender("Dagu 1.30", [path, "start", file], {"DAGU_HOME": home, "HOME": home})]


def parallel(count: int, jobs: int) -> list[Contender]:
    """GNU parallel; empty where it is not here."""
    path = shutil.which("parallel")
    if path is None:
        return []
    lines = "\n".join(["true"] * count) + "\n"
    return [Contender("GNU parallel", [path, "--will-cite", "-j", str(jobs)], stdin=lines)]


def ansible(home: str, inventory: str, playbook: str, forks: int) -> list[Contender]:
    """Ansible on a playbook, facts off, over a ControlMaster of its own; empty where it is not here."""
    path = os.path.abspath(_ANSIBLE)
    if not os.access(path, os.X_OK):
        return []
    for name, text in (("inventory.ini", inventory), ("playbook.yaml", playbook)):
        with open(os.path.join(home, name), "w") as out:
            out.write(text)
    argv = [
        path,
        "-i",
        os.path.join(home, "inventory.ini"),
        "-f",
        str(forks),
        os.path.join(home, "playbook.yaml"),
    ]
    control = "-o ControlMaster=auto -o ControlPersist=5"
    env = {
        "ANSIBLE_HOME": home,
        "ANSIBLE_SSH_ARGS": control,
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "none",
    }
    return [
        Contender("Ansible, raw", argv, {**env, "ANSIBLE_SSH_CONTROL_PATH_DIR": os.path.join(home, "cp")})
    ]
