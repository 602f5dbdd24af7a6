"""How containers go: all of a run's when it ends, and those of runs that nobody knows any more.

Held by `work`, which says what is to follow when it is proved that nothing is left. An engine is a process like any
other: it is started here, and the daemon tells of its end. Nothing here waits or records.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from xene.agent import process
from xene.agent.complaints import complain
from xene.agent.containers import RUN_LABEL, home_label
from xene.agent.home import write_whole

FIRST_PAUSE = 0.5  # seconds until an engine that failed is asked again
LONGEST_PAUSE = 60.0

# $1 engine, $2 label, $3 workspace or nothing: what other users own there is given to its owner first, since only
# the container's root may. Removed means that the engine lists no such container any more.
CLOSE = """\
ids=$("$1" ps -aq --filter "label=$2") || exit
if [ -n "$3" ]; then
    for id in $ids; do
        "$1" exec --user 0 "$id" sh -c 'set -- "$1" $(ls -nd "$1"); chown -Rh "$4:$5" "$1"' sh "$3" > /dev/null 2>&1
    done
fi
[ -z "$ids" ] || "$1" rm -f -v $ids > /dev/null || :
left=$("$1" ps -aq --filter "label=$2") && [ -z "$left" ]
"""

# $1 engine, $2 label: the names of the containers that bear it.
LIST = 'exec "$1" ps -a --filter "label=$2" --format "{{.Names}}"'


class Closing:
    """The containers of one run on their way out. `engines` are those still to be asked, one after the other."""

    def __init__(
        self, engines: List[str], workspace: str, env: Mapping[str, str], then: Callable[[], None]
    ) -> None:
        self.engines, self.workspace, self.env, self.then = engines, workspace, env, then
        self.pause = FIRST_PAUSE
        self.next_at: Optional[float] = 0.0  # None while an engine is at it


class Closings:
    """One `Closing` for each run whose containers go, by the run's id. `log` takes what engines say."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._under_way: Dict[str, Closing] = {}
        self._by_pid: Dict[int, str] = {}

    def __contains__(self, run: str) -> bool:
        return run in self._under_way

    def begin(
        self,
        run: str,
        engines: Iterable[str],
        workspace: str,
        env: Mapping[str, str],
        now: float,
        then: Callable[[], None],
    ) -> None:
        """Remove every container of `run` from each of `engines`, then call `then`; begun again is no mistake."""
        if run in self._under_way:
            return
        own = "" if os.geteuid() == 0 else workspace  # root removes what it does not own
        self._under_way[run] = Closing(sorted(set(engines)), own, env, then)
        self._go_on(run, now)

    def exited(self, pid: int, status: int, now: float) -> bool:
        """A child was reaped. False: it was none of these. `now` is CLOCK_BOOTTIME."""
        run = self._by_pid.pop(pid, None)
        if run is None:
            return False
        closing = self._under_way[run]
        if status == 0:
            closing.engines.pop(0)
            self._go_on(run, now)
        else:
            self._put_off(run, f"see {self._log}", now)
        return True

    def tick(self, now: float) -> None:
        """Ask again the engines that failed a while ago."""
        for run, closing in list(self._under_way.items()):
            if closing.next_at is not None and now >= closing.next_at:
                self._go_on(run, now)

    def times(self) -> List[float]:
        """When `tick` has something to do."""
        return [closing.next_at for closing in self._under_way.values() if closing.next_at is not None]

    def pids(self) -> List[int]:
        """The engines that are at it."""
        return list(self._by_pid)

    def _put_off(self, run: str, why: str, now: float) -> None:
        complain(f"the containers of run {run} cannot be removed yet: {why}")
        closing = self._under_way[run]
        closing.next_at = now + closing.pause
        closing.pause = min(LONGEST_PAUSE, closing.pause * 2)

    def _go_on(self, run: str, now: float) -> None:
        closing = self._under_way[run]
        while closing.engines and not os.access(closing.engines[0], os.X_OK):
            complain(f"{closing.engines[0]} is gone, and so, it seems, are the containers of run {run}")
            closing.engines.pop(0)
        if not closing.engines:
            del self._under_way[run]
            return closing.then()
        argv = ["/bin/sh", "-c", CLOSE, "sh", closing.engines[0], f"{RUN_LABEL}={run}", closing.workspace]
        try:
            self._by_pid[process.spawn(argv, self._log, closing.env)] = run
        except OSError as error:
            return self._put_off(run, str(error), now)
        closing.next_at = None
        return None


class Leftovers:
    """Looks once, when a daemon has come up, for containers of runs that nobody knows any more.

    `found(engine, run)` is called when the engine has answered, so that it can be compared with what is known then:
    a container is made only after its run is known.
    """

    def __init__(self, log: str, home: str, found: Callable[[str, str], None]) -> None:
        self._log, self._home, self._found = log, home, found
        self._by_pid: Dict[int, Tuple[str, str]] = {}

    def look(self, engines: List[str], env: Mapping[str, str]) -> None:
        """Ask each of the engines that this home has ever used."""
        label = home_label(self._home) if engines else ""
        for number, engine in enumerate(engines):
            log = f"{self._log}.{number}"
            if not os.access(engine, os.X_OK):
                continue
            try:
                pid = process.spawn(["/bin/sh", "-c", LIST, "sh", engine, label], log, env)
            except OSError as error:  # no process to be had; the next daemon looks again
                complain(f"{engine} cannot be asked for containers that were left behind: {error}")
                continue
            self._by_pid[pid] = engine, log

    def exited(self, pid: int) -> bool:
        """A child was reaped. False: it was none of these."""
        if pid not in self._by_pid:
            return False
        engine, log = self._by_pid.pop(pid)
        try:
            with open(log, encoding="utf-8", errors="replace") as file:
                runs = {match.group(1) for match in _NAME.finditer(file.read())}
            os.unlink(log)
        except OSError:  # the home is gone, and soon this daemon with it
            return True
        for run in sorted(runs):
            self._found(engine, run)
        return True


_NAME = re.compile(r"^xene-(\d{8}-\d{6}-[a-z2-9]{8})-", re.MULTILINE)


def remember(path: str, engine: str) -> None:
    """Note in the file `path` that this home uses `engine`. Raises OSError."""
    known = remembered(path)
    if engine not in known:
        write_whole(path, "".join(f"{one}\n" for one in [*known, engine]).encode("utf-8", "surrogateescape"))


def remembered(path: str) -> List[str]:
    """The engines that this home has ever used."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []
