"""A daemon that dies where a test wants it to: the real code, its points wrapped, in the test's own home.

`arm` lays `__main__.py` over that of the unpacked code in a test's home. Nothing of it is in what ships: production
code has no seam, and there is nothing that could be reached by accident.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from tests.agent.probe import DEADLINE, Probe, make_order, probing
from xene.errors import XeneError
from xene.transport import bundle
from xene.wire import messages

MAIN = r'''
import os, signal, sys, time
HERE = os.path.dirname(os.path.abspath(__file__))
PLAN = os.path.join(os.path.dirname(HERE), "faults")
sys.path.insert(0, HERE)
HITS = {}
REAL_OPEN, REAL_WRITE = os.open, os.write

def hit(point, last_act=lambda: None):
    """Die here if it is this point's turn: the first line of the plan, `POINT` or `POINT#HIT`."""
    try:
        with open(PLAN) as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return
    name, _, number = lines[0].partition("#")
    if name != point:
        return
    HITS[point] = HITS.get(point, 0) + 1
    if HITS[point] != int(number or 1):
        return
    with open(PLAN + ".new", "w") as file:
        file.write("\n".join(lines[1:]))
    os.replace(PLAN + ".new", PLAN)
    last_act()
    os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name, label, when=lambda *a: True):
    real = getattr(owner, name)
    def wrapped(*args, **kwargs):
        chosen = when(*args)
        if chosen:
            hit(label + ":before")
        found = real(*args, **kwargs)
        if chosen:
            hit(label + ":after")
        return found
    setattr(owner, name, wrapped)

