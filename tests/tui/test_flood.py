"""While thousands of events a second are written, and lines said: looks and drawings are few, keys are answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator, Sequence

import pytest

from tests.fleet import Fleet, fleet
from tests.tui import flood
from tests.tui.conftest import DEADLINE, Seat, play, seated, stubbed
from tests.tui.tmux import ROOT
from xene.tui import questions
from xene.tui.app import TICK, Status
from xene.tui.log import FRAME, Log
from xene.tui.reader import LOOK
from xene.tui.run import Run
from xene.tui.sheet import Sheet

QUESTIONS = ("everything", "events", "run")
PER_LOOK, PER_KEY, PER_TICK = (
    6,
    6,
    4,
)  # drawings that each of these may cause: parts of the screen, one by one


@pytest.fixture
def running(home: Path) -> Path:
    """The shop, and the runs of the flood, which have just been sent."""
    flood.send(home)
    return home


class Counts:
    """What was asked of the state, and how often the terminal was drawn to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[str] = []
        self.drawings = self.keys = 0
        self.begun = time.monotonic()
        for name in QUESTIONS:
            monkeypatch.setattr(questions, name, self._asked(name, getattr(questions, name)))
        monkeypatch.setattr(Status, "_display", self._drawn(Status._display))

    def begin(self) -> None:
        self.looks.clear()
        self.drawings = self.keys = 0
        self.begun = time.monotonic()

    def _asked(self, name: str, question: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*words: Any) -> Any:
            self.looks.append(name)
            return question(*words)

        return asked

    def _drawn(self, display: Any) -> Any:
        def drawn(app: Status, screen: Any, renderable: Any) -> None:
            self.drawings += renderable is not None
            display(app, screen, renderable)

        return drawn

    def check(self) -> None:
        """Nothing was asked more often than one looks; drawn was what that found, what keys did, the clock."""
        took = time.monotonic() - self.begun
        for name in QUESTIONS:
            assert self.looks.count(name) <= took / LOOK + 3
        allowed = PER_LOOK * (took / LOOK + 3) + PER_KEY * self.keys + PER_TICK * took / TICK
        assert self.drawings <= allowed
        assert len(self.looks) < flood.TOLD and self.drawings < flood.EVENTS / 10


async def keep_pressing(
    seat: Seat, counts: Counts, keys: Sequence[str], writer: asyncio.subprocess.Process
) -> None:
    """Keys that move the cursor, each of which does so, until that has written it all."""
    for key in itertools.cycle(keys):
        if writer.returncode is not None:
            break
        before = cursor(seat)
        await seat.press(key)
        counts.keys += 1
        await seat.until(lambda before=before: cursor(seat) != before, f"{key} moves the cursor")
    assert writer.returncode == 0 and counts.keys > 3


def cursor(seat: Seat) -> int:
    screen = seat.app.screen
    sheet = screen._tree if isinstance(screen, Run) else seat.main.pane.sheet
    return sheet.cursor


async def overview(seat: Seat) -> None:
    await seat.sees("▾ shed 2")


async def listed(seat: Seat) -> None:
    await seat.press("5")
    await seat.sees("MESSAGE")


async def watched(seat: Seat) -> None:
    seat.app.open_run(flood.RUNS[-1])
    await seat.sees("task-0")


def at_the_top(seat: Seat, words: tuple[str, ...]) -> bool:
    """Whether all of it can be read there. The cursor stays on its row as others come, and that stays in sight."""
    sheet = seat.app.screen.focused
    assert isinstance(sheet, Sheet)
    sheet.action_move_to(0)
    return all(word in seat.text for word in words)


@pytest.mark.parametrize(
    ("begin", "last"),
    [
        (overview, ("dig", "✓" * 10 + " ")),
        (listed, (f"event {flood.TOLD - 1} of the flood",)),
        (watched, ("✓ Success", "✓ task-0")),
    ],
)
def test_a_flood_of_events(
    running: Path,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[[Seat], Awaitable[None]],
    last: tuple[str, ...],
) -> None:
    counts = Counts(monkeypatch)

    async def scene() -> None:
        async with stubbed(running) as seat:
            await begin(seat)
            counts.begin()
            writer = await asyncio.create_subprocess_exec(*flood.COMMAND, str(running), cwd=ROOT)
            await keep_pressing(seat, counts, ("down", "up"), writer)
            await seat.until(lambda: at_the_top(seat, last), f"{last}")
            counts.check()

    play(scene)


LINES = 15_000
TALK = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: talk}
spec:
  pipelines:
    talk:
      placement: {agent: host-1}
      tasks:
        t:
          steps:
            - name: s
              run: |
                echo ready
                until [ -e GO_ON ]; do sleep 0.02; done
                for i in $(seq 0 74); do seq $((i * 200 + 1)) $((i * 200 + 200)); sleep 0.04; done
                until [ -e DONE ]; do sleep 0.02; done
"""


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, "local+controller", 1) as made:
        words = TALK.replace("GO_ON", str(made.root / "go-on")).replace("DONE", str(made.root / "done"))
        made.write("talk.yaml", words)
        made.apply()
        yield made


def test_a_step_that_says_5000_lines_a_second(talk: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real agent, followed: every line comes, some frames are drawn, keys are answered all the while."""
    drawn: list[float] = []
    draw = Log._draw
    monkeypatch.setattr(Log, "_draw", lambda log: (drawn.append(time.monotonic()), draw(log))[1])
    run = talk.xene("run", "talk/talk").out.strip()

    async def scene() -> None:
        async with seated(talk.home, (100, 30)) as seat:
            seat.app.open_run(run)
            await seat.sees(
                "follows", "● s", "t/s | ready"
            )  # else it may begin to follow behind the first lines
            log = seat.app.screen.query_one(Log)
            drawn.clear()
            begun, keys = time.monotonic(), 0
            (talk.root / "go-on").touch()
            for key, words in itertools.cycle((("2", "│ ● t │"), ("1", "follows"))):
                assert time.monotonic() < begun + DEADLINE, f"only {len(log.lines)} lines came\n{seat.text}"
                await seat.press(key)
                await seat.sees(words)
                keys += 1
                if len(log.lines) > LINES and key == "1":
                    break
            said = [line.split(" | ")[1] for line in log.lines]
            assert said == ["ready", *(str(at + 1) for at in range(LINES))]
            assert len(drawn) <= (time.monotonic() - begun) / FRAME + keys + 3
            await seat.sees(f"t/s | {LINES}", f"{LINES + 1:,} lines")
            (talk.root / "done").touch()
            await seat.sees("✓ Success")

    play(scene)
