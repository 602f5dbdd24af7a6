"""The live screen over a state as it is after years: how soon it is there, what keys, rest and floods cost.

`xene status` on a pseudo-terminal of 120 columns and 40 lines; what it writes is read as it comes. A key is
answered when the words that it brings have been written.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.timing import XENE
from tests import large
from xene.store import db

PIPELINES, RUNS = 5000, 200_000
COLUMNS, LINES = 120, 40
STARTS = 5
REST_SECONDS = 20.0
FLOOD_SECONDS = 10.0
EVENTS_A_SECOND = 5000
BATCH = 50  # events in one transaction of the flood
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SLOW_LINES = (9_600, 56_000)  # bits a second; ten for each byte
DEADLINE = 30.0

Row = tuple[str, str]


class Terminal:
    """A pseudo-terminal with the screen on it. `seen` is what was written since the last key."""

    def __init__(self, home: Path) -> None:
        self.begun = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            env = {**os.environ, "XENE_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            os.execve(sys.executable, [*XENE, "status"], env)
        self.seen = b""

    def press(self, keys: bytes) -> None:
        self.drain()
        self.seen = b""
        os.write(self._fd, keys)

    def until(self, words: bytes) -> float:
        """Read until it has written that; the seconds that took."""
        begun = time.perf_counter()
        while words not in self.seen:
            if time.perf_counter() - begun > DEADLINE:
                raise SystemExit(f"the screen never wrote {words!r}, but {self.seen[-2000:]!r}")
            self._read(1.0)
        return time.perf_counter() - begun

    def drain(self, seconds: float = 0.0) -> int:
        """Read for so long, or what is there; the bytes."""
        end, before = time.perf_counter() + seconds, len(self.seen)
        while True:
            left = end - time.perf_counter()
            if not self._read(max(0.0, left)) and left <= 0:
                return len(self.seen) - before

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            self.seen += os.read(self._fd, 65536)
        except OSError:  # so a terminal says that nobody is at its other end any more
            return False
        return True

    def leave(self) -> None:
        """End it, and read to the end: it waits for its last words to be taken."""
        os.kill(self.pid, signal.SIGTERM)
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            self.drain(0.02)
        os.close(self._fd)


@contextmanager
def _terminal(home: Path) -> Iterator[Terminal]:
    made = Terminal(home)
    try:
        yield made
    finally:
        made.leave()


def report() -> str:
    """All rows as Markdown."""
    with TemporaryDirectory() as root:
        home = Path(root)
        with db.open_state(str(home / "state.db")) as state:
            large.fill(state, PIPELINES, RUNS, now=time.time())
        rows = [*_starts(home), *_keys(home), *_rest(home), *_flood(home)]
    lines = [
        f"### The live screen, {PIPELINES:,} pipelines and {RUNS:,} runs in the state",
        "",
        "Budget: first paint under 1 s after start-up, a key answered in under 50 ms, under 150 MB.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {figure} |" for name, figure in rows),
    ]
    return "\n".join(lines) + "\n"


def _starts(home: Path) -> Iterator[Row]:
    """From the call to the first rows with their runs, against what Python and textual alone take to begin."""
    rows, written = [], 0
    for _ in range(STARTS):
        with _terminal(home) as screen:
            screen.until(b"w0000")
            screen.until("✓".encode())
            rows.append(time.perf_counter() - screen.begun)
            screen.drain(0.5)
            written = len(screen.seen)
    yield "from the call to the first rows, median", f"{statistics.median(rows):.2f} s"
    yield "of that, Python and the imports", f"{_imports():.2f} s"
    slow = ", ".join(f"{written * 10 / bits:.1f} s at {bits:,} bit/s" for bits in SLOW_LINES)
    yield "written for it", f"{written:,} bytes: {slow}"


def _imports() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import xene.commands.status, xene.tui.app"], check=True)
    return time.perf_counter() - begun


KEYS = [
    ("down", [(b"\x1b[B", f"w0000/p{number}".encode()) for number in range(9)]),
    ("page down", [(b"\x1b[6~", b"w00")] * 5),
    ("another part", [(b"3", b"VERSION"), (b"5", b"MESSAGE"), (b"2", b"TRIGGER"), (b"1", b"WAITS")]),
    ("a character of a filter", [(b"/", b"ords, and")] + [(char.encode(), b"w") for char in "w0342/p7"]),
    (
        "a run",
        [(b"\r", b"w0342"), (b"\r", b"Timeline"), (b"2", b"make"), (b"3", b"at work"), (b"1", b"lines")],
    ),
    ("esc, which may be the beginning of another key", [(b"\x1b", b"WAITS")]),
]


def _keys(home: Path) -> Iterator[Row]:
    with _terminal(home) as screen:
        screen.until("✓".encode())
        screen.drain(1.0)
        for name, keys in KEYS:
            took, written = [], []
            for key, words in keys:
                screen.press(key)
                took.append(screen.until(words))
                screen.drain(0.3)
                written.append(len(screen.seen))
            spread = f"{1000 * statistics.median(took):.0f} ms, at the most {1000 * max(took):.0f}"
            yield f"a key: {name}", f"{spread}; {statistics.median(written):,.0f} bytes"
        yield "resident then", f"{_resident(screen.pid):.0f} MB"


def _rest(home: Path) -> Iterator[Row]:
    with _terminal(home) as screen:
        screen.until("✓".encode())
        screen.drain(2.0)
        before, seen = _used(screen.pid), len(screen.seen)
        screen.drain(REST_SECONDS)
        used = _used(screen.pid) - before
        yield (
            f"{REST_SECONDS:g} s while nothing is written to the state",
            f"{100 * used / REST_SECONDS:.1f} % of a core, {(len(screen.seen) - seen) / REST_SECONDS:,.0f} bytes/s",
        )
        with _writing(home, 1, 1.0):
            before = _used(screen.pid)
            screen.drain(REST_SECONDS)
            used = _used(screen.pid) - before
        yield (
            f"{REST_SECONDS:g} s while something is written each second",
            f"{100 * used / REST_SECONDS:.1f} % of a core",
        )


def _flood(home: Path) -> Iterator[Row]:
    with _terminal(home) as screen:
        screen.until("✓".encode())
        screen.press(b"5")
        screen.until(b"MESSAGE")
        took = []
        with _writing(home, BATCH, BATCH / EVENTS_A_SECOND) as count:
            before, begun = _used(screen.pid), time.perf_counter()
            while time.perf_counter() - begun < FLOOD_SECONDS:
                for key, words in ((b"1", b"WAITS"), (b"5", b"MESSAGE")):
                    screen.press(key)
                    took.append(screen.until(words))
                    screen.drain(0.2)
            used, lasted = _used(screen.pid) - before, time.perf_counter() - begun
            rate = count[0] / lasted
        last = f"event {count[0] - 1} "
        behind = screen.until(last.encode())
        yield (
            f"a flood of {rate:,.0f} events a second",
            f"{100 * used / lasted:.0f} % of a core; a key {1000 * statistics.median(took):.0f} ms, at the most"
            f" {1000 * max(took):.0f}; its last event is shown {behind:.2f} s after it",
        )
        yield "resident then", f"{_resident(screen.pid):.0f} MB"


@contextmanager
def _writing(home: Path, batch: int, every: float) -> Iterator[list[int]]:
    """Somebody writes so many events at a time, at that pace, until this is left; how many there are."""
    count, stop = [0], threading.Event()

    def write() -> None:
        conn = sqlite3.connect(home / "state.db", isolation_level=None)
        due = time.perf_counter()
        while not stop.is_set():
            conn.execute("BEGIN IMMEDIATE")
            conn.executemany(
                "INSERT INTO events (at, kind, name, reason, message) VALUES (?, 'Run', 'r', 'Flood', ?)",
                [(time.time(), f"event {count[0] + each} of the flood") for each in range(batch)],
            )
            conn.execute("COMMIT")
            count[0] += batch
            due += every
            stop.wait(max(0.0, due - time.perf_counter()))
        conn.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()


def _used(pid: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
