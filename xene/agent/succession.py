"""One version of the agent's code after another: whether it starts, and which of the old ones may go.

Called by the daemon before it becomes newer code, and once it is up. It must not touch the code of a daemon that
lives.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from typing import Dict, List, Set

from xene.agent.complaints import complain
from xene.agent.process import Process, alive

FIT_SECONDS = 10.0  # what newer code gets to show that it starts; the loop waits for it, once a version
KEPT = 3  # newest versions of the code, whether a daemon runs from them or not
_STALE = 3600.0  # seconds after which a half-made file of an upload or an unpacking has no maker any more
_NAME = re.compile(r"([0-9a-f]{64})(\.pyz)?\Z")


def fit(code: str) -> bool:
    """Whether the code in this directory can be imported and started. What it says goes to daemon.log."""
    argv = [sys.executable, "-I", "-S", code, "check"]
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    try:
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
    except OSError as error:
        complain(f"{code} cannot be tried: {error}")
        return False
    if not _ends(pid):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if status:
        complain(f"{code} does not start (status {status}): this daemon goes on with the code that it has")
    return status == 0


def _ends(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # a kernel before 5.3
        return _ends_by_looking(pid)
    try:
        return bool(select.select([descriptor], [], [], FIT_SECONDS)[0])
    finally:
        os.close(descriptor)


def _ends_by_looking(pid: int) -> bool:
    deadline = time.monotonic() + FIT_SECONDS
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.01)
    return False


def clear_old_code(code: str, own: str) -> None:
    """Remove versions below `code` that are not among the newest, and that no daemon of this home runs from."""
    try:
        _clear(code, own, time.time())
    except OSError as error:
        complain(f"old code below {code} cannot be removed: {error}")


def _clear(code: str, own: str, now: float) -> None:
    from shutil import rmtree  # once a daemon is up

    ages: Dict[str, float] = {}
    for name in os.listdir(code):
        path = os.path.join(code, name)
        age = os.lstat(path).st_mtime
        if _NAME.match(name):
            ages[name[:64]] = max(age, ages.get(name[:64], 0.0))
        elif name.startswith(".unpack-") and now - age > _STALE:
            rmtree(path, ignore_errors=True)
        elif name.endswith(".tmp") and now - age > _STALE:
            os.unlink(path)
    newest = sorted(ages, key=lambda version: ages[version], reverse=True)
    for version in set(newest[KEPT:]) - in_use(os.path.dirname(code)) - {own}:
        rmtree(os.path.join(code, version), ignore_errors=True)
        try:
            os.unlink(os.path.join(code, version + ".pyz"))
        except FileNotFoundError:
            pass


def in_use(home: str) -> Set[str]:
    """The versions that living daemons of any state and name below `home` run from, by their daemon.pid."""
    used: Set[str] = set()
    for state in _directories(home):
        for agent in _directories(state):
            try:
                with open(os.path.join(agent, "daemon.pid"), encoding="ascii") as file:
                    pid, start, version = file.read().split()
                if alive(Process(int(pid), int(start))):
                    used.add(version)
            except (OSError, ValueError):
                continue  # no daemon, or one that is just coming up: its code is among the newest
    return used


def _directories(path: str) -> List[str]:
    try:
        return [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
