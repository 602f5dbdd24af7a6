"""What a step said: the end of its log at once, however long it is, and what comes after, as it comes.

It is `xene logs`, run as a process of its own: a log of a gigabyte never is in this one, and leaving it ends that.
Colours are kept, everything else that would steer the terminal is made visible. Used by the screen of a run.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from typing import ClassVar, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from xene.plan.drawing.spans import clean
from xene.tui.commandline import CommandLine, NotStarted, end
from xene.tui.log_lines import LONGEST, begun, colored, shortened, uncolored

TAIL = 1000  # lines that are read at first
MORE = 10  # times as many are read when more is wanted
KEPT = 100_000  # lines that are kept of one that is followed
PIECE = 256 * 1024  # bytes that are taken at once
HEAVIEST = 32 * 1024 * 1024  # characters of them all that are kept
FRAME = 0.1  # seconds between two drawings of what came


class Log(ScrollView, can_focus=True):
    """`open` shows another log. It follows until somebody scrolls up, and again from the end on."""

    DEFAULT_CSS = "Log { height: 1fr; scrollbar-size: 1 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
    ]

    class Changed(Message):
        """What is to be said of the log is something else."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._line: CommandLine | None = None
        self._words: tuple[str, ...] = ()
        self._follows = self.following = False
        self._attempt, self._over = 0, False
        self._waits = False  # what reads it goes on until the run has ended, and might do a controller's work
        self._broken = False  # what read it did not come to its end
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[str] = []
        self._weight = 0  # characters in all of them
        self._matches: list[int] | None = None
        self._fresh = False
        self._tail = TAIL
        self._timer: Timer | None = None
        self._ended = ""
        self._search = ""
        self._at = -1  # the line of the match that was gone to last
        self._seeks = False  # another log was opened, or more of it, while something is searched for
        self._shown: dict[int, Strip] = {}

    @property
    def lines(self) -> Sequence[str]:
        """What was read and is kept."""
        return self._lines

    def say(self) -> str:
        """What is to be said of it: whether it is followed, how much of it is here, what went wrong."""
        words = [self._found()] if self._search else []
        words += [self._extent()] if self.matches() or not self._search else []
        words += ["follows"] if self.following and self._follows and self._process is not None else []
        return ", ".join(words) + (f"; {self._ended}" if self._ended else "")

    def _found(self) -> str:
        """How often what is searched for stands here, and at which of those places one is."""
        found = self.matches()
        if not found:
            return f"'{self._search}': 0 in {'the last ' if self.has_earlier else ''}{self._extent()}"
        here = found.index(self._at) + 1 if self._at in found else "-"
        return f"'{self._search}': {here} of {len(found):,}"

    def _extent(self) -> str:
        """How much of it is here."""
        count = len(self._lines)
        return f"{count:,} line{'' if count == 1 else 's'}" + (
            " (m: earlier ones)" if self.has_earlier else ""
        )

    @property
    def has_earlier(self) -> bool:
        """Whether there may be earlier lines that can be read."""
        return len(self._lines) >= self._tail and self._tail < KEPT

    # -- which log

    def open(
        self, line: CommandLine, words: Sequence[str], *, follow: bool, attempt: int = 1, over: bool = False
    ) -> None:
        """Show the log that `xene logs WORDS` prints; `follow`: also what comes, until it is `over`.

        What is known is read anew where the run is tried again, and where it is over but was not followed so far.
        """
        known = tuple(words) == self._words and self._line is not None
        followed, tried = self._follows and not self._ended, self._attempt
        now = (follow and not over, attempt, over)
        if known and now == (self._follows, self._attempt, self._over) and (follow or not self._waits):
            return
        self._line, self._words = line, tuple(words)
        self._follows, self._attempt, self._over = now
        if known and over and follow and followed and attempt == tried:
            return  # who follows it gives the rest, or has done so
        if known:
            self.run_worker(self._read(), exclusive=True, group="log")
        else:
            self._tail = TAIL
            self._begin()

    def _begin(self) -> None:
        self._ended, self._at, self._seeks, self.following = "", -1, True, True
        self._clear()
        self._measure()
        self.run_worker(self._read(), exclusive=True, group="log")

    def _clear(self) -> None:
        self._lines, self._weight, self._matches, self._shown = [], 0, None, {}

    def again(self) -> None:
        """Read it once more, where there may be more than was read: nobody follows it, or who did was ended."""
        unread = self._broken or not (self._follows or self._over)
        if self._process is None and self._line is not None and unread:
            self.run_worker(self._read(), exclusive=True, group="log")

    async def _read(self) -> None:
        """What was read before stays until the first of this is there."""
        assert self._line is not None
        self._fresh = True
        how = ["--tail", str(self._tail), "--mark-attempts", *(["-f"] if self._follows else [])]
        words = ["logs", *self._words, *how]
        try:
            process = await self._line.start(words)
        except NotStarted as error:
            self._ended, self._broken = str(error), True
            self._come()
            return
        self._process, self._ended, self._broken, self._waits = process, "", False, self._follows
        assert process.stdout is not None and process.stderr is not None
        complaint = asyncio.create_task(process.stderr.read())
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        try:
            while data := await process.stdout.read(PIECE):
                rest = self._add(rest + decoder.decode(data))
            if rest:
                self._add(rest + "\n")
            said = clean((await complaint).decode("utf-8", "replace"))
            code = await process.wait()
            self._ended = said or (f"xene logs ended with code {code}" if code else "")
            self._broken = code != 0
        finally:
            if process.returncode is None:
                end(process)
                await process.wait()
            if self._process is process:
                self._process, self._waits = None, False
            self._come()

    def _add(self, text: str) -> str:
        """Take whole lines; give what is left of the last one."""
        *lines, rest = text.split("\n")
        lines = [line if len(line) <= LONGEST else shortened(line) for line in lines]
        rest = rest if len(rest) <= LONGEST else begun(rest)
        if self._fresh:
            self._fresh = False
            self._clear()
        self._lines += lines
        self._weight += sum(map(len, lines))
        self._matches = None
        self._let_go()
        self._come()
        return rest

    def _let_go(self) -> None:
        """Only so many lines are kept, and fewer where they are long."""
        count, weight = max(0, len(self._lines) - KEPT), self._weight
        weight -= sum(map(len, self._lines[:count]))
        while weight > HEAVIEST:
            weight -= len(self._lines[count])
            count += 1
        if count:
            del self._lines[:count]
            self._weight, self._at = weight, max(-1, self._at - count)
            self._shown.clear()

    def _come(self) -> None:
        """Something came: it is drawn with the next frame, however much more comes until then."""
        if self._timer is None and self.is_attached:
            self._timer = self.set_timer(FRAME, self._draw)

    def _draw(self) -> None:
        self._timer = None
        self._measure()
        if self._seeks and self.matches():
            self._seeks = False
            self.call_after_refresh(self._go, self.matches()[-1])
        elif self.following:
            self.call_after_refresh(self.scroll_to, y=len(self._lines), animate=False, immediate=True)
        self.post_message(self.Changed())

    def action_more(self) -> None:
        """Read more of what came before."""
        if self.has_earlier and self._line is not None:
            self._tail *= MORE
            self._begin()

    def action_follow(self) -> None:
        self.following, self._seeks = not self.following, False
        self._come()

    # -- drawing

    def _measure(self) -> None:
        widest = max((len(line) for line in self._lines[-2000:]), default=0)
        self.virtual_size = Size(widest, len(self._lines))
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        before = self.following
        if new_value < old_value <= self.max_scroll_y:  # else the log is another one, and shorter
            self.following = False
        elif new_value >= self.max_scroll_y:
            self.following = True
        if self.following != before:
            self.post_message(self.Changed())

    def render_line(self, y: int) -> Strip:
        across, down = self.scroll_offset
        at, width, base = y + down, self.size.width, self.rich_style
        if at >= len(self._lines):
            return Strip.blank(width, base)
        return self._strip(at, base).crop_extend(across, across + width, base)

    def _strip(self, at: int, base: Style) -> Strip:
        """A whole line as it is drawn."""
        found = self._shown.get(at)
        if found is None:
            text = colored(self._lines[at])
            if self._search:
                text.highlight_regex(re.compile(re.escape(self._search), re.IGNORECASE), Style(reverse=True))
            parts = (part for part in text.render(self.app.console) if part.text != "\n")
            found = Strip([Segment(part.text, base + (part.style or Style())) for part in parts])
            if len(self._shown) > 1000:
                self._shown.clear()
            self._shown[at] = found
        return found

    def restyle(self) -> None:
        """The theme is another one."""
        self._shown.clear()
        self.refresh()

    # -- search

    def search(self, text: str) -> None:
        """Mark where this stands, whatever its case, and go to the last place."""
        if text == self._search:
            return
        self._search, self._at, self._seeks, self._matches = text, -1, False, None
        self._shown.clear()
        found = self.matches()
        if found:
            self._go(found[-1])
        self.refresh()
        self._come()

    def matches(self) -> list[int]:
        """The lines in which what is searched for stands."""
        if self._matches is None:
            wanted = self._search.lower()
            found = (at for at, line in enumerate(self._lines) if wanted in uncolored(line).lower())
            self._matches = list(found) if wanted else []
        return self._matches

    @property
    def searched(self) -> bool:
        """Whether something is searched for."""
        return bool(self._search)

    def action_match(self, by: int) -> None:
        """Go to the next place, or to the one before; behind the last one to the first."""
        found = self.matches()
        if found:
            here = self._at if self._at >= 0 else round(self.scroll_offset.y)
            later = (
                [at for at in found if at > here] if by > 0 else [at for at in reversed(found) if at < here]
            )
            self._go(later[0] if later else found[0 if by > 0 else -1])
            self._come()

    def _go(self, at: int) -> None:
        self.following, self._seeks, self._at = False, False, at
        self.scroll_to(y=at, animate=False, immediate=True)
        self.post_message(self.Changed())
