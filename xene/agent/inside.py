"""The processes of a step inside a container: found, and signalled, like those of a bare one.

Where this user sees them in the host's /proc (root, and rootless engines), that is where they are looked for, by
`process.members`. A Docker that belongs to root hides them from its other users: then a few lines of `sh`, run
inside by `exec`, list what the container's pid namespace holds. That takes as long as an engine takes, so it is a
process of its own, and what it said last stands until it has said something new. `steps` makes one `Tree` for each
step that it stops.
"""

from __future__ import annotations

import os
import re
import signal
from typing import Dict, List, Mapping, Optional, Set, Tuple

from xene.agent import process
from xene.agent.process import Process

# Inside, builtins only: PID PARENT START, and `m` where the environment bears $1. `read` drops the NULs between
# variables, so what follows the mark is the next one's name, which is never a digit.
LIST = """\
mark=$1
look() {
    for entry in /proc/[0-9]*; do
        stat= found=-
        { while IFS= read -r line; do stat=$stat$line; done < "$entry/stat"; } 2> /dev/null
        { while IFS= read -r line || [ -n "$line" ]; do
            case $line in *"$mark"|*"$mark"[!0-9]*) found=m ;; esac
        done < "$entry/environ"; } 2> /dev/null
        set -- ${stat##*) }
        case ${20+$1} in ''|Z|X) continue ;; esac
        echo "${entry#/proc/} $2 ${20} $found"
    done
}
look
look
exit 0
"""

# Inside: $1 a signal's number, then PID:START of each that gets it, unless its pid is another's by now.
KILL = """\
number=$1
shift
for one; do
    stat=
    { while IFS= read -r line; do stat=$stat$line; done < "/proc/${one%:*}/stat"; } 2> /dev/null
    start=${one#*:} pid=${one%:*}
    set -- ${stat##*) }
    [ "${20-}" = "$start" ] && kill -"$number" "$pid"
done
"""

# On the host: $1 engine, $2 name, $3 the script, $4 its argument. A container that is gone holds nothing. Only a
# privileged root reads the environment of other users' processes; not every machine lets an engine give that.
ASK = """\
ask() { "$1" exec $5 --user 0 "$2" sh -c "$3" sh "$4" 2> /dev/null && echo end && exit; }
ask "$1" "$2" "$3" "$4" --privileged
ask "$1" "$2" "$3" "$4" ''
left=$("$1" ps -q --filter "name=^/?$2\\$") && [ -z "$left" ] && echo end
"""


class Tree:
    """What is left of one step. `root` is its wrapper; `log` where an answer of the engine is put.

    Processes that only the container knows have negative pids.
    """

    def __init__(
        self, mark: str, root: Optional[Process], engine: str, name: str, log: str, env: Mapping[str, str]
    ) -> None:
        self._mark, self._root = mark, root
        self._engine, self._name, self._log, self._env = engine, name, log, env
        self._hidden = hidden(engine)
        self._asking: Optional[Process] = None
        self._last: Set[Process] = {_UNHEARD}
        self._answered = False

    def find(self) -> Set[Process]:
        """Every living process of the step, on the host and inside.

        Until the container has told what is inside, that is all that stands for them: the client is not to be
        asked to end before it is known whether somebody inside still has something to say.
        """
        told = self._told() if self._hidden else set()
        if self._hidden and not self._answered:
            return told
        return process.members(self._mark, self._root) | told

    def send(self, processes: Set[Process], number: int) -> None:
        """Signal them. The engine's client is spared while there is something inside: without it nothing that the
        command says on its way out would be logged."""
        if number == signal.SIGKILL and _UNHEARD in processes:
            processes = processes | process.members(self._mark, self._root)
        told = {one for one in processes if one.pid < 0 and one != _UNHEARD}
        inside = told | {one for one in processes if one.pid > 0 and _elsewhere(one.pid)}
        chosen = processes if number == signal.SIGKILL or not inside else inside
        process.send({one for one in chosen if one.pid > 0}, number)
        if told:
            ends = [f"{-one.pid}:{one.start}" for one in told]
            argv = [self._engine, "exec", "--user", "0", self._name, "sh", "-c", KILL, "sh"]
            _spawn([*argv, str(int(number)), *ends], os.devnull, self._env)

    def _told(self) -> Set[Process]:
        """What the container said last; and asks it again."""
        if self._asking is not None and process.alive(self._asking):
            return self._last
        if self._asking is not None:
            self._last = self._read()
        argv = ["/bin/sh", "-c", ASK, "sh", self._engine, self._name, LIST, self._mark]
        pid = _spawn(argv, self._log, self._env)
        seen = process.look(pid) if pid else None
        self._asking = seen.process if seen else None
        return self._last

    def _read(self) -> Set[Process]:
        try:
            with open(self._log, encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            return {_UNHEARD}
        if not lines or lines[-1] != "end":
            return {_UNHEARD}
        self._answered = True
        return marked(lines[:-1])


_LINE = re.compile(r"(\d+) (\d+) (\d+) ([m-])\Z")
_UNHEARD = Process(-1, 0)  # stands for whatever it may be: the container has not answered yet


def hidden(engine: str) -> bool:
    """Whether /proc may not show this user what runs in the engine's containers."""
    return os.path.basename(engine) == "docker" and os.geteuid() != 0


def marked(lines: List[str]) -> Set[Process]:
    """The marked processes among `PID PARENT START MARK`, and what descends from them, with negative pids."""
    world: Dict[int, Tuple[int, int]] = {}
    found: Set[int] = set()
    for match in filter(None, map(_LINE.match, lines)):  # an engine's complaints may stand among them
        pid = int(match[1])
        world[pid] = (int(match[2]), int(match[3]))
        if match[4] == "m":
            found.add(pid)
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in world.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return {Process(-pid, world[pid][1]) for pid in found}


def is_entry(one: Process) -> bool:
    """Whether it is the first process of a step inside: its parent is in another pid namespace."""
    above = process.parent(one) if one.pid > 0 else 0
    try:
        return above > 0 and os.readlink(f"/proc/{one.pid}/ns/pid") != os.readlink(f"/proc/{above}/ns/pid")
    except OSError:  # gone, or another user's
        return False


def _elsewhere(pid: int) -> bool:
    """Whether a process is in another pid namespace than this one."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except OSError:  # gone, or another user's
        return False


def _spawn(argv: List[str], log: str, env: Mapping[str, str]) -> int:
    """Start it and return its pid, 0 where no process is to be had: it is asked again."""
    try:
        return process.spawn(argv, log, env)
    except OSError:
        return 0
