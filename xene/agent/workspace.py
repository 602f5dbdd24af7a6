"""The directories of a run: made when it starts, moved away and removed when control has released it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import Dict, List, Optional

from xene.agent.complaints import complain
from xene.agent.containers import inside_of
from xene.agent.home import Home
from xene.engine.environment import Command, Places
from xene.model.ids import file_safe

_SHELLS = {
    "sh": ("/bin/sh", "-eu"),
    "bash": ("bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"),
    "python": (sys.executable, "-u"),
}


class RunDirectory:
    """Where a run lives on the host. Paths only, but for `make`."""

    def __init__(self, home: Home, run: str) -> None:
        self.path = home.run(run)
        self.workspace = os.path.join(self.path, "workspace")
        self.logs = os.path.join(self.path, "logs")
        self.steps = os.path.join(self.path, "steps")
        self.artifacts = os.path.join(self.path, "artifacts")
        self.inside = inside_of(self.path)
        self.made = False

    def make(self) -> None:
        """Make what is missing, once. Raises OSError."""
        if self.made:
            return
        for path in (self.path, self.workspace, self.logs, self.steps, self.artifacts):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
        self.made = True

    def base(self, seq: int) -> str:
        """How the files of a step attempt begin."""
        return f"{self.steps}/{seq:04d}"

    def log(self, seq: int, task: str, step: str, attempt: int) -> str:
        """The log of a step attempt; the archive on the control host uses the same names."""
        return f"{self.logs}/{seq:04d}.{file_safe(task)}.{step}.{attempt}.log"

    def artifact(self, task: str, name: str) -> str:
        """Where an artifact of a task is kept."""
        return f"{self.artifacts}/{file_safe(task)}.{file_safe(name)}.tar"

    def places(self, seq: int, contained: bool = False) -> Places:
        """What a step attempt is told of; `contained` in a container."""
        base = f"{self.inside}/{seq:04d}" if contained else self.base(seq)
        return Places(self.workspace, base + ".output", self.artifacts)


def working_directory(command: Command, places: Places) -> str:
    """The absolute directory in which a step starts. Raises NotADirectoryError where it is none of the workspace's.

    A template may have filled it, so it is looked at here, when it is known.
    """
    if os.path.isabs(command.work_dir) or ".." in command.work_dir.split("/"):
        raise NotADirectoryError(f"the working directory {command.work_dir} leaves the workspace")
    path = os.path.normpath(os.path.join(places.workspace, command.work_dir))
    if not os.path.isdir(path):
        raise NotADirectoryError(f"the working directory {command.work_dir} does not exist in the workspace")
    return path


def argv(command: Command, base: str, directory: str) -> List[str]:
    """The program and its arguments; a script is laid beside the step's files. Raises FileNotFoundError."""
    if command.script is None:
        program, *rest = command.exec
    else:
        program, *rest = (*_SHELLS[command.shell], write_script(base, command.script))
    return [find_program(program, command.env, directory), *rest]


def write_script(base: str, text: str) -> str:
    """Write the script of a step and return its path. It holds no secret and nothing pasted.

    By rename: an earlier daemon's wrapper may be reading it, and must never see it cut short.
    """
    path = base + ".script"
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text if text.endswith("\n") else text + "\n")
    os.rename(temporary, path)
    return path


def find_program(name: str, env: Dict[str, str], directory: str) -> str:
    """`name` as a path with a slash in it, searched for in the step's PATH. Raises FileNotFoundError."""
    if "/" in name:
        return name
    for place in env.get("PATH", os.defpath).split(os.pathsep):
        path = f"{place}/{name}" if place[:1] == "/" else os.path.join(directory, place, name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise FileNotFoundError(f"program '{name}' is not in PATH ({env.get('PATH', '')})")


def read_output(path: str, limit: int) -> Optional[bytes]:
    """What a step wrote to `$XENE_OUTPUT`, one byte beyond `limit` at the most; None where it wrote nothing.

    Raises OSError; ValueError where it is no plain file: root in a container can make anything.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("what the step left as $XENE_OUTPUT is a link, and not a file") from None
        raise
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("what the step left as $XENE_OUTPUT is not a file")
        return file.read(limit + 1) or None


class Trash:
    """Removal that never holds up the loop: a rename now, and an `rm` of its own for the rest."""

    def __init__(self, home: Home) -> None:
        self.path = os.path.join(home.path, "trash")
        self._count = 0
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        for left in os.listdir(self.path):
            self._remove(os.path.join(self.path, left))

    def take(self, path: str) -> None:
        """Move `path` away and begin to remove it. A path that is not there is no mistake."""
        self._count += 1
        target = os.path.join(self.path, f"{os.getpid()}.{self._count}.{os.path.basename(path)}")
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return
        except OSError as error:
            return complain(f"cannot move {path} away: {error}")
        self._remove(target)

    def _remove(self, path: str) -> None:
        # chmod first: a workspace may hold directories that its owner made unwritable
        script = 'chmod -R u+rwX -- "$1" 2>/dev/null; exec rm -rf -- "$1"'
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        try:
            os.posix_spawn("/bin/sh", ["sh", "-c", script, "sh", path], os.environ, file_actions=quiet)
        except OSError as error:  # no process to be had; the next daemon looks into the trash again
            complain(f"cannot remove {path} now: {error}")