def half(descriptor, data):
    """A write to the journal of which only a half arrives."""
    if len(data) > 1 and os.readlink("/proc/self/fd/%d" % descriptor).endswith("/journal"):
        hit("write:half", lambda: REAL_WRITE(descriptor, bytes(data)[: len(data) // 2]))
    return REAL_WRITE(descriptor, data)

def shift(real=time.time):
    """The wall clock, put forward or back by what the test says; CLOCK_BOOTTIME cannot be set by anybody."""
    try:
        with open(os.path.join(os.path.dirname(HERE), "clock")) as file:
            return real() + float(file.read())
    except FileNotFoundError:
        return real()

def look_often():
    """No timer of the kernel's: it would go by the real clock."""
    from xene.agent import alarms
    alarms._call = lambda which: None
    alarms.LOOK = 0.02
    if "xene.agent.duties" in sys.modules:
        sys.modules["xene.agent.duties"].LOOK = 0.02

def wrap():
    time.time = shift
    look_often()
    from xene.agent import attach, attempts, birth, daemon, home, journal, ledger, process, requests, steps
    from xene.agent import work, workspace
    ledger.COMPACT_ABOVE = 1
    for kind in ("run.accepted", "run.started", "step.started", "step.ended", "run.ended", "run.released",
                 "assigned", "slots.settled", "book", "clock.stepped", "run.held", "run.freed", "cancel.asked"):
        around(journal.Journal, "append", "append " + kind, lambda _, event, kind=kind: event["type"] == kind)
    os.write = half
    around(os, "fdatasync", "fdatasync")
    around(work.Work, "act", "act")
    around(work.Work, "_sweep", "sweep")
    around(attempts.Attempts, "_step_ended", "step ended")
    around(work.Work, "recover", "recover")
    around(attempts.Attempts, "take_over", "recover step")
    around(work.Work, "remove", "remove")
    around(workspace.RunDirectory, "make", "make run", lambda self: not self.made)
    around(workspace.Trash, "take", "trash")
    around(workspace, "write_script", "script")
    around(steps.Steps, "start", "start")
    around(steps.Steps, "adopt", "adopt")
    around(steps.Steps, "exited", "exited", lambda self, pid, status: pid in self._by_pid)
    around(os, "posix_spawn", "spawn", lambda path, argv, *a: argv[1].endswith("step.sh"))
    around(os, "rename", "rename journal", lambda a, b: b.endswith("/journal"))
    around(os, "rename", "rename wrapper", lambda a, b: b.endswith("/step.sh"))
    around(os, "rename", "rename pid", lambda a, b: b.endswith("/daemon.pid"))
    around(os, "execv", "exec", lambda *a: "daemon" in a[1])
    around(birth, "_take_lock", "lock")
    around(birth, "_listen", "listen")
    around(birth, "_say", "say")
    around(daemon.Daemon, "greet", "greet")
    around(requests.Requests, "_release", "release")
    around(requests.Requests, "_start", "order")
    around(requests.Requests, "_entrust", "entrust")
    around(requests.Requests, "_assign", "assign")
    if os.path.exists(os.path.join(os.path.dirname(HERE), "with-duties")):
        from xene.agent import accepting, duties, triggers
        around(triggers.Triggers, "_fire", "fire")
        around(triggers.Triggers, "_judge", "judge")
        around(accepting.Accepting, "accept", "accept")
        around(duties.Duties, "begin", "begin duties")
        duties.LOOK = 0.02
    around(attach, "prepare", "prepare")
    around(attach, "_start_daemon", "start daemon")

if len(sys.argv) > 1 and sys.argv[1] in ("attach", "daemon"):
    wrap()
    if "--hello" in sys.argv:
        hit("handed:before")
from xene.agent.main import main
sys.exit(main())
'''


def arm(home: str, *points: str) -> None:
    """The next daemon (or attach) in `home` dies at the first of `points`, the one after it at the second..."""
    if not os.path.isdir(
        os.path.join(home, "agent", bundle.build().sha)
    ):  # the sources changed under the tests
        with probing(home):
            pass
    for name in os.listdir(os.path.join(home, "agent")):
        main = os.path.join(home, "agent", name, "__main__.py")
        if os.path.isfile(main):
            shutil.rmtree(os.path.join(home, "agent", name, "__pycache__"), ignore_errors=True)
            with open(main, "w") as file:
                file.write(MAIN)
    with open(_plan(home), "w") as file:
        file.write("\n".join(points) + "\n")


def arm_duties(home: str, *points: str) -> None:
    """The same for points of triggers too, which most daemons never import."""
    arm(home, *points)
    open(os.path.join(home, "agent", "with-duties"), "w").close()


def set_clock(home: str, seconds: float) -> None:
    """Move the wall clock of the armed daemons of `home` by so much."""
    path = os.path.join(home, "agent", "clock")
    with open(path + ".new", "w") as file:
        file.write(str(seconds))
    os.rename(path + ".new", path)


def pending(home: str) -> list[str]:
    """The points at which nobody has died yet."""
    with open(_plan(home)) as file:
        return file.read().split()


def _plan(home: str) -> str:
    return os.path.join(home, "agent", "faults")


class Stubborn:
    """A control host that goes on: it connects again whenever the agent left, and repeats what it wants."""

    def __init__(self, home: str, version: str = "test") -> None:
        self.home, self.version = home, version
        self.events: list[dict[str, Any]] = []
        self.orders: dict[str, Any] = {}
        self.journal: str | None = None
        self.journals: list[str] = []
        self.probe: Probe | None = None
        self.wishes: list[dict[str, Any]] = []

    def order(self, pipeline: dict[str, Any]) -> str:
        order = make_order(pipeline)
        self.orders[order.id] = order
        self.wish(messages.start(1, order.to_json()))
        return order.id

    def wish(self, message: dict[str, Any]) -> None:
        """Say it now and after each reconnect. Every message of control is idempotent."""
        self.wishes.append(message)
        if self.probe is not None:
            self._try(lambda probe: probe.say(message))

    def until(self, condition: Any) -> Any:
        deadline = time.monotonic() + DEADLINE
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, (self.events[-4:], pending(self.home), log_of(self.home))
            if self.probe is None:
                self._connect()
            else:
                self._try(lambda probe: probe._take())

    def has(self, kind: str, run: str) -> bool:
        return any(event["type"] == kind and event.get("run") == run for event in self.events)

    def ended(self, run: str) -> Any:
        self.until(lambda: self.has("run.ended", run))
        assert self.probe is not None
        return self.probe.progress(run)

    def logs(self, run: str) -> dict[tuple[str, str], bytes]:
        self.until(lambda: self.probe)
        assert self.probe is not None
        return self.probe.read_logs(run)

    def close(self) -> None:
        if self.probe is not None:
            self.probe.close()
            self.probe = None

    def _connect(self) -> None:
        last = self.events[-1]["n"] if self.events else 0
        try:
            self.probe = Probe(self.home, journal=self.journal, after=last, version=self.version)
        except (XeneError, AssertionError):
            return
        found = self.probe.hello["journal"]
        if found != self.journal:
            self.journal = found
            self.journals.append(found)
        self.probe.orders = self.orders
        self.events += self.probe.events
        self.probe.events = self.events
        for message in self.wishes:
            self._try(lambda probe, message=message: probe.say(message))

    def _try(self, act: Any) -> None:
        if self.probe is None:
            return
        try:
            act(self.probe)
        except (XeneError, AssertionError, OSError):
            self.close()


def log_of(home: str) -> str:
    from tests.agent.probe import STATE

    try:
        with open(os.path.join(home, STATE, "probe", "daemon.log")) as file:
            return file.read()[-3000:]
    except OSError:
        return ""
