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
from xene.tui.kept import Kept
from xene.tui.log_lines import colored

TAIL = 1000  # lines that are read at first
MORE = 10  # times as many are read when more is wanted
KEPT = 100_000  # lines that are kept of one that is followed
PIECE = 256 * 1024  # bytes that are taken at once
HEAVIEST = 32 * 1024 * 1024  # characters of them all that are kept
FRAME = 0.1  # seconds between two drawings of what came
QUIET = 2.0  # seconds without a word, after which all that was there when a log was asked for has come


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
        self._tail = TAIL
        self._kept = Kept(TAIL)
        self._next: Kept | None = None  # what is read anew, until it has reached what is shown
        self._owed = False  # it is to be read anew once whoever reads further up is at the end again
        self._timer: Timer | None = None
        self._ended = ""
        self._search = ""
        self._at = -1  # the line of the match that was gone to last
        self._seeks = False  # another log was opened, or more of it, while something is searched for
        self._stays = False  # what is scrolled now is what lies under the reader, who stays where he is
        self._shown: dict[int, Strip] = {}

    @property
    def lines(self) -> Sequence[str]:
        """What was read and is kept; the last line may go on."""
        return self._kept.lines

    def say(self) -> str:
        """What is to be said of it: whether it is followed, how much of it is here, what went wrong."""
        words = [self._found()] if self._search else []
        words += [self._extent()] if self.matches() or not self._search else []
        words += ["follows"] if self.following and self._follows and self._process is not None else []
        words += ["more may have come: f"] if self._owed else []
        return ", ".join(words) + (f"; {self._ended}" if self._ended else "")

    def _found(self) -> str:
        """How often what is searched for stands here, and at which of those places one is."""
        found = self.matches()
        if not found:
            return f"'{self._search}': 0 in {'the last ' if self._kept.has_earlier else ''}{self._extent()}"
        here = f"{found.index(self._at) + 1:,}" if self._at in found else "-"
        return f"'{self._search}': {here} of {len(found):,}"

    def _extent(self) -> str:
        """How much of it is here."""
        count = len(self.lines)
        more = " (m: earlier ones)" if self._kept.has_earlier and self._may_read_more else ""
        return f"{count:,} line{'' if count == 1 else 's'}{more}"

    @property
    def _may_read_more(self) -> bool:
        """Whether another reading could give earlier lines, if there are any, and keep them."""
        kept = self._kept
        return kept.tail <= len(kept.lines) and kept.tail < KEPT and not kept.gone

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
        if not known:
            self._begin()
        else:
            if not follow and (self._waits or self._process is None):
                self._leave()
            self._read_anew()

    def _begin(self) -> None:
        self._ended, self._at, self._seeks, self.following = "", -1, True, True
        self._tail, self._next = TAIL, None
        self._show(Kept(TAIL))
        self._start()

    def _start(self) -> None:
        self._owed = False
        self.run_worker(self._read(), exclusive=True, group="log")

    def _leave(self) -> None:
        """Who reads it would do a controller's work now."""
        self.workers.cancel_group(self, "log")
        self._waits = False

    def _read_anew(self) -> None:
        """At once; for somebody who reads further up, once he is at the end again."""
        if self.following:
            self._start()
        elif not self._owed:
            self._owed = True
            self.post_message(self.Changed())

    def again(self) -> None:
        """Read it once more, where there may be more than was read: nobody follows it, or who did was ended."""
        unread = self._broken or not (self._follows or self._over)
        if self._process is None and self._line is not None and unread:
            self._read_anew()

    def _follow(self, following: bool) -> None:
        """Whether one is at the end, and stays there, is something else."""
        self.following = following
        if following and self._owed:
            self._start()
        self.post_message(self.Changed())

    async def _read(self) -> None:
        """What was read before stays until this has reached it."""
        assert self._line is not None
        kept, follows = Kept(self._tail), self._follows
        how = ["--tail", str(self._tail), "--mark-attempts", *(["-f"] if follows else [])]
        try:
            process = await self._line.start(["logs", *self._words, *how])
        except NotStarted as error:
            self._ended, self._broken, self._next = str(error), True, None
            self._come()
            return
        self._process, self._waits, self._ended, self._broken = process, follows, "", False
        self._take(kept)
        assert process.stderr is not None
        complaint = asyncio.create_task(process.stderr.read())
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            while data := await self._piece(process, kept):
                self._add(kept, decoder.decode(data))
            kept.end()
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
            if self._next is kept and not (kept.settled and kept.lines):
                self._next = None  # it did not come far enough
            self._come()

    async def _piece(self, process: asyncio.subprocess.Process, kept: Kept) -> bytes:
        """The next piece. Where none comes for a while, all that was there when it was asked for is here."""
        assert process.stdout is not None
        if kept.lines and not kept.settled:
            try:
                return await asyncio.wait_for(process.stdout.read(PIECE), QUIET)
            except TimeoutError:
                kept.settle()
                self._come()
        return await process.stdout.read(PIECE)

    def _take(self, kept: Kept) -> None:
        """This is what is read now."""
        if self.lines:
            self._next = kept
        else:
            self._next = None
            self._show(kept)

    def _add(self, kept: Kept, text: str) -> None:
        if kept is self._kept:
            self._shown.pop(len(kept.lines) - 1, None)  # it may go on
        kept.add(text)
        self._come()

    def _let_go(self) -> None:
        """Only so many lines are kept, and fewer where they are long. Who reads further up keeps his below him."""
        count = self._kept.let_go(KEPT, HEAVIEST)
        if count:
            self._at = max(-1, self._at - count)
            self._shown.clear()
            if not self.following:
                self._stay_at(self.scroll_y - count)

    def _come(self) -> None:
        """Something came: it is drawn with the next frame, however much more comes until then."""
        if self._timer is None and self.is_attached:
            self._timer = self.set_timer(FRAME, self._draw)

    def _draw(self) -> None:
        self._timer = None
        if self._next is not None and self._is_due(self._next):
            self._change_to(self._next)
        self._let_go()
        self._measure()
        if self._seeks and self.matches():
            self._seeks = False
            self.call_after_refresh(self._go, self.matches()[-1])
        elif self.following:
            self.call_after_refresh(self.scroll_to, y=len(self.lines), animate=False, immediate=True)
        self.post_message(self.Changed())

    def _is_due(self, kept: Kept) -> bool:
        """Whether what is read anew is to be shown."""
        if kept.let_go(KEPT, HEAVIEST) or kept.settled:
            return bool(kept.lines)
        return kept.has_reached(self._kept) or (self.following and len(kept.lines) > kept.tail)

    def _change_to(self, kept: Kept) -> None:
        """Show what was read anew. Whoever reads further up stays where he is, and at his match."""
        top = self._kept.place_in(kept, round(self.scroll_offset.y))
        self._at = self._kept.place_in(kept, self._at) if self._at >= 0 else -1
        self._next = None
        self._show(kept)
        if not (self.following or self._seeks):
            self._stay_at(top)

    def _show(self, kept: Kept) -> None:
        self._kept = kept
        self._shown.clear()
        self._measure()

    def _stay_at(self, y: float) -> None:
        """The same lines are elsewhere now."""
        self._stays = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._stays = False

    def action_more(self) -> None:
        """Read more of what came before."""
        if self._line is None or self._next is not None or not self._may_read_more:
            return
        while self._tail <= len(self.lines) and self._tail < KEPT:
            self._tail *= MORE
        self._seeks = self.searched and not self.matches()
        self._start()

    def action_follow(self) -> None:
        self._seeks = False
        self._follow(not self.following)
        self._come()

    # -- drawing

    def _measure(self) -> None:
        self.virtual_size = Size(self._kept.widest, len(self.lines))
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        following = self.following
        if new_value < old_value <= self.max_scroll_y:  # else the log is another one, and shorter
            following = False
        elif new_value >= self.max_scroll_y:
            following = True
        if following != self.following and not self._stays:
            self._follow(following)

    def render_line(self, y: int) -> Strip:
        across, down = self.scroll_offset
        at, width, base = y + down, self.size.width, self.rich_style
        if at >= len(self.lines):
            return Strip.blank(width, base)
        return self._strip(at, base).crop_extend(across, across + width, base)

    def _strip(self, at: int, base: Style) -> Strip:
        """A whole line as it is drawn."""
        found = self._shown.get(at)
        if found is None:
            text = colored(self.lines[at])
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
        self._search, self._at, self._seeks = text, -1, False
        self._shown.clear()
        found = self.matches()
        if found:
            self._go(found[-1])
        self.refresh()
        self._come()

    def matches(self) -> list[int]:
        """The lines in which what is searched for stands."""
        return self._kept.matches(self._search)

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
