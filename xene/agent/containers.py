"""A step in a container: what is called, with which arguments and which files it wants.

One container for each context of a run. The first step that needs it opens it, in its own process tree and under a
lock, so that the daemon never waits for an engine: what opening prints is in that step's log, and its timeout, a
cancel and a killed daemon find it like anything else that a step does. `rooms` calls `room`, `prepare` and `entry`;
`steps` asks `trouble` how it went. How a tree inside is found and killed is in `inside`, how a container goes in
`closing`. Nothing here waits for a process.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from xene.agent.entrance import HIDDEN, INNER, MAIN
from xene.engine.environment import Command
from xene.model import phases
from xene.model.units import parse_size
from xene.model.workflow import Container

ENGINES = ("podman", "docker")  # what `auto` looks for, in this order
_DOOR = ".container"
RUN_LABEL, HOME_LABEL = "xene.run", "xene.home"
_SHELLS = {
    "sh": ("sh", "-eu"),
    "bash": ("bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"),
    "python": ("python3", "-u"),
}
_READ_ONLY = frozenset(
    {"UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"}
)  # bash sets no other value
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class ContainerTrouble(Exception):
    """A step cannot run in its container. `reason` is one of `model.phases`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Room(NamedTuple):
    """The container of one context in one run.

    `door` begins the names of its files on the host, out of its own reach; `inside` is the directory of the files
    that its steps read and write, mounted at the same path. `env` is what the engine's client is called with.
    """

    engine: str
    name: str
    image: str
    pull: str
    door: str
    inside: str
    env: Mapping[str, str]

    def base(self, seq: int) -> str:
        """How the files of a step attempt begin that are seen inside: `.script`, `.output`, `.code`."""
        return f"{self.inside}/{seq:04d}"


# -- which, and with what


def find_engine(wanted: str, path: Optional[str] = None) -> str:
    """The engine's program, searched for in `path` (the daemon's PATH). Raises ContainerTrouble."""
    import shutil  # bz2 and lzma with it, which an agent without containers does not need

    names = ENGINES if wanted == "auto" else (wanted,)
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return os.path.abspath(found)
    what = "neither podman nor docker" if wanted == "auto" else f"no {wanted}"
    raise ContainerTrouble(
        phases.CONTAINER_ENGINE_MISSING,
        f"there is {what} in the PATH of the agent's user; install one, or drop `container`",
    )


def room(run: str, context: str, spec: Container, place: str, env: Mapping[str, str]) -> Room:
    """The container of `context` in `run`, whose directory is `place`. Raises ContainerTrouble.

    Its engine is the one that an earlier step has found, else that of the PATH in `env`.
    """
    door = f"{place}/steps/{context}{_DOOR}"
    known = _read_door(door)
    engine, name = known or (find_engine(spec.engine, env.get("PATH")), f"xene-{run}-{context}")
    return Room(engine, name, spec.image, spec.pull, door, inside_of(place), env)


def inside_of(place: str) -> str:
    """The directory of a run that is for what is inside its containers."""
    return place + "/inside"


def home_label(home: str) -> str:
    """What all containers of one daemon bear: `xene.home=` and a digest of its home's path."""
    import hashlib  # loads libcrypto, which an idle agent does not need

    return f"{HOME_LABEL}={hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def create(
    room: Room, spec: Container, labels: Sequence[str], shared: Sequence[str], mounts: Sequence[str]
) -> List[str]:
    """The command that makes the container and starts its first process. `shared` are seen at the same path."""
    argv = [room.engine, "run", "-d", "-i", "--rm", "--pull=never", "--name", room.name]
    for label in labels:
        argv += ["--label", label]
    # SELinux would hide the workspace, which bare steps use too; `rm -f` need not wait for the first process
    argv += ["--security-opt", "label=disable", "--stop-timeout", "0", "--log-driver", "none"]
    if os.path.basename(room.engine) == "podman":
        argv += ["--http-proxy=false"]  # else the daemon's own environment would come in
    for path in shared:
        argv += ["-v", f"{path}:{path}"]
    for mount in mounts:
        argv += ["-v", mount]
    argv += _options(spec)
    return [*argv, "--entrypoint", "sh", room.image, "-c", MAIN, "sh", alive_file(room)]


def _options(spec: Container) -> List[str]:
    argv: List[str] = []
    for option, value in (("--network", spec.network), ("--user", spec.user)):
        argv += [option, value] if value is not None else []
    if spec.memory is not None:
        size = spec.memory if isinstance(spec.memory, int) else parse_size(spec.memory)
        argv += ["--memory", f"{size}b"]
    return argv + (["--cpus", f"{spec.cpus:g}"] if spec.cpus is not None else [])


def alive_file(room: Room) -> str:
    """While it is there, the container stays."""
    return f"{room.inside}/{os.path.basename(room.door)}"


def mount(text: str, home: str) -> str:
    """`HOST:INSIDE[:OPTIONS]` with `~` on the host's side expanded to `home`."""
    host, colon, rest = text.partition(":")
    if host == "~" or host.startswith("~/"):
        host = home + host[1:]
    return host + colon + rest


def entry(
    room: Room,
    script: str,
    base: str,
    seq: int,
    directory: str,
    umask: int,
    command: Sequence[str],
    names: Sequence[str],
) -> List[str]:
    """What the wrapper of a step runs: `script` is where ENTER lies, `base` that of the step's files on the host.

    `names` are the variables of the step; their values are in the client's environment, see `client_environment`.
    """
    result = room.base(seq) + ".code"
    argv = ["/bin/sh", script, base, result, room.door, room.engine, room.name, room.image, room.pull]
    argv += [room.engine, "exec"]
    for name in (*map(_passing, names), "XENE_STEP_ID"):
        argv += ["--env", name]
    hidden = " ".join(name for name in names if _passing(name) != name)
    return [*argv, room.name, "sh", "-c", INNER, "sh", result, directory, f"{umask:04o}", hidden, *command]


def client_environment(own: Mapping[str, str], step: Mapping[str, str]) -> Dict[str, str]:
    """The environment of the engine's client: its `own`, and that of the step under names that mean nothing to it.

    Else a manifest's PATH, HOME or DOCKER_HOST would be the client's.
    """
    return {**own, **{_passing(name): value for name, value in step.items()}}


def _passing(name: str) -> str:
    straight = name.startswith("XENE_") or name in _READ_ONLY or not _IDENTIFIER.match(name)
    return name if straight else HIDDEN + name


# -- files


def prepare(room: Room, spec: Container, labels: Sequence[str], place: str, home: str) -> None:
    """Lay out what opening the container needs; again is no mistake. Raises OSError and ContainerTrouble.

    The image's user may be anybody, so the directories that it shares are open to all; the run's own, above them,
    is open to its owner only.
    """
    if os.path.exists(room.door):
        return
    os.makedirs(room.inside, mode=0o711, exist_ok=True)
    os.chmod(room.inside, 0o711)
    workspace, artifacts = place + "/workspace", place + "/artifacts"
    for path in (workspace, artifacts):
        os.chmod(path, 0o777)
    mounts = [mount(text, home) for text in spec.mounts]
    _make_caches(spec.mounts, mounts)
    argv = create(room, spec, labels, (workspace, artifacts, room.inside), mounts)
    _write(room.door + ".create", "exec " + shlex.join(argv) + "\n", 0o600)
    _touch(alive_file(room), 0o644)
    _write(room.door, f"{room.engine}\n{room.name}\n", 0o600)


def _make_caches(written: Sequence[str], mounts: Sequence[str]) -> None:
    """Below the user's own `~` a directory is made when it is missing; elsewhere that is more likely a typo.

    Docker would make it anywhere, as root. What is no path is the name of a volume.
    """
    for text, expanded in zip(written, mounts):
        host = expanded.partition(":")[0]
        if text.startswith("~/"):
            os.makedirs(host, exist_ok=True)
        elif host.startswith("/") and not os.path.exists(host):
            raise ContainerTrouble(phases.CONTAINER_FAILED, f"mount {text}: there is no {host} on this host")


def lay_step(room: Room, base: str, seq: int, command: Command) -> List[str]:
    """The files of a step attempt that the container sees; returns the command as it is called inside.

    Whatever runs inside may have put anything in that directory: nothing there is written through a link.
    """
    inside = room.base(seq)
    for suffix in (".output", ".code"):
        _touch(inside + suffix, 0o666)
    if command.script is None:
        return list(command.exec)
    text = command.script if command.script.endswith("\n") else command.script + "\n"
    _write(base + ".laid", text, 0o644)
    os.rename(base + ".laid", inside + ".script")
    return [*_SHELLS[command.shell], inside + ".script"]


def _touch(path: str, mode: int) -> None:
    """Make an empty file; what is there already stays, whatever it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        return
    os.fchmod(descriptor, mode)
    os.close(descriptor)


def _write(path: str, text: str, mode: int) -> None:
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    os.rename(temporary, path)


def opened(place: str) -> List[Tuple[str, str]]:
    """Engine and name of every container that the run in `place` may have: each that was begun to be made."""
    begun = [door for door in _doors(place) if os.path.exists(door + ".begun")]
    return [known for known in map(_read_door, begun) if known is not None]


def forget(place: str) -> None:
    """Its containers are gone: a run that is tried again makes new ones."""
    for door in _doors(place):
        for path in (door, door + ".open", door + ".begun"):
            _unlink(path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _doors(place: str) -> List[str]:
    try:
        return [
            f"{place}/steps/{name}" for name in sorted(os.listdir(place + "/steps")) if name.endswith(_DOOR)
        ]
    except FileNotFoundError:
        return []


def _read_door(door: str) -> Optional[Tuple[str, str]]:
    """Engine and name; None where no step has come by yet."""
    try:
        with open(door, encoding="utf-8", errors="surrogateescape") as file:
            engine, name = file.read().splitlines()
    except FileNotFoundError:
        return None
    return engine, name


def trouble(base: str) -> Optional[Tuple[str, str]]:
    """Reason and message where something else than a step's command failed; None where it ran to its end."""
    try:
        with open(base + ".trouble", encoding="utf-8", errors="replace") as file:
            reason, _, message = file.read().partition("\n")
    except FileNotFoundError:
        return None
    return (reason, message.strip()) if reason else None
